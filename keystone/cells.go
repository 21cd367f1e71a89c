package keystone

import (
	"context"
	"fmt"

	"nfs-exportd/printable"
)

// Whether a cell of Nova is down, which a list of instances need not show.

// probeAll is an error if a cell is down, or may be.
func (n nova) probeAll(ctx context.Context) error {
	return n.probe(ctx, "/servers?all_tenants=1", false, n.allTenantsNext(), "the region has more instances than Nova puts on a page")
}

// probe is an error if a cell is down, or may be, by a page that shows the stubs of
// such a cell and, if that is full, by the services too. A page that was full need not
// be so again: without the instances of a cell there is room for its stubs.
func (n nova) probe(ctx context.Context, path string, detail bool, next, why string) error {
	page, err := n.page(ctx, n.probing(), path, detail, next)
	if err != nil {
		return err
	}
	n.client.remember(n.region, page.servers)
	if !page.full {
		return nil
	}
	return n.probeServices(ctx, why)
}

// remember keeps a few instances of a region, of whichever project, as witnesses.
func (c *Client) remember(region string, servers []server) {
	var ids []string
	for _, s := range servers[:min(len(servers), maxWitnesses)] {
		ids = append(ids, s.ID)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[region] = ids
}

func (n nova) probing() string {
	return fmt.Sprintf("look for cells of region %s that are down", printable.Quote(n.region))
}

// probeServices is an error if a cell with hosts is down. Nova makes up a
// service with the status UNKNOWN for each host that is mapped to such a cell
// (compute/api.py, service_get_all).
func (n nova) probeServices(ctx context.Context, why string) error {
	down := 0
	var x Exchange
	err := n.client.get(ctx, n.session, computeOf, call{
		op:   n.probing(),
		url:  n.url + "/os-services",
		next: "allow os_compute_api:os-services:list, without which it cannot be known whether a cell is down: " + why,
		use: func(a *answer) (err error) {
			if err := sameMicroversion(a.header); err != nil {
				return err
			}
			x = a.Exchange
			down, err = decodeServices(a.text)
			return err
		},
	})
	if err == nil && down > 0 {
		return n.cellDown(x, count(down, "host"))
	}
	return err
}

func (n nova) cellDown(x Exchange, what string) error {
	return &UnavailableError{x,
		fmt.Errorf("a Nova cell of region %s is down: %s UNKNOWN, and others may be missing", printable.Quote(n.region), what),
		"nothing was changed; wait until the cell's database is back"}
}

// count is "1 host is" or "2 hosts are".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return fmt.Sprintf("%d %ss are", n, what)
}
