package exports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Decide gives the plan that follows from today's grants and the evidence, or the
// questions that are left: the caller has them answered, see [Evidence.Answer], and
// decides again.
//
// approved is nil, or a plan of the same evidence that a person approved: what that
// one holds back is carried out then. What was frozen there unasked is asked for, and
// goes only if its instance is proved gone.
//
// The error is an *UnclearError or an *UnequalKeysError.
func Decide(today Set, e Evidence, approved *Plan) (Plan, []Question, error) {
	if err := e.checkKeys(); err != nil {
		return Plan{}, nil, err
	}
	e = e.withFound()
	d := decision{Evidence: e, today: today, desired: Build(e), approval: approvalOf(approved), allowed: e.Config.Limits.Allowed(today.Len())}
	claims := e.claims()
	if today.Len() == 0 && len(claims) == 0 && len(e.Links) == 0 && len(e.Config.Nested(e.Hosts)) == 0 {
		return Plan{Desired: d.desired, Added: d.desired.Grants(), Warnings: e.warnings()}, nil, nil // of which there can be many
	}
	d.items = compare(today, d.desired, e, claims)
	doubtful, others := d.questions()
	if len(doubtful) > 0 {
		return Plan{}, doubtful, nil
	}
	if err := d.unclear(); err != nil {
		return Plan{}, nil, err
	}
	refused := d.refusal()
	if refused == nil && len(others) > 0 {
		return Plan{}, others, nil
	}
	d.limit(refused != nil)
	plan := d.plan()
	if refused == nil {
		refused = d.emptied(plan)
	}
	plan.Refused = refused
	return plan, nil, nil
}

// decision is a plan that is being made.
type decision struct {
	Evidence
	today, desired Set
	items          []item // the places where these two differ
	approval       approval
	allowed        int // how many grants may go or change at once
}

// questions gives what is still to be asked: what a doubt depends on, and the rest. It
// marks the items for which no more ids may be asked: those beyond the limit of each
// project, unless an approval is for these. Doubts come first, for one that is left ends the run.
func (d *decision) questions() (doubtful, others []Question) {
	asked := map[string]int{} // ids, by project
	for q := range d.Answers {
		asked[q.Project]++
	}
	seen := map[Question]bool{}
	collect := func(these func(verdict) bool) (questions []Question) {
		for n := range d.items {
			i := &d.items[n]
			q := i.verdict.ask
			if q == (Question{}) || !these(i.verdict) {
				continue
			}
			may, ok := seen[q]
			if !ok {
				may = asked[q.Project] < d.allowed || d.approval.held[i.heldAt()].Unasked
				seen[q] = may
				asked[q.Project]++
				if may {
					questions = append(questions, q)
				}
			}
			i.unasked = !may
		}
		return questions
	}
	doubtful = collect(func(v verdict) bool { return v.doubt != "" })
	others = collect(func(v verdict) bool { return v.frozen != "" })
	// A grant that stays for another instance can wait.
	return doubtful, append(others, collect(func(v verdict) bool { return v.doubt == "" && v.frozen == "" })...)
}

// unclear gives an *UnclearError if any line is in doubt.
func (d *decision) unclear() error {
	unclear := &UnclearError{}
	for _, i := range d.items {
		if v := i.verdict; v.doubt != "" {
			unclear.Grants = append(unclear.Grants, Unclear{*i.old, v.doubt, v.why})
		}
	}
	if len(unclear.Grants) == 0 {
		return nil
	}
	return unclear
}

// refusal says why the plan as a whole needs approval, as far as that can be said
// before anybody is asked for an id.
func (d *decision) refusal() *Refusal {
	if d.approval.given {
		return nil
	}
	if odd := d.odd(); odd != nil {
		return odd
	}
	current, going, owners := d.today.ofProjects(), 0, map[string]bool{}
	for _, i := range d.items {
		if !d.left(i.old) && i.wanted == nil && !i.replaced && i.old.Owner.Public == "" && i.verdict.frozen != AddressUnknown {
			going++
			owners[d.share(i.old.Owner)] = true
		}
	}
	if 2*going <= current || len(owners) < 2 {
		return nil
	}
	return &Refusal{
		Message: fmt.Sprintf("%d of %d grants of projects are not wanted any more, more than half: it may be the wrong cloud, or the wrong configuration", going, current),
		Removed: going, Current: d.today.Len(), Limit: d.allowed,
	}
}

// odd refuses a plan if so many addresses are claimed twice or not known that the
// cloud's answer as a whole is odd. The one project that has a part in most of them
// does not count: it cannot stop the others.
func (d *decision) odd() *Refusal {
	parties := map[string]int{}
	var places [][]string
	for _, i := range d.items {
		of := i.parties
		if i.verdict.frozen == AddressUnknown {
			of = []string{d.share(i.old.Owner)}
		}
		if len(of) == 0 {
			continue
		}
		places = append(places, of)
		for _, p := range of {
			parties[p]++
		}
	}
	if len(places) == 0 {
		return nil
	}
	most := ""
	for p, n := range parties {
		if most == "" || n > parties[most] || n == parties[most] && p < most {
			most = p
		}
	}
	rest := len(places) - parties[most]
	limit := max(10, d.desired.Len()/10)
	if rest <= limit {
		return nil
	}
	return &Refusal{
		Message: fmt.Sprintf("%d places are claimed twice or have addresses that are not known, without those of the project that has most of them, and no more than %d may be: the answer of the cloud as a whole is odd", rest, limit),
		Current: d.today.Len(), Limit: d.allowed,
	}
}

// share is whose share of the limit a grant counts for; empty for public lines.
func (d *decision) share(o Owner) string { return cmp.Or(d.projectID(o), o.Name) }

// projectID is the id of the project that a line is of. For a line that has a name alone
// it is that of the key or else of the project of this name; empty if there is none.
func (e Evidence) projectID(o Owner) string {
	if o.ID != "" || o.Name == "" {
		return o.ID
	}
	if p := e.Inventory.Projects[o.Name]; p.Sight == Shown {
		return p.ID
	}
	id := ""
	for _, p := range e.Inventory.Projects { // two domains can have the name: the map has no order
		if p.Sight == Shown && p.Name == o.Name && !IsProjectID(o.Name) && (id == "" || p.ID < id) {
			id = p.ID
		}
	}
	return id
}

// limit freezes what may not be carried out without approval because it is too much:
// for one project, then together. In a plan that is refused as a whole everything
// waits, and nothing is frozen for its number.
func (d *decision) limit(refused bool) {
	n := map[string]int{}
	for k := range d.items {
		i := &d.items[k]
		i.unasked = i.verdict.frozen == NotProved && i.verdict.ask != (Question{}) && (i.unasked || refused)
		if i.unasked && !refused {
			i.verdict.frozen, i.kept = OverShare, i.old
			i.verdict.why += fmt.Sprintf(": for one project no more than %d instances are asked for at once (safety.max_removed, safety.max_removed_percent)", d.allowed)
		}
		if d.counts(i) || i.verdict.frozen == OverShare {
			n[d.share(i.owner())]++
		}
	}
	if refused || d.approval.whole {
		return
	}
	together := 0
	for k := range d.items {
		i := &d.items[k]
		if !d.counts(i) {
			continue
		}
		if of := d.share(i.owner()); of != "" && n[of] > d.allowed {
			i.hold(OverShare, fmt.Sprintf("project %q alone would lose or change %d grants, and no more than %d may at once (safety.max_removed, safety.max_removed_percent)", i.owner(), n[of], d.allowed))
			continue
		}
		together++
	}
	if together <= d.allowed {
		return
	}
	for k := range d.items {
		if i := &d.items[k]; d.counts(i) {
			i.hold(OverLimit, fmt.Sprintf("%d grants would go or change together, and no more than %d may at once (safety.max_removed, safety.max_removed_percent)", together, d.allowed))
		}
	}
}

// owner is whose grant is at the place.
func (i *item) owner() Owner {
	if i.old != nil {
		return i.old.Owner
	}
	return i.wanted.Owner
}

// counts reports whether a grant of today goes or changes here, and nobody approved
// that.
func (d *decision) counts(i *item) bool {
	if i.old == nil || i.overTheLimit() || d.approval.covers(i) || d.left(i.old) {
		return false
	}
	return i.verdict.reason != "" || i.line().Options != i.old.Options
}

func (i *item) overTheLimit() bool {
	return i.verdict.frozen == OverShare || i.verdict.frozen == OverLimit
}

// line is what the exports file has at the place after the run; nil is nothing.
func (i *item) line() *Grant {
	switch {
	case i.verdict.frozen != "":
		return i.kept
	case i.verdict.reason != "":
		return nil
	}
	return i.wanted
}

// hold freezes the place as it is today, with its options. A place that is frozen for
// another reason keeps that.
func (i *item) hold(reason FreezeReason, why string) {
	i.kept = i.old
	if i.verdict.frozen == "" {
		i.then = i.line()
		if i.verdict.reason != "" {
			why = fmt.Sprintf("it would go as %s, but %s", i.verdict.reason, why)
		}
		i.verdict.frozen, i.verdict.why = reason, why
	}
}

// plan is the plan that follows from the items.
func (d *decision) plan() Plan {
	p := Plan{Today: d.today, Desired: d.desired, Warnings: d.warnings()}
	lines := make(map[Place]*Grant, len(d.items)) // that differ from the desired set
	for k := range d.items {
		d.carryOut(&d.items[k])
	}
	d.nest()
	for k := range d.items {
		i := &d.items[k]
		place := i.place()
		line := i.line()
		if waiting := i.old == nil && lines[place] != nil; waiting {
			continue // behind a line of today that is frozen
		}
		if i.verdict.frozen != "" {
			p.Frozen = append(p.Frozen, i.freeze())
		}
		if line != i.desired {
			lines[place] = line
		}
		switch {
		case i.old == nil && line != nil:
			p.Added = append(p.Added, *line)
		case i.old != nil && line == nil:
			p.Removed = append(p.Removed, Removal{*i.old, i.verdict.reason})
			if f, waits := i.waitsForLink(); waits {
				p.Frozen = append(p.Frozen, f)
			}
		case i.old != nil && line.Options != i.old.Options:
			p.Changed = append(p.Changed, Change{*i.old, *line})
		}
	}
	p.Desired = d.desired.with(lines)
	return p
}

// place is where the item is.
func (i *item) place() Place {
	if i.old != nil {
		return i.old.Place()
	}
	return i.wanted.Place()
}

// emptied refuses a plan that leaves no grant of a project where there was one.
func (d *decision) emptied(p Plan) *Refusal {
	before := d.today.ofProjects()
	// A tenant can make a symbolic link, and must not stop the run.
	linked := slices.ContainsFunc(d.items, func(i item) bool { return d.left(i.old) })
	if linked || d.approval.given || before == 0 || p.Desired.ofProjects() > 0 {
		return nil
	}
	return &Refusal{
		Message: fmt.Sprintf("this would remove the last of %d grants of projects", before),
		Removed: len(p.Removed), Current: d.today.Len(), Limit: d.allowed,
	}
}

// ofProjects is how many grants of projects a set has.
func (s Set) ofProjects() int {
	n := 0
	for _, g := range s.grants {
		if g.Owner.Public == "" {
			n++
		}
	}
	return n
}

// claimants names the projects and instances that claim an address.
func claimants(claims []Claim) string {
	var names []string
	for _, c := range claims {
		names = append(names, c.String())
	}
	slices.Sort(names)
	return strings.Join(names, " and of ")
}

// checkKeys gives an *UnequalKeysError if two keys are one project and differ in their
// options.
func (e Evidence) checkKeys() error {
	first := map[string]ProjectConfig{} // by the id of the project
	for _, p := range e.Config.Served(e.Hosts) {
		project := e.Inventory.Projects[p.Key]
		if project.Sight != Shown {
			continue
		}
		if q, ok := first[project.ID]; ok && q.Options != p.Options {
			return &UnequalKeysError{q, p}
		}
		first[project.ID] = p
	}
	return nil
}

// UnequalKeysError is two keys of the configuration that are one project, by its id and
// by its name, and that have different options.
type UnequalKeysError struct{ First, Second ProjectConfig }

func (e *UnequalKeysError) Error() string {
	return fmt.Sprintf("keys %q (line %d) and %q (line %d) of the configuration are the same project, with the options %s and %s; nothing was changed: give both the same options, or take one out",
		e.First.Key, e.First.Line, e.Second.Key, e.Second.Line, e.First.Options, e.Second.Options)
}
