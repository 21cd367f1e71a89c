package render

import (
	"maps"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/render/rendertest"
)

func TestCompareTogether(t *testing.T) {
	t.Parallel()
	want := rendertest.Set(t, "/srv/a 10.0.0.1(rw)", "/srv/a 10.0.0.2(rw)")
	full := Table{rendertest.Place(t, "/srv/a 10.0.0.1"): "rw", rendertest.Place(t, "/srv/a 10.0.0.2"): "rw"}
	with := func(table Table, texts ...string) Table {
		table = maps.Clone(table)
		for _, text := range texts {
			p, o, _ := strings.Cut(text, "=")
			table[rendertest.Place(t, p)] = o
			if o == "" {
				delete(table, rendertest.Place(t, p))
			}
		}
		return table
	}
	addr := netip.MustParseAddr
	names := Names{"host": {Canonical: "host.example.org", Addrs: []netip.Addr{addr("10.0.0.1")}}, "web": {Canonical: "web", Addrs: []netip.Addr{addr("10.0.0.8"), addr("10.0.0.9")}}}
	tests := []struct {
		name            string
		table, baseline Table
		differences     []string
	}{
		{"exact", full, Table{}, nil},
		{"with a foreign one", with(full, "/f 10.0.0.1=ro"), Table{rendertest.Place(t, "/f 10.0.0.1"): "ro"}, nil},
		{"foreign one with other options", with(full, "/f 10.0.0.1=rw"), Table{rendertest.Place(t, "/f 10.0.0.1"): "ro"}, []string{"/f for 10.0.0.1 has the options rw instead of ro"}},
		{"conflict, theirs first", with(full, "/srv/a 10.0.0.1=ro"), Table{rendertest.Place(t, "/srv/a 10.0.0.1"): "ro"}, nil},
		{"conflict, ours first", full, Table{rendertest.Place(t, "/srv/a 10.0.0.1"): "ro"}, nil},
		{"conflict, and gone", with(full, "/srv/a 10.0.0.1="), Table{rendertest.Place(t, "/srv/a 10.0.0.1"): "ro"}, []string{"/srv/a for 10.0.0.1 is missing"}},
		// exportfs knows a client by the first of its names.
		{"host of theirs named as ours", with(full, "/f 10.0.0.1=ro"), Table{rendertest.Place(t, "/f host.example.org"): "ro"}, nil},
		{"ours named as a host of theirs", with(full, "/srv/a 10.0.0.1=", "/srv/a host.example.org=rw", "/f host.example.org=ro"), Table{rendertest.Place(t, "/f host.example.org"): "ro"}, nil},
		{"ours named so, with other options", with(full, "/srv/a 10.0.0.1=", "/srv/a host.example.org=ro", "/f host.example.org=ro"), Table{rendertest.Place(t, "/f host.example.org"): "ro"}, []string{"/srv/a for host.example.org has the options ro instead of rw"}},
		{"conflict with a host of theirs", with(full, "/srv/a 10.0.0.1=", "/srv/a host.example.org=ro"), Table{rendertest.Place(t, "/srv/a host.example.org"): "ro"}, nil},
		{"named as a host that is another", with(full, "/srv/a 10.0.0.1=", "/srv/a web=rw"), Table{}, []string{"/srv/a for 10.0.0.1 is missing", "/srv/a for web is there and no exports file asks for it"}},
		{"surplus beside a host of theirs", with(full, "/f host.example.org=ro", "/f 10.0.0.9=ro"), Table{rendertest.Place(t, "/f host.example.org"): "ro"}, []string{"/f for 10.0.0.9 is there and no exports file asks for it"}},
		{"the world beside a host of theirs", with(full, "/f host.example.org=ro", "/f *=ro"), Table{rendertest.Place(t, "/f host.example.org"): "ro"}, []string{"/f for * is there and no exports file asks for it"}},
		{"a host of theirs is gone", full, Table{rendertest.Place(t, "/f web"): "ro"}, []string{"/f for web is missing"}},
	}
	for _, test := range tests {
		got := test.table.CompareTogether(want, test.baseline, names)
		if diff := cmp.Diff(test.differences, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}
