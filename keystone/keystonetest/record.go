package keystonetest

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
)

// record asks the healthy cloud and keeps its answer.
func record(next http.Handler, r *http.Request) *answer {
	w := &recorder{answer: answer{status: http.StatusOK, header: http.Header{}}}
	next.ServeHTTP(w, r)
	w.header.Del("Content-Length")
	return &w.answer
}

type recorder struct{ answer }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { r.body = append(r.body, b...); return len(b), nil }

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

// begin sends the status and the headers; a negative length means chunks.
func (a *answer) begin(w http.ResponseWriter, length int) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if length >= 0 {
		w.Header().Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(a.status)
}

// head is the beginning of the answer as it goes over the wire.
func (a *answer) head(length int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", a.status, http.StatusText(a.status), length)
	_ = a.header.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}

// opening is the beginning of the body, up to and with its first bracket of a
// list or second of an object.
func (a *answer) opening() []byte {
	if at := bytes.IndexAny(a.body[min(1, len(a.body)):], "[{"); at >= 0 {
		return a.body[:at+2]
	}
	return []byte("{")
}
