package render

import (
	"slices"
	"testing"

	"nfs-exportd/render/rendertest"
)

func TestKeptByOthers(t *testing.T) {
	t.Parallel()
	want := rendertest.Set(t, "/srv/a 10.0.0.1(rw)", "/srv/a *(ro)", "/srv/b 10.0.0.1(rw)")
	own := map[string]bool{"/srv/a": true, "/srv/b": true, "/srv/c": true}
	foreign := []Foreign{ParseForeign("/etc/exports", []byte("/srv/a 10.0.0.1(ro) 10.0.0.1/32(ro) *(rw)\n/srv/b 10.0.0.2 *\n/srv/c 10.0.0.0/8(ro)\n/srv/other *\n"))}
	var got []string
	for _, k := range KeptByOthers(own, want, foreign) {
		got = append(got, k.String())
	}
	if want := []string{
		"/etc/exports, line 2, exports /srv/b to 10.0.0.2",
		"/etc/exports, line 2, exports /srv/b to *",
		"/etc/exports, line 3, exports /srv/c to 10.0.0.0/8",
	}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestKeptOpenByOthers(t *testing.T) {
	t.Parallel()
	removed := rendertest.Set(t, "/srv/a 10.0.0.1(rw)", "/srv/a 10.0.1.1(rw)", "/srv/a *.example.org(rw)").Grants()
	for _, test := range []struct {
		foreign string
		clients []string // nil: it keeps nothing open
		certain bool
	}{
		{"/srv/a 10.0.0.1(ro)", []string{"10.0.0.1"}, true},
		{"/srv/a 10.0.0.1/32(ro)", []string{"10.0.0.1"}, true},
		{"/srv/a 10.0.0.2(ro)", nil, false},
		{"/srv/b 10.0.0.1(ro)", nil, false},
		{"/srv/a 10.0.0.0/16(ro)", []string{"10.0.0.1", "10.0.1.1"}, true},
		{"/srv/a 10.0.1.0/255.255.255.0(ro)", []string{"10.0.1.1"}, true},
		{"/srv/a 10.2.0.0/16(ro)", nil, false},
		{"/srv/a *(ro)", []string{"10.0.0.1", "10.0.1.1", "*.example.org"}, true},
		{"/srv/a (ro)", []string{"10.0.0.1", "10.0.1.1", "*.example.org"}, true},
		{"/srv/a host(ro)", []string{"10.0.0.1", "10.0.1.1", "*.example.org"}, false},
		{"/srv/a @group(ro)", []string{"10.0.0.1", "10.0.1.1", "*.example.org"}, false},
	} {
		all := KeptOpenByOthers(removed, []Foreign{ParseForeign("/etc/exports", []byte(test.foreign+"\n"))})
		var clients []string
		certain := false
		for _, k := range all {
			certain = k.Certain
			for _, c := range k.Clients {
				clients = append(clients, c.String())
			}
		}
		slices.Sort(clients)
		slices.Sort(test.clients)
		if !slices.Equal(clients, test.clients) || certain != test.certain {
			t.Errorf("%s: %q, certain: %t", test.foreign, clients, certain)
		}
	}
	if all := KeptOpenByOthers(nil, []Foreign{ParseForeign("/etc/exports", []byte("/srv/a *\n"))}); all != nil {
		t.Errorf("nothing is removed: %v", all)
	}
}
