package exports_test

import (
	"net/netip"
	"slices"
	"strings"

	"nfs-exportd/exports"
)

// The things that worlds are made of. Near differs from alpha by one letter.
const (
	alpha, near1, omega, gamma = "alpha", "alphb", "omega", "gamma"
	here, away, lost           = "here.example", "away.example", "lost.example"
	rw, ro                     = "rw", "ro"
)

func idOf(letter string) string { return strings.Repeat(letter, 32) }

// nearID differs from the id of a by one digit.
func nearID() string { return strings.Repeat("a", 31) + "b" }

// Kinds of an address of a line.
var addressKinds = []netip.Addr{addr("10.0.0.1"), addr("10.0.0.9"), addr("127.0.0.5")}

// cloudProject is a project as Keystone has it, and how much of it we may see.
type cloudProject struct {
	id, name  string
	sight     exports.Sight
	disabled  bool
	instances []exports.Instance
}

// draft is a world in the making.
type draft struct {
	config   exports.Config
	projects []*cloudProject
	lines    []exports.Grant
	answers  map[string]exports.Answer // by instance
}

func newDraft() *draft {
	return &draft{answers: map[string]exports.Answer{}, config: exports.Config{
		Options: rw, Limits: exports.Limits{MaxRemoved: 100}, OpenStack: exports.OpenStack{Domain: exports.DefaultDomain},
	}}
}

// network lets only addresses of "net" count.
func (d *draft) network() { d.config.OpenStack.Networks = []string{"net"} }

func (d *draft) cloud(id, name string) *cloudProject {
	p := &cloudProject{id: id, name: name, sight: exports.Shown}
	d.projects = append(d.projects, p)
	return p
}

// key puts a key with mounts, given as host and path, into the configuration.
func (d *draft) key(key string, mounts ...string) {
	c := exports.ProjectConfig{Key: key, Options: rw, Line: len(d.config.Projects) + 1}
	for i := 0; i < len(mounts); i += 2 {
		c.Mounts = append(c.Mounts, exports.Mount{Key: string(rune('m' + i/2)), Host: mounts[i], Path: mounts[i+1]})
	}
	d.config.Projects = append(d.config.Projects, c)
}

func (d *draft) line(path string, client netip.Addr, owner exports.Owner, instance string) *exports.Grant {
	d.lines = append(d.lines, exports.Grant{
		Path: path, Client: exports.Client{Addr: client}, Options: rw, Owner: owner, Instance: exports.InstanceRef{ID: instance},
	})
	return &d.lines[len(d.lines)-1]
}

// server is an instance with addresses on "net".
func server(id string, addresses ...netip.Addr) exports.Instance {
	i := exports.Instance{ID: id, Name: "name-" + id, Region: "one", Status: "ACTIVE"}
	for _, a := range addresses {
		i.Addresses = append(i.Addresses, exports.Address{Network: "net", Addr: a})
	}
	return i
}

// on is an instance with one more address, on another network.
func on(network string, a netip.Addr, i exports.Instance) exports.Instance {
	i.Addresses = append(slices.Clone(i.Addresses), exports.Address{Network: network, Addr: a})
	return i
}

// empty is an instance with an empty network.
func empty(i exports.Instance) exports.Instance {
	i.EmptyNetworks = []string{"more"}
	return i
}

// silentServer is an instance without any address: Nova lists no network, or an empty one.
func silentServer(i exports.Instance) exports.Instance { return i }

func deleted(i exports.Instance) exports.Instance {
	i.Status = "DELETED"
	return i
}

func unprovedAnswer() exports.Answer { return exports.Answer{State: exports.Unproved, Why: "GET: 403"} }
func goneAnswer() exports.Answer     { return exports.Answer{State: exports.Gone, Why: "GET: 404"} }

func foundAnswer(read bool, i exports.Instance) exports.Answer {
	return exports.Answer{State: exports.Found, Instance: i, Read: read, Why: "GET: 200"}
}

func (d *draft) world() smallWorld {
	w := smallWorld{today: exports.NewSet(d.lines), answers: map[exports.Question]exports.Answer{}}
	hosts := exports.Hosts{here: {Where: exports.Here}, away: {Where: exports.Elsewhere}, lost: {Where: exports.Unresolved, Why: "no answer"}}
	inventory := exports.Inventory{Projects: map[string]exports.Project{}, IDs: map[string]exports.Project{}}
	w.evidence = exports.Evidence{Config: &d.config, Hosts: hosts, Local: []netip.Addr{addressKinds[1]}}
	for _, c := range d.config.Served(hosts) {
		inventory.Projects[c.Key] = d.shown(c.Key, true)
	}
	for _, g := range d.lines {
		if g.Owner.ID != "" {
			inventory.IDs[g.Owner.ID] = d.shown(g.Owner.ID, false)
		}
		if a, ok := d.answers[g.Instance.ID]; ok {
			w.answers[exports.Question{Project: g.Owner.ID, Instance: g.Instance.ID}] = a
		}
	}
	w.evidence.Inventory = inventory
	return w
}

// shown is what Keystone says of a key, or of an id. Of a hidden project nothing is known
// but that something may be there.
func (d *draft) shown(key string, instances bool) exports.Project {
	for _, p := range d.projects {
		if p.id != key && (p.name != key || exports.IsProjectID(key)) {
			continue
		}
		switch p.sight {
		case exports.Hidden:
			return exports.Project{Sight: exports.Hidden, Why: "GET: 403"}
		case exports.Shown:
			s := exports.Project{Sight: exports.Shown, ID: p.id, Name: p.name, Domain: exports.DefaultDomain, Enabled: !p.disabled}
			if instances && s.Enabled {
				s.Instances = p.instances
			}
			return s
		}
	}
	return exports.Project{Sight: exports.Absent, Why: "GET: 404"}
}

// valid reports whether a draft can be: no place twice, no two keys alike.
func (d *draft) valid() bool {
	places, keys := map[exports.Place]bool{}, map[string]bool{}
	for _, g := range d.lines {
		if places[g.Place()] {
			return false
		}
		places[g.Place()] = true
	}
	for _, c := range d.config.Projects {
		if keys[c.Key] {
			return false
		}
		keys[c.Key] = true
	}
	return !d.standby()
}

func (d *draft) standby() bool {
	return d.config.Standby(exports.Hosts{here: {Where: exports.Here}, away: {Where: exports.Elsewhere}, lost: {Where: exports.Unresolved}})
}
