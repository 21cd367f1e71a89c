package exports_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

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
			"cannot tell whether mount host a.example is this server: SERVFAIL: fix DNS or /etc/hosts, or, if it is, name it with --serve-as",
			"cannot tell whether mount host b.example is this server: no answer: fix DNS or /etc/hosts, or, if it is, name it with --serve-as",
		}
		if diff := cmp.Diff(want, plan.Warnings); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
	})
}
