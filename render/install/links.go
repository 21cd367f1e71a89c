package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
)

// exportfs follows symbolic links. A tenant who may write above an exported directory can
// put one there at any time, so Run looks again right before each run of exportfs, and
// judges by the table whether there was one in between.

// links returns why paths must not be read by exportfs now: they are symbolic links.
func (j Job) links(ctx context.Context, set exports.Set) (map[string]string, error) {
	if j.Look == nil {
		return map[string]string{}, nil
	}
	var paths []string
	for _, g := range set.Grants() {
		paths = append(paths, g.Path)
	}
	return j.Look(ctx, slices.Compact(paths))
}

// leaveOutLinks writes the new text once more without the grants whose path has become a
// symbolic link since the plan was made, and returns the job for the others.
func (j Job) leaveOutLinks(ctx context.Context) (Job, map[string]string, error) {
	left, err := j.links(ctx, j.Want)
	if err != nil || len(left) == 0 {
		return j, nil, err
	}
	j.Want = without(j.Want, left)
	if j.Text, err = render.MarshalBeside(j.Want, render.Parse(j.Text).Networks); err != nil {
		return j, nil, err
	}
	if j.Proven != nil {
		proven := *j.Proven
		proven.Table = withoutEntries(proven.Table, left)
		proven.Unresolved = slices.DeleteFunc(slices.Clone(proven.Unresolved), func(p exports.Place) bool { return left[p.Path] != "" })
		j.Proven = &proven
	}
	now, err := j.File.Load()
	if err == nil {
		err = j.File.ReplaceMarked(now, j.Text)
	}
	return j, left, err
}

// without returns a set without the grants of some paths.
func without(set exports.Set, left map[string]string) exports.Set {
	return exports.NewSet(slices.DeleteFunc(slices.Clone(set.Grants()), func(g exports.Grant) bool { return left[g.Path] != "" }))
}

// withoutEntries returns a table without the entries of some paths.
func withoutEntries(table render.Table, left map[string]string) render.Table {
	table = maps.Clone(table)
	maps.DeleteFunc(table, func(p exports.Place, _ string) bool { return left[p.Path] != "" })
	return table
}

// swapped returns the paths of a set in whose place exportfs found something else: the
// table lacks an entry for them, and has entries that no exports file has.
func (j Job) swapped(table render.Table, set exports.Set) map[string]string {
	swapped := map[string]string{}
	foreign := map[string]bool{} // paths
	for _, f := range j.Foreign {
		for _, g := range f.Grants {
			foreign[g.Place.Path] = true
		}
	}
	stray, old := false, render.Parse(j.Old.Text).Set // a link can lead to another path of ours, too
	for p := range table {
		_, wanted := set.At(p)
		_, was := old.At(p)
		stray = stray || !wanted && !was && !foreign[p.Path]
	}
	for _, g := range set.Grants() {
		if _, there := table[g.Place()]; stray && !there && j.AtRisk != nil && j.AtRisk(g.Path) {
			swapped[g.Path] = "exportfs found a symbolic link there"
		}
	}
	return swapped
}

// oldWithout returns the old file without the lines of some paths. A file that was edited
// by hand is Edited afterwards, too.
func (j Job) oldWithout(left map[string]string) Snapshot {
	old := j.Old
	parsed := render.Parse(old.Text)
	if text, err := render.MarshalBeside(without(parsed.Set, left), parsed.Networks); err == nil && !parsed.Edited && len(parsed.Unread) == 0 {
		old.Text = text
		return old
	}
	old.Text = nil
	for line := range bytes.Lines(j.Old.Text) {
		gone := slices.ContainsFunc(render.Parse(line).Set.Grants(), func(g exports.Grant) bool { return left[g.Path] != "" })
		if !gone {
			old.Text = append(old.Text, line...)
		}
	}
	return old
}

// maxSwaps is how often undo runs exportfs while somebody swaps directories for links.
const maxSwaps = 3

// undo puts the files back, but for the lines whose path is a symbolic link by now, has
// exportfs read them, and notes in failure how that went.
func (j Job) undo(ctx context.Context, wrote bool, before render.Table, failure *ActivationError) {
	old := render.Parse(j.Old.Text).Set
	left, looked := j.links(ctx, old)
	if left == nil {
		left = map[string]string{}
	}
	table, _ := exportfs.ReadTable(j.Exportfs.Etab) // one that cannot be read shows no link
	maps.Copy(left, j.swapped(table, j.Want))
	err := j.moveBack(ctx)
	var ran error
	reload := wrote || len(j.Adopt) > 0 || len(left) > 0
	for range maxSwaps {
		if wrote || len(left) > 0 {
			err = errors.Join(err, j.restore(left))
		}
		if !reload || looked != nil {
			break // exportfs would wait for the file system, too
		}
		if _, ran = j.Exportfs.Reload(ctx); ran != nil {
			break
		}
		table, _ = exportfs.ReadTable(j.Exportfs.Etab)
		more := j.swapped(table, without(old, left))
		if len(more) == 0 {
			break
		}
		maps.Copy(left, more)
	}
	failure.FileRestored = err == nil
	failure.LeftOut = slices.Sorted(maps.Keys(left))
	table, failed := exportfs.ReadTable(j.Exportfs.Etab)
	failure.RestoreErr = errors.Join(err, looked, ran, failed)
	failure.TableRestored = failed == nil && before != nil && maps.Equal(table, withoutEntries(before, left))
}

// restore puts the old file back without the lines of some paths.
func (j Job) restore(left map[string]string) error {
	if len(left) == 0 {
		return j.File.Restore(j.Old)
	}
	return j.File.Restore(j.oldWithout(left))
}

// moveBack moves the adopted files back, but for those with a path that is a symbolic link
// by now.
func (j Job) moveBack(ctx context.Context) error {
	var back []Adopted
	var errs []error
	for _, a := range j.Adopt {
		switch left, err := j.links(ctx, exports.NewSet(a.Grants)); {
		case err != nil:
			errs = append(errs, err)
		case len(left) > 0:
			errs = append(errs, fmt.Errorf("%s stays aside, as %s is a symbolic link by now", printable.Word(a.aside()), printable.Word(slices.Sorted(maps.Keys(left))[0])))
			continue
		}
		back = append(back, a)
	}
	return errors.Join(append(errs, moveBack(back))...)
}

// putBack puts the files back without a run of exportfs: none was made.
func (j Job) putBack(wrote bool, cause error) error {
	if err := moveBack(j.Adopt); err != nil {
		cause = errors.Join(cause, err)
	}
	if wrote {
		cause = errors.Join(cause, j.File.Restore(j.Old))
	}
	return cause
}
