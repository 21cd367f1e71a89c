package exports_test

import (
	"errors"
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
		Config:    &exports.Config{},
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
			set, err := exports.Build(tt.e())
			if err != nil {
				t.Fatal(err)
			}
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
			set, err := exports.Build(e)
			without, _ := exports.Build(served(project("good", instance("i1", "10.0.0.1")), project("tools", instance("i2", "10.0.0.2"))))
			if diff := cmp.Diff(described(without), described(set)); err != nil || diff != "" || set.Len() != 4 {
				t.Fatalf("%v; -without the address +with it:\n%s", err, diff)
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
		set, err := exports.Build(e)
		if err != nil || set.Len() != 0 || len(e.AddressWarnings()) != 1 {
			t.Errorf("%v, %v, %q", described(set), err, e.AddressWarnings())
		}
	})
	t.Run("the server's own address from an interface in the form of IPv6", func(t *testing.T) {
		e := served(project("tools", instance("i1", "192.0.2.77")))
		e.Local = addrs("::ffff:192.0.2.77")
		set, err := exports.Build(e)
		if err != nil || set.Len() != 0 || len(e.AddressWarnings()) != 0 {
			t.Errorf("%v, %v, %q", described(set), err, e.AddressWarnings())
		}
	})
	t.Run("two projects have one that no client can have", func(t *testing.T) {
		e := served(project("good", instance("i1", "169.254.1.1", "192.0.2.1")), project("tools", instance("i2", "169.254.1.1", "192.0.2.1")))
		if set, err := exports.Build(e); err != nil || set.Len() != 0 {
			t.Errorf("%v, %v", described(set), err)
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
		set, err := exports.Build(served(project("tools", instance("i1", addr))))
		if err != nil || set.Len() != 2 {
			t.Errorf("%s: %d grants, %v", addr, set.Len(), err)
		}
	}
}

// TestBuildUnmaps: Client says that it never holds an IPv4-mapped address.
// Either the address becomes an IPv4 one, or it is refused.
func TestBuildUnmaps(t *testing.T) {
	set, err := exports.Build(served(project("tools", instance("i1", "::ffff:10.0.0.1"))))
	if err == nil {
		for _, g := range set.Grants() {
			if g.Client != exports.ParseClient("10.0.0.1") {
				t.Errorf("client %s", g.Client)
			}
		}
	}
	_, err = exports.Build(served(project("a", instance("i1", "::ffff:10.0.0.1")), project("b", instance("i2", "10.0.0.1"))))
	if err == nil {
		t.Error("an address is held twice, once in the form of IPv6, and nobody notices")
	}
}

func TestBuildClaimedTwice(t *testing.T) {
	tests := []struct {
		name     string
		e        func() exports.Evidence
		addr     string
		holds    []string // instances
		more     int
		contains []string
	}{
		{"two projects", func() exports.Evidence {
			return served(project("b", instance("i2", "10.0.0.1")), project("a", instance("i1", "10.0.0.1")))
		}, "10.0.0.1", []string{"i1", "i2"}, 0, []string{`instance "name of i1" (i1) of project "a" (id-a) in region east and by instance "name of i2"`, "openstack.networks"}},
		{"three addresses, the lowest is named", func() exports.Evidence {
			return served(project("a", instance("i1", "2001:db8::7", "10.0.0.10", "10.0.0.9")), project("b", instance("i2", "10.0.0.10", "2001:db8::7", "10.0.0.9")))
		}, "10.0.0.9", []string{"i1", "i2"}, 2, []string{"2 more addresses"}},
		{"two addresses", func() exports.Evidence {
			return served(project("a", instance("i1", "10.0.0.10", "10.0.0.9")), project("b", instance("i2", "10.0.0.10", "10.0.0.9")))
		}, "10.0.0.9", []string{"i1", "i2"}, 1, []string{"1 more address"}},
		{"different networks of the same addresses", func() exports.Evidence {
			return served(project("a", instance("i1", "tenant-a=10.0.0.1")), project("b", instance("i2", "tenant-b=10.0.0.1")))
		}, "10.0.0.1", []string{"i1", "i2"}, 0, nil},
		{"without a common path", func() exports.Evidence {
			e := served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1")))
			for i := range e.Config.Projects {
				e.Config.Projects[i].Mounts = e.Config.Projects[i].Mounts[:1]
			}
			return e
		}, "10.0.0.1", []string{"i1", "i2"}, 0, nil},
		{"at a public line's place", func() exports.Evidence {
			e := served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1")))
			e.Config.Public = []exports.PublicLine{{Name: "x", Path: "/srv/shared", Client: exports.ParseClient("10.0.0.1"), Options: "ro"}}
			return e
		}, "10.0.0.1", []string{"i1", "i2"}, 0, nil},
		{"three projects", func() exports.Evidence {
			return served(project("c", instance("i3", "10.0.0.1")), project("b", instance("i2", "10.0.0.1")), project("a", instance("i1", "10.0.0.1")))
		}, "10.0.0.1", []string{"i1", "i2"}, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := tt.e()
			for range 2 {
				set, err := exports.Build(e)
				var twice *exports.ClaimedTwiceError
				if !errors.As(err, &twice) {
					t.Fatalf("got %v, want a ClaimedTwiceError", err)
				}
				if set.Len() != 0 {
					t.Errorf("there is a set beside the error: %v", described(set))
				}
				if got := twice.Addr.String(); got != tt.addr {
					t.Errorf("the error is about %s, want %s", got, tt.addr)
				}
				if diff := cmp.Diff(tt.holds, []string{twice.Holds[0].Instance.ID, twice.Holds[1].Instance.ID}); diff != "" {
					t.Errorf("holders (-want +got):\n%s", diff)
				}
				if twice.More != tt.more {
					t.Errorf("%d more, want %d", twice.More, tt.more)
				}
				for _, want := range append(tt.contains, tt.addr) {
					if !strings.Contains(twice.Error(), want) {
						t.Errorf("%q does not say %q", twice, want)
					}
				}
				if tt.more == 0 && strings.Contains(twice.Error(), "more addresses") {
					t.Errorf("%q speaks of more addresses", twice)
				}
				// The order of the configuration must not matter.
				slices.Reverse(e.Config.Projects)
			}
		})
	}
}

func TestBuildNotClaimedTwice(t *testing.T) {
	tests := []struct {
		name string
		e    func() exports.Evidence
	}{
		{"two instances of one project", func() exports.Evidence {
			return served(project("a", instance("i1", "10.0.0.1"), instance("i2", "10.0.0.1")))
		}},
		{"one project under its id and its name", func() exports.Evidence {
			p := project("a", instance("i1", "10.0.0.1"))
			e := served(p, p)
			e.Config.Projects[1].Key = "id-a"
			e.Inventory.Projects["id-a"] = p
			return e
		}},
		{"narrowed to one network", func() exports.Evidence {
			e := served(project("a", instance("i1", "flat=10.0.0.1")), project("b", instance("i2", "tenant-b=10.0.0.1")))
			e.Config.OpenStack.Networks = []string{"flat"}
			return e
		}},
		{"one of both is not served here", func() exports.Evidence {
			e := served(project("a", instance("i1", "10.0.0.1")), project("b", instance("i2", "10.0.0.1")))
			e.Config.Projects[1].Mounts = e.Config.Projects[1].Mounts[2:]
			return e
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if set, err := exports.Build(tt.e()); err != nil || set.Len() == 0 {
				t.Errorf("%d grants, %v", set.Len(), err)
			}
		})
	}
}

func TestBuildErrorsQuoteHostileNames(t *testing.T) {
	for _, name := range hostile {
		p := project("tools", instance("i1", "10.0.0.1"))
		p.Name, p.Instances[0].Name = name, name
		q := project("b", instance("i2", "10.0.0.1"))
		e := served(p, q)
		_, err := exports.Build(e)
		if err == nil {
			t.Fatal("no error")
		}
		clean(t, "ClaimedTwiceError", err.Error(), 1)
		p.Instances[0].Addresses[0].Addr = netip.MustParseAddr("::1")
		clean(t, "AddressWarnings", strings.Join(e.AddressWarnings(), "; "), 1)
	}
}

func TestBuildErrorsQuoteHostileIDs(t *testing.T) {
	for _, id := range hostile {
		p := project("tools", instance(id, "10.0.0.1"))
		p.ID, p.Instances[0].Region = id, id
		_, err := exports.Build(served(p, project("b", instance("i2", "10.0.0.1"))))
		if err == nil {
			t.Fatal("no error")
		}
		clean(t, "ClaimedTwiceError", err.Error(), 1)
	}
}

// TestBuildErrorsName has ids, which people copy from messages: an ordinary one
// stands there as it is.
func TestBuildErrorsName(t *testing.T) {
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
		first, firstErr := exports.Build(e)
		reverse()
		second, secondErr := exports.Build(e)
		if fmt.Sprint(firstErr) != fmt.Sprint(secondErr) {
			t.Errorf("the order of the input changed the error: %v and %v", firstErr, secondErr)
		}
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
