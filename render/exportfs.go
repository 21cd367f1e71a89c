package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nfs-exportd/render/disk"
)

// Exportfs is the host's exportfs(8).
type Exportfs struct {
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
func (e Exportfs) LastFlush() (seconds int64, ok bool) {
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
func (e Exportfs) Pending() string {
	flush, ok := e.LastFlush()
	info, err := os.Stat(e.Etab)
	if !ok || err != nil || flush+flushSlack >= info.ModTime().Unix() {
		return ""
	}
	return fmt.Sprintf("the kernel's NFS server was not told of the active table, which is of %s: what it allowed before it may still allow", info.ModTime().UTC().Format(time.RFC3339))
}

// Ran is how a run of exportfs(8) ended.
type Ran struct {
	// Status is the exit status, -1 if a signal ended the run. It says little:
	// 0 with an empty table and 1 with a perfect one are both usual.
	Status int
	Said   string // what it printed, in ASCII, cut at 8 KiB
}

// String tells how the run ended, in ASCII.
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

// ExportfsError is a run of exportfs(8) that could not be started, or had to be
// ended, or in which it did nothing of its work.
type ExportfsError struct {
	Path string
	Err  error
	Ran  Ran // what it said until then
}

func (e *ExportfsError) Unwrap() error { return e.Err }

func (e *ExportfsError) Error() string {
	switch {
	case errors.Is(e.Err, ErrKilled):
		return e.Ran.String()
	case errors.Is(e.Err, ErrRejectsAll):
		return fmt.Sprintf("%s %s: %s: see that it is this host's exportfs, and mend what it speaks of", QuotePath(e.Path), e.Err, e.Ran)
	case errors.Is(e.Err, context.DeadlineExceeded):
		said := ""
		if e.Ran.Said != "" {
			said = " (it said: " + oneLine(e.Ran.Said) + ")"
		}
		return fmt.Sprintf("%s did not come to an end in time and was killed%s: see whether another exportfs hangs, or a host name in an exports file does not resolve", QuotePath(e.Path), said)
	case errors.Is(e.Err, exec.ErrNotFound), errors.Is(e.Err, syscall.ENOENT):
		return fmt.Sprintf("cannot run %s: %s: install the NFS server's tools (Debian: nfs-kernel-server), or name the program with --exportfs", QuotePath(e.Path), disk.Bare(e.Err))
	}
	next := "see that it is a program that this user may run"
	switch {
	case errors.Is(e.Err, syscall.EMFILE), errors.Is(e.Err, syscall.ENFILE):
		next = disk.AdviceOpenFiles
	case errors.Is(e.Err, syscall.EAGAIN), errors.Is(e.Err, syscall.ENOMEM):
		next = "see whether memory is short, or the number of processes limited, and run again"
	}
	return fmt.Sprintf("cannot run %s: %s: %s", QuotePath(e.Path), disk.Bare(e.Err), next)
}

// Check tells whether the program is there and may be run. It gives an
// *ExportfsError.
func (e Exportfs) Check() error {
	_, err := exec.LookPath(e.Path)
	var failed *exec.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if err != nil {
		return &ExportfsError{e.Path, err, Ran{}}
	}
	return nil
}

// Environment returns all that other programs may know of our environment.
func Environment() []string {
	return []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
}

// ErrRejectsAll is for a program that reads a line that every exportfs accepts,
// and makes no table of it.
var ErrRejectsAll = errors.New("takes no line at all")

// ErrKilled is for a run that a signal ended, perhaps between the table and the
// kernel.
var ErrKilled = errors.New("a signal ended it")

var errNoInterpreter = errors.New("it is there, but the interpreter that its first line names is not")

const (
	maxSaid = 8 << 10
	// WaitDelay is how long a killed run's children can keep its output open.
	WaitDelay = 2 * time.Second
)

// Reload has exportfs read all exports files and write the active table anew
// (exportfs -ra). It reports how that ended and does not judge it: the table
// shows what exportfs did. It returns an *ExportfsError.
func (e Exportfs) Reload(ctx context.Context) (Ran, error) {
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
		return ran, &ExportfsError{e.Path, ctx.Err(), ran}
	case err == nil, errors.As(err, &status), errors.Is(err, exec.ErrWaitDelay):
		// With the last, a child of it lives on and has its output open.
		return ran, nil
	}
	return ran, &ExportfsError{e.Path, err, ran}
}

// Output keeps the first 8 KiB that a program prints and ignores the rest. The
// buffer is not embedded, as its other methods would let all bytes in.
type Output struct{ kept bytes.Buffer }

// Write keeps as much of p as there is room for.
func (o *Output) Write(p []byte) (int, error) {
	o.kept.Write(p[:min(len(p), maxSaid-o.kept.Len())])
	return len(p), nil
}

// String returns what was kept, fit for a terminal and a log: lines of printable
// ASCII, with other bytes as \xNN.
func (o *Output) String() string {
	var b strings.Builder
	for line := range bytes.Lines(o.kept.Bytes()) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		for _, c := range line {
			if c < ' ' || c >= 0x7f {
				fmt.Fprintf(&b, `\x%02x`, c)
			} else {
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}
