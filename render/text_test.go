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
	inDomain := exports.Owner{ID: "0123456789abcdef", Name: "tools", Domain: "default"}
	text := marshal(t, exports.NewSet([]exports.Grant{
		rendertest.Grant(t, "/srv/scratch *(rw,sec=sys)", public),
		rendertest.Grant(t, "/srv/scratch 10.0.0.10(rw)", rendertest.Tools()),
		rendertest.Grant(t, "/srv/scratch 10.0.0.9(rw)", rendertest.Tools()),
		rendertest.Grant(t, "/srv/scratch 2001:DB8:0:0::5(rw)", hostile),
		rendertest.Grant(t, "/srv/a b#c 10.0.0.9(rw)", old),
		rendertest.Grant(t, "/srv 10.0.0.9(ro)", exports.Owner{}),
		rendertest.Grant(t, "/srv/tools 10.0.0.9(rw)", inDomain),
		rendertest.Grant(t, "/srv/tools 10.0.0.10(rw) # 11111111-2222-4333-8444-555555555555", inDomain),
		rendertest.Grant(t, "/srv/tools 10.0.0.11(rw) # 11111111-2222-4333-8444-555555555555 p-1", inDomain),
	}))
	want := `# sha256 b06fe1225c437dfc8911c0a3aa5a699c80134b6f40bd305accfc32bdb9edd136 of all lines below
#
# Exports for projects of the cloud, see exports(5). nfs-exportd writes this
# file: do not edit it, the next run would undo that. See nfs-exportd(8).
# A comment names the project or public entry that the lines below it are of.
# The ids behind a line are those of its instance and, if known, of its port.

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
# project 0123456789abcdef "tools" in domain default
/srv/tools 10.0.0.9(rw)
/srv/tools 10.0.0.10(rw) # 11111111-2222-4333-8444-555555555555
/srv/tools 10.0.0.11(rw) # 11111111-2222-4333-8444-555555555555 p-1
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
	ids := func(instance, port string) exports.Grant {
		g := good
		g.Instance.ID, g.Port = instance, port
		return g
	}
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
		{ids("a b", ""), "instance"},
		{ids("a\n/etc *(rw)", ""), "instance"},
		{ids("a_", ""), "instance"},
		{ids("a/", ""), "instance"},
		{ids("a:", ""), "instance"},
		{ids("a@", ""), "instance"},
		{ids("a[", ""), "instance"},
		{ids("a`", ""), "instance"},
		{ids("a{", ""), "instance"},
		{ids("\u00e4", ""), "instance"},
		{ids(strings.Repeat("a", 65), ""), "instance"},
		{ids("a", " "), "port"},
		{ids("a", "b c"), "port"},
		{ids("a", "b\\"), "port"},
		{ids("a", strings.Repeat("b", 65)), "port"},
		{ids("", "b"), "port"},
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
		ids("azAZ09-", ""), ids("-", "azAZ09-"), ids(strings.Repeat("a", 64), strings.Repeat("b", 64)),
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
	for want, owner := range map[string]exports.Owner{
		`# project i "n" in domain default`:                  {ID: "i", Name: "n", Domain: "default"},
		`# project i "n in domain x" in domain "a b"`:        {ID: "i", Name: "n in domain x", Domain: "a b"},
		`# project "i\"" "" in domain "in domain"`:           {ID: `i"`, Domain: "in domain"},
		`# project "n" in domain default`:                    {Name: "n", Domain: "default"},
		`# project in "in" in domain in`:                     {ID: "in", Name: "in", Domain: "in"},
		`# project i "n" in domain "\n/etc *(rw)\u202e\xff"`: {ID: "i", Name: "n", Domain: "\n/etc *(rw)\u202e\xff"},
	} {
		if got := ownerComment(owner); got != want {
			t.Errorf("%+v: %s, want %s", owner, got, want)
		}
		if about, got := parseOwner(want); !about || got != owner {
			t.Errorf("%s: %t, %+v", want, about, got)
		}
	}
	for _, comment := range []string{
		`# project i "n" in domain`, `# project i "n" in domain `, `# project i "n" in domain a b`, `# project i "n" in domain "a"`,
		`# project i "n" in domain a in domain b`, `# project i in domain a`, `# project i "n"  in domain a`, `# project i "n" "a"`,
		`# project i "n`, `# project "i`, `# project `, `# project "" "n"`, `# project "" in domain a`, `# public "n" in domain a`,
	} {
		if about, got := parseOwner(comment); !about || got != (exports.Owner{}) {
			t.Errorf("%s: %t, %+v", comment, about, got)
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
