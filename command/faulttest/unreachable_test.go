package faulttest

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"nfs-exportd/command"
	"nfs-exportd/keystone/keystonetest"
)

// unreachableRow is a failure before any answer: of the network, of names, and
// of certificates.
type unreachableRow struct {
	failureRow
	// place gives the URL of a service in that state, without a path, and the
	// certificate authority that the user gave for it.
	place func(t *testing.T, cloud *keystonetest.Server) (url string, authority []byte)
}

// unreachableRows is every such state.
func unreachableRows() []unreachableRow {
	const wait = "Wait, or ask those who run the cloud."
	flawed := func(flaws ...keystonetest.Flaw) func(*testing.T, *keystonetest.Server) (string, []byte) {
		return func(t *testing.T, _ *keystonetest.Server) (string, []byte) {
			server := keystonetest.NewTLSServer(t, flaws...)
			if len(flaws) == 0 {
				return server.URL, nil
			}
			if _, err := net.DefaultResolver.LookupHost(t.Context(), "localhost"); err != nil {
				missing(t, "localhost in /etc/hosts")
			}
			return strings.Replace(server.URL, "127.0.0.1", "localhost", 1), server.CAPEM
		}
	}
	return []unreachableRow{
		{failureRow{"nothing listens on the port", command.ExitUnavailable, "connect: connection refused", wait},
			func(t *testing.T, _ *keystonetest.Server) (string, []byte) {
				listener := listen(t, 1)
				url := "http://" + listener.Addr().String()
				if err := listener.Close(); err != nil {
					t.Fatal(err)
				}
				return url, nil
			}},
		{failureRow{"the host takes no connection and says nothing", command.ExitUnavailable, "the time is up", "Raise --timeout if the cloud is only slow."},
			func(t *testing.T, _ *keystonetest.Server) (string, []byte) {
				listener := listen(t, 0)
				// The queue of a socket has one place more than was asked for.
				conn, err := net.Dial("tcp", listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				return "http://" + listener.Addr().String(), nil
			}},
		{failureRow{"the host's name does not exist", command.ExitUnavailable, "no such host", wait},
			func(*testing.T, *keystonetest.Server) (string, []byte) {
				// Not a name that any resolver is asked for: a test needs none.
				return "http://cloud..example.org:5000", nil
			}},
		{failureRow{"the certificate is of an unknown authority", command.ExitUnavailable, "certificate signed by unknown authority", "Give the cloud's certificate authority as cacert or OS_CACERT."},
			flawed()},
		{failureRow{"the certificate has expired", command.ExitUnavailable, "certificate has expired", "Have the certificate renewed, or correct this machine's clock."},
			flawed(keystonetest.Expired)},
		{failureRow{"the certificate is for another name", command.ExitUnavailable, "certificate is valid for", "Use the name in the URL that the certificate is for, in the credentials or the catalog."},
			flawed(keystonetest.WrongName)},
		{failureRow{"https is asked for, and plain HTTP is spoken on the port", command.ExitUntrusted, "server gave HTTP response to HTTPS client", "Check that the URL is the API's and not that of a proxy or a login page."},
			func(_ *testing.T, cloud *keystonetest.Server) (string, []byte) {
				return strings.Replace(cloud.URL, "http:", "https:", 1), nil
			}},
		{failureRow{"http is asked for, and TLS is spoken on the port", command.ExitUntrusted, "HTTP 400 Bad Request", "If it happens again, show this to those who run the cloud."},
			func(t *testing.T, _ *keystonetest.Server) (string, []byte) {
				return strings.Replace(keystonetest.NewTLSServer(t).URL, "https:", "http:", 1), nil
			}},
	}
}

// listen opens a port on loopback on which nobody takes connections; backlog is
// as in listen(2).
func listen(t *testing.T, backlog int) *net.TCPListener {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	raw, err := listener.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), backlog) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return listener
}

// TestUnreachable has Keystone, or Nova alone, in places where there is no
// answer to be had.
func TestUnreachable(t *testing.T) {
	for _, row := range unreachableRows() {
		for _, service := range []string{"Keystone", "Nova"} {
			t.Run(service+"/"+row.Fault, func(t *testing.T) {
				w := newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
				url, authority := row.place(t, w.Cloud)
				if authority != nil {
					if err := os.WriteFile(w.Path("ca.pem"), authority, 0o644); err != nil {
						t.Fatal(err)
					}
					w.Env = append(w.Env, "OS_CACERT="+w.Path("ca.pem"))
					w.Before = w.Files(t)
				}
				asked := url + "/identity/v3/auth/tokens"
				if service == "Keystone" {
					w.Env = append([]string{"OS_AUTH_URL=" + url + "/identity/v3"}, w.Env...)
				} else {
					asked = url + "/compute/RegionOne/v2.1/servers"
					w.Cloud.SetEndpoints("RegionOne", keystonetest.Endpoint{Interface: "public", URL: url + "/compute/RegionOne/v2.1"})
				}
				timeout := "30s"
				if row.Says == "the time is up" {
					timeout = "300ms"
				}
				got := w.Run("apply", "--log-level", "debug", "--timeout", timeout)
				w.Untouched(t)
				w.wellSaid(t, got)
				if got.Status != row.Status {
					t.Errorf("exit status %d, want %d; said:\n%s", got.Status, row.Status, got.Stderr)
				}
				for _, part := range []string{asked, row.Says, wordsOf(row.Do)} {
					if !strings.Contains(got.Stderr, part) {
						t.Errorf("%q is not in the message:\n%s", part, got.Stderr)
					}
				}
				if service == "Keystone" && w.Cloud.Count() != 0 {
					t.Errorf("requests reached another cloud:\n%v", w.Cloud.Requests())
				}
			})
		}
	}
}

// wordsOf is an advice as a message has it in its middle.
func wordsOf(advice string) string {
	return strings.TrimSuffix(strings.ToLower(advice[:1])+advice[1:], ".")
}
