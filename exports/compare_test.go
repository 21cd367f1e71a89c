package exports_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

func TestComparePublicRemoved(t *testing.T) {
	line := func(name string) exports.Grant {
		return exports.Grant{Path: home, Client: exports.Client{Literal: "*"}, Options: "ro", Owner: exports.Owner{Public: name}}
	}
	// A public entry may be called like a project: it is none.
	for _, name := range []string{"scratch", "tools", "id-tools"} {
		for _, keystone := range cells[1] {
			for _, hosts := range cells[3] {
				e, _ := cell(t, "key is a name", "yes", keystone, "another", hosts, "bare")
				if got := outcome(t, line(name), e); got != "public-removed" {
					t.Errorf("public.%s, host %s, project %s = %s", name, hosts, keystone, got)
				}
			}
		}
	}
	e, _ := cell(t, "key is a name", "yes", "shown", "another", "here", "gone")
	e.Config.Public = []exports.PublicLine{{Name: "renamed", Path: home, Client: exports.Client{Literal: "*"}, Options: "ro"}}
	if got := outcome(t, line("scratch"), e); got != "stays" {
		t.Errorf("a public line under another name = %s", got)
	}
}

func TestCompareSeveralMountsWithOnePath(t *testing.T) {
	elsewhere, unresolved, here := exports.Elsewhere, exports.Unresolved, exports.Here
	tests := []struct {
		name    string
		hosts   []exports.Where
		outcome string
	}{
		{"elsewhere twice", []exports.Where{elsewhere, elsewhere}, "served-elsewhere"},
		{"elsewhere and unresolved", []exports.Where{elsewhere, unresolved}, "in doubt: host-unresolved"},
		{"elsewhere and here", []exports.Where{elsewhere, here}, "frozen: unproved"},
		{"unresolved and here", []exports.Where{unresolved, here}, "frozen: unproved"},
		{"all three", []exports.Where{unresolved, elsewhere, here}, "frozen: unproved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				e, g := cell(t, "key is a name", "no", "shown", "another", "here", "not known")
				for i, where := range tt.hosts {
					name := fmt.Sprintf("nfs%d.example", i)
					e.Hosts[name] = exports.Host{Where: where, Why: "so"}
					tools := &e.Config.Projects[len(e.Config.Projects)-1]
					tools.Mounts = append(tools.Mounts, exports.Mount{Key: name, Host: name, Path: home})
				}
				if got := outcome(t, g, e); got != tt.outcome {
					t.Errorf("%v = %s, want %s", tt.hosts, got, tt.outcome)
				}
				slices.Reverse(tt.hosts)
			}
		})
	}
}

func TestCompareLinesOfProjects(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	tests := []struct {
		name     string
		instance string // the cell
		change   func(e *exports.Evidence, g *exports.Grant)
		outcome  string
	}{
		{"the line has the name that the project had before", "gone", func(_ *exports.Evidence, g *exports.Grant) {
			g.Owner.Name = "tools-before"
		}, "instance-gone"},
		{"the line has an id alone", "gone", func(_ *exports.Evidence, g *exports.Grant) {
			g.Owner.Name = ""
		}, "instance-gone"},
		{"a line of which nobody knows", "not known", func(_ *exports.Evidence, g *exports.Grant) {
			g.Owner = exports.Owner{}
		}, "frozen: unproved"},
		{"a line of which nobody knows on a path that nobody mounts", "not known", func(_ *exports.Evidence, g *exports.Grant) {
			g.Owner, g.Path = exports.Owner{}, "/srv/before"
		}, "not-in-config"},
		{"the name is that of a deleted project and was taken by another", "not known", func(e *exports.Evidence, g *exports.Grant) {
			g.Owner.ID = "id-deleted"
			e.Inventory.IDs["id-deleted"] = exports.Project{Sight: exports.Absent, Why: "404"}
		}, "project-deleted"},
		{"the name was taken by another and the old project is hidden", "not known", func(e *exports.Evidence, g *exports.Grant) {
			g.Owner.ID = "id-before"
			e.Inventory.IDs["id-before"] = exports.Project{Sight: exports.Hidden, Why: "403"}
		}, "in doubt: project-hidden"},
		{"the name was taken by another and nobody asked for the old project", "not known", func(_ *exports.Evidence, g *exports.Grant) {
			g.Owner.ID = "id-before"
		}, "in doubt: project-hidden"},
		{"its client has an address of this server, and the project is hidden", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			e.Local = append(e.Local, contested)
			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Hidden, Why: "403"}
		}, "own-address"},
		{"its client has an address of this server, and the configuration no longer has the mount", "not known", func(e *exports.Evidence, g *exports.Grant) {
			e.Local = append(e.Local, contested)
			g.Path = "/srv/before"
		}, "not-in-config"},
		{"the name is in the form of an id, and the key is another project's id", "gone", func(e *exports.Evidence, g *exports.Grant) {
			e.Config.Projects[len(e.Config.Projects)-1].Key = id
			e.Inventory.Projects[id] = exports.Project{Sight: exports.Hidden, Why: "403"}
			g.Owner = exports.Owner{ID: "id-tools", Name: id}
		}, "not-in-config"},
		{"the name leads to nothing and nobody asked for the id", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Absent, Why: "not in the list"}
			delete(e.Inventory.IDs, "id-tools")
		}, "in doubt: project-hidden"},
		{"the key is hidden although its id is absent", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Hidden, Why: "403"}
			e.Inventory.IDs["id-tools"] = exports.Project{Sight: exports.Absent, Why: "404"}
		}, "project-deleted"},
		{"a key is hidden and nothing says why", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			e.Inventory.Projects["tools"] = exports.Project{}
		}, "in doubt: project-hidden"},
		{"the inventory has no answer for a key", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			delete(e.Inventory.Projects, "tools")
		}, "in doubt: project-hidden"},
		{"the inventory has no answer for an adopted line", "not known", func(e *exports.Evidence, g *exports.Grant) {
			delete(e.Inventory.Projects, "tools")
			g.Owner.ID, g.Instance.ID = "", ""
		}, "in doubt: project-hidden"},
		{"a name alone that Keystone does not have", "not known", func(e *exports.Evidence, g *exports.Grant) {
			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Absent, Why: "not in the list"}
			g.Owner.ID, g.Instance.ID = "", ""
		}, "frozen: unproved"},
		{"nobody asked where the host is", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			delete(e.Hosts, "nfs.example")
		}, "in doubt: host-unresolved"},
		{"the address is on an uncounted network, in the form of IPv6", "not known", func(e *exports.Evidence, g *exports.Grant) {
			g.Instance.ID = "i5"
			list(e, "tools", exports.Instance{ID: "i5", Status: "ACTIVE", Addresses: []exports.Address{{Network: "storage", Addr: netip.MustParseAddr("::ffff:10.0.0.9")}}})
		}, "frozen: looks-like-a-mistake"},
		{"another instance of the project has the address on an uncounted network", "gone", func(e *exports.Evidence, _ *exports.Grant) {
			list(e, "tools", exports.Instance{ID: "i5", Status: "ACTIVE", Addresses: []exports.Address{{Network: "storage", Addr: contested}}})
		}, "instance-gone"},
		{"a line without an instance, and an instance has the address on an uncounted network", "not known", func(e *exports.Evidence, g *exports.Grant) {
			g.Instance.ID = ""
			list(e, "tools", exports.Instance{ID: "i5", Status: "ACTIVE", Addresses: []exports.Address{{Network: "storage", Addr: contested}}})
		}, "frozen: looks-like-a-mistake"},
		{"a line without an instance, whose address is in no list", "gone", func(_ *exports.Evidence, g *exports.Grant) {
			g.Instance.ID = ""
		}, "frozen: unproved"},
		{"the instance is in a region that does not count", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			answer(e, exports.Answer{State: exports.Found, Instance: exports.Instance{ID: "own", Region: "R2", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: contested}}}})
		}, "frozen: looks-like-a-mistake"},
		{"the instance is in a region that does not count, without the address", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			answer(e, exports.Answer{State: exports.Found, Instance: exports.Instance{ID: "own", Region: "R2", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: harmless}}}})
		}, "address-released"},
		{"the answer by id shows the address", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			answer(e, exports.Answer{State: exports.Found, Read: true, Instance: exports.Instance{ID: "own", Status: "SOFT_DELETED", Addresses: []exports.Address{{Network: "flat", Addr: contested}}}})
		}, "stays"},
		{"the instance is listed as deleted, and gone by its id", "gone", func(e *exports.Evidence, _ *exports.Grant) {
			list(e, "tools", exports.Instance{ID: "own", Status: "DELETED", Addresses: []exports.Address{{Network: "flat", Addr: contested}}})
		}, "instance-gone"},
		{"another network of the instance is empty", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			list(e, "tools", exports.Instance{ID: "own", Status: "SHELVED", Addresses: []exports.Address{{Network: "flat", Addr: netip.MustParseAddr("10.0.0.3")}}, EmptyNetworks: []string{"lan"}})
		}, "frozen: address-unknown"},
		{"another project has the address, and the own instance is gone", "gone", func(e *exports.Evidence, _ *exports.Grant) {
			list(e, "taker", exports.Instance{ID: "t1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: contested}}})
		}, "address-reassigned"},
		{"another project has the address, and the own instance is there without it", "without it", func(e *exports.Evidence, _ *exports.Grant) {
			list(e, "taker", exports.Instance{ID: "t1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: contested}}})
		}, "address-reassigned"},
		{"another project has the address, and nothing proves that the own instance is gone", "not known", func(e *exports.Evidence, _ *exports.Grant) {
			list(e, "taker", exports.Instance{ID: "t1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: contested}}})
		}, "frozen: unproved"},
		{"another project has the address, and Nova shows no address of the own instance", "bare", func(e *exports.Evidence, _ *exports.Grant) {
			list(e, "taker", exports.Instance{ID: "t1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: contested}}})
		}, "frozen: address-unknown"},
		{"another project has the address on an uncounted network", "gone", func(e *exports.Evidence, _ *exports.Grant) {
			list(e, "taker", exports.Instance{ID: "t1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "storage", Addr: contested}}})
		}, "instance-gone"},
		{"an adopted line of a hidden project whose address another project has", "not known", func(e *exports.Evidence, g *exports.Grant) {
			g.Owner.ID, g.Instance.ID = "", ""
			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Hidden, Why: "403"}
			list(e, "taker", exports.Instance{ID: "t1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: contested}}})
		}, "in doubt: project-hidden"},
		{"the instance has an address that no client can have", "not known", func(e *exports.Evidence, g *exports.Grant) {
			g.Client.Addr = netip.MustParseAddr("127.0.0.9")
			list(e, "tools", exports.Instance{ID: "own", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: g.Client.Addr}}})
		}, "frozen: unproved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, g := cell(t, "key is a name", "yes", "shown", "another", "here", tt.instance)
			tt.change(&e, &g)
			if got := outcome(t, g, e); got != tt.outcome {
				t.Errorf("got %s, want %s", got, tt.outcome)
			}
		})
	}
}

// list adds an instance to what Nova lists of a key's project.
func list(e *exports.Evidence, key string, i exports.Instance) {
	p := e.Inventory.Projects[key]
	p.Instances = append(slices.Clone(p.Instances), i)
	e.Inventory.Projects[key] = p
}

// answer sets what Nova answers for the line's own instance.
func answer(e *exports.Evidence, a exports.Answer) {
	*e = e.Answer(map[exports.Question]exports.Answer{{Project: "id-tools", Instance: "own"}: a})
}

// TestSlips: what makes a removal by an edit of the configuration look like a mistake.
func TestSlips(t *testing.T) {
	shown := exports.Project{Sight: exports.Shown, ID: "id-new", Name: "new", Enabled: true, Instances: []exports.Instance{
		instance("x1", "10.0.0.7")}}
	absent := exports.Project{Sight: exports.Absent, Why: "not in the list"}
	hidden := exports.Project{Sight: exports.Hidden, Why: "403"}
	tests := []struct {
		name, key, path string
		says            exports.Project
		today           []exports.Grant // besides the line
		slip, takes     bool
	}{
		{"a misspelt key", "toolz", home, absent, nil, true, false},
		{"a misspelt key on another path", "toolz", other, absent, nil, true, false},
		{"a misspelt id", "id-toolz", other, absent, nil, true, false},
		{"an unlike key that Keystone does not know on the path", "maps", home, absent, nil, true, false},
		{"an unlike key that Keystone does not show on the path", "maps", home, hidden, nil, true, false},
		{"an unlike key that Keystone does not know, elsewhere", "maps", other, absent, nil, false, false},
		{"a new project on the path", "new", home, shown, nil, true, true},
		{"a new project on another path", "new", other, shown, nil, false, false},
		{"a project on the path that has grants", "new", home, shown, []exports.Grant{
			{Path: "/srv/x", Client: exports.ParseClient("10.0.0.8"), Options: "rw", Owner: exports.Owner{ID: "id-new", Name: "new"}, Instance: exports.InstanceRef{ID: "x2"}}}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, left := range []bool{false, true} {
				e, g := cell(t, "no key", "no", "shown", "another", "here", "not known")
				if left {
					answer(&e, exports.Answer{State: exports.Gone, Why: "404"})
				}
				e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: tt.key, Options: "rw", Line: 20,
					Mounts: []exports.Mount{{Key: "m", Host: "here.example", Path: tt.path}}})
				e.Inventory.Projects[tt.key] = tt.says
				plan := mustDecide(t, exports.NewSet(append([]exports.Grant{g}, tt.today...)), e)
				var frozen, removed, added []string
				for _, f := range plan.Frozen {
					if f.Reason == exports.LooksLikeAMistake {
						frozen = append(frozen, f.Client.String())
					}
				}
				for _, r := range plan.Removed {
					if r.Place() == g.Place() {
						removed = append(removed, string(r.Reason))
					}
				}
				for _, a := range plan.Added {
					if a.Owner.ID == "id-new" {
						added = append(added, a.Client.String())
					}
				}
				var wantFrozen, wantRemoved, wantAdded []string
				if tt.slip && !left {
					wantFrozen = []string{contested.String()}
				} else {
					wantRemoved = []string{"not-in-config"}
				}
				switch {
				case tt.takes && !left:
					wantFrozen = []string{"10.0.0.7", contested.String()}
				case tt.key == "new":
					wantAdded = []string{"10.0.0.7"}
				}
				got, want := [][]string{frozen, removed, added}, [][]string{wantFrozen, wantRemoved, wantAdded}
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("left %v: frozen, removed, added (-want +got):\n%s", left, diff)
				}
			}
		})
	}
}

// TestClaimedTwiceOnASharedPath: a line whose own project no longer has the mount goes,
// although two others claim its address, and what the other one wants there waits.
func TestClaimedTwiceOnASharedPath(t *testing.T) {
	for _, configured := range []bool{true, false} {
		a, b := project("a", instance("a1", contested.String())), project("b", instance("b1", contested.String()))
		e := served(a, b)
		e.Config.Limits = exports.Limits{MaxRemoved: 10}
		if !configured {
			e.Config.Projects[0].Mounts = e.Config.Projects[0].Mounts[:1]
		}
		g := exports.Grant{Path: "/srv/shared", Client: exports.Client{Addr: contested}, Options: "old", Owner: exports.Owner{ID: "id-a", Name: "a"}, Instance: exports.InstanceRef{ID: "a1"}}
		keeps := exports.Grant{Path: "/srv/b", Client: exports.ParseClient("10.0.0.77"), Options: "rw,b", Owner: exports.Owner{ID: "id-b", Name: "b"}}
		plan := mustDecide(t, exports.NewSet([]exports.Grant{g, keeps}), e)
		line, there := plan.Desired.At(g.Place())
		var frozen []exports.Frozen
		for _, f := range plan.Frozen {
			if f.Place == g.Place() {
				frozen = append(frozen, f)
			}
		}
		if len(frozen) != 1 || frozen[0].Reason != exports.ClaimedTwice {
			t.Fatalf("configured %v: frozen %+v", configured, frozen)
		}
		f := frozen[0]
		switch {
		case configured && (!there || line.Options != "rw,a" || f.Held || f.Today == nil || len(plan.Removed) > 0):
			t.Errorf("the line of a project that has the mount: %+v, removed %v", f, plan.Removed)
		case !configured && (there || !f.Held || f.Today != nil || len(plan.Removed) != 1 || plan.Removed[0].Reason != exports.NotInConfig):
			t.Errorf("the line of a project that has lost the mount: %+v, removed %v", f, plan.Removed)
		}
		approved, _, err := exports.Decide(plan.Today, e, &plan)
		if err != nil {
			t.Fatal(err)
		}
		owner := map[bool]string{true: "a", false: "b"}[configured]
		if line, there := approved.Desired.At(g.Place()); !there || line.Owner.Name != owner || line.Options != "rw,"+owner {
			t.Errorf("configured %v: approved, the line is %+v", configured, line)
		}
	}
}

// mustDecide gives the plan for evidence to which the answers that it lacks prove
// nothing.
func mustDecide(t testing.TB, today exports.Set, e exports.Evidence) exports.Plan {
	t.Helper()
	plan, err := decided(today, e)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestCompareTwoKeysForOneProject: the configuration may name one project by
// its id and by its name. Whichever comes last must not decide what the
// project's mounts are.
func TestCompareTwoKeysForOneProject(t *testing.T) {
	shown := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true}
	tests := []struct {
		name     string
		where    exports.Where
		projects map[string]exports.Project
		owner    exports.Owner
		outcome  string
	}{
		{"here, both shown", exports.Here, map[string]exports.Project{"tools": shown, "id-tools": shown},
			exports.Owner{ID: "id-tools", Name: "tools"}, "frozen: unproved"},
		{"unresolved under one of them", exports.Unresolved, map[string]exports.Project{"id-tools": shown},
			exports.Owner{ID: "id-tools", Name: "tools"}, "in doubt: host-unresolved"},
		{"elsewhere under one of them", exports.Elsewhere, map[string]exports.Project{"id-tools": shown},
			exports.Owner{ID: "id-tools", Name: "tools"}, "served-elsewhere"},
		{"one of them hidden", exports.Here, map[string]exports.Project{"tools": {Sight: exports.Hidden, Why: "403"}, "id-tools": shown},
			exports.Owner{ID: "id-tools", Name: "tools"}, "in doubt: project-hidden"},
		{"one of them hidden, an adopted line whose address the other has", exports.Here, map[string]exports.Project{
			"tools": {Sight: exports.Hidden, Why: "403"},
			"id-tools": {Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: []exports.Instance{
				{ID: "i1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: contested}}}}},
		}, exports.Owner{Name: "tools"}, "in doubt: project-hidden"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := &exports.Config{Limits: exports.Limits{MaxRemoved: 10}, Projects: []exports.ProjectConfig{
				{Key: "tools", Options: "rw", Mounts: []exports.Mount{{Host: "nfs.example", Path: home}}},
				{Key: "id-tools", Options: "rw", Mounts: []exports.Mount{{Host: "here.example", Path: other}}},
			}}
			for range 2 {
				e := exports.Evidence{
					Config:    config,
					Hosts:     exports.Hosts{"here.example": {Where: exports.Here}, "nfs.example": {Where: tt.where, Why: "so"}},
					Inventory: exports.Inventory{Projects: tt.projects, IDs: map[string]exports.Project{"id-tools": shown}},
				}
				g := exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: tt.owner}
				if got := outcome(t, g, e); got != tt.outcome {
					t.Errorf("keys %q and %q: got %s, want %s", config.Projects[0].Key, config.Projects[1].Key, got, tt.outcome)
				}
				slices.Reverse(config.Projects)
			}
		})
	}
}

// TestCompareSecondKeyHasTheMount: the mounts of both keys count, also where the
// line knows the project by neither, and where one of the keys leads nowhere.
func TestCompareSecondKeyHasTheMount(t *testing.T) {
	shown := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true}
	renamed := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools-by-now", Enabled: true}
	tests := []struct {
		name          string
		byName, byKey exports.Project // what Keystone says of the keys tools and id-tools
		ids           map[string]exports.Project
		owner         exports.Owner
		outcome       string
	}{
		{"an old name in the line", shown, shown, nil, exports.Owner{ID: "id-tools", Name: "tools-before"}, "frozen: unproved"},
		{"no name in the line", shown, shown, nil, exports.Owner{ID: "id-tools"}, "frozen: unproved"},
		{"the key with the mount is a name that the project has lost", exports.Project{Sight: exports.Absent, Why: "404"}, renamed,
			map[string]exports.Project{"id-tools": renamed}, exports.Owner{ID: "id-tools", Name: "tools"}, "in doubt: project-hidden"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := &exports.Config{Limits: exports.Limits{MaxRemoved: 10}, Projects: []exports.ProjectConfig{
				{Key: "tools", Options: "rw", Mounts: []exports.Mount{{Host: "here.example", Path: home}}},
				{Key: "id-tools", Options: "rw", Mounts: []exports.Mount{{Host: "here.example", Path: other}}},
			}}
			for range 2 {
				e := exports.Evidence{
					Config:    config,
					Hosts:     exports.Hosts{"here.example": {Where: exports.Here}},
					Inventory: exports.Inventory{Projects: map[string]exports.Project{"tools": tt.byName, "id-tools": tt.byKey}, IDs: tt.ids},
				}
				g := exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: tt.owner}
				if got := outcome(t, g, e); got != tt.outcome {
					t.Errorf("keys %q and %q: got %s, want %s", config.Projects[0].Key, config.Projects[1].Key, got, tt.outcome)
				}
				slices.Reverse(config.Projects)
			}
		})
	}
}

// TestCompareTwoKeysWithOneMount: where both keys have the mount, the one that
// Keystone shows tells more.
func TestCompareTwoKeysWithOneMount(t *testing.T) {
	tests := []struct {
		name           string
		hidden, shown  string
		owner          exports.Owner
		holder         []exports.Instance
		outcome        string
		onlyHiddenHere bool // the key that is shown does not have the mount
	}{
		{"the name is hidden", "tools", "id-tools", exports.Owner{ID: "id-tools", Name: "tools"}, nil, "frozen: unproved", false},
		{"the id is hidden", "id-tools", "tools", exports.Owner{ID: "id-tools", Name: "tools"}, nil, "frozen: unproved", false},
		{"an adopted line under the id, which is hidden", "id-tools", "tools", exports.Owner{Name: "id-tools"},
			[]exports.Instance{instance("i1", contested.String())}, "in doubt: project-hidden", true},
		{"an adopted line under the name, which is hidden", "tools", "id-tools", exports.Owner{Name: "tools"},
			[]exports.Instance{instance("i1", contested.String())}, "in doubt: project-hidden", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mount := exports.Mount{Host: "here.example", Path: home}
			mountOfShown := mount
			if tt.onlyHiddenHere {
				mountOfShown.Path = other
			}
			config := &exports.Config{Limits: exports.Limits{MaxRemoved: 10}, Projects: []exports.ProjectConfig{
				{Key: tt.hidden, Options: "rw", Mounts: []exports.Mount{mount}},
				{Key: tt.shown, Options: "rw", Mounts: []exports.Mount{mountOfShown}},
			}}
			for range 2 {
				e := exports.Evidence{
					Config: config,
					Hosts:  exports.Hosts{"here.example": {Where: exports.Here}},
					Inventory: exports.Inventory{Projects: map[string]exports.Project{
						tt.hidden: {Sight: exports.Hidden, Why: "403"},
						tt.shown:  {Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: tt.holder},
					}},
				}
				g := exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: tt.owner}
				if got := outcome(t, g, e); got != tt.outcome {
					t.Errorf("keys %q and %q: got %s, want %s", config.Projects[0].Key, config.Projects[1].Key, got, tt.outcome)
				}
				slices.Reverse(config.Projects)
			}
		})
	}
}

// TestCompareHiddenProjectHoldsNobodyElse: a project that Keystone hides casts
// no doubt on lines that are surely not its own: its key on their path makes their
// removal look like a mistake, and no more than that.
func TestCompareHiddenProjectHoldsNobodyElse(t *testing.T) {
	hidden := exports.Project{Sight: exports.Hidden, Why: "403"}
	tools := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true}
	tests := []struct {
		name  string
		owner exports.Owner
		ids   map[string]exports.Project
	}{
		{"the line's project is shown and has no such mount", exports.Owner{ID: "id-tools", Name: "tools"}, map[string]exports.Project{"id-tools": hidden}},
		{"the line's project is there under a name that nobody configures", exports.Owner{ID: "id-left", Name: "left"},
			map[string]exports.Project{"id-left": {Sight: exports.Shown, ID: "id-left", Name: "left", Enabled: true}}},
		{"the line's project is there under another name that nobody configures", exports.Owner{ID: "id-left", Name: "left"},
			map[string]exports.Project{"id-left": {Sight: exports.Shown, ID: "id-left", Name: "left-again", Enabled: true}}},
		{"the line's project is no more", exports.Owner{ID: "id-left", Name: "left"}, map[string]exports.Project{"id-left": {Sight: exports.Absent, Why: "404"}}},
		{"an adopted line", exports.Owner{Name: "left"}, nil},
		{"a line of which nobody knows", exports.Owner{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := exports.Evidence{
				Config: &exports.Config{Limits: exports.Limits{MaxRemoved: 10}, Projects: []exports.ProjectConfig{
					{Key: "tools", Options: "rw", Mounts: []exports.Mount{{Host: "here.example", Path: other}}},
					{Key: "hidden", Options: "rw", Mounts: []exports.Mount{{Host: "here.example", Path: home}}},
				}},
				Hosts:     exports.Hosts{"here.example": {Where: exports.Here}},
				Inventory: exports.Inventory{Projects: map[string]exports.Project{"tools": tools, "hidden": hidden}, IDs: tt.ids},
			}
			g := exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: tt.owner}
			want := "frozen: looks-like-a-mistake"
			if tt.ids["id-left"].Sight == exports.Absent {
				want = "project-deleted"
			}
			if tt.owner == (exports.Owner{}) {
				want = "frozen: unproved"
			}
			if got := outcome(t, g, e); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			e.Config.Projects[1].Mounts[0].Path = "/srv/hidden"
			if got := outcome(t, g, e); got != "not-in-config" {
				t.Errorf("on another path: got %s, want not-in-config", got)
			}
		})
	}
}

// TestCompareNewNameWithoutEvidence: a project got a new name, in Keystone and
// in the configuration, and the lines of today still carry the old one. As
// long as nobody can say which project the new name means, it may be theirs.
func TestCompareNewNameWithoutEvidence(t *testing.T) {
	g := exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: exports.Owner{ID: "id-tools", Name: "tools-before"}}
	evidence := func(where exports.Where, byKey map[string]exports.Project) exports.Evidence {
		e := exports.Evidence{
			Config: &exports.Config{Projects: []exports.ProjectConfig{
				{Key: "tools", Options: "rw", Mounts: []exports.Mount{{Host: "nfs.example", Path: home}}},
			}},
			Hosts:     exports.Hosts{"nfs.example": {Where: where, Why: "so"}},
			Inventory: exports.Inventory{Projects: byKey, IDs: map[string]exports.Project{}},
		}
		// Keystone answers what it is asked by id.
		_, ids := exports.ProjectsToRead(e.Config, e.Hosts, exports.NewSet([]exports.Grant{g}))
		for _, o := range ids {
			e.Inventory.IDs[o.ID] = exports.Project{Sight: exports.Shown, ID: o.ID, Name: "tools", Enabled: true}
		}
		return e
	}
	t.Run("unresolved", func(t *testing.T) {
		if got := outcome(t, g, evidence(exports.Unresolved, nil)); !strings.HasPrefix(got, "in doubt") {
			t.Errorf("got %s, want a doubt", got)
		}
	})
	t.Run("hidden, and the old name is that of another project now", func(t *testing.T) {
		e := evidence(exports.Here, map[string]exports.Project{
			"tools":        {Sight: exports.Hidden, Why: "403"},
			"tools-before": {Sight: exports.Shown, ID: "id-another", Name: "tools-before", Enabled: true},
		})
		e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: "tools-before", Options: "rw", Mounts: []exports.Mount{{Host: "nfs.example", Path: home}}})
		if got := outcome(t, g, e); !strings.HasPrefix(got, "in doubt") {
			t.Errorf("got %s, want a doubt", got)
		}
	})
	t.Run("hidden", func(t *testing.T) {
		hidden := map[string]exports.Project{"tools": {Sight: exports.Hidden, Why: "403"}}
		if got := outcome(t, g, evidence(exports.Here, hidden)); !strings.HasPrefix(got, "in doubt") {
			t.Errorf("got %s, want a doubt", got)
		}
	})
}

func TestDecideListsInFileOrder(t *testing.T) {
	e, _ := cell(t, "key is a name", "yes", "shown", "another", "here", "gone")
	// Desired: /srv/home and /srv/other for 10.0.0.1 of tools, /srv/neighbour for
	// 10.0.0.2 of neighbour.
	tools := exports.Owner{ID: "id-tools", Name: "tools"}
	grant := func(path, addr, options, instance string) exports.Grant {
		return exports.Grant{Path: path, Client: exports.ParseClient(addr), Options: options, Owner: tools, Instance: exports.InstanceRef{ID: instance}}
	}
	today := exports.NewSet([]exports.Grant{
		grant("/srv/z", "10.0.0.1", "rw", "i1"),
		grant(home, "10.0.0.10", "rw", "own"),
		grant(home, "10.0.0.9", "rw", "own"),
		grant(home, "10.0.0.11", "ro", ""),
		grant(home, "10.0.0.1", "ro", "i1"),
		grant(other, "10.0.0.1", "rw", ""),
	})
	plan := mustDecide(t, today, e)
	if got, want := plan.Today.Len(), 6; got != want {
		t.Errorf("the plan has %d grants of today, want %d", got, want)
	}
	want := []string{
		"+ /srv/neighbour 10.0.0.2 rw neighbour n1",
		"- /srv/home 10.0.0.9 instance-gone",
		"- /srv/home 10.0.0.10 instance-gone",
		"- /srv/z 10.0.0.1 not-in-config",
		"~ /srv/home 10.0.0.1 ro rw",
		"~ /srv/home 10.0.0.11 ro rw",
		"= /srv/home 10.0.0.11 unproved",
	}
	var got []string
	for _, g := range plan.Added {
		got = append(got, fmt.Sprintf("+ %s %s %s %s %s", g.Path, g.Client, g.Options, g.Owner, g.Instance.ID))
	}
	for _, r := range plan.Removed {
		got = append(got, fmt.Sprintf("- %s %s %s", r.Path, r.Client, r.Reason))
	}
	for _, c := range plan.Changed {
		got = append(got, fmt.Sprintf("~ %s %s %s %s", c.New.Path, c.New.Client, c.Old.Options, c.New.Options))
	}
	for _, f := range plan.Frozen {
		got = append(got, fmt.Sprintf("= %s %s %s", f.Path, f.Client, f.Reason))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	var then []string
	for _, g := range plan.Desired.Grants() {
		then = append(then, fmt.Sprintf("%s %s %s %s", g.Path, g.Client, g.Options, g.Instance.ID))
	}
	wantThen := []string{"/srv/home 10.0.0.1 rw i1", "/srv/home 10.0.0.11 rw ", "/srv/neighbour 10.0.0.2 rw n1", "/srv/other 10.0.0.1 rw i1"}
	if diff := cmp.Diff(wantThen, then); diff != "" {
		t.Errorf("the file then (-want +got):\n%s", diff)
	}
}

func TestDecideOfNothing(t *testing.T) {
	plan, err := decided(exports.Set{}, exports.Evidence{Config: &exports.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Added)+len(plan.Removed)+len(plan.Changed)+len(plan.Warnings) != 0 {
		t.Errorf("a plan out of nothing: %+v", plan)
	}
}

// TestDecideOneDoubtStopsAll: no part of a plan leaves Decide beside an
// error, and the error has every grant in doubt and no other.
func TestDecideOneDoubtStopsAll(t *testing.T) {
	e, g := cell(t, "key is a name", "yes", "hidden", "another", "here", "not known")
	gone := g
	gone.Owner = exports.Owner{ID: "id-neighbour", Name: "neighbour"}
	gone.Client = exports.ParseClient("10.0.0.3")
	second := g
	second.Client = exports.ParseClient("10.0.0.4")
	plan, err := decided(exports.NewSet([]exports.Grant{g, gone, second}), e)
	var unclear *exports.UnclearError
	if !errors.As(err, &unclear) {
		t.Fatalf("got %v, want an UnclearError", err)
	}
	if diff := cmp.Diff(exports.Plan{}, plan, byValue, cmp.AllowUnexported(exports.Set{})); diff != "" {
		t.Errorf("a plan beside an error:\n%s", diff)
	}
	var places []string
	for _, u := range unclear.Grants {
		places = append(places, u.Path+" "+u.Client.String())
	}
	if diff := cmp.Diff([]string{"/srv/home 10.0.0.4", "/srv/home 10.0.0.9"}, places); diff != "" {
		t.Errorf("grants in doubt (-want +got):\n%s", diff)
	}
}

func TestUnclearErrorDoubt(t *testing.T) {
	hidden, unresolved := exports.ProjectHidden, exports.HostUnresolved
	tests := []struct {
		doubts []exports.Doubt
		want   exports.Doubt
		next   string
	}{
		{[]exports.Doubt{unresolved}, unresolved, "--serve-as"},
		{[]exports.Doubt{hidden}, hidden, "role"},
		{[]exports.Doubt{hidden, unresolved}, hidden, "role"},
	}
	for _, tt := range tests {
		e := &exports.UnclearError{}
		for _, d := range tt.doubts {
			e.Grants = append(e.Grants, exports.Unclear{Doubt: d, Why: "so"})
		}
		if got := e.Doubt(); got != tt.want {
			t.Errorf("the gravest of %v is %s, want %s", tt.doubts, got, tt.want)
		}
		lines := strings.Split(e.Error(), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "  next: ") || !strings.Contains(last, tt.next) {
			t.Errorf("%v: the last line is %q, want the next step, about %s", tt.doubts, last, tt.next)
		}
	}
}

func TestUnclearErrorText(t *testing.T) {
	unclear := func(path, addr string, doubt exports.Doubt, why string) exports.Unclear {
		return exports.Unclear{Grant: exports.Grant{Path: path, Client: exports.ParseClient(addr), Options: "rw", Owner: exports.Owner{ID: "id-tools", Name: "tools"}}, Doubt: doubt, Why: why}
	}
	e := &exports.UnclearError{Grants: []exports.Unclear{
		unclear("/srv/a", "10.0.0.1", exports.ProjectHidden, "GET /v3/projects: 403"),
		unclear("/srv/a", "2001:db8::1", exports.ProjectHidden, "GET /v3/projects: 403"),
		unclear("/srv/b", "10.0.0.1", exports.HostUnresolved, "host b: no such host"),
	}}
	want := `nothing says that these must go, and nothing was changed (grants of the exports file in doubt: 3):
  project-hidden: GET /v3/projects: 403:
    /srv/a 10.0.0.1 of project "tools"
    /srv/a 2001:db8::1 of project "tools"
  host-unresolved: host b: no such host:
    /srv/b 10.0.0.1 of project "tools"
  next: correct the keys of these projects, or give the user of this server a role on them; take one out of the configuration only if its grants may go`
	if diff := cmp.Diff(want, e.Error()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}

	for _, n := range []int{20, 21, 25} {
		e := &exports.UnclearError{}
		for i := range n {
			e.Grants = append(e.Grants, unclear("/srv/a", fmt.Sprintf("10.0.0.%d", i), exports.ProjectHidden, "so"))
		}
		text := e.Error()
		if got := strings.Count(text, "/srv/a 10.0.0."); got != 20 {
			t.Errorf("%d grants in doubt: %d are named, want 20", n, got)
		}
		if more := fmt.Sprintf("and %d more", n-20); strings.Contains(text, more) != (n > 20) {
			t.Errorf("%d grants in doubt: %q is there %d times:\n%s", n, more, strings.Count(text, more), text)
		}
	}
}

// hostile is what a tenant can call things, and a cloud under attack can use
// for ids.
var hostile = []string{
	"x\n    /srv/forged 10.6.6.6 of project",
	"\x1b[2J\x1b]0;owned\x07",
	"\x00\r\v\f\x7f",
	"\u0085\u2028\u2029",
	"\u202egnp.\u200b\ufeff",
	"\xff\xfe",
	`"; # \`,
	"a\nb",
	"\u009b31m",
}

// clean tells whether text is safe for a terminal, given as many lines as its
// author meant.
func clean(t *testing.T, what, text string, lines int) {
	t.Helper()
	if got := strings.Count(text, "\n") + 1; got != lines {
		t.Errorf("%s has %d lines, want %d: %q", what, got, lines, text)
	}
	for _, r := range strings.ReplaceAll(text, "\n", "") {
		if r < ' ' || r == 0x7f || r == '\ufffd' || (r >= 0x80 && r < 0xa0) || strings.ContainsRune("\u2028\u2029\u202e\u200b\ufeff", r) {
			t.Errorf("%s has %+q raw: %+q", what, r, text)
			return
		}
	}
}

func TestHostileNamesAreQuoted(t *testing.T) {
	for _, name := range hostile {
		t.Run(fmt.Sprintf("%+q", name), func(t *testing.T) {
			e, g := cell(t, "key is a name", "yes", "shown", "another", "here", "bare")
			p := e.Inventory.Projects["tools"]
			p.Name = name
			for i := range p.Instances {
				p.Instances[i].Name = name
			}
			e.Inventory.Projects["tools"] = p
			g.Owner.Name = name
			check := func(what string, lines int) {
				t.Helper()
				_, err := decided(exports.NewSet([]exports.Grant{g}), e)
				if (err != nil) != (lines > 0) {
					t.Fatalf("%s: the error is %v", what, err)
				}
				if err != nil {
					clean(t, what, err.Error(), lines)
				}
				for _, today := range []exports.Set{{}, exports.NewSet([]exports.Grant{g})} {
					plan, _ := decided(today, e)
					for _, w := range plan.Warnings {
						clean(t, what+", a warning", w, 1)
					}
					for _, f := range plan.Frozen {
						clean(t, what+", frozen", f.Why, 1)
					}
				}
			}
			check("a bare instance", 0)

			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Absent, Why: "not in the list"}
			e.Inventory.IDs["id-tools"] = exports.Project{Sight: exports.Shown, ID: "id-tools", Name: name, Enabled: true}
			g.Owner.Name = "tools"
			check("a renamed project", 4)
		})
	}
}

// TestHostileIDsAreQuoted is the same for what is not a name. Nova and
// Keystone make ids themselves, but nothing here knows that they did.
func TestHostileIDsAreQuoted(t *testing.T) {
	for _, id := range hostile {
		t.Run(fmt.Sprintf("%+q", id), func(t *testing.T) {
			e, g := cell(t, "key is a name", "yes", "shown", "another", "here", "bare")
			p := e.Inventory.Projects["tools"]
			p.ID = id
			for i := range p.Instances {
				p.Instances[i].ID = id
				p.Instances[i].Region = id
			}
			e.Inventory.Projects["tools"] = p
			g.Owner.ID = id
			for _, own := range []string{id, "gone"} {
				g.Instance.ID = own
				for _, f := range mustDecide(t, exports.NewSet([]exports.Grant{g}), e).Frozen {
					clean(t, "a frozen place", f.Why, 1)
				}
			}

			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Absent, Why: "not in the list"}
			_, err := decided(exports.NewSet([]exports.Grant{g}), e)
			if err == nil {
				t.Fatal("no error")
			}
			clean(t, "a project that was not asked for", err.Error(), 4)
		})
	}
}

func TestCompareWarnings(t *testing.T) {
	addressed := []exports.Instance{{ID: "i1", Name: "web", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: harmless}}}}
	tests := []struct {
		name    string
		project exports.Project
		want    []string
	}{
		{"all well", exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: addressed}, nil},
		{"no instances", exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true}, nil},
		{"hidden", exports.Project{Sight: exports.Hidden, Why: "GET X: 403"}, []string{`project "tools" (line 7 of the configuration) is not shown to us: GET X: 403`}},
		{"absent", exports.Project{Sight: exports.Absent, Why: "GET X: 404"}, []string{`project "tools" (line 7 of the configuration) does not exist: GET X: 404`}},
		{"disabled", exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools"}, []string{`project "tools" (line 7 of the configuration) is disabled in Keystone and gets no grants`}},
		{"silent", exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: append([]exports.Instance{
			{ID: "i2", Name: "mute", Status: "ACTIVE"}, {ID: "i3", Name: "young", Status: "BUILD"}, {ID: "i4", Name: "off", Status: "SHUTOFF"}}, addressed...)},
			[]string{`Nova does not show all addresses of instance "mute" (i2, ACTIVE) of project "tools": there is none`,
				`Nova does not show all addresses of instance "off" (i4, SHUTOFF) of project "tools": there is none`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := exports.Evidence{
				Config: &exports.Config{Projects: []exports.ProjectConfig{
					{Key: "tools", Line: 7, Mounts: []exports.Mount{{Host: "here.example", Path: home}}},
					// Not served, so nobody asked and nobody is warned.
					{Key: "far", Line: 9, Mounts: []exports.Mount{{Host: "far.example", Path: home}}},
				}},
				Hosts:     exports.Hosts{"here.example": {Where: exports.Here}, "far.example": {Where: exports.Elsewhere}},
				Inventory: exports.Inventory{Projects: map[string]exports.Project{"tools": tt.project}},
			}
			plan, err := decided(exports.Set{}, e)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, plan.Warnings, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
	for _, tt := range []struct {
		name      string
		networks  []string
		instances []exports.Instance
		want      []string
	}{
		{"of the instances", []string{"flat"}, addressed, nil},
		{"of nobody", []string{"flat", "flut\n"}, addressed,
			[]string{`no instance of a served project has an address in network "flut\n" of openstack.networks; they are in "flat": see whether its name is right`}},
		{"without any address to go by", []string{"flut"}, nil, nil},
	} {
		t.Run("network "+tt.name, func(t *testing.T) {
			e := exports.Evidence{
				Config: &exports.Config{
					OpenStack: exports.OpenStack{Networks: tt.networks},
					Projects:  []exports.ProjectConfig{{Key: "tools", Mounts: []exports.Mount{{Host: "here.example", Path: home}}}},
				},
				Hosts: exports.Hosts{"here.example": {Where: exports.Here}},
				Inventory: exports.Inventory{Projects: map[string]exports.Project{
					"tools": {Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: tt.instances},
				}},
			}
			if diff := cmp.Diff(tt.want, e.AddressWarnings(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("unresolved", func(t *testing.T) {
		e := exports.Evidence{
			Config: &exports.Config{Projects: []exports.ProjectConfig{
				{Key: "a", Mounts: []exports.Mount{{Host: "b.example", Path: home}, {Host: "a.example", Path: home}}},
				{Key: "b", Mounts: []exports.Mount{{Host: "b.example", Path: other}, {Host: "far.example", Path: home}}},
			}},
			Hosts: exports.Hosts{"a.example": {Why: "SERVFAIL"}, "b.example": {Why: "no answer"}, "far.example": {Where: exports.Elsewhere}},
		}
		plan, err := decided(exports.Set{}, e)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"mount host a.example is not known to be this server or another: SERVFAIL",
			"mount host b.example is not known to be this server or another: no answer",
		}
		if diff := cmp.Diff(want, plan.Warnings); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
	})
}
