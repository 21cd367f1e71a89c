package keystonetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"
)

// System is the scope of a role that holds for the whole deployment, and of a
// token that was asked for with system scope.
const System = "system"

// Settings are what an operator of the cloud sets in keystone.conf and
// nova.conf, and how fast the cloud is. [New] gives the defaults of the real
// services.
type Settings struct {
	// BaseURL is the scheme, host and port in the catalog, without a final
	// slash. Empty means those of the request that is being answered.
	BaseURL string
	// PageSize is Nova's [api]max_limit: 1000.
	PageSize int
	// SkipDownCells is Nova's [api]list_records_by_skipping_down_cells: true.
	// If false, a listing that would silently leave out a cell is a 500.
	SkipDownCells bool
	// MaxMicroversion is the minor number of the newest Nova API version: 93,
	// which is Nova 26 (Zed).
	MaxMicroversion int
	// ListLimit is Keystone's list_limit: a longer list is cut to it and
	// carries "truncated": true. 0 means none.
	ListLimit int
	// KeystonePaging makes a truncated list of projects carry links.next and
	// honours limit and marker there, as Keystone 27 and later do.
	KeystonePaging bool
	// TokenLifetime is Keystone's [token]expiration: one hour.
	TokenLifetime time.Duration
	// Latency is how long each request takes before it is answered: 0.
	Latency time.Duration
	// Policy says who may do what.
	Policy Policy
	// Now is the clock by which tokens expire: time.Now.
	Now func() time.Time
}

// Cloud is an OpenStack deployment. All methods may be called at any time, also
// while it is serving.
type Cloud struct {
	closing   chan struct{}
	closeOnce sync.Once

	mu       sync.Mutex
	settings Settings
	domains  []Domain
	users    map[string]*User // by id
	creds    map[string]*AppCredential
	roles    map[string]map[string][]string // user id, scope, roles
	projects []*Project
	regions  []*region
	tokens   map[string]*token
	issued   []string        // every token id that was ever given out
	rejected map[string]bool // user and scope whose token was answered with 401
	serial   int             // instances, by age
	requests int             // request ids
	faults   []*Injected
	log      []*Request
	busy     int
	peak     int
}

// Domain is a Keystone domain.
type Domain struct{ ID, Name string }

// User is a Keystone user. ID and DomainID may be left empty: an id is made of
// the name, and the domain is default.
type User struct {
	ID, Name, Password, DomainID string
	DefaultProjectID             string // the scope of a log-in that asks for none
	Disabled                     bool
}

// AppCredential is an application credential of a user, for one project. ID
// may be left empty. User is an id or a name, Project an id. Roles are a
// subset of the user's roles on the project; none means all of them.
type AppCredential struct {
	ID, Name, Secret, User, Project string
	Roles                           []string
}

// Project is a Keystone project. ID and DomainID may be left empty: an id is
// made of the name, and the domain is default.
type Project struct {
	ID, Name, DomainID, Description string
	Disabled                        bool
}

// Address is one address of an instance. Version 0 means as IP looks, an empty
// Type means fixed. IP is sent as it is, valid or not.
type Address struct {
	Network string
	IP      string
	Version int
	Type    string
}

// Instance is a Nova server. What is left empty is made of the name: ID,
// Region (the first), Cell (cell1), Status (ACTIVE), Host (compute-CELL).
// An instance in BUILD shows no addresses, as in Nova.
type Instance struct {
	ID, Name, ProjectID, UserID string
	Region, Cell, Host, Status  string
	Addresses                   []Address
}

// Endpoint is one compute endpoint in the catalog. In URL, {base} stands for
// the cloud's base URL and {project} for the id of the token's project.
type Endpoint struct{ Interface, URL string }

type region struct {
	id        string
	endpoints []Endpoint // nil means the three usual ones
	cells     []*cell
	instances []*instance // oldest first
	byID      map[string]*instance
	byProject map[string][]*instance // oldest first
}

type cell struct {
	name  string
	down  bool
	hosts []string
}

// New gives a cloud with the domain default, the region RegionOne, no user and
// no project.
func New() *Cloud {
	c := &Cloud{
		closing: make(chan struct{}),
		settings: Settings{
			PageSize:        1000,
			SkipDownCells:   true,
			MaxMicroversion: 93,
			TokenLifetime:   time.Hour,
			Policy:          DefaultPolicy(),
			Now:             time.Now,
		},
		domains:  []Domain{{ID: "default", Name: "Default"}},
		users:    map[string]*User{},
		creds:    map[string]*AppCredential{},
		roles:    map[string]map[string][]string{},
		tokens:   map[string]*token{},
		rejected: map[string]bool{},
	}
	c.AddRegion("RegionOne")
	return c
}

// Close ends every request that a fault keeps waiting.
func (c *Cloud) Close() {
	c.closeOnce.Do(func() { close(c.closing) })
}

// Configure changes the settings.
func (c *Cloud) Configure(change func(*Settings)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.settings)
}

// AddDomain adds a domain, or replaces the one of the same id.
func (c *Cloud) AddDomain(d Domain) Domain {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.ID == "" {
		d.ID = hexID("domain", d.Name)
	}
	if d.Name == "" {
		d.Name = d.ID
	}
	if i := slices.IndexFunc(c.domains, func(o Domain) bool { return o.ID == d.ID }); i >= 0 {
		c.domains[i] = d
	} else {
		c.domains = append(c.domains, d)
	}
	return d
}

// AddUser adds a user, or replaces the one of the same id, and returns it with
// everything filled in.
func (c *Cloud) AddUser(u User) User {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u.DomainID == "" {
		u.DomainID = "default"
	}
	if u.ID == "" {
		u.ID = hexID("user", u.DomainID+"/"+u.Name)
	}
	c.users[u.ID] = &u
	return u
}

// AddAppCredential adds an application credential and returns it with
// everything filled in. It panics if there is no such user.
func (c *Cloud) AddAppCredential(a AppCredential) AppCredential {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.User = c.mustUser(a.User).ID
	if a.ID == "" {
		a.ID = hexID("app-credential", a.Name)
	}
	c.creds[a.ID] = &a
	return a
}

// AddProject adds a project, or replaces the one of the same id, and returns
// it with everything filled in.
func (c *Cloud) AddProject(p Project) Project {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.DomainID == "" {
		p.DomainID = "default"
	}
	if p.ID == "" {
		p.ID = hexID("project", p.DomainID+"/"+p.Name)
	}
	if old := c.project(p.ID); old != nil {
		*old = p
	} else {
		c.projects = append(c.projects, &p)
	}
	return p
}

// Projects lists the projects in the order in which they were added.
func (c *Cloud) Projects() []Project {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Project, 0, len(c.projects))
	for _, p := range c.projects {
		list = append(list, *p)
	}
	return list
}

// RemoveProject deletes a project and every role on it. Its instances stay, as
// they do in a real cloud. Tokens for it are worth nothing from then on.
func (c *Cloud) RemoveProject(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.projects = slices.DeleteFunc(c.projects, func(p *Project) bool { return p.ID == id })
	for _, scopes := range c.roles {
		delete(scopes, id)
	}
}

// SetProjectDisabled disables a project or enables it again. It panics if there
// is no such project.
func (c *Cloud) SetProjectDisabled(id string, disabled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.project(id)
	if p == nil {
		panic(fmt.Sprintf("keystonetest: no project %q", id))
	}
	p.Disabled = disabled
}

// AddRole gives a user (id or name) a role on a scope: the id of a project, or
// [System]. It panics if the user or the project does not exist.
func (c *Cloud) AddRole(user, scope, role string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.mustUser(user)
	if scope != System && c.project(scope) == nil {
		panic(fmt.Sprintf("keystonetest: no project %q", scope))
	}
	scopes := c.roles[u.ID]
	if scopes == nil {
		scopes = map[string][]string{}
		c.roles[u.ID] = scopes
	}
	if !slices.Contains(scopes[scope], role) {
		scopes[scope] = append(slices.Clip(scopes[scope]), role)
	}
}

// RemoveRole takes a role away, if it is there. It panics if there is no such
// user.
func (c *Cloud) RemoveRole(user, scope, role string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	scopes := c.roles[c.mustUser(user).ID]
	left := slices.DeleteFunc(slices.Clone(scopes[scope]), func(r string) bool { return r == role })
	if len(left) == 0 {
		delete(scopes, scope)
		return
	}
	scopes[scope] = left
}

// AddRegion adds a region with a Nova of its own.
func (c *Cloud) AddRegion(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.region(id) != nil {
		return
	}
	c.regions = append(c.regions, &region{
		id:        id,
		byID:      map[string]*instance{},
		byProject: map[string][]*instance{},
	})
}

// Regions lists the regions in the order in which they were added.
func (c *Cloud) Regions() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, r := range c.regions {
		ids = append(ids, r.id)
	}
	return ids
}

// RemoveRegion takes a region away, with its Nova and its catalog entries.
func (c *Cloud) RemoveRegion(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.regions = slices.DeleteFunc(c.regions, func(r *region) bool { return r.id == id })
}

// SetEndpoints replaces the compute endpoints of a region in the catalog; none
// leaves the region without Nova. The usual URL is {base}/compute/R/v2.1. The
// Nova of the region answers as well at {base}/compute/R/v2.1/{project} and,
// with its list of versions only, at {base}/compute/R. It panics if there is no
// such region.
func (c *Cloud) SetEndpoints(region string, endpoints ...Endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if endpoints == nil {
		endpoints = []Endpoint{}
	}
	c.mustRegion(region).endpoints = endpoints
}

// ResetEndpoints gives a region its usual three endpoints back.
func (c *Cloud) ResetEndpoints(region string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mustRegion(region).endpoints = nil
}

// AddHost maps a compute host into a cell, as AddInstance does by itself. Only
// a cell with hosts shows in GET /os-services when it is down.
func (c *Cloud) AddHost(region, cell, host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mustRegion(region).addHost(cell, host)
}

// RemoveHosts unmaps all hosts of a cell.
func (c *Cloud) RemoveHosts(region, cell string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mustRegion(region).cell(cell).hosts = nil
}

// CellDown takes the database of a cell away, or gives it back. It panics if
// there is no such region.
func (c *Cloud) CellDown(region, cell string, down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mustRegion(region).cell(cell).down = down
}

// AddInstance adds an instance, or replaces the one of the same id in the
// region (its age stays), and returns it with everything filled in. The
// project need not exist. It panics if there is no such region.
func (c *Cloud) AddInstance(i Instance) Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i.Region == "" {
		i.Region = c.regions[0].id
	}
	if i.ID == "" {
		i.ID = dashed(hexID("instance", i.Region+"/"+i.ProjectID+"/"+i.Name))
	}
	if i.Cell == "" {
		i.Cell = "cell1"
	}
	if i.Status == "" {
		i.Status = "ACTIVE"
	}
	if i.Host == "" {
		i.Host = "compute-" + i.Cell
	}
	if i.UserID == "" {
		i.UserID = hexID("user", i.ProjectID)
	}
	r := c.mustRegion(i.Region)
	r.addHost(i.Cell, i.Host)
	made := newInstance(i, r.cell(i.Cell))
	if old := r.byID[i.ID]; old != nil {
		made.serial = old.serial
		r.remove(old)
	} else {
		c.serial++
		made.serial = c.serial
	}
	r.insert(made)
	return i
}

// Instances lists the instances of a region, oldest first, those of cells that
// are down included. It panics if there is no such region.
func (c *Cloud) Instances(region string) []Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.mustRegion(region)
	list := make([]Instance, 0, len(r.instances))
	for _, i := range r.instances {
		list = append(list, i.Instance)
	}
	return list
}

// RemoveInstance deletes an instance, in whichever region it is.
func (c *Cloud) RemoveInstance(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.regions {
		if i := r.byID[id]; i != nil {
			r.remove(i)
		}
	}
}

func (c *Cloud) project(id string) *Project {
	for _, p := range c.projects {
		if p.ID == id {
			return p
		}
	}
	return nil
}

func (c *Cloud) region(id string) *region {
	for _, r := range c.regions {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (c *Cloud) mustRegion(id string) *region {
	r := c.region(id)
	if r == nil {
		panic(fmt.Sprintf("keystonetest: no region %q", id))
	}
	return r
}

func (c *Cloud) mustUser(idOrName string) *User {
	if u := c.users[idOrName]; u != nil {
		return u
	}
	for _, u := range c.users {
		if u.Name == idOrName {
			return u
		}
	}
	panic(fmt.Sprintf("keystonetest: no user %q", idOrName))
}

func (c *Cloud) domain(id string) Domain {
	for _, d := range c.domains {
		if d.ID == id {
			return d
		}
	}
	return Domain{ID: id, Name: id}
}

func (r *region) cell(name string) *cell {
	for _, c := range r.cells {
		if c.name == name {
			return c
		}
	}
	c := &cell{name: name}
	r.cells = append(r.cells, c)
	return c
}

func (r *region) addHost(cell, host string) {
	c := r.cell(cell)
	if !slices.Contains(c.hosts, host) {
		c.hosts = append(c.hosts, host)
	}
}

func (r *region) insert(i *instance) {
	r.byID[i.ID] = i
	r.instances = insertByAge(r.instances, i)
	r.byProject[i.ProjectID] = insertByAge(r.byProject[i.ProjectID], i)
}

func (r *region) remove(i *instance) {
	delete(r.byID, i.ID)
	r.instances = removeByAge(r.instances, i.serial)
	r.byProject[i.ProjectID] = removeByAge(r.byProject[i.ProjectID], i.serial)
}

func insertByAge(list []*instance, i *instance) []*instance {
	at, _ := byAge(list, i.serial)
	return slices.Insert(list, at, i)
}

func removeByAge(list []*instance, serial int) []*instance {
	if at, found := byAge(list, serial); found {
		return slices.Delete(list, at, at+1)
	}
	return list
}

func byAge(list []*instance, serial int) (int, bool) {
	return slices.BinarySearchFunc(list, serial, func(i *instance, s int) int { return i.serial - s })
}

// hexID makes an id as Keystone writes them, the same one for the same name.
func hexID(kind, name string) string {
	sum := sha256.Sum256([]byte(kind + ":" + name))
	return hex.EncodeToString(sum[:16])
}

// dashed writes such an id as Nova does.
func dashed(id string) string {
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}
