package render

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nfs-exportd/exports"
	"nfs-exportd/render/rendertest"
)

func TestMarshal(t *testing.T) {
	t.Parallel()
	public := exports.Owner{Public: "scratch"}
	hostile := exports.Owner{ID: "b\n", Name: "x\n/etc *(rw)\x1b]0;\x00\"#\u202e"}
	old := exports.Owner{Name: "dumps"}
	text := marshal(t, exports.NewSet([]exports.Grant{
		rendertest.Grant(t, "/srv/scratch *(rw,sec=sys)", public),
		rendertest.Grant(t, "/srv/scratch 10.0.0.10(rw)", rendertest.Tools()),
		rendertest.Grant(t, "/srv/scratch 10.0.0.9(rw)", rendertest.Tools()),
		rendertest.Grant(t, "/srv/scratch 2001:DB8:0:0::5(rw)", hostile),
		rendertest.Grant(t, "/srv/a b#c 10.0.0.9(rw)", old),
		rendertest.Grant(t, "/srv 10.0.0.9(ro)", exports.Owner{}),
	}))
	want := `# sha256 7f7b96066fe828f2cba29298f82ef7fb181be1a7efe2c8b56ed0306072844c7a of all lines below
#
# Exports for projects of the cloud, see exports(5). nfs-exportd writes this
# file: do not edit it, the next run would undo that. See nfs-exportd(8).
# A comment names the project or public entry that the lines below it are of.

# unknown
/srv 10.0.0.9(ro)
# project "dumps"
/srv/a\040b\043c 10.0.0.9(rw)
# project 0123456789abcdef "tools"
/srv/scratch 10.0.0.9(rw)
/srv/scratch 10.0.0.10(rw)
# project "b\n" "x\n/etc *(rw)\x1b]0;\x00\"#\u202e"
/srv/scratch 2001:db8::5(rw)
# public "scratch"
/srv/scratch *(rw,sec=sys)
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
}

func TestMarshalUnsafe(t *testing.T) {
	t.Parallel()
	good := rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", rendertest.Tools())
	path := func(p string) exports.Grant { g := good; g.Path = p; return g }
	literal := func(l string) exports.Grant { g := good; g.Client = exports.Client{Literal: l}; return g }
	addr := func(a netip.Addr) exports.Grant { g := good; g.Client = exports.Client{Addr: a}; return g }
	options := func(o string) exports.Grant { g := good; g.Options = o; return g }
	tests := []struct {
		grant exports.Grant
		field string
	}{
		{path(""), "path"},
		{path("srv"), "path"},
		{path("/srv/"), "path"},
		{path("/srv//a"), "path"},
		{path("/srv/../etc"), "path"},
		{path("/srv/."), "path"},
		{path("/srv/a\n/etc *(rw)"), "path"},
		{path("/srv/a\x00"), "path"},
		{path("/srv/a\tb"), "path"},
		{path("/srv/a\rb"), "path"},
		{path(`/srv/"a"`), "path"},
		{path(`/srv/a'b`), "path"},
		{path(`/srv/a\040b`), "path"},
		{path("/srv/\u00e4"), "path"},
		{path("/srv/\xff"), "path"},
		{path("/srv/\x7f"), "path"},
		{path("/" + strings.Repeat("a", 1024)), "path"},
		{addr(netip.Addr{}), "client"},
		{addr(netip.MustParseAddr("fe80::1%eth0")), "client"},
		{addr(netip.MustParseAddr("::ffff:10.0.0.1")), "client"},
		{literal("10.0.0.1"), "client"},
		{literal("-rw"), "client"},
		{literal("#"), "client"},
		{literal("[2001:db8::5]"), "client"},
		{literal("a b"), "client"},
		{literal("a(b"), "client"},
		{literal("a)"), "client"},
		{literal(`@x\012/etc\011*`), "client"},
		{literal("a\n"), "client"},
		{literal(`a"`), "client"},
		{options(""), "options"},
		{options("rw,"), "options"},
		{options(",rw"), "options"},
		{options("rw,,ro"), "options"},
		{options("rw, ro"), "options"},
		{options("rw)"), "options"},
		{options("rw\n"), "options"},
		{options(`mp="x"`), "options"},
		{options(`mp=\040`), "options"},
		{options("rw#"), "options"},
		{options(strings.Repeat("rw,", 170) + "rw"), "options"},
		{options(strings.Repeat("a", 512-len("10.0.0.1()"))), "options"},
	}
	for _, test := range tests {
		text, err := Marshal(exports.NewSet([]exports.Grant{test.grant}))
		var unsafe *UnsafeError
		if !errors.As(err, &unsafe) || unsafe.Field != test.field || text != nil {
			t.Errorf("%+q: got %v, want an UnsafeError for the %s", fmt.Sprint(test.grant), err, test.field)
			continue
		}
		if message := err.Error(); !rendertest.IsPlain(message) {
			t.Errorf("message is not printable ASCII: %q", message)
		}
	}
	for _, g := range []exports.Grant{
		path("/"), path("/" + strings.Repeat("a", 1023)),
		literal("*"), literal("10.0.0.0/24"), literal("@group"), literal("*.example.org"), literal("host"),
		options(strings.Repeat("rw,", 165) + "ro"), options(strings.Repeat("a", 511-len("10.0.0.1()"))),
	} {
		if _, err := Marshal(exports.NewSet([]exports.Grant{g})); err != nil {
			t.Errorf("%+q: %v", fmt.Sprint(g), err)
		}
	}
}

// TestOwnerComment has ids that stand there as they are, and others.
func TestOwnerComment(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"azAZ09-_.": `# project azAZ09-_. "n"`,
		"a/":        `# project "a/" "n"`,
		"a:":        `# project "a:" "n"`,
		"a@":        `# project "a@" "n"`,
		"a[":        `# project "a[" "n"`,
		"a`":        "# project \"a`\" \"n\"",
		"a{":        `# project "a{" "n"`,
		"":          `# project "n"`,
	} {
		owner := exports.Owner{ID: id, Name: "n"}
		if got := ownerComment(owner); got != want {
			t.Errorf("%q: %s, want %s", id, got, want)
		}
		if about, got := parseOwner(want); !about || got != owner {
			t.Errorf("%s: %t, %+v", want, about, got)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := rendertest.DrawSet(t)
		text, err := Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range text {
			if c != '\n' && (c < ' ' || c >= 0x7f) {
				t.Fatalf("not ASCII: %q", text)
			}
		}
		parsed := Parse(text)
		if diff := cmp.Diff(set.Grants(), parsed.Set.Grants(), equateClients); diff != "" {
			t.Fatal(diff)
		}
		if parsed.Edited || len(parsed.Unread) > 0 {
			t.Fatalf("edited %t, unread %v", parsed.Edited, parsed.Unread)
		}
	})
}
