package yamlfile

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// SyntaxError is a text that is not one YAML document.
type SyntaxError struct {
	Line int // from 1; 0 where no line is to blame
	// Message says what is wrong and what to do. It has no part of the text,
	// which may hold secrets.
	Message string
	// Detail is what the parser said, and may quote the text. It can be empty.
	Detail string
}

func (e *SyntaxError) Error() string {
	text := e.Redacted()
	if e.Detail != "" {
		text += fmt.Sprintf(" (%s)", e.Detail)
	}
	return text
}

// Redacted is the error without any part of the text, for files with secrets.
func (e *SyntaxError) Redacted() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// maxSearched is the size of a text that is parsed some twenty times for a better
// line number. That takes seconds for a megabyte.
const maxSearched = 1 << 20

// newSyntaxError says where in a text the parser gave up, and what people
// usually did wrong if it did.
func newSyntaxError(text []byte, err error) *SyntaxError {
	line, detail := position(err)
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text)), "\n")
	last := len(lines) // the last line with text
	for last > 1 && strings.TrimSpace(lines[last-1]) == "" {
		last--
	}
	says := func(beginning string) bool { return strings.HasPrefix(detail, beginning) }
	search := func(otherwise int) int {
		if len(text) > maxSearched {
			return otherwise
		}
		return firstBroken(lines, err)
	}
	hint := "look at this line and at the one above"
	switch {
	case says("found unexpected end"), says("did not find expected ',' or"):
		hint = "a quote, bracket or brace is opened and never closed"
		if line > last {
			line = 1 // the library does not say that something is opened there
		}
	case says("did not find expected node content") && line >= last && endsOpen(lines[last-1]):
		line, hint = last, "a quote, bracket or brace is opened and never closed"
	case says("could not find expected ':'"):
		hint = "a key needs a colon behind it"
	case says("found a tab"):
		line, hint = search(line), "indent with spaces, not with tabs"
	case indentedWithTab(lines, line):
		hint = "indent with spaces, not with tabs"
	case says("mapping values are not allowed"):
		hint = "put text with a colon in it in quotes, and look at the indentation and at the line above"
	case says("did not find expected key"), says("did not find expected '-'"):
		began := line
		if line = search(line); began >= line {
			began = 1
		}
		hint = fmt.Sprintf("look at the indentation, from line %d on", began)
	case says("unknown anchor"):
		line, hint = search(0), `no anchor of this name is above: put text that begins with "*" in quotes`
	case says("found character that cannot start any token"):
		hint = "put text that begins with this character in quotes"
	}
	return &SyntaxError{Line: min(line, len(lines)), Message: "this is not YAML: " + hint, Detail: detail}
}

// parserErrors is how the errors begin whose lines the library counts from 0.
// It counts those of its scanner from 1.
var parserErrors = []string{
	"did not find expected ',' or", "did not find expected '-'", "did not find expected <", "did not find expected key",
	"did not find expected node", "found duplicate %", "found incompatible", "found undefined tag",
}

// position gives the line and the text of an error of the library. The line is
// that of the error, or where the block, bracket or quote around it begins. The
// library leaves the first line out.
func position(err error) (line int, detail string) {
	detail = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(detail, "line "); ok {
		number, text, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			line, detail = n, text
		}
	}
	if line == 0 || slices.ContainsFunc(parserErrors, func(beginning string) bool { return strings.HasPrefix(detail, beginning) }) {
		line++
	}
	return line, detail
}

// firstBroken gives the line of an error that the library reports once it has
// read this line, whatever follows.
func firstBroken(lines []string, err error) int {
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		_, early := firstTwo([]byte(strings.Join(lines[:i+1], "\n") + "\n"))
		return early != nil && early.Error() == err.Error()
	})
}

func endsOpen(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && strings.ContainsRune("[{,", rune(line[len(line)-1]))
}

func indentedWithTab(lines []string, n int) bool {
	return n <= len(lines) && strings.HasPrefix(strings.TrimLeft(lines[n-1], " "), "\t")
}
