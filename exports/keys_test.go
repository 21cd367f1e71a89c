package exports_test

import (
	"slices"
	"strings"
	"testing"

	"nfs-exportd/exports"
)

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
