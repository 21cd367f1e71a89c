package exports

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestManualKeys checks that nfs-mounts.yaml(5) has each key of the configuration,
// and no others. Those of maintenance are in its text.
func TestManualKeys(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../man/nfs-mounts.yaml.5")
	if err != nil {
		t.Fatal(err)
	}
	var documented, real []string
	for _, match := range regexp.MustCompile(`(?m)^\.It Ic (\w+)$`).FindAllSubmatch(text, -1) {
		documented = append(documented, string(match[1]))
	}
	for level, keys := range knownKeys {
		for _, key := range keys {
			if level != levelMaintenance {
				real = append(real, key)
			} else if !regexp.MustCompile(`(?m)^\.Ic ` + key + `\b`).Match(text) {
				t.Errorf("the page does not tell of %s of maintenance", key)
			}
		}
	}
	slices.Sort(documented)
	slices.Sort(real)
	if diff := cmp.Diff(real, documented); diff != "" {
		t.Errorf("keys (-program +man page):\n%s", diff)
	}
}
