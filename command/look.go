package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/keystone"
	"nfs-exportd/printable"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/install"
	"nfs-exportd/render/sandbox"
)

// What check looks at besides the steps of a run. For the other commands these
// functions do nothing.

// lookAtWay looks at the way to a service: its name, its port, its certificate. It
// says whether the service can be reached, or, unlooked, whether ready is so.
func (j job) lookAtWay(ctx context.Context, service, address string, ready bool, s situation) bool {
	if j.purpose != toCheck {
		return ready
	}
	var r keystone.Reached
	if ready {
		j.progress.now("checking the way to " + service)
		r = keystone.Reach(ctx, *s.creds, j.cloudOptions(s.config), address, j.Lookup)
	}
	at := func(stage keystone.Stage, says string) {
		ready = stepOnly(j.steps, fmt.Sprintf("%s of %s", stage, service), ready, func() (string, error) {
			if r.Failed == stage {
				return "", r.Err
			}
			return says, nil
		})
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

func isRefused(err error) bool { return is[*keystone.RefusedError](err) }

// whyRefused tells apart what Keystone has one and the same answer for: a wrong
// password, a role that is gone, and a Keystone that refuses one moment and does
// not the next. For the last it gives a client, with a concern.
func (j job) whyRefused(ctx context.Context, s situation, refusal error) (*keystone.Client, string, error) {
	if !s.creds.HasScope() {
		return nil, "", refusal
	}
	opts := j.cloudOptions(s.config)
	// Without a scope first: a password that is wrong is not to be tried more often
	// than needed, as that may lock the user out.
	switch unscoped := keystone.LogInUnscoped(ctx, *s.creds, opts); {
	case isRefused(unscoped):
		return nil, "", fmt.Errorf("%w; the same credentials do not work without a scope either, so that it is the user or the password, "+
			"or the user is disabled or locked, or Keystone is being worked on and refuses everybody", refusal)
	case unscoped != nil:
		return nil, "", fmt.Errorf("%w; whether the same credentials work without a scope could not be found out: %w", refusal, unscoped)
	}
	switch client, again := keystone.Open(ctx, *s.creds, opts); {
	case again == nil:
		return client, "", concern(fmt.Sprintf("%s; but a moment before: %s; the same credentials work now, so that it was Keystone, or one of several: "+
			"show this to those who run the cloud", granted(client), refusal))
	case !isRefused(again):
		return nil, "", again
	}
	return nil, "", fmt.Errorf("%w; the same credentials work without a scope, so that user and password are right, and it is %s that is refused: "+
		"see whether it is there and enabled, and give the user a role on it", refusal, s.creds.Scope())
}

// checkedRegion is a region, and whether its Nova can be reached.
type checkedRegion struct {
	id      string
	reached bool
}

// lookAtRegions looks at the regions of the cloud, and at the way to the Nova of each.
// complete tells that there are some.
func (j job) lookAtRegions(ctx context.Context, c cloud, s situation) (checked []checkedRegion, complete bool) {
	if j.purpose != toCheck {
		return nil, true
	}
	regions, complete := step(j.steps, "regions", c.client != nil, func() ([]keystone.Region, string, error) {
		regions, err := c.client.Regions(ctx)
		var names []string
		for _, r := range regions {
			names = append(names, r.ID)
		}
		return regions, strings.Join(names, ", "), err
	})
	for _, r := range regions {
		nova := "Nova of " + printable.Line(r.ID)
		if r.Err != nil && s.config.OpenStack.Listing == exports.ListingPerProject {
			// No run asks there with this log-in, but with a token for each project.
			reached := stepOnly(j.steps, nova, true, func() (string, error) {
				return "", concern("not known by this log-in, but perhaps by the tokens for the projects: " + r.Err.Error())
			})
			checked = append(checked, checkedRegion{r.ID, reached})
			continue
		}
		there := stepOnly(j.steps, nova, true, func() (string, error) { return r.URL, r.Err })
		checked = append(checked, checkedRegion{r.ID, j.lookAtWay(ctx, nova, r.URL, there, s)})
	}
	if len(regions) == 0 {
		complete = stepOnly(j.steps, "Nova", false, nil)
	}
	return checked, complete
}

// lookAtInventory looks at the addresses of the instances, and at each project.
func (j job) lookAtInventory(keys []string, user string, e exports.Evidence, shown, complete bool) {
	stepOnly(j.steps, "addresses", complete, func() (string, error) {
		return "each active instance has one", concernAbout("", e.AddressWarnings())
	})
	for _, key := range keys {
		stepOnly(j.steps, "project "+printable.Line(key), shown, func() (string, error) {
			return aboutProject(e.Inventory.Projects[key], user, complete)
		})
	}
}

// aboutProject says what became of a project of the configuration.
func aboutProject(p exports.Project, user string, complete bool) (string, error) {
	switch name := fmt.Sprintf("%q (%s)", p.Name, printable.ID(p.ID)); {
	case p.Sight == exports.Hidden:
		return "", concern(fmt.Sprintf("it is not shown to us: %s; give %s a role on it, or take it out of the configuration if it is gone", p.Why, user))
	case p.Sight == exports.Absent:
		return "", concern(fmt.Sprintf("it does not exist: %s; correct its key in the configuration, or take it out", p.Why))
	case !p.Enabled:
		return "", concern(name + " is disabled in Keystone and gets no grants: have it enabled, or take it out of the configuration")
	case !complete:
		return name, nil
	default:
		return name + ", " + count(len(p.Instances), "instance"), nil
	}
}

// lookAtDisk looks whether the exports file and the active table could be written.
func (j job) lookAtDisk(f *files) {
	if j.purpose != toCheck {
		return
	}
	stepOnly(j.steps, "disk", f != nil && j.confErr == nil, func() (string, error) {
		change := install.Job{Want: f.today, Foreign: f.foreign, Exportfs: j.exportfs()}
		if err := errors.Join((install.File{Path: f.path}).Writable(), change.CheckRoom()); err != nil {
			return "", err
		}
		return "there is room for the exports file and the active table", nil
	})
}

// lookAtServer looks at all on this server that a run depends on, as it is before the
// plan. It gives what is at the exported paths, and says whether exportfs reads today's
// exports files. The other commands look at the paths alone.
func (j job) lookAtServer(ctx context.Context, s situation, f *files) (d directories, reads bool) {
	look := func() (_ directories, _ string, err error) {
		d, err = j.lookAtDirectories(ctx, s, f)
		return d, "", err
	}
	if j.purpose != toCheck {
		return step(j.steps, "directories", s.hosts != nil && f != nil, look)
	}
	stepOnly(j.steps, "other exports files", f != nil, func() (string, error) { return aboutForeign(s, f) })
	stepOnly(j.steps, "nested paths", s.hosts != nil, func() (string, error) {
		if nested := s.config.Nested(s.hosts); len(nested) > 0 {
			return "", &exports.NestedError{Nested: nested}
		}
		return "none is below another one that clients may write to, or exports.allow_nested is set", nil
	})
	d, there := step(j.steps, "directories", s.hosts != nil && f != nil, func() (directories, string, error) {
		d, _, err := look()
		if err != nil {
			return d, "", err
		}
		paths := configuredPaths(s)
		odd, fatal := d.problems(paths)
		if fatal != nil {
			return d, "", fatal
		}
		return d, fmt.Sprintf("all that are to be exported are there (%d)", len(paths)), concernAbout("", append(odd, d.atRisk(paths)...))
	})
	proven, reads := step(j.steps, "exportfs", f != nil && there, func() (*render.Proven, string, error) { return j.aboutExportfs(ctx, f) })
	stepOnly(j.steps, "active table", f != nil && j.confErr == nil, func() (string, error) { return j.aboutTable(s, f, proven) })
	return d, reads
}

// aboutForeign says what is in the exports files of others.
func aboutForeign(s situation, f *files) (string, error) {
	if err := exportfs.CheckFIFOs(f.foreign); err != nil {
		return "", err
	}
	var names []string
	for _, other := range f.foreign {
		names = append(names, other.File)
	}
	odd, _ := oddLines(f, nil)
	for _, c := range render.Conflicts(f.today, f.foreign, f.names.known) {
		odd = append(odd, c.String())
	}
	odd = append(odd, aboutKept(ownPaths(s, f), f.today, f.foreign)...)
	return cmp.Or(strings.Join(names, ", "), "none"), concernAbout("", odd)
}

// configuredPaths are the directories that the configuration wants exported here.
func configuredPaths(s situation) []string {
	var paths []string
	for _, line := range s.config.Public {
		paths = append(paths, line.Path)
	}
	for _, p := range s.config.Served(s.hosts) {
		for _, m := range p.Mounts {
			if s.hosts[m.Host].Where == exports.Here {
				paths = append(paths, m.Path)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// aboutExportfs has exportfs read the exports files as they are, in the sandbox, and
// gives the table that it makes; nil if there is no sandbox.
func (j job) aboutExportfs(ctx context.Context, f *files) (*render.Proven, string, error) {
	if j.flags.noPreflight {
		return nil, "not tried, as --" + flagNoPreflight + " says", nil
	}
	proven, err := j.sandbox().Try(ctx, f.old.Text, f.today, f.foreign, f.names.known)
	if errors.Is(err, sandbox.ErrNoNamespaces) {
		return nil, "", concern(fmt.Sprintf("%s: plan and apply go on without the proof that exportfs reads the new file as intended", err))
	}
	if err != nil {
		return nil, "", err
	}
	says := j.flags.exportfs + " reads all exports files, in namespaces of its own"
	_, odd := oddLines(f, &proven)
	return &proven, says, concernAbout(says, odd)
}

// aboutTable compares what is exported with what exportfs makes of today's files, or,
// without a test run, with what today's file says.
func (j job) aboutTable(s situation, f *files, proven *render.Proven) (string, error) {
	next := "the next apply runs exportfs"
	if s.held != nil {
		next = "apply is held and leaves it so"
	}
	table, err := j.readActive(s, f)
	if err != nil {
		return "", err
	}
	if table.broken != nil {
		return "", concern(table.broken.Error() + ": " + next)
	}
	agreement := j.outstanding(table.compare(f.today, f.foreign, proven), f)
	odd := ""
	if strays := table.strays(f.foreign, proven); len(strays) > 0 {
		odd = "; " + straysText(strays)
	}
	switch {
	case agreement.Answer == render.Disagrees:
		return "", concern(fmt.Sprintf("%s is not what the exports file says: %s: %s%s",
			j.flags.etab, strings.Join(agreement.Differences, "; "), next, odd))
	case len(agreement.Differences) > 0:
		return "", concern(fmt.Sprintf("%s: %s%s", j.flags.etab, strings.Join(agreement.Differences, "; "), odd))
	case odd != "":
		return "", concern(fmt.Sprintf("%s is what the exports file says%s", j.flags.etab, odd))
	}
	return j.flags.etab + " is what the exports file says", nil
}

// manyClients warns of so many clients that exportfs is slow with them.
func manyClients(plan exports.Plan, f *files) []string {
	if warning := render.ManyClients(plan.Desired, f.foreign); warning != "" {
		return []string{warning}
	}
	return nil
}

// count is "1 grant" or "2 grants".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
