package simulation

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nfs-exportd/keystone/keystonetest"
)

// result compares what is exported after a success with who has a right to it.
func (j *judgement) result() {
	if j.new.odd > 0 {
		j.wrong("", "%d lines of the exports file cannot be read", j.new.odd)
	}
	for _, at := range j.new.places() {
		if f, frozen := j.said.frozen[at]; !frozen || f.reason == "nested" {
			j.rightful(at, j.new.grants[at])
		}
	}
	if differences := j.unexplained(tableDifferences(j.after.etab.text, j.new, j.strays())); len(differences) > 0 && !j.noReload {
		j.wrongSuccess(differences, "the active table is not that of the exports file")
	}
}

// rightful checks that a line has somebody who asks for it, and names an instance that
// has the address: the one that it had, unless that has surely left it.
func (j *judgement) rightful(at simPlace, g simGrant) {
	old, today := j.old.grants[at]
	for _, s := range j.sights {
		for _, r := range s.rights[at] {
			sure, takes := s.takes[taking{project: r.project}]
			if today && sure && j.approve == nil && g.owner.project == r.project && old.owner.project != r.project {
				continue // it may not even if its own instance has left
			}
			if today && takes && g.owner == old.owner && g.instance == old.instance && slices.Contains(s.optionsOf(at, old), g.options) {
				return // it does not pass to who takes it over by mistake
			}
			if r.public != g.owner.public || r.options != g.options {
				continue
			}
			// A line of version 1 gets an id as soon as its own project has the address.
			named := g.instance != "" || !(r.project == g.owner.project && slices.ContainsFunc(r.instances, s.lists))
			mine := today && g.owner.project == old.owner.project && g.instance == old.instance && named
			switch {
			case r.public != "", mine:
				return
			case r.project == g.owner.project && slices.Contains(r.instances, g.instance) && (!today || s.mayMove(at, old)):
				return
			}
		}
	}
	have := fmt.Sprintf("! grep '^%s %s\\(' exports.d/nfs-exportd.exports", at.path, regexp.QuoteMeta(at.client))
	j.wrongSuccess([]string{have}, "%s %s(%s) is exported for %v (before: %v), who has no right to it: %v", at.path, at.client, g.options, g, old, j.sights[0].rights[at])
}

// mayMove reports whether a line may name another instance from now on.
func (s *sight) mayMove(at simPlace, old simGrant) bool {
	if old.instance == "" {
		return true
	}
	keys, _ := s.keys(old.owner)
	if where := s.hosts(keys, at.path); !where[simHere] && !where[simUnknown] || s.byKeystone(at, old) != nil {
		return true
	}
	return slices.ContainsFunc(s.own(at, old), func(o ownState) bool { return o == ownGone || o == ownWithout })
}

// unexplained leaves out what an exportfs that does nothing has left in the table
// for paths that are not exported any more, if there is a warning about it:
// without a proof it could be for another file's sake.
func (j *judgement) unexplained(differences []string) []string {
	paths := map[string]bool{}
	for at := range j.new.grants {
		paths[at.path] = true
	}
	return slices.DeleteFunc(differences, func(difference string) bool {
		entry, surplus := strings.CutPrefix(difference, "! grep '^")
		path, _, _ := strings.Cut(entry, `\t`)
		return surplus && j.exportfs != "" && !paths[path] && strings.Contains(j.got.Stderr, "warn: "+path+" for ")
	})
}

// mayBeHidden tells of a right of which a run could not know because it was not
// shown the project, or not its instances, and of which nothing was exported
// before that would have been missed.
func (j *judgement) mayBeHidden(at simPlace, r simRight) bool {
	if !j.struck() || r.project == "" || j.old.grants[at].owner.project == r.project {
		return false
	}
	kind, project, _ := strings.Cut(j.fault.on, "/")
	switch keystonetest.Kind(kind) {
	case keystonetest.Projects, keystonetest.AuthProjects, keystonetest.OneProject:
		return true
	case keystonetest.Instances:
		return j.fault.flap && strings.HasPrefix(project, r.project+"/")
	}
	return false
}
