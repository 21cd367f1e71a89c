package disk

import (
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// Each message must say what a person can do about it.
func TestErrorNext(t *testing.T) {
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
		{ErrNotRegular, "cannot write /etc/exports.d/x: it is not a regular file: see what it is, move it away, and run again"},
		{syscall.EPERM, "cannot write /etc/exports.d/x: operation not permitted: run as root; if this is root, see with lsattr whether it or /etc/exports.d is immutable or append-only"},
		{syscall.EFBIG, "cannot write /etc/exports.d/x: file too large: raise the limit for the size of a file (ulimit -f, in systemd LimitFSIZE=) and run again"},
		{syscall.EMFILE, "cannot write /etc/exports.d/x: too many open files: raise the limit for open files (ulimit -n, in systemd LimitNOFILE=) and run again"},
		{syscall.ENOTDIR, "cannot write /etc/exports.d/x: not a directory: see what is in the place of the directory /etc/exports.d"},
		{syscall.ELOOP, "cannot write /etc/exports.d/x: too many levels of symbolic links: see what it is, move it away, and run again"},
	}
	for _, test := range tests {
		err := &Error{"/etc/exports.d/x", "write", test.err}
		if got := err.Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}
