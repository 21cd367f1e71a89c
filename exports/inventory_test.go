package exports_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

// joined gives what two readings show together.
func joined(first, second exports.Inventory) exports.Inventory {
	return exports.Evidence{Inventory: first}.Answer(exports.Questions{}, second).Inventory
}

func TestAnswerJoinsReadings(t *testing.T) {
	first := exports.Inventory{
		Projects: map[string]exports.Project{
			"a":      project("a", instance("a1", "10.0.0.1")),
			"b":      project("b", instance("b1", "10.0.0.2")),
			"c":      project("c"),
			"hidden": {Sight: exports.Hidden, Why: "403"},
			"absent": {Sight: exports.Absent, Why: "404"},
		},
		IDs: map[string]exports.Project{"id-a": {Sight: exports.Shown, ID: "id-a", Name: "a", Enabled: true}},
	}
	stranger := project("b", instance("s1", "10.0.0.9"))
	stranger.ID = "id-stranger"
	second := exports.Inventory{Projects: map[string]exports.Project{
		"a":       project("a", instance("a1", "10.0.0.1"), instance("a2", "10.0.0.3")),
		"b":       stranger,
		"c":       {Sight: exports.Hidden, Why: "403"},
		"hidden":  project("hidden", instance("h1", "10.0.0.5")),
		"absent":  project("absent", instance("h1", "10.0.0.6")),
		"unasked": project("unasked", instance("u1", "10.0.0.7")),
		"nobody":  {Sight: exports.Hidden, Why: "403"},
	}}
	want := exports.Inventory{
		Projects: map[string]exports.Project{
			"a":      project("a", instance("a1", "10.0.0.1"), instance("a1", "10.0.0.1"), instance("a2", "10.0.0.3")),
			"b":      project("b", instance("b1", "10.0.0.2")),
			"c":      project("c"),
			"hidden": {Sight: exports.Hidden, Why: "403"},
			"absent": {Sight: exports.Absent, Why: "404"},
		},
		IDs: first.IDs,
	}
	// Room behind the instances of the first reading must not be written to.
	roomy := first.Projects["a"]
	roomy.Instances = append(make([]exports.Instance, 0, 8), roomy.Instances...)
	first.Projects["a"] = roomy

	if diff := cmp.Diff(want, joined(first, second), byValue); diff != "" {
		t.Errorf("joined (-want +got):\n%s", diff)
	}
	if got := len(first.Projects["a"].Instances); got != 1 {
		t.Errorf("the first reading has %d instances of a now", got)
	}
	if got := roomy.Instances[:2][1]; got.ID != "" {
		t.Errorf("the first reading's memory holds instance %s now", got.ID)
	}
	if got := len(second.Projects["a"].Instances); got != 2 {
		t.Errorf("the second reading has %d instances of a now", got)
	}
	if diff := cmp.Diff(first, joined(first, exports.Inventory{}), byValue); diff != "" {
		t.Errorf("joined with nothing:\n%s", diff)
	}
}

// TestDecideAsksAgain: the keys to read a second time are those of the projects
// that would lose grants as instance-gone, and of no others.
func TestDecideAsksAgain(t *testing.T) {
	e := served(
		project("quiet", instance("q1", "10.0.0.1")),
		project("beta"),
		project("alpha"),
		exports.Project{Sight: exports.Absent, Name: "deleted", Why: "404"},
	)
	e.Inventory.IDs = map[string]exports.Project{"id-deleted": {Sight: exports.Absent, Why: "404"}}
	e.Inventory.Projects["id-beta"] = e.Inventory.Projects["beta"]
	e.Config.Projects[1].Key = "id-beta"
	line := func(path, addr, name string) exports.Grant {
		return exports.Grant{Path: path, Client: exports.ParseClient(addr), Options: "rw", Owner: exports.Owner{ID: "id-" + name, Name: name}}
	}
	adopted := line("/srv/shared", "10.0.0.24", "alpha")
	adopted.Owner.ID = ""
	today := exports.NewSet([]exports.Grant{
		line("/srv/quiet", "10.0.0.1", "quiet"),
		line("/srv/none", "10.0.0.20", "quiet"),
		line("/srv/beta", "10.0.0.21", "beta"),
		line("/srv/beta", "10.0.0.22", "beta"),
		line("/srv/alpha", "10.0.0.23", "alpha"),
		line("/srv/deleted", "10.0.0.25", "deleted"),
		line("/srv/far", "10.0.0.26", "quiet"),
		adopted,
	})
	plan, questions, err := exports.Decide(today, e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"alpha", "id-beta"}, questions.Again); diff != "" {
		t.Errorf("gone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(exports.Plan{}, plan, byValue, cmp.AllowUnexported(exports.Set{})); diff != "" || questions.None() {
		t.Errorf("there is a plan beside the questions:\n%s", diff)
	}

	// Half an answer leaves half of the questions.
	half := e.Answer(exports.Questions{Again: []string{"alpha"}}, exports.Inventory{})
	if _, questions, err := exports.Decide(today, half); err != nil || !slices.Equal(questions.Again, []string{"id-beta"}) {
		t.Errorf("asked %q, %v", questions.Again, err)
	}
	if _, again, err := exports.Decide(today, e); err != nil || !slices.Equal(again.Again, questions.Again) {
		t.Errorf("an answer changed the evidence that it was given: asked %q, %v", again.Again, err)
	}
	// The same answer twice, and its grants go.
	if plan, questions, err := exports.Decide(today, half.Answer(exports.Questions{Again: []string{"id-beta"}}, exports.Inventory{})); err != nil ||
		!questions.None() || len(plan.Removed) != 7 {
		t.Errorf("removed %+v, asked %q, %v", plan.Removed, questions.Again, err)
	}

	// A second reading that shows what the first one lacked.
	second := exports.Inventory{Projects: map[string]exports.Project{
		"alpha":   project("alpha", instance("a1", "10.0.0.23"), instance("a2", "10.0.0.24")),
		"id-beta": project("beta", instance("b1", "10.0.0.21"), instance("b2", "10.0.0.22")),
	}}
	if plan, questions, err = exports.Decide(today, e.Answer(questions, second)); err != nil {
		t.Fatal(err)
	}
	if !questions.None() {
		t.Errorf("still gone: %q", questions.Again)
	}
	var reasons []exports.Reason
	for _, r := range plan.Removed {
		reasons = append(reasons, r.Reason)
	}
	slices.Sort(reasons)
	want := []exports.Reason{exports.NotInConfig, exports.ProjectDeleted, exports.ServedElsewhere}
	if diff := cmp.Diff(want, reasons, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}
