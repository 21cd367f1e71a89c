package render

import (
	"fmt"
	"slices"

	"nfs-exportd/exports"
)

// manyClients is from how many different clients on exportfs and rpc.mountd take
// time that people notice, see docs/performance.md.
const manyClients = 2000

// ManyClients returns a warning if the file of a set and the foreign ones have so
// many different clients that exportfs is slow with them, else "".
func ManyClients(set exports.Set, foreign []Foreign) string {
	clients := make([]exports.Client, 0, set.Len())
	for _, g := range set.Grants() {
		clients = append(clients, g.Client)
	}
	for _, f := range foreign {
		for _, g := range f.Grants {
			clients = append(clients, g.Place.Client)
		}
	}
	slices.SortFunc(clients, exports.Client.Compare)
	clients = slices.Compact(clients)
	if len(clients) < manyClients {
		return ""
	}
	return fmt.Sprintf(`there are %d different clients: exportfs and rpc.mountd take time that grows with the square of their number, `+
		`whenever something changes; see "MANY CLIENTS" in nfs-exportd(8)`, len(clients))
}
