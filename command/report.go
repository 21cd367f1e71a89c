package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"nfs-exportd/render"
)

// printText prints a plan for people. First comes a diff that patch(1) takes;
// it ignores what follows. Nothing to do is nothing printed.
func (r result) printText(w io.Writer) error {
	var b strings.Builder
	c, f := r.candidate, r.files
	if c.rewrites {
		if _, err := w.Write(render.Diff(f.path, f.old.Text, c.text, f.old.Exists)); err != nil {
			return err
		}
	}
	switch {
	case r.held != nil && r.held.standby:
		// A standby does this for months: not a word.
	case r.held != nil:
		b.WriteString(r.held.text() + "\n")
	case c.rewrites:
		for _, removal := range r.plan.Removed {
			fmt.Fprintf(&b, "remove %s %s of %q: %s\n", removal.Path, removal.Client, removal.Owner, removal.Reason)
		}
		for _, conflict := range c.conflicts {
			fmt.Fprintf(&b, "conflict: %s\n", conflict)
		}
		for _, file := range f.adopted {
			fmt.Fprintf(&b, "adopt %s\n", file.Path)
		}
		fmt.Fprintf(&b, "%d grants to add, %d to remove, %d to change; %d today, %d then\nplan %s\n",
			len(r.plan.Added), len(r.plan.Removed), len(r.plan.Changed), f.today.Len(), r.plan.Desired.Len(), c.id)
	case r.reloads():
		fmt.Fprintf(&b, "%s is as it should be, but the active exports are not:\n", f.path)
		for _, difference := range r.tested.active.Differences {
			fmt.Fprintf(&b, "  %s\n", difference)
		}
		b.WriteString("exportfs has to read it again\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// The JSON form of a plan, see "JSON" in nfs-exportd(8).
type (
	planJSON struct {
		PlanID      string       `json:"plan_id"`
		Changed     bool         `json:"changed"`
		Reload      bool         `json:"reload"`
		ExportsFile string       `json:"exports_file"`
		Diff        string       `json:"diff"`
		Held        *heldJSON    `json:"held"`
		Refused     *refusedJSON `json:"refused"`
		Grants      grantsJSON   `json:"grants"`
	}
	heldJSON struct {
		Reason string  `json:"reason"`
		Until  *string `json:"until"`
	}
	refusedJSON struct {
		Message string `json:"message"`
		Removed int    `json:"removed"`
		Current int    `json:"current"`
		Limit   int    `json:"limit"`
	}
	grantsJSON struct {
		Current int         `json:"current"`
		Desired int         `json:"desired"`
		Added   []grantJSON `json:"added"`
		Removed []grantJSON `json:"removed"`
	}
	grantJSON struct {
		Path     string `json:"path"`
		Client   string `json:"client"`
		Project  string `json:"project"`
		Instance string `json:"instance,omitempty"`
		Reason   string `json:"reason,omitempty"`
	}
)

// printJSON prints a plan as one JSON object.
func (r result) printJSON(w io.Writer) error {
	c, f := r.candidate, r.files
	p := planJSON{
		PlanID:      c.id,
		Changed:     r.changes(),
		Reload:      r.reloads(),
		ExportsFile: f.path,
		Grants: grantsJSON{
			Current: f.today.Len(),
			Desired: r.plan.Desired.Len(),
			Added:   []grantJSON{},
			Removed: []grantJSON{},
		},
	}
	if r.held != nil {
		p.Held = &heldJSON{Reason: r.held.reason}
		if !r.held.until.IsZero() {
			until := r.held.until.Format(time.RFC3339)
			p.Held.Until = &until
		}
	} else {
		p.Diff = string(render.Diff(f.path, f.old.Text, c.text, f.old.Exists))
	}
	if refused := r.refused(); refused != "" {
		p.Refused = &refusedJSON{
			Message: refused, Removed: len(r.plan.Removed), Current: f.today.Len(),
			Limit: r.config.Limits.Allowed(f.today.Len()),
		}
	}
	for _, g := range r.plan.Added {
		p.Grants.Added = append(p.Grants.Added, grantJSON{
			Path: g.Path, Client: g.Client.String(), Project: g.Owner.String(), Instance: g.Instance.Name,
		})
	}
	for _, removal := range r.plan.Removed {
		p.Grants.Removed = append(p.Grants.Removed, grantJSON{
			Path: removal.Path, Client: removal.Client.String(), Project: removal.Owner.String(), Reason: string(removal.Reason),
		})
	}
	return printJSON(w, p)
}
