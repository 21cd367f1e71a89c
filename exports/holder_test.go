package exports_test

import (
	"cmp"
	"testing"

	"pgregory.net/rapid"

	"nfs-exportd/exports"
)

// TestLinesKeepTheirHolder: a line of an instance that stays granted names another project or instance
// only where its own one is proved to have left, or does not count any more.
func TestLinesKeepTheirHolder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTruth(t, odd{})
		plan, e, err := w.decide(drawView(t, w), w.today)
		if err != nil {
			t.Skip("in doubt")
		}
		for _, g := range w.today {
			line, ok := plan.Desired.At(g.Place())
			if !ok || line.Instance.ID == g.Instance.ID && line.Owner.ID == cmp.Or(g.Owner.ID, line.Owner.ID) || g.Instance.ID == "" || line.Owner.Public != "" {
				continue
			}
			p, exists := w.owner(g)
			id := g.Owner.ID
			if exists {
				id = p.id
			}
			left := proved(e, id, g)
			for _, reason := range []exports.Reason{exports.NotInConfig, exports.ProjectDeleted, exports.ProjectDisabled, exports.OwnAddress, exports.ServedElsewhere} {
				left = left || w.right(g, reason)
			}
			if !left {
				t.Errorf("%s %s of %+v, %q, is of %+v, %q, by now, and nothing says that the first one left", g.Path, g.Client, g.Owner, g.Instance.ID, line.Owner, line.Instance.ID)
			}
		}
	})
}
