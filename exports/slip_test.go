package exports_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

// TestSlipOnUnresolvedHost: a removal that looks like a mistake looks no better because
// the resolver does not say where the host of the other key is.
func TestSlipOnUnresolvedHost(t *testing.T) {
	for _, where := range []exports.Where{exports.Here, exports.Unresolved, exports.Elsewhere} {
		for name, change := range map[string]func(e *exports.Evidence){
			"a key without grants takes over the path": func(e *exports.Evidence) {
				e.Config.Projects[1].Mounts[0].Path = "/srv/a"
			},
			"a key that Keystone does not know is spelled much like the line's": func(e *exports.Evidence) {
				e.Config.Projects[1].Key = "accountimg"
				delete(e.Inventory.Projects, "takes")
				e.Inventory.Projects["accountimg"] = exports.Project{Sight: exports.Absent, Why: "404"}
			},
		} {
			e := served(project("accounting", instance("i1", "10.0.0.1")), project("takes"))
			e.Config.Projects[0].Mounts = e.Config.Projects[0].Mounts[1:2]
			e.Config.Projects[1].Mounts = e.Config.Projects[1].Mounts[:1]
			e.Config.Projects[1].Mounts[0].Host = "nfs.example"
			e.Hosts["nfs.example"] = exports.Host{Where: where}
			change(&e)
			if where != exports.Here { // then nobody asks Keystone
				delete(e.Inventory.Projects, e.Config.Projects[1].Key)
			}
			want := "= /srv/a 10.0.0.1 looks-like-a-mistake -"
			if where == exports.Elsewhere {
				want = "- /srv/a 10.0.0.1 not-in-config"
			}
			plan := decide(t, []exports.Grant{granted("/srv/a", "10.0.0.1", "accounting", "i1")}, e, gone)
			if got := told(plan); got[1] != want {
				t.Errorf("%s, %d: %q, want %q", name, where, got, want)
			}
		}
	}
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

// TestMistakeLasts: a project that takes over the paths of another one gets no line of
// anybody while that looks like a mistake. With one it would have grants by the next run,
// which would then remove all the others.
func TestMistakeLasts(t *testing.T) {
	const kept, passes = "10.0.0.1", "10.0.0.3"
	line := granted("/srv/shared", passes, "a", "i3")
	nameless, adopted, public := granted("/srv/shared", passes, "a", ""), granted("/srv/shared", passes, "a", ""), granted("/srv/b", passes, "", "")
	adopted.Owner.ID = ""
	public.Owner = exports.Owner{Public: "one"}
	found := func(q exports.Question) exports.Answer {
		if q.Instance == "i1" {
			return exports.Answer{State: exports.Found, Instance: instance("i1", kept), Read: true, Why: "200"}
		}
		return gone(q)
	}
	for _, test := range []struct {
		name   string
		line   exports.Grant
		owner  string // of the place after the run; empty if there is no line
		reason exports.Reason
	}{
		{"its instance is gone", line, "", exports.NotInConfig},
		{"it names no instance", nameless, "a", ""},
		{"it names no instance and no id", adopted, "a", ""},
		{"a public line", public, "", exports.PublicRemoved},
	} {
		e := served(project("b", instance("j1", passes), instance("j2", "10.0.0.9")))
		e.Inventory.IDs = map[string]exports.Project{"id-a": project("a")}
		today := []exports.Grant{granted("/srv/shared", kept, "a", "i1"), test.line}
		for run := range 3 {
			plan := decide(t, today, e, found)
			today = plan.Desired.Grants()
			if line, ok := plan.Desired.At(granted("/srv/shared", kept, "", "").Place()); !ok || line.Owner.Name != "a" {
				t.Fatalf("%s, run %d: removed %+v", test.name, run, plan.Removed)
			}
			for _, g := range today {
				if g.Owner.ID == "id-b" {
					t.Errorf("%s, run %d: the other project gets %s for %s", test.name, run, g.Path, g.Client)
				}
			}
			got, ok := plan.Desired.At(test.line.Place())
			if ok != (test.owner != "") || got.Owner.Name != test.owner {
				t.Errorf("%s, run %d: the line is %+v", test.name, run, got)
			}
			if run == 0 && test.reason != "" && (len(plan.Removed) != 1 || plan.Removed[0].Reason != test.reason) {
				t.Errorf("%s: removed %+v", test.name, plan.Removed)
			}
			waits := slices.ContainsFunc(plan.Frozen, func(f exports.Frozen) bool {
				return f.Place == test.line.Place() && f.Reason == exports.LooksLikeAMistake && f.Today == nil && f.Held
			})
			if waits != (test.owner == "") {
				t.Errorf("%s, run %d: frozen %+v", test.name, run, plan.Frozen)
			}
		}
	}
}
