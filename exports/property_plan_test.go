package exports_test

import (
	"errors"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nfs-exportd/exports"
)

// TestPlanApplied: carrying out a plan leads from today's grants to those that it wants,
// and does nothing else. From there, there is nothing left to do.
func TestPlanApplied(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		w.config.Limits.MaxRemoved = pick(t, "limit", []int{1000, 1000, 0, 1, 2})
		v := drawView(t, w)
		plan, e, err := w.decide(v, w.today)
		if err != nil {
			t.Skip("in doubt")
		}
		checkPlan(t, plan, exports.NewSet(w.today))
		after := *w
		after.today = plan.Desired.Grants()
		if slices.ContainsFunc(plan.Frozen, func(f exports.Frozen) bool { return f.Reason == exports.LooksLikeAMistake }) {
			return // it can look otherwise once the other project has grants
		}
		e.Inventory.IDs = after.evidence(v, plan.Desired).Inventory.IDs
		again, _, _, err := ask(plan.Desired, e, nil, w.answers(v))
		if err != nil || len(again.Added)+len(again.Removed)+len(again.Changed) > 0 {
			if plan.Refused == nil && w.config.Limits.MaxRemoved == 1000 {
				t.Errorf("the first plan is %q, the second plan is %q, %v", told(plan), told(again), err)
			}
		}
	})
}

// checkPlan checks that the parts of a plan fit together.
func checkPlan(t *rapid.T, plan exports.Plan, today exports.Set) {
	state := map[exports.Place]string{}
	for _, g := range today.Grants() {
		state[g.Place()] = g.Options
	}
	ordered := func(what string, grants []exports.Grant) {
		if diff := gocmp.Diff(exports.NewSet(grants).Grants(), grants, byValue); diff != "" {
			t.Errorf("%s is not in the order of the file:\n%s", what, diff)
		}
	}
	var removed, changed, frozen []exports.Grant
	touched := map[exports.Place]bool{}
	for _, r := range plan.Removed {
		if old, ok := today.At(r.Place()); !ok || old != r.Grant {
			t.Errorf("%+v goes and is not there", r.Grant)
		}
		delete(state, r.Place())
		removed = append(removed, r.Grant)
		touched[r.Place()] = true
	}
	for _, c := range plan.Changed {
		if old, ok := state[c.New.Place()]; !ok || old != c.Old.Options || c.Old.Place() != c.New.Place() || old == c.New.Options {
			t.Errorf("%+v is no change of what there is", c)
		}
		state[c.New.Place()] = c.New.Options
		changed = append(changed, c.New)
	}
	for _, g := range plan.Added {
		if _, ok := state[g.Place()]; ok {
			t.Errorf("%+v comes and is there", g)
		}
		state[g.Place()] = g.Options
		touched[g.Place()] = true
	}
	for _, f := range plan.Frozen {
		old, ok := today.At(f.Place)
		line, stays := plan.Desired.At(f.Place)
		// An addition can wait where a line goes for a reason of its own.
		behind := slices.ContainsFunc(plan.Removed, func(r exports.Removal) bool { return r.Place() == f.Place })
		ok = ok && !behind
		if ok != (f.Today != nil) || ok && *f.Today != old || ok != stays || touched[f.Place] && !behind || f.Why == "" {
			t.Errorf("%+v is frozen; today: %+v, then: %+v", f, old, line)
		}
		if stays && (f.Reason == exports.OverShare || f.Reason == exports.OverLimit) && line.Options != old.Options {
			t.Errorf("%+v changes from %+v to %+v", f, old, line)
		}
		frozen = append(frozen, exports.Grant{Path: f.Path, Client: f.Client})
	}
	ordered("Added", plan.Added)
	ordered("Removed", removed)
	ordered("Changed", changed)
	ordered("Frozen", frozen)
	want := map[exports.Place]string{}
	for _, g := range plan.Desired.Grants() {
		want[g.Place()] = g.Options
	}
	if diff := gocmp.Diff(want, state, byValue); diff != "" {
		t.Errorf("applied (-desired +got):\n%s", diff)
	}
	ordered("Desired", plan.Desired.Grants())
}

// TestLimitsHold: without approval no project loses or changes more than the limit, and
// all together do not either, and what comes is the same as without a limit.
func TestLimitsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		v := drawView(t, w)
		free, _, err := w.decide(v, w.today)
		if err != nil {
			t.Skip("in doubt")
		}
		limit := pick(t, "limit", []int{0, 1, 2, 3, 5})
		w.config.Limits.MaxRemoved = limit
		plan, e, err := w.decide(v, w.today)
		var unclear *exports.UnclearError
		if errors.As(err, &unclear) {
			return // a doubt that an answer would have ended
		}
		if err != nil {
			t.Fatal(err)
		}
		n, asked := map[string]int{}, map[string]int{}
		for _, r := range plan.Removed {
			n[r.Owner.ID+"/"+r.Owner.Public]++
		}
		for _, c := range plan.Changed {
			n[c.Old.Owner.ID+"/"+c.Old.Owner.Public]++
		}
		for q := range e.Answers {
			if asked[q.Project]++; asked[q.Project] > limit {
				t.Errorf("%d instances of %s were asked for, limit %d", asked[q.Project], q.Project, limit)
			}
		}
		if plan.Refused != nil || free.Refused != nil {
			return
		}
		if total := len(plan.Removed) + len(plan.Changed); total > limit {
			t.Errorf("%d grants go or change, limit %d: %v", total, limit, n)
		}
		// An instance that is found only by its id gets its grants only if it is asked for.
		for _, g := range plan.Added {
			if !slices.ContainsFunc(free.Added, func(f exports.Grant) bool { return f.Place() == g.Place() }) && !slices.ContainsFunc(free.Frozen, func(f exports.Frozen) bool { return f.Place == g.Place() }) {
				t.Errorf("%+v comes under the limit alone", g)
			}
		}
		if len(v.missing) == 0 {
			waits := slips(plan) // for a line whose instance may not be asked for
			comes := slices.DeleteFunc(slices.Clone(free.Added), func(g exports.Grant) bool { return waits[g.Place()] })
			if diff := gocmp.Diff(comes, plan.Added, byValue); diff != "" {
				t.Errorf("additions (-free +limited):\n%s", diff)
			}
		}
	})
}

// TestApprovalCarriesOut: under approval, what stays frozen is only what was not asked for
// before and is not proved, and what is removed in the name of a person was held.
func TestApprovalCarriesOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		w.config.Limits.MaxRemoved = pick(t, "limit", []int{0, 1, 2, 1000})
		v := drawView(t, w)
		before, e, err := w.decide(v, w.today)
		if err != nil {
			t.Skip("in doubt")
		}
		after, _, _, err := ask(exports.NewSet(w.today), e, &before, w.answers(v))
		if err != nil {
			t.Fatal(err)
		}
		checkPlan(t, after, exports.NewSet(w.today))
		held := map[exports.Place]exports.Frozen{}
		for _, f := range before.Frozen {
			if f.Held {
				held[f.Place] = f
			}
		}
		if after.Refused != nil {
			t.Errorf("an approved plan is refused: %+v", after.Refused)
		}
		for _, r := range after.Removed {
			_, ok := held[r.Place()]
			if r.Reason == exports.Approved && !ok {
				t.Errorf("%+v is removed as approved, and was not held", r)
			}
		}
		for _, f := range after.Frozen {
			of := f.Project.ID
			if p, ok := w.owner(exports.Grant{Owner: f.Project}); ok {
				of = p.id
			}
			_, asked := e.Answers[exports.Question{Project: of, Instance: f.Instance.ID}]
			if f.Held && (asked || before.Refused == nil && held[f.Place].Reason != exports.OverShare) {
				t.Errorf("%s %s is still frozen as %s, before as %s", f.Path, f.Client, f.Reason, held[f.Place].Reason)
			}
		}
	})
}

// TestQuestions: with questions there is neither a plan nor an error; nobody is asked
// twice; which answers come first does not matter.
func TestQuestions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{twoKeys: chance(t, "two keys", 30)})
		w.config.Limits.MaxRemoved = pick(t, "limit", []int{0, 1, 2, 1000})
		v := drawView(t, w)
		today := exports.NewSet(w.today)
		want, _, wantErr := w.decide(v, w.today)
		e := w.evidence(v, today)
		for {
			plan, questions, err := exports.Decide(today, e, nil)
			if len(questions) == 0 {
				if (err == nil) != (wantErr == nil) {
					t.Fatalf("one by one: %v, at once: %v", err, wantErr)
				}
				if diff := gocmp.Diff(told(want), told(plan)); diff != "" {
					t.Errorf("one by one (-at once +one by one):\n%s", diff)
				}
				return
			}
			if err != nil || !gocmp.Equal(plan, exports.Plan{}, byValue, gocmp.AllowUnexported(exports.Set{})) {
				t.Fatalf("%v is asked, and there is %v, %+v", questions, err, plan)
			}
			q := pick(t, "answered", questions)
			if _, ok := e.Answers[q]; ok || q.Instance == "" || q.Project == "" {
				t.Fatalf("%v is asked", q)
			}
			if slices.ContainsFunc(e.Inventory.Projects[q.Project].Instances, func(i exports.Instance) bool { return i.ID == q.Instance && i.Status != "DELETED" }) {
				t.Errorf("%v is asked, and is listed", q)
			}
			e = e.Answer(map[exports.Question]exports.Answer{q: w.answers(v)(q)})
		}
	})
}
