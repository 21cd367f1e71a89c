package simulation

import (
	"fmt"
	"strings"

	"nfs-exportd/keystone/keystonetest"
)

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
	if i.empty != "" && byNetwork[i.empty] == nil {
		networks = append(networks, i.empty)
		made.EmptyNetworks = []string{i.empty}
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
