package exports

import "slices"

// LeaveOut gives the plan without the paths that became symbolic links after it was made.
// links says why. As in a plan that [Decide] makes with these links, their lines go and
// their additions wait.
func (p Plan) LeaveOut(links map[string]string) Plan {
	none := map[Place]*Grant{}
	p.Removed, p.Frozen = slices.Clone(p.Removed), slices.Clone(p.Frozen)
	p.Frozen = slices.DeleteFunc(p.Frozen, func(f Frozen) bool { return links[f.Path] != "" })
	for _, g := range p.Desired.Grants() {
		why, linked := links[g.Path]
		if !linked {
			continue
		}
		none[g.Place()] = nil
		if old, ok := p.Today.At(g.Place()); ok {
			p.Removed = append(p.Removed, Removal{old, SymbolicLink})
		}
		p.Frozen = append(p.Frozen, Frozen{Place: g.Place(), Then: &g, Project: g.Owner, Instance: g.Instance, Reason: LinkInTheWay, Why: why})
	}
	gone := func(at Place) bool { return links[at.Path] != "" }
	p.Added = slices.DeleteFunc(slices.Clone(p.Added), func(g Grant) bool { return gone(g.Place()) })
	p.Changed = slices.DeleteFunc(slices.Clone(p.Changed), func(c Change) bool { return gone(c.Old.Place()) })
	slices.SortStableFunc(p.Removed, func(a, b Removal) int { return a.Place().Compare(b.Place()) })
	slices.SortStableFunc(p.Frozen, func(a, b Frozen) int { return a.Place.Compare(b.Place) })
	p.Desired = p.Desired.with(none)
	return p
}
