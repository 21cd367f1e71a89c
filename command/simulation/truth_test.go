package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nfs-exportd/keystone/keystonetest"
)

// truth is how things are, as the simulation made them. The program never gets
// to see it, and nothing of the program is used to find out what follows from
// it.
type truth struct {
	projects  map[string]simProject  // by id
	instances map[string]simInstance // by id
	regions   map[string]bool        // whether the catalog has a Nova for it
	down      map[string]bool        // cells, by REGION/CELL
	roles     map[string]bool        // the scopes that the user has a role on
	hosts     map[string]string      // mount hosts: a key of resolutions
	config    simConfig
}

type simProject struct {
	name     string
	disabled bool
}

type simInstance struct {
	project, region, cell, status string
	addresses                     []simAddress // never changed in place
	// lost tells that Nova does not show the addresses, although the instance
	// has them: its cache of what Neutron says is lost.
	lost bool
}

type simAddress struct{ network, ip string }

// simConfig is what nfs-mounts.yaml says.
type simConfig struct {
	public   map[string]simPublic
	private  map[string]simEntry // by key, which is an id or a name
	hold     string              // YAML of maintenance
	until    time.Time           // of hold; zero: for ever
	networks []string
	removed  int // safety.max_removed
	percent  int
	broken   string // a line that makes it wrong
}

type simPublic struct{ path, client, options string }

type simEntry struct {
	mounts  map[string]simMount // never changed in place
	options string
}

type simMount struct{ host, path string }

// resolutions are ways in which a name can resolve, in the words of TEST_HOSTS.
// What is not in here does not exist.
var resolutions = map[string]struct {
	addresses string
	where     simWhere
}{
	"here":          {"192.0.2.10", simHere},
	"here-v6":       {"192.0.2.99 2001:db8::10", simHere},
	"here-half":     {"192.0.2.10 servfail6", simHere},
	"elsewhere":     {"192.0.2.11 2001:db8::11", simElsewhere},
	"half":          {"192.0.2.11 servfail6", simUnknown},
	"servfail":      {"servfail4 servfail6", simUnknown},
	"no-such-host":  {"", simUnknown},
	"elsewhere-one": {"192.0.2.11", simElsewhere},
}

type simWhere int

const (
	simUnknown simWhere = iota
	simHere
	simElsewhere
)

// servedAs is the host that is named with --serve-as.
const servedAs = "nfs-a.example.org"

const simLocal = "127.0.0.1 192.0.2.10 2001:db8::10"

// simHome is the project that a user without rights on all projects logs in for.
const simHome = "p-home"

func (t truth) clone() truth {
	t.projects, t.instances = maps.Clone(t.projects), maps.Clone(t.instances)
	t.regions, t.down, t.roles, t.hosts = maps.Clone(t.regions), maps.Clone(t.down), maps.Clone(t.roles), maps.Clone(t.hosts)
	t.config.public, t.config.private = maps.Clone(t.config.public), maps.Clone(t.config.private)
	return t
}

func (t truth) where(host string) simWhere {
	if host == servedAs {
		return simHere
	}
	return resolutions[t.hosts[host]].where
}

// meaning is the id of the project that a key of the configuration means, ""
// if there is none.
func (t truth) meaning(key string) string {
	if _, ok := t.projects[key]; ok {
		return key
	}
	for id, p := range t.projects {
		if p.name == key {
			return id
		}
	}
	return ""
}

// visible tells whether Keystone shows the user a project.
func (t truth) visible(id string) bool {
	_, ok := t.projects[id]
	return ok && (t.roles[keystonetest.System] || t.roles[id])
}

// standby tells whether all mounts are other servers' and nothing is public.
func (t truth) standby() bool {
	mounts := 0
	for _, entry := range t.config.private {
		for _, m := range entry.mounts {
			mounts++
			if t.where(m.host) != simElsewhere {
				return false
			}
		}
	}
	return mounts > 0 && len(t.config.public) == 0
}

func (t truth) held(now time.Time) bool {
	return t.config.hold != "" && (t.config.until.IsZero() || now.Before(t.config.until))
}

// served tells whether any mount of a key is this server's.
func (t truth) served(key string) bool {
	for _, m := range t.config.private[key].mounts {
		if t.where(m.host) == simHere {
			return true
		}
	}
	return false
}

// asks tells whether there is any reason to ask the cloud.
func (t truth) asks() bool {
	for key := range t.config.private {
		if t.served(key) {
			return true
		}
	}
	return false
}

// clients are the addresses of a project that count, of what Nova shows.
func (t truth) clients(project string) map[string]bool {
	clients := map[string]bool{}
	for _, i := range t.instances {
		for _, a := range i.addresses {
			if i.project == project && i.shown() && t.counts(a) && !isImpossible(a.ip) {
				clients[a.ip] = true
			}
		}
	}
	return clients
}

// shown tells whether Nova shows the addresses of an instance.
func (i simInstance) shown() bool { return i.status != "BUILD" && !i.lost }

func (t truth) counts(a simAddress) bool {
	return len(t.config.networks) == 0 || slices.Contains(t.config.networks, a.network)
}

// simPlace is a client on a path.
type simPlace struct{ path, client string }

// simRight is what allows a client to be on a path: a project, or a public line.
type simRight struct{ project, public, options string }

// rights gives all that the truth allows.
func (t truth) rights() map[simPlace][]simRight {
	rights := map[simPlace][]simRight{}
	for name, p := range t.config.public {
		at := simPlace{p.path, p.client}
		rights[at] = append(rights[at], simRight{public: name, options: p.options})
	}
	for key, entry := range t.config.private {
		id := t.meaning(key)
		if !t.visible(id) || t.projects[id].disabled {
			continue
		}
		clients := t.clients(id)
		for _, m := range entry.mounts {
			if t.where(m.host) != simHere {
				continue
			}
			for client := range clients {
				at := simPlace{m.path, client}
				if slices.ContainsFunc(rights[at], func(r simRight) bool { return r.public != "" }) {
					continue // what an operator wrote goes first
				}
				rights[at] = append(rights[at], simRight{project: id, options: entry.options})
			}
		}
	}
	return rights
}

// outcome is what the exports file would say of all rights.
func (t truth) outcome() map[string]int {
	outcome := map[string]int{}
	for at, rights := range t.rights() {
		for _, r := range rights {
			outcome[fmt.Sprint(at, r, t.projects[r.project].name)]++
		}
	}
	return outcome
}

// holders gives the projects that hold an address and are asked about.
func (t truth) holders() map[string]map[string]bool {
	holders := map[string]map[string]bool{}
	for key := range t.config.private {
		id := t.meaning(key)
		if !t.served(key) || !t.visible(id) || t.projects[id].disabled {
			continue
		}
		for client := range t.clients(id) {
			if holders[client] == nil {
				holders[client] = map[string]bool{}
			}
			holders[client][id] = true
		}
	}
	return holders
}

// yaml writes the configuration.
func (c simConfig) yaml() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for n, name := range slices.Sorted(maps.Keys(c.public)) {
		if n == 0 {
			line("public:")
		}
		p := c.public[name]
		line("  %s: '%s %s(%s)'", name, p.path, p.client, p.options)
	}
	for n, key := range slices.Sorted(maps.Keys(c.private)) {
		if n == 0 {
			line("private:")
		}
		entry := c.private[key]
		line("  %s:\n    options: %s\n    mounts:\n      dumps: true", key, entry.options)
		for _, name := range slices.Sorted(maps.Keys(entry.mounts)) {
			line("      %s: %s:%s", name, entry.mounts[name].host, entry.mounts[name].path)
		}
	}
	if c.hold != "" {
		line("maintenance: %s", c.hold)
	}
	if len(c.networks) > 0 {
		line("openstack: {networks: [%s]}", strings.Join(c.networks, ", "))
	}
	line("safety: {max_removed: %d, max_removed_percent: %d}", c.removed, c.percent)
	if c.broken != "" {
		line("%s", c.broken)
	}
	return b.String()
}

// testHosts writes down how the mount hosts resolve, as TEST_HOSTS has it.
func (t truth) testHosts() string {
	var b strings.Builder
	for _, host := range slices.Sorted(maps.Keys(t.hosts)) {
		if r := resolutions[t.hosts[host]]; r.addresses != "" {
			fmt.Fprintf(&b, "%s %s\n", host, r.addresses)
		}
	}
	return b.String()
}

// simChange is a change of the cloud, in the words of a script and as it is.
type simChange struct {
	verb  []string // as behind "cloud" in a script
	file  string   // what "load" reads
	truth func(*truth)
	cloud func(*keystonetest.Cloud)
}

func putInstance(id string, i simInstance) simChange {
	var networks []string
	byNetwork := map[string][]string{}
	made := keystonetest.Instance{
		ID: id, Name: id, ProjectID: i.project, Region: i.region, Cell: i.cell, Status: i.status, Host: "compute-" + i.region + "-" + i.cell,
	}
	shown := i.addresses
	if i.lost {
		shown = nil
	}
	for _, a := range shown {
		if byNetwork[a.network] == nil {
			networks = append(networks, a.network)
		}
		byNetwork[a.network] = append(byNetwork[a.network], "'"+a.ip+"'")
		made.Addresses = append(made.Addresses, keystonetest.Address{Network: a.network, IP: a.ip})
	}
	for n, network := range networks {
		networks[n] += ": [" + strings.Join(byNetwork[network], ", ") + "]"
	}
	return simChange{
		verb: []string{"load", id + ".yaml"},
		file: fmt.Sprintf("instances:\n  %s: {id: %[1]s, project: %s, region: %s, cell: %s, host: %s, status: %s, addresses: {%s}}\n",
			id, i.project, i.region, i.cell, made.Host, i.status, strings.Join(networks, ", ")),
		truth: func(t *truth) { t.instances[id] = i },
		cloud: func(c *keystonetest.Cloud) { c.AddInstance(made) },
	}
}

func removeInstance(id string) simChange {
	return simChange{
		verb:  []string{"remove-instance", id},
		truth: func(t *truth) { delete(t.instances, id) },
		cloud: func(c *keystonetest.Cloud) { c.RemoveInstance(id) },
	}
}

// putProject adds a project, or gives it another name or state.
func putProject(id string, p simProject) simChange {
	c := simChange{
		truth: func(t *truth) { t.projects[id] = p },
		cloud: func(c *keystonetest.Cloud) {
			c.AddProject(keystonetest.Project{ID: id, Name: p.name, Disabled: p.disabled})
		},
	}
	if p.disabled {
		c.verb = []string{"disable-project", id}
	}
	return c
}

func removeProject(id string) simChange {
	return simChange{
		verb: []string{"remove-project", id},
		truth: func(t *truth) {
			delete(t.projects, id)
			delete(t.roles, id)
		},
		cloud: func(c *keystonetest.Cloud) { c.RemoveProject(id) },
	}
}

func setRole(scope string, given bool) simChange {
	name := "reader"
	if scope == keystonetest.System {
		name = "admin"
	}
	c := simChange{
		verb: []string{"remove-role", simUser, scope, name},
		truth: func(t *truth) {
			delete(t.roles, scope)
			if given {
				t.roles[scope] = true
			}
		},
		cloud: func(c *keystonetest.Cloud) { c.RemoveRole(simUser, scope, name) },
	}
	if given {
		c.verb, c.cloud = nil, func(c *keystonetest.Cloud) { c.AddRole(simUser, scope, name) }
	}
	return c
}

func setCell(region, cell string, down bool) simChange {
	c := simChange{
		verb: []string{"cell-up", region, cell},
		truth: func(t *truth) {
			delete(t.down, region+"/"+cell)
			if down {
				t.down[region+"/"+cell] = true
			}
		},
		cloud: func(c *keystonetest.Cloud) { c.CellDown(region, cell, down) },
	}
	if down {
		c.verb[0] = "cell-down"
	}
	return c
}
