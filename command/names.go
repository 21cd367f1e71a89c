package command

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
)

// ResolveName asks the resolver for a host name of an exports file, as
// [exportfs.ResolveName].
type ResolveName func(ctx context.Context, name string) (render.HostName, error)

// hostNames are those of other exports files and of public lines.
type hostNames struct {
	known render.Names
	asked int // how many there are
}

// lookUpNames looks all host names up that exportfs will ask for. Those that nobody knows
// within the time for all together are left out.
func (j job) lookUpNames(ctx context.Context, config *exports.Config, f *files) hostNames {
	var ours []exports.Client
	for _, g := range f.today.Grants() {
		ours = append(ours, g.Client)
	}
	if config != nil {
		for _, line := range config.Public {
			ours = append(ours, line.Client)
		}
	}
	names := render.NamesIn(f.foreign, ours...)
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, failures := make([]render.HostName, len(names)), make([]error, len(names))
	inParallel(len(names), func(i int) { found[i], failures[i] = j.ResolveName(ctx, names[i]) })
	all := hostNames{render.Names{}, len(names)}
	warned := false
	for i, name := range names {
		err := failures[i]
		if err == nil {
			all.known[name] = found[i]
		} else if !warned && !errors.Is(err, exportfs.ErrNoAddress) && !errors.Is(err, context.Canceled) {
			warned = true
			j.warn(fmt.Sprintf("cannot look up %s, a host name of an exports file: %s", printable.Quote(name), err))
		}
		j.log.Debug("host name of an exports file", "name", name, "addresses", found[i].Addrs, "canonical", found[i].Canonical, "err", err)
	}
	return all
}

// wait is how much longer exportfs may take because of names that nobody knows: a dead
// resolver takes 20 s of it for each.
func (n hostNames) wait() time.Duration {
	return min(time.Duration(n.asked-len(n.known))*20*time.Second, 2*time.Minute)
}

// networks are the addresses that our file has as networks, because host names share
// them. While a name is unknown those of today stay.
func (f *files) networks() render.Addresses {
	shared := f.names.known.Shared()
	if len(f.names.known) < f.names.asked {
		for addr := range f.parsed.Networks {
			shared[addr] = true
		}
	}
	return shared
}

// inParallel calls do with each number below n, resolveParallel at a time. A panic ends
// in the caller, which gives it its exit status.
func inParallel(n int, do func(int)) {
	slots := make(chan struct{}, resolveParallel)
	panics := make(chan string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() {
				if r := recover(); r != nil {
					panics <- fmt.Sprintf("%v\n%s", r, debug.Stack())
				}
				<-slots
			}()
			do(i)
		})
	}
	wg.Wait()
	select {
	case p := <-panics:
		panic(p)
	default:
	}
}
