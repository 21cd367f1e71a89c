package exports_test

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
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
		"rapid.checks":     "500",  // of small worlds, a fraction of a millisecond each
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
			fmt.Fprintf(&b, "; %s %s %v", i.ID, i.Status, i.Addresses)
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
		fmt.Fprintf(&b, "\n  today %s %s(%s) of %+v", g.Path, g.Client, g.Options, struct{ ID, Name, Public string }{g.Owner.ID, g.Owner.Name, g.Owner.Public})
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
	w := &truth{hosts: map[string]exports.Where{}, local: []netip.Addr{ownAddress}, config: &exports.Config{Options: "rw"}}
	names := rapid.Permutation(trueNames).Draw(t, "names")
	network := map[netip.Addr]string{}
	holders := map[netip.Addr]string{}
	for _, a := range trueAddrs {
		network[a] = pick(t, "network", []string{"flat", "flat", "float"})
		holders[a] = pick(t, "holder", trueIDs)
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
			instance := exports.Instance{ID: fmt.Sprintf("%s-%d", id, n), Name: fmt.Sprintf("vm%d", n), Region: "east", Status: pick(t, "status", []string{"ACTIVE", "SHUTOFF"})}
			for _, a := range trueAddrs {
				if holders[a] == id && chance(t, "address", 60) {
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
		wanted := slices.SortedFunc(maps.Keys(w.wants(p.id)), func(a, b exports.Place) int {
			return cmp.Or(strings.Compare(a.Path, b.Path), a.Client.Compare(b.Client))
		})
		for _, place := range wanted {
			if chance(t, "granted today", 60) {
				owner := exports.Owner{ID: p.id, Name: p.name}
				if c, ok := w.configured(p); ok && !o.twoKeys && chance(t, "adopted", 20) {
					owner = exports.Owner{Name: c[0].Key}
				}
				add(exports.Grant{Path: place.Path, Client: place.Client, Options: pick(t, "today's options", []string{"rw", "ro"}), Owner: owner})
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
		}
		add(g)
	}
	return w
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

// wants gives where a project truly has a right to a grant, with its options.
func (w *truth) wants(id string) map[exports.Place]string {
	wanted := map[exports.Place]string{}
	p, ok := w.denotes(id)
	if !ok || !p.enabled {
		return wanted
	}
	configs, _ := w.configured(p)
	for _, c := range configs {
		for _, m := range c.Mounts {
			if w.hosts[m.Host] != exports.Here {
				continue
			}
			for _, i := range p.instances {
				for _, a := range i.Addresses {
					if w.counts(a) {
						wanted[exports.Place{Path: m.Path, Client: exports.Client{Addr: a.Addr}}] = c.Options
					}
				}
			}
		}
	}
	return wanted
}

// owner gives the project that a line of today truly belongs to, if there is
// one. An adopted line belongs to what the configuration's key means.
func (w *truth) owner(g exports.Grant) (reality, bool) {
	if g.Owner.ID != "" {
		return w.denotes(g.Owner.ID)
	}
	if slices.Contains(w.keys(), g.Owner.Name) {
		return w.denotes(g.Owner.Name)
	}
	return reality{}, false
}

// holds tells whether a project has an address, and whether on a network that
// counts.
func (w *truth) holds(p reality, addr netip.Addr) (has, counts bool) {
	for _, i := range p.instances {
		for _, a := range i.Addresses {
			if a.Addr == addr {
				has, counts = true, counts || w.counts(a)
			}
		}
	}
	return has, counts
}

// right tells whether a reason to remove a grant is true.
func (w *truth) right(g exports.Grant, reason exports.Reason) bool {
	p, _ := w.owner(g)
	if configs, ok := w.configured(p); ok {
		right := func(r exports.Reason) bool { return w.rightFor(g, r, configs, ok) }
		// Nobody asks Keystone about what is elsewhere, so that a line with an
		// old name can be one or the other; it goes in either case.
		if p.name != g.Owner.Name && (reason == exports.NotInConfig || reason == exports.ServedElsewhere) {
			return right(exports.NotInConfig) || right(exports.ServedElsewhere)
		}
		return right(reason)
	}
	// A line of a project that nobody configures, or that is no more, belongs
	// to the key it came from: its id or its name.
	configured := false
	for _, key := range []string{g.Owner.ID, g.Owner.Name} {
		if i := slices.Index(w.keys(), key); i >= 0 {
			configured = true
			if w.rightFor(g, reason, w.config.Projects[i:i+1], true) {
				return true
			}
		}
	}
	return (p.id != "" || !configured) && w.rightFor(g, reason, nil, false)
}

// rightFor is right for a line of which it is known what is configured for it.
func (w *truth) rightFor(g exports.Grant, reason exports.Reason, configs []exports.ProjectConfig, configured bool) bool {
	p, exists := w.owner(g)
	public := g.Owner.Public != ""
	var wheres []exports.Where
	for _, c := range configs {
		for _, m := range c.Mounts {
			if m.Path == g.Path {
				wheres = append(wheres, w.hosts[m.Host])
			}
		}
	}
	has, counts := w.holds(p, g.Client.Addr)
	switch reason {
	case exports.PublicRemoved:
		return public && !slices.ContainsFunc(w.config.Public, func(l exports.PublicLine) bool { return l.Path == g.Path && l.Client == g.Client })
	case exports.NotInConfig:
		return !public && (!configured || len(wheres) == 0 || has && !counts)
	case exports.OwnAddress:
		return !public && slices.Contains(w.local, g.Client.Addr)
	case exports.ServedElsewhere:
		return !public && len(wheres) > 0 && !slices.ContainsFunc(wheres, func(at exports.Where) bool { return at != exports.Elsewhere })
	case exports.ProjectDeleted:
		return !public && !exists
	case exports.ProjectDisabled:
		return !public && exists && !p.enabled
	case exports.InstanceGone:
		return !public && exists && p.enabled && !has
	case exports.AddressReassigned:
		if public {
			return false
		}
		for _, q := range w.projects {
			_, counts := w.holds(q, g.Client.Addr)
			cs, _ := w.configured(q)
			served := slices.ContainsFunc(cs, func(c exports.ProjectConfig) bool {
				return slices.ContainsFunc(c.Mounts, func(m exports.Mount) bool { return w.hosts[m.Host] == exports.Here })
			})
			if counts && served && (!exists || q.id != p.id) {
				return true
			}
		}
		return false
	}
	return false
}

// view is which parts of the truth are not to be seen.
type view struct {
	hiddenKeys, hiddenIDs map[string]bool // questions that Keystone refuses to answer
	unresolved            map[string]bool // hosts
	silent                map[string]bool // active instances that Nova shows without their addresses
	silentAnswer          bool            // of a refusal not even the reason is known
}

// GoString is the view as a failing test shows it.
func (v view) GoString() string {
	names := func(of map[string]bool) []string { return slices.Sorted(maps.Keys(of)) }
	return fmt.Sprintf("hidden keys %q, hidden ids %q, unresolved %q, silent %q, without a word %t",
		names(v.hiddenKeys), names(v.hiddenIDs), names(v.unresolved), names(v.silent), v.silentAnswer)
}

func (v view) more(other view) view {
	merge := func(a, b map[string]bool) map[string]bool {
		c := maps.Clone(a)
		maps.Copy(c, b)
		return c
	}
	return view{merge(v.hiddenKeys, other.hiddenKeys), merge(v.hiddenIDs, other.hiddenIDs), merge(v.unresolved, other.unresolved), merge(v.silent, other.silent), v.silentAnswer}
}

func drawView(t *rapid.T, w *truth) view {
	return rapid.Custom(func(t *rapid.T) view { return makeView(t, w) }).Draw(t, "view")
}

func makeView(t *rapid.T, w *truth) view {
	subset := func(label string, of []string) map[string]bool {
		chosen := map[string]bool{}
		odds := pick(t, label+", percent", []int{0, 0, 0, 0, 25, 100})
		for _, s := range of {
			if chance(t, label, odds) {
				chosen[s] = true
			}
		}
		return chosen
	}
	var instances []string
	for _, p := range w.projects {
		for _, i := range p.instances {
			if i.Status == "ACTIVE" {
				instances = append(instances, i.ID)
			}
		}
	}
	return view{
		hiddenKeys:   subset("hidden keys", slices.Concat(trueIDs, trueNames)),
		hiddenIDs:    subset("hidden ids", trueIDs),
		unresolved:   subset("unresolved", trueHosts),
		silent:       subset("silent", instances),
		silentAnswer: chance(t, "no reason given", 30),
	}
}

// evidence is what the program gets to see, asked for as it asks.
func (w *truth) evidence(v view, today exports.Set) exports.Evidence {
	e := exports.Evidence{Config: w.config, Hosts: exports.Hosts{}, Local: w.local,
		Inventory: exports.Inventory{Projects: map[string]exports.Project{}, IDs: map[string]exports.Project{}}}
	for h, where := range w.hosts {
		e.Hosts[h] = exports.Host{Where: where, Why: "answer"}
		if v.unresolved[h] {
			e.Hosts[h] = exports.Host{Why: "SERVFAIL"}
		}
	}
	answer := func(question string, hidden map[string]bool, instances bool) exports.Project {
		if hidden[question] {
			if v.silentAnswer {
				return exports.Project{}
			}
			return exports.Project{Sight: exports.Hidden, Why: "403"}
		}
		p, ok := w.denotes(question)
		if !ok {
			return exports.Project{Sight: exports.Absent, Why: "404"}
		}
		shown := exports.Project{Sight: exports.Shown, ID: p.id, Name: p.name, Enabled: p.enabled}
		if instances && p.enabled {
			for _, i := range p.instances {
				if v.silent[i.ID] {
					i.Addresses = nil
				}
				shown.Instances = append(shown.Instances, i)
			}
		}
		return shown
	}
	keys, ids := exports.ProjectsToRead(w.config, e.Hosts, today)
	for _, k := range keys {
		e.Inventory.Projects[k] = answer(k, v.hiddenKeys, true)
	}
	for _, id := range ids {
		e.Inventory.IDs[id] = answer(id, v.hiddenIDs, false)
	}
	return e
}

func build(t *rapid.T, e exports.Evidence) exports.Set {
	desired, err := exports.Build(e)
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	return desired
}

// verdict is what becomes of each of today's grants by itself.
type verdict struct {
	grant   exports.Grant
	removed exports.Reason
	doubt   exports.Doubt
	own     bool // it stays, on behalf of the owner that it has today
}

func verdicts(t *rapid.T, w *truth, v view) []verdict {
	e := w.evidence(v, exports.NewSet(w.today))
	desired := build(t, e)
	var all []verdict
	for _, g := range w.today {
		plan, err := compared(exports.NewSet([]exports.Grant{g}), desired, e)
		var unclear *exports.UnclearError
		switch {
		case errors.As(err, &unclear):
			all = append(all, verdict{grant: g, doubt: unclear.Grants[0].Doubt})
		case err != nil:
			t.Fatalf("Compare: %v", err)
		case len(plan.Removed) == 1:
			all = append(all, verdict{grant: g, removed: plan.Removed[0].Reason})
		default:
			after, _ := desired.At(g.Place())
			p, _ := w.owner(g)
			all = append(all, verdict{grant: g, own: after.Owner == g.Owner || p.id != "" && after.Owner.ID == p.id})
		}
	}
	return all
}

// lawful checks law 2 in one world: each reason is true, and nobody loses what
// he has a right to.
func lawful(t *rapid.T, w *truth, v view) {
	for _, got := range verdicts(t, w, v) {
		g := got.grant
		if got.removed == "" {
			continue
		}
		if !w.right(g, got.removed) {
			t.Errorf("%s %s of %+v is removed as %s, which is not true", g.Path, g.Client, g.Owner, got.removed)
		}
		if p, ok := w.owner(g); ok && g.Owner.Public == "" {
			if _, wanted := w.wants(p.id)[g.Place()]; wanted {
				t.Errorf("%s %s of %+v is removed as %s, although the project has a right to it", g.Path, g.Client, g.Owner, got.removed)
			}
		}
	}
}

func TestNoGrantGoesWithoutAReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		lawful(t, w, drawView(t, w))
	})
}

func TestNoGrantGoesWithoutAReasonUnderTwoKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{twoKeys: true})
		lawful(t, w, drawView(t, w))
	})
}

func TestNoGrantGoesWithoutAReasonUnderOldNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{oldNames: true})
		lawful(t, w, drawView(t, w))
	})
}

// TestLessEvidenceRemovesNoMore is law 2 without any notion of what is true:
// taking evidence away never adds a removal.
func TestLessEvidenceRemovesNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		v := drawView(t, w)
		less := v.more(drawView(t, w))
		before, after := verdicts(t, w, v), verdicts(t, w, less)
		for i := range after {
			g := after[i].grant
			if before[i].doubt == "" && !before[i].own {
				continue // the project that had a right to the place was another one
			}
			if after[i].removed != "" && before[i].removed == "" {
				t.Errorf("%s %s of %+v is removed as %s only where less is known (before: doubt %q)", g.Path, g.Client, g.Owner, after[i].removed, before[i].doubt)
			}
		}
	})
}

// TestBlindRemovesByConfigurationAlone: where Keystone shows nothing, or the
// resolver knows nothing, only what the configuration says, or the address
// being another's, takes a grant away.
func TestBlindRemovesByConfigurationAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		v := drawView(t, w)
		all := map[string]bool{}
		for _, s := range slices.Concat(trueIDs, trueNames, trueHosts) {
			all[s] = true
		}
		blind := pick(t, "blind", []string{"Keystone", "resolver"})
		allowed := []exports.Reason{"", exports.NotInConfig, exports.PublicRemoved}
		if blind == "Keystone" {
			v.hiddenKeys, v.hiddenIDs = all, all
			allowed = append(allowed, exports.ServedElsewhere)
		} else {
			v.unresolved = all
		}
		for _, got := range verdicts(t, w, v) {
			if !slices.Contains(allowed, got.removed) {
				t.Errorf("%+v is removed as %s although the %s says nothing", got.grant, got.removed, blind)
			}
		}
	})
}

// TestOneHiddenProjectKeepsItsGrants: whatever else is known, a project that
// Keystone hides loses no grant by being hidden.
func TestOneHiddenProjectKeepsItsGrants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		v := drawView(t, w)
		id := pick(t, "the hidden one", trueIDs)
		v.hiddenIDs[id] = true
		for _, c := range w.config.Projects {
			if p, ok := w.denotes(c.Key); !ok || p.id == id {
				v.hiddenKeys[c.Key] = true
			}
		}
		for _, got := range verdicts(t, w, v) {
			if got.grant.Owner.ID == id && slices.Contains([]exports.Reason{exports.ProjectDeleted, exports.ProjectDisabled, exports.InstanceGone}, got.removed) {
				t.Errorf("%+v is removed as %s", got.grant, got.removed)
			}
		}
	})
}

// TestCompleteEvidence: with nothing hidden the desired set is exactly what
// projects have a right to, besides the public lines; the plan exists; and
// every grant of today that nobody has a right to goes. The one exception is
// a line whose project has a new name: the configuration has to be mended.
func TestCompleteEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		v := view{}
		e := w.evidence(v, exports.NewSet(w.today))
		desired := build(t, e)

		want := map[string]string{}
		for _, p := range w.projects {
			configs, _ := w.configured(p)
			for place := range w.wants(p.id) {
				want[place.Path+" "+place.Client.String()] = configs[0].Options
			}
		}
		for _, l := range w.config.Public {
			want[l.Path+" "+l.Client.String()] = l.Options
		}
		got := map[string]string{}
		for _, g := range desired.Grants() {
			got[g.Path+" "+g.Client.String()] = g.Options
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("desired (-want +got):\n%s", diff)
		}

		renamed := func(g exports.Grant) bool {
			p, exists := w.denotes(g.Owner.ID)
			_, taken := w.denotes(g.Owner.Name)
			return exists && p.name != g.Owner.Name && !taken
		}
		_, err := compared(exports.NewSet(w.today), desired, e)
		var unclear *exports.UnclearError
		switch {
		case errors.As(err, &unclear):
			for _, u := range unclear.Grants {
				silent := u.Doubt == exports.InstanceSilent && w.hasSilent(u.Owner)
				if !renamed(u.Grant) && !silent {
					t.Errorf("%+v is in doubt (%s: %s) although everything is known", u.Grant, u.Doubt, u.Why)
				}
			}
		case err != nil:
			t.Errorf("Compare: %v", err)
		}
	})
}

// hasSilent tells whether a project truly has an active instance without any
// address.
func (w *truth) hasSilent(o exports.Owner) bool {
	p, ok := w.owner(exports.Grant{Owner: o})
	return ok && slices.ContainsFunc(p.instances, func(i exports.Instance) bool { return i.Status == "ACTIVE" && len(i.Addresses) == 0 })
}

// TestPlanAppliedGivesTheDesiredSet: carrying out a plan leads from today's
// grants to the desired ones, and does nothing else.
func TestPlanAppliedGivesTheDesiredSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		today := exports.NewSet(w.today)
		e := w.evidence(view{}, today)
		desired := build(t, e)
		plan, err := compared(today, desired, e)
		if err != nil {
			t.Skip("in doubt")
		}
		state := map[exports.Place]string{}
		for _, g := range today.Grants() {
			state[g.Place()] = g.Options
		}
		ordered := func(what string, grants []exports.Grant) {
			if diff := gocmp.Diff(exports.NewSet(grants).Grants(), grants, byValue); diff != "" {
				t.Errorf("%s is not in the order of the file:\n%s", what, diff)
			}
		}
		var removed, changed []exports.Grant
		for _, r := range plan.Removed {
			if old, ok := today.At(r.Place()); !ok || old != r.Grant {
				t.Errorf("%+v goes and is not there", r.Grant)
			}
			delete(state, r.Place())
			removed = append(removed, r.Grant)
		}
		for _, c := range plan.Changed {
			if old, ok := state[c.New.Place()]; !ok || old != c.Old.Options || c.Old.Place() != c.New.Place() || old == c.New.Options {
				t.Errorf("%+v is no change of what there is", c)
			}
			state[c.New.Place()] = c.New.Options
			changed = append(changed, c.New)
		}
		for _, g := range plan.Added {
			if _, ok := state[g.Place()]; ok {
				t.Errorf("%+v comes and is there", g)
			}
			state[g.Place()] = g.Options
		}
		ordered("Added", plan.Added)
		ordered("Removed", removed)
		ordered("Changed", changed)
		want := map[exports.Place]string{}
		for _, g := range desired.Grants() {
			want[g.Place()] = g.Options
		}
		if diff := gocmp.Diff(want, state, byValue); diff != "" {
			t.Errorf("applied (-desired +got):\n%s", diff)
		}

		// From there, there is nothing left to do.
		again, err := compared(desired, desired, e)
		if err != nil || len(again.Added)+len(again.Removed)+len(again.Changed) > 0 {
			t.Errorf("the second plan is %+v, %v", again, err)
		}
	})
}

// TestNoInstanceIsGoneUnasked: a plan has a grant that goes as instance-gone only
// if its project was asked about twice. Doubts come before questions, and with
// either there is no plan.
func TestNoInstanceIsGoneUnasked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{twoKeys: chance(t, "two keys", 30)})
		today := exports.NewSet(w.today)
		e := w.evidence(drawView(t, w), today)
		gone := func(plan exports.Plan) int {
			n := 0
			for _, r := range plan.Removed {
				if r.Reason == exports.InstanceGone {
					n++
				}
			}
			return n
		}
		plan, questions, err := exports.Decide(today, e)
		if n := gone(plan); n > 0 {
			t.Errorf("%d instances are gone, and nobody was asked twice", n)
		}
		if err != nil && !questions.None() {
			t.Errorf("%q is asked although there is the error %v", questions.Again, err)
		}
		if (err != nil || !questions.None()) && !gocmp.Equal(plan, exports.Plan{}, byValue, gocmp.AllowUnexported(exports.Set{})) {
			t.Errorf("there is a plan: %+v", plan)
		}
		// Nobody asks about a project twice, and an answer never leads to a doubt
		// about the same inventory.
		for asked := map[string]bool{}; err == nil && !questions.None(); {
			key := pick(t, "answered first", questions.Again)
			if asked[key] || !slices.IsSorted(questions.Again) || e.Inventory.Projects[key].Sight != exports.Shown {
				t.Fatalf("%q of %q is asked after %v", key, questions.Again, asked)
			}
			asked[key] = true
			e = e.Answer(exports.Questions{Again: []string{key}}, exports.Inventory{})
			if plan, questions, err = exports.Decide(today, e); err != nil {
				t.Fatal(err)
			}
			if n := gone(plan); questions.None() && n < len(asked) {
				t.Errorf("%d grants are gone, of %d projects", n, len(asked))
			}
		}
	})
}

// shuffled is the same world, written down in another order.
func (w *truth) shuffled(t *rapid.T) *truth {
	s := &truth{hosts: w.hosts, local: w.local}
	for _, p := range rapid.Permutation(w.projects).Draw(t, "projects") {
		var instances []exports.Instance
		for _, i := range rapid.Permutation(p.instances).Draw(t, "instances") {
			i.Addresses = rapid.Permutation(i.Addresses).Draw(t, "addresses")
			instances = append(instances, i)
		}
		p.instances = instances
		s.projects = append(s.projects, p)
	}
	config := *w.config
	config.Public = rapid.Permutation(config.Public).Draw(t, "public")
	config.OpenStack.Networks = rapid.Permutation(config.OpenStack.Networks).Draw(t, "networks")
	config.Projects = nil
	for _, c := range rapid.Permutation(w.config.Projects).Draw(t, "config") {
		c.Mounts = rapid.Permutation(c.Mounts).Draw(t, "mounts")
		config.Projects = append(config.Projects, c)
	}
	s.config = &config
	s.today = rapid.Permutation(w.today).Draw(t, "today")
	return s
}

func TestOrderOfInputChangesNothing(t *testing.T) {
	type result struct {
		Desired, Today []exports.Grant
		Added          []exports.Grant
		Removed        []exports.Removal
		Changed        []exports.Change
		Warnings       []string // sorted: they may follow the configuration
		Unclear        []exports.Unclear
	}
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		v := drawView(t, w)
		run := func(w *truth) result {
			today := exports.NewSet(w.today)
			e := w.evidence(v, today)
			desired := build(t, e)
			plan, err := compared(today, desired, e)
			r := result{desired.Grants(), today.Grants(), plan.Added, plan.Removed, plan.Changed, slices.Sorted(slices.Values(plan.Warnings)), nil}
			var unclear *exports.UnclearError
			if errors.As(err, &unclear) {
				for _, u := range unclear.Grants {
					// Of several hosts or instances any may be named.
					r.Unclear = append(r.Unclear, exports.Unclear{Grant: u.Grant, Doubt: u.Doubt})
				}
			}
			return r
		}
		if diff := gocmp.Diff(run(w), run(w.shuffled(t)), byValue); diff != "" {
			t.Errorf("another order gave another result:\n%s", diff)
		}
	})
}
