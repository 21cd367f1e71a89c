package exports

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Holder is an instance that has some address, and what follows from that for
// the mounts of its project.
type Holder struct {
	Claim   Claim
	Network string // in which it has the address
	Line    int    // of the project's key in the configuration
	// Why says why the address gets no grant at all, whatever the mounts are; it
	// is empty if it gets some.
	Why    string
	Mounts []MountVerdict // in the order of the configuration
}

// MountVerdict is what a mount of a project means to its instances.
type MountVerdict struct {
	Mount
	On Host // where the mount's host is; only one that is Here gives grants
}

// Explain gives who has an address, of all projects of the configuration whose
// instances were read; see [Unread].
func Explain(addr netip.Addr, e Evidence) []Holder {
	e = e.withFound()
	var holders []Holder
	for _, p := range e.Config.Projects {
		project := e.Inventory.Projects[p.Key]
		known := map[[3]string]bool{} // a second reading lists an instance again
		for _, instance := range project.Instances {
			for _, a := range instance.Addresses {
				seen := [3]string{instance.Region, instance.ID, a.Network}
				if a.Addr.Unmap() != addr.Unmap() || known[seen] {
					continue
				}
				known[seen] = true
				h := Holder{
					Claim:   Claim{Owner{ID: project.ID, Name: project.Name}, instance},
					Network: a.Network, Line: p.Line,
				}
				switch why := impossible(addr.Unmap()); {
				case !e.counts(a):
					h.Why = fmt.Sprintf("its network %q is not among openstack.networks (%s)", a.Network, strings.Join(e.Config.OpenStack.Networks, ", "))
				case why != "":
					h.Why = "it is " + why
				case isLocal(addr, e.Local):
					h.Why = "it is an address of this server itself"
				}
				for _, m := range p.Mounts {
					h.Mounts = append(h.Mounts, MountVerdict{m, e.Hosts[m.Host]})
				}
				h.Why = cmp.Or(h.Why, notHere(h.Mounts))
				holders = append(holders, h)
			}
		}
	}
	return holders
}

// notHere says why none of a project's mounts gives a grant, or nothing.
func notHere(mounts []MountVerdict) string {
	is := func(where Where) bool {
		return slices.ContainsFunc(mounts, func(v MountVerdict) bool { return v.On.Where == where })
	}
	switch {
	case is(Here):
		return ""
	case is(Unresolved):
		return "no mount of the project is known to be on this server"
	default:
		return "no mount of the project is on this server"
	}
}

// Unread says of each project of the configuration whose instances could not be read
// why not: Keystone has no such project or does not show it, or it is disabled.
func Unread(e Evidence) []string {
	var all []string
	for _, p := range e.Config.Projects {
		if why := e.unread(p); why != "" {
			all = append(all, why)
		}
	}
	return all
}
