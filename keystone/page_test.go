package keystone

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"nfs-exportd/keystone/keystonetest"
)

// metadata is an object of at least size bytes, and of little more.
func metadata(size int) []byte {
	var b strings.Builder
	value := strings.Repeat("x", 10_000)
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, `,"key%d":"%s"`, n, value)
	}
	return []byte("{" + b.String()[1:] + "}")
}

// bigID is a project of big instances.
const bigID = "00000000000000000000000000000b19"

// bigPage answers with n instances of the project, each with such metadata.
func bigPage(n int, metadata []byte) keystonetest.Do {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Query().Has("marker") {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("OpenStack-API-Version", "compute "+microversion)
		_, _ = io.WriteString(w, `{"servers":[`)
		for i := range n {
			if i > 0 {
				_, _ = io.WriteString(w, ",")
			}
			_, _ = fmt.Fprintf(w, `{"id":"big-%03d","metadata":`, i)
			_, _ = w.Write(metadata)
			_, _ = fmt.Fprintf(w, `,"name":"n%d","status":"ACTIVE","tenant_id":"%s","addresses":{"lan":[{"addr":"10.0.1.%d","version":4}]}}`, i, bigID, i)
		}
		_, _ = io.WriteString(w, `]}`)
	}
}

// withBigPages is a world in which one project has such a page.
func withBigPages(t *testing.T, n int, metadata []byte) *world {
	t.Helper()
	w := newWorld(t)
	w.AddProject(keystonetest.Project{ID: bigID, Name: "big"})
	// The next page is asked for by it.
	w.AddInstance(keystonetest.Instance{ID: fmt.Sprintf("big-%03d", n-1), Name: "last", ProjectID: bigID})
	w.opts.Regions = []string{"RegionOne"}
	w.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Project: bigID, Do: bigPage(n, metadata)})
	return w
}

// TestBigPage has a page of 70 MB, which is read without being in memory. It is
// not parallel, for all that is allocated counts.
func TestBigPage(t *testing.T) {
	const n, each = 20, 3_500_000
	w := withBigPages(t, n, metadata(each))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	instances := w.mustRead(t, Wanted{Keys: []string{bigID}}).Projects[bigID].Instances
	runtime.ReadMemStats(&after)
	got := 0
	for i, instance := range instances {
		if instance.ID == fmt.Sprintf("big-%03d", i) && len(instance.Addresses) == 1 {
			got++
		}
	}
	if got != n {
		t.Errorf("%d of %d instances: %v", got, n, instances)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > n*each/4 {
		t.Errorf("%d bytes were allocated for a page of %d", allocated, n*each)
	}
}

// TestBigInstance has an instance that is longer than any may be.
func TestBigInstance(t *testing.T) {
	t.Parallel()
	w := withBigPages(t, 3, metadata(maxInstance))
	_, err := w.read(t.Context(), Wanted{Keys: []string{bigID}})
	if class(err) != "untrusted" || !strings.Contains(err.Error(), `instance 1 of the page (id "big-000") is longer than 4 MiB`) {
		t.Errorf("%s: %v", class(err), err)
	}
}

// TestLongInstance has parts of a page that are as long as they may be, and longer.
func TestLongInstance(t *testing.T) {
	t.Parallel()
	text, space := strings.Repeat("x", maxInstance-1000), strings.Repeat(" ", maxInstance)
	longer := text + strings.Repeat("x", 1000)
	const one = `{"id":"i","name":"n"}`
	for _, test := range []struct{ body, want string }{
		{`{"x":"` + text + `","servers":[{"x":"` + text + `","id":"i","name":"n"},{"id":"j","x":"` + text + `","name":"n"}],"y":"` + text + `"}`, ""},
		{`{"servers":[` + one + `,{"id":"j","x":"` + longer + `"}]}`, `instance 2 of the page (id "j") is longer than 4 MiB`},
		{`{"servers":[{"x":"` + longer + `"}]}`, `instance 1 of the page (id "") is longer than 4 MiB`},
		{`{"x":"` + longer + `","servers":[]}`, errTooLong.Error()},
		{`{"servers":[` + one + `],"x":"` + longer + `"}`, errTooLong.Error()},
		{`{"servers":[` + one + `,` + space + one + `]}`, errTooLong.Error()},
		{`{"servers":[` + one + `]}` + space + " ", errTooLong.Error()},
	} {
		body := bodyOf(strings.NewReader(test.body))
		_, err := decodeServers(body, "R", false)
		if err != nil {
			err = body.err
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%.30s...: %v, want %q", test.body, err, test.want)
		}
	}
}

// TestEndlessPage has valid instances without an end, as fast as they can be read.
func TestEndlessPage(t *testing.T) {
	t.Parallel()
	w := withEndlessPage(t, 0)
	_, err := w.read(t.Context(), Wanted{Keys: []string{bigID}})
	if class(err) != "untrusted" || !strings.Contains(err.Error(), "the page has more than 100000 instances") {
		t.Errorf("%s: %v", class(err), err)
	}
}

// TestSlowEndlessPage has such a page that is slow: it ends with the time of the run.
func TestSlowEndlessPage(t *testing.T) {
	t.Parallel()
	w := withEndlessPage(t, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := w.read(ctx, Wanted{Keys: []string{bigID}})
	if class(err) != "unavailable" || !strings.Contains(err.Error(), "the time is up") {
		t.Errorf("%s: %v", class(err), err)
	}
}

// withEndlessPage is a world in which one project has a page of instances without
// an end, with a pause before each.
func withEndlessPage(t *testing.T, pause time.Duration) *world {
	t.Helper()
	w := newWorld(t)
	w.AddProject(keystonetest.Project{ID: bigID, Name: "big"})
	w.opts.Regions = []string{"RegionOne"}
	w.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Project: bigID, Do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("OpenStack-API-Version", "compute "+microversion)
		_, err := io.WriteString(w, `{"servers":[`)
		for i := 0; err == nil; i++ {
			if pause > 0 {
				_ = http.NewResponseController(w).Flush() // the next write fails if this does
				time.Sleep(pause)
			}
			_, err = fmt.Fprintf(w, `{"id":"i%d","name":"n","status":"ACTIVE","tenant_id":"%s","addresses":{"lan":[{"addr":"10.0.0.1","version":4}]}},`, i, bigID)
		}
	}})
	return w
}
