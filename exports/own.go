package exports

import (
	"fmt"
	"net/netip"
	"slices"

	"nfs-exportd/printable"
)

// own is what is known of the instance that a line names.
type own struct {
	state ownState
	why   string   // which instance, and what is known of it; for people
	ask   Question // not the zero one if Nova can still be asked for the instance
}

type ownState int

const (
	ownUnknown ownState = iota // nothing proves where the address is
	ownGone                    // the instance is not there any more
	ownWithout                 // the instance is there without the address
	ownBare                    // Nova does not show all its addresses
	ownHas                     // the instance has the address
)

// left reports whether the instance certainly does not have the address.
func (o own) left() bool { return o.state == ownGone || o.state == ownWithout }

// own looks up a line's own instance: in the listing of its project, else among the
// answers.
func (j *judge) own(g Grant, project string) own {
	if g.Instance.ID == "" {
		return j.nameless(g, project)
	}
	q := Question{Project: project, Instance: g.Instance.ID}
	if i, ok := j.find(q); ok {
		return j.seen(g, i, true)
	}
	name := "instance " + printable.ID(g.Instance.ID)
	answer, asked := j.Answers[q]
	switch {
	case project == "":
		return own{why: name + " is in no list, and nobody knows the id of its project"}
	case !asked:
		return own{why: name + " is in no list, and nobody asked for its id", ask: q}
	case answer.State == Found:
		return j.seen(g, answer.Instance, answer.Read)
	case answer.State == Gone:
		return own{state: ownGone, why: name + " is gone: " + answer.Why}
	}
	return own{why: name + " is in no list, and nothing proves that it is gone: " + answer.Why}
}

// find looks an instance up in the listing of its project.
func (j *judge) find(q Question) (Instance, bool) {
	project := Question{Project: q.Project} // stands for all of them
	if _, ok := j.numbers[project]; !ok {
		j.numbers[project] = 0
		for n, i := range j.listed[q.Project] {
			if !i.deleted() {
				j.numbers[Question{q.Project, i.ID}] = n
			}
		}
	}
	n, ok := j.numbers[q]
	if !ok {
		return Instance{}, false
	}
	return j.listed[q.Project][n], true
}

// seen is what Nova's picture of a line's own instance tells. read says that it is of
// a region whose instances count.
func (j *judge) seen(g Grant, i Instance, read bool) own {
	name := fmt.Sprintf("instance %q (%s)", i.Name, printable.ID(i.ID))
	if !i.has(g.Client.Addr) {
		if i.bare() {
			return own{state: ownBare, why: name + " is there, and Nova does not show all its addresses: " + bareness(i)}
		}
		return own{state: ownWithout, why: name + " is there without the address"}
	}
	return own{state: ownHas, why: name + " has the address" + j.uncounted(g, i, read)}
}

// uncounted says why an address that an instance has does not count, or nothing.
func (j *judge) uncounted(g Grant, i Instance, read bool) string {
	for _, a := range i.Addresses {
		switch {
		case a.Addr.Unmap() != g.Client.Addr:
		case !read:
			return fmt.Sprintf(", but region %s is none whose instances are read: correct openstack.regions, or approve the removal", printable.ID(i.Region))
		case j.counts(a):
			return ""
		default:
			return fmt.Sprintf(", but on network %q, which is not among openstack.networks: correct them, or approve the removal", a.Network)
		}
	}
	return ""
}

// nameless is what can be known of a line that names no instance. A list that has its
// address tells that it is in use; that no list has it tells nothing.
func (j *judge) nameless(g Grant, project string) own {
	if n, ok := j.has(project)[g.Client.Addr]; ok {
		i := j.listed[project][n]
		return own{state: ownHas, why: fmt.Sprintf("instance %q (%s) has the address", i.Name, printable.ID(i.ID)) + j.uncounted(g, i, true)}
	}
	return own{why: "the line names no instance that could be asked for, and no instance that is listed has the address"}
}

// has gives the numbers of a project's instances by their addresses; of several, the
// first.
func (j *judge) has(project string) map[netip.Addr]int {
	if j.having[project] == nil {
		having := map[netip.Addr]int{}
		for n, i := range slices.Backward(j.listed[project]) {
			for _, a := range i.Addresses {
				if !i.deleted() {
					having[a.Addr.Unmap()] = n
				}
			}
		}
		j.having[project] = having
	}
	return j.having[project]
}

// bareness says which addresses of an instance Nova does not show.
func bareness(i Instance) string {
	if len(i.Addresses) == 0 {
		return "there is none"
	}
	networks := slices.Sorted(slices.Values(i.EmptyNetworks))
	return fmt.Sprintf("there is none on network %q", networks[0])
}
