package exports_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

// TestMovedGrants: a place that another instance wants by now stays granted, and its line
// goes on naming the instance that it names until that is proved to have left.
func TestMovedGrants(t *testing.T) {
	const place = "10.0.0.1"
	ofA, ofB := project("a", instance("i2", place)), project("b", instance("i2", place))
	with := func(p exports.Project, more ...exports.Instance) exports.Project {
		p.Instances = append(p.Instances[:len(p.Instances):len(p.Instances)], more...)
		return p
	}
	tests := []struct {
		name    string
		e       exports.Evidence
		today   exports.Grant
		answer  func(exports.Question) exports.Answer
		asked   []string
		names   string // project and instance of the line after the run
		options string
	}{
		{"within the project, not proved", served(ofA), granted("/srv/a", place, "a", "i1"), unproved, []string{"a/i1"}, "a i1", "rw,a"},
		{"within the project, gone", served(ofA), granted("/srv/a", place, "a", "i1"), gone, []string{"a/i1"}, "a i2", "rw,a"},
		{"within the project, listed with both", served(project("a", instance("i1", place), instance("i0", place))), granted("/srv/a", place, "a", "i1"), nil, nil, "a i1", "rw,a"},
		{"within the project, listed without", served(with(ofA, instance("i1", "10.0.0.7"))), granted("/srv/a", place, "a", "i1"), nil, nil, "a i2", "rw,a"},
		{"within the project, listed without any", served(with(ofA, instance("i1"))), granted("/srv/a", place, "a", "i1"), nil, nil, "a i1", "rw,a"},
		{"within the project, found without", served(ofA), granted("/srv/a", place, "a", "i1"), found(instance("i1", "10.0.0.7")), []string{"a/i1"}, "a i2", "rw,a"},
		{"within the project, found without any", served(ofA), granted("/srv/a", place, "a", "i1"), found(instance("i1")), []string{"a/i1"}, "a i1", "rw,a"},
		{"within the project, found with it", served(ofA), granted("/srv/a", place, "a", "i1"), found(instance("i1", place)), []string{"a/i1"}, "a i1", "rw,a"},
		{"the line names nobody", served(ofA), granted("/srv/a", place, "a", ""), nil, nil, "a i2", "rw,a"},
		{"to another project, not proved", served(project("a"), ofB), granted("/srv/shared", place, "a", "i1"), unproved, []string{"a/i1"}, "a i1", "rw,b"},
		{"to another project, gone", served(project("a"), ofB), granted("/srv/shared", place, "a", "i1"), gone, []string{"a/i1"}, "b i2", "rw,b"},
		{"to another project, listed without", served(project("a", instance("i1", "10.0.0.7")), ofB), granted("/srv/shared", place, "a", "i1"), nil, nil, "b i2", "rw,b"},
		{"to another project, listed without any", served(project("a", instance("i1")), ofB), granted("/srv/shared", place, "a", "i1"), nil, nil, "a i1", "rw,b"},
		{"to another project with the id of the instance", served(project("a"), ofB), granted("/srv/shared", place, "a", "i2"), unproved, []string{"a/i2"}, "a i2", "rw,b"},
		{"from a project that is hidden", served(exports.Project{Name: "a", Sight: exports.Hidden}, ofB), granted("/srv/shared", place, "a", "i1"), unproved, []string{"a/i1"}, "a i1", "rw,b"},
		{"from a project that is disabled", served(exports.Project{Name: "a", ID: "id-a", Sight: exports.Shown}, ofB), granted("/srv/shared", place, "a", "i1"), nil, nil, "b i2", "rw,b"},
		{"from a project that is not configured, which looks like a mistake", served(ofB), granted("/srv/shared", place, "a", "i1"), unproved, []string{"a/i1"}, "a i1", "rw,a"},
		{"from a project that is not configured, and gone", served(ofB), granted("/srv/shared", place, "a", "i1"), gone, []string{"a/i1"}, "b i2", "rw,b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan, asked, _, err := ask(exports.NewSet([]exports.Grant{tt.today}), tt.e, nil, tt.answer)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.asked, ids(asked), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("questions (-want +got):\n%s", diff)
			}
			line, _ := plan.Desired.At(tt.today.Place())
			if got := line.Owner.Name + " " + line.Instance.ID; got != tt.names || line.Owner.ID != "id-"+line.Owner.Name || line.Options != tt.options {
				t.Errorf("the line is %+v, want that of %s with %s", line, tt.names, tt.options)
			}
			slip := strings.Contains(tt.name, "looks like a mistake") // whose additions wait
			if len(plan.Removed) > 0 || len(plan.Frozen) > 0 != slip || len(plan.Changed) > 0 != (tt.today.Options != tt.options) {
				t.Errorf("plan %q", told(plan))
			}
		})
	}
}

// TestMovedGrantsKeepTheirInstance: an instance that left only in one answer keeps its
// grant when the other one leaves.
func TestMovedGrantsKeepTheirInstance(t *testing.T) {
	today := []exports.Grant{granted("/srv/a", "10.0.0.1", "a", "i1"), granted("/srv/a", "10.0.0.9", "a", "i9")}
	steady := instance("i9", "10.0.0.9")
	one := decide(t, today, served(project("a", instance("i2", "10.0.0.1"), steady)), unproved)
	two := decide(t, one.Desired.Grants(), served(project("a", instance("i2", "10.0.0.2"), steady)), unproved)
	if line, ok := two.Desired.At(today[0].Place()); !ok || line.Instance.ID != "i1" {
		t.Errorf("the line is %+v, plan %q", line, told(two))
	}
}

// TestMovedGrantsBeyondTheLimit: the questions about them count, and nothing is frozen for
// one that may not be asked.
func TestMovedGrantsBeyondTheLimit(t *testing.T) {
	today := []exports.Grant{granted("/srv/a", "10.0.0.1", "a", "i1"), granted("/srv/a", "10.0.0.2", "a", "i2")}
	e := served(project("a", instance("i3", "10.0.0.1", "10.0.0.2")))
	e.Config.Limits = exports.Limits{MaxRemoved: 1}
	e.Config.Projects[0].Mounts = e.Config.Projects[0].Mounts[:1]
	plan, asked, _, err := ask(exports.NewSet(today), e, nil, gone)
	if err != nil || len(asked) != 1 {
		t.Fatal(ids(asked), err)
	}
	expect(t, plan)
	for place, want := range map[int]string{0: "i3", 1: "i2"} {
		if line, _ := plan.Desired.At(today[place].Place()); line.Instance.ID != want {
			t.Errorf("the line is %+v, want %s", line, want)
		}
	}
}

// TestMovedGrantsAskLast: where too few questions are left, those about lines that would go
// come before those about lines that only move.
func TestMovedGrantsAskLast(t *testing.T) {
	e := served(project("a", instance("i2", "10.0.0.1")))
	e.Config.Limits = exports.Limits{MaxRemoved: 1}
	today := exports.NewSet([]exports.Grant{
		granted("/srv/a", "10.0.0.1", "a", "moved"), granted("/srv/a", "10.0.0.2", "a", "gone"),
		granted("/srv/shared", "10.0.0.1", "a", "moved"),
	})
	_, questions, err := exports.Decide(today, e, nil)
	if diff := cmp.Diff([]string{"a/gone"}, ids(questions)); diff != "" || err != nil {
		t.Errorf("%v, questions (-want +got):\n%s", err, diff)
	}
}

// TestMovedOptions: the options of a place are those of the project that counts there, also
// while another one has the address where it does not count.
func TestMovedOptions(t *testing.T) {
	today := []exports.Grant{granted("/srv/shared", "10.0.0.1", "a", "i1")}
	e := served(project("a", instance("i1", "other=10.0.0.1")), project("b", instance("i2", "10.0.0.1")))
	e.Config.OpenStack.Networks = []string{"flat"}
	line, ok := decide(t, today, e, unproved).Desired.At(today[0].Place())
	if !ok || line.Instance.ID != "i1" || line.Options != "rw,b" {
		t.Errorf("the line is %+v", line)
	}
}
