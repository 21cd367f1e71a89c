package command

import (
	"os"
	"path/filepath"
	"testing"

	"nfs-exportd/render/exportfs"
)

func TestSameFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, sub := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"a", "a", true},
		{"link", "a", true},
		{"a", "link", true},
		{"b/../link/", "a", true},
		{"a", "b", false},
		{"nothing", "nothing", true},
		{"nothing", "other", false},
		{"nothing", "a", false},
		{"a", "nothing", false},
	} {
		if got := sameFile(dir+"/"+test.a, dir+"/"+test.b); got != test.want {
			t.Errorf("%s and %s: %t", test.a, test.b, got)
		}
	}
	t.Run("by its name", func(t *testing.T) {
		t.Parallel()
		if !sameFile("/etc/../etc/exports.d/", exportfs.ExportsDir) {
			t.Error("the directory of exportfs is not itself")
		}
	})
}
