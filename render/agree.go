package render

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// Answer is the outcome of a comparison that may stay open.
type Answer int

// The answers.
const (
	CannotTell Answer = iota
	Agrees
	Disagrees
)

// String returns the answer in words.
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

// Agrees compares the active table with the wanted grants, see Compare.
func (t Table) Agrees(want exports.Set, foreign []Foreign) Agreement {
	return agreement(t.Compare(want, foreign))
}

// Matches compares the active table with a proven one, see CompareProven.
func (t Table) Matches(proven Proven, foreign []Foreign) Agreement {
	return agreement(t.CompareProven(proven, foreign))
}

func agreement(differences []Difference) Agreement {
	a := Agreement{Answer: Agrees}
	for _, d := range differences {
		if d.Answer == Disagrees || a.Answer == Agrees {
			a.Answer = d.Answer
		}
		a.Differences = append(a.Differences, d.text)
	}
	return a
}

// Difference is one thing that is not as it should be, or may not be.
type Difference struct {
	Answer  Answer // Disagrees or CannotTell
	Surplus bool   // the place is there and nothing asks for it
	Place   exports.Place
	text    string
}

// String returns the difference for people, in ASCII.
func (d Difference) String() string { return d.text }

// Compare compares the active table with the wanted grants, without running
// exportfs: each must be there with its options, and anything else that is
// there must come from a foreign file. Certain differences come first.
func (t Table) Compare(want exports.Set, foreign []Foreign) []Difference {
	c := comparison{table: t, foreign: indexForeign(foreign), names: map[string]bool{}}
	for _, g := range want.Grants() {
		if IsName(g.Client) {
			c.names[g.Path] = true
		}
	}
	c.indexNames()
	for _, g := range want.Grants() {
		c.expect(g.Place(), g.Options)
	}
	for place := range t {
		if _, ok := want.At(place); !ok {
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
	differences []Difference
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
		if IsName(place.Client) {
			c.nameEntries[place.Path] = true
		}
	}
}

func (c *comparison) add(answer Answer, surplus bool, place exports.Place, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if answer == CannotTell {
		text = "undecided: " + text
	}
	c.differences = append(c.differences, Difference{answer, surplus, place, text})
}

// expect looks for a wanted place.
func (c *comparison) expect(place exports.Place, options string) {
	have, ok := c.table[place]
	switch {
	case !ok && IsName(place.Client):
		c.add(CannotTell, false, place, "%s is not there under this name, the host may have another", PlaceText(place))
	case !ok && c.nameEntries[place.Path] && place.Client.Addr.IsValid():
		// exportfs keeps one client for an address, and calls it as the first
		// file does that has it (client_lookup in support/export/client.c).
		c.add(CannotTell, false, place, "%s is not there, but a host name is that may stand for it", PlaceText(place))
	case !ok:
		c.add(Disagrees, false, place, "%s is missing", PlaceText(place))
	default:
		answer := c.compare(options, have)
		if answer == CannotTell && c.proven {
			answer = Disagrees // the same exportfs has no other defaults
		}
		if answer == Disagrees && !c.proven && c.foreign.grants[place] {
			answer = CannotTell // they may be those of the other file
		}
		if answer != Agrees {
			c.add(answer, false, place, "%s has the options %s instead of %s", PlaceText(place), printable.Word(have), printable.Word(options))
		}
	}
}

// surplus explains a place that nobody asked for.
func (c *comparison) surplus(place exports.Place) {
	named := c.foreign.names[place.Path] || c.names[place.Path]
	switch {
	case c.foreign.grants[place]:
	case named && IsName(place.Client):
	case named && place.Client.Addr.IsValid():
		c.add(CannotTell, true, place, "%s may come from a host name for the same path", PlaceText(place))
	case c.foreign.undecided:
		c.add(CannotTell, true, place, "%s may come from a line of another exports file that cannot be read here", PlaceText(place))
	default:
		c.add(Disagrees, true, place, "%s is there and no exports file asks for it", PlaceText(place))
	}
}

func (c *comparison) sorted() []Difference {
	slices.SortFunc(c.differences, func(a, b Difference) int {
		return cmp.Or(
			cmp.Compare(b.Answer, a.Answer),
			a.Place.Compare(b.Place),
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
			if IsName(g.Place.Client) {
				index.names[g.Place.Path] = true
			}
		}
		if len(f.Undecided) > 0 {
			index.undecided = true
		}
	}
	return index
}

// IsName reports whether exportfs asks the resolver about a client. It takes
// anything for a name that is neither an address, nor a network, a pattern, a netgroup or
// a GSS principal (client_gettype in support/export/client.c). Addresses of old
// kinds, as 10.1, count as names here: exportfs too may call them other than
// they are written.
func IsName(c exports.Client) bool {
	if c.Literal == "" || c.Literal[0] == '@' || strings.ContainsAny(c.Literal, "*?[/") {
		return false
	}
	_, err := netip.ParseAddr(c.Literal)
	return err != nil
}
