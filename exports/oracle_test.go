package exports_test

import (
	"maps"
	"net/netip"
	"slices"

	"nfs-exportd/exports"
)

// The oracle says which results are right in a world. It has the documented rules for
// removals, frozen places and limits, one after the other, and shares no code with the
// decision. Where the documentation leaves a choice, each result is right.

// fate is what can become of a place: one of those below, or "removed:" or "frozen:"
// with a reason.
type fate = string

const (
	fateKept     fate = "kept"    // the line of today stays, with the same options
	fateChanged  fate = "changed" // it stays, with other options
	fateAdded    fate = "added"
	error69      fate = "error 69"
	error77      fate = "error 77"
	mustAsk      fate = "a question about the instance"
	fateGone          = "removed:instance-gone"
	fateMoved         = "removed:address-reassigned"
	fateReleased      = "removed:address-released"
	fateUnproved      = "frozen:unproved"
	fateMistaken      = "frozen:looks-like-a-mistake"
	fateTwice         = "frozen:claimed-twice"
	fateSilent        = "frozen:address-unknown"
	fateShare         = "frozen:over-share"
	fateLimited       = "frozen:over-limit"
)

// fates are those that are right.
type fates map[fate]bool

func only(list ...fate) fates {
	set := fates{}
	for _, o := range list {
		set[o] = true
	}
	return set
}

func (s fates) or(t fates) fates {
	u := maps.Clone(s)
	maps.Copy(u, t)
	return u
}

// all reports whether each right fate is one for which is true.
func (s fates) all(is func(fate) bool) bool {
	for o := range s {
		if !is(o) {
			return false
		}
	}
	return len(s) > 0
}

func (s fates) any(is func(fate) bool) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(s)), is)
}

func isRemoved(o fate) bool { return len(o) > 8 && o[:8] == "removed:" }
func isFrozen(o fate) bool  { return len(o) > 7 && o[:7] == "frozen:" }
func isError(o fate) bool   { return o == error69 || o == error77 }

// want is a grant that the configuration and the cloud ask for.
type want struct {
	key, id, options, instance string
}

// own is what is known of the instance that a line names, and of the line's address.
type own int

const (
	ownNone      own = iota // the line names no instance
	ownShows                // it has the address, and the address counts
	ownElsewhere            // it has it on a network or in a region that does not count
	ownReleased             // it has others, and no network is empty
	ownUnknown              // it has none, or a network is empty
	ownGone                 // by its id
	ownUnproved             // by its id
	ownSurplus              // nobody was asked, as the limit was reached
)

// oracle has a world as it is seen with the answers to what was asked.
type oracle struct {
	smallWorld
	asked  map[exports.Question]bool
	limit  int
	read   map[string][]exports.Instance // by key: listed, or found by id where the run lists
	wants  map[exports.Place][]want
	claims map[netip.Addr]map[string]bool // ids of projects whose instances have it, where it counts
	seen   map[netip.Addr]map[string]bool // the same, whether it counts or not
	places map[exports.Place]fates
	refuse struct{ may, must bool }
	takes  map[string]bool // ids of projects whose additions surely freeze with a mistake
	maybe  map[string]bool // the same, perhaps
	// Of lines whose place another project wants: what would be right if nobody did, and
	// the options that are right if a line stays.
	behind  map[exports.Place]fates
	follows map[exports.Place]map[string]bool
}

func newOracle(w smallWorld, asked map[exports.Question]bool) *oracle {
	o := &oracle{
		smallWorld: w, asked: asked,
		limit:  max(w.evidence.Config.Limits.MaxRemoved, w.today.Len()*w.evidence.Config.Limits.MaxRemovedPercent/100),
		places: map[exports.Place]fates{}, takes: map[string]bool{}, maybe: map[string]bool{},
		behind: map[exports.Place]fates{}, follows: map[exports.Place]map[string]bool{},
	}
	o.look(false)
	o.half() // of the listing alone: nobody is asked for it
	o.look(true)
	for _, g := range w.today.Grants() {
		o.places[g.Place()] = o.line(g)
	}
	for _, g := range w.today.Grants() {
		o.takeovers(g)
	}
	for place, wants := range o.wants {
		if _, ok := w.today.At(place); !ok {
			o.places[place] = o.addition(place, wants)
		}
	}
	for place := range o.places {
		o.options(place)
	}
	o.limits()
	o.nested()
	return o
}

// look finds what is wanted: each counted address of each instance of a project that
// Keystone shows enabled, on each path whose host is here. Deleted instances do not count;
// addresses of this server, and those that no client can have, are left out.
func (o *oracle) look(answers bool) {
	o.read, o.wants = map[string][]exports.Instance{}, map[exports.Place][]want{}
	o.claims, o.seen = map[netip.Addr]map[string]bool{}, map[netip.Addr]map[string]bool{}
	for _, c := range o.evidence.Config.Projects {
		p := o.evidence.Inventory.Projects[c.Key]
		if p.Sight != exports.Shown || !p.Enabled || !o.served(c) {
			continue
		}
		o.read[c.Key] = o.instances(p, answers)
		for _, i := range o.read[c.Key] {
			for _, a := range i.Addresses {
				o.address(c, p, i, a)
			}
		}
	}
	if o.evidence.Config.Public != nil {
		for _, l := range o.evidence.Config.Public {
			place := exports.Place{Path: l.Path, Client: l.Client}
			o.wants[place] = append(o.wants[place], want{key: "public " + l.Name, options: l.Options})
		}
	}
}

func (o *oracle) served(c exports.ProjectConfig) bool {
	return slices.ContainsFunc(c.Mounts, func(m exports.Mount) bool { return o.evidence.Hosts[m.Host].Where == exports.Here })
}

// instances are those that are listed, in any status but DELETED, and those that a
// question found in a region that this run lists.
func (o *oracle) instances(p exports.Project, answers bool) []exports.Instance {
	var list []exports.Instance
	for _, i := range p.Instances {
		if i.Status != "DELETED" {
			list = append(list, i)
		}
	}
	for q, a := range o.answers {
		if answers && o.asked[q] && q.Project == p.ID && a.State == exports.Found && a.Read {
			list = append(list, a.Instance)
		}
	}
	return list
}

func (o *oracle) address(c exports.ProjectConfig, p exports.Project, i exports.Instance, a exports.Address) {
	if impossibleClient(a.Addr) || slices.Contains(o.evidence.Local, a.Addr) {
		return
	}
	note(o.seen, a.Addr, p.ID)
	if !o.counts(a) {
		return
	}
	note(o.claims, a.Addr, p.ID)
	options := c.Options
	for _, m := range c.Mounts {
		place := exports.Place{Path: m.Path, Client: exports.Client{Addr: a.Addr}}
		if o.evidence.Hosts[m.Host].Where == exports.Here {
			o.wants[place] = append(o.wants[place], want{c.Key, p.ID, options, i.ID})
		}
	}
}

func (o *oracle) counts(a exports.Address) bool {
	networks := o.evidence.Config.OpenStack.Networks
	return len(networks) == 0 || slices.Contains(networks, a.Network)
}

func impossibleClient(a netip.Addr) bool {
	return a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast()
}

func note(in map[netip.Addr]map[string]bool, a netip.Addr, id string) {
	if in[a] == nil {
		in[a] = map[string]bool{}
	}
	in[a][id] = true
}

// others reports whether a project other than the line's has its address.
func others(of map[netip.Addr]map[string]bool, g exports.Grant) bool {
	for id := range of[g.Client.Addr] {
		if id != g.Owner.ID {
			return true
		}
	}
	return false
}

// own finds the instance of a line: in the listing, else by the answer about its id.
func (o *oracle) own(g exports.Grant) own {
	if g.Instance.ID == "" {
		return ownNone
	}
	if i, ok := o.listed(g); ok {
		return o.shows(i, g, true)
	}
	q := exports.Question{Project: g.Owner.ID, Instance: g.Instance.ID}
	if !o.asked[q] && o.count(q.Project) >= o.limit {
		return ownSurplus
	}
	switch a := o.answers[q]; a.State {
	case exports.Gone:
		return ownGone
	case exports.Found:
		return o.shows(a.Instance, g, a.Read)
	}
	return ownUnproved
}

// listed is the line's instance as its project's listing has it.
func (o *oracle) listed(g exports.Grant) (exports.Instance, bool) {
	for _, p := range o.evidence.Inventory.Projects {
		for _, i := range p.Instances {
			if p.ID == g.Owner.ID && i.ID == g.Instance.ID && i.Status != "DELETED" {
				return i, true
			}
		}
	}
	return exports.Instance{}, false
}

func (o *oracle) count(project string) int {
	n := 0
	for q := range o.asked {
		if q.Project == project {
			n++
		}
	}
	return n
}

func (o *oracle) shows(i exports.Instance, g exports.Grant, listed bool) own {
	has := false
	for _, a := range i.Addresses {
		if a.Addr == g.Client.Addr {
			if listed && o.counts(a) {
				return ownShows
			}
			has = true
		}
	}
	switch {
	case has:
		return ownElsewhere
	case len(i.Addresses) == 0 || len(i.EmptyNetworks) > 0:
		return ownUnknown
	}
	return ownReleased
}
