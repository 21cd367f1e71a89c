package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/sandbox"
)

// tested is what exportfs makes of the candidate, and what there is to do.
type tested struct {
	proven *render.Proven // nil: there was no test run
	// active says how the active table compares with the candidate; nil if nobody
	// looked.
	active *render.Agreement
	// unread is what rpc.mountd does not read of the active table, or nil.
	unread *render.TableError
}

// reloads reports whether the active table is out of step with a file that is right
// already, or may be so.
func (t tested) reloads() bool { return t.active != nil && t.active.Answer != render.Agrees }

// testRun looks at the directories that are to be exported, and has exportfs read the
// candidate in a sandbox; reads says that it reads today's files. If it finds a symbolic link
// there that others than root can make, the plan and the candidate go on without that path.
func (j job) testRun(ctx context.Context, r result, reads bool) (exports.Plan, candidate, tested) {
	if j.purpose != toCheck {
		reads = stepOnly(j.steps, "directories", r.rendered, func() (string, error) {
			odd, fatal := r.directories.problems(pathsOf(r.plan.Desired))
			j.warn(odd...)
			return "", fatal
		})
	}
	t, ok := step(j.steps, "test run", r.rendered && reads && j.confErr == nil, func() (tested, string, error) {
		for {
			t, says, err := j.try(ctx, r)
			swapped := j.swapped(ctx, r, err)
			if len(swapped) == 0 {
				return t, says, err
			}
			r.plan = r.plan.LeaveOut(swapped) // so that it has fewer paths each time
			if r.candidate, err = newCandidate(r.files, r.plan); err != nil {
				return t, says, err
			}
		}
	})
	if ok && (r.candidate.rewrites || t.reloads()) {
		// Only a change costs this time: a run that has nothing to do says nothing.
		j.warn(slices.Concat(manyClients(r.plan, r.files), r.directories.atRisk(pathsOf(r.plan.Desired)))...)
		j.warnOfOddLines(r.files, t.proven)
	}
	if ok && t.proven == nil {
		j.warnOfUnread(r, t.unread)
	}
	return r.plan, r.candidate, t
}

// try compares the active table with what is desired, and has exportfs read the
// candidate if something is to change, or if only exportfs can tell what should be there.
func (j job) try(ctx context.Context, r result) (t tested, says string, err error) {
	f, want := r.files, r.plan.Desired
	var table active
	if !j.flags.noReload {
		if table, err = j.readActive(r.situation, f); err != nil {
			return t, "", err
		}
		t.unread = table.unread
	}
	compare := func() {
		if !j.flags.noReload && !r.candidate.rewrites {
			t.active = j.outstanding(table.compare(want, f.foreign, t.proven), f)
		}
	}
	compare()
	// What a foreign file seems to ask for may stand behind a line at which exportfs stops.
	if !r.candidate.rewrites && !t.reloads() && table.on.Within(want) {
		return t, "not needed, as nothing is to be changed", nil
	}
	t.proven, says, err = j.prove(ctx, r.candidate.text, want, f)
	if isFatal(err) {
		return t, "", err
	}
	compare()
	if !j.flags.noReload && (r.candidate.rewrites || t.reloads()) {
		if err := exportfs.CheckFIFOs(f.foreign); err != nil {
			return t, "", err
		}
		if strays := table.strays(f.foreign, t.proven); len(strays) > 0 {
			j.warn(straysText(strays))
		}
	}
	return t, says, err
}

// prove has exportfs read the candidate in a sandbox. Without a sandbox it returns nil,
// with a concern if that is not what was asked for.
func (j job) prove(ctx context.Context, text []byte, want exports.Set, f *files) (*render.Proven, string, error) {
	if j.flags.noPreflight {
		return nil, "not tried, as --" + flagNoPreflight + " says", nil
	}
	proven, err := j.sandbox().Try(ctx, text, want, f.foreign, f.names.known)
	if errors.Is(err, sandbox.ErrNoNamespaces) {
		warning := fmt.Sprintf("%s; going on without proof that exportfs will read the new file as intended", err)
		j.warn(warning)
		return nil, "", concern(warning)
	}
	if err != nil {
		return nil, "", err
	}
	j.log.Debug("exportfs reads the new file as intended", "sandbox", "namespaces of its own")
	return &proven, "exportfs reads the new file as intended", nil
}

// exportfs is the host's, for the active exports.
func (j job) exportfs() exportfs.Program {
	return exportfs.Program{Path: j.flags.exportfs, Etab: j.flags.etab, Timeout: j.exportfsTimeout(), Flush: j.Flush,
		Lock: j.ExportLock, LockWait: j.flags.lockTimeout + cmp.Or(j.LockPatience, 10*time.Second)}
}

// exportfsTimeout is for one run of exportfs. It needs seconds for thousands of
// clients, and minutes when it waits for a dead resolver because of names in other
// files.
func (j job) exportfsTimeout() time.Duration { return cmp.Or(j.Patience, 2*time.Minute) }

func (j job) sandbox() sandbox.Sandbox {
	return sandbox.Sandbox{Self: os.Args[0], Exportfs: j.flags.exportfs, Own: j.flags.exportsFile, Timeout: j.exportfsTimeout(), Socket: j.flags.proofSocket}
}

// pathsOf are the paths of grants, each once.
func pathsOf(set exports.Set) []string {
	var paths []string
	for _, g := range set.Grants() {
		if len(paths) == 0 || paths[len(paths)-1] != g.Path {
			paths = append(paths, g.Path)
		}
	}
	return paths
}
