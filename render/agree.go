package render

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nfs-exportd/exports"
)

// Answer is the outcome of a comparison that may stay open.
type Answer int

// The answers.
const (
	CannotTell Answer = iota
	Agrees
	Disagrees
)

func (a Answer) String() string {
	switch a {
	case Agrees:
		return "agrees"
	case Disagrees:
		return "disagrees"
	}
	return "cannot tell"
}

// Agreement is the outcome of comparing an active table with what is wanted:
// Disagrees if any difference is certain, else CannotTell if there is any doubt.
type Agreement struct {
	Answer Answer
	// Differences and doubts, in ASCII, certain ones first.
	Differences []string
}

// Agrees compares the active table with the wanted grants, without running
// exportfs: each must be there with its options, and what is there besides
// must come from a foreign file.
func (t Table) Agrees(want exports.Set, foreign []Foreign) Agreement {
	return agreement(t.compareSet(want, foreign))
}

// Matches compares the active table with a proven one: the same places with
// options that mean the same. They need not be the same words, because
// exportfs writes some only if the kernel has them. What a host name of a
// foreign file or a public line made of the table, the proof could not see.
func (t Table) Matches(proof Proof, foreign []Foreign) Agreement {
	return agreement(t.compareProof(proof, foreign))
}

// difference is one thing that is not as it should be, or may not be.
type difference struct {
	answer Answer // Disagrees or CannotTell
	kind   differenceKind
	place  exports.Place
	text   string
}

type differenceKind int

const (
	missing differenceKind = iota
	otherOptions
	surplus
)

func agreement(differences []difference) Agreement {
	a := Agreement{Answer: Agrees}
	for _, d := range differences {
		if d.answer == Disagrees || a.Answer == Agrees {
			a.Answer = d.answer
		}
		a.Differences = append(a.Differences, d.text)
	}
	return a
}

func (t Table) compareSet(want exports.Set, foreign []Foreign) []difference {
	c := comparison{table: t, foreign: indexForeign(foreign), names: map[string]bool{}}
	for _, g := range want.Grants() {
		if isName(g.Client) {
			c.names[g.Path] = true
		}
	}
	c.indexNames()
	for _, g := range want.Grants() {
		c.expect(g.Place(), g.Options)
	}
	if c.found == len(t) {
		return c.sorted() // all that is there is wanted
	}
	for place := range t {
		if _, ok := want.At(place); !ok {
			c.surplus(place)
		}
	}
	return c.sorted()
}

func (t Table) compareProof(proof Proof, foreign []Foreign) []difference {
	c := comparison{table: t, proven: true, foreign: indexForeign(foreign), names: map[string]bool{}}
	for _, place := range proof.Unresolved {
		c.names[place.Path] = true
	}
	c.indexNames()
	for place, options := range proof.Table {
		c.expect(place, options)
	}
	for place := range t {
		if _, ok := proof.Table[place]; !ok {
			c.surplus(place)
		}
	}
	return c.sorted()
}

// comparison collects the differences of an active table.
type comparison struct {
	table       Table
	proven      bool // what is expected is what exportfs made of all files
	foreign     foreignIndex
	names       map[string]bool // paths that are wanted for a host name
	nameEntries map[string]bool // paths of the table with an entry for a host name
	options     map[[2]string]Answer
	found       int // expected places that are there
	differences []difference
}

// compare is compareOptions. Thousands of places have the same options.
func (c *comparison) compare(want, have string) Answer {
	pair := [2]string{want, have}
	answer, ok := c.options[pair]
	if !ok {
		answer = compareOptions(want, have)
		if c.options == nil {
			c.options = map[[2]string]Answer{}
		}
		c.options[pair] = answer
	}
	return answer
}

func (c *comparison) indexNames() {
	c.nameEntries = map[string]bool{}
	for place := range c.table {
		if isName(place.Client) {
			c.nameEntries[place.Path] = true
		}
	}
}

func (c *comparison) add(answer Answer, kind differenceKind, place exports.Place, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if answer == CannotTell {
		text = "undecided: " + text
	}
	c.differences = append(c.differences, difference{answer, kind, place, text})
}

// expect looks for a wanted place.
func (c *comparison) expect(place exports.Place, options string) {
	have, ok := c.table[place]
	if ok {
		c.found++
	}
	switch {
	case !ok && isName(place.Client):
		c.add(CannotTell, missing, place, "%s is not there under this name, the host may have another", placeText(place))
	case !ok && c.nameEntries[place.Path] && place.Client.Addr.IsValid():
		// exportfs keeps one client for an address, and calls it as the first
		// file does that has it (client_lookup in support/export/client.c).
		c.add(CannotTell, missing, place, "%s is not there, but a host name is that may stand for it", placeText(place))
	case !ok:
		c.add(Disagrees, missing, place, "%s is missing", placeText(place))
	default:
		answer := c.compare(options, have)
		if answer == CannotTell && c.proven {
			answer = Disagrees // the same exportfs has no other defaults
		}
		if answer == Disagrees && !c.proven && c.foreign.grants[place] {
			answer = CannotTell // they may be those of the other file
		}
		if answer != Agrees {
			c.add(answer, otherOptions, place, "%s has the options %s instead of %s", placeText(place), quoteOptions(have), quoteOptions(options))
		}
	}
}

// surplus explains a place that nobody asked for.
func (c *comparison) surplus(place exports.Place) {
	named := c.foreign.names[place.Path] || c.names[place.Path]
	switch {
	case c.foreign.grants[place]:
	case named && isName(place.Client):
	case named && place.Client.Addr.IsValid():
		c.add(CannotTell, surplus, place, "%s may come from a host name for the same path", placeText(place))
	case c.foreign.undecided:
		c.add(CannotTell, surplus, place, "%s may come from a line of another exports file that cannot be read here", placeText(place))
	default:
		c.add(Disagrees, surplus, place, "%s is there and no exports file asks for it", placeText(place))
	}
}

func (c *comparison) sorted() []difference {
	slices.SortFunc(c.differences, func(a, b difference) int {
		return cmp.Or(
			cmp.Compare(b.answer, a.answer),
			a.place.Compare(b.place),
		)
	})
	return c.differences
}

// foreignIndex is what foreign files can add to the table.
type foreignIndex struct {
	grants    map[exports.Place]bool
	names     map[string]bool // paths that have a client that is a host name
	undecided bool            // lines that only exportfs can read
}

func indexForeign(foreign []Foreign) foreignIndex {
	index := foreignIndex{grants: map[exports.Place]bool{}, names: map[string]bool{}}
	for _, f := range foreign {
		for _, g := range f.Grants {
			index.grants[g.Place] = true
			if isName(g.Place.Client) {
				index.names[g.Place.Path] = true
			}
		}
		if len(f.Undecided) > 0 {
			index.undecided = true
		}
	}
	return index
}

// isName tells whether exportfs asks the resolver about a client. It takes all
// for a name that is neither an address, nor a network, a pattern, a netgroup or
// a GSS principal (client_gettype in support/export/client.c). Addresses of old
// kinds, as 10.1, count as names here: exportfs too may call them other than
// they are written.
func isName(c exports.Client) bool {
	if c.Literal == "" || c.Literal[0] == '@' || strings.ContainsAny(c.Literal, "*?[/") {
		return false
	}
	_, err := netip.ParseAddr(c.Literal)
	return err != nil
}

func placeText(p exports.Place) string {
	return quotePath(p.Path) + " for " + quoteWord(p.Client.String())
}

func quoteOptions(options string) string { return quoteWord(options) }

func quoteWord(s string) string {
	if s != "" && len(s) <= maxToken && unsafeBytes(s, `"\`, "") == "" {
		return s
	}
	return quote(s)
}
