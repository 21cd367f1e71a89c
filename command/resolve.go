package command

import (
	"context"
	"errors"
	"fmt"
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
func (a *App) locate(ctx context.Context, names, serveAs []string, local []netip.Addr) (exports.Hosts, error) {
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
			found[i] = exports.Host{Where: exports.Locate([]netip.Addr{addr}, local), Why: "an address"}
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
			found[i] = a.locateName(ctx, name, local)
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
		a.log.Debug("mount host", "host", name, "where", found[i].Where, "why", found[i].Why)
	}
	return hosts, nil
}

// locateName asks for the IPv4 and the IPv6 addresses separately: in a common
// answer a failure for one of them would not show, and half an answer must not
// say that a host is elsewhere.
func (a *App) locateName(ctx context.Context, name string, local []netip.Addr) exports.Host {
	question := name
	if strings.Contains(name, ".") {
		// A final dot keeps the search list of resolv.conf(5) out of it.
		question += "."
	}
	var addrs []netip.Addr
	var failures []string
	for _, network := range []string{"ip4", "ip6"} {
		found, err := a.Lookup(ctx, network, question)
		switch {
		case err == nil:
			for _, addr := range found {
				addrs = append(addrs, addr.Unmap())
			}
		case !noSuchAddress(err):
			failures = append(failures, err.Error())
		}
	}
	where := exports.Locate(addrs, local)
	switch {
	case where == exports.Here:
		return exports.Host{Where: where, Why: fmt.Sprintf("resolves to %v", addrs)}
	case len(failures) > 0:
		return exports.Host{Where: exports.Unresolved, Why: fmt.Sprintf("%q", strings.Join(failures, "; "))}
	case where == exports.Unresolved:
		return exports.Host{Where: where, Why: "the resolver has no address for it"}
	}
	return exports.Host{Where: where, Why: fmt.Sprintf("resolves to %v", addrs)}
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
