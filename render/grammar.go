package render

import (
	"strings"

	"nfs-exportd/exports"
)

// parseForeign reads an exports file as exportfs does: getexportent in
// nfs-utils' support/nfs/exports.c, on top of support/nfs/xio.c. Where
// exportfs would stop reading the file it stops too, and the reason is in
// undecided. It does not know which options there are.
func parseForeign(text []byte) (grants []ForeignGrant, undecided []Line) {
	s := &stream{text: text, line: 1}
	stop := func(line int, word, problem string) {
		undecided = append(undecided, Line{line, word, problem + "; exportfs reads no further"})
	}
	for {
		s.skip(" \t\n")
		line := s.line
		path, end := s.word(maxPath + 1)
		switch {
		case end == wordTooLong:
			stop(line, path, "path too long")
			return grants, undecided
		case end == wordEmpty && s.pos < len(s.text):
			stop(line, string(s.text[s.pos-1]), "empty path")
			return grants, undecided
		case end == wordEmpty:
			return grants, undecided
		}
		defaults := ""
		for first := true; ; first = false {
			s.skip(" \t")
			line = s.line
			word, end := s.word(maxToken + 1)
			if end == wordEmpty && !first {
				break
			}
			// What comes after options is a client, whatever it looks like. If
			// nothing does, or the line has no client at all, it is the world.
			if options, ok := strings.CutPrefix(word, "-"); ok && end == wordRead {
				defaults = joinOptions(defaults, options)
				s.skip(" \t")
				line = s.line
				word, end = s.word(maxToken + 1)
			}
			if end == wordTooLong {
				stop(line, word, "client and options too long")
				return grants, undecided
			}
			client, options, problem := splitClient(word)
			if problem != "" {
				stop(line, word, problem)
				return grants, undecided
			}
			grants = append(grants, ForeignGrant{
				Place:    exports.Place{Path: path, Client: client},
				Options:  joinOptions(defaults, options),
				Line:     line,
				NoClient: word == "" || word[0] == '(',
			})
		}
	}
}

var world = exports.Client{Literal: "*"}

func joinOptions(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "," + b
}

// splitClient reads CLIENT, CLIENT(OPTIONS) or (OPTIONS), which is to the world.
func splitClient(word string) (client exports.Client, options, problem string) {
	name, options, ok := strings.Cut(word, "(")
	if ok {
		closing := strings.IndexByte(options, ')')
		if closing < 0 || closing != len(options)-1 {
			return client, "", "bad option list"
		}
		options = options[:closing]
	}
	if name == "" {
		return world, options, ""
	}
	return clientOf(name), options, ""
}

// stream reads the words of an exports file.
type stream struct {
	text []byte
	pos  int
	line int
}

const eof = -1

// next reads a character; a backslash before a newline is a blank, and the
// blanks after both are gone.
func (s *stream) next() int {
	c := s.raw()
	if c == '\n' {
		s.line++
	}
	if c != '\\' || s.pos >= len(s.text) || s.text[s.pos] != '\n' {
		return c
	}
	s.pos++
	s.line++
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
	return ' '
}

func (s *stream) raw() int {
	if s.pos >= len(s.text) {
		return eof
	}
	s.pos++
	return int(s.text[s.pos-1])
}

// skip skips blanks and comments. A comment does not know the backslash.
func (s *stream) skip(blanks string) {
	for {
		pos, line := s.pos, s.line
		c := s.next()
		if c == '#' {
			for c = s.raw(); c != eof && c != '\n'; {
				c = s.raw()
			}
			if c == '\n' {
				pos, line = s.pos-1, s.line
				s.line++
			}
		}
		if c == eof {
			return
		}
		// strchr(3), which exportfs uses here, finds a NUL in any string.
		if c != 0 && strings.IndexByte(blanks, byte(c)) < 0 {
			s.pos, s.line = pos, line
			return
		}
	}
}

type wordEnd int

const (
	wordRead wordEnd = iota
	wordEmpty
	wordTooLong
)

// word reads up to the next separator, which is any space and NUL, and leaves a
// newline to be read. A word of limit bytes or more is too long.
func (s *stream) word(limit int) (string, wordEnd) {
	var word []byte
	quoted := false
	for {
		pos, line := s.pos, s.line
		c := s.next()
		if c == eof || !quoted && (c == 0 || isSpace(byte(c))) {
			if c == '\n' {
				s.pos, s.line = pos, line
			}
			break
		}
		if c == '"' {
			quoted = !quoted
			continue
		}
		word = append(word, byte(c))
		if n := len(word) - 4; n >= 0 {
			if decoded, ok := octal(string(word[n:])); ok {
				word = append(word[:n], decoded)
			}
		}
		if len(word) >= limit {
			return string(word), wordTooLong
		}
	}
	// In C a NUL ends the text.
	text, _, _ := strings.Cut(string(word), "\x00")
	if text == "" {
		return "", wordEmpty
	}
	return text, wordRead
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
