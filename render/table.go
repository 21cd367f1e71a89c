package render

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// Table is an active table (etab, as exportfs(8) writes it for rpc.mountd): the
// options of each place, in exportfs's own words.
type Table map[exports.Place]string

// TableError is an active table that cannot be read.
type TableError struct {
	Path    string // empty if the text did not come from a file
	Line    int    // from 1
	Problem string
}

// Error names the line and the problem.
func (e *TableError) Error() string {
	path := "the active table"
	if e.Path != "" {
		path += " " + printable.Word(e.Path)
	}
	return fmt.Sprintf("%s, line %d: %s: run \"exportfs -ra\" and look at it again", path, e.Line, e.Problem)
}

// ParseTable reads the text of an active table. It returns a *TableError for a
// line that rpc.mountd could not read either, or that is there twice.
func ParseTable(text []byte) (Table, error) {
	table := make(Table, bytes.Count(text, []byte("\n")))
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		place, options, problem := parseEntry(line)
		if _, ok := table[place]; ok && problem == "" {
			problem = "a second entry for a client on a path"
		}
		if problem != "" {
			return nil, &TableError{Line: number, Problem: problem + ": " + printable.Quote(line)}
		}
		table[place] = options
	}
	return table, nil
}

// parseEntry reads a line as putexportent in nfs-utils' support/nfs/exports.c
// writes it: PATH, tab, CLIENT(OPTIONS). Only the path is escaped.
func parseEntry(line string) (place exports.Place, options, problem string) {
	line, ended := strings.CutSuffix(line, "\n")
	if !ended {
		return place, "", "the table ends in the middle of a line"
	}
	path, word, ok := strings.Cut(line, "\t")
	if !ok || !strings.HasPrefix(path, "/") {
		return place, "", "not a path, a tab and a client"
	}
	if len(word) > maxToken {
		return place, "", fmt.Sprintf("client and options are longer than the %d bytes that rpc.mountd reads", maxToken)
	}
	client, options, ok := strings.Cut(word, "(")
	options, closed := strings.CutSuffix(options, ")")
	if !ok || !closed || client == "" || strings.ContainsAny(word, " \t\r\v\f\x00\"\\") {
		return place, "", "not CLIENT(OPTIONS)"
	}
	return exports.Place{Path: unescapeOctal(path), Client: clientOf(client)}, options, ""
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
