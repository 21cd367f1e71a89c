package command

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"nfs-exportd/exports"
	"nfs-exportd/keystone"
	"nfs-exportd/render"
	"nfs-exportd/render/disk"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/install"
	"nfs-exportd/render/sandbox"
)

// Exit statuses, as in sysexits.h(3head) and "EXIT STATUS" of nfs-exportd(8).
const (
	ExitOK            = 0
	ExitChanges       = 2
	ExitUsage         = 64
	ExitRefused       = 65
	ExitUnavailable   = 69
	ExitBug           = 70
	ExitExportfs      = 71
	ExitCannotWrite   = 73
	ExitTemporary     = 75
	ExitUntrusted     = 76
	ExitNoPermission  = 77
	ExitConfiguration = 78
	ExitFrozen        = 79
	ExitSignal        = 128 // plus the signal's number
)

// statuses has the exit status of each type of error. The first row that fits counts.
var statuses = []struct {
	is     func(error) bool
	status int
}{
	{is[*usageError], ExitUsage},

	{is[*approvalError], ExitRefused},

	{is[*keystone.UnavailableError], ExitUnavailable},
	{is[*exportfs.HangError], ExitUnavailable},
	{is[*exports.DisagreeError], ExitUnavailable},

	{is[*render.UnsafeError], ExitBug},
	{is[*sandbox.MismatchError], ExitBug},

	// A failed installation carries what failed in it: its own status
	// comes first.
	{is[*install.ActivationError], ExitExportfs},
	{is[*exportfs.Error], ExitExportfs},
	{is[*sandbox.ServiceError], ExitExportfs},
	{is[*render.TableError], ExitExportfs},

	{isChanged, ExitTemporary},
	{is[*install.LockedError], ExitTemporary},
	{is[*exportfs.LockedError], ExitTemporary},
	{is[*disk.Error], ExitCannotWrite},
	{is[*outputError], ExitCannotWrite},

	{is[*keystone.UntrustedError], ExitUntrusted},

	{is[*keystone.RefusedError], ExitNoPermission},

	{is[*configError], ExitConfiguration},
	{is[*exports.UnequalKeysError], ExitConfiguration},
	{is[*exports.NestedError], ExitConfiguration},
	{is[*keystone.CredentialsError], ExitConfiguration},
	{is[*install.AdoptError], ExitConfiguration},
	{is[*exportfs.PathProblem], ExitConfiguration},
	{is[*exportfs.ConfError], ExitConfiguration},
	{is[*sandbox.RejectedError], ExitConfiguration},
}

// exitStatus is the one place that knows which error is which exit status.
func exitStatus(ctx context.Context, err error) int {
	if err == nil {
		return ExitOK
	}
	if errors.Is(err, errChanges) {
		return ExitChanges
	}
	if errors.Is(err, errFrozen) {
		return ExitFrozen
	}
	var sig signalled
	if errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &sig) {
		return ExitSignal + int(sig.Signal)
	}
	if errors.Is(err, syscall.EPIPE) && is[*outputError](err) {
		return ExitSignal + int(syscall.SIGPIPE)
	}
	if unclear, ok := errors.AsType[*exports.UnclearError](err); ok {
		switch unclear.Doubt() {
		case exports.ProjectHidden:
			return ExitNoPermission
		default:
			return ExitUnavailable
		}
	}
	for _, row := range statuses {
		if row.is(err) {
			return row.status
		}
	}
	return ExitBug
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func isChanged(err error) bool { return errors.Is(err, install.ErrChanged) }

// errChanges has no text: it is the answer of "plan --detailed-exitcode".
var errChanges = errors.New("there are changes")

// errFrozen has no text: the log has named the places that are frozen.
var errFrozen = errors.New("places are frozen")

// isOutcome reports whether an error only carries an exit status: the run itself did
// not fail.
func isOutcome(err error) bool { return errors.Is(err, errChanges) || errors.Is(err, errFrozen) }

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string {
	return fmt.Sprintf("%s; see nfs-exportd --help", e.err)
}

func (e *usageError) Unwrap() error { return e.err }

// outputError is a result that could not be printed: a plan, or what check or explain
// found.
type outputError struct{ err error }

func (e *outputError) Error() string {
	return fmt.Sprintf("cannot print the result: %s; nothing was changed: run again with a standard output that takes it", e.err)
}

func (e *outputError) Unwrap() error { return e.err }
