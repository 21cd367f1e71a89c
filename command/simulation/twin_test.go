package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nfs-exportd/command"
)

// twin plans in the world as it is and in the same world without what the hostile tenant
// has just done. Nothing may become of another project's place that would not have
// become of it without that, but at an address that the tenant claims itself.
func (l *life) twin(before, after map[string]simInstance) {
	with := l.planned()
	l.putHostiles(after, before)
	without := l.planned()
	l.putHostiles(before, after)
	if with == nil || without == nil {
		return
	}
	if with.refusedFor() != without.refusedFor() {
		// More than half of all grants are the tenant's, or it is a party to the last.
		l.stats.twins["refused as a whole"]++
		return
	}
	l.stats.twins["compared"]++
	claimed := map[string]bool{}
	for _, world := range []map[string]simInstance{before, after} {
		for _, i := range world {
			for _, a := range i.addresses {
				claimed[a.ip] = true
			}
		}
	}
	if with.isUnowned() != without.isUnowned() {
		// The exports file is lost, and the tenant's grants of the table are all that no
		// file has; what becomes of the others is compared all the same.
		l.stats.twins["lost file"]++
	} else if with.got.Status != without.got.Status && !(with.ok() && without.ok()) {
		l.failTwin(with, fmt.Sprintf("exit status %d, and %d without what the hostile tenant did", with.got.Status, without.got.Status))
	}
	places := maps.Clone(with.fates)
	maps.Copy(places, without.fates)
	old := parseExports(lookAt(l.ours()).text)
	for at := range places {
		is, was := with.fates[at], without.fates[at]
		switch {
		case is == was, claimed[at.client], with.of[at] == l.hostile, old.grants[at].owner.project == l.hostile:
		case is == overLimit || was == overLimit: // together with its own
			l.stats.twins["over-limit"]++
		default:
			l.failTwin(with, fmt.Sprintf("%s %s of %v: %q, and %q without what the hostile tenant did", at.path, at.client, old.grants[at], is, was))
		}
	}
}

// putHostiles makes the instances of the hostile tenant others.
func (l *life) putHostiles(from, to map[string]simInstance) {
	for _, id := range slices.Sorted(maps.Keys(from)) {
		if _, ok := to[id]; !ok {
			l.do(removeInstance(id))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(to)) {
		if i, ok := from[id]; !ok || fmt.Sprint(i) != fmt.Sprint(to[id]) {
			l.do(putInstance(id, to[id]))
		}
	}
}

// planned is what a plan says of each place that it changes or freezes.
type planned struct {
	*attempt
	fates map[simPlace]string
	of    map[simPlace]string // ids of the projects that get grants
}

func (p *planned) ok() bool { return p.got.Status == 0 || p.got.Status == command.ExitFrozen }

// refusedFor is why a plan is refused as a whole, where a tenant can be the reason; then
// nobody is asked by id.
func (p *planned) refusedFor() string {
	for _, why := range []string{"more than half", "claimed twice or have", "would remove the last"} {
		if p.got.Status == command.ExitRefused && strings.Contains(p.got.Stdout, why) {
			return why
		}
	}
	return ""
}

// isUnowned reports whether a plan is refused because the exports file has no grants, and
// the active table has some that neither the plan nor another file has.
func (p *planned) isUnowned() bool {
	return p.got.Status == command.ExitRefused && len(parseExports(p.before.exports.text).grants) == 0 &&
		strings.Contains(p.got.Stdout, "of the active table (")
}

// planned makes a plan in JSON. It is nil if the run does not come that far for
// something that is wrong besides.
func (l *life) planned() *planned {
	a := &attempt{command: "plan", json: true}
	l.try(a)
	p := &planned{attempt: a, fates: map[simPlace]string{}, of: map[simPlace]string{}}
	if !p.ok() && p.got.Status != command.ExitRefused {
		return nil
	}
	var j struct {
		Frozen []jsonPlace
		Grants struct{ Added, Removed, Changed []jsonPlace }
	}
	if json.Unmarshal([]byte(a.got.Stdout), &j) != nil {
		return p
	}
	// Options can change at a frozen place, and an addition can wait where a line goes.
	for _, all := range []struct {
		fate string
		list []jsonPlace
	}{{"changed", j.Grants.Changed}, {"added", j.Grants.Added}, {"frozen ", j.Frozen}, {"removed ", j.Grants.Removed}} {
		for _, one := range all.list {
			at := simPlace{one.Path, one.Client}
			p.fates[at], p.of[at] = all.fate+one.Reason, l.truth.meaning(one.Project)
		}
	}
	return p
}

type jsonPlace struct{ Path, Client, Project, Reason string }

func (l *life) failTwin(p *planned, what string) {
	l.fail(p.attempt, []violation{{what: what}})
}
