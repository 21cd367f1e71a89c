package keystonetest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// maxRequest is the largest request body that is read: a log-in is far below it.
const maxRequest = 1 << 20

// answer is a whole HTTP answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP serves Keystone and every Nova of the cloud, faults included.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	c.mu.Lock()
	k := c.understand(r, body)
	started := c.begin(k)
	fault := c.match(k)
	latency := c.settings.Latency
	c.mu.Unlock()

	answered := &writer{ResponseWriter: w, started: started}
	defer started(0)
	if latency > 0 && !c.wait(r.Context(), latency) {
		panic(http.ErrAbortHandler)
	}
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, body) })
	if fault == nil {
		next.ServeHTTP(answered, r)
		return
	}
	fault.Do(answered, r.WithContext(context.WithValue(r.Context(), faultKey{}, faulted{c, k})), next)
}

// serve answers as a healthy cloud. The request may not be the one that came:
// a fault may have changed it.
func (c *Cloud) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	c.mu.Lock()
	k := c.understand(r, body)
	var a *answer
	switch {
	case k.service == "identity":
		a = c.identity(k)
	case k.service == "compute":
		a = c.compute(k)
	default:
		a = notFound()
	}
	c.requests++
	id := "req-" + dashed(hexID("request", strconv.Itoa(c.requests)))
	c.mu.Unlock()

	a.header.Set("X-Openstack-Request-Id", id)
	if k.service == "compute" {
		a.header.Set("X-Compute-Request-Id", id)
	}
	a.write(w)
}

// newAnswer makes an answer; "" is no Content-Type.
func newAnswer(status int, contentType string, body []byte) *answer {
	a := &answer{status: status, header: http.Header{}, body: body}
	if contentType != "" {
		a.header.Set("Content-Type", contentType)
	}
	return a
}

func (a *answer) write(w http.ResponseWriter) {
	length := len(a.body)
	if a.status == http.StatusNoContent {
		length = inChunks
	}
	a.begin(w, length)
	// A client that has gone away is no concern of the cloud.
	_, _ = w.Write(a.body)
}

// begin sends the status and the headers; a negative length means chunks.
func (a *answer) begin(w http.ResponseWriter, length int) {
	maps.Copy(w.Header(), a.header)
	if length >= 0 {
		w.Header().Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(a.status)
}

// wait returns true after d, and false as soon as the request or the cloud ends.
func (c *Cloud) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-c.closing:
	}
	return false
}

func (c *Cloud) base(r *http.Request) string {
	if c.settings.BaseURL != "" {
		return c.settings.BaseURL
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// writer reports the status before the first byte leaves.
type writer struct {
	http.ResponseWriter
	started func(int)
}

func (w *writer) WriteHeader(status int) {
	w.started(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	w.started(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

func (w *writer) Flush() {
	w.started(http.StatusOK)
	_ = http.NewResponseController(w.ResponseWriter).Flush() // fails only if the client closed
}

func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.started(0)
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

func jsonAnswer(status int, body any) *answer {
	return newAnswer(status, "application/json", encode(body, false))
}

// encode writes JSON. The body of an answer has <, > and & as they are; the
// texts in it that are made by hand have them escaped.
func encode(v any, escaped bool) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escaped)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("keystonetest: an answer without a JSON form: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

func keystoneError(status int, message string) *answer {
	a := jsonAnswer(status, map[string]any{"error": map[string]any{
		"code": status, "title": http.StatusText(status), "message": message,
	}})
	a.header.Set("Vary", "X-Auth-Token")
	return a
}

func keystoneForbidden(action string) *answer {
	return keystoneError(http.StatusForbidden, "You are not authorized to perform the requested action: "+action)
}

func (c *Cloud) unauthorized(k *call) *answer {
	a := keystoneError(http.StatusUnauthorized, "The request you have made requires authentication.")
	a.header.Set("WWW-Authenticate", `Keystone uri="`+k.base+`/identity"`)
	return a
}

func novaError(status int, message string) *answer {
	name := map[int]string{
		400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
		409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit",
		501: "notImplemented", 503: "serviceUnavailable",
	}[status]
	return jsonAnswer(status, map[string]any{cmp.Or(name, "computeFault"): map[string]any{"code": status, "message": message}})
}

func novaForbidden(policy string) *answer {
	return novaError(http.StatusForbidden, "Policy doesn't allow "+policy+" to be performed.")
}

func novaCrash(exception string) *answer {
	return novaError(http.StatusInternalServerError, "Unexpected API Error. Please report this at "+
		"http://bugs.launchpad.net/nova/ and attach the Nova API log if possible.\n<class '"+exception+"'>")
}

func novaTooNew(version string, newest int) *answer {
	return novaError(http.StatusNotAcceptable, fmt.Sprintf(
		"Version %s is not supported by the API. Minimum is 2.1 and maximum is 2.%d.", version, newest))
}

func novaNoMarker(marker string) *answer {
	return novaError(http.StatusBadRequest, "marker ["+marker+"] not found")
}

func notFound() *answer {
	return jsonAnswer(http.StatusNotFound, map[string]any{"message": "The resource could not be found."})
}

// notServed answers what a real cloud may well do and this one does not, so
// that a test does not go on with a guess.
func notServed(k *call) *answer {
	return jsonAnswer(http.StatusNotImplemented, map[string]any{
		"message": "keystonetest does not implement " + k.Method + " " + k.Path + "?" + k.Query.Encode(),
	})
}
