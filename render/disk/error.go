package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"nfs-exportd/printable"
)

// Error is a file or directory that could not be read or written.
type Error struct {
	Path string
	Op   string // what was to be done, as in "write"
	Err  error
}

// OpAdopt is the Op of a file that was named with --adopt.
const OpAdopt = "adopt"

// NewError returns the error of op on path.
func NewError(path, op string, err error) *Error { return &Error{path, op, err} }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Error says what failed, why, and what to do.
func (e *Error) Error() string {
	return fmt.Sprintf("cannot %s %s: %s: %s", e.Op, printable.Word(e.Path), Bare(e.Err), e.next())
}

// AdviceOpenFiles is what to do if the limit for open files is reached.
const AdviceOpenFiles = "raise the limit for open files (ulimit -n, in systemd LimitNOFILE=) and run again"

// next returns what a person can do about it.
func (e *Error) next() string {
	dir := printable.Word(filepath.Dir(e.Path))
	switch {
	case errors.Is(e.Err, ErrNotRegular), errors.Is(e.Err, ErrFIFO), errors.Is(e.Err, syscall.ELOOP), errors.Is(e.Err, syscall.EISDIR), errors.Is(e.Err, syscall.ENXIO):
		return "see what it is, move it away, and run again"
	case errors.Is(e.Err, ErrTooLarge):
		return "see what it is, and move it away"
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "make room on the file system of " + dir + " and run again"
	case errors.Is(e.Err, syscall.EROFS):
		return "make the file system of " + dir + " writable (the kernel log may tell why it is not; for a service of systemd, see ReadWritePaths=) and run again"
	case errors.Is(e.Err, syscall.EFBIG):
		return "raise the limit for the size of a file (ulimit -f, in systemd LimitFSIZE=) and run again"
	case errors.Is(e.Err, syscall.EMFILE), errors.Is(e.Err, syscall.ENFILE):
		return AdviceOpenFiles
	case errors.Is(e.Err, syscall.EPERM):
		return "run as root; if this is root, see with lsattr whether it or " + dir + " is immutable or append-only"
	case errors.Is(e.Err, fs.ErrPermission):
		return "run as root, or give this user the right to it in " + dir
	case errors.Is(e.Err, syscall.ENOTDIR):
		return "see what is in the place of the directory " + dir
	case errors.Is(e.Err, fs.ErrNotExist) && e.Op == OpAdopt:
		return "see which of its files are there"
	case errors.Is(e.Err, fs.ErrNotExist):
		return "create the directory " + dir
	}
	return "look at " + dir + " and run again"
}

// Bare returns an error of package os without its path, for messages that name
// the path already.
func Bare(err error) error {
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

// The errors that this package finds by itself.
var (
	// ErrNotRegular means a directory, a link, a device or the like.
	ErrNotRegular = errors.New("it is not a regular file")
	// ErrFIFO means a FIFO in the place of an exports file.
	ErrFIFO = errors.New("it is a FIFO, on which exportfs would wait for ever")
	// ErrTooLarge means a file of more than 64 MiB.
	ErrTooLarge = fmt.Errorf("it is larger than %d MiB", MaxFile>>20)
)
