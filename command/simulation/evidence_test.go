package simulation

import (
	"maps"
	"slices"
	"strings"
)

// ownState is what is known of the instance that a line names.
type ownState int

const (
	ownUnknown ownState = iota // nothing proves where the address is
	ownGone                    // it is not there any more
	ownWithout                 // it is there without the address
	ownBare                    // Nova does not show all its addresses
	ownHas                     // it has the address
)

// own says which of these a run may find.
func (s *sight) own(at simPlace, g simGrant) []ownState {
	project := g.owner.project
	if g.instance == "" {
		for _, i := range s.instances {
			if i.project == project && i.has(at.client) {
				return []ownState{ownHas, ownUnknown}
			}
		}
		return []ownState{ownUnknown}
	}
	state := ownGone
	i, lives := s.instances[g.instance]
	switch {
	case !lives || i.project != project || s.invisible(i.region):
	case i.has(at.client):
		state = ownHas
	case i.bare():
		state = ownBare
	default:
		state = ownWithout
	}
	if s.lists(g.instance) && s.isRead(project) {
		return []ownState{state}
	}
	can, sure := s.mayAsk(project, state == ownGone)
	switch {
	case !can:
		return []ownState{ownUnknown}
	case !sure || s.shaky || s.asked[project] > s.limit:
		return []ownState{state, ownUnknown}
	}
	return []ownState{state}
}

// invisible reports whether nothing says that there is a region: Keystone does not list
// it, the catalog has no Nova for it, and the configuration does not name it.
func (t truth) invisible(region string) bool { return !t.reads(region) && !t.regions[region] }

// isRead reports whether the instances of a project are listed.
func (s *sight) isRead(project string) bool {
	for key := range s.config.private {
		if s.meaning(key) == project && s.served(key) && s.visible(project) && !s.projects[project].disabled {
			return true
		}
	}
	return false
}

// mayAsk says whether an answer about an instance of a project by id can prove
// anything, and whether it surely does: the user has a role on the project, or sees
// everything, which another instance in the same region shows. For a 404 that is
// needed in all regions.
func (s *sight) mayAsk(project string, everywhere bool) (can, sure bool) {
	if !s.asks() {
		return false, false
	}
	if !s.roles["system"] {
		return s.roles[project], s.roles[project] && len(s.down) == 0
	}
	can, sure = true, true
	for region, nova := range s.regions {
		if s.invisible(region) {
			continue
		}
		sure = sure && nova && !slices.ContainsFunc(slices.Collect(maps.Keys(s.down)), func(cell string) bool { return strings.HasPrefix(cell, region+"/") })
		there, shown := false, false
		for id, i := range s.instances {
			// Nova shows everybody an instance that is not built yet.
			if i.region == region && i.status != "BUILD" {
				there = true
				shown = shown || s.lists(id) && s.isRead(i.project)
			}
		}
		can = can && (there || !everywhere || s.roles[project])
		sure = sure && shown
	}
	return can, sure
}

// keys gives the keys of the configuration that stand for the project of a line.
// another is a key that is its name in the line and means another project by now.
func (s *sight) keys(o simOwner) (keys []string, another string) {
	for _, key := range slices.Sorted(maps.Keys(s.config.private)) {
		id := ""
		if s.asks() {
			id = s.meaning(key)
		}
		switch {
		case key == o.project || id != "" && id == o.project:
			keys = append(keys, key)
		case key != o.name || isID(key):
		case id == "" || !s.visible(id): // which may be the line's
			keys = append(keys, key)
		default:
			another = key
		}
	}
	if len(keys) > 0 {
		another = ""
	}
	return keys, another
}

// hosts says where the mounts of a path are that keys have.
func (s *sight) hosts(keys []string, path string) map[simWhere]bool {
	where := map[simWhere]bool{}
	for _, key := range keys {
		for _, m := range s.config.private[key].mounts {
			if m.path == path {
				where[s.where(m.host)] = true
			}
		}
	}
	return where
}

// hidden reports whether Keystone may not show a project of today's file.
func (s *sight) hidden(project string) bool {
	return !s.asks() || !s.visible(project) && !s.roles["system"]
}

// left is the name of the reason for a line whose own instance does not have the address.
func (s *sight) left(at simPlace, g simGrant, state ownState) fates {
	reason := "removed address-released"
	if state == ownGone {
		reason = "removed instance-gone"
	}
	f := fates{}
	for _, claims := range []map[string]map[string]bool{s.claims, s.listedClaims} {
		others := maps.Clone(claims[at.client])
		delete(others, g.owner.project)
		if len(others) > 0 {
			f["removed address-reassigned"] = true
		} else {
			f[reason] = true
		}
	}
	return f
}

// unwanted is a line of a project that nobody asks for.
func (s *sight) unwanted(at simPlace, g simGrant) fates {
	keys, another := s.keys(g.owner)
	where := s.hosts(keys, at.path)
	states := s.own(at, g)
	if len(where) == 0 {
		f := s.notInConfig(at, g, another, states)
		if s.namedElsewhere(at, g) {
			f = f.or(only("removed served-elsewhere"))
		}
		return f
	}
	if f := s.byKeystone(at, g); f != nil {
		return f
	}
	f := fates{}
	elsewhere := !where[simHere] && !where[simUnknown]
	if elsewhere {
		f["removed served-elsewhere"] = true
	}
	best := simHere // of several keys the one counts whose mount is here
	if !where[simHere] {
		best = simUnknown
	}
	known := slices.ContainsFunc(keys, func(key string) bool {
		return s.hosts([]string{key}, at.path)[best] && s.meaning(key) == g.owner.project && s.visible(g.owner.project)
	})
	for _, state := range states {
		switch {
		case state == ownGone || state == ownWithout:
			f = f.or(s.left(at, g, state))
		case elsewhere:
		case s.hidden(g.owner.project) || !known:
			f["error 77"] = true
			if !where[simHere] {
				f["error 69"] = true
			}
		case !where[simHere]:
			f["error 69"] = true
		default:
			f = f.or(s.freeze(at, g, state))
		}
	}
	return f
}

// namedElsewhere reports whether the key that is the name in a line has the path on
// another server: that is true of the line too, even if its project has another key by now.
func (s *sight) namedElsewhere(at simPlace, g simGrant) bool {
	where := s.hosts([]string{g.owner.name}, at.path)
	return len(where) > 0 && !where[simHere] && !where[simUnknown]
}

// byKeystone is what Keystone says of the project of a line, or that its address is
// one of this server.
func (s *sight) byKeystone(at simPlace, g simGrant) fates {
	f := fates{}
	p, lives := s.projects[g.owner.project]
	switch {
	case s.hidden(g.owner.project):
	case !lives:
		f["removed project-deleted"] = true
	case p.disabled:
		f["removed project-disabled"] = true
	}
	if len(f) == 0 && isLocal(at.client) {
		f["removed own-address"] = true
	}
	if len(f) == 0 {
		return nil
	}
	return f
}

// freeze is a line whose mount and project count, and whose address nobody asks for.
func (s *sight) freeze(at simPlace, g simGrant, state ownState) fates {
	switch {
	case state == ownBare:
		return only("frozen address-unknown")
	case state == ownHas && isImpossible(at.client):
		return only(unproved, mistaken)
	case state == ownHas:
		return only(mistaken)
	}
	f := only(unproved)
	if s.asked[g.owner.project] > s.limit {
		f[overShare] = true
	}
	return f
}

// notInConfig is a line whose mount is not in the configuration any more.
func (s *sight) notInConfig(at simPlace, g simGrant, another string, states []ownState) fates {
	sure, perhaps := s.mistake(at, g)
	if another != "" {
		return s.renamed(at, g, another, states)
	}
	if !sure && !perhaps {
		return s.orHidden(at, g, only(notInFile))
	}
	f := fates{}
	if !sure {
		f[notInFile] = true
	}
	if rows := s.byKeystone(at, g); rows != nil {
		return f.or(rows)
	}
	for _, state := range states {
		if state == ownGone || state == ownWithout {
			f[notInFile] = true
			continue
		}
		f[mistaken] = true
		if s.asked[g.owner.project] > s.limit {
			f[overShare] = true
		}
	}
	f = s.orHidden(at, g, f)
	s.noteTakes(at, g, f.all(func(fate string) bool { return fate == mistaken }))
	return f
}

// orHidden adds that a hidden project can have the mount by another name.
func (s *sight) orHidden(at simPlace, g simGrant, f fates) fates {
	if !s.hidden(g.owner.project) {
		return f
	}
	for key := range s.config.private {
		if s.visible(s.meaning(key)) && s.asks() {
			continue
		}
		if where := s.hosts([]string{key}, at.path); where[simHere] || where[simUnknown] {
			f = f.or(only("error 77", "error 69"))
		}
	}
	return f
}

// renamed is a line whose project's name is another project's by now.
func (s *sight) renamed(at simPlace, g simGrant, another string, states []ownState) fates {
	where := s.hosts([]string{another}, at.path)
	if rows := s.byKeystone(at, g); rows != nil && len(where) > 0 {
		return rows
	} else if rows != nil {
		return rows.or(only(notInFile))
	}
	if s.hidden(g.owner.project) {
		s.take(taking{project: s.meaning(another)}, false)
		return only("error 77", notInFile, mistaken, "removed served-elsewhere", "error 69")
	}
	f := fates{}
	if len(where) == 0 {
		f[notInFile] = true // this mount went before
	}
	if len(where) > 0 && !where[simHere] && !where[simUnknown] {
		f["removed served-elsewhere"] = true
	}
	for _, state := range states {
		if state == ownGone || state == ownWithout {
			f[notInFile] = true
			continue
		}
		f[mistaken] = true
		if s.asked[g.owner.project] > s.limit {
			f[overShare] = true
		}
	}
	s.take(taking{project: s.meaning(another)}, f.all(func(fate string) bool { return fate == mistaken }))
	return f
}
