package render

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/render/rendertest"
)

func TestCompareOptions(t *testing.T) {
	t.Parallel()
	const nobody = "rw,sync,wdelay,hide,nocrossmnt,secure,root_squash,no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,sec=sys,rw,root_squash,no_all_squash"
	replace := func(s string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(s) }
	tests := []struct {
		want, have string
		answer     Answer
	}{
		{"rw,nohide,no_subtree_check,async,no_root_squash", sys, Agrees},
		{sys, sys, Agrees},
		// On a host with a kernel server the part of sec=sys has one word more.
		{sys, replace(sys, "sec=sys,rw,", "sec=sys,rw,secure,"), Agrees},
		{"rw,nohide,no_subtree_check,async,no_root_squash", replace(sys, "sec=sys,rw,", "sec=sys,rw,secure,"), Agrees},
		{sys, replace(sys, "sec=sys,rw,", "sec=sys,rw,insecure,"), Disagrees},
		{"rw,sec=sys,sync,no_subtree_check,root_squash", nobody, Agrees},
		{"ro,rw", nobody, Agrees},
		{"rw,ro", nobody, Disagrees},
		{"rw,no_root_squash", nobody, Disagrees},
		{"rw,root_squash", sys, Disagrees},
		{"rw,async", nobody, Disagrees},
		// What is nobody's word may be another version's default.
		{"rw", sys, CannotTell},
		{"rw,insecure_locks,no_acl", replace(nobody, "secure_locks,acl", "insecure_locks,no_acl"), Agrees},
		{"rw,no_auth_nlm", replace(nobody, "secure_locks", "insecure_locks"), Agrees},
		{"rw,auth_nlm", replace(nobody, "secure_locks", "insecure_locks"), Disagrees},
		{"rw,anonuid=0", nobody, Disagrees},
		{"rw,anonuid=-1", replace(nobody, "anonuid=65534", "anonuid=-1"), Agrees},
		{"rw,anonuid=4294967295", replace(nobody, "anonuid=65534", "anonuid=-1"), Agrees},
		{"rw,anongid=100,anongid=65534", nobody, Agrees},
		{"rw,fsid=root", replace(nobody, "no_pnfs", "no_pnfs,fsid=0"), Agrees},
		{"rw,fsid=010", replace(nobody, "no_pnfs", "no_pnfs,fsid=8"), Agrees},
		{"rw,fsid=1", replace(nobody, "no_pnfs", "no_pnfs,fsid=2"), Disagrees},
		{"rw,fsid=1", nobody, Disagrees},
		{"rw", replace(nobody, "no_pnfs", "no_pnfs,fsid=0"), CannotTell},
		{"rw,mp=/x", replace(nobody, "no_pnfs", "no_pnfs,mountpoint=/x"), Agrees},
		{"rw,mp=/x", nobody, CannotTell},
		{"rw,mountpoint=/x", replace(nobody, "no_pnfs", "no_pnfs,mountpoint=/x"), Agrees},
		{"rw,mp", replace(nobody, "no_pnfs", "no_pnfs,mountpoint"), Agrees},
		{"rw,new_word", nobody, CannotTell},
		{"rw,new_word", nobody + ",other_word", CannotTell},
		{"rw,new_word", nobody + ",new_word", Agrees},
		{"rw,new_word,ro", nobody, Disagrees},
		{"rw", nobody + ",new_word", CannotTell},
		{"rw,sec=krb5", nobody, Disagrees},
		{"rw", replace(nobody, "sec=sys", "sec=krb5"), CannotTell},
		{"sec=sys:krb5,rw,no_subtree_check", replace(nobody, "sec=sys", "sec=sys:krb5"), Agrees},
		{"sec=unix,rw", nobody, Agrees},
		{"sec=krb5,rw,sec=sys,ro", "ro,sync,wdelay,hide,nocrossmnt,secure,root_squash,no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,sec=krb5,rw,root_squash,no_all_squash,sec=sys,ro,root_squash,no_all_squash", Agrees},
		{"sec=krb5,rw,sec=sys,ro", "ro,sync,wdelay,hide,nocrossmnt,secure,root_squash,no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,sec=krb5,rw,root_squash,no_all_squash,sec=sys,rw,root_squash,no_all_squash", Disagrees},
		{"rw,sec=sys,no_root_squash", nobody, Disagrees},
		// A flavor named again goes on from where it was.
		{"sec=sys,ro,sec=krb5,rw,sec=sys,no_root_squash", "rw,sync,wdelay,hide,nocrossmnt,secure,no_root_squash,no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,sec=sys,ro,no_root_squash,no_all_squash,sec=krb5,rw,root_squash,no_all_squash", Agrees},
	}
	for _, test := range tests {
		if got := compareOptions(test.want, test.have); got != test.answer {
			t.Errorf("want %s\nhave %s\n%s instead of %s", test.want, test.have, got, test.answer)
		}
	}
}

func TestAgrees(t *testing.T) {
	t.Parallel()
	const options = "(rw,nohide,no_subtree_check,async,no_root_squash)"
	want := rendertest.Set(t, "/srv/a 10.0.0.1"+options, "/srv/a 10.0.0.2"+options, "/srv/b 10.0.0.1"+options)
	full := Table{rendertest.Place(t, "/srv/a 10.0.0.1"): sys, rendertest.Place(t, "/srv/a 10.0.0.2"): sys, rendertest.Place(t, "/srv/b 10.0.0.1"): sys}
	foreignFile := func(text string) []Foreign {
		grants, undecided := parseForeign([]byte(text))
		return []Foreign{{File: "/etc/exports", First: true, Grants: grants, Undecided: undecided}}
	}
	without := func(text string) Table {
		table := maps.Clone(full)
		delete(table, rendertest.Place(t, text))
		return table
	}
	with := func(table Table, text, options string) Table {
		table = maps.Clone(table)
		table[rendertest.Place(t, text)] = options
		return table
	}
	tests := []struct {
		name        string
		table       Table
		want        exports.Set
		foreign     []Foreign
		answer      Answer
		differences []string
	}{
		{"the same", full, want, nil, Agrees, nil},
		{"both empty", Table{}, exports.Set{}, nil, Agrees, nil},
		{"missing", without("/srv/a 10.0.0.2"), want, nil, Disagrees, []string{"/srv/a for 10.0.0.2 is missing"}},
		{"all missing", Table{}, want, nil, Disagrees, []string{"/srv/a for 10.0.0.1 is missing", "/srv/a for 10.0.0.2 is missing", "/srv/b for 10.0.0.1 is missing"}},
		{
			"other options", with(full, "/srv/a 10.0.0.1", "ro"), want, nil, Disagrees,
			[]string{"/srv/a for 10.0.0.1 has the options ro instead of rw,nohide,no_subtree_check,async,no_root_squash"},
		},
		{
			"surplus", with(full, "/srv/a 10.0.0.3", sys), want, nil, Disagrees,
			[]string{"/srv/a for 10.0.0.3 is there and no exports file asks for it"},
		},
		{
			"the world", with(full, "/srv/a *", sys), want, nil, Disagrees,
			[]string{"/srv/a for * is there and no exports file asks for it"},
		},
		{"surplus of a foreign file", with(full, "/srv/a 10.0.0.3", sys), want, foreignFile("/srv/a 10.0.0.3(rw)\n"), Agrees, nil},
		{
			"foreign file for another path", with(full, "/srv/a 10.0.0.3", sys), want, foreignFile("/srv/x 10.0.0.3(rw)\n"), Disagrees,
			[]string{"/srv/a for 10.0.0.3 is there and no exports file asks for it"},
		},
		{"a foreign grant is not active", full, want, foreignFile("/srv/x 10.0.0.3(rw)\n"), Agrees, nil},
		{
			"options of the foreign file", with(full, "/srv/a 10.0.0.1", "ro"), want, foreignFile("/srv/a 10.0.0.1(ro)\n"), CannotTell,
			[]string{"undecided: /srv/a for 10.0.0.1 has the options ro instead of rw,nohide,no_subtree_check,async,no_root_squash"},
		},
		{"foreign host name", with(full, "/srv/x host", sys), want, foreignFile("/srv/x host(rw)\n"), Agrees, nil},
		{
			"host name that a foreign one may be", with(full, "/srv/x host.example.org", sys), want, foreignFile("/srv/x host(rw)\n"), CannotTell,
			[]string{"undecided: /srv/x for host.example.org may come from a host name for the same path"},
		},
		{
			"address that a foreign host name may have", with(full, "/srv/x 10.0.0.1", sys), want, foreignFile("/srv/x host(rw)\n"), CannotTell,
			[]string{"undecided: /srv/x for 10.0.0.1 may come from a host name for the same path"},
		},
		{
			"the world beside a foreign host name", with(full, "/srv/x *", sys), want, foreignFile("/srv/x host(rw)\n"), Disagrees,
			[]string{"/srv/x for * is there and no exports file asks for it"},
		},
		{
			"foreign host name instead of ours", with(without("/srv/a 10.0.0.1"), "/srv/a host", sys), want, foreignFile("/srv/a host(rw)\n"), CannotTell,
			[]string{"undecided: /srv/a for 10.0.0.1 is not there, but a host name is that may stand for it"},
		},
		{
			"foreign file that cannot be read", with(full, "/srv/x 10.0.0.3", sys), want, foreignFile("/srv/x 10.0.0.3(rw\n"), CannotTell,
			[]string{"undecided: /srv/x for 10.0.0.3 may come from a line that only exportfs can read, in /etc/exports"},
		},
		{
			"certain before undecided", with(without("/srv/b 10.0.0.1"), "/srv/a 10.0.0.3", sys), want, foreignFile("/srv/x 10.0.0.3(rw\n"), Disagrees,
			[]string{"/srv/b for 10.0.0.1 is missing", "undecided: /srv/a for 10.0.0.3 may come from a line that only exportfs can read, in /etc/exports"},
		},
		{"public line", Table{rendertest.Place(t, "/srv/a *"): sys}, rendertest.Set(t, "/srv/a *"+options), nil, Agrees, nil},
		{
			"public line for a host name", Table{rendertest.Place(t, "/srv/a host.example.org"): sys}, rendertest.Set(t, "/srv/a host"+options), nil, CannotTell,
			[]string{
				"undecided: /srv/a for host is not there under this name, the host may have another",
				"undecided: /srv/a for host.example.org may come from a host name for the same path",
			},
		},
		{
			"hostile table", Table{rendertest.Place(t, "/srv/\x1b[2J 10.0.0.1\u202e"): sys}, exports.Set{}, nil, Disagrees,
			[]string{`"/srv/\x1b[2J" for "10.0.0.1\u202e" is there and no exports file asks for it`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := test.table.Agrees(test.want, test.foreign)
			if diff := cmp.Diff(Agreement{test.answer, test.differences}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	kernel := strings.Replace(sys, "sec=sys,rw,", "sec=sys,rw,secure,", 1)
	at := func(text string) exports.Place { return rendertest.Place(t, text) }
	proof := Proven{
		Table:      Table{at("/srv/a 10.0.0.1"): sys, at("/srv/a web"): "ro", at("/srv/p db"): "ro", at("/srv/a 10.0.0.9"): "ro"},
		Unresolved: []exports.Place{at("/srv/p host"), at("/srv/p other")},
		Reexported: []exports.Place{at("/srv/a 10.0.0.9/32")},
	}
	tests := []struct {
		name   string
		change Table // of the proven table; no options are no entry
		answer Answer
	}{
		{"the same", nil, Agrees},
		{"kernel's words", Table{at("/srv/a 10.0.0.1"): kernel}, Agrees},
		{"missing", Table{at("/srv/a 10.0.0.1"): ""}, Disagrees},
		{"missing name", Table{at("/srv/a web"): ""}, Disagrees},
		{"other options", Table{at("/srv/a 10.0.0.1"): "ro"}, Disagrees},
		{"more options", Table{at("/srv/a 10.0.0.1"): sys + ",nordirplus"}, Disagrees},
		{"unknown options", Table{at("/srv/a 10.0.0.1"): sys + ",new_word"}, Disagrees},
		{"surplus", Table{at("/srv/a 10.0.0.2"): sys}, Disagrees},
		{"surplus name", Table{at("/srv/a web.example.org"): "ro"}, Disagrees},
		{"the world", Table{at("/srv/a *"): sys}, Disagrees},
		{"a number of fsidd", Table{at("/srv/a 10.0.0.9"): "ro,fsid=1,reexport=auto-fsidnum"}, Agrees},
		{"a reexport is missing", Table{at("/srv/a 10.0.0.9"): ""}, Disagrees},
		// A name that cannot be resolved is left out, with the address that it may stand for.
		{"resolved since", Table{at("/srv/p host.example.org"): "ro"}, Agrees},
		{"resolved since, on another path", Table{at("/srv/a HOST"): "ro"}, Agrees},
		{"in the place of an address", Table{at("/srv/a 10.0.0.1"): "", at("/srv/a host"): sys}, Agrees},
		{"in the place of another name", Table{at("/srv/p db"): "", at("/srv/p host"): "ro"}, Disagrees},
		{"another name beside it", Table{at("/srv/p hosts.example.org"): "ro"}, Disagrees},
		{"an address beside the name", Table{at("/srv/p 10.0.0.2"): "ro"}, Disagrees},
		{"the world beside the name", Table{at("/srv/p *"): "ro"}, Disagrees},
		{"a pattern beside the name", Table{at("/srv/p *.example.org"): "ro"}, Disagrees},
		{"a network beside the name", Table{at("/srv/p 10.0.0.0/8"): "ro"}, Disagrees},
	}
	for _, test := range tests {
		table := maps.Clone(proof.Table)
		for place, options := range test.change {
			table[place] = options
			if options == "" {
				delete(table, place)
			}
		}
		if got := table.Matches(proof); got.Answer != test.answer {
			t.Errorf("%s: %s: %q", test.name, got.Answer, got.Differences)
		}
	}
}

// An address and its network of one are one place, in the table, in what is wanted and
// in foreign files.
func TestAgreesNetworkOfOne(t *testing.T) {
	t.Parallel()
	parse := func(text string) Table {
		table, err := ParseTable([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	for _, spelled := range []string{"10.0.0.1", "10.0.0.1/32", "10.0.0.1/255.255.255.255"} {
		table := parse("/srv/a\t" + spelled + "(rw)\n")
		for _, want := range []string{"10.0.0.1", "10.0.0.1/32"} {
			if got := table.Agrees(rendertest.Set(t, "/srv/a "+want+"(rw)"), nil); got.Answer != Agrees {
				t.Errorf("%s, want %s: %q", spelled, want, got.Differences)
			}
			foreign := []Foreign{ParseForeign("/etc/exports", []byte("/srv/a "+want+"(rw)\n"))}
			if got := table.Agrees(exports.Set{}, foreign); got.Answer != Agrees {
				t.Errorf("%s, of a foreign file %s: %q", spelled, want, got.Differences)
			}
			if got := table.Matches(Proven{Table: parse("/srv/a\t" + want + "(rw)\n")}); got.Answer != Agrees {
				t.Errorf("%s, proven %s: %q", spelled, want, got.Differences)
			}
		}
		if got := table.Agrees(exports.Set{}, nil); got.Answer != Disagrees {
			t.Errorf("%s as a surplus: %s", spelled, got.Answer)
		}
	}
}

func TestIsName(t *testing.T) {
	t.Parallel()
	for client, want := range map[string]bool{
		"10.0.0.1": false, "2001:db8::5": false, "::ffff:10.0.0.1": false, "*": false, "*.example.org": false,
		"host?": false, "[a-z]x": false, "@group": false, "10.0.0.0/8": false, "10.0.0.0/255.0.0.0": false, "gss/krb5": false,
		"host": true, "host.example.org": true, "10.1": true, "010.0.0.1": true, "10.0.0.300": true,
	} {
		if got := IsName(clientOf(client)); got != want {
			t.Errorf("%s: %t", client, got)
		}
	}
}
