// Package config reads the configuration file, nfs-mounts.yaml(5), into an
// [exports.Config]. It reports all problems of a file at once, with their lines.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"nfs-exportd/exports"
	"nfs-exportd/yamlfile"
)

// maxSize is far above any real file (thousands of projects are less than a
// megabyte) and keeps a wrong path from eating the memory.
const maxSize = 4 << 20

// Parse reads a configuration file. Unknown keys are errors. The error is an
// [*Error] with all problems.
func Parse(text []byte) (*exports.Config, error) {
	p := parser{}
	root := p.document(text)
	if root == nil {
		return nil, p.err()
	}
	config := &exports.Config{
		Options:   exports.DefaultOptions,
		OpenStack: exports.OpenStack{Domain: exports.DefaultDomain, Listing: exports.ListingAuto, Concurrency: exports.DefaultConcurrency},
		Limits:    exports.Limits{MaxRemoved: exports.DefaultMaxRemoved, MaxRemovedPercent: exports.DefaultMaxRemovedPercent},
	}
	top := p.mapping(root, "", levelTop)
	// What a project's options default to must be known before the projects.
	if section, ok := top["exports"]; ok {
		fields := p.mapping(section, "exports", levelExports)
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

// document gives the top node of the file, or nil with a problem.
func (p *parser) document(text []byte) *yaml.Node {
	if len(text) > maxSize {
		p.problem(new(yaml.Node), "", "the file has more than %d bytes: is this the right file?", maxSize)
		return nil
	}
	root, err := yamlfile.ParseDocument(text)
	if syntax, ok := errors.AsType[*yamlfile.SyntaxError](err); ok {
		where := &yaml.Node{Line: syntax.Line}
		syntax.Line = 0
		p.problem(where, "", "%s", syntax)
	}
	return root
}

func (p *parser) private(section *yaml.Node, options string) []exports.ProjectConfig {
	var projects []exports.ProjectConfig
	gids := map[int]string{}
	p.pairs(section, "private", func(key, value *yaml.Node) {
		field := "private." + key.Value
		project := exports.ProjectConfig{Key: key.Value, Options: options, Line: key.Line}
		fields := p.mapping(value, field, levelProject)
		if node, ok := fields["gid"]; ok {
			if gid, ok := p.number(node, field+".gid", 0, 1<<32-2); ok {
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

func (p *parser) openStack(section *yaml.Node, o *exports.OpenStack) {
	fields := p.mapping(section, "openstack", levelOpenStack)
	text := func(key string, target *string) {
		if node, ok := fields[key]; ok {
			*target, _ = p.line(node, "openstack."+key)
		}
	}
	texts := func(key string, target *[]string) {
		if node, ok := fields[key]; ok {
			*target = p.lines(node, "openstack."+key)
		}
	}
	text("cloud", &o.Cloud)
	text("credentials", &o.Credentials)
	if o.Credentials != "" && !path.IsAbs(o.Credentials) {
		p.problem(yamlfile.Resolve(fields["credentials"]), "openstack.credentials",
			"%q does not start with a slash: which file that is would depend on where the program is started", shorten(o.Credentials, maxQuoted))
	}
	text("domain", &o.Domain)
	texts("regions", &o.Regions)
	texts("networks", &o.Networks)
	if node, ok := fields["listing"]; ok {
		text, ok := p.line(node, "openstack.listing")
		o.Listing = exports.Listing(text)
		if ok && !slices.Contains([]exports.Listing{exports.ListingAuto, exports.ListingAllProjects, exports.ListingPerProject}, o.Listing) {
			p.problem(node, "openstack.listing", "%q is not one of %s, %s and %s", text, exports.ListingAuto, exports.ListingAllProjects, exports.ListingPerProject)
		}
	}
	if node, ok := fields["concurrency"]; ok {
		o.Concurrency, _ = p.number(node, "openstack.concurrency", 1, exports.MaxConcurrency)
	}
}

func (p *parser) limits(section *yaml.Node, l *exports.Limits) {
	fields := p.mapping(section, "safety", levelSafety)
	if node, ok := fields["max_removed"]; ok {
		l.MaxRemoved, _ = p.number(node, "safety.max_removed", 0, 1<<31-1)
	}
	if node, ok := fields["max_removed_percent"]; ok {
		l.MaxRemovedPercent, _ = p.number(node, "safety.max_removed_percent", 0, 100)
	}
}

const (
	// maxProblems keeps the report of a file of another kind readable.
	maxProblems = 50
	maxField    = 200
	maxMessage  = 600
	maxQuoted   = 80
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
	levelExports:     {"options"},
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
			p.problem(key, field, "unknown key %q%s", shorten(key.Value, maxQuoted), instead(key.Value, at))
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
	near := func(known []string) string { return yamlfile.Nearest(word, known) }
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
			p.problem(at, field, "key %q has a control character", shorten(key.Value, maxQuoted))
			continue
		}
		if first, ok := seen[key.Value]; ok {
			p.problem(at, field, "key %q is there twice, first in line %d", shorten(key.Value, maxQuoted), first)
			continue
		}
		seen[key.Value] = at.Line
		// The value alone counts: a project may be called 0123 or true.
		visit(&yaml.Node{Kind: yaml.ScalarNode, Tag: key.Tag, Value: key.Value, Line: at.Line}, value)
	}
}

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
		p.problem(node, field, "has the tag %q, which is not understood here: take it out", shorten(node.Tag, maxQuoted))
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
		p.problem(yamlfile.Resolve(node), field, "%q has a control character", shorten(text, maxQuoted))
		return "", false
	case strings.TrimSpace(text) != text:
		p.problem(yamlfile.Resolve(node), field, "%q has a space at its start or its end: take it out", shorten(text, maxQuoted))
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
			p.problem(item, field, "%q is there twice", shorten(value, maxQuoted))
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
		got = strconv.Quote(shorten(node.Value, maxQuoted))
	}
	if node.Tag == "!!str" && node.Kind == yaml.ScalarNode {
		got = "the text " + got
	}
	p.problem(node, field, "must be a whole number from %d to %d, in decimal digits alone and without quotes, not %s", least, most, got)
	return 0, false
}

const (
	// maxToken is what exportfs(8) reads of one CLIENT(OPTIONS), see
	// getexportent in nfs-utils' support/nfs/exports.c.
	maxToken = 511
	// maxAddress is the length of the longest textual address.
	maxAddress = 39
	// maxPath is what exportfs(8) takes of a path before it silently drops the
	// rest of the file.
	maxPath = 1023
)

func (p *parser) public(section *yaml.Node) []exports.PublicLine {
	var lines []exports.PublicLine
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
func parsePublicLine(text string) ([]exports.PublicLine, error) {
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
	var lines []exports.PublicLine
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
		lines = append(lines, exports.PublicLine{Path: clean, Client: exports.ParseClient(client), Options: options})
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
	} else if one, other := contradiction(options); one != "" {
		p.problem(node, field, "%q and %q contradict each other: take one of them out", one, other)
	}
	return options
}

// opposites are the options of exports(5) of which one undoes the other.
var opposites = map[string]string{
	"ro": "rw", "insecure": "secure", "async": "sync", "hide": "nohide", "nocrossmnt": "crossmnt", "no_wdelay": "wdelay",
	"no_root_squash": "root_squash", "all_squash": "no_all_squash", "subtree_check": "no_subtree_check",
	"insecure_locks": "secure_locks", "no_auth_nlm": "auth_nlm", "no_acl": "acl", "no_pnfs": "pnfs",
}

// contradiction gives two options of which exportfs(8) would silently take the
// last one. Behind each sec= some may be set anew, so that starts over.
func contradiction(options string) (string, string) {
	seen := map[string]bool{}
	for option := range strings.SplitSeq(options, ",") {
		if strings.HasPrefix(option, "sec=") {
			clear(seen)
		}
		seen[option] = true
		for one, other := range opposites {
			if (option == one || option == other) && seen[one] && seen[other] {
				return one, other
			}
		}
	}
	return "", ""
}

// publicAgree refuses public lines of which exportfs(8) would take the first
// and drop the other.
func (p *parser) publicAgree(lines []exports.PublicLine) {
	first := map[exports.Place]exports.PublicLine{}
	for _, l := range lines {
		place := exports.Place{Path: l.Path, Client: l.Client}
		if other, ok := first[place]; ok && other.Options != l.Options {
			p.problem(&yaml.Node{Line: l.Line}, "public."+l.Name, "path %q is already open to %s with other options, in public.%s", l.Path, l.Client, other.Name)
			continue
		}
		first[place] = l
	}
}

func (p *parser) mount(key, value *yaml.Node, field string) (exports.Mount, bool) {
	node, ok := p.untagged(value, field)
	if !ok || node.Kind == yaml.ScalarNode && node.Tag == "!!bool" {
		return exports.Mount{}, false
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		p.problem(value, field, "must be HOST:/PATH, true or false, not %s", kind(node))
		return exports.Mount{}, false
	}
	text, ok := p.line(value, field)
	if !ok {
		return exports.Mount{}, false
	}
	host, path, err := parseMount(text)
	if err != nil {
		p.problem(value, field, "%s", err)
		return exports.Mount{}, false
	}
	return exports.Mount{Key: key.Value, Host: host, Path: path, Line: value.Line}, true
}

// parseMount takes the HOST:/PATH of a project apart.
func parseMount(text string) (host, path string, err error) {
	quoted := strconv.Quote(shorten(text, maxQuoted))
	host, raw, ok := strings.Cut(text, ":/")
	if !ok {
		return "", "", fmt.Errorf("%s is not HOST:/PATH, nor true or false", quoted)
	}
	if strings.Contains(raw, ":/") {
		return "", "", fmt.Errorf("%s is more than one mount: give each a name of its own", quoted)
	}
	// A host may have the name nfs, and HOST://PATH is in use: what is a scheme
	// is the one thing that cannot be told from a host.
	if strings.HasPrefix(raw, "/") && slices.Contains(schemes, strings.ToLower(host)) {
		return "", "", fmt.Errorf("%s looks like a URL: write HOST:/PATH", quoted)
	}
	canonical, ok := mountHost(host)
	if !ok {
		return "", "", fmt.Errorf("%s does not start with a host name or an address%s", quoted, hostMistake(host))
	}
	path, err = cleanPath("/" + raw)
	if err == nil && path == "/" {
		err = errors.New("this would export the root directory of the server: name a directory")
	}
	return canonical, path, err
}

// schemes are those of URLs that stand where a mount is meant.
var schemes = []string{"http", "https", "ftp", "ssh", "sftp", "nfs", "nfs4", "file", "smb", "cifs", "rsync"}

// hostMistake says what is wrong with the host of a mount, if it is usual.
func hostMistake(host string) string {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	_, port, found := strings.Cut(host, ":")
	switch {
	case strings.Contains(host, "@"):
		return ": take out what is before the @"
	case strings.ContainsAny(host, "*?"):
		return ": name one server, without wildcards"
	case err == nil && (addr.IsUnspecified() || addr.IsMulticast()):
		return ": no server has this one"
	case err == nil && addr.Zone() != "":
		return ": take out the zone"
	case found && strings.Trim(port, "0123456789") == "":
		return ": take out the port"
	}
	return ""
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
		plain := addr.Unmap()
		return plain.String(), (!bracket || addr.Is6()) && !plain.IsUnspecified() && !plain.IsMulticast()
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
		p.problem(yamlfile.Resolve(node), field, "%q has a control character", shorten(text, maxQuoted))
	}
	return text
}
