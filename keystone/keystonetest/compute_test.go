package keystonetest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/keystone/keystonetest"
)

func TestFilters(t *testing.T) {
	s := cells(t)
	admin, alpha := token(t, s, "admin", onSystem), token(t, s, "reader", onAlpha)
	for _, test := range []struct {
		name, token, query string
		status             int
		want               string // ids, or a part of the body
	}{
		{"everything", admin, "?all_tenants=1", 200, "i6 i5 i4 i3 i2 i1"},
		{"all_tenants without a value", admin, "?all_tenants", 200, "i6 i5 i4 i3 i2 i1"},
		{"one project", admin, "?all_tenants=1&project_id=b2", 200, "i6 i4 i2"},
		{"one project by the old name", admin, "?all_tenants=true&tenant_id=a1", 200, "i5 i3 i1"},
		{"a project that is not", admin, "?all_tenants=1&project_id=zz", 200, ""},
		{"by name", admin, "?all_tenants=1&name=vm-[12]", 200, "i2 i1"},
		{"by status", admin, "?all_tenants=1&status=SHUTOFF", 200, ""},
		{"a system token sees its own instances", admin, "", 200, ""},
		{"project_id without all_tenants counts for nothing", admin, "?project_id=b2", 200, ""},
		{"own project", alpha, "", 200, "i5 i3 i1"},
		{"project_id is ignored without the right", alpha, "?project_id=b2", 200, "i5 i3 i1"},
		{"nonsense is ignored without the right", alpha, "?colour=red", 200, "i5 i3 i1"},
		{"all_tenants refused", alpha, "?all_tenants=1", 403, "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be performed."},
		{"all_tenants off", alpha, "?all_tenants=0", 200, "i5 i3 i1"},
		{"all_tenants odd", alpha, "?all_tenants=perhaps", 400, "badRequest"},
		{"what is not served is not guessed", admin, "?all_tenants=1&host=x", 501, "does not implement"},
		{"nor sorted", admin, "?all_tenants=1&sort_key=name", 501, "does not implement"},
		{"limit", alpha, "?limit=2", 200, "i5 i3"},
		{"limit 0 is none", alpha, "?limit=0", 200, "i5 i3 i1"},
		{"limit odd", alpha, "?limit=-1", 400, "limit"},
		{"marker", alpha, "?marker=i3", 200, "i1"},
		{"marker of another project", alpha, "?marker=i4", 200, "i3 i1"},
		{"marker unknown", alpha, "?marker=i9", 400, `{"badRequest":{"code":400,"message":"marker [i9] not found"}}`},
		{"bad token", "x", "", 401, "requires authentication"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := get(t, s, test.token, detail+test.query)
			if g.status != test.status {
				t.Fatalf("%d %s", g.status, g.body)
			}
			if g.status != http.StatusOK {
				if !strings.Contains(g.body, test.want) {
					t.Error(g.body)
				}
				return
			}
			if diff := cmp.Diff(test.want, strings.Join(g.ids(t, "servers"), " ")); diff != "" {
				t.Error(diff)
			}
		})
	}

	g := get(t, s, alpha, "/compute/RegionOne/v2.1/servers?all_tenants=1")
	if !strings.Contains(g.body, "os_compute_api:servers:index:get_all_tenants") {
		t.Errorf("the short list's policy: %s", g.body)
	}
	s.RemoveInstance("i3")
	if g := get(t, s, alpha, detail+"?marker=i3"); g.status != http.StatusBadRequest {
		t.Errorf("marker of a deleted instance: %d", g.status)
	}
	s.Configure(func(set *keystonetest.Settings) { set.Policy.AllTenants = keystonetest.Anywhere("reader") })
	g = get(t, s, alpha, detail+"?all_tenants=1&project_id=a1")
	if diff := cmp.Diff([]string{"i6", "i5", "i4", "i2", "i1"}, g.ids(t, "servers")); diff != "" {
		t.Errorf("all_tenants without the filters: %s", diff)
	}
}

func TestNextLink(t *testing.T) {
	s := cells(t)
	alpha := token(t, s, "reader", onAlpha)
	for _, test := range []struct {
		pageSize int
		query    string
		next     string // query of the next link
	}{
		{1000, "", ""},
		{3, "", "marker=i1"}, // a full page has one, whether more follows or not
		{2, "", "marker=i3"},
		{2, "?limit=5", "limit=5&marker=i3"},
		{1000, "?limit=1&marker=i5", "limit=1&marker=i3"},
		{3, "?marker=i1", ""},
	} {
		s.Configure(func(set *keystonetest.Settings) { set.PageSize = test.pageSize })
		g := get(t, s, alpha, detail+test.query)
		next := ""
		if links, ok := g.decode(t)["servers_links"]; ok {
			link := links.([]any)[0].(map[string]any)
			if link["rel"] != "next" {
				t.Errorf("rel %v", link["rel"])
			}
			next = strings.TrimPrefix(link["href"].(string), s.URL+detail+"?")
		}
		if next != test.next {
			t.Errorf("page size %d, %q: next %q, want %q", test.pageSize, test.query, next, test.next)
		}
	}
}

// TestCellDown holds the rules of nova/api/openstack/compute/servers.py
// _is_cell_down_supported, as measured on Nova 26.
func TestCellDown(t *testing.T) {
	s := cells(t)
	s.CellDown("RegionOne", "cell2", true)
	s.AddRole("reader", "b2", "reader")
	admin, beta := token(t, s, "admin", onSystem), token(t, s, "reader", onBeta)
	old, stubs, newer := "", v269, "compute 2.90"
	for _, test := range []struct {
		token, version, query string
		pageSize              int
		want                  string
		hidden                bool // nothing tells that a cell is down, unless it is not to be skipped
	}{
		{beta, old, "", 9, "", true},
		{beta, "compute 2.68", "", 9, "", true},
		{beta, stubs, "", 9, "STUB-i2 STUB-i4 STUB-i6", false},
		{beta, newer, "", 9, "STUB-i2 STUB-i4 STUB-i6", false},
		{beta, stubs, "", 2, "STUB-i2 STUB-i4", false},
		{beta, stubs, "?limit=9", 9, "", true},
		{beta, stubs, "?marker=i5", 9, "", true},
		{beta, stubs, "?name=vm", 9, "", true},
		{beta, stubs, "?project_id=b2", 9, "STUB-i2 STUB-i4 STUB-i6", false}, // dropped before it counts
		{admin, old, "?all_tenants=1", 9, "i5 i3 i1", true},
		{admin, stubs, "?all_tenants=1", 9, "i5 i3 i1 STUB-i2 STUB-i4 STUB-i6", false},
		{admin, stubs, "?all_tenants=1", 4, "i5 i3 i1 STUB-i2", false},
		{admin, stubs, "?all_tenants=1", 3, "i5 i3 i1", false}, // the page is full: no stub, and no error either
		{admin, stubs, "?all_tenants=1&limit=9", 9, "i5 i3 i1", true},
		{admin, stubs, "?all_tenants=1&project_id=b2", 9, "", true},
		{admin, newer, "?all_tenants=1&project_id=b2", 9, "", true},
	} {
		t.Run(fmt.Sprintf("%s%s page %d", test.version, test.query, test.pageSize), func(t *testing.T) {
			headers := []string{"OpenStack-API-Version", test.version}
			for _, skip := range []bool{true, false} {
				s.Configure(func(set *keystonetest.Settings) { set.SkipDownCells, set.PageSize = skip, test.pageSize })
				g := get(t, s, test.token, detail+test.query, headers...)
				if test.hidden && !skip {
					if g.status != http.StatusInternalServerError || !strings.Contains(g.body, "computeFault") {
						t.Errorf("not skipping: %d %s", g.status, g.body)
					}
					continue
				}
				if diff := cmp.Diff(test.want, strings.Join(g.ids(t, "servers"), " ")); diff != "" {
					t.Errorf("skipping %v: %s", skip, diff)
				}
			}
		})
	}

	s.Configure(func(set *keystonetest.Settings) { set.SkipDownCells, set.PageSize = true, 9 })
	if g := get(t, s, beta, detail+"?marker=i4", "OpenStack-API-Version", v269); g.status != http.StatusInternalServerError {
		t.Errorf("marker in the cell: %d", g.status)
	}
	stub := get(t, s, beta, detail, "OpenStack-API-Version", v269).decode(t)["servers"].([]any)[0].(map[string]any)
	keys := []string{}
	for _, key := range []string{"id", "status", "tenant_id", "created", "links", "name", "addresses", "flavor"} {
		if _, ok := stub[key]; ok {
			keys = append(keys, key)
		}
	}
	if diff := cmp.Diff([]string{"id", "status", "tenant_id", "created", "links"}, keys); diff != "" {
		t.Error(diff)
	}
	s.CellDown("RegionOne", "cell2", false)
	if got := get(t, s, beta, detail).ids(t, "servers"); len(got) != 3 {
		t.Errorf("after the cell came back: %v", got)
	}
}

func TestServices(t *testing.T) {
	s := cells(t)
	s.CellDown("RegionOne", "cell2", true)
	admin, alpha := token(t, s, "admin", onSystem), token(t, s, "reader", onAlpha)
	hosts := func(query string, headers ...string) string {
		g := get(t, s, admin, osServices+query, headers...)
		list := []string{}
		for _, service := range g.decode(t)["services"].([]any) {
			m := service.(map[string]any)
			list = append(list, fmt.Sprint(m["host"], "=", m["status"]))
		}
		return strings.Join(list, " ")
	}
	if got := hosts("?binary=nova-compute"); got != "compute-cell1=enabled" {
		t.Errorf("2.1: %s", got)
	}
	if got := hosts("?binary=nova-compute", "OpenStack-API-Version", v269); got != "compute-cell1=enabled compute-cell2=UNKNOWN" {
		t.Errorf("2.69: %s", got)
	}
	if got := hosts("", "OpenStack-API-Version", v269); got !=
		"controller1=enabled conductor-cell1=enabled compute-cell1=enabled compute-cell2=UNKNOWN" {
		t.Errorf("every binary: %s", got)
	}
	s.RemoveHosts("RegionOne", "cell2")
	if got := hosts("?host=compute-cell2", "OpenStack-API-Version", v269); got != "" {
		t.Errorf("a cell without hosts: %s", got)
	}
	if g := get(t, s, alpha, osServices); g.status != http.StatusForbidden ||
		!strings.Contains(g.body, "Policy doesn't allow os_compute_api:os-services:list to be performed.") {
		t.Errorf("%d %s", g.status, g.body)
	}
}

func TestMicroversions(t *testing.T) {
	s := cells(t)
	alpha := token(t, s, "reader", onAlpha)
	for _, test := range []struct {
		header, value string
		status        int
		echo          string
	}{
		{"X-Nothing", "", 200, "2.1"},
		{"OpenStack-API-Version", "compute 2.69", 200, "2.69"},
		{"OpenStack-API-Version", "compute latest", 200, "2.93"},
		{"OpenStack-API-Version", "volume 3.1", 200, "2.1"},
		{"X-OpenStack-Nova-API-Version", "2.47", 200, "2.47"},
		{"OpenStack-API-Version", "compute 2.94", 406, ""},
		{"OpenStack-API-Version", "compute 3.1", 406, ""},
		{"OpenStack-API-Version", "compute new", 400, ""},
	} {
		g := get(t, s, alpha, detail, test.header, test.value)
		if g.status != test.status {
			t.Errorf("%s: %d %s", test.value, g.status, g.body)
		}
		want := ""
		if test.echo != "" {
			want = "compute " + test.echo
		}
		if got := g.header.Get("OpenStack-API-Version"); got != want || g.header.Get("X-OpenStack-Nova-API-Version") != test.echo {
			t.Errorf("%s: says %q", test.value, got)
		}
		if g.header.Get("X-Compute-Request-Id") == "" {
			t.Errorf("%s: no request id", test.value)
		}
	}
	s.Configure(func(set *keystonetest.Settings) { set.MaxMicroversion = 60 })
	g := get(t, s, alpha, detail, "OpenStack-API-Version", v269)
	if !strings.Contains(g.body, "Version 2.69 is not supported by the API. Minimum is 2.1 and maximum is 2.60.") {
		t.Error(g.body)
	}
}

func TestInstanceBody(t *testing.T) {
	s := small(t)
	lan := []keystonetest.Address{{Network: `a "b"`, IP: "10.0.0.1"}}
	s.AddInstance(keystonetest.Instance{ID: "building", Name: "n", ProjectID: "a1", Status: "BUILD", Addresses: lan})
	s.AddInstance(keystonetest.Instance{ID: "odd", Name: "\"quoted\"\n\u2028<é>", ProjectID: "a1", Addresses: lan})
	g := get(t, s, token(t, s, "reader", onAlpha), detail)
	var body struct {
		Servers []struct {
			ID, Name  string
			Addresses map[string][]map[string]any
		}
	}
	if err := json.Unmarshal([]byte(g.body), &body); err != nil {
		t.Fatal(err)
	}
	if len(body.Servers) != 2 || body.Servers[0].Name != "\"quoted\"\n\u2028<é>" || len(body.Servers[0].Addresses[`a "b"`]) != 1 {
		t.Errorf("%+v", body)
	}
	if a := body.Servers[1].Addresses; a == nil || len(a) != 0 {
		t.Errorf("BUILD shows %v", a)
	}
	if size := len(g.body) / 2; size < 2000 || size > 3000 {
		t.Errorf("%d bytes an instance", size)
	}
	short := get(t, s, token(t, s, "reader", onAlpha), "/compute/RegionOne/v2.1/servers").decode(t)["servers"].([]any)[0].(map[string]any)
	if len(short) != 3 || short["id"] != "odd" {
		t.Errorf("the short list shows %v", short)
	}
}

// TestInstancesChange: replaced ones keep their place, new ones come first.
func TestInstancesChange(t *testing.T) {
	s := cells(t)
	alpha := token(t, s, "reader", onAlpha)
	s.AddInstance(keystonetest.Instance{ID: "i3", Name: "renamed", ProjectID: "a1", Status: "SHUTOFF"})
	s.AddInstance(keystonetest.Instance{ID: "i7", Name: "new", ProjectID: "a1"})
	s.RemoveInstance("i1")
	s.RemoveInstance("i99")
	g := get(t, s, alpha, detail)
	if diff := cmp.Diff([]string{"i7", "i5", "i3"}, g.ids(t, "servers")); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(g.body, `"name":"renamed","status":"SHUTOFF"`) {
		t.Error(g.body)
	}
	s.AddInstance(keystonetest.Instance{ID: "i3", Name: "moved", ProjectID: "b2"})
	if diff := cmp.Diff([]string{"i7", "i5"}, get(t, s, alpha, detail).ids(t, "servers")); diff != "" {
		t.Error(diff)
	}
	if n := len(s.Instances("RegionOne")); n != 6 {
		t.Errorf("%d instances", n)
	}
}

func TestProjectInThePath(t *testing.T) {
	s := cells(t)
	alpha := token(t, s, "reader", onAlpha)
	if got := get(t, s, alpha, "/compute/RegionOne/v2.1/a1/servers/detail").ids(t, "servers"); len(got) != 3 {
		t.Errorf("own: %v", got)
	}
	g := get(t, s, alpha, "/compute/RegionOne/v2.1/b2/servers/detail")
	if g.status != http.StatusBadRequest || !strings.Contains(g.body, "doesn't match Context's project_id 'a1'") {
		t.Errorf("another: %d %s", g.status, g.body)
	}
}

func TestCatalog(t *testing.T) {
	s := small(t)
	s.AddRegion("RegionTwo")
	s.AddRegion("RegionThree")
	s.SetEndpoints("RegionTwo")
	s.SetEndpoints("RegionThree",
		keystonetest.Endpoint{Interface: "public", URL: "{base}/compute/RegionThree/v2.1/{project}"},
		keystonetest.Endpoint{Interface: "public", URL: "http://nova.example.org/v2.1"})
	list := func() []string {
		body := logIn(t, s, passwordBody("reader", "reader-secret", onAlpha)).decode(t)
		urls := []string{}
		for _, service := range body["token"].(map[string]any)["catalog"].([]any) {
			m := service.(map[string]any)
			if m["type"] != "compute" {
				continue
			}
			for _, e := range m["endpoints"].([]any) {
				e := e.(map[string]any)
				urls = append(urls, fmt.Sprint(e["region_id"], " ", e["interface"], " ", strings.TrimPrefix(e["url"].(string), s.URL)))
			}
		}
		return urls
	}
	one := []string{
		"RegionOne public /compute/RegionOne/v2.1", "RegionOne internal /compute/RegionOne/v2.1", "RegionOne admin /compute/RegionOne/v2.1",
	}
	want := append(one, "RegionThree public /compute/RegionThree/v2.1/a1", "RegionThree public http://nova.example.org/v2.1")
	if diff := cmp.Diff(want, list()); diff != "" {
		t.Error(diff)
	}
	s.RemoveRegion("RegionThree")
	if diff := cmp.Diff(one, list()); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkPage(b *testing.B) {
	s := keystonetest.NewServer(b)
	keystonetest.Generate(s.Cloud, 50, 100_000)
	login := httptest.NewRecorder()
	s.ServeHTTP(login, httptest.NewRequestWithContext(b.Context(), http.MethodPost, s.AuthURL()+"/auth/tokens",
		strings.NewReader(passwordBody("observer", "secret", onSystem))))
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, s.URL+detail+"?all_tenants=1&limit=1000", nil)
	r.Header.Set("X-Auth-Token", login.Header().Get("X-Subject-Token"))
	w := &discard{header: http.Header{}}
	for b.Loop() {
		s.ServeHTTP(w, r)
	}
	b.SetBytes(int64(w.n) / int64(b.N))
}

type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(b []byte) (int, error) {
	d.n += len(b)
	return len(b), nil
}
