package exports_test

import (
	"slices"
	"strings"

	"nfs-exportd/exports"
)

// mistake says whether a removal by an edit of the configuration looks like a mistake:
// the instance still has the address, or cannot be asked, and one of four things.
// takes are the ids of the projects of which all additions freeze with it, and whether
// that is sure.
func (o *oracle) mistake(g exports.Grant, own own) (yes, perhaps bool, takes map[string]bool) {
	takes = map[string]bool{}
	if own == ownGone || own == ownReleased {
		return false, false, takes
	}
	keys, reused := o.known(g)
	if reused != "" { // the key now names another project
		// If it does not have the path either, that alone says that the line must go.
		has := len(o.mounts(reused, g.Path)) > 0
		takes[o.evidence.Inventory.Projects[reused].ID] = has
		yes, perhaps = has, true
	}
	for _, c := range o.evidence.Config.Projects {
		if slices.ContainsFunc(keys, func(k exports.ProjectConfig) bool { return k.Key == c.Key }) || c.Key == reused {
			continue
		}
		p := o.evidence.Inventory.Projects[c.Key]
		shares, here := false, false
		for _, m := range c.Mounts {
			shares = shares || m.Path == g.Path
			here = here || m.Path == g.Path && o.evidence.Hosts[m.Host].Where == exports.Here
		}
		if shares && !o.hasGrants(c) { // a key that has no grants yet takes over the path
			yes, perhaps = yes || here, true
			takes[p.ID] = takes[p.ID] || here && reused == ""
		}
		if shares || near(c.Key, g.Owner.Name) || near(c.Key, g.Owner.ID) {
			unknown := o.served(c) && p.Sight == exports.Absent // Keystone does not know the key
			yes = yes || unknown && (here || !shares && len(keys) == 0)
			perhaps = perhaps || unknown || !o.served(c) || p.Sight == exports.Hidden
		}
	}
	if own == ownElsewhere { // a network or region that no longer counts
		perhaps = true
	}
	return yes, perhaps, takes
}

// hasGrants reports whether today's file has grants of a key's project.
func (o *oracle) hasGrants(c exports.ProjectConfig) bool {
	return slices.ContainsFunc(o.today.Grants(), func(g exports.Grant) bool {
		keys, _ := o.known(g)
		return slices.ContainsFunc(keys, func(k exports.ProjectConfig) bool { return k.Key == c.Key })
	})
}

// near is the nearness of did-you-mean, for the keys that the worlds have: equal but for
// one letter.
func near(a, b string) bool {
	if len(a) != len(b) || strings.EqualFold(a, b) {
		return false
	}
	n := 0
	for i := range len(a) {
		if a[i] != b[i] {
			n++
		}
	}
	return n == 1
}

// takeovers notes whose additions freeze because a line looks like a mistake.
func (o *oracle) takeovers(g exports.Grant) {
	right, ok := o.behind[g.Place()]
	if !ok {
		right = o.places[g.Place()]
	}
	if !right[fateMistaken] || len(o.hosts(g)) > 0 {
		return
	}
	_, _, takes := o.mistake(g, o.own(g))
	for id, sure := range takes {
		o.maybe[id] = id != ""
		o.takes[id] = id != "" && (o.takes[id] || sure && len(right) == 1)
	}
}

// addition says what can become of a wanted place that has no line.
func (o *oracle) addition(place exports.Place, wants []want) fates {
	allowed := only(fateAdded)
	if len(o.claims[place.Client.Addr]) > 1 {
		allowed = only(fateTwice)
	}
	for _, w := range wants {
		switch {
		case o.takes[w.id]:
			if allowed[fateAdded] {
				allowed = only(fateMistaken)
			} else {
				allowed[fateMistaken] = true
			}
		case o.maybe[w.id]:
			allowed[fateMistaken] = true
		}
	}
	return allowed
}
