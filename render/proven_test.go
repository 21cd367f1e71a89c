package render

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/render/rendertest"
)

// With a proven table, exactly the differences are reported: each of random tables is
// compared with another in a plain way.
func TestCompareProvenReportsDifferences(t *testing.T) {
	t.Parallel()
	clients := []string{"10.0.0.1", "10.0.0.2", "10.0.0.2/32", "2001:db8::1", "2001:db8::1/128", "*", "10.0.0.0/8", "@group", "*.example.org", "host", "host.example.org", "10.1"}
	// Of each pair the first two mean the same.
	options := []string{"rw,sync", "sync,rw", "ro,sync", "rw,sync,new_word"}
	same := func(a, b string) bool {
		return a == b || a != options[2] && b != options[2] && a != options[3] && b != options[3]
	}
	host := func(client string) string { return strings.TrimSuffix(strings.TrimSuffix(client, "/32"), "/128") }
	paths := []string{"/srv/a", "/srv/b"}
	unresolved := func(client string) bool { return client == "host" || client == "host.example.org" }
	random := rand.New(rand.NewPCG(1, 2))
	text := func() (string, map[[2]string]string) {
		var b strings.Builder
		meant := map[[2]string]string{}
		for _, path := range paths {
			for _, client := range clients {
				if random.IntN(3) > 0 {
					continue
				}
				o := options[random.IntN(len(options))]
				fmt.Fprintf(&b, "%s\t%s(%s)\n", path, client, o)
				key := [2]string{path, host(client)}
				if _, ok := meant[key]; !ok { // the plain address comes first in clients
					meant[key] = o
				}
			}
		}
		return b.String(), meant
	}
	for range 5000 {
		provenText, proven := text()
		activeText, active := text()
		if random.IntN(10) == 0 {
			activeText, active = provenText, proven
		}
		want := map[string]bool{}
		stands := map[string]bool{} // paths
		for key := range active {
			stands[key[0]] = stands[key[0]] || unresolved(key[1])
		}
		for key, o := range proven {
			have, ok := active[key]
			_, err := netip.ParseAddr(key[1])
			switch {
			case unresolved(key[1]), !ok && stands[key[0]] && err == nil:
			case !ok:
				want[key[0]+" "+key[1]+" false"] = true
			case !same(o, have):
				want[key[0]+" "+key[1]+" false"] = true
			}
		}
		for key := range active {
			if _, ok := proven[key]; !ok && !unresolved(key[1]) {
				want[key[0]+" "+key[1]+" true"] = true
			}
		}
		p, err := ParseTable([]byte(provenText))
		if err != nil {
			t.Fatal(err)
		}
		table, err := ParseTable([]byte(activeText))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, d := range table.CompareProven(Proven{Table: p, Unresolved: []exports.Place{rendertest.Place(t, "/srv/other Host")}}) {
			got[fmt.Sprintf("%s %s %t", d.Place.Path, d.Place.Client, d.Surplus)] = true
			if d.Answer != Disagrees {
				t.Errorf("%s: %s", d, d.Answer)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("proven:\n%sactive:\n%s%s", provenText, activeText, diff)
		}
	}
}
