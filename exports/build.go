package exports

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nfs-exportd/printable"
)

// Build gives the grants that the evidence positively asks for: the public
// lines, and for each mount on this server the addresses of its project's
// instances.
//
// It leaves out addresses that no client can have, and those of this server: which
// a tenant chooses for a port of his own must not matter to others, and a server can
// be an instance of the project that it serves. An address that two projects claim
// is in it; [Decide] freezes its places.
func Build(e Evidence) Set {
	sources := e.sources()
	n := 0
	for _, s := range sources {
		for range e.grants(s) {
			n++
		}
	}
	grants := make([]Grant, 0, n)
	sorted := 0
	for i, s := range sources {
		for g := range e.grants(s) {
			grants = append(grants, g)
		}
		// Path by path there is less to sort than all at once.
		if i+1 == len(sources) || sources[i+1].path != s.path {
			slices.SortFunc(grants[sorted:], compareWanted)
			sorted = len(grants)
		}
	}
	return firstOfEach(grants)
}

// source is what grants come from: a public line, or a mount on this server of
// a project that gets grants.
type source struct {
	path    string
	public  PublicLine
	options string
	project Project // the zero Project is none
}

// sources are in order of their paths.
func (e Evidence) sources() []source {
	var sources []source
	for _, l := range e.Config.Public {
		sources = append(sources, source{path: l.Path, public: l})
	}
	for _, p := range e.Config.Served(e.Hosts) {
		project := e.Inventory.Projects[p.Key]
		if project.Sight != Shown || !project.Enabled {
			continue
		}
		for _, m := range p.Mounts {
			if e.Hosts[m.Host].Where == Here {
				sources = append(sources, source{path: m.Path, options: p.Options, project: project})
			}
		}
	}
	slices.SortStableFunc(sources, func(a, b source) int { return strings.Compare(a.path, b.path) })
	return sources
}

// grants walks the grants of a source.
func (e Evidence) grants(s source) func(yield func(Grant) bool) {
	return func(yield func(Grant) bool) {
		if s.project.Sight != Shown {
			l := s.public
			yield(Grant{Path: l.Path, Client: l.Client, Options: l.Options, Owner: Owner{Public: l.Name}})
			return
		}
		owner := s.project.owner()
		for instance, addr := range e.addresses(s.project) {
			if !yield(Grant{
				Path: s.path, Client: Client{Addr: addr}, Options: s.options, Owner: owner,
				Instance: InstanceRef{ID: instance.ID, Name: instance.Name},
			}) {
				return
			}
		}
	}
}

// compareWanted orders grants by place. Of several for one place the first
// counts, and which that is must not hang on the order of any list. Public lines
// come first: where one names a single address, the operator wrote its options
// on purpose.
func compareWanted(a, b Grant) int {
	if n := a.Place().Compare(b.Place()); n != 0 {
		return n
	}
	return cmp.Or(
		cmp.Compare(len(b.Owner.Public), 0)-cmp.Compare(len(a.Owner.Public), 0),
		strings.Compare(a.Owner.Public, b.Owner.Public),
		strings.Compare(a.Owner.ID, b.Owner.ID),
		strings.Compare(a.Options, b.Options),
		strings.Compare(a.Instance.ID, b.Instance.ID),
	)
}

// addresses walks the addresses of a project that count and that a client can have,
// in the form of [Client].
func (e Evidence) addresses(project Project) func(yield func(Instance, netip.Addr) bool) {
	return func(yield func(Instance, netip.Addr) bool) {
		for _, instance := range project.Instances {
			if instance.deleted() {
				continue
			}
			for _, a := range instance.Addresses {
				addr := a.Addr.Unmap()
				if !e.counts(a) || isLocal(addr, e.Local) || impossible(addr) != "" {
					continue
				}
				if !yield(instance, addr) {
					return
				}
			}
		}
	}
}

func (e Evidence) counts(a Address) bool {
	networks := e.Config.OpenStack.Networks
	return len(networks) == 0 || slices.Contains(networks, a.Network)
}

// served gives the projects that the inventory shows, in the order of the
// configuration. A project for which two keys stand, its id and its name, is
// there twice.
func (e Evidence) served() []Project {
	var projects []Project
	for _, p := range e.Config.Served(e.Hosts) {
		if project := e.Inventory.Projects[p.Key]; project.Sight == Shown {
			projects = append(projects, project)
		}
	}
	return projects
}

// Claim is one project's hold on an address.
type Claim struct {
	Project  Owner
	Instance Instance
}

func (c Claim) String() string {
	return fmt.Sprintf("instance %q (%s) of project %q (%s) in region %s",
		c.Instance.Name, printable.ID(c.Instance.ID), c.Project.Name, printable.ID(c.Project.ID), printable.ID(c.Instance.Region))
}

// key is an address as a key of a map that the garbage collector need not look
// through. No two addresses without a zone that [netip.Addr.Unmap] gives have the
// same one.
type key [16]byte

// holders gives for each address that counts the number of the project, among
// projects, that has it; of several, the first.
func (e Evidence) holders(projects []Project) map[key]int32 {
	n := 0
	for _, project := range projects {
		for range e.addresses(project) {
			n++
		}
	}
	holders := make(map[key]int32, n)
	for i, project := range projects {
		for _, addr := range e.addresses(project) {
			if _, ok := holders[addr.As16()]; !ok {
				holders[addr.As16()] = int32(i)
			}
		}
	}
	return holders
}

// claims gives the addresses that instances of more than one project have, and by
// which instance each of them has it, in the order of the projects.
func (e Evidence) claims() map[netip.Addr][]Claim {
	projects := e.served()
	holders := e.holders(projects)
	twice := map[netip.Addr][]Claim{}
	for _, project := range projects {
		for _, addr := range e.addresses(project) {
			if projects[holders[addr.As16()]].ID != project.ID {
				twice[addr] = nil
			}
		}
	}
	if len(twice) == 0 {
		return nil
	}
	for _, project := range projects {
		for instance, addr := range e.addresses(project) {
			held, ok := twice[addr]
			if ok && !slices.ContainsFunc(held, func(c Claim) bool { return c.Project.ID == project.ID }) {
				twice[addr] = append(held, Claim{project.owner(), instance})
			}
		}
	}
	return twice
}

// impossible says why no client can have an address, or gives nothing.
func impossible(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "not an address"
	case addr.IsUnspecified():
		return "the unspecified address"
	case addr.IsLoopback():
		return "a loopback address"
	case addr.IsLinkLocalUnicast():
		return "a link-local address"
	case addr.Zone() != "":
		return "an address with a zone"
	case addr.IsMulticast():
		return "a multicast address"
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the broadcast address"
	}
	return ""
}
