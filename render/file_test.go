package render

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// writerEnv makes the test program a writer that TestKilledWriter kills.
const writerEnv = "RENDER_TEST_WRITE"

func TestMain(m *testing.M) {
	if status, ok := ProofPart(os.Args); ok {
		os.Exit(status)
	}
	if path := os.Getenv(writerEnv); path != "" {
		writeForEver(File{path})
	}
	os.Exit(m.Run())
}

// names are what is in a directory, sorted.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	// A test that starts a process meanwhile would give it the open file, and a
	// program that is open for writing cannot be run: "text file busy".
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, []byte(text), mode)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
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
					write(t, f.Path, "old\n", test.mode)
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
				if got := names(t, dir); !slices.Equal(got, []string{"nfs.exports"}) {
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
	write(t, f.Path, "old\n", 0o640)
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
			write(t, f.Path, "old\n", 0o644)
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
			if got := names(t, dir); len(got) > 1 {
				t.Errorf("the directory has %q", got)
			}
		})
	}
	t.Run("appeared", func(t *testing.T) {
		t.Parallel()
		f := File{filepath.Join(t.TempDir(), "nfs.exports")}
		old := load(t, f)
		write(t, f.Path, "", 0o644)
		if err := f.Replace(old, []byte("new\n")); !errors.Is(err, ErrChanged) {
			t.Errorf("error %v", err)
		}
	})
}

func TestNotRegular(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	write(t, target, "old\n", 0o644)
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
			var failure *FileError
			if !errors.As(err, &failure) || !errors.Is(err, errNotRegular) {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := (File{"/dev/zero"}).Load(); !errors.Is(err, errNotRegular) {
		t.Errorf("error %v", err)
	}
}

func TestLoadBounded(t *testing.T) {
	t.Parallel()
	f := File{filepath.Join(t.TempDir(), "huge")}
	write(t, f.Path, "", 0o644)
	if err := os.Truncate(f.Path, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(); !errors.Is(err, errTooLarge) {
		t.Errorf("error %v", err)
	}
}

// Each message must say what a person can do about it.
func TestFileErrorNext(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want string
	}{
		{syscall.ENOSPC, "cannot write /etc/exports.d/x: no space left on device: make room on the file system of /etc/exports.d and run again"},
		{syscall.EDQUOT, "cannot write /etc/exports.d/x: disk quota exceeded: make room on the file system of /etc/exports.d and run again"},
		{syscall.EROFS, "cannot write /etc/exports.d/x: read-only file system: make the file system of /etc/exports.d writable (the kernel log may tell why it is not; for a service of systemd, see ReadWritePaths=) and run again"},
		{syscall.EACCES, "cannot write /etc/exports.d/x: permission denied: run as root, or give this user the right to it in /etc/exports.d"},
		{&fs.PathError{Op: "open", Path: "y", Err: syscall.ENOENT}, "cannot write /etc/exports.d/x: no such file or directory: create the directory /etc/exports.d"},
		{&os.LinkError{Op: "rename", Err: syscall.EIO}, "cannot write /etc/exports.d/x: input/output error: look at /etc/exports.d and run again"},
		{errNotRegular, "cannot write /etc/exports.d/x: it is not a regular file: see what it is, move it away, and run again"},
		{syscall.EPERM, "cannot write /etc/exports.d/x: operation not permitted: run as root; if this is root, see with lsattr whether it or /etc/exports.d is immutable or append-only"},
		{syscall.EFBIG, "cannot write /etc/exports.d/x: file too large: raise the limit for the size of a file (ulimit -f, in systemd LimitFSIZE=) and run again"},
		{syscall.EMFILE, "cannot write /etc/exports.d/x: too many open files: raise the limit for open files (ulimit -n, in systemd LimitNOFILE=) and run again"},
		{syscall.ENOTDIR, "cannot write /etc/exports.d/x: not a directory: see what is in the place of the directory /etc/exports.d"},
		{syscall.ELOOP, "cannot write /etc/exports.d/x: too many levels of symbolic links: see what it is, move it away, and run again"},
	}
	for _, test := range tests {
		err := &FileError{"/etc/exports.d/x", "write", test.err}
		if got := err.Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
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
		var failure *FileError
		if !errors.As(err, &failure) || !strings.HasSuffix(err.Error(), "create the directory "+filepath.Dir(f.Path)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func unlock(t *testing.T, release func() error) {
	t.Helper()
	if err := release(); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

// asNobody runs this test again as a user without rights.
func asNobody(t *testing.T, env ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(output, []byte("--- PASS: "+t.Name())) {
		t.Errorf("as nobody: %v\n%s", err, output)
	}
}

const dirEnv = "RENDER_TEST_DIR"

func TestNoRights(t *testing.T) {
	dir := os.Getenv(dirEnv)
	if os.Geteuid() == 0 {
		dir = openDir(t)
		write(t, filepath.Join(dir, "nfs.exports"), "old\n", 0o644)
		asNobody(t, dirEnv+"="+dir)
		if got := names(t, dir); !slices.Equal(got, []string{"nfs.exports"}) {
			t.Errorf("the directory has %q", got)
		}
		return
	}
	if dir == "" {
		dir = t.TempDir()
		write(t, filepath.Join(dir, "nfs.exports"), "old\n", 0o644)
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
		var failure *FileError
		if !errors.As(err, &failure) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if now := load(t, f); !now.same(old) {
		t.Errorf("the file is now %q", now.Text)
	}
}

// openDir is a directory that other users can get into, unlike t.TempDir.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "render")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := File{filepath.Join(dir, "nfs.exports")}
	release, err := f.Lock(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Lock(t.Context(), 0)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Path != filepath.Join(dir, ".nfs.exports.lock") {
		t.Errorf("second lock: %v", err)
	}
	if _, err := f.Lock(t.Context(), time.Millisecond); !errors.As(err, &locked) || locked.Waited != time.Millisecond {
		t.Errorf("second lock, waiting: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Lock(canceled, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("second lock, canceled: %v", err)
	}
	// A waiting one gets the lock once it is free.
	got := make(chan error)
	go func() {
		release, err := f.Lock(t.Context(), time.Minute)
		if err == nil {
			err = release()
		}
		got <- err
	}()
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Errorf("waiting lock: %v", err)
	}
}

func TestLockTraps(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"symlink": func(path string) error { return os.Symlink("elsewhere", path) },
		"dir":     func(path string) error { return os.Mkdir(path, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := make(filepath.Join(dir, ".nfs.exports.lock")); err != nil {
				t.Fatal(err)
			}
			_, err := (File{filepath.Join(dir, "nfs.exports")}).Lock(t.Context(), 0)
			var failure *FileError
			if !errors.As(err, &failure) {
				t.Errorf("error %v", err)
			}
			if got := names(t, dir); len(got) != 1 {
				t.Errorf("the directory has %q", got)
			}
		})
	}
}

func TestLockCleans(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keep := []string{"nfs.exports", ".nfs.exports", ".nfs.exports12x", "nfs.exports12", ".nfs-exports12", ".other.exports12", ".nfs.exports12345678901234567890"}
	for _, name := range append([]string{".nfs.exports0", ".nfs.exports9223372036854775807"}, keep...) {
		write(t, filepath.Join(dir, name), "x", 0o644)
	}
	if err := os.Mkdir(filepath.Join(dir, ".nfs.exports7"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("x", filepath.Join(dir, ".nfs.exports8")); err != nil {
		t.Fatal(err)
	}
	release, err := (File{filepath.Join(dir, "nfs.exports")}).Lock(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock(t, release)
	want := append(keep, ".nfs.exports7", ".nfs.exports8", ".nfs.exports.lock")
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestManyLocks(t *testing.T) {
	t.Parallel()
	f := File{filepath.Join(t.TempDir(), "nfs.exports")}
	write(t, f.Path, "0", 0o644)
	var inside atomic.Int32
	var done sync.WaitGroup
	for range 20 {
		done.Go(func() {
			release, err := f.Lock(t.Context(), time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			if inside.Add(1) != 1 {
				t.Error("two have the lock")
			}
			old, err := f.Load()
			if err == nil {
				err = f.Replace(old, append(old.Text, '1'))
			}
			inside.Add(-1)
			if err := errors.Join(err, release()); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if text := load(t, f).Text; len(text) != 21 {
		t.Errorf("%d of 20 writes are there", len(text)-1)
	}
}

var writerTexts = [2][]byte{bytes.Repeat([]byte("old line\n"), 50_000), bytes.Repeat([]byte("new\n"), 70_000)}

// writeForEver replaces the file until it is killed, and says each time that
// it is about to.
func writeForEver(f File) {
	_, err := f.Lock(context.Background(), time.Minute)
	for i := 0; err == nil; i++ {
		fmt.Println(i)
		var old Snapshot
		if old, err = f.Load(); err == nil {
			err = f.Replace(old, writerTexts[i%2])
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestKilledWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := File{filepath.Join(dir, "nfs.exports")}
	leftovers := 0
	for i := range 20 {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), writerEnv+"="+f.Path)
		output, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Some writes in, and then at no moment in particular.
		lines := bufio.NewScanner(output)
		for range 3 + i%3 {
			if !lines.Scan() {
				t.Fatal("the writer ended by itself")
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		if text := load(t, f).Text; !bytes.Equal(text, writerTexts[0]) && !bytes.Equal(text, writerTexts[1]) {
			t.Fatalf("a mixture of %d bytes", len(text))
		}
		leftovers += len(names(t, dir)) - 2
	}
	t.Logf("%d temporary files left behind and removed", leftovers)
	release, err := f.Lock(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock(t, release)
	if got := names(t, dir); !slices.Equal(got, []string{".nfs.exports.lock", "nfs.exports"}) {
		t.Errorf("the directory has %q", got)
	}
}

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
