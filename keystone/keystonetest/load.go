package keystonetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// file is a cloud in YAML.
type file struct {
	Settings struct {
		PageSize        *int           `yaml:"page_size"`
		ListLimit       *int           `yaml:"list_limit"`
		SkipDownCells   *bool          `yaml:"skip_down_cells"`
		MaxMicroversion *int           `yaml:"max_microversion"`
		KeystonePaging  *bool          `yaml:"keystone_paging"`
		TokenLifetime   *time.Duration `yaml:"token_lifetime"`
		Latency         *time.Duration `yaml:"latency"`
	} `yaml:"settings"`
	Domains   map[string]string       `yaml:"domains"` // id: name
	Regions   []string                `yaml:"regions"`
	Endpoints map[string][]string     `yaml:"endpoints"` // region: "INTERFACE URL"
	Projects  ordered[fileProject]    `yaml:"projects"`  // by name
	Users     ordered[fileUser]       `yaml:"users"`     // by name
	Creds     ordered[fileCredential] `yaml:"application_credentials"`
	Instances ordered[fileInstance]   `yaml:"instances"`
	Hosts     map[string]string       `yaml:"hosts"` // host: "REGION/CELL"
	Down      []string                `yaml:"down"`  // "REGION/CELL"
}

type fileProject struct {
	ID       string `yaml:"id"`
	Domain   string `yaml:"domain"`
	Disabled bool   `yaml:"disabled"`
}

type fileUser struct {
	ID       string              `yaml:"id"`
	Password string              `yaml:"password"`
	Domain   string              `yaml:"domain"`
	Project  string              `yaml:"default_project"`
	Disabled bool                `yaml:"disabled"`
	Roles    map[string][]string `yaml:"roles"` // scope: roles
}

type fileCredential struct {
	ID      string   `yaml:"id"`
	Secret  string   `yaml:"secret"`
	User    string   `yaml:"user"`
	Project string   `yaml:"project"`
	Roles   []string `yaml:"roles"`
}

type fileInstance struct {
	ID        string                    `yaml:"id"`
	Project   string                    `yaml:"project"`
	Deleted   string                    `yaml:"deleted_project"`
	Region    string                    `yaml:"region"`
	Cell      string                    `yaml:"cell"`
	Host      string                    `yaml:"host"`
	Status    string                    `yaml:"status"`
	Addresses ordered[[]addressAndType] `yaml:"addresses"` // by network
}

type addressAndType string

// ordered is a YAML mapping that keeps its order.
type ordered[T any] []struct {
	key   string
	value T
}

// UnmarshalYAML decodes the values as strictly as the file around them.
func (o *ordered[T]) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a mapping belongs here", n.Line)
	}
	for at := 0; at < len(n.Content); at += 2 {
		key, value := n.Content[at], n.Content[at+1]
		if slices.ContainsFunc(*o, func(e struct {
			key   string
			value T
		}) bool {
			return e.key == key.Value
		}) {
			return fmt.Errorf("line %d: %q is there twice", key.Line, key.Value)
		}
		// A node's own Decode accepts unknown keys; a decoder of its text does not.
		text, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("line %d: %w", value.Line, err)
		}
		entry := struct {
			key   string
			value T
		}{key: key.Value}
		d := yaml.NewDecoder(bytes.NewReader(text))
		d.KnownFields(true)
		if err := d.Decode(&entry.value); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%q in line %d: %w", key.Value, key.Line, err)
		}
		*o = append(*o, entry)
	}
	return nil
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
//	    addresses: {lan: [10.0.0.1, 192.0.2.7 floating, '2001:db8::1']}
//	hosts: {compute-7: RegionOne/cell2}
//	down: [RegionOne/cell2]
//
// A scope is system, the name or id of a project, or *, which is every project
// in the document. On error the cloud may hold a part of the document.
func Load(c *Cloud, document []byte) error {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(document))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the cloud: %w", err)
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return errors.New("reading the cloud: there is more than one document")
	}
	for _, load := range []func(*Cloud) error{
		f.loadSettings, f.loadRegions, f.loadProjects, f.loadUsers, f.loadCredentials, f.loadInstances, f.loadCells,
	} {
		if err := load(c); err != nil {
			return fmt.Errorf("reading the cloud: %w", err)
		}
	}
	return nil
}

func (f *file) loadSettings(c *Cloud) error {
	c.Configure(func(s *Settings) {
		setIf(&s.PageSize, f.Settings.PageSize)
		setIf(&s.ListLimit, f.Settings.ListLimit)
		setIf(&s.SkipDownCells, f.Settings.SkipDownCells)
		setIf(&s.MaxMicroversion, f.Settings.MaxMicroversion)
		setIf(&s.KeystonePaging, f.Settings.KeystonePaging)
		setIf(&s.TokenLifetime, f.Settings.TokenLifetime)
		setIf(&s.Latency, f.Settings.Latency)
	})
	return nil
}

func setIf[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
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

func (f *file) loadProjects(c *Cloud) error {
	for id, name := range f.Domains {
		c.AddDomain(Domain{ID: id, Name: name})
	}
	for _, p := range f.Projects {
		c.AddProject(Project{ID: p.value.ID, Name: p.key, DomainID: p.value.Domain, Disabled: p.value.Disabled})
	}
	return nil
}

func (f *file) loadUsers(c *Cloud) error {
	for _, u := range f.Users {
		user := User{ID: u.value.ID, Name: u.key, Password: u.value.Password, DomainID: u.value.Domain, Disabled: u.value.Disabled}
		if u.value.Project != "" {
			id, ok := c.projectID(u.value.Project)
			if !ok {
				return fmt.Errorf("user %s: no project %q", u.key, u.value.Project)
			}
			user.DefaultProjectID = id
		}
		user = c.AddUser(user)
		for scope, roles := range u.value.Roles {
			scopes := []string{scope}
			switch scope {
			case System:
			case "*":
				scopes = nil
				for _, p := range f.Projects {
					id, _ := c.projectID(cmpOr(p.value.ID, p.key))
					scopes = append(scopes, id)
				}
			default:
				id, ok := c.projectID(scope)
				if !ok {
					return fmt.Errorf("user %s: no project %q", u.key, scope)
				}
				scopes[0] = id
			}
			for _, s := range scopes {
				for _, r := range roles {
					c.AddRole(user.ID, s, r)
				}
			}
		}
	}
	return nil
}

func (f *file) loadCredentials(c *Cloud) error {
	for _, a := range f.Creds {
		project, ok := c.projectID(a.value.Project)
		if !ok {
			return fmt.Errorf("application credential %s: no project %q", a.key, a.value.Project)
		}
		if !c.hasUser(a.value.User) {
			return fmt.Errorf("application credential %s: no user %q", a.key, a.value.User)
		}
		c.AddAppCredential(AppCredential{
			ID: a.value.ID, Name: a.key, Secret: a.value.Secret, User: a.value.User, Project: project, Roles: a.value.Roles,
		})
	}
	return nil
}

func (f *file) loadInstances(c *Cloud) error {
	for _, i := range f.Instances {
		project, ok := c.projectID(i.value.Project)
		if i.value.Deleted != "" {
			project, ok = i.value.Deleted, i.value.Project == ""
		}
		if !ok {
			return fmt.Errorf("instance %s: no project %q", i.key, i.value.Project)
		}
		if i.value.Region == "" && len(c.Regions()) == 0 || i.value.Region != "" && !slices.Contains(c.Regions(), i.value.Region) {
			return fmt.Errorf("instance %s: no region %q", i.key, i.value.Region)
		}
		made := Instance{
			ID: i.value.ID, Name: i.key, ProjectID: project, Region: i.value.Region,
			Cell: i.value.Cell, Host: i.value.Host, Status: i.value.Status,
		}
		for _, network := range i.value.Addresses {
			for _, text := range network.value {
				ip, kind, _ := strings.Cut(string(text), " ")
				if _, err := netip.ParseAddr(ip); err != nil {
					return fmt.Errorf("instance %s: %w", i.key, err)
				}
				if kind != "" && kind != "fixed" && kind != "floating" {
					return fmt.Errorf("instance %s: address type %q is neither fixed nor floating", i.key, kind)
				}
				made.Addresses = append(made.Addresses, Address{Network: network.key, IP: ip, Type: kind})
			}
		}
		c.AddInstance(made)
	}
	return nil
}

func (f *file) loadCells(c *Cloud) error {
	split := func(place string) (region, cell string, err error) {
		region, cell, ok := strings.Cut(place, "/")
		if !ok || !slices.Contains(c.Regions(), region) {
			return "", "", fmt.Errorf("%q is not REGION/CELL of a region that there is", place)
		}
		return region, cell, nil
	}
	for host, place := range f.Hosts {
		region, cell, err := split(place)
		if err != nil {
			return fmt.Errorf("host %s: %w", host, err)
		}
		c.AddHost(region, cell, host)
	}
	for _, place := range f.Down {
		region, cell, err := split(place)
		if err != nil {
			return fmt.Errorf("down: %w", err)
		}
		c.CellDown(region, cell, true)
	}
	return nil
}

// projectID finds a project by its id or name.
func (c *Cloud) projectID(idOrName string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.project(idOrName); p != nil {
		return p.ID, true
	}
	for _, p := range c.projects {
		if p.Name == idOrName {
			return p.ID, true
		}
	}
	return "", false
}

func (c *Cloud) hasUser(idOrName string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.users {
		if u.ID == idOrName || u.Name == idOrName {
			return true
		}
	}
	return false
}
