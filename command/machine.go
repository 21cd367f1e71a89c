package command

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"nfs-exportd/printable"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/install"
)

// checkPlaces returns a *usageError if the exports file or the table that the flags
// name is not one that this host's exportfs uses. --exportfs and --no-reload say that
// this is intended.
func (f flags) checkPlaces(c *cli.Context, table string) error {
	if c.IsSet(flagExportfs) || f.noReload {
		return nil
	}
	if dir := filepath.Dir(f.exportsFile); !exportfs.SameDir(dir, exportfs.ExportsDir) {
		return &usageError{fmt.Errorf("--%s: exportfs does not read the directory %s: name a file in %s, or give --%s or, for apply, --%s",
			flagExportsFile, printable.Word(dir), exportfs.ExportsDir, flagExportfs, flagNoReload)}
	}
	if table != "" && f.etab != table && (filepath.Base(f.etab) != filepath.Base(table) || !exportfs.SameDir(filepath.Dir(f.etab), filepath.Dir(table))) {
		return &usageError{fmt.Errorf("--%s %s: by nfs.conf(5), exportfs keeps the active table at %s: leave out --%s",
			flagEtab, printable.Word(f.etab), printable.Word(table), flagEtab)}
	}
	return nil
}

// findTable finds out where the active table is. What is wrong with nfs.conf(5) ends
// only a run that goes on: it does not matter during a hold.
func (j *job) findTable(c *cli.Context) error {
	var table string
	table, j.confErr = exportfs.TablePath(j.NFSConf)
	j.flags.etab = cmp.Or(j.flags.etab, table)
	if dir, name := filepath.Split(j.flags.exportsFile); exportfs.SameDir(dir, exportfs.ExportsDir) {
		// By another name of the directory, /etc/exports would not be found beside it.
		j.flags.exportsFile = filepath.Join(exportfs.ExportsDir, name)
	}
	return j.flags.checkPlaces(c, table)
}

// readConf is the step that says what came of findTable.
func (j job) readConf() {
	stepOnly(j.steps, "nfs.conf", true, func() (string, error) {
		return "the active table is " + printable.Word(j.flags.etab), j.confErr
	})
}

// table reads the active table, and what rpc.mountd does not read of it. One that may be
// somewhere else is not read.
func (j job) table() (render.Table, *render.TableError, error) {
	if j.confErr != nil {
		return nil, nil, j.confErr
	}
	return exportfs.ReadUnread(j.flags.etab)
}

// busy is the run of another exportfs that was awaited in vain; nil if none was.
type busy struct{ err error }

// awaitExportfs waits, for an apply, until no other exportfs runs: one that has read
// older exports files could still write the active table after it was compared.
func (j job) awaitExportfs(ctx context.Context) (b *busy) {
	if j.purpose != toApply || j.flags.noReload {
		return nil
	}
	stepOnly(j.steps, "lock of exportfs", true, func() (string, error) {
		err := j.exportfs().Idle(ctx)
		if is[*exportfs.LockedError](err) {
			b = &busy{err} // it matters only if there is something to write
			return "", nil
		}
		return "", err
	})
	return b
}

// still returns the *exportfs.LockedError of a run that has not ended since, without
// waiting for it once more.
func (b *busy) still(ctx context.Context, program exportfs.Program) error {
	if b == nil {
		return nil
	}
	program.LockWait = 0
	if err := program.Idle(ctx); err == nil {
		return nil
	}
	return fmt.Errorf("%w; nothing was changed", b.err)
}

// warnBusy warns that another exportfs may change an active table that is right.
func (j job) warnBusy(b *busy) {
	if b != nil {
		j.warn(fmt.Sprintf("%s; that run of exportfs may still write an older active table, and the next run of nfs-exportd compares it again", b.err))
	}
}

// lookAtLocks looks, for check, whether other users can keep runs from ending by a lock.
func (j job) lookAtLocks() {
	if j.purpose != toCheck {
		return
	}
	stepOnly(j.steps, "locks", j.confErr == nil, func() (string, error) {
		var odd []string
		if problem := (install.File{Path: j.flags.exportsFile}).LockProblem(); problem != "" {
			odd = append(odd, problem)
		}
		odd = append(odd, j.exportfs().LockProblems()...)
		return "only their owners can hold them", concernAbout("", odd)
	})
}
