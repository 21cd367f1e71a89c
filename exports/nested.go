package exports

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"nfs-exportd/printable"
)

// Writable reports whether options of exports(5) let a client write. exportfs reads them
// from left to right: read-only is the default, the last of ro and rw counts, and behind
// sec= they are for these flavors alone. One flavor that may write is enough.
func Writable(options string) bool {
	writable, flavor, some := false, false, false
	for option := range strings.SplitSeq(options, ",") {
		switch {
		case option == "rw":
			writable = true
		case option == "ro":
			writable = false
		case strings.HasPrefix(option, "sec="):
			some = some || flavor && writable
			flavor = true // which begins with what was said so far
		}
	}
	return some || writable
}

// Location is a path of the configuration.
type Location struct {
	Path string
	Key  string // where the configuration has it, such as private.tools.mounts.home
	Line int    // of the configuration

	host     string // empty for a public line, which is exported by every server
	writable bool
}

// String names the path and where it is configured. The zero Key is that of a line of
// today's exports file.
func (l Location) String() string {
	if l.Key == "" {
		return printable.Word(l.Path) + " (in the exports file)"
	}
	return fmt.Sprintf("%s (%s, line %d of the configuration)", printable.Word(l.Path), printable.Line(l.Key), l.Line)
}

// Nesting is a path of the configuration below another one that clients may write to.
type Nesting struct{ Inner, Outer Location }

// Nested gives the paths below others that clients may write to, each with the nearest
// one, in the order of their paths. It gives none if the configuration allows them.
func (c *Config) Nested(hosts Hosts) []Nesting {
	return c.nested(c.locations(hosts), func(string, string) bool { return true })
}

// NestedByName is Nested for somebody who does not know where the hosts are: two mounts are
// on one server if their hosts have the same name.
func (c *Config) NestedByName() []Nesting {
	anywhere := Hosts{}
	for _, name := range c.Hosts() {
		anywhere[name] = Host{Where: Here}
	}
	return c.nested(c.locations(anywhere), func(a, b string) bool { return a == b || a == "" || b == "" })
}

func (c *Config) nested(locations []Location, together func(host, other string) bool) []Nesting {
	if c.AllowNested {
		return nil
	}
	outers := map[string][]Location{}
	for _, l := range locations {
		if l.writable {
			outers[l.Path] = append(outers[l.Path], l)
		}
	}
	var nested []Nesting
	for _, inner := range locations {
		for above := range parents(inner.Path) {
			i := slices.IndexFunc(outers[above], func(o Location) bool { return together(o.host, inner.host) })
			if i >= 0 {
				nested = append(nested, Nesting{inner, outers[above][i]})
				break
			}
		}
	}
	return nested
}

// locations are the paths of the configuration that are on this server. Whether a mount
// has grants does not matter: it can get some in any run, and then the paths below it must
// not be there.
func (c *Config) locations(hosts Hosts) []Location {
	var all []Location
	for _, l := range c.Public {
		all = append(all, Location{Path: l.Path, Key: "public." + l.Name, Line: l.Line, writable: Writable(l.Options)})
	}
	for _, p := range c.Projects {
		for _, m := range p.Mounts {
			if hosts[m.Host].Where == Here {
				all = append(all, Location{m.Path, "private." + p.Key + ".mounts." + m.Key, m.Line, m.Host, Writable(p.Options)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Location) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line))
	})
	return all
}

// parents walks the directories above a path, the nearest first. A path of another exports
// file can be relative.
func parents(of string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for above := path.Dir(of); above != of; above = path.Dir(of) {
			if !yield(above) {
				return
			}
			of = above
		}
	}
}

// writable gives the paths of this server that clients may write to: those of the
// configuration, and those of lines. It is nil if paths may be nested.
func (e Evidence) writable(lines func(yield func(*Grant) bool)) map[string]Location {
	if e.Config.AllowNested {
		return nil
	}
	outers := map[string]Location{}
	add := func(l Location) {
		if _, ok := outers[l.Path]; !ok {
			outers[l.Path] = l
		}
	}
	for _, l := range e.Config.locations(e.Hosts) {
		if l.writable {
			add(l)
		}
	}
	known := map[string]bool{} // by options, of which there are few
	for g := range lines {
		writes, ok := known[g.Options]
		if !ok {
			writes = Writable(g.Options)
			known[g.Options] = writes
		}
		if writes {
			add(Location{Path: g.Path})
		}
	}
	return outers
}

// over gives the nearest of some paths that a path is below.
func over(path string, outers map[string]Location) (Location, bool) {
	for above := range parents(path) {
		if outer, ok := outers[above]; ok {
			return outer, true
		}
	}
	return Location{}, false
}

// special tells at which paths of today's file even a line that stays as it is matters:
// where it can be nested, and where there is a symbolic link.
func (e Evidence) special(today Set) func(path string) bool {
	outers := e.writable(func(yield func(*Grant) bool) {
		for i := range today.grants {
			if !yield(&today.grants[i]) {
				return
			}
		}
	})
	known := map[string]bool{}
	return func(path string) bool {
		special, ok := known[path]
		if !ok {
			_, special = over(path, outers)
			special = special || e.Links[path] != ""
			known[path] = special
		}
		return special
	}
}

// nest freezes what is below a path that clients may write to, after the limits and the
// approval. For each line of today there, and each addition, the first fitting row decides:
//
//	the path is          there is   outcome so far   = outcome
//	a symbolic link      a line     a reason         = the same
//	a symbolic link      a line     -                = symbolic-link
//	a symbolic link      no line    -                = frozen: symbolic-link
//	below a writable     no line    -                = frozen: nested
//	below a writable     a line     a reason         = the same
//	below a writable     a line     frozen           = the same
//	below a writable     a line     stays            = frozen: nested
//	neither              -          -                = the same
//
// A line that is frozen for another reason keeps that, so that its removal can be
// approved; an addition does not, as nobody may approve it.
func (d *decision) nest() {
	d.leaveOut()
	outers := d.writable(func(yield func(*Grant) bool) {
		for k := range d.items { // the others are in the configuration
			if line := d.items[k].line(); d.items[k].old != nil && line != nil && !yield(line) {
				return
			}
		}
	})
	for k := range d.items {
		i := &d.items[k]
		outer, below := over(i.place().Path, outers)
		if !below || d.Links[i.place().Path] != "" {
			continue
		}
		line := i.line()
		switch {
		case i.old == nil:
			i.kept = nil
		case i.verdict.frozen == "" && line != nil:
			i.kept = line
		default:
			continue
		}
		i.verdict.frozen, i.verdict.reason = Nested, ""
		i.verdict.why = fmt.Sprintf("it is below %s, which clients may write to: one of them could put a symbolic link in its place, and have any directory exported", outer)
	}
}

// leaveOut takes the lines and additions out whose path is a symbolic link by now. It
// waits for no limit and no approval.
func (d *decision) leaveOut() {
	for k := range d.items {
		i := &d.items[k]
		why := d.Links[i.place().Path]
		switch {
		case why == "":
		case i.old != nil && i.verdict.frozen == "" && i.verdict.reason != "":
		case i.old != nil:
			i.verdict = verdict{reason: SymbolicLink, why: why}
		default:
			i.verdict, i.kept = verdict{frozen: LinkInTheWay, why: why}, nil
		}
	}
}

// left reports whether the line's path is a symbolic link: it goes at once.
func (d *decision) left(g *Grant) bool { return g != nil && d.Links[g.Path] != "" }

// waitsForLink gives the addition that waits for a symbolic link to be removed, at a
// place whose line goes because of it.
func (i *item) waitsForLink() (Frozen, bool) {
	if i.verdict.reason != SymbolicLink || i.wanted == nil {
		return Frozen{}, false
	}
	return Frozen{
		Place: i.place(), Then: i.wanted, Project: i.wanted.Owner, Instance: i.wanted.Instance,
		Reason: LinkInTheWay, Why: i.verdict.why,
	}, true
}

// NestedError is a configuration with nested paths.
type NestedError struct{ Nested []Nesting } // at least one

// Error names both paths of each, the first few of many.
func (e *NestedError) Error() string {
	var b strings.Builder
	for i, n := range e.Nested {
		if i == maxNamed {
			fmt.Fprintf(&b, "and %d more; ", len(e.Nested)-i)
			break
		}
		fmt.Fprintf(&b, "%s is below %s, which clients may write to; ", n.Inner, n.Outer)
	}
	b.WriteString("a client could put a symbolic link in the place of the inner directory, and have any directory exported: " +
		"export only one of the two, make the outer one read-only, or set exports.allow_nested: true if every client of the outer one may do that")
	return b.String()
}

// WritablePaths are the paths of the configuration on this server that clients may write
// to, also if paths may be nested.
func (c *Config) WritablePaths(hosts Hosts) []string {
	var paths []string
	for _, l := range c.locations(hosts) {
		if l.writable {
			paths = append(paths, l.Path)
		}
	}
	return slices.Compact(paths)
}

// Above gives the nearest of some paths that another one is below.
func Above(path string, of map[string]string) (string, bool) {
	for above := range parents(path) {
		if _, ok := of[above]; ok {
			return above, true
		}
	}
	return "", false
}
