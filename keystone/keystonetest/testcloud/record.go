package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// recorder keeps requests, tokens and all, so that another client can send them again.
type recorder struct {
	mu       sync.Mutex
	requests []recorded
}

type recorded struct {
	url    string
	header http.Header
	body   string
}

// handler records what comes and passes it on.
func (t *recorder) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the client went away
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		t.mu.Lock()
		t.requests = append(t.requests, recorded{"http://" + r.Host + r.URL.RequestURI(), r.Header.Clone(), string(body)})
		t.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (t *recorder) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests = nil
}

// curl gives the requests as a configuration for curl -K, which throws the
// answers away.
func (t *recorder) curl() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace
	var b strings.Builder
	for i, r := range t.requests {
		if i > 0 {
			b.WriteString("next\n")
		}
		fmt.Fprintf(&b, "url = \"%s\"\noutput = /dev/null\nsilent\nshow-error\n", quote(r.url))
		for _, name := range []string{"X-Auth-Token", "OpenStack-API-Version", "Content-Type", "Accept"} {
			if value := r.header.Get(name); value != "" {
				fmt.Fprintf(&b, "header = \"%s: %s\"\n", name, quote(value))
			}
		}
		if r.body != "" {
			fmt.Fprintf(&b, "data = \"%s\"\n", quote(r.body))
		}
	}
	return b.String()
}
