package command

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"nfs-exportd/exports"
	"nfs-exportd/keystone"
	"nfs-exportd/printable"
)

// cloud is the conversation with the cloud, and what it is about.
type cloud struct {
	client   *keystone.Client // nil: nobody is asked, or the log-in failed
	wanted   keystone.Wanted
	unneeded bool // no project is served, so the plan needs no answer
}

// startAsking begins the time in which the cloud may be asked, and the line on a
// terminal that says how far that is; check has that line from its begin. asked ends
// both.
func (j job) startAsking(ctx context.Context) (asking context.Context, asked func()) {
	asking, cancel := context.WithTimeout(countRequests(ctx, j.requests), j.flags.timeout)
	hide := func() {}
	if j.purpose != toCheck {
		hide = j.showProgress("asking the cloud")
	}
	return asking, sync.OnceFunc(func() {
		cancel()
		hide()
	})
}

// close ends the conversation.
func (c cloud) close() {
	if c.client != nil {
		c.client.Close()
	}
}

// connect logs in, if there is something to ask. check asks about all projects where
// none is served: this server may be the next to serve them.
func (j job) connect(ctx context.Context, s situation, f *files) (c cloud) {
	ready := j.steps.err == nil // explain asks nobody after a failure either
	if j.purpose == toCheck {
		ready = s.hosts != nil && (s.creds != nil || len(s.config.Projects) == 0)
	}
	if s.hosts != nil {
		c.wanted = j.wanted(s, f)
	}
	c.unneeded = ready && len(c.wanted.Keys) == 0
	if c.unneeded && j.purpose == toCheck {
		c.wanted.Keys = allKeys(s.config)
	}
	if c.unneeded && len(c.wanted.Keys) == 0 {
		stepOnly(j.steps, "cloud", true, func() (string, error) {
			j.log.Debug("no project has a mount here, so the cloud is not asked", "credentials", s.credsErr)
			return "no project has a mount on this server, so that the cloud is not asked", nil
		})
		return c
	}
	ready = j.lookAtWay(ctx, "Keystone", authURL(s), ready, s)
	c.client, _ = step(j.steps, "log-in", ready, func() (*keystone.Client, string, error) {
		if s.creds == nil {
			return nil, "", s.credsErr
		}
		j.warn(s.creds.Warnings...)
		return j.logIn(ctx, s)
	})
	return c
}

// wanted is what the cloud is asked about: the served projects, and those that have
// grants today. explain asks about all projects of the configuration, for an address
// may be of one that is served elsewhere.
func (j job) wanted(s situation, f *files) keystone.Wanted {
	var today exports.Set
	if f != nil {
		today = f.today
	}
	keys, ids := exports.ProjectsToRead(s.config, s.hosts, today)
	if j.purpose == toExplain {
		keys = allKeys(s.config)
	}
	return keystone.Wanted{Keys: keys, IDs: ids}
}

// allKeys gives the keys of all projects of the configuration.
func allKeys(config *exports.Config) (keys []string) {
	for _, p := range config.Projects {
		keys = append(keys, p.Key)
	}
	return keys
}

func authURL(s situation) string {
	if s.creds == nil {
		return ""
	}
	return s.creds.AuthURL
}

// logIn gives a client, and what the log-in is good for. check finds out more about a
// refusal.
func (j job) logIn(ctx context.Context, s situation) (*keystone.Client, string, error) {
	client, err := keystone.Open(ctx, *s.creds, j.cloudOptions(s.config))
	if isRefused(err) && j.purpose == toCheck {
		return j.whyRefused(ctx, s, err)
	}
	if err != nil {
		return nil, "", err
	}
	return client, granted(client), nil
}

// granted says what a log-in gave.
func granted(client *keystone.Client) string {
	granted := client.Granted()
	return fmt.Sprintf("for %s, with the roles %s", granted.Scope, printable.Text(strings.Join(granted.Roles, ", ")))
}

// cloudOptions is how the cloud is asked.
func (j job) cloudOptions(config *exports.Config) keystone.Options {
	return keystone.Options{
		Domain:      config.OpenStack.Domain,
		Regions:     config.OpenStack.Regions,
		Listing:     config.OpenStack.Listing,
		Concurrency: config.OpenStack.Concurrency,
		UserAgent:   "nfs-exportd/" + j.shortVersion(),
		Log:         j.log,
		Proxy:       http.ProxyFromEnvironment,
		Now:         j.Now,
		Sleep:       j.Sleep,
	}
}

// ask reads the inventory, and says whether it is complete. Together with the
// situation it is the evidence.
func (j job) ask(ctx context.Context, c cloud, s situation) (e exports.Evidence, complete bool) {
	e = exports.Evidence{Config: s.config, Hosts: s.hosts, Local: s.local}
	if c.unneeded && len(c.wanted.Keys) == 0 {
		return e, true
	}
	regions, complete := j.lookAtRegions(ctx, c, s)
	var shown bool
	e.Inventory, shown = step(j.steps, "projects", c.client != nil, func() (exports.Inventory, string, error) {
		return c.client.Projects(ctx, c.wanted)
	})
	if j.purpose != toCheck {
		return e, stepOnly(j.steps, "instances", shown, func() (string, error) {
			return "", c.client.Instances(ctx, e.Inventory)
		})
	}
	for _, r := range regions {
		complete = stepOnly(j.steps, "instances of "+printable.Line(r.id), shown && r.reached, func() (string, error) {
			return addInstances(ctx, c.client, e.Inventory, r.id)
		}) && complete
	}
	if len(regions) == 0 {
		complete = stepOnly(j.steps, "instances", false, nil)
	}
	complete = complete && shown
	user := ""
	if s.creds != nil {
		user = s.creds.User()
	}
	j.lookAtInventory(c.wanted.Keys, user, e, shown, complete)
	if c.unneeded {
		e.Inventory = exports.Inventory{} // the plan is that of apply, which asks nobody
	}
	return e, complete
}

// addInstances reads the instances of one region and adds them to the inventory.
func addInstances(ctx context.Context, client *keystone.Client, all exports.Inventory, region string) (string, error) {
	one := exports.Inventory{Projects: maps.Clone(all.Projects)}
	if err := client.Instances(ctx, one, region); err != nil {
		return "", err
	}
	for key, p := range one.Projects {
		before := all.Projects[key].Instances
		p.Instances = slices.Concat(before, p.Instances)
		all.Projects[key] = p
	}
	return count(one.Len(), "instance") + " of the served projects, and none hidden by a cell that is down", nil
}
