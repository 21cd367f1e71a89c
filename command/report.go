package command

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/render"
)

// printText prints a plan for people. First comes a diff that patch(1) takes;
// it ignores what follows. Nothing to do is nothing printed.
func (r result) printText(w io.Writer) error {
	if r.candidate.rewrites {
		if _, err := w.Write(r.diff()); err != nil {
			return err
		}
	}
	var b strings.Builder
	switch {
	case r.held != nil && r.held.standby:
		// A standby does this for months: not a word.
	case r.held != nil:
		b.WriteString(r.held.text() + "\n")
	default:
		r.printChanges(&b)
		r.printReload(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// diff is what changes in the exports file, but for comments alone.
func (r result) diff() []byte {
	f := r.files
	if r.candidate.comments {
		return nil
	}
	return render.Diff(f.path, f.old.Text, r.candidate.text, f.old.Exists)
}

// printChanges prints what becomes of the grants, if there is a change or something is
// held back.
func (r result) printChanges(b *strings.Builder) {
	p, frozen := r.plan, ""
	if !r.candidate.rewrites && len(p.Frozen) == 0 && len(r.approval.dropped) == 0 {
		return
	}
	added := map[string]bool{} // by an approval
	for _, f := range p.Frozen {
		added[render.PlaceText(f.Place)] = f.Held && f.Then != nil
	}
	for _, entry := range r.approval.dropped {
		if added[entry] {
			continue
		}
		fmt.Fprintf(b, "remove %s from the active table: no exports file has it in a line that nfs-exportd can read\n", entry)
	}
	for _, removal := range p.Removed {
		fmt.Fprintf(b, "remove %s %s of %q: %s; %s\n", removal.Path, removal.Client, removal.Owner, removal.Reason, r.clients.Mounted(removal.Place()))
	}
	for _, f := range p.Frozen {
		fmt.Fprintf(b, "frozen %s %s of %q: %s; with approval: %s\n", f.Path, f.Client, f.Project, f.Reason, onApproval(f))
		frozen = fmt.Sprintf(", %d frozen", len(p.Frozen))
	}
	if r.candidate.rewrites {
		for _, conflict := range r.candidate.conflicts {
			fmt.Fprintf(b, "conflict: %s\n", conflict)
		}
	}
	if n := r.candidate.networks; n > 0 {
		fmt.Fprintf(b, "the mask, /32 or /128, of %s changes because of host names in other lines\n", count(n, "grant"))
	}
	for _, file := range r.files.adopted {
		fmt.Fprintf(b, "adopt %s\n", file.Path)
	}
	fmt.Fprintf(b, "%d grants to add, %d to remove, %d to change%s; %d today, %d then\nplan %s\n",
		len(p.Added), len(p.Removed), len(p.Changed), frozen, r.files.today.Len(), p.Desired.Len(), r.approval.id)
}

// printReload prints why exportfs has to read a file that is right already.
func (r result) printReload(b *strings.Builder) {
	if !r.reloads() {
		return
	}
	fmt.Fprintf(b, "%s is as it should be, but the active exports are not:\n", r.files.path)
	for _, difference := range r.tested.active.Differences {
		fmt.Fprintf(b, "  %s\n", difference)
	}
	b.WriteString("exportfs has to read it again\n")
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
		Frozen      []frozenJSON `json:"frozen"`
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
	frozenJSON struct {
		Path     string `json:"path"`
		Client   string `json:"client"`
		Project  string `json:"project"`
		Instance string `json:"instance"`
		Reason   string `json:"reason"`
	}
	grantsJSON struct {
		Current int           `json:"current"`
		Desired int           `json:"desired"`
		Added   []grantJSON   `json:"added"`
		Removed []removedJSON `json:"removed"`
		Changed []changeJSON  `json:"changed"`
	}
	removedJSON struct {
		Path    string `json:"path"`
		Client  string `json:"client"`
		Project string `json:"project"`
		Reason  string `json:"reason"`
		Mounted *bool  `json:"mounted"`
	}
	changeJSON struct {
		Path       string `json:"path"`
		Client     string `json:"client"`
		Project    string `json:"project"`
		Instance   string `json:"instance"`
		OldOptions string `json:"old_options"`
		NewOptions string `json:"new_options"`
	}
	grantJSON struct {
		Path     string `json:"path"`
		Client   string `json:"client"`
		Project  string `json:"project"`
		Instance string `json:"instance,omitempty"`
	}
)

// printJSON prints a plan as one JSON object.
func (r result) printJSON(w io.Writer) error {
	p := planJSON{
		PlanID:      r.approval.id,
		Changed:     r.changes(),
		Reload:      r.reloads(),
		ExportsFile: r.files.path,
		Refused:     r.refusedJSON(),
		Frozen:      []frozenJSON{},
		Grants:      r.grantsJSON(),
	}
	if r.held != nil {
		p.Held = &heldJSON{Reason: r.held.reason}
		if !r.held.until.IsZero() {
			until := r.held.until.Format(time.RFC3339)
			p.Held.Until = &until
		}
	} else {
		p.Diff = string(r.diff())
	}
	for _, f := range r.plan.Frozen {
		p.Frozen = append(p.Frozen, frozenJSON{
			f.Path, f.Client.String(), f.Project.String(), instanceName(f.Instance), string(f.Reason),
		})
	}
	return printJSON(w, p)
}

// instanceName is an instance for people: its name, or else its id.
func instanceName(i exports.InstanceRef) string { return cmp.Or(i.Name, i.ID) }

// refusedJSON says why the plan as a whole needs approval, or gives nil.
func (r result) refusedJSON() *refusedJSON {
	message := r.refused()
	if message == "" {
		return nil
	}
	if refusal := r.plan.Refused; refusal != nil {
		return &refusedJSON{message, refusal.Removed, refusal.Current, refusal.Limit}
	}
	today := r.files.today.Len()
	return &refusedJSON{message, len(r.plan.Removed), today, r.config.Limits.Allowed(today)}
}

func (r result) grantsJSON() grantsJSON {
	all := grantsJSON{
		Current: r.files.today.Len(),
		Desired: r.plan.Desired.Len(),
		Added:   []grantJSON{},
		Removed: []removedJSON{},
		Changed: []changeJSON{},
	}
	for _, g := range r.plan.Added {
		all.Added = append(all.Added, grantJSON{
			Path: g.Path, Client: g.Client.String(), Project: g.Owner.String(), Instance: g.Instance.Name,
		})
	}
	for _, removal := range r.plan.Removed {
		all.Removed = append(all.Removed, removedJSON{
			removal.Path, removal.Client.String(), removal.Owner.String(), string(removal.Reason), r.clients.Mounted(removal.Place()).Bool(),
		})
	}
	for _, c := range r.plan.Changed {
		all.Changed = append(all.Changed, changeJSON{
			c.New.Path, c.New.Client.String(), c.New.Owner.String(), instanceName(c.New.Instance), c.Old.Options, c.New.Options,
		})
	}
	return all
}
