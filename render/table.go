package render

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// Table is an active table (etab, as exportfs(8) writes it for rpc.mountd): the
// options of each place, in exportfs's own words. A network of one address
// (A/32, A/128) has the place of the address; see At.
type Table map[exports.Place]string

// At returns the options that t has at a place, however its client is written.
func (t Table) At(p exports.Place) (options string, ok bool) {
	options, ok = t[tablePlace(p)]
	return options, ok
}

// tablePlace returns the place that a table has for p. exportfs keeps an address
// and its network of one apart, but both open the path to the same host.
func tablePlace(p exports.Place) exports.Place {
	if !strings.Contains(p.Client.Literal, "/") {
		return p
	}
	network, ok := parseNetwork(p.Client.Literal)
	if !ok || !network.IsSingleIP() || network.Addr().Is4In6() {
		return p
	}
	return exports.Place{Path: p.Path, Client: exports.Client{Addr: network.Addr()}}
}

// tableBuilder collects the entries of a table.
type tableBuilder struct {
	table    Table
	networks map[exports.Place]string // as written, where the table has no plain address
}

// add adds an entry and reports whether its client was there in the same words. If
// a path has an address and its network of one, the options of the address count:
// rpc.mountd looks for an address first.
func (b *tableBuilder) add(p exports.Place, options string) (again bool) {
	place := tablePlace(p)
	_, exists := b.table[place]
	network, byNetwork := b.networks[place]
	if place == p {
		if exists && !byNetwork {
			return true
		}
		delete(b.networks, place)
	} else {
		if exists {
			return byNetwork && network == p.Client.Literal
		}
		if b.networks == nil {
			b.networks = map[exports.Place]string{}
		}
		b.networks[place] = p.Client.Literal
	}
	b.table[place] = options
	return false
}

// tableOf returns the table that exportfs should make of grants, with the options as
// they are written there.
func tableOf(set exports.Set) Table {
	b := tableBuilder{table: make(Table, set.Len())}
	for _, g := range set.Grants() {
		b.add(g.Place(), g.Options)
	}
	return b.table
}

// Split returns the entries on these paths, and the others.
func (t Table) Split(paths map[string]bool) (on, others Table) {
	on, others = make(Table, len(t)), Table{}
	for place, options := range t {
		if paths[path.Clean(place.Path)] { // exportfs keeps the spelling of a directory that is not there
			on[place] = options
		} else {
			others[place] = options
		}
	}
	return on, others
}

// Within reports whether t has nothing but wanted places.
func (t Table) Within(want exports.Set) bool {
	wanted := tableOf(want)
	for place := range t {
		if _, ok := wanted[place]; !ok {
			return false
		}
	}
	return true
}

// TableError is an active table that rpc.mountd cannot read, or not to its end.
type TableError struct {
	Path    string // empty if the text did not come from a file
	Line    int    // from 1
	Problem string
	// Unread are the places of lines that rpc.mountd cannot read, and Behind all others
	// behind the first of them: rpc.mountd does not come to these.
	Unread, Behind []exports.Place
}

// Within reports whether another table has all that rpc.mountd cannot read.
func (e *TableError) Within(t Table) bool {
	return !slices.ContainsFunc(e.Unread, func(p exports.Place) bool { _, ok := t[p]; return !ok })
}

// Error names the line and the problem.
func (e *TableError) Error() string {
	path := "the active table"
	if e.Path != "" {
		path += " " + printable.Word(e.Path)
	}
	next := "run \"exportfs -ra\" and look at it again"
	if e.Unread != nil {
		next = "rpc.mountd reads no further; correct the line of the exports file that this is from"
	}
	return fmt.Sprintf("%s, line %d: %s: %s", path, e.Line, e.Problem, next)
}

// ParseTable reads the text of an active table. It returns a *TableError if rpc.mountd
// cannot read all of it, and then also the table, with the lines that rpc.mountd does
// not read; but no table if the text ends in the middle of a line, or has a line twice,
// because exportfs writes no such table.
func ParseTable(text []byte) (Table, error) {
	b := tableBuilder{table: make(Table, bytes.Count(text, []byte("\n")))}
	var unread *TableError
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		entries, problem := readEntries(line)
		broken := !strings.HasSuffix(line, "\n")
		if broken {
			problem = "the table ends in the middle of a line"
		}
		for _, e := range entries {
			if b.add(e.Place, e.Options) && e.Place.Client != world {
				broken, problem = true, "a second entry for a client on a path"
			}
		}
		if broken {
			return nil, &TableError{Line: number, Problem: problem + ": " + printable.Quote(line)}
		}
		if problem != "" && unread == nil {
			unread = &TableError{Line: number, Problem: problem + ": " + printable.Quote(line), Unread: []exports.Place{}}
		}
		switch {
		case problem != "":
			unread.Unread = append(unread.Unread, tablePlaces(entries)...)
		case unread != nil:
			unread.Behind = append(unread.Behind, tablePlaces(entries)...)
		}
	}
	if unread != nil {
		return b.table, unread
	}
	return b.table, nil
}

func tablePlaces(entries []ForeignGrant) (places []exports.Place) {
	for _, e := range entries {
		places = append(places, tablePlace(e.Place))
	}
	return places
}

// readEntries reads a line as rpc.mountd does, or, with a problem, as exportfs meant it
// if rpc.mountd cannot read it and reads no further.
func readEntries(line string) (entries []ForeignGrant, problem string) {
	entry, problem := parseEntry(line)
	if problem == "" {
		return []ForeignGrant{entry}, ""
	}
	if entry.Place.Path != "" {
		return []ForeignGrant{entry}, problem
	}
	// It reads any line that an exports file can have.
	entries, undecided := parseForeign([]byte(line))
	// What begins with a quote does not end with the line.
	if len(undecided) > 0 || strings.Contains(line, `"`) || strings.HasSuffix(line, "\\\n") {
		return entries, problem
	}
	return entries, ""
}

// parseEntry reads a line as putexportent in nfs-utils' support/nfs/exports.c
// writes it: PATH, tab, CLIENT(OPTIONS). Only the path is escaped. With a problem and no
// entry the line is another one; with an entry rpc.mountd cannot read it.
func parseEntry(line string) (entry ForeignGrant, problem string) {
	path, word, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
	if !ok || path == "" || strings.ContainsAny(path, " \r\v\f\x00\"#") {
		return entry, "not a path, a tab and a client"
	}
	client, options, ok := strings.Cut(word, "(")
	options, closed := strings.CutSuffix(options, ")")
	if !ok || !closed || client == "" || strings.ContainsAny(word, " \t\r\v\f\x00\"\\") || client[0] == '#' {
		return entry, "not CLIENT(OPTIONS)"
	}
	entry = ForeignGrant{Place: exports.Place{Path: unescapeOctal(path), Client: clientOf(client)}, Options: options}
	return entry, unreadable(client, options)
}

// unreadable says why rpc.mountd cannot read an entry of the table; "" if it can.
func unreadable(client, options string) string {
	switch {
	case len(client)+len("()")+len(options) > maxToken:
		return fmt.Sprintf("client and options are longer than the %d bytes that rpc.mountd reads", maxToken)
	case strings.Contains(options, "squash_gids="):
		// putexportent writes a list that parsesquash does not read.
		return "rpc.mountd does not read squash_gids= as exportfs writes it"
	}
	return ""
}

// unescapeOctal undoes the escapes that exportfs writes: a backslash and three
// octal digits.
func unescapeOctal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c, ok := octal(s[i:]); ok {
			b.WriteByte(c)
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// octal reads an escape at the front of s.
func octal(s string) (byte, bool) {
	if len(s) < 4 || s[0] != '\\' || s[1] < '0' || s[1] > '3' {
		return 0, false
	}
	for i := 2; i < 4; i++ {
		if s[i] < '0' || s[i] > '7' {
			return 0, false
		}
	}
	return (s[1]-'0')<<6 | (s[2]-'0')<<3 | (s[3] - '0'), true
}

// Places are those of the table, in the order of an exports file.
func (t Table) Places() []exports.Place {
	return slices.SortedFunc(maps.Keys(t), exports.Place.Compare)
}
