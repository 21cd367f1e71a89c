package render

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/render/rendertest"
)

// hostNames makes names of lines of NAME CANONICAL ADDRESS….
func hostNames(lines ...string) Names {
	names := Names{}
	for _, line := range lines {
		words := strings.Fields(line)
		host := HostName{Canonical: words[1]}
		for _, word := range words[2:] {
			host.Addrs = append(host.Addrs, netip.MustParseAddr(word))
		}
		names[words[0]] = host
	}
	return names
}

func TestNames(t *testing.T) {
	t.Parallel()
	foreign := []Foreign{ParseForeign("/etc/exports", []byte("/a host(rw) *.x @ng 10.0.0.1 10.1\n/b host 10.0.0.0/8 *\n"))}
	got := NamesIn(foreign, exports.ParseClient("www"), exports.ParseClient("10.0.0.1"), exports.ParseClient("host"))
	if want := []string{"10.1", "host", "www"}; !slices.Equal(got, want) {
		t.Errorf("names %q", got)
	}
	names := hostNames("one one.example.org 10.0.0.1", "two two 10.0.0.2 2001:db8::2", "three www.example.org 10.0.0.2 10.0.0.3")
	if diff := cmp.Diff("10.0.0.1 one.example.org one\n10.0.0.2 www.example.org three\n10.0.0.3 www.example.org three\n10.0.0.2 two\n2001:db8::2 two\n", string(names.Hosts())); diff != "" {
		t.Error(diff)
	}
	for addr, want := range map[string]bool{"10.0.0.1": false, "10.0.0.2": true, "10.0.0.3": true, "2001:db8::2": true, "10.0.0.4": false} {
		if names.Shared()[netip.MustParseAddr(addr)] != want {
			t.Errorf("%s: shared %t", addr, !want)
		}
	}
	for name, want := range map[string]bool{"a-b.c_d": true, "": false, "a b": false, "-x": false, "a#b": false, "a\nb": false, "\u00e4": false, strings.Repeat("a", 256): false} {
		if IsPlainName(name) != want {
			t.Errorf("%q: plain %t", name, !want)
		}
	}
}

// TestMarshalBeside: a project's grant for an address that a name shares is a network,
// and reads back as the same grant.
func TestMarshalBeside(t *testing.T) {
	t.Parallel()
	public := exports.Owner{Public: "p"}
	set := exports.NewSet([]exports.Grant{
		rendertest.Grant(t, "/srv/a 10.0.0.1(rw) # 1-a 2-b", rendertest.Tools()),
		rendertest.Grant(t, "/srv/a 10.0.0.2(rw)", rendertest.Tools()),
		rendertest.Grant(t, "/srv/a 2001:db8::1(rw)", rendertest.Tools()),
		rendertest.Grant(t, "/srv/p 10.0.0.1(ro)", public),
		rendertest.Grant(t, "/srv/p 10.0.0.2/32(ro)", public),
	})
	shared := hostNames("x y 10.0.0.1 10.9.9.9 2001:db8::1").Shared()
	text, err := MarshalBeside(set, shared)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "/") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff([]string{
		"/srv/a 10.0.0.1/32(rw) # 1-a 2-b", "/srv/a 10.0.0.2(rw)", "/srv/a 2001:db8::1/128(rw)",
		"/srv/p 10.0.0.1(ro)", "/srv/p 10.0.0.2/32(ro)",
	}, lines); diff != "" {
		t.Error(diff)
	}
	parsed := Parse(text)
	if diff := cmp.Diff(set.Grants(), parsed.Set.Grants(), equateClients); diff != "" || parsed.Edited || len(parsed.Unread) > 0 {
		t.Error(diff, parsed.Unread)
	}
	if again, err := MarshalBeside(parsed.Set, parsed.Networks); err != nil || string(again) != string(text) {
		t.Errorf("%v\n%s", err, again)
	}
	if !OnlyComments(parsed, set, shared) || OnlyComments(parsed, set, nil) {
		t.Error("networks are no comments")
	}
	if n := parsed.NetworkChanges(set, nil); n != 2 {
		t.Errorf("%d grants change", n)
	}
	// A network of a project is none of ours, unless it is of one address.
	for line, reads := range map[string]bool{
		"/srv/a 10.0.0.1/32(rw)": true, "/srv/a 10.0.0.1/31(rw)": true, "/srv/a 10.0.0.01/32(rw)": true,
		"/srv/a ::ffff:10.0.0.1/128(rw)": true, "/srv/a 2001:DB8::1/128(rw)": false, "/srv/a 10.0.0.1/032(rw)": true,
	} {
		parsed := Parse([]byte(line + "\n"))
		if len(parsed.Unread) == 0 != reads {
			t.Errorf("%s: %v", line, parsed.Unread)
		}
		if isAddress := line == "/srv/a 10.0.0.1/32(rw)"; reads && (parsed.Set.Grants()[0].Client.Addr.IsValid() != isAddress || len(parsed.Networks) == 1 != isAddress) {
			t.Errorf("%s: %v", line, parsed.Set.Grants())
		}
	}
	// Together with the mask the line may be too long for exportfs.
	long := rendertest.Set(t, "/srv/a 10.0.0.1("+strings.Repeat("a", 511-len("10.0.0.1()"))+")")
	if _, err := MarshalBeside(long, nil); err != nil {
		t.Error(err)
	}
	if _, err := MarshalBeside(long, shared); err == nil {
		t.Error("the line is too long")
	}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	names := hostNames("web web.example.org 10.0.0.1 10.0.0.9", "solo solo 10.0.0.2")
	want := exports.NewSet([]exports.Grant{
		rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", rendertest.Tools()),
		rendertest.Grant(t, "/srv/a 10.0.0.2(rw)", rendertest.Tools()),
		rendertest.Grant(t, "/srv/p 10.0.0.1/32(rw)", exports.Owner{Public: "p"}),
	})
	for _, test := range []struct {
		line             string
		first            bool
		theirs, conflict bool
	}{
		{"/srv/a 10.0.0.2(ro)", true, true, true},
		{"/srv/a 10.0.0.2(ro)", false, false, true},
		// Ours is the host, theirs the network.
		{"/srv/a 10.0.0.2/32(ro)", true, false, true},
		{"/srv/a solo(ro)", true, true, true},
		{"/srv/a solo(ro)", false, false, true},
		// Ours is the network.
		{"/srv/a web(ro)", false, true, true},
		{"/srv/a 10.0.0.1(ro)", false, true, true},
		{"/srv/a 10.0.0.1/32(ro)", false, false, true},
		{"/srv/a 10.0.0.1/32(ro)", true, true, true},
		{"/srv/p 10.0.0.1(ro)", false, true, true},
		{"/srv/x web(ro)", true, false, false},
		{"/srv/a 10.0.0.9(ro)", true, false, false},
		// Of two networks the first counts; 10.0.0.2 is a host.
		{"/srv/a 10.0.0.1/31(ro)", true, true, true},
		{"/srv/a 10.0.0.1/31(ro)", false, false, false},
		{"/srv/a 10.0.0.2/31(ro)", true, false, false},
		{"/srv/x 10.0.0.0/8(ro)", true, false, false},
	} {
		f := ParseForeign("/etc/exports", []byte(test.line+"\n"))
		f.First = test.first
		got := Conflicts(want, []Foreign{f}, names)
		if len(got) > 0 != test.conflict || len(got) > 0 && got[0].Theirs != test.theirs {
			t.Errorf("%s, first %t: %v", test.line, test.first, got)
		}
	}
}

func TestOddLines(t *testing.T) {
	t.Parallel()
	first := ParseForeign("/etc/exports", []byte("\xef\xbb\xbf/srv/a\n/srv/b 10.0.0.1 (rw)\nsrv host 10.0.0.1\n/srv/c host nobody\n/srv/d *(ro)\n/srv/e nobody \x1b[2J(rw)\n/srv/f 10.0.0.1(rw\n"))
	foreign := []Foreign{first, {File: "/etc/exports.d/x y.exports", Ignored: "a directory"}, {File: "/etc/exports.d/z.exports", Undecided: []Line{{Problem: "cannot be read: permission denied"}}}}
	var got []string
	for _, o := range OddLines(foreign, hostNames("host host 10.0.0.1")) {
		got = append(got, o.String())
	}
	if diff := cmp.Diff([]string{
		`/etc/exports, line 7: bad option list; exportfs reads no further: "10.0.0.1(rw"`,
		"/etc/exports, line 1: exportfs takes the byte order mark for a part of the path; remove it",
		"/etc/exports, line 2: exportfs exports /srv/b to everyone, because there is no client",
		`/etc/exports, line 3: exportfs takes "srv" for a path; this is no line of exports(5)`,
		`/etc/exports, line 4: no address for the host name "nobody"; exportfs leaves it out`,
		`/etc/exports, line 6: no address for the host name "nobody"; exportfs leaves it out`,
		`"/etc/exports.d/x y.exports": exportfs ignores it: it is a directory`,
		"/etc/exports.d/z.exports: cannot be read: permission denied",
	}, got); diff != "" {
		t.Error(diff)
	}
	for _, text := range got {
		if !rendertest.IsPlain(text) {
			t.Errorf("%q", text)
		}
	}
}
