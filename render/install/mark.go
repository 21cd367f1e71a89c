package install

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"nfs-exportd/render/disk"
)

// mark is the text of the lock file from before the exports file is written until
// the active table is seen to have followed. Any other text counts as one too.
const mark = "nfs-exportd began to write the exports file and has not seen the active table follow: the next apply runs exportfs.\n"

// lockPath is the path of the lock file, which also has the mark.
func (f File) lockPath() string { return f.hidden() + ".lock" }

// Marked reports whether the file has a mark. It needs no lock and no right to read
// the lock file. It returns a *disk.Error.
func (f File) Marked() (bool, error) {
	info, err := os.Lstat(f.lockPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, disk.NewError(f.lockPath(), "read", err)
	case !info.Mode().IsRegular():
		return false, disk.NewError(f.lockPath(), "read", disk.ErrNotRegular)
	}
	return info.Size() > 0, nil
}

// Mark notes, so that it survives a crash, that exportfs has to run: the caller is
// about to write the file. The caller must hold the lock. It returns a *disk.Error.
func (f File) Mark() error {
	// An old mark stays: no moment may be without one.
	err := f.openLock(func(file *os.File) error {
		_, err := file.WriteAt([]byte(mark), 0)
		return err
	})
	if err != nil {
		return err
	}
	return f.syncDir()
}

// Unmark notes that the active table has followed. If a crash undoes that, exportfs
// runs once more. The caller must hold the lock. It returns a *disk.Error.
func (f File) Unmark() error {
	return f.openLock(func(file *os.File) error { return file.Truncate(0) })
}

// ReplaceMarked is Replace with a mark, which stays until Unmark takes it away. If the
// file was not written, the mark is as before too.
func (f File) ReplaceMarked(old Snapshot, text []byte) error {
	marked, err := f.Marked()
	if err != nil {
		return err
	}
	if err := f.Mark(); err != nil {
		return err
	}
	written, err := f.replace(old, text)
	if !written && !marked {
		_ = f.Unmark() // else exportfs runs once more
	}
	return err
}

// openLock writes to the lock file in place: another file of that name would have
// another lock.
func (f File) openLock(write func(*os.File) error) error {
	path := f.lockPath()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, lockFileMode)
	if err != nil {
		return disk.NewError(path, "write", err)
	}
	if err = write(file); err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return disk.NewError(path, "write", err)
	}
	return nil
}
