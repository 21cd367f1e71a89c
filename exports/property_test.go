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
