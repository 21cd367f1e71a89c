package printable

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
)

// JSON returns a writer of JSON to w. Each Write must have whole characters, as those
// of encoding/json and log/slog do. All that a terminal could obey, or show as
// something else, becomes \uXXXX: encoding/json leaves DEL, the C1 controls and those
// of bidirectional text as they are. Such characters are in strings only, so the value
// stays the same. What it writes is Unicode with line breaks, of any length.
func JSON(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ w io.Writer }

func (j jsonWriter) Write(text []byte) (int, error) {
	var b strings.Builder
	for _, r := range string(text) {
		switch high, low := utf16.EncodeRune(r); {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case high != unicode.ReplacementChar:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	if _, err := io.WriteString(j.w, b.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}
