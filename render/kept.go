package render

import (
	"fmt"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// Kept is a grant of a foreign file on one of our paths that is not wanted there.
type Kept struct {
	File  string
	Grant ForeignGrant
}

// String returns the file, the line, and what it exports, for people, in ASCII.
func (k Kept) String() string {
	return fmt.Sprintf("%s, line %d, exports %s to %s", printable.Word(k.File), k.Grant.Line,
		printable.Word(k.Grant.Place.Path), printable.Word(k.Grant.Place.Client.String()))
}

// KeptByOthers returns the grants on our own paths that foreign files have and want lacks.
func KeptByOthers(own map[string]bool, want exports.Set, foreign []Foreign) (all []Kept) {
	wanted := tableOf(want)
	for _, f := range foreign {
		for _, g := range f.Grants {
			if _, ok := wanted.At(g.Place); !ok && own[g.Place.Path] {
				all = append(all, Kept{f.File, g})
			}
		}
	}
	return all
}

// KeptOpen is a grant of a foreign file that keeps a path open to clients whose grants
// are removed.
type KeptOpen struct {
	Kept
	Clients []exports.Client // in the order of the exports file
	// Certain is false if only the resolver knows which clients these are.
	Certain bool
}

// KeptOpenByOthers returns the grants of foreign files that keep open what removed ones
// opened: for the same client, or for a network, everybody or a name that may include it.
func KeptOpenByOthers(removed []exports.Grant, foreign []Foreign) (all []KeptOpen) {
	byPath := map[string][]exports.Grant{}
	for _, g := range removed {
		byPath[g.Path] = append(byPath[g.Path], g)
	}
	for _, f := range foreign {
		for _, g := range f.Grants {
			open := KeptOpen{Kept: Kept{f.File, g}, Certain: true}
			for _, r := range byPath[g.Place.Path] {
				covered, known := Covers(g.Place.Client, r.Client.Addr)
				same := tablePlace(g.Place) == tablePlace(r.Place())
				if covered || !known || same {
					open.Clients = append(open.Clients, r.Client)
					open.Certain = open.Certain && (known || same)
				}
			}
			if len(open.Clients) > 0 {
				all = append(all, open)
			}
		}
	}
	return all
}
