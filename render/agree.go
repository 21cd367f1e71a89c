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
func (t Table) Matches(proven Proven) Agreement {
	return agreement(t.CompareProven(proven))
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
// there must come from a foreign file. What a line that only exportfs can read, or
// the name of a host, could explain is a doubt. Certain differences come first.
func (t Table) Compare(want exports.Set, foreign []Foreign) []Difference {
	c := comparison{table: t, foreign: indexForeign(foreign)}
	wanted := tableOf(want)
	for place := range wanted {
		c.foreign.named(place)
	}
	c.indexNames()
	for place, options := range wanted {
		c.expect(place, options)
	}
	for place := range t {
		if _, ok := wanted[place]; !ok {
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
	case ok:
		c.expectOptions(place, options, have)
	case c.proven:
		c.add(Disagrees, false, place, "%s is missing", PlaceText(place))
	case IsName(place.Client):
		c.add(CannotTell, false, place, "%s is not there under this name, the host may have another", PlaceText(place))
	case c.nameEntries[place.Path] && place.Client.Addr.IsValid():
		// exportfs keeps one client for an address, and calls it as the first
		// file does that has it (client_lookup in support/export/client.c).
		c.add(CannotTell, false, place, "%s is not there, but a host name is that may stand for it", PlaceText(place))
	default:
		c.add(Disagrees, false, place, "%s is missing", PlaceText(place))
	}
}

func (c *comparison) expectOptions(place exports.Place, options, have string) {
	answer := c.compare(options, have)
	if answer == CannotTell && c.proven {
		answer = Disagrees // the same exportfs has no other defaults
	}
	if answer == Disagrees && c.foreign.grants[place] {
		answer = CannotTell // they may be those of the other file
	}
	if why := unreadable(place.Client.String(), have); why != "" && !c.proven {
		c.add(Disagrees, false, place, "%s: %s", PlaceText(place), why)
	}
	if answer != Agrees {
		c.add(answer, false, place, "%s has the options %s instead of %s", PlaceText(place), printable.Word(have), printable.Word(options))
	}
}

// surplus explains a place that nobody asked for.
func (c *comparison) surplus(place exports.Place) {
	named := c.foreign.names[place.Path]
	switch {
	case c.foreign.grants[place]:
	case named && (place.Client.Addr.IsValid() || IsName(place.Client)):
		c.add(CannotTell, true, place, "%s may come from a host name for the same path", PlaceText(place))
	case c.foreign.undecided != "":
		c.add(CannotTell, true, place, "%s may come from a line that only exportfs can read, in %s", PlaceText(place), c.foreign.undecided)
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
	undecided string          // the files with lines that only exportfs can read
}

func indexForeign(foreign []Foreign) foreignIndex {
	index := foreignIndex{grants: map[exports.Place]bool{}, names: map[string]bool{}}
	var undecided []string
	for _, f := range foreign {
		for _, g := range f.Grants {
			place := tablePlace(g.Place)
			index.grants[place] = true
			index.named(place)
		}
		if len(f.Undecided) > 0 {
			undecided = append(undecided, printable.Word(f.File))
		}
	}
	index.undecided = strings.Join(undecided, ", ")
	return index
}

// named notes the path of a host name, which stands for an address, or has another
// name in the table.
func (i *foreignIndex) named(place exports.Place) {
	if IsName(place.Client) {
		i.names[place.Path] = true
	}
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
