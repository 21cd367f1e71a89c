package keystonetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/keystone/keystonetest"
)

// outcome is what a client saw of an answer, at most a megabyte of it.
type outcome struct {
	err     error // instead of an answer
	status  int
	header  http.Header
	body    []byte
	readErr error
	kind    keystonetest.Kind
	host    string
}

const enough = 1 << 20

// success tells whether the answer is one, and whole.
func (o outcome) success() bool {
	return o.err == nil && o.readErr == nil && (o.status == http.StatusOK || o.status == http.StatusCreated)
}

// key is where the answer keeps what it is about.
func (o outcome) key() string {
	return map[keystonetest.Kind]string{
		"LogIn": "token", "ReLogIn": "token", "Rescope": "token", "Regions": "regions", "Projects": "projects",
		"AuthProjects": "projects", "Project": "project", "CellProbe": "servers", "Instances": "servers",
	}[o.kind]
}

func (o outcome) top() map[string]any {
	var m map[string]any
	if err := json.Unmarshal(o.body, &m); err != nil {
		return map[string]any{"not JSON": err.Error()}
	}
	return m
}

func (o outcome) list() []any {
	list, _ := o.top()[o.key()].([]any)
	return list
}

// last is the last of the list, or the object.
func (o outcome) last() map[string]any {
	m, _ := o.top()[o.key()].(map[string]any)
	if list := o.list(); len(list) > 0 {
		m, _ = list[len(list)-1].(map[string]any)
	}
	return m
}

func (o outcome) ids() []string {
	var ids []string
	for _, i := range o.list() {
		m, _ := i.(map[string]any)
		ids = append(ids, fmt.Sprint(m["id"]))
	}
	return ids
}

func (o outcome) next() *url.URL {
	links, _ := o.top()["servers_links"].([]any)
	if len(links) != 1 {
		return nil
	}
	u, err := url.Parse(fmt.Sprint(links[0].(map[string]any)["href"]))
	if err != nil {
		return nil
	}
	return u
}

func (o outcome) compute() []map[string]any {
	var list []map[string]any
	services, _ := o.last()["catalog"].([]any)
	for _, s := range services {
		if m := s.(map[string]any); m["type"] == "compute" {
			for _, e := range m["endpoints"].([]any) {
				list = append(list, e.(map[string]any))
			}
		}
	}
	return list
}

// without is a check that a key of the last of the list is gone, and no other.
func without(key string) func(h, b outcome) bool {
	return func(h, b outcome) bool {
		want := h.last()
		if want == nil || want[key] == nil && key != "catalog" {
			return false
		}
		delete(want, key)
		return b.success() && cmp.Equal(want, b.last(), ignoreTimes()) && len(h.list()) == len(b.list())
	}
}

// with is a check that a key of the last of the list has this value.
func with(key string, value any) func(h, b outcome) bool {
	return func(h, b outcome) bool {
		got, ok := b.last()[key]
		return b.success() && ok && reflect.DeepEqual(got, value) && !reflect.DeepEqual(h.last()[key], value) &&
			len(h.list()) == len(b.list())
	}
}

func body(want string) func(h, b outcome) bool {
	return func(_, b outcome) bool { return b.success() && string(b.body) == want }
}

// value is a check that the answer is about something else.
func value(want any) func(h, b outcome) bool {
	return func(_, b outcome) bool {
		got, ok := b.top()[b.key()]
		return b.success() && ok && reflect.DeepEqual(got, want)
	}
}

// ignoreTimes passes over what two tokens never share.
func ignoreTimes() cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool {
		key, ok := p.Last().(cmp.MapIndex)
		return ok && slices.Contains([]string{"issued_at", "expires_at", "audit_ids"}, key.Key().String())
	}, cmp.Ignore())
}

func spaces(h, b outcome) bool {
	return b.err == nil && len(b.body) == enough && bytes.HasPrefix(h.body, bytes.TrimRight(b.body, " ")) &&
		bytes.HasPrefix(b.body, []byte("{"))
}

// textual is a check that the text of the answer is as made from the healthy one.
func textual(change func(h outcome) string) func(h, b outcome) bool {
	return func(h, b outcome) bool {
		if h.key() == "token" { // no two are the same
			h.body, b.body = blind(h.body), blind(b.body)
		}
		return b.success() && string(b.body) == change(h)
	}
}

func blind(b []byte) []byte {
	for _, key := range []string{"issued_at", "expires_at", "audit_ids"} {
		b = regexp.MustCompile(`"`+key+`":[^,]*,`).ReplaceAll(b, nil)
	}
	return b
}

// checks says of each fault what it must do.
func checks() map[string]func(h, b outcome) bool {
	type f = func(h, b outcome) bool
	sameBody := func(h, b outcome) bool { return textual(func(h outcome) string { return string(h.body) })(h, b) }
	return map[string]f{
		"reset-before-body": func(_, b outcome) bool { return errors.Is(b.err, syscall.ECONNRESET) },
		"reset-in-body": func(_, b outcome) bool {
			return b.err == nil && b.status < 300 && errors.Is(b.readErr, syscall.ECONNRESET)
		},
		"closed-before-body": func(_, b outcome) bool { return errors.Is(b.err, io.EOF) },
		"not-http":           func(_, b outcome) bool { return b.err != nil && strings.Contains(b.err.Error(), "malformed HTTP") },

		"body-empty":  body(""),
		"body-object": body("{}"),
		"body-null":   body("null"),
		"body-array":  body("[]"),
		"body-string": body(`"OK"`),
		"body-html": func(_, b outcome) bool {
			return b.success() && b.header.Get("Content-Type") == "text/html" && bytes.HasPrefix(b.body, []byte("<!DOCTYPE html>"))
		},
		"body-error": func(_, b outcome) bool { return b.success() && b.top()["error"] != nil && len(b.top()) == 1 },
		"type-html": func(h, b outcome) bool {
			return sameBody(h, b) && strings.HasPrefix(b.header.Get("Content-Type"), "text/html")
		},
		"two-documents":    textual(func(h outcome) string { return string(h.body) + "\n" + string(h.body) }),
		"trailing-garbage": textual(func(h outcome) string { return string(h.body) + "garbage" }),
		"invalid-utf8": func(h, b outcome) bool {
			return utf8.Valid(h.body) && !utf8.Valid(b.body) && json.Valid(b.body) && b.success()
		},
		"body-short": func(h, b outcome) bool {
			return errors.Is(b.readErr, io.ErrUnexpectedEOF) && len(b.body) == len(h.body)/2 &&
				b.header.Get("Content-Length") == strconv.Itoa(len(h.body))
		},
		"chunk-cut": func(h, b outcome) bool {
			return errors.Is(b.readErr, io.ErrUnexpectedEOF) && len(b.body) == len(h.body)/2 && b.header.Get("Content-Length") == ""
		},
		"gzip-bomb": spaces,
		"gzip-garbage": func(_, b outcome) bool {
			return b.err == nil && b.readErr != nil && strings.Contains(b.readErr.Error(), "gzip")
		},
		"endless":        func(h, b outcome) bool { return spaces(h, b) && b.header.Get("Content-Length") == "" },
		"endless-length": func(h, b outcome) bool { return spaces(h, b) && b.header.Get("Content-Length") == "10737418240" },

		"wrong-type":        value("none"),
		"wrong-type-object": value(map[string]any{}),
		"value-null":        value(nil),
		"list-empty":        value([]any{}),
		"missing-key": func(_, b outcome) bool {
			_, ok := b.top()[b.key()]
			return b.success() && json.Valid(b.body) && !ok && len(b.top()) > 0
		},
		"duplicate-key": func(h, b outcome) bool {
			return b.success() && json.Valid(b.body) && bytes.Count(b.body, []byte(`"`+h.key()+`":`)) == 1+bytes.Count(h.body, []byte(`"`+h.key()+`":`)) &&
				b.last() == nil == (h.list() != nil)
		},
		"duplicate-key-first": func(h, b outcome) bool {
			return b.success() && json.Valid(b.body) && bytes.Count(b.body, []byte(`"`+h.key()+`":`)) == 1+bytes.Count(h.body, []byte(`"`+h.key()+`":`)) &&
				cmp.Equal(h.top(), b.top(), ignoreTimes())
		},
		"other-case": func(h, b outcome) bool {
			key := strings.ToUpper(h.key()[:1]) + h.key()[1:]
			return b.success() && b.top()[h.key()] == nil && cmp.Equal(h.top()[h.key()], b.top()[key], ignoreTimes())
		},
		"null-item":       func(h, b outcome) bool { return cmp.Equal(append(h.list(), nil), b.list()) },
		"string-item":     func(h, b outcome) bool { return cmp.Equal(append(h.list(), "x"), b.list()) },
		"item-twice":      func(h, b outcome) bool { return cmp.Equal(append(h.ids(), h.ids()[len(h.ids())-1]), b.ids()) },
		"item-without-id": without("id"),
		"item-null-id":    with("id", nil),
		"item-number-id":  with("id", 7.0),
		"item-empty-id":   with("id", ""),
		"item-duplicate-id": func(h, b outcome) bool {
			return with("id", "another")(h, b) && bytes.Contains(b.body, []byte(h.last()["id"].(string)))
		},
		"truncated": func(h, b outcome) bool {
			return b.top()["truncated"] == true && cmp.Equal(h.list(), b.list())
		},
		"truncated-half": func(h, b outcome) bool {
			return b.top()["truncated"] == true && len(b.list()) == (len(h.list())+1)/2 && len(b.list()) < len(h.list())
		},
		"project-without-name":    without("name"),
		"project-without-enabled": without("enabled"),
		"project-another":         with("id", "0123456789abcdef0123456789abcdef"),

		"instance-without-addresses": without("addresses"),
		"instance-without-status":    without("status"),
		"instance-without-tenant":    without("tenant_id"),
		"instance-null-addresses":    with("addresses", nil),
		"instance-array-addresses":   with("addresses", []any{}),
		"instance-other-tenant":      with("tenant_id", "0123456789abcdef0123456789abcdef"),
		"instance-bad-address":       func(_, b outcome) bool { return addr(b) == "10.0.0." },
		"instance-wide-address":      func(_, b outcome) bool { return addr(b) == "10.0.0.0/8" },
		"instance-zone-address":      func(_, b outcome) bool { return addr(b) == "fe80::1%*(rw)" },
		"instance-unknown": func(_, b outcome) bool {
			return b.last()["status"] == "UNKNOWN" && b.last()["addresses"] == nil && b.last()["name"] == nil
		},
		"next-other-host": func(h, b outcome) bool {
			return b.next().Host != h.next().Host && b.next().Host != "" && b.next().RequestURI() == h.next().RequestURI()
		},
		"next-other-scheme": func(h, b outcome) bool {
			return b.next().Scheme == "https" && h.next().Scheme == "http" && b.next().Host == h.next().Host
		},
		"next-relative": func(h, b outcome) bool { return b.next().Host == "" && b.next().RequestURI() == h.next().RequestURI() },
		"next-missing":  func(h, b outcome) bool { return h.next() != nil && b.next() == nil && cmp.Equal(h.list(), b.list()) },
		"page-repeated": func(h, b outcome) bool {
			return !cmp.Equal(h.ids(), b.ids()) && cmp.Equal([]string{"i5", "i3"}, b.ids())
		},
		"page-short": func(h, b outcome) bool {
			return cmp.Equal(h.ids()[:len(h.ids())-1], b.ids()) && b.next() == nil
		},
		"marker-unknown": func(_, b outcome) bool {
			return b.status == 400 && bytes.Contains(b.body, []byte("marker [i5] not found"))
		},
		"version-missing": func(h, b outcome) bool { return sameBody(h, b) && version(h) == "compute 2.69" && version(b) == "" },
		"version-ignored": func(h, b outcome) bool { return b.success() && version(b) == "compute 2.1" },

		"token-missing": func(h, b outcome) bool {
			return b.success() && h.header.Get("X-Subject-Token") != "" && b.header.Get("X-Subject-Token") == ""
		},
		"token-expired":         sameBody, // and see TestExpiredTokens
		"token-expired-claim":   with("expires_at", "2019-03-04T05:06:07.000000Z"),
		"token-without-expires": without("expires_at"),
		"token-expires": func(h, b outcome) bool {
			if h.status == http.StatusCreated {
				return b.status == http.StatusNotFound // a token for a token
			}
			return b.status == http.StatusUnauthorized
		},
		"token-other-project":     func(_, b outcome) bool { return b.last()["project"].(map[string]any)["name"] == "another" },
		"catalog-missing":         without("catalog"),
		"catalog-empty":           with("catalog", []any{}),
		"catalog-null":            with("catalog", nil),
		"catalog-without-compute": func(h, b outcome) bool { return len(h.compute()) == 9 && len(b.compute()) == 0 },
		"catalog-two-compute": func(h, b outcome) bool {
			return len(b.compute()) == 18 && b.compute()[0]["url"] != b.compute()[1]["url"]
		},
		"catalog-http": func(_, b outcome) bool {
			return len(b.compute()) == 9 && strings.HasPrefix(b.compute()[8]["url"].(string), "https://127.0.0.1")
		},
		"catalog-bad-url": func(_, b outcome) bool {
			_, err := url.Parse(b.compute()[8]["url"].(string))
			return err != nil
		},
	}
}

func addr(o outcome) string {
	addresses := o.last()["addresses"].(map[string]any)
	return addresses["lan"].([]any)[0].(map[string]any)["addr"].(string)
}

func version(o outcome) string { return o.header.Get("OpenStack-API-Version") }

// check finds the check of a fault; of those whose name says it all, by the name.
func check(name string) func(h, b outcome) bool {
	if c, ok := checks()[name]; ok {
		return c
	}
	words := strings.Split(name, "-")
	n := 0
	if len(words) > 1 {
		n, _ = strconv.Atoi(words[1])
	}
	switch words[0] {
	case "status":
		return func(h, b outcome) bool {
			retry := map[bool]string{true: "1"}[strings.Contains(name, "retry-after")]
			if strings.HasSuffix(name, "hour") {
				retry = "3600"
			}
			html := strings.Contains(b.header.Get("Content-Type"), "html")
			return b.err == nil && b.readErr == nil && b.status == n && b.header.Get("Retry-After") == retry &&
				html == strings.HasSuffix(name, "html") && (html || n == 204 || json.Valid(b.body))
		}
	case "redirect":
		return func(h, b outcome) bool {
			u, err := url.Parse(b.header.Get("Location"))
			return err == nil && b.status == n && u.Scheme == "http" && u.Host != h.host && u.Port() != "" && u.Path != ""
		}
	case "cut":
		return func(h, b outcome) bool {
			want := len(h.body) * n / 21
			return b.success() && len(b.body) == want && !json.Valid(b.body) && b.header.Get("Content-Length") == strconv.Itoa(want)
		}
	}
	return nil
}

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
	send := func(kind keystonetest.Kind, middle bool) outcome {
		s.ResetRequests() // or a log-in after an injected 401 would be a re-log-in
		method, path, body, tok := http.MethodGet, "", "", ""
		switch kind {
		case keystonetest.Version:
			path = "/identity/v3"
		case keystonetest.LogIn:
			method, path, body = http.MethodPost, "/identity/v3/auth/tokens", passwordBody("reader", "reader-secret", onAlpha)
		case keystonetest.ReLogIn:
			old := token(t, s, "again", onAlpha)
			delete(tokens, "again"+onAlpha)
			s.ExpireToken(old)
			do(t, http.MethodHead, s.URL+"/identity/v3/users", "", "X-Auth-Token", old)
			method, path, body = http.MethodPost, "/identity/v3/auth/tokens", passwordBody("again", "again-secret", onAlpha)
		case keystonetest.Rescope:
			method, path, body = http.MethodPost, "/identity/v3/auth/tokens", tokenBody(token(t, s, "reader", unscoped), onAlpha)
		case keystonetest.Regions:
			path, tok = "/identity/v3/regions", token(t, s, "reader", onAlpha)
		case keystonetest.Projects:
			path, tok = "/identity/v3/projects", token(t, s, "admin", onSystem)
		case keystonetest.OneProject:
			path, tok = "/identity/v3/projects/b2", token(t, s, "admin", onSystem)
		case keystonetest.AuthProjects:
			path, tok = "/identity/v3/auth/projects", token(t, s, "reader", onAlpha)
		case keystonetest.CellProbe:
			path, tok = detail+"?all_tenants=1", token(t, s, "admin", onSystem)
		case keystonetest.Instances:
			path, tok = detail, token(t, s, "reader", onAlpha)
			if middle {
				path += "?limit=2&marker=i5"
			}
		default:
			t.Fatalf("no request for %s", kind)
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
