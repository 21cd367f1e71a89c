package render

import (
	"fmt"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// Foreign is an exports file that is not this program's.
type Foreign struct {
	File string // path
	Text []byte // nil if it could not be read
	// EtcExports says that it is /etc/exports, not a file of /etc/exports.d.
	EtcExports bool
	// First says that exportfs reads it before our file. Where both have a
	// grant, that of the first counts.
	First  bool
	Grants []ForeignGrant
	// Ignored is what it is instead of a file that exportfs reads; usually empty.
	Ignored string
	// Undecided are lines of which only exportfs itself can say what they
	// grant, at most a few. Clients that are host names are in Grants.
	Undecided []Line
}

// ForeignGrant is one client of a line of a foreign file.
type ForeignGrant struct {
	Place exports.Place
	// Written is the path of the line, if that leads to Place through a symbolic link.
	Written string
	Options string // those of the line first, then those of the client
	Line    int
	// NoClient says that the file has no client there. exportfs exports the path to
	// everyone then.
	NoClient bool
}

// String returns the grant for people, in ASCII.
func (g ForeignGrant) String() string {
	return fmt.Sprintf("%s(%s)", PlaceText(g.Place), printable.Word(g.Options))
}

// ParseForeign reads the text of the exports file at path as exportfs does.
// Paths are as written: exportfs also follows symbolic links.
func ParseForeign(path string, text []byte) Foreign {
	grants, undecided := parseForeign(text)
	return Foreign{File: path, Text: text, Grants: grants, Undecided: undecided}
}

// Conflict is a grant that a foreign file has as well. exportfs takes the first
// one that it reads and ends with status 1.
type Conflict struct {
	Grant   exports.Grant // ours
	File    string
	Line    int
	Options string // theirs, as written
	Theirs  bool   // the foreign one is first
}

// String returns the conflict for people, in ASCII.
func (c Conflict) String() string {
	winner := "exportfs takes ours"
	if c.Theirs {
		winner = "exportfs takes that one, with the options " + printable.Word(c.Options)
	}
	return fmt.Sprintf("%s is also in %s, line %d: %s", PlaceText(c.Grant.Place()), printable.Word(c.File), c.Line, winner)
}

// Conflicts returns the wanted grants that foreign files have as well. They may have
// them under the host name of an address.
func Conflicts(want exports.Set, foreign []Foreign, names Names) []Conflict {
	ours := map[exports.Place]exports.Grant{}
	for _, g := range want.Grants() {
		ours[tablePlace(g.Place())] = g
	}
	same, shared := names.aliases(), names.Shared()
	var conflicts []Conflict
	for _, f := range foreign {
		for _, g := range f.Grants {
			place := tablePlace(g.Place)
			for _, client := range append([]exports.Client{place.Client}, same[place.Client]...) {
				grant, ok := ours[exports.Place{Path: place.Path, Client: client}]
				if !ok {
					continue
				}
				theirs := f.First
				// rpc.mountd looks for hosts before it looks for networks.
				ourNetwork, theirNetwork := shared.has(grant) || isNetwork(grant.Client), isNetwork(g.Place.Client)
				if ourNetwork != theirNetwork {
					theirs = ourNetwork
				}
				conflicts = append(conflicts, Conflict{grant, f.File, g.Line, g.Options, theirs})
			}
			if f.First {
				for _, grant := range covered(want, g.Place, shared) {
					conflicts = append(conflicts, Conflict{grant, f.File, g.Line, g.Options, true})
				}
			}
		}
	}
	return conflicts
}

// covered returns the grants for shared addresses that are in a network on the same
// path. Our grants are networks too then, and rpc.mountd takes the first one.
func covered(want exports.Set, place exports.Place, shared Addresses) (grants []exports.Grant) {
	if len(shared) == 0 || !isNetwork(place.Client) {
		return nil
	}
	network, ok := parseNetwork(place.Client.Literal)
	if !ok || network.IsSingleIP() {
		return nil
	}
	for _, g := range want.Grants() {
		if g.Path == place.Path && shared.has(g) && network.Contains(g.Client.Addr) {
			grants = append(grants, g)
		}
	}
	return grants
}

func isNetwork(c exports.Client) bool { return strings.Contains(c.Literal, "/") }
