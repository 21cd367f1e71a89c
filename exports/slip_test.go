package exports_test

import (
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
