package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	"github.com/rogpeppe/go-internal/diff"
)

// Diff is the change of the file name from old to new as a unified diff, which
// patch(1) takes; empty if there is none. exists tells whether there is an old
// file: the diff of one that is empty or missing differs.
func Diff(name string, old, new []byte, exists bool) []byte {
	var text bytes.Buffer
	_ = WriteDiff(&text, name, old, new, exists) // a buffer takes all
	return text.Bytes()
}

// WriteDiff writes what Diff gives, in pieces that end with a line.
func WriteDiff(w io.Writer, name string, old, new []byte, exists bool) error {
	oldName := "/dev/null"
	if exists {
		oldName = diffName(name)
	}
	names := []byte("--- " + oldName + "\n+++ " + diffName(name) + "\n")
	if len(old) == 0 && bytes.HasSuffix(new, []byte("\n")) {
		return writeAllNew(w, names, new)
	}
	unified := diff.Diff("old", old, "new", new)
	if unified == nil {
		return nil
	}
	// The package's own header cannot say that a file is new, nor carry a
	// name with a blank.
	_, hunks, _ := bytes.Cut(unified, []byte("+++ new\n"))
	if _, err := w.Write(names); err != nil {
		return err
	}
	_, err := w.Write(hunks)
	return err
}

// writeAllNew writes the diff from nothing to whole lines without ever having all
// of it, nor what a search for common lines takes.
func writeAllNew(w io.Writer, text, new []byte) error {
	const piece = 64 << 10
	text = fmt.Appendf(text, "@@ -0,0 +1,%d @@\n", bytes.Count(new, []byte("\n")))
	for line := range bytes.Lines(new) {
		text = append(append(text, '+'), line...)
		if len(text) < piece {
			continue
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		text = text[:0]
	}
	_, err := w.Write(text)
	return err
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

// PlanID is 16 hexadecimal digits that stand for the change from the old to the
// new text.
func PlanID(old, new []byte) string {
	h := sha256.New()
	for _, text := range [][]byte{old, new} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		h.Write(length[:])
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
