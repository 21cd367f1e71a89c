package exportfs

import (
	"bytes"
	"fmt"
	"strings"
)

// Output keeps the first 8 KiB that a program prints and ignores the rest. The
// buffer is not embedded, as its other methods would let all bytes in.
type Output struct{ kept bytes.Buffer }

// Write keeps as much of p as there is room for.
func (o *Output) Write(p []byte) (int, error) {
	o.kept.Write(p[:min(len(p), maxSaid-o.kept.Len())])
	return len(p), nil
}

// String returns what was kept, fit for a terminal and a log: lines of printable
// ASCII, with other bytes as \xNN.
func (o *Output) String() string {
	var b strings.Builder
	for line := range bytes.Lines(o.kept.Bytes()) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		for _, c := range line {
			if c < ' ' || c >= 0x7f {
				fmt.Fprintf(&b, `\x%02x`, c)
			} else {
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}
