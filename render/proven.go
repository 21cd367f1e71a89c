package render

import (
	"strings"

	"nfs-exportd/exports"
)

// Proven is what the host's own exportfs made of a new exports file in a test
// run.
type Proven struct {
	Table Table // of the new file and the foreign files together
	// Unresolved are places of host names, wanted ones and those of foreign files,
	// that nobody could resolve. Table has no entry for them.
	Unresolved []exports.Place
	// Reexported are places of foreign files with options that only fsidd(8) knows.
	Reexported []exports.Place
	// Odd are lines of foreign files that the test run showed to be odd.
	Odd []Odd
}

// Split returns what is proven about these paths, and about the others.
func (p Proven) Split(paths map[string]bool) (on, others Proven) {
	on.Unresolved, others.Unresolved = p.Unresolved, p.Unresolved
	on.Reexported, others.Reexported = p.Reexported, p.Reexported
	on.Table, others.Table = p.Table.Split(paths)
	return on, others
}

// CompareProven compares the active table with a proven one: the same places
// with options that mean the same, whatever the exports files have. They need not be
// the same words, because exportfs writes some only if the kernel has them. Only the
// entries of names that could not be resolved are left out, as exportfs may have resolved
// them since, and what such an entry may stand for: exportfs has one client for an address.
func (t Table) CompareProven(proven Proven) []Difference {
	unresolved := unresolvedNames(proven.Unresolved)
	stands := map[string]bool{} // paths with an entry for such a name
	for place := range t {
		stands[place.Path] = stands[place.Path] || unresolved(place.Client)
	}
	reexported := map[exports.Place]bool{}
	for _, place := range proven.Reexported {
		reexported[tablePlace(place)] = true
	}
	c := comparison{table: t, proven: true}
	for place, options := range proven.Table {
		_, there := t[place]
		if unresolved(place.Client) || there && reexported[place] || !there && stands[place.Path] && place.Client.Addr.IsValid() {
			continue
		}
		c.expect(place, options)
	}
	for place := range t {
		if _, ok := proven.Table[place]; !ok && !unresolved(place.Client) {
			c.surplus(place)
		}
	}
	return c.sorted()
}

// unresolvedNames returns a function that reports whether a client of the active table is
// one of these names, as it is written or with the domain that the resolver adds.
func unresolvedNames(places []exports.Place) func(exports.Client) bool {
	names := map[string]bool{}
	for _, place := range places {
		names[strings.ToLower(place.Client.Literal)] = true
	}
	return func(c exports.Client) bool {
		if len(names) == 0 || !IsName(c) {
			return false
		}
		name := strings.ToLower(c.Literal)
		for i := range name {
			if name[i] == '.' && names[name[:i]] {
				return true
			}
		}
		return names[name]
	}
}
