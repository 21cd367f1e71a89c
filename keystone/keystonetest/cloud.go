package keystonetest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
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
	BaseURL string `yaml:"-"`
	// PageSize is Nova's [api]max_limit: 1000.
	PageSize int `yaml:"page_size"`
	// SkipDownCells is Nova's [api]list_records_by_skipping_down_cells: true.
	// If false, a listing that would silently leave out a cell is a 500.
	SkipDownCells bool `yaml:"skip_down_cells"`
	// MaxMicroversion is the minor number of the newest Nova API version: 93,
	// which is Nova 26 (Zed).
	MaxMicroversion int `yaml:"max_microversion"`
	// ListLimit is Keystone's list_limit: a longer list is cut to it and
	// carries "truncated": true. 0 means none.
	ListLimit int `yaml:"list_limit"`
	// KeystonePaging makes a truncated list of projects carry links.next and
	// honours limit and marker there, as Keystone 27 and later do.
	KeystonePaging bool `yaml:"keystone_paging"`
	// TokenLifetime is Keystone's [token]expiration: one hour.
	TokenLifetime time.Duration `yaml:"token_lifetime"`
	// Latency is how long each request takes before it is answered: 0.
	Latency time.Duration `yaml:"latency"`
	// Policy says who may do what.
	Policy Policy `yaml:"-"`
	// Now is the clock by which tokens expire: time.Now.
	Now func() time.Time `yaml:"-"`
}

// Cloud is an OpenStack deployment. All methods may be called at any time, also
// while it is serving.
type Cloud struct {
	closing   chan struct{}
	closeOnce sync.Once

	mu       sync.Mutex
	settings Settings
	domains  map[string]Domain
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
	ID               string `yaml:"id,omitempty"`
	Name             string `yaml:"-"`
	Password         string `yaml:"password"`
	DomainID         string `yaml:"domain,omitempty"`
	DefaultProjectID string `yaml:"default_project,omitempty"` // the scope of a log-in that asks for none
	Disabled         bool   `yaml:"disabled,omitempty"`
}

// AppCredential is an application credential of a user, for one project. ID
// may be left empty. User is an id or a name, Project an id. Roles are a
// subset of the user's roles on the project; none means all of them.
type AppCredential struct {
	ID      string   `yaml:"id"`
	Name    string   `yaml:"-"`
	Secret  string   `yaml:"secret"`
	User    string   `yaml:"user"`
	Project string   `yaml:"project"`
	Roles   []string `yaml:"roles"`
}

// Project is a Keystone project. ID and DomainID may be left empty: an id is
// made of the name, and the domain is default.
type Project struct {
	ID          string `yaml:"id,omitempty"`
	Name        string `yaml:"-"`
	DomainID    string `yaml:"domain,omitempty"`
	Description string `yaml:"-"`
	Disabled    bool   `yaml:"disabled,omitempty"`
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
		domains:  map[string]Domain{"default": {ID: "default", Name: "Default"}},
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

// lock locks the cloud and returns what unlocks it.
func (c *Cloud) lock() func() {
	c.mu.Lock()
	return c.mu.Unlock
}

// Configure changes the settings.
func (c *Cloud) Configure(change func(*Settings)) {
	defer c.lock()()
	change(&c.settings)
}

// AddDomain adds a domain, or replaces the one of the same id.
func (c *Cloud) AddDomain(d Domain) Domain {
	defer c.lock()()
	setDefault(&d.ID, hexID("domain", d.Name))
	setDefault(&d.Name, d.ID)
	c.domains[d.ID] = d
	return d
}

// AddUser adds a user, or replaces the one of the same id, and returns it with
// everything filled in.
func (c *Cloud) AddUser(u User) User {
	defer c.lock()()
	setDefault(&u.DomainID, "default")
	setDefault(&u.ID, hexID("user", u.DomainID+"/"+u.Name))
	c.users[u.ID] = &u
	return u
}

// AddAppCredential adds an application credential and returns it with
// everything filled in. It panics if there is no such user.
func (c *Cloud) AddAppCredential(a AppCredential) AppCredential {
	defer c.lock()()
	a.User = c.mustUser(a.User).ID
	setDefault(&a.ID, hexID("app-credential", a.Name))
	c.creds[a.ID] = &a
	return a
}

// AddProject adds a project, or replaces the one of the same id, and returns
// it with everything filled in.
func (c *Cloud) AddProject(p Project) Project {
	defer c.lock()()
	setDefault(&p.DomainID, "default")
	setDefault(&p.ID, hexID("project", p.DomainID+"/"+p.Name))
	if old := c.project(p.ID); old != nil {
		*old = p
	} else {
		c.projects = append(c.projects, &p)
	}
	return p
}

// Projects lists the projects in the order in which they were added.
func (c *Cloud) Projects() []Project {
	defer c.lock()()
	return collect(c.projects, func(p *Project) Project { return *p })
}

// RemoveProject deletes a project and every role on it. Its instances stay, as
// they do in a real cloud. Tokens for it are worth nothing from then on.
func (c *Cloud) RemoveProject(id string) {
	defer c.lock()()
	c.projects = slices.DeleteFunc(c.projects, func(p *Project) bool { return p.ID == id })
	for _, scopes := range c.roles {
		delete(scopes, id)
	}
}

// SetProjectDisabled disables a project or enables it again. It panics if there
// is no such project.
func (c *Cloud) SetProjectDisabled(id string, disabled bool) {
	defer c.lock()()
	must(c.project(id), "project", id).Disabled = disabled
}

// AddRole gives a user (id or name) a role on a scope: the id of a project, or
// [System]. It panics if the user or the project does not exist.
func (c *Cloud) AddRole(user, scope, role string) {
	defer c.lock()()
	u := c.mustUser(user)
	if scope != System {
		must(c.project(scope), "project", scope)
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
	defer c.lock()()
	scopes := c.roles[c.mustUser(user).ID]
	left := slices.DeleteFunc(slices.Clone(scopes[scope]), func(r string) bool { return r == role })
	if len(left) == 0 {
		delete(scopes, scope)
		return
	}
	scopes[scope] = left
}

func (c *Cloud) project(id string) *Project {
	return find(c.projects, func(p *Project) bool { return p.ID == id })
}

func (c *Cloud) user(idOrName string) *User {
	if u := c.users[idOrName]; u != nil {
		return u
	}
	return find(slices.Collect(maps.Values(c.users)), func(u *User) bool { return u.Name == idOrName })
}

func (c *Cloud) mustUser(idOrName string) *User { return must(c.user(idOrName), "user", idOrName) }

func (c *Cloud) domain(id string) Domain {
	if d, ok := c.domains[id]; ok {
		return d
	}
	return Domain{ID: id, Name: id}
}

// find returns the first that fits, nil if none does.
func find[T any](list []*T, fits func(*T) bool) *T {
	if at := slices.IndexFunc(list, fits); at >= 0 {
		return list[at]
	}
	return nil
}

// must panics for what a test names and the cloud does not have.
func must[T any](found *T, kind, name string) *T {
	if found == nil {
		panic(fmt.Sprintf("keystonetest: no %s %q", kind, name))
	}
	return found
}

func collect[T, U any](list []T, get func(T) U) []U {
	got := make([]U, 0, len(list))
	for _, x := range list {
		got = append(got, get(x))
	}
	return got
}

func setDefault(to *string, value string) { *to = cmp.Or(*to, value) }

// hexID makes an id as Keystone writes them, the same one for the same name.
func hexID(kind, name string) string {
	sum := sha256.Sum256([]byte(kind + ":" + name))
	return hex.EncodeToString(sum[:16])
}

// dashed writes such an id as Nova does.
func dashed(id string) string {
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}
