// Package yamlfile reads files that people write in YAML: exactly one document,
// and errors that say where the mistake is and what to do.
package yamlfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
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

// ParseDocument gives the top node of a text in UTF-8 that must hold exactly
// one YAML document. The error is a [*SyntaxError].
func ParseDocument(text []byte) (*yaml.Node, error) {
	if err := checkCharacters(text); err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	err := decoder.Decode(&document)
	if err == nil {
		err = decoder.Decode(&more)
	}
	switch {
	case err == nil:
		return nil, &SyntaxError{Line: more.Line, Message: `the file holds more than one document: take out the "---" between them`}
	case !errors.Is(err, io.EOF):
		return nil, newSyntaxError(text, err)
	case len(document.Content) == 0 || isEmpty(document.Content[0]):
		return nil, &SyntaxError{Message: "the file is empty, but for comments perhaps"}
	}
	return document.Content[0], nil
}

// Resolve follows aliases to the node that they stand for.
func Resolve(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// Tagged reports whether a node has a tag of the file's own, with which other
// readers make something else of it.
func Tagged(node *yaml.Node) bool {
	plain := map[yaml.Kind]string{yaml.ScalarNode: "!!str", yaml.MappingNode: "!!map", yaml.SequenceNode: "!!seq"}
	return node.Style&yaml.TaggedStyle != 0 && node.Tag != plain[node.Kind]
}

func isEmpty(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.Tag == "!!null" && node.Value == "" && node.Style&yaml.TaggedStyle == 0
}

// checkCharacters refuses what is no text in UTF-8, in one line and with the
// line that an editor would show: the parser tells neither, and takes line
// separators of Unicode for line breaks.
func checkCharacters(text []byte) error {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return &SyntaxError{Line: 1, Message: "the file is in UTF-16: save it as UTF-8"}
	}
	line := 1
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return &SyntaxError{Line: line, Message: "this is not UTF-8: save the file as UTF-8", Detail: fmt.Sprintf("byte 0x%02X", text[i])}
		case r == '\n', r == '\r' && !bytes.HasPrefix(text[i+1:], []byte("\n")):
			line++
		case r == '\ufeff' && i == 0, r == '\t', r == '\r':
		case unicode.IsControl(r), strings.ContainsRune("\u2028\u2029\ufeff\ufffe\uffff", r):
			return &SyntaxError{Line: line, Message: "here is a character that nobody sees and that must not be in the file: take it out", Detail: fmt.Sprintf("%U", r)}
		}
		i += size
	}
	return nil
}

// newSyntaxError says where in a text the parser gave up, and what people
// usually did wrong if it did.
func newSyntaxError(text []byte, err error) *SyntaxError {
	e := &SyntaxError{Message: "this is not YAML", Detail: strings.TrimPrefix(err.Error(), "yaml: ")}
	load, ok := errors.AsType[*yaml.LoadError](err)
	if !ok || load.Mark.Line == 0 {
		return e
	}
	e.Line, e.Detail = load.Mark.Line, load.Message
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text)), "\n")
	began := load.ContextMark.Line
	hint := ""
	switch {
	case blank(lines, load.Mark) && (strings.HasPrefix(load.Message, "found unexpected end") ||
		strings.HasPrefix(load.Message, "did not find expected node content") || strings.HasPrefix(load.Message, "did not find expected ',' or")):
		// The end of the file shows what is missing, not where.
		hint = "a quote, bracket or brace is opened and never closed"
		if began > 0 && began < e.Line {
			e.Line = began
		}
		for e.Line > 1 && (e.Line > len(lines) || strings.TrimSpace(lines[e.Line-1]) == "") {
			e.Line--
		}
	case strings.HasPrefix(load.Message, "could not find expected ':'"):
		e.Line, hint = began, "a key needs a colon behind it"
	case indentedWithTab(lines, load.Mark.Line):
		hint = "indent with spaces, not with tabs"
	case strings.HasPrefix(load.Message, "mapping values are not allowed"):
		hint = "put text with a colon in it in quotes, and look at the indentation and at the line above"
	case strings.HasPrefix(load.Message, "did not find expected ',' or"):
		hint = fmt.Sprintf("a bracket or brace is opened in line %d and not closed before this", began)
	case strings.HasPrefix(load.Message, "did not find expected key"), strings.HasPrefix(load.Message, "did not find expected '-'"):
		hint = fmt.Sprintf("look at the indentation, from line %d on", began)
	case strings.HasPrefix(load.Message, "unknown anchor"):
		hint = `no anchor of this name is above: put text that begins with "*" in quotes`
	case strings.HasPrefix(load.Message, "found character that cannot start any token"):
		hint = "put text that begins with this character in quotes"
	}
	e.Message += ": " + cmp.Or(hint, "look at this line and at the one above")
	return e
}

// blank reports whether there is nothing but white space behind a place.
func blank(lines []string, at yaml.Mark) bool {
	for i := at.Line - 1; i < len(lines); i++ {
		rest := lines[i]
		if i == at.Line-1 {
			runes := []rune(rest)
			rest = string(runes[min(max(at.Column-1, 0), len(runes)):])
		}
		if strings.TrimSpace(rest) != "" {
			return false
		}
	}
	return true
}

func indentedWithTab(lines []string, n int) bool {
	if n > len(lines) {
		return false
	}
	text := strings.TrimLeft(lines[n-1], " ")
	return strings.HasPrefix(text, "\t")
}
