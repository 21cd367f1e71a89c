package config

import (
	"strings"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
	"nfs-exportd/yamlfile"
)

// ParseMaintenance reads the value of a maintenance key in another file than
// the configuration file. The error is an [*Error].
func ParseMaintenance(node *yaml.Node) (exports.Maintenance, error) {
	p := parser{}
	m := p.maintenance(node)
	return m, p.err()
}

func (p *parser) maintenance(node *yaml.Node) exports.Maintenance {
	const field = "maintenance"
	if node == nil {
		return exports.Maintenance{}
	}
	node, ok := p.untagged(node, field)
	switch {
	case !ok:
		return exports.Maintenance{}
	case node.Kind == yaml.MappingNode:
		m := exports.Maintenance{On: true}
		fields := p.mapping(node, field, levelMaintenance)
		if reason, ok := fields["reason"]; ok {
			m.Reason = p.reason(reason, field+".reason")
		}
		if until, ok := fields["until"]; ok {
			text, ok := p.text(until, field+".until")
			t, err := time.Parse(time.RFC3339, text)
			if ok && err != nil {
				p.problem(until, field+".until", "%q is not a time as in RFC 3339, such as 2030-01-31T18:00:00Z", text)
			}
			m.Until = t
		}
		return m
	case node.Kind != yaml.ScalarNode || node.Tag == "!!null":
		p.problem(node, field, "must be true, false, a reason, or a mapping of reason and until; not %s", kind(node))
		return exports.Maintenance{}
	case node.Tag == "!!bool":
		var on bool
		if err := node.Decode(&on); err != nil {
			p.problem(node, field, "%s", err)
		}
		return exports.Maintenance{On: on}
	default:
		// YAML 1.2 reads yes, no, on and off as text, YAML 1.1 as truth
		// values, and quotes make text of any: what was meant is not clear.
		switch strings.ToLower(node.Value) {
		case "yes", "no", "on", "off", "y", "n", "true", "false", "":
			p.problem(node, field, "%q is ambiguous: write true or false, without quotes", node.Value)
			return exports.Maintenance{}
		}
		return exports.Maintenance{On: true, Reason: p.reason(node, field)}
	}
}

// reason gives a text for people, which may be folded over lines, on one line.
func (p *parser) reason(node *yaml.Node, field string) string {
	text, ok := p.text(node, field)
	if !ok {
		return ""
	}
	text = strings.Join(strings.Fields(text), " ")
	switch {
	case text == "":
		p.problem(yamlfile.Resolve(node), field, "must not be empty")
	case strings.ContainsFunc(text, unicode.IsControl):
		p.problem(yamlfile.Resolve(node), field, "%s has a control character", printable.Quote(text))
	}
	return text
}
