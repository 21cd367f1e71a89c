package config

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestManualKeys checks that nfs-mounts.yaml(5) has each key of the configuration,
// and no others. Those of maintenance are in its text.
func TestManualKeys(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../man/nfs-mounts.yaml.5")
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
	// All that the text speaks of are keys too, some of them in others.
	all := slices.Concat(slices.Collect(maps.Values(knownKeys))...)
	for _, match := range regexp.MustCompile(`(?m)^\.Ic (\S+)`).FindAllSubmatch(text, -1) {
		for key := range strings.SplitSeq(string(match[1]), ".") {
			if !slices.Contains(all, key) {
				t.Errorf("the page speaks of %s, which is no key", match[1])
			}
		}
	}
	slices.Sort(documented)
	slices.Sort(real)
	if diff := cmp.Diff(real, documented); diff != "" {
		t.Errorf("keys (-program +man page):\n%s", diff)
	}
}
