package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/keystone"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/install"
	"nfs-exportd/render/sandbox"
)

// settings are the flags.
type settings struct {
	config, exportsFile string
	cloud, credentials  string
	serveAs             []string
	timeout             time.Duration
	exportfs, etab      string
	noPreflight         bool
	proofSocket         string
	adopt               []string

	lock        bool // apply only
	lockTimeout time.Duration
	noReload    bool
}

const (
	// configLimit is how much of a configuration file is read: one byte more
	// than exports.ParseConfig takes, which then says what is wrong.
	configLimit = 4<<20 + 1
	// exportfsTimeout is for one run of exportfs. It needs seconds for
	// thousands of clients, and minutes when it waits for a dead resolver
	// because of names in other files.
	exportfsTimeout = 2 * time.Minute
)

// outcome is what a run came to before anything is written.
type outcome struct {
	path string // of the exports file
	held *held  // not nil: nothing was asked and nothing is to be done

	plan      exports.Plan
	limits    exports.Limits
	old       install.Snapshot
	parsed    render.Parsed
	text      []byte
	id        string
	foreign   []render.Foreign
	conflicts []render.Conflict
	adopted   []install.Adopted
	proof     *render.Proven
	// table tells how the active table compares with the new text; nil if
	// nobody looked.
	table *render.Agreement

	unlock func()
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

// changes reports whether apply has anything to do.
func (o *outcome) changes() bool {
	return o.held == nil && (o.rewrites() || o.reloads())
}

// rewrites reports whether the exports file or an adopted one changes.
func (o *outcome) rewrites() bool {
	return o.held == nil && (!bytes.Equal(o.old.Text, o.text) || !o.old.Exists || len(o.adopted) > 0)
}

// reloads reports whether the active table is out of step with a file that is
// right already, or may be so. After a proof all that can be left open is what
// host names stand for, which another run of exportfs would not tell either.
func (o *outcome) reloads() bool {
	if o.held != nil || o.rewrites() || o.table == nil {
		return false
	}
	return o.table.Answer == render.Disagrees || o.table.Answer == render.CannotTell && o.proof == nil
}

// compute does everything that plan and apply have in common: it reads the
// configuration, asks the resolver and the cloud, decides, and proves the
// result. Nothing is written; with settings.lock it holds the lock of the
// exports file until outcome.unlock.
func (a *app) compute(ctx context.Context, s settings) (_ *outcome, err error) {
	o := &outcome{path: s.exportsFile, unlock: func() {}}
	config, err := a.readConfig(s.config)
	if err != nil {
		return nil, err
	}
	o.limits = config.Limits
	if o.held = a.holds(config.Maintenance, s.config); o.held != nil {
		a.countHeld(s, o)
		return o, nil
	}
	creds, credsErr := a.findCredentials(s, config)
	if credsErr == nil {
		if o.held, err = a.heldWith(creds); err != nil {
			return nil, err
		}
		if o.held != nil {
			a.countHeld(s, o)
			return o, nil
		}
	}

	a.metrics.enter(phaseResolver)
	local, err := a.local()
	if err != nil {
		return nil, err
	}
	hosts, err := a.locate(ctx, config.Hosts(), s.serveAs, local)
	if err != nil {
		return nil, err
	}
	if o.held = onStandby(config, hosts); o.held != nil {
		a.log.Info("standby: every mount host is another server, and no public line is configured; holding")
		a.countHeld(s, o)
		return o, nil
	}

	a.metrics.enter(phaseLock)
	if s.lock {
		var release func() error
		release, err = install.File{Path: s.exportsFile}.Lock(ctx, s.lockTimeout)
		if err != nil {
			return nil, err
		}
		o.unlock = func() {
			if err := release(); err != nil {
				a.log.Warn("release the lock", "err", err)
			}
		}
		defer func() {
			if err != nil {
				o.unlock()
			}
		}()
	}
	if err := o.readFiles(s); err != nil {
		return nil, err
	}
	a.metrics.exported(o.plan.Today.Len())

	a.metrics.enter(phaseCloud)
	evidence := exports.Evidence{Config: config, Hosts: hosts, Local: local}
	if err := a.decide(ctx, s, o, evidence, creds, credsErr); err != nil {
		return nil, err
	}
	giveBack(o.plan.Desired.Len())
	a.metrics.enter(phaseProof)
	for _, warning := range o.plan.Warnings {
		a.log.Warn(warning)
	}
	if err := o.render(); err != nil {
		return nil, err
	}
	if err := a.checkPaths(o.plan.Desired); err != nil {
		return nil, err
	}
	if err := a.prove(ctx, s, o); err != nil {
		return nil, err
	}
	// Only a change costs this time: a run that has nothing to do says nothing.
	if warning := render.ManyClients(o.plan.Desired, o.foreign); warning != "" && o.changes() {
		a.log.Warn(warning)
	}
	return o, nil
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

func (a *app) readConfig(path string) (*exports.Config, error) {
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
	config, err := exports.ParseConfig(text)
	if err != nil {
		return nil, &configError{path, err}
	}
	return config, nil
}

// expired tells of a maintenance key that is of no use any more.
func expired(m exports.Maintenance, file string) string {
	return fmt.Sprintf("maintenance in %s ended at %s and holds no longer: take it out", file, m.Until.Format(time.RFC3339))
}

// holds gives the hold that a maintenance key asks for, if it does.
func (a *app) holds(m exports.Maintenance, file string) *held {
	if m.Expired(a.now()) {
		a.log.Warn(expired(m, file))
	}
	if !m.Holds(a.now()) {
		return nil
	}
	return &held{reason: cmp.Or(m.Reason, "maintenance in "+file), until: m.Until}
}

// heldWith gives the hold that the maintenance key of a credentials file asks for, if
// it does.
func (a *app) heldWith(creds keystone.Credentials) (*held, error) {
	m, err := maintenanceOf(creds)
	if err != nil {
		return nil, err
	}
	return a.holds(m, creds.Source), nil
}

func maintenanceOf(creds keystone.Credentials) (exports.Maintenance, error) {
	if creds.Maintenance == nil {
		return exports.Maintenance{}, nil
	}
	m, err := exports.ParseMaintenance(creds.Maintenance)
	if err != nil {
		return m, &configError{creds.Source, err}
	}
	return m, nil
}

// onStandby gives the hold of a server that has nothing to serve, if this is one.
func onStandby(config *exports.Config, hosts exports.Hosts) *held {
	if !config.Standby(hosts) {
		return nil
	}
	return &held{reason: "standby", standby: true}
}

// countHeld reads what is exported today, for who wants to know its number. A hold
// does not fail of it.
func (a *app) countHeld(s settings, o *outcome) {
	if err := o.readFiles(s); err != nil {
		a.log.Debug("held, so that it does not matter what cannot be read", "err", err)
	}
}

// readFiles reads what is exported today: our file, those to adopt, and those
// of others.
func (o *outcome) readFiles(s settings) error {
	var err error
	if o.old, err = (install.File{Path: s.exportsFile}).Load(); err != nil {
		return err
	}
	o.parsed = render.Parse(o.old.Text)
	o.plan.Today = o.parsed.Set
	today := slices.Clip(o.parsed.Set.Grants())
	given := map[string]bool{} // absolute paths
	for _, path := range s.adopt {
		if whole, err := filepath.Abs(path); err == nil {
			if given[whole] {
				continue
			}
			given[whole] = true
		}
		adopted, err := install.ReadAdopted(path)
		if err != nil {
			return err
		}
		o.adopted = append(o.adopted, adopted)
		today = append(today, adopted.Grants...)
	}
	if len(o.adopted) > 0 {
		o.plan.Today = exports.NewSet(today)
	}
	o.foreign, err = exportfs.ReadForeign(s.etcExports(), s.exportsFile, s.adopt)
	return err
}

// etcExports is the file that exportfs reads before those of the directory of
// the exports file: /etc/exports for /etc/exports.d.
func (s settings) etcExports() string {
	return filepath.Join(filepath.Dir(filepath.Dir(s.exportsFile)), "exports")
}

func (a *app) findCredentials(s settings, config *exports.Config) (keystone.Credentials, error) {
	return keystone.Find(keystone.Sources{
		Cloud:       cmp.Or(s.cloud, config.OpenStack.Cloud),
		File:        cmp.Or(s.credentials, config.OpenStack.Credentials),
		DefaultFile: defaultCredsFile,
		Getenv:      a.getenv,
	})
}

// cloudOptions is how the cloud is asked.
func (a *app) cloudOptions(config *exports.Config) keystone.Options {
	return keystone.Options{
		Domain:      config.OpenStack.Domain,
		Regions:     config.OpenStack.Regions,
		Listing:     config.OpenStack.Listing,
		Concurrency: config.OpenStack.Concurrency,
		UserAgent:   "nfs-exportd/" + strings.Fields(versionText())[0],
		Log:         a.log,
		Proxy:       http.ProxyFromEnvironment,
		Now:         a.now,
		Sleep:       a.sleep,
	}
}

// decide asks the cloud and makes the plan.
func (a *app) decide(ctx context.Context, s settings, o *outcome, e exports.Evidence, creds keystone.Credentials, credsErr error) error {
	keys, ids := exports.Questions(e.Config, e.Hosts, o.plan.Today)
	if len(keys) == 0 {
		a.log.Debug("no project has a mount here, so the cloud is not asked", "credentials", credsErr)
		return o.compare(e)
	}
	if credsErr != nil {
		return credsErr
	}
	for _, warning := range creds.Warnings {
		a.log.Warn(warning)
	}
	ctx, requests := countRequests(ctx)
	a.metrics.asks(requests)
	defer a.showProgress("asking the cloud", requests)()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	client, err := keystone.Open(ctx, creds, a.cloudOptions(e.Config))
	if err != nil {
		return err
	}
	defer client.Close()
	if e.Inventory, err = client.Inventory(ctx, keystone.Wanted{Keys: keys, IDs: ids}); err != nil {
		return err
	}
	giveBack(e.Inventory.Len())
	if err := o.compare(e); err != nil {
		return err
	}
	gone := o.plan.Gone(e)
	if len(gone) == 0 {
		return nil
	}
	// A cell of Nova that was away for a moment between two requests would have
	// taken its instances along. They are gone if they are so twice.
	a.log.Info("instances are gone; reading their projects again", "projects", gone)
	second, err := client.Inventory(ctx, keystone.Wanted{Keys: gone})
	if err != nil {
		return err
	}
	e.Inventory = e.Inventory.Join(second)
	return o.compare(e)
}

// giveBack gives the memory of a part of a run that is over back to the system,
// where that was about many instances or grants: so a run needs what its largest
// part does, and not the sum. It takes the time of one garbage collection.
func giveBack(many int) {
	if many >= 20_000 {
		debug.FreeOSMemory()
	}
}

// compare makes the plan that follows from the evidence. With an error the plan is
// as before, and still has today's grants.
func (o *outcome) compare(e exports.Evidence) error {
	desired, err := exports.Build(e)
	if err != nil {
		return err
	}
	plan, err := exports.Compare(o.plan.Today, desired, e)
	if err != nil {
		return err
	}
	o.plan = plan
	return nil
}

// render makes the text of the desired grants.
func (o *outcome) render() error {
	text, err := render.Marshal(o.plan.Desired)
	if err != nil {
		return err
	}
	o.text = text
	o.id = render.PlanID(o.before(), text)
	o.conflicts = render.Conflicts(o.plan.Desired, o.foreign)
	return nil
}

// before is all that the plan starts from: the text of the exports file, and the
// grants of adopted files.
func (o *outcome) before() []byte {
	text := slices.Clip(o.old.Text)
	for _, file := range o.adopted {
		text = fmt.Appendf(text, "adopted %q\n", file.Path)
		for _, g := range file.Grants {
			text = fmt.Appendf(text, "%q %q %q\n", g.Path, g.Client.String(), g.Options)
		}
	}
	return text
}

// checkPaths looks at the directories that are to be exported.
func (a *app) checkPaths(desired exports.Set) error {
	var paths []string
	for _, g := range desired.Grants() {
		if len(paths) == 0 || paths[len(paths)-1] != g.Path {
			paths = append(paths, g.Path)
		}
	}
	var fatal []error
	for _, problem := range exportfs.CheckPaths(paths) {
		if problem.Fatal {
			fatal = append(fatal, problem)
			continue
		}
		a.log.Warn(problem.Error())
	}
	return errors.Join(fatal...)
}

// prove finds out what exportfs will make of the new file, and whether the
// active table is that already. exportfs is run, in a sandbox, only if
// something is to change or cannot be told without it.
func (a *app) prove(ctx context.Context, s settings, o *outcome) error {
	var table render.Table
	if !s.noReload {
		var err error
		table, err = exportfs.ReadTable(s.etab)
		if broken, ok := errors.AsType[*render.TableError](err); ok {
			o.table = &render.Agreement{Answer: render.Disagrees, Differences: []string{broken.Error()}}
		} else if err != nil {
			return err
		} else if !o.rewrites() {
			o.table = a.withKernel(s, table.Agrees(o.plan.Desired, o.foreign))
		}
	}
	if !s.noReload && o.changes() {
		if err := exportfs.CheckFIFOs(o.foreign); err != nil {
			return err
		}
	}
	if s.noPreflight || !o.changes() {
		return nil
	}
	proof, err := a.sandbox(s).Try(ctx, o.text, o.plan.Desired, o.foreign)
	if errors.Is(err, sandbox.ErrNoNamespaces) {
		a.log.Warn(fmt.Sprintf("%s; going on without proof that exportfs will read the new file as it is meant", err))
		return nil
	}
	if err != nil {
		return err
	}
	o.proof = &proof
	a.log.Debug("exportfs reads the new file as it is meant", "sandbox", "namespaces of its own")
	if o.table != nil && table != nil {
		o.table = a.withKernel(s, table.Matches(proof, o.foreign))
	}
	return nil
}

// exportfs is the host's, for the active exports.
func (a *app) exportfs(s settings) exportfs.Program {
	return exportfs.Program{Path: s.exportfs, Etab: s.etab, Timeout: a.exportfsTimeout(), Flush: a.flush}
}

// withKernel adds to what the active table is like that the kernel does not know it.
func (a *app) withKernel(s settings, agreement render.Agreement) *render.Agreement {
	if pending := a.exportfs(s).Pending(); pending != "" {
		agreement.Answer = render.Disagrees
		agreement.Differences = append(agreement.Differences, pending)
	}
	return &agreement
}

func (a *app) exportfsTimeout() time.Duration { return cmp.Or(a.patience, exportfsTimeout) }

func (a *app) sandbox(s settings) sandbox.Sandbox {
	return sandbox.Sandbox{Self: os.Args[0], Exportfs: s.exportfs, Own: s.exportsFile, Timeout: a.exportfsTimeout(), Socket: s.proofSocket}
}

// refusedError is a plan that nobody has approved.
type refusedError struct {
	why  string
	next string
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("refused: %s; nothing was changed\n  next: %s", e.why, e.next)
}

// refused says why the plan needs a person's approval, or gives nil.
func (o *outcome) refused() *refusedError {
	if !o.rewrites() {
		return nil
	}
	var why []string
	if err := o.limits.Check(o.plan); err != nil {
		why = append(why, err.Error())
	}
	if o.parsed.Edited {
		why = append(why, fmt.Sprintf("%s was changed by somebody else than nfs-exportd, and that would be lost", o.path))
	}
	if n := len(o.parsed.Unread); n > 0 {
		first := o.parsed.Unread[0]
		why = append(why, fmt.Sprintf("%d lines of it are not understood, first line %d (%s)", n, first.Number, first.Problem))
	}
	if len(why) == 0 {
		return nil
	}
	return &refusedError{why: strings.Join(why, "; ")}
}

// approved lets a plan pass that needs no approval, or that has it: command is
// the one that approves it.
func (o *outcome) approved(id, command string) error {
	switch refused := o.refused(); {
	case !o.rewrites(), id == o.id:
		return nil
	case id != "":
		return &refusedError{
			why:  fmt.Sprintf("plan %q was approved, but by now the plan is %s", id, o.id),
			next: "read the new plan; if it is right, run: " + command,
		}
	case refused != nil:
		refused.next = "read the plan; if it is right, run: " + command
		return refused
	}
	return nil
}

// install carries out the plan.
func (a *app) install(ctx context.Context, s settings, o *outcome) error {
	file := install.File{Path: s.exportsFile}
	foreign, err := exportfs.ReadForeign(s.etcExports(), s.exportsFile, s.adopt)
	if err == nil {
		err = install.Unchanged(o.foreign, foreign)
	}
	if err != nil {
		return err
	}
	if s.noReload {
		if err := file.Replace(o.old, o.text); err != nil {
			return err
		}
		a.log.Info("wrote the exports file; exportfs was not run", "file", s.exportsFile)
		return nil
	}
	done, err := install.Run(ctx, install.Job{
		File: file, Old: o.old, Text: o.text, Want: o.plan.Desired, Proven: o.proof,
		Foreign: o.foreign, Adopt: o.adopted,
		Exportfs: a.exportfs(s),
	})
	for _, warning := range done.Warnings {
		a.log.Warn(warning)
	}
	if err != nil {
		return err
	}
	a.log.Info("applied", "file", s.exportsFile, slog.Bool("wrote", done.Wrote), "grants", o.plan.Desired.Len(), "adopted", done.Adopted)
	return nil
}
