package exportfs

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLookAt(t *testing.T) {
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
		d := lookAt(test.path)
		if d.Path != test.path || d.Fatal != test.fatal || (d.Problem == "") != (test.text == "") || !strings.Contains(d.Problem, test.text) {
			t.Errorf("%s: %+v", test.path, d)
		}
	}
}

// TestOpen: a directory in which others can put a link in the place of the next one.
func TestOpen(t *testing.T) {
	t.Parallel()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		mode os.FileMode
		open bool
	}{
		"mine": {0o755, false}, "all": {0o757, true}, "sticky": {0o777 | os.ModeSticky, false}, "readable": {0o775 &^ 0o020, false},
	} {
		dir := filepath.Join(top, name)
		for _, err := range []error{
			os.MkdirAll(filepath.Join(dir, "a"), 0o755), os.Chmod(dir, test.mode),
			os.Symlink("/etc", filepath.Join(dir, "link")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		want := ""
		if test.open {
			want = dir
		}
		for _, path := range []string{dir + "/a", dir + "/link", dir + "/none", dir + "/link/x"} {
			if d := lookAt(path); d.Open != want {
				t.Errorf("%s: %+v", path, d)
			}
		}
		if d := lookAt(dir); d.Open != "" {
			t.Errorf("%s itself: %+v", dir, d)
		}
	}
}

func TestLookEachPathOnce(t *testing.T) {
	t.Parallel()
	found, err := Looker{Limit: time.Minute}.Look(t.Context(), []string{"/none", "/", "/none"})
	if err != nil || len(found) != 2 || found[0].Path != "/" || found[1].Problem == "" {
		t.Errorf("%+v, %v", found, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Looker{Limit: time.Minute}).Look(ctx, []string{"/"}); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := (Looker{Self: "/bin/true", Limit: time.Minute}).Look(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestWaitLeaves: what cannot be killed is left behind.
func TestWaitLeaves(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "60") // which nobody kills before the end
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if left, err := Wait(ctx, cmd); !left || !errors.Is(err, context.Canceled) {
		t.Errorf("left %v, %v", left, err)
	}
}
