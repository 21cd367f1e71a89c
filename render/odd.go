package render

import (
	"bytes"
	"fmt"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// Odd is a line of a foreign file that may not do what its author meant.
type Odd struct {
	File string
	Line int // from 1; 0 for the whole file
	Says string
}

// String returns the line for people, in ASCII.
func (o Odd) String() string {
	if o.Line == 0 {
		return fmt.Sprintf("%s: %s", printable.Word(o.File), o.Says)
	}
	return fmt.Sprintf("%s, line %d: %s", printable.Word(o.File), o.Line, o.Says)
}

// byteOrderMark begins files of some editors for Windows.
var byteOrderMark = []byte("\xef\xbb\xbf")

// OddLines returns the odd lines of foreign files, as far as they show without a test
// run, each once.
func OddLines(foreign []Foreign, names Names) []Odd {
	var odd []Odd
	for _, f := range foreign {
		if f.Ignored != "" {
			odd = append(odd, Odd{f.File, 0, "exportfs ignores it: it is " + f.Ignored})
		}
		for _, line := range f.Undecided {
			says := line.Problem
			if line.Number > 0 {
				says += ": " + printable.Quote(line.Text)
			}
			odd = append(odd, Odd{f.File, line.Number, says})
		}
		if bytes.HasPrefix(f.Text, byteOrderMark) {
			odd = append(odd, Odd{f.File, 1, "exportfs takes the byte order mark for a part of the path; remove it"})
		}
		for _, g := range f.Grants {
			if says := oddGrant(g, names); says != "" {
				odd = append(odd, Odd{f.File, g.Line, says})
			}
		}
	}
	return FirstOfEachLine(odd)
}

// oddGrant says what is odd about a grant, if anything is.
func oddGrant(g ForeignGrant, names Names) string {
	_, resolved := names[g.Place.Client.Literal]
	switch {
	case !strings.HasPrefix(g.Place.Path, "/"):
		return fmt.Sprintf("exportfs takes %s for a path; this is no line of exports(5)", printable.Quote(g.Place.Path))
	case g.NoClient:
		return fmt.Sprintf("exportfs exports %s to everyone, because there is no client", printable.Word(g.Place.Path))
	case IsName(g.Place.Client) && !resolved:
		return fmt.Sprintf("no address for the host name %s; exportfs leaves it out", printable.Quote(g.Place.Client.Literal))
	}
	return ""
}

// FirstOfEachLine returns the first of those about the same line.
func FirstOfEachLine(odd []Odd) []Odd {
	type line struct {
		file   string
		number int
	}
	var first []Odd
	seen := map[line]bool{}
	for _, o := range odd {
		if l := (line{o.File, o.Line}); !seen[l] {
			seen[l] = true
			first = append(first, o)
		}
	}
	return first
}

// LostLines returns the lines of foreign files of which a test run made no entry. said
// returns what exportfs said about a file.
func LostLines(foreign []Foreign, table Table, names Names, said func(Foreign) string) []Odd {
	same := names.aliases()
	var odd []Odd
	for _, f := range foreign {
		lost := make([]bool, len(f.Grants))
		from := 0 // all grants from here on are lost
		for i, g := range f.Grants {
			_, found := same.find(table, tablePlace(g.Place))
			if lost[i] = !found; found {
				from = i + 1
			}
		}
		for i, g := range f.Grants {
			_, resolved := names[g.Place.Client.Literal]
			if !lost[i] || IsName(g.Place.Client) && !resolved {
				continue // OddLines has names
			}
			says := "exportfs makes no entry of " + g.String()
			if i >= from && i < len(f.Grants)-1 {
				says += ", nor of any line behind it"
			}
			if why := said(f); why != "" {
				says += ": it says " + printable.Quote(why)
			}
			odd = append(odd, Odd{f.File, g.Line, says})
			if i >= from {
				break
			}
		}
	}
	return odd
}

// UnreadLines returns the lines of foreign files that make entries of the active table
// that rpc.mountd cannot read, and ours, which are the wanted grants that rpc.mountd does
// not come to.
func UnreadLines(foreign []Foreign, unread *TableError, want exports.Set, names Names) (odd []Odd, ours int) {
	wanted, same := tableOf(want), names.aliases()
	for _, place := range unread.Behind {
		if _, ok := same.find(wanted, place); ok {
			ours++
		}
	}
	at := map[exports.Place]bool{}
	for _, place := range unread.Unread {
		same.add(at, place)
	}
	for _, f := range foreign {
		for _, g := range f.Grants {
			if at[tablePlace(g.Place)] {
				odd = append(odd, Odd{f.File, g.Line, fmt.Sprintf("rpc.mountd cannot read the entry that exportfs makes of %s, nor any behind it in the active table, "+
					"which are %d of our grants; shorten or remove the line", PlaceText(g.Place), ours)})
			}
		}
	}
	return odd, ours
}
