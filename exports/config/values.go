package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"nfs-exportd/printable"
	"nfs-exportd/yamlfile"
)

const (
	// maxNodes bounds what aliases can make of a file of maxSize.
	maxNodes = 1 << 18
	// maxLine is longer than any name or path. With aliases a long text costs as
	// often as it is referred to.
	maxLine = 4096
)

// untagged gives what a node stands for, and whether YAML alone says what it
// is: with a tag of the file's own, other readers make something else of it.
func (p *parser) untagged(node *yaml.Node, field string) (*yaml.Node, bool) {
	node = yamlfile.Resolve(node)
	if yamlfile.Tagged(node) {
		p.problem(node, field, "has the tag %s, which is not understood here: take it out", printable.Quote(node.Tag))
		return node, false
	}
	return node, true
}

// count reports whether the file is of a size that can be meant: a few aliases
// of aliases can stand for more than fits into any memory.
func (p *parser) count(node *yaml.Node) bool {
	p.nodes++
	if p.nodes > maxNodes && !p.tooLarge {
		p.tooLarge = true
		p.problems = append(p.problems, Problem{Line: node.Line, Message: "aliases make this file too large to be meant"})
	}
	return !p.tooLarge
}

// kind names what a node is to a person who wrote it.
func kind(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch node.Tag {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	}
	return "text"
}

// text gives a plain value that is neither empty nor a truth value.
func (p *parser) text(node *yaml.Node, field string) (string, bool) {
	node, ok := p.untagged(node, field)
	if !ok {
		return "", false
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || node.Tag == "!!bool" {
		p.problem(node, field, "must be text, not %s", kind(node))
		return "", false
	}
	if node.Value == "" {
		p.problem(node, field, "must not be empty")
		return "", false
	}
	return node.Value, true
}

// line gives a text on one line that is the same to all who read it.
func (p *parser) line(node *yaml.Node, field string) (string, bool) {
	text, ok := p.text(node, field)
	switch {
	case !ok:
		return "", false
	case len(text) > maxLine:
		p.problem(yamlfile.Resolve(node), field, "has more than %d characters", maxLine)
		return "", false
	case strings.ContainsFunc(text, unicode.IsControl):
		p.problem(yamlfile.Resolve(node), field, "%s has a control character", printable.Quote(text))
		return "", false
	case strings.TrimSpace(text) != text:
		p.problem(yamlfile.Resolve(node), field, "%s has a space at its start or its end: take it out", printable.Quote(text))
		return "", false
	}
	return text, true
}

// lines gives a list of such texts, each once.
func (p *parser) lines(node *yaml.Node, field string) []string {
	node, ok := p.untagged(node, field)
	if !ok {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		p.problem(node, field, "must be a list, not %s", kind(node))
		return nil
	}
	var values []string
	seen := map[string]bool{}
	for i, item := range node.Content {
		if !p.count(item) {
			break
		}
		value, ok := p.line(item, fmt.Sprintf("%s[%d]", field, i))
		switch {
		case !ok:
		case seen[value]:
			p.problem(item, field, "%s is there twice", printable.Quote(value))
		default:
			seen[value] = true
			values = append(values, value)
		}
	}
	if len(node.Content) == 0 {
		p.problem(node, field, "the list is empty: take the key out to mean all")
	}
	return values
}

// yesOrNo gives true or false. YAML 1.1 reads yes and on as true as well, but only what
// all readers agree on counts.
func (p *parser) yesOrNo(node *yaml.Node, field string) bool {
	node, ok := p.untagged(node, field)
	if !ok || node.Kind == yaml.ScalarNode && node.Tag == "!!bool" && (node.Value == "true" || node.Value == "false") {
		return node.Value == "true"
	}
	got := kind(node)
	if node.Kind == yaml.ScalarNode && node.Value != "" {
		got = printable.Quote(node.Value)
	}
	p.problem(node, field, "must be true or false, without quotes, not %s", got)
	return false
}

// number gives a whole number from least to most.
func (p *parser) number(node *yaml.Node, field string, least, most int) (int, bool) {
	node, ok := p.untagged(node, field)
	if !ok {
		return 0, false
	}
	// YAML 1.1 reads 010 as 8 and 1_0 as 10; only what all readers agree on is
	// taken.
	n, err := strconv.Atoi(node.Value)
	if node.Kind == yaml.ScalarNode && node.Tag == "!!int" && err == nil && strconv.Itoa(n) == node.Value && n >= least && n <= most {
		return n, true
	}
	got := kind(node)
	if node.Kind == yaml.ScalarNode && node.Value != "" {
		got = printable.Quote(node.Value)
	}
	if node.Tag == "!!str" && node.Kind == yaml.ScalarNode {
		got = "the text " + got
	}
	p.problem(node, field, "must be a whole number from %d to %d, in decimal digits alone and without quotes, not %s", least, most, got)
	return 0, false
}
