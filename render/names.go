package render

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"nfs-exportd/exports"
)

// HostName is what the resolver of this host knows of a host name.
type HostName struct {
	Canonical string // what exportfs calls the client
	Addrs     []netip.Addr
}

// Names are the host names of exports files that could be resolved, by the name as
// it is written there.
type Names map[string]HostName

// NamesIn returns the host names of foreign files and of lines of ours, each once.
func NamesIn(foreign []Foreign, ours ...exports.Client) []string {
	found := map[string]bool{}
	add := func(c exports.Client) {
		if IsName(c) {
			found[c.Literal] = true
		}
	}
	for _, f := range foreign {
		for _, g := range f.Grants {
			add(g.Place.Client)
		}
	}
	for _, c := range ours {
		add(c)
	}
	return slices.Sorted(maps.Keys(found))
}

// Shared returns the addresses of names that have others as well. exportfs keeps one
// client for all of them (client_lookup in support/export/client.c): a grant of ours
// for such an address would be for the others too, or take the name's lines from
// them.
func (n Names) Shared() Addresses {
	shared := Addresses{}
	for _, host := range n {
		if len(host.Addrs) < 2 {
			continue
		}
		for _, addr := range host.Addrs {
			shared[addr] = true
		}
	}
	return shared
}

// Addresses is a set of addresses.
type Addresses map[netip.Addr]bool

// has reports whether a grant is a project's for one of the addresses.
func (a Addresses) has(g exports.Grant) bool { return a[g.Client.Addr] && g.Owner.Public == "" }

// Hosts returns a hosts(5) file by which a resolver answers as that of this host did,
// if it takes all lines for a name (multi in host.conf(5)).
func (n Names) Hosts() []byte {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(n)) {
		for _, addr := range n[name].Addrs {
			b.WriteString(addr.String() + " " + n[name].Canonical)
			if name != n[name].Canonical {
				b.WriteString(" " + name)
			}
			b.WriteString("\n")
		}
	}
	return []byte(b.String())
}

// IsPlainName reports whether a name can be asked of a resolver and written to a
// hosts(5) file. exportfs asks for any, but no other has an address.
func IsPlainName(name string) bool {
	return name != "" && name[0] != '-' && len(name) <= 255 && unsafeBytes(name, "#", "") == ""
}

// aliases finds out which clients exportfs may call by the name of which others:
// those that have an address in common.
type aliases map[exports.Client][]exports.Client

// aliases returns those of the names.
func (n Names) aliases() aliases {
	all := aliases{}
	add := func(a, b exports.Client) {
		if a != b && !slices.Contains(all[a], b) {
			all[a] = append(all[a], b)
		}
	}
	byAddr := map[netip.Addr][]exports.Client{}
	for name, host := range n {
		written, called := exports.Client{Literal: name}, clientOf(host.Canonical)
		add(written, called)
		for _, addr := range host.Addrs {
			byAddr[addr] = append(byAddr[addr], written, called)
		}
	}
	for addr, clients := range byAddr {
		own := exports.Client{Addr: addr}
		for _, a := range clients {
			add(a, own)
			add(own, a)
			for _, b := range clients {
				add(a, b)
			}
		}
	}
	return all
}

// add adds a place, by all that exportfs may call its client, to a set.
func (a aliases) add(to map[exports.Place]bool, p exports.Place) {
	to[p] = true
	for _, client := range a[p.Client] {
		to[exports.Place{Path: p.Path, Client: client}] = true
	}
}

// find returns the place of a table at which exportfs may have put another place,
// which is preferred.
func (a aliases) find(t Table, p exports.Place) (exports.Place, bool) {
	if _, ok := t[p]; ok {
		return p, true
	}
	for _, client := range a[p.Client] {
		q := exports.Place{Path: p.Path, Client: client}
		if _, ok := t[q]; ok {
			return q, true
		}
	}
	return p, false
}
