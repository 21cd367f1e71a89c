package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"nfs-exportd/exports"
)

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
