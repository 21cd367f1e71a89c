package keystone

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"nfs-exportd/printable"
)

// What is here answers one question at a time, for those who want to know why a
// run fails. A run itself needs none of it.

// Stage is how far a way into the network leads.
type Stage string

// The stages, in their order.
const (
	Name        Stage = "name"        // the host's name has an address
	Connection  Stage = "connection"  // the address takes a connection
	Certificate Stage = "certificate" // the certificate is verified; of https only
)

// Reached is how far one came to a URL.
type Reached struct {
	Host  string // with the port
	Proxy string // the proxy that stands in its place, or ""
	Addrs []netip.Addr
	Addr  string // the address that took the connection
	// Certificate is whom the certificate is for, and Until when it expires, of
	// https.
	Certificate string
	Until       time.Time
	// Failed is the stage that Err is about, or "".
	Failed Stage
	Err    error // an [*UnavailableError], [*UntrustedError] or [*CredentialsError]
}

// dialAny connects to the first address that takes a connection. It gives that address.
func dialAny(ctx context.Context, addrs []netip.Addr, port string) (conn net.Conn, took string, err error) {
	err = errors.New("the name has no address")
	for _, addr := range addrs {
		limited, cancel := context.WithTimeout(ctx, dialTimeout)
		conn, err = new(net.Dialer).DialContext(limited, "tcp", net.JoinHostPort(addr.String(), port))
		cancel()
		if err == nil {
			return conn, addr.String(), nil
		}
	}
	return nil, "", err
}

// Reach goes to the host of a URL, or to the proxy that the URL is asked for
// through, stage by stage, as a request would. Lookup is as
// [net.Resolver.LookupNetIP].
func Reach(ctx context.Context, creds Credentials, opts Options, address string, lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)) (r Reached) {
	x := Exchange{Op: "reach it", Method: "connect to", URL: printable.Plain(address), As: creds.String()}
	u, err := parseEndpoint(address)
	if err != nil {
		r.Failed, r.Err = Name, &UntrustedError{x, err, "correct the URL in the credentials or the catalog"}
		return r
	}
	secure := u.Scheme == "https"
	about := "the credentials or the catalog" // where the URL is from
	if opts.Proxy != nil {
		proxy, err := opts.Proxy(&http.Request{URL: u})
		if err != nil {
			r.Failed, r.Err = Name, unusable(creds.Source, errors.New("the URL of the proxy is not usable"), "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY")
			return r
		}
		if proxy != nil {
			// What is behind the proxy is its business.
			r.Proxy, u, secure = proxy.Redacted(), proxy, false
			x.Op, x.URL = fmt.Sprintf("reach the proxy for %s", printable.Plain(address)), printable.Plain(r.Proxy)
			about = "HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
		}
	}
	host, port := u.Hostname(), portOf(u)
	r.Host = net.JoinHostPort(host, port)
	if addr, err := netip.ParseAddr(host); err == nil {
		r.Addrs = []netip.Addr{addr}
	} else if r.Addrs, err = lookup(ctx, "ip", host); err != nil {
		r.Failed, r.Err = Name, &UnavailableError{x, said{err}, "mend the resolver (/etc/resolv.conf, /etc/hosts), or correct the name in " + about}
		return r
	}
	for i, addr := range r.Addrs {
		r.Addrs[i] = addr.Unmap()
	}
	conn, addr, err := dialAny(ctx, r.Addrs, port)
	if err != nil {
		r.Failed, r.Err = Connection, &UnavailableError{x, said{err},
			"see whether the service runs there, and whether a firewall is between, or correct the address in " + about}
		return r
	}
	r.Addr = addr
	defer func() { _ = conn.Close() }() // nothing was written to it
	if !secure {
		return r
	}
	config, err := creds.tlsConfig()
	if err != nil {
		r.Failed, r.Err = Certificate, err
		return r
	}
	config.ServerName = host
	limited, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(limited); err != nil {
		r.Failed, r.Err = Certificate, noTLS(x, err)
		return r
	}
	leaf := secured.ConnectionState().PeerCertificates[0]
	r.Certificate, r.Until = printable.Plain(leaf.Subject.String()), leaf.NotAfter
	return r
}

// noTLS tells why a handshake failed, as a request would.
func noTLS(x Exchange, err error) error {
	other, ok := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case isCertificate(err):
		return &UnavailableError{x, said{err}, aboutCertificate(err)}
	case ok && string(other.RecordHeader[:]) == "HTTP/":
		return &UntrustedError{x, fmt.Errorf("no TLS is spoken there, but HTTP: %w", said{err}), notTheAPI}
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("the TLS handshake took longer than %s: %w", dialTimeout, err)
	}
	return &UnavailableError{x, said{err}, "see whether the service there speaks TLS 1.2 or later"}
}

const dialTimeout = 10 * time.Second

// Granted is what a log-in gave.
type Granted struct {
	Scope string // for people: "the system", "project NAME (ID)"
	Roles []string
}

// Granted tells what the log-in gave.
func (c *Client) Granted() Granted {
	t, err := c.root.current()
	if err != nil {
		return Granted{}
	}
	return Granted{t.scope, t.roles}
}

// LogInUnscoped logs in with the same credentials for nothing but to learn
// whether they are right by themselves, so that it is their scope that was
// refused. It gives the errors of [Open]. An application credential has no scope
// to leave out.
func LogInUnscoped(ctx context.Context, creds Credentials, opts Options) error {
	c, err := newClient(creds, opts)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.unscopedLogin(ctx)
	return err
}

// HasScope tells whether the credentials ask for a scope, which
// [LogInUnscoped] would leave out.
func (c Credentials) HasScope() bool { return !c.application.given() }

// Scope is what the credentials ask a token for, for people.
func (c Credentials) Scope() string {
	switch s := c.scope; {
	case c.application.given():
		return "the project of the application credential"
	case s.system:
		return "the system"
	case s.projectID != "":
		return "project " + printable.Quote(s.projectID)
	case s.projectName != "":
		return fmt.Sprintf("project %s of domain %s", printable.Quote(s.projectName), printable.Quote(s.domainName+s.domainID))
	}
	return "domain " + printable.Quote(c.scope.domainName+c.scope.domainID)
}

// Region is a region and where its Nova is.
type Region struct {
	ID  string
	URL string // of Nova; "" with Err
	Err error  // an [*UntrustedError]: there is no Nova, or no telling which
}

// Regions gives the regions that a run reads.
func (c *Client) Regions(ctx context.Context) ([]Region, error) {
	ids, err := c.findRegions(ctx)
	if err != nil {
		return nil, err
	}
	t, err := c.root.current()
	if err != nil {
		return nil, err
	}
	var regions []Region
	for _, id := range ids {
		text, err := c.computeURL(t, id)
		regions = append(regions, Region{id, text, err})
	}
	return regions, nil
}
