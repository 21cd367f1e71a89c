package command

import (
	"context"
	"fmt"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/render"
)

// approval is what of a plan needs a person's approval.
type approval struct {
	id     string // of all that an approval carries out
	given  bool   // --approve has this id
	places int    // frozen places that an approval changes

	// dropped are entries of the active table that no file and no plan has.
	dropped []string
	// refused is why nothing at all is done without an approval; nil if the plan can
	// be carried out but for the frozen places.
	refused []string
}

// needsApproval finds out what of a plan needs approval. The id stands for that and
// nothing else, so that a tenant who gets other grants does not change it.
func (j job) needsApproval(ctx context.Context, s situation, f *files, plan exports.Plan) (a approval, err error) {
	var held [][]byte
	hold := func(format string, args ...any) { held = append(held, fmt.Appendf(nil, format, args...)) }
	at := func(before, after *exports.Grant, reason string) {
		place := exports.Place{}
		for _, g := range []*exports.Grant{before, after} {
			if g != nil {
				place = g.Place()
			}
		}
		hold("place %q %q %q %q", lineOf(before), lineOf(after), reason, f.othersAt(place))
		if before != nil {
			hold("of %q %q", before.Owner.ID, before.Instance.ID)
		}
		if after != nil {
			hold("for %q", after.Owner.ID)
		}
	}
	for _, frozen := range plan.Frozen {
		if frozen.Held {
			reason := string(frozen.Reason)
			// Such an approval is for what Nova proves, as each of what is over the share is.
			if frozen.Unasked && frozen.Reason != exports.OverShare {
				reason += ", if proved"
			}
			at(frozen.Today, frozen.Then, reason)
			a.places++
		}
	}
	if plan.Refused != nil {
		a.refused = append(a.refused, plan.Refused.Message)
	}
	if edited := f.edited(); len(edited) > 0 {
		a.refused = append(a.refused, edited...)
		hold("file %q", f.old.Text)
	}
	if a.dropped, err = j.unowned(ctx, s, f, plan); err != nil {
		return a, err
	}
	if len(a.dropped) > 0 {
		a.refused = append(a.refused, unownedText(f, a.dropped))
		hold("entries %q", a.dropped)
	}
	if len(a.refused) > 0 { // then all of the plan needs approval
		for _, r := range plan.Removed {
			at(&r.Grant, nil, reasonForID(r.Reason))
		}
		for _, c := range plan.Changed {
			at(&c.Old, &c.New, "changed")
		}
	}
	a.id = render.PlanID(held...)
	return a, nil
}

// reasonForID is a reason as the plan id has it: another tenant chooses whether an address
// that its instance has lost is released or reassigned.
func reasonForID(reason exports.Reason) string {
	switch reason {
	case exports.InstanceGone, exports.AddressReleased, exports.AddressReassigned:
		return "left"
	}
	return string(reason)
}

// lineOf is the line of a grant as exportfs reads it, without its comment.
func lineOf(g *exports.Grant) string {
	if g == nil {
		return ""
	}
	return render.GrantLine(exports.Grant{Path: g.Path, Client: g.Client, Options: g.Options})
}

// othersAt gives the lines that other exports files have at a place.
func (f *files) othersAt(place exports.Place) (lines []string) {
	for _, other := range f.foreign {
		for _, g := range other.Grants {
			if g.Place == place {
				lines = append(lines, other.File+": "+g.String())
			}
		}
	}
	return lines
}

// edited says what of our file is not nfs-exportd's.
func (f *files) edited() (why []string) {
	if f.parsed.Edited {
		why = append(why, fmt.Sprintf("%s was edited by hand; applying would discard the edits", f.path))
	}
	if n := len(f.parsed.Unread); n > 0 {
		first := f.parsed.Unread[0]
		why = append(why, fmt.Sprintf("nfs-exportd cannot read %s of it, the first is line %d (%s)", count(n, "line"), first.Number, first.Problem))
	}
	return why
}

// unowned gives the entries of the active table that nobody owns any more, because our
// file was deleted, emptied or edited: they are on paths of the configuration, and neither the
// plan nor another exports file has them. The table is read in that case alone.
func (j job) unowned(ctx context.Context, s situation, f *files, plan exports.Plan) (entries []string, err error) {
	if f.parsed.Set.Len() > 0 && len(f.edited()) == 0 {
		return nil, nil
	}
	table, _, err := j.table()
	if is[*render.TableError](err) {
		return nil, nil // the test run finds that too, and has it written anew
	}
	if err != nil {
		return nil, err
	}
	configured := map[string]bool{}
	for _, path := range configuredPaths(s) {
		configured[path] = true
	}
	table, _ = table.Split(configured)
	if table.Within(plan.Desired) {
		return nil, nil
	}
	ofOthers := j.ofOthers(ctx, f)
	for _, d := range table.Compare(plan.Desired, f.foreign) {
		_, adopted := f.today.At(d.Place)
		_, theirs := ofOthers.At(d.Place)
		theirs = theirs || d.Answer == render.CannotTell && render.IsName(d.Place.Client)
		if d.Surplus && !adopted && !theirs {
			entries = append(entries, render.PlaceText(d.Place))
		}
	}
	return entries, nil
}

// ofOthers is what exportfs makes of the exports files of others alone, as far as a test
// run tells: nothing if there is none, or if it fails, which the next one reports.
func (j job) ofOthers(ctx context.Context, f *files) render.Table {
	if j.flags.noPreflight {
		return nil
	}
	proven, err := j.sandbox().Try(ctx, nil, exports.Set{}, f.foreign, f.names.known)
	if err != nil {
		j.log.Debug("no test run of the exports files of others", "err", err)
	}
	return proven.Table
}

func unownedText(f *files, entries []string) string {
	state := "has no grants"
	switch {
	case !f.old.Exists:
		state = "does not exist"
	case len(f.parsed.Unread) > 0:
		state = "has lines that nfs-exportd cannot read"
	case f.parsed.Set.Len() > 0:
		state = "lacks lines"
	}
	return fmt.Sprintf("%s %s, and no exports file has %s of the active table (%s): put the file back from a backup, or approve",
		f.path, state, count(len(entries), "grant"), firstOf(entries))
}

// covers says what an approval carries out.
func (a approval) covers() string {
	parts := a.refused
	if a.places > 0 {
		parts = append(parts[:len(parts):len(parts)], count(a.places, "frozen place"))
	}
	return strings.Join(parts, "; ")
}

// approvalError is a plan that nobody has approved.
type approvalError struct {
	why  string
	next string
}

func (e *approvalError) Error() string {
	return fmt.Sprintf("refused: %s; nothing was changed\n  next: %s", e.why, e.next)
}

// refused says why the plan as a whole needs a person's approval, or gives nothing.
func (r result) refused() string {
	if r.approval.given {
		return ""
	}
	return strings.Join(r.approval.refused, "; ")
}

// approveCommand is the command line that carries out what needs approval.
func (j job) approveCommand(id string) string {
	return j.flags.approveCommand + " --" + flagApprove + " " + id
}

// approve fails for a plan that needs approval and does not have it.
func (j job) approve(r result) {
	stepOnly(j.steps, "approval", r.rendered, func() (string, error) {
		a := r.approval
		if r.refused() != "" {
			j.warn(frozenTexts(r.plan.Frozen)...) // which can be the reason for it
		}
		also := ""
		if a.places > 0 {
			also = fmt.Sprintf(" with %s, which an approval carries out too", count(a.places, "frozen place"))
		}
		refused := r.refused()
		switch {
		case a.given:
			return "given", nil
		case j.flags.approve == "" || !r.changes() && len(r.plan.Frozen) == 0:
		case a.places == 0 && refused == "":
			return "", &approvalError{
				why:  fmt.Sprintf("plan %q was approved, but nothing needs approval any more", j.flags.approve),
				next: "run apply without --" + flagApprove,
			}
		default:
			return "", &approvalError{
				why:  fmt.Sprintf("plan %q was approved, but by now the plan is %s", j.flags.approve, a.id),
				next: "read the new plan" + also + "; if it is right, run: " + j.approveCommand(a.id),
			}
		}
		switch {
		case refused == "":
			return "not needed", nil
		case j.purpose == toCheck:
			return "", &approvalError{why: refused, next: "run plan, read it, and if it is right, approve it"}
		}
		return "", &approvalError{why: refused, next: "read the plan" + also + "; if it is right, run: " + j.approveCommand(a.id)}
	})
}
