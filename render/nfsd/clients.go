package nfsd

import (
	"net/netip"
	"slices"

	"nfs-exportd/exports"
	"nfs-exportd/render"
)

// Clients is what Read found. The zero Clients knows nothing.
type Clients struct {
	complete bool   // all that there is was read
	unknown  string // why not
	clients  []Client
	noted    []Noted
	byAddr   map[netip.Addr][]Client
	notedBy  map[netip.Addr][]Noted
	names    []Noted // those whose host is a name
}

// Mounted says whether a client is mounted.
type Mounted int

const (
	// Unknown means that there is no kernel server, that not everything could be
	// read, or that nothing says whether the client is still there.
	Unknown Mounted = iota
	// Now means that the client is connected with NFSv4. The kernel does not say
	// which paths it uses.
	Now
	// Not means that no NFSv4 client has the address, and that rmtab does not have
	// the address with the path.
	Not
)

// String returns the answer for people.
func (m Mounted) String() string {
	switch m {
	case Now:
		return "mounted now"
	case Not:
		return "not mounted"
	}
	return "unknown if mounted"
}

// Bool returns true for Now, false for Not, and nil for Unknown.
func (m Mounted) Bool() *bool {
	if m == Unknown {
		return nil
	}
	now := m == Now
	return &now
}

// Mounted says whether the client of a place is mounted. For a network, or everybody,
// it says whether one of its clients is.
func (c *Clients) Mounted(place exports.Place) Mounted {
	client := place.Client
	if client.Addr.IsValid() {
		return c.answer(place.Path, c.byAddr[client.Addr], c.notedBy[client.Addr])
	}
	if _, known := render.Covers(client, netip.IPv4Unspecified()); !known {
		return Unknown // only exportfs knows which addresses a name or a netgroup has
	}
	var clients []Client
	for _, live := range c.clients {
		if covered, _ := render.Covers(client, live.Address.Addr()); covered {
			clients = append(clients, live)
		}
	}
	var lines []Noted
	for _, n := range c.noted {
		if covered, _ := render.Covers(client, n.addr); covered {
			lines = append(lines, n)
		}
	}
	return c.answer(place.Path, clients, lines)
}

// answer says whether one of the clients is mounted; lines are of the same addresses.
func (c *Clients) answer(path string, clients []Client, lines []Noted) Mounted {
	for _, client := range clients {
		if client.Connected() {
			return Now
		}
	}
	if !c.complete || len(clients) > 0 || anyBelow(lines, path) || anyBelow(c.names, path) {
		return Unknown
	}
	return Not
}

func anyBelow(lines []Noted, path string) bool {
	for _, n := range lines {
		if below(n.Path, path) {
			return true
		}
	}
	return false
}

// Of returns the NFSv4 clients with an address, and the lines of rmtab with it. Lines
// with a host name, which can stand for any address, follow.
func (c *Clients) Of(addr netip.Addr) ([]Client, []Noted) {
	return c.byAddr[addr], slices.Concat(c.notedBy[addr], c.names)
}

// Unknown says why Read does not know all clients; empty if it does.
func (c *Clients) Unknown() string { return c.unknown }

// doubt notes why not everything is known, if it is the first reason.
func (c *Clients) doubt(err error) {
	if err != nil && c.complete {
		c.complete, c.unknown = false, err.Error()
	}
}

// index makes the answers quick: a plan can remove thousands of grants.
func (c *Clients) index() {
	c.byAddr, c.notedBy = map[netip.Addr][]Client{}, map[netip.Addr][]Noted{}
	for _, client := range c.clients {
		addr := client.Address.Addr()
		c.byAddr[addr] = append(c.byAddr[addr], client)
	}
	for _, n := range c.noted {
		if !n.addr.IsValid() {
			c.names = append(c.names, n)
			continue
		}
		c.notedBy[n.addr] = append(c.notedBy[n.addr], n)
	}
}
