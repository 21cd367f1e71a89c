package render

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"testing"

	"nfs-exportd/exports"
)

// The benchmarks have two sizes, of which one is ten times the other: what they
// take should not grow by much more.
var sizes = []int{2000, 20_000}

// manyGrants are n grants, twenty to a project, with addresses that begin with
// first.
func manyGrants(n int, first byte) exports.Set {
	var grants []exports.Grant
	for i := range n {
		project := fmt.Sprintf("project-%05d", i/20)
		grants = append(grants, exports.Grant{
			Path: "/srv/" + project, Client: exports.Client{Addr: netip.AddrFrom4([4]byte{first, byte(i >> 16), byte(i >> 8), byte(i)})},
			Options: exports.DefaultOptions, Owner: exports.Owner{ID: "id-" + project, Name: project},
			Instance: exports.InstanceRef{ID: fmt.Sprintf("00000000-0000-4000-8000-%012x", i)},
		})
	}
	return exports.NewSet(grants)
}

func mustMarshal(tb testing.TB, set exports.Set) []byte {
	tb.Helper()
	text, err := Marshal(set)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// etabOf is the active table for a set, in the words of exportfs 2.6.2.
func etabOf(set exports.Set) []byte {
	var b bytes.Buffer
	for _, g := range set.Grants() {
		fmt.Fprintf(&b, "%s\t%s(rw,async,wdelay,nohide,nocrossmnt,secure,no_root_squash,no_all_squash,no_subtree_check,secure_locks,"+
			"acl,no_pnfs,anonuid=65534,anongid=65534,sec=sys,rw,secure,no_root_squash,no_all_squash)\n", g.Path, g.Client)
	}
	return b.Bytes()
}

// bySize runs a benchmark for each size. What do gives has to be n.
func bySize(b *testing.B, prepare func(n int) (bytes int, do func() int)) {
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			bytes, do := prepare(n)
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			for b.Loop() {
				if got := do(); got != n {
					b.Fatalf("got %d", got)
				}
			}
		})
	}
}

func BenchmarkMarshal(b *testing.B) {
	bySize(b, func(n int) (int, func() int) {
		set := manyGrants(n, 10)
		size := len(mustMarshal(b, set))
		return size, func() int {
			if len(mustMarshal(b, set)) != size {
				b.Fatal("another text")
			}
			return n
		}
	})
}

// BenchmarkParse reads an exports file.
func BenchmarkParse(b *testing.B) {
	bySize(b, func(n int) (int, func() int) {
		text := mustMarshal(b, manyGrants(n, 10))
		return len(text), func() int { return Parse(text).Set.Len() }
	})
}

// BenchmarkParseTable reads an active table (etab).
func BenchmarkParseTable(b *testing.B) {
	bySize(b, func(n int) (int, func() int) {
		text := etabOf(manyGrants(n, 10))
		return len(text), func() int {
			table, err := ParseTable(text)
			if err != nil {
				b.Fatal(err)
			}
			return len(table)
		}
	})
}

// BenchmarkAgrees compares an active table that is as it should be.
func BenchmarkAgrees(b *testing.B) {
	bySize(b, func(n int) (int, func() int) {
		set := manyGrants(n, 10)
		text := etabOf(set)
		table, err := ParseTable(text)
		if err != nil {
			b.Fatal(err)
		}
		return len(text), func() int {
			if a := table.Agrees(set, nil); a.Answer != Agrees {
				b.Fatal(a.Differences[:1])
			}
			return n
		}
	})
}

// BenchmarkDiff has no line in common but comments, so that many changed lines
// would show time that grows with their square.
func BenchmarkDiff(b *testing.B) {
	bySize(b, func(n int) (int, func() int) {
		old, new := mustMarshal(b, manyGrants(n, 10)), mustMarshal(b, manyGrants(n, 11))
		return len(old) + len(new), func() int {
			// Each line goes and comes.
			return bytes.Count(Diff("x", old, new, true), []byte("\n+/"))
		}
	})
}
