package exports_test

import (
	"reflect"
	"strings"

	"nfs-exportd/exports"
)

const fateNested = "frozen:nested"

// nested: below a path of this server that clients may write to nothing is added, and what
// would stay is frozen. A path counts as configured, whether it has grants or not, or
// because a line of it stays. What is removed is removed, and what is frozen for another
// reason stays so.
func (o *oracle) nested() {
	if o.evidence.Config.AllowNested {
		return
	}
	sure, maybe := map[string]bool{}, map[string]bool{}
	for _, l := range o.evidence.Config.Public {
		sure[l.Path] = sure[l.Path] || l.Options == rw
	}
	for _, c := range o.evidence.Config.Projects {
		for _, m := range c.Mounts {
			sure[m.Path] = sure[m.Path] || c.Options == rw && o.evidence.Hosts[m.Host].Where == exports.Here
		}
	}
	for _, g := range o.today.Grants() {
		right := o.places[g.Place()]
		stays := func(fate fate) bool { return !isRemoved(fate) }
		if g.Options == rw && !right[fateChanged] {
			sure[g.Path] = sure[g.Path] || right.all(stays)
		}
		maybe[g.Path] = maybe[g.Path] || right.any(stays)
	}
	for place, right := range o.places {
		then := fates{}
		_, today := o.today.At(place)
		for fate := range right {
			switch {
			case today && (fate == fateKept || fate == fateChanged), !today && (fate == fateAdded || isFrozen(fate)):
				then[fateNested] = true
			default:
				then[fate] = true
			}
		}
		switch {
		case isBelow(place.Path, sure):
			o.places[place] = then
		case isBelow(place.Path, maybe):
			o.places[place] = right.or(then)
		}
	}
}

func isBelow(path string, outers map[string]bool) bool {
	for outer, is := range outers {
		if is && outer != path && (outer == "/" || strings.HasPrefix(path, outer+"/")) {
			return true
		}
	}
	return false
}

// nestedFamily is the worlds of another family with something above all their paths.
func nestedFamily(p *picker) *draft {
	above := p.pick(8)
	d := []func(*picker) *draft{claims, edits, alone}[p.pick(3)](p)
	if d == nil {
		return nil
	}
	mount := func(host string) {
		p := &d.config.Projects[0]
		p.Mounts = append(p.Mounts, exports.Mount{Key: "above", Host: host, Path: "/"})
	}
	public := func(options string) {
		d.config.Public = append(d.config.Public, exports.PublicLine{Name: "above", Path: "/", Client: exports.Client{Literal: "*"}, Options: options})
	}
	switch {
	case above < 4 && len(d.config.Projects) == 0:
		return nil
	case above == 0:
		mount(here)
	case above == 1:
		mount(away)
	case above == 2:
		mount(lost)
	case above == 3:
		mount(here)
		d.config.AllowNested = true
	case above == 4:
		public(rw)
	case above == 5:
		public(ro)
	case above == 6: // a line that goes
		d.line("/", addrZ, exports.Owner{Public: "gone"}, "")
	case above == 7: // a line that stays frozen
		d.line("/", addrZ, exports.Owner{ID: idOf("d"), Name: "delta"}, "i9")
		d.config.Projects = append(d.config.Projects, exports.ProjectConfig{Key: "deltb", Options: ro, Line: 9,
			Mounts: []exports.Mount{{Key: "m", Host: here, Path: "/"}}})
		d.cloud(idOf("d"), "delta")
		d.answers["i9"] = unprovedAnswer()
	}
	return d.done()
}

// leftOut: a symbolic link takes the lines of its path out, and changes nothing elsewhere.
// It is the same whether it is known before the plan or found after it.
func (x *examiner) leftOut() {
	const path = "/p"
	if x.d.refused() || len(x.name)%4 > 0 {
		return
	}
	for _, f := range x.d.plan.Frozen {
		if f.Reason == exports.OverShare || f.Reason == exports.OverLimit {
			return // for which the lines of the path do not count any more
		}
	}
	w := x.w
	w.evidence.Links = map[string]string{path: "a link"}
	before, after := settle(w, nil), x.d.plan.LeaveOut(w.evidence.Links)
	if before.err != nil || before.refused() {
		if !before.refused() || x.o.refuse.may {
			return // another share of the grants is left
		}
		x.report("a link ends a run", "%v", before)
		return
	}
	for _, d := range []exports.Plan{before.plan, after} {
		for _, g := range d.Desired.Grants() {
			if g.Path == path {
				x.report("a link is exported", "%v", d)
			}
		}
		for _, g := range x.d.plan.Desired.Grants() {
			if _, ok := d.Desired.At(g.Place()); !ok && g.Path != path {
				x.report("a link takes another path out", "%v: %v", g.Place(), before)
			}
		}
	}
	if !reflect.DeepEqual(before.plan.Desired.Grants(), after.Desired.Grants()) && before.plan.Desired.Len() > 0 {
		x.report("a link before the plan and after it differ", "%v and %v", before, decision{plan: after})
	}
	one, other := before.fates(), decision{plan: after}.fates()
	for place, fate := range other {
		if place.Path == path && fate == "removed:symbolic-link" && one[place] != fate {
			x.report("a line of a link stays", "%v: %v", place, before)
		}
	}
}
