// Package yamlfile reads files that people write in YAML: exactly one document,
// and errors that say where the mistake is and what to do.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// ParseDocument gives the top node of a text in UTF-8 that must hold exactly
// one YAML document. The error is a [*SyntaxError].
func ParseDocument(text []byte) (*yaml.Node, error) {
	if err := checkCharacters(text); err != nil {
		return nil, err
	}
	documents, err := firstTwo(text)
	switch {
	case err != nil:
		return nil, newSyntaxError(text, err)
	case len(documents) == 2:
		return nil, &SyntaxError{Line: documents[1].Line, Message: `the file holds more than one document: take out the "---" between them`}
	case len(documents) == 0 || len(documents[0].Content) == 0 || isEmpty(documents[0].Content[0]):
		return nil, &SyntaxError{Message: "the file is empty, but for comments perhaps"}
	}
	return documents[0].Content[0], nil
}

// firstTwo gives the first two documents of a text.
func firstTwo(text []byte) (documents []*yaml.Node, err error) {
	// The library panics where its own parts disagree.
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the parser failed: %q", fmt.Sprint(cause))
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for len(documents) < 2 {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, &document)
	}
	return documents, nil
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
