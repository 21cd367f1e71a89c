package render

import (
	"fmt"

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
	// Undecided are lines of which only exportfs itself can say what they
	// grant, at most a few. Clients that are host names are in Grants.
	Undecided []Line
}

// ForeignGrant is one client of a line of a foreign file.
type ForeignGrant struct {
	Place   exports.Place
	Options string // those of the line first, then those of the client
	Line    int
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

// Conflicts returns the wanted grants that foreign files have as well.
func Conflicts(want exports.Set, foreign []Foreign) []Conflict {
	var conflicts []Conflict
	for _, f := range foreign {
		for _, g := range f.Grants {
			if ours, ok := want.At(g.Place); ok {
				conflicts = append(conflicts, Conflict{ours, f.File, g.Line, g.Options, f.First})
			}
		}
	}
	return conflicts
}
