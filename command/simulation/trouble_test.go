package simulation

import (
	"slices"

	"nfs-exportd/keystone/keystonetest"
)

// trouble chooses what goes wrong or happens during a run.
func (l *life) trouble(a *attempt) {
	switch n := l.rng.IntN(100); {
	case n < 18:
		a.fault = l.aFault()
	case n < 22:
		if id, ok := l.aProject(); ok {
			region, _ := pickKey(l, l.truth.regions, nil)
			a.fault = simFault{on: string(keystonetest.Instances) + "/" + id + "/" + region, name: "list-empty", times: 1, flap: true}
		}
	case n < 36:
		a.during = l.aMoment()
	case n < 38:
		if text, there := l.handEdit(); there && l.disk == "" {
			a.edit = &simEdit{text: text}
		}
	case n < 39:
		a.locked = l.disk == ""
	case n < 42:
		a.noReload = true
	case n < 45:
		a.later = l.otherHosts()
	case n < 47:
		a.busy = true
	}
}

// aFault chooses a fault and the requests that it strikes. Where it ends, the
// requests come one after the other, so that it is the same ones each time.
func (l *life) aFault() simFault {
	kinds := []keystonetest.Kind{keystonetest.LogIn, keystonetest.Regions, keystonetest.Projects, keystonetest.OneProject, keystonetest.CellProbe, keystonetest.Instances}
	if !l.admin {
		kinds = []keystonetest.Kind{keystonetest.LogIn, keystonetest.Regions, keystonetest.AuthProjects, keystonetest.OneProject, keystonetest.Rescope, keystonetest.Instances}
	}
	if l.chance(30) {
		kinds = kinds[len(kinds)-1:] // the answers on which most depends
	}
	kind := pick(l, kinds...)
	var faults []keystonetest.NamedFault
	usual := l.chance(50)
	for _, f := range keystonetest.Faults() {
		if f.Applies(kind) && (!usual || isUsual(f.Name)) && (!isSlow(f.Name) || l.chance(3)) && !isHuge(f.Name) {
			faults = append(faults, f)
		}
	}
	f := simFault{on: string(kind), name: pick(l, faults...).Name}
	inTurn := true
	switch kind {
	case keystonetest.Rescope, keystonetest.OneProject, keystonetest.Instances:
		id, ok := l.aProject()
		if inTurn = ok && l.chance(60); inTurn {
			f.on += "/" + id
		}
	}
	if region, ok := pickKey(l, l.truth.regions, nil); ok && inTurn && kind == keystonetest.Instances {
		f.on += "/" + region
	}
	if inTurn && kind != keystonetest.CellProbe && l.chance(50) {
		f.times = 1 + l.rng.IntN(5)
	}
	if inTurn && kind != keystonetest.CellProbe && l.chance(30) {
		f.first = 1 + l.rng.IntN(3)
	}
	return f
}

// isUsual tells of a fault of the kind that clouds have every day.
func isUsual(name string) bool {
	return slices.Contains([]string{
		"status-401", "status-403", "status-404", "status-500", "status-503", "status-429", "reset-before-body", "closed-before-body",
		"body-object", "list-empty", "truncated-half", "token-expires", "instance-unknown", "page-short",
	}, name)
}

// isSlow tells of a fault that ends a run only by its time limit.
func isSlow(name string) bool {
	return slices.Contains([]string{"black-hole", "stall-in-body", "slow-drip"}, name)
}

// isHuge tells of a fault that takes long to send.
func isHuge(name string) bool {
	return slices.Contains([]string{"gzip-bomb", "endless", "endless-length"}, name)
}

// aMoment chooses what changes during a run, and before which request. Each
// change shows in the requests for one project in one region alone, which come
// one after the other, or is before all of those that it shows in.
func (l *life) aMoment() []*simMoment {
	early := string(keystonetest.Regions)
	project, ok := l.aProject()
	region, _ := pickKey(l, l.truth.regions, nil)
	if !ok {
		return nil
	}
	stream := func(id string) string { return string(keystonetest.Instances) + "/" + id + "/" + region }
	nth := func() int { return 1 + l.rng.IntN(4) }
	mine, has := pickKey(l, l.truth.instances, func(_ string, i simInstance) bool { return i.project == project && i.region == region })
	switch n := l.rng.IntN(10); {
	case n < 2:
		return []*simMoment{{on: stream(project), nth: nth(), change: putInstance(l.newInstance(project, region))}}
	case n < 4 && has:
		return []*simMoment{{on: stream(project), nth: nth(), change: removeInstance(mine)}}
	case n == 4 && has:
		i := l.truth.instances[mine]
		i.addresses, i.lost = []simAddress{l.address()}, false
		return []*simMoment{{on: stream(project), nth: nth(), change: putInstance(mine, i)}}
	case n < 8 && has:
		// An address goes from one project to another.
		other, _ := l.aProject()
		i := l.truth.instances[mine]
		i.project, i.lost = other, false
		if other == project {
			return nil
		}
		return []*simMoment{
			{on: stream(project), nth: nth(), change: removeInstance(mine)},
			{on: stream(other), nth: nth(), change: putInstance(l.id("i-"), i)},
		}
	case n == 8 && !l.truth.unknown: // else that would not show in the list of regions
		p := l.truth.projects[project]
		p.disabled = true
		scope := project
		if l.admin {
			scope = keystonetest.System
		}
		return []*simMoment{{on: early, nth: 1, change: pick(l, putProject(project, p), removeProject(project), setRole(scope, false))}}
	case n == 9:
		return []*simMoment{{on: string(keystonetest.CellProbe) + "//" + region, nth: 1 + l.rng.IntN(2), change: setCell(region, pick(l, "cell1", "cell2"), true)}}
	}
	return nil
}
