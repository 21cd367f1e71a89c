package keystonetest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/keystone/keystonetest"
)

// TestFaults does every fault to every kind of request that it is for.
func TestFaults(t *testing.T) {
	s := cells(t)
	s.Configure(func(set *keystonetest.Settings) { set.PageSize = 2 })
	s.AddRegion("RegionTwo")
	s.AddRegion("RegionThree")
	s.AddUser(keystonetest.User{Name: "again", Password: "again-secret"})
	s.AddRole("again", "a1", "reader")

	// On a connection that it has used before, net/http sends a GET again by
	// itself if the connection ends without an answer.
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	tokens := map[string]string{}
	token := func(t *testing.T, s *keystonetest.Server, user, scope string) string {
		if tokens[user+scope] == "" {
			tokens[user+scope] = token(t, s, user, scope)
		}
		return tokens[user+scope]
	}
	const tokensPath = "/identity/v3/auth/tokens"
	paths := map[keystonetest.Kind]string{
		keystonetest.Version: "/identity/v3", keystonetest.LogIn: tokensPath, keystonetest.ReLogIn: tokensPath, keystonetest.Rescope: tokensPath,
		keystonetest.Regions: "/identity/v3/regions", keystonetest.Projects: "/identity/v3/projects",
		keystonetest.OneProject: "/identity/v3/projects/b2", keystonetest.AuthProjects: "/identity/v3/auth/projects",
		keystonetest.CellProbe: detail + "?all_tenants=1", keystonetest.Instances: detail,
		keystonetest.OneInstance: oneInstance,
	}
	send := func(kind keystonetest.Kind, middle bool) outcome {
		s.ResetRequests() // or a log-in after an injected 401 would be a re-log-in
		method, body, tok := http.MethodPost, "", ""
		path := paths[kind]
		if path == "" {
			t.Fatalf("no request for %s", kind)
		}
		switch kind {
		case keystonetest.LogIn:
			body = passwordBody("reader", "reader-secret", onAlpha)
		case keystonetest.ReLogIn:
			old := token(t, s, "again", onAlpha)
			delete(tokens, "again"+onAlpha)
			s.ExpireToken(old)
			do(t, http.MethodHead, s.URL+"/identity/v3/users", "", "X-Auth-Token", old)
			body = passwordBody("again", "again-secret", onAlpha)
		case keystonetest.Rescope:
			body = tokenBody(token(t, s, "reader", unscoped), onAlpha)
		case keystonetest.Projects, keystonetest.OneProject, keystonetest.CellProbe:
			method, tok = http.MethodGet, token(t, s, "admin", onSystem)
		case keystonetest.Version:
			method = http.MethodGet
		default:
			method, tok = http.MethodGet, token(t, s, "reader", onAlpha)
		}
		if middle && kind == keystonetest.Instances {
			path += "?limit=2&marker=i5"
		}
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("OpenStack-API-Version", v269)
		if tok != "" {
			r.Header.Set("X-Auth-Token", tok)
		}
		o := outcome{kind: kind, host: r.URL.Host}
		res, err := client.Do(r)
		if err != nil {
			o.err = err
			return o
		}
		defer res.Body.Close()
		o.status, o.header = res.StatusCode, res.Header
		o.body, o.readErr = io.ReadAll(io.LimitReader(res.Body, enough))
		return o
	}

	long := []string{"gzip-bomb", "endless", "endless-length"}
	type place struct {
		kind   keystonetest.Kind
		middle bool
	}
	cells, names, healthy := 0, map[string]bool{}, map[place]outcome{}
	for _, f := range keystonetest.Faults() {
		if names[f.Name] || f.Shows == "" || len(f.Kinds) == 0 {
			t.Errorf("%s: twice, or without a word, or for nothing", f.Name)
		}
		names[f.Name] = true
		t.Run(f.Name, func(t *testing.T) {
			if slices.Contains([]string{"black-hole", "stall-in-body", "slow-drip"}, f.Name) {
				return // see TestHangingFaults
			}
			checked := check(f.Name)
			if checked == nil {
				t.Fatal("no check")
			}
			for _, kind := range f.Kinds {
				cells++
				middle := f.Name == "page-repeated" || f.Name == "marker-unknown"
				if slices.Contains(long, f.Name) && kind != keystonetest.LogIn && kind != keystonetest.Instances {
					continue // one of each service is enough to wait for
				}
				p := place{kind, middle}
				if healthy[p].status == 0 {
					if healthy[p] = send(kind, middle); !healthy[p].success() {
						t.Fatalf("%s: healthy %+v", kind, healthy[p])
					}
				}
				injected := s.Inject(f.On(kind))
				broken := send(kind, middle)
				if n := injected.Hits(); n != 1 {
					t.Errorf("%s: hit %d times", kind, n)
				}
				s.Heal()
				if f.Name == "token-expires" {
					clear(tokens)
				}
				if !checked(healthy[p], broken) {
					t.Errorf("%s: error %v, status %d, headers %v, body %.300q, error %v",
						kind, broken.err, broken.status, broken.header, broken.body, broken.readErr)
				}
			}
		})
	}
	for name := range checks() {
		if !names[name] {
			t.Errorf("a check for %s, which is no fault", name)
		}
	}
	t.Logf("%d faults, %d with their kinds of request", len(names), cells)
}

// TestHangingFaults waits for what comes, and gives up.
func TestHangingFaults(t *testing.T) {
	s := small(t)
	whole := len(do(t, http.MethodGet, s.AuthURL(), "").body)
	for name, test := range map[string]struct {
		comes    int
		takes    time.Duration // at least
		anAnswer bool
	}{
		"black-hole":    {},
		"stall-in-body": {comes: whole / 2, anAnswer: true},
		"slow-drip":     {comes: 3, takes: 100 * time.Millisecond, anAnswer: true},
	} {
		t.Run(name, func(t *testing.T) {
			injected := s.Inject(named(t, name).On(keystonetest.Version))
			defer injected.Remove()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.AuthURL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !test.anAnswer {
				go func() {
					for injected.Hits() == 0 {
						time.Sleep(time.Millisecond)
					}
					cancel()
				}()
			}
			start := time.Now()
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				if test.anAnswer || !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				return
			}
			defer res.Body.Close()
			if !test.anAnswer {
				t.Errorf("status %d", res.StatusCode)
			}
			if _, err := io.ReadFull(res.Body, make([]byte, test.comes)); err != nil {
				t.Error(err)
			}
			if d := time.Since(start); d < test.takes {
				t.Errorf("took only %v", d)
			}
			cancel()
			if rest, err := io.ReadAll(res.Body); !errors.Is(err, context.Canceled) || len(rest) > 1 {
				t.Errorf("then %d bytes, and %v", len(rest), err)
			}
		})
	}
}

func TestExpiredTokens(t *testing.T) {
	s := small(t)
	s.Inject(named(t, "token-expired").On(keystonetest.LogIn))
	if g := get(t, s, token(t, s, "reader", onAlpha), "/identity/v3/regions"); g.status != http.StatusUnauthorized {
		t.Errorf("status %d", g.status)
	}
}

// TestFollowedRedirectShows: a client that follows sends its token to another
// host, and the log tells.
func TestFollowedRedirectShows(t *testing.T) {
	if _, err := net.DefaultResolver.LookupHost(t.Context(), "localhost"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("needs localhost in /etc/hosts")
	}
	s := small(t)
	tok := token(t, s, "reader", onAlpha)
	f := named(t, "redirect-307").On(keystonetest.Regions)
	f.Times = 1
	s.Inject(f)
	if g := get(t, s, tok, "/identity/v3/regions"); g.status != http.StatusOK {
		t.Fatalf("status %d", g.status)
	}
	last := s.Requests()[s.Count()-1]
	if !strings.HasPrefix(last.Host, "localhost:") || !last.HasToken {
		t.Errorf("%+v", last)
	}
}

// TestWhichRequestsGoWrong pages through five pages of instances, one apiece,
// and an empty one, with a fault in some of them.
func TestWhichRequestsGoWrong(t *testing.T) {
	s := small(t)
	for n := 1; n <= 5; n++ {
		s.AddInstance(keystonetest.Instance{ID: fmt.Sprintf("i%d", n), Name: "vm", ProjectID: "a1"})
	}
	s.Configure(func(set *keystonetest.Settings) { set.PageSize = 1 })
	alpha, beta := token(t, s, "reader", onAlpha), token(t, s, "reader", onBeta)
	for _, test := range []struct {
		name  string
		fault keystonetest.Fault
		want  string
	}{
		{"all", keystonetest.Fault{}, "x x x x x x x"},
		{"the kind", keystonetest.Fault{Kind: keystonetest.Instances}, "x x x x x x x"},
		{"another kind", keystonetest.Fault{Kind: keystonetest.CellProbe}, ". . . . . . ."},
		{"the project", keystonetest.Fault{Project: "a1"}, "x x x x x x ."},
		{"another project", keystonetest.Fault{Project: "b2"}, ". . . . . . x"},
		{"the region", keystonetest.Fault{Region: "RegionOne", Nth: 2}, ". x x x x x x"},
		{"another region", keystonetest.Fault{Region: "RegionTwo"}, ". . . . . . ."},
		{"first", keystonetest.Fault{Page: keystonetest.FirstPage}, "x . . . . . x"},
		{"middle", keystonetest.Fault{Page: keystonetest.MiddlePage}, ". x x x . . ."},
		{"last", keystonetest.Fault{Page: keystonetest.LastPage}, ". . . . x . ."},
		{"end", keystonetest.Fault{Page: keystonetest.EndPage}, ". . . . . x ."},
		{"third", keystonetest.Fault{Nth: 3, Times: 1}, ". . x . . . ."},
		{"twice", keystonetest.Fault{Times: 2}, "x x . . . . ."},
		{"second of the middle", keystonetest.Fault{Page: keystonetest.MiddlePage, Nth: 2, Times: 1}, ". . x . . . ."},
		{"a match of one's own", keystonetest.Fault{Match: func(r keystonetest.Request) bool { return r.Marker == "i2" }}, ". . . . x . ."},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.fault.Do = named(t, "status-503").Do
			injected := s.Inject(test.fault)
			marks := []string{}
			for _, r := range []struct{ token, query string }{
				{alpha, ""}, {alpha, "?marker=i5"}, {alpha, "?marker=i4"}, {alpha, "?marker=i3"}, {alpha, "?marker=i2"}, {alpha, "?marker=i1"}, {beta, ""},
			} {
				marks = append(marks, map[int]string{200: ".", 503: "x"}[get(t, s, r.token, detail+r.query).status])
			}
			got := strings.Join(marks, " ")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if n := injected.Hits(); n != strings.Count(got, "x") {
				t.Errorf("%d hits", n)
			}
			injected.Remove()
			if g := get(t, s, alpha, detail); g.status != http.StatusOK {
				t.Errorf("after its removal: %d", g.status)
			}
		})
	}
}

// TestNamedFaultKeepsToItsKinds, if it is not told which.
func TestNamedFaultKeepsToItsKinds(t *testing.T) {
	s := small(t)
	s.Inject(named(t, "list-empty").On(""))
	tok := token(t, s, "reader", onAlpha)
	if ids := get(t, s, tok, "/identity/v3/regions").ids(t, "regions"); len(ids) != 0 {
		t.Errorf("regions %v", ids)
	}
	if ids := get(t, s, tok, "/identity/v3/auth/projects").ids(t, "projects"); len(ids) != 0 {
		t.Errorf("projects %v", ids)
	}
}

// TestFirstFaultWins, and the next takes over when it is spent.
func TestFirstFaultWins(t *testing.T) {
	s := small(t)
	tok := token(t, s, "reader", onAlpha)
	for n, name := range []string{"status-503", "status-401"} {
		f := named(t, name).On(keystonetest.Regions)
		f.Times = 2 - n
		s.Inject(f)
	}
	got := []int{}
	for range 4 {
		got = append(got, get(t, s, tok, "/identity/v3/regions").status)
	}
	if diff := cmp.Diff([]int{503, 503, 401, 200}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOwnFaults(t *testing.T) {
	s := cells(t)
	tok := token(t, s, "reader", onAlpha)
	s.Inject(keystonetest.Fault{Kind: keystonetest.Regions, Do: keystonetest.Answer(418, `{"teapot":true}`)})
	if g := get(t, s, tok, "/identity/v3/regions"); g.status != 418 || g.body != `{"teapot":true}` {
		t.Errorf("%d %s", g.status, g.body)
	}
	s.Inject(keystonetest.Fault{Kind: keystonetest.AuthProjects, Do: keystonetest.Rewrite(bytes.ToUpper, "X-Odd", "1")})
	if g := get(t, s, tok, "/identity/v3/auth/projects"); !strings.Contains(g.body, `"NAME":"ALPHA"`) || g.header.Get("X-Odd") != "1" {
		t.Errorf("%v %s", g.header, g.body)
	}
	// A fault that changes the cloud: the cell goes down between two pages.
	s.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Nth: 2, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		s.CellDown("RegionOne", "cell1", true)
		next.ServeHTTP(w, r)
	}})
	first, second := get(t, s, tok, detail+"?limit=1"), get(t, s, tok, detail+"?limit=2")
	if len(first.ids(t, "servers")) != 1 || len(second.ids(t, "servers")) != 0 {
		t.Errorf("%s, then %s", first.body, second.body)
	}
}

// TestRefusalsPassUnchanged: a fault in the body does not touch a refusal.
func TestRefusalsPassUnchanged(t *testing.T) {
	s := small(t)
	tok := token(t, s, "reader", onAlpha)
	want := get(t, s, tok, "/identity/v3/projects")
	s.Inject(named(t, "body-empty").On(keystonetest.Projects))
	if g := get(t, s, tok, "/identity/v3/projects"); g.status != http.StatusForbidden || g.body != want.body {
		t.Errorf("%d %s", g.status, g.body)
	}
}
