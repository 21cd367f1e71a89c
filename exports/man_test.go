package exports

import (
	"os"
	"regexp"
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
	var documented, real []string
	for _, match := range regexp.MustCompile(`(?m)^\.It Cm (\S+)$`).FindAllStringSubmatch(section, -1) {
		documented = append(documented, match[1])
	}
	for _, match := range regexp.MustCompile(`(?m)^\t\w+ +Reason += "(.*)"$`).FindAllSubmatch(source, -1) {
		real = append(real, string(match[1]))
	}
	if diff := cmp.Diff(real, documented); diff != "" {
		t.Errorf("reasons (-program +man page):\n%s", diff)
	}
}
