package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"nfs-exportd/render/disk"
	"nfs-exportd/render/exportfs"
)

// The argument with which this program is started to do a part of a test run, and
// nothing else: by itself to be the inside of the sandbox, and by systemd to make
// the sandbox for another process.
const (
	childCommand   = "-proof-child"
	serviceCommand = "-proof-service"
)

// Part does a part of a test run if these arguments ask for it, and then returns
// the exit status. The main function calls it before it does anything else.
func Part(args []string) (status int, ok bool) {
	if len(args) != 2 {
		return 0, false
	}
	switch args[1] {
	case childCommand:
		return childMain(), true
	case exportfs.LookCommand:
		return exportfs.LookMain(), true
	case serviceCommand:
		return serviceMain(args[0]), true
	}
	return 0, false
}

// Sandbox is where exportfs can be run without any effect: new mount, network
// and process namespaces, and a user namespace if this is not root, in which
// it finds nothing but given exports files, host names and an empty active table. It
// has no network.
type Sandbox struct {
	// Self is os.Args[0]. The program that runs in the sandbox is
	// /proc/self/exe under this name.
	Self     string
	Exportfs string        // the program; absolute
	Own      string        // our exports file; only its name counts
	Timeout  time.Duration // of one run of exportfs
	// Socket is where a service makes the sandbox for a process that may not; empty
	// if this process makes it.
	Socket string
}

// ErrNoNamespaces is in the chain of the error when this user cannot have
// private namespaces on this host.
var ErrNoNamespaces = errors.New("private namespaces are not to be had here")

// Error is a sandbox that could not be made. It says nothing about the exports
// files.
type Error struct {
	Step string
	Err  error
}

// Error says which step failed, why, and what to do.
func (e *Error) Error() string {
	next := "run plan with --no-preflight to go on without a proof, and please report this"
	if errors.Is(e, ErrNoNamespaces) {
		next = "allow user namespaces to this user (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; systemd: RestrictNamespaces=) or run as root"
		if os.Geteuid() == 0 {
			next = "give this root the capability CAP_SYS_ADMIN and the right to make namespaces (a container may have neither; systemd: CapabilityBoundingSet=, RestrictNamespaces=), or name a service with --proof-socket"
		}
	}
	return fmt.Sprintf("no sandbox for exportfs: cannot %s: %s: %s", e.Step, disk.Bare(e.Err), next)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// refusals are the errors of a kernel that refuses namespaces (clone(2), mount(2), user_namespaces(7)).
var refusals = []syscall.Errno{
	syscall.EPERM, syscall.EACCES, syscall.ENOSYS, syscall.EINVAL, syscall.ENOSPC, syscall.EUSERS,
}

func isRefusal(err error) bool {
	for _, errno := range refusals {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// newError returns the error of a step that needs namespaces or mounts.
func newError(step string, err error) *Error {
	if isRefusal(err) {
		err = fmt.Errorf("%w (%w)", ErrNoNamespaces, err)
	}
	return &Error{step, err}
}

// exportsFiles are all files that exportfs reads in one run.
type exportsFiles struct {
	EtcExports []byte
	Directory  []exportsFile // of /etc/exports.d
}

// exportsFile is a file of /etc/exports.d. Its name can be any bytes, which text in JSON
// cannot be.
type exportsFile struct{ Name, Text []byte }

// childRequest is what the child reads from its standard input, and the service
// from its connection, as JSON.
type childRequest struct {
	Exportfs string
	Timeout  time.Duration
	Hosts    []byte // /etc/hosts
	Runs     []exportsFiles
}

// limit is how long the answer may take.
func (r childRequest) limit() time.Duration {
	return childTimeout + time.Duration(len(r.Runs))*(r.Timeout+exportfs.WaitDelay)
}

// childReply is what the child writes to its standard output, as JSON.
type childReply struct {
	// Step is what could not be done to set the sandbox up, with Errno if the
	// kernel refused it, and Problem in words.
	Step    string
	Errno   syscall.Errno
	Problem string
	Results []runResult // one for each run
}

type runResult struct {
	Ran      exportfs.Ran
	TimedOut bool
	Errno    syscall.Errno // why exportfs could not be started, if so
	Problem  string        // the same in words
	Etab     []byte
}

// childTimeout is what the child may take besides the runs of exportfs.
const childTimeout = 30 * time.Second

// run has exportfs read each of the given files in turn, beginning with an empty
// table each time. hosts is a hosts(5) file; no other host names are known. Its errors are an *Error, a *ServiceError, an *exportfs.Error and
// the error of ctx.
func (s Sandbox) run(ctx context.Context, hosts []byte, runs ...exportsFiles) ([]runResult, error) {
	request := childRequest{Exportfs: s.Exportfs, Timeout: s.Timeout, Hosts: hosts, Runs: runs}
	limited, cancel := context.WithTimeout(ctx, request.limit())
	defer cancel()
	ask := s.child
	if s.Socket != "" {
		ask = s.service
	}
	output, err := ask(limited, request)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("proving the new exports file: %w", ctx.Err())
	}
	if err != nil {
		return nil, err
	}
	var reply childReply
	if err := json.Unmarshal(output, &reply); err != nil {
		return nil, &Error{"read what its inside replied", err}
	}
	switch {
	case reply.Step != "" && reply.Errno != 0:
		return nil, newError(reply.Step, reply.Errno)
	case reply.Step != "":
		return nil, &Error{reply.Step, errors.New(reply.Problem)}
	case len(reply.Results) != len(runs):
		return nil, &Error{"read what its inside replied", fmt.Errorf("%d results of %d runs", len(reply.Results), len(runs))}
	}
	for _, result := range reply.Results {
		switch {
		case result.TimedOut:
			return nil, &exportfs.Error{Path: s.Exportfs, Err: context.DeadlineExceeded, Ran: result.Ran}
		case result.Errno != 0:
			return nil, &exportfs.Error{Path: s.Exportfs, Err: result.Errno, Ran: result.Ran}
		case result.Problem != "":
			return nil, &exportfs.Error{Path: s.Exportfs, Err: errors.New(result.Problem), Ran: result.Ran}
		}
	}
	return reply.Results, nil
}

// child starts this program again inside new namespaces and returns its output, a
// childReply.
func (s Sandbox) child(ctx context.Context, request childRequest) ([]byte, error) {
	outside, err := os.Open(mountNamespace)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &exportfs.Error{Path: s.Exportfs, Err: exportfs.ErrNoProc}
	}
	if err != nil {
		return nil, newError("find the mount namespace", err)
	}
	defer func() { _ = outside.Close() }() // nothing was written to it
	input, err := json.Marshal(request)
	if err != nil {
		return nil, &Error{"describe it", err}
	}
	// The kernel sends Pdeathsig when the thread ends that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{s.Self, childCommand}
	// The last one spares a build with the race detector a second at the end.
	cmd.Env = append(exportfs.Environment(), "GORACE=atexit_sleep_ms=0")
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(input)
	cmd.ExtraFiles = []*os.File{outside} // outsideFD
	var output bytes.Buffer
	said := new(exportfs.Output)
	cmd.Stdout, cmd.Stderr = &output, said
	cmd.WaitDelay = exportfs.WaitDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// As the first process of a process namespace it takes all others of
		// the namespace with it when it ends.
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true,
	}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		return nil, newError("start a process in new namespaces", err)
	}
	switch left, err := exportfs.Wait(ctx, cmd); {
	case left:
		return nil, &Error{"end what runs in it", err}
	case err != nil:
		return nil, &Error{"run in it", fmt.Errorf("%w: %s", err, said)}
	}
	return output.Bytes(), nil
}
