package render

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
)

// sys is what exportfs 2.6.2 makes of rw,nohide,no_subtree_check,async,no_root_squash.
const sys = "rw,async,wdelay,nohide,nocrossmnt,secure,no_root_squash,no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,sec=sys,rw,no_root_squash,no_all_squash"

func TestParseTable(t *testing.T) {
	t.Parallel()
	text := "/srv/a\t10.0.0.1(" + sys + ")\n" +
		"/srv/a\\040b\\043\\134\t2001:DB8::5(ro)\n" +
		"/srv/a\t*(ro)\n" +
		"/srv/a\t::ffff:10.0.0.1(rw)\n" +
		"/srv/\\303\\244\\377\t*(ro)\n" +
		"/srv/\\400\\380\\308\\12\t*(ro)\n" +
		"/srv/a\t10.0.0.0/24()\n"
	want := Table{
		{Path: "/srv/a", Client: exports.ParseClient("10.0.0.1")}:            sys,
		{Path: `/srv/a b#\`, Client: exports.ParseClient("2001:db8::5")}:     "ro",
		{Path: "/srv/a", Client: exports.Client{Literal: "*"}}:               "ro",
		{Path: "/srv/\u00e4\xff", Client: exports.Client{Literal: "*"}}:      "ro",
		{Path: `/srv/\400\380\308\12`, Client: exports.Client{Literal: "*"}}: "ro",
		{Path: "/srv/a", Client: exports.Client{Literal: "::ffff:10.0.0.1"}}: "rw",
		{Path: "/srv/a", Client: exports.Client{Literal: "10.0.0.0/24"}}:     "",
	}
	got, err := ParseTable([]byte(text))
	if diff := cmp.Diff(want, got, equateClients); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// Of an address and its network of one, rpc.mountd looks for the address first.
func TestParseTableNetworkOfOne(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ clients, options, text string }{
		{"10.0.0.1/32", "a", "10.0.0.1"},
		{"2001:DB8::5/128", "a", "2001:db8::5"},
		{"10.0.0.1/255.255.255.255", "a", "10.0.0.1"},
		{"10.0.0.1 10.0.0.1/32", "a", "10.0.0.1"},
		{"10.0.0.1/32 10.0.0.1", "b", "10.0.0.1"},
		{"10.0.0.1/32 10.0.0.1/255.255.255.255 10.0.0.1", "c", "10.0.0.1"},
		{"10.0.0.1/32 10.0.0.1/255.255.255.255", "a", "10.0.0.1"},
		{"::ffff:10.0.0.1/128", "a", "::ffff:10.0.0.1/128"},
		{"10.0.0.1/31", "a", "10.0.0.1/31"},
		{"010.0.0.1/32", "a", "010.0.0.1/32"},
	} {
		text := ""
		for i, client := range strings.Fields(test.clients) {
			text += "/srv/a\t" + client + "(" + string(rune('a'+i)) + ")\n"
		}
		got, err := ParseTable([]byte(text))
		want := Table{{Path: "/srv/a", Client: exports.ParseClient(test.text)}: test.options}
		if diff := cmp.Diff(want, got, equateClients); err != nil || diff != "" {
			t.Errorf("%s: %v %s", test.clients, err, diff)
		}
		for _, client := range strings.Fields(test.clients) {
			if options, ok := got.At(exports.Place{Path: "/srv/a", Client: exports.ParseClient(client)}); !ok || options != test.options {
				t.Errorf("%s: at %s there is %q", test.clients, client, options)
			}
		}
	}
}

// TestParseTableEntries: rpc.mountd reads any line that an exports file can have.
func TestParseTableEntries(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 511-len("10.0.0.1()"))
	for text, want := range map[string][]string{
		"/srv/a\t10.0.0.1(" + long + ")\n":                       {"/srv/a 10.0.0.1"},
		"/srv/a 10.0.0.1(rw)\n":                                  {"/srv/a 10.0.0.1"},
		"srv/a\t10.0.0.1(rw)\n":                                  {"srv/a 10.0.0.1"},
		"}\t(ro)\n":                                              {"} *"},
		"\xef\xbb\xbf/srv/a\t10.0.0.1(rw)\n":                     {"\xef\xbb\xbf/srv/a 10.0.0.1"},
		"/srv/a\t*(ro)\n/srv/a\t(rw)\n":                          {"/srv/a *"},
		"/srv/a\t10.0.0.1\n":                                     {"/srv/a 10.0.0.1"},
		"/srv/a\t10.0.0.1(rw) 10.0.0.2(ro)\n":                    {"/srv/a 10.0.0.1", "/srv/a 10.0.0.2"},
		"/srv/a\t@x y(rw)\n":                                     {"/srv/a @x", "/srv/a y"},
		"\n":                                                     {},
		"/srv/a\t10.0.0.1/32(rw)\n":                              {"/srv/a 10.0.0.1"},
		"/srv/a\t10.0.0.1/32(rw)\n/srv/a\t10.0.0.1(ro)\n":        {"/srv/a 10.0.0.1"},
		"/srv/a\t2001:db8::1(rw)\n/srv/a\t2001:db8::1/128(ro)\n": {"/srv/a 2001:db8::1"},
	} {
		table, err := ParseTable([]byte(text))
		got := []string{}
		for _, p := range table.Places() {
			got = append(got, p.Path+" "+p.Client.String())
		}
		if !slices.Equal(got, want) || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	table, err := ParseTable([]byte("/srv/a\t10.0.0.1/32(rw)\n/srv/a\t10.0.0.1(ro)\n"))
	if options := table[exports.Place{Path: "/srv/a", Client: exports.ParseClient("10.0.0.1")}]; options != "ro" || err != nil {
		t.Errorf("rpc.mountd looks for hosts first: %s, %v", options, err)
	}
}

// TestParseTableUnread: rpc.mountd reads no further than to some entries.
func TestParseTableUnread(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 512-len("10.0.0.1()"))
	for _, entry := range []string{"10.0.0.1(" + long + ")", "10.0.0.1(rw,squash_gids=anonuid=65534)"} {
		text := "/srv/a\t10.0.0.9(rw)\n/srv/x\t" + entry + "\n/srv/a\t10.0.0.2(rw)\n/srv/y\t" + entry + "\n"
		table, err := ParseTable([]byte(text))
		unread, ok := errors.AsType[*TableError](err)
		if !ok || len(table) != 4 || unread.Line != 2 {
			t.Fatalf("%d entries, %v", len(table), err)
		}
		places := func(places []exports.Place) (texts []string) {
			for _, p := range places {
				texts = append(texts, PlaceText(p))
			}
			return texts
		}
		if diff := cmp.Diff([]string{"/srv/x for 10.0.0.1", "/srv/y for 10.0.0.1"}, places(unread.Unread)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"/srv/a for 10.0.0.2"}, places(unread.Behind)); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(err.Error(), "rpc.mountd reads no further; correct the line") {
			t.Error(err)
		}
		if alone, _ := ParseTable([]byte("/srv/x\t10.0.0.1(rw)\n")); unread.Within(alone) {
			t.Error("only one of two is in the other table")
		}
	}
	for _, text := range []string{"/srv/a\t10.0.0.1(rw\n/srv/b\t10.0.0.1(rw)\n", "/srv/a\t\"x\" 10.0.0.1(rw)\n/srv/b\t10.0.0.1(rw)\n"} {
		table, err := ParseTable([]byte(text))
		if unread, ok := errors.AsType[*TableError](err); !ok || len(unread.Behind) != 1 || table == nil {
			t.Errorf("%q: %v, %v", text, table, err)
		}
	}
}

func TestParseTableErrors(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"cut":           "/srv/a\t10.0.0.1(rw)",
		"cut, one line": "/srv/a\t10.0.0.1(rw)\n/srv/a\t10.0.0.2(r",
		"twice":         "/srv/a\t10.0.0.1(rw)\n/srv/a\t10.0.0.1(rw)\n",
		"network twice": "/srv/a\t10.0.0.1/32(rw)\n/srv/a\t10.0.0.1/32(rw)\n",
		"two spellings": "/srv/a\t2001:DB8::5(rw)\n/srv/a\t2001:db8::5(rw)\n",
		"two networks":  "/srv/a\t10.0.0.1/32(rw)\n/srv/a\t10.0.0.1/32(rw)\n",
	} {
		table, err := ParseTable([]byte(text))
		var problem *TableError
		if !errors.As(err, &problem) || table != nil {
			t.Errorf("%s: %v, %v", name, table, err)
		}
	}
}

func TestTableError(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]TableError{
		`the active table, line 3: odd: run "exportfs -ra" and look at it again`:          {Line: 3, Problem: "odd"},
		`the active table /a/etab, line 3: odd: run "exportfs -ra" and look at it again`:  {Path: "/a/etab", Line: 3, Problem: "odd"},
		`the active table "/a\x1b", line 3: odd: run "exportfs -ra" and look at it again`: {Path: "/a\x1b", Line: 3, Problem: "odd"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
