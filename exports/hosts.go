package exports

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
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
	// Unresolved is no evidence: the resolver gave an error or no address.
	Unresolved Where = iota
	// Here means that this server is the host.
	Here
	// Elsewhere means that the resolver gave addresses, none of them local.
	Elsewhere
)

// Locate tells where a host with these addresses is, seen from a server with
// the given local addresses. No addresses, of either, are no evidence.
func Locate(addrs, local []netip.Addr) Where {
	if len(addrs) == 0 || len(local) == 0 {
		return Unresolved
	}
	if slices.ContainsFunc(addrs, func(addr netip.Addr) bool { return isLocal(addr, local) }) {
		return Here
	}
	return Elsewhere
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
