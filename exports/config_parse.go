package exports

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xrash/smetrics"
	"gopkg.in/yaml.v3"
)

const (
	// maxConfigSize is far above any real file (thousands of projects are less
	// than a megabyte) and keeps a wrong path from eating the memory.
	maxConfigSize = 4 << 20
	// maxConfigNodes bounds what aliases can make of such a file.
	maxConfigNodes = 1 << 18
	// maxProblems keeps the report of a file of another kind readable.
	maxProblems = 50
	maxField    = 200
	maxMessage  = 600
	// maxToken is what exportfs(8) reads of one CLIENT(OPTIONS), see
	// getexportent in nfs-utils' support/nfs/exports.c.
	maxToken = 511
	// maxAddress is the length of the longest textual address.
	maxAddress = 39
	// maxPath is what exportfs(8) takes of a path before it silently drops the
	// rest of the file.
	maxPath = 1023
)

// ParseConfig reads a configuration file, nfs-mounts.yaml(5). Unknown keys are
// errors. It gives all problems at once, as a *ConfigError.
func ParseConfig(text []byte) (*Config, error) {
	root, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	p := parser{}
	config := &Config{
		Options:   DefaultOptions,
		OpenStack: OpenStack{Domain: DefaultDomain, Listing: ListingAuto},
		Limits:    Limits{MaxRemoved: DefaultMaxRemoved, MaxRemovedPercent: DefaultMaxRemovedPercent},
	}
	top := p.mapping(root, "", "public", "private", "maintenance", "openstack", "exports", "safety")
	// What a project's options default to must be known before the projects.
	if section, ok := top["exports"]; ok {
		fields := p.mapping(section, "exports", "options")
		if node, ok := fields["options"]; ok {
			config.Options = p.options(node, "exports.options")
		}
	}
	config.Public = p.public(top["public"])
	config.Projects = p.private(top["private"], config.Options)
	config.Maintenance = p.maintenance(top["maintenance"])
	p.openStack(top["openstack"], &config.OpenStack)
	p.limits(top["safety"], &config.Limits)
	p.publicAgree(config.Public)
	if _, ok := top["private"]; !ok {
		if _, ok := top["public"]; !ok {
			p.problem(root, "", `neither "public" nor "private" is there: this would export nothing`)
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return config, nil
}

// ParseMaintenance reads the value of a maintenance key in another file than
// the configuration file. It gives a *ConfigError.
func ParseMaintenance(node *yaml.Node) (Maintenance, error) {
	p := parser{}
	m := p.maintenance(node)
	return m, p.err()
}

// parseYAML gives the top node of a file that must hold exactly one document.
func parseYAML(text []byte) (*yaml.Node, error) {
	fail := func(line int, format string, args ...any) (*yaml.Node, error) {
		return nil, &ConfigError{Problems: []Problem{{Line: line, Message: fmt.Sprintf(format, args...)}}}
	}
	if len(text) > maxConfigSize {
		return fail(0, "the file has more than %d bytes: is this the right file?", maxConfigSize)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return fail(0, "the file is empty")
	case err != nil:
		return fail(0, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	switch err := decoder.Decode(new(yaml.Node)); {
	case err == nil:
		return fail(0, `the file holds more than one document: take out the "---" between them`)
	case !errors.Is(err, io.EOF):
		return fail(0, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return document.Content[0], nil
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
	return &ConfigError{Problems: p.problems}
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

// resolve follows an alias.
func (p *parser) resolve(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// count reports whether the file is of a size that can be meant: a few aliases
// of aliases can stand for more than fits into any memory.
func (p *parser) count(node *yaml.Node) bool {
	p.nodes++
	if p.nodes > maxConfigNodes && !p.tooLarge {
		p.tooLarge = true
		p.problems = append(p.problems, Problem{Line: node.Line, Message: "aliases make this file too large to be meant"})
	}
	return !p.tooLarge
}

// mapping gives the values of a mapping by their keys. With known keys given,
// all others are problems.
func (p *parser) mapping(node *yaml.Node, field string, known ...string) map[string]*yaml.Node {
	values := map[string]*yaml.Node{}
	p.pairs(node, field, func(key *yaml.Node, value *yaml.Node) {
		if !slices.Contains(known, key.Value) {
			if len(p.problems) == maxProblems {
				p.more++
				return
			}
			message := fmt.Sprintf("unknown key %q", key.Value)
			if near := nearest(key.Value, known); near != "" {
				message += fmt.Sprintf(", did you mean %q?", near)
			} else {
				message += fmt.Sprintf(": known here are %s", strings.Join(known, ", "))
			}
			p.problem(key, field, "%s", message)
			return
		}
		values[key.Value] = value
	})
	return values
}

// pairs calls visit with each key and value of a mapping whose keys are plain
// and differ. An empty value is an empty mapping.
func (p *parser) pairs(node *yaml.Node, field string, visit func(key, value *yaml.Node)) {
	if node == nil {
		return
	}
	node = p.resolve(node)
	if node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		p.problem(node, field, "must be a mapping of keys to values, not %s", kind(node))
		return
	}
	seen := make(map[string]int, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := key
		key = p.resolve(key)
		if !p.count(at) {
			return
		}
		if key.Tag == "!!merge" {
			p.problem(at, field, `merge keys ("<<") are not supported: write the keys out`)
			continue
		}
		if key.Kind != yaml.ScalarNode || key.Tag == "!!null" || key.Value == "" {
			p.problem(at, field, "a key must be plain text, not %s", kind(key))
			continue
		}
		if first, ok := seen[key.Value]; ok {
			p.problem(at, field, "key %q is there twice, first in line %d", key.Value, first)
			continue
		}
		seen[key.Value] = at.Line
		visit(&yaml.Node{Kind: yaml.ScalarNode, Tag: key.Tag, Value: key.Value, Line: at.Line}, value)
	}
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
	node = p.resolve(node)
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

func (p *parser) texts(node *yaml.Node, field string) []string {
	node = p.resolve(node)
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
		value, ok := p.text(item, fmt.Sprintf("%s[%d]", field, i))
		switch {
		case !ok:
		case seen[value]:
			p.problem(item, field, "%q is there twice", value)
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

// number gives a whole number from 0 to most.
func (p *parser) number(node *yaml.Node, field string, most int) (int, bool) {
	node = p.resolve(node)
	// YAML 1.1 reads 010 as 8 and 1_0 as 10; only what all readers agree on is
	// taken.
	n, err := strconv.Atoi(node.Value)
	if node.Kind != yaml.ScalarNode || node.Tag != "!!int" || err != nil || strconv.Itoa(n) != node.Value || n < 0 || n > most {
		p.problem(node, field, "must be a whole number from 0 to %d", most)
		return 0, false
	}
	return n, true
}

func (p *parser) public(section *yaml.Node) []PublicLine {
	var lines []PublicLine
	p.pairs(section, "public", func(key, value *yaml.Node) {
		field := "public." + key.Value
		text, ok := p.text(value, field)
		if !ok {
			return
		}
		for line := range strings.Lines(text) {
			if !p.count(value) {
				return
			}
			parsed, err := parsePublicLine(line)
			if err != nil {
				p.problem(value, field, "%s", err)
				continue
			}
			for _, l := range parsed {
				if !p.count(value) {
					return
				}
				l.Name, l.Line = key.Value, value.Line
				lines = append(lines, l)
			}
		}
	})
	return lines
}

// parsePublicLine reads one line as in exports(5), one PublicLine for each
// client. Of that grammar it takes PATH CLIENT(OPTIONS)... alone: the rest
// (quotes, default options, continuation) has traps that can open a path to
// the world. Blank lines and comments give nothing.
func parsePublicLine(text string) ([]PublicLine, error) {
	// exportfs knows no other spaces than these.
	fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n\v\f", r) })
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return nil, nil
	}
	clean, err := cleanPath(fields[0])
	if err != nil {
		return nil, err
	}
	if len(fields) == 1 {
		return nil, fmt.Errorf("path %q has no client: exportfs would open it to the world; write the clients, or *(OPTIONS) if the world is meant", fields[0])
	}
	var lines []PublicLine
	for _, field := range fields[1:] {
		client, options, ok := strings.Cut(field, "(")
		if !ok || !strings.HasSuffix(options, ")") || client == "" {
			return nil, fmt.Errorf("%q is not CLIENT(OPTIONS): write the options behind each client, in parentheses and without spaces", field)
		}
		options = strings.TrimSuffix(options, ")")
		if err := checkClient(client); err != nil {
			return nil, err
		}
		if err := checkOptions(options); err != nil {
			return nil, err
		}
		if len(field) > maxToken {
			return nil, fmt.Errorf("%.20q… has more than the %d characters that exportfs reads", field, maxToken)
		}
		lines = append(lines, PublicLine{Path: clean, Client: ParseClient(client), Options: options})
	}
	return lines, nil
}

// checkClient refuses what exportfs(8) reads as something else than it looks.
func checkClient(client string) error {
	for _, c := range []byte(client) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"'\()#,`, c) >= 0 {
			return fmt.Errorf("client %q has a character that exportfs reads as something else", client)
		}
	}
	if client[0] == '-' {
		return fmt.Errorf("client %q starts with a dash: write the options behind each client, in parentheses", client)
	}
	if client[0] == '[' {
		return fmt.Errorf("client %q is in brackets, which exportfs takes for a pattern that never matches: write the address without them", client)
	}
	addr, err := netip.ParseAddr(client)
	if err == nil && (addr.Zone() != "" || addr.Unmap().IsUnspecified()) {
		return fmt.Errorf("client %q is no address that a client can have", client)
	}
	if err != nil && isNumeric(client) {
		return fmt.Errorf("client %q is not an address as it is usually written, and exportfs may take it for another one", client)
	}
	if base, bits, ok := strings.Cut(client, "/"); ok && !strings.HasPrefix(client, "gss/") {
		if _, err := netip.ParsePrefix(client); err != nil {
			return fmt.Errorf("client %q is not a network in the form ADDRESS/LENGTH", client)
		}
		if bits == "0" {
			return fmt.Errorf("client %q: exportfs takes a length of 0 for the one address %s; write * if the world is meant", client, base)
		}
	}
	return nil
}

// isNumeric reports whether inet_aton(3) could take a text for an address: parts
// that are decimal, octal or hexadecimal numbers, with dots between them.
func isNumeric(text string) bool {
	for part := range strings.SplitSeq(strings.ToLower(text), ".") {
		digits := "0123456789"
		if hex, ok := strings.CutPrefix(part, "0x"); ok {
			part, digits = hex, digits+"abcdef"
		}
		if strings.Trim(part, digits) != "" {
			return false
		}
	}
	return true
}

// checkOptions refuses what would not stay inside the parentheses. Which
// options there are is for the installed exportfs to say.
func checkOptions(options string) error {
	if options == "" {
		return errors.New("options are missing between the parentheses: write at least ro or rw")
	}
	for option := range strings.SplitSeq(options, ",") {
		if option == "" {
			return fmt.Errorf("options %q have an empty one", options)
		}
		for _, c := range []byte(option) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`"'\()#`, c) >= 0 {
				return fmt.Errorf("option %q has a character that options cannot have", option)
			}
		}
		// exportfs 2.6 to 3.1 crashes on these or writes a table that it
		// cannot read again.
		if name, _, _ := strings.Cut(option, "="); name == "squash_uids" || name == "squash_gids" {
			return fmt.Errorf("option %q is undocumented and breaks exportfs: take it out", option)
		}
	}
	return nil
}

// cleanPath gives a path as exportfs(8) would name it, or says why it cannot
// be exported.
func cleanPath(raw string) (string, error) {
	switch {
	case !strings.HasPrefix(raw, "/"):
		return "", fmt.Errorf("path %q must start with a slash", raw)
	case len(raw) > maxPath:
		return "", fmt.Errorf("path %.40q… has more than %d characters", raw, maxPath)
	case slices.Contains(strings.Split(raw, "/"), ".."):
		return "", fmt.Errorf(`path %q must not have ".." in it`, raw)
	}
	for _, c := range []byte(raw) {
		if c < ' ' || c >= 0x7f || strings.IndexByte(`"'\`, c) >= 0 {
			return "", fmt.Errorf("path %q has a character that exports(5) cannot carry safely", raw)
		}
	}
	return path.Clean(raw), nil
}

func (p *parser) options(node *yaml.Node, field string) string {
	options, ok := p.text(node, field)
	if !ok {
		return ""
	}
	if err := checkOptions(options); err != nil {
		p.problem(node, field, "%s", err)
	} else if len(options) > maxToken-maxAddress-len("()") {
		p.problem(node, field, "has more characters than exportfs reads")
	}
	return options
}

func (p *parser) private(section *yaml.Node, options string) []ProjectConfig {
	var projects []ProjectConfig
	gids := map[int]string{}
	p.pairs(section, "private", func(key, value *yaml.Node) {
		field := "private." + key.Value
		project := ProjectConfig{Key: key.Value, Options: options, Line: key.Line}
		fields := p.mapping(value, field, "gid", "mounts", "options")
		if node, ok := fields["gid"]; ok {
			if gid, ok := p.number(node, field+".gid", 1<<32-2); ok {
				if other, ok := gids[gid]; ok {
					p.problem(node, field+".gid", "%d is already the gid of %s: each project has its own", gid, other)
				}
				gids[gid] = key.Value
			}
		}
		if node, ok := fields["options"]; ok {
			project.Options = p.options(node, field+".options")
		}
		p.pairs(fields["mounts"], field+".mounts", func(name, value *yaml.Node) {
			if m, ok := p.mount(name, value, field+".mounts."+name.Value); ok {
				project.Mounts = append(project.Mounts, m)
			}
		})
		projects = append(projects, project)
	})
	return projects
}

func (p *parser) mount(key, value *yaml.Node, field string) (Mount, bool) {
	node := p.resolve(value)
	if node.Kind == yaml.ScalarNode && node.Tag == "!!bool" {
		return Mount{}, false
	}
	text, ok := p.text(value, field)
	if !ok {
		return Mount{}, false
	}
	host, raw, ok := strings.Cut(text, ":/")
	if !ok {
		p.problem(value, field, "%q is not HOST:/PATH, nor true or false", text)
		return Mount{}, false
	}
	if host, ok = mountHost(host); !ok {
		p.problem(value, field, "%q does not start with a host name or an address", text)
		return Mount{}, false
	}
	clean, err := cleanPath("/" + raw)
	if err == nil && clean == "/" {
		err = errors.New("this would export the root directory of the server: name a directory")
	}
	if err != nil {
		p.problem(value, field, "%s", err)
		return Mount{}, false
	}
	return Mount{Key: key.Value, Host: host, Path: clean, Line: value.Line}, true
}

// mountHost gives the host of a mount in its one form: a name, or an address,
// which mount.nfs(8) wants in brackets if it is an IPv6 one.
func mountHost(text string) (string, bool) {
	bare, bracket := strings.CutPrefix(text, "[")
	if bracket {
		if bare, bracket = strings.CutSuffix(bare, "]"); !bracket {
			return "", false
		}
	}
	if addr, err := netip.ParseAddr(bare); err == nil && addr.Zone() == "" {
		return addr.Unmap().String(), !bracket || addr.Is6()
	}
	if bracket || isNumeric(text) {
		return "", false
	}
	return CanonicalHost(text)
}

// CanonicalHost gives a host name in lower case and without a final dot, and
// whether it is one (RFC 1123 section 2.1, and underscores, which are in use).
func CanonicalHost(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", false
			}
		}
	}
	return strings.ToLower(name), true
}

func (p *parser) maintenance(node *yaml.Node) Maintenance {
	const field = "maintenance"
	if node == nil {
		return Maintenance{}
	}
	node = p.resolve(node)
	switch {
	case node.Kind == yaml.MappingNode:
		m := Maintenance{On: true}
		fields := p.mapping(node, field, "reason", "until")
		if reason, ok := fields["reason"]; ok {
			m.Reason, _ = p.text(reason, field+".reason")
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
		return Maintenance{}
	case node.Tag == "!!bool":
		var on bool
		if err := node.Decode(&on); err != nil {
			p.problem(node, field, "%s", err)
		}
		return Maintenance{On: on}
	default:
		// YAML 1.2 reads yes, no, on and off as text, YAML 1.1 as truth
		// values, and quotes make text of any: what was meant is not clear.
		switch strings.ToLower(node.Value) {
		case "yes", "no", "on", "off", "y", "n", "true", "false", "":
			p.problem(node, field, "%q is ambiguous: write true or false, without quotes", node.Value)
		}
		return Maintenance{On: true, Reason: node.Value}
	}
}

func (p *parser) openStack(section *yaml.Node, o *OpenStack) {
	fields := p.mapping(section, "openstack", "cloud", "credentials", "domain", "regions", "networks", "listing")
	text := func(key string, target *string) {
		if node, ok := fields[key]; ok {
			*target, _ = p.text(node, "openstack."+key)
		}
	}
	texts := func(key string, target *[]string) {
		if node, ok := fields[key]; ok {
			*target = p.texts(node, "openstack."+key)
		}
	}
	text("cloud", &o.Cloud)
	text("credentials", &o.Credentials)
	text("domain", &o.Domain)
	texts("regions", &o.Regions)
	texts("networks", &o.Networks)
	if node, ok := fields["listing"]; ok {
		text, ok := p.text(node, "openstack.listing")
		o.Listing = Listing(text)
		if ok && !slices.Contains([]Listing{ListingAuto, ListingAllProjects, ListingPerProject}, o.Listing) {
			p.problem(node, "openstack.listing", "%q is not one of %s, %s and %s", text, ListingAuto, ListingAllProjects, ListingPerProject)
		}
	}
}

func (p *parser) limits(section *yaml.Node, l *Limits) {
	fields := p.mapping(section, "safety", "max_removed", "max_removed_percent")
	if node, ok := fields["max_removed"]; ok {
		l.MaxRemoved, _ = p.number(node, "safety.max_removed", 1<<31-1)
	}
	if node, ok := fields["max_removed_percent"]; ok {
		l.MaxRemovedPercent, _ = p.number(node, "safety.max_removed_percent", 100)
	}
}

// publicAgree refuses public lines of which exportfs(8) would take the first
// and drop the other.
func (p *parser) publicAgree(lines []PublicLine) {
	first := map[Place]PublicLine{}
	for _, l := range lines {
		place := Place{l.Path, l.Client}
		if other, ok := first[place]; ok && other.Options != l.Options {
			p.problem(&yaml.Node{Line: l.Line}, "public."+l.Name, "path %q is already open to %s with other options, in public.%s", l.Path, l.Client, other.Name)
			continue
		}
		first[place] = l
	}
}

// nearest gives the known word that a mistyped one was most likely meant to
// be, or nothing.
func nearest(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := smetrics.WagnerFischer(strings.ToLower(word), k, 1, 1, 1); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	return best
}
