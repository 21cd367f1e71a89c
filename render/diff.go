package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/rogpeppe/go-internal/diff"

	"nfs-exportd/exports"
)

// Diff returns the change of the file name from old to new as a unified diff,
// which patch(1) reads, and nil if there is none. exists says whether there is an
// old file: the diff of an empty one and of a missing one differ.
func Diff(name string, old, new []byte, exists bool) []byte {
	if bytes.Equal(old, new) {
		return nil
	}
	oldName := "/dev/null"
	if exists {
		oldName = diffName(name)
	}
	text := fmt.Appendf(nil, "--- %s\n+++ %s\n", oldName, diffName(name))
	if len(old) == 0 && bytes.HasSuffix(new, []byte("\n")) {
		// To search for common lines would take ten times as much memory.
		n := bytes.Count(new, []byte("\n"))
		text = slices.Grow(fmt.Appendf(text, "@@ -0,0 +1,%d @@\n", n), len(new)+n)
		for line := range bytes.Lines(new) {
			text = append(append(text, '+'), line...)
		}
		return text
	}
	// The package's own header cannot say that a file is new, nor have a name
	// with a blank.
	_, hunks, _ := bytes.Cut(diff.Diff("old", old, "new", new), []byte("+++ new\n"))
	return append(text, hunks...)
}

// diffName quotes a name as diff(1) of GNU does, where that is needed.
func diffName(name string) string {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return quoteC(name)
		}
	}
	return name
}

// quoteC quotes as in C, with octal escapes: patch(1) knows no others for bytes
// beyond ASCII.
func quoteC(s string) string {
	b := []byte{'"'}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c >= 0x7f:
			b = append(b, '\\')
			octal := strconv.FormatUint(uint64(c)+01000, 8)
			b = append(b, octal[1:]...)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

// PlanID is 16 hexadecimal digits that stand for texts in their order. Each counts
// with its length, so that where one ends and the next begins matters.
func PlanID(held ...[]byte) string {
	h := sha256.New()
	for _, text := range held {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		h.Write(length[:])
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// OnlyComments reports whether the file that was parsed already has what a set
// grants, place by place with the same options, so that exportfs makes the same of
// both. Those of a project at shared addresses must be networks, see MarshalBeside, and
// no others. A file that was edited, or has lines that were not read, can grant more. Files
// to be adopted need exportfs all the same.
func OnlyComments(old Parsed, new exports.Set, shared Addresses) bool {
	return !old.Edited && len(old.Unread) == 0 &&
		slices.EqualFunc(old.Set.Grants(), new.Grants(), func(a, b exports.Grant) bool {
			return a.Place() == b.Place() && a.Options == b.Options &&
				old.Networks.has(a) == shared.has(b)
		})
}

// NetworkChanges returns how many grants are in the file that was parsed and in a new
// set, as an address in one and as the network of that in the other.
func (p Parsed) NetworkChanges(new exports.Set, shared Addresses) (n int) {
	for _, g := range new.Grants() {
		if old, ok := p.Set.At(g.Place()); ok && p.Networks.has(old) != shared.has(g) {
			n++
		}
	}
	return n
}
