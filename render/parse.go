package render

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// Parsed is the content of an exports file.
type Parsed struct {
	// Set are the grants, with the owners that the comments name.
	Set exports.Set
	// Edited says that somebody else than this program has written to the
	// file. A file without any line but comments never counts as edited.
	Edited bool
	// Networks are the addresses of grants that are written as a network of one address.
	Networks Addresses
	// Lines are the numbers of the grants' lines, from 1.
	Lines map[exports.Place]int
	// Unread are the lines that are neither comments nor grants as Marshal
	// writes them, in order. exportfs may understand them all the same.
	Unread []Line
}

// Line is a line of a file that could not be used.
type Line struct {
	Number  int    // from 1; 0 for the whole file
	Text    string // as in the file, so it may be hostile
	Problem string
}

// String is the line for people, in ASCII.
func (l Line) String() string {
	if l.Number == 0 {
		return l.Problem
	}
	return fmt.Sprintf("line %d: %s: %s", l.Number, l.Problem, printable.Quote(l.Text))
}

// Parse reads an exports file as Marshal writes it. It accepts any text, and
// returns the lines that it cannot read in Unread.
func Parse(text []byte) Parsed {
	var (
		parsed = Parsed{Networks: Addresses{}, Lines: map[exports.Place]int{}}
		grants []exports.Grant
		owner  exports.Owner
		number int
	)
	unread := func(line, problem string) {
		parsed.Unread = append(parsed.Unread, Line{number, line, problem})
	}
	for line := range strings.Lines(string(text)) {
		number++
		line, ended := strings.CutSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			if about, o := parseOwner(line); about {
				owner = o
			}
			continue
		case line == "":
			continue
		case !ended:
			// The end of a cut line could be the beginning of an option.
			unread(line, "the file ends in the middle of a line")
			continue
		}
		g, network, problem := parseGrant(line, owner)
		if problem != "" {
			unread(line, problem)
			continue
		}
		if first, ok := parsed.Lines[g.Place()]; ok {
			unread(line, fmt.Sprintf("same path and client as line %d", first))
			continue
		}
		parsed.Lines[g.Place()] = number
		if network {
			parsed.Networks[g.Client.Addr] = true
		}
		grants = append(grants, g)
	}
	parsed.Set = exports.NewSet(grants)
	if parsed.Set.Len() > 0 || len(parsed.Unread) > 0 {
		parsed.Edited = !intact(text)
	}
	return parsed
}

// intact reports whether the first line has the digest of the others.
func intact(text []byte) bool {
	first, body, ok := bytes.Cut(text, []byte("\n"))
	return ok && string(first)+"\n" == digestLine(body)
}

// parseOwner reports whether a comment is about owners, and returns the owner. A
// comment that ownerComment would not write means nobody, not the owner of the
// lines before.
func parseOwner(line string) (about bool, owner exports.Owner) {
	if quoted, ok := strings.CutPrefix(line, publicMark); ok {
		about = true
		if name, err := strconv.Unquote(quoted); err == nil {
			owner = exports.Owner{Public: name}
		}
	} else if words, ok := strings.CutPrefix(line, projectMark); ok {
		about = true
		owner = parseProject(words)
	}
	if !about {
		return line == unknownMark, exports.Owner{}
	}
	if ownerComment(owner) != line {
		return true, exports.Owner{}
	}
	return true, owner
}

// parseProject reads ID "NAME" or "NAME", and the domain behind it. What it makes of
// anything else does not matter.
func parseProject(words string) exports.Owner {
	word, rest, _ := cutWord(words)
	owner := exports.Owner{Name: word}
	if strings.HasPrefix(rest, ` "`) {
		owner.ID = word
		owner.Name, rest, _ = cutWord(rest[1:])
	}
	if domain, ok := strings.CutPrefix(rest, domainMark); ok {
		owner.Domain, _, _ = cutWord(domain)
	}
	return owner
}

// cutWord takes a plain or quoted word from the front of s.
func cutWord(s string) (word, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", "", false
		}
		word, err = strconv.Unquote(quoted)
		return word, s[len(quoted):], err == nil
	}
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", true
}

// parseGrant reads a line as GrantLine writes it, or, for a project, with a network of
// one address instead of the address; or it says why the line is neither.
func parseGrant(line string, owner exports.Owner) (g exports.Grant, network bool, problem string) {
	path, rest, ok := strings.Cut(line, " ")
	if !ok {
		return g, false, "no client"
	}
	rest, comment, commented := strings.Cut(rest, "#")
	if commented {
		rest = strings.TrimRight(rest, " \t")
	}
	client, options, ok := strings.Cut(rest, "(")
	if !ok || !strings.HasSuffix(options, ")") {
		return g, false, "not PATH CLIENT(OPTIONS)"
	}
	g = exports.Grant{
		Path:    pathUnescaper.Replace(path),
		Client:  exports.ParseClient(client),
		Options: strings.TrimSuffix(options, ")"),
		Owner:   owner,
	}
	if place := tablePlace(g.Place()); owner.Public == "" && place != g.Place() {
		g.Client, network = place.Client, true
	}
	g.Instance.ID, g.Port, _ = strings.Cut(strings.TrimPrefix(comment, " "), " ")
	// There is one way to write a grant, and any other line is not ours.
	if checkSafe(g, network) != nil || string(appendLine(nil, g, network)) != line+"\n" {
		return g, false, "not as nfs-exportd writes it"
	}
	return g, network, ""
}

// clientOf returns the client of a word of the active table or of a foreign file.
// exportfs takes an IPv4 address in IPv6 form for a client of its own, which never
// matches the IPv4 address.
func clientOf(word string) exports.Client {
	client := exports.ParseClient(word)
	if client.Addr.Is4() && strings.Contains(word, ":") {
		return exports.Client{Literal: word}
	}
	return client
}
