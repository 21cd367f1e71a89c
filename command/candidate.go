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
	id        string // of the plan
	rewrites  bool   // the exports file or an adopted one changes
	conflicts []render.Conflict
}

// manyGrants is from how many grants on a run gives back the memory of the inventory
// before it writes the text. 100,000 instances then take 100 MB instead of 127, for
// one garbage collection more.
const manyGrants = 20_000

// render makes the candidate of a plan.
func (j job) render(f *files, plan exports.Plan, decided bool) (c candidate, rendered bool) {
	return step(j.steps, "new exports file", decided, func() (candidate, string, error) {
		if plan.Desired.Len() >= manyGrants {
			debug.FreeOSMemory()
		}
		text, err := render.Marshal(plan.Desired)
		if err != nil {
			return c, "", err
		}
		c = candidate{
			text:      text,
			id:        render.PlanID(f.before(), text),
			rewrites:  !bytes.Equal(f.old.Text, text) || !f.old.Exists || len(f.adopted) > 0,
			conflicts: render.Conflicts(plan.Desired, f.foreign),
		}
		says := "as it is"
		if c.rewrites {
			says = fmt.Sprintf("%s, plan %s", count(plan.Desired.Len(), "grant"), c.id)
		}
		return c, says, nil
	})
}

// before is all that the plan starts from: the text of the exports file, and the
// grants of adopted files.
func (f *files) before() []byte {
	text := bytes.Clone(f.old.Text)
	for _, file := range f.adopted {
		text = fmt.Appendf(text, "adopted %q\n", file.Path)
		for _, g := range file.Grants {
			text = fmt.Appendf(text, "%q %q %q\n", g.Path, g.Client.String(), g.Options)
		}
	}
	return text
}
