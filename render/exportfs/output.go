package exportfs

import (
	"bytes"

	"nfs-exportd/printable"
)

// Output keeps the first 8 KiB that a program prints and ignores the rest. The
// buffer is not embedded, as its other methods would let all bytes in.
type Output struct{ kept bytes.Buffer }

// Write keeps as much of p as there is room for.
func (o *Output) Write(p []byte) (int, error) {
	o.kept.Write(p[:min(len(p), maxSaid-o.kept.Len())])
	return len(p), nil
}

// String returns what was kept, as [printable.Lines] has it.
func (o *Output) String() string { return printable.Lines(o.kept.Bytes()) }
