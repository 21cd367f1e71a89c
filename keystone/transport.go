package keystone

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// maxBody is for one answer, unpacked, but for a page of instances. A list of
	// 5,000 projects is some 1.4 MB, a log-in with a large catalog some 100 kB.
	maxBody = 64 << 20
	// maxErrorBody is for an answer of which only a message is wanted.
	maxErrorBody = 64 << 10
)

var (
	errForeignHost = errors.New("the host is neither the one of the log-in nor one of the catalog")
	errTooLong     = errors.New("the answer is too long")
)

// hosts is a transport that asks only hosts that it was told of, so that a token
// reaches no other, whatever the code above does. It bounds what is read, for
// Gophercloud reads a refusal to its end, however long.
type hosts struct {
	base    *http.Transport
	maxBody int64

	mu    sync.RWMutex
	known map[string]bool // by origin
}

func newTransport(config *tls.Config, opts Options) *http.Transport {
	return &http.Transport{
		Proxy:                  opts.Proxy,
		TLSClientConfig:        config,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    opts.Concurrency, // Go keeps 2, and closes what is idle besides
		MaxConnsPerHost:        opts.Concurrency,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}
}

// allow makes the origin of a URL known.
func (h *hosts) allow(u *url.URL) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[origin(u)] = true
}

// origin is scheme, host and port.
func origin(u *url.URL) string {
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + " " + portOf(u)
}

// portOf is the port of a URL, or else that of its scheme.
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// RoundTrip is as in [http.RoundTripper].
func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.RLock()
	known := h.known[origin(r.URL)]
	h.mu.RUnlock()
	if !known {
		return nil, errForeignHost
	}
	response, err := h.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	limit := int64(maxErrorBody)
	if response.StatusCode/100 == 2 {
		limit = h.maxBody
	}
	response.Body = &limitedBody{ReadCloser: response.Body, limit: limit}
	return response, nil
}

// limitedBody gives errTooLong where [io.LimitReader] would pretend that the body
// ends. It keeps the error that ended it, which a decoder may give other words.
type limitedBody struct {
	io.ReadCloser
	read, limit int64 // in bytes
	err         error // but not that of the end
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	left := b.limit - b.read
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), max(left, 1))])
	if left <= 0 && n > 0 { // what was one byte more, and not the end
		n, err = 0, errTooLong
	}
	b.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (h *hosts) CloseIdleConnections() { h.base.CloseIdleConnections() }
