package exportfs

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"nfs-exportd/printable"
	"nfs-exportd/render/disk"
)

// Ran is how a run of exportfs(8) ended.
type Ran struct {
	// Status is the exit status, -1 if a signal ended the run. It says little:
	// 0 with an empty table and 1 with a perfect one are both usual.
	Status int
	Said   string // what it printed, in ASCII, cut at 8 KiB
}

// String returns how the run ended, for people, in ASCII.
func (r Ran) String() string {
	how := fmt.Sprintf("exportfs ended with status %d", r.Status)
	if r.Status < 0 {
		how = "exportfs was killed by a signal"
	}
	if r.Said == "" {
		return how + " and said nothing"
	}
	return how + " and said: " + oneLine(r.Said)
}

func oneLine(said string) string { return strings.ReplaceAll(said, "\n", " | ") }

// Error is a run of exportfs(8) that could not be started, that had to be ended,
// or in which exportfs did none of its work.
type Error struct {
	Path string
	Err  error
	Ran  Ran // what it said until then
	// Blocked is which process held a lock that the run waited for, if one did.
	Blocked string
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Error says what failed, what exportfs said, and what to do.
func (e *Error) Error() string {
	switch {
	case errors.Is(e.Err, ErrKilled):
		return e.Ran.String()
	case errors.Is(e.Err, ErrRejectsAll):
		return fmt.Sprintf("%s %s: %s: see that it is this host's exportfs, and mend what it speaks of", printable.Word(e.Path), e.Err, e.Ran)
	case errors.Is(e.Err, errLeft):
		return fmt.Sprintf("%s did not come to an end in time, and cannot be killed: see with ps what it waits for, such as a file system that does not answer", printable.Word(e.Path))
	case errors.Is(e.Err, context.DeadlineExceeded):
		said := ""
		if e.Ran.Said != "" {
			said = " (it said: " + oneLine(e.Ran.Said) + ")"
		}
		if e.Blocked != "" {
			return fmt.Sprintf("%s did not come to an end in time and was killed%s: %s: end that process, if it hangs", printable.Word(e.Path), said, e.Blocked)
		}
		return fmt.Sprintf("%s did not come to an end in time and was killed%s: see whether another exportfs hangs, or a host name in an exports file does not resolve", printable.Word(e.Path), said)
	case errors.Is(e.Err, exec.ErrNotFound), errors.Is(e.Err, syscall.ENOENT) && !errors.Is(e.Err, ErrNoProc):
		return fmt.Sprintf("cannot run %s: %s: install the NFS server's tools (Debian: nfs-kernel-server), or name the program with --exportfs", printable.Word(e.Path), disk.Bare(e.Err))
	}
	next := "see that it is a program that this user may run"
	switch {
	case errors.Is(e.Err, ErrNoProc):
		next = "mount /proc"
	case errors.Is(e.Err, syscall.EMFILE), errors.Is(e.Err, syscall.ENFILE):
		next = disk.AdviceOpenFiles
	case errors.Is(e.Err, syscall.EAGAIN), errors.Is(e.Err, syscall.ENOMEM):
		next = "see whether memory is short, or the number of processes limited, and run again"
	}
	return fmt.Sprintf("cannot run %s: %s: %s", printable.Word(e.Path), disk.Bare(e.Err), next)
}

// ErrRejectsAll is for a program that reads a line that every exportfs accepts,
// and makes no table of it.
var ErrRejectsAll = errors.New("takes no line at all")

// ErrNoProc is for a host, such as a container, without /proc.
var ErrNoProc = errors.New("/proc is not mounted, without which it cannot tell the kernel's NFS server of changes")

// ErrKilled is for a run that a signal ended, perhaps between the table and the
// kernel.
var ErrKilled = errors.New("a signal ended it")

var errLeft = errors.New("it was killed and lives on")

var errNoInterpreter = errors.New("it is there, but the interpreter that its first line names is not")
