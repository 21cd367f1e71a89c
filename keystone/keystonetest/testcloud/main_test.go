package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve runs the command until the test ends and gives its base URL, from the
// file of -ready.
func serve(t *testing.T, args ...string) string {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var out strings.Builder
	go func() { ended <- run(ctx, append(args, "-ready", ready), &out) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	for {
		b, err := os.ReadFile(ready)
		if err == nil {
			return strings.TrimSpace(string(b))
		}
		select {
		case err := <-ended:
			ended <- nil
			t.Fatalf("ended before it was ready: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
}

func send(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

const (
	observer = `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"observer","domain":{"id":"default"},"password":"secret"}}},` +
		`"scope":{"system":{"all":true}}}}`
	tokens = "/identity/v3/auth/tokens"
)

func TestServesAndBreaks(t *testing.T) {
	url := serve(t, "-projects", "2", "-instances", "3")
	steps := []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", tokens, observer, 201, url + "/compute/RegionOne/v2.1"},
		{"POST", "/testcloud/fault?name=status-401&kind=LogIn&times=1", "", 200, ""},
		{"POST", tokens, observer, 401, "requires authentication"},
		{"POST", tokens, observer, 201, ""},
		{"POST", "/testcloud/fault?name=status-503", "", 200, ""},
		{"GET", "/identity/v3", "", 503, ""},
		{"POST", "/testcloud/heal", "", 200, ""},
		{"GET", "/identity/v3", "", 200, ""},
		{"GET", "/testcloud/requests", "", 200, "LogIn POST /identity/v3/auth/tokens 401\n"},
		{"GET", "/testcloud/requests", "", 200, "peak 1\n"},
		{"POST", "/testcloud/reset-requests", "", 200, ""},
		{"GET", "/testcloud/requests", "", 200, "peak 0\n"},
		{"GET", "/testcloud/faults", "", 200, "black-hole: no answer ever comes\n"},
		{"POST", "/testcloud/load", "projects: {more: {id: m1}}", 200, ""},
		{"POST", "/testcloud/load", "users: {observer: {password: secret, roles: {m1: [reader]}}}", 200, ""},
		{"POST", "/testcloud/load", "colour: red", 400, "field colour not found"},
		{"POST", tokens, strings.Replace(observer, `{"system":{"all":true}}`, `{"project":{"id":"m1"}}`, 1), 201, ""},
		{"POST", "/testcloud/remove?project=m1", "", 200, ""},
		{"POST", tokens, strings.Replace(observer, `{"system":{"all":true}}`, `{"project":{"id":"m1"}}`, 1), 401, ""},
		{"POST", "/testcloud/cell?region=RegionOne&cell=cell1&down=true", "", 200, ""},
		{"POST", "/testcloud/cell?region=Nowhere&cell=cell1&down=true", "", 400, "no region"},
		{"POST", "/testcloud/cell?region=RegionOne&cell=cell1&down=perhaps", "", 400, "neither"},
		{"POST", "/testcloud/fault?name=none", "", 400, `no fault "none"`},
		{"POST", "/testcloud/fault?name=status-503&kind=none", "", 400, `no kind of request "none"`},
		{"POST", "/testcloud/fault?name=list-empty&kind=LogIn", "", 400, "makes no sense for LogIn: only for [Regions"},
		{"POST", "/testcloud/fault?name=status-503&times=x", "", 400, "times is not a number"},
		{"POST", "/testcloud/expire-tokens", "", 200, ""},
		{"GET", "/testcloud/heal", "", 404, ""},
	}
	for _, s := range steps {
		status, body := send(t, s.method, url+s.path, s.body)
		if status != s.status || !strings.Contains(body, s.want) {
			t.Errorf("%s %s: %d %.300s", s.method, s.path, status, body)
		}
	}
}

func TestServesAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cloud.yaml")
	if err := os.WriteFile(file, []byte("users: {observer: {password: secret, roles: {system: [admin]}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const latency = 20 * time.Millisecond
	url := serve(t, "-cloud", file, "-latency", latency.String())
	start := time.Now()
	defer func() {
		if d := time.Since(start); d < latency {
			t.Errorf("answered after %v", d)
		}
	}()
	if status, body := send(t, "POST", url+tokens, observer); status != 201 {
		t.Errorf("%d %s", status, body)
	}
}

func TestRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("colour: red\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-cloud", bad}, "field colour not found"},
		{[]string{"-cloud", bad + "x"}, "no such file"},
		{[]string{"-instances", "1"}, "-instances needs -projects"},
		{[]string{"-listen", "0.0.0.0:0"}, "not a loopback address"},
		{[]string{"-listen", "nonsense"}, "listening"},
		{[]string{"-ready", "/nonexistent/ready"}, "announcing"},
		{[]string{"extra"}, "unexpected argument"},
	} {
		err := run(t.Context(), test.args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v", test.args, err)
		}
	}
}

// TestRecords sends the requests again as the configuration for curl has them.
func TestRecords(t *testing.T) {
	url := serve(t, "-record", "-projects", "1")
	send(t, "POST", url+tokens, observer)
	send(t, "GET", url+"/identity/v3", "")
	_, config := send(t, "GET", url+"/testcloud/curl", "")
	want := `url = "` + url + tokens + `"
output = /dev/null
silent
show-error
data = "` + strings.ReplaceAll(observer, `"`, `\"`) + `"
next
url = "` + url + `/identity/v3"
output = /dev/null
silent
show-error
`
	if config != want {
		t.Errorf("got\n%s\nwant\n%s", config, want)
	}
	send(t, "POST", url+"/testcloud/reset-requests", "")
	if _, config := send(t, "GET", url+"/testcloud/curl", ""); config != "" {
		t.Errorf("after a reset: %s", config)
	}
}
