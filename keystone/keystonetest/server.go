package keystonetest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"time"
)

// TB is the part of testing.TB that a server needs. Programs that serve a Cloud
// need not link the testing package for it.
type TB interface {
	Helper()
	Cleanup(func())
}

// Server is a cloud on a loopback address.
type Server struct {
	*Cloud
	URL string // without a final slash
	// CAPEM is the certificate authority of a server with TLS. To a client that
	// does not load it, the server's is an unknown one.
	CAPEM       []byte
	server      *httptest.Server
	connections *connections
}

// Flaw is what is wrong with the certificate of a server.
type Flaw string

// The flaws that a certificate may have.
const (
	Expired   Flaw = "expired"
	WrongName Flaw = "wrong name"
)

// NewServer starts a cloud, which ends with the test.
func NewServer(tb TB) *Server {
	tb.Helper()
	return start(tb, (*httptest.Server).Start)
}

// NewTLSServer starts a cloud with TLS, which ends with the test. Its
// certificate is for 127.0.0.1, ::1 and localhost.
func NewTLSServer(tb TB, flaws ...Flaw) *Server {
	tb.Helper()
	return startTLS(tb, false, flaws)
}

// NewHTTP2Server starts a cloud with TLS that offers HTTP/2.
func NewHTTP2Server(tb TB) *Server {
	tb.Helper()
	return startTLS(tb, true, nil)
}

func startTLS(tb TB, http2 bool, flaws []Flaw) *Server {
	authority, certificate := certificates(flaws)
	s := start(tb, func(unstarted *httptest.Server) {
		unstarted.EnableHTTP2 = http2
		unstarted.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}} // Go's own minimum version
		unstarted.StartTLS()
	})
	s.CAPEM = authority
	return s
}

func start(tb TB, how func(unstarted *httptest.Server)) *Server {
	c := New()
	server := httptest.NewUnstartedServer(c)
	s := &Server{Cloud: c, server: server, connections: &connections{open: map[net.Conn]bool{}}}
	s.connections.changed.L = &s.connections.mu
	server.Config.ErrorLog = log.New(withoutHandshakes{os.Stderr}, "", 0)
	server.Config.ConnState = s.connections.change
	how(server)
	s.URL = server.URL
	c.Configure(func(set *Settings) { set.BaseURL = s.URL })
	tb.Cleanup(s.Close)
	return s
}

// AuthURL is the URL of Keystone, as in OS_AUTH_URL.
func (s *Server) AuthURL() string { return s.URL + "/identity/v3" }

// Close ends the server at once; what is being answered is cut off. Requests
// are refused from then on. The test's end closes a server that still runs.
func (s *Server) Close() {
	s.Cloud.Close()
	s.server.CloseClientConnections()
	s.server.Close()
}

// Disconnect ends all connections and waits for what is answered on them, so that
// a request which a client gave up is not counted as one of the next client. No
// client may have requests under way.
func (s *Server) Disconnect() {
	// Connections are accepted in their order: after this one only those are still to
	// come that a client dials for a request which it gave up, and it sends nothing there.
	last, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		return // the server is closed
	}
	defer func() { _ = last.Close() }() // nothing was written
	var accepted []net.Conn
	s.connections.wait(func(open map[net.Conn]bool) bool {
		accepted = slices.Collect(maps.Keys(open))
		return slices.ContainsFunc(accepted, func(conn net.Conn) bool { return conn.RemoteAddr().String() == last.LocalAddr().String() })
	})
	s.server.CloseClientConnections()
	s.connections.wait(func(open map[net.Conn]bool) bool {
		return !slices.ContainsFunc(accepted, func(conn net.Conn) bool { return open[conn] })
	})
}

// connections are those of a server on which a request may be answered.
type connections struct {
	mu      sync.Mutex
	changed sync.Cond
	open    map[net.Conn]bool
}

// change is as in [http.Server.ConnState].
func (c *connections) change(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	default:
		return
	}
	c.changed.Broadcast()
}

func (c *connections) wait(until func(open map[net.Conn]bool) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !until(c.open) {
		c.changed.Wait()
	}
}

// withoutHandshakes leaves out of the server's log that a client did not like
// its certificate: tests make that happen on purpose.
type withoutHandshakes struct{ io.Writer }

func (w withoutHandshakes) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("TLS handshake error")) {
		return len(b), nil
	}
	return w.Writer.Write(b)
}

// certificates makes an authority, in PEM, and a server certificate of it.
func certificates(flaws []Flaw) ([]byte, tls.Certificate) {
	from := time.Now().Add(-48 * time.Hour)
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "keystonetest"},
		NotBefore:             from,
		NotAfter:              from.Add(30 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "keystonetest server"},
		NotBefore:    from,
		NotAfter:     ca.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, f := range flaws {
		switch f {
		case Expired:
			leaf.NotAfter = from.Add(24 * time.Hour)
		case WrongName:
			leaf.DNSNames, leaf.IPAddresses = []string{"keystone.example.org"}, nil
		default:
			panic(fmt.Sprintf("keystonetest: no flaw %q", f))
		}
	}
	caKey, leafKey := newKey(), newKey()
	caDER := sign(ca, ca, &caKey.PublicKey, caKey)
	leafDER := sign(leaf, ca, &leafKey.PublicKey, caKey)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
		tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("keystonetest: making a key: %v", err))
	}
	return key
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, by *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		panic(fmt.Sprintf("keystonetest: signing a certificate: %v", err))
	}
	return der
}
