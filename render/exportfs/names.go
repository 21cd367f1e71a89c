package exportfs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"nfs-exportd/render"
)

// ErrNoAddress is for a host name for which the resolver has no address.
var ErrNoAddress = errors.New("the resolver has no address for it")

// ResolveName asks the resolver of this host for a host name, as exportfs does, which is by
// getaddrinfo(3) with AI_CANONNAME. So it needs the C library's own way through
// nsswitch.conf(5), for which getent(1) is there. Addresses with a zone are left out: no
// exports file can have them. It returns ErrNoAddress, the error of ctx, and those of
// package exec.
func ResolveName(ctx context.Context, name string) (render.HostName, error) {
	if !render.IsPlainName(name) {
		return render.HostName{}, ErrNoAddress
	}
	// exportfs wants neither IDN nor only the families that this host has addresses of.
	cmd := exec.CommandContext(ctx, "/usr/bin/getent", "--no-idn", "--no-addrconfig", "ahosts", "--", name)
	cmd.Env = Environment()
	cmd.Dir = "/"
	cmd.WaitDelay = WaitDelay
	answer, err := cmd.Output()
	if ctx.Err() != nil {
		return render.HostName{}, ctx.Err()
	}
	const notFound = 2
	var status *exec.ExitError
	switch {
	case errors.As(err, &status) && status.ExitCode() == notFound:
		return render.HostName{}, ErrNoAddress
	case err != nil:
		return render.HostName{}, fmt.Errorf("getent: %w", err)
	}
	return readAnswer(string(answer))
}

// readAnswer reads lines of ADDRESS TYPE NAME, of which only the first has a name, and
// each address as many lines as there are types of sockets.
func readAnswer(answer string) (host render.HostName, err error) {
	for line := range strings.Lines(answer) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if host.Canonical == "" && len(words) > 2 {
			host.Canonical = words[2]
		}
		addr, err := netip.ParseAddr(words[0])
		if err != nil || addr.Zone() != "" || addr.Is4In6() || slices.Contains(host.Addrs, addr) {
			continue
		}
		host.Addrs = append(host.Addrs, addr)
	}
	if len(host.Addrs) == 0 || !render.IsPlainName(host.Canonical) {
		return render.HostName{}, ErrNoAddress
	}
	return host, nil
}
