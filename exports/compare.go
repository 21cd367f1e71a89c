package exports

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Reason is positive evidence that a grant must go.
type Reason string

// The reasons, see "REASONS" in nfs-exportd(8).
const (
	NotInConfig       Reason = "not-in-config"
	ProjectDeleted    Reason = "project-deleted"
	ProjectDisabled   Reason = "project-disabled"
	InstanceGone      Reason = "instance-gone"
	AddressReassigned Reason = "address-reassigned"
	ServedElsewhere   Reason = "served-elsewhere"
	PublicRemoved     Reason = "public-removed"
)

// Doubt is why nobody can say whether a grant must go.
type Doubt string

const (
	// ProjectHidden: Keystone does not show the project to us, or not under
	// the configured name.
	ProjectHidden Doubt = "project-hidden"
	// HostUnresolved: the resolver did not say where the mount's host is.
	HostUnresolved Doubt = "host-unresolved"
	// InstanceSilent: Nova shows an active instance of the project without any
	// address, so that the listing may lack more.
	InstanceSilent Doubt = "instance-silent"
)

// Removal is a grant that goes, and why.
type Removal struct {
	Grant
	Reason Reason
}

// Change is a grant that stays with other options.
type Change struct {
	Old, New Grant
}

// Plan is what separates today's grants from the desired ones. All lists are
// in the order of the exports file.
type Plan struct {
	Today, Desired Set
	Added          []Grant
	Removed        []Removal
	Changed        []Change
	// Warnings is what an operator should know although it stops nothing.
	Warnings []string
}

// Compare gives the plan that leads from today's grants to the desired ones,
// which Build made of the same evidence.
//
// A grant is the same grant if its path and client are the same. For each one
// of today that is not desired, of project X on path P, the first fitting row
// decides:
//
//	X in the  P among     hosts of    address of  Keystone  instances
//	config    X's mounts  those       another     says      of X        = outcome
//	no        -           -           -           -         -           = not-in-config
//	yes       no          -           -           -         -           = not-in-config
//	yes       yes         elsewhere   -           -         -           = served-elsewhere
//	yes       yes         -           yes         -         -           = address-reassigned
//	yes       yes         unresolved  no          -         -           = in doubt: host-unresolved
//	yes       yes         here        no          hidden    -           = in doubt: project-hidden
//	yes       yes         here        no          renamed   -           = in doubt: project-hidden
//	yes       yes         here        no          absent    -           = project-deleted
//	yes       yes         here        no          replaced  -           = not-in-config
//	yes       yes         here        no          disabled  -           = project-disabled
//	yes       yes         here        no          shown     uncounted   = not-in-config
//	yes       yes         here        no          shown     one silent  = in doubt: instance-silent
//	yes       yes         here        no          shown     without it  = instance-gone
//
// "Address of another" is one that the inventory shows in another served
// project. "Renamed" is a project that Keystone has under another name than
// the configured one, "replaced" one whose name another project has taken and
// that lives on. "Silent" is an active instance without any address,
// "uncounted" an address in a network that openstack.networks leaves out.
//
// A grant of a public line goes as public-removed, as only the configuration
// says what is public. With any grant in doubt there is no plan but an
// *UnclearError that names all of them.
func Compare(today, desired Set, e Evidence) (Plan, error) {
	plan := Plan{Today: today, Desired: desired, Warnings: e.warnings()}
	if today.Len() == 0 {
		plan.Added = desired.Grants() // of which there can be many
		return plan, nil
	}
	var j *judge
	unclear := &UnclearError{}
	for old, wanted := range pairs(today.Grants(), desired.Grants()) {
		switch {
		case old == nil:
			plan.Added = append(plan.Added, *wanted)
		case wanted == nil:
			if j == nil {
				j = newJudge(e) // which most runs do not need
			}
			reason, doubt, why := j.judge(*old)
			if doubt != "" {
				unclear.add(*old, doubt, why)
			} else {
				plan.Removed = append(plan.Removed, Removal{*old, reason})
			}
		case old.Options != wanted.Options:
			plan.Changed = append(plan.Changed, Change{*old, *wanted})
		}
	}
	if len(unclear.Grants) > 0 {
		return Plan{}, unclear
	}
	return plan, nil
}

// pairs walks the places of two lists that are in order. A grant is nil where its
// list has none for the place.
func pairs(a, b []Grant) func(yield func(inA, inB *Grant) bool) {
	return func(yield func(inA, inB *Grant) bool) {
		for len(a) > 0 || len(b) > 0 {
			var inA, inB *Grant
			order := 0
			switch {
			case len(b) == 0:
				order = -1
			case len(a) == 0:
				order = 1
			default:
				order = a[0].Place().Compare(b[0].Place())
			}
			if order <= 0 {
				inA, a = &a[0], a[1:]
			}
			if order >= 0 {
				inB, b = &b[0], b[1:]
			}
			if !yield(inA, inB) {
				return
			}
		}
	}
}

// Gone gives the keys of the projects that lose grants because a listing lacks
// their instances, sorted. That is the one reason that rests on something not
// being there, so that it deserves a second look; see [Inventory.Join].
func (p Plan) Gone(e Evidence) []string {
	var j *judge
	var keys []string
	for _, r := range p.Removed {
		if r.Reason == InstanceGone {
			if j == nil {
				j = newJudge(e)
			}
			keys = append(keys, j.mount(r.Grant).project.Key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// warnings tells what is unclear although no grant hangs on it.
func (e Evidence) warnings() []string {
	var warnings []string
	for _, name := range e.Config.Hosts() {
		if h := e.Hosts[name]; h.Where == Unresolved {
			warnings = append(warnings, fmt.Sprintf("mount host %s is not known to be this server or another: %s", name, h.Why))
		}
	}
	for _, p := range e.Config.Served(e.Hosts) {
		if why := e.unread(p); why != "" {
			warnings = append(warnings, why)
		}
	}
	return append(warnings, e.AddressWarnings()...)
}

// AddressWarnings tells of instances of the served projects that should have an
// address and have none, and of networks in openstack.networks in which none of
// them has one: a name with a mistake leaves out the addresses that it should let in.
func (e Evidence) AddressWarnings() []string {
	var warnings []string
	seen := map[string]bool{}
	for _, p := range e.Config.Served(e.Hosts) {
		for _, instance := range e.Inventory.Projects[p.Key].Instances {
			if silent(instance) {
				warnings = append(warnings, silence(instance, p.Key))
			}
			for _, a := range instance.Addresses {
				seen[a.Network] = true
			}
		}
	}
	for _, network := range e.Config.OpenStack.Networks {
		if len(seen) > 0 && !seen[network] {
			warnings = append(warnings, fmt.Sprintf("no instance of a served project has an address in network %q of openstack.networks; they are in %s: see whether its name is right",
				network, quotedNames(seen)))
		}
	}
	return warnings
}

// quotedNames lists names that others chose, a few of them at most.
func quotedNames(names map[string]bool) string {
	const most = 5
	var quoted []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		quoted = append(quoted, strconv.QuoteToASCII(name))
	}
	if len(quoted) > most {
		quoted = append(quoted[:most], "others")
	}
	return strings.Join(quoted, ", ")
}

// unread says why a project of the configuration has no instances to read, or gives
// nothing.
func (e Evidence) unread(p ProjectConfig) string {
	about := fmt.Sprintf("project %q (line %d of the configuration)", p.Key, p.Line)
	switch project := e.Inventory.Projects[p.Key]; {
	case project.Sight == Hidden:
		return about + " is not shown to us: " + project.Why
	case project.Sight == Absent:
		return about + " does not exist: " + project.Why
	case !project.Enabled:
		return about + " is disabled in Keystone and gets no grants"
	}
	return ""
}

// silent reports whether an instance should have an address and has none.
func silent(i Instance) bool {
	return i.Status == "ACTIVE" && len(i.Addresses) == 0
}

// silence says so to people.
func silence(i Instance, project string) string {
	return fmt.Sprintf("active instance %q (%s) of project %q has no address in Nova", i.Name, word(i.ID), project)
}

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

// judge finds the row of Compare's table that a grant is in. It gives either a
// reason, or a doubt and what it rests on.
func (j *judge) judge(g Grant) (Reason, Doubt, string) {
	if g.Owner.Public != "" {
		return PublicRemoved, "", ""
	}
	m := j.mount(g)
	switch {
	case !m.found:
		return NotInConfig, "", ""
	case m.where == Elsewhere:
		return ServedElsewhere, "", ""
	// Who has the address now is known whatever else is in doubt, and as long
	// as the old grant stands that project's files are open to a stranger.
	case j.reassigned(g, m.project):
		return AddressReassigned, "", ""
	case m.where == Unresolved:
		return "", HostUnresolved, fmt.Sprintf("host %s: %s", m.host, cmp.Or(j.Hosts[m.host].Why, "nobody asked where it is"))
	}
	project, doubt := j.sight(m.project, g.Owner)
	switch {
	case doubt != "":
		return "", ProjectHidden, doubt
	case project.Sight == Absent:
		return ProjectDeleted, "", ""
	case g.Owner.ID != "" && project.ID != g.Owner.ID:
		// The key is a name that another project has by now, and the old one
		// lives on: no line of the configuration means it any more.
		return NotInConfig, "", ""
	case !project.Enabled:
		return ProjectDisabled, "", ""
	}
	switch listing := j.listing(m.project.Key, project); {
	case listing.addresses[g.Client.Addr]:
		return NotInConfig, "", ""
	case listing.silent != "":
		return "", InstanceSilent, listing.silent
	}
	return InstanceGone, "", ""
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
		return byID, cmp.Or(byID.Why, fmt.Sprintf("nothing is known of project %s", word(o.ID)))
	case byID.Sight == Shown && byKey.Sight == Absent:
		return byID, fmt.Sprintf("Keystone has no project %q, but project %s is there under the name %q: put the id into the configuration", p.Key, word(o.ID), byID.Name)
	case byID.Sight == Absent:
		return byID, ""
	}
	return byKey, ""
}

// Unclear is one grant in doubt.
type Unclear struct {
	Grant
	Doubt Doubt
	Why   string
}

// UnclearError is grants of today that the evidence neither asks for nor
// speaks against.
type UnclearError struct {
	Grants []Unclear // at least one, in the order of the exports file
}

func (e *UnclearError) add(g Grant, doubt Doubt, why string) {
	e.Grants = append(e.Grants, Unclear{g, doubt, why})
}

// Doubt is the gravest of the doubts: a hidden project before a silent
// instance before an unresolved host.
func (e *UnclearError) Doubt() Doubt {
	for _, doubt := range []Doubt{ProjectHidden, InstanceSilent} {
		if slices.ContainsFunc(e.Grants, func(u Unclear) bool { return u.Doubt == doubt }) {
			return doubt
		}
	}
	return HostUnresolved
}

// maxNamed is how many grants an error names before it only counts.
const maxNamed = 20

func (e *UnclearError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "nothing says that these must go, and nothing was changed (grants of the exports file in doubt: %d):", len(e.Grants))
	last := ""
	for i, u := range e.Grants {
		if i == maxNamed {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Grants)-maxNamed)
			break
		}
		if u.Why != last {
			fmt.Fprintf(&b, "\n  %s: %s:", u.Doubt, u.Why)
			last = u.Why
		}
		fmt.Fprintf(&b, "\n    %s %s of project %q", u.Path, u.Client, u.Owner)
	}
	b.WriteString("\n  ")
	b.WriteString(e.next())
	return b.String()
}

func (e *UnclearError) next() string {
	switch e.Doubt() {
	case ProjectHidden:
		return "next: give the user of this server a role on these projects, or take them out of the configuration if they are gone"
	case InstanceSilent:
		return "next: see why Nova has no address for these instances (their ports, its address cache), or wait until they have one"
	}
	return "next: mend the resolver, or name this server with --serve-as"
}
