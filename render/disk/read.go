package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// MaxFile is the largest file that Read reads, in bytes. It is far above any exports file that exportfs could work with.
const MaxFile = 64 << 20

// Read reads a regular file of up to 64 MiB, through symbolic links if follow is
// set. It opens nothing else, and does not hang if the file becomes something
// else. Its errors are those of package os, ErrNotRegular and ErrTooLarge.
func Read(path string, follow bool) ([]byte, fs.FileInfo, error) {
	stat, flags := os.Lstat, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW
	if follow {
		stat, flags = os.Stat, os.O_RDONLY|syscall.O_NONBLOCK
	}
	info, err := stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, ErrNotRegular
	}
	file, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }() // nothing was written to it
	if info, err = file.Stat(); err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, ErrNotRegular
	}
	if info.Size() > MaxFile {
		return nil, nil, ErrTooLarge
	}
	// It can grow while it is read.
	var text bytes.Buffer
	text.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(file, MaxFile+1)); err != nil {
		return nil, nil, err
	}
	if text.Len() > MaxFile {
		return nil, nil, ErrTooLarge
	}
	return text.Bytes(), info, nil
}

// Replaceable returns nil if another file may be renamed to path, by the rights to
// its directory, and by the attributes of chattr(1), which stop root too.
func Replaceable(path string) error {
	if err := unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK); err != nil {
		return err
	}
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &stat)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case stat.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0:
		return syscall.EPERM
	}
	return nil
}
