package command

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"nfs-exportd/render/install"
)

// approvalError is a plan that nobody has approved.
type approvalError struct {
	why  string
	next string
}

func (e *approvalError) Error() string {
	return fmt.Sprintf("refused: %s; nothing was changed\n  next: %s", e.why, e.next)
}

// changes reports whether apply has anything to do.
func (r result) changes() bool { return r.candidate.rewrites || r.reloads() }

// reloads reports whether all that is to do is to run exportfs.
func (r result) reloads() bool { return !r.candidate.rewrites && r.tested.reloads() }

// refused says why the plan needs a person's approval, or gives nothing.
func (r result) refused() string {
	if !r.candidate.rewrites {
		return ""
	}
	var why []string
	if err := r.config.Limits.Check(r.plan); err != nil {
		why = append(why, err.Error())
	}
	parsed := r.files.parsed
	if parsed.Edited {
		why = append(why, fmt.Sprintf("%s was changed by somebody else than nfs-exportd, and that would be lost", r.files.path))
	}
	if n := len(parsed.Unread); n > 0 {
		first := parsed.Unread[0]
		why = append(why, fmt.Sprintf("%d lines of it are not understood, first line %d (%s)", n, first.Number, first.Problem))
	}
	return strings.Join(why, "; ")
}

// approve fails for a plan that needs approval and does not have it.
func (j job) approve(r result) {
	stepOnly(j.steps, "approval", r.rendered, func() (string, error) {
		command, refused := j.flags.approveCommand+" --"+flagApprove+" "+r.candidate.id, r.refused()
		switch approved := j.flags.approve; {
		case !r.candidate.rewrites, approved == r.candidate.id:
			return "not needed", nil
		case approved != "":
			return "", &approvalError{
				why:  fmt.Sprintf("plan %q was approved, but by now the plan is %s", approved, r.candidate.id),
				next: "read the new plan; if it is right, run: " + command,
			}
		case refused == "":
			return "not needed", nil
		case j.purpose == toCheck:
			return "", &approvalError{why: refused, next: "run plan, read it, and if it is right, approve it"}
		}
		return "", &approvalError{why: refused, next: "read the plan; if it is right, run: " + command}
	})
}

// install carries out the plan, for apply alone, and reports whether it did.
func (j job) install(ctx context.Context, r result) (installed bool) {
	if j.purpose != toApply || !r.changes() {
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
