package exportfs

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nfs-exportd/printable"
	"nfs-exportd/render/disk"
)

// PathProblem is what is wrong with an exported directory.
type PathProblem struct {
	Path string
	// Fatal problems must stop the run: exportfs would export something else
	// than the path says. With the others (nothing there, or out of sight) it
	// exports just that.
	Fatal   bool
	Problem string
}

// Error names the path and the problem.
func (p *PathProblem) Error() string {
	return fmt.Sprintf("exported path %s: %s", printable.Word(p.Path), p.Problem)
}

// Directory is what was found on the way to a directory that is to be exported, and
// there. exportfs follows symbolic links, so whoever may make one on the way chooses
// what is exported.
type Directory struct {
	Path    string
	Problem string // "" if a directory is there
	Fatal   bool   // see PathProblem
	Link    string // the symbolic link that was found, or what else is no directory; "" if there is none
	IsFile  bool   // Link is no symbolic link
	// Open is a directory on the way in which others than root can put a link in the
	// place of the next one; "" if there is none. A link ends the way.
	Open string
}

// Kind says what Link is.
func (d Directory) Kind() string {
	if d.IsFile {
		return "not a directory"
	}
	return "a symbolic link"
}

// lookAt looks at one path. It blocks as long as its file system does not answer.
func lookAt(path string) Directory {
	d := Directory{Path: path}
	above := "" // the directory before
	open := false
	for at := range steps(path) {
		info, err := os.Lstat(at)
		if open && d.Open == "" {
			d.Open = above
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			d.Problem = "it does not exist: create the directory, or mount its file system"
			return d
		case err != nil:
			d.Problem = fmt.Sprintf("it cannot be looked at (%s): see that it is a directory; exportfs will look as root", disk.Bare(err))
			return d
		case !info.IsDir():
			d.Fatal, d.Link, d.IsFile = true, at, info.Mode()&fs.ModeSymlink == 0
			d.Problem = fmt.Sprintf("%s is %s: name the directory that is meant in the configuration", printable.Word(at), d.Kind())
			if user, _ := ownerOf(info); d.Open == "" && above != "" && user != 0 && user != os.Geteuid() {
				d.Open = above // that user could make it
			}
			return d
		}
		above, open = at, othersMayReplace(at, info)
	}
	return d
}

// othersMayReplace reports whether others than root, and than the user of this run, can
// replace what is in a directory. Where there is an access control list, the bits of the
// group are what it allows at most.
func othersMayReplace(path string, dir fs.FileInfo) bool {
	user, group := ownerOf(dir)
	bits := dir.Mode().Perm()
	switch {
	case user != 0 && user != os.Geteuid():
		return true
	case dir.Mode()&fs.ModeSticky != 0 || bits&0o022 == 0:
		return false
	case bits&0o002 != 0 || group != 0 && group != os.Getegid():
		return true
	}
	_, err := unix.Lgetxattr(path, "system.posix_acl_access", nil)
	return err == nil
}

// ownerOf returns the user and the group of a file.
func ownerOf(info fs.FileInfo) (user, group int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), int(stat.Gid)
	}
	return 0, 0
}

// steps returns the directories on the way to a path, from / on, and the path.
func steps(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield("/") || path == "/" {
			return
		}
		for i := 1; i < len(path); i++ {
			if path[i] == '/' && !yield(path[:i]) {
				return
			}
		}
		yield(path)
	}
}

// HangError is paths whose file systems do not answer.
type HangError struct {
	Paths []string // at least one
	Limit string   // how long they had
}

// maxHanging is how many paths a HangError names before it counts the rest.
const maxHanging = 10

// Error names the paths and what to do.
func (e *HangError) Error() string {
	var names []string
	for _, path := range e.Paths[:min(len(e.Paths), maxHanging)] {
		names = append(names, printable.Word(path))
	}
	more := ""
	if n := len(e.Paths) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("the file system of exported path %s%s did not answer within %s, and exportfs would wait for it too; nothing was changed: "+
		"see whether the server of an NFS mount there is away, or a FUSE program hangs; repair it, or unmount it (umount -l)", strings.Join(names, ", "), more, e.Limit)
}
