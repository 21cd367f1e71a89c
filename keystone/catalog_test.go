package keystone

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"nfs-exportd/exports"
	"nfs-exportd/keystone/keystonetest"
)

func TestVersionedCompute(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		endpoint string
		secure   bool
		want     string
	}{
		{"http://nova:8774", false, "http://nova:8774/v2.1"},
		{"http://nova:8774/", false, "http://nova:8774/v2.1"},
		{"http://nova/v2.1", false, "http://nova/v2.1"},
		{"http://nova/v2.1/", false, "http://nova/v2.1"},
		{"http://nova/v2.1/0123", false, "http://nova/v2.1/0123"},
		{"https://h/compute", true, "https://h/compute/v2.1"},
		{"https://h/compute/v2.1", true, "https://h/compute/v2.1"},
		{"https://[::1]:8774/v2.1", true, "https://[::1]:8774/v2.1"},
		{"https://h/v2.1", false, "https://h/v2.1"},
		{"http://h/v2.1", true, ""},
		{"http://h/v2", false, ""},
		{"http://h/v2/0123", false, ""},
		{"ftp://h/v2.1", false, ""},
		{"h/v2.1", false, ""},
		{"http://user:pass@h/v2.1", false, ""},
		{"http://h/v2.1?x=1", false, ""},
		{"http://h/v2.1#x", false, ""},
		{"http:///v2.1", false, ""},
		{"http://h /v2.1", false, ""},
		{"http://hö/v2.1", false, ""},
		{"http://h/%2e%2e/v2.1", false, ""},
	} {
		got, err := versionedCompute(test.endpoint, test.secure)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("versionedCompute(%q, %t) = %q, %v, want %q", test.endpoint, test.secure, got, err, test.want)
		}
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		endpoints []keystonetest.Endpoint
		want      string
	}{
		{"not versioned", []keystonetest.Endpoint{{Interface: "public", URL: "{base}/compute/RegionOne"}}, "complete"},
		{"with a project", []keystonetest.Endpoint{{Interface: "public", URL: "{base}/compute/RegionOne/v2.1/{project}"}}, "complete"},
		{"of another interface", []keystonetest.Endpoint{{Interface: "admin", URL: "{base}/compute/RegionOne/v2.1"}}, "untrusted"},
		{"two", []keystonetest.Endpoint{
			{Interface: "public", URL: "{base}/compute/RegionOne/v2.1"}, {Interface: "public", URL: "{base}/compute/RegionTwo/v2.1"},
		}, "untrusted"},
		{"none", nil, "untrusted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).asReader()
			w.SetEndpoints("RegionOne", test.endpoints...)
			w.opts.Listing = exports.ListingPerProject
			_, err := w.read(t.Context(), everything())
			if class(err) != test.want {
				t.Errorf("%s, want %s: %v", class(err), test.want, err)
			}
		})
	}
}

// TestRegionOfEndpoint has catalogs of one endpoint, which names its region by
// region_id or, as old ones do, by region.
func TestRegionOfEndpoint(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ id, name, want string }{
		{"R", "R", "https://n/v2.1"},
		{"R", "another", "https://n/v2.1"},
		{"R", "", "https://n/v2.1"},
		{"", "R", "https://n/v2.1"},
		{"another", "R", ""},
		{"", "another", ""},
		{"", "", ""},
	} {
		c := &Client{creds: Credentials{AuthURL: "https://k/v3", Interface: "public"}, hosts: &hosts{known: map[string]bool{}}}
		with := &token{catalog: []tokens.CatalogEntry{{Type: "compute", Endpoints: []tokens.Endpoint{
			{Interface: "public", RegionID: test.id, Region: test.name, URL: "https://n"},
		}}}}
		got, err := c.computeURL(with, "R")
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("region_id %q, region %q: %q, %v, want %q", test.id, test.name, got, err, test.want)
		}
	}
}

func TestOnlyConfiguredRegions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Regions = []string{"RegionTwo"}
	got := w.mustRead(t, Wanted{Keys: []string{"tools"}}).Projects["tools"].Instances
	if len(got) != 1 || got[0].Region != "RegionTwo" || w.Count(keystonetest.Regions) != 0 {
		t.Errorf("%v\n%v", got, w.Requests())
	}
}

// TestLongAnswers: of a success all is read, and of a refusal only as much as a
// message can need.
func TestLongAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(" ", maxErrorBody)
	for _, test := range []struct {
		status     int
		body, want string
		says       bool
	}{
		{200, `{"regions":[{"id":"RegionOne"}],"links":{"next":null}}` + long, "complete", false},
		{403, `{"error":{"message":"not you"}}`, "refused", true},
		{403, `{"error":{"message":"not you` + long + `"}}`, "refused", false},
	} {
		w := newWorld(t)
		w.Inject(keystonetest.Fault{Kind: keystonetest.Regions, Do: keystonetest.Answer(test.status, test.body)})
		_, err := w.read(t.Context(), Wanted{Keys: []string{"tools"}})
		if class(err) != test.want || err != nil && strings.Contains(err.Error(), "not you") != test.says {
			t.Errorf("%d with %d bytes: %s, want %s: %v", test.status, len(test.body), class(err), test.want, err)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		flaws    []keystonetest.Flaw
		ca       bool
		insecure bool
		want     string
	}{
		{"known authority", nil, true, false, "complete"},
		{"unknown authority", nil, false, false, "unavailable"},
		{"unknown authority, not verified", nil, false, true, "complete"},
		{"expired", []keystonetest.Flaw{keystonetest.Expired}, true, false, "unavailable"},
		{"wrong name", []keystonetest.Flaw{keystonetest.WrongName}, true, false, "unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := fill(&world{Server: keystonetest.NewTLSServer(t, test.flaws...)})
			creds := w.credentials()
			creds.insecure = test.insecure
			if test.ca {
				creds.caCert = filepath.Join(t.TempDir(), "ca.pem")
				if err := os.WriteFile(creds.caCert, w.CAPEM, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c, err := Open(t.Context(), creds, w.options())
			if err == nil {
				_, err = c.Inventory(t.Context(), everything())
				c.Close()
			}
			if class(err) != test.want {
				t.Fatalf("%s, want %s: %v", class(err), test.want, err)
			}
			if err != nil && !strings.Contains(err.Error(), "x509") {
				t.Errorf("no cause in: %v", err)
			}
		})
	}
}

// TestDowngrade has a catalog that would have the token sent in clear.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	w := fill(&world{Server: keystonetest.NewTLSServer(t)})
	w.SetEndpoints("RegionOne", keystonetest.Endpoint{Interface: "public", URL: "http://127.0.0.1:1/v2.1"})
	creds := w.credentials()
	creds.insecure = true
	c, err := Open(t.Context(), creds, w.options())
	if err == nil {
		_, err = c.Inventory(t.Context(), everything())
		c.Close()
	}
	if class(err) != "untrusted" || !strings.Contains(err.Error(), "https") {
		t.Errorf("%s: %v", class(err), err)
	}
}

// TestUnreachable asks where nobody answers.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ url, want string }{
		{"http://127.0.0.1:1/v3", "connection refused"},
		{"http://nowhere.invalid/v3", "nowhere.invalid"},
	} {
		w := newWorld(t)
		creds := w.credentials()
		creds.AuthURL = test.url
		_, err := Open(t.Context(), creds, w.options())
		if class(err) != "unavailable" || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", class(err), err)
		}
		w.noSecrets(t, "the error", err.Error())
	}
}

// TestDomainScope logs in for another domain than the one that is asked for, of
// which Keystone would show an empty list.
func TestDomainScope(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ domain, want string }{{"default", "complete"}, {"elsewhere", "credentials"}} {
		w := newWorld(t)
		token := fmt.Sprintf(`{"token":{"expires_at":"2099-01-01T00:00:00.000000Z","domain":{"id":%q,"name":"D"},
			"catalog":[{"type":"identity","endpoints":[]}]}}`, test.domain)
		w.Inject(keystonetest.Fault{Kind: keystonetest.LogIn,
			Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				rw.Header().Set("X-Subject-Token", "of a domain")
				keystonetest.Answer(http.StatusCreated, token)(rw, r, next)
			}})
		creds := w.credentials()
		creds.scope = scope{domainID: test.domain}
		c, err := Open(t.Context(), creds, w.options())
		if class(err) != test.want {
			t.Errorf("%s: %s, want %s: %v", test.domain, class(err), test.want, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

// TestForeignHost asks the transport itself for a host that it was not told of.
func TestForeignHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, err := Open(t.Context(), w.credentials(), w.options())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before := w.Count()
	other := strings.Replace(w.AuthURL(), "127.0.0.1", "localhost", 1)
	err = c.get(t.Context(), c.root, identityOf, call{op: "try", url: other, use: func(*answer) error { return nil }})
	if class(err) != "untrusted" || w.Count() != before {
		t.Errorf("%s: %v, %d requests", class(err), err, w.Count()-before)
	}
}

func TestApplicationCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t).asReader()
	a := w.AddAppCredential(keystonetest.AppCredential{Name: "exports", Secret: "app-7f3a", User: "reader", Project: toolsID})
	for _, test := range []struct {
		name   string
		by     application
		wanted []string
		want   string
	}{
		{"own project", application{id: a.ID, secret: newSecret("app-7f3a")}, []string{"tools"}, "complete"},
		{"by name", application{name: a.Name, secret: newSecret("app-7f3a")}, []string{"tools"}, "complete"},
		{"two projects", application{id: a.ID, secret: newSecret("app-7f3a")}, []string{"tools", "idle"}, "refused"},
		{"wrong secret", application{id: a.ID, secret: newSecret("7f3a")}, []string{"tools"}, "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			creds := w.credentials()
			creds.application, creds.password, creds.scope = test.by, secret{}, scope{}
			c, err := Open(t.Context(), creds, w.options())
			if err == nil {
				_, err = c.Inventory(t.Context(), Wanted{Keys: test.wanted})
				c.Close()
			}
			if class(err) != test.want {
				t.Errorf("%s, want %s: %v", class(err), test.want, err)
			}
			if err != nil {
				w.noSecrets(t, "the error", err.Error())
			}
		})
	}
}

// TestSystemPerProject has system scope, and must list each project: Keystone
// gives no project's token for a system's.
func TestSystemPerProject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, p := range w.Projects() {
		w.AddRole("admin", p.ID, "reader")
	}
	// A log-in that asks for no scope would be for this project.
	w.AddUser(keystonetest.User{Name: "admin", Password: password, DefaultProjectID: "deployment-prep"})
	w.Configure(func(s *keystonetest.Settings) { s.Policy.AllTenants = keystonetest.Nobody() })
	if got := w.mustRead(t, Wanted{Keys: []string{"tools", "idle"}}).Projects["tools"].Instances; len(got) != 6 {
		t.Errorf("%d instances, want 6", len(got))
	}
	if n := w.Count(keystonetest.LogIn, keystonetest.ReLogIn); n != 2 {
		t.Errorf("%d log-ins, want 2", n)
	}
}
