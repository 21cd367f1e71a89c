package exports

import "fmt"

// Limits is how much one run may remove without approval.
type Limits struct {
	MaxRemoved        int // grants
	MaxRemovedPercent int // of today's grants
}

// Allowed is how many of today's grants may go at once: the larger of the two
// limits.
func (l Limits) Allowed(today int) int {
	return max(l.MaxRemoved, today*l.MaxRemovedPercent/100)
}

// Check gives a *LimitError if a plan removes more than the limits allow, or
// leaves nothing where there was something.
func (l Limits) Check(p Plan) error {
	over := &LimitError{Removed: len(p.Removed), Current: p.Today.Len(), Limit: l.Allowed(p.Today.Len())}
	switch {
	case over.Removed == 0:
		return nil
	case p.Desired.Len() == 0:
		over.Empty = true
		return over
	case over.Removed > over.Limit:
		return over
	}
	return nil
}

// LimitError is a plan that removes too much to be carried out without a
// person's approval.
type LimitError struct {
	Removed int  // grants that would go
	Current int  // grants there are today
	Limit   int  // grants that may go
	Empty   bool // nothing would be left
}

func (e *LimitError) Error() string {
	if e.Empty {
		return fmt.Sprintf("this would remove all %d grants and leave nothing", e.Current)
	}
	return fmt.Sprintf("this would remove %d of %d grants, and no more than %d may go at once (safety.max_removed, safety.max_removed_percent)",
		e.Removed, e.Current, e.Limit)
}
