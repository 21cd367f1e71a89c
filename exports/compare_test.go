package exports_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

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
		}, "frozen: looks-like-a-mistake"},
		{"the name was taken by another and nobody asked for the old project", "not known", func(_ *exports.Evidence, g *exports.Grant) {
			g.Owner.ID = "id-before"
		}, "frozen: looks-like-a-mistake"},
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

// TestClaimedTwiceOnASharedPath: a line whose own project no longer has the mount goes,
// although two others claim its address, and what the other one wants there waits.
func TestClaimedTwiceOnASharedPath(t *testing.T) {
	for _, configured := range []bool{true, false} {
		a, b := project("a", instance("a0", "10.0.0.7"), instance("a1", contested.String())), project("b", instance("b1", contested.String()))
		e := served(a, b)
		e.Config.Limits = exports.Limits{MaxRemoved: 10}
		e.Config.Public = []exports.PublicLine{{Name: "all", Path: "/pub", Client: exports.Client{Literal: "*"}, Options: "ro"}}
		if !configured {
			e.Config.Projects[0].Mounts = e.Config.Projects[0].Mounts[:1]
		}
		g := exports.Grant{Path: "/srv/shared", Client: exports.Client{Addr: contested}, Options: "old", Owner: exports.Owner{ID: "id-a", Name: "a"}, Instance: exports.InstanceRef{ID: "a0"}}
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

// TestClaimedTwiceNamesTheFirst has a line without an instance, whose project has the
// address twice and another one once: the order of the listing does not matter.
func TestClaimedTwiceNamesTheFirst(t *testing.T) {
	addr := contested.String()
	for _, ids := range [][]string{{"a1", "a2"}, {"a2", "a1"}} {
		e := served(project("a", instance(ids[0], addr), instance(ids[1], addr)), project("b", instance("b1", addr)))
		g := exports.Grant{Path: "/srv/shared", Client: exports.Client{Addr: contested}, Options: "rw,a", Owner: exports.Owner{ID: "id-a", Name: "a"}}
		plan := mustDecide(t, exports.NewSet([]exports.Grant{g}), e)
		if line, ok := plan.Desired.At(g.Place()); !ok || line.Instance.ID != "a1" {
			t.Errorf("listed as %v: %+v", ids, line)
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
