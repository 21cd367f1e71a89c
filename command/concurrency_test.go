package command

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"nfs-exportd/keystone/keystonetest"
)

// TestConcurrencyKey has the configuration say how many requests there are at a
// time: one, or as many as it takes to answer those that wait for each other.
func TestConcurrencyKey(t *testing.T) {
	w := newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
	config := w.before["mounts.yaml"]
	// Too many would be seen to be under way at once.
	w.cloud.Configure(func(s *keystonetest.Settings) { s.Latency = 2 * time.Millisecond })
	for key, peak := range map[string]int{"1": 1, "2": 2} {
		w.write(t, "mounts.yaml", config+"openstack: {concurrency: "+key+"}\n")
		w.cloud.ResetRequests()
		arrived := make(chan struct{}, peak)
		w.cloud.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Times: peak, Do: func(out http.ResponseWriter, r *http.Request, next http.Handler) {
			arrived <- struct{}{}
			for len(arrived) < peak && r.Context().Err() == nil {
				continue // for the other
			}
			next.ServeHTTP(out, r)
		}})
		if got := w.run("plan"); got.status != 0 || got.stdout+got.stderr != "" {
			t.Errorf("exit status %d: %s%s", got.status, got.stdout, got.stderr)
		}
		if got := w.cloud.Peak(); got != peak {
			t.Errorf("openstack.concurrency %s: %d requests at a time", key, got)
		}
		w.cloud.Heal()
	}
	for _, r := range w.cloud.Requests() {
		if want := "nfs-exportd/" + strings.Fields((&App{}).version())[0] + " gophercloud/"; !strings.HasPrefix(r.UserAgent, want) {
			t.Fatalf("%s: User-Agent %q, want %s...", r, r.UserAgent, want)
		}
	}
}
