package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"nfs-exportd/exports"
)

// Lookup asks the resolver for addresses, as [net.Resolver.LookupNetIP].
type Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

const (
	// resolveTimeout is for all hosts together; a resolver that takes longer
	// is as good as none.
	resolveTimeout = 15 * time.Second
	// resolveParallel is how many hosts are asked for at a time.
	resolveParallel = 8
)

// locate finds out which mount hosts this server is. Hosts in serveAs are, and
// the resolver is not asked about them.
func (j job) locate(ctx context.Context, names, serveAs []string, local []netip.Addr) (exports.Hosts, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found := make([]exports.Host, len(names))
	slots := make(chan struct{}, resolveParallel)
	panics := make(chan string, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		if slices.Contains(serveAs, name) {
			found[i] = exports.Host{Where: exports.Here, Why: "named with --" + flagServeAs}
			continue
		}
		if addr, err := netip.ParseAddr(name); err == nil {
			found[i] = exports.Locate([]netip.Addr{addr}, local)
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			// A panic has to end in run, which gives it its exit status.
			defer func() {
				if r := recover(); r != nil {
					panics <- fmt.Sprintf("%v\n%s", r, debug.Stack())
				}
				<-slots
			}()
			found[i] = j.locateName(ctx, name, local)
		})
	}
	wg.Wait()
	select {
	case p := <-panics:
		panic(p)
	default:
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("resolve the mount hosts: %w", context.Canceled)
	}
	hosts := make(exports.Hosts, len(names))
	for i, name := range names {
		hosts[name] = found[i]
		j.log.Debug("mount host", "host", name, "where", found[i].Where, "why", found[i].Why)
	}
	return hosts, nil
}

// locateName asks for the IPv4 and the IPv6 addresses separately: in a common
// answer a failure for one of them would not show, and half an answer must not
// say that a host is elsewhere.
func (j job) locateName(ctx context.Context, name string, local []netip.Addr) exports.Host {
	question := name
	if strings.Contains(name, ".") {
		// A final dot keeps the search list of resolv.conf(5) out of it.
		question += "."
	}
	var addrs []netip.Addr
	var failures []string
	for _, network := range []string{"ip4", "ip6"} {
		found, err := j.Lookup(ctx, network, question)
		switch {
		case err == nil:
			for _, addr := range found {
				addrs = append(addrs, addr.Unmap().WithZone(""))
			}
		case !noSuchAddress(err):
			failures = append(failures, err.Error())
		}
	}
	host := exports.Locate(addrs, local)
	if host.Where != exports.Here && len(failures) > 0 {
		return exports.Host{Why: fmt.Sprintf("%q", strings.Join(failures, "; "))}
	}
	return host
}

// lookAgain looks up once more where the hosts are, with the addresses that this server
// has by now. It gives what both look-ups say together, see [exports.Hosts.Again].
func (j job) lookAgain(ctx context.Context, first exports.Hosts) (exports.Hosts, []netip.Addr, error) {
	local, err := j.Local()
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(first)) {
		if first[name].Where != exports.Unresolved {
			names = append(names, name)
		}
	}
	second, err := j.locate(ctx, names, j.flags.serveAs, local)
	if err != nil {
		return nil, nil, err
	}
	both, err := first.Again(second)
	return both, local, err
}

// aboutHosts says which mount hosts are this server, or has a concern about that.
func aboutHosts(config *exports.Config, hosts exports.Hosts, local []netip.Addr) (string, error) {
	var here, elsewhere, unresolved []string
	for _, name := range config.Hosts() {
		host := hosts[name]
		text := fmt.Sprintf("%s (%s)", name, host.Why)
		switch host.Where {
		case exports.Here:
			here = append(here, text)
		case exports.Elsewhere:
			elsewhere = append(elsewhere, text)
		default:
			unresolved = append(unresolved, text)
		}
	}
	var parts []string
	for _, part := range []struct {
		what  string
		names []string
	}{{"this server:", here}, {"elsewhere:", elsewhere}, {"not known:", unresolved}} {
		if len(part.names) > 0 {
			parts = append(parts, part.what+" "+strings.Join(part.names, ", "))
		}
	}
	text := strings.Join(parts, "; ")
	switch {
	case len(unresolved) > 0:
		return "", concern(text + ": fix DNS or /etc/hosts, or, if this server is the host, name it with --serve-as")
	case len(here) == 0 && len(elsewhere) > 0:
		if config.Standby(hosts) {
			text += ": this is a standby, and " + untilItEnds
		}
		return "", concern(fmt.Sprintf("no mount host is this server, which has %v; %s: if it should serve one of them, "+
			"see whether its service address is there, or use --serve-as", local, text))
	case text == "":
		return "no mount is configured", nil
	}
	return text, nil
}

// noSuchAddress reports whether the resolver answered that a host has no
// address of the kind that was asked for.
func noSuchAddress(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	_, ok := errors.AsType[*net.AddrError](err)
	return ok
}

// LocalAddresses gives the addresses of all interfaces.
func LocalAddresses() ([]netip.Addr, error) {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this server: %w", err)
	}
	var addrs []netip.Addr
	for _, i := range interfaces {
		if prefix, err := netip.ParsePrefix(i.String()); err == nil {
			addrs = append(addrs, prefix.Addr().Unmap().WithZone(""))
		}
	}
	return addrs, nil
}
