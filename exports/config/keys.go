package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"nfs-exportd/printable"
	"nfs-exportd/spelling"
)

// level is a place in the file that has keys of its own.
type level string

const (
	levelTop         level = "at the top of the file"
	levelProject     level = "under a project of private"
	levelMaintenance level = "under maintenance"
	levelOpenStack   level = "under openstack"
	levelExports     level = "under exports"
	levelSafety      level = "under safety"
)

// knownKeys are the keys of each level, in the order of nfs-mounts.yaml(5).
var knownKeys = map[level][]string{
	levelTop:         {"public", "private", "maintenance", "openstack", "exports", "safety"},
	levelProject:     {"gid", "mounts", "options"},
	levelMaintenance: {"reason", "until"},
	levelOpenStack:   {"cloud", "credentials", "domain", "regions", "networks", "listing", "concurrency"},
	levelExports:     {"options", "allow_nested"},
	levelSafety:      {"max_removed", "max_removed_percent"},
}

// mapping gives the values of a mapping by their keys. All keys but those that
// a level knows are problems.
func (p *parser) mapping(node *yaml.Node, field string, at level) map[string]*yaml.Node {
	values := map[string]*yaml.Node{}
	p.pairs(node, field, func(key *yaml.Node, value *yaml.Node) {
		switch {
		case slices.Contains(knownKeys[at], key.Value):
			values[key.Value] = value
		case len(p.problems) == maxProblems:
			p.more++ // without the search for a near key, which takes its time
		default:
			p.problem(key, field, "unknown key %s%s", printable.Quote(key.Value), instead(key.Value, at))
		}
	})
	return values
}

// instead says which key was most likely meant by an unknown one, and where it
// belongs.
func instead(word string, at level) string {
	elsewhere := func(find func(known []string) string) (key, places string) {
		for _, other := range slices.Sorted(maps.Keys(knownKeys)) {
			found := find(knownKeys[other])
			switch {
			case found == "" || other == at:
			case key == "":
				key, places = found, string(other)
			case key == found:
				places += " or " + string(other)
			}
		}
		return key, places
	}
	near := func(known []string) string { return spelling.Nearest(word, known) }
	exact := func(known []string) string {
		if slices.Contains(known, word) {
			return word
		}
		return ""
	}
	if _, places := elsewhere(exact); places != "" {
		return ": it belongs " + places
	}
	if key := near(knownKeys[at]); key != "" {
		return fmt.Sprintf(", did you mean %q?", key)
	}
	if key, places := elsewhere(near); key != "" {
		return fmt.Sprintf(", did you mean %q, which belongs %s?", key, places)
	}
	return ": known here are " + strings.Join(knownKeys[at], ", ")
}

// pairs calls visit with each key and value of a mapping whose keys are plain
// and differ. An empty value is an empty mapping.
func (p *parser) pairs(node *yaml.Node, field string, visit func(key, value *yaml.Node)) {
	if node == nil {
		return
	}
	node, ok := p.untagged(node, field)
	if !ok || node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		p.problem(node, field, "must be a mapping of keys to values, not %s", kind(node))
		return
	}
	seen := make(map[string]int, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		at, value := node.Content[i], node.Content[i+1]
		if !p.count(at) {
			return
		}
		key, ok := p.untagged(at, field)
		switch {
		case !ok:
			continue
		case key.Tag == "!!merge":
			p.problem(at, field, `merge keys ("<<") are not supported: write the keys out`)
			continue
		case key.Kind != yaml.ScalarNode:
			p.problem(at, field, "a key must be plain text, not %s", kind(key))
			continue
		case key.Tag == "!!null" || key.Value == "":
			p.problem(at, field, `a key must be plain text, not nothing: if a project has this name, write its id, or the name in quotes`)
			continue
		case strings.ContainsFunc(key.Value, unicode.IsControl):
			p.problem(at, field, "key %s has a control character", printable.Quote(key.Value))
			continue
		}
		if first, ok := seen[key.Value]; ok {
			p.problem(at, field, "key %s is there twice, first in line %d", printable.Quote(key.Value), first)
			continue
		}
		seen[key.Value] = at.Line
		// The value alone counts: a project may be called 0123 or true.
		visit(&yaml.Node{Kind: yaml.ScalarNode, Tag: key.Tag, Value: key.Value, Line: at.Line}, value)
	}
}
