package simulation

import "maps"

// span is how many removals and changes there are, at least and at most.
type span struct{ least, most int }

// spans gives them for each project; "" are lines of no project.
func (s *sight) spans(approved *refusedPlan) map[string]span {
	spans := map[string]span{}
	for at, g := range s.old.grants {
		f := s.places[at]
		n := spans[g.owner.project]
		_, held := approved.holds(at)
		switch {
		case f.all(isCounted) && !held:
			n.least++
			n.most++
		case f.any(isCounted), s.follows(at, g), f[unproved]:
			n.most++
		}
		spans[g.owner.project] = n
	}
	return spans
}

// follows reports whether the options of a frozen line may follow the configuration.
func (s *sight) follows(at simPlace, g simGrant) bool {
	if !s.places[at].any(isFrozen) {
		return false
	}
	for _, options := range s.optionsOf(at, g) {
		if options != g.options {
			return true
		}
	}
	return false
}

// optionsOf gives the options that a line of today may have after a run that leaves it.
func (s *sight) optionsOf(at simPlace, g simGrant) []string {
	options := []string{g.options}
	keys, another := s.keys(g.owner)
	for _, key := range append(keys, another) {
		if entry, ok := s.config.private[key]; ok {
			options = append(options, entry.options)
		}
	}
	for _, r := range s.rights[at] {
		options = append(options, r.options)
	}
	return options
}

// limits freezes what is too much: of one project, then together.
func (s *sight) limits(approved *refusedPlan) {
	least, most := 0, 0
	for project, n := range s.spans(approved) {
		switch {
		case project != "" && n.least > s.limit:
			s.freezeAll(project, false, overShare, true)
			continue
		case project != "" && n.most > s.limit:
			s.freezeAll(project, false, overShare, false)
		default:
			least += n.least
		}
		most += n.most
	}
	switch {
	case least > s.limit:
		s.freezeAll("", true, overLimit, true)
	case most > s.limit:
		s.freezeAll("", true, overLimit, false)
	}
}

// freezeAll makes the removals and changes of a project, or of all, frozen places, for
// sure or perhaps.
func (s *sight) freezeAll(project string, everybody bool, reason string, sure bool) {
	for at, g := range s.old.grants {
		f := s.places[at]
		if !everybody && g.owner.project != project || !f.any(isCounted) {
			continue
		}
		f = maps.Clone(f)
		f[reason] = true
		if sure {
			maps.DeleteFunc(f, func(fate string, _ bool) bool { return isCounted(fate) })
		}
		s.places[at] = f
	}
}

// refuseHalf finds out whether more than half of the grants of projects, of more than
// one project, are not wanted any more. Nobody is asked by id for that.
func (s *sight) refuseHalf() {
	all, aside, gone, replaced := 0, 0, 0, 0
	projects, withReplaced := map[string]bool{}, map[string]bool{}
	for at, g := range s.old.grants {
		if g.owner.public != "" {
			continue
		}
		all++
		wants, may := s.listedRights[at], s.rights[at]
		switch {
		case len(s.claims[at.client]) > 1 && len(may) > 0:
			aside++
		case len(wants) > 0 && wants[0].project == g.owner.project:
		case s.listsBare(g) && s.places[at]["frozen address-unknown"]:
			aside++
			if len(s.places[at]) > 1 {
				replaced++
				withReplaced[g.owner.project] = true
			}
		case len(may) > 0:
			replaced++
			withReplaced[g.owner.project] = true
		default:
			gone++
			projects[g.owner.project], withReplaced[g.owner.project] = true, true
		}
	}
	s.refusal.must = s.refusal.must || 2*gone > all && len(projects) > 1
	s.refusal.may = s.refusal.may || s.refusal.must || 2*(gone+replaced) > all-aside && len(withReplaced) > 1
}

// listsBare reports whether a list has the instance of a line without addresses.
func (s *sight) listsBare(g simGrant) bool {
	i, ok := s.instances[g.instance]
	return ok && s.lists(g.instance) && i.bare()
}

// refuseOdd finds out whether so many places are in doubt, besides those of the one
// project that has a part in most of them, that the answer of the cloud is odd.
func (s *sight) refuseOdd() {
	parties := map[string]int{}
	places, desired := 0, 0
	for at, f := range s.places {
		if f.any(func(fate string) bool { return !isRemoved(fate) }) {
			desired++
		}
		if !f[twice] && !f["frozen address-unknown"] {
			continue
		}
		places++
		of := maps.Clone(s.claims[at.client])
		if !f[twice] || of == nil {
			of = map[string]bool{s.old.grants[at].owner.project: true}
		}
		for project := range of {
			parties[project]++
		}
	}
	most := 0
	for _, n := range parties {
		most = max(most, n)
	}
	s.refusal.may = s.refusal.may || places-most > max(10, desired/10)
}

// refuseLast finds out whether no grant of a project would be left.
func (s *sight) refuseLast() {
	may, must, lines := true, true, 0
	for at, f := range s.places {
		g, today := s.old.grants[at]
		switch {
		case !today && len(s.rights[at]) > 0 && s.rights[at][0].public == "":
			must = must && !f["added"]
			may = may && f.any(func(fate string) bool { return fate != "added" })
		case today && g.owner.public == "":
			lines++
			must = must && f.all(isRemoved)
			may = may && f.any(isRemoved)
		}
	}
	if lines > 0 {
		s.refusal.must, s.refusal.may = s.refusal.must || must, s.refusal.may || may
	}
}
