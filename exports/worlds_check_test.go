package exports_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"nfs-exportd/exports"
)

// examiner judges one world.
type examiner struct {
	name  string
	w     smallWorld
	d     decision
	o     *oracle
	found *differences
}

// examine judges a world and describes it.
func examine(name string, w smallWorld, found *differences) string {
	x := &examiner{name: name, w: w, d: settle(w, nil), found: found}
	x.o = newOracle(w, x.d.asked)
	x.questions()
	x.result()
	x.reversed()
	if x.d.err == nil {
		x.structure()
		x.evidence()
		x.approved()
		x.again()
		x.without()
		x.leftOut()
	}
	if strings.HasPrefix(*worldsFlag, name) {
		return x.text("")
	}
	return ""
}

// report notes a difference; cause is the same for all worlds with the same one.
func (x *examiner) report(cause, format string, args ...any) {
	x.found.add(cause, x.name, x.w, x.text(fmt.Sprintf(format, args...)))
}

func (x *examiner) text(detail string) string {
	var b strings.Builder
	b.WriteString(x.w.String())
	for place, right := range x.o.places {
		fmt.Fprintf(&b, "oracle %s %s: %v\n", place.Path, place.Client, keysOf(right))
	}
	fmt.Fprintf(&b, "oracle refusal: %+v\nasked %v\n", x.o.refuse, x.d.asked)
	fmt.Fprintf(&b, "code: %s\n=> %s", x.d, detail)
	return "    " + strings.ReplaceAll(b.String(), "\n", "\n    ")
}

func keysOf(set fates) []string {
	var list []string
	for fate := range set {
		list = append(list, fate)
	}
	slices.Sort(list)
	return list
}

func (d decision) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "status %d refused %v", status(d.err), d.refused())
	for _, g := range d.plan.Added {
		fmt.Fprintf(&b, "\n  + %s", showGrant(g))
	}
	for _, r := range d.plan.Removed {
		fmt.Fprintf(&b, "\n  - %s %s: %s", r.Path, r.Client, r.Reason)
	}
	for _, c := range d.plan.Changed {
		fmt.Fprintf(&b, "\n  ~ %s -> %s", showGrant(c.Old), showGrant(c.New))
	}
	for _, f := range d.plan.Frozen {
		fmt.Fprintf(&b, "\n  ! %s %s: %s today %v then %v", f.Path, f.Client, f.Reason, f.Today != nil, f.Then != nil)
	}
	return b.String()
}

// questions: only what the world has an answer to, once, and no more than the limit.
func (x *examiner) questions() {
	if len(x.d.strange) > 0 {
		x.report("a question that was asked before, or about what is listed", "%v", x.d.strange)
	}
	for q := range x.d.asked {
		if x.o.count(q.Project) > x.o.limit {
			x.report("more questions than the limit", "%v", x.d.asked)
		}
	}
}

// result compares the status and each place.
func (x *examiner) result() {
	must, may := map[fate]bool{}, map[fate]bool{}
	for _, right := range x.o.places {
		if right.all(isError) {
			must[keysOf(right)[0]] = true
		}
		for fate := range right {
			may[fate] = may[fate] || isError(fate)
		}
	}
	got := fate(fmt.Sprintf("error %d", status(x.d.err)))
	switch {
	case x.d.err != nil && !may[got] && !(x.o.refuse.may && x.doubtWithoutAnswer(got)):
		x.report(fmt.Sprintf("%s, oracle has no such error (must %v)%s", got, keysOf(must), x.hints()), "%v", x.d.err)
	case x.d.err != nil && got == error69 && must[error77]:
		x.report("69 where 77 comes first", "%v", x.d.err)
	case x.d.err != nil:
		x.found.count(got)
	case len(must) > 0:
		x.report(fmt.Sprintf("no error, oracle has %v%s", keysOf(must), x.hints()), "")
	case x.d.refused() && !x.o.refuse.may:
		x.report("refused, oracle does not refuse"+x.hints(), "%v", x.d.plan)
	case x.d.refused():
		x.found.count("refused")
	case x.o.refuse.must:
		x.report("not refused, oracle refuses"+x.hints(), "")
	default:
		x.placesOf()
	}
}

// doubtWithoutAnswer: before a refusal nobody is asked, so that a hidden project or an
// unresolved host can end the run although an answer would have proved a removal.
func (x *examiner) doubtWithoutAnswer(got fate) bool {
	unasked := &oracle{smallWorld: x.w, asked: x.o.asked, limit: 0, wants: x.o.wants, claims: x.o.claims, seen: x.o.seen,
		behind: map[exports.Place]fates{}, follows: map[exports.Place]map[string]bool{}}
	return slices.ContainsFunc(x.w.today.Grants(), func(g exports.Grant) bool { return unasked.line(g)[got] })
}

func (x *examiner) placesOf() {
	got := map[exports.Place]fate{}
	for _, g := range x.w.today.Grants() {
		got[g.Place()] = fateKept
	}
	for place, fate := range x.d.fates() {
		got[place] = fate
	}
	for place, right := range x.o.places {
		if _, ok := got[place]; !ok {
			got[place] = "nothing"
			x.report(fmt.Sprintf("nothing, oracle has %v", keysOf(right)), "%v", place)
		}
	}
	for place, fate := range got {
		if right := x.o.places[place]; !right[fate] && fate != "nothing" {
			x.report(fmt.Sprintf("%s, oracle has %v%s", fate, keysOf(right), x.hint(place)), "%v", place)
		}
		x.found.count(fate)
	}
}

// hint sorts differences a little finer.
func (x *examiner) hint(place exports.Place) string {
	g, ok := x.w.today.At(place)
	if !ok {
		return ""
	}
	kind := "id and name"
	if g.Owner.Name == "" {
		kind = "id"
	} else if g.Owner.ID == "" {
		kind = "name"
	}
	if _, reused := x.o.known(g); reused != "" {
		kind += ", key reused"
	}
	return fmt.Sprintf(" (%s; own instance: %s)", kind, []string{
		"no id", "shows it", "shows it where it does not count", "released it", "no addresses or empty network", "gone", "unproved", "surplus",
	}[x.o.own(g)])
}

// hints are those of all lines.
func (x *examiner) hints() string {
	var list []string
	for _, g := range x.w.today.Grants() {
		kind, _, _ := strings.Cut(x.hint(g.Place()), ";")
		list = append(list, kind+")")
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), "")
}

// fates is what the plan says of each place.
func (d decision) fates() map[exports.Place]fate {
	of := map[exports.Place]fate{}
	for _, g := range d.plan.Added {
		of[g.Place()] += fateAdded
	}
	for _, r := range d.plan.Removed {
		if of[r.Place()] == fateAdded {
			of[r.Place()] = "" // under an approval, the line that had to go first
		}
		of[r.Place()] += "removed:" + string(r.Reason)
	}
	for _, c := range d.plan.Changed {
		of[c.Old.Place()] += fateChanged
	}
	for _, f := range d.plan.Frozen {
		if f.Today == nil && isRemoved(of[f.Place]) {
			continue // the addition waits, and the line of another project goes
		}
		if of[f.Place] == fateChanged && f.Reason != exports.OverShare && f.Reason != exports.OverLimit {
			delete(of, f.Place) // options follow there too
		}
		of[f.Place] += "frozen:" + string(f.Reason)
	}
	return of
}

func (d *differences) count(fate fate) {
	d.Lock()
	defer d.Unlock()
	d.kinds[fate]++
}

// structure: the lists are in order, no place is in two of them, and together with
// today they give the desired file. Frozen places keep their line; its options follow the
// configuration, except over a limit.
func (x *examiner) structure() {
	if x.d.refused() {
		return
	}
	want := map[exports.Place]exports.Grant{}
	for _, g := range x.w.today.Grants() {
		want[g.Place()] = g
	}
	seen := map[exports.Place]bool{}
	var last exports.Place
	visit := func(list string, first bool, p exports.Place) {
		if seen[p] && list != "Frozen" { // options follow at a frozen place, which placesOf checks
			x.report("a place is in two lists", "%v", p)
		}
		if !first && last.Compare(p) >= 0 {
			x.report(list+" is not in order", "%v", p)
		}
		seen[p], last = true, p
	}
	for i, g := range x.d.plan.Added {
		visit("Added", i == 0, g.Place())
		want[g.Place()] = g
	}
	for i, r := range x.d.plan.Removed {
		visit("Removed", i == 0, r.Place())
		delete(want, r.Place())
	}
	for i, c := range x.d.plan.Changed {
		visit("Changed", i == 0, c.Old.Place())
		want[c.Old.Place()] = c.New
	}
	for i, f := range x.d.plan.Frozen {
		visit("Frozen", i == 0, f.Place)
		x.frozen(f)
		if f.Today == nil {
			continue
		}
		if g, ok := x.d.plan.Desired.At(f.Place); ok {
			want[f.Place] = g
		}
	}
	x.desired(want)
}

func (x *examiner) desired(want map[exports.Place]exports.Grant) {
	if got := x.d.plan.Desired.Len(); got != len(want) {
		x.report("Desired is not today, added, removed and changed", "%d places, not %d", got, len(want))
	}
	for place, g := range want {
		got, ok := x.d.plan.Desired.At(place)
		if !ok || got.Options != g.Options {
			x.report("Desired is not today, added, removed and changed", "%v: %q, not %q", place, got.Options, g.Options)
		}
		owners := map[string]bool{g.Owner.ID: true}
		for _, w := range x.o.wants[place] {
			owners[w.id] = true
		}
		if ok && !owners[got.Owner.ID] {
			x.report("Desired has an owner who does not want the place", "%v: %v", place, got.Owner)
		}
	}
}

func (x *examiner) frozen(f exports.Frozen) {
	today, ok := x.w.today.At(f.Place)
	if ok && f.Today == nil && x.follows(f) {
		return
	}
	if ok != (f.Today != nil) || ok && today != *f.Today {
		x.report("Frozen.Today is not today's line", "%v %v", f.Place, f.Today)
	}
	line, stays := x.d.plan.Desired.At(f.Place)
	if stays != ok {
		x.report("a frozen place is not left as it is", "%v", f.Place)
	}
	if !ok || !stays {
		return
	}
	follow := map[string]bool{today.Options: true}
	if over := f.Reason == exports.OverShare || f.Reason == exports.OverLimit; !over {
		keys, reused := x.o.known(today)
		hosts := x.o.hosts(today)
		for _, c := range keys {
			follow[c.Options] = true
			if right := x.o.places[f.Place]; hosts[exports.Here] && !right[fateShare] && !right[fateLimited] {
				delete(follow, today.Options) // nothing else is right
				follow[c.Options] = true
			}
		}
		for _, c := range x.w.evidence.Config.Projects {
			if c.Key == reused || len(x.o.wants[f.Place]) > 0 {
				follow[c.Options] = true
			}
		}
	}
	if !follow[line.Options] {
		x.report(fmt.Sprintf("options of a frozen place (%s)%s", f.Reason, x.hint(f.Place)), "%v: %q, not %v", f.Place, line.Options, follow)
	}
}

// follows reports whether a frozen place is an addition that waits because the address is
// claimed twice, while the line of a project that does not want the place goes.
func (x *examiner) follows(f exports.Frozen) bool {
	_, stays := x.d.plan.Desired.At(f.Place)
	removed := slices.ContainsFunc(x.d.plan.Removed, func(r exports.Removal) bool { return r.Place() == f.Place })
	return removed && !stays && f.Then != nil && (f.Reason == exports.ClaimedTwice || f.Reason == exports.Nested) && len(x.o.claims[f.Client.Addr]) > 1 && x.o.behind[f.Place].any(isRemoved)
}

// evidence: nothing is removed without an answer about that very grant.
func (x *examiner) evidence() {
	for _, r := range x.d.plan.Removed {
		own := x.o.own(r.Grant)
		hosts := x.o.hosts(r.Grant)
		keys, _ := x.o.known(r.Grant)
		about := x.w.evidence.Inventory.IDs[r.Owner.ID]
		keystone := r.Owner.ID != "" && (about.Sight == exports.Absent || about.Sight == exports.Shown && !about.Enabled)
		for _, c := range keys {
			p := x.w.evidence.Inventory.Projects[c.Key]
			keystone = keystone || p.Sight == exports.Shown && !p.Enabled
		}
		switch {
		case own == ownGone, own == ownReleased, keystone, len(hosts) == 0, x.o.local(r.Grant),
			len(hosts) == 1 && hosts[exports.Elsewhere], r.Owner.Public != "":
		default:
			x.report("a removal without evidence", "%v", r)
		}
	}
}

// same reports whether two decisions are equal but for texts.
func (d decision) same(e decision) bool {
	return status(d.err) == status(e.err) && d.refused() == e.refused() && reflect.DeepEqual(d.asked, e.asked) &&
		reflect.DeepEqual(d.fates(), e.fates()) && (d.err != nil || reflect.DeepEqual(d.plan.Desired, e.plan.Desired))
}

// reversed: the order of projects, mounts, instances and addresses does not matter.
func (x *examiner) reversed() {
	if r := settle(x.w.reversed(), nil); !r.same(x.d) {
		x.report("another result with all lists reversed", "%s", r)
	}
	if len(x.name)%4 > 0 {
		return // some are enough: only the order of maps is another
	}
	if r := settle(x.w, nil); !r.same(x.d) {
		x.report("another result for the same world", "%s", r)
	}
}
