package simulation

import (
	"maps"
	"slices"
	"strings"
)

// fates are what may become of a place: "kept" and "changed" are a line of today that
// stays, with the same or with other options; "added", "none"; "removed REASON";
// "frozen REASON"; "error STATUS" is a run that ends. Each of them is right.
type fates map[string]bool

const (
	overShare = "frozen over-share"
	overLimit = "frozen over-limit"
	mistaken  = "frozen looks-like-a-mistake"
	twice     = "frozen claimed-twice"
	unproved  = "frozen unproved"
	notInFile = "removed not-in-config"
	nested    = "frozen nested"
)

func only(list ...string) fates {
	f := fates{}
	for _, one := range list {
		f[one] = true
	}
	return f
}

func (f fates) or(g fates) fates {
	both := maps.Clone(f)
	maps.Copy(both, g)
	return both
}

func (f fates) all(is func(string) bool) bool {
	for one := range f {
		if !is(one) {
			return false
		}
	}
	return len(f) > 0
}

func (f fates) any(is func(string) bool) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(f)), is)
}

func isFrozen(fate string) bool  { return strings.HasPrefix(fate, "frozen ") }
func isRemoved(fate string) bool { return strings.HasPrefix(fate, "removed ") }
func isError(fate string) bool   { return strings.HasPrefix(fate, "error ") }
func isCounted(fate string) bool { return isRemoved(fate) || fate == "changed" }

// sight is the world as a run can see it, with what may become of each place by the
// rules of "REMOVALS", "FROZEN PLACES" and "LIMITS" in nfs-exportd(8).
type sight struct {
	truth
	old   parsedExports
	limit int // how many grants may go or change
	// shaky says that answers by id can have failed.
	shaky bool

	rights, listedRights map[simPlace][]simRight
	claims, listedClaims map[string]map[string]bool
	asked                map[string]int // ids that had to be asked for, by project
	places               map[simPlace]fates
	takes                map[taking]bool // additions that look like a mistake; whether surely
	refusal              struct{ may, must bool }
}

// look says what may become of each place. approved is the plan that was approved, or nil.
func (t truth) look(old parsedExports, shaky bool, approved *refusedPlan) *sight {
	s := &sight{
		truth: t, old: old, shaky: shaky, limit: t.config.limit(len(old.grants)),
		rights: t.rights(byID), listedRights: t.rights(listed), claims: t.claims(byID), listedClaims: t.claims(listed),
		asked: map[string]int{}, places: map[simPlace]fates{}, takes: map[taking]bool{},
	}
	seen := map[string]bool{}
	for _, g := range old.grants {
		if g.instance != "" && !seen[g.instance] && !(t.lists(g.instance) && s.isRead(g.owner.project)) {
			seen[g.instance] = true
			s.asked[g.owner.project]++
		}
	}
	for at, g := range old.grants {
		s.places[at] = s.line(at, g)
	}
	s.noPassing()
	for at := range s.rights {
		if _, ok := old.grants[at]; !ok {
			s.places[at] = s.addition(at)
		}
	}
	s.refuseHalf()
	s.refuseOdd()
	if approved == nil || !approved.whole {
		s.limits(approved)
	}
	s.nest()
	s.refuseLast()
	s.approve(approved)
	s.nest()
	return s
}

// line says what may become of a line of today.
func (s *sight) line(at simPlace, g simGrant) fates {
	wants := s.rights[at]
	switch {
	case len(wants) == 0 && g.owner == (simOwner{}):
		return only(notInFile, unproved, mistaken, "removed own-address", "removed served-elsewhere", "error 69", "error 77")
	case len(wants) == 0 && g.owner.public != "":
		return only("removed public-removed")
	case len(wants) == 0:
		return s.unwanted(at, g)
	case wants[0].public != "" || len(s.claims[at.client]) < 2:
		return s.kept(at, g, wants)
	}
	f := s.contested(at, g)
	if len(s.listedClaims[at.client]) < 2 {
		f = f.or(s.kept(at, g, wants))
	}
	return f
}

// noPassing adds that a line goes for a reason of its own, instead of passing to a project
// that takes paths over by mistake.
func (s *sight) noPassing() {
	takes := maps.Clone(s.takes)
	defer func() { s.takes = takes }() // a line that somebody wants makes none a mistake for sure
	for at, g := range s.old.grants {
		for _, r := range s.rights[at] {
			if _, takes := s.takes[taking{project: r.project}]; !takes || r.project == g.owner.project {
				continue
			}
			if g.owner.public != "" {
				s.places[at] = s.places[at].or(only("removed public-removed", "kept"))
				continue
			}
			for fate := range s.unwanted(at, g) {
				if isRemoved(fate) {
					s.places[at] = s.places[at].or(only(fate))
				}
			}
			s.places[at] = s.places[at].or(only("kept", "changed"))
		}
	}
}

// kept is a line that stays for those who want it.
func (s *sight) kept(at simPlace, g simGrant, wants []simRight) fates {
	f := fates{}
	for _, r := range wants {
		if r.options == g.options {
			f["kept"] = true
		} else {
			f["changed"] = true
		}
	}
	if g.owner.project != "" && !slices.ContainsFunc(wants, func(r simRight) bool { return r.project == g.owner.project }) {
		// Until the line's own instance has left, it stays.
		f["kept"], f["changed"] = true, true
	}
	if s.asked[g.owner.project] > s.limit && len(wants) > 0 && !s.lists(g.instance) {
		f = f.or(only(unproved, overShare))
	}
	if s.wantedListed(wants) {
		if keys, _ := s.keys(g.owner); g.owner.project != "" && len(s.hosts(keys, at.path)) == 0 {
			s.noteTakes(at, g, false) // which the line may make look like a mistake, though it stays
		}
		return f
	}
	// What is in no list gives no right that a run has to know, unless the line names it.
	if !slices.ContainsFunc(wants, func(r simRight) bool { return slices.Contains(r.instances, g.instance) }) && g.owner.public == "" && g.owner != (simOwner{}) {
		f = f.or(s.unwanted(at, g))
	}
	_, sure := s.mayAsk(g.owner.project, false)
	if !sure || s.shaky || g.instance == "" {
		f[unproved] = true
	}
	return f
}

// wantedListed reports whether a list shows an instance for a right.
func (s *sight) wantedListed(wants []simRight) bool {
	return slices.ContainsFunc(wants, func(r simRight) bool { return r.public != "" || slices.ContainsFunc(r.instances, s.lists) })
}

// contested is a line whose address instances of two projects have.
func (s *sight) contested(at simPlace, g simGrant) fates {
	f := only(twice)
	if g.owner.project == "" {
		if g.owner.public != "" {
			f["removed public-removed"] = true
		}
		return f
	}
	for _, state := range s.own(at, g) {
		switch state {
		case ownGone, ownWithout:
			f = f.or(s.left(at, g, state))
		case ownBare:
			f["frozen address-unknown"] = true
		case ownUnknown:
			f[unproved] = true
		}
	}
	// What the configuration or Keystone says is carried out even so.
	keys, another := s.keys(g.owner)
	switch where := s.hosts(keys, at.path); {
	case another == "" && len(where) == 0:
		f[notInFile] = true
		if s.namedElsewhere(at, g) {
			f["removed served-elsewhere"] = true
		}
	case len(where) > 0 && !where[simHere] && !where[simUnknown]:
		f["removed served-elsewhere"] = true
	}
	if p, lives := s.projects[g.owner.project]; !lives {
		f["removed project-deleted"] = true
	} else if p.disabled {
		f["removed project-disabled"] = true
	}
	return f
}

// addition says what may become of a place that has no line.
func (s *sight) addition(at simPlace) fates {
	wants := s.rights[at]
	if wants[0].public != "" {
		return only("added")
	}
	f := only("added")
	if len(s.claims[at.client]) > 1 {
		f = only(twice)
		if len(s.listedClaims[at.client]) < 2 {
			f["added"] = true
		}
	}
	for _, r := range wants {
		for _, t := range []taking{{r.project, at.path}, {project: r.project}} {
			sure, ok := s.takes[t]
			switch {
			case ok && sure && f["added"]:
				delete(f, "added")
				f[mistaken] = true
			case ok:
				f[mistaken] = true
			}
		}
	}
	if !s.wantedListed(wants) {
		f["none"] = true
	}
	return f
}

// approve adds what the approval of a plan carries out.
func (s *sight) approve(approved *refusedPlan) {
	if approved == nil {
		return
	}
	for at, then := range approved.held {
		f := s.places[at]
		if f == nil {
			continue // it was wanted then, or was there
		}
		switch then {
		case "removed":
			f["removed approved"] = true
		case "added":
			f["added"] = true
		case "changed":
			f["changed"] = true
		}
	}
}
