package exports_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

func addrs(texts ...string) []netip.Addr {
	var parsed []netip.Addr
	for _, text := range texts {
		parsed = append(parsed, netip.MustParseAddr(text))
	}
	return parsed
}

func TestLocate(t *testing.T) {
	local := addrs("127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "fe80::1")
	tests := []struct {
		name         string
		addrs, local []netip.Addr
		want         exports.Where
	}{
		{"no address", nil, local, exports.Unresolved},
		{"the only address is here", addrs("192.0.2.1"), local, exports.Here},
		{"IPv6", addrs("2001:db8::1"), local, exports.Here},
		{"another address", addrs("192.0.2.2"), local, exports.Elsewhere},
		{"the first of several is here", addrs("192.0.2.1", "192.0.2.2"), local, exports.Here},
		{"the last of several is here", addrs("192.0.2.3", "192.0.2.2", "192.0.2.1"), local, exports.Here},
		{"A is elsewhere, AAAA is here", addrs("192.0.2.2", "2001:db8::1"), local, exports.Here},
		{"none of several is here", addrs("192.0.2.3", "2001:db8::2"), local, exports.Elsewhere},
		{"the resolver gave an IPv4-mapped address", addrs("::ffff:192.0.2.1"), local, exports.Here},
		{"the resolver gave a zone", addrs("2001:db8::1%eth0"), local, exports.Here},
		{"an interface gave an IPv4-mapped address", addrs("192.0.2.1"), addrs("::ffff:192.0.2.1"), exports.Here},
		{"an interface gave a zone", addrs("2001:db8::1"), addrs("2001:db8::1%eth0"), exports.Here},
		{"nothing is known of this server", addrs("192.0.2.1"), nil, exports.Unresolved},
		{"a private address of another", addrs("10.0.0.2"), local, exports.Elsewhere},
		{"a unique local address of another", addrs("fd00::2"), local, exports.Elsewhere},

		// Answers that say nothing, also where an interface has the address.
		{"loopback, which an interface has", addrs("127.0.0.1"), local, exports.Unresolved},
		{"the own name in /etc/hosts of Debian", addrs("127.0.1.1"), local, exports.Unresolved},
		{"loopback of IPv6", addrs("::1"), local, exports.Unresolved},
		{"mapped loopback", addrs("::ffff:127.0.1.1"), local, exports.Unresolved},
		{"unspecified", addrs("0.0.0.0"), local, exports.Unresolved},
		{"unspecified of IPv6", addrs("::"), local, exports.Unresolved},
		{"mapped unspecified", addrs("::ffff:0.0.0.0"), local, exports.Unresolved},
		{"link-local", addrs("169.254.1.1"), local, exports.Unresolved},
		{"link-local of IPv6, which an interface has", addrs("fe80::1%eth0"), local, exports.Unresolved},
		{"mapped link-local", addrs("::ffff:169.254.1.1"), local, exports.Unresolved},
		{"multicast", addrs("224.0.0.1"), local, exports.Unresolved},
		{"multicast of IPv6", addrs("ff02::1%eth0"), local, exports.Unresolved},
		{"mapped multicast", addrs("::ffff:224.0.0.1"), local, exports.Unresolved},
		{"broadcast", addrs("255.255.255.255"), local, exports.Unresolved},
		{"mapped broadcast", addrs("::ffff:255.255.255.255"), local, exports.Unresolved},
		{"several that say nothing", addrs("127.0.1.1", "::1", "fe80::2"), local, exports.Unresolved},

		// They are ignored beside others.
		{"loopback and here", addrs("127.0.1.1", "192.0.2.1"), local, exports.Here},
		{"loopback and elsewhere", addrs("127.0.1.1", "2001:db8::2"), local, exports.Elsewhere},
		{"link-local and elsewhere", addrs("192.0.2.2", "fe80::1"), local, exports.Elsewhere},

		// A server whose interfaces are not up yet.
		{"only loopback is up", addrs("192.0.2.2"), addrs("127.0.0.1", "::1"), exports.Unresolved},
		{"only loopback and link-local are up", addrs("192.0.2.2"), addrs("127.0.0.1", "::1", "fe80::1%eth0", "169.254.7.7"), exports.Unresolved},
		{"a mapped loopback address is no other", addrs("192.0.2.2"), addrs("::ffff:127.0.0.1"), exports.Unresolved},
		{"one address is up", addrs("192.0.2.2"), addrs("127.0.0.1", "2001:db8::1"), exports.Elsewhere},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.addrs)
			if got := exports.Locate(tt.addrs, tt.local); got.Where != tt.want || got.Why == "" {
				t.Errorf("Locate(%v, %v) = %+v, want %d", tt.addrs, tt.local, got, tt.want)
			}
			if !slices.Equal(before, tt.addrs) {
				t.Errorf("Locate changed the addresses %v to %v", before, tt.addrs)
			}
		})
	}
}

// TestHostsAgain: each pair of answers of two look-ups.
func TestHostsAgain(t *testing.T) {
	const here, elsewhere, unresolved = exports.Here, exports.Elsewhere, exports.Unresolved
	for _, tt := range []struct {
		first, second, want exports.Where
		disagree            bool
	}{
		{here, here, here, false},
		{here, elsewhere, unresolved, true},
		{here, unresolved, unresolved, false},
		{elsewhere, here, unresolved, true},
		{elsewhere, elsewhere, elsewhere, false},
		{elsewhere, unresolved, unresolved, false},
		{unresolved, here, unresolved, false},
		{unresolved, elsewhere, unresolved, false},
		{unresolved, unresolved, unresolved, false},
	} {
		first := exports.Hosts{"h": {Where: tt.first, Why: "resolves to [a]"}, "other": {Where: here, Why: "resolves to [o]"}}
		second := exports.Hosts{"h": {Where: tt.second, Why: "resolves to [b]"}, "other": {Where: here, Why: "resolves to [o p]"}}
		got, err := first.Again(second)
		if tt.disagree {
			disagree, ok := err.(*exports.DisagreeError)
			if !ok || got != nil || len(disagree.Hosts) != 1 || disagree.Hosts[0].Name != "h" {
				t.Errorf("%d, then %d: %v, %v", tt.first, tt.second, got, err)
				continue
			}
			for _, part := range []string{"mount host h is", "it resolves to [a], then it resolves to [b]", "--serve-as", "nothing was changed"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not have %q", err, part)
				}
			}
			continue
		}
		if err != nil || got["h"].Where != tt.want || got["other"] != first["other"] {
			t.Errorf("%d, then %d: %v, %v", tt.first, tt.second, got, err)
		}
		if tt.first != unresolved && tt.want == unresolved && !strings.Contains(got["h"].Why, "it resolves to [a] at first, but a second look-up did not confirm that: resolves to [b]") {
			t.Errorf("%d, then %d: %q", tt.first, tt.second, got["h"].Why)
		}
	}
	// A host that the second look-up lacks is not confirmed.
	got, err := exports.Hosts{"h": {Where: elsewhere, Why: "resolves to [a]"}}.Again(nil)
	if err != nil || got["h"].Where != unresolved || !strings.HasSuffix(got["h"].Why, ": no answer") {
		t.Errorf("no second answer: %v, %v", got, err)
	}
}

// servers is a configuration with one mount on each of the named hosts, each
// of a project that is called like the host.
func servers(names ...string) *exports.Config {
	c := &exports.Config{}
	for _, name := range names {
		c.Projects = append(c.Projects, exports.ProjectConfig{Key: name, Mounts: []exports.Mount{{Key: "m", Host: name, Path: home}}})
	}
	return c
}

func TestConfigHosts(t *testing.T) {
	c := servers("b.example", "a.example", "b.example", "c.example")
	c.Projects[0].Mounts = append(c.Projects[0].Mounts, exports.Mount{Host: "2001:db8::1", Path: other}, exports.Mount{Host: "a.example", Path: other})
	if diff := cmp.Diff([]string{"2001:db8::1", "a.example", "b.example", "c.example"}, c.Hosts()); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if got := (&exports.Config{}).Hosts(); len(got) != 0 {
		t.Errorf("an empty configuration has hosts %q", got)
	}
}

func TestConfigServed(t *testing.T) {
	hosts := exports.Hosts{
		"here":       {Where: exports.Here},
		"elsewhere":  {Where: exports.Elsewhere},
		"unresolved": {Where: exports.Unresolved},
	}
	c := servers("here", "elsewhere", "unresolved", "unasked")
	c.Projects = append(c.Projects,
		exports.ProjectConfig{Key: "no mounts"},
		exports.ProjectConfig{Key: "one of two", Mounts: []exports.Mount{{Host: "elsewhere", Path: home}, {Host: "here", Path: home}}},
	)
	var got []string
	for _, p := range c.Served(hosts) {
		got = append(got, p.Key)
	}
	if diff := cmp.Diff([]string{"here", "one of two"}, got); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
}

func TestConfigStandby(t *testing.T) {
	elsewhere, here, unresolved := exports.Host{Where: exports.Elsewhere}, exports.Host{Where: exports.Here}, exports.Host{Where: exports.Unresolved}
	line := []exports.PublicLine{{Name: "scratch", Path: home, Client: exports.Client{Literal: "*"}, Options: "ro"}}
	tests := []struct {
		name   string
		config *exports.Config
		hosts  exports.Hosts
		public []exports.PublicLine
		want   bool
	}{
		{"all elsewhere", servers("a", "b"), exports.Hosts{"a": elsewhere, "b": elsewhere}, nil, true},
		{"all elsewhere and a public line", servers("a", "b"), exports.Hosts{"a": elsewhere, "b": elsewhere}, line, false},
		{"one here", servers("a", "b"), exports.Hosts{"a": elsewhere, "b": here}, nil, false},
		{"one unresolved", servers("a", "b"), exports.Hosts{"a": elsewhere, "b": unresolved}, nil, false},
		{"all unresolved", servers("a", "b"), exports.Hosts{"a": unresolved, "b": unresolved}, nil, false},
		{"one that nobody asked for", servers("a", "b"), exports.Hosts{"a": elsewhere}, nil, false},
		{"no mounts at all", &exports.Config{}, nil, nil, false},
		{"a project without mounts", &exports.Config{Projects: []exports.ProjectConfig{{Key: "a"}}}, nil, nil, false},
		{"public lines alone", &exports.Config{}, nil, line, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Public = tt.public
			if got := tt.config.Standby(tt.hosts); got != tt.want {
				t.Errorf("standby is %t, want %t", got, tt.want)
			}
		})
	}
}

func TestProjectsToRead(t *testing.T) {
	line := func(id, name string) exports.Grant {
		return exports.Grant{Path: home, Client: exports.ParseClient("10.0.0.1"), Options: "rw", Owner: exports.Owner{ID: id, Name: name}}
	}
	here := exports.Hosts{"a": {Where: exports.Here}, "b": {Where: exports.Here}, "far": {Where: exports.Elsewhere}}
	owners := func(ids ...string) (owners []exports.Owner) {
		for _, id := range ids {
			owners = append(owners, exports.Owner{ID: id})
		}
		return owners
	}
	seen := line("id-a", "a")
	seen.Owner.Domain = "ldap"
	at := func(client string, g exports.Grant) exports.Grant { g.Client = exports.ParseClient(client); return g }
	tests := []struct {
		name   string
		config *exports.Config
		today  []exports.Grant
		keys   []string
		ids    []exports.Owner
	}{
		{"nothing today", servers("b", "a"), nil, []string{"b", "a"}, nil},
		{"what is not served is not asked for by its key", servers("far", "a"), nil, []string{"a"}, nil},
		{"a line's id behind a name that is not served or not there", servers("far", "a"), []exports.Grant{
			line("id-far", "far"),
			{Path: other, Client: exports.ParseClient("10.0.0.1"), Owner: exports.Owner{ID: "id-x", Name: "x"}},
		}, []string{"a"}, owners("id-far", "id-x")},
		{"a line's id behind a name", servers("a"), []exports.Grant{line("id-a", "a")}, []string{"a"}, owners("id-a")},
		{"a line's id that is a key", servers("a"), []exports.Grant{line("a", "name of a")}, []string{"a"}, owners("a")},
		{"an adopted line has no id", servers("a"), []exports.Grant{line("", "a")}, []string{"a"}, nil},
		{"a public line has no id", servers("a"), []exports.Grant{{Path: home, Client: exports.Client{Literal: "*"}, Owner: exports.Owner{Public: "a"}}}, []string{"a"}, nil},
		{"each id once, sorted", servers("b", "a"), []exports.Grant{
			line("id-b", "b"),
			{Path: other, Client: exports.ParseClient("10.0.0.1"), Owner: exports.Owner{ID: "id-b", Name: "b"}},
			{Path: other, Client: exports.ParseClient("10.0.0.2"), Owner: exports.Owner{ID: "id-a", Name: "a"}},
		}, []string{"b", "a"}, owners("id-a", "id-b")},
		{"two ids behind one name", servers("a"), []exports.Grant{
			line("id-new", "a"),
			{Path: other, Client: exports.ParseClient("10.0.0.1"), Owner: exports.Owner{ID: "id-before", Name: "a"}},
		}, []string{"a"}, owners("id-before", "id-new")},
		{"the domain that a line has", servers("a"), []exports.Grant{
			line("id-a", "a"), at("10.0.0.2", seen), at("10.0.0.3", line("id-a", "a")),
		}, []string{"a"}, []exports.Owner{{ID: "id-a", Domain: "ldap"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, ids := exports.ProjectsToRead(tt.config, here, exports.NewSet(tt.today))
			if diff := cmp.Diff(tt.keys, keys, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.ids, ids, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
		})
	}
}
