package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxFile is far above any exports file that exportfs could work with.
const maxFile = 64 << 20

// FileError is a file or directory that could not be read or written.
type FileError struct {
	Path string
	Op   string // what was to be done, as in "write"
	Err  error
}

// opAdopt is the Op of a file that was named with --adopt.
const opAdopt = "adopt"

func (e *FileError) Unwrap() error { return e.Err }

func (e *FileError) Error() string {
	return fmt.Sprintf("cannot %s %s: %s: %s", e.Op, QuotePath(e.Path), bare(e.Err), e.next())
}

const moreFiles = "raise the limit for open files (ulimit -n, in systemd LimitNOFILE=) and run again"

// next is what a person can do about it.
func (e *FileError) next() string {
	dir := QuotePath(filepath.Dir(e.Path))
	switch {
	case errors.Is(e.Err, errNotRegular), errors.Is(e.Err, errFIFO), errors.Is(e.Err, syscall.ELOOP), errors.Is(e.Err, syscall.EISDIR), errors.Is(e.Err, syscall.ENXIO):
		return "see what it is, move it away, and run again"
	case errors.Is(e.Err, errTooLarge):
		return "see what it is, and move it away"
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "make room on the file system of " + dir + " and run again"
	case errors.Is(e.Err, syscall.EROFS):
		return "make the file system of " + dir + " writable (the kernel log may tell why it is not; for a service of systemd, see ReadWritePaths=) and run again"
	case errors.Is(e.Err, syscall.EFBIG):
		return "raise the limit for the size of a file (ulimit -f, in systemd LimitFSIZE=) and run again"
	case errors.Is(e.Err, syscall.EMFILE), errors.Is(e.Err, syscall.ENFILE):
		return moreFiles
	case errors.Is(e.Err, syscall.EPERM):
		return "run as root; if this is root, see with lsattr whether it or " + dir + " is immutable or append-only"
	case errors.Is(e.Err, fs.ErrPermission):
		return "run as root, or give this user the right to it in " + dir
	case errors.Is(e.Err, syscall.ENOTDIR):
		return "see what is in the place of the directory " + dir
	case errors.Is(e.Err, fs.ErrNotExist) && e.Op == opAdopt:
		return "see which of its files are there"
	case errors.Is(e.Err, fs.ErrNotExist):
		return "create the directory " + dir
	}
	return "look at " + dir + " and run again"
}

// bare takes the path out of an error of package os: the message has it.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

var (
	errNotRegular = errors.New("it is not a regular file")
	errFIFO       = errors.New("it is a FIFO, on which exportfs would wait for ever")
	errTooLarge   = fmt.Errorf("it is larger than %d MiB", maxFile>>20)
)

// readRegular reads a regular file, through symbolic links if follow is set. It
// opens nothing else, and does not hang if the file becomes something else.
func readRegular(path string, follow bool) ([]byte, fs.FileInfo, error) {
	stat, flags := os.Lstat, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW
	if follow {
		stat, flags = os.Stat, os.O_RDONLY|syscall.O_NONBLOCK
	}
	info, err := stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errNotRegular
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
		return nil, nil, errNotRegular
	}
	if info.Size() > maxFile {
		return nil, nil, errTooLarge
	}
	// It can grow while it is read.
	var text bytes.Buffer
	text.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(file, maxFile+1)); err != nil {
		return nil, nil, err
	}
	if text.Len() > maxFile {
		return nil, nil, errTooLarge
	}
	return text.Bytes(), info, nil
}

// replaceable tells whether another file may be renamed to path, by the rights to
// its directory, and by the attributes of chattr(1), which stop root too.
func replaceable(path string) error {
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
