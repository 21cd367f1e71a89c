package exports_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nfs-exportd/exports"
)

// The tenant of project "hostile" can make what he likes within his own project. Beside him
// are the projects of a truth, which share paths with him, and a steady one that has most of
// the grants, so that the tenant alone is never more than half of a cloud.

const (
	hostileID  = "id-hostile" // sorts behind those of all other projects
	hostileLow = "a-hostile"  // and before
	onlyPath   = "/srv/hostile"
)

// strange is what the tenant can give a port in a network of his own.
var strange = append(slices.Clone(trueAddrs), ownAddress,
	netip.MustParseAddr("10.0.0.99"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.0.1"),
	netip.MustParseAddr("ff02::1"), netip.MustParseAddr("2001:db8::1%eth0"), netip.MustParseAddr("255.255.255.255"), netip.Addr{}, netip.MustParseAddr("10.9.0.1"))

// listing is what Nova shows of the tenant's project, and answers says what it answers to
// questions about it.
type listing struct {
	instances []exports.Instance
	answers   map[string]exports.Answer
}

// GoString is the listing as a failing test shows it.
func (l listing) GoString() string {
	text := ""
	for _, i := range l.instances {
		text += fmt.Sprintf("%s %s %v, empty %v; ", i.ID, i.Status, i.Addresses, i.EmptyNetworks)
	}
	for id, a := range l.answers {
		text += fmt.Sprintf("%s: %d, read %t, %v; ", id, a.State, a.Read, a.Instance)
	}
	return text
}

func makeInstance(t *rapid.T, ids []string) exports.Instance {
	i := exports.Instance{
		ID: pick(t, "id", ids), Name: "vm", Region: pick(t, "region", []string{"east", "west", ""}),
		Status: pick(t, "status", []string{"ACTIVE", "SHUTOFF", "BUILD", "ERROR", "DELETED", "SHELVED_OFFLOADED", ""}),
	}
	for range pick(t, "addresses", []int{1, 1, 2, 0}) {
		i.Addresses = append(i.Addresses, exports.Address{Network: pick(t, "network", []string{"flat", "float", "mine"}), Addr: pick(t, "address", strange)})
	}
	if chance(t, "empty network", 20) {
		i.EmptyNetworks = []string{"flat"}
	}
	return i
}

// drawListing gives instances with any ids, also those of other projects' lines.
func drawListing(t *rapid.T, label string, ids []string) listing {
	return rapid.Custom(func(t *rapid.T) listing {
		l := listing{answers: map[string]exports.Answer{}}
		for range pick(t, "instances", []int{2, 1, 4, 0}) {
			l.instances = append(l.instances, makeInstance(t, ids))
		}
		if chance(t, "very many", 10) {
			for n := range 20 {
				addr := netip.AddrFrom4([4]byte{10, 7, 0, byte(n)})
				l.instances = append(l.instances, exports.Instance{ID: fmt.Sprint("many", n), Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: addr}}})
			}
		}
		for _, id := range ids {
			l.answers[id] = pick(t, "answer", []exports.Answer{
				{Why: "503"},
				{State: exports.Gone, Why: "404"},
				{State: exports.Found, Instance: makeInstance(t, []string{id}), Read: true, Why: "200"},
				{State: exports.Found, Instance: makeInstance(t, []string{id}), Why: "200"},
			})
		}
		return l
	}).Draw(t, label)
}

// besieged is a truth with the tenant's project and the steady one.
type besieged struct {
	*truth
	view view
	id   string // of the tenant's project
}

// GoString is the world as a failing test shows it.
func (b besieged) GoString() string {
	text := fmt.Sprintf("tenant %s on %v", b.id, b.config.Projects[len(b.config.Projects)-1].Mounts)
	for _, g := range b.today {
		if g.Owner.ID == b.id {
			text += fmt.Sprintf("; %s %s %q", g.Path, g.Client, g.Instance.ID)
		}
	}
	return text
}

func drawBesieged(t *rapid.T) besieged {
	w := drawTruth(t, odd{})
	v := drawView(t, w)
	return rapid.Custom(func(t *rapid.T) besieged { return besiege(t, *w, v) }).Draw(t, "tenant")
}

func besiege(t *rapid.T, of truth, v view) besieged {
	w := &of
	w.hosts, w.projects, w.today = maps.Clone(w.hosts), slices.Clone(w.projects), slices.Clone(w.today)
	config := *w.config
	config.Projects = slices.Clone(config.Projects)
	w.config = &config
	b := besieged{truth: w, view: v, id: pick(t, "id of the tenant's project", []string{hostileID, hostileLow})}
	w.hosts["steady"] = exports.Here
	steady := reality{id: "id-steady", name: "steady", enabled: true}
	for n := range 40 {
		addr := netip.AddrFrom4([4]byte{10, 9, 0, byte(n)})
		i := exports.Instance{ID: fmt.Sprint("steady", n), Region: "east", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: addr}}}
		steady.instances = append(steady.instances, i)
		w.today = append(w.today, exports.Grant{Path: "/srv/steady", Client: exports.Client{Addr: addr}, Options: "rw",
			Owner: exports.Owner{ID: steady.id, Name: steady.name}, Instance: exports.InstanceRef{ID: i.ID}})
	}
	w.projects = append(w.projects, steady, reality{id: b.id, name: "hostile", enabled: true})
	mounts := []exports.Mount{{Key: "own", Host: "steady", Path: onlyPath}}
	for _, path := range truePaths {
		if chance(t, "shares the path", 70) {
			mounts = append(mounts, exports.Mount{Key: path, Host: "steady", Path: path})
		}
	}
	w.config.Projects = append(w.config.Projects,
		exports.ProjectConfig{Key: "steady", Options: "rw", Line: 900, Mounts: []exports.Mount{{Key: "own", Host: "steady", Path: "/srv/steady"}}},
		exports.ProjectConfig{Key: "hostile", Options: "rw", Line: 910, Mounts: mounts})
	// Today's lines of the tenant, of which there is one at least: a project without grants
	// that shares a path looks like a mistake, whatever it lists.
	places := map[exports.Place]bool{}
	for _, g := range w.today {
		places[g.Place()] = true
	}
	for n := range pick(t, "lines of the tenant", []int{3, 1, 2, 8}) {
		g := exports.Grant{
			Path: pick(t, "path", mounts).Path, Client: exports.Client{Addr: pick(t, "client", append(trueAddrs, netip.MustParseAddr("10.0.0.99")))},
			Options: "rw", Owner: exports.Owner{ID: b.id, Name: "hostile"}, Instance: exports.InstanceRef{ID: pick(t, "instance", b.ids())},
		}
		if n == 0 {
			g.Path = onlyPath
		}
		if !places[g.Place()] {
			places[g.Place()] = true
			w.today = append(w.today, g)
		}
	}
	return b
}

// ids are what the tenant's instances can be called in this world.
func (b besieged) ids() []string {
	ids := slices.DeleteFunc(b.namedIDs(), func(id string) bool { return id == "" || strings.HasPrefix(id, "steady") && len(id) > len("steady0") })
	return append(ids, "h0", "h1", "h2")
}

// run decides with a listing of the tenant's project.
func (b besieged) run(l listing) (exports.Plan, error) {
	today := exports.NewSet(b.today)
	e := b.evidence(b.view, today)
	p := e.Inventory.Projects["hostile"]
	p.Instances = l.instances
	e.Inventory.Projects["hostile"] = p
	plan, _, _, err := ask(today, e, nil, func(q exports.Question) exports.Answer {
		if q.Project == b.id {
			return l.answers[q.Instance]
		}
		return b.answers(b.view)(q)
	})
	return plan, err
}

// without is the same world without the tenant.
func (b besieged) without() besieged {
	w := *b.truth
	c := *w.config
	c.Projects = slices.DeleteFunc(slices.Clone(c.Projects), func(p exports.ProjectConfig) bool { return p.Key == "hostile" })
	w.config = &c
	w.today = slices.DeleteFunc(slices.Clone(w.today), func(g exports.Grant) bool { return g.Owner.ID == b.id })
	w.projects = slices.DeleteFunc(slices.Clone(w.projects), func(p reality) bool { return p.id == b.id })
	return besieged{&w, b.view, b.id}
}

// claims are the addresses that the tenant's instances ever have.
func (b besieged) claims(listings ...listing) map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	add := func(i exports.Instance) {
		for _, a := range i.Addresses {
			all[a.Addr.Unmap()] = true
		}
	}
	for _, l := range listings {
		for _, i := range l.instances {
			add(i)
		}
		for _, g := range b.today {
			if a, ok := l.answers[g.Instance.ID]; ok && g.Owner.ID == b.id {
				add(a.Instance)
			}
		}
	}
	return all
}

// share is what a plan does for all others at addresses that the tenant does not claim.
type share struct {
	Doubts  []exports.Unclear
	Refused *exports.Refusal
	Added   []exports.Grant
	Gone    []exports.Removal
	Changed []exports.Change
	Frozen  []exports.Frozen
	Lines   []exports.Grant
}

func (b besieged) others(claimed map[netip.Addr]bool, except map[exports.Place]bool, plan exports.Plan, err error) share {
	s := share{Refused: plan.Refused}
	is := func(o exports.Owner, c exports.Client) bool { return o.ID != b.id && !claimed[c.Addr] }
	var unclear *exports.UnclearError
	if errors.As(err, &unclear) {
		for _, u := range unclear.Grants {
			if is(u.Owner, u.Client) {
				s.Doubts = append(s.Doubts, u)
			}
		}
		return s
	}
	if err != nil {
		panic(err)
	}
	for _, g := range plan.Added {
		if is(g.Owner, g.Client) && !except[g.Place()] {
			s.Added = append(s.Added, g)
		}
	}
	for _, r := range plan.Removed {
		if is(r.Owner, r.Client) {
			s.Gone = append(s.Gone, r)
		}
	}
	for _, c := range plan.Changed {
		if is(c.Old.Owner, c.Old.Client) {
			s.Changed = append(s.Changed, c)
		}
	}
	for _, f := range plan.Frozen {
		if is(f.Project, f.Client) && !except[f.Place] {
			if f.Reason == exports.OverLimit {
				f.Why = "" // it has the number of all
			}
			s.Frozen = append(s.Frozen, f)
		}
	}
	his := map[exports.Place]bool{}
	for _, g := range b.today {
		his[g.Place()] = g.Owner.ID == b.id
	}
	wanted := exports.Build(b.without().evidence(b.view, exports.NewSet(b.today)))
	for _, g := range plan.Desired.Grants() {
		if his[g.Place()] { // which name the line has depends on him
			if _, ok := wanted.At(g.Place()); !ok {
				continue
			}
			g.Owner, g.Instance = exports.Owner{}, exports.InstanceRef{}
		}
		if is(g.Owner, g.Client) && !except[g.Place()] {
			s.Lines = append(s.Lines, g)
		}
	}
	return s
}

var unexported = gocmp.AllowUnexported(exports.Frozen{})

// TestOneTenantCannotTouchTheOthers is law 3: what the tenant has, lists and answers changes
// nothing for the others, but at addresses that he claims.
func TestOneTenantCannotTouchTheOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBesieged(t)
		one, two := drawListing(t, "one listing", b.ids()), drawListing(t, "another listing", b.ids())
		claimed := b.claims(one, two)
		for _, g := range b.today {
			if g.Owner.ID == b.id { // his own line goes on being his until he has left
				claimed[g.Client.Addr] = true
			}
		}
		if !slices.ContainsFunc(b.today, func(g exports.Grant) bool { return g.Owner.ID != b.id && claimed[g.Client.Addr] }) {
			// Else he could do something about how many of theirs would go.
			b.config.Limits.MaxRemoved = pick(t, "limit", []int{1000, 0, 1, 3})
		}
		plan, err := b.run(one)
		plan2, err2 := b.run(two)
		except := slips(plan, plan2)
		first, second := b.others(claimed, except, plan, err), b.others(claimed, except, plan2, err2)
		switch {
		case (err == nil) != (err2 == nil): // a place in doubt that the tenant wants is not in doubt
			first, second = share{Doubts: first.Doubts}, share{Doubts: second.Doubts}
		case overLimit(plan) != overLimit(plan2): // together with his removals, theirs can be too many
			first, second = share{Added: first.Added}, share{Added: second.Added}
		}
		if diff := gocmp.Diff(first, second, byValue, unexported); diff != "" {
			t.Errorf("for the others (-one +another):\n%s", diff)
		}
	})
}

// slips are the additions that look like the mistake of a line. They wait for that line, and
// he can claim the address of that.
func slips(plans ...exports.Plan) map[exports.Place]bool {
	places := map[exports.Place]bool{}
	for _, p := range plans {
		for _, f := range p.Frozen {
			if f.Reason == exports.LooksLikeAMistake && f.Today == nil {
				places[f.Place] = true
			}
		}
	}
	return places
}

func overLimit(p exports.Plan) bool {
	return slices.ContainsFunc(p.Frozen, func(f exports.Frozen) bool { return f.Reason == exports.OverLimit })
}

// TestWithoutTheTenant: the others get what they would get if he were not there, but at
// addresses that he claims or has lines for.
func TestWithoutTheTenant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBesieged(t)
		l := drawListing(t, "listing", b.ids())
		claimed := b.claims(l)
		for _, g := range b.today {
			if g.Owner.ID == b.id {
				claimed[g.Client.Addr] = true
			}
		}
		plan, err := b.run(l)
		without, errWithout := b.without().run(listing{})
		if (err == nil) != (errWithout == nil) {
			return // a place in doubt that the tenant wants is not in doubt
		}
		except := slips(plan, without)
		if diff := gocmp.Diff(b.others(claimed, except, without, errWithout), b.others(claimed, except, plan, err), byValue, unexported); diff != "" {
			t.Errorf("for the others (-without the tenant +with him):\n%s", diff)
		}
	})
}

// TestOthersKeepTheirGrants: whatever the tenant claims, nobody else loses a grant by it:
// a line that stays without him stays with him.
func TestOthersKeepTheirGrants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBesieged(t)
		l := drawListing(t, "listing", b.ids())
		plan, err := b.run(l)
		without, errWithout := b.run(listing{})
		if err != nil || errWithout != nil {
			return
		}
		for _, g := range b.today {
			if g.Owner.ID == b.id {
				continue
			}
			line, stays := without.Desired.At(g.Place())
			if line.Owner.ID != g.Owner.ID {
				continue // it goes by its own reason, and another grant takes its place
			}
			if _, still := plan.Desired.At(g.Place()); stays && !still {
				t.Errorf("%s %s of %+v goes with the tenant alone", g.Path, g.Client, g.Owner)
			}
		}
	})
}
