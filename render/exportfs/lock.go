package exportfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nfs-exportd/printable"
)

// LockFile is the file that exportfs(8) locks for a whole run before it reads the
// exports files. nfs.conf(5) does not move it, wherever the active table is.
const LockFile = "/var/lib/nfs/export-lock"

const lockPoll = 100 * time.Millisecond

// LockedError means that another process holds the lock of exportfs.
type LockedError struct {
	Path   string
	Waited time.Duration
	Holder string // as in "process 12 (exportfs)"
	All    bool   // users of the machine can open the file, and so hold the lock
}

// Error names the lock and its holder, and says what to do.
func (e *LockedError) Error() string {
	next := "let it finish, or end it if it hangs"
	if e.All {
		next += "; run \"chmod 600 " + printable.Word(e.Path) + "\", as every user of this machine can hold the lock"
	}
	return fmt.Sprintf("%s holds exportfs's lock %s (waited %s): %s", e.Holder, printable.Word(e.Path), e.Waited, next)
}

// TakeLock takes the lock of exportfs and returns a function that releases it, which a
// run of exportfs needs. It waits up to LockWait. Nobody holds a lock file that is not
// there yet, and exportfs goes on without one that it cannot open, such as on a read-only
// file system. Its errors are a *LockedError and that of ctx.
func (p Program) TakeLock(ctx context.Context) (release func(), err error) {
	none := func() {}
	if p.Lock == "" {
		return none, nil
	}
	file, err := os.OpenFile(p.Lock, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return none, nil
	}
	release = func() { _ = file.Close() } // nothing was written to it
	free, err := p.poll(ctx, func() bool {
		// A lock of the open file, unlike one of the process, stays until it is closed.
		lock := whole(unix.F_WRLCK)
		err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &lock)
		return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EACCES)
	})
	if err != nil || !free {
		by := lockHolder(file)
		release()
		return none, errors.Join(err, p.locked(free || err != nil, by))
	}
	return release, nil
}

// Idle waits up to LockWait while a run of exportfs holds the lock: a run that read older
// exports files can still write its table. A lock for reading, which every user of the
// machine can hold, is none that exportfs has. Its errors are those of TakeLock.
func (p Program) Idle(ctx context.Context) error {
	if p.Lock == "" {
		return nil
	}
	file, err := os.OpenFile(p.Lock, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil // not there, or not for this user
	}
	defer func() { _ = file.Close() }() // nothing was written to it
	var by holder
	free, err := p.poll(ctx, func() bool {
		by = lockHolder(file)
		return by.kind != unix.F_WRLCK
	})
	return errors.Join(err, p.locked(free || err != nil, by))
}

// locked returns the *LockedError of a lock that is not free.
func (p Program) locked(free bool, by holder) error {
	if free {
		return nil
	}
	return &LockedError{Path: p.Lock, Waited: p.LockWait, Holder: by.String(), All: OpenToAll(p.Lock)}
}

// OpenToAll reports whether users other than the owner and group can open a lock file.
func OpenToAll(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o007 != 0
}

// LockProblems says which process holds the lock of exportfs, and whether users who
// should not can hold it.
func (p Program) LockProblems() (problems []string) {
	if p.Lock == "" {
		return nil
	}
	info, err := os.Stat(p.Lock)
	if err != nil {
		return nil // the first run of exportfs makes it
	}
	path := printable.Word(p.Lock)
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		problems = append(problems, fmt.Sprintf("exportfs's lock %s has mode %#o, so that other users can hold it and stop every change: run \"chmod 600 %s\"", path, mode, path))
	}
	if file, err := os.OpenFile(p.Lock, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
		if by := lockHolder(file); by.kind != unix.F_UNLCK {
			problems = append(problems, fmt.Sprintf("%s holds exportfs's lock %s now: exportfs waits for it", by, path))
		}
		_ = file.Close() // nothing was written to it
	}
	return problems
}

// poll calls free until it returns true, for up to LockWait.
func (p Program) poll(ctx context.Context, free func() bool) (bool, error) {
	waiting, cancel := context.WithTimeout(ctx, p.LockWait)
	defer cancel()
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		if ctx.Err() != nil {
			return false, fmt.Errorf("waiting for the lock %s: %w: %w", printable.Word(p.Lock), ctx.Err(), context.Cause(ctx))
		}
		if free() {
			return true, nil
		}
		select {
		case <-ticker.C:
		case <-waiting.Done():
			if ctx.Err() == nil {
				return free(), nil
			}
		}
	}
}

// whole is a lock of a whole file.
func whole(kind int16) unix.Flock_t { return unix.Flock_t{Type: kind, Whence: io.SeekStart} }

// holder is who keeps us from a lock for writing.
type holder struct {
	kind int16 // of the lock, F_UNLCK if nobody does
	pid  int32 // -1 for a lock of an open file, 0 in another process namespace
}

// String names the process.
func (h holder) String() string {
	if h.pid <= 0 {
		return "a process that \"fuser -v\" with the file names"
	}
	who := fmt.Sprintf("process %d", h.pid)
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", h.pid)); err == nil {
		who += " (" + printable.Line(string(bytes.TrimSpace(name))) + ")"
	}
	return who
}

func lockHolder(file *os.File) holder {
	lock := whole(unix.F_WRLCK)
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return holder{kind: unix.F_UNLCK}
	}
	return holder{lock.Type, lock.Pid}
}

// blockedBy says which process outside of a process group holds a lock that exportfs
// waits for. It is empty if none does.
func (p Program) blockedBy(group int) string {
	if p.Lock == "" {
		return ""
	}
	for _, path := range []string{p.Lock, filepath.Join(filepath.Dir(p.Etab), ".etab.lock")} {
		file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		by := lockHolder(file)
		_ = file.Close() // nothing was written to it
		if own, err := unix.Getpgid(int(by.pid)); by.kind != unix.F_UNLCK && !(by.pid > 0 && err == nil && own == group) {
			return fmt.Sprintf("%s holds exportfs's lock %s", by, printable.Word(path))
		}
	}
	return ""
}
