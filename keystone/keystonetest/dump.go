package keystonetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Dump writes the cloud as a YAML document that [Load] reads into a new one, so
// that a test that failed can be tried again. What has no place there is left
// out: users other than by name, application credentials, the policy, tokens and
// faults. It panics where two projects or two instances have the same name.
func (c *Cloud) Dump() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "settings: {page_size: %d, list_limit: %d, skip_down_cells: %t, keystone_paging: %t}\n",
		c.settings.PageSize, c.settings.ListLimit, c.settings.SkipDownCells, c.settings.KeystonePaging)
	c.dumpRegions(&b)
	named := map[string]bool{}
	once := func(kind, name string) string {
		if named[kind+name] {
			panic(fmt.Sprintf("keystonetest: two %s have the name %q", kind, name))
		}
		named[kind+name] = true
		return strconv.Quote(name)
	}
	section(&b, "projects", len(c.projects))
	for _, p := range c.projects {
		fmt.Fprintf(&b, "  %s: {id: %q, domain: %q, disabled: %t}\n", once("projects", p.Name), p.ID, p.DomainID, p.Disabled)
	}
	section(&b, "users", len(c.users))
	for _, id := range sortedKeys(c.users) {
		u := c.users[id]
		fmt.Fprintf(&b, "  %s: {id: %q, password: %q, domain: %q, disabled: %t, roles: {", once("users", u.Name), u.ID, u.Password, u.DomainID, u.Disabled)
		for n, scope := range sortedKeys(c.roles[id]) {
			fmt.Fprintf(&b, "%s%q: [%s]", comma(n), scope, quoted(c.roles[id][scope]))
		}
		b.WriteString("}}\n")
	}
	var all []*instance
	for _, r := range c.regions {
		all = append(all, r.instances...)
	}
	slices.SortFunc(all, func(a, b *instance) int { return a.serial - b.serial })
	section(&b, "instances", len(all))
	for _, i := range all {
		project := "project"
		if c.project(i.ProjectID) == nil {
			project = "deleted_project"
		}
		fmt.Fprintf(&b, "  %s: {id: %q, %s: %q, region: %q, cell: %q, host: %q, status: %q, addresses: {",
			once("instances", i.Name), i.ID, project, i.ProjectID, i.Region, i.Cell, i.Host, i.Status)
		byNetwork := map[string][]string{}
		var networks []string
		for _, a := range i.Addresses {
			if byNetwork[a.Network] == nil {
				networks = append(networks, a.Network)
			}
			byNetwork[a.Network] = append(byNetwork[a.Network], strings.TrimSpace(a.IP+" "+a.Type))
		}
		for n, network := range networks {
			fmt.Fprintf(&b, "%s%q: [%s]", comma(n), network, quoted(byNetwork[network]))
		}
		b.WriteString("}}\n")
	}
	return []byte(b.String())
}

func (c *Cloud) dumpRegions(b *strings.Builder) {
	var regions, down []string
	hosts, endpoints := map[string]string{}, map[string][]string{}
	for _, r := range c.regions {
		regions = append(regions, r.id)
		if r.endpoints != nil {
			endpoints[r.id] = []string{}
		}
		for _, e := range r.endpoints {
			endpoints[r.id] = append(endpoints[r.id], e.Interface+" "+e.URL)
		}
		for _, cell := range r.cells {
			for _, h := range cell.hosts {
				hosts[h] = r.id + "/" + cell.name
			}
			if cell.down {
				down = append(down, r.id+"/"+cell.name)
			}
		}
	}
	fmt.Fprintf(b, "regions: [%s]\n", quoted(regions))
	section(b, "endpoints", len(endpoints))
	for _, region := range sortedKeys(endpoints) {
		fmt.Fprintf(b, "  %q: [%s]\n", region, quoted(endpoints[region]))
	}
	section(b, "hosts", len(hosts))
	for _, h := range sortedKeys(hosts) {
		fmt.Fprintf(b, "  %q: %q\n", h, hosts[h])
	}
	fmt.Fprintf(b, "down: [%s]\n", quoted(down))
}

// section begins a mapping, unless it has nothing in it.
func section(b *strings.Builder, name string, entries int) {
	if entries > 0 {
		b.WriteString(name + ":\n")
	}
}

func comma(n int) string {
	if n == 0 {
		return ""
	}
	return ", "
}

func quoted(list []string) string {
	var words []string
	for _, s := range list {
		words = append(words, strconv.Quote(s))
	}
	return strings.Join(words, ", ")
}

func sortedKeys[T any](m map[string]T) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
