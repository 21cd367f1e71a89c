package install

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nfs-exportd/render/disk"
	"nfs-exportd/render/rendertest"
)

func unlock(t *testing.T, release func() error) {
	t.Helper()
	if err := release(); err != nil {
		t.Error(err)
	}
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
			var failure *disk.Error
			if !errors.As(err, &failure) {
				t.Errorf("error %v", err)
			}
			if got := rendertest.Names(t, dir); len(got) != 1 {
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
		rendertest.Write(t, filepath.Join(dir, name), "x", 0o644)
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
	if got := rendertest.Names(t, dir); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestManyLocks(t *testing.T) {
	t.Parallel()
	f := File{filepath.Join(t.TempDir(), "nfs.exports")}
	rendertest.Write(t, f.Path, "0", 0o644)
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
		leftovers += len(rendertest.Names(t, dir)) - 2
	}
	t.Logf("%d temporary files left behind and removed", leftovers)
	release, err := f.Lock(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock(t, release)
	if got := rendertest.Names(t, dir); !slices.Equal(got, []string{".nfs.exports.lock", "nfs.exports"}) {
		t.Errorf("the directory has %q", got)
	}
}
