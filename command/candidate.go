package command

import (
	"bytes"
	"fmt"
	"runtime/debug"

	"nfs-exportd/exports"
	"nfs-exportd/render"
)

// candidate is the exports file as the plan wants it. It is not on the disk yet.
type candidate struct {
	text      []byte
	rewrites  bool // the exports file or an adopted one changes, in more than comments
	comments  bool // the exports file changes in comments alone
	networks  int  // grants that change between an address and the network of that
	conflicts []render.Conflict
}

// manyGrants is from how many grants on a run gives back the memory of the inventory
// before it writes the text. 100,000 instances then take 100 MB instead of 127, for
// one garbage collection more.
const manyGrants = 20_000

// render makes the candidate of a plan.
func (j job) render(f *files, plan exports.Plan, id string, decided bool) (c candidate, rendered bool) {
	return step(j.steps, "new exports file", decided, func() (candidate, string, error) {
		if plan.Desired.Len() >= manyGrants {
			debug.FreeOSMemory()
		}
		c, err := newCandidate(f, plan)
		if err != nil {
			return c, "", err
		}
		says := "as it is"
		switch {
		case c.comments:
			says = "as it is, but for comments"
		case c.rewrites:
			says = fmt.Sprintf("%s, plan %s", count(plan.Desired.Len(), "grant"), id)
		}
		return c, says, nil
	})
}

func newCandidate(f *files, plan exports.Plan) (c candidate, err error) {
	networks := f.networks()
	text, err := render.MarshalBeside(plan.Desired, networks)
	if err != nil {
		return c, err
	}
	differs := !bytes.Equal(f.old.Text, text) || !f.old.Exists || len(f.adopted) > 0
	c = candidate{
		text:      text,
		comments:  differs && f.old.Exists && len(f.adopted) == 0 && render.OnlyComments(f.parsed, plan.Desired, networks),
		networks:  f.parsed.NetworkChanges(plan.Desired, networks),
		conflicts: render.Conflicts(plan.Desired, f.foreign, f.names.known),
	}
	c.rewrites = differs && !c.comments
	return c, nil
}
