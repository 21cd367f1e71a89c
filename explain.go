package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/urfave/cli/v2"

	"nfs-exportd/exports"
	"nfs-exportd/keystone"
	"nfs-exportd/render"
)

// explanation is all that is known of one address. What this server has is known
// even where the cloud does not answer.
type explanation struct {
	addr netip.Addr
	o    *outcome
	// table is the active table; nil with tableErr.
	table    render.Table
	tableErr error

	e exports.Evidence
	// err is why the rest is not known, that is the evidence and the plan.
	err error
}

func (a *app) explain(c *cli.Context) error {
	if c.NArg() != 1 {
		return &usageError{errors.New("explain wants one address")}
	}
	addr, err := netip.ParseAddr(c.Args().First())
	if err != nil || addr.Zone() != "" {
		return &usageError{fmt.Errorf("%q is not an address", c.Args().First())}
	}
	s, err := a.settings(c)
	if err != nil {
		return err
	}
	x := explanation{addr: addr.Unmap(), o: &outcome{path: s.exportsFile}}
	if x.e.Config, err = a.readConfig(s.config); err != nil {
		return err
	}
	if err := x.o.readFiles(s); err != nil {
		return err
	}
	x.table, x.tableErr = render.ReadTable(s.etab)
	x.err = a.askAbout(c.Context, s, &x)
	if err := x.print(a.stdout); err != nil {
		return &outputError{err}
	}
	return x.err
}

// askAbout asks the resolver and the cloud, about all projects of the
// configuration: an address may be of one that is served elsewhere.
func (a *app) askAbout(ctx context.Context, s settings, x *explanation) error {
	var err error
	if x.e.Local, err = a.local(); err != nil {
		return err
	}
	if x.e.Hosts, err = a.locate(ctx, x.e.Config.Hosts(), s.serveAs, x.e.Local); err != nil {
		return err
	}
	var keys []string
	for _, p := range x.e.Config.Projects {
		keys = append(keys, p.Key)
	}
	_, ids := exports.Questions(x.e.Config, x.e.Hosts, x.o.plan.Today)
	if len(keys) > 0 {
		creds, err := a.findCredentials(s, x.e.Config)
		if err != nil {
			return err
		}
		ctx, requests := countRequests(ctx)
		defer a.showProgress("asking the cloud", requests)()
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		client, err := keystone.Open(ctx, creds, a.cloudOptions(x.e.Config))
		if err != nil {
			return err
		}
		defer client.Close()
		if x.e.Inventory, err = client.Inventory(ctx, keystone.Wanted{Keys: keys, IDs: ids}); err != nil {
			return err
		}
	}
	return x.o.compare(x.e)
}

// print says what there is, line by line: who has the address, what it may
// mount and why not, and what is exported to it now.
func (x *explanation) print(w io.Writer) error {
	var b strings.Builder
	holders := exports.Explain(x.addr, x.e)
	for _, h := range holders {
		i := h.Claim.Instance
		fmt.Fprintf(&b, "instance %q (%s), %s, in region %s, network %q\n", i.Name, printable(i.ID), printable(i.Status), printable(i.Region), h.Network)
		fmt.Fprintf(&b, "project %q (%s), line %d of the configuration\n", h.Claim.Project.Name, printable(h.Claim.Project.ID), h.Line)
		if h.Why != "" {
			fmt.Fprintf(&b, "no grant: %s\n", h.Why)
		}
		for _, m := range h.Mounts {
			if m.Why != "" {
				fmt.Fprintf(&b, "mount %s: not here, %s\n", m.Key, m.Why)
			} else {
				fmt.Fprintf(&b, "mount %s: %s\n", m.Key, m.Path)
			}
		}
	}
	switch {
	case x.err != nil && len(holders) == 0:
		b.WriteString("instance: not known, see the error\n")
	case len(holders) == 0:
		b.WriteString("no grant: no instance of a project of the configuration has this address\n")
	}
	x.printGrants(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// printGrants says what the exports file and the active table have for the
// address, and what the next apply makes of it.
func (x *explanation) printGrants(b *strings.Builder) {
	client := exports.Client{Addr: x.addr}
	seen := map[exports.Place]bool{}
	say := func(p exports.Place, what string) {
		seen[p] = true
		fmt.Fprintf(b, "grant %s: %s; active table: %s\n", p.Path, what, x.active(p))
	}
	for _, g := range x.o.plan.Today.Grants() {
		if g.Client != client {
			continue
		}
		what := fmt.Sprintf("line %d of %s (%s)", x.o.parsed.Lines[g.Place()], x.o.path, g.Options)
		for _, r := range x.o.plan.Removed {
			if r.Place() == g.Place() {
				what += ", which the next apply removes: " + string(r.Reason)
			}
		}
		say(g.Place(), what)
	}
	for _, g := range x.o.plan.Added {
		if g.Client == client {
			say(g.Place(), "not in the exports file, the next apply adds it")
		}
	}
	for _, p := range x.table.Places() {
		if p.Client == client && !seen[p] {
			say(p, "not in the exports file")
		}
	}
	for _, line := range x.e.Config.Public {
		if covers(line.Client, x.addr) {
			fmt.Fprintf(b, "public %q: %s is open to %s, whoever that is\n", line.Name, line.Path, line.Client)
		}
	}
	if len(seen) == 0 {
		fmt.Fprintf(b, "%s and the active table have nothing for %s\n", x.o.path, x.addr)
	}
}

// covers reports whether a client of a public line is everybody, or a network with
// the address in it. What host names and netgroups stand for is exportfs's to say.
func covers(client exports.Client, addr netip.Addr) bool {
	prefix, err := netip.ParsePrefix(client.Literal)
	return client.Literal == "*" || err == nil && prefix.Contains(addr)
}

// active says what the active table has for a place.
func (x *explanation) active(p exports.Place) string {
	if x.tableErr != nil {
		return "not known (" + x.tableErr.Error() + ")"
	}
	if options, ok := x.table[p]; ok {
		return printable(options)
	}
	return "nothing"
}
