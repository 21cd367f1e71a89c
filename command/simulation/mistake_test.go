package simulation

// mistake says whether the removal of a line by an edit of the configuration looks like
// one, if its instance has the address or cannot be asked: a key that has no grants yet
// takes over the path, or a key that Keystone does not know has the path or is spelled
// much alike.
func (s *sight) mistake(at simPlace, g simGrant) (sure, perhaps bool) {
	own, _ := s.keys(g.owner)
	mine := map[string]bool{}
	for _, key := range own {
		mine[key] = true
	}
	for key := range s.config.private {
		if mine[key] || !s.mayServe(key) {
			continue
		}
		id := s.meaning(key)
		shares := s.shares(key, at.path)
		alike := near(key, g.owner.name) || near(key, g.owner.project)
		switch {
		case s.visible(id) && shares && !s.hasGrants(key, id):
			sure = sure || !s.projects[id].disabled
			perhaps = true
		case s.visible(id):
		case shares || alike:
			sure = sure || id == ""
			perhaps = true
		}
	}
	return sure, perhaps
}

// shares reports whether a key has a path here, or may have it: where nobody knows where a
// host is, nothing looks less like a mistake.
func (s *sight) shares(key, path string) bool {
	where := s.hosts([]string{key}, path)
	return where[simHere] || where[simUnknown]
}

// mayServe reports whether any mount of a key is this server's, or may be.
func (s *sight) mayServe(key string) bool {
	for _, m := range s.config.private[key].mounts {
		if s.where(m.host) != simElsewhere {
			return true
		}
	}
	return false
}

// noteTakes notes which additions look like the same mistake as a line's removal.
func (s *sight) noteTakes(at simPlace, g simGrant, sure bool) {
	for key := range s.config.private {
		id := s.meaning(key)
		if id != g.owner.project && s.visible(id) && s.shares(key, at.path) && !s.hasGrants(key, id) {
			s.take(taking{project: id}, sure) // on all paths: what it gets on one would make it look settled
		}
	}
}

// taking is a project whose additions look like a mistake, on one path or, without that, on all.
type taking struct{ project, path string }

func (s *sight) take(t taking, sure bool) { s.takes[t] = s.takes[t] || sure }

// hasGrants reports whether today's file has lines of a key's project.
func (s *sight) hasGrants(key, id string) bool {
	for _, g := range s.old.grants {
		if g.owner.public == "" && (g.owner.project != "" && g.owner.project == id || g.owner.project == key || g.owner.project == "" && (g.owner.name == key || g.owner.name == s.projects[id].name)) {
			return true
		}
	}
	return false
}

// near reports whether a key is spelled much like a word that is not the same: no more
// than a third of its letters, and at most two, differ.
func near(key, word string) bool {
	if word == "" || key == word {
		return false
	}
	return distance(key, word) <= min(2, max(1, len(word)/3))
}

// distance is how many letters have to be put in, taken out or replaced.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := above
			if a[i] != b[j] {
				cost++
			}
			above = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, cost)
		}
	}
	return row[len(b)]
}
