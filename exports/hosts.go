package exports

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Hosts is what is known of mount hosts, by [Mount.Host].
type Hosts map[string]Host

// Host tells where a mount host is.
type Host struct {
	Where Where
	// Why says what the resolver answered, or which error it gave.
	Why string
}

// Where a mount host is.
type Where int

const (
	// Unresolved is no evidence: the resolver gave an error, no address, or only
	// addresses that say nothing about where a host is.
	Unresolved Where = iota
	// Here means that this server is the host.
	Here
	// Elsewhere means that the resolver gave addresses of another server, and none of
	// this one.
	Elsewhere
)

// Locate tells where a host with these addresses is, seen from a server with the given
// local addresses.
//
// Addresses that no other machine can reach a host by say nothing, in whichever form:
// loopback (127.0.1.1 for the own name is a line of Debian's installer), unspecified,
// link-local, multicast, broadcast. Beside others they are ignored. A server without
// any other address of its own is not up yet: no host is elsewhere then.
func Locate(addrs, local []netip.Addr) Host {
	telling := tellingAddrs(addrs)
	h := Host{Why: fmt.Sprintf("resolves to %v", addrs)}
	switch {
	case len(addrs) == 0:
		h.Why = "the resolver has no address for it"
	case len(telling) == 0:
		h.Why += ", which says nothing about where it is"
	case len(tellingAddrs(local)) == 0:
		h.Why += ", but this server has no address yet besides loopback and link-local ones"
	case slices.ContainsFunc(telling, func(addr netip.Addr) bool { return isLocal(addr, local) }):
		h.Where = Here
	default:
		h.Where = Elsewhere
	}
	return h
}

// tellingAddrs gives the addresses by which one server can be told from another.
func tellingAddrs(addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(addr netip.Addr) bool { return impossible(plainAddr(addr)) != "" })
}

// Again gives what two look-ups of the same hosts say together. A host is here or
// elsewhere only if both say so. If the second one says nothing, the host is
// unresolved; a host that was unresolved stays so. The error is a *DisagreeError.
func (first Hosts) Again(second Hosts) (Hosts, error) {
	both := make(Hosts, len(first))
	disagree := &DisagreeError{}
	for _, name := range slices.Sorted(maps.Keys(first)) {
		before, after := first[name], second[name]
		both[name] = before
		switch {
		case before.Where == Unresolved || after.Where == before.Where:
		case after.Where == Unresolved:
			both[name] = Host{Why: fmt.Sprintf("it %s at first, but a second look-up did not confirm that: %s", before.Why, cmp.Or(after.Why, "no answer"))}
		default:
			disagree.Hosts = append(disagree.Hosts, Disagreement{name, before, after})
		}
	}
	if len(disagree.Hosts) > 0 {
		return nil, disagree
	}
	return both, nil
}

// DisagreeError is hosts of which one look-up says that they are this server, and
// another that they are not.
type DisagreeError struct {
	Hosts []Disagreement // at least one, by name
}

// Disagreement is what two look-ups of one host gave.
type Disagreement struct {
	Name          string
	First, Second Host
}

func (e *DisagreeError) Error() string {
	var all []string
	for _, d := range e.Hosts {
		order := "another server at first, and this server later"
		if d.First.Where == Here {
			order = "this server at first, and another later"
		}
		all = append(all, fmt.Sprintf("mount host %s is %s: it %s, then it %s", d.Name, order, d.First.Why, d.Second.Why))
	}
	return fmt.Sprintf("two look-ups disagree: %s; run again when DNS or the fail-over has settled, or, if this server is the host, name it with --serve-as; nothing was changed", strings.Join(all, "; "))
}

// isLocal reports whether an address is one of local, in whichever form.
func isLocal(addr netip.Addr, local []netip.Addr) bool {
	return slices.ContainsFunc(local, func(l netip.Addr) bool { return plainAddr(l) == plainAddr(addr) })
}

// plainAddr gives an address in the one form in which it can be compared.
func plainAddr(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// Hosts gives the host of every mount once, sorted.
func (c *Config) Hosts() []string {
	var names []string
	for _, p := range c.Projects {
		for _, m := range p.Mounts {
			names = append(names, m.Host)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Served gives the projects that have a mount on this server, the only ones
// that the cloud is asked about.
func (c *Config) Served(hosts Hosts) []ProjectConfig {
	var served []ProjectConfig
	for _, p := range c.Projects {
		if slices.ContainsFunc(p.Mounts, func(m Mount) bool { return hosts[m.Host].Where == Here }) {
			served = append(served, p)
		}
	}
	return served
}

// Standby reports whether this server has nothing to serve: every mount host
// is positively elsewhere, and no public line is configured. A configuration
// without any mount is no standby.
func (c *Config) Standby(hosts Hosts) bool {
	names := c.Hosts()
	return len(c.Public) == 0 && len(names) > 0 &&
		!slices.ContainsFunc(names, func(name string) bool { return hosts[name].Where != Elsewhere })
}

// ProjectsToRead gives what the cloud is asked first: the keys of the served
// projects, and all projects that have grants today, by id. An id alone can tell a
// deleted project from one that has another name by now. Each project is there once,
// with its domain if a line has that.
func ProjectsToRead(c *Config, hosts Hosts, today Set) (keys []string, ids []Owner) {
	for _, p := range c.Served(hosts) {
		keys = append(keys, p.Key)
	}
	domains := map[string]string{}
	for _, g := range today.Grants() {
		if id := g.Owner.ID; id != "" {
			domains[id] = cmp.Or(domains[id], g.Owner.Domain)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(domains)) {
		ids = append(ids, Owner{ID: id, Domain: domains[id]})
	}
	return keys, ids
}
