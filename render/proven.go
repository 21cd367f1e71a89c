package render

import "nfs-exportd/exports"

// Proven is what the host's own exportfs made of a new exports file in a test
// run.
type Proven struct {
	Table Table // of the new file and the foreign files together
	// Unresolved are wanted places of host names, which a test run cannot
	// resolve. They need not be in Table.
	Unresolved []exports.Place
}

// CompareProven compares the active table with a proven one: the same places
// with options that mean the same. They need not be the same words, because
// exportfs writes some only if the kernel has them. The test run could not see
// what a host name of a foreign file or a public line makes of the table.
func (t Table) CompareProven(proven Proven, foreign []Foreign) []Difference {
	c := comparison{table: t, proven: true, foreign: indexForeign(foreign), names: map[string]bool{}}
	for _, place := range proven.Unresolved {
		c.names[place.Path] = true
	}
	c.indexNames()
	for place, options := range proven.Table {
		c.expect(place, options)
	}
	for place := range t {
		if _, ok := proven.Table[place]; !ok {
			c.surplus(place)
		}
	}
	return c.sorted()
}

// CompareTogether compares a table of our file and the foreign ones together
// with the wanted grants and with the table of the foreign ones alone: all of
// both must be there, and nothing else. It returns the certain differences, in
// ASCII.
func (t Table) CompareTogether(want exports.Set, foreign Table) []string {
	c := comparison{table: t}
	c.indexNames()
	for place, options := range foreign {
		if _, ours := want.At(place); ours && t[place] != "" {
			continue // a conflict, which the plan shows
		}
		c.expect(place, options)
	}
	for _, g := range want.Grants() {
		if _, theirs := foreign[g.Place()]; !theirs {
			c.expect(g.Place(), g.Options)
		}
	}
	same := sameHosts(want, foreign)
	for place := range t {
		_, ours := want.At(place)
		if _, theirs := foreign[place]; !ours && !theirs && !same(place) {
			c.surplus(place)
		}
	}
	var texts []string
	for _, d := range c.sorted() {
		if d.Answer == Disagrees {
			texts = append(texts, d.text)
		}
	}
	return texts
}

// sameHosts returns a function that reports whether a place is there because
// /etc/hosts gives a host name of a foreign file one of our addresses: exportfs
// then uses the name of the file that it reads first for both.
func sameHosts(want exports.Set, foreign Table) func(exports.Place) bool {
	names, namePaths, addresses := map[exports.Client]bool{}, map[string]bool{}, map[exports.Client]bool{}
	for place := range foreign {
		if IsName(place.Client) {
			names[place.Client] = true
			namePaths[place.Path] = true
		}
	}
	for _, g := range want.Grants() {
		addresses[g.Client] = g.Client.Addr.IsValid()
	}
	return func(p exports.Place) bool {
		return names[p.Client] || namePaths[p.Path] && addresses[p.Client]
	}
}
