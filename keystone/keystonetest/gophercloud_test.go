package keystonetest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"nfs-exportd/keystone/keystonetest"
)

func TestGophercloudLogsIn(t *testing.T) {
	s := small(t)
	s.AddAppCredential(keystonetest.AppCredential{ID: "c1", Name: "ci", Secret: "app-secret", User: "reader", Project: "a1"})
	password := func(o gophercloud.AuthOptions) gophercloud.AuthOptions {
		o.IdentityEndpoint, o.DomainID = s.AuthURL(), "default"
		if o.Password == "" {
			o.Password = o.Username + "-secret"
		}
		return o
	}
	for name, test := range map[string]struct {
		options gophercloud.AuthOptions
		project string // of the token
		status  int    // of the refusal
	}{
		"unscoped":        {options: password(gophercloud.AuthOptions{Username: "reader", Scope: &gophercloud.AuthScope{}})},
		"project by id":   {options: password(gophercloud.AuthOptions{Username: "reader", TenantID: "b2"}), project: "beta"},
		"project by name": {options: password(gophercloud.AuthOptions{Username: "reader", TenantName: "beta"}), project: "beta"},
		"system":          {options: password(gophercloud.AuthOptions{Username: "admin", Scope: &gophercloud.AuthScope{System: true}})},
		"application credential": {options: gophercloud.AuthOptions{
			IdentityEndpoint: s.AuthURL(), ApplicationCredentialID: "c1", ApplicationCredentialSecret: "app-secret",
		}, project: "alpha"},
		"application credential by name": {options: gophercloud.AuthOptions{
			IdentityEndpoint: s.AuthURL(), ApplicationCredentialName: "ci", ApplicationCredentialSecret: "app-secret",
			Username: "reader", DomainID: "default",
		}, project: "alpha"},
		"wrong password":  {options: password(gophercloud.AuthOptions{Username: "reader", Password: "x", TenantID: "a1"}), status: 401},
		"no such project": {options: password(gophercloud.AuthOptions{Username: "reader", TenantID: "none"}), status: 401},
		"no role":         {options: password(gophercloud.AuthOptions{Username: "nobody", TenantID: "a1"}), status: 401},
		"no system role":  {options: password(gophercloud.AuthOptions{Username: "reader", Scope: &gophercloud.AuthScope{System: true}}), status: 401},
		"wrong secret": {options: gophercloud.AuthOptions{
			IdentityEndpoint: s.AuthURL(), ApplicationCredentialID: "c1", ApplicationCredentialSecret: "x",
		}, status: 401},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := openstack.AuthenticatedClient(t.Context(), test.options)
			if test.status != 0 {
				var refused gophercloud.ErrUnexpectedResponseCode
				if !errors.As(err, &refused) || refused.Actual != test.status {
					t.Fatalf("error %T %v, want status %d", err, err, test.status)
				}
				if refused.ResponseHeader.Get("X-Openstack-Request-Id") == "" {
					t.Error("no request id")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			result := p.GetAuthResult().(tokens.CreateResult)
			project, err := result.ExtractProject()
			if err != nil {
				t.Fatal(err)
			}
			name := ""
			if project != nil {
				name = project.Name
			}
			if name != test.project {
				t.Errorf("project %q, want %q", name, test.project)
			}
			tok, err := result.ExtractToken()
			if err != nil || tok.ID == "" || !tok.ExpiresAt.After(time.Now()) {
				t.Errorf("token %+v, %v", tok, err)
			}
		})
	}
}

// client is Gophercloud, logged in as a user of the small cloud.
func client(t *testing.T, s *keystonetest.Server, user string, scope *gophercloud.AuthScope) *gophercloud.ProviderClient {
	t.Helper()
	p, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: s.AuthURL(), Username: user, Password: user + "-secret", DomainID: "default",
		Scope: scope, AllowReauth: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func nova(t *testing.T, p *gophercloud.ProviderClient, region string) *gophercloud.ServiceClient {
	t.Helper()
	sc, err := openstack.NewComputeV2(p, gophercloud.EndpointOpts{Region: region})
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func TestGophercloudListsProjectsAndRegions(t *testing.T) {
	s := small(t)
	s.AddDomain(keystonetest.Domain{ID: "ldap"})
	s.AddProject(keystonetest.Project{Name: "other", DomainID: "ldap"})
	s.AddRegion("RegionTwo")
	sc, err := openstack.NewIdentityV3(client(t, s, "admin", &gophercloud.AuthScope{System: true}), gophercloud.EndpointOpts{})
	if err != nil {
		t.Fatal(err)
	}
	list := func(o projects.ListOpts) []string {
		pages, err := projects.List(sc, o).AllPages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found, err := projects.ExtractProjects(pages)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, p := range found {
			names = append(names, p.Name)
		}
		return names
	}
	for _, test := range []struct {
		options projects.ListOpts
		want    []string
	}{
		{projects.ListOpts{}, []string{"alpha", "beta", "other"}},
		{projects.ListOpts{DomainID: "default"}, []string{"alpha", "beta"}},
		{projects.ListOpts{Name: "beta"}, []string{"beta"}},
		{projects.ListOpts{Name: "beta", DomainID: "ldap"}, []string{}},
	} {
		if diff := cmp.Diff(test.want, list(test.options)); diff != "" {
			t.Errorf("%+v: %s", test.options, diff)
		}
	}
	pages, err := regions.List(sc, nil).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := regions.ExtractRegions(pages)
	if err != nil || len(found) != 2 || found[1].ID != "RegionTwo" {
		t.Errorf("regions %+v, %v", found, err)
	}
	if p, err := projects.Get(t.Context(), sc, "b2").Extract(); err != nil || p.Name != "beta" || !p.Enabled {
		t.Errorf("project %+v, %v", p, err)
	}
}

func TestGophercloudPagesThroughInstances(t *testing.T) {
	s := small(t)
	s.Configure(func(set *keystonetest.Settings) { set.PageSize = 3 })
	want := []string{}
	for n := range 7 {
		i := s.AddInstance(keystonetest.Instance{
			Name: fmt.Sprintf("vm-%d", n), ProjectID: "a1",
			Addresses: []keystonetest.Address{
				{Network: "lan", IP: fmt.Sprintf("10.0.0.%d", n)}, {Network: "lan", IP: "2001:db8::1"},
				{Network: "wan", IP: "192.0.2.1", Type: "floating"},
			},
		})
		want = append([]string{i.ID}, want...)
	}
	s.AddInstance(keystonetest.Instance{Name: "vm-0", ProjectID: "b2"})
	sc := nova(t, client(t, s, "reader", &gophercloud.AuthScope{ProjectID: "a1"}), "RegionOne")
	s.ResetRequests()
	pages, err := servers.List(sc, nil).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := servers.ExtractServers(pages)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, i := range found {
		ids = append(ids, i.ID)
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
	lan := found[0].Addresses["lan"].([]any)
	if a := lan[1].(map[string]any); a["addr"] != "2001:db8::1" || a["version"] != 6.0 || a["OS-EXT-IPS:type"] != "fixed" {
		t.Errorf("address %v", a)
	}
	if a := found[0].Addresses["wan"].([]any)[0].(map[string]any); a["OS-EXT-IPS:type"] != "floating" || a["version"] != 4.0 {
		t.Errorf("address %v", a)
	}
	if found[0].TenantID != "a1" || found[0].Status != "ACTIVE" || found[0].Name != "vm-6" || found[0].Created.IsZero() {
		t.Errorf("instance %+v", found[0])
	}
	if n := s.Count(keystonetest.Instances); n != 3 {
		t.Errorf("%d pages, want 3: %v", n, s.Requests())
	}
}

func TestGophercloudReauthenticates(t *testing.T) {
	s := small(t)
	sc := nova(t, client(t, s, "reader", &gophercloud.AuthScope{ProjectID: "a1"}), "RegionOne")
	s.ExpireTokens()
	if _, err := servers.List(sc, nil).AllPages(t.Context()); err != nil {
		t.Fatal(err)
	}
	kinds := []keystonetest.Kind{}
	for _, r := range s.Requests() {
		kinds = append(kinds, r.Kind)
	}
	want := []keystonetest.Kind{"LogIn", "Instances", "ReLogIn", "Instances"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}

	s.ExpireTokens()
	s.Inject(keystonetest.Fault{Kind: keystonetest.ReLogIn, Do: named(t, "status-503").Do})
	_, err := servers.List(sc, nil).AllPages(t.Context())
	var failed *gophercloud.ErrUnableToReauthenticate
	if !errors.As(err, &failed) {
		t.Errorf("error %T %v", err, err)
	}
}

func TestGophercloudErrors(t *testing.T) {
	s := small(t)
	system := &gophercloud.AuthScope{System: true}
	p := client(t, s, "admin", system)
	_, err := openstack.NewComputeV2(p, gophercloud.EndpointOpts{Region: "Nowhere"})
	var missing *gophercloud.ErrEndpointNotFound
	if !errors.As(err, &missing) {
		t.Errorf("error %T %v", err, err)
	}
	s.SetEndpoints("RegionOne")
	if _, err = openstack.NewComputeV2(client(t, s, "admin", system), gophercloud.EndpointOpts{Region: "RegionOne"}); !errors.As(err, &missing) {
		t.Errorf("error %T %v", err, err)
	}
	s.ResetEndpoints("RegionOne")

	reader := nova(t, client(t, s, "reader", &gophercloud.AuthScope{ProjectID: "a1"}), "RegionOne")
	_, err = servers.List(reader, servers.ListOpts{AllTenants: true}).AllPages(t.Context())
	var refused gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &refused) || refused.Actual != http.StatusForbidden {
		t.Errorf("error %T %v", err, err)
	}

	s.Inject(named(t, "body-short").On(keystonetest.Instances))
	if _, err = servers.List(reader, nil).AllPages(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %T %v", err, err)
	}
	s.Heal()
	s.Inject(named(t, "black-hole").On(keystonetest.Instances))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err = servers.List(reader, nil).AllPages(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %T %v", err, err)
	}
}

// TestGophercloudMeetsOddEndpoints covers endpoints as older deployments
// register them.
func TestGophercloudMeetsOddEndpoints(t *testing.T) {
	s := small(t)
	i := s.AddInstance(keystonetest.Instance{Name: "vm", ProjectID: "a1"})
	for name, test := range map[string]struct {
		url       string
		discovers bool
	}{
		"with the project": {"{base}/compute/RegionOne/v2.1/{project}", false},
		"unversioned":      {"{base}/compute/RegionOne", true},
	} {
		t.Run(name, func(t *testing.T) {
			s.SetEndpoints("RegionOne", keystonetest.Endpoint{Interface: "public", URL: test.url})
			p := client(t, s, "reader", &gophercloud.AuthScope{ProjectID: "a1"})
			s.ResetRequests()
			sc := nova(t, p, "RegionOne")
			pages, err := servers.List(sc, nil).AllPages(t.Context())
			if test.discovers {
				// Gophercloud finds v2.1 and then lists without it, which no Nova answers.
				if s.Count(keystonetest.Version) == 0 || !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
					t.Errorf("%v, %v", s.Requests(), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			found, err := servers.ExtractServers(pages)
			if err != nil || len(found) != 1 || found[0].ID != i.ID {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

func TestGophercloudListsServices(t *testing.T) {
	s := small(t)
	s.AddHost("RegionOne", "cell1", "compute-1")
	sc := nova(t, client(t, s, "admin", &gophercloud.AuthScope{System: true}), "RegionOne")
	pages, err := services.List(sc, services.ListOpts{Binary: "nova-compute"}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := services.ExtractServices(pages)
	if err != nil || len(found) != 1 || found[0].Host != "compute-1" || found[0].State != "up" {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestTLS(t *testing.T) {
	for name, test := range map[string]struct {
		flaws []keystonetest.Flaw
		trust bool
		want  func(error) bool
	}{
		"good":       {trust: true, want: func(err error) bool { return err == nil }},
		"unknown CA": {want: func(err error) bool { var e x509.UnknownAuthorityError; return errors.As(err, &e) }},
		"expired": {flaws: []keystonetest.Flaw{keystonetest.Expired}, trust: true, want: func(err error) bool {
			var e x509.CertificateInvalidError
			return errors.As(err, &e) && e.Reason == x509.Expired
		}},
		"wrong name": {flaws: []keystonetest.Flaw{keystonetest.WrongName}, trust: true, want: func(err error) bool {
			var e x509.HostnameError
			return errors.As(err, &e)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := keystonetest.NewTLSServer(t, test.flaws...)
			fill(s.Cloud)
			pool := x509.NewCertPool()
			if test.trust && !pool.AppendCertsFromPEM(s.CAPEM) {
				t.Fatal("no certificate in CAPEM")
			}
			p, err := openstack.NewClient(s.AuthURL())
			if err != nil {
				t.Fatal(err)
			}
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
			defer transport.CloseIdleConnections()
			p.HTTPClient = http.Client{Transport: transport}
			err = openstack.Authenticate(t.Context(), p, gophercloud.AuthOptions{
				IdentityEndpoint: s.AuthURL(), Username: "admin", Password: "admin-secret", DomainID: "default",
				Scope: &gophercloud.AuthScope{System: true},
			})
			if !test.want(err) {
				t.Errorf("error %T %v", err, err)
			}
		})
	}
}

func named(t *testing.T, name string) keystonetest.NamedFault {
	t.Helper()
	f, ok := keystonetest.FaultNamed(name)
	if !ok {
		t.Fatalf("no fault %q", name)
	}
	return f
}
