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

// ManyClients warns of so many different clients that exportfs is slow with them,
// or gives nothing.
func ManyClients(set exports.Set) string {
	if set.Len() < manyClients {
		return ""
	}
	addresses, literals := make([][16]byte, 0, set.Len()), map[string]bool{}
	for _, g := range set.Grants() {
		if g.Client.Literal != "" {
			literals[g.Client.Literal] = true
		} else {
			addresses = append(addresses, g.Client.Addr.As16())
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
