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
	if with.got.Status != without.got.Status && !(with.ok() && without.ok()) {
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
	for fate, list := range map[string][]jsonPlace{"frozen ": j.Frozen, "added": j.Grants.Added, "removed ": j.Grants.Removed, "changed": j.Grants.Changed} {
		for _, one := range list {
			at := simPlace{one.Path, one.Client}
			p.fates[at], p.of[at] = fate+one.Reason, l.truth.meaning(one.Project)
		}
	}
	return p
}

type jsonPlace struct{ Path, Client, Project, Reason string }

func (l *life) failTwin(p *planned, what string) {
	l.fail(p.attempt, []violation{{what: what}})
}
