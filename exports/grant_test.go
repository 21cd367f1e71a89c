package exports_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
)

func TestParseClient(t *testing.T) {
	tests := []struct {
		text string
		want exports.Client
	}{
		{"10.0.0.1", exports.Client{Addr: netip.MustParseAddr("10.0.0.1")}},
		{"2001:DB8:0::5", exports.Client{Addr: netip.MustParseAddr("2001:db8::5")}},
		{"::ffff:10.0.0.1", exports.Client{Addr: netip.MustParseAddr("10.0.0.1")}},
		{"*", exports.Client{Literal: "*"}},
		{"10.0.0.0/8", exports.Client{Literal: "10.0.0.0/8"}},
		{"host.example", exports.Client{Literal: "host.example"}},
		{"@group", exports.Client{Literal: "@group"}},
		{"fe80::1%eth0", exports.Client{Literal: "fe80::1%eth0"}},
		{"[2001:db8::5]", exports.Client{Literal: "[2001:db8::5]"}},
		{"", exports.Client{}},
	}
	for _, tt := range tests {
		if got := exports.ParseClient(tt.text); got != tt.want {
			t.Errorf("ParseClient(%q) = %+v, want %+v", tt.text, got, tt.want)
		}
	}
}

func TestClientString(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1":        "10.0.0.1",
		"2001:DB8:0:0::5": "2001:db8::5",
		"::FFFF:10.0.0.1": "10.0.0.1",
		"*":               "*",
		"*.Example":       "*.Example",
	} {
		if got := exports.ParseClient(text).String(); got != want {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
	}
}

func TestNewSetOrder(t *testing.T) {
	want := []string{
		"/a 9.0.0.1", "/a 10.0.0.2", "/a 10.0.0.10", "/a 2001:db8::9", "/a 2001:db8::10",
		"/a *", "/a 10.0.0.0/8", "/a @group", "/a a.example",
		"/a.b 10.0.0.1", "/a/b 10.0.0.1", "/b 10.0.0.1",
	}
	var given []exports.Grant
	for _, place := range want {
		path, client, _ := strings.Cut(place, " ")
		given = append(given, exports.Grant{Path: path, Client: exports.ParseClient(client)})
	}
	slices.Reverse(given)
	before := slices.Clone(given)
	var got []string
	for _, g := range exports.NewSet(given).Grants() {
		got = append(got, g.Path+" "+g.Client.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, given, byValue); diff != "" {
		t.Errorf("NewSet changed what it was given:\n%s", diff)
	}
}

func TestNewSetKeepsTheFirst(t *testing.T) {
	grant := func(options string, owner exports.Owner) exports.Grant {
		return exports.Grant{Path: home, Client: exports.ParseClient("10.0.0.1"), Options: options, Owner: owner}
	}
	first := grant("ro", exports.Owner{Public: "scratch"})
	set := exports.NewSet([]exports.Grant{
		{Path: home, Client: exports.ParseClient("10.0.0.2"), Options: "rw"},
		first,
		grant("rw", exports.Owner{ID: "id-tools", Name: "tools"}),
		grant("ro", exports.Owner{Public: "scratch"}),
	})
	if set.Len() != 2 {
		t.Errorf("the set has %d grants, want 2", set.Len())
	}
	got, ok := set.At(first.Place())
	if !ok {
		t.Fatal("the grant is not found at its place")
	}
	if diff := cmp.Diff(first, got, byValue); diff != "" {
		t.Errorf("the grant (-want +got):\n%s", diff)
	}
	for i, g := range set.Grants() {
		if at, ok := set.At(g.Place()); !ok || at != g {
			t.Errorf("grant %d is not found at its place", i)
		}
	}
	for _, nowhere := range []exports.Place{{Path: other, Client: first.Client}, {Path: home, Client: exports.ParseClient("10.0.0.3")}, {}} {
		if g, ok := set.At(nowhere); ok || g != (exports.Grant{}) {
			t.Errorf("there is something at %v: %v", nowhere, g)
		}
	}
	if _, ok := (exports.Set{}).At(first.Place()); ok {
		t.Error("the zero Set has a grant")
	}
}

func TestOwnerString(t *testing.T) {
	tests := []struct {
		owner exports.Owner
		want  string
	}{
		{exports.Owner{ID: "id-tools", Name: "tools"}, "tools"},
		{exports.Owner{ID: "id-tools"}, "id-tools"},
		{exports.Owner{Public: "scratch"}, "scratch"},
		{exports.Owner{}, ""},
	}
	for _, tt := range tests {
		if got := tt.owner.String(); got != tt.want {
			t.Errorf("%+v is called %q, want %q", tt.owner, got, tt.want)
		}
	}
}
