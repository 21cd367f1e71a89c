package command

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/install"
)

// files are the exports files as a run finds them.
type files struct {
	path    string // of ours
	old     install.Snapshot
	marked  bool // an earlier run left its mark, see install.File.Mark
	parsed  render.Parsed
	adopted []install.Adopted
	foreign []render.Foreign
	names   hostNames
	today   exports.Set // ours and those that are adopted
}

// lock takes the lock of the exports file, for apply alone, and gives a function that
// releases it. waited says that another run had it.
func (j job) lock(ctx context.Context) (unlock func(), waited bool) {
	if j.purpose != toApply {
		return func() {}, false
	}
	release, ok := step(j.steps, "lock", true, func() (func() error, string, error) {
		file := install.File{Path: j.flags.exportsFile}
		release, err := file.Lock(ctx, 0)
		if waited = is[*install.LockedError](err) && j.flags.lockTimeout > 0; waited {
			release, err = file.Lock(ctx, j.flags.lockTimeout)
		}
		return release, "", err
	})
	return func() {
		if !ok {
			return
		}
		if err := release(); err != nil {
			j.log.Warn("release the lock", "err", err)
		}
	}, waited
}

// readFiles reads what is exported today: our file, those to adopt, and those of
// others, with their host names.
func (j job) readFiles(ctx context.Context, config *exports.Config) *files {
	f, _ := step(j.steps, "exports file", true, func() (*files, string, error) {
		f, err := readFiles(j.flags)
		if err != nil {
			return nil, "", err
		}
		j.metrics.exported(f.today.Len())
		f.names = j.lookUpNames(ctx, config, f)
		switch {
		case !f.old.Exists:
			return f, f.path + " is not there yet", nil
		case len(f.parsed.Unread) > 0:
			first := f.parsed.Unread[0]
			return f, "", concern(fmt.Sprintf("%s: %d lines are not understood, the first is line %d (%s): apply will want its plan approved",
				f.path, len(f.parsed.Unread), first.Number, first.Problem))
		case f.parsed.Edited:
			return f, "", concern(f.path + " was changed by somebody else than nfs-exportd: apply will want its plan approved")
		}
		return f, fmt.Sprintf("%s: %s", f.path, count(f.today.Len(), "grant")), nil
	})
	return f
}

// filesDuringHold is what is exported today, for the metrics, and the JSON of a plan
// that is held. It does not matter then what cannot be read.
func (j job) filesDuringHold(h *held) *files {
	f, err := readFiles(j.flags)
	if err != nil {
		j.log.Debug("held, so that it does not matter what cannot be read", "err", err)
	}
	if err == nil || f.old.Exists { // else nobody knows whether it has grants
		j.metrics.exported(f.grants())
	}
	if h.standby {
		j.log.Info("standby: every mount host is another server, and no public line is configured; holding", "grants", f.grants())
	}
	return f
}

// grants is how many grants our exports file has, without those to adopt; 0 if nobody
// has read it.
func (f *files) grants() int {
	if f == nil {
		return 0
	}
	return f.parsed.Set.Len()
}

// readFiles gives the exports files. With an error it gives those before the one that
// cannot be read.
func readFiles(flags flags) (f *files, err error) {
	f = &files{path: flags.exportsFile}
	if f.old, err = (install.File{Path: f.path}).Load(); err != nil {
		return f, err
	}
	if f.marked, err = (install.File{Path: f.path}).Marked(); err != nil {
		return f, err
	}
	f.parsed = render.Parse(f.old.Text)
	f.today = f.parsed.Set
	if f.adopted, err = readAdopted(flags.adopt); err != nil {
		return f, err
	}
	if len(f.adopted) > 0 {
		today := slices.Clip(f.today.Grants())
		for _, adopted := range f.adopted {
			today = append(today, adopted.Grants...)
		}
		f.today = exports.NewSet(today)
	}
	f.foreign, err = f.readForeign()
	return f, err
}

// readAdopted reads the files to adopt, each once.
func readAdopted(paths []string) ([]install.Adopted, error) {
	var all []install.Adopted
	given := map[string]bool{} // absolute paths
	for _, path := range paths {
		if whole, err := filepath.Abs(path); err == nil {
			if given[whole] {
				continue
			}
			given[whole] = true
		}
		adopted, err := install.ReadAdopted(path)
		if err != nil {
			return nil, err
		}
		all = append(all, adopted)
	}
	return all, nil
}

// readForeign reads the exports files of others as they are now. exportfs reads
// /etc/exports before the files of /etc/exports.d.
func (f *files) readForeign() ([]render.Foreign, error) {
	var adopted []string
	for _, a := range f.adopted {
		adopted = append(adopted, a.Path)
	}
	etcExports := filepath.Join(filepath.Dir(filepath.Dir(f.path)), "exports")
	return exportfs.ReadForeign(etcExports, f.path, adopted)
}
