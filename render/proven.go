package render

import "nfs-exportd/exports"

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
// entries of host names are left out, on a path for which a name could not be
// resolved: exportfs may have resolved it since, to any name.
func (t Table) CompareProven(proven Proven) []Difference {
	unresolved := map[string]bool{}
	for _, place := range proven.Unresolved {
		unresolved[place.Path] = true
	}
	counts := func(place exports.Place) bool { return !unresolved[place.Path] || !IsName(place.Client) }
	reexported := map[exports.Place]bool{}
	for _, place := range proven.Reexported {
		reexported[tablePlace(place)] = true
	}
	c := comparison{table: t, proven: true}
	for place, options := range proven.Table {
		if _, there := t[place]; counts(place) && !(there && reexported[place]) {
			c.expect(place, options)
		}
	}
	for place := range t {
		if _, ok := proven.Table[place]; !ok && counts(place) {
			c.surplus(place)
		}
	}
	return c.sorted()
}
