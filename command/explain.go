package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
	"nfs-exportd/render"
	"nfs-exportd/render/nfsd"
)

func explainCommand(action cli.ActionFunc) *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "tell everything that is known about one address",
		ArgsUsage: "ADDRESS",
		Flags:     commonFlags(),
		Action:    action,
	}
}

// explanation is all that is known of one address. What this server has is known
// even where the cloud does not answer.
type explanation struct {
	addr netip.Addr
	result
	// table is the active table; nil with tableErr.
	table    render.Table
	tableErr error
	live     *nfsd.Clients
}

// explain prints all that is known of one address.
func explain(ctx context.Context, c *cli.Context, j job) error {
	if c.NArg() != 1 {
		return &usageError{errors.New("explain wants one address")}
	}
	addr, err := netip.ParseAddr(c.Args().First())
	if err != nil || addr.Zone() != "" {
		return &usageError{fmt.Errorf("%q is not an address", c.Args().First())}
	}
	r, err := j.run(ctx, nil)
	if r.config == nil || r.files == nil {
		return err
	}
	x := explanation{addr: addr.Unmap(), result: r}
	x.table, _, x.tableErr = j.table()
	x.live = j.readClients(ctx)
	if failed := printed(x.print, j.Stdout); failed != nil {
		return failed
	}
	return err
}

// print says what there is, line by line: first what the address should get, by the
// cloud and the configuration, then what is exported to it now.
func (x *explanation) print(w io.Writer) error {
	var b strings.Builder
	if x.held != nil {
		fmt.Fprintf(&b, "%s: %s\n", x.held.text(), untilItEnds)
	}
	x.printDue(&b)
	places := x.places()
	x.printExported(&b, places)
	x.printUntold(&b, places)
	printLive(&b, x.live, x.addr)
	_, err := io.WriteString(w, b.String())
	return err
}

// printDue says who has the address, and what follows from that.
func (x *explanation) printDue(b *strings.Builder) {
	holders := exports.Explain(x.addr, x.evidence)
	for _, h := range holders {
		i := h.Claim.Instance
		fmt.Fprintf(b, "instance %q (%s), %s, in region %s, network %q\n", i.Name, printable.ID(i.ID), printable.ID(i.Status), printable.ID(i.Region), h.Network)
		fmt.Fprintf(b, "project %q (%s), line %d of the configuration\n", h.Claim.Project.Name, printable.ID(h.Claim.Project.ID), h.Line)
		if h.Why != "" {
			fmt.Fprintf(b, "no grant is due: %s\n", h.Why)
		}
		for _, m := range h.Mounts {
			switch m.On.Where {
			case exports.Here:
				fmt.Fprintf(b, "mount %s: %s\n", m.Key, m.Path)
			case exports.Elsewhere:
				fmt.Fprintf(b, "mount %s: not here, %s is another server (%s)\n", m.Key, m.Host, m.On.Why)
			default:
				fmt.Fprintf(b, "mount %s: it is not known whether %s is this server (%s)\n", m.Key, m.Host, m.On.Why)
			}
		}
	}
	unread := exports.Unread(x.evidence)
	switch {
	case len(holders) > 0:
	case !x.complete:
		b.WriteString("instance: not known, see the error\n")
	case len(unread) == 0:
		b.WriteString("no grant is due: no instance of a project of the configuration has this address\n")
	default:
		b.WriteString("no grant is known to be due: no instance of the projects that could be read has this address\n")
		for _, why := range unread {
			fmt.Fprintf(b, "not read: %s\n", printable.Line(why))
		}
	}
	for _, line := range x.config.Public {
		if covered, _ := render.Covers(line.Client, x.addr); covered {
			fmt.Fprintf(b, "public %q: %s is to be open to %s, whoever that is\n", line.Name, line.Path, line.Client)
		}
	}
}

// printExported says which lines of the exports files and of the active table are for
// the address, by itself or with others, and what the plan makes of them.
func (x *explanation) printExported(b *strings.Builder, places map[exports.Place][]string) {
	some := false
	for _, place := range inOrder(places) {
		if covered, _ := render.Covers(place.Client, x.addr); !covered {
			continue
		}
		some = true
		exported, active := "exported", ""
		switch options, ok := x.table.At(place); {
		case x.tableErr != nil:
			exported, active = "perhaps exported", "not known"
		case ok:
			active = printable.Word(options)
		default:
			exported, active = "not exported", "nothing"
		}
		fmt.Fprintf(b, "%s %s to %s: %s; active table: %s\n", exported, printable.Word(place.Path), printable.Word(place.Client.String()), strings.Join(places[place], "; "), active)
	}
	if !some {
		where := "neither the exports files nor the active table have"
		if x.tableErr != nil {
			where = "the exports files do not have"
		}
		fmt.Fprintf(b, "not exported: %s %s, by itself or in a network\n", where, x.addr)
	}
	if x.tableErr != nil {
		fmt.Fprintf(b, "active table: not known, %s\n", printable.Line(x.tableErr.Error()))
	}
}

// places gives every place that an exports file or the active table has or the plan
// adds, with where it stands and what the plan makes of it.
func (x *explanation) places() map[exports.Place][]string {
	about := map[exports.Place][]string{}
	add := func(place exports.Place, format string, args ...any) {
		about[place] = append(about[place], fmt.Sprintf(format, args...))
	}
	const written = "line %d of %s (%s)"
	for _, g := range x.files.parsed.Set.Grants() {
		add(g.Place(), written, x.files.parsed.Lines[g.Place()], printable.Word(x.files.path), printable.Word(g.Options))
	}
	for _, file := range x.files.adopted {
		for _, g := range file.Grants {
			add(g.Place(), written, file.Lines[g.Place()], printable.Word(file.Path), printable.Word(g.Options))
		}
	}
	for _, file := range x.files.foreign {
		for _, g := range file.Grants {
			add(g.Place, written, g.Line, printable.Word(file.File), printable.Word(g.Options))
		}
	}
	nowhere := "in no exports file"
	if len(x.files.parsed.Unread) > 0 || slices.ContainsFunc(x.files.foreign, func(f render.Foreign) bool { return len(f.Undecided) > 0 }) {
		nowhere = "in no line of an exports file that is understood here"
	}
	others := x.table.Places()
	for _, g := range x.plan.Added {
		others = append(others, g.Place())
	}
	for _, f := range x.plan.Frozen {
		others = append(others, f.Place)
	}
	for _, place := range others {
		if len(about[place]) == 0 {
			add(place, "%s", nowhere)
		}
	}
	for _, g := range x.plan.Added {
		add(g.Place(), "the plan adds it")
	}
	for _, g := range x.plan.Changed {
		add(g.New.Place(), "the plan gives it the options %s", g.New.Options)
	}
	for _, r := range x.plan.Removed {
		add(r.Place(), "the plan removes it: %s", r.Reason)
	}
	for _, f := range x.plan.Frozen {
		add(f.Place, "frozen: %s, %s", f.Reason, whyFrozen(f))
	}
	return about
}

// maxClients is how many clients printUntold names.
const maxClients = 5

// printUntold says what only exportfs knows: what host names and netgroups stand for,
// and lines that are not understood here.
func (x *explanation) printUntold(b *strings.Builder, places map[exports.Place][]string) {
	var clients []string
	for _, place := range inOrder(places) {
		if _, known := render.Covers(place.Client, x.addr); !known {
			clients = append(clients, fmt.Sprintf("%s on %s", printable.Word(place.Client.String()), printable.Word(place.Path)))
		}
	}
	if n := len(clients); n > 0 {
		more := ""
		if n > maxClients {
			more = fmt.Sprintf(" and %d more", n-maxClients)
		}
		fmt.Fprintf(b, "not told here: whether %s is also one of the host names, patterns and netgroups that are exported to (%s%s); that is for exportfs and the resolver to say\n",
			x.addr, strings.Join(clients[:min(n, maxClients)], ", "), more)
	}
	unread := func(file string, lines []render.Line) {
		if n := len(lines); n > 0 {
			fmt.Fprintf(b, "not told here: what else %s grants (%s not understood): %s\n", printable.Word(file), count(n, "line"), printable.Line(lines[0].String()))
		}
	}
	unread(x.files.path, x.files.parsed.Unread)
	for _, file := range x.files.foreign {
		unread(file.File, file.Undecided)
	}
}

// inOrder gives places in the order of an exports file.
func inOrder(places map[exports.Place][]string) []exports.Place {
	return slices.SortedFunc(maps.Keys(places), exports.Place.Compare)
}
