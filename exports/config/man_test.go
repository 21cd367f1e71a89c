package config

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestManualKeys checks that nfs-mounts.yaml(5) has an item for each key of the
// configuration, and no others. The keys of maintenance are in its text.
func TestManualKeys(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../man/nfs-mounts.yaml.5")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for level, keys := range knownKeys {
		macro := map[bool]string{false: ".It Ic ", true: ".Ic "}[level == levelMaintenance]
		for _, key := range keys {
			want = append(want, macro+key)
		}
	}
	all := slices.Concat(slices.Collect(maps.Values(knownKeys))...)
	for line := range strings.SplitSeq(string(page), "\n") {
		mention, ok := strings.CutPrefix(line, ".Ic ")
		mention, _, _ = strings.Cut(mention, " ")
		unknown := func(key string) bool { return !slices.Contains(all, key) }
		inText := slices.Contains(knownKeys[levelMaintenance], mention) && !slices.Contains(got, ".Ic "+mention)
		if ok && (inText || slices.ContainsFunc(strings.Split(mention, "."), unknown)) {
			got = append(got, ".Ic "+mention)
		} else if strings.HasPrefix(line, ".It Ic ") {
			got = append(got, line)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-must have +has:\n%s", diff)
	}
}
