package exports_test

import (
	"slices"
	"testing"

	"nfs-exportd/exports"
)

// nameAlone is a line that has a project's name and neither an id nor an instance.
func nameAlone(path, addr, name string) exports.Grant {
	g := granted(path, addr, name, "")
	g.Owner.ID = ""
	return g
}

// TestNamelessLineMoves: the place of a line that names no instance is at once that of
// the project that wants it: nothing could ever prove that the line's own one has left.
func TestNamelessLineMoves(t *testing.T) {
	for _, today := range []exports.Grant{nameAlone("/srv/shared", "10.0.0.1", "a"), granted("/srv/shared", "10.0.0.1", "a", "")} {
		plan := decide(t, []exports.Grant{today}, served(project("a"), project("b", instance("i1", "10.0.0.1"))), unproved)
		line, _ := plan.Desired.At(today.Place())
		if line.Owner.Name != "b" || line.Options != "rw,b" || len(plan.Frozen)+len(plan.Removed) > 0 {
			t.Errorf("%+v: the line is %+v", today.Owner, line)
		}
	}
}

// TestNameAloneClaimedTwice: the line is that of the project that wants the place, and has
// its options.
func TestNameAloneClaimedTwice(t *testing.T) {
	today := nameAlone("/srv/shared", "10.0.0.1", "b")
	today.Options = "old"
	e := served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1")))
	plan := decide(t, []exports.Grant{today}, e, unproved)
	if line, _ := plan.Desired.At(today.Place()); line.Owner.ID != "id-b" || line.Options != "rw,b" || line.Instance.ID != "i2" {
		t.Errorf("the line is %+v, plan %q", line, told(plan))
	}
}

// TestClaimedTwiceOptionsFollow: also where the line's own project does not want the place.
func TestClaimedTwiceOptionsFollow(t *testing.T) {
	today := granted("/srv/shared", "10.0.0.1", "c", "i3")
	today.Options = "old"
	e := served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1")), project("c"))
	plan := decide(t, []exports.Grant{today}, e, unproved)
	if line, _ := plan.Desired.At(today.Place()); line.Owner.ID != "id-c" || line.Options != "rw,c" {
		t.Errorf("the line is %+v, plan %q", line, told(plan))
	}
}

// TestNameAloneOptionsFollow: the key has the line's name, though Keystone has no such
// project.
func TestNameAloneOptionsFollow(t *testing.T) {
	today := nameAlone("/srv/shared", "10.0.0.1", "a")
	today.Options = "old"
	e := served(exports.Project{Name: "a", Sight: exports.Absent}, project("b", instance("i1", "10.0.0.2")))
	plan := decide(t, []exports.Grant{today}, e, unproved)
	if line, _ := plan.Desired.At(today.Place()); line.Options != "rw,a" {
		t.Errorf("the line is %+v, plan %q", line, told(plan))
	}
}

// TestNameAloneOfTwoDomains: a name that two projects have is each one's, in whichever
// order the keys are.
func TestNameAloneOfTwoDomains(t *testing.T) {
	today := nameAlone("/srv/x", "10.0.0.1", "x")
	today.Options = "rw,b"
	for range 20 {
		e := served(project("a"), project("b", instance("i1", "10.0.0.9")))
		for n, key := range []string{"a", "b"} {
			p := e.Inventory.Projects[key]
			p.Name = "x"
			e.Inventory.Projects[key] = p
			e.Config.Projects[n].Mounts[0].Path = []string{"/srv/y", "/srv/x"}[n]
		}
		expect(t, decide(t, []exports.Grant{today}, e, unproved), "+ /srv/shared 10.0.0.9 x i1", "+ /srv/x 10.0.0.9 x i1", "= /srv/x 10.0.0.1 unproved -")
	}
}

// TestNameAloneOfTwoKeys: what Keystone says of a project's id as a key holds for a line
// of its name, of which as a key nobody asked.
func TestNameAloneOfTwoKeys(t *testing.T) {
	a := project("a")
	a.Enabled = false
	e := served(a, project("b", instance("i1", "10.0.0.9")))
	e.Config.Projects[0].Key = "id-a"
	e.Inventory.Projects["id-a"] = a
	delete(e.Inventory.Projects, "a")
	e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: "a", Mounts: []exports.Mount{{Key: "m", Host: "lost", Path: "/srv/before"}}})
	plan := decide(t, []exports.Grant{nameAlone("/srv/before", "10.0.0.1", "a"), granted("/srv/b", "10.0.0.9", "b", "i1")}, e, unproved)
	expect(t, plan, "+ /srv/shared 10.0.0.9 b i1", "- /srv/before 10.0.0.1 project-disabled")
}

// TestNobodysLineOfAnOwnAddress: this server is no client, whosever the line is.
func TestNobodysLineOfAnOwnAddress(t *testing.T) {
	g := granted("/srv/a", "192.0.2.1", "a", "")
	g.Owner = exports.Owner{}
	steady := granted("/srv/b", "10.0.0.9", "b", "i1")
	e := served(project("b", instance("i1", "10.0.0.9")), project("a"))
	e.Config.Projects[0].Mounts = e.Config.Projects[0].Mounts[:1]
	expect(t, decide(t, []exports.Grant{g, steady}, e, unproved), "- /srv/a 192.0.2.1 own-address")
}

// TestHalfLeavesAsideWhatTwoClaim: such a place is wanted, though not by the line's project.
func TestHalfLeavesAsideWhatTwoClaim(t *testing.T) {
	today := []exports.Grant{
		granted("/srv/shared", "10.0.0.1", "c", "i3"), granted("/srv/b", "10.0.0.7", "b", "i7"), granted("/srv/a", "10.0.0.1", "a", "i1"),
	}
	e := served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1")), project("c"))
	if plan := decide(t, today, e, gone); plan.Refused != nil {
		t.Errorf("refused: %s", plan.Refused.Message)
	}
}

// TestApprovalOfALineAndItsAddition: a removal over the limit is approved. The addition
// behind it, for an address of two projects, was not in the plan and goes on waiting.
func TestApprovalOfALineAndItsAddition(t *testing.T) {
	today := []exports.Grant{
		granted("/srv/shared", "10.0.0.1", "c", "i3"), granted("/srv/shared", "10.0.0.2", "c", "i4"), granted("/srv/c", "10.0.0.8", "c", "i8"),
		granted("/srv/c", "10.0.0.9", "c", "i9"), granted("/srv/shared", "10.0.0.9", "c", "i9"),
	}
	e := served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1")), project("c", instance("i9", "10.0.0.9"), instance("i3", "10.0.0.5"), instance("i4", "10.0.0.5"), instance("i8", "10.0.0.5")))
	e.Config.Limits = exports.Limits{MaxRemoved: 2}
	before, after, _ := approve(t, today, e, gone)
	if line, _ := before.Desired.At(today[0].Place()); line != today[0] || len(before.Removed) > 0 {
		t.Errorf("before: the line is %+v, plan %q", line, told(before))
	}
	waits := slices.Contains(told(after), "= /srv/shared 10.0.0.1 claimed-twice +")
	if line, there := after.Desired.At(today[0].Place()); there || !waits || len(after.Removed) != 3 {
		t.Errorf("after: the line is %+v, plan %q", line, told(after))
	}
}
