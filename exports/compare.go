package exports

import (
	"net/netip"
	"slices"
)

// Reason is positive evidence that a grant must go.
type Reason string

// The reasons, see "REASONS" in nfs-exportd(8).
const (
	NotInConfig       Reason = "not-in-config"
	ProjectDeleted    Reason = "project-deleted"
	ProjectDisabled   Reason = "project-disabled"
	InstanceGone      Reason = "instance-gone"
	AddressReleased   Reason = "address-released"
	AddressReassigned Reason = "address-reassigned"
	OwnAddress        Reason = "own-address"
	ServedElsewhere   Reason = "served-elsewhere"
	PublicRemoved     Reason = "public-removed"
	SymbolicLink      Reason = "symbolic-link"
	// Approved is a person's word: the place was frozen.
	Approved Reason = "approved"
)

// Doubt is why nobody can say whether a grant must go.
type Doubt string

const (
	// ProjectHidden: Keystone does not show the project to us, or not under
	// the configured name.
	ProjectHidden Doubt = "project-hidden"
	// HostUnresolved: the resolver did not say where the mount's host is.
	HostUnresolved Doubt = "host-unresolved"
)

// Removal is a grant that goes, and why.
type Removal struct {
	Grant
	Reason Reason
}

// Change is a grant that stays with other options.
type Change struct {
	Old, New Grant
}

// Plan is what separates today's grants from those after the run. All lists are
// in the order of the exports file.
type Plan struct {
	// Today is the exports file as it is, and Desired as it is after the run, with
	// the lines of frozen places.
	Today, Desired Set
	Added          []Grant
	Removed        []Removal
	Changed        []Change
	// Frozen are the places where nothing is added or removed. A changed one can be
	// among them, for options follow the configuration there too.
	Frozen []Frozen
	// Refused is why nothing at all may be done without approval, or nil.
	Refused *Refusal
	// Warnings is what an operator should know although it stops nothing.
	Warnings []string
}

// item is a place where today's grant and the desired one are not the same.
type item struct {
	old, wanted *Grant // nil: none
	// kept is the line that stays where the place is frozen; nil: none.
	kept    *Grant
	verdict verdict
	// desired is the place's grant in the desired set, for which wanted can be another.
	desired  *Grant
	then     *Grant   // what was to be, of a place that is over a limit
	parties  []string // ids of the projects that claim the address
	unasked  bool     // nobody was asked for the instance
	replaced bool     // an addition at the same place waits for the line to go
}

// compare gives the places where today's grants and the desired ones differ, with what
// becomes of each. Of a line of today, of project X on path P, that is not desired
// the first fitting row decides:
//
//	P among                                    host of     the line's own
//	X's mounts  Keystone shows X as  address   the mount   instance        = outcome
//	no          -                    -         -           -               = not-in-config
//	-           deleted              -         -           -               = project-deleted
//	-           disabled             -         -           -               = project-disabled
//	-           -                    own       -           -               = own-address
//	yes         -                    another   elsewhere   -               = served-elsewhere
//	slip        -                    another   -           gone            = not-in-config
//	slip        -                    another   -           without it      = not-in-config
//	slip        -                    another   -           -               = frozen: looks-like-a-mistake
//	yes         replaced             another   -           gone            = not-in-config
//	yes         replaced             another   -           without it      = not-in-config
//	yes         replaced             another   -           -               = frozen: looks-like-a-mistake
//	yes         -                    another   -           gone            = instance-gone
//	yes         -                    another   -           without it      = address-released
//	yes         hidden               another   -           -               = in doubt: project-hidden
//	yes         renamed              another   -           -               = in doubt: project-hidden
//	yes         shown                another   unresolved  -               = in doubt: host-unresolved
//	yes         shown                another   here        bare            = frozen: address-unknown
//	yes         shown                another   here        uncounted       = frozen: looks-like-a-mistake
//	yes         shown                another   here        not known       = frozen: unproved
//
// "Slip" is a mount that is not there any more in a way that looks like a mistake.
// "Renamed" is a project that Keystone has under another name than the configured
// one, "replaced" one whose name another project has taken and that nothing says is
// gone. An "own" address is one of this server. The own instance is "gone" if Nova says so
// for its id, "without it" if Nova shows it with other addresses, "bare" without an
// address or with an empty network, "uncounted" if it has the address in a network or
// region that does not count. Nothing is known of one that is in no list and for which
// the answer by id proves nothing, or that the line does not name. Where an
// answer by id could change the outcome, there is a question first.
//
// Where another served project's instance has the address, instance-gone and
// address-released are called address-reassigned. A line of a public entry goes as
// public-removed. A key is not asked for where no mount of it is here: then the host
// is the doubt. With any line in doubt there is no plan but an *UnclearError.
//
// A place at which the desired grant is for an address that two projects claim is
// frozen as claimed-twice. What a project would get that takes part in what looks like a
// mistake is frozen for that, see takeAlong.
//
// After all of this, nest decides about the places below paths that clients may write to.
func compare(today, desired Set, e Evidence, claims map[netip.Addr][]Claim) []item {
	var items []item
	var j *judge
	judging := func() *judge {
		if j == nil {
			j = newJudge(today, e) // which most runs do not need
		}
		return j
	}
	grants, special := e.contestedGrants(claims), e.special(today)
	for old, wanted := range pairs(today.Grants(), desired.Grants()) {
		var twice []Claim
		if wanted != nil && wanted.Owner.Public == "" {
			twice = claims[wanted.Client.Addr]
		}
		switch {
		case len(twice) > 0:
			items = append(items, contested(judging, old, wanted, twice, grants)...)
		case wanted == nil:
			items = append(items, item{old: old, kept: judging().follow(*old), verdict: judging().judge(*old)})
		case old == nil:
			items = append(items, item{wanted: wanted, desired: wanted})
		case moves(*old, *wanted):
			items = append(items, judging().moved(old, wanted))
		case e.passes(*old, *wanted):
			items = append(items, item{old: old, wanted: wanted, desired: wanted})
		case old.Options != wanted.Options || special(old.Path):
			items = append(items, item{old: old, wanted: wanted, desired: wanted})
		}
	}
	return takeAlong(items, judging)
}

// moves reports whether a line names another instance than the desired grant. One that
// names none could never be proved to have left.
func moves(old, wanted Grant) bool {
	return old.Owner.Public == "" && wanted.Owner.ID != "" && old.Instance.ID != "" &&
		(old.Instance.ID != wanted.Instance.ID || old.Owner.ID != "" && old.Owner.ID != wanted.Owner.ID)
}

// moved is a grant that stays for another instance. As long as nothing proves that the
// line's own one has lost the address, the line goes on naming that: else the grant
// would go with the other one. The options are those of whoever is shown to have the
// address, but for a project that takes over the path by mistake.
func (j *judge) moved(old, wanted *Grant) item {
	v, desired := j.judge(*old), wanted
	if v.reason == "" {
		stays := *j.follow(*old)
		if !slices.Contains(v.takes, wanted.Owner.ID) {
			stays.Options = wanted.Options
		}
		wanted = &stays
	}
	return item{old: old, wanted: wanted, desired: desired, verdict: verdict{why: v.why, ask: v.ask, takes: v.takes}}
}

// passes reports whether a line that names no instance, or is a public one, is to be of
// another project.
func (e Evidence) passes(old, wanted Grant) bool {
	return wanted.Owner.ID != "" && old.Owner != (Owner{}) && (old.Owner.Public != "" || old.Instance.ID == "") && e.projectID(old.Owner) != wanted.Owner.ID
}

// contested is the place of a desired grant for an address that instances of two
// projects have. Of a line whose own project does not want it any more, its own
// reason counts.
func contested(judging func() *judge, old, wanted *Grant, twice []Claim, grants map[wantedBy]*Grant) []item {
	claimed := verdict{frozen: ClaimedTwice, why: "it is an address of " + claimants(twice)}
	var parties []string
	for _, c := range twice {
		parties = append(parties, c.Project.ID)
	}
	addition := item{wanted: wanted, desired: wanted, verdict: claimed, parties: parties}
	if old == nil {
		return []item{addition}
	}
	j := judging()
	kept, mine := *j.follow(*old), grants[wantedBy{old.Place(), j.projectID(old.Owner)}]
	if mine == nil {
		v := j.judge(*old)
		if v.reason != "" {
			return []item{{old: old, verdict: v, replaced: true}, addition}
		}
		claimed.ask, claimed.takes = v.ask, v.takes
	} else {
		kept.Options, kept.Owner = mine.Options, mine.Owner
		if kept.Instance.ID == "" {
			kept.Instance, kept.Port = mine.Instance, mine.Port
		}
	}
	return []item{{old: old, wanted: &kept, desired: wanted, kept: &kept, verdict: claimed, parties: parties}} // nothing is held back
}

// wantedBy is a grant that one project wants at a place.
type wantedBy struct {
	place   Place
	project string // its id
}

// contestedGrants gives all grants for addresses that two projects claim, of which the
// desired set has but one at each place.
func (e Evidence) contestedGrants(claims map[netip.Addr][]Claim) map[wantedBy]*Grant {
	grants := map[wantedBy]*Grant{}
	if len(claims) == 0 {
		return grants
	}
	for _, s := range e.sources() {
		if s.project.Sight != Shown {
			continue
		}
		for g := range e.grants(s) {
			key := wantedBy{g.Place(), g.Owner.ID}
			if len(claims[g.Client.Addr]) > 0 && (grants[key] == nil || compareWanted(g, *grants[key]) < 0) {
				grants[key] = &g
			}
		}
	}
	return grants
}

// follow is a line that stays, with the options and the names of today.
func (j *judge) follow(g Grant) *Grant {
	if g.Owner.Public != "" {
		return &g
	}
	m := j.mount(g)
	if key := j.Inventory.Projects[m.project.Key]; m.found && (g.Owner.ID == "" || key.Sight == Shown && g.Owner.ID == key.ID) {
		g.Options = m.project.Options
	}
	if project := j.known(m.project, g.Owner); project.Sight == Shown && project.ID == g.Owner.ID {
		g.Owner = project.owner()
	}
	return &g
}

// takeAlong freezes the additions that look like the mistake of a frozen line. The
// project that they are of gets no line of another one either: with that it would have
// grants by the next run, and the mistake would not look like one any more.
func takeAlong(items []item, judging func() *judge) []item {
	takes := map[string]verdict{} // by the id of the project
	for _, i := range items {
		if i.verdict.reason != "" {
			continue
		}
		for _, t := range i.verdict.takes {
			if _, ok := takes[t]; !ok {
				takes[t] = verdict{frozen: LooksLikeAMistake, why: i.verdict.why}
			}
		}
	}
	if len(takes) == 0 {
		return items
	}
	all := make([]item, 0, len(items))
	for _, i := range items {
		var waits verdict
		if i.wanted != nil && i.verdict.frozen == "" {
			waits = takes[i.wanted.Owner.ID]
		}
		if waits.frozen == "" || i.old != nil && judging().projectID(i.old.Owner) == i.wanted.Owner.ID {
			all = append(all, i)
			continue
		}
		addition := item{wanted: i.wanted, desired: i.wanted, verdict: waits}
		if i.old == nil {
			all = append(all, addition)
			continue
		}
		if v := judging().judge(*i.old); v.reason != "" {
			all = append(all, item{old: i.old, verdict: v, replaced: true}, addition)
			continue
		}
		i.wanted = judging().follow(*i.old)
		all = append(all, i)
	}
	return all
}

// pairs walks the places of two lists that are in order. A grant is nil where its
// list has none for the place.
func pairs(a, b []Grant) func(yield func(inA, inB *Grant) bool) {
	return func(yield func(inA, inB *Grant) bool) {
		for len(a) > 0 || len(b) > 0 {
			var inA, inB *Grant
			order := 0
			switch {
			case len(b) == 0:
				order = -1
			case len(a) == 0:
				order = 1
			default:
				order = a[0].Place().Compare(b[0].Place())
			}
			if order <= 0 {
				inA, a = &a[0], a[1:]
			}
			if order >= 0 {
				inB, b = &b[0], b[1:]
			}
			if !yield(inA, inB) {
				return
			}
		}
	}
}
