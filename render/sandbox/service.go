package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"nfs-exportd/printable"
	"nfs-exportd/render/disk"
)

// A sandbox needs rights that a process should not have while it talks to a cloud.
// So there can be two processes: one asks through a socket, and the other, which
// systemd starts for it, makes the sandbox and has no network.

// ServiceError is a test run that the service at Sandbox.Socket did not make. It
// says nothing about the exports files.
type ServiceError struct {
	Socket string
	Err    error
}

// Error says what failed and where to look.
func (e *ServiceError) Error() string {
	return fmt.Sprintf("no proof from the service at %s: %s: nothing was changed; see \"systemctl status nfs-exportd-proof.socket\" and \"journalctl -u 'nfs-exportd-proof@*'\"",
		printable.Word(e.Socket), e.Err)
}

// Unwrap returns Err.
func (e *ServiceError) Unwrap() error { return e.Err }

var errNoAnswer = errors.New("it closed the connection before it had answered")

// service returns what the service at the socket replies, a childReply.
func (s Sandbox) service(ctx context.Context, request childRequest) ([]byte, error) {
	output, err := ask(ctx, s.Socket, request)
	var op *net.OpError
	switch {
	case errors.As(err, &op):
		err = disk.Bare(op.Err)
	case err == nil && !json.Valid(output):
		err = errNoAnswer
	}
	if err != nil {
		return nil, &ServiceError{s.Socket, err}
	}
	return output, nil
}

func ask(ctx context.Context, socket string, request childRequest) ([]byte, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // all was read by then, or is of no use
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := json.NewEncoder(conn).Encode(request); err != nil {
		return nil, err
	}
	return io.ReadAll(conn)
}

// serviceMain answers one request that comes on standard input, which is the
// connection, on standard output. It returns the exit status.
func serviceMain(self string) int {
	if err := fromSocket(); err != nil {
		fmt.Fprintf(os.Stderr, "%s is for nfs-exportd-proof@.service, and not for use by hand: %s\n", serviceCommand, err)
		return 70
	}
	var request childRequest
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		fmt.Fprintf(os.Stderr, "not for use by hand, nfs-exportd-proof@.service has it: %s\n", err)
		return 70
	}
	ctx, cancel := context.WithTimeout(context.Background(), request.limit())
	defer cancel()
	output, err := Sandbox{Self: self}.child(ctx, request)
	if err == nil {
		_, err = os.Stdout.Write(output)
	} else if failed, ok := errors.AsType[*Error](err); ok {
		reply := childReply{Step: failed.Step, Problem: failed.Err.Error()}
		errors.As(err, &reply.Errno)
		err = json.NewEncoder(os.Stdout).Encode(reply)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 70
	}
	return 0
}
