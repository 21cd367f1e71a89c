package keystonetest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Kind is what a request is for.
type Kind string

// The kinds of request that a reader of projects and instances makes.
const (
	Version      Kind = "Version"      // a version document, of Keystone or Nova
	LogIn        Kind = "LogIn"        // password or application credential
	ReLogIn      Kind = "ReLogIn"      // the same, after a 401 for a token of that user and scope
	Rescope      Kind = "Rescope"      // a token for a token
	Regions      Kind = "Regions"      // Keystone: GET /regions
	Projects     Kind = "Projects"     // Keystone: GET /projects
	OneProject   Kind = "Project"      // Keystone: GET /projects/ID
	AuthProjects Kind = "AuthProjects" // Keystone: GET /auth/projects
	CellProbe    Kind = "CellProbe"    // Nova: GET /os-services, or servers with nothing but all_tenants
	Instances    Kind = "Instances"    // Nova: any other list of servers
	OneInstance  Kind = "Instance"     // Nova: GET /servers/ID
	Other        Kind = "Other"
)

// Kinds lists every kind but [Other].
func Kinds() []Kind {
	return []Kind{Version, LogIn, ReLogIn, Rescope, Regions, Projects, OneProject, AuthProjects, CellProbe, Instances, OneInstance}
}

// Request is one request that reached the cloud, as it was answered.
type Request struct {
	Kind   Kind
	Method string
	Host   string // as the client named it
	Path   string
	Query  url.Values
	// Region is the region of a request to Nova.
	Region string
	// Project is the id of the one project that the answer is about: the scope
	// asked for in a log-in (or its name, if it was asked for by name), the
	// project in the path, the project_id that a listing is filtered by if the
	// caller may do so, or else the project of the token.
	Project string
	// User is the name or id in a log-in with a secret, and the name of the
	// token's user in any other request.
	User string
	// Marker is Query's marker.
	Marker string
	// Microversion is what the request asked Nova for, "" if nothing.
	Microversion string
	UserAgent    string
	// HasToken tells whether an X-Auth-Token was sent.
	HasToken bool
	// Status is the HTTP status of the answer; 0 if there was none yet, or if a
	// fault answered with something that is no HTTP answer.
	Status int
}

// String is the method, path and query, and the status.
func (r Request) String() string {
	s := r.Method + " " + r.Path
	if len(r.Query) > 0 {
		s += "?" + r.Query.Encode()
	}
	return s + " " + strconv.Itoa(r.Status)
}

// Requests lists the requests so far, in the order in which they came.
func (c *Cloud) Requests() []Request {
	defer c.lock()()
	return collect(c.log, func(r *Request) Request { return *r })
}

// Count says how many requests of these kinds came so far; without a kind, how
// many at all.
func (c *Cloud) Count(kinds ...Kind) int {
	defer c.lock()()
	return len(filter(c.log, func(r *Request) bool { return len(kinds) == 0 || slices.Contains(kinds, r.Kind) }))
}

// Peak is the greatest number of requests that were being answered at once. A
// request counts until its answer begins.
func (c *Cloud) Peak() int {
	defer c.lock()()
	return c.peak
}

// ResetRequests forgets the requests so far and the peak, and whose tokens were
// refused: the next log-in is a [LogIn].
func (c *Cloud) ResetRequests() {
	defer c.lock()()
	c.log, c.peak = nil, c.busy
	c.rejected = map[string]bool{}
}

// call is a request, understood.
type call struct {
	Request
	service  string // identity or compute
	resource string // the path below the version, without the project
	inPath   string // the project id in a path to Nova
	login    login
	bad      error // what is wrong with the body of a log-in
	header   http.Header
	base     string
	token    *token // nil if it is worth nothing
	caller   Caller
}

// understand tells what a request is for. The mutex is held.
func (c *Cloud) understand(r *http.Request, body []byte) *call {
	k := &call{header: r.Header, base: c.base(r)}
	k.Request = Request{
		Kind:         Other,
		Method:       r.Method,
		Host:         r.Host,
		Path:         r.URL.Path,
		Query:        r.URL.Query(),
		Marker:       r.URL.Query().Get("marker"),
		Microversion: microversion(r.Header),
		UserAgent:    r.UserAgent(),
		HasToken:     r.Header.Get("X-Auth-Token") != "",
	}
	k.token, k.caller = c.caller(r.Header.Get("X-Auth-Token"))
	if t := c.tokens[r.Header.Get("X-Auth-Token")]; t != nil {
		k.Project, k.User = t.project, c.holder(t.id)
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "identity":
		k.service = "identity"
		c.understandIdentity(k, parts[1:], body)
	case parts[0] == "compute" && len(parts) > 1:
		k.service, k.Region = "compute", parts[1]
		c.understandCompute(k, parts[2:])
	}
	return k
}

func (c *Cloud) understandIdentity(k *call, parts []string, body []byte) {
	if len(parts) == 0 {
		k.Kind, k.resource = Version, "versions"
		return
	}
	if parts[0] != "v3" {
		return
	}
	k.resource = strings.Join(parts[1:], "/")
	switch {
	case k.resource == "":
		k.Kind, k.resource = Version, "version"
	case k.resource == "auth/tokens" && k.Method == http.MethodPost:
		k.login, k.bad = parseLogin(body)
		k.User, k.Project = k.login.who(), k.login.project()
		k.Kind = LogIn
		if k.login.isRescope() {
			k.Kind, k.User = Rescope, c.holder(k.login.token())
		} else if c.rejected[c.scopeKey(k.login)] {
			k.Kind = ReLogIn
		}
	case k.Method != http.MethodGet:
	case k.resource == "regions":
		k.Kind = Regions
	case k.resource == "projects":
		k.Kind = Projects
	case k.resource == "auth/projects":
		k.Kind = AuthProjects
	case len(parts) == 3 && parts[1] == "projects":
		k.Kind, k.Project = OneProject, parts[2]
	}
}

func (c *Cloud) understandCompute(k *call, parts []string) {
	if len(parts) == 0 {
		k.Kind, k.resource = Version, "versions"
		return
	}
	if parts[0] != "v2.1" {
		k.resource = "unversioned/" + strings.Join(parts, "/")
		return
	}
	parts = parts[1:]
	if len(parts) == 0 {
		k.Kind, k.resource = Version, "version"
		return
	}
	if parts[0] != "servers" && parts[0] != "os-services" {
		k.inPath, parts = parts[0], parts[1:]
	}
	k.resource = strings.Join(parts, "/")
	if k.Method != http.MethodGet {
		return
	}
	switch k.resource {
	case "os-services":
		k.Kind = CellProbe
	case "servers", "servers/detail":
		k.Kind = Instances
		if len(k.Query) == 1 && k.Query.Has("all_tenants") {
			k.Kind = CellProbe
		}
		if p := c.filterProject(k); p != "" {
			k.Project = p
		}
	default:
		if len(parts) == 2 && parts[0] == "servers" {
			k.Kind = OneInstance
		}
	}
}

// begin puts a request into the log. Its answer must call started, once.
func (c *Cloud) begin(k *call) (started func(status int)) {
	entry := k.Request
	c.log = append(c.log, &entry)
	c.busy++
	c.peak = max(c.peak, c.busy)
	done := false
	return func(status int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if done {
			return
		}
		done = true
		c.busy--
		entry.Status = status
		if t := c.tokens[k.header.Get("X-Auth-Token")]; t != nil && status == http.StatusUnauthorized {
			c.rejected[t.scopeKey()] = true
		}
	}
}
