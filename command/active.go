package command

import (
	"fmt"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/render"
)

// active is the active table as a run finds it. Only entries on own paths count: those
// of the configuration and of today's file. All others are left alone.
type active struct {
	own    map[string]bool
	on     render.Table // entries on own paths
	others render.Table
	broken error              // why the table cannot be parsed, else nil
	unread *render.TableError // what rpc.mountd does not read of it, or nil
}

// readActive reads the active table.
func (j job) readActive(s situation, f *files) (a active, err error) {
	a.own = ownPaths(s, f)
	table, unread, err := j.table()
	if is[*render.TableError](err) {
		a.broken = err
		return a, nil
	}
	a.unread = unread
	a.on, a.others = table.Split(a.own)
	return a, err
}

// ownPaths are the paths of the configuration and of today's file, of which a line that
// somebody else wrote counts too.
func ownPaths(s situation, f *files) map[string]bool {
	own := map[string]bool{}
	if s.config != nil {
		for _, path := range configuredPaths(s) {
			own[path] = true
		}
	}
	for _, g := range f.today.Grants() {
		own[g.Path] = true
	}
	if len(f.parsed.Unread) > 0 {
		for _, g := range render.ParseForeign(f.path, f.old.Text).Grants {
			own[g.Place.Path] = true
		}
	}
	return own
}

// compare compares the table with a proven one, or, if there is none, with the wanted
// grants and what the exports files of others say.
func (a active) compare(want exports.Set, foreign []render.Foreign, proven *render.Proven) render.Agreement {
	switch {
	case a.broken != nil:
		return render.Agreement{Answer: render.Disagrees, Differences: []string{a.broken.Error()}}
	case proven == nil:
		return a.on.Agrees(want, foreign)
	}
	on, _ := proven.Split(a.own)
	return a.on.Matches(on)
}

// strays are the entries on other paths that no exports file asks for, so that a run of
// exportfs drops them. Without a proven table these are only the certain ones.
func (a active) strays(foreign []render.Foreign, proven *render.Proven) (entries []string) {
	differences := a.others.Compare(exports.Set{}, foreign)
	if proven != nil {
		_, others := proven.Split(a.own)
		differences = a.others.CompareProven(others)
	}
	for _, d := range differences {
		if d.Surplus && d.Answer == render.Disagrees {
			entries = append(entries, render.PlaceText(d.Place))
		}
	}
	return entries
}

// straysText warns of entries that exportfs is about to drop.
func straysText(entries []string) string {
	return fmt.Sprintf("exportfs -ra drops %s of the active table, which no exports file asks for: %s; if another program needs them, write them to an exports file",
		entriesCount(len(entries)), firstOf(entries))
}

// entriesCount is "1 entry" or "2 entries".
func entriesCount(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// maxEntries is how many entries a message names before it counts the rest.
const maxEntries = 3

// firstOf names the first entries and counts the rest.
func firstOf(entries []string) string {
	more := ""
	if n := len(entries) - maxEntries; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(entries[:min(len(entries), maxEntries)], ", ") + more
}

// outstanding adds to what the active table is like why exportfs must run even if the
// table is right: the kernel does not know it, or an earlier run left its mark.
func (j job) outstanding(agreement render.Agreement, f *files) *render.Agreement {
	for _, why := range []string{j.exportfs().Pending(), f.markText()} {
		if why != "" {
			agreement.Answer = render.Disagrees
			agreement.Differences = append(agreement.Differences, why)
		}
	}
	return &agreement
}

// markText says that an earlier run left its mark; "" if none did.
func (f *files) markText() string {
	if !f.marked {
		return ""
	}
	return "an earlier run began to write the exports file, and no run has seen the active table follow"
}

// isFatal reports whether an error is more than a concern.
func isFatal(err error) bool {
	return err != nil && !is[concern](err)
}
