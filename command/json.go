package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
)

// printJSON prints a value as one JSON object that a terminal may show.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(escapedJSON{w})
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// escapedJSON takes whole JSON values and writes them with all that a terminal
// could take for a command, or show as something else, as \uXXXX: encoding/json
// leaves DEL, the C1 controls and those of bidirectional text as they are. Such
// characters are in strings only, so that the value stays the same.
type escapedJSON struct{ io.Writer }

func (e escapedJSON) Write(text []byte) (int, error) {
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
	if _, err := io.WriteString(e.Writer, b.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}
