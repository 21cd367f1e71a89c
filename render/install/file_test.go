package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nfs-exportd/render/disk"
	"nfs-exportd/render/rendertest"
	"nfs-exportd/render/sandbox"
)

// writerEnv makes the test program a writer that TestKilledWriter kills.
const writerEnv = "RENDER_TEST_WRITE"

func TestMain(m *testing.M) {
	if status, ok := sandbox.Part(os.Args); ok {
		os.Exit(status)
	}
	if path := os.Getenv(writerEnv); path != "" {
		writeForEver(File{path})
	}
	os.Exit(m.Run())
}

func load(t *testing.T, f File) Snapshot {
	t.Helper()
	snapshot, err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// umask sets the umask of the whole process: no test that uses it is parallel.
func umask(t *testing.T, mask int) {
	t.Helper()
	old := syscall.Umask(mask)
	t.Cleanup(func() { syscall.Umask(old) })
}

func TestReplace(t *testing.T) {
	for _, mask := range []int{0o022, 0o002, 0o077} {
		for _, test := range []struct {
			exists bool
			mode   fs.FileMode
			want   fs.FileMode
		}{
			{false, 0, 0o644},
			{true, 0o644, 0o644},
			{true, 0o600, 0o600},
			{true, 0o664, 0o664},
			{true, 0o666, 0o666},
		} {
			t.Run(fmt.Sprintf("umask %03o, exists %t, mode %03o", mask, test.exists, test.mode), func(t *testing.T) {
				umask(t, mask)
				dir := t.TempDir()
				f := File{filepath.Join(dir, "nfs.exports")}
				if test.exists {
					rendertest.Write(t, f.Path, "old\n", test.mode)
				}
				old := load(t, f)
				if old.Exists != test.exists || test.exists && string(old.Text) != "old\n" {
					t.Fatalf("loaded %+v", old)
				}
				if err := f.Replace(old, []byte("new\n")); err != nil {
					t.Fatal(err)
				}
				now := load(t, f)
				if string(now.Text) != "new\n" || now.info.Mode() != test.want {
					t.Errorf("text %q, mode %v", now.Text, now.info.Mode())
				}
				if got := rendertest.Names(t, dir); !slices.Equal(got, []string{"nfs.exports"}) {
					t.Errorf("the directory has %q", got)
				}
				if err := f.Restore(old); err != nil {
					t.Fatal(err)
				}
				now = load(t, f)
				if now.Exists != old.Exists || !bytes.Equal(now.Text, old.Text) {
					t.Errorf("restored %+v", now)
				}
				if now.Exists && now.info.Mode() != test.want {
					t.Errorf("restored with mode %v", now.info.Mode())
				}
			})
		}
	}
}

// A temporary file in another directory could be on another file system.
func TestReplaceStaysInDirectory(t *testing.T) {
	elsewhere := t.TempDir()
	t.Setenv("TMPDIR", elsewhere)
	long := time.Unix(1, 0)
	if err := os.Chtimes(elsewhere, long, long); err != nil {
		t.Fatal(err)
	}
	f := File{filepath.Join(t.TempDir(), "nfs.exports")}
	if err := f.Replace(Snapshot{}, []byte("new\n")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(elsewhere); err != nil || !info.ModTime().Equal(long) {
		t.Errorf("something was written elsewhere: %v, %v", info.ModTime(), err)
	}
}

func TestReplaceKeepsOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	f := File{filepath.Join(t.TempDir(), "nfs.exports")}
	rendertest.Write(t, f.Path, "old\n", 0o640)
	if err := os.Chown(f.Path, 1234, 4321); err != nil {
		t.Fatal(err)
	}
	if err := f.Replace(load(t, f), []byte("new\n")); err != nil {
		t.Fatal(err)
	}
	info := load(t, f).info
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 1234 || stat.Gid != 4321 || info.Mode() != 0o640 {
		t.Errorf("owner %d:%d, mode %v", stat.Uid, stat.Gid, info.Mode())
	}
}

func TestReplaceChanged(t *testing.T) {
	t.Parallel()
	changes := map[string]func(path string) error{
		"other text": func(path string) error { return os.WriteFile(path, []byte("xxx\n"), 0o644) },
		"other file, same text": func(path string) error {
			if err := os.WriteFile(path+".x", []byte("old\n"), 0o644); err != nil {
				return err
			}
			return os.Rename(path+".x", path)
		},
		"removed":    os.Remove,
		"other mode": func(path string) error { return os.Chmod(path, 0o600) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			f := File{filepath.Join(dir, "nfs.exports")}
			rendertest.Write(t, f.Path, "old\n", 0o644)
			old := load(t, f)
			if err := change(f.Path); err != nil {
				t.Fatal(err)
			}
			before := load(t, f)
			if err := f.Replace(old, []byte("new\n")); !errors.Is(err, ErrChanged) {
				t.Errorf("error %v", err)
			}
			if now := load(t, f); !now.same(before) {
				t.Errorf("the file is now %q", now.Text)
			}
			if got := rendertest.Names(t, dir); len(got) > 1 {
				t.Errorf("the directory has %q", got)
			}
		})
	}
	t.Run("appeared", func(t *testing.T) {
		t.Parallel()
		f := File{filepath.Join(t.TempDir(), "nfs.exports")}
		old := load(t, f)
		rendertest.Write(t, f.Path, "", 0o644)
		if err := f.Replace(old, []byte("new\n")); !errors.Is(err, ErrChanged) {
			t.Errorf("error %v", err)
		}
	})
}

func TestNotRegular(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	rendertest.Write(t, target, "old\n", 0o644)
	makers := map[string]func(path string) error{
		"symlink":  func(path string) error { return os.Symlink(target, path) },
		"dangling": func(path string) error { return os.Symlink(target+"x", path) },
		"fifo":     func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"dir":      func(path string) error { return os.Mkdir(path, 0o755) },
		"device":   func(path string) error { return os.Symlink("/dev/zero", path) },
	}
	for name, make := range makers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := File{filepath.Join(dir, name)}
			if err := make(f.Path); err != nil {
				t.Fatal(err)
			}
			_, err := f.Load()
			var failure *disk.Error
			if !errors.As(err, &failure) || !errors.Is(err, disk.ErrNotRegular) {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := (File{"/dev/zero"}).Load(); !errors.Is(err, disk.ErrNotRegular) {
		t.Errorf("error %v", err)
	}
}

func TestLoadBounded(t *testing.T) {
	t.Parallel()
	f := File{filepath.Join(t.TempDir(), "huge")}
	rendertest.Write(t, f.Path, "", 0o644)
	if err := os.Truncate(f.Path, disk.MaxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(); !errors.Is(err, disk.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
}

func TestNoDirectory(t *testing.T) {
	t.Parallel()
	f := File{filepath.Join(t.TempDir(), "none", "nfs.exports")}
	old := load(t, f)
	for name, err := range map[string]error{
		"Replace": f.Replace(old, nil),
		"Lock":    second(f.Lock(t.Context(), 0)),
	} {
		var failure *disk.Error
		if !errors.As(err, &failure) || !strings.HasSuffix(err.Error(), "create the directory "+filepath.Dir(f.Path)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestNoRights(t *testing.T) {
	dir := os.Getenv(rendertest.DirEnv)
	if os.Geteuid() == 0 {
		dir = rendertest.OpenDir(t)
		rendertest.Write(t, filepath.Join(dir, "nfs.exports"), "old\n", 0o644)
		rendertest.AsNobody(t, rendertest.DirEnv+"="+dir)
		if got := rendertest.Names(t, dir); !slices.Equal(got, []string{"nfs.exports"}) {
			t.Errorf("the directory has %q", got)
		}
		return
	}
	if dir == "" {
		dir = t.TempDir()
		rendertest.Write(t, filepath.Join(dir, "nfs.exports"), "old\n", 0o644)
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		// Otherwise the test could not remove the directory.
		t.Cleanup(func() {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Error(err)
			}
		})
	}
	f := File{filepath.Join(dir, "nfs.exports")}
	old := load(t, f)
	for name, err := range map[string]error{
		"Replace": f.Replace(old, []byte("new\n")),
		"Lock":    second(f.Lock(t.Context(), 0)),
	} {
		var failure *disk.Error
		if !errors.As(err, &failure) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if now := load(t, f); !now.same(old) {
		t.Errorf("the file is now %q", now.Text)
	}
}
