package exports

import (
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
	Key     string // of the project in the configuration
	Line    int    // of the key
	// Why says why the address gets no grant at all, whatever the mounts are; it
	// is empty if it gets some.
	Why    string
	Mounts []MountVerdict // in the order of the configuration
}

// MountVerdict is what a mount of a project means to its instances.
type MountVerdict struct {
	Mount
	// Why says why the mount is not exported by this server; it is empty if it
	// is.
	Why string
}

// Explain gives who has an address, of all projects of the configuration that
// the inventory has an answer for.
func Explain(addr netip.Addr, e Evidence) []Holder {
	var holders []Holder
	for _, p := range e.Config.Projects {
		project := e.Inventory.Projects[p.Key]
		for _, instance := range project.Instances {
			for _, a := range instance.Addresses {
				if a.Addr.Unmap() != addr.Unmap() {
					continue
				}
				h := Holder{
					Claim:   Claim{Owner{ID: project.ID, Name: project.Name}, instance},
					Network: a.Network, Key: p.Key, Line: p.Line,
				}
				switch why := impossible(addr.Unmap(), e.Local); {
				case !e.counts(a):
					h.Why = fmt.Sprintf("its network %q is not among openstack.networks (%s)", a.Network, strings.Join(e.Config.OpenStack.Networks, ", "))
				case why != "":
					h.Why = "it is " + why
				case !project.Enabled:
					h.Why = "the project is disabled in Keystone"
				}
				for _, m := range p.Mounts {
					h.Mounts = append(h.Mounts, MountVerdict{m, e.notHere(m)})
				}
				if h.Why == "" && !slices.ContainsFunc(h.Mounts, func(v MountVerdict) bool { return v.Why == "" }) {
					h.Why = "no mount of the project is on this server"
				}
				holders = append(holders, h)
			}
		}
	}
	return holders
}

// notHere says why a mount is not on this server, or nothing.
func (e Evidence) notHere(m Mount) string {
	switch host := e.Hosts[m.Host]; host.Where {
	case Here:
		return ""
	case Elsewhere:
		return fmt.Sprintf("%s is another server (%s)", m.Host, host.Why)
	default:
		return fmt.Sprintf("it is not known whether %s is this server (%s)", m.Host, host.Why)
	}
}
