package exportfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// BenchmarkReadForeign has a directory full of files that are to be adopted, as a
// server has that is new to this program.
func BenchmarkReadForeign(b *testing.B) {
	for _, n := range []int{200, 2000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			dir := b.TempDir()
			var adopted []string
			for i := range n {
				path := filepath.Join(dir, fmt.Sprintf("project-%05d.exports", i))
				if err := os.WriteFile(path, fmt.Appendf(nil, "/srv/%d -rw 10.0.%d.%d\n", i, i>>8, i&255), 0o644); err != nil {
					b.Fatal(err)
				}
				adopted = append(adopted, path)
			}
			b.ReportAllocs()
			for b.Loop() {
				foreign, err := ReadForeign(filepath.Join(dir, "exports"), filepath.Join(dir, "own.exports"), adopted)
				if err != nil || len(foreign) > 0 {
					b.Fatal(len(foreign), err)
				}
			}
		})
	}
}
