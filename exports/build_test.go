package exports_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

// instance is an active instance with addresses, each written ADDRESS or
// NETWORK=ADDRESS; the network is else "flat".
func instance(id string, addresses ...string) exports.Instance {
	i := exports.Instance{ID: id, Name: "name of " + id, Region: "east", Status: "ACTIVE"}
	for _, a := range addresses {
		network, addr, ok := strings.Cut(a, "=")
		if !ok {
			network, addr = "flat", a
		}
		i.Addresses = append(i.Addresses, exports.Address{Network: network, Addr: netip.MustParseAddr(addr)})
	}
	return i
}

// served is evidence with one project for each of the given ones, by its name,
// which has a mount of its own, /srv/NAME, and /srv/shared.
func served(projects ...exports.Project) exports.Evidence {
	e := exports.Evidence{
		Config:    &exports.Config{Limits: exports.Limits{MaxRemoved: exports.DefaultMaxRemoved, MaxRemovedPercent: exports.DefaultMaxRemovedPercent}},
		Hosts:     exports.Hosts{"here": {Where: exports.Here}, "far": {Where: exports.Elsewhere}, "lost": {Where: exports.Unresolved}},
		Inventory: exports.Inventory{Projects: map[string]exports.Project{}},
		Local:     addrs("127.0.0.1", "192.0.2.1", "2001:db8::1"),
	}
	for _, p := range projects {
		e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: p.Name, Options: "rw," + p.Name, Mounts: []exports.Mount{
			{Key: "own", Host: "here", Path: "/srv/" + p.Name},
			{Key: "shared", Host: "here", Path: "/srv/shared"},
			{Key: "far", Host: "far", Path: "/srv/far"},
			{Key: "lost", Host: "lost", Path: "/srv/lost"},
		}})
		e.Inventory.Projects[p.Name] = p
	}
	return e
}

func project(name string, instances ...exports.Instance) exports.Project {
	return exports.Project{Sight: exports.Shown, ID: "id-" + name, Name: name, Enabled: true, Instances: instances}
}

func described(set exports.Set) []string {
	var lines []string
	for _, g := range set.Grants() {
		owner := g.Owner.ID + "/" + g.Owner.Name
		if g.Owner.Public != "" {
			owner = "public." + g.Owner.Public
		}
		lines = append(lines, fmt.Sprintf("%s %s(%s) %s %s %s", g.Path, g.Client, g.Options, owner, g.Instance.ID, g.Instance.Name))
	}
	return lines
}

func TestBuild(t *testing.T) {
	public := func(name, path, client, options string) exports.PublicLine {
		return exports.PublicLine{Name: name, Path: path, Client: exports.ParseClient(client), Options: options}
	}
	tests := []struct {
		name string
		e    func() exports.Evidence
		want []string
	}{
		{"nothing", func() exports.Evidence { return served() }, nil},
		{"addresses of all instances, whatever their status", func() exports.Evidence {
			off := instance("i2", "10.0.0.2")
			off.Status = "SHUTOFF"
			return served(project("tools", instance("i1", "10.0.0.1", "2001:db8::9"), off))
		}, []string{
			"/srv/shared 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
			"/srv/shared 10.0.0.2(rw,tools) id-tools/tools i2 name of i2",
			"/srv/shared 2001:db8::9(rw,tools) id-tools/tools i1 name of i1",
			"/srv/tools 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
			"/srv/tools 10.0.0.2(rw,tools) id-tools/tools i2 name of i2",
			"/srv/tools 2001:db8::9(rw,tools) id-tools/tools i1 name of i1",
		}},
		{"two projects share a path", func() exports.Evidence {
			return served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.2")))
		}, []string{
			"/srv/a 10.0.0.1(rw,a) id-a/a i1 name of i1",
			"/srv/b 10.0.0.2(rw,b) id-b/b i2 name of i2",
			"/srv/shared 10.0.0.1(rw,a) id-a/a i1 name of i1",
			"/srv/shared 10.0.0.2(rw,b) id-b/b i2 name of i2",
		}},
		{"one address twice on one path is one grant", func() exports.Evidence {
			e := served(project("tools", instance("i1", "10.0.0.1", "float=10.0.0.1")))
			e.Config.Projects[0].Mounts = append(e.Config.Projects[0].Mounts, exports.Mount{Key: "again", Host: "here", Path: "/srv/tools"})
			return e
		}, []string{
			"/srv/shared 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
			"/srv/tools 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
		}},
		{"no instances", func() exports.Evidence { return served(project("tools")) }, nil},
		{"an instance without addresses", func() exports.Evidence { return served(project("tools", instance("i1"))) }, nil},
		{"a hidden project", func() exports.Evidence {
			return served(exports.Project{Name: "tools", Sight: exports.Hidden, Enabled: true, Instances: []exports.Instance{instance("i1", "10.0.0.1")}})
		}, nil},
		{"an absent project", func() exports.Evidence {
			return served(exports.Project{Name: "tools", Sight: exports.Absent, Enabled: true, Instances: []exports.Instance{instance("i1", "10.0.0.1")}})
		}, nil},
		{"a disabled project", func() exports.Evidence {
			p := project("tools", instance("i1", "10.0.0.1"))
			p.Enabled = false
			return served(p)
		}, nil},
		{"a project that nobody asked for", func() exports.Evidence {
			e := served(project("tools", instance("i1", "10.0.0.1")))
			delete(e.Inventory.Projects, "tools")
			return e
		}, nil},
		{"the configuration's id leads to a project of any name", func() exports.Evidence {
			e := served(project("tools", instance("i1", "10.0.0.1")))
			e.Config.Projects[0].Key = "id-tools"
			e.Inventory.Projects = map[string]exports.Project{"id-tools": e.Inventory.Projects["tools"]}
			return e
		}, []string{
			"/srv/shared 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
			"/srv/tools 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
		}},
		{"one project by its id and by its name", func() exports.Evidence {
			p := project("tools", instance("i1", "10.0.0.1"))
			e := served(p)
			e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: "id-tools", Options: "ro", Mounts: []exports.Mount{{Key: "more", Host: "here", Path: "/srv/more"}}})
			e.Inventory.Projects["id-tools"] = p
			return e
		}, []string{
			"/srv/more 10.0.0.1(ro) id-tools/tools i1 name of i1",
			"/srv/shared 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
			"/srv/tools 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
		}},
		{"only the networks that count", func() exports.Evidence {
			e := served(project("tools", instance("i1", "10.0.0.1", "float=10.0.0.2", "storage=10.0.0.3", "=10.0.0.4")))
			e.Config.OpenStack.Networks = []string{"storage", "float"}
			return e
		}, []string{
			"/srv/shared 10.0.0.2(rw,tools) id-tools/tools i1 name of i1",
			"/srv/shared 10.0.0.3(rw,tools) id-tools/tools i1 name of i1",
			"/srv/tools 10.0.0.2(rw,tools) id-tools/tools i1 name of i1",
			"/srv/tools 10.0.0.3(rw,tools) id-tools/tools i1 name of i1",
		}},
		{"public lines need no project and no host", func() exports.Evidence {
			e := served()
			e.Config.Public = []exports.PublicLine{public("scratch", "/srv/scratch", "*", "ro"), public("office", "/srv/scratch", "198.51.100.0/24", "rw")}
			return e
		}, []string{
			"/srv/scratch *(ro) public.scratch  ",
			"/srv/scratch 198.51.100.0/24(rw) public.office  ",
		}},
		{"a public line with an address beats the grant of a project", func() exports.Evidence {
			e := served(project("tools", instance("i1", "10.0.0.1", "2001:db8::9")))
			e.Config.Public = []exports.PublicLine{public("scratch", "/srv/shared", "*", "ro"), public("special", "/srv/shared", "10.0.0.1", "ro,sync"), public("special", "/srv/shared", "2001:DB8:0::9", "ro,async")}
			return e
		}, []string{
			"/srv/shared 10.0.0.1(ro,sync) public.special  ",
			"/srv/shared 2001:db8::9(ro,async) public.special  ",
			"/srv/shared *(ro) public.scratch  ",
			"/srv/tools 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
			"/srv/tools 2001:db8::9(rw,tools) id-tools/tools i1 name of i1",
		}},
		{"an impossible address in a network that does not count", func() exports.Evidence {
			e := served(project("tools", instance("i1", "10.0.0.1", "storage=127.0.0.1")))
			e.Config.OpenStack.Networks = []string{"flat"}
			return e
		}, []string{
			"/srv/shared 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
			"/srv/tools 10.0.0.1(rw,tools) id-tools/tools i1 name of i1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := exports.Build(tt.e())
			if diff := cmp.Diff(tt.want, described(set), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("grants (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildImpossibleAddresses(t *testing.T) {
	tests := []struct {
		addr string
		why  string
	}{
		{"0.0.0.0", "unspecified"},
		{"::", "unspecified"},
		{"127.0.0.1", "loopback"},
		{"127.255.255.254", "loopback"},
		{"::1", "loopback"},
		{"169.254.169.254", "link-local"},
		{"fe80::1", "link-local"},
		{"fe80::1%eth0", "link-local"},
		{"febf::1", "link-local"},
		{"224.0.0.1", "multicast"},
		{"239.255.255.255", "multicast"},
		{"ff02::1", "multicast"},
		{"255.255.255.255", "broadcast"},
		{"192.0.2.1", "this server"},
		{"2001:db8::1", "this server"},
		// The same in the disguise of IPv6: as a client it would be the IPv4
		// address.
		{"::ffff:0.0.0.0", ""},
		{"::ffff:127.0.0.1", ""},
		{"::ffff:169.254.169.254", ""},
		{"::ffff:224.0.0.1", ""},
		{"::ffff:255.255.255.255", ""},
		{"::ffff:192.0.2.1", ""},
		// A zone means something to the server that it was seen from alone.
		{"2001:db8::2%eth0", ""},
		{"2001:db8::1%eth0", ""},
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			e := served(project("good", instance("i1", "10.0.0.1")), project("tools", instance("i2", "10.0.0.2", tt.addr)))
			set := exports.Build(e)
			without := exports.Build(served(project("good", instance("i1", "10.0.0.1")), project("tools", instance("i2", "10.0.0.2"))))
			if diff := cmp.Diff(described(without), described(set)); diff != "" || set.Len() != 4 {
				t.Fatalf("-without the address +with it:\n%s", diff)
			}
			warnings := strings.Join(e.AddressWarnings(), "\n")
			if tt.why == "this server" || tt.addr == "::ffff:192.0.2.1" {
				if warnings != "" {
					t.Errorf("warnings about an address of this server: %s", warnings)
				}
				return
			}
			for _, want := range []string{tt.why, `"name of i2"`, "(i2)", `"tools"`, netip.MustParseAddr(tt.addr).String(), "gets no grant"} {
				if !strings.Contains(warnings, want) {
					t.Errorf("%q does not say %q", warnings, want)
				}
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		e := served(project("tools", exports.Instance{ID: "i1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat"}}}))
		if set := exports.Build(e); set.Len() != 0 || len(e.AddressWarnings()) != 1 {
			t.Errorf("%v, %q", described(set), e.AddressWarnings())
		}
	})
	t.Run("the server's own address from an interface in the form of IPv6", func(t *testing.T) {
		e := served(project("tools", instance("i1", "192.0.2.77")))
		e.Local = addrs("::ffff:192.0.2.77")
		if set := exports.Build(e); set.Len() != 0 || len(e.AddressWarnings()) != 0 {
			t.Errorf("%v, %q", described(set), e.AddressWarnings())
		}
	})
	t.Run("two projects have one that no client can have", func(t *testing.T) {
		e := served(project("good", instance("i1", "169.254.1.1", "192.0.2.1")), project("tools", instance("i2", "169.254.1.1", "192.0.2.1")))
		if plan := decide(t, nil, e, gone); plan.Desired.Len()+len(plan.Frozen) != 0 {
			t.Errorf("%v, frozen %v", described(plan.Desired), plan.Frozen)
		}
	})
	t.Run("one tenant with very many", func(t *testing.T) {
		p := project("tools")
		for n := range 200 {
			p.Instances = append(p.Instances, instance(fmt.Sprint("i", n), fmt.Sprintf("127.0.0.%d", n)))
		}
		warnings := served(p).AddressWarnings()
		if len(warnings) != 21 || !strings.HasPrefix(warnings[20], "180 more addresses") {
			t.Errorf("%d warnings, the last is %q", len(warnings), warnings[len(warnings)-1])
		}
	})
}

func TestBuildPossibleAddresses(t *testing.T) {
	for _, addr := range []string{"10.0.0.2", "172.16.0.1", "192.168.0.255", "100.64.0.1", "203.0.113.1", "fd00::1", "2001:db8::2", "fec0::1"} {
		if set := exports.Build(served(project("tools", instance("i1", addr)))); set.Len() != 2 {
			t.Errorf("%s: %d grants", addr, set.Len())
		}
	}
}

// TestBuildUnmaps: Client says that it never holds an IPv4-mapped address.
func TestBuildUnmaps(t *testing.T) {
	for _, g := range exports.Build(served(project("tools", instance("i1", "::ffff:10.0.0.1")))).Grants() {
		if g.Client != exports.ParseClient("10.0.0.1") {
			t.Errorf("client %s", g.Client)
		}
	}
}

// TestBuildKeepsClaims: an address of two projects is in the set, for each project on
// its own path and for the first of them on the shared one.
func TestBuildKeepsClaims(t *testing.T) {
	e := served(project("b", instance("i2", "10.0.0.1")), project("a", instance("i1", "10.0.0.1")))
	want := []string{
		"/srv/a 10.0.0.1(rw,a) id-a/a i1 name of i1",
		"/srv/b 10.0.0.1(rw,b) id-b/b i2 name of i2",
		"/srv/shared 10.0.0.1(rw,a) id-a/a i1 name of i1",
	}
	for range 2 {
		if diff := cmp.Diff(want, described(exports.Build(e))); diff != "" {
			t.Errorf("grants (-want +got):\n%s", diff)
		}
		slices.Reverse(e.Config.Projects)
	}
}

func TestAddressWarningsQuoteHostileNames(t *testing.T) {
	for _, name := range hostile {
		p := project("tools", instance(name, "::1"))
		p.Name, p.Instances[0].Name = name, name
		clean(t, "AddressWarnings", strings.Join(served(p).AddressWarnings(), "; "), 1)
	}
}

// TestAddressWarningsName has ids, which people copy from messages: an ordinary one
// stands there as it is.
func TestAddressWarningsName(t *testing.T) {
	for id, want := range map[string]string{
		"azAZ09-_.:": "(azAZ09-_.:)",
		"":           `("")`,
		"a b":        `("a b")`,
		"a`b":        "(\"a`b\")",
		"a{b":        `("a{b")`,
		"a@b":        `("a@b")`,
		"a[b":        `("a[b")`,
		"a/b":        `("a/b")`,
		"a;b":        `("a;b")`,
	} {
		err := strings.Join(served(project("tools", instance(id, "127.0.0.1"))).AddressWarnings(), "")
		if !strings.Contains(err, want) {
			t.Errorf("%q: %v, want %s in it", id, err, want)
		}
	}
}

// TestBuildIgnoresOrder has the ties that a stable sort alone would leave to
// the order of its input.
func TestBuildIgnoresOrder(t *testing.T) {
	same := func(t *testing.T, e exports.Evidence, reverse func()) {
		t.Helper()
		first := exports.Build(e)
		reverse()
		second := exports.Build(e)
		if diff := cmp.Diff(described(first), described(second)); diff != "" {
			t.Errorf("the order of the input changed the grants:\n%s", diff)
		}
	}
	t.Run("two instances of a project with one address", func(t *testing.T) {
		e := served(project("a", instance("i1", "10.0.0.1"), instance("i2", "10.0.0.1")))
		same(t, e, func() { slices.Reverse(e.Inventory.Projects["a"].Instances) })
	})
	t.Run("two public lines that agree", func(t *testing.T) {
		e := served()
		for _, name := range []string{"x", "y"} {
			e.Config.Public = append(e.Config.Public, exports.PublicLine{Name: name, Path: home, Client: exports.Client{Literal: "*"}, Options: "ro"})
		}
		same(t, e, func() { slices.Reverse(e.Config.Public) })
	})
	t.Run("one project under two keys with different options", func(t *testing.T) {
		p := project("a", instance("i1", "10.0.0.1"))
		e := served(p, p)
		e.Config.Projects[1].Key, e.Config.Projects[1].Options = "id-a", "ro"
		e.Inventory.Projects["id-a"] = p
		same(t, e, func() { slices.Reverse(e.Config.Projects) })
	})
}
