package keystone

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"nfs-exportd/printable"
)

// maxFile is far more than any file of credentials has.
const maxFile = 1 << 20

// readFile gives what is in a regular file, with errors that do not name it. It
// does not wait for the other end of a named pipe.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // the operator says which file
	if err != nil {
		return nil, nil, bare(err)
	}
	defer func() { _ = f.Close() }() // nothing was written to it
	info, err := f.Stat()
	if err != nil {
		return nil, nil, bare(err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("it is %s, %w", typeName(info.Mode()), errNotRegular)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, nil, bare(err)
	}
	if len(text) > maxFile {
		return nil, nil, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return text, info, nil
}

var errNotRegular = errors.New("not a regular file")

func typeName(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeDir:
		return "a directory"
	case fs.ModeNamedPipe:
		return "a named pipe"
	case fs.ModeSocket:
		return "a socket"
	}
	return "a device"
}

// bare takes the path out of an error of package os: the message has it.
func bare(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// nextStep is what a person can do about a file that is not usable.
func nextStep(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "create it, or name another one"
	case errors.Is(err, fs.ErrPermission):
		return "make it readable for the user that nfs-exportd runs as"
	case errors.Is(err, errNotRegular):
		return "put a file in its place, or name another one"
	}
	return ""
}

// writtenByOthers tells whether others than root and this process may write a
// file.
func writtenByOthers(info fs.FileInfo, uid int) bool {
	owner, _ := ownerOf(info)
	return info.Mode().Perm()&0o002 != 0 || owner != 0 && owner != uid
}

// ownerOf is the user and the group of a file.
func ownerOf(info fs.FileInfo) (uid, gid int) {
	stat := info.Sys().(*syscall.Stat_t) // what package os gives on Linux
	return int(stat.Uid), int(stat.Gid)
}

// access tells who may do what with a file, for people.
func access(info fs.FileInfo) string {
	owner, group := ownerOf(info)
	return fmt.Sprintf("mode %04o, of user %d and group %d", info.Mode().Perm(), owner, group)
}

// exposed warns about a file that others than root and this process may read,
// if it holds a secret, or may write, who could then say whom to trust.
func exposed(path string, info fs.FileInfo, secret bool, uid, gid int) []string {
	owner, group := ownerOf(info)
	whose := fmt.Sprintf("%s (%s)", printable.Plain(path), access(info))
	trusted := group == 0 || group == gid
	var warnings []string
	switch perm := info.Mode().Perm(); {
	case perm&0o002 != 0:
		warnings = append(warnings, fmt.Sprintf("%s says where to log in, and every user of this host can change it: chmod o= it", whose))
	case perm&0o020 != 0 && !trusted:
		warnings = append(warnings, fmt.Sprintf("%s says where to log in, and the group can change it: chmod g= it", whose))
	case perm&0o004 != 0 && secret:
		warnings = append(warnings, fmt.Sprintf("%s holds a secret, and every user of this host can read it: chmod o= it", whose))
	case perm&0o040 != 0 && secret && !trusted:
		warnings = append(warnings, fmt.Sprintf("%s holds a secret, and the group can read it: chmod g= it, or chgrp it to that of nfs-exportd", whose))
	}
	if owner != 0 && owner != uid {
		warnings = append(warnings, fmt.Sprintf("%s says where to log in, and its owner is another user: chown it to root", whose))
	}
	return warnings
}
