package keystonetest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// tenGB is the length of the bodies that are meant to be too long.
const tenGB = 10 << 30

// Faults in the connection

// reset sends a TCP RST: instead of the answer, or in the middle of it.
func reset(inBody bool) Do {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		var half []byte
		if inBody {
			a := record(next, r)
			half = append(a.head(len(a.body)+1000), a.body[:len(a.body)/2]...)
		}
		conn := hijack(w)
		defer func() { _ = conn.Close() }() // it is being broken
		if _, err := conn.Write(half); err != nil {
			return
		}
		if t := tcp(conn); t != nil {
			_ = t.SetLinger(0) // without it the peer sees an end of file
			_ = t.Close()
		}
	}
}

func hangUp(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

func blackHole(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	at(r).cloud.wait(r.Context(), 24*time.Hour)
	panic(http.ErrAbortHandler)
}

func stall(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(next, r)
	half := a.body[:len(a.body)/2]
	a.begin(w, len(a.body)+1000)
	_, _ = w.Write(half)
	flush(w)
	blackHole(w, r, next)
}

func drip(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(next, r)
	a.begin(w, len(a.body))
	for n := range a.body {
		if _, err := w.Write(a.body[n : n+1]); err != nil {
			return
		}
		flush(w)
		if !at(r).cloud.wait(r.Context(), 50*time.Millisecond) {
			panic(http.ErrAbortHandler)
		}
	}
}

func raw(s string) Do {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		conn := hijack(w)
		defer func() { _ = conn.Close() }() // nobody waits for more
		_, _ = io.WriteString(conn, s)
	}
}

// hijack takes the connection, which only HTTP/1 gives away.
func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(fmt.Sprintf("keystonetest: a fault needs an HTTP/1 connection: %v", err))
	}
	return conn
}

func tcp(conn net.Conn) *net.TCPConn {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	t, _ := conn.(*net.TCPConn)
	return t
}

func flush(w http.ResponseWriter) {
	// What cannot be flushed has been closed by the client.
	_ = http.NewResponseController(w).Flush()
}

// Faults in the status

// status answers with an error as the service would word it, with more headers
// (name, value, ...).
func status(code int, headers ...string) Do {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		k := at(r).call
		var a *answer
		switch {
		case code == http.StatusNoContent:
			a = &answer{status: code, header: http.Header{}}
		case code == http.StatusMultipleChoices:
			a = jsonAnswer(code, map[string]any{})
		case code == http.StatusUnauthorized:
			a = at(r).cloud.unauthorized(k)
		case code == http.StatusForbidden && k.service == "compute":
			a = novaForbidden("os_compute_api:servers:detail")
		case code == http.StatusForbidden:
			a = keystoneForbidden("identity:anything.")
		case k.service == "compute":
			a = novaError(code, "An injected fault: "+http.StatusText(code)+".")
		default:
			a = keystoneError(code, "An injected fault: "+http.StatusText(code)+".")
		}
		a.header.Set("X-Openstack-Request-Id", "req-"+dashed(hexID("fault", k.Path)))
		a.with(headers).write(w)
	}
}

// htmlPage answers as HAProxy does when no server is left.
func htmlPage(code int) Do {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		a := &answer{status: code, header: http.Header{}}
		a.body = fmt.Appendf(nil, "<html><body><h1>%d %s</h1>\nNo server is available to handle this request.\n</body></html>\n",
			code, http.StatusText(code))
		a.with([]string{"Content-Type", "text/html", "Cache-Control", "no-cache"}).write(w)
	}
}

// redirect sends the client to another name of this same server, so that the
// log of requests shows what a client that follows has given away there.
func redirect(code int) Do {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		target := *r.URL
		target.Scheme, target.Host = "http", otherName(r.Host)
		if r.TLS != nil {
			target.Scheme = "https"
		}
		http.Redirect(w, r, target.String(), code)
	}
}

// otherName is another name for the same host.
func otherName(hostPort string) string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return "localhost"
	}
	if host == "localhost" {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return net.JoinHostPort("localhost", port)
}

func tooNew(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	novaError(http.StatusNotAcceptable, "Version "+at(r).call.Microversion+
		" is not supported by the API. Minimum is 2.1 and maximum is 2.60.").write(w)
}

func markerUnknown(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	novaError(http.StatusBadRequest, "marker ["+at(r).call.Marker+"] not found").write(w)
}

func versionIgnored(w http.ResponseWriter, r *http.Request, next http.Handler) {
	r = r.Clone(r.Context())
	r.Header.Del("OpenStack-API-Version")
	r.Header.Del("X-OpenStack-Nova-API-Version")
	next.ServeHTTP(w, r)
}

func repeat(w http.ResponseWriter, r *http.Request, next http.Handler) {
	r = r.Clone(r.Context())
	q := r.URL.Query()
	q.Del("marker")
	r.URL.RawQuery = q.Encode()
	next.ServeHTTP(w, r)
}

func expires(w http.ResponseWriter, r *http.Request, next http.Handler) {
	at(r).cloud.ExpireToken(cmp.Or(at(r).call.login.token(), r.Header.Get("X-Auth-Token")))
	next.ServeHTTP(w, r)
}

func expiredToken(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(next, r)
	at(r).cloud.ExpireToken(a.header.Get("X-Subject-Token"))
	a.write(w)
}

// Faults in the length of the body

func short(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(next, r)
	a.begin(w, len(a.body))
	_, _ = w.Write(a.body[:len(a.body)/2])
	flush(w)
	panic(http.ErrAbortHandler)
}

func chunkCut(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(next, r)
	a.begin(w, -1)
	_, _ = w.Write(a.body[:len(a.body)/2])
	flush(w)
	panic(http.ErrAbortHandler)
}

func endless(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(next, r)
	a.begin(w, -1)
	blank(w, a.opening())
}

func endlessLength(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(next, r)
	a.begin(w, tenGB)
	blank(w, a.opening())
}

// blank writes the beginning of a document and then white space up to 10 GB in
// all, or as much as the client takes.
func blank(w io.Writer, opening []byte) {
	white := bytes.Repeat([]byte{' '}, 64<<10)
	n, err := w.Write(opening)
	for left := tenGB - n; left > 0 && err == nil; left -= n {
		n, err = w.Write(white[:min(left, len(white))])
	}
}

func bomb(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(next, r)
	a.header.Set("Content-Encoding", "gzip")
	a.begin(w, -1)
	const size = 256 << 10
	member := squeeze(bytes.Repeat([]byte{' '}, size))
	_, err := w.Write(squeeze(a.opening()))
	for n := 0; n < tenGB/size && err == nil; n++ {
		_, err = w.Write(member)
	}
}

func squeeze(b []byte) []byte {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}
