package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// The first line of the file is digestPrefix, 64 hexadecimal digits and
// digestSuffix. The digest is the SHA-256 of all that follows that line, so
// that other words in the header do not make the file of an earlier release
// look edited.
const (
	digestPrefix = "# sha256 "
	digestSuffix = " of all lines below\n"

	header = `#
# Exports for projects of the cloud, see exports(5). nfs-exportd writes this
# file: do not edit it, the next run would undo that. See nfs-exportd(8).
# A comment names the project or public entry that the lines below it are of.
# The ids behind a line are those of its instance and, if known, of its port.

`
)

const (
	publicMark  = "# public "
	projectMark = "# project "
	domainMark  = " in domain "
	unknownMark = "# unknown"
)

// Limits of exportfs, see getexportent in nfs-utils' support/nfs/exports.c.
// Beyond them it drops the rest of the file, and of a path without a word.
const (
	maxPath  = 1024
	maxToken = 511
)

// maxID is how long an id behind a line can be.
const maxID = 64

// UnsafeError is a grant that must not be written, because exportfs could read
// its line as something else. Package exports lets no such grant pass, so this
// is a bug of the program.
type UnsafeError struct {
	Field  string // "path", "client", "options", "instance" or "port"
	Value  string // may be hostile, Error quotes it
	Reason string
}

// Error names the field, its value and the reason.
func (e *UnsafeError) Error() string {
	return fmt.Sprintf("%s %s must not be written to an exports file: %s; this is a bug in nfs-exportd: nothing was written, please report it",
		e.Field, printable.Quote(e.Value), e.Reason)
}

// lineSize is how many bytes a line has, about.
const lineSize = 140

// Marshal returns the exports file of a set: ASCII, and always the same for the
// same set. It returns an *UnsafeError for a grant that exportfs could misread.
func Marshal(set exports.Set) ([]byte, error) { return MarshalBeside(set, nil) }

// MarshalBeside is Marshal for a server on which host names have some addresses. A
// project's grant for one of those is written as a network of that address alone,
// which exportfs does not take for the host of the name. Public lines stay literal.
func MarshalBeside(set exports.Set, shared Addresses) ([]byte, error) {
	first := len(digestLine(nil))
	text := append(make([]byte, first, first+len(header)+lineSize*set.Len()), header...)
	var owner exports.Owner
	for i, g := range set.Grants() {
		if err := checkSafe(g, shared.has(g)); err != nil {
			return nil, err
		}
		if i == 0 || g.Owner != owner {
			owner = g.Owner
			text = append(text, ownerComment(owner)+"\n"...)
		}
		text = appendLine(text, g, shared.has(g))
	}
	copy(text, digestLine(text[first:]))
	return text, nil
}

func digestLine(body []byte) string {
	sum := sha256.Sum256(body)
	return digestPrefix + hex.EncodeToString(sum[:]) + digestSuffix
}

// ownerComment returns the comment above the lines of an owner. It quotes names,
// which tenants choose: the one byte that ends a comment is the newline.
func ownerComment(o exports.Owner) string {
	var comment string
	switch {
	case o.Public != "":
		return publicMark + strconv.QuoteToASCII(o.Public)
	case o.ID != "":
		comment = projectMark + plainOrQuoted(o.ID) + " " + strconv.QuoteToASCII(o.Name)
	case o.Name != "":
		comment = projectMark + strconv.QuoteToASCII(o.Name)
	default:
		return unknownMark
	}
	if o.Domain != "" {
		comment += domainMark + plainOrQuoted(o.Domain)
	}
	return comment
}

func plainOrQuoted(id string) string {
	if plainID(id) {
		return id
	}
	return strconv.QuoteToASCII(id)
}

func plainID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return id != ""
}

// GrantLine returns the line of a grant, with its newline.
func GrantLine(g exports.Grant) string { return string(appendLine(nil, g, false)) }

// appendLine appends the line of a grant, with its address or the network of that.
func appendLine(to []byte, g exports.Grant, network bool) []byte {
	to = append(append(to, pathEscaper.Replace(g.Path)...), ' ')
	to = append(to, g.Client.String()...)
	if network {
		to = append(to, maskOf(g.Client)...)
	}
	to = append(to, '(')
	to = append(append(to, g.Options...), ')')
	if g.Instance.ID != "" {
		to = append(append(to, " # "...), g.Instance.ID...)
	}
	if g.Port != "" {
		to = append(append(to, ' '), g.Port...)
	}
	return append(to, '\n')
}

// maskOf makes a network of one address of an address: it stands behind it.
func maskOf(c exports.Client) string { return "/" + strconv.Itoa(c.Addr.BitLen()) }

var (
	pathEscaper   = strings.NewReplacer(" ", `\040`, "#", `\043`)
	pathUnescaper = strings.NewReplacer(`\040`, " ", `\043`, "#")
)

// PlaceText names a place for people, in ASCII.
func PlaceText(p exports.Place) string {
	return printable.Word(p.Path) + " for " + printable.Word(p.Client.String())
}

// CheckSafe returns an *UnsafeError for a grant whose line exportfs could read
// as something else. What a byte does to exportfs was measured, byte by byte.
func CheckSafe(g exports.Grant) error { return checkSafe(g, false) }

func checkSafe(g exports.Grant, network bool) error {
	if reason := unsafePath(g.Path); reason != "" {
		return &UnsafeError{"path", g.Path, reason}
	}
	if reason := unsafeClient(g.Client); reason != "" {
		return &UnsafeError{"client", g.Client.String(), reason}
	}
	if reason := unsafeOptions(g.Options); reason != "" {
		return &UnsafeError{"options", g.Options, reason}
	}
	mask := ""
	if network {
		mask = maskOf(g.Client)
	}
	if len(g.Client.String()+mask)+len("()")+len(g.Options) > maxToken {
		return &UnsafeError{"options", g.Options, fmt.Sprintf("with the client it is longer than %d bytes", maxToken)}
	}
	return checkIDs(g)
}

// checkIDs returns an *UnsafeError for ids that cannot stand behind a line.
func checkIDs(g exports.Grant) error {
	if reason := unsafeID(g.Instance.ID); reason != "" {
		return &UnsafeError{"instance", g.Instance.ID, reason}
	}
	if reason := unsafeID(g.Port); reason != "" {
		return &UnsafeError{"port", g.Port, reason}
	}
	if g.Port != "" && g.Instance.ID == "" {
		return &UnsafeError{"port", g.Port, "there is no instance"}
	}
	return nil
}

func unsafePath(path string) string {
	switch {
	case !strings.HasPrefix(path, "/"):
		return "it is not absolute"
	case len(path) > maxPath:
		return fmt.Sprintf("it is longer than %d bytes", maxPath)
	case !clean(path):
		return "it is not in its shortest form"
	}
	return unsafeBytes(path, `"'\`, " #")
}

func unsafeClient(client exports.Client) string {
	if client.Literal == "" {
		switch addr := client.Addr; {
		case !addr.IsValid():
			return "it is empty"
		case addr.Zone() != "" || addr.Is4In6():
			return "it has a zone or is an IPv4 address in IPv6 form"
		}
		return ""
	}
	if client != exports.ParseClient(client.Literal) {
		return "it is an address given as text"
	}
	switch client.Literal[0] {
	case '-', '#', '[':
		return "it starts with a character that exportfs gives a meaning"
	}
	return unsafeBytes(client.Literal, "\"'\\()#,", "")
}

func unsafeOptions(options string) string {
	if options == "" || strings.HasPrefix(options, ",") || strings.HasSuffix(options, ",") || strings.Contains(options, ",,") {
		return "an option is empty"
	}
	return unsafeBytes(options, `"'\()#`, "")
}

// unsafeID says why an id is not at most maxID letters, digits and dashes.
func unsafeID(id string) string {
	if len(id) > maxID {
		return fmt.Sprintf("it is longer than %d bytes", maxID)
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return fmt.Sprintf("it has the byte 0x%02x", c)
		}
	}
	return ""
}

// unsafeBytes says which byte of s is not printable ASCII or one of bad; blanks
// only pass if they are in good.
func unsafeBytes(s, bad, good string) string {
	for i := range len(s) {
		c := s[i]
		if (c <= ' ' || c >= 0x7f || strings.IndexByte(bad, c) >= 0) && strings.IndexByte(good, c) < 0 {
			return fmt.Sprintf("it has the byte 0x%02x", c)
		}
	}
	return ""
}

// clean reports whether path.Clean would leave an absolute path as it is.
func clean(path string) bool {
	if path == "/" {
		return true
	}
	for part := range strings.SplitSeq(path[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}
