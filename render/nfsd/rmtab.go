package nfsd

import (
	"net/netip"
	"path"
	"strings"
)

// Noted is a line of rmtab: an NFSv3 client that mounted a path once. rpc.mountd
// removes the line if the client says that it unmounts. A client that is gone says
// nothing, so that a line can be years old.
type Noted struct {
	// Host is the client's address, or a name in any text.
	Host string
	// Path is what it mounted, in any text.
	Path string
	addr netip.Addr // of Host; not valid if that is a name
}

// parseRmtab reads rmtab, which has lines of HOST:PATH:0xCOUNT. Other lines are left
// out: they are what nfs-utils makes of an IPv6 address, or a client's own making, as
// a client may mount a path with a line break.
func parseRmtab(text string) []Noted {
	var all []Noted
	for line := range strings.Lines(text) {
		// An IPv6 host has colons of its own, but no slash.
		host, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":/")
		if !ok || host == "" {
			continue
		}
		mounted := "/" + rest
		if i := strings.LastIndex(mounted, ":0x"); i > 0 {
			mounted = mounted[:i]
		}
		n := Noted{Host: host, Path: path.Clean(mounted)}
		if addr, err := netip.ParseAddr(host); err == nil {
			n.addr = addr.Unmap().WithZone("")
		}
		all = append(all, n)
	}
	return all
}

// below reports whether a client that mounted path uses what is exported as exported.
func below(path, exported string) bool {
	return path == exported || exported == "/" || strings.HasPrefix(path, exported+"/")
}
