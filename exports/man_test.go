package exports

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestManualReasons checks that nfs-exportd(8) has each reason, and no others.
func TestManualReasons(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../man/nfs-exportd.8")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("compare.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n.Sh REASONS\n")
	section, _, _ = strings.Cut(section, "\n.Sh ")
	var want, got []string
	for line := range strings.SplitSeq(section, "\n") {
		if strings.HasPrefix(line, ".It ") {
			got = append(got, line)
		}
	}
	for line := range strings.Lines(string(source)) {
		if words := strings.Fields(line); len(words) == 4 && words[1] == "Reason" {
			want = append(want, ".It Cm "+strings.Trim(words[3], `"`))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-must have +has:\n%s", diff)
	}
}
