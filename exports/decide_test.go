package exports_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

// granted is a line of today of an instance in a project of [served], with the
// options that the configuration has for it.
func granted(path, addr, name, instance string) exports.Grant {
	return exports.Grant{
		Path: path, Client: exports.ParseClient(addr), Options: "rw," + name,
		Owner: exports.Owner{ID: "id-" + name, Name: name}, Instance: exports.InstanceRef{ID: instance},
	}
}

// gone answers that an instance is gone.
func gone(exports.Question) exports.Answer {
	return exports.Answer{State: exports.Gone, Why: "404"}
}

// unproved answers nothing.
func unproved(exports.Question) exports.Answer {
	return exports.Answer{Why: "503"}
}

// found answers with instances of a region that is read, and that all others are gone.
func found(instances ...exports.Instance) func(exports.Question) exports.Answer {
	return func(q exports.Question) exports.Answer {
		for _, i := range instances {
			if i.ID == q.Instance {
				return exports.Answer{State: exports.Found, Instance: i, Read: true, Why: "200"}
			}
		}
		return gone(q)
	}
}

// ask decides until there is no question, and gives all the questions beside the plan,
// and the evidence with the answers. It is an error to ask twice, or without end.
func ask(today exports.Set, e exports.Evidence, approved *exports.Plan, answer func(exports.Question) exports.Answer) (plan exports.Plan, asked []exports.Question, after exports.Evidence, err error) {
	for {
		plan, questions, err := exports.Decide(today, e, approved)
		if err != nil || len(questions) == 0 {
			return plan, asked, e, err
		}
		answers := map[exports.Question]exports.Answer{}
		for _, q := range questions {
			if slices.Contains(asked, q) {
				return plan, asked, e, fmt.Errorf("asked twice: %v", q)
			}
			asked = append(asked, q)
			answers[q] = answer(q)
		}
		e = e.Answer(answers)
	}
}

// decide is the plan that ask gives.
func decide(t testing.TB, today []exports.Grant, e exports.Evidence, answer func(exports.Question) exports.Answer) exports.Plan {
	t.Helper()
	plan, _, _, err := ask(exports.NewSet(today), e, nil, answer)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// told is a plan in short: what comes (+), goes (-), changes (~) and is frozen (=). Of a
// frozen place the line ends with what an approval does there.
func told(p exports.Plan) []string {
	var lines []string
	for _, g := range p.Added {
		lines = append(lines, fmt.Sprintf("+ %s %s %s %s", g.Path, g.Client, g.Owner, g.Instance.ID))
	}
	for _, r := range p.Removed {
		lines = append(lines, fmt.Sprintf("- %s %s %s", r.Path, r.Client, r.Reason))
	}
	for _, c := range p.Changed {
		lines = append(lines, fmt.Sprintf("~ %s %s %s %s", c.New.Path, c.New.Client, c.Old.Options, c.New.Options))
	}
	for _, f := range p.Frozen {
		held := ""
		switch {
		case !f.Held:
		case f.Today == nil:
			held = " +"
		case f.Then == nil:
			held = " -"
		default:
			held = " ~"
		}
		lines = append(lines, fmt.Sprintf("= %s %s %s%s", f.Path, f.Client, f.Reason, held))
	}
	if p.Refused != nil {
		lines = append(lines, fmt.Sprintf("refused: %d of %d, limit %d", p.Refused.Removed, p.Refused.Current, p.Refused.Limit))
	}
	return lines
}

// expect compares a plan with what told gives.
func expect(t testing.TB, plan exports.Plan, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, told(plan), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestDecideClaimedTwice: an address of two projects is frozen where it is granted or
// would be, and nothing else is.
func TestDecideClaimedTwice(t *testing.T) {
	a, b := project("a", instance("i1", "10.0.0.1", "10.0.0.3")), project("b", instance("i2", "10.0.0.1"))
	tests := []struct {
		name  string
		e     func() exports.Evidence
		today []exports.Grant
		want  []string
	}{
		{"nothing today", func() exports.Evidence { return served(a, b) }, nil, []string{
			"+ /srv/a 10.0.0.3 a i1",
			"+ /srv/shared 10.0.0.3 a i1",
			"= /srv/a 10.0.0.1 claimed-twice +",
			"= /srv/b 10.0.0.1 claimed-twice +",
			"= /srv/shared 10.0.0.1 claimed-twice +",
		}},
		{"one of both has its grants", func() exports.Evidence { return served(a, b) }, []exports.Grant{
			granted("/srv/b", "10.0.0.1", "b", "i2"), granted("/srv/shared", "10.0.0.1", "b", "i2"),
			granted("/srv/b", "10.0.0.9", "b", "i9"), granted("/srv/a", "10.0.0.3", "a", "i1"),
		}, []string{
			"+ /srv/shared 10.0.0.3 a i1",
			"- /srv/b 10.0.0.9 instance-gone",
			"= /srv/a 10.0.0.1 claimed-twice +",
			"= /srv/b 10.0.0.1 claimed-twice",
			"= /srv/shared 10.0.0.1 claimed-twice",
		}},
		{"three projects", func() exports.Evidence { return served(a, b, project("c", instance("i3", "10.0.0.1"))) }, nil, []string{
			"+ /srv/a 10.0.0.3 a i1",
			"+ /srv/shared 10.0.0.3 a i1",
			"= /srv/a 10.0.0.1 claimed-twice +",
			"= /srv/b 10.0.0.1 claimed-twice +",
			"= /srv/c 10.0.0.1 claimed-twice +",
			"= /srv/shared 10.0.0.1 claimed-twice +",
		}},
		{"in the form of IPv6", func() exports.Evidence {
			return served(project("a", instance("i1", "::ffff:10.0.0.1")), b)
		}, nil, []string{
			"= /srv/a 10.0.0.1 claimed-twice +",
			"= /srv/b 10.0.0.1 claimed-twice +",
			"= /srv/shared 10.0.0.1 claimed-twice +",
		}},
		{"in different networks", func() exports.Evidence {
			return served(project("a", instance("i1", "tenant-a=10.0.0.1")), project("b", instance("i2", "tenant-b=10.0.0.1")))
		}, nil, []string{
			"= /srv/a 10.0.0.1 claimed-twice +",
			"= /srv/b 10.0.0.1 claimed-twice +",
			"= /srv/shared 10.0.0.1 claimed-twice +",
		}},
		{"a public line has the shared place", func() exports.Evidence {
			e := served(a, b)
			e.Config.Public = []exports.PublicLine{{Name: "x", Path: "/srv/shared", Client: exports.ParseClient("10.0.0.1"), Options: "ro"}}
			return e
		}, nil, []string{
			"+ /srv/a 10.0.0.3 a i1",
			"+ /srv/shared 10.0.0.1 x ",
			"+ /srv/shared 10.0.0.3 a i1",
			"= /srv/a 10.0.0.1 claimed-twice +",
			"= /srv/b 10.0.0.1 claimed-twice +",
		}},
		{"the line's own instance is gone, so the other project gets its grant", func() exports.Evidence {
			return served(project("a", instance("i4", "10.0.0.4")), b)
		}, []exports.Grant{granted("/srv/a", "10.0.0.1", "a", "i1"), granted("/srv/a", "10.0.0.4", "a", "i4")}, []string{
			"+ /srv/b 10.0.0.1 b i2",
			"+ /srv/shared 10.0.0.1 b i2",
			"+ /srv/shared 10.0.0.4 a i4",
			"- /srv/a 10.0.0.1 address-reassigned",
		}},
		{"an instance that is deleted claims nothing", func() exports.Evidence {
			deleted := instance("i2", "10.0.0.1")
			deleted.Status = "DELETED"
			return served(project("a", instance("i1", "10.0.0.1")), project("b", deleted))
		}, nil, []string{"+ /srv/a 10.0.0.1 a i1", "+ /srv/shared 10.0.0.1 a i1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := tt.e()
			for range 2 {
				expect(t, decide(t, tt.today, e, gone), tt.want...)
				slices.Reverse(e.Config.Projects) // whose order must not matter
			}
		})
	}
}

// TestDecideClaimedTwiceKeepsTheLine: the line goes on naming its own project and
// instance, and follows the options of that project.
func TestDecideClaimedTwiceKeepsTheLine(t *testing.T) {
	for _, owner := range []string{"a", "b"} {
		e := served(project("a", instance("i-of-a", "10.0.0.1")), project("b", instance("i-of-b", "10.0.0.1")))
		old := granted("/srv/shared", "10.0.0.1", owner, "i-of-"+owner)
		old.Options, old.Owner.Name = "before", "name before"
		plan := decide(t, []exports.Grant{old}, e, gone)
		got, _ := plan.Desired.At(old.Place())
		want := granted("/srv/shared", "10.0.0.1", owner, "i-of-"+owner)
		got.Instance.Name = ""
		if diff := cmp.Diff(want, got, byValue); diff != "" {
			t.Errorf("the line of %s (-want +got):\n%s", owner, diff)
		}
		if f := plan.Frozen[len(plan.Frozen)-1]; f.Project.ID != "id-"+owner || f.Instance.ID != "i-of-"+owner {
			t.Errorf("frozen is %+v", f)
		}
	}
	t.Run("a line of version 1 gets its instance", func(t *testing.T) {
		e := served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1")))
		plan := decide(t, []exports.Grant{granted("/srv/shared", "10.0.0.1", "b", "")}, e, gone)
		if got, _ := plan.Desired.At(granted("/srv/shared", "10.0.0.1", "b", "").Place()); got.Instance.ID != "i2" || got.Owner.ID != "id-b" {
			t.Errorf("the line is %+v", got)
		}
	})
}

// TestFrozenLineFollows: a frozen line has the options of the key that means its project,
// and the names that Keystone has for that project, and no others.
func TestFrozenLineFollows(t *testing.T) {
	const addr = "10.0.0.1"
	replaced := served(project("a"))
	replaced.Inventory.IDs = map[string]exports.Project{"id-before": {Sight: exports.Shown, ID: "id-before", Name: "b", Enabled: true}}
	renamed := served(project("a"))
	renamed.Config.Projects[0].Key = "id-a"
	renamed.Inventory.Projects = map[string]exports.Project{"id-a": {Sight: exports.Shown, ID: "id-a", Name: "new", Enabled: true}}
	for _, test := range []struct {
		name  string
		e     exports.Evidence
		owner exports.Owner
		want  exports.Owner
		opts  string
	}{
		{"its key", served(project("a")), exports.Owner{ID: "id-a", Name: "a"}, exports.Owner{ID: "id-a", Name: "a"}, "rw,a"},
		{"its project has a new name", renamed, exports.Owner{ID: "id-a", Name: "a"}, exports.Owner{ID: "id-a", Name: "new"}, "rw,a"},
		{"its key means another project", replaced, exports.Owner{ID: "id-before", Name: "a"}, exports.Owner{ID: "id-before", Name: "b"}, "before"},
		{"adopted", served(project("a")), exports.Owner{Name: "a"}, exports.Owner{Name: "a"}, "rw,a"},
	} {
		old := granted("/srv/a", addr, "a", "i1")
		old.Options, old.Owner = "before", test.owner
		plan := decide(t, []exports.Grant{old}, test.e, unproved)
		got, ok := plan.Desired.At(old.Place())
		if !ok || got.Owner != test.want || got.Options != test.opts || len(plan.Frozen) != 1 {
			t.Errorf("%s: the line is %+v, frozen %+v", test.name, got, plan.Frozen)
		}
	}
}

func TestDecideClaimedTwiceNames(t *testing.T) {
	plan := decide(t, nil, served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1"))), gone)
	want := `it is an address of instance "name of i1" (i1) of project "a" (id-a) in region east and of instance "name of i2" (i2) of project "b" (id-b) in region east`
	for _, f := range plan.Frozen {
		if f.Why != want {
			t.Errorf("%s: why is %q, want %q", f.Path, f.Why, want)
		}
	}
	for _, name := range hostile {
		p := project("tools", instance(name, "10.0.0.1"))
		p.Name, p.ID, p.Instances[0].Name, p.Instances[0].Region = name, name, name, name
		for _, f := range decide(t, nil, served(p, project("b", instance("i2", "10.0.0.1"))), gone).Frozen {
			clean(t, "claimed-twice", f.Why, 1)
		}
	}
}

func TestDecideNotClaimedTwice(t *testing.T) {
	tests := []struct {
		name string
		e    func() exports.Evidence
	}{
		{"two instances of one project", func() exports.Evidence {
			return served(project("a", instance("i1", "10.0.0.1"), instance("i2", "10.0.0.1")))
		}},
		{"one project under its id and its name", func() exports.Evidence {
			p := project("a", instance("i1", "10.0.0.1"))
			e := served(p, p)
			e.Config.Projects[1].Key = "id-a"
			e.Inventory.Projects["id-a"] = p
			return e
		}},
		{"narrowed to one network", func() exports.Evidence {
			e := served(project("a", instance("i1", "flat=10.0.0.1")), project("b", instance("i2", "tenant-b=10.0.0.1")))
			e.Config.OpenStack.Networks = []string{"flat"}
			return e
		}},
		{"one of both is not served here", func() exports.Evidence {
			e := served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1")))
			e.Config.Projects[1].Mounts = e.Config.Projects[1].Mounts[2:]
			return e
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, decide(t, nil, tt.e(), gone), "+ /srv/a 10.0.0.1 a i1", "+ /srv/shared 10.0.0.1 a i1")
		})
	}
}

// TestDecideUnequalKeys: two keys that are one project and differ in their options
// leave no plan.
func TestDecideUnequalKeys(t *testing.T) {
	p := project("a", instance("i1", "10.0.0.1"))
	e := served(p, p)
	e.Config.Projects[1].Key, e.Config.Projects[1].Options, e.Config.Projects[1].Line = "id-a", "ro", 9
	e.Inventory.Projects["id-a"] = p
	_, questions, err := exports.Decide(exports.Set{}, e, nil)
	if unequal, ok := err.(*exports.UnequalKeysError); !ok || unequal.First.Key != "a" || unequal.Second.Key != "id-a" || len(questions) > 0 {
		t.Fatalf("got %v, want an UnequalKeysError", err)
	}
	want := `keys "a" (line 0) and "id-a" (line 9) of the configuration are the same project, with the options rw,a and ro; nothing was changed: give both the same options, or take one out`
	if err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	e.Inventory.Projects["id-a"] = exports.Project{Sight: exports.Hidden}
	if _, _, err := exports.Decide(exports.Set{}, e, nil); err != nil {
		t.Errorf("Keystone does not show one of them: %v", err)
	}
}

func TestDecideListsInFileOrder(t *testing.T) {
	e, _ := cell(t, "key is a name", "yes", "shown", "another", "here", "gone")
	// Desired: /srv/home and /srv/other for 10.0.0.1 of tools, /srv/neighbour for
	// 10.0.0.2 of neighbour.
	tools := exports.Owner{ID: "id-tools", Name: "tools"}
	grant := func(path, addr, options, instance string) exports.Grant {
		return exports.Grant{Path: path, Client: exports.ParseClient(addr), Options: options, Owner: tools, Instance: exports.InstanceRef{ID: instance}}
	}
	today := exports.NewSet([]exports.Grant{
		grant("/srv/z", "10.0.0.1", "rw", "i1"),
		grant(home, "10.0.0.10", "rw", "own"),
		grant(home, "10.0.0.9", "rw", "own"),
		grant(home, "10.0.0.11", "ro", ""),
		grant(home, "10.0.0.1", "ro", "i1"),
		grant(other, "10.0.0.1", "rw", ""),
	})
	plan := mustDecide(t, today, e)
	if got, want := plan.Today.Len(), 6; got != want {
		t.Errorf("the plan has %d grants of today, want %d", got, want)
	}
	want := []string{
		"+ /srv/neighbour 10.0.0.2 rw neighbour n1",
		"- /srv/home 10.0.0.9 instance-gone",
		"- /srv/home 10.0.0.10 instance-gone",
		"- /srv/z 10.0.0.1 not-in-config",
		"~ /srv/home 10.0.0.1 ro rw",
		"~ /srv/home 10.0.0.11 ro rw",
		"= /srv/home 10.0.0.11 unproved",
	}
	var got []string
	for _, g := range plan.Added {
		got = append(got, fmt.Sprintf("+ %s %s %s %s %s", g.Path, g.Client, g.Options, g.Owner, g.Instance.ID))
	}
	for _, r := range plan.Removed {
		got = append(got, fmt.Sprintf("- %s %s %s", r.Path, r.Client, r.Reason))
	}
	for _, c := range plan.Changed {
		got = append(got, fmt.Sprintf("~ %s %s %s %s", c.New.Path, c.New.Client, c.Old.Options, c.New.Options))
	}
	for _, f := range plan.Frozen {
		got = append(got, fmt.Sprintf("= %s %s %s", f.Path, f.Client, f.Reason))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	var then []string
	for _, g := range plan.Desired.Grants() {
		then = append(then, fmt.Sprintf("%s %s %s %s", g.Path, g.Client, g.Options, g.Instance.ID))
	}
	wantThen := []string{"/srv/home 10.0.0.1 rw i1", "/srv/home 10.0.0.11 rw ", "/srv/neighbour 10.0.0.2 rw n1", "/srv/other 10.0.0.1 rw i1"}
	if diff := cmp.Diff(wantThen, then); diff != "" {
		t.Errorf("the file then (-want +got):\n%s", diff)
	}
}

func TestDecideOfNothing(t *testing.T) {
	plan, err := decided(exports.Set{}, exports.Evidence{Config: &exports.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Added)+len(plan.Removed)+len(plan.Changed)+len(plan.Warnings) != 0 {
		t.Errorf("a plan out of nothing: %+v", plan)
	}
}
