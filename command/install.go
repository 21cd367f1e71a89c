package command

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"nfs-exportd/printable"
	"nfs-exportd/render/install"
)

// changes reports whether apply has anything to do.
func (r result) changes() bool { return r.candidate.rewrites || r.reloads() }

// reloads reports whether all that is to do is to run exportfs.
func (r result) reloads() bool { return !r.candidate.rewrites && r.tested.reloads() }

// install carries out the plan, for apply alone, and reports whether it did.
func (j job) install(ctx context.Context, r result) (installed, leftOut bool) {
	defer j.gate.wrote()
	if j.purpose != toApply || !r.changes() {
		j.writeComments(r)
		if j.steps.err == nil {
			j.warnBusy(r.busy)
		}
		return false, false
	}
	installed = stepOnly(j.steps, "write", true, func() (string, error) {
		foreign, err := r.files.readForeign()
		if err == nil {
			err = install.Unchanged(r.files.foreign, foreign)
		}
		if err != nil {
			return "", err
		}
		if !j.gate.write() {
			return "", fmt.Errorf("before the write: %w: %w", context.Canceled, context.Cause(ctx))
		}
		file := install.File{Path: r.files.path}
		if j.flags.noReload {
			if err := file.ReplaceMarked(r.files.old, r.candidate.text); err != nil {
				return "", err
			}
			j.log.Info("wrote the exports file; exportfs was not run", "file", r.files.path)
			return "", nil
		}
		if err := r.busy.still(ctx, j.exportfs()); err != nil {
			return "", err
		}
		done, err := install.Run(ctx, install.Job{
			File: file, Old: r.files.old, Text: r.candidate.text, Want: r.plan.Desired, Own: ownPaths(r.situation, r.files), Proven: r.tested.proven,
			Foreign: r.files.foreign, Adopt: r.files.adopted,
			Exportfs: j.exportfs().Longer(r.files.names.wait()), Look: j.linksNow,
			AtRisk: func(path string) bool { return r.directories.risk(path) != "" },
		})
		j.warn(done.Warnings...)
		for _, path := range slices.Sorted(maps.Keys(done.LeftOut)) {
			j.warn(fmt.Sprintf("exported path %s: %s: its grants were left out: see who made it, and have a directory there instead", printable.Word(path), done.LeftOut[path]))
			leftOut = true
		}
		if err != nil {
			return "", err
		}
		j.log.Info("applied", "file", r.files.path, slog.Bool("wrote", done.Wrote), "grants", r.plan.Desired.Len(), "adopted", done.Adopted)
		return "", nil
	})
	return installed, leftOut
}

// linksNow finds symbolic links in the place of exported directories.
func (j job) linksNow(ctx context.Context, paths []string) (map[string]string, error) {
	found, err := j.looker().Look(ctx, paths)
	links := map[string]string{}
	for _, d := range found {
		if d.Link != "" {
			links[d.Path] = fmt.Sprintf("%s is %s by now", printable.Word(d.Link), d.Kind())
		}
	}
	return links, err
}

// writeComments writes a file that differs in comments alone, for apply. exportfs would
// make the same of it, so it is not run.
func (j job) writeComments(r result) {
	if j.purpose != toApply || !r.candidate.comments {
		return
	}
	stepOnly(j.steps, "write", true, func() (string, error) {
		file := install.File{Path: r.files.path}
		if !j.gate.write() {
			return "", fmt.Errorf("before the write: %w", context.Canceled)
		}
		if err := file.Replace(r.files.old, r.candidate.text); err != nil {
			return "", err
		}
		j.log.Debug("wrote the comments of the exports file", "file", r.files.path)
		return "", nil
	})
}
