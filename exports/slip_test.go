package exports_test

import (
	"testing"

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
