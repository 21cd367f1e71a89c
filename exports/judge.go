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
	byID     map[string][]ProjectConfig    // by the id that Keystone gave for their keys
	hidden   []ProjectConfig               // in the order of the configuration
	projects []Project                     // served
	holders  map[key]int32                 // by address, which of projects has it
	listed   map[string][]Instance         // by the id of the project
	numbers  map[Question]int              // of instances in listed, for the projects that were looked up
	having   map[string]map[netip.Addr]int // numbers in listed, by project and address; for those that were looked up
	granted  map[Owner]bool                // owners of today's lines, by their id or else their name alone
}

func newJudge(today Set, e Evidence) *judge {
	j := &judge{
		Evidence: e,
		byKey:    make(map[string]ProjectConfig, len(e.Config.Projects)),
		byID:     make(map[string][]ProjectConfig, len(e.Config.Projects)),
		projects: e.served(),
		listed:   map[string][]Instance{},
		numbers:  map[Question]int{},
		having:   map[string]map[netip.Addr]int{},
		granted:  map[Owner]bool{},
	}
	j.holders = e.holders(j.projects)
	for _, p := range j.projects {
		j.listed[p.ID] = p.Instances
	}
	for _, p := range e.Config.Projects {
		j.byKey[p.Key] = p
		switch project := e.Inventory.Projects[p.Key]; project.Sight {
		case Shown:
			j.byID[project.ID] = append(j.byID[project.ID], p)
		case Hidden:
			j.hidden = append(j.hidden, p)
		}
	}
	for _, g := range today.Grants() {
		switch o := g.Owner; {
		case o.ID != "":
			j.granted[Owner{ID: o.ID}] = true
		case o.Name != "":
			j.granted[Owner{Name: o.Name}] = true
		}
	}
	return j
}

// verdict is a row of compare's table: why a line goes, or why it stays, or a doubt
// that leaves no plan.
type verdict struct {
	reason Reason
	frozen FreezeReason
	doubt  Doubt
	why    string // for frozen and doubt
	// ask is what is not known yet. Unless it is the zero Question, the verdict is
	// the one if nobody can be asked.
	ask Question
	// takes are the ids of projects whose additions look like the same mistake.
	takes []string
}

// judge finds the row of compare's table that a grant is in.
func (j *judge) judge(g Grant) verdict {
	if g.Owner.Public != "" {
		return verdict{reason: PublicRemoved}
	}
	m := j.mount(g)
	var slip slip
	if g.Owner == (Owner{}) && j.configured(g.Path) {
		if isLocal(g.Client.Addr, j.Local) {
			return verdict{reason: OwnAddress}
		}
		return verdict{frozen: NotProved, why: "nobody knows whose line it is: no comment above it names a project"}
	}
	if !m.found {
		if slip = j.slip(g); slip.why == "" {
			return verdict{reason: NotInConfig}
		}
	}
	project := j.known(m.project, g.Owner)
	_, isKey := j.byKey[g.Owner.Name] // else the name may be another project's by now
	switch {
	case project.Sight == Absent && g.Owner.ID != "":
		return verdict{reason: ProjectDeleted}
	case project.Sight == Shown && !project.Enabled && (g.Owner.ID != "" || isKey):
		return verdict{reason: ProjectDisabled}
	case isLocal(g.Client.Addr, j.Local):
		return verdict{reason: OwnAddress}
	case m.found && m.where == Elsewhere:
		return verdict{reason: ServedElsewhere}
	}
	own := j.own(g, cmp.Or(g.Owner.ID, project.ID))
	if m.found {
		slip = j.replaced(m.project, g.Owner)
	}
	switch {
	case slip.why != "" && own.left():
		return verdict{reason: NotInConfig}
	case slip.why != "":
		return verdict{frozen: LooksLikeAMistake, why: slip.why + "; " + own.why, ask: own.ask, takes: slip.takes}
	case own.left():
		return verdict{reason: j.leftWith(g, own, cmp.Or(g.Owner.ID, project.ID))}
	}
	if doubt, why := j.doubt(m, g.Owner); doubt != "" {
		return verdict{doubt: doubt, why: why, ask: own.ask}
	}
	switch own.state {
	case ownBare:
		return verdict{frozen: AddressUnknown, why: own.why}
	case ownHas:
		if why := impossible(g.Client.Addr); why != "" {
			return verdict{frozen: NotProved, why: own.why + ", which is " + why}
		}
		return verdict{frozen: LooksLikeAMistake, why: own.why}
	}
	return verdict{frozen: NotProved, why: own.why, ask: own.ask}
}

// configured reports whether any project has a mount of a path that is or may be on this
// server.
func (j *judge) configured(path string) bool {
	return slices.ContainsFunc(j.Config.Projects, func(p ProjectConfig) bool { return j.mayMount(p, path) })
}

// leftWith is the reason for a line whose own instance does not have the address.
func (j *judge) leftWith(g Grant, own own, project string) Reason {
	if i, ok := j.holders[g.Client.Addr.As16()]; ok && j.projects[i].ID != project {
		return AddressReassigned
	}
	if own.state == ownGone {
		return InstanceGone
	}
	return AddressReleased
}

func (j *judge) unresolved(host string) string {
	return fmt.Sprintf("host %s: %s", host, cmp.Or(j.Hosts[host].Why, "nobody asked where it is"))
}

// doubt says why nobody can tell whether a line that is in the configuration is on a
// host and of a project that still count.
func (j *judge) doubt(m mounted, o Owner) (Doubt, string) {
	if _, asked := j.Inventory.Projects[m.project.Key]; !asked && m.where == Unresolved {
		return HostUnresolved, j.unresolved(m.host) // which is why nobody asked Keystone for the key
	}
	if why := j.unseen(m.project, o); why != "" {
		return ProjectHidden, why
	}
	if m.where == Unresolved {
		return HostUnresolved, j.unresolved(m.host)
	}
	return "", ""
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
			if IsProjectID(p.Key) {
				continue // of another project
			}
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
	if o.ID == "" {
		found = j.named(o.Name)
	}
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

// named gives the configured projects that a name alone can stand for: those of the
// project that Keystone shows for the name as a key, or else of each that has the name.
func (j *judge) named(name string) []ProjectConfig {
	byKey := j.Inventory.Projects[name]
	var named []ProjectConfig
	for _, p := range j.Config.Projects {
		project := j.Inventory.Projects[p.Key]
		if project.Sight != Shown || name == "" {
			continue
		}
		if byKey.Sight == Shown && project.ID == byKey.ID || byKey.Sight != Shown && project.Name == name && !IsProjectID(name) {
			named = append(named, p)
		}
	}
	return named
}

// known is what Keystone says of the project that a line belongs to, which the
// configuration means with p. It is Hidden if Keystone says nothing. For a name alone,
// of whose key nobody asked, another key of the project can have an answer.
func (j *judge) known(p ProjectConfig, o Owner) Project {
	byKey, asked := j.Inventory.Projects[p.Key]
	switch {
	case o.ID != "" && (byKey.Sight != Shown || byKey.ID != o.ID):
		return j.Inventory.IDs[o.ID]
	case o.ID != "" || asked:
		return byKey
	}
	var project Project
	for _, q := range j.named(o.Name) {
		found := j.Inventory.Projects[q.Key]
		if project.Sight == Shown && project.ID != found.ID {
			return Project{} // the name is in two domains
		}
		project = found
	}
	return project
}

// unseen says why Keystone does not show the project that a line belongs to, or not
// as the configuration has it, or gives nothing.
func (j *judge) unseen(p ProjectConfig, o Owner) string {
	byKey, byID := j.Inventory.Projects[p.Key], j.known(p, o)
	switch {
	case byKey.Sight == Hidden:
		return cmp.Or(byKey.Why, fmt.Sprintf("nothing is known of project %q", p.Key))
	case byID.Sight == Hidden:
		return cmp.Or(byID.Why, fmt.Sprintf("nothing is known of project %s", printable.ID(o.ID)))
	case byID.Sight == Shown && byKey.Sight == Absent:
		return fmt.Sprintf("Keystone has no project %q, but project %s is there under the name %q: put the id into the configuration", p.Key, printable.ID(o.ID), byID.Name)
	}
	return ""
}
