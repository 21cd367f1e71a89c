package simulation

import (
	"maps"
	"slices"
	"strings"
)

// beHostile is what a tenant does against the others, with all that is within reach of
// one project: networks of its own with any address, instances in any number and state.
func (l *life) beHostile() {
	if _, ok := l.truth.projects[l.hostile]; !ok {
		l.hostile, _ = l.aProject()
	}
	if l.hostile == "" {
		return
	}
	for range 1 + l.rng.IntN(3) {
		pick(l, l.detach, l.detach, l.claim, l.claim, l.claim, l.letGo, l.shelve, l.undelete, l.bareInstance, l.oddInstance,
			l.hostileCrowd, l.hostileExit, l.recreate, l.recreate)()
	}
}

// mine is an instance of the hostile tenant.
func (l *life) mine() (string, simInstance, bool) {
	id, ok := pickKey(l, l.truth.instances, func(_ string, i simInstance) bool { return i.project == l.hostile })
	return id, l.truth.instances[id], ok
}

// hostiles are all its instances.
func (l *life) hostiles() map[string]simInstance {
	all := maps.Clone(l.truth.instances)
	maps.DeleteFunc(all, func(_ string, i simInstance) bool { return i.project != l.hostile })
	return all
}

func (l *life) newHostile(addresses ...simAddress) {
	if len(l.hostiles()) > 20 {
		return
	}
	region, _ := pickKey(l, l.truth.regions, nil)
	id, i := l.newInstance(l.hostile, region)
	i.addresses, i.status = addresses, pick(l, "ACTIVE", "ACTIVE", "ERROR", "SHELVED_OFFLOADED")
	l.do(putInstance(id, i))
}

// detach takes ports away.
func (l *life) detach() {
	id, i, ok := l.mine()
	if !ok {
		return
	}
	switch l.rng.IntN(3) {
	case 0:
		i.addresses = nil
	case 1:
		i.empty = "void"
	default:
		i.addresses = slices.Clone(i.addresses[min(1, len(i.addresses)):])
	}
	l.do(putInstance(id, i))
}

// claim gives a network of its own the address of another's instance, or of a line
// of the exports file.
func (l *life) claim() {
	var wanted []string
	for _, id := range slices.Sorted(maps.Keys(l.truth.instances)) {
		for _, a := range l.truth.instances[id].addresses {
			wanted = append(wanted, a.ip)
		}
	}
	for _, at := range parseExports(lookAt(l.ours()).text).places() {
		if !strings.ContainsAny(at.client, "*/") {
			wanted = append(wanted, at.client)
		}
	}
	if len(wanted) > 0 {
		l.newHostile(simAddress{pick(l, "lan", "mine"), pick(l, wanted...)})
	}
}

// letGo deletes one of its instances.
func (l *life) letGo() {
	if id, _, ok := l.mine(); ok {
		l.do(removeInstance(id))
	}
}

func (l *life) shelve() {
	if id, i, ok := l.mine(); ok {
		i.status = pick(l, "SHELVED_OFFLOADED", "SOFT_DELETED", "BUILD")
		l.do(putInstance(id, i))
	}
}

func (l *life) undelete() {
	if id, i, ok := l.mine(); ok {
		i.status, i.lost, i.empty = "ACTIVE", false, ""
		l.do(putInstance(id, i))
	}
}

func (l *life) bareInstance() { l.newHostile() }

func (l *life) oddInstance() {
	l.newHostile(simAddress{"mine", pick(l, strings.Fields(odd)...)}, l.address())
}

// hostileCrowd makes many instances.
func (l *life) hostileCrowd() {
	for range 4 + l.rng.IntN(6) {
		l.newHostile(l.address())
	}
}

// hostileExit deletes all of them at once.
func (l *life) hostileExit() {
	for _, id := range slices.Sorted(maps.Keys(l.hostiles())) {
		if l.chance(90) {
			l.do(removeInstance(id))
		}
	}
}

// recreate deletes an instance and makes another with its addresses.
func (l *life) recreate() {
	if id, i, ok := l.mine(); ok {
		l.do(removeInstance(id))
		l.newHostile(i.addresses...)
	}
}
