package exports_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

// ids are questions as the tests below write them: "a/i1" is instance i1 of project a.
func ids(questions []exports.Question) []string {
	var short []string
	for _, q := range questions {
		short = append(short, q.Project[len("id-"):]+"/"+q.Instance)
	}
	return short
}

// first gives the questions of the first call.
func first(t *testing.T, today []exports.Grant, e exports.Evidence, approved *exports.Plan) []string {
	t.Helper()
	plan, questions, err := exports.Decide(exports.NewSet(today), e, approved)
	if err != nil {
		t.Fatal(err)
	}
	if len(questions) > 0 {
		if diff := cmp.Diff(exports.Plan{}, plan, byValue, cmp.AllowUnexported(exports.Set{})); diff != "" {
			t.Errorf("there is a plan beside the questions:\n%s", diff)
		}
	}
	return ids(questions)
}

// TestDecideAsks: what a listing lacks is asked for, and nothing else.
func TestDecideAsks(t *testing.T) {
	deleted := instance("i4", "10.0.0.4")
	deleted.Status = "DELETED"
	e := func() exports.Evidence {
		e := served(
			project("b", instance("i1", "10.0.0.1"), instance("i2"), instance("i3", "10.0.0.33"), deleted),
			project("a"),
			exports.Project{Sight: exports.Absent, Name: "absent", Why: "404"},
			exports.Project{Sight: exports.Shown, ID: "id-disabled", Name: "disabled"},
		)
		e.Inventory.IDs = map[string]exports.Project{"id-absent": {Sight: exports.Absent, Why: "404"}, "id-other": project("other")}
		return e
	}
	adopted := granted("/srv/a", "10.0.0.20", "a", "i7")
	adopted.Owner.ID = ""
	line := func(path, addr, name, instance string) []exports.Grant {
		return []exports.Grant{granted(path, addr, name, instance)}
	}
	tests := []struct {
		name  string
		today []exports.Grant
		want  []string
	}{
		{"listed with the address", line("/srv/b", "10.0.0.1", "b", "i1"), nil},
		{"listed without any address", line("/srv/b", "10.0.0.2", "b", "i2"), nil},
		{"listed with another address", line("/srv/b", "10.0.0.3", "b", "i3"), nil},
		{"listed as deleted", line("/srv/b", "10.0.0.4", "b", "i4"), []string{"b/i4"}},
		{"not listed", line("/srv/b", "10.0.0.5", "b", "i5"), []string{"b/i5"}},
		{"not listed, and a list of another project has the id", line("/srv/a", "10.0.0.1", "a", "i1"), []string{"a/i1"}},
		{"a line without an instance", line("/srv/b", "10.0.0.6", "b", ""), nil},
		{"an adopted line with an instance", []exports.Grant{adopted}, []string{"a/i7"}},
		{"a mount that is not in the configuration", line("/srv/none", "10.0.0.5", "b", "i5"), nil},
		{"a project that is not there", line("/srv/absent", "10.0.0.5", "absent", "i5"), nil},
		{"a project that is disabled", line("/srv/disabled", "10.0.0.5", "disabled", "i5"), nil},
		{"a project that is not in the configuration", line("/srv/other", "10.0.0.5", "other", "i5"), nil},
		{"an address of this server", line("/srv/b", "192.0.2.1", "b", "i5"), nil},
		{"a host that is elsewhere", line("/srv/far", "10.0.0.5", "b", "i5"), nil},
		{"a host that is not resolved", line("/srv/lost", "10.0.0.5", "b", "i5"), []string{"b/i5"}},
		{"a public line", []exports.Grant{{Path: "/srv/b", Client: exports.ParseClient("10.0.0.5"), Options: "ro", Owner: exports.Owner{Public: "x"}}}, nil},
		{"in the order of the file, each once", []exports.Grant{
			granted("/srv/shared", "10.0.0.7", "b", "i7"), granted("/srv/shared", "10.0.0.9", "a", "i9"),
			granted("/srv/b", "10.0.0.7", "b", "i7"), granted("/srv/a", "10.0.0.9", "a", "i8"),
			granted("/srv/b", "10.0.0.1", "b", "i1"), granted("/srv/b", "10.0.0.33", "b", "i3"), // which stay, so that it is not more than half
			granted("/srv/shared", "10.0.0.1", "b", "i1"), granted("/srv/shared", "10.0.0.33", "b", "i3"),
		}, []string{"a/i8", "b/i7", "a/i9"}},
		{"what a doubt depends on comes first", []exports.Grant{
			granted("/srv/b", "10.0.0.7", "b", "i7"), granted("/srv/lost", "10.0.0.8", "a", "i8"), granted("/srv/lost", "10.0.0.9", "b", "i9"),
		}, []string{"a/i8", "b/i9"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, first(t, tt.today, e(), nil), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("questions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDecideAsksForDoubtsFirst: an instance that is gone ends a doubt, and only then the
// others are asked for.
func TestDecideAsksForDoubtsFirst(t *testing.T) {
	today := []exports.Grant{granted("/srv/a", "10.0.0.1", "a", "i1"), granted("/srv/lost", "10.0.0.2", "a", "i2"), granted("/srv/a", "10.0.0.3", "a", "i3")}
	e := served(project("a", instance("i3", "10.0.0.3")))
	plan, asked, _, err := ask(exports.NewSet(today), e, nil, gone)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a/i2", "a/i1"}, ids(asked)); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	expect(t, plan, "+ /srv/shared 10.0.0.3 a i3", "- /srv/a 10.0.0.1 instance-gone", "- /srv/lost 10.0.0.2 instance-gone")
	_, asked, _, err = ask(exports.NewSet(today), e, nil, unproved)
	if unclear, ok := err.(*exports.UnclearError); !ok || len(unclear.Grants) != 1 || unclear.Doubt() != exports.HostUnresolved || len(asked) != 1 {
		t.Errorf("got %v after %v, want one doubt after one question", err, ids(asked))
	}
}

// TestDecideAsksForDoubtsFirstOfAll: neither an earlier line for which the same instance is
// asked, nor the limit, keeps a doubt from being asked about. Else a tenant who claims the
// address of that line ends the run.
func TestDecideAsksForDoubtsFirstOfAll(t *testing.T) {
	today := []exports.Grant{
		granted("/srv/a", "10.0.0.1", "a", "i1"), granted("/srv/a", "10.0.0.2", "a", "i2"),
		granted("/srv/lost", "10.0.0.2", "a", "i2"), granted("/srv/a", "10.0.0.3", "a", "i3"), granted("/srv/shared", "10.0.0.3", "a", "i3"),
	}
	e := served(project("a", instance("i3", "10.0.0.3")))
	e.Config.Limits = exports.Limits{MaxRemoved: 1}
	if diff := cmp.Diff([]string{"a/i2"}, first(t, today, e, nil)); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	e.Config.Limits = exports.Limits{MaxRemoved: 3}
	expect(t, decide(t, today, e, gone), "- /srv/a 10.0.0.1 instance-gone", "- /srv/a 10.0.0.2 instance-gone", "- /srv/lost 10.0.0.2 instance-gone")
}

// TestDecideAsksNoMore than the limit for each project, over all calls, unless that is
// approved.
func TestDecideAsksNoMore(t *testing.T) {
	var today []exports.Grant
	for i := range 7 {
		today = append(today,
			granted("/srv/a", townAddr(1, i), "a", fmt.Sprint("i", i)),
			granted("/srv/b", townAddr(2, i), "b", fmt.Sprint("i", i/2)),
			granted("/srv/lost", townAddr(3, i), "c", fmt.Sprint("i", i)))
	}
	var steady []exports.Instance
	for i := range 50 {
		steady = append(steady, instance(fmt.Sprint("s", i), townAddr(4, i)))
		today = append(today, granted("/srv/s", townAddr(4, i), "s", fmt.Sprint("s", i)))
	}
	e := served(project("a"), project("b"), project("c"), project("s", steady...))
	e.Config.Limits = exports.Limits{MaxRemoved: 5}
	withoutDoubt := slices.DeleteFunc(slices.Clone(today), func(g exports.Grant) bool { return g.Path == "/srv/lost" })

	if diff := cmp.Diff([]string{"c/i0", "c/i1", "c/i2", "c/i3", "c/i4"}, first(t, today, e, nil)); diff != "" {
		t.Errorf("questions of a doubt (-want +got):\n%s", diff)
	}
	// Those beyond the limit stay in doubt.
	if _, asked, _, err := ask(exports.NewSet(today), e, nil, gone); err == nil || len(asked) != 5 {
		t.Errorf("asked %v, %v", ids(asked), err)
	}
	want := []string{"a/i0", "a/i1", "a/i2", "a/i3", "a/i4", "b/i0", "b/i1", "b/i2", "b/i3"}
	if diff := cmp.Diff(want, first(t, withoutDoubt, e, nil)); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	// Answers of an earlier call count, also those that are of no line.
	answered := e.Answer(map[exports.Question]exports.Answer{{Project: "id-a", Instance: "i2"}: {}, {Project: "id-a", Instance: "elsewhere"}: {}, {Project: "id-s", Instance: "i0"}: {}})
	want = []string{"a/i0", "a/i1", "a/i3", "b/i0", "b/i1", "b/i2", "b/i3"}
	if diff := cmp.Diff(want, first(t, withoutDoubt, answered, nil)); diff != "" {
		t.Errorf("questions that are left (-want +got):\n%s", diff)
	}
	// Under approval those are asked too that wait for it unasked.
	plan := decide(t, withoutDoubt, e, unproved)
	if got := first(t, withoutDoubt, e, &plan); len(got) != 11 {
		t.Errorf("under approval these are asked: %v", got)
	}
	if got := first(t, withoutDoubt, e, &exports.Plan{}); len(got) != len(want)+2 {
		t.Errorf("under an approval of something else these are asked: %v", got)
	}
}

// TestAnswer does not change the evidence that it is given, and the later answer counts.
func TestAnswer(t *testing.T) {
	today := []exports.Grant{granted("/srv/a", "10.0.0.1", "a", "i1"), granted("/srv/a", "10.0.0.2", "a", "i2"), granted("/srv/a", "10.0.0.3", "a", "i3")}
	e := served(project("a", instance("i3", "10.0.0.3")))
	of := func(instance string, state exports.AnswerState) map[exports.Question]exports.Answer {
		return map[exports.Question]exports.Answer{{Project: "id-a", Instance: instance}: {State: state}}
	}
	one := e.Answer(of("i1", exports.Gone))
	two := one.Answer(of("i2", exports.Gone))
	again := two.Answer(of("i1", exports.Unproved))
	for _, tt := range []struct {
		e    exports.Evidence
		want []string
	}{
		{e, []string{"a/i1", "a/i2"}},
		{one, []string{"a/i2"}},
		{two, nil},
		{again, nil},
	} {
		if diff := cmp.Diff(tt.want, first(t, today, tt.e, nil), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("questions (-want +got):\n%s", diff)
		}
	}
	expect(t, decide(t, today, again, nil), "+ /srv/shared 10.0.0.3 a i3", "- /srv/a 10.0.0.2 instance-gone", "= /srv/a 10.0.0.1 unproved -")
	if len(e.Answers) != 0 || len(one.Answers) != 1 || len(two.Answers) != 2 {
		t.Errorf("there are %d, %d and %d answers", len(e.Answers), len(one.Answers), len(two.Answers))
	}
	given := of("i1", exports.Gone)
	kept := e.Answer(given)
	given[exports.Question{Project: "id-a", Instance: "i1"}] = exports.Answer{}
	if kept.Answers[exports.Question{Project: "id-a", Instance: "i1"}].State != exports.Gone {
		t.Error("the evidence has the caller's map")
	}
}

// TestFoundInstancesCount: one that no list had and that Nova shows by its id gets what
// the listed ones get, if its region is read.
func TestFoundInstancesCount(t *testing.T) {
	today := []exports.Grant{granted("/srv/a", "10.0.0.1", "a", "i1"), granted("/srv/a", "10.0.0.3", "a", "i3")}
	listed := instance("i3", "10.0.0.3")
	claimant := project("b", instance("i9", "10.0.0.9"))
	deleted := instance("i1", "10.0.0.1")
	deleted.Status = "DELETED"
	bare := instance("i1")
	emptyNetwork := instance("i1", "10.0.0.4")
	emptyNetwork.EmptyNetworks = []string{"storage"}
	answer := func(read bool, i exports.Instance) func(exports.Question) exports.Answer {
		return func(exports.Question) exports.Answer {
			return exports.Answer{State: exports.Found, Instance: i, Read: read, Why: "200"}
		}
	}
	tests := []struct {
		name   string
		answer func(exports.Question) exports.Answer
		want   []string
	}{
		{"with the address and another", answer(true, instance("i1", "10.0.0.1", "10.0.0.2")), []string{
			"+ /srv/a 10.0.0.2 a i1", "+ /srv/shared 10.0.0.1 a i1", "+ /srv/shared 10.0.0.2 a i1", "+ /srv/shared 10.0.0.3 a i3",
		}},
		{"without the address", answer(true, instance("i1", "10.0.0.2")), []string{
			"+ /srv/a 10.0.0.2 a i1", "+ /srv/shared 10.0.0.2 a i1", "+ /srv/shared 10.0.0.3 a i3", "- /srv/a 10.0.0.1 address-released",
		}},
		{"without any address", answer(true, bare), []string{"+ /srv/shared 10.0.0.3 a i3", "= /srv/a 10.0.0.1 address-unknown -"}},
		{"with an empty network", answer(true, emptyNetwork), []string{
			"+ /srv/a 10.0.0.4 a i1", "+ /srv/shared 10.0.0.3 a i3", "+ /srv/shared 10.0.0.4 a i1", "= /srv/a 10.0.0.1 address-unknown -",
		}},
		{"in a region that is not read, with the address", answer(false, instance("i1", "10.0.0.1", "10.0.0.2")), []string{
			"+ /srv/shared 10.0.0.3 a i3", "= /srv/a 10.0.0.1 looks-like-a-mistake -",
		}},
		{"in a region that is not read, without the address", answer(false, instance("i1", "10.0.0.2")), []string{
			"+ /srv/shared 10.0.0.3 a i3", "- /srv/a 10.0.0.1 address-released",
		}},
		{"in a region that is not read, without any address", answer(false, bare), []string{
			"+ /srv/shared 10.0.0.3 a i3", "= /srv/a 10.0.0.1 address-unknown -",
		}},
		{"with the address of another project", answer(true, instance("i1", "10.0.0.9")), []string{
			"+ /srv/shared 10.0.0.3 a i3", "- /srv/a 10.0.0.1 address-released",
			"= /srv/a 10.0.0.9 claimed-twice +", "= /srv/b 10.0.0.9 claimed-twice +", "= /srv/shared 10.0.0.9 claimed-twice +",
		}},
	}
	for _, tt := range tests {
		for _, list := range [][]exports.Instance{{listed}, {listed, deleted}, {deleted, listed}} {
			t.Run(fmt.Sprintf("%s, of %d that are listed", tt.name, len(list)), func(t *testing.T) {
				projects := []exports.Project{project("a", slices.Clip(slices.Clone(list))...), claimant}
				e := served(projects...)
				var want []string
				if claimed := slices.Contains(tt.want, "= /srv/b 10.0.0.9 claimed-twice +"); !claimed {
					want = []string{"+ /srv/b 10.0.0.9 b i9", "+ /srv/shared 10.0.0.9 b i9"}
				}
				want = append(want, tt.want...)
				slices.Sort(want)
				before := maps.Clone(e.Inventory.Projects)
				got := told(decide(t, today, e, tt.answer))
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("plan (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(before, e.Inventory.Projects, byValue); diff != "" {
					t.Errorf("the inventory was changed:\n%s", diff)
				}
			})
		}
	}
}

// TestFoundInstancesHaveNoOrder: answers are a map, and one address can be on two of them.
func TestFoundInstancesHaveNoOrder(t *testing.T) {
	var today []exports.Grant
	for i := range 8 {
		today = append(today, granted("/srv/a", townAddr(1, i), "a", fmt.Sprint("i", i)))
	}
	e := served(project("a"))
	var want []string
	for range 20 {
		plan := decide(t, today, e, func(q exports.Question) exports.Answer {
			return exports.Answer{State: exports.Found, Read: true, Instance: instance(q.Instance, "10.0.0.1", townAddr(1, int(q.Instance[1]-'0')))}
		})
		got := append(told(plan), described(plan.Desired)...)
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("the answers gave another plan:\n%s", diff)
		}
	}
}

// TestDecideOneAnswerAtATime gives the plan that all answers at once give.
func TestDecideOneAnswerAtATime(t *testing.T) {
	w := &town{}
	w.project(20, 1, 12, 1)
	w.project(20, 0, 3, 0)
	e := w.evidence()
	today := exports.NewSet(w.today)
	answer := func(q exports.Question) exports.Answer {
		switch q.Instance[len(q.Instance)-1] {
		case '1', '2':
			return unproved(q)
		case '3':
			return exports.Answer{State: exports.Found, Read: true, Instance: instance(q.Instance, "10.8.0.1")}
		}
		return gone(q)
	}
	want, asked, _, err := ask(today, e, nil, answer)
	if err != nil {
		t.Fatal(err)
	}
	for _, pick := range []func([]exports.Question) exports.Question{
		func(q []exports.Question) exports.Question { return q[0] },
		func(q []exports.Question) exports.Question { return q[len(q)-1] },
	} {
		slow := e
		for range asked {
			_, questions, err := exports.Decide(today, slow, nil)
			if err != nil || len(questions) == 0 {
				t.Fatalf("%v, %v", questions, err)
			}
			q := pick(questions)
			slow = slow.Answer(map[exports.Question]exports.Answer{q: answer(q)})
		}
		got, questions, err := exports.Decide(today, slow, nil)
		if err != nil || len(questions) > 0 {
			t.Fatalf("%v, %v", questions, err)
		}
		if diff := cmp.Diff(append(told(want), described(want.Desired)...), append(told(got), described(got.Desired)...)); diff != "" {
			t.Errorf("one by one (-at once +one by one):\n%s", diff)
		}
	}
}
