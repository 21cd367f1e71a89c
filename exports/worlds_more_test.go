package exports_test

import (
	"maps"
	"slices"

	"nfs-exportd/exports"
)

// reversed is the world with all its lists in the other order.
func (w smallWorld) reversed() smallWorld {
	c := *w.evidence.Config
	c.Projects = backwards(c.Projects)
	for i := range c.Projects {
		c.Projects[i].Mounts = backwards(c.Projects[i].Mounts)
	}
	c.Public = backwards(c.Public)
	w.evidence.Config = &c
	w.evidence.Inventory.Projects = maps.Clone(w.evidence.Inventory.Projects)
	for key, p := range w.evidence.Inventory.Projects {
		p.Instances = backwards(p.Instances)
		for i := range p.Instances {
			p.Instances[i].Addresses = backwards(p.Instances[i].Addresses)
		}
		w.evidence.Inventory.Projects[key] = p
	}
	w.today = exports.NewSet(backwards(w.today.Grants()))
	return w
}

func backwards[T any](list []T) []T {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// approved: a plan that is approved is carried out, where something is held back. What
// was not asked because of the limit is asked now; what is not proved even so stays.
func (x *examiner) approved() {
	if x.d.err != nil || len(x.d.plan.Frozen) == 0 && !x.d.refused() {
		return
	}
	a := settle(x.w, &x.d.plan)
	if a.err != nil || a.refused() {
		x.report("an approved plan is refused", "%v %v", a.err, a)
		return
	}
	whole := newOracle(x.w, a.asked)
	if x.d.refused() {
		x.wholeOf(a)
	}
	for _, f := range x.d.plan.Frozen {
		line, there := a.plan.Desired.At(f.Place)
		if f.Reason == exports.Nested {
			if there != (f.Today != nil) && !(there && outerGoes(x.d, a)) || f.Held {
				x.report("an approval ends nested", "%v: %v", f.Place, a)
			}
			continue
		}
		if len(whole.wants[f.Place]) > 0 && there {
			continue // an answer shows that it is wanted
		}
		if f.Today != nil && f.Reason != exports.LooksLikeAMistake && x.surplus(*f.Today) {
			if own := whole.own(*f.Today); there && (own == ownGone || own == ownReleased) {
				x.report("asked under an approval, and not removed: "+string(f.Reason), "%v: %v", f.Place, a)
			} else if !there && own != ownGone && own != ownReleased && a.fates()[f.Place] == "removed:approved" {
				x.report("not proved, and removed under an approval: "+string(f.Reason), "%v: %v", f.Place, a)
			}
			continue
		}
		switch {
		case there != (f.Then != nil):
			x.report("approved, and not carried out: "+string(f.Reason), "%v: %v", f.Place, a)
		case there && line.Options != f.Then.Options:
			x.report("approved, and carried out with other options: "+string(f.Reason), "%v: %v", f.Place, line)
		}
	}
	fates := a.fates()
	for place, fate := range x.d.fates() {
		if !isFrozen(fate) && !x.d.refused() && fates[place] != fate {
			x.report("an approval changes what was not frozen", "%v: %v and then %v", place, fate, fates[place])
		}
	}
}

// outerGoes reports whether an approval removes the path above all others, which only a
// line had: then nothing is nested any more.
func outerGoes(before, after decision) bool {
	above := func(d decision) bool {
		return slices.ContainsFunc(d.plan.Desired.Grants(), func(g exports.Grant) bool { return g.Path == "/" })
	}
	return above(before) && !above(after)
}

// wholeOf: an approval of a whole plan removes and adds what is proved and wanted, as if
// there were no limits.
func (x *examiner) wholeOf(a decision) {
	w := x.w
	c := *w.evidence.Config
	c.Limits.MaxRemoved = 1000
	w.evidence.Config = &c
	for place, right := range newOracle(w, a.asked).places {
		_, there := a.plan.Desired.At(place)
		switch {
		case right.all(isRemoved) && there && len(x.o.behind[place]) == 0: // else an addition waited
			x.report("a whole plan is approved, and a removal not carried out", "%v: %v", place, a)
		case !there && right.all(func(fate fate) bool { return fate == fateKept || fate == fateChanged || fate == fateAdded }):
			x.report("a whole plan is approved, and a grant is missing", "%v: %v", place, a)
		}
	}
}

// surplus reports whether nobody was asked about a line's instance in the first place.
func (x *examiner) surplus(g exports.Grant) bool {
	return g.Instance.ID != "" && !x.d.asked[exports.Question{Project: g.Owner.ID, Instance: g.Instance.ID}] && x.answered(g)
}

// without: the same world without what is frozen as unproved or as an unknown address
// gives the same at all other places.
func (x *examiner) without() {
	if x.d.err != nil || x.d.refused() || x.w.evidence.Config.Limits.MaxRemoved < 10 {
		return
	}
	drop := map[exports.Place]bool{}
	for _, f := range x.d.plan.Frozen {
		if f.Today != nil && x.w.answers[exports.Question{Project: f.Today.Owner.ID, Instance: f.Today.Instance.ID}].State == exports.Found {
			return // its other addresses may be wanted
		}
		if f.Reason == exports.NotProved || f.Reason == exports.AddressUnknown {
			drop[f.Place] = true
		}
	}
	if len(drop) == 0 {
		return
	}
	var rest []exports.Grant
	for _, g := range x.w.today.Grants() {
		if !drop[g.Place()] {
			rest = append(rest, g)
		}
	}
	w := x.w
	w.today = exports.NewSet(rest)
	other := settle(w, nil)
	if other.refused() || other.err != nil && newOracle(w, other.asked).refuse.may {
		return // fewer grants, so that another share of them is left
	}
	for _, behind := range newOracle(w, other.asked).behind {
		if behind[fateMistaken] {
			return // a key without the line has no grants yet
		}
	}
	fates, got := x.d.fates(), other.fates()
	for _, fate := range got {
		if fate == fateMistaken {
			return // a key without the line has no grants yet
		}
	}
	for p := range drop {
		delete(fates, p)
		delete(got, p)
	}
	if other.err != nil || !maps.Equal(fates, got) {
		x.report("another result elsewhere without the frozen line", "%v: %v", drop, other)
	}
}

func (x *examiner) answered(g exports.Grant) bool {
	_, ok := x.w.answers[exports.Question{Project: g.Owner.ID, Instance: g.Instance.ID}]
	return ok
}
