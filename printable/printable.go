// Package printable makes text that others chose safe for a terminal, a log and a
// message: no function lets a control character, one that changes the direction of
// text, or a byte that is not UTF-8 through. %q of package fmt is as safe; it keeps
// letters beyond ASCII and has no limit.
package printable

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

const (
	// MaxQuoted is how many bytes of a text Quote shows.
	MaxQuoted = 200
	// maxPlain is how many bytes ID, Word and Plain show: the longest path of an
	// exports file fits.
	maxPlain = 1024
)

// Text returns s with its line breaks and tabs. Other characters that are not
// printable come out as Go escapes them, bytes that are not UTF-8 as U+FFFD. The
// result is Unicode of any length.
func Text(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
	}
	return b.String()
}

// Line returns s as Text does, but on one line: each run of white space becomes one
// blank.
func Line(s string) string { return Text(strings.Join(strings.Fields(s), " ")) }

// Word returns s as it is if it looks like one word of printable ASCII, without
// quotes and backslashes, of at most 1024 bytes; else it returns Quote of s.
// It is for paths, clients and options. The result is ASCII on one line and never empty.
func Word(s string) string {
	if s == "" || len(s) > maxPlain || !isASCII(s) || strings.ContainsAny(s, ` "\`) {
		return Quote(s)
	}
	return s
}

// ID returns s as it is if it has only letters and digits of ASCII and -_.: in at most
// 1024 bytes; else it returns Quote of s. It is for identifiers in sentences and in
// parentheses. The result is ASCII on one line and never empty.
func ID(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") != "" {
		return Quote(s)
	}
	return Word(s)
}

// Plain returns s as it is if it is printable ASCII, cut at 1024 bytes; else it
// returns Quote of s. It is for text that usually needs no quotes: URLs, and messages
// of Go's packages, which may hold what a server said. The result is ASCII on one line.
func Plain(s string) string {
	switch {
	case !isASCII(s):
		return Quote(s)
	case len(s) > maxPlain:
		return s[:maxPlain] + "..."
	}
	return s
}

// Quote returns s in quotes as Go writes them, cut at 200 bytes. The result is ASCII
// on one line.
func Quote(s string) string {
	if len(s) > MaxQuoted {
		return strconv.QuoteToASCII(s[:MaxQuoted]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// Lines returns the lines of what a program printed, without white space around them
// and without empty ones. Bytes that are not printable ASCII come out as \xNN. The
// result is ASCII of up to four times the length.
func Lines(output []byte) string {
	var b strings.Builder
	for line := range bytes.Lines(output) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && b.Len() > 0 {
			b.WriteByte('\n')
		}
		for _, c := range line {
			if c < ' ' || c > '~' {
				fmt.Fprintf(&b, `\x%02x`, c)
			} else {
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}

// isASCII reports whether all of s is printable ASCII.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
