package exports_test

import (
	"slices"

	"nfs-exportd/exports"
)

// options tells a line that stays as it is from one that stays with other options.
func (o *oracle) options(place exports.Place) {
	g, ok := o.today.At(place)
	if !ok || !o.places[place][fateKept] {
		return
	}
	same, other := false, false
	right, ok := o.follows[place]
	if !ok {
		right = map[string]bool{}
		for _, w := range o.wants[place] {
			right[w.options] = true
		}
	}
	for options := range right {
		same = same || options == g.Options
		other = other || options != g.Options
	}
	if other {
		o.places[place][fateChanged] = true
		if !same {
			delete(o.places[place], fateKept)
		}
	}
}

// group is what a line counts for: its project, the public lines, or nobody.
func (o *oracle) group(g exports.Grant) string {
	switch {
	case g.Owner.Public != "":
		return "public"
	case g.Owner == exports.Owner{}:
		return "nobody"
	}
	if id := o.projectID(g); id != "" {
		return id
	}
	return g.Owner.Name
}

// half refuses the whole plan if more than half of today's project grants, of more than
// one project, are no longer wanted by the listing alone. Addresses that are claimed
// twice or unknown are left aside; from which of the two numbers is not said.
func (o *oracle) half() {
	for _, withNobody := range []bool{false, true} {
		all, aside, gone, replaced := 0, 0, 0, 0
		groups, replacedGroups := map[string]bool{}, map[string]bool{}
		for _, g := range o.today.Grants() {
			group := o.group(g)
			if group == "public" || group == "nobody" && !withNobody {
				continue
			}
			all++
			i, listed := o.listed(g)
			keys, _ := o.known(g)
			ownWants := slices.ContainsFunc(o.wants[g.Place()], func(w want) bool {
				return slices.ContainsFunc(keys, func(c exports.ProjectConfig) bool { return c.Key == w.key })
			})
			switch {
			case len(o.claims[g.Client.Addr]) > 1 && len(o.wants[g.Place()]) > 0:
				aside++
			case ownWants:
			case len(o.wants[g.Place()]) > 0: // wanted, but by another project
				replaced++
				replacedGroups[group] = true
			case listed && o.shows(i, g, true) == ownUnknown && len(o.hosts(g)) == 0:
				replaced++ // an edit of the configuration, or an unknown address
				replacedGroups[group] = true
			case listed && o.shows(i, g, true) == ownUnknown && !o.local(g): // own-address comes first
				aside++
			default:
				gone++
				groups[group] = true
				replacedGroups[group] = true
			}
		}
		must := gone*2 > all && len(groups) > 1
		may := (gone+replaced)*2 > all-aside && len(replacedGroups) > 1
		o.refuse.may = o.refuse.may || may || must
		if withNobody {
			o.refuse.must = o.refuse.must && must
		} else {
			o.refuse.must = must
		}
	}
}

// span is how many removals and changes there are at least and at most.
type span struct{ least, most, surplus int }

func (o *oracle) spans() map[string]span {
	spans := map[string]span{}
	for _, g := range o.today.Grants() {
		right := o.places[g.Place()]
		s := spans[o.group(g)]
		counts := func(fate fate) bool { return isRemoved(fate) || fate == fateChanged }
		switch {
		case right.all(counts):
			s.least++
			s.most++
		case right.any(counts):
			s.most++
		case o.own(g) == ownSurplus && right[fateUnproved]:
			s.surplus++
		case o.optionsMove(g):
			s.most++ // a frozen place whose options follow: not said whether it counts
		}
		spans[o.group(g)] = s
	}
	return spans
}

func (o *oracle) optionsMove(g exports.Grant) bool {
	keys, reused := o.known(g)
	for _, c := range o.evidence.Config.Projects {
		if c.Key == reused || slices.ContainsFunc(keys, func(k exports.ProjectConfig) bool { return k.Key == c.Key }) {
			if c.Options != g.Options {
				return true
			}
		}
	}
	return slices.ContainsFunc(o.wants[g.Place()], func(w want) bool { return w.options != g.Options })
}

// limits lets removals and changes freeze: those of one project, then all of them.
// What was not asked because of the limit counts for the project, if anything of it is
// removed or changed, and not for all together.
func (o *oracle) limits() {
	o.noneLeft()
	spans := o.spans()
	least, most := 0, 0
	for group, s := range spans {
		sure := s.least
		if sure > 0 {
			sure += s.surplus
		}
		lone := group != "public" && group != "nobody"
		switch {
		case sure > o.limit && lone:
			o.freezeAll(group, fateShare, true)
			continue
		case s.most+s.surplus > o.limit:
			o.freezeAll(group, fateShare, false)
		default:
			least += s.least
		}
		most += s.most + s.surplus
	}
	switch {
	case least > o.limit:
		o.freezeAll("", fateLimited, true)
	case most > o.limit:
		o.freezeAll("", fateLimited, false)
	}
}

// freezeAll adds a frozen reason to the removals and changes of a group, or of all;
// with must, nothing else is right there.
func (o *oracle) freezeAll(group string, reason fate, must bool) {
	for _, g := range o.today.Grants() {
		right := o.places[g.Place()]
		surplus := o.own(g) == ownSurplus && right[fateUnproved]
		counts := right.any(func(fate fate) bool { return isRemoved(fate) || fate == fateChanged })
		if group != "" && o.group(g) != group || !counts && !surplus && !o.optionsMove(g) || right[fateShare] && len(right) == 1 {
			continue
		}
		if counts || surplus || right.any(isFrozen) {
			right[reason] = true
		}
		if !must {
			continue
		}
		for fate := range right {
			if isRemoved(fate) || fate == fateChanged || surplus && reason == fateShare && fate == fateUnproved {
				delete(right, fate)
			}
		}
	}
}

// noneLeft refuses the whole plan if no grant of a project would be left where there
// was one. Additions of the same run count or not: it is not said.
func (o *oracle) noneLeft() {
	all, must, may := 0, true, true
	for _, g := range o.today.Grants() {
		if g.Owner.Public != "" {
			must = must && len(o.wants[g.Place()]) == 0 // or a project takes the place over
			continue
		}
		right := o.places[g.Place()]
		all++
		must = must && len(o.wants[g.Place()]) == 0 && right.all(isRemoved) && o.group(g) != "nobody"
		may = may && right.any(isRemoved)
	}
	if all == 0 {
		return
	}
	for place, right := range o.places {
		if _, ok := o.today.At(place); !ok && right[fateAdded] {
			must = false
		}
	}
	most := 0
	for _, s := range o.spans() {
		most += s.most + s.surplus
	}
	must = must && most <= o.limit // else they freeze, and are left
	o.refuse.may = o.refuse.may || may
	o.refuse.must = o.refuse.must || must
}
