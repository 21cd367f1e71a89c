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
	leftOut   map[string]bool        // instances that some lists lack, by id
	regions   map[string]bool        // whether the catalog has a Nova for it
	unknown   bool                   // Keystone does not list RegionTwo, which the catalog has
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
	// empty is a network that Nova shows without an address; "" is none.
	empty string
	// lost says that Nova does not show the addresses, although the instance
	// has them: its cache of what Neutron says is lost.
	lost bool
}

type simAddress struct{ network, ip string }

// resolutions are ways in which a name can resolve, in the words of TEST_HOSTS.
// What is not in here does not exist.
var resolutions = map[string]struct {
	addresses string
	where     simWhere
}{
	"here":          {"192.0.2.10", simHere},
	"here-v6":       {"127.0.1.1 192.0.2.99 2001:db8::10", simHere},
	"here-half":     {"192.0.2.10 servfail6", simHere},
	"elsewhere":     {"192.0.2.11 2001:db8::11", simElsewhere},
	"half":          {"192.0.2.11 servfail6", simUnknown},
	"own-name":      {"127.0.1.1 fe80::9", simUnknown}, // it says nothing about where the host is
	"no-such-host":  {"", simUnknown},
	"elsewhere-one": {"127.0.1.1 192.0.2.11", simElsewhere},
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
	t.projects, t.instances, t.leftOut = maps.Clone(t.projects), maps.Clone(t.instances), maps.Clone(t.leftOut)
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
// if there is none. A key in the form of an id is never a name.
func (t truth) meaning(key string) string {
	if _, ok := t.projects[key]; ok {
		return key
	}
	if isID(key) {
		return ""
	}
	for id, p := range t.projects {
		if p.name == key {
			return id
		}
	}
	return ""
}

func isID(key string) bool { return len(key) == 32 && strings.Trim(key, "0123456789abcdef") == "" }

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

// view says which instances count as seen: those that are listed for sure, or those
// that are shown by their ids too.
type view bool

const (
	listed view = false
	byID   view = true
)

// clients are the addresses of a project that count, each with the instances that have it.
func (t truth) clients(project string, v view) map[string][]string {
	clients := map[string][]string{}
	for id, i := range t.instances {
		if i.project != project || v == listed && !t.lists(id) {
			continue
		}
		for _, a := range i.seen() {
			if t.counts(a, i.region) && !isImpossible(a.ip) && !slices.Contains(clients[a.ip], id) {
				clients[a.ip] = append(clients[a.ip], id)
			}
		}
	}
	return clients
}

// seen are the addresses that Nova shows of an instance.
func (i simInstance) seen() []simAddress {
	if i.status == "BUILD" || i.lost {
		return nil
	}
	return i.addresses
}

// bare reports whether Nova does not show all addresses of an instance.
func (i simInstance) bare() bool {
	return len(i.seen()) == 0 || i.empty != "" && i.status != "BUILD"
}

func (i simInstance) has(ip string) bool {
	return slices.ContainsFunc(i.seen(), func(a simAddress) bool { return a.ip == ip })
}

// lists reports whether each list of Nova has an instance.
func (t truth) lists(id string) bool {
	i, ok := t.instances[id]
	return ok && i.status != "SOFT_DELETED" && !t.leftOut[id] && t.reads(i.region)
}

// reads reports whether the instances of a region count.
func (t truth) reads(region string) bool {
	if len(t.config.regions) > 0 {
		return slices.Contains(t.config.regions, region)
	}
	return !t.unknown || region != "RegionTwo"
}

func (t truth) counts(a simAddress, region string) bool {
	return t.reads(region) && (len(t.config.networks) == 0 || slices.Contains(t.config.networks, a.network))
}

// simPlace is a client on a path.
type simPlace struct{ path, client string }

// simRight is what allows a client to be on a path: a project, or a public line.
type simRight struct {
	project, public, options string
	instances                []string
}

// rights gives all that the truth allows.
func (t truth) rights(v view) map[simPlace][]simRight {
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
		clients := t.clients(id, v)
		for _, m := range entry.mounts {
			if t.where(m.host) != simHere {
				continue
			}
			for client, instances := range clients {
				at := simPlace{m.path, client}
				if slices.ContainsFunc(rights[at], func(r simRight) bool { return r.public != "" }) {
					continue // what an operator wrote goes first
				}
				rights[at] = append(rights[at], simRight{project: id, options: entry.options, instances: instances})
			}
		}
	}
	return rights
}

// claims gives the projects that hold an address and are asked about.
func (t truth) claims(v view) map[string]map[string]bool {
	claims := map[string]map[string]bool{}
	for key := range t.config.private {
		id := t.meaning(key)
		if !t.served(key) || !t.visible(id) || t.projects[id].disabled {
			continue
		}
		for client := range t.clients(id, v) {
			if claims[client] == nil {
				claims[client] = map[string]bool{}
			}
			claims[client][id] = true
		}
	}
	return claims
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
