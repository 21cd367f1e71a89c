package sandbox

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// TestServiceSilent: who waits for a service that does not answer can still be
// told to stop.
func TestServiceSilent(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return // the test has failed
		}
		defer conn.Close()
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			cancel()
		}
		_, _ = io.Copy(io.Discard, conn) // until who asked has gone
	}()
	s := newSandbox(t, "")
	s.Socket = socket
	_, err = s.run(ctx, nil, exportsFiles{})
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "proving the new exports file: ") {
		t.Errorf("error %v", err)
	}
}
