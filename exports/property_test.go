package exports_test

import (
	"errors"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nfs-exportd/exports"
)

// verdict is what becomes of each of today's grants by itself, where no limit matters.
type verdict struct {
	grant   exports.Grant
	removed exports.Reason
	frozen  exports.FreezeReason
	doubt   exports.Doubt
	own     bool // it stays, on behalf of the project and the instance that it has today
	e       exports.Evidence
}

func verdicts(t *rapid.T, w *truth, v view) []verdict {
	var all []verdict
	for _, g := range w.today {
		plan, e, err := w.decide(v, []exports.Grant{g})
		got := verdict{grant: g, e: e}
		var unclear *exports.UnclearError
		switch {
		case errors.As(err, &unclear):
			got.doubt = unclear.Grants[0].Doubt
		case err != nil:
			t.Fatal(err)
		case len(plan.Removed) == 1:
			got.removed = plan.Removed[0].Reason
		default:
			for _, f := range plan.Frozen {
				if f.Place == g.Place() {
					got.frozen = f.Reason
				}
			}
			after, _ := plan.Desired.At(g.Place())
			got.own = w.sameHolder(g, after)
		}
		all = append(all, got)
	}
	return all
}

// sameHolder tells whether a line after a run is for the same project and instance, and
// not kept for the sake of others who claim the address.
func (w *truth) sameHolder(today, after exports.Grant) bool {
	p, _ := w.owner(today)
	if len(w.claimants(today.Client.Addr)) > 1 && today.Instance.ID != "" {
		if own, there := w.own(today); !there || !hasAddr(own, today.Client.Addr) {
			return false // the place is frozen for others
		}
	}
	return (after.Owner == today.Owner || p.id != "" && after.Owner.ID == p.id) &&
		(today.Instance.ID == "" || after.Instance.ID == today.Instance.ID)
}

// proved tells whether the evidence has an answer about the instance that a line names
// which says that it does not have the line's address.
func proved(e exports.Evidence, project string, g exports.Grant) bool {
	if g.Instance.ID == "" {
		return false
	}
	without := func(i exports.Instance) bool {
		return i.ID == g.Instance.ID && i.Status != "DELETED" && !bare(i) && !hasAddr(i, g.Client.Addr)
	}
	for _, p := range e.Inventory.Projects {
		if p.ID == project && slices.ContainsFunc(p.Instances, without) {
			return true
		}
	}
	a, ok := e.Answers[exports.Question{Project: project, Instance: g.Instance.ID}]
	return ok && (a.State == exports.Gone || a.State == exports.Found && without(a.Instance))
}

// checkRemoval checks law 2 for one removal: the reason is true, an answer about that
// grant says so, and no instance loses what it has a right to.
func checkRemoval(t *rapid.T, w *truth, e exports.Evidence, g exports.Grant, reason exports.Reason) {
	if !w.right(g, reason) {
		t.Errorf("%s %s of %+v, %q, is removed as %s, which is not true", g.Path, g.Client, g.Owner, g.Instance.ID, reason)
	}
	p, ok := w.owner(g)
	project := g.Owner.ID
	if project == "" {
		project = p.id
	}
	switch reason {
	case exports.InstanceGone, exports.AddressReleased, exports.AddressReassigned:
		if !proved(e, project, g) {
			t.Errorf("%s %s of %+v is removed as %s, and no answer about instance %q says so", g.Path, g.Client, g.Owner, reason, g.Instance.ID)
		}
	case exports.Approved:
		t.Errorf("%s %s is removed as approved, and nobody did", g.Path, g.Client)
	}
	own, there := w.own(g)
	if ok && g.Owner.Public == "" && (g.Instance.ID == "" || there && own.Region == "east" && hasAddr(own, g.Client.Addr)) {
		if _, wanted := w.wants(p.id)[g.Place()]; wanted {
			t.Errorf("%s %s of %+v is removed as %s, although the project has a right to it", g.Path, g.Client, g.Owner, reason)
		}
	}
}

// lawful checks law 2 in one world, line by line and for the whole file.
func lawful(t *rapid.T, w *truth, v view) {
	for _, got := range verdicts(t, w, v) {
		if got.removed != "" {
			checkRemoval(t, w, got.e, got.grant, got.removed)
		}
	}
	plan, e, err := w.decide(v, w.today)
	if err != nil {
		return
	}
	for _, r := range plan.Removed {
		checkRemoval(t, w, e, r.Grant, r.Reason)
	}
}

func TestNoGrantGoesWithoutAReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		lawful(t, w, drawView(t, w))
	})
}

func TestNoGrantGoesWithoutAReasonUnderTwoKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{twoKeys: true})
		lawful(t, w, drawView(t, w))
	})
}

func TestNoGrantGoesWithoutAReasonUnderOldNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{oldNames: true})
		lawful(t, w, drawView(t, w))
	})
}

// TestLessEvidenceRemovesNoMore is law 2 without any notion of what is true:
// taking evidence away never adds a removal.
func TestLessEvidenceRemovesNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		v := drawView(t, w)
		less := v.more(drawView(t, w))
		before, after := verdicts(t, w, v), verdicts(t, w, less)
		for i := range after {
			g := after[i].grant
			if before[i].doubt == "" && !before[i].own {
				continue // the instance that had a right to the place was another one
			}
			if after[i].removed != "" && before[i].removed == "" {
				t.Errorf("%s %s of %+v is removed as %s only where less is known (before: doubt %q, frozen %q)",
					g.Path, g.Client, g.Owner, after[i].removed, before[i].doubt, before[i].frozen)
			}
		}
		// The same of the whole file, whose lines can matter to each other.
		plan, _, err := w.decide(less, w.today)
		full, _, fullErr := w.decide(v, w.today)
		if err != nil || fullErr != nil || plan.Refused != nil || full.Refused != nil {
			return
		}
		for _, r := range plan.Removed {
			line, ok := full.Desired.At(r.Place())
			if ok && w.sameHolder(r.Grant, line) {
				t.Errorf("%s %s of %+v is removed as %s only where less is known", r.Path, r.Client, r.Owner, r.Reason)
			}
		}
	})
}

// TestBlind: what cannot be seen at all removes nothing.
func TestBlind(t *testing.T) {
	never := map[string][]exports.Reason{
		"Keystone": {exports.ProjectDeleted, exports.ProjectDisabled},
		"resolver": {exports.ServedElsewhere},
		"Nova":     {exports.InstanceGone, exports.AddressReleased, exports.AddressReassigned},
	}
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		v := drawView(t, w)
		all := map[string]bool{}
		for _, s := range slices.Concat(trueIDs, trueNames, trueHosts, w.instanceIDs(), w.namedIDs()) {
			all[s] = true
		}
		blind := pick(t, "blind", []string{"Keystone", "resolver", "Nova"})
		switch blind {
		case "Keystone":
			v.hiddenKeys, v.hiddenIDs = all, all
		case "resolver":
			v.unresolved = all
		default:
			v.missing, v.unanswered = all, all
		}
		for _, got := range verdicts(t, w, v) {
			if slices.Contains(never[blind], got.removed) {
				t.Errorf("%+v is removed as %s although the %s says nothing", got.grant, got.removed, blind)
			}
		}
	})
}

// TestOneHiddenProjectKeepsItsGrants: whatever else is known, a project that
// Keystone hides loses no grant by being hidden.
func TestOneHiddenProjectKeepsItsGrants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		v := drawView(t, w)
		id := pick(t, "the hidden one", trueIDs)
		v.hiddenIDs[id] = true
		for _, c := range w.config.Projects {
			if p, ok := w.denotes(c.Key); !ok || p.id == id {
				v.hiddenKeys[c.Key] = true
			}
		}
		for _, got := range verdicts(t, w, v) {
			if got.grant.Owner.ID == id && slices.Contains([]exports.Reason{exports.ProjectDeleted, exports.ProjectDisabled}, got.removed) {
				t.Errorf("%+v is removed as %s", got.grant, got.removed)
			}
		}
	})
}

// TestCompleteEvidence: with nothing hidden each project gets exactly what it has a right
// to, but for addresses of two projects, and every other grant of today goes or is frozen
// with a reason that is true.
func TestCompleteEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		plan, _, err := w.decide(view{}, w.today)
		var unclear *exports.UnclearError
		if errors.As(err, &unclear) {
			for _, u := range unclear.Grants {
				if !w.renamed(u.Grant) {
					t.Errorf("%+v is in doubt (%s: %s) although everything is known", u.Grant, u.Doubt, u.Why)
				}
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if plan.Refused != nil {
			return // and nobody was asked
		}
		frozen := map[exports.Place]exports.FreezeReason{}
		for _, f := range plan.Frozen {
			frozen[f.Place] = f.Reason
		}
		want := map[exports.Place]string{}
		for _, p := range w.projects {
			configs, _ := w.configured(p)
			for place := range w.wants(p.id) {
				want[place] = configs[0].Options
			}
		}
		for _, l := range w.config.Public {
			want[exports.Place{Path: l.Path, Client: l.Client}] = l.Options
		}
		got := map[exports.Place]string{}
		for _, g := range plan.Desired.Grants() {
			got[g.Place()] = g.Options
		}
		for place, reason := range frozen {
			today, ok := plan.Today.At(place)
			if !w.frozen(today, place, reason) {
				t.Errorf("%v is frozen as %s, which is not true (today: %t)", place, reason, ok)
			}
			delete(want, place)
			delete(got, place)
		}
		for _, g := range w.today {
			p, _ := w.owner(g)
			_, wants := w.wants(p.id)[g.Place()]
			if line, ok := plan.Desired.At(g.Place()); ok && !wants && line.Owner.ID == g.Owner.ID && g.Owner.Public == "" {
				delete(want, g.Place()) // it stays as it is until its own instance has left
				delete(got, g.Place())
			}
		}
		if diff := gocmp.Diff(want, got, byValue); diff != "" {
			t.Errorf("desired without what is frozen (-want +got):\n%s", diff)
		}
	})
}

// renamed tells whether a line's project has a name that the configuration does not have.
func (w *truth) renamed(g exports.Grant) bool {
	p, exists := w.denotes(g.Owner.ID)
	_, taken := w.denotes(g.Owner.Name)
	return exists && p.name != g.Owner.Name && !taken
}

// frozen tells whether a reason to freeze a place is true, where everything is known. g is
// the line of today, or the zero Grant.
func (w *truth) frozen(g exports.Grant, place exports.Place, reason exports.FreezeReason) bool {
	own, there := w.own(g)
	configured := false // the project has the path
	if p, ok := w.owner(g); ok {
		configs, _ := w.configured(p)
		configured = slices.ContainsFunc(configs, func(c exports.ProjectConfig) bool {
			return slices.ContainsFunc(c.Mounts, func(m exports.Mount) bool { return m.Path == g.Path })
		})
	}
	switch reason {
	case exports.ClaimedTwice:
		return len(w.claimants(place.Client.Addr)) > 1
	case exports.AddressUnknown:
		return there && bare(own) && !hasAddr(own, place.Client.Addr)
	case exports.NotProved:
		return g.Path != "" && g.Instance.ID == ""
	case exports.LooksLikeAMistake:
		counted := false // not at all, or on a network or in a region that does not count
		if there {
			counted = own.Region == "east" && slices.ContainsFunc(own.Addresses, func(a exports.Address) bool { return a.Addr == place.Client.Addr && w.counts(a) })
		}
		return g.Path == "" || !configured || !counted
	}
	return false
}

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
		if ok != (f.Today != nil) || ok && *f.Today != old || ok != stays || touched[f.Place] || f.Why == "" {
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

func TestOrderOfInputChangesNothing(t *testing.T) {
	type result struct {
		Plan    []string
		Desired []string
		Frozen  []exports.Frozen
		Asked   []exports.Question
		Unclear []exports.Unclear
	}
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		w.config.Limits.MaxRemoved = pick(t, "limit", []int{0, 1, 2, 1000})
		v := drawView(t, w)
		run := func(w *truth) result {
			today := exports.NewSet(w.today)
			plan, asked, _, err := ask(today, w.evidence(v, today), nil, w.answers(v))
			r := result{Plan: told(plan), Desired: described(plan.Desired), Frozen: slices.Clone(plan.Frozen), Asked: asked}
			for i := range r.Frozen {
				r.Frozen[i].Why = "" // of several instances or keys any may be named
			}
			var unclear *exports.UnclearError
			if errors.As(err, &unclear) {
				for _, u := range unclear.Grants {
					r.Unclear = append(r.Unclear, exports.Unclear{Grant: u.Grant, Doubt: u.Doubt})
				}
			}
			return r
		}
		if diff := gocmp.Diff(run(w), run(w.shuffled(t)), byValue, gocmp.AllowUnexported(exports.Frozen{})); diff != "" {
			t.Errorf("another order gave another result:\n%s", diff)
		}
	})
}
