package render

import (
	"maps"
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
		// The host of the foreign file is one of ours by /etc/hosts.
		{"host of theirs named as ours", with(full, "/f 10.0.0.1=ro"), Table{rendertest.Place(t, "/f host"): "ro"}, nil},
		{"ours named as a host of theirs", with(full, "/srv/a 10.0.0.1=", "/srv/a host=rw", "/f host=ro"), Table{rendertest.Place(t, "/f host"): "ro"}, nil},
		{"surplus beside a host of theirs", with(full, "/f host=ro", "/f 10.0.0.9=ro"), Table{rendertest.Place(t, "/f host"): "ro"}, []string{"/f for 10.0.0.9 is there and no exports file asks for it"}},
		{"the world beside a host of theirs", with(full, "/f host=ro", "/f *=ro"), Table{rendertest.Place(t, "/f host"): "ro"}, []string{"/f for * is there and no exports file asks for it"}},
	}
	for _, test := range tests {
		got := test.table.CompareTogether(want, test.baseline)
		if diff := cmp.Diff(test.differences, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}
