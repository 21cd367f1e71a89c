package exports

// approval is what a person approved.
type approval struct {
	given bool
	whole bool // the plan was refused as a whole
	held  map[heldAt]Frozen
}

// heldAt is where something was held back: at a line of today, or for an addition. One
// place can have both.
type heldAt struct {
	place Place
	line  bool
}

func (i *item) heldAt() heldAt { return heldAt{i.place(), i.old != nil} }

func approvalOf(p *Plan) approval {
	if p == nil {
		return approval{}
	}
	a := approval{given: true, whole: p.Refused != nil, held: map[heldAt]Frozen{}}
	for _, f := range p.Frozen {
		a.held[heldAt{f.Place, f.Today != nil}] = f
	}
	return a
}

// covers reports whether an item was held back in the plan that was approved.
func (a approval) covers(i *item) bool { return a.held[i.heldAt()].Held }

// carryOut does at a place what was held back there, if a person approved that. It does
// nothing else: where something has been found out since that makes another line of it, the
// place stays frozen.
func (d *decision) carryOut(i *item) {
	held, ok := d.approval.held[i.heldAt()]
	if !ok || i.verdict.frozen == "" || !held.Held || held.Unasked {
		return
	}
	switch then := held.Then; {
	case then == nil && i.wanted == nil:
		i.verdict.frozen, i.verdict.reason = "", Approved
	case then != nil && i.wanted != nil && i.wanted.Options == then.Options && i.wanted.Owner.ID == then.Owner.ID:
		i.verdict.frozen, i.verdict.reason = "", ""
	}
}
