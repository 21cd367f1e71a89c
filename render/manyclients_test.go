package render

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"nfs-exportd/exports"
)

func TestManyClients(t *testing.T) {
	t.Parallel()
	// grants gives n clients, half of them IPv6, on each of some paths.
	grants := func(n int, paths ...string) exports.Set {
		var all []exports.Grant
		for _, path := range paths {
			for i := range n {
				addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				if i%2 == 1 {
					addr = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i))
				}
				all = append(all, exports.Grant{Path: path, Client: exports.Client{Addr: addr}, Options: "rw"})
			}
		}
		return exports.NewSet(all)
	}
	withWorld := exports.NewSet(append(grants(1999, "/a").Grants(), exports.Grant{Path: "/a", Client: exports.ParseClient("*"), Options: "ro"}))
	others := func(sets ...exports.Set) (files []Foreign) {
		for _, set := range sets {
			var f Foreign
			for _, g := range set.Grants() {
				f.Grants = append(f.Grants, ForeignGrant{Place: g.Place()})
			}
			files = append(files, f)
		}
		return files
	}
	for _, test := range []struct {
		name    string
		set     exports.Set
		foreign []Foreign
		want    string
	}{
		{"none", exports.Set{}, nil, ""},
		{"few", grants(1999, "/a"), nil, ""},
		{"few on many paths", grants(1999, "/a", "/b"), nil, ""},
		{"many", grants(2000, "/a"), nil, "there are 2000 different clients: "},
		{"many on many paths", grants(2001, "/a", "/b"), nil, "there are 2001 different clients: "},
		{"the world is one", withWorld, nil, "there are 2000 different clients: "},
		{"few, and others have the same", grants(1999, "/a"), others(grants(1999, "/b")), ""},
		{"few, and others have more", grants(7, "/a"), others(grants(1999, "/b"), withWorld), "there are 2000 different clients: "},
	} {
		if got := ManyClients(test.set, test.foreign); !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}
