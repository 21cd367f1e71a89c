package exportfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Program is the host's exportfs(8).
type Program struct {
	Path    string        // the program
	Etab    string        // the active table that it writes
	Timeout time.Duration // of one run
	// Flush is KernelFlush, or a file that stands for it. It need not be there.
	Flush string
	// Lock is LockFile, or a file that stands for it; empty if this exportfs has no
	// lock that others can hold.
	Lock     string
	LockWait time.Duration // for the lock
}

// Longer returns the program with more time for one run.
func (p Program) Longer(more time.Duration) Program {
	p.Timeout += more
	return p
}

// KernelFlush is the file by which exportfs(8) has the kernel's NFS server forget
// what it knows of exports. It holds the time when the server last did, in seconds
// (net/sunrpc/cache.c in Linux). It is not there without such a server.
const KernelFlush = "/proc/net/rpc/nfsd.export/flush"

// LastFlush returns when the kernel last forgot what it knew of exports, if that can be
// known.
func (p Program) LastFlush() (seconds int64, ok bool) {
	text, err := os.ReadFile(p.Flush)
	if err != nil {
		return 0, false
	}
	seconds, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return seconds, err == nil
}

// flushSlack is how many seconds the time of a flush may be before that of the table:
// older kernels took a second off, and each counts whole seconds.
const flushSlack = 2

// Pending returns a warning if the kernel does not know the active table yet, else
// "": exportfs writes the table first and then has the kernel forget the one before.
// It also returns "" if that cannot be known.
func (p Program) Pending() string {
	flush, ok := p.LastFlush()
	info, err := os.Stat(p.Etab)
	if !ok || err != nil || flush+flushSlack >= info.ModTime().Unix() {
		return ""
	}
	return fmt.Sprintf("the kernel's NFS server was not told of the active table, which is of %s: what it allowed before it may still allow", info.ModTime().UTC().Format(time.RFC3339))
}

// Check returns an *Error if the program is not there or may not be run, or if it could
// not reach the kernel.
func (p Program) Check() error {
	if _, err := os.Stat("/proc/self"); errors.Is(err, fs.ErrNotExist) && p.Flush == KernelFlush {
		return &Error{Path: p.Path, Err: ErrNoProc}
	}
	_, err := exec.LookPath(p.Path)
	var failed *exec.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if err != nil {
		return &Error{Path: p.Path, Err: err}
	}
	return nil
}

// Environment returns all that other programs may know of our environment.
func Environment() []string {
	return []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
}

const (
	maxSaid = 8 << 10
	// WaitDelay is how long a killed run's children can keep its output open.
	WaitDelay = 2 * time.Second
)

// Reload has exportfs read all exports files and write the active table anew
// (exportfs -ra). It reports how that ended and does not judge it: the table
// shows what exportfs did. It returns an *Error, or what TakeLock returns, which says
// before the run whether it would wait for another process.
func (p Program) Reload(ctx context.Context) (Ran, error) {
	release, err := p.TakeLock(ctx)
	if err != nil {
		return Ran{}, err
	}
	release()
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Path, "-ra")
	// Relative paths in an exports file would be taken from the directory.
	cmd.Dir = "/"
	cmd.Env = Environment()
	output := new(Output)
	cmd.Stdout, cmd.Stderr = output, output
	// A wrapper script must not outlive the time limit either.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	blocked := ""
	cmd.Cancel = func() error {
		blocked = p.blockedBy(cmd.Process.Pid)
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	cmd.WaitDelay = WaitDelay
	left, err := false, cmd.Start()
	if err == nil {
		left, err = Wait(ctx, cmd)
	}
	if left {
		return Ran{Status: -1}, &Error{Path: p.Path, Err: fmt.Errorf("%w: %w", errLeft, err)}
	}
	if errors.Is(err, syscall.ENOENT) && p.Check() == nil {
		err = errNoInterpreter
	}
	ran := Ran{Status: cmd.ProcessState.ExitCode(), Said: output.String()}
	var status *exec.ExitError
	switch {
	case ctx.Err() != nil && err != nil:
		return ran, &Error{p.Path, ctx.Err(), ran, blocked}
	case err == nil, errors.As(err, &status), errors.Is(err, exec.ErrWaitDelay):
		// With the last, a child of it lives on and has its output open.
		return ran, nil
	}
	return ran, &Error{Path: p.Path, Err: err, Ran: ran}
}
