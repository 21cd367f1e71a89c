package exportfs

import (
	"context"
	"errors"
	"fmt"
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
}

// KernelFlush is where exportfs(8) tells the kernel's NFS server to forget what it
// knows of exports, and where that tells, in seconds, when it last did
// (net/sunrpc/cache.c in Linux). It is not there without such a server.
const KernelFlush = "/proc/net/rpc/nfsd.export/flush"

// LastFlush returns when the kernel last forgot what it knew of exports, if that can be
// known.
func (e Program) LastFlush() (seconds int64, ok bool) {
	text, err := os.ReadFile(e.Flush)
	if err != nil {
		return 0, false
	}
	seconds, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return seconds, err == nil
}

// flushSlack is how many seconds the time of a flush may be before that of the table:
// older kernels took a second off, and each counts whole seconds.
const flushSlack = 2

// Pending says that the kernel does not know the active table yet, or gives nothing:
// exportfs writes the table first and then has the kernel forget the one before. It
// says nothing where that cannot be known.
func (e Program) Pending() string {
	flush, ok := e.LastFlush()
	info, err := os.Stat(e.Etab)
	if !ok || err != nil || flush+flushSlack >= info.ModTime().Unix() {
		return ""
	}
	return fmt.Sprintf("the kernel's NFS server was not told of the active table, which is of %s: what it allowed before it may still allow", info.ModTime().UTC().Format(time.RFC3339))
}

// Check tells whether the program is there and may be run. It gives an
// *Error.
func (e Program) Check() error {
	_, err := exec.LookPath(e.Path)
	var failed *exec.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if err != nil {
		return &Error{e.Path, err, Ran{}}
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
// shows what exportfs did. It returns an *Error.
func (e Program) Reload(ctx context.Context) (Ran, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.Path, "-ra")
	// Relative paths in an exports file would be taken from the directory.
	cmd.Dir = "/"
	cmd.Env = Environment()
	output := new(Output)
	cmd.Stdout, cmd.Stderr = output, output
	// A wrapper script must not outlive the time limit either.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = WaitDelay
	err := cmd.Run()
	if errors.Is(err, syscall.ENOENT) && e.Check() == nil {
		err = errNoInterpreter
	}
	ran := Ran{Status: cmd.ProcessState.ExitCode(), Said: output.String()}
	var status *exec.ExitError
	switch {
	case ctx.Err() != nil && err != nil:
		return ran, &Error{e.Path, ctx.Err(), ran}
	case err == nil, errors.As(err, &status), errors.Is(err, exec.ErrWaitDelay):
		// With the last, a child of it lives on and has its output open.
		return ran, nil
	}
	return ran, &Error{e.Path, err, ran}
}
