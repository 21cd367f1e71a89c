package keystonetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// file is a cloud in YAML. Load reads it, Dump writes it.
type file struct {
	Settings  Settings               `yaml:"settings"`
	Domains   map[string]string      `yaml:"domains,omitempty"` // id: name
	Regions   []string               `yaml:"regions"`
	Endpoints map[string][]string    `yaml:"endpoints,omitempty"` // region: "INTERFACE URL"
	Projects  ordered[Project]       `yaml:"projects,omitempty"`
	Users     ordered[fileUser]      `yaml:"users,omitempty"`
	Creds     ordered[AppCredential] `yaml:"application_credentials,omitempty"`
	Instances ordered[fileInstance]  `yaml:"instances,omitempty"`
	Hosts     map[string]string      `yaml:"hosts,omitempty"` // host: "REGION/CELL"
	Down      []string               `yaml:"down,omitempty"`  // "REGION/CELL"
}

type fileUser struct {
	User  `yaml:",inline"`
	Roles map[string][]string `yaml:"roles,omitempty"` // scope: roles
}

type fileInstance struct {
	Instance    `yaml:",inline"`
	Deleted     string            `yaml:"deleted_project,omitempty"`
	Addresses   ordered[[]string] `yaml:"addresses,omitempty"` // network: "IP" or "IP TYPE"
	RequestSpec *bool             `yaml:"request_spec,omitempty"`
}

// ordered is a YAML mapping by name that keeps its order.
type ordered[T any] []entry[T]

type entry[T any] struct {
	name  string
	value T
}

// of finds a value by its name, or adds an empty one.
func (o *ordered[T]) of(name string) (value *T, found bool) {
	at := slices.IndexFunc(*o, func(e entry[T]) bool { return e.name == name })
	if at < 0 {
		*o = append(*o, entry[T]{name: name})
		return &(*o)[len(*o)-1].value, false
	}
	return &(*o)[at].value, true
}

// UnmarshalYAML decodes the values as strictly as the file around them.
func (o *ordered[T]) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a mapping belongs here", n.Line)
	}
	for at := 0; at < len(n.Content); at += 2 {
		key, value := n.Content[at], n.Content[at+1]
		to, found := o.of(key.Value)
		if found {
			return fmt.Errorf("line %d: %q is there twice", key.Line, key.Value)
		}
		// A node's own Decode accepts unknown keys; a decoder of its text does not.
		text, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("line %d: %w", value.Line, err)
		}
		if err := strict(text).Decode(to); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%q in line %d: %w", key.Value, key.Line, err)
		}
	}
	return nil
}

// MarshalYAML writes the entries in their order.
func (o ordered[T]) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, e := range o {
		var key, value yaml.Node
		if err := errors.Join(key.Encode(e.name), value.Encode(e.value)); err != nil {
			return nil, err
		}
		n.Content = append(n.Content, &key, &value)
	}
	return n, nil
}

func strict(text []byte) *yaml.Decoder {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return d
}

// Load adds to the cloud what a YAML document describes. Nothing in it is
// required, unknown keys are errors:
//
//	settings: {page_size: 2, list_limit: 3, skip_down_cells: false, max_microversion: 93,
//	  keystone_paging: true, token_lifetime: 1h, latency: 20ms}
//	domains: {ldap: LDAP}             # id: name
//	regions: [RegionOne, RegionTwo]   # instead of RegionOne alone
//	endpoints:                        # instead of the three usual ones
//	  RegionTwo: ['public {base}/compute/RegionTwo/v2.1']
//	projects:                         # by name; id, domain and disabled are optional
//	  tools: {}
//	  gone: {id: 0f7b, domain: ldap, disabled: true}
//	users:                            # by name
//	  observer:
//	    password: secret
//	    roles: {system: [admin], '*': [reader], tools: [member]}
//	application_credentials:          # by name; user and project by name or id
//	  ci: {id: 0c1d, secret: s3cret, user: observer, project: tools, roles: [reader]}
//	instances:                        # by name, oldest first
//	  tools-1:
//	    project: tools                # a name or an id; or deleted_project, any id
//	    region: RegionTwo             # the rest is optional
//	    cell: cell2
//	    status: SHUTOFF
//	    addresses: {lan: [10.0.0.1, 192.0.2.7 floating, '2001:db8::1'], empty: []}
//	    request_spec: false           # Nova has lost it
//	hosts: {compute-7: RegionOne/cell2}
//	down: [RegionOne/cell2]
//
// A scope is system, the name or id of a project, or *, which is every project
// in the document. On error the cloud may hold a part of the document.
func Load(c *Cloud, document []byte) error {
	if err := load(c, document); err != nil {
		return fmt.Errorf("reading the cloud: %w", err)
	}
	return nil
}

func load(c *Cloud, document []byte) error {
	var f file
	c.Configure(func(s *Settings) { f.Settings = *s })
	d := strict(document)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one document")
	}
	c.Configure(func(s *Settings) { *s = f.Settings })
	if err := f.loadRegions(c); err != nil {
		return err
	}
	for id, name := range f.Domains {
		c.AddDomain(Domain{ID: id, Name: name})
	}
	for n, p := range f.Projects {
		p.value.Name = p.name
		f.Projects[n].value = c.AddProject(p.value)
	}
	for _, u := range f.Users {
		if err := f.loadUser(c, u.name, u.value); err != nil {
			return fmt.Errorf("user %s: %w", u.name, err)
		}
	}
	for _, a := range f.Creds {
		if err := loadCredential(c, a.name, a.value); err != nil {
			return fmt.Errorf("application credential %s: %w", a.name, err)
		}
	}
	for _, i := range f.Instances {
		if err := loadInstance(c, i.name, i.value); err != nil {
			return fmt.Errorf("instance %s: %w", i.name, err)
		}
	}
	return f.loadCells(c)
}

func (f *file) loadRegions(c *Cloud) error {
	if f.Regions != nil && !slices.Contains(f.Regions, "RegionOne") {
		c.RemoveRegion("RegionOne")
	}
	for _, r := range f.Regions {
		c.AddRegion(r)
	}
	for region, texts := range f.Endpoints {
		if !slices.Contains(c.Regions(), region) {
			return fmt.Errorf("endpoints: no region %q", region)
		}
		var endpoints []Endpoint
		for _, text := range texts {
			words := strings.Fields(text)
			if len(words) != 2 {
				return fmt.Errorf("endpoints of %s: %q is not INTERFACE URL", region, text)
			}
			endpoints = append(endpoints, Endpoint{Interface: words[0], URL: words[1]})
		}
		c.SetEndpoints(region, endpoints...)
	}
	return nil
}

func (f *file) loadUser(c *Cloud, name string, u fileUser) (err error) {
	u.Name = name
	if u.DefaultProjectID != "" {
		if u.DefaultProjectID, err = c.projectID(u.DefaultProjectID); err != nil {
			return err
		}
	}
	u.User = c.AddUser(u.User)
	for scope, roles := range u.Roles {
		scopes := []string{scope}
		if scope == "*" {
			scopes = collect(f.Projects, func(p entry[Project]) string { return p.value.ID })
		} else if scope != System {
			if scopes[0], err = c.projectID(scope); err != nil {
				return err
			}
		}
		for _, s := range scopes {
			for _, r := range roles {
				c.AddRole(u.ID, s, r)
			}
		}
	}
	return nil
}

func loadCredential(c *Cloud, name string, a AppCredential) (err error) {
	a.Name = name
	if a.Project, err = c.projectID(a.Project); err != nil {
		return err
	}
	if !c.hasUser(a.User) {
		return fmt.Errorf("no user %q", a.User)
	}
	c.AddAppCredential(a)
	return nil
}

func loadInstance(c *Cloud, name string, i fileInstance) (err error) {
	i.Name = name
	switch {
	case i.Deleted == "":
		if i.ProjectID, err = c.projectID(i.ProjectID); err != nil {
			return err
		}
	case i.ProjectID != "":
		return fmt.Errorf("no project %q", i.ProjectID)
	default:
		i.ProjectID = i.Deleted
	}
	if r := c.Regions(); i.Region == "" && len(r) == 0 || i.Region != "" && !slices.Contains(r, i.Region) {
		return fmt.Errorf("no region %q", i.Region)
	}
	i.NoRequestSpec = i.RequestSpec != nil && !*i.RequestSpec
	for _, network := range i.Addresses {
		if len(network.value) == 0 {
			i.EmptyNetworks = append(i.EmptyNetworks, network.name)
		}
		for _, text := range network.value {
			ip, kind, _ := strings.Cut(text, " ")
			if _, err := netip.ParseAddr(ip); err != nil {
				return err
			}
			if kind != "" && kind != "fixed" && kind != "floating" {
				return fmt.Errorf("address type %q is neither fixed nor floating", kind)
			}
			i.Instance.Addresses = append(i.Instance.Addresses, Address{Network: network.name, IP: ip, Type: kind})
		}
	}
	c.AddInstance(i.Instance)
	return nil
}

func (f *file) loadCells(c *Cloud) error {
	in := func(what, place string, do func(region, cell string)) error {
		region, cell, ok := strings.Cut(place, "/")
		if !ok || !slices.Contains(c.Regions(), region) {
			return fmt.Errorf("%s: %q is not REGION/CELL of a region that there is", what, place)
		}
		do(region, cell)
		return nil
	}
	for host, place := range f.Hosts {
		if err := in("host "+host, place, func(region, cell string) { c.AddHost(region, cell, host) }); err != nil {
			return err
		}
	}
	for _, place := range f.Down {
		if err := in("down", place, func(region, cell string) { c.CellDown(region, cell, true) }); err != nil {
			return err
		}
	}
	return nil
}

// projectID finds a project by its id or name.
func (c *Cloud) projectID(idOrName string) (string, error) {
	defer c.lock()()
	p := c.project(idOrName)
	if p == nil {
		p = find(c.projects, func(p *Project) bool { return p.Name == idOrName })
	}
	if p == nil {
		return "", fmt.Errorf("no project %q", idOrName)
	}
	return p.ID, nil
}

func (c *Cloud) hasUser(idOrName string) bool {
	defer c.lock()()
	return c.user(idOrName) != nil
}

// Dump writes the cloud as a YAML document that [Load] reads into a new one, so
// that a test that failed can be repeated. It leaves out what the document has
// no place for: the policy, tokens and faults, and also domains, application
// credentials and the default projects of users. It panics if two projects, two
// users or two instances have the same name.
func (c *Cloud) Dump() []byte {
	defer c.lock()()
	f := file{Settings: c.settings, Endpoints: map[string][]string{}, Hosts: map[string]string{}}
	var instances []*instance
	for _, r := range c.regions {
		f.Regions = append(f.Regions, r.id)
		instances = append(instances, r.instances...)
		if r.endpoints != nil {
			f.Endpoints[r.id] = collect(r.endpoints, func(e Endpoint) string { return e.Interface + " " + e.URL })
		}
		for _, cell := range r.cells {
			place := r.id + "/" + cell.name
			for _, h := range cell.hosts {
				f.Hosts[h] = place
			}
			if cell.down {
				f.Down = append(f.Down, place)
			}
		}
	}
	for _, p := range c.projects {
		f.Projects.add("projects", p.Name, *p)
	}
	for _, id := range slices.Sorted(maps.Keys(c.users)) {
		u := fileUser{User: *c.users[id], Roles: c.roles[id]}
		u.DefaultProjectID = ""
		f.Users.add("users", u.Name, u)
	}
	slices.SortFunc(instances, func(a, b *instance) int { return a.serial - b.serial })
	for _, i := range instances {
		d := fileInstance{Instance: i.Instance}
		if c.project(i.ProjectID) == nil {
			d.Deleted, d.ProjectID = i.ProjectID, ""
		}
		for _, a := range i.Addresses {
			list, _ := d.Addresses.of(a.Network)
			*list = append(*list, strings.TrimSpace(a.IP+" "+a.Type))
		}
		for _, name := range i.EmptyNetworks {
			d.Addresses.of(name)
		}
		if i.NoRequestSpec {
			d.RequestSpec = new(bool)
		}
		f.Instances.add("instances", i.Name, d)
	}
	text, err := yaml.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("keystonetest: a cloud without a YAML form: %v", err))
	}
	return text
}

// add is for names that must be unique.
func (o *ordered[T]) add(kind, name string, value T) {
	to, found := o.of(name)
	if found {
		panic(fmt.Sprintf("keystonetest: two %s have the name %q", kind, name))
	}
	*to = value
}
