package exports_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
)

func TestLimitsAllowed(t *testing.T) {
	tests := []struct {
		limits exports.Limits
		today  int
		want   int
	}{
		{exports.Limits{}, 1000, 0},
		{exports.Limits{MaxRemoved: 10}, 0, 10},
		{exports.Limits{MaxRemoved: 10, MaxRemovedPercent: 25}, 40, 10},
		{exports.Limits{MaxRemoved: 10, MaxRemovedPercent: 25}, 43, 10},
		{exports.Limits{MaxRemoved: 10, MaxRemovedPercent: 25}, 44, 11},
		{exports.Limits{MaxRemovedPercent: 100}, 20000, 20000},
	}
	for _, tt := range tests {
		if got := tt.limits.Allowed(tt.today); got != tt.want {
			t.Errorf("%+v allow %d of %d, want %d", tt.limits, got, tt.today, tt.want)
		}
	}
}

// town is a cloud in which project number n has the addresses 10.n.0.*. All paths are
// of one project alone.
type town struct {
	today  []exports.Grant
	cloud  []exports.Project
	public []exports.PublicLine
}

func townAddr(n, i int) string { return netip.AddrFrom4([4]byte{10, byte(n), 0, byte(i)}).String() }

// unusable is what an instance has that lost the address of its line. It gets no grant.
const unusable = "169.254.0.1"

// project adds one with instances that stay, that leave (there without the address of the
// line), that are in no list, and that are new.
func (w *town) project(stay, leave, missing, added int) {
	n := len(w.cloud)
	name := fmt.Sprint("p", n)
	p := project(name)
	line := func(i int) exports.Grant {
		return granted("/srv/"+name, townAddr(n, i), name, fmt.Sprintf("%s-i%d", name, i))
	}
	i := 0
	for range stay {
		w.today = append(w.today, line(i))
		p.Instances = append(p.Instances, instance(line(i).Instance.ID, townAddr(n, i)))
		i++
	}
	for range leave {
		w.today = append(w.today, line(i))
		p.Instances = append(p.Instances, instance(line(i).Instance.ID, unusable))
		i++
	}
	for range missing {
		w.today = append(w.today, line(i))
		i++
	}
	for range added {
		p.Instances = append(p.Instances, instance(line(i).Instance.ID, townAddr(n, i)))
		i++
	}
	w.cloud = append(w.cloud, p)
}

// publicLines adds lines of today that stay, and that the configuration does not have.
func (w *town) publicLines(stay, removed int) {
	for i := range stay + removed {
		client := exports.Client{Literal: fmt.Sprintf("host%02d.example", i)}
		w.today = append(w.today, exports.Grant{Path: "/srv/public", Client: client, Options: "ro", Owner: exports.Owner{Public: "x"}})
		if i < stay {
			w.public = append(w.public, exports.PublicLine{Name: "x", Path: "/srv/public", Client: client, Options: "ro"})
		}
	}
}

func (w *town) evidence() exports.Evidence {
	e := served(w.cloud...)
	for i := range e.Config.Projects {
		e.Config.Projects[i].Mounts = e.Config.Projects[i].Mounts[:1]
	}
	e.Config.Public = w.public
	return e
}

// counted is a plan in numbers: of a project, "+1 -2 ~3 =4 over-share" and so on.
func counted(p exports.Plan) []string {
	n := map[string]int{}
	name := func(o exports.Owner) string { return o.String() }
	for _, g := range p.Added {
		n[name(g.Owner)+" +"]++
	}
	for _, r := range p.Removed {
		n[name(r.Owner)+" - "+string(r.Reason)]++
	}
	for _, c := range p.Changed {
		n[name(c.New.Owner)+" ~"]++
	}
	for _, f := range p.Frozen {
		held := ""
		if f.Held {
			held = " held"
		}
		n[name(f.Project)+" = "+string(f.Reason)+held]++
	}
	var lines []string
	for what, count := range n {
		lines = append(lines, fmt.Sprintf("%s: %d", what, count))
	}
	slices.Sort(lines)
	if p.Refused != nil {
		lines = append(lines, fmt.Sprintf("refused: %d of %d, limit %d", p.Refused.Removed, p.Refused.Current, p.Refused.Limit))
	}
	return lines
}

func TestDecideLimits(t *testing.T) {
	options := func(e *exports.Evidence, projects ...int) {
		for _, n := range projects {
			e.Config.Projects[n].Options = "new"
		}
	}
	tests := []struct {
		name   string
		world  func(w *town)
		change func(e *exports.Evidence)
		answer func(exports.Question) exports.Answer
		asked  int
		want   []string
	}{
		{"at the limit", func(w *town) { w.project(30, 0, 10, 0) }, nil, gone, 10, []string{"p0 - instance-gone: 10"}},
		{"a project alone is over the limit", func(w *town) { w.project(20, 15, 0, 2); w.project(10, 1, 0, 1) }, nil, gone, 0, []string{
			"p0 +: 2", "p0 = over-share held: 15", "p1 +: 1", "p1 - address-released: 1",
		}},
		{"a project alone is over the limit, by instances that are asked for", func(w *town) { w.project(20, 0, 15, 2); w.project(8, 0, 1, 1) }, nil, gone, 12, []string{
			"p0 +: 2", "p0 = over-share held: 15", "p1 +: 1", "p1 - instance-gone: 1",
		}},
		{"of those that are asked for only what is proved counts", func(w *town) { w.project(20, 0, 10, 0); w.project(20, 5, 0, 0) }, nil, unproved, 10, []string{
			"p0 = unproved held: 10", "p1 - address-released: 5",
		}},
		{"the surplus is frozen, although nothing is proved", func(w *town) { w.project(30, 0, 12, 0) }, nil, unproved, 10, []string{
			"p0 = over-share held: 2", "p0 = unproved held: 10",
		}},
		{"the surplus of a project counts for its share", func(w *town) { w.project(22, 2, 11, 0) }, nil, unproved, 10, []string{
			"p0 - address-released: 2", "p0 = over-share held: 1", "p0 = unproved held: 10",
		}},
		{"projects are over the limit together", func(w *town) { w.project(10, 7, 0, 1); w.project(10, 0, 7, 1) }, nil, gone, 7, []string{
			"p0 +: 1", "p0 = over-limit held: 7", "p1 +: 1", "p1 = over-limit held: 7",
		}},
		{"together, what is not proved does not count", func(w *town) { w.project(10, 7, 0, 1); w.project(10, 0, 7, 1) }, nil, unproved, 7, []string{
			"p0 +: 1", "p0 - address-released: 7", "p1 +: 1", "p1 = unproved held: 7",
		}},
		{"one is over the limit and the others are not", func(w *town) { w.project(18, 13, 0, 0); w.project(5, 5, 0, 0); w.project(4, 5, 0, 0) }, nil, gone, 0, []string{
			"p0 = over-share held: 13", "p1 - address-released: 5", "p2 - address-released: 5",
		}},
		{"one is over the limit, and the others together are", func(w *town) { w.project(30, 13, 0, 0); w.project(5, 6, 0, 0); w.project(3, 6, 0, 0) }, func(e *exports.Evidence) {
			e.Config.Limits.MaxRemovedPercent = 0
		}, gone, 0, []string{
			"p0 = over-share held: 13", "p1 = over-limit held: 6", "p2 = over-limit held: 6",
		}},
		{"changed options count", func(w *town) { w.project(15, 0, 0, 1); w.project(20, 1, 0, 0) }, func(e *exports.Evidence) { options(e, 0) }, gone, 0, []string{
			"p0 +: 1", "p0 = over-share held: 15", "p1 - address-released: 1",
		}},
		{"changed options count with removals", func(w *town) { w.project(6, 5, 0, 0); w.project(20, 0, 0, 0) }, func(e *exports.Evidence) { options(e, 0) }, gone, 0, []string{
			"p0 = over-share held: 11",
		}},
		{"changed options count together", func(w *town) { w.project(7, 0, 0, 0); w.project(7, 0, 0, 0); w.project(10, 0, 0, 0) }, func(e *exports.Evidence) { options(e, 0, 1) }, gone, 0, []string{
			"p0 = over-limit held: 7", "p1 = over-limit held: 7",
		}},
		{"changed options at frozen places", func(w *town) { w.project(10, 0, 3, 0); w.project(20, 0, 0, 0) }, func(e *exports.Evidence) { options(e, 0); e.Config.Limits.MaxRemoved = 13 }, unproved, 3, []string{
			"p0 = unproved held: 3", "p0 ~: 13",
		}},
		{"changed options at frozen places count", func(w *town) { w.project(10, 0, 3, 0); w.project(20, 0, 0, 0) }, func(e *exports.Evidence) { options(e, 0) }, unproved, 3, []string{
			"p0 = over-share held: 10", "p0 = unproved held: 3",
		}},
		{"public lines", func(w *town) { w.project(10, 0, 0, 1); w.publicLines(3, 10) }, nil, gone, 0, []string{"p0 +: 1", "x - public-removed: 10"}},
		{"public lines count together alone", func(w *town) { w.project(10, 1, 0, 1); w.publicLines(3, 11) }, nil, gone, 0, []string{
			"p0 +: 1", "p0 = over-limit held: 1", "x = over-limit held: 11",
		}},
		{"additions do not make up for removals", func(w *town) { w.project(20, 11, 0, 50) }, nil, gone, 0, []string{"p0 +: 50", "p0 = over-share held: 11"}},
		{"a percentage is never rounded up", func(w *town) { w.project(35, 12, 0, 0) }, nil, gone, 0, []string{"p0 = over-share held: 12"}},
		{"the percentage counts where it is larger", func(w *town) { w.project(75, 25, 0, 0) }, nil, gone, 0, []string{"p0 - address-released: 25"}},
		{"half of the grants", func(w *town) { w.project(5, 4, 0, 0); w.project(4, 5, 0, 1) }, nil, gone, 0, []string{
			"p0 - address-released: 4", "p1 +: 1", "p1 - address-released: 5",
		}},
		{"more than half of the grants", func(w *town) { w.project(5, 5, 0, 0); w.project(4, 2, 3, 1) }, nil, gone, 0, []string{
			"p0 - address-released: 5", "p1 +: 1", "p1 - address-released: 2", "p1 = unproved held: 3", "refused: 10 of 19, limit 10",
		}},
		{"more than half of the grants, of one project", func(w *town) { w.project(1, 9, 0, 0); w.project(5, 0, 0, 1) }, nil, gone, 0, []string{
			"p0 - address-released: 9", "p1 +: 1",
		}},
		{"more than half, of which half have no address in Nova", func(w *town) {
			w.project(5, 5, 0, 0)
			w.project(9, 1, 0, 0)
			for i := range w.cloud[1].Instances[:5] {
				w.cloud[1].Instances[i].Addresses = nil
			}
		}, nil, gone, 0, []string{
			"p0 - address-released: 5", "p1 - address-released: 1", "p1 = address-unknown held: 5",
		}},
		{"more than half, with public lines that stay", func(w *town) { w.project(2, 3, 0, 0); w.project(1, 1, 0, 0); w.publicLines(50, 0) }, nil, gone, 0, []string{
			"p0 - address-released: 3", "p1 - address-released: 1", "refused: 4 of 57, limit 14",
		}},
		{"more than half is public", func(w *town) { w.project(3, 1, 0, 0); w.project(1, 0, 0, 0); w.publicLines(0, 9) }, nil, gone, 0, []string{
			"p0 - address-released: 1", "x - public-removed: 9",
		}},
		{"the last grant", func(w *town) { w.project(0, 1, 0, 0) }, nil, gone, 0, []string{"p0 - address-released: 1", "refused: 1 of 1, limit 10"}},
		{"the last grant by an answer", func(w *town) { w.project(0, 0, 3, 0) }, nil, gone, 3, []string{"p0 - instance-gone: 3", "refused: 3 of 3, limit 10"}},
		{"the last grant of a project, and another comes", func(w *town) { w.project(0, 1, 0, 1) }, nil, gone, 0, []string{"p0 +: 1", "p0 - address-released: 1"}},
		{"the last grant of a project, and public lines stay", func(w *town) { w.project(0, 1, 0, 0); w.publicLines(5, 0) }, nil, gone, 0, []string{
			"p0 - address-released: 1", "refused: 1 of 6, limit 10",
		}},
		{"the last public line", func(w *town) { w.publicLines(0, 1) }, nil, gone, 0, []string{"x - public-removed: 1"}},
		{"the last grant is frozen", func(w *town) { w.project(0, 0, 1, 0) }, nil, unproved, 1, []string{"p0 = unproved held: 1"}},
		{"the last grants are over the limit", func(w *town) { w.project(0, 11, 0, 0) }, nil, gone, 0, []string{"p0 = over-share held: 11"}},
		{"no removal is allowed", func(w *town) { w.project(5, 1, 1, 1); w.project(5, 0, 0, 1) }, func(e *exports.Evidence) { e.Config.Limits = exports.Limits{} }, gone, 0, []string{
			"p0 +: 1", "p0 = over-share held: 2", "p1 +: 1",
		}},
		{"no removal is allowed, and there is none", func(w *town) { w.project(5, 0, 0, 1) }, func(e *exports.Evidence) { e.Config.Limits = exports.Limits{} }, gone, 0, []string{"p0 +: 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &town{}
			tt.world(w)
			e := w.evidence()
			if tt.change != nil {
				tt.change(&e)
			}
			plan, asked, _, err := ask(exports.NewSet(w.today), e, nil, tt.answer)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, counted(plan)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if len(asked) != tt.asked {
				t.Errorf("asked %d questions, want %d: %v", len(asked), tt.asked, asked)
			}
		})
	}
}

// TestDecideOverTheLimitKeepsLines: what is over a limit stays as it is, with its options,
// and tells what was to come of it.
func TestDecideOverTheLimitKeepsLines(t *testing.T) {
	for _, reason := range []exports.FreezeReason{exports.OverShare, exports.OverLimit} {
		w := &town{}
		if w.project(6, 6, 0, 0); reason == exports.OverLimit {
			w = &town{}
			w.project(3, 3, 0, 0)
			w.project(3, 3, 0, 0)
		}
		w.project(20, 0, 0, 0)
		e := w.evidence()
		for i := range e.Config.Projects[:len(w.cloud)-1] {
			e.Config.Projects[i].Options = "new"
		}
		plan := decide(t, w.today, e, gone)
		if len(plan.Frozen) != 12 {
			t.Errorf("%s: %d places are frozen", reason, len(plan.Frozen))
		}
		for _, f := range plan.Frozen {
			today, _ := plan.Today.At(f.Place)
			if line, ok := plan.Desired.At(f.Place); !ok || line.Options != today.Options || *f.Today != today || f.Reason != reason {
				t.Errorf("%s: %+v has the line %+v", reason, f, line)
			}
			left := slices.ContainsFunc(e.Inventory.Projects[f.Project.Name].Instances, func(i exports.Instance) bool {
				return i.ID == f.Instance.ID && i.Addresses[0].Addr.String() == unusable
			})
			if left != (f.Then == nil) || f.Then != nil && f.Then.Options != "new" || !f.Held {
				t.Errorf("%s: %+v, then is %+v", reason, f, f.Then)
			}
			if !strings.Contains(f.Why, "safety.max_removed_percent") {
				t.Errorf("%s: why is %q", reason, f.Why)
			}
		}
	}
}

// TestDecideOddCloud: many addresses that are claimed twice or not known are refused as a
// whole, unless one project has a part in them.
func TestDecideOddCloud(t *testing.T) {
	// Addresses of both a and b, of both c and d; instances of e without an address, and
	// of s as ever.
	world := func(ofAB, ofCD, bare, steady int) ([]exports.Grant, exports.Evidence) {
		of := map[string]*exports.Project{}
		for _, name := range []string{"a", "b", "c", "d", "e", "s"} {
			p := project(name)
			of[name] = &p
		}
		var today []exports.Grant
		give := func(name, id string, addrs ...string) {
			of[name].Instances = append(of[name].Instances, instance(id, addrs...))
		}
		for i := range ofAB {
			give("a", fmt.Sprint("a", i), townAddr(1, i))
			give("b", fmt.Sprint("b", i), townAddr(1, i))
		}
		for i := range ofCD {
			give("c", fmt.Sprint("c", i), townAddr(2, i))
			give("d", fmt.Sprint("d", i), townAddr(2, i))
		}
		for i := range bare {
			give("e", fmt.Sprint("e", i))
			today = append(today, granted("/srv/e", townAddr(3, i), "e", fmt.Sprint("e", i)))
		}
		for i := range steady {
			give("s", fmt.Sprint("s", i), townAddr(4, i))
			today = append(today, granted("/srv/s", townAddr(4, i), "s", fmt.Sprint("s", i)))
		}
		e := served(*of["a"], *of["b"], *of["c"], *of["d"], *of["e"], *of["s"])
		for i := range e.Config.Projects {
			e.Config.Projects[i].Mounts = e.Config.Projects[i].Mounts[:1]
		}
		return today, e
	}
	tests := []struct {
		name                     string
		ofAB, ofCD, bare, steady int
		refused                  bool
		main                     bool // project a has a part in the claims of c and d as well
		frozen                   int
	}{
		{name: "few", ofAB: 3, ofCD: 2, bare: 3, steady: 5, frozen: 13},
		{name: "one pair of projects alone", ofAB: 60, steady: 5, frozen: 120},
		{name: "one project's instances alone", bare: 40, steady: 50, frozen: 40},
		{name: "at the number, without the main party", ofAB: 20, ofCD: 5, steady: 5, frozen: 50},
		{name: "above the number, without the main party", ofAB: 20, ofCD: 6, steady: 5, refused: true, frozen: 52},
		{name: "claimed and unknown together", ofAB: 6, ofCD: 3, bare: 5, steady: 5, refused: true, frozen: 23},
		{name: "claimed and unknown together, at the number", ofAB: 6, ofCD: 3, bare: 4, steady: 5, frozen: 22},
		{name: "at a tenth of the desired grants", ofAB: 20, ofCD: 6, steady: 68, frozen: 52},
		{name: "above a tenth of the desired grants", ofAB: 20, ofCD: 6, steady: 67, refused: true, frozen: 52},
		{name: "one project is a party to all", ofAB: 20, ofCD: 20, steady: 5, main: true, frozen: 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			today, e := world(tt.ofAB, tt.ofCD, tt.bare, tt.steady)
			if tt.main {
				p := e.Inventory.Projects["a"]
				for i := range tt.ofCD {
					p.Instances = append(p.Instances, instance(fmt.Sprint("more", i), townAddr(2, i)))
				}
				e.Inventory.Projects["a"] = p
			}
			plan := decide(t, today, e, gone)
			if (plan.Refused != nil) != tt.refused || len(plan.Frozen) != tt.frozen {
				t.Errorf("refused is %+v, and %d places are frozen, want %t, %d", plan.Refused, len(plan.Frozen), tt.refused, tt.frozen)
			}
			if tt.refused && !strings.Contains(plan.Refused.Message, "odd") {
				t.Errorf("message %q", plan.Refused.Message)
			}
		})
	}
}
