package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

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
	host, raw, ok := strings.Cut(text, ":/")
	if !ok {
		return "", "", fmt.Errorf("%s is not HOST:/PATH, nor true or false", printable.Quote(text))
	}
	if strings.Contains(raw, ":/") {
		return "", "", fmt.Errorf("%s is more than one mount: give each a name of its own", printable.Quote(text))
	}
	// A host may have the name nfs, and HOST://PATH is in use: what is a scheme
	// is the one thing that cannot be told from a host.
	if strings.HasPrefix(raw, "/") && slices.Contains(schemes, strings.ToLower(host)) {
		return "", "", fmt.Errorf("%s looks like a URL: write HOST:/PATH", printable.Quote(text))
	}
	canonical, ok := mountHost(host)
	if !ok {
		return "", "", fmt.Errorf("%s does not start with a host name or an address%s", printable.Quote(text), hostMistake(host))
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
