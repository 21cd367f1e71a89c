package exports

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nfs-exportd/printable"
)

// warnings tells what is unclear although no grant hangs on it.
func (e Evidence) warnings() []string {
	var warnings []string
	for _, name := range e.Config.Hosts() {
		if h := e.Hosts[name]; h.Where == Unresolved {
			warnings = append(warnings, fmt.Sprintf("cannot tell whether mount host %s is this server: %s: fix DNS or /etc/hosts, or, if it is, name it with --serve-as", name, h.Why))
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
// address and have none, of addresses that no client can have, and of networks in
// openstack.networks in which none of them has one: a name with a mistake leaves out
// the addresses that it should let in.
func (e Evidence) AddressWarnings() []string {
	var warnings []string
	seen := map[string]bool{}
	odd, quiet := 0, 0
	for _, p := range e.Config.Served(e.Hosts) {
		for _, instance := range e.Inventory.Projects[p.Key].Instances {
			if silent(instance) {
				if quiet++; quiet <= maxNamed {
					warnings = append(warnings, silence(instance, p.Key))
				}
			}
			for _, a := range instance.Addresses {
				seen[a.Network] = true
				why := impossible(a.Addr.Unmap())
				if why == "" || !e.counts(a) {
					continue
				}
				if odd++; odd <= maxNamed {
					warnings = append(warnings, fmt.Sprintf("instance %q (%s) of project %q has the address %s, which is %s: it gets no grant",
						instance.Name, printable.ID(instance.ID), p.Key, a.Addr, why))
				}
			}
		}
	}
	if odd > maxNamed {
		warnings = append(warnings, fmt.Sprintf("%d more addresses of instances are none that a client can have, and get no grant", odd-maxNamed))
	}
	if quiet > maxNamed {
		warnings = append(warnings, fmt.Sprintf("Nova does not show all addresses of %d more instances", quiet-maxNamed))
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
		quoted = append(quoted, printable.Quote(name))
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

// silent reports whether an instance should have an address that Nova does not show.
// One that is being made has none yet, and one that could not be made never gets one.
func silent(i Instance) bool {
	return i.bare() && !i.deleted() && i.Status != "BUILD" && i.Status != "ERROR"
}

// silence says so to people.
func silence(i Instance, project string) string {
	return fmt.Sprintf("Nova does not show all addresses of instance %q (%s, %s) of project %q: %s",
		i.Name, printable.ID(i.ID), printable.ID(i.Status), project, bareness(i))
}
