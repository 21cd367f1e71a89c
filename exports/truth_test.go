package exports_test

import (
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nfs-exportd/exports"
)

// The properties compare what the package decides with a small made-up truth:
// a cloud, a resolver's zone, a configuration and a file of today. What the
// program gets to see of it is true, and may be incomplete. So there is no need
// to repeat the program's rules here; the question is always whether a decision
// is right in that world.

func TestMain(m *testing.M) {
	flag.Parse()
	set := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { set[f.Name] = true })
	for name, value := range map[string]string{
		"rapid.checks":     "1000", // of small worlds, a fraction of a millisecond each
		"rapid.nofailfile": "true", // the seed in the output is enough
	} {
		if !set[name] {
			if err := flag.Set(name, value); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}

// A real project, as it is in the cloud, whoever may see it.
type reality struct {
	id, name  string
	enabled   bool
	instances []exports.Instance
}

// truth is how things are.
type truth struct {
	projects []reality // that exist
	hosts    map[string]exports.Where
	config   *exports.Config
	today    []exports.Grant
	local    []netip.Addr
}

// GoString is the truth as a failing test shows it.
func (w *truth) GoString() string {
	var b strings.Builder
	for _, p := range w.projects {
		fmt.Fprintf(&b, "\n  project %s %s, enabled %t", p.id, p.name, p.enabled)
		for _, i := range p.instances {
			fmt.Fprintf(&b, "; %s %s in %s %v, empty %v", i.ID, i.Status, i.Region, i.Addresses, i.EmptyNetworks)
		}
	}
	for _, h := range trueHosts {
		fmt.Fprintf(&b, "\n  host %s is here: %t", h, w.hosts[h] == exports.Here)
	}
	fmt.Fprintf(&b, "\n  networks %q", w.config.OpenStack.Networks)
	for _, l := range w.config.Public {
		fmt.Fprintf(&b, "\n  public.%s %s %s(%s)", l.Name, l.Path, l.Client, l.Options)
	}
	for _, c := range w.config.Projects {
		fmt.Fprintf(&b, "\n  private.%s (%s)", c.Key, c.Options)
		for _, m := range c.Mounts {
			fmt.Fprintf(&b, " %s:%s", m.Host, m.Path)
		}
	}
	for _, g := range w.today {
		fmt.Fprintf(&b, "\n  today %s %s(%s) of %+v, %q", g.Path, g.Client, g.Options, struct{ ID, Name, Public string }{g.Owner.ID, g.Owner.Name, g.Owner.Public}, g.Instance.ID)
	}
	return b.String()
}

var (
	trueIDs    = []string{"id-a", "id-b", "id-c", "id-d"}
	trueNames  = []string{"alpha", "beta", "gamma", "delta"}
	trueHosts  = []string{"h1", "h2", "h3"}
	truePaths  = []string{"/srv/a", "/srv/b", "/srv/c"}
	trueAddrs  = addrs("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.10", "2001:db8::1", "2001:db8::2")
	ownAddress = netip.MustParseAddr("192.0.2.1")
)

// odd is what a configuration, or a file of today, has at times.
type odd struct {
	twoKeys  bool // a project may be configured by its id and by its name
	oldNames bool // a line may have a name that its project has lost, and the configuration the new one
}

func pick[T any](t *rapid.T, label string, from []T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

// chance is true in about so many of 100 cases. A range of numbers would not
// do, as rapid prefers small ones.
func chance(t *rapid.T, label string, percent int) bool {
	odds := make([]bool, 20)
	for i := range percent / 5 {
		odds[len(odds)-1-i] = true
	}
	return pick(t, label, odds)
}

// drawTruth draws a truth as one value, so that a failure shows that and not
// hundreds of dice.
func drawTruth(t *rapid.T, o odd) *truth {
	return rapid.Custom(func(t *rapid.T) *truth { return makeTruth(t, o) }).Draw(t, "truth")
}

func makeTruth(t *rapid.T, o odd) *truth {
	w := &truth{hosts: map[string]exports.Where{}, local: []netip.Addr{ownAddress}, config: &exports.Config{Options: "rw", Limits: exports.Limits{MaxRemoved: 1000}}}
	names := rapid.Permutation(trueNames).Draw(t, "names")
	network := map[netip.Addr]string{}
	holders := map[netip.Addr][]string{}
	for _, a := range trueAddrs {
		network[a] = pick(t, "network", []string{"flat", "flat", "float"})
		holders[a] = []string{pick(t, "holder", trueIDs)}
		if chance(t, "of two projects", 15) {
			holders[a] = append(holders[a], pick(t, "second holder", trueIDs))
		}
	}
	if chance(t, "networks are narrowed", 40) {
		w.config.OpenStack.Networks = []string{"flat"}
		if chance(t, "to two", 30) {
			w.config.OpenStack.Networks = []string{"none", "flat"}
		}
	}
	for i, id := range trueIDs {
		if !chance(t, "exists", 80) {
			continue
		}
		p := reality{id: id, name: names[i], enabled: chance(t, "enabled", 85)}
		for n := range pick(t, "instances", []int{2, 1, 3, 0}) {
			instance := exports.Instance{ID: fmt.Sprintf("%s-%d", id, n), Name: fmt.Sprintf("vm%d", n), Region: pick(t, "region", []string{"east", "east", "east", "east", "west"}), Status: pick(t, "status", []string{"ACTIVE", "SHUTOFF", "BUILD", "ACTIVE", "DELETED"})}
			if chance(t, "empty network", 10) {
				instance.EmptyNetworks = []string{"storage"}
			}
			for _, a := range trueAddrs {
				if slices.Contains(holders[a], id) && chance(t, "address", 60) {
					instance.Addresses = append(instance.Addresses, exports.Address{Network: network[a], Addr: a})
				}
			}
			p.instances = append(p.instances, instance)
		}
		w.projects = append(w.projects, p)
	}
	for _, h := range trueHosts {
		w.hosts[h] = pick(t, "host", []exports.Where{exports.Here, exports.Here, exports.Elsewhere})
	}

	for i, n := 0, pick(t, "public lines", []int{0, 0, 1, 3}); i < n; i++ {
		path, client := pick(t, "public path", truePaths), pick(t, "public client", []string{"*", "10.0.0.1", "10.0.0.0/8"})
		options := "ro"
		if path == truePaths[0] {
			options = "ro,sync"
		}
		w.config.Public = append(w.config.Public, exports.PublicLine{Name: fmt.Sprintf("p%d", i), Path: path, Client: exports.ParseClient(client), Options: options, Line: 2 + i})
	}
	means := map[string]bool{}
	candidates := rapid.Permutation(append(slices.Clone(trueIDs), trueNames...)).Draw(t, "candidates")
	for i, key := range candidates[:pick(t, "keys", []int{5, 4, 3, 2, 1, 0})] {
		if p, ok := w.denotes(key); ok {
			if means[p.id] && !o.twoKeys {
				continue
			}
			means[p.id] = true
		}
		c := exports.ProjectConfig{Key: key, Options: "rw", Line: 10 * (i + 1)}
		if !o.twoKeys {
			c.Options = pick(t, "options", []string{"rw", "ro"})
		}
		for n := range pick(t, "mounts", []int{2, 1, 3, 0}) {
			c.Mounts = append(c.Mounts, exports.Mount{Key: fmt.Sprint("m", n), Host: pick(t, "mount host", trueHosts), Path: pick(t, "mount path", truePaths), Line: c.Line + n})
		}
		w.config.Projects = append(w.config.Projects, c)
	}

	places := map[exports.Place]bool{}
	add := func(g exports.Grant) {
		if !places[g.Place()] {
			places[g.Place()] = true
			w.today = append(w.today, g)
		}
	}
	for _, p := range w.projects {
		for _, place := range slices.SortedFunc(maps.Keys(w.wants(p.id)), exports.Place.Compare) {
			if chance(t, "granted today", 60) {
				owner := exports.Owner{ID: p.id, Name: p.name}
				if c, ok := w.configured(p); ok && !o.twoKeys && chance(t, "adopted", 20) {
					owner = exports.Owner{Name: c[0].Key}
				}
				add(exports.Grant{
					Path: place.Path, Client: place.Client, Options: pick(t, "today's options", []string{"rw", "ro"}), Owner: owner,
					Instance: exports.InstanceRef{ID: w.drawInstance(t, p.id, place.Client.Addr)},
				})
			}
		}
	}
	for range pick(t, "further grants", []int{6, 4, 2, 1, 0}) {
		g := exports.Grant{Path: pick(t, "path", append(slices.Repeat(truePaths, 5), "/srv/old")), Client: exports.Client{Addr: pick(t, "client", trueAddrs)}, Options: "rw"}
		kind := pick(t, "kind", []string{"configured", "configured", "configured", "configured", "configured", "id", "id", "adopted", "adopted", "public"})
		if kind == "adopted" && o.twoKeys {
			kind = "id"
		}
		switch kind {
		case "public":
			g.Owner.Public = pick(t, "public", []string{"p0", "p1", "alpha"})
			if chance(t, "literal", 50) {
				g.Client = exports.Client{Literal: "*"}
			}
		case "adopted":
			g.Owner.Name = pick(t, "name", append(w.keys(), trueNames...))
		case "id", "configured":
			g.Owner.ID = pick(t, "id", trueIDs)
			g.Owner.Name = pick(t, "name", trueNames)
			if kind == "configured" && len(w.config.Projects) > 0 {
				c := pick(t, "for", w.config.Projects)
				if p, ok := w.denotes(c.Key); ok {
					g.Owner.ID = p.id
				} else if slices.Contains(trueIDs, c.Key) {
					g.Owner.ID = c.Key
				} else {
					g.Owner.Name = c.Key
				}
				if len(c.Mounts) > 0 {
					g.Path = pick(t, "mount", c.Mounts).Path
				}
			}
			if i := slices.IndexFunc(w.projects, func(p reality) bool { return p.id == g.Owner.ID }); i >= 0 && chance(t, "current name", 60) {
				g.Owner.Name = w.projects[i].name
			}
			if p, exists := w.denotes(g.Owner.ID); exists && !o.oldNames {
				if configs, ok := w.configured(p); o.twoKeys || ok && configs[0].Key == p.name {
					g.Owner.Name = p.name
				}
			}
			g.Instance.ID = w.drawInstance(t, g.Owner.ID, g.Client.Addr)
		}
		add(g)
	}
	return w
}

// drawInstance gives the id in a line of a project: most often of the instance that has
// the address.
func (w *truth) drawInstance(t *rapid.T, project string, addr netip.Addr) string {
	holder := ""
	if p, ok := w.denotes(project); ok {
		for _, i := range p.alive() {
			if hasAddr(i, addr) {
				holder = i.ID
			}
		}
	}
	ids := []string{project + "-0", project + "-1", project + "-2", project + "-gone", "id-a-0", ""}
	if holder != "" {
		ids = append(slices.Repeat([]string{holder}, 6), ids...)
	}
	return pick(t, "instance", ids)
}

// alive are the instances that are there: a listing can have deleted ones besides.
func (p reality) alive() []exports.Instance {
	return slices.DeleteFunc(slices.Clone(p.instances), func(i exports.Instance) bool { return i.Status == "DELETED" })
}

// read are those of them that are in a region whose instances are read.
func (p reality) read() []exports.Instance {
	return slices.DeleteFunc(p.alive(), func(i exports.Instance) bool { return i.Region != "east" })
}

func (w *truth) keys() []string {
	var keys []string
	for _, c := range w.config.Projects {
		keys = append(keys, c.Key)
	}
	return keys
}

// denotes gives the project that a key means: by its id, or else by its name.
func (w *truth) denotes(key string) (reality, bool) {
	for _, of := range []func(reality) string{func(p reality) string { return p.id }, func(p reality) string { return p.name }} {
		for _, p := range w.projects {
			if of(p) == key {
				return p, true
			}
		}
	}
	return reality{}, false
}

// configured gives what the configuration truly has of a project.
func (w *truth) configured(p reality) ([]exports.ProjectConfig, bool) {
	var all []exports.ProjectConfig
	for _, c := range w.config.Projects {
		if q, ok := w.denotes(c.Key); ok && q.id == p.id {
			all = append(all, c)
		}
	}
	return all, len(all) > 0
}

func (w *truth) counts(a exports.Address) bool {
	return len(w.config.OpenStack.Networks) == 0 || slices.Contains(w.config.OpenStack.Networks, a.Network)
}
