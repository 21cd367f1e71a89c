package install

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLockMode checks that a run that gets the lock removes the rights of others to its
// file, and touches no file that has another name as well.
func TestLockMode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode, want fs.FileMode
		linked     bool
	}{
		{0o644, 0o640, false},
		{0o777, 0o640, false},
		{0o600, 0o600, false},
		{0o400, 0o600, false},
		{0o644, 0o644, true},
	} {
		f := File{filepath.Join(t.TempDir(), "nfs-exportd.exports")}
		path := f.hidden() + ".lock"
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		if test.linked {
			if err := os.Link(path, path+".other"); err != nil {
				t.Fatal(err)
			}
		}
		before := f.LockProblem()
		if open := test.mode&^lockFileMode != 0; open != strings.Contains(before, "other users can hold the lock: run \"chmod 640 ") {
			t.Errorf("mode %o: %q", test.mode, before)
		}
		release, err := f.Lock(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != test.want {
			t.Errorf("mode %o: %v, %v", test.mode, info.Mode(), err)
		}
		if after := f.LockProblem(); !test.linked && after != "" {
			t.Errorf("mode %o: %s", test.mode, after)
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLockOwner checks which owner of the lock file is odd: not one who may write to the
// directory.
func TestLockOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may change the owner")
	}
	for _, test := range []struct {
		dir, file int
		mode      fs.FileMode
		odd       bool
	}{
		{0, 0, 0o755, false},
		{0, 12345, 0o755, true},
		{12345, 12345, 0o755, false},
		{0, 12345, 0o775, false},
	} {
		dir := t.TempDir()
		f := File{filepath.Join(dir, "nfs-exportd.exports")}
		path := f.hidden() + ".lock"
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{os.Chown(dir, test.dir, -1), os.Chown(path, test.file, -1), os.Chmod(dir, test.mode)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if problem := f.LockProblem(); test.odd != strings.Contains(problem, "belongs to user 12345, who can hold the lock: run \"chown root ") || !test.odd && problem != "" {
			t.Errorf("%+v: %q", test, problem)
		}
	}
}
