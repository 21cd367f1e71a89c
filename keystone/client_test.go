package keystone

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/keystone/keystonetest"
)

// TestConnections counts the connections that 60 projects take: no more than there
// may be requests at a time, and one where the other side offers HTTP/2.
func TestConnections(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		server   func(keystonetest.TB) *keystonetest.Server
		atMost   int
		protocol string
	}{
		{"http", keystonetest.NewServer, 5, ""},
		{"https", func(tb keystonetest.TB) *keystonetest.Server { return keystonetest.NewTLSServer(tb) }, 5, "http/1.1"},
		{"https with HTTP/2", keystonetest.NewHTTP2Server, 1, "h2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := fill(&world{Server: test.server(t)})
			w.opts.Concurrency = 5
			wanted := Wanted{}
			for n := range 60 {
				p := w.AddProject(keystonetest.Project{Name: fmt.Sprintf("many-%d", n)})
				w.AddInstance(keystonetest.Instance{Name: "one", ProjectID: p.ID})
				wanted.Keys = append(wanted.Keys, p.Name)
			}
			var mu sync.Mutex
			dialled, requests, protocols := 0, 0, map[string]bool{}
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) {
					mu.Lock()
					defer mu.Unlock()
					requests++
					if !info.Reused {
						dialled++
					}
					protocol := ""
					if c, ok := info.Conn.(*tls.Conn); ok {
						protocol = c.ConnectionState().NegotiatedProtocol
					}
					protocols[protocol] = true
				},
			})
			creds := w.credentials()
			creds.insecure = true
			c, err := newClient(creds, w.options())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var dropped atomic.Int64
			c.hosts.base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return &watchedConn{Conn: conn, dropped: &dropped}, err
			}
			c.root = &session{login: c.firstLogin}
			if c.root.token, err = c.firstLogin(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Inventory(ctx, wanted); err != nil {
				t.Fatal(err)
			}
			if requests < 120 || requests != w.Count() || dialled > test.atMost+int(dropped.Load()) {
				t.Errorf("%d requests, %d of them on connections of their own, and net/http dropped %d; the cloud has %d",
					requests, dialled, dropped.Load(), w.Count())
			}
			if diff := cmp.Diff(map[string]bool{test.protocol: true}, protocols); diff != "" {
				t.Errorf("protocols (-want +got):\n%s", diff)
			}
		})
	}
}

// watchedConn counts connections that net/http dropped by itself. It does so 50 ms
// after an answer if its goroutine that wrote the request did not get to say so
// meanwhile, as on a machine with too much work. What a client does not read to
// its end is closed at once.
type watchedConn struct {
	net.Conn
	dropped *atomic.Int64
	mu      sync.Mutex
	last    time.Time // when something was read
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.mu.Lock()
		c.last = time.Now()
		c.mu.Unlock()
	}
	return n, err
}

func (c *watchedConn) Close() error {
	c.mu.Lock()
	if !c.last.IsZero() && time.Since(c.last) >= 50*time.Millisecond {
		c.dropped.Add(1)
		c.last = time.Time{} // once
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// TestGzip has every answer come as one would that a proxy has compressed, to
// those who take that.
func TestGzip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := withoutWhy(w.mustRead(t, everything()))
	compress := w.Inject(keystonetest.Fault{Do: func(out http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("%s %s accepts %q", r.Method, r.URL.Path, r.Header.Get("Accept-Encoding"))
		}
		for name, values := range answer.Header() {
			out.Header()[name] = values
		}
		out.Header().Del("Content-Length")
		out.Header().Set("Content-Encoding", "gzip")
		out.WriteHeader(answer.Code)
		z := gzip.NewWriter(out)
		if _, err := z.Write(answer.Body.Bytes()); err != nil {
			t.Error(err)
		}
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	}})
	if diff := cmp.Diff(plain, withoutWhy(w.mustRead(t, everything())), sameAddr); diff != "" {
		t.Errorf("compressed answers are read as something else (-plain +compressed):\n%s", diff)
	}
	if compress.Hits() < 10 {
		t.Errorf("only %d answers were compressed", compress.Hits())
	}
}

// TestConcurrency holds requests until as many are under way as are allowed. Over
// HTTP/2 the number of connections would not limit them.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]func(keystonetest.TB) *keystonetest.Server{
		"http": keystonetest.NewServer, "HTTP/2": keystonetest.NewHTTP2Server,
	} {
		for _, concurrency := range []int{1, 3} {
			t.Run(fmt.Sprint(name, concurrency), func(t *testing.T) {
				t.Parallel()
				w := fill(&world{Server: server(t)})
				w.opts.Concurrency, w.opts.Regions = concurrency, []string{"RegionOne"}
				var wanted Wanted
				for n := range 4 * concurrency {
					wanted.Keys = append(wanted.Keys, w.AddProject(keystonetest.Project{Name: fmt.Sprintf("many-%d", n)}).Name)
				}
				w.Inject(holdUntil(concurrency))
				// Too many would be seen to be under way at once.
				w.Configure(func(s *keystonetest.Settings) { s.Latency = 2 * time.Millisecond })
				creds := w.credentials()
				creds.insecure = true
				c, err := Open(t.Context(), creds, w.options())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Inventory(t.Context(), wanted); err != nil {
					t.Fatal(err)
				}
				if got := w.Peak(); got != concurrency {
					t.Errorf("%d requests at a time, want %d", got, concurrency)
				}
			})
		}
	}
}

// holdUntil holds the first n requests for instances until all of them are there.
func holdUntil(n int) keystonetest.Fault {
	var mu sync.Mutex
	full, waiting := make(chan struct{}), 0
	return keystonetest.Fault{Kind: keystonetest.Instances, Times: n, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		if waiting++; waiting == n {
			close(full)
		}
		mu.Unlock()
		select {
		case <-full:
		case <-r.Context().Done():
		}
		next.ServeHTTP(w, r)
	}}
}

// TestManyAnswers has many answers come at once.
func TestManyAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Concurrency = 12
	var wanted Wanted
	for n := range 40 {
		p := w.AddProject(keystonetest.Project{Name: fmt.Sprintf("many-%d", n)})
		w.AddInstance(keystonetest.Instance{Name: "one", ProjectID: p.ID})
		wanted.Keys = append(wanted.Keys, p.Name)
	}
	for key, p := range w.mustRead(t, wanted).Projects {
		if len(p.Instances) != 1 {
			t.Errorf("project %s has %d instances", key, len(p.Instances))
		}
	}
}
