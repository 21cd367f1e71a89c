package keystonetest

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// token is what a token stands for. Roles are looked up whenever it is used, so
// that one whose role, user or project is gone is worth nothing, as in Keystone.
type token struct {
	id      string
	user    string // id
	project string // id; "" without project scope
	system  bool
	cred    string // id of the application credential it was made with
	methods []string
	issued  time.Time
	expires time.Time
}

func (t *token) scope() string {
	if t.system {
		return System
	}
	return t.project
}

func (t *token) scopeKey() string { return t.user + "\n" + t.scope() }

// ExpireTokens makes every token that was given out so far expire at once.
func (c *Cloud) ExpireTokens() {
	defer c.lock()()
	for _, t := range c.tokens {
		t.expires = t.issued
	}
}

// ExpireToken makes one token expire, and does nothing if there is none.
func (c *Cloud) ExpireToken(id string) {
	defer c.lock()()
	if t := c.tokens[id]; t != nil {
		t.expires = t.issued
	}
}

// Tokens lists every token that was ever given out, for a test that searches
// for leaked ones.
func (c *Cloud) Tokens() []string {
	defer c.lock()()
	return slices.Clone(c.issued)
}

// holder is the name of a token's user, "" if there is none.
func (c *Cloud) holder(token string) string {
	if t := c.tokens[token]; t != nil && c.users[t.user] != nil {
		return c.users[t.user].Name
	}
	return ""
}

// caller says who a token stands for; nil if the token is worth nothing.
func (c *Cloud) caller(id string) (*token, Caller) {
	t := c.tokens[id]
	if t == nil || !c.settings.Now().Before(t.expires) {
		return nil, Caller{}
	}
	who := Caller{User: t.user, Project: t.project, System: t.system, Roles: c.rolesOn(t.user, t.scope(), t.cred)}
	if u := c.users[t.user]; u == nil || u.Disabled || t.scope() != "" && len(who.Roles) == 0 {
		return nil, Caller{}
	}
	return t, who
}

// rolesOn lists the roles of a user on a scope; none if the project is gone or
// disabled, or the application credential is.
func (c *Cloud) rolesOn(user, scope, cred string) []string {
	if scope != System {
		if p := c.project(scope); p == nil || p.Disabled {
			return nil
		}
	}
	roles := c.roles[user][scope]
	if cred == "" {
		return roles
	}
	a := c.creds[cred]
	if a == nil {
		return nil
	}
	if len(a.Roles) == 0 {
		return roles
	}
	return filter(roles, func(r string) bool { return slices.Contains(a.Roles, r) })
}

// login is the body of POST /v3/auth/tokens.
type login struct {
	Auth struct {
		Identity struct {
			Methods               []string
			Password              struct{ User userRef }
			Token                 struct{ ID string }
			ApplicationCredential struct {
				ID, Name, Secret string
				User             userRef
			} `json:"application_credential"`
		}
		Scope json.RawMessage
	}
	scope scope
}

type userRef struct {
	ID, Name, Password string
	Domain             Domain
}

type scope struct {
	Project *struct {
		ID, Name string
		Domain   Domain
	}
	System   *struct{ All bool }
	unscoped bool
	none     bool
}

func parseLogin(body []byte) (login, error) {
	var l login
	if err := json.Unmarshal(body, &l); err != nil {
		return l, err
	}
	if len(l.Auth.Identity.Methods) == 0 {
		return l, errors.New("identity.methods is missing")
	}
	switch raw := string(l.Auth.Scope); raw {
	case "", "null":
		l.scope.none = true
	case `"unscoped"`:
		l.scope.unscoped = true
	default:
		return l, json.Unmarshal(l.Auth.Scope, &l.scope)
	}
	return l, nil
}

func (l login) isRescope() bool { return slices.Contains(l.Auth.Identity.Methods, "token") }

// who is the name or the id that the log-in is for.
func (l login) who() string {
	user, cred := l.Auth.Identity.Password.User, l.Auth.Identity.ApplicationCredential
	return cmp.Or(user.Name, user.ID, cred.ID, cred.Name)
}

// token is the token that a log-in with a token is made with.
func (l login) token() string { return l.Auth.Identity.Token.ID }

// project is the id, or else the name, of the project in the scope.
func (l login) project() string {
	if p := l.scope.Project; p != nil {
		return cmp.Or(p.ID, p.Name)
	}
	return ""
}

// identify finds the user of a log-in, and the application credential if it is
// by one; false if the secret is wrong or there is no such user.
func (c *Cloud) identify(l login) (user, cred string, ok bool) {
	id := l.Auth.Identity
	if len(id.Methods) != 1 {
		return "", "", false
	}
	var u *User
	switch id.Methods[0] {
	case "password":
		u = c.findUser(id.Password.User)
		ok = u != nil && id.Password.User.Password == u.Password
	case "application_credential":
		a := id.ApplicationCredential
		found := c.creds[a.ID]
		if owner := c.findUser(a.User); a.ID == "" && owner != nil {
			found = find(slices.Collect(maps.Values(c.creds)), func(o *AppCredential) bool { return o.User == owner.ID && o.Name == a.Name })
		}
		if found != nil && found.Secret == a.Secret {
			u, cred, ok = c.users[found.User], found.ID, true
		}
	}
	if !ok || u == nil || u.Disabled {
		return "", "", false
	}
	return u.ID, cred, true
}

func (c *Cloud) findUser(ref userRef) *User {
	if ref.ID != "" {
		return c.users[ref.ID]
	}
	return find(slices.Collect(maps.Values(c.users)), func(u *User) bool {
		return u.Name == ref.Name && c.isDomain(u.DomainID, ref.Domain)
	})
}

func (c *Cloud) isDomain(id string, ref Domain) bool {
	if ref.ID != "" {
		return ref.ID == id
	}
	return ref.Name != "" && ref.Name == c.domain(id).Name
}

// scopeOf finds the scope that a log-in of a user asks for; false if it is a
// project that does not exist, or a kind of scope that is not served.
func (c *Cloud) scopeOf(l login, user, cred string) (string, bool) {
	if cred != "" {
		return c.creds[cred].Project, true
	}
	switch s := l.scope; {
	case s.unscoped:
		return "", true
	case s.none:
		if u := c.users[user]; u != nil {
			return u.DefaultProjectID, true
		}
		return "", true
	case s.System != nil:
		return System, s.System.All
	case s.Project != nil && s.Project.ID != "":
		return s.Project.ID, true
	case s.Project != nil:
		if p := find(c.projects, func(p *Project) bool {
			return p.Name == s.Project.Name && c.isDomain(p.DomainID, s.Project.Domain)
		}); p != nil {
			return p.ID, true
		}
	}
	return "", false
}

// scopeKey names the user and the scope of a log-in in the way tokens do.
func (c *Cloud) scopeKey(l login) string {
	user, cred, ok := c.identify(l)
	if !ok {
		return ""
	}
	scope, _ := c.scopeOf(l, user, cred)
	return user + "\n" + scope
}

// logIn answers POST /v3/auth/tokens. Whatever is wrong with the credentials or
// the scope, it is the same 401.
func (c *Cloud) logIn(k *call) *answer {
	if k.bad != nil {
		return keystoneError(http.StatusBadRequest, "Expecting to find auth in request body. "+
			"The server could not comply with the request since it is either malformed or otherwise incorrect. "+
			"The client is assumed to be in error.")
	}
	l := k.login
	t := &token{methods: l.Auth.Identity.Methods, issued: c.settings.Now()}
	t.expires = t.issued.Add(c.settings.TokenLifetime)
	if l.isRescope() {
		old, _ := c.caller(l.token())
		if old == nil {
			// It does repeat the token.
			return keystoneError(http.StatusNotFound, "Could not find token: "+l.token()+".")
		}
		if old.cred != "" {
			return keystoneForbidden("Using a delegated token to create another token is not allowed..")
		}
		if old.system && l.scope.Project != nil {
			return keystoneForbidden("Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.")
		}
		t.user, t.expires = old.user, old.expires
		t.methods = append([]string{"token"}, slices.DeleteFunc(slices.Clone(old.methods),
			func(m string) bool { return m == "token" })...)
	} else {
		user, cred, ok := c.identify(l)
		if !ok || cred != "" && !l.scope.none {
			return c.unauthorized(k)
		}
		t.user, t.cred = user, cred
	}
	scope, ok := c.scopeOf(l, t.user, t.cred)
	if !ok {
		return c.unauthorized(k)
	}
	if scope != "" && len(c.rolesOn(t.user, scope, t.cred)) == 0 {
		if !l.scope.none || t.cred != "" {
			return c.unauthorized(k)
		}
		scope = "" // a default project that the user may not use is left out
	}
	if scope == System {
		t.system = true
	} else {
		t.project = scope
	}
	t.id = c.newTokenID()
	c.tokens[t.id] = t
	c.issued = append(c.issued, t.id)
	delete(c.rejected, t.scopeKey())

	a := jsonAnswer(http.StatusCreated, map[string]any{"token": c.tokenBody(k, t)})
	a.header.Set("X-Subject-Token", t.id)
	return a
}

// newTokenID makes an id that looks like a Fernet token.
func (c *Cloud) newTokenID() string {
	n := strconv.Itoa(len(c.issued))
	return "gAAAAAB" + hexID("token", n+"/1") + hexID("token", n+"/2") + hexID("token", n+"/3") + hexID("token", n+"/4") + "=="
}

func (c *Cloud) tokenBody(k *call, t *token) map[string]any {
	u := c.users[t.user]
	domain := func(id string) any {
		d := c.domain(id)
		return map[string]any{"id": d.ID, "name": d.Name}
	}
	body := map[string]any{
		"methods":    t.methods,
		"expires_at": keystoneTime(t.expires),
		"issued_at":  keystoneTime(t.issued),
		"audit_ids":  []string{t.id[7:29]},
		"user": map[string]any{
			"id": u.ID, "name": u.Name, "password_expires_at": nil,
			"domain": domain(u.DomainID),
		},
	}
	if t.scope() == "" {
		return body
	}
	body["roles"] = collect(c.rolesOn(t.user, t.scope(), t.cred), func(r string) any {
		return map[string]any{"id": hexID("role", r), "name": r}
	})
	body["catalog"] = c.catalog(k.base, t.project)
	if t.system {
		body["system"] = map[string]any{"all": true}
		return body
	}
	p := c.project(t.project)
	body["is_domain"] = false
	body["project"] = map[string]any{"id": p.ID, "name": p.Name, "domain": domain(p.DomainID)}
	if a := c.creds[t.cred]; a != nil {
		body["application_credential"] = map[string]any{"id": a.ID, "name": a.Name, "restricted": true}
	}
	return body
}

// keystoneTime writes a time as Keystone does in tokens.
func keystoneTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
