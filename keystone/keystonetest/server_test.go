package keystonetest_test

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nfs-exportd/keystone/keystonetest"
)

// TestCloseEndsWhatWaits: a server, or the cloud in a server of another kind,
// closes at once with a request in a black hole.
func TestCloseEndsWhatWaits(t *testing.T) {
	for name, closing := range map[string]func(*keystonetest.Server){
		"server": (*keystonetest.Server).Close,
		"cloud":  func(s *keystonetest.Server) { s.Cloud.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := small(t)
			injected := s.Inject(named(t, "black-hole").On(keystonetest.Version))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.AuthURL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for injected.Hits() == 0 {
					time.Sleep(time.Millisecond)
				}
				closing(s)
			}()
			if res, err := http.DefaultClient.Do(r); err == nil {
				t.Errorf("status %d", res.StatusCode)
				_ = res.Body.Close()
			}
		})
	}
}

// TestDisconnectBesideDials: a client may dial for a request that it has given up.
func TestDisconnectBesideDials(t *testing.T) {
	s := small(t)
	stop := make(chan struct{})
	var dials sync.WaitGroup
	dials.Go(func() {
		var last net.Conn
		for {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			if last != nil {
				_ = last.Close() // nothing was written
			}
			last = conn
			select {
			case <-stop:
				_ = last.Close()
				return
			default:
			}
		}
	})
	for range 100 {
		s.Disconnect()
	}
	close(stop)
	dials.Wait()
}

func TestClosedServerRefuses(t *testing.T) {
	s := small(t)
	s.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.AuthURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err == nil {
		_ = res.Body.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}
