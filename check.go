package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"nfs-exportd/exports"
	"nfs-exportd/keystone"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/install"
	"nfs-exportd/render/sandbox"
)

// checkup goes through everything that a run depends on, in an order in which
// the first thing that is wrong is the cause, not what follows from it.
type checkup struct {
	*app
	settings settings

	findings []finding

	config *exports.Config
	creds  *keystone.Credentials
	local  bool // the addresses of this server are known
	e      exports.Evidence
	client *keystone.Client
	// read tells that the inventory is complete.
	read bool
	held *held    // not nil: plan and apply do nothing
	o    *outcome // nil if the exports files cannot be read
}

// finding is what one step came to.
type finding struct {
	Step  string    `json:"step"`
	State stepState `json:"state"`
	Says  string    `json:"says"`
	err   error
}

// stepState is how a step ended.
type stepState string

const (
	stateOK         stepState = "ok"
	stateWarning    stepState = "warning"
	stateFailed     stepState = "failed"
	stateNotReached stepState = "not reached"
)

// concern is what an operator should know although no run fails of it.
type concern string

func (c concern) Error() string { return string(c) }

// checkError is the first step that failed.
type checkError struct {
	step string
	err  error
}

func (e *checkError) Error() string { return fmt.Sprintf("check: %s failed: %s", e.step, e.err) }
func (e *checkError) Unwrap() error { return e.err }

func (a *app) check(c *cli.Context) error {
	s, err := a.settings(c)
	if err != nil {
		return err
	}
	format, err := textOrJSON(c, flagFormat)
	if err != nil {
		return err
	}
	k := &checkup{app: a, settings: s}
	k.run(c.Context)
	var failed error
	if i := slices.IndexFunc(k.findings, func(f finding) bool { return f.State == stateFailed }); i >= 0 {
		failed = &checkError{k.findings[i].Step, k.findings[i].err}
	}
	print := k.printText
	if format == "json" {
		print = func(w io.Writer) error { return k.printJSON(w, exitStatus(c.Context, failed)) }
	}
	if err := print(a.stdout); err != nil {
		return &outputError{err}
	}
	return failed
}

// step does one step and notes what it came to. With reached false it is not
// done, as what it needs is not there.
func (k *checkup) step(name string, reached bool, do func() (string, error)) bool {
	f := finding{Step: name, State: stateNotReached}
	if reached {
		k.progress.now("checking " + name)
		f.State = stateOK
		f.Says, f.err = do()
		if c, ok := errors.AsType[concern](f.err); ok {
			f.State, f.Says = stateWarning, string(c)
		} else if f.err != nil {
			f.State, f.Says = stateFailed, f.err.Error()
		}
	}
	k.findings = append(k.findings, f)
	return f.State == stateOK || f.State == stateWarning
}

func (k *checkup) run(ctx context.Context) {
	ctx, requests := countRequests(ctx)
	defer k.showProgress("checking", requests)()
	k.step("configuration", true, k.checkConfig)
	k.step("credentials", k.config != nil, k.checkCredentials)
	k.step("mount hosts", k.config != nil, func() (string, error) { return k.checkHosts(ctx) })
	k.step("exports file", true, k.checkFile)
	k.step("disk", k.o != nil, k.checkDisk)

	limited, cancel := context.WithTimeout(ctx, k.settings.timeout)
	defer cancel()
	k.checkCloud(limited)

	k.step("other exports files", k.o != nil, k.checkForeign)
	there := k.step("directories", k.config != nil && k.local, k.checkDirectories)
	runs := k.step("exportfs", k.o != nil && there, func() (string, error) { return k.checkExportfs(ctx) })
	k.step("active table", k.o != nil, k.checkTable)
	k.step("plan", k.held != nil || k.o != nil && k.read && runs, func() (string, error) { return k.checkPlan(ctx) })
}

func (k *checkup) checkConfig() (string, error) {
	config, err := k.readConfig(k.settings.config)
	if err != nil {
		return "", err
	}
	k.config = config
	k.e.Config = config
	found := fmt.Sprintf("%s: %s, %s", k.settings.config, count(len(config.Projects), "project"), count(len(config.Public), "public line"))
	if odd := k.aboutMaintenance(config.Maintenance, k.settings.config); len(odd) > 0 {
		return "", concern(found + "; " + strings.Join(odd, "; "))
	}
	return found, nil
}

func (k *checkup) checkCredentials() (string, error) {
	creds, err := k.findCredentials(k.settings, k.config)
	if err != nil && len(k.config.Projects) == 0 {
		return "none are needed, as no project is configured", nil
	}
	if err != nil {
		return "", err
	}
	k.creds = &creds
	found := creds.String()
	if creds.Access != "" {
		found += " (" + creds.Access + ")"
	}
	found = fmt.Sprintf("%s, for %s at %s", found, creds.Scope(), creds.AuthURL)
	m, err := maintenanceOf(creds)
	if err != nil {
		return "", err
	}
	if odd := slices.Concat(creds.Warnings, k.aboutMaintenance(m, creds.Source)); len(odd) > 0 {
		return "", concern(found + "; " + strings.Join(odd, "; "))
	}
	return found, nil
}

// aboutMaintenance tells of a maintenance key that holds, or did, and takes note of
// the hold.
func (k *checkup) aboutMaintenance(m exports.Maintenance, file string) []string {
	var odd []string
	if m.Expired(k.now()) {
		odd = append(odd, expired(m, file))
	}
	if held := k.holds(m, file); held != nil {
		k.held = cmp.Or(k.held, held)
		odd = append(odd, held.text()+": "+untilItEnds)
	}
	return odd
}

func (k *checkup) checkHosts(ctx context.Context) (string, error) {
	var err error
	if k.e.Local, err = k.app.local(); err != nil {
		return "", err
	}
	if k.e.Hosts, err = k.locate(ctx, k.config.Hosts(), k.settings.serveAs, k.e.Local); err != nil {
		return "", err
	}
	k.local = true
	var here, elsewhere, unresolved []string
	for _, name := range k.config.Hosts() {
		host := k.e.Hosts[name]
		text := fmt.Sprintf("%s (%s)", name, host.Why)
		switch host.Where {
		case exports.Here:
			here = append(here, text)
		case exports.Elsewhere:
			elsewhere = append(elsewhere, text)
		default:
			unresolved = append(unresolved, text)
		}
	}
	say := func(what string, names []string) string {
		if len(names) == 0 {
			return ""
		}
		return what + " " + strings.Join(names, ", ")
	}
	text := strings.Join(slices.DeleteFunc([]string{
		say("this server:", here), say("elsewhere:", elsewhere), say("not known:", unresolved),
	}, func(s string) bool { return s == "" }), "; ")
	switch {
	case len(unresolved) > 0:
		return "", concern(text + ": mend the resolver, or name this server with --serve-as")
	case len(here) == 0 && len(elsewhere) > 0:
		if standby := onStandby(k.config, k.e.Hosts); standby != nil {
			k.held = cmp.Or(k.held, standby)
			text += ": this is a standby, and " + untilItEnds
		}
		return "", concern(fmt.Sprintf("no mount host is this server, which has %v; %s: if it should serve one of them, "+
			"see whether its service address is there, or use --serve-as", k.e.Local, text))
	case text == "":
		return "no mount is configured", nil
	}
	return text, nil
}

// checkCloud is the steps of the conversation with the cloud.
func (k *checkup) checkCloud(ctx context.Context) {
	ready := k.local && (k.creds != nil || len(k.config.Projects) == 0)
	var keys, ids []string
	if k.local {
		var today exports.Set
		if k.o != nil {
			today = k.o.plan.Today
		}
		keys, ids = exports.Questions(k.config, k.e.Hosts, today)
	}
	if ready && len(keys) == 0 {
		k.step("cloud", true, func() (string, error) {
			return "no project has a mount on this server, so that the cloud is not asked", nil
		})
		k.read = true
		return
	}
	var opts keystone.Options
	var address string
	if ready {
		opts = k.cloudOptions(k.config)
		address = k.creds.AuthURL
	}
	reached := k.checkWay(ctx, "Keystone", address, ready, opts)
	k.step("log-in", reached, func() (string, error) { return k.checkLogIn(ctx, opts) })
	if k.client != nil {
		defer k.client.Close()
	}
	var regions []keystone.Region
	listed := k.step("regions", k.client != nil, func() (string, error) {
		var err error
		if regions, err = k.client.Regions(ctx); err != nil {
			return "", err
		}
		var names []string
		for _, r := range regions {
			names = append(names, r.ID)
		}
		return strings.Join(names, ", "), nil
	})
	found := map[string]bool{} // Nova, by region
	for _, r := range regions {
		if r.Err != nil && k.config.OpenStack.Listing == exports.ListingPerProject {
			// No run asks there with this log-in, but with a token for each project.
			found[r.ID] = k.step("Nova of "+printable(r.ID), true, func() (string, error) {
				return "", concern("not known by this log-in, but perhaps by the tokens for the projects: " + r.Err.Error())
			})
			continue
		}
		there := k.step("Nova of "+printable(r.ID), true, func() (string, error) { return r.URL, r.Err })
		found[r.ID] = k.checkWay(ctx, "Nova of "+printable(r.ID), r.URL, there, opts)
	}
	if len(regions) == 0 {
		k.step("Nova", false, nil)
	}
	shown := k.step("projects", k.client != nil, func() (string, error) {
		var list string
		var err error
		k.e.Inventory, list, err = k.client.Projects(ctx, keystone.Wanted{Keys: keys, IDs: ids})
		return list, err
	})
	complete := listed && shown && len(regions) > 0
	for _, r := range regions {
		complete = k.step("instances of "+printable(r.ID), shown && found[r.ID], func() (string, error) {
			return k.checkInstances(ctx, r.ID)
		}) && complete
	}
	if len(regions) == 0 {
		k.step("instances", false, nil)
	}
	k.step("addresses", complete, k.checkAddresses)
	for _, key := range keys {
		k.step("project "+printable(key), shown, func() (string, error) { return k.checkProject(key, complete) })
	}
	k.read = complete
}

// checkInstances reads the instances of one region.
func (k *checkup) checkInstances(ctx context.Context, region string) (string, error) {
	one := exports.Inventory{Projects: maps.Clone(k.e.Inventory.Projects)}
	for key, p := range one.Projects {
		p.Instances = nil
		one.Projects[key] = p
	}
	if err := k.client.Instances(ctx, one, region); err != nil {
		return "", err
	}
	n := 0
	for _, p := range one.Projects {
		n += len(p.Instances)
	}
	k.e.Inventory = k.e.Inventory.Join(one)
	return count(n, "instance") + " of the served projects, and none hidden by a cell that is down", nil
}

// checkAddresses looks at what the instances have.
func (k *checkup) checkAddresses() (string, error) {
	if odd := k.e.AddressWarnings(); len(odd) > 0 {
		return "", concern(strings.Join(odd, "; "))
	}
	return "each active instance has one", nil
}

// checkProject tells what became of a project of the configuration.
func (k *checkup) checkProject(key string, complete bool) (string, error) {
	switch p := k.e.Inventory.Projects[key]; {
	case p.Sight == exports.Hidden:
		return "", concern(fmt.Sprintf("it is not shown to us: %s; give %s a role on it, or take it out of the configuration if it is gone", p.Why, k.creds.User()))
	case p.Sight == exports.Absent:
		return "", concern(fmt.Sprintf("it does not exist: %s; correct its key in the configuration, or take it out", p.Why))
	case !p.Enabled:
		return "", concern(fmt.Sprintf("%q (%s) is disabled in Keystone and gets no grants: have it enabled, or take it out of the configuration", p.Name, printable(p.ID)))
	case !complete:
		return fmt.Sprintf("%q (%s)", p.Name, printable(p.ID)), nil
	default:
		return fmt.Sprintf("%q (%s), %s", p.Name, printable(p.ID), count(len(p.Instances), "instance")), nil
	}
}

// checkWay is the steps to a service: its name, its port, its certificate.
func (k *checkup) checkWay(ctx context.Context, service, address string, ready bool, opts keystone.Options) bool {
	var r keystone.Reached
	if ready {
		k.progress.now("checking the way to " + service)
		r = keystone.Reach(ctx, *k.creds, opts, address, k.lookup)
	}
	at := func(stage keystone.Stage, says string) bool {
		ready = k.step(fmt.Sprintf("%s of %s", stage, service), ready, func() (string, error) {
			if r.Failed == stage {
				return "", r.Err
			}
			return says, nil
		}) && ready
		return ready
	}
	if r.Proxy != "" {
		r.Host = "the proxy " + r.Proxy
	}
	at(keystone.Name, fmt.Sprintf("%s is %v", r.Host, r.Addrs))
	at(keystone.Connection, fmt.Sprintf("%s takes connections", cmp.Or(r.Addr, "it")))
	if strings.HasPrefix(address, "https:") && r.Proxy == "" {
		at(keystone.Certificate, fmt.Sprintf("for %s, until %s", r.Certificate, r.Until.UTC().Format(time.DateOnly)))
	}
	return ready
}

func (k *checkup) checkLogIn(ctx context.Context, opts keystone.Options) (string, error) {
	err := k.logIn(ctx, opts)
	if isRefused(err) {
		err = k.whyRefused(ctx, opts, err)
	}
	if err != nil {
		return "", err
	}
	return k.granted(), nil
}

func (k *checkup) logIn(ctx context.Context, opts keystone.Options) (err error) {
	k.client, err = keystone.Open(ctx, *k.creds, opts)
	return err
}

// granted tells what the log-in gave.
func (k *checkup) granted() string {
	granted := k.client.Granted()
	return fmt.Sprintf("for %s, with the roles %s", granted.Scope, printable(strings.Join(granted.Roles, ", ")))
}

func isRefused(err error) bool { return is[*keystone.RefusedError](err) }

// whyRefused tells apart what Keystone has one and the same answer for: a wrong
// password, a role that is gone, and a Keystone that refuses one moment and does
// not the next. It gives a concern for the last, with a client.
func (k *checkup) whyRefused(ctx context.Context, opts keystone.Options, refusal error) error {
	if !k.creds.HasScope() {
		return refusal
	}
	// Without a scope first: a password that is wrong is not to be tried more often
	// than needed, as that may lock the user out.
	switch unscoped := keystone.LogInUnscoped(ctx, *k.creds, opts); {
	case isRefused(unscoped):
		return fmt.Errorf("%w; the same credentials do not work without a scope either, so that it is the user or the password, "+
			"or the user is disabled or locked, or Keystone is being worked on and refuses everybody", refusal)
	case unscoped != nil:
		return fmt.Errorf("%w; whether the same credentials work without a scope could not be found out: %w", refusal, unscoped)
	}
	switch again := k.logIn(ctx, opts); {
	case again == nil:
		return concern(fmt.Sprintf("%s; but a moment before: %s; the same credentials work now, so that it was Keystone, or one of several: "+
			"show this to those who run the cloud", k.granted(), refusal))
	case !isRefused(again):
		return again
	}
	return fmt.Errorf("%w; the same credentials work without a scope, so that user and password are right, and it is %s that is refused: "+
		"see whether it is there and enabled, and give the user a role on it", refusal, k.creds.Scope())
}

// checkFile looks at the exports file, and whether it could be written.
func (k *checkup) checkFile() (string, error) {
	o := &outcome{path: k.settings.exportsFile}
	if err := o.readFiles(k.settings); err != nil {
		return "", err
	}
	k.o = o
	switch {
	case !o.old.Exists:
		return o.path + " is not there yet", nil
	case len(o.parsed.Unread) > 0:
		return "", concern(fmt.Sprintf("%s: %d lines are not understood, the first is line %d (%s): apply will want its plan approved",
			o.path, len(o.parsed.Unread), o.parsed.Unread[0].Number, o.parsed.Unread[0].Problem))
	case o.parsed.Edited:
		return "", concern(o.path + " was changed by somebody else than nfs-exportd: apply will want its plan approved")
	}
	return fmt.Sprintf("%s: %s", o.path, count(o.plan.Today.Len(), "grant")), nil
}

// checkDisk looks whether the exports file and the active table could be written.
func (k *checkup) checkDisk() (string, error) {
	job := install.Job{
		Want: k.o.plan.Today, Foreign: k.o.foreign,
		Exportfs: k.exportfs(k.settings),
	}
	if err := errors.Join((install.File{Path: k.o.path}).Writable(), job.CheckRoom()); err != nil {
		return "", err
	}
	return "there is room for the exports file and the active table", nil
}

// checkForeign looks at the exports files of others.
func (k *checkup) checkForeign() (string, error) {
	if err := exportfs.CheckFIFOs(k.o.foreign); err != nil {
		return "", err
	}
	var names, odd []string
	for _, f := range k.o.foreign {
		names = append(names, f.File)
		for _, line := range f.Undecided {
			odd = append(odd, fmt.Sprintf("%s: %s", f.File, line))
		}
	}
	for _, c := range render.Conflicts(k.o.plan.Today, k.o.foreign) {
		odd = append(odd, c.String())
	}
	ofProjects := map[string]bool{}
	for _, g := range k.o.plan.Today.Grants() {
		ofProjects[g.Path] = ofProjects[g.Path] || g.Owner.Public == ""
	}
	for _, f := range k.o.foreign {
		for _, g := range f.Grants {
			if !g.Place.Client.Addr.IsValid() && ofProjects[g.Place.Path] {
				odd = append(odd, fmt.Sprintf("%s, line %d, opens %s to %s, whoever that is, besides the projects that may mount it",
					f.File, g.Line, g.Place.Path, g.Place.Client))
			}
		}
	}
	switch {
	case len(odd) > 0:
		return "", concern(strings.Join(odd, "; "))
	case len(names) == 0:
		return "none", nil
	}
	return strings.Join(names, ", "), nil
}

// checkDirectories looks at what the configuration wants exported here.
func (k *checkup) checkDirectories() (string, error) {
	var paths []string
	for _, line := range k.config.Public {
		paths = append(paths, line.Path)
	}
	for _, p := range k.config.Served(k.e.Hosts) {
		for _, m := range p.Mounts {
			if k.e.Hosts[m.Host].Where == exports.Here {
				paths = append(paths, m.Path)
			}
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	var fatal []error
	var odd []string
	for _, problem := range exportfs.CheckPaths(paths) {
		if problem.Fatal {
			fatal = append(fatal, problem)
		}
		odd = append(odd, problem.Error())
	}
	switch {
	case len(fatal) > 0:
		return "", errors.Join(fatal...)
	case len(odd) > 0:
		return "", concern(strings.Join(odd, "; "))
	}
	return fmt.Sprintf("all that are to be exported are there (%d)", len(paths)), nil
}

// checkExportfs has exportfs read the exports files as they are, in the sandbox.
func (k *checkup) checkExportfs(ctx context.Context) (string, error) {
	if k.settings.noPreflight {
		return "not tried, as --" + flagNoPreflight + " says", nil
	}
	testRun := k.sandbox(k.settings)
	_, err := testRun.Try(ctx, k.o.old.Text, k.o.plan.Today, k.o.foreign)
	if errors.Is(err, sandbox.ErrNoNamespaces) {
		return "", concern(fmt.Sprintf("%s: plan and apply go on without the proof that exportfs reads the new file as it is meant", err))
	}
	if err != nil {
		return "", err
	}
	return k.settings.exportfs + " reads all exports files, in namespaces of its own", nil
}

// checkTable compares what is exported with what the file says.
func (k *checkup) checkTable() (string, error) {
	next := "the next apply runs exportfs"
	if k.held != nil {
		next = "apply is held and leaves it so"
	}
	table, err := exportfs.ReadTable(k.settings.etab)
	if broken, ok := errors.AsType[*render.TableError](err); ok {
		return "", concern(broken.Error() + ": " + next)
	}
	if err != nil {
		return "", err
	}
	agreement := k.withKernel(k.settings, table.Agrees(k.o.plan.Today, k.o.foreign))
	switch {
	case agreement.Answer == render.Disagrees:
		return "", concern(fmt.Sprintf("%s is not what the exports file says: %s: %s",
			k.settings.etab, strings.Join(agreement.Differences, "; "), next))
	case len(agreement.Differences) > 0:
		return "", concern(fmt.Sprintf("%s: %s", k.settings.etab, strings.Join(agreement.Differences, "; ")))
	}
	return k.settings.etab + " is what the exports file says", nil
}

// checkPlan tells what the next apply would do, and whether exportfs takes it.
func (k *checkup) checkPlan(ctx context.Context) (string, error) {
	if k.held != nil {
		return k.held.text() + ": " + untilItEnds, nil
	}
	o := k.o
	o.limits = k.config.Limits
	if err := o.compare(k.e); err != nil {
		return "", err
	}
	if err := o.render(); err != nil {
		return "", err
	}
	if !k.settings.noPreflight && o.rewrites() {
		if _, err := k.sandbox(k.settings).Try(ctx, o.text, o.plan.Desired, o.foreign); err != nil && !errors.Is(err, sandbox.ErrNoNamespaces) {
			return "", err
		}
	}
	if refused := o.refused(); refused != nil {
		refused.next = "run plan, read it, and if it is right, approve it"
		return "", refused
	}
	says := "nothing is to be changed"
	if o.rewrites() {
		says = fmt.Sprintf("%d grants to add, %d to remove, %d to change", len(o.plan.Added), len(o.plan.Removed), len(o.plan.Changed))
	}
	if warning := render.ManyClients(o.plan.Desired, o.foreign); warning != "" {
		return "", concern(says + "; " + warning)
	}
	return says, nil
}

// count is "1 grant" or "2 grants".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// printText prints one line for each step.
func (k *checkup) printText(w io.Writer) error {
	width := 0
	for _, f := range k.findings {
		width = max(width, len(f.Step))
	}
	var b strings.Builder
	for _, f := range k.findings {
		line := fmt.Sprintf("%-11s  %-*s  %s", f.State, width, f.Step, oneLine(f.Says))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// checkJSON is the JSON form of all steps, see "JSON" in nfs-exportd(8).
type checkJSON struct {
	Status int       `json:"status"`
	Steps  []finding `json:"steps"`
}

// printJSON prints all steps as one object.
func (k *checkup) printJSON(w io.Writer, status int) error {
	return printJSON(w, checkJSON{status, k.findings})
}
