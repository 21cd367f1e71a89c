package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
)

// Job is a new exports file that is to be installed, and all that Run needs.
type Job struct {
	File     File
	Old      Snapshot // of File
	Text     []byte   // the new text, render.Marshal of Want
	Want     exports.Set
	Own      map[string]bool  // paths on which no other entry may be, besides those of Old, Want and Adopt
	Proven   *render.Proven   // of Text; nil if there was no test run
	Foreign  []render.Foreign // without the adopted files
	Adopt    []Adopted
	Exportfs exportfs.Program
	// Look returns why exportfs must not read paths now: they are symbolic links. Its error
	// is that of exportfs.Looker.Look. With nil nobody looks.
	Look func(ctx context.Context, paths []string) (map[string]string, error)
	// AtRisk reports whether somebody else than root can make a path a link at any time.
	AtRisk func(path string) bool
}

// Done is what Run did.
type Done struct {
	Wrote   bool // the exports file, not only the active table
	Ran     exportfs.Ran
	Adopted []string // the new names of the adopted files
	// LeftOut are paths that became symbolic links during the run, and why their grants
	// were left out.
	LeftOut  map[string]string
	Warnings []string // ASCII: doubts about the table, words of exportfs
}

// Run writes the new text if it differs from the old one, moves adopted files
// aside, has exportfs read it all, and judges by the active table: on our own paths
// it must be the proven one, or, without a proven one, have the wanted grants and
// nothing else but what foreign files may ask for. If it does not, Run puts
// everything back and has exportfs read that. If there was nothing to write, it runs
// exportfs a second time before that counts as a failure. The mark of the file stands
// from before the write until the table is right, or all is as before. The caller must
// hold the lock.
//
// ctx can stop it before the first write and not later. It returns the error of
// ctx; ErrChanged, a *disk.Error, an *exportfs.LockedError, or a *exportfs.Error for a
// program that cannot be run, all with nothing changed; or an *ActivationError.
func Run(ctx context.Context, j Job) (Done, error) {
	if err := ctx.Err(); err != nil {
		return Done{}, fmt.Errorf("before the write: %w: %w", err, context.Cause(ctx))
	}
	// With the lock until exportfs is started, nobody can take it behind the write.
	release, err := j.Exportfs.TakeLock(ctx)
	if err != nil {
		return Done{}, fmt.Errorf("%w; nothing was changed", err)
	}
	defer release()
	ctx = context.WithoutCancel(ctx)
	before, err := exportfs.ReadTable(j.Exportfs.Etab)
	var broken *render.TableError
	if err != nil && !errors.As(err, &broken) {
		return Done{}, err
	}
	if err := j.CheckRoom(); err != nil {
		return Done{}, err
	}
	if err := errors.Join(j.Exportfs.Check(), exportfs.CheckFIFOs(j.Foreign)); err != nil {
		return Done{}, fmt.Errorf("%w; nothing was changed", err)
	}
	marked, err := j.File.Marked()
	if err != nil {
		return Done{}, err
	}
	wrote, err := j.write()
	if err != nil {
		return Done{}, err
	}
	job, left, err := j.leaveOutLinks(ctx)
	if err != nil {
		return Done{}, j.putBack(wrote || left != nil, err)
	}
	j, wrote = job, wrote || len(left) > 0
	done := Done{Wrote: wrote, LeftOut: left}
	release()
	failure := j.try(ctx, &done)
	if failure != nil && !wrote && len(j.Adopt) == 0 {
		// There is nothing to put back: try again.
		done.Warnings = []string{"exportfs was run twice, for it did not do at first: " + failure.why()}
		failure = j.try(ctx, &done)
	}
	if failure != nil {
		j.undo(ctx, wrote, before, failure)
		if !marked && failure.FileRestored && failure.TableRestored {
			_ = j.File.Unmark() // else exportfs runs once more
		}
		return Done{}, failure
	}
	if marked || wrote || len(j.Adopt) > 0 {
		if err := j.File.Unmark(); err != nil {
			return Done{}, fmt.Errorf("the exports are as they should be, but the next run has to run exportfs again: %w", err)
		}
	}
	if ran := done.Ran; ran.Status != 0 || ran.Said != "" {
		done.Warnings = append(done.Warnings, ran.String())
	}
	for _, a := range j.Adopt {
		done.Adopted = append(done.Adopted, a.aside())
	}
	return done, nil
}

// write puts the new text in place, then moves the adopted files aside: a run that
// is interrupted between the two leaves grants twice, not none.
func (j Job) write() (wrote bool, err error) {
	if j.Old.Exists && bytes.Equal(j.Old.Text, j.Text) {
		now, err := j.File.Load()
		if err != nil {
			return false, err
		}
		if !now.same(j.Old) {
			return false, changedError("activate", j.File.Path)
		}
		if len(j.Adopt) == 0 {
			return false, nil
		}
		if err := j.File.Mark(); err != nil {
			return false, err
		}
		return false, moveAside(j.Adopt)
	}
	if err := j.File.ReplaceMarked(j.Old, j.Text); err != nil {
		return false, err
	}
	if err := moveAside(j.Adopt); err != nil {
		return false, errors.Join(err, j.File.Restore(j.Old))
	}
	return true, nil
}

// activate runs exportfs and returns what is wrong with the table. A right table is
// not enough: the kernel must have forgotten the one before.
func (j Job) activate(ctx context.Context) (exportfs.Ran, []render.Difference, error) {
	flush, _ := j.Exportfs.LastFlush()
	ran, err := j.Exportfs.Reload(ctx)
	if err != nil {
		return ran, nil, err
	}
	if ran.Status < 0 {
		return ran, nil, &exportfs.Error{Path: j.Exportfs.Path, Err: exportfs.ErrKilled, Ran: ran}
	}
	pending := j.Exportfs.Pending()
	// A clock that was put back makes a flush look older than the table, too.
	if now, ok := j.Exportfs.LastFlush(); ok && now <= flush && pending != "" {
		return ran, nil, errors.New(pending + ": see that exportfs can write to " + printable.Word(j.Exportfs.Flush))
	}
	table, err := exportfs.ReadTable(j.Exportfs.Etab)
	if err != nil {
		return ran, nil, err
	}
	own := j.ownPaths()
	on, _ := table.Split(own)
	if j.Proven != nil {
		proven, _ := j.Proven.Split(own)
		return ran, on.CompareProven(proven), nil
	}
	return ran, on.Compare(j.Want, j.Foreign), nil
}

// ownPaths returns Own with the paths of today's grants and of the wanted ones. The
// entries on all other paths are left alone.
func (j Job) ownPaths() map[string]bool {
	own := maps.Clone(j.Own)
	if own == nil {
		own = map[string]bool{}
	}
	add := func(grants []exports.Grant) {
		for _, g := range grants {
			own[g.Path] = true
		}
	}
	add(j.Want.Grants())
	add(render.Parse(j.Old.Text).Set.Grants())
	for _, a := range j.Adopt {
		add(a.Grants)
	}
	return own
}

// Unchanged returns an error with ErrChanged in its chain if the foreign files are
// not as they were: the plan is for them as well.
func Unchanged(before, now []render.Foreign) error {
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
	return fmt.Errorf("cannot %s %s: %w; nothing was changed: see who else writes to it, and run again", op, printable.Word(path), ErrChanged)
}

// try runs exportfs and adds to done what came of it, or returns what is wrong
// with that.
func (j Job) try(ctx context.Context, done *Done) *ActivationError {
	ran, differences, err := j.activate(ctx)
	done.Ran = ran
	failure := &ActivationError{Ran: ran, Err: err}
	var warnings []string
	for _, d := range differences {
		if d.Answer == render.Disagrees {
			failure.Differences = append(failure.Differences, d.String())
		} else {
			warnings = append(warnings, d.String())
		}
	}
	if failure.Err != nil || len(failure.Differences) > 0 {
		return failure
	}
	done.Warnings = append(done.Warnings, warnings...)
	return nil
}
