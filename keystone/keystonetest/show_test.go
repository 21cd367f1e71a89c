package keystonetest_test

import (
	"strconv"
	"strings"
	"testing"

	"nfs-exportd/keystone/keystonetest"
)

// TestShow has the table of what a real Nova 26 answers to GET /servers/ID. The columns
// are a reader of the project, one of another project, one who may list all projects by
// policy alone, an admin of another project, one of the system, and a reader of the
// system. The bodies of all 404 are the same.
func TestShow(t *testing.T) {
	const softDeleted, lost = "soft", "lost"
	setup := func(t *testing.T) (*keystonetest.Server, []string) {
		s := cells(t) // i1 and i3 of alpha in cell1, i2 of beta in cell2
		s.AddInstance(keystonetest.Instance{ID: softDeleted, ProjectID: "a1", Status: "SOFT_DELETED"})
		s.AddInstance(keystonetest.Instance{ID: lost, ProjectID: "a1", NoRequestSpec: true})
		s.AddInstance(keystonetest.Instance{ID: "failed", ProjectID: "a1", Status: "ERROR"})
		s.RemoveInstance("i3")
		s.AddProject(keystonetest.Project{ID: "c3", Name: "gamma"})
		s.AddRole("reader", keystonetest.System, "reader")
		s.AddRole("reader", "c3", "lister")
		s.AddRole("admin", "b2", "admin")
		s.Configure(func(set *keystonetest.Settings) { set.Policy.AllTenants = keystonetest.Anywhere("lister", "admin") })
		return s, []string{
			token(t, s, "reader", onAlpha), token(t, s, "reader", onBeta), token(t, s, "reader", `{"project":{"id":"c3"}}`),
			token(t, s, "admin", onBeta), token(t, s, "admin", onSystem), token(t, s, "reader", onSystem),
		}
	}
	for _, test := range []struct {
		id, version string
		change      func(*keystonetest.Server)
		want        string
	}{
		{"i1", "2.69", nil, "200 404 404 200 200 403"},
		{"i1", "2.1", nil, "200 404 404 200 200 500"},
		{"failed", "2.1", nil, "200 404 404 200 200 500"},
		{softDeleted, "2.69", nil, "200 404 404 200 200 403"},
		{softDeleted, "2.1", nil, "200 404 404 200 200 500"},
		{"i3", "2.69", nil, "404 404 404 404 404 404"},
		{"i3", "2.1", nil, "404 404 404 404 404 500"},
		{"never", "2.69", nil, "404 404 404 404 404 404"},
		{"never", "2.1", nil, "404 404 404 404 404 404"},
		{"i1", "2.69", down, "stub 403 403 stub stub 403"},
		{"i1", "2.1", down, "500 500 500 500 500 500"},
		{lost, "2.69", down, "404 404 404 404 404 404"},
		{lost, "2.1", down, "500 500 500 500 500 500"},
		{"i1", "2.1", onlyAdmins, "403 404 404 200 200 500"},
	} {
		s, tokens := setup(t)
		if test.change != nil {
			test.change(s)
		}
		var got []string
		for _, tok := range tokens {
			g := get(t, s, tok, "/compute/RegionOne/v2.1/servers/"+test.id, "OpenStack-API-Version", "compute "+test.version)
			status := strconv.Itoa(g.status)
			if v := g.header.Get("OpenStack-API-Version"); v != "compute "+test.version {
				t.Errorf("%s with %s: %s is of %q", test.id, test.version, status, v)
			}
			switch g.status {
			case 404:
				if want := `{"itemNotFound":{"code":404,"message":"Instance ` + test.id + ` could not be found."}}`; g.body != want {
					t.Errorf("%s with %s: %s", test.id, test.version, g.body)
				}
			case 200:
				shown := g.decode(t)["server"].(map[string]any)
				if _, ok := shown["addresses"]; !ok {
					status = "stub"
				}
				if shown["id"] != test.id || shown["tenant_id"] != "a1" || (shown["addresses"] != nil) == (shown["status"] == "UNKNOWN") {
					t.Errorf("%s with %s: %s", test.id, test.version, g.body)
				}
			}
			got = append(got, status)
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s with %s: %s, want %s", test.id, test.version, got, test.want)
		}
	}
	s, tokens := setup(t)
	if got := get(t, s, tokens[0], detail, "OpenStack-API-Version", v269).ids(t, "servers"); strings.Join(got, " ") != "failed lost i5 i1" {
		t.Errorf("the list has %s", got)
	}
	down(s)
	for _, id := range get(t, s, tokens[0], detail, "OpenStack-API-Version", v269).ids(t, "servers") {
		if strings.Contains(id, softDeleted) {
			t.Error("the list of a cell that is down has the instance that is SOFT_DELETED")
		}
	}
}

func down(s *keystonetest.Server) { s.CellDown("RegionOne", "cell1", true) }

func onlyAdmins(s *keystonetest.Server) {
	s.Configure(func(set *keystonetest.Settings) { set.Policy.OnlyAdminsShow = true })
}
