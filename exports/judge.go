package exports

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"nfs-exportd/printable"
)

// judge looks up what the evidence says of a line.
type judge struct {
	Evidence
	byKey    map[string]ProjectConfig
	byID     map[string][]ProjectConfig // by the id that Keystone gave for their keys
	hidden   []ProjectConfig            // in the order of the configuration
	projects []Project                  // served
	holders  map[key]int32              // by address, which of projects has it
	has      map[string]has             // by key, for projects that were looked up
}

// has is what a project's listing says of its addresses.
type has struct {
	addresses map[netip.Addr]bool // those that do not count, too
	silent    string              // what to say of an instance without one, if there is one
}

func newJudge(e Evidence) *judge {
	j := &judge{
		Evidence: e,
		byKey:    make(map[string]ProjectConfig, len(e.Config.Projects)),
		byID:     make(map[string][]ProjectConfig, len(e.Config.Projects)),
		projects: e.served(),
		has:      map[string]has{},
	}
	j.holders = e.holders(j.projects)
	for _, p := range e.Config.Projects {
		j.byKey[p.Key] = p
		switch project := e.Inventory.Projects[p.Key]; project.Sight {
		case Shown:
			j.byID[project.ID] = append(j.byID[project.ID], p)
		case Hidden:
			j.hidden = append(j.hidden, p)
		}
	}
	return j
}

// listing gives what the listing of a key's project says of its addresses.
func (j *judge) listing(key string, p Project) has {
	h, ok := j.has[key]
	if ok {
		return h
	}
	h.addresses = map[netip.Addr]bool{}
	for _, instance := range p.Instances {
		for _, a := range instance.Addresses {
			h.addresses[a.Addr.Unmap()] = true
		}
		if h.silent == "" && silent(instance) {
			h.silent = silence(instance, p.Name)
		}
	}
	j.has[key] = h
	return h
}

// verdict is a row of Compare's table: either a reason, or a doubt and what it
// rests on.
type verdict struct {
	reason Reason
	doubt  Doubt
	why    string
	key    string // of the grant's project; with InstanceGone alone
}

// judge finds the row of Compare's table that a grant is in.
func (j *judge) judge(g Grant) verdict {
	if g.Owner.Public != "" {
		return verdict{reason: PublicRemoved}
	}
	m := j.mount(g)
	switch {
	case !m.found:
		return verdict{reason: NotInConfig}
	case isLocal(g.Client.Addr, j.Local):
		return verdict{reason: OwnAddress}
	case m.where == Elsewhere:
		return verdict{reason: ServedElsewhere}
	// Who has the address now is known whatever else is in doubt, and as long
	// as the old grant stands that project's files are open to a stranger.
	case j.reassigned(g, m.project):
		return verdict{reason: AddressReassigned}
	case m.where == Unresolved:
		return verdict{doubt: HostUnresolved, why: fmt.Sprintf("host %s: %s", m.host, cmp.Or(j.Hosts[m.host].Why, "nobody asked where it is"))}
	}
	project, doubt := j.sight(m.project, g.Owner)
	switch {
	case doubt != "":
		return verdict{doubt: ProjectHidden, why: doubt}
	case project.Sight == Absent:
		return verdict{reason: ProjectDeleted}
	case g.Owner.ID != "" && project.ID != g.Owner.ID:
		// The key is a name that another project has by now, and the old one
		// lives on: no line of the configuration means it any more.
		return verdict{reason: NotInConfig}
	case !project.Enabled:
		return verdict{reason: ProjectDisabled}
	}
	switch listing := j.listing(m.project.Key, project); {
	case listing.addresses[g.Client.Addr]:
		return verdict{reason: NotInConfig}
	case listing.silent != "":
		return verdict{doubt: InstanceSilent, why: listing.silent}
	}
	return verdict{reason: InstanceGone, key: m.project.Key}
}

// mounted is the mount of the configuration that a line of the file is for.
type mounted struct {
	found   bool
	project ProjectConfig
	host    string
	where   Where
}

// mount finds the mount that a line is for: one of its project's with its path.
// Of several, one that is here outweighs one that is unresolved, and that one
// that is elsewhere; and a project that Keystone shows one that it does not.
func (j *judge) mount(g Grant) mounted {
	var best mounted
	bestRank := 0
	consider := func(p ProjectConfig, ranks [3]int) { // by Where
		for _, m := range p.Mounts {
			if m.Path != g.Path {
				continue
			}
			where := j.Hosts[m.Host].Where
			rank := ranks[where]
			if j.Inventory.Projects[p.Key].Sight != Hidden {
				rank++
			}
			if rank > bestRank {
				best, bestRank = mounted{true, p, m.Host, where}, rank
			}
		}
	}
	found, orAnother := j.projectsOf(g.Owner)
	for _, p := range found {
		consider(p, [3]int{Elsewhere: 1, Unresolved: 3, Here: 5})
	}
	if orAnother && best.where != Here {
		// Such a key can cast doubt, and prove nothing.
		for _, p := range j.hidden {
			consider(p, [3]int{Unresolved: 3, Here: 5})
		}
	}
	return best
}

// projectsOf gives the configured projects that a line is of: those whose key is
// its project's id, by itself or as Keystone says, and those whose key is its
// project's name, the one of today or that in the line. A key of which Keystone
// says that it is another project by now counts only where there is no better
// one. The second result tells that the line may be of any other key besides
// that Keystone did not answer for: a project can have got a new name since.
func (j *judge) projectsOf(o Owner) (found []ProjectConfig, orAnother bool) {
	if o == (Owner{}) {
		return nil, false
	}
	add := func(to []ProjectConfig, p ProjectConfig) []ProjectConfig {
		if slices.ContainsFunc(to, func(q ProjectConfig) bool { return q.Key == p.Key }) {
			return to
		}
		return append(to, p)
	}
	if o.ID != "" {
		found = slices.Clone(j.byID[o.ID])
		if p, ok := j.byKey[o.ID]; ok {
			found = add(found, p)
		}
	}
	own := j.Inventory.IDs[o.ID]
	orAnother = o.ID != "" && len(found) == 0 && own.Sight == Hidden
	var taken []ProjectConfig
	for _, name := range []string{own.Name, o.Name} {
		p, ok := j.byKey[name]
		switch project := j.Inventory.Projects[name]; {
		case !ok || name == "":
		case IsProjectID(name) && o.ID != "": // the key is the id of another project
		case o.ID != "" && project.Sight == Shown && project.ID != o.ID:
			taken = add(taken, p)
		default:
			found = add(found, p)
		}
	}
	if len(found) == 0 {
		found = taken
	}
	return found, orAnother
}

// reassigned reports whether an instance of another project than the line's has
// its address.
func (j *judge) reassigned(g Grant, p ProjectConfig) bool {
	if !g.Client.Addr.IsValid() {
		return false
	}
	i, ok := j.holders[g.Client.Addr.As16()]
	if !ok {
		return false
	}
	holder := j.projects[i]
	if own := cmp.Or(g.Owner.ID, j.Inventory.Projects[p.Key].ID); own != "" {
		return holder.ID != own
	}
	return holder.ID != g.Owner.Name && holder.Name != g.Owner.Name
}

// sight gives what Keystone says of the project that a line belongs to, which
// the configuration means with p. The second result is not empty where nobody
// can say whether that project is still there.
func (j *judge) sight(p ProjectConfig, o Owner) (Project, string) {
	byKey := j.Inventory.Projects[p.Key]
	if byKey.Sight == Hidden {
		return byKey, cmp.Or(byKey.Why, fmt.Sprintf("nothing is known of project %q", p.Key))
	}
	if o.ID == "" || (byKey.Sight == Shown && byKey.ID == o.ID) {
		return byKey, ""
	}
	// The key led to no project, or to another one than the line's. What
	// became of the line's own project only its id can tell.
	switch byID := j.Inventory.IDs[o.ID]; {
	case byID.Sight == Hidden:
		return byID, cmp.Or(byID.Why, fmt.Sprintf("nothing is known of project %s", printable.ID(o.ID)))
	case byID.Sight == Shown && byKey.Sight == Absent:
		return byID, fmt.Sprintf("Keystone has no project %q, but project %s is there under the name %q: put the id into the configuration", p.Key, printable.ID(o.ID), byID.Name)
	case byID.Sight == Absent:
		return byID, ""
	}
	return byKey, ""
}
