//go:build real

package render

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkExportfs runs the host's exportfs, in the sandbox, on ever more different
// clients. The last column is the time for one client, which would be the same for
// all if there were no square.
func BenchmarkExportfs(b *testing.B) {
	for _, n := range []int{500, 1000, 2000, 5000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			set := manyGrants(n, 10)
			text := mustMarshal(b, set)
			s := realSandbox()
			begin := time.Now()
			for b.Loop() {
				results, err := s.run(b.Context(), exportsFiles{Directory: map[string][]byte{"nfs.exports": text}})
				if err != nil {
					b.Fatal(err)
				}
				if table, err := ParseTable(results[0].Etab); err != nil || len(table) != n {
					b.Fatal(len(table), err)
				}
			}
			b.ReportMetric(float64(time.Since(begin).Microseconds())/float64(b.N)/float64(n), "µs/client")
		})
	}
}
