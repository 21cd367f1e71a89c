package render

import (
	"fmt"

	"nfs-exportd/exports"
)

// manyClients is from how many different clients on exportfs and rpc.mountd take
// time that people notice, see docs/performance.md.
const manyClients = 2000

// ManyClients returns a warning if the file of a set and the foreign ones have so
// many different clients that exportfs is slow with them, else "".
func ManyClients(set exports.Set, foreign []Foreign) string {
	clients := map[exports.Client]bool{}
	for _, g := range set.Grants() {
		clients[g.Client] = true
	}
	for _, f := range foreign {
		for _, g := range f.Grants {
			clients[g.Place.Client] = true
		}
	}
	if len(clients) < manyClients {
		return ""
	}
	return fmt.Sprintf(`there are %d different clients: exportfs and rpc.mountd take time that grows with the square of their number, `+
		`whenever something changes; see "MANY CLIENTS" in nfs-exportd(8)`, len(clients))
}
