package spelling_test

import (
	"slices"
	"strings"
	"testing"

	"nfs-exportd/spelling"
)

// FuzzNearest: a guess is one of the known words, and the same whatever the
// letters' case; a known word is its own.
func FuzzNearest(f *testing.F) {
	known := []string{"max_removed", "max_removed_percent", "mounts", "gid", "options"}
	for _, word := range append(slices.Clone(known), "removed_max", "MaxRemoved", "", "option", "\xff") {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		got := spelling.Nearest(word, known)
		if got != "" && !slices.Contains(known, got) {
			t.Errorf("%q: %q", word, got)
		}
		if slices.Contains(known, word) && got != word {
			t.Errorf("%q: %q", word, got)
		}
		if again := spelling.Nearest(strings.ToLower(word), known); again != got {
			t.Errorf("%q: %q, and in lower case %q", word, got, again)
		}
		if len(word) > 22 && got != "" {
			t.Errorf("%q is near %q", word, got)
		}
	})
}
