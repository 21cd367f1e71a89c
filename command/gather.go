package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/exports/config"
	"nfs-exportd/keystone"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/install"
)

// situation is what a run finds out before it asks the cloud.
type situation struct {
	config *exports.Config // nil: it cannot be read
	creds  *keystone.Credentials
	// credsErr is why there are none. Only a run that asks the cloud fails of it.
	credsErr error
	local    []netip.Addr
	hosts    exports.Hosts // nil: nobody knows where they are
	held     *held         // nil: the run may go on
}

// held is why a run leaves everything as it is.
type held struct {
	reason  string
	until   time.Time
	standby bool // of a server that is none of the mount hosts
}

// text is the hold for people.
func (h *held) text() string {
	text := "held: " + printable(h.reason)
	if !h.until.IsZero() {
		text += ", until " + h.until.Format(time.RFC3339)
	}
	return text
}

// untilItEnds is what a hold means.
const untilItEnds = "until it ends, plan and apply do nothing"

// gather finds out all that does not need the cloud. A hold ends it for plan and
// apply: then nobody is asked about anything else.
func (j job) gather(ctx context.Context) (s situation) {
	s.config, _ = step(j.steps, "configuration", true, func() (*exports.Config, string, error) {
		config, err := readConfig(j.flags.config)
		if err != nil {
			return nil, "", err
		}
		s.held = j.hold(config.Maintenance, j.flags.config)
		found := fmt.Sprintf("%s: %s, %s", j.flags.config, count(len(config.Projects), "project"), count(len(config.Public), "public line"))
		return config, found, j.concerns(found, nil, config.Maintenance, j.flags.config)
	})
	goesOn := func() bool { return s.config != nil && (s.held == nil || j.steps.goOn) }
	s.creds, _ = step(j.steps, "credentials", goesOn(), func() (*keystone.Credentials, string, error) {
		creds, err := j.findCredentials(s.config)
		if err != nil {
			s.credsErr = err
			return nil, "none are needed, as no project is configured", j.needed(s.config, err)
		}
		maintenance, err := maintenanceOf(creds)
		if err != nil {
			return &creds, "", err // with which check can ask the cloud all the same
		}
		s.held = cmp.Or(s.held, j.hold(maintenance, creds.Source))
		found := fmt.Sprintf("%s, for %s at %s", access(creds), creds.Scope(), creds.AuthURL)
		return &creds, found, j.concerns(found, creds.Warnings, maintenance, creds.Source)
	})
	s.hosts, _ = step(j.steps, "mount hosts", goesOn(), func() (_ exports.Hosts, _ string, err error) {
		if s.local, err = j.Local(); err != nil {
			return nil, "", err
		}
		hosts, err := j.locate(ctx, s.config.Hosts(), j.flags.serveAs, s.local)
		if err != nil {
			return nil, "", err
		}
		if s.config.Standby(hosts) {
			s.held = cmp.Or(s.held, &held{reason: "standby", standby: true})
		}
		found, concern := aboutHosts(s.config, hosts, s.local)
		return hosts, found, concern
	})
	return s
}

// needed gives the error of credentials that cannot be found if it matters by now: only
// check looks at what a run may never need. For the others the log-in fails of it.
func (j job) needed(config *exports.Config, err error) error {
	if len(config.Projects) == 0 || j.purpose != toCheck {
		return nil
	}
	return err
}

// access names credentials, and who may read them.
func access(creds keystone.Credentials) string {
	if creds.Access == "" {
		return creds.String()
	}
	return fmt.Sprintf("%s (%s)", creds, creds.Access)
}

// configError is a file for people that cannot be read, or not be understood.
type configError struct {
	file string
	err  error
}

func (e *configError) Error() string {
	return fmt.Sprintf("configuration %s: %s; nothing was changed", e.file, e.err)
}

func (e *configError) Unwrap() error { return e.err }

// configLimit is how much of a configuration file is read: one byte more than
// config.Parse takes, which then says what is wrong.
const configLimit = 4<<20 + 1

func readConfig(path string) (*exports.Config, error) {
	// To open a FIFO that nobody writes to would wait for ever.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		// os.OpenFile names the path, and so does configError.
		err = errors.Unwrap(err)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: write one, see nfs-mounts.yaml(5), or name it with --%s", err, flagConfig)
		}
		return nil, &configError{path, err}
	}
	defer func() { _ = f.Close() }() // nothing was written to it
	text, err := io.ReadAll(io.LimitReader(f, configLimit))
	if err != nil {
		return nil, &configError{path, err}
	}
	if info, err := f.Stat(); err == nil && info.Mode()&fs.ModeNamedPipe != 0 && len(text) == 0 {
		return nil, &configError{path, errors.New("it is a FIFO to which nobody writes: name a file with --" + flagConfig)}
	}
	parsed, err := config.Parse(text)
	if err != nil {
		return nil, &configError{path, err}
	}
	return parsed, nil
}

// hold gives the hold that a maintenance key asks for, if it is in force.
func (j job) hold(m exports.Maintenance, file string) *held {
	if m.Expired(j.Now()) {
		j.log.Warn(expired(m, file))
	}
	if !m.Holds(j.Now()) {
		return nil
	}
	return &held{reason: cmp.Or(m.Reason, "maintenance in "+file), until: m.Until}
}

// expired is what to say about a maintenance key that is of no use any more.
func expired(m exports.Maintenance, file string) string {
	return fmt.Sprintf("maintenance in %s ended at %s and holds no longer: take it out", file, m.Until.Format(time.RFC3339))
}

// concerns is a concern about what was found, with warnings and what there is to say
// about its maintenance key, or nil.
func (j job) concerns(found string, warnings []string, m exports.Maintenance, file string) error {
	odd := slices.Clip(warnings)
	if m.Expired(j.Now()) {
		odd = append(odd, expired(m, file))
	}
	if m.Holds(j.Now()) {
		h := held{reason: cmp.Or(m.Reason, "maintenance in "+file), until: m.Until}
		odd = append(odd, h.text()+": "+untilItEnds)
	}
	if len(odd) == 0 {
		return nil
	}
	return concern(found + "; " + strings.Join(odd, "; "))
}

func (j job) findCredentials(config *exports.Config) (keystone.Credentials, error) {
	return keystone.Find(keystone.Sources{
		Cloud:       cmp.Or(j.flags.cloud, config.OpenStack.Cloud),
		File:        cmp.Or(j.flags.credentials, config.OpenStack.Credentials),
		DefaultFile: defaultCredsFile,
		Getenv:      j.Getenv,
	})
}

func maintenanceOf(creds keystone.Credentials) (exports.Maintenance, error) {
	if creds.Maintenance == nil {
		return exports.Maintenance{}, nil
	}
	m, err := config.ParseMaintenance(creds.Maintenance)
	if err != nil {
		return m, &configError{creds.Source, err}
	}
	return m, nil
}

// files are the exports files as a run finds them.
type files struct {
	path    string // of ours
	old     install.Snapshot
	parsed  render.Parsed
	adopted []install.Adopted
	foreign []render.Foreign
	today   exports.Set // ours and those that are adopted
}

// lock takes the lock of the exports file, for apply alone, and gives a function that
// releases it.
func (j job) lock(ctx context.Context) (unlock func()) {
	if j.purpose != toApply {
		return func() {}
	}
	release, ok := step(j.steps, "lock", true, func() (func() error, string, error) {
		release, err := install.File{Path: j.flags.exportsFile}.Lock(ctx, j.flags.lockTimeout)
		return release, "", err
	})
	return func() {
		if !ok {
			return
		}
		if err := release(); err != nil {
			j.log.Warn("release the lock", "err", err)
		}
	}
}

// readFiles reads what is exported today: our file, those to adopt, and those of
// others.
func (j job) readFiles() *files {
	f, _ := step(j.steps, "exports file", true, func() (*files, string, error) {
		f, err := readFiles(j.flags)
		if err != nil {
			return nil, "", err
		}
		j.metrics.exported(f.today.Len())
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

// filesDuringHold is what is exported today, for the JSON of a plan that is held. It
// does not matter then what cannot be read.
func (j job) filesDuringHold(h *held) *files {
	if h.standby {
		j.log.Info("standby: every mount host is another server, and no public line is configured; holding")
	}
	f, err := readFiles(j.flags)
	if err != nil {
		j.log.Debug("held, so that it does not matter what cannot be read", "err", err)
	}
	return f
}

// readFiles gives the exports files. With an error it gives those before the one that
// cannot be read.
func readFiles(flags flags) (f *files, err error) {
	f = &files{path: flags.exportsFile}
	if f.old, err = (install.File{Path: f.path}).Load(); err != nil {
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
