package exports

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Client is whom a grant is for, in the sense of "Machine Name Formats" in
// exports(5). Exactly one field is set. Clients are comparable with ==.
type Client struct {
	// Addr is a single host. It is valid, has no zone and is not an
	// IPv4-mapped IPv6 address. Grants of projects have nothing else.
	Addr netip.Addr
	// Literal is any other form: "*", a network, a host name, a netgroup.
	// Only public lines, which an operator wrote, have one.
	Literal string
}

// ParseClient gives the client that text stands for in an exports file. An
// address in any spelling that [netip.ParseAddr] takes becomes Addr, all else
// is Literal.
func ParseClient(text string) Client {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return Client{Addr: addr.Unmap()}
	}
	return Client{Literal: text}
}

// String is the client as it is written in an exports file: IPv4 dotted, IPv6
// as in RFC 5952 and without brackets, a literal as it is.
func (c Client) String() string {
	if c.Literal != "" {
		return c.Literal
	}
	return c.Addr.String()
}

// Compare orders addresses numerically, IPv4 before IPv6, and literals, by
// their bytes, after all addresses.
func (c Client) Compare(d Client) int {
	if n := strings.Compare(c.Literal, d.Literal); n != 0 {
		return n
	}
	return c.Addr.Compare(d.Addr)
}

// Owner is on whose behalf a grant exists. The zero Owner is a line of which
// nobody knows.
type Owner struct {
	// Public is the name of a public entry of the configuration; the other
	// fields are then empty.
	Public string
	// ID and Name are those of a Keystone project. Of lines that were adopted from
	// another program only one of them is known: the project's key in the
	// configuration, which is an id or else a name.
	ID, Name string
	// Domain is the id of the domain that the project is in; empty if nobody has
	// seen that, as in a line of version 1.
	Domain string
}

// String names the owner for people: the project's name, else its id, else the
// public entry. It can hold any text, so what prints it must quote it.
func (o Owner) String() string {
	return cmp.Or(o.Name, o.ID, o.Public)
}

// Grant is one client allowed on one path with one set of options: one line of
// an exports file.
type Grant struct {
	Path    string // absolute and clean
	Client  Client
	Options string // as in exports(5), without parentheses
	Owner   Owner
	// Instance is whose address the client is; empty in public grants.
	Instance InstanceRef
	// Port is the id of the port or floating IP that gives the instance the
	// address, where Neutron was asked.
	Port string
}

// InstanceRef is a Nova instance. A line of the exports file has its id alone, and a
// line of version 1 or of another program not even that.
type InstanceRef struct {
	ID, Name string
}

// Place is what makes a grant the same grant: exportfs(8) keeps one entry for a
// client on a path, whatever its options.
type Place struct {
	Path   string
	Client Client
}

// Place is where g grants something.
func (g Grant) Place() Place { return Place{g.Path, g.Client} }

// Compare orders by path, then client.
func (p Place) Compare(q Place) int {
	if n := strings.Compare(p.Path, q.Path); n != 0 {
		return n
	}
	return p.Client.Compare(q.Client)
}

// Set is grants in the order of the exports file, at most one for each place.
// The zero Set is empty.
type Set struct {
	grants []Grant
}

// NewSet orders grants by path, then client. Where two have the same place the
// first one given wins, as with exportfs(8).
func NewSet(grants []Grant) Set {
	sorted := slices.Clone(grants)
	slices.SortStableFunc(sorted, func(a, b Grant) int { return a.Place().Compare(b.Place()) })
	return firstOfEach(sorted)
}

// firstOfEach is the set of grants that are in order. It takes the slice over.
func firstOfEach(sorted []Grant) Set {
	return Set{slices.CompactFunc(sorted, func(a, b Grant) bool { return a.Place() == b.Place() })}
}

// Grants are the grants in order. The caller must not change them.
func (s Set) Grants() []Grant { return s.grants }

// Len is the number of grants.
func (s Set) Len() int { return len(s.grants) }

// At gives the grant at a place, if there is one.
func (s Set) At(p Place) (Grant, bool) {
	i, ok := slices.BinarySearchFunc(s.grants, p, func(g Grant, p Place) int { return g.Place().Compare(p) })
	if !ok {
		return Grant{}, false
	}
	return s.grants[i], true
}

// with gives the set with other lines at some places; nil is none.
func (s Set) with(lines map[Place]*Grant) Set {
	if len(lines) == 0 {
		return s
	}
	var grants []Grant
	for _, g := range s.grants {
		if _, ok := lines[g.Place()]; !ok {
			grants = append(grants, g)
		}
	}
	for _, g := range lines {
		if g != nil {
			grants = append(grants, *g)
		}
	}
	return NewSet(grants)
}
