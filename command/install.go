package command

import (
	"context"
	"log/slog"

	"nfs-exportd/render/install"
)

// changes reports whether apply has anything to do.
func (r result) changes() bool { return r.candidate.rewrites || r.reloads() }

// reloads reports whether all that is to do is to run exportfs.
func (r result) reloads() bool { return !r.candidate.rewrites && r.tested.reloads() }

// install carries out the plan, for apply alone, and reports whether it did.
func (j job) install(ctx context.Context, r result) (installed bool) {
	if j.purpose != toApply || !r.changes() {
		j.writeComments(r)
		return false
	}
	return stepOnly(j.steps, "write", true, func() (string, error) {
		foreign, err := r.files.readForeign()
		if err == nil {
			err = install.Unchanged(r.files.foreign, foreign)
		}
		if err != nil {
			return "", err
		}
		file := install.File{Path: r.files.path}
		if j.flags.noReload {
			if err := file.Replace(r.files.old, r.candidate.text); err != nil {
				return "", err
			}
			j.log.Info("wrote the exports file; exportfs was not run", "file", r.files.path)
			return "", nil
		}
		done, err := install.Run(ctx, install.Job{
			File: file, Old: r.files.old, Text: r.candidate.text, Want: r.plan.Desired, Proven: r.tested.proven,
			Foreign: r.files.foreign, Adopt: r.files.adopted,
			Exportfs: j.exportfs(),
		})
		j.warn(done.Warnings...)
		if err != nil {
			return "", err
		}
		j.log.Info("applied", "file", r.files.path, slog.Bool("wrote", done.Wrote), "grants", r.plan.Desired.Len(), "adopted", done.Adopted)
		return "", nil
	})
}

// writeComments writes a file that differs in comments alone, for apply. exportfs would
// make the same of it, so it is not run.
func (j job) writeComments(r result) {
	if j.purpose != toApply || !r.candidate.comments {
		return
	}
	stepOnly(j.steps, "write", true, func() (string, error) {
		file := install.File{Path: r.files.path}
		if err := file.Replace(r.files.old, r.candidate.text); err != nil {
			return "", err
		}
		j.log.Debug("wrote the comments of the exports file", "file", r.files.path)
		return "", nil
	})
}
