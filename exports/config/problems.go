package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

const (
	// maxProblems keeps the report of a file of another kind readable.
	maxProblems = 50
	maxField    = 200
	maxMessage  = 600
)

// Problem is one thing that is wrong with the file.
type Problem struct {
	Line    int    // from 1; 0 where no line is to blame
	Field   string // the path of keys to it, such as private.tools.gid
	Message string
}

// String is the problem on one line, after its line number and its keys.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Field != "" {
		fmt.Fprintf(&b, "%s: ", p.Field)
	}
	b.WriteString(p.Message)
	return b.String()
}

// Error is everything that is wrong with a configuration file.
type Error struct {
	Problems []Problem // at least one, in the order of their lines
}

func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0].String()
	}
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = "\n  " + p.String()
	}
	return fmt.Sprintf("%d problems:%s", len(e.Problems), strings.Join(lines, ""))
}

// parser collects problems while it walks a YAML document.
type parser struct {
	problems []Problem
	more     int // problems that were not kept
	nodes    int
	tooLarge bool
}

func (p *parser) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(p.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	if p.more > 0 {
		p.problems = append(p.problems, Problem{Message: fmt.Sprintf("and %d more", p.more)})
	}
	return &Error{Problems: p.problems}
}

func (p *parser) problem(node *yaml.Node, field, format string, args ...any) {
	if len(p.problems) == maxProblems {
		p.more++
		return
	}
	p.problems = append(p.problems, Problem{
		Line: node.Line, Field: shorten(field, maxField), Message: shorten(fmt.Sprintf(format, args...), maxMessage),
	})
}

// shorten cuts a text for a message. What is cut is ASCII, but for field names.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
