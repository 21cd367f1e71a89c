package install

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gofrs/flock"
)

// narrowLockMode removes from the mode of a lock file what lets other users take the
// lock, such as after a restored backup, and gives its owner what this run needs. Without the right to it the run goes on, and
// LockProblem says so. The owner stays: with a directory that belongs to a group, the
// member that ran first owns the file, and root would lock the others out.
func (f File) narrowLockMode(lock *flock.Flock) {
	file, err := os.OpenFile(lock.Path(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }() // nothing was written to it
	held, err := lock.Stat()
	info, failed := file.Stat()
	if err != nil || failed != nil || !os.SameFile(held, info) {
		return
	}
	// By a hard link it could be the file of somebody else.
	stat, mode := info.Sys().(*syscall.Stat_t), info.Mode().Perm()&lockFileMode
	if int(stat.Uid) == os.Geteuid() {
		mode |= 0o600 // the mark is written to it
	}
	if info.Mode().IsRegular() && stat.Nlink == 1 && info.Mode().Perm() != mode {
		_ = file.Chmod(mode)
	}
}

// LockProblem says how users who should not can keep the lock of the file, else "".
func (f File) LockProblem() string {
	path := f.hidden() + ".lock"
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "" // taking the lock makes the file, or says what is wrong
	}
	if info.Mode().Perm()&^lockFileMode != 0 {
		return fmt.Sprintf("%s has mode %#o, so that other users can hold the lock: run \"chmod %o %s\"", path, info.Mode().Perm(), lockFileMode, path)
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return ""
	}
	uid := info.Sys().(*syscall.Stat_t).Uid
	if uid == 0 || uid == dir.Sys().(*syscall.Stat_t).Uid || dir.Mode().Perm()&0o020 != 0 {
		return ""
	}
	return fmt.Sprintf("%s belongs to user %d, who can hold the lock: run \"chown root %s\"", path, uid, path)
}
