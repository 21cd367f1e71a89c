package render

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/exports/config"
)

// plainText: nothing in a text but printable ASCII and line breaks.
func plainText(t *testing.T, text string) {
	t.Helper()
	for i := range len(text) {
		if c := text[i]; c != '\n' && (c < ' ' || c > '~') {
			t.Fatalf("byte 0x%02x in %q", c, text)
		}
	}
}

// contentLines counts the lines that are neither empty nor comments.
func contentLines(text []byte) int {
	n := 0
	for line := range strings.Lines(string(text)) {
		if line != "\n" && line[0] != '#' {
			n++
		}
	}
	return n
}

// FuzzParse: every line of an exports file is a grant or unread, and what was
// read is written so that it reads the same, byte for byte.
func FuzzParse(f *testing.F) {
	f.Add([]byte("# project 1 \"x\"\n/srv/a\\040b 10.0.0.1(rw)\n/srv *(ro)\nnonsense"))
	f.Add([]byte("# sha256 00 of all lines below\n#\n# public \"\\x00\"\n/ ::1(a)\n"))
	f.Add([]byte("# project 1 \"x\" in domain default\n/srv/a 10.0.0.1(rw) # 1-a\n/srv/a 10.0.0.2(rw) # 1-a 2-b\n/srv/a 10.0.0.3(rw) # 1 2 3\n"))
	f.Add([]byte("# project \"x\" in domain \"a b\"\n/srv/a 10.0.0.1(rw) #\n"))
	f.Add([]byte("/srv/a 10.0.0.1(rw)\n/srv/a 10.0.0.1(ro)\n/srv/b 2001:DB8::1(rw)\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed := Parse(text)
		if got, want := parsed.Set.Len()+len(parsed.Unread), contentLines(text); got != want {
			t.Fatalf("%d of %d lines are accounted for", got, want)
		}
		for _, line := range parsed.Unread {
			plainText(t, line.String())
		}
		written, err := Marshal(parsed.Set)
		if err != nil {
			t.Fatal(err)
		}
		plainText(t, string(written))
		again := Parse(written)
		if diff := cmp.Diff(parsed.Set.Grants(), again.Set.Grants(), equateClients); diff != "" {
			t.Fatal(diff)
		}
		if again.Edited || len(again.Unread) > 0 {
			t.Fatalf("%q is not understood by its writer", written)
		}
		if twice, err := Marshal(again.Set); err != nil || !bytes.Equal(written, twice) {
			t.Fatalf("%q was written, and then %q, %v", written, twice, err)
		}
	})
}

// FuzzMarshal: a grant is refused, or is one line that exportfs and this program
// read as that grant.
func FuzzMarshal(f *testing.F) {
	f.Add("/srv/a b", "10.0.0.1", "rw", "", "id", "name", "default", "1-a", "2-b")
	f.Add("/srv/a\n/etc", "*", "rw", "scratch", "", "", "", "", "")
	f.Add("/srv", "::ffff:10.0.0.1", "rw,sec=sys", "", "", "\x1b[2J\n/etc *(rw)", "a b", "1\n/etc *(rw)", "")
	f.Add("/srv/\\040", "@x\\012/etc\\011*", "rw", "a\nb", "", "", "", "", "2")
	f.Fuzz(func(t *testing.T, path, client, options, public, id, name, domain, instance, port string) {
		g := exports.Grant{
			Path: path, Client: exports.ParseClient(client), Options: options, Owner: exports.Owner{Public: public},
			Instance: exports.InstanceRef{ID: instance}, Port: port,
		}
		if public == "" {
			g.Owner = exports.Owner{ID: id, Name: name}
			if id != "" || name != "" {
				g.Owner.Domain = domain
			}
		}
		text, err := Marshal(exports.NewSet([]exports.Grant{g}))
		if err != nil {
			if _, ok := errors.AsType[*UnsafeError](err); !ok || text != nil {
				t.Fatalf("%q and %v, want an UnsafeError alone", text, err)
			}
			plainText(t, err.Error())
			return
		}
		plainText(t, string(text))
		if lines := contentLines(text); lines != 1 {
			t.Fatalf("%d lines of one grant: %q", lines, text)
		}
		// What exportfs would read.
		read, undecided := parseForeign(text)
		if len(read) != 1 || len(undecided) > 0 || read[0].Place != g.Place() || read[0].Options != options {
			t.Fatalf("%q reads as %v, %v", text, read, undecided)
		}
		parsed := Parse(text)
		if diff := cmp.Diff([]exports.Grant{g}, parsed.Set.Grants(), equateClients); diff != "" || parsed.Edited || len(parsed.Unread) > 0 {
			t.Fatal(diff, parsed.Edited, parsed.Unread)
		}
	})
}

// FuzzConfigured: what the configuration takes, the exports file takes too, and
// exportfs would read just that.
func FuzzConfigured(f *testing.F) {
	f.Add([]byte("public:\n  scratch: '/srv/scratch *(rw,sec=sys,sync,no_subtree_check,root_squash)'\nprivate:\n  tools:\n    mounts:\n      home: nfs.example.org:/srv/tools//home/\n"))
	f.Add([]byte("public: {a: '/ 10.0.0.0/8(ro) @g(rw) gss/krb5(rw) *.example.org(ro) host(ro)'}\nprivate: {p: {options: 'sec=krb5p,ro', mounts: {m: 'h:/srv/a b#c'}}}\n"))
	f.Add([]byte("private: {p: {mounts: {m: '[2001:db8::1]:/srv/.'}}}\nexports: {options: 'ro,fsid=0'}\n"))
	longest := exports.Client{Addr: netip.MustParseAddr("2001:db80:1111:2222:3333:4444:5555:6666")}
	f.Fuzz(func(t *testing.T, text []byte) {
		config, err := config.Parse(text)
		if err != nil {
			return
		}
		var grants []exports.Grant
		for _, l := range config.Public {
			grants = append(grants, exports.Grant{Path: l.Path, Client: l.Client, Options: l.Options, Owner: exports.Owner{Public: l.Name}})
		}
		for _, p := range config.Projects {
			for _, m := range p.Mounts {
				grants = append(grants, exports.Grant{
					Path: m.Path, Client: longest, Options: p.Options, Owner: exports.Owner{ID: "id", Name: p.Key, Domain: "default"},
					Instance: exports.InstanceRef{ID: strings.Repeat("i", maxID)}, Port: strings.Repeat("p", maxID),
				})
			}
		}
		set := exports.NewSet(grants)
		written, err := Marshal(set)
		if err != nil {
			t.Fatalf("%q is taken, and cannot be written: %v", text, err)
		}
		plainText(t, string(written))
		read, undecided := parseForeign(written)
		if len(read) != set.Len() || len(undecided) > 0 {
			t.Fatalf("%q: exportfs would read %v, %v of %q", text, read, undecided, written)
		}
		for i, g := range set.Grants() {
			if read[i].Place != g.Place() || read[i].Options != g.Options {
				t.Fatalf("%q: exportfs would read %v where there is %v", text, read[i], g)
			}
		}
		parsed := Parse(written)
		if diff := cmp.Diff(set.Grants(), parsed.Set.Grants(), equateClients); diff != "" || parsed.Edited || len(parsed.Unread) > 0 {
			t.Fatalf("%q: %s %v", text, diff, parsed.Unread)
		}
	})
}

// FuzzParseForeign: whatever stands in an exports file of others, each client
// that is found in it is found again when it is written out in a line of its
// own, with every byte escaped.
func FuzzParseForeign(f *testing.F) {
	f.Add([]byte("/srv/a -rw 10.0.0.1 \\\n \"x y\"(ro) # z\n\\040 *"))
	f.Add([]byte("/srv/a -ro,sec=sys 10.0.0.1(rw) -sync @g *.example.org()\n\"/srv/b\" (ro)\n/srv/c"))
	f.Add([]byte("/srv/\\134040 2001:db8::1(rw)\n# c \\\n/x *\n"))
	f.Add([]byte(strings.Repeat("/", maxPath) + " *(ro)\n" + strings.Repeat("/", maxPath+1) + " *(ro)\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		grants, undecided := parseForeign(text)
		if len(undecided) > 1 {
			t.Fatalf("undecided %v", undecided)
		}
		for _, line := range undecided {
			plainText(t, line.String())
		}
		lines := strings.Count(string(text), "\n") + 1
		for _, g := range grants {
			if g.Place.Path == "" || g.Place.Client.String() == "" || g.Line < 1 || g.Line > lines {
				t.Fatalf("%+v", g)
			}
			plainText(t, g.String())
			client := g.Place.Client.String()
			if strings.HasPrefix(client, "-") || strings.Contains(g.Options, ")") {
				continue // these come out of several words and cannot be written as one
			}
			// An escape takes four bytes until its end.
			if len(g.Place.Path)+3 > maxPath || len(client+g.Options)+len("()")+3 > maxToken {
				continue
			}
			written := escapeAll(g.Place.Path) + " " + escapeAll(client) + "(" + escapeAll(g.Options) + ")\n"
			again, undecided := parseForeign([]byte(written))
			if len(again) != 1 || len(undecided) > 0 || again[0].Place != g.Place || again[0].Options != g.Options {
				t.Fatalf("%q has %+v, which is %q, and that has %+v, %v", text, g, written, again, undecided)
			}
		}
	})
}

// escapeAll writes each byte as exportfs would escape it.
func escapeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\%03o`, s[i])
	}
	return b.String()
}

// FuzzParseTable: an active table is refused, or read to where rpc.mountd reads it, or
// read to its end; and then it reads the same when it is written as exportfs writes it.
func FuzzParseTable(f *testing.F) {
	f.Add([]byte("/srv/a\\040b\t10.0.0.1(rw)\n"))
	f.Add([]byte("/srv/a\t*(rw)\n/srv/b\t@x(ro,sec=sys)\n"))
	f.Add([]byte("/srv/a\t10.0.0.1(rw,sync,wdelay,hide,nocrossmnt,secure,root_squash,no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,sec=sys,rw,secure,root_squash,no_all_squash)\n"))
	f.Add([]byte("/srv/a\t10.0.0.1(rw)\n/srv/a\t10.0.0.1(ro)\n"))
	f.Add([]byte("}\t(ro)\n/srv/a 10.0.0.1/32(rw) 10.0.0.1\n/srv/b\t10.0.0.1(squash_gids=)\n/srv/a\t10.0.0.2(rw)\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := ParseTable(text)
		if err != nil {
			unread, ok := errors.AsType[*TableError](err)
			if !ok || table == nil && unread.Unread != nil || table != nil && unread.Unread == nil {
				t.Fatalf("%v and %v", table, err)
			}
			plainText(t, err.Error())
			if table == nil {
				return
			}
			for _, place := range slices.Concat(unread.Unread, unread.Behind) {
				if _, ok := table[place]; !ok {
					t.Fatalf("%+v is not in the table", place)
				}
			}
			return
		}
		var written strings.Builder
		for place, options := range table {
			if place.Path == "" || place.Client == (exports.Client{}) {
				t.Fatalf("place %+v", place)
			}
			if unsafeBytes(place.Client.String(), "\"\\()#", "") != "" || strings.ContainsAny(options, " \t\n\r\v\f\x00\"\\()") {
				return // a line of another kind than exportfs writes
			}
			fmt.Fprintf(&written, "%s\t%s(%s)\n", escapeAll(place.Path), place.Client, options)
		}
		again, err := ParseTable([]byte(written.String()))
		if diff := cmp.Diff(table, again, equateClients); diff != "" || err != nil {
			t.Fatalf("%q, written %q: %v\n%s", text, written.String(), err, diff)
		}
		if a := table.Agrees(exports.Set{}, nil); len(table) > 0 && a.Answer == Agrees {
			t.Fatal("a table with entries agrees with nothing")
		}
	})
}

// FuzzCompareOptions: options agree with themselves, said once or twice, and if
// one agrees with another the other does with the one.
func FuzzCompareOptions(f *testing.F) {
	f.Add(exports.DefaultOptions, "rw,async,wdelay,nohide,nocrossmnt,secure,no_root_squash,no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,sec=sys,rw,secure,no_root_squash,no_all_squash")
	f.Add("sec=sys,rw,sec=krb5:krb5p,ro", "sec=krb5p:krb5,ro,sec=unix,rw")
	f.Add("ro,fsid=root", "fsid=0")
	f.Add("rw,ro", "ro")
	f.Add("mp=/srv,refer=/a@b", "mountpoint=/srv")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, options := range []string{a, b} {
			if got := compareOptions(options, options); got != Agrees {
				t.Errorf("%q %s with itself", options, got)
			}
		}
		if ab, ba := compareOptions(a, b), compareOptions(b, a); (ab == Agrees) != (ba == Agrees) {
			t.Errorf("%q %s with %q, and that %s with it", a, ab, b, ba)
		}
	})
}

// FuzzDiff: what a diff takes away and adds is the old and the new text.
func FuzzDiff(f *testing.F) {
	f.Add([]byte("a\nb\nc\n"), []byte("a\nc\nd\n"), true)
	f.Add([]byte(""), []byte("a\n"), false)
	f.Add([]byte("a"), []byte("a\n"), true)
	f.Fuzz(func(t *testing.T, old, new []byte, exists bool) {
		if !exists {
			old = nil
		}
		diff := Diff("f", old, new, exists)
		if (len(diff) == 0) != bytes.Equal(old, new) {
			t.Errorf("%q to %q: %q", old, new, diff)
		}
		minus, plus, hunks := 0, 0, false
		for line := range strings.Lines(string(diff)) {
			hunks = hunks || strings.HasPrefix(line, "@@")
			switch {
			case !hunks:
			case line[0] == '-':
				minus++
			case line[0] == '+':
				plus++
			}
		}
		lines := func(text []byte) int {
			n := bytes.Count(text, []byte("\n"))
			if len(text) > 0 && text[len(text)-1] != '\n' {
				n++
			}
			return n
		}
		if got, want := plus-minus, lines(new)-lines(old); got != want {
			t.Errorf("%q to %q: %d lines more, want %d:\n%s", old, new, got, want, diff)
		}
	})
}
