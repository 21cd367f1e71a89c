package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"nfs-exportd/render/disk"
)

const (
	// newFileMode is that of an exports file that was not there before.
	newFileMode fs.FileMode = 0o644
	// lockFileMode lets the group of the directory lock the file, but not all
	// users of the machine, who could then keep the lock for ever.
	lockFileMode fs.FileMode = 0o640
	lockPoll                 = 100 * time.Millisecond
)

// ErrChanged is in the chain of the error if a file is no longer as it was loaded.
var ErrChanged = errors.New("the file changed during the run")

// File is the exports file that this program owns. Beside it are a lock file,
// ".NAME.lock", whose text is the mark (see Mark), and during a write a temporary file, ".NAME" with digits. Both
// start with a dot so that exportfs(8) does not read them.
type File struct {
	Path string
}

// Snapshot is a file as it was at one moment.
type Snapshot struct {
	Text   []byte // empty if there is no file
	Exists bool

	info fs.FileInfo // nil if there is no file
}

// LockedError means that another run has the lock.
type LockedError struct {
	Path   string        // of the lock file
	Waited time.Duration // for the lock
}

// Error names the lock and what to do.
func (e *LockedError) Error() string {
	return fmt.Sprintf("another run holds the lock %s (waited %s): let it finish, or wait longer with --lock-timeout", e.Path, e.Waited)
}

// Lock takes the lock of the file and returns a function that releases it. It
// waits up to timeout for a run that has it. With the lock it removes what killed
// runs left behind. Its errors are a *LockedError, a *disk.Error and the error of
// ctx.
func (f File) Lock(ctx context.Context, timeout time.Duration) (release func() error, err error) {
	path := f.lockPath()
	// Without these flags a symbolic link or FIFO of that name would be
	// followed, or hang the run.
	lock := flock.New(path, flock.SetPermissions(lockFileMode),
		flock.SetFlag(os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK))
	locked, err := lock.TryLock()
	if err == nil && !locked && timeout > 0 {
		waiting, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		locked, err = lock.TryLockContext(waiting, lockPoll)
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, errors.Join(fmt.Errorf("waiting for the lock %s: %w: %w", path, ctx.Err(), context.Cause(ctx)), lock.Close())
	case err != nil:
		return nil, disk.NewError(path, "lock", err)
	case !locked:
		return nil, &LockedError{path, timeout}
	}
	f.narrowLockMode(lock)
	if err := f.clean(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock.Close, nil
}

// hidden is the path of the file with a dot before its name.
func (f File) hidden() string {
	return filepath.Join(filepath.Dir(f.Path), "."+filepath.Base(f.Path))
}

// clean removes the temporary files of runs that were killed. The caller
// must hold the lock.
func (f File) clean() error {
	dir := filepath.Dir(f.Path)
	temporary := regexp.MustCompile(`^` + regexp.QuoteMeta(filepath.Base(f.hidden())) + `[0-9]{1,19}$`)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return disk.NewError(dir, "list", err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !temporary.MatchString(entry.Name()) {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		if err := os.Remove(path); err != nil {
			return disk.NewError(path, "remove", err)
		}
	}
	return nil
}

// Load reads the file. One that does not exist is not an error. It returns a
// *disk.Error, also for anything but a regular file.
func (f File) Load() (Snapshot, error) {
	text, info, err := disk.Read(f.Path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return Snapshot{}, nil
	}
	if err != nil {
		return Snapshot{}, disk.NewError(f.Path, "read", err)
	}
	return Snapshot{Text: text, Exists: true, info: info}, nil
}

// same reports whether two snapshots are of the same file with the same bytes,
// mode and owner.
func (s Snapshot) same(t Snapshot) bool {
	if s.Exists != t.Exists || !bytes.Equal(s.Text, t.Text) {
		return false
	}
	if !s.Exists {
		return true
	}
	a, b := s.info.Sys().(*syscall.Stat_t), t.info.Sys().(*syscall.Stat_t)
	return os.SameFile(s.info, t.info) && a.Mode == b.Mode && a.Uid == b.Uid && a.Gid == b.Gid
}

// Writable returns a *disk.Error if the file cannot be replaced, as far as that can
// be known without writing.
func (f File) Writable() error {
	if err := disk.Replaceable(f.Path); err != nil {
		return disk.NewError(f.Path, "write", err)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(f.Path), &stat); err != nil {
		return disk.NewError(f.Path, "look for room for", err)
	}
	if stat.Blocks > 0 && stat.Bfree == 0 {
		return disk.NewError(f.Path, "write", syscall.ENOSPC)
	}
	return nil
}

// Replace puts text in the place of the file that old is a snapshot of, with
// its mode and owner: every reader, after a crash as well, sees either the old text
// or the new one. The caller must hold the lock. It returns an error with
// ErrChanged in its chain if the file is not as in the snapshot any more, or a
// *disk.Error; the file is then as it was.
func (f File) Replace(old Snapshot, text []byte) error {
	_, err := f.replace(old, text)
	return err
}

// replace is Replace. It also reports whether the file has the new text.
func (f File) replace(old Snapshot, text []byte) (written bool, err error) {
	if err := f.write(text, old, true); err != nil {
		return false, err
	}
	if err := f.syncDir(); err != nil {
		failed := f.Restore(old)
		return failed != nil, errors.Join(err, failed)
	}
	return true, nil
}

// Restore makes the file as it is in the snapshot, whatever it is now. It returns
// a *disk.Error.
func (f File) Restore(old Snapshot) error {
	if !old.Exists {
		if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return disk.NewError(f.Path, "remove", err)
		}
	} else if err := f.write(old.Text, old, false); err != nil {
		return err
	}
	return f.syncDir()
}

// write puts text in the place of the file, with mode and owner as in old. If
// check is set the file must be as in old.
func (f File) write(text []byte, old Snapshot, check bool) (err error) {
	mode := newFileMode
	if old.Exists {
		mode = old.info.Mode().Perm()
	}
	pending, err := renameio.NewPendingFile(f.Path,
		renameio.WithTempDir(filepath.Dir(f.Path)), renameio.WithStaticPermissions(mode))
	if err != nil {
		return disk.NewError(f.Path, "write", err)
	}
	defer func() {
		if failed := pending.Cleanup(); failed != nil && err == nil {
			err = disk.NewError(f.Path, "write", failed)
		}
	}()
	if old.Exists {
		if err := sameOwner(pending.File, old.info); err != nil {
			return disk.NewError(f.Path, "keep the owner of", err)
		}
	}
	if _, err := pending.Write(text); err != nil {
		return disk.NewError(f.Path, "write", err)
	}
	if check {
		// It can take seconds, in which the file should not change after it was
		// looked at.
		if err := pending.Sync(); err != nil {
			return disk.NewError(f.Path, "write", err)
		}
		now, err := f.Load()
		if err != nil {
			return err
		}
		if !now.same(old) {
			return changedError("write", f.Path)
		}
	}
	if err := pending.CloseAtomicallyReplace(); err != nil {
		return disk.NewError(f.Path, "write", err)
	}
	return nil
}

// sameOwner gives an open file the owner and group of another.
func sameOwner(file *os.File, as fs.FileInfo) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	have, want := info.Sys().(*syscall.Stat_t), as.Sys().(*syscall.Stat_t)
	if have.Uid == want.Uid && have.Gid == want.Gid {
		return nil
	}
	if err := file.Chown(int(want.Uid), int(want.Gid)); err != nil {
		return err
	}
	// Changing the owner takes away bits of the mode.
	return file.Chmod(as.Mode().Perm())
}

// syncDir makes a rename survive a crash.
func (f File) syncDir() error {
	path := filepath.Dir(f.Path)
	dir, err := os.Open(path)
	if err != nil {
		return disk.NewError(path, "open", err)
	}
	defer func() { _ = dir.Close() }() // nothing was written to it
	if err := dir.Sync(); err != nil {
		return disk.NewError(path, "sync", err)
	}
	return nil
}
