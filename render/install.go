package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"

	"nfs-exportd/exports"
)

// Change is a new exports file that is to be installed.
type Change struct {
	File     File
	Old      Snapshot // of File
	Text     []byte   // the new text, Marshal of Want
	Want     exports.Set
	Proven   *Proven   // of Text; nil if no proof was to be had
	Foreign  []Foreign // without the adopted files
	Adopt    []Adopted
	Exportfs Exportfs
}

// Outcome tells what Install did.
type Outcome struct {
	Wrote    bool // the exports file, not only the active table
	Ran      Ran
	Adopted  []string // the new names of the adopted files
	Warnings []string // ASCII: doubts about the table, words of exportfs
}

// Install writes the new text if it differs from the old one, moves adopted
// files aside, has exportfs read it all, and judges by the active table: it
// must be the proven one, or, without a proof, have the wanted grants and none
// that the change removes. If it is not, everything is put back and exportfs
// reads that; where nothing was changed, exportfs is run a second time before that
// counts as a failure. The lock must be held.
//
// ctx can stop it before the first write and not later. It gives the error of
// ctx; ErrChanged, a *disk.Error, or an *ExportfsError for a program that cannot
// be run, all with nothing changed; or an *ActivationError.
func Install(ctx context.Context, c Change) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return Outcome{}, fmt.Errorf("before the write: %w: %w", err, context.Cause(ctx))
	}
	ctx = context.WithoutCancel(ctx)
	before, err := ReadTable(c.Exportfs.Etab)
	var broken *TableError
	if err != nil && !errors.As(err, &broken) {
		return Outcome{}, err
	}
	if err := c.CheckRoom(); err != nil {
		return Outcome{}, err
	}
	if err := errors.Join(c.Exportfs.check(), CheckFIFOs(c.Foreign)); err != nil {
		return Outcome{}, fmt.Errorf("%w; nothing was changed", err)
	}
	wrote, err := c.write()
	if err != nil {
		return Outcome{}, err
	}
	outcome := Outcome{Wrote: wrote}
	failure := c.try(ctx, &outcome)
	if failure != nil && !wrote && len(c.Adopt) == 0 {
		// There is nothing to put back: what is left is to try again.
		outcome.Warnings = []string{"exportfs was run twice, for it did not do at first: " + failure.why()}
		failure = c.try(ctx, &outcome)
	}
	if failure != nil {
		c.undo(ctx, wrote, before, failure)
		return Outcome{}, failure
	}
	if ran := outcome.Ran; ran.Status != 0 || ran.Said != "" {
		outcome.Warnings = append(outcome.Warnings, ran.String())
	}
	for _, a := range c.Adopt {
		outcome.Adopted = append(outcome.Adopted, a.aside())
	}
	return outcome, nil
}

// write puts the new text in place, then moves the adopted files aside: who is
// interrupted between the two has grants twice, not none.
func (c Change) write() (wrote bool, err error) {
	if c.Old.Exists && bytes.Equal(c.Old.Text, c.Text) {
		now, err := c.File.Load()
		if err != nil {
			return false, err
		}
		if !now.same(c.Old) {
			return false, changedError("activate", c.File.Path)
		}
		return false, moveAside(c.Adopt)
	}
	if err := c.File.Replace(c.Old, c.Text); err != nil {
		return false, err
	}
	if err := moveAside(c.Adopt); err != nil {
		return false, errors.Join(err, c.File.Restore(c.Old))
	}
	return true, nil
}

// activate runs exportfs and gives what is wrong with the table. A table that is right
// is not all: a grant that went is gone once the kernel has forgotten it.
func (c Change) activate(ctx context.Context) (Ran, []Difference, error) {
	flush, _ := c.Exportfs.lastFlush()
	ran, err := c.Exportfs.Reload(ctx)
	if err != nil {
		return ran, nil, err
	}
	if ran.Status < 0 {
		return ran, nil, &ExportfsError{c.Exportfs.Path, errKilled, ran}
	}
	pending := c.Exportfs.Pending()
	// A clock that was put back makes a flush look older than the table, too.
	if now, ok := c.Exportfs.lastFlush(); ok && now <= flush && pending != "" {
		return ran, nil, errors.New(pending + ": see that exportfs can write to " + QuotePath(c.Exportfs.Flush))
	}
	table, err := ReadTable(c.Exportfs.Etab)
	if err != nil {
		return ran, nil, err
	}
	if c.Proven != nil {
		return ran, table.CompareProven(*c.Proven, c.Foreign), nil
	}
	return ran, table.Compare(c.Want, c.Foreign), nil
}

// ownPaths are the paths of the grants of today and of those that are wanted.
func (c Change) ownPaths() map[string]bool {
	own := map[string]bool{}
	add := func(grants []exports.Grant) {
		for _, g := range grants {
			own[g.Path] = true
		}
	}
	add(c.Want.Grants())
	add(Parse(c.Old.Text).Set.Grants())
	for _, a := range c.Adopt {
		add(a.Grants)
	}
	return own
}

// Unchanged gives an error with ErrChanged in its chain unless the foreign files
// are now as they were: the plan is for them as well.
func Unchanged(before, now []Foreign) error {
	texts := map[string]string{}
	for _, f := range before {
		texts[f.File] = fmt.Sprintf("%q %q", f.Text, f.Undecided)
	}
	for _, f := range now {
		if was, ok := texts[f.File]; !ok || was != fmt.Sprintf("%q %q", f.Text, f.Undecided) {
			return changedError("rely on", f.File)
		}
		delete(texts, f.File)
	}
	for path := range texts {
		return changedError("rely on", path)
	}
	return nil
}

func changedError(op, path string) error {
	return fmt.Errorf("cannot %s %s: %w; nothing was changed: see who else writes to it, and run again", op, QuotePath(path), ErrChanged)
}

// try runs exportfs, and adds to outcome what came of it, or gives what is wrong
// with that.
func (c Change) try(ctx context.Context, outcome *Outcome) *ActivationError {
	ran, differences, err := c.activate(ctx)
	outcome.Ran = ran
	failure := &ActivationError{Ran: ran, Err: err}
	own := c.ownPaths()
	var warnings []string
	for _, d := range differences {
		// Without a proof nobody knows all that the other files do, so of what
		// is there besides only what is on our own paths counts.
		if d.Answer == Disagrees && (c.Proven != nil || !d.Surplus || own[d.Place.Path]) {
			failure.Differences = append(failure.Differences, d.String())
		} else {
			warnings = append(warnings, d.String())
		}
	}
	if failure.Err != nil || len(failure.Differences) > 0 {
		return failure
	}
	outcome.Warnings = append(outcome.Warnings, warnings...)
	return nil
}

// undo puts the files back, has exportfs read them, and tells in failure how
// that went.
func (c Change) undo(ctx context.Context, wrote bool, before Table, failure *ActivationError) {
	err := moveBack(c.Adopt)
	if wrote {
		err = errors.Join(err, c.File.Restore(c.Old))
	}
	failure.FileRestored = err == nil
	if wrote || len(c.Adopt) > 0 {
		_, failed := c.Exportfs.Reload(ctx)
		err = errors.Join(err, failed)
	}
	table, failed := ReadTable(c.Exportfs.Etab)
	failure.RestoreErr = errors.Join(err, failed)
	failure.TableRestored = failed == nil && before != nil && maps.Equal(table, before)
}
