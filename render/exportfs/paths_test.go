package exportfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckPaths(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755),
		os.Symlink(filepath.Join(dir, "a"), filepath.Join(dir, "link")),
		os.Symlink("nowhere", filepath.Join(dir, "dangling")),
		os.WriteFile(filepath.Join(dir, "file"), nil, 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		path  string
		fatal bool
		text  string // in the problem; empty for no problem
	}{
		{"/", false, ""},
		{dir + "/a", false, ""},
		{dir + "/a/b", false, ""},
		{dir + "/none", false, "does not exist"},
		{dir + "/none/none", false, "does not exist"},
		{dir + "/link", true, dir + "/link is a symbolic link"},
		{dir + "/link/b", true, dir + "/link is a symbolic link"},
		{dir + "/link/none", true, dir + "/link is a symbolic link"},
		{dir + "/dangling", true, dir + "/dangling is a symbolic link"},
		{dir + "/file", true, dir + "/file is not a directory"},
		{dir + "/file/x", true, dir + "/file is not a directory"},
	}
	for _, test := range tests {
		problems := CheckPaths([]string{test.path})
		switch {
		case test.text == "" && len(problems) == 0:
		case len(problems) != 1 || test.text == "":
			t.Errorf("%s: %v", test.path, problems)
		case problems[0].Path != test.path || problems[0].Fatal != test.fatal || !strings.Contains(problems[0].Error(), test.text):
			t.Errorf("%s: fatal %t: %v", test.path, problems[0].Fatal, problems[0])
		}
	}
}
