package render

import (
	"bytes"
	"fmt"
	"slices"

	"nfs-exportd/exports"
)

// manyClients is from how many different clients on exportfs and rpc.mountd take
// time that people notice, see docs/performance.md.
const manyClients = 2000

// ManyClients warns of so many different clients, in the file of a set and in those
// of others, that exportfs is slow with them, or gives nothing.
func ManyClients(set exports.Set, foreign []Foreign) string {
	all := set.Len()
	for _, f := range foreign {
		all += len(f.Grants)
	}
	if all < manyClients {
		return ""
	}
	addresses, literals := make([][16]byte, 0, all), map[string]bool{}
	add := func(c exports.Client) {
		if c.Literal != "" {
			literals[c.Literal] = true
		} else {
			addresses = append(addresses, c.Addr.As16())
		}
	}
	for _, g := range set.Grants() {
		add(g.Client)
	}
	for _, f := range foreign {
		for _, g := range f.Grants {
			add(g.Place.Client)
		}
	}
	// A map of them would be several times as large.
	slices.SortFunc(addresses, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	n := len(slices.Compact(addresses)) + len(literals)
	if n < manyClients {
		return ""
	}
	return fmt.Sprintf(`there are %d different clients: exportfs and rpc.mountd take time that grows with the square of their number, `+
		`whenever something changes; see "MANY CLIENTS" in nfs-exportd(8)`, n)
}
