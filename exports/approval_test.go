package exports_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
)

// approve decides twice, as a run with --approve does.
func approve(t *testing.T, today []exports.Grant, e exports.Evidence, answer func(exports.Question) exports.Answer) (before, after exports.Plan, asked []exports.Question) {
	t.Helper()
	before, _, e, err := ask(exports.NewSet(today), e, nil, answer)
	if err != nil {
		t.Fatal(err)
	}
	after, asked, _, err = ask(exports.NewSet(today), e, &before, answer)
	if err != nil {
		t.Fatal(err)
	}
	return before, after, asked
}

func TestApproval(t *testing.T) {
	bare := func(name string) exports.Evidence {
		return served(project(name, instance("i1"), instance("i2", "10.0.0.2")))
	}
	slip := func(instances ...exports.Instance) exports.Evidence {
		e := served(project("a", instances...), project("b", instance("i9", "10.0.0.9")), project("c", instance("i8", "10.0.0.8")))
		e.Config.Projects[0].Mounts = e.Config.Projects[0].Mounts[1:2]
		e.Config.Projects[1].Mounts[0].Path = "/srv/a"
		e.Config.Projects[1].Mounts = e.Config.Projects[1].Mounts[:1]
		e.Config.Projects[2].Mounts = e.Config.Projects[2].Mounts[:1]
		return e
	}
	today := []exports.Grant{granted("/srv/a", "10.0.0.1", "a", "i1"), granted("/srv/shared", "10.0.0.2", "a", "i2")}
	tests := []struct {
		name   string
		e      exports.Evidence
		today  []exports.Grant
		answer func(exports.Question) exports.Answer
		before []string
		after  []string
	}{
		{"claimed twice", served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1"))),
			[]exports.Grant{granted("/srv/a", "10.0.0.1", "a", "i1")}, gone,
			[]string{"= /srv/a 10.0.0.1 claimed-twice", "= /srv/b 10.0.0.1 claimed-twice +", "= /srv/shared 10.0.0.1 claimed-twice +"},
			[]string{"+ /srv/b 10.0.0.1 b i2", "+ /srv/shared 10.0.0.1 a i1", "= /srv/a 10.0.0.1 claimed-twice"}},
		{"address unknown", bare("a"), today, gone,
			[]string{"+ /srv/a 10.0.0.2 a i2", "= /srv/a 10.0.0.1 address-unknown -"},
			[]string{"+ /srv/a 10.0.0.2 a i2", "- /srv/a 10.0.0.1 approved"}},
		{"unproved", served(project("a", instance("i2", "10.0.0.2"))), today, unproved,
			[]string{"+ /srv/a 10.0.0.2 a i2", "= /srv/a 10.0.0.1 unproved -"},
			[]string{"+ /srv/a 10.0.0.2 a i2", "- /srv/a 10.0.0.1 approved"}},
		{"a line without an instance", served(project("a", instance("i2", "10.0.0.2"))),
			[]exports.Grant{granted("/srv/a", "10.0.0.1", "a", ""), today[1]}, gone,
			[]string{"+ /srv/a 10.0.0.2 a i2", "= /srv/a 10.0.0.1 unproved -"},
			[]string{"+ /srv/a 10.0.0.2 a i2", "- /srv/a 10.0.0.1 approved"}},
		{"looks like a mistake, additions too", slip(instance("i1", "10.0.0.1"), instance("i2", "10.0.0.2")), today, gone,
			[]string{"+ /srv/c 10.0.0.8 c i8", "+ /srv/shared 10.0.0.1 a i1", "= /srv/a 10.0.0.1 looks-like-a-mistake -", "= /srv/a 10.0.0.9 looks-like-a-mistake +"},
			[]string{"+ /srv/a 10.0.0.9 b i9", "+ /srv/c 10.0.0.8 c i8", "+ /srv/shared 10.0.0.1 a i1", "- /srv/a 10.0.0.1 approved"}},
		{"it looked like a mistake, and the instance is gone", slip(instance("i2", "10.0.0.2")), today, gone,
			[]string{"+ /srv/a 10.0.0.9 b i9", "+ /srv/c 10.0.0.8 c i8", "- /srv/a 10.0.0.1 not-in-config"},
			[]string{"+ /srv/a 10.0.0.9 b i9", "+ /srv/c 10.0.0.8 c i8", "- /srv/a 10.0.0.1 not-in-config"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, after, _ := approve(t, tt.today, tt.e, tt.answer)
			expect(t, before, tt.before...)
			expect(t, after, tt.after...)
		})
	}
}

func TestApprovalOfLimits(t *testing.T) {
	options := func(e *exports.Evidence) {
		for i := range e.Config.Projects {
			e.Config.Projects[i].Options = "new"
		}
	}
	tests := []struct {
		name   string
		world  func(w *town)
		change func(e *exports.Evidence)
		answer func(exports.Question) exports.Answer
		asked  int // under the approval
		want   []string
	}{
		{"over-share", func(w *town) { w.project(20, 15, 0, 2) }, nil, gone, 0, []string{"p0 +: 2", "p0 - address-released: 15"}},
		{"over-limit", func(w *town) { w.project(10, 7, 0, 1); w.project(10, 7, 0, 0) }, nil, gone, 0, []string{
			"p0 +: 1", "p0 - address-released: 7", "p1 - address-released: 7",
		}},
		{"options", func(w *town) { w.project(6, 5, 0, 1); w.project(6, 0, 0, 0) }, options, gone, 0, []string{
			"p0 +: 1", "p0 - address-released: 5", "p0 ~: 6", "p1 ~: 6",
		}},
		{"public lines", func(w *town) { w.project(5, 0, 0, 1); w.publicLines(5, 11) }, nil, gone, 0, []string{"p0 +: 1", "x - public-removed: 11"}},
		{"the surplus is asked for", func(w *town) { w.project(20, 0, 15, 2) }, nil, gone, 5, []string{"p0 +: 2", "p0 - instance-gone: 15"}},
		{"the surplus that is not proved stays", func(w *town) { w.project(20, 0, 15, 2) }, nil, func(q exports.Question) exports.Answer {
			if q.Instance > "p0-i29" || q.Instance == "p0-i20" {
				return unproved(q)
			}
			return gone(q)
		}, 5, []string{"p0 +: 2", "p0 - approved: 1", "p0 - instance-gone: 9", "p0 = unproved held: 5"}},
		{"the surplus is there", func(w *town) { w.project(20, 0, 15, 0) }, nil, func(q exports.Question) exports.Answer {
			if q.Instance > "p0-i29" {
				return exports.Answer{State: exports.Found, Read: true, Instance: instance(q.Instance, "10.0.0."+q.Instance[4:])}
			}
			return gone(q)
		}, 5, []string{"p0 - instance-gone: 10"}},
		{"more than half", func(w *town) { w.project(5, 5, 0, 0); w.project(4, 2, 13, 1) }, nil, gone, 13, []string{
			"p0 - address-released: 5", "p1 +: 1", "p1 - address-released: 2", "p1 - instance-gone: 13",
		}},
		{"more than half, not proved", func(w *town) { w.project(5, 5, 0, 0); w.project(4, 2, 13, 1) }, nil, unproved, 13, []string{
			"p0 - address-released: 5", "p1 +: 1", "p1 - address-released: 2", "p1 = unproved held: 13",
		}},
		{"the last grant", func(w *town) { w.project(0, 1, 0, 0) }, nil, gone, 0, []string{"p0 - address-released: 1"}},
		{"the last grants by answers", func(w *town) { w.project(0, 0, 12, 0) }, nil, gone, 2, []string{"p0 - instance-gone: 12"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &town{}
			tt.world(w)
			e := w.evidence()
			if tt.change != nil {
				tt.change(&e)
			}
			_, after, asked := approve(t, w.today, e, tt.answer)
			if diff := cmp.Diff(tt.want, counted(after)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if len(asked) != tt.asked {
				t.Errorf("asked %d questions, want %d: %v", len(asked), tt.asked, asked)
			}
		})
	}
}

// TestApprovalOfAnOddCloud carries out the frozen places too.
func TestApprovalOfAnOddCloud(t *testing.T) {
	a, b, c := project("a"), project("b"), project("c")
	var today []exports.Grant
	for i := range 11 {
		a.Instances = append(a.Instances, instance("a"+townAddr(1, i), townAddr(1, i)))
		b.Instances = append(b.Instances, instance("b"+townAddr(1, i), townAddr(1, i)))
		c.Instances = append(c.Instances, instance("c"+townAddr(2, i)))
		today = append(today, granted("/srv/c", townAddr(2, i), "c", "c"+townAddr(2, i)))
	}
	a.Instances = append(a.Instances, instance("steady", "10.9.0.1"))
	today = append(today, granted("/srv/a", "10.9.0.1", "a", "steady"))
	e := served(a, b, c)
	for i := range e.Config.Projects {
		e.Config.Projects[i].Mounts = e.Config.Projects[i].Mounts[:1]
	}
	before, after, _ := approve(t, today, e, gone)
	if before.Refused == nil {
		t.Error("nothing is refused")
	}
	if diff := cmp.Diff([]string{"a +: 11", "b +: 11", "c - approved: 11"}, counted(after)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestApprovalIsOfPlaces: what was not in the plan that was approved stays within the
// limits. That cannot happen with the same evidence; it must not matter if it does.
func TestApprovalIsOfPlaces(t *testing.T) {
	w := &town{}
	w.project(20, 11, 0, 0)
	w.project(20, 11, 0, 0)
	e := w.evidence()
	e.Config.Limits.MaxRemovedPercent = 0
	before := decide(t, w.today, e, gone)
	before.Frozen = slices.DeleteFunc(before.Frozen, func(f exports.Frozen) bool { return f.Project.Name == "p1" })
	after, _, _, err := ask(exports.NewSet(w.today), e, &before, gone)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"p0 - address-released: 11", "p1 = over-share held: 11"}, counted(after)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestApprovalOfOtherLine: what is found out after an approval makes another line of a
// place than the plan showed, which nobody has approved.
func TestApprovalOfOtherLine(t *testing.T) {
	const addr = "10.0.0.5"
	e := served(project("a", instance("a9", "10.66.0.9")), project("b", instance("b1", addr)), project("c", instance("c1", addr)))
	e.Config.Limits = exports.Limits{MaxRemoved: 1}
	today := []exports.Grant{
		granted("/srv/a", "10.66.0.1", "a", "a1"), granted("/srv/a", "10.66.0.2", "a", "a2"),
		granted("/srv/a", "10.66.0.9", "a", "a9"), granted("/srv/shared", "10.66.0.9", "a", "a9"),
	}
	answer := found(instance("a2", addr)) // for which nobody asks before the approval
	before := decide(t, today, e, answer)
	after, _, _, err := ask(exports.NewSet(today), e, &before, answer)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[exports.Place]exports.Grant{}
	for _, f := range before.Frozen {
		if f.Then != nil {
			shown[f.Place] = *f.Then
		}
	}
	place := granted("/srv/shared", addr, "a", "").Place()
	if _, ok := shown[place]; !ok {
		t.Fatalf("the plan does not show %v: %+v", place, before.Frozen)
	}
	for _, g := range after.Added {
		if then, ok := shown[g.Place()]; ok && (then.Owner.ID != g.Owner.ID || then.Options != g.Options) {
			t.Errorf("shown was %+v, and added is %+v", then, g)
		}
	}
}
