package keystonetest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/keystone/keystonetest"
)

const document = `
settings: {page_size: 2, list_limit: 3, skip_down_cells: false, max_microversion: 70, keystone_paging: true, token_lifetime: 5m, latency: 1ms}
domains: {ldap: LDAP}
regions: [RegionTwo, RegionThree]
endpoints:
  RegionThree: ['public {base}/compute/RegionThree/v2.1']
projects:
  tools: {}
  beta: {id: b2, domain: ldap}
  off: {disabled: true}
users:
  observer:
    password: secret
    roles: {system: [admin], '*': [reader], tools: [member]}
  other: {password: x, domain: ldap, disabled: true}
application_credentials:
  ci: {id: c1, secret: s3cret, user: observer, project: tools, roles: [reader]}
instances:
  tools-2: {project: tools, addresses: {wan: [10.0.0.2], lan: [10.0.0.1, 192.0.2.7 floating, '2001:db8::1']}}
  beta-1: {id: i1, project: b2, region: RegionThree, cell: cell2, status: SHUTOFF, addresses: {empty: []}, request_spec: false}
hosts: {compute-7: RegionThree/cell2}
down: [RegionThree/cell2]
`

func TestLoad(t *testing.T) {
	s := keystonetest.NewServer(t)
	if err := keystonetest.Load(s.Cloud, []byte(document)); err != nil {
		t.Fatal(err)
	}
	s.Configure(func(set *keystonetest.Settings) {
		got := []any{set.PageSize, set.ListLimit, set.SkipDownCells, set.MaxMicroversion, set.KeystonePaging, set.TokenLifetime, set.Latency}
		want := []any{2, 3, false, 70, true, 5 * time.Minute, time.Millisecond}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	if diff := cmp.Diff([]string{"RegionTwo", "RegionThree"}, s.Regions()); diff != "" {
		t.Error(diff)
	}
	names := []string{}
	for _, p := range s.Projects() {
		names = append(names, p.Name+" "+p.DomainID+map[bool]string{true: " off"}[p.Disabled])
	}
	if diff := cmp.Diff([]string{"tools default", "beta ldap", "off default off"}, names); diff != "" {
		t.Error(diff)
	}
	tools := s.Projects()[0].ID
	instances := append(s.Instances("RegionTwo"), s.Instances("RegionThree")...)
	for n := range instances {
		instances[n].UserID = ""
	}
	want := []keystonetest.Instance{
		{ID: instances[0].ID, Name: "tools-2", ProjectID: tools, Region: "RegionTwo", Cell: "cell1", Host: "compute-cell1", Status: "ACTIVE",
			Addresses: []keystonetest.Address{
				{Network: "wan", IP: "10.0.0.2"}, {Network: "lan", IP: "10.0.0.1"},
				{Network: "lan", IP: "192.0.2.7", Type: "floating"}, {Network: "lan", IP: "2001:db8::1"},
			}},
		{ID: "i1", Name: "beta-1", ProjectID: "b2", Region: "RegionThree", Cell: "cell2", Host: "compute-cell2", Status: "SHUTOFF",
			EmptyNetworks: []string{"empty"}, NoRequestSpec: true},
	}
	if diff := cmp.Diff(want, instances); diff != "" {
		t.Error(diff)
	}

	login := func(scope string) got { return logIn(t, s, passwordBody("observer", "secret", scope)) }
	for scope, want := range map[string]string{
		onSystem:                      `"name":"admin"`,
		`{"project":{"id":"b2"}}`:     `"name":"reader"`,
		tokenScope(tools):             `"name":"member"`,
		`{"domain":{"id":"default"}}`: "requires authentication",
	} {
		if g := login(scope); !strings.Contains(g.body, want) {
			t.Errorf("%s: %s", scope, g.body)
		}
	}
	credential := logIn(t, s, `{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"c1","secret":"s3cret"}}}}`)
	if roles := credential.decode(t)["token"].(map[string]any)["roles"].([]any); len(roles) != 1 {
		t.Errorf("roles of the application credential: %v", roles)
	}
	admin := login(onSystem).header.Get("X-Subject-Token")
	g := get(t, s, admin, "/compute/RegionThree/v2.1/os-services?binary=nova-compute", "OpenStack-API-Version", v269)
	if g.body != `{"services":[{"binary":"nova-compute","host":"compute-cell2","status":"UNKNOWN"},`+
		`{"binary":"nova-compute","host":"compute-7","status":"UNKNOWN"}]}` {
		t.Error(g.body)
	}
	if g := get(t, s, admin, "/identity/v3/auth/catalog"); strings.Count(g.body, "/compute/RegionThree/v2.1\"") != 1 {
		t.Error(g.body)
	}
}

func tokenScope(project string) string { return `{"project":{"id":"` + project + `"}}` }

func TestLoadRefuses(t *testing.T) {
	for document, want := range map[string]string{
		"colour: red":                                                        "field colour not found",
		"projects: {a: {colour: red}}":                                       "field colour not found",
		"projects: {a: {}, a: {}}":                                           `"a" is there twice`,
		"projects: [a]":                                                      "line 1: a mapping belongs here",
		"a: 1\n---\nb: 2":                                                    "field a not found",
		"projects: {a: {}}\n---\nprojects: {}":                               "more than one document",
		"users: {u: {roles: {gone: [reader]}}}":                              `user u: no project "gone"`,
		"users: {u: {default_project: gone}}":                                `user u: no project "gone"`,
		"application_credentials: {c: {user: u}}":                            "no project",
		"instances: {i: {project: gone}}":                                    `instance i: no project "gone"`,
		"endpoints: {Nowhere: []}":                                           `no region "Nowhere"`,
		"endpoints: {RegionOne: [public]}":                                   "not INTERFACE URL",
		"down: [cell1]":                                                      "REGION/CELL",
		"hosts: {h: Nowhere/cell1}":                                          "REGION/CELL",
		"settings: {page_size: many}":                                        "line 1",
		"{projects: {a: {}}, regions: [], instances: {i: {project: a}}}":     `no region ""`,
		"{projects: {a: {}}, instances: {i: {project: a, region: Nowhere}}}": `no region "Nowhere"`,
		"{projects: {a: {}}, instances: {i: {project: a, addresses: {lan: [10.0.0]}}}}":               "10.0.0",
		"{projects: {a: {}}, instances: {i: {project: a, addresses: {lan: [10.0.0.1 loose]}}}}":       "neither fixed nor floating",
		"{projects: {a: {}}, application_credentials: {c: {project: a, user: gone, secret: geheim}}}": `no user "gone"`,
	} {
		err := keystonetest.Load(keystonetest.New(), []byte(document))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nerror %v, want %q", document, err, want)
		}
	}
	for _, document := range []string{"", "# nothing\n", "{}"} {
		if err := keystonetest.Load(keystonetest.New(), []byte(document)); err != nil {
			t.Errorf("%q: %v", document, err)
		}
	}
}

func TestGenerate(t *testing.T) {
	s := keystonetest.NewServer(t)
	s.AddRegion("RegionTwo")
	keystonetest.Generate(s.Cloud, 3, 20)
	if n := len(s.Projects()); n != 3 {
		t.Errorf("%d projects", n)
	}
	seen, cells, projects := map[string]bool{}, map[string]int{}, map[string]int{}
	for _, r := range s.Regions() {
		for _, i := range s.Instances(r) {
			projects[i.ProjectID]++
			cells[i.Region+"/"+i.Cell]++
			for _, a := range i.Addresses {
				if seen[a.IP] {
					t.Errorf("%s twice", a.IP)
				}
				seen[a.IP] = true
			}
		}
	}
	if len(seen) != 27 || len(projects) != 3 || len(cells) != 4 {
		t.Errorf("%d addresses, %v, %v", len(seen), projects, cells)
	}
	if g := logIn(t, s, passwordBody("observer", "secret", tokenScope(s.Projects()[2].ID))); g.status != 201 {
		t.Errorf("log-in: %d", g.status)
	}
}
