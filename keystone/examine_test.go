package keystone

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// TestReachTLS: what stands where https should be spoken is called by its name, and
// has the exit status that a run would have.
func TestReachTLS(t *testing.T) {
	t.Parallel()
	answer := func(do func(net.Conn)) func(t *testing.T) string {
		return func(t *testing.T) string {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { listener.Close() })
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					return // the test has ended
				}
				defer conn.Close()
				do(conn)
			}()
			return listener.Addr().String()
		}
	}
	tests := []struct {
		name        string
		start       func(t *testing.T) string
		unavailable bool
		says        string
	}{
		{"HTTP", func(t *testing.T) string {
			server := httptest.NewServer(nil)
			t.Cleanup(server.Close)
			return server.Listener.Addr().String()
		}, false, "no TLS is spoken there, but HTTP"},
		{"TLS of another time", func(t *testing.T) string {
			server := httptest.NewUnstartedServer(nil)
			server.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
			server.StartTLS()
			t.Cleanup(server.Close)
			return server.Listener.Addr().String()
		}, true, "see whether the service there speaks TLS 1.2 or later"},
		{"something else", answer(func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1\r\n") }), true, "speaks TLS 1.2"},
		{"a hang-up", answer(func(net.Conn) {}), true, "speaks TLS 1.2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			creds := Credentials{AuthURL: "https://" + test.start(t) + "/v3"}
			r := Reach(t.Context(), creds, Options{}, creds.AuthURL, func(context.Context, string, string) ([]netip.Addr, error) { panic("no name") })
			if r.Failed != Certificate || r.Err == nil || !strings.Contains(r.Err.Error(), test.says) {
				t.Errorf("failed at %q: %v", r.Failed, r.Err)
			}
			if _, ok := r.Err.(*UnavailableError); ok != test.unavailable {
				t.Errorf("%T", r.Err)
			}
		})
	}
}
