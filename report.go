package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"nfs-exportd/render"
)

// printText prints a plan for people. First comes a diff that patch(1) takes;
// it ignores what follows. Nothing to do is nothing printed.
func (o *outcome) printText(w io.Writer) error {
	var b strings.Builder
	if o.rewrites() {
		if _, err := w.Write(render.Diff(o.path, o.old.Text, o.text, o.old.Exists)); err != nil {
			return err
		}
	}
	switch {
	case o.held != nil && o.held.standby:
		// A standby does this for months: not a word.
	case o.held != nil:
		b.WriteString(o.held.text() + "\n")
	case o.rewrites():
		for _, r := range o.plan.Removed {
			fmt.Fprintf(&b, "remove %s %s of %q: %s\n", r.Path, r.Client, r.Owner, r.Reason)
		}
		for _, c := range o.conflicts {
			fmt.Fprintf(&b, "conflict: %s\n", c)
		}
		for _, file := range o.adopted {
			fmt.Fprintf(&b, "adopt %s\n", file.Path)
		}
		fmt.Fprintf(&b, "%d grants to add, %d to remove, %d to change; %d today, %d then\nplan %s\n",
			len(o.plan.Added), len(o.plan.Removed), len(o.plan.Changed), o.plan.Today.Len(), o.plan.Desired.Len(), o.id)
	case o.reloads():
		fmt.Fprintf(&b, "%s is as it should be, but the active exports are not:\n", o.path)
		for _, difference := range o.table.Differences {
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
func (o *outcome) printJSON(w io.Writer) error {
	p := planJSON{
		PlanID:      o.id,
		Changed:     o.changes(),
		Reload:      o.reloads(),
		ExportsFile: o.path,
		Grants: grantsJSON{
			Current: o.plan.Today.Len(),
			Desired: o.plan.Desired.Len(),
			Added:   []grantJSON{},
			Removed: []grantJSON{},
		},
	}
	if o.held != nil {
		p.Held = &heldJSON{Reason: o.held.reason}
		if !o.held.until.IsZero() {
			until := o.held.until.Format(time.RFC3339)
			p.Held.Until = &until
		}
	} else {
		p.Diff = string(render.Diff(o.path, o.old.Text, o.text, o.old.Exists))
	}
	if refused := o.refused(); refused != nil {
		p.Refused = &refusedJSON{
			Message: refused.why, Removed: len(o.plan.Removed), Current: o.plan.Today.Len(),
			Limit: o.limits.Allowed(o.plan.Today.Len()),
		}
	}
	for _, g := range o.plan.Added {
		p.Grants.Added = append(p.Grants.Added, grantJSON{
			Path: g.Path, Client: g.Client.String(), Project: g.Owner.String(), Instance: g.Instance.Name,
		})
	}
	for _, r := range o.plan.Removed {
		p.Grants.Removed = append(p.Grants.Removed, grantJSON{
			Path: r.Path, Client: r.Client.String(), Project: r.Owner.String(), Reason: string(r.Reason),
		})
	}
	return printJSON(w, p)
}
