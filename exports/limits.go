package exports

// Limits is how much one run may remove and change without approval.
type Limits struct {
	MaxRemoved        int // grants
	MaxRemovedPercent int // of today's grants
}

// Allowed is how many of today's grants may go or change at once: the larger of the
// two limits.
func (l Limits) Allowed(today int) int {
	return max(l.MaxRemoved, today*l.MaxRemovedPercent/100)
}
