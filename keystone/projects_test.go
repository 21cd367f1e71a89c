package keystone

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/keystone/keystonetest"
)

// sights gives what was found of some keys.
func (w *world) sights(t *testing.T, keys ...string) map[string]string {
	t.Helper()
	result := map[string]string{}
	inventory := w.mustRead(t, Wanted{Keys: keys, IDs: owners(keys...)})
	for key, p := range inventory.Projects {
		result[key] = []string{"hidden", "absent", "shown"}[p.Sight] + " " + p.ID
		if p.Sight != exports.Shown && !strings.Contains(p.Why, "GET http") {
			t.Errorf("%s: no reason in %q", key, p.Why)
		}
	}
	for key, p := range inventory.IDs {
		result[key] += ", id " + []string{"hidden", "absent", "shown"}[p.Sight]
	}
	return result
}

func TestProjects(t *testing.T) {
	t.Parallel()
	const takenID = "abcdefabcdefabcdefabcdefabcdefab"
	const dashedID = "0b5e0000-0000-4000-8000-0000000000aa"
	everyone := keystonetest.Anywhere("reader")
	for _, test := range []struct {
		name   string
		reader bool
		change func(*world)
		key    string
		want   string
	}{
		{"by id", false, nil, toolsID, "shown " + toolsID + ", id shown"},
		{"by name", false, nil, "tools", "shown " + toolsID + ", id absent"},
		{"a name in capitals", false, nil, "Tools", "absent , id absent"},
		{"no such project", false, nil, "gone", "absent , id absent"},
		{"no such id", false, nil, deletedID, "absent , id absent"},
		{"not a name that fits into a URL", false, nil, "a/../b c%2f?x=1&domain_id=elsewhere#", "absent , id hidden"},
		{"a name of dots", false, nil, "..", "absent , id hidden"},
		{"an id of another domain", false, nil, "foreign", "hidden , id hidden"},
		{"a name that is another's id", false, func(w *world) {
			w.AddProject(keystonetest.Project{ID: "x1", Name: toolsID})
		}, toolsID, "shown " + toolsID + ", id shown"},

		{"by id, by role", true, nil, toolsID, "shown " + toolsID + ", id shown"},
		{"by name, by role", true, nil, "tools", "shown " + toolsID + ", id hidden"},
		{"no role", true, nil, "other", "hidden , id hidden"},
		{"no such project, by role", true, nil, "gone", "hidden , id hidden"},
		{"no such id, by role", true, nil, deletedID, "hidden , id hidden"},
		{"odd, by role", true, nil, "a/../b c%2f", "hidden , id hidden"},
		{"a hidden id that is another's name", true, func(w *world) {
			p := w.AddProject(keystonetest.Project{Name: takenID})
			w.AddRole("reader", p.ID, "reader")
		}, takenID, "hidden , id hidden"},
		{"a role in another domain", true, func(w *world) { w.AddRole("reader", "foreign", "reader") }, "foreign", "hidden , id hidden"},
		{"reader who may list", true, func(w *world) {
			w.Configure(func(s *keystonetest.Settings) { s.Policy.ListProjects = everyone })
		}, "gone", "absent , id absent"},

		{"cut, by id", false, truncated(1), "deployment-prep", "shown deployment-prep, id shown"},
		{"cut, by name", false, truncated(1), "idle", "shown 046ec44ae606c00038c2e10efef9003d, id absent"},
		{"cut, no such project", false, truncated(1), "gone", "absent , id absent"},
		{"cut, no such id", false, truncated(1), deletedID, "absent , id absent"},
		{"cut, another domain", false, truncated(1), "foreign", "hidden , id hidden"},
		{"cut, by an id that is not its name", false, both(truncated(1), func(w *world) {
			w.AddProject(keystonetest.Project{ID: "zz", Name: "last"})
		}), "zz", "shown zz, id shown"},
		{"cut, a name that looks like an id", false, both(truncated(1), func(w *world) {
			w.AddProject(keystonetest.Project{ID: "zz", Name: takenID})
		}), takenID, "absent , id absent"},
		{"a dashed name that looks like an id", false, func(w *world) {
			w.AddProject(keystonetest.Project{ID: "zz", Name: dashedID})
		}, dashedID, "absent , id absent"},
		{"a dashed name that looks like an id, by role", true, func(w *world) {
			w.AddProject(keystonetest.Project{ID: "zz", Name: dashedID})
		}, dashedID, "hidden , id hidden"},
		{"cut, no asking by id", false, both(truncated(1), func(w *world) {
			fault, _ := keystonetest.FaultNamed("status-403")
			w.Inject(fault.On(keystonetest.OneProject))
		}), "idle", "shown 046ec44ae606c00038c2e10efef9003d, id hidden"},
		{"cut, odd", false, truncated(1), "a/../b c%2f", "absent , id hidden"},
		{"in pages", false, paging(2), "idle", "shown 046ec44ae606c00038c2e10efef9003d, id absent"},
		{"in pages, no such project", false, paging(2), "gone", "absent , id absent"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.reader = test.reader
			w.opts.Regions = []string{"RegionOne"}
			if test.change != nil {
				test.change(w)
			}
			if diff := cmp.Diff(map[string]string{test.key: test.want}, w.sights(t, test.key)); diff != "" {
				t.Errorf("-want +got:\n%s\n%v", diff, w.Requests())
			}
			w.onlyKnownHosts(t)
		})
	}
}

func truncated(n int) func(*world) {
	return func(w *world) { w.Configure(func(s *keystonetest.Settings) { s.ListLimit = n }) }
}

func paging(n int) func(*world) {
	return func(w *world) {
		w.Configure(func(s *keystonetest.Settings) { s.ListLimit, s.KeystonePaging = n, true })
	}
}

func both(first, second func(*world)) func(*world) {
	return func(w *world) { first(w); second(w) }
}

// TestKeyFails has the list cut and each further question fail: that a project
// is not found because of that is no answer.
func TestKeyFails(t *testing.T) {
	t.Parallel()
	for _, key := range []string{deletedID, "idle"} {
		for _, kind := range []keystonetest.Kind{keystonetest.OneProject, keystonetest.AuthProjects} {
			w := newWorld(t)
			w.opts.Regions = []string{"RegionOne"}
			truncated(1)(w)
			fault, _ := keystonetest.FaultNamed("status-500")
			w.Inject(fault.On(kind))
			if _, err := w.read(t.Context(), Wanted{Keys: []string{key}}); class(err) != "unavailable" {
				t.Errorf("%s, %s fails: %s: %v", key, kind, class(err), err)
			}
		}
	}
}

// TestEmptyPages has pages of nothing, each with a link to another: that is a
// list that was cut, and no reason to ask on and on.
func TestEmptyPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Inject(keystonetest.Fault{Kind: keystonetest.Projects,
		Match: func(r keystonetest.Request) bool { return !r.Query.Has("name") },
		Do:    keystonetest.Answer(200, `{"projects":[],"links":{"next":"http://example.org/v3/projects?marker=a"}}`)})
	if diff := cmp.Diff(map[string]string{toolsID: "shown " + toolsID + ", id shown"}, w.sights(t, toolsID)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := w.Count(keystonetest.Projects); got != 1 {
		t.Errorf("%d lists were asked for, want 1", got)
	}
}

// TestEmptyName has an empty list for a name from a Keystone that showed no
// project of the domain, or cut that list too: neither proves anything.
func TestEmptyName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, all, named, want string }{
		{"proof", "truncated", `{"projects":[]}`, "absent"},
		{"cut", "truncated", `{"projects":[],"truncated":true}`, "hidden"},
		{"domain unseen", "status-403", `{"projects":[]}`, "hidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			isNamed := func(r keystonetest.Request) bool { return r.Query.Has("name") }
			w.Inject(keystonetest.Fault{Kind: keystonetest.Projects, Match: isNamed, Do: keystonetest.Answer(200, test.named)})
			fault, _ := keystonetest.FaultNamed(test.all)
			w.Inject(fault.On(keystonetest.Projects))
			w.Inject(keystonetest.Fault{Kind: keystonetest.AuthProjects, Do: keystonetest.Answer(200, `{"projects":[]}`)})
			if got := w.sights(t, "gone")["gone"]; got != test.want+" , id absent" {
				t.Errorf("%s, want %s\n%v", got, test.want, w.Requests())
			}
		})
	}
}

// TestOneList reads many projects, which costs one request while Keystone lists
// them.
func TestOneList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sights(t, toolsID, "tools", "idle", "off", "deployment-prep")
	if got := w.Count(keystonetest.Projects); got != 1 {
		t.Errorf("%d requests for lists, want 1", got)
	}
}

// TestWrongDomain asks for a domain that does not exist, for which Keystone has
// an empty list: that proves nothing about any project.
func TestWrongDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Domain = "Default"
	if _, err := w.read(t.Context(), everything()); class(err) != "untrusted" || !strings.Contains(err.Error(), "openstack.domain") {
		t.Errorf("%s: %v", class(err), err)
	}
}

func TestOtherDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Domain = "elsewhere"
	want := map[string]string{"tools": "shown foreign, id absent", toolsID: "hidden , id hidden"}
	if diff := cmp.Diff(want, w.sights(t, "tools", toolsID)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestForgedProjects has answers about projects that do not fit together.
func TestForgedProjects(t *testing.T) {
	t.Parallel()
	project := func(id, name, domain string) string {
		return fmt.Sprintf(`{"id":%q,"name":%q,"domain_id":%q,"enabled":true}`, id, name, domain)
	}
	for _, test := range []struct{ name, body string }{
		{"of another domain", `{"projects":[` + project("a", "a", "elsewhere") + `]}`},
		{"two of a name", `{"projects":[` + project("a", "a", "default") + `,` + project("b", "a", "default") + `]}`},
		{"a next page elsewhere that is this one", `{"projects":[` + project("a", "a", "default") +
			`],"links":{"next":"http://example.org/?marker="}}`},
		{"a next page for ever", `{"projects":[` + project("a", "a", "default") +
			`],"links":{"next":"http://example.org/v3/projects?marker=a"}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Inject(keystonetest.Fault{Kind: keystonetest.Projects, Do: keystonetest.Answer(200, test.body)})
			if _, err := w.read(t.Context(), everything()); class(err) != "untrusted" {
				t.Errorf("%s: %v", class(err), err)
			}
			w.onlyKnownHosts(t)
		})
	}
}

// TestNameTwice has two projects of one name, of which nobody can say which one
// is meant.
func TestNameTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	truncated(1)(w)
	w.Inject(keystonetest.Fault{Kind: keystonetest.Projects,
		Match: func(r keystonetest.Request) bool { return r.Query.Has("name") },
		Do: keystonetest.Answer(200, `{"projects":[{"id":"a","name":"twice","domain_id":"default","enabled":true},
			{"id":"b","name":"twice","domain_id":"default","enabled":true}]}`)})
	if _, err := w.read(t.Context(), Wanted{Keys: []string{"twice"}}); class(err) != "untrusted" || !strings.Contains(err.Error(), "2 projects have the name") {
		t.Errorf("%s: %v", class(err), err)
	}
}

// TestOwnProjects has a list of the projects with a role in which others come
// first: those of other domains, and those that are known already.
func TestOwnProjects(t *testing.T) {
	t.Parallel()
	no, _ := keystonetest.FaultNamed("status-403")
	for _, first := range []string{
		`{"id":"foreign","name":"tools","domain_id":"elsewhere","enabled":true}`,
		`{"id":"` + toolsID + `","name":"tools","domain_id":"default","enabled":true}`,
	} {
		w := newWorld(t)
		w.opts.Regions = []string{"RegionOne"}
		truncated(1)(w)
		w.Inject(keystonetest.Fault{Kind: keystonetest.AuthProjects, Do: keystonetest.Answer(200,
			`{"projects":[`+first+`,{"id":"own","name":"mine","domain_id":"default","enabled":true}]}`)})
		w.Inject(no.On(keystonetest.OneProject))
		w.Inject(keystonetest.Fault{Kind: keystonetest.Projects, Do: no.Do,
			Match: func(r keystonetest.Request) bool { return r.Query.Has("name") }})
		if diff := cmp.Diff(map[string]string{"mine": "shown own, id hidden"}, w.sights(t, "mine")); diff != "" {
			t.Errorf("behind %s: -want +got:\n%s", first, diff)
		}
	}
}

// TestAnotherForID has Keystone show something else than the project that was
// asked for by id.
func TestAnotherForID(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ id, domain, isDomain, want string }{
		{deletedID, "default", "false", "complete shown"},
		{deletedID, "elsewhere", "false", "complete hidden"},
		{deletedID, "default", "true", "complete absent"},
		{strings.ToUpper(deletedID), "default", "false", "complete absent"},
		{toolsID, "default", "false", "untrusted"},
	} {
		w := newWorld(t)
		w.Inject(keystonetest.Fault{Kind: keystonetest.OneProject, Do: keystonetest.Answer(200, fmt.Sprintf(
			`{"project":{"id":%q,"name":"n","domain_id":%q,"enabled":true,"is_domain":%s}}`, test.id, test.domain, test.isDomain))})
		inventory, err := w.read(t.Context(), Wanted{IDs: owners(deletedID)})
		got := class(err)
		if err == nil {
			got += " " + []string{"hidden", "absent", "shown"}[inventory.IDs[deletedID].Sight]
		}
		if got != test.want {
			t.Errorf("%+v: %s: %v", test, got, err)
		}
	}
}

// TestNotKeystones404 has a 404 that is a proxy's.
func TestNotKeystones404(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"error":{"message":"Not Found"}}`, `{"error":{"message":"Could not find project: abc."}}`,
		`{"error":{"message":"No such page: /v3/projects/` + deletedID + `."}}`, `{"error":{"message":"` + deletedID + `0 is not there"}}`} {
		w := newWorld(t)
		w.Inject(keystonetest.Fault{Kind: keystonetest.OneProject, Do: keystonetest.Answer(404, body)})
		if _, err := w.read(t.Context(), Wanted{IDs: owners(deletedID)}); class(err) != "untrusted" {
			t.Errorf("%s: %s: %v", body, class(err), err)
		}
	}
}

// TestDomainOfAnother asks for ids with the complete list of a domain, as one who gets
// 403 for a project by id that is not there. Only an id that somebody has seen in that
// domain is absent. A key that is no id is, as a name.
func TestDomainOfAnother(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		id, domain string
		key, byID  exports.Sight
	}{
		{deletedID, "default", exports.Absent, exports.Absent},
		{deletedID, "elsewhere", exports.Hidden, exports.Hidden},
		{deletedID, "", exports.Hidden, exports.Hidden},
		{"my-tools", "default", exports.Absent, exports.Absent},
		{"my-tools", "elsewhere", exports.Absent, exports.Hidden},
		{"my-tools", "", exports.Absent, exports.Hidden},
		{"my tools", "default", exports.Absent, exports.Absent}, // cannot be asked for
		{"my tools", "", exports.Absent, exports.Hidden},
	} {
		w := newWorld(t)
		no, _ := keystonetest.FaultNamed("status-403")
		w.Inject(no.On(keystonetest.OneProject))
		got := w.mustRead(t, Wanted{Keys: []string{test.id}, IDs: []exports.Owner{{ID: test.id, Domain: test.domain}}})
		if key, byID := got.Projects[test.id].Sight, got.IDs[test.id].Sight; key != test.key || byID != test.byID {
			t.Errorf("%s of domain %q: key %d, id %d, want %d and %d", test.id, test.domain, key, byID, test.key, test.byID)
		}
		if why := got.IDs[test.id].Why; test.byID == exports.Hidden && test.id != "my tools" && !strings.Contains(why, "HTTP 403") {
			t.Errorf("%s of domain %q: no 403 in %q", test.id, test.domain, why)
		}
	}
}
