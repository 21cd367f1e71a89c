package keystone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/keystone/keystonetest"
)

// class is what an error asks for.
func class(err error) string {
	var (
		refused     *RefusedError
		unavailable *UnavailableError
		untrusted   *UntrustedError
		credentials *CredentialsError
	)
	switch {
	case err == nil:
		return "complete"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &refused):
		return "refused"
	case errors.As(err, &unavailable):
		return "unavailable"
	case errors.As(err, &untrusted):
		return "untrusted"
	case errors.As(err, &credentials):
		return "credentials"
	}
	return "untyped"
}

// wantClass is what becomes of a fault: what cannot be trusted, unless a line
// here says otherwise.
func wantClass(w *world, small bool, fault keystonetest.NamedFault, kind keystonetest.Kind) string {
	name := fault.Name
	has := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				return true
			}
		}
		return false
	}
	nova := kind == keystonetest.CellProbe || kind == keystonetest.Instances
	switch {
	case name == "reset-in-body" && kind == keystonetest.ReLogIn:
		return "complete" // to the cloud, the next is a log-in like any other
	case has("reset-", "closed-", "black-hole", "stall", "slow-drip", "status-429", "status-50", "status-51"):
		return "unavailable"
	case name == "status-401", name == "status-404" && kind == keystonetest.Rescope:
		return "refused"
	case name == "status-403" && (kind == keystonetest.Projects || kind == keystonetest.AuthProjects || kind == keystonetest.OneProject):
		return "complete" // with less in sight
	case name == "status-403":
		return "refused"
	case name == "instance-unknown":
		return "unavailable"
	case name == "instance-other-tenant" && !w.reader:
		return "refused" // as if project_id were passed over
	case name == "token-expired":
		if kind == keystonetest.LogIn {
			return "complete" // the second log-in does it
		}
		return "refused"
	case name == "token-expired-claim", name == "token-expires":
		return "complete"
	case has("page-short") && w.reader && !small:
		return "refused" // there are two pages, and no right to see cells
	case has("truncated") && (kind == keystonetest.Projects || kind == keystonetest.AuthProjects):
		return "complete" // asked one by one, with less in sight
	case name == "list-empty" && kind == keystonetest.AuthProjects:
		return "complete" // with nothing in sight
	case has("next-", "page-short") && nova:
		return "complete" // own markers
	}
	return "untrusted"
}

// TestFaults breaks every kind of request in every way there is. The result is
// the error that is due, or everything, or some projects out of sight; it is
// never an instance or a project less.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range keystonetest.Faults() {
		for _, kind := range keystonetest.Kinds() {
			for _, reader := range []bool{false, true} {
				for _, small := range []bool{false, true} {
					// Those that are asked, and answered with success before the fault.
					if kind == keystonetest.Version || kind == keystonetest.OneInstance || !fault.Applies(kind) ||
						!reader && (kind == keystonetest.AuthProjects || kind == keystonetest.Rescope) ||
						reader && (kind == keystonetest.Projects || kind == keystonetest.OneProject) ||
						reader && kind == keystonetest.CellProbe && !small ||
						small && kind != keystonetest.CellProbe && kind != keystonetest.Instances {
						continue
					}
					name := fault.Name + "/" + string(kind)
					if reader {
						name += "/reader"
					}
					if small {
						name += "/paged"
					}
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						w := newWorld(t)
						w.reader = reader
						if small {
							w.paged()
						}
						w.opts.Listing = exports.ListingAllProjects
						if reader {
							w.opts.Listing = exports.ListingPerProject
						}
						testFault(t, w, small, fault, kind)
					})
				}
			}
		}
	}
}

func testFault(t *testing.T, w *world, small bool, fault keystonetest.NamedFault, kind keystonetest.Kind) {
	w.opts.maxBody = 128 << 10
	switch fault.Name {
	case "black-hole", "stall-in-body", "slow-drip":
		w.opts.RequestTimeout = 300 * time.Millisecond
	}
	if kind == keystonetest.OneProject {
		w.Configure(func(s *keystonetest.Settings) { s.ListLimit = 1 })
		w.opts.Regions = []string{"RegionOne", "RegionTwo"}
	}
	if kind == keystonetest.ReLogIn {
		expires, _ := keystonetest.FaultNamed("status-401")
		w.Inject(keystonetest.Fault{Kind: keystonetest.Regions, Times: 1, Do: expires.Do})
	}
	broken := fault.On(kind)
	if fault.Name == "token-expires" {
		broken.Times = 1
	}
	injected := w.Inject(broken)
	want := w.healthy()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := w.read(ctx, everything())

	if injected.Hits() == 0 {
		t.Fatalf("the fault was not met: %v", w.Requests())
	}
	if want := wantClass(w, small, fault, kind); class(err) != want {
		t.Errorf("%s, want %s: %v\n%v", class(err), want, err, w.Requests())
	}
	if err != nil {
		if diff := cmp.Diff(exports.Inventory{}, got, sameAddr); diff != "" {
			t.Errorf("an inventory besides the error: %s", diff)
		}
		w.noSecrets(t, "the error", err.Error())
		if text := err.Error(); strings.ContainsAny(text, "\n\x1b") {
			t.Errorf("the error has odd bytes: %q", text)
		}
	} else {
		nothingLost(t, want, withoutWhy(got))
	}
	w.noSecrets(t, "the log", w.log.String())
	w.onlyKnownHosts(t)
	if fault.Name == "status-401" || fault.Name == "status-403" {
		if n := w.Count(keystonetest.LogIn, keystonetest.ReLogIn); n > 2 || kind == keystonetest.LogIn && n > 1 {
			t.Errorf("%d log-ins", n)
		}
	}
}

// nothingLost compares but for projects that are out of sight.
func nothingLost(t *testing.T, want, got exports.Inventory) {
	t.Helper()
	for _, each := range []struct{ want, got map[string]exports.Project }{
		{want.Projects, got.Projects}, {want.IDs, got.IDs},
	} {
		for key, p := range each.want {
			found, ok := each.got[key]
			if ok && found.Sight == exports.Hidden {
				continue
			}
			if diff := cmp.Diff(p, found, sameAddr); diff != "" {
				t.Errorf("project %s: -want +got:\n%s", key, diff)
			}
		}
	}
}

func TestRefusedLoginIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t).asReader()
	w.AddUser(keystonetest.User{Name: "reader", Password: "another"})
	if _, err := w.read(t.Context(), everything()); class(err) != "refused" {
		t.Errorf("%s: %v", class(err), err)
	}
	if got := len(w.Requests()); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
	if log := w.log.String(); strings.Contains(log, "logged in") {
		t.Errorf("the log says otherwise:\n%s", log)
	}
}

// TestTokenTakenBack takes every token back while many requests are under way,
// and then the right to log in.
func TestTokenTakenBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		locked bool
		want   string
	}{
		{"once", false, "complete"},
		{"and the password does not count any more", true, "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var wanted Wanted
			for n := range 40 {
				p := w.AddProject(keystonetest.Project{Name: "p" + string(rune('A'+n))})
				wanted.Keys = append(wanted.Keys, p.ID)
			}
			w.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Nth: 10, Times: 1,
				Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
					w.ExpireTokens()
					if test.locked {
						w.AddUser(keystonetest.User{Name: "admin", Password: "another"})
					}
					next.ServeHTTP(rw, r)
				}})
			_, err := w.read(t.Context(), wanted)
			if class(err) != test.want {
				t.Errorf("%s, want %s: %v", class(err), test.want, err)
			}
			if got := w.Count(keystonetest.LogIn, keystonetest.ReLogIn); got != 2 {
				t.Errorf("%d log-ins, want 2", got)
			}
		})
	}
}

// TestOneRenewal has two requests answered with 401, each once.
func TestOneRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fault, _ := keystonetest.FaultNamed("status-401")
	w.Inject(keystonetest.Fault{Kind: keystonetest.Projects, Times: 1, Do: fault.Do})
	w.Inject(keystonetest.Fault{Kind: keystonetest.Regions, Times: 1, Do: fault.Do})
	if _, err := w.read(t.Context(), everything()); class(err) != "refused" {
		t.Errorf("%s: %v", class(err), err)
	}
	if n := w.Count(keystonetest.LogIn, keystonetest.ReLogIn); n != 2 {
		t.Errorf("%d log-ins, want 2", n)
	}
}

// TestRenewalFails asks a session twice for another token, which Keystone
// refuses: it is asked once.
func TestRenewalFails(t *testing.T) {
	t.Parallel()
	refusal := &RefusedError{Err: errors.New("no")}
	logins := 0
	first := &token{}
	s := &session{token: first, login: func(context.Context) (*token, error) { logins++; return nil, refusal }}
	for range 2 {
		if _, err := s.renew(t.Context(), first, errors.New("401")); !errors.Is(err, refusal) {
			t.Errorf("renew: %v", err)
		}
	}
	if _, err := s.current(); !errors.Is(err, refusal) || logins != 1 {
		t.Errorf("current: %v, after %d log-ins", err, logins)
	}
}

// TestEcho has services that repeat in their answers what they were sent.
func TestEcho(t *testing.T) {
	t.Parallel()
	for _, kind := range []keystonetest.Kind{keystonetest.LogIn, keystonetest.Rescope, keystonetest.Regions, keystonetest.Instances} {
		for _, status := range []int{200, 201, 400, 401, 403, 500, 503} {
			w := newWorld(t).asReader()
			w.opts.Listing = exports.ListingPerProject
			w.Inject(keystonetest.Fault{Kind: kind, Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				text, err := json.Marshal(map[string]any{"error": map[string]any{
					"message": "debug: X-Auth-Token is " + r.Header.Get("X-Auth-Token") + ", the body " + password + string(body)}})
				if err != nil {
					t.Error(err)
				}
				if kind == keystonetest.Regions || kind == keystonetest.Instances {
					text = bytes.ReplaceAll(text, []byte(`pa\"ss\n#wörd-7f3a`), nil) // they are not sent that
				}
				keystonetest.Answer(status, string(text))(rw, r, next)
			}})
			_, err := w.read(t.Context(), Wanted{Keys: []string{"tools", "idle"}})
			if err == nil {
				t.Errorf("%s, %d: no error", kind, status)
				continue
			}
			w.noSecrets(t, "the error", err.Error())
			w.noSecrets(t, "the log", w.log.String())
		}
	}
}

// TestRedirectToSameHost has a redirect that the hosts that may be asked would
// not stop.
func TestRedirectToSameHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Inject(keystonetest.Fault{Kind: keystonetest.Regions, Times: 1,
		Do: func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(rw, r, "/identity/v3/regions", http.StatusTemporaryRedirect)
		}})
	if _, err := w.read(t.Context(), everything()); class(err) != "untrusted" {
		t.Errorf("%s: %v", class(err), err)
	}
	if n := w.Count(keystonetest.Regions); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// TestRetry has a request go wrong a few times, and then right.
func TestRetry(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault string
		times int
		want  string
	}{
		{"status-503", 3, "complete"},
		{"status-503", 4, "unavailable"},
		{"status-502-html", 1, "complete"},
		{"status-504-html", 1, "complete"},
		{"status-429", 2, "complete"},
		{"status-429-retry-after", 2, "complete"},
		{"status-429-retry-after-hour", 1, "unavailable"},
		{"status-503-retry-after", 2, "complete"},
		{"reset-before-body", 2, "complete"}, // the first, on a connection used before, is net/http's to try again
		{"reset-in-body", 1, "complete"},
		{"closed-before-body", 2, "complete"},
		{"status-500", 1, "unavailable"},
		{"body-short", 1, "untrusted"},
		{"status-403", 1, "refused"},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.opts.Listing = exports.ListingAllProjects
			fault, _ := keystonetest.FaultNamed(test.fault)
			w.Inject(keystonetest.Fault{Kind: keystonetest.Regions, Times: test.times, Do: fault.Do})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := w.read(ctx, everything())
			if class(err) != test.want {
				t.Errorf("%s, want %s: %v", class(err), test.want, err)
			}
			for _, d := range w.waited {
				if d < 250*time.Millisecond || d > 2*time.Second {
					t.Errorf("waited %s", d)
				}
				if strings.HasSuffix(test.fault, "-retry-after") && d < time.Second {
					t.Errorf("waited %s, Retry-After is 1 s", d)
				}
			}
		})
	}
}
