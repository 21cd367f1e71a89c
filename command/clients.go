package command

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
	"nfs-exportd/render/nfsd"
)

// clientsTimeout is for reading all clients: apply has the lock meanwhile, and nothing
// depends on what is read.
const clientsTimeout = 5 * time.Second

// clientsOf reads which clients use the NFS server, if grants are removed.
func (j job) clientsOf(ctx context.Context, removed []exports.Removal) *nfsd.Clients {
	if len(removed) == 0 {
		return nil
	}
	return j.readClients(ctx)
}

// readClients reads which clients use the NFS server. rpc.mountd keeps rmtab beside the
// active table.
func (j job) readClients(ctx context.Context) *nfsd.Clients {
	ctx, cancel := context.WithTimeout(ctx, clientsTimeout)
	defer cancel()
	return nfsd.Read(ctx, j.Proc, filepath.Join(filepath.Dir(j.flags.etab), "rmtab"))
}

// printLive says whether an address uses the NFS server now.
func printLive(b *strings.Builder, live *nfsd.Clients, addr netip.Addr) {
	const unknown = nfsd.Unknown
	clients, noted := live.Of(addr)
	for _, c := range clients[:min(len(clients), maxClients)] {
		fmt.Fprintf(b, "%s\n", liveText(c))
	}
	if n := len(clients) - maxClients; n > 0 {
		fmt.Fprintf(b, "%s more with this address\n", count(n, "NFSv4 client"))
	}
	if slices.ContainsFunc(clients, nfsd.Client.Connected) {
		return
	}
	for _, n := range noted[:min(len(noted), maxClients)] {
		fmt.Fprintf(b, "%s: %s mounted %s once with NFSv3 and has not said that it unmounted it\n", unknown, printable.Word(n.Host), printable.Word(n.Path))
	}
	if n := len(noted) - maxClients; n > 0 {
		fmt.Fprintf(b, "%s more in rmtab\n", count(n, "line"))
	}
	switch {
	case live.Unknown() != "":
		fmt.Fprintf(b, "%s: %s\n", unknown, printable.Line(live.Unknown()))
	case len(clients) == 0 && len(noted) == 0:
		fmt.Fprintf(b, "%s: no NFSv4 client has this address, and rmtab does not have it\n", nfsd.Not)
	}
}

// liveText is an NFSv4 client for people.
func liveText(c nfsd.Client) string {
	text := fmt.Sprintf("%s: an NFSv4 client is connected from port %d", nfsd.Now, c.Address.Port())
	if !c.Connected() {
		text = fmt.Sprintf("%s: an NFSv4 client connected from port %d has the status %s", nfsd.Unknown, c.Address.Port(), printable.ID(c.Status))
	}
	if c.Idle >= 0 {
		text += fmt.Sprintf(", last heard of %d s ago", int(c.Idle.Seconds()))
	}
	return fmt.Sprintf("%s; it calls itself %s", text, printable.Quote(c.Name))
}
