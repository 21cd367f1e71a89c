package render

import (
	"math/bits"
	"net/netip"
	"strings"

	"nfs-exportd/exports"
)

// Covers reports whether a client is the address, everybody, or a network with the
// address in it. It is not known for host names, patterns and netgroups, of which
// exportfs asks the resolver.
func Covers(client exports.Client, addr netip.Addr) (covered, known bool) {
	if client.Literal == "" || client.Literal == "*" {
		return client.Literal == "*" || client.Addr == addr, true
	}
	if network, ok := parseNetwork(client.Literal); ok {
		return network.Contains(addr), true
	}
	// To exportfs an IPv4 address in the form of IPv6 is never the IPv4 address.
	_, err := netip.ParseAddr(client.Literal)
	return false, err == nil
}

// parseNetwork reads a network in one of its two forms, 10.0.0.0/24 and
// 10.0.0.0/255.255.255.0.
func parseNetwork(text string) (netip.Prefix, bool) {
	if network, err := netip.ParsePrefix(text); err == nil {
		return network, true
	}
	base, mask, _ := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(base)
	if err != nil {
		return netip.Prefix{}, false
	}
	ones, err := netip.ParseAddr(mask)
	if err != nil || ones.BitLen() != addr.BitLen() {
		return netip.Prefix{}, false
	}
	n := 0
	for _, b := range ones.AsSlice() {
		n += bits.OnesCount8(b)
	}
	// A mask with a zero between its ones is not a network.
	if netip.PrefixFrom(ones, n).Masked().Addr() != ones.WithZone("") {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, n), true
}
