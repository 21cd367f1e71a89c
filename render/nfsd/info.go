package nfsd

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Client is an NFSv4 client as the kernel shows it.
type Client struct {
	// Address is where the client connected from.
	Address netip.AddrPort
	// Status is confirmed, unconfirmed, courtesy (its lease has run out) or expirable.
	// It is empty in kernels that do not show it.
	Status string
	// Idle is how long ago the client renewed its lease; negative if the kernel does
	// not show it.
	Idle time.Duration
	// Name is what the client calls itself, as the kernel escapes it. It can be any
	// text, and a lie.
	Name string
}

// maxIdle is the longest lease that the kernel can be set to. A client that was silent
// for longer is not there, whatever its status says.
const maxIdle = time.Hour

// Connected reports whether the client is there now.
func (c Client) Connected() bool { return c.Status == "confirmed" && c.Idle <= maxIdle }

// parseInfo reads the file "info" of a client; see client_info_show in the kernel's
// fs/nfsd/nfs4state.c. It returns false if the text has no address.
func parseInfo(text string) (c Client, ok bool) {
	c.Idle = -1
	for line := range strings.Lines(text) {
		line, whole := strings.CutSuffix(line, "\n")
		if !whole {
			break // the text was cut here
		}
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "address":
			address, err := netip.ParseAddrPort(unquote(value))
			if err != nil {
				return c, false
			}
			c.Address, ok = netip.AddrPortFrom(address.Addr().Unmap().WithZone(""), address.Port()), true
		case "status":
			c.Status = value
		case "seconds from last renew":
			if n, err := strconv.ParseInt(value, 10, 32); err == nil {
				c.Idle = time.Duration(n) * time.Second
			}
		case "name":
			// The client chose what follows, so nothing below is believed.
			c.Name = unquote(value)
			return c, ok
		}
	}
	return c, ok
}

// unquote removes the kernel's quotes. It leaves escapes as they are.
func unquote(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`) }
