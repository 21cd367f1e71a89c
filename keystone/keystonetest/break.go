package keystonetest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

// tenGB is the length of the bodies that are meant to be too long.
const tenGB = 10 << 30

// inChunks is a length of no Content-Length, whatever is added to it.
const inChunks = -2 * tenGB

// record asks the healthy cloud and keeps its answer.
func record(next http.Handler, r *http.Request) *answer {
	w := httptest.NewRecorder()
	next.ServeHTTP(w, r)
	w.Header().Del("Content-Length")
	return &answer{status: w.Code, header: w.Header(), body: w.Body.Bytes()}
}

// with sets headers (name, value, ...); an empty value removes one.
func (a *answer) with(headers []string) *answer {
	for n := 0; n+1 < len(headers); n += 2 {
		if headers[n+1] == "" {
			a.header.Del(headers[n])
		} else {
			a.header.Set(headers[n], headers[n+1])
		}
	}
	return a
}

// Faults in the connection and in the length of the body

func hangUp(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

func blackHole(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	at(r).cloud.wait(r.Context(), 24*time.Hour)
	panic(http.ErrAbortHandler)
}

// reset sends a TCP RST.
func reset(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	conn := hijack(w)
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // without it the peer sees an end of file
	}
	_ = conn.Close() // it is being broken
}

func notHTTP(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	conn := hijack(w)
	defer func() { _ = conn.Close() }() // nobody waits for more
	_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
}

// hijack takes the connection, which only HTTP/1 gives away.
func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(fmt.Sprintf("keystonetest: a fault needs an HTTP/1 connection: %v", err))
	}
	return conn
}

// half promises a body that is longer by some bytes (or [inChunks]), sends half
// of it, and goes on with another fault.
func half(longer int, then Do) Do {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := record(next, r)
		a.begin(w, len(a.body)+longer)
		_, _ = w.Write(a.body[:len(a.body)/2])
		flush(w)
		then(w, r, next)
	}
}

func flush(w http.ResponseWriter) {
	// What cannot be flushed has been closed by the client.
	_ = http.NewResponseController(w).Flush()
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

// endless writes the beginning of the body, up to and with its first bracket of
// a list or second of an object, and then white space up to 10 GB in all, or as
// much as the client reads.
func endless(length int, zipped bool) Do {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := record(next, r)
		white := bytes.Repeat([]byte{' '}, 256<<10)
		piece := bytes.Clone(white)
		piece[0] = '{'
		if at := bytes.IndexAny(a.body[min(1, len(a.body)):], "[{"); at >= 0 {
			copy(piece, a.body[:at+2])
		}
		if zipped {
			a.header.Set("Content-Encoding", "gzip")
			piece, white = squeeze(piece), squeeze(white)
		}
		a.begin(w, length)
		for range tenGB / (256 << 10) {
			if _, err := w.Write(piece); err != nil {
				return
			}
			piece = white
		}
	}
}

func squeeze(b []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // fails only for a level that does not exist
	_, _ = z.Write(b)                                       // a buffer accepts everything
	_ = z.Close()
	return out.Bytes()
}

// Faults in the status

// status answers with an error as the service would word it, with more headers
// (name, value, ...).
func status(code int, headers ...string) Do {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		k := at(r).call
		nova := k.service == "compute"
		message := "An injected fault: " + http.StatusText(code) + "."
		var a *answer
		switch {
		case code == http.StatusNoContent:
			a = newAnswer(code, "", nil)
		case code == http.StatusMultipleChoices:
			a = jsonAnswer(code, map[string]any{})
		case code == http.StatusUnauthorized:
			a = at(r).cloud.unauthorized(k)
		case code == http.StatusForbidden && nova:
			a = novaForbidden("os_compute_api:servers:detail")
		case code == http.StatusForbidden:
			a = keystoneForbidden("identity:anything.")
		case nova:
			a = novaError(code, message)
		default:
			a = keystoneError(code, message)
		}
		a.header.Set("X-Openstack-Request-Id", "req-"+dashed(hexID("fault", k.Path)))
		a.with(headers).write(w)
	}
}

// htmlPage answers as HAProxy does when no server is left.
func htmlPage(code int) Do {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		body := fmt.Appendf(nil, "<html><body><h1>%d %s</h1>\nNo server is available to handle this request.\n</body></html>\n",
			code, http.StatusText(code))
		newAnswer(code, "text/html", body).with([]string{"Cache-Control", "no-cache"}).write(w)
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
	switch {
	case err != nil:
		return "localhost"
	case host == "localhost":
		return net.JoinHostPort("127.0.0.1", port)
	}
	return net.JoinHostPort("localhost", port)
}

func tooNew(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	novaTooNew(at(r).call.Microversion, 60).write(w)
}

func markerUnknown(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	novaNoMarker(at(r).call.Marker).write(w)
}

// Faults that change the request, or what a token is worth

// changed serves a request as the healthy cloud would serve another one.
func changed(change func(r *http.Request)) Do {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r = r.Clone(r.Context())
		change(r)
		next.ServeHTTP(w, r)
	}
}

func noMicroversion(r *http.Request) {
	r.Header.Del("OpenStack-API-Version")
	r.Header.Del("X-OpenStack-Nova-API-Version")
}

func noMarker(r *http.Request) {
	q := r.URL.Query()
	q.Del("marker")
	r.URL.RawQuery = q.Encode()
}

func expires(r *http.Request) {
	at(r).cloud.ExpireToken(cmp.Or(at(r).call.login.token(), r.Header.Get("X-Auth-Token")))
}

func expiredToken(w http.ResponseWriter, r *http.Request, next http.Handler) {
	a := record(next, r)
	at(r).cloud.ExpireToken(a.header.Get("X-Subject-Token"))
	a.write(w)
}
