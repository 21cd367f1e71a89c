package keystone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// firstLogin asks for a token with the credentials, for their scope.
func (c *Client) firstLogin(ctx context.Context) (*token, error) {
	return c.credentialsLogin(ctx, c.creds.scope, false)
}

// unscopedLogin asks for a token for nothing but other tokens.
func (c *Client) unscopedLogin(ctx context.Context) (*token, error) {
	return c.credentialsLogin(ctx, scope{}, true)
}

func (c *Client) credentialsLogin(ctx context.Context, scope scope, unscoped bool) (*token, error) {
	creds := c.creds
	next := "check the user, the password and the scope, for which Keystone has one and the same answer, " +
		"and that the user is neither locked nor disabled"
	if creds.application.given() {
		next = "check the application credential and its secret, and that it has not expired"
	}
	op := "log in for " + creds.Scope()
	if unscoped {
		op = "log in without a scope"
	}
	t, err := c.authenticate(ctx, op, next, tokens.AuthOptions{
		Username:                    creds.user.name,
		UserID:                      creds.user.id,
		DomainID:                    creds.user.domainID,
		DomainName:                  creds.user.domainName,
		Password:                    creds.password.reveal(),
		ApplicationCredentialID:     creds.application.id,
		ApplicationCredentialName:   creds.application.name,
		ApplicationCredentialSecret: creds.application.secret.reveal(),
		Scope: tokens.Scope{
			ProjectID:   scope.projectID,
			ProjectName: scope.projectName,
			DomainID:    scope.domainID,
			DomainName:  scope.domainName,
			System:      scope.system,
		},
	}, unscoped)
	if err == nil {
		c.opts.Log.DebugContext(ctx, "logged in", "as", creds)
	}
	return t, err
}

// forRescoping is a session whose token Keystone takes for one for a project.
// It takes no token for the system (keystone/auth/plugins/token.py), so that
// this needs another log-in.
func (c *Client) forRescoping(ctx context.Context) (*session, error) {
	if !c.creds.scope.system {
		return c.root, nil
	}
	if c.unscoped != nil {
		return c.unscoped, nil
	}
	s := &session{login: c.unscopedLogin}
	var err error
	if s.token, err = s.login(ctx); err == nil {
		c.unscoped = s
	}
	return s, err
}

// rescope asks for a token of the same user for a project, with the token of a
// session and not with the password. It logs in again if that token was lost.
func (c *Client) rescope(ctx context.Context, with *session, p exports.Project) (t *token, err error) {
	err = c.as(ctx, with, func(first *token) error {
		t, err = c.exchange(ctx, first, p)
		return err
	})
	if lost, ok := errors.AsType[*UntrustedError](err); ok && isTokenLost(err) {
		return nil, &RefusedError{lost.Exchange, errors.New("the token that Keystone has just given is not found"),
			"see that all Keystone servers have the same keys for tokens and the same time, and that tokens live longer than a run"}
	}
	return t, err
}

// rescopeOnce is rescope for one who can do without: Keystone refuses a lost
// token and a user without a role in the same words, so that to log in again
// would be in vain in each run of the latter.
func (c *Client) rescopeOnce(ctx context.Context, with *session, p exports.Project) (*token, error) {
	first, err := with.current()
	if err != nil {
		return nil, err
	}
	return c.exchange(ctx, first, p)
}

// exchange asks for a token for a project with another token.
func (c *Client) exchange(ctx context.Context, first *token, p exports.Project) (*token, error) {
	op := fmt.Sprintf("get a token for project %s (%s)", printable.Quote(p.Name), printable.Plain(p.ID))
	next := fmt.Sprintf("give %s a role on the project, for example reader, or use credentials that may list "+
		"the instances of all projects (os_compute_api:servers:detail:get_all_tenants)", c.creds.User())
	return c.authenticate(ctx, op, next, tokens.AuthOptions{
		TokenID: first.id.reveal(),
		Scope:   tokens.Scope{ProjectID: p.ID},
	}, false)
}

// tokenAnswer is what matters of the answer to POST /v3/auth/tokens.
type tokenAnswer struct {
	Token *tokenBody `json:"token"`
}

type tokenBody struct {
	ExpiresAt *string         `json:"expires_at"`
	Project   *tokens.Project `json:"project"`
	Domain    *tokens.Domain  `json:"domain"`
	System    *struct {
		All bool `json:"all"`
	} `json:"system"`
	Catalog *[]tokens.CatalogEntry `json:"catalog"`
	Roles   []struct {
		Name string `json:"name"`
	} `json:"roles"`
}

// authenticate makes the request for a token. Gophercloud's tokens.Create would
// do, but for its decoder, which takes doubled keys and letters behind the end,
// and an answer without a token.
func (c *Client) authenticate(ctx context.Context, op, next string, options tokens.AuthOptions, unscoped bool) (*token, error) {
	scope, err := options.ToTokenV3ScopeMap()
	if err != nil {
		return nil, unusable(c.creds.Source, err, "")
	}
	body, err := options.ToTokenV3CreateMap(scope)
	if err != nil {
		return nil, unusable(c.creds.Source, err, "")
	}
	if auth, ok := body["auth"].(map[string]any); ok && unscoped {
		auth["scope"] = "unscoped" // no scope at all would be the user's default project
	}
	var t *token
	err = c.send(ctx, call{
		op:      op,
		service: &gophercloud.ServiceClient{ProviderClient: c.provider("")},
		url:     c.creds.AuthURL + "/auth/tokens",
		post:    body,
		ok:      []int{http.StatusCreated},
		next:    next,
		use: func(a *answer) error {
			var err error
			t, err = c.readToken(a, options, unscoped)
			return err
		},
	})
	return t, err
}

func (c *Client) readToken(a *answer, asked tokens.AuthOptions, unscoped bool) (*token, error) {
	t, err := decodeToken(a.text, asked, unscoped)
	if err != nil {
		return nil, err
	}
	id := a.header.Get("X-Subject-Token")
	if id == "" {
		return nil, errors.New("it has no token, that is no header X-Subject-Token")
	}
	t.id = newSecret(id)
	c.mu.Lock()
	c.issued = append(c.issued, t.id)
	c.shortest = min(c.shortest, len(id))
	c.mu.Unlock()
	provider := c.provider(id)
	t.identity = &gophercloud.ServiceClient{ProviderClient: provider, Type: "identity"}
	t.compute = &gophercloud.ServiceClient{ProviderClient: provider, Type: "compute", Microversion: microversion}
	t.byID = &gophercloud.ServiceClient{ProviderClient: provider, Type: "compute", Microversion: byIDMicroversion}
	return t, nil
}

// decodeToken checks that the answer is a token, for what was asked. Whether it
// has expired is Keystone's to say, whose clock it was made by.
func decodeToken(body []byte, asked tokens.AuthOptions, unscoped bool) (*token, error) {
	var answer tokenAnswer
	if err := unmarshal(body, &answer); err != nil {
		return nil, err
	}
	got := answer.Token
	switch {
	case got == nil:
		return nil, errors.New("it has no token object")
	case got.ExpiresAt == nil:
		return nil, errors.New("the token has no expires_at")
	case !unscoped && got.Catalog == nil: // an empty one can be a project's own, see computeURL
		return nil, errors.New("the token has no catalog")
	case got.Project != nil && got.Project.ID == "":
		return nil, errors.New("the token's project has no id")
	}
	if _, err := time.Parse(time.RFC3339, *got.ExpiresAt); err != nil {
		return nil, errors.New("the token's expires_at is not a time")
	}
	if !got.isFor(asked.Scope, unscoped) {
		return nil, errors.New("the token is for another scope than the one that was asked for")
	}
	t := &token{scope: "nothing"}
	if got.Catalog != nil {
		t.catalog = *got.Catalog
	}
	switch {
	case got.Project != nil:
		t.projectID = got.Project.ID
		t.scope = fmt.Sprintf("project %s (%s)", printable.Quote(got.Project.Name), printable.Plain(got.Project.ID))
	case got.Domain != nil:
		t.domainID = got.Domain.ID
		t.scope = fmt.Sprintf("domain %s (%s)", printable.Quote(got.Domain.Name), printable.Plain(got.Domain.ID))
	case got.System != nil:
		t.scope = "the system"
	}
	for _, role := range got.Roles {
		t.roles = append(t.roles, role.Name)
	}
	return t, nil
}

// isFor reports whether a token has the scope that was asked for.
func (got *tokenBody) isFor(want tokens.Scope, unscoped bool) bool {
	project := got.Project != nil
	switch {
	case unscoped:
		return !project && got.Domain == nil && got.System == nil
	case want.ProjectID != "":
		return project && got.Project.ID == want.ProjectID
	case want.ProjectName != "":
		// Keystone's database may not tell capital letters from small ones.
		return project && strings.EqualFold(got.Project.Name, want.ProjectName) &&
			(want.DomainID == "" || strings.EqualFold(got.Project.Domain.ID, want.DomainID))
	case want.System:
		return !project && got.System != nil && got.System.All
	case want.DomainID != "":
		return !project && got.Domain != nil && got.Domain.ID == want.DomainID
	case want.DomainName != "":
		return !project && got.Domain != nil && got.Domain.ID != "" && strings.EqualFold(got.Domain.Name, want.DomainName)
	default: // an application credential
		return project
	}
}

// provider is a Gophercloud client with a token that does not change. It has no
// reauthentication of its own, see session.
func (c *Client) provider(token string) *gophercloud.ProviderClient {
	p := &gophercloud.ProviderClient{HTTPClient: c.http, TokenID: token}
	if c.opts.UserAgent != "" {
		p.UserAgent.Prepend(c.opts.UserAgent)
	}
	return p
}

// withoutTokens takes the tokens out of a text that a server wrote.
func (c *Client) withoutTokens(text string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(text) < c.shortest {
		return text // as most request ids are; there can be thousands of tokens
	}
	for _, id := range c.issued {
		text = strings.ReplaceAll(text, id.reveal(), "[token]")
	}
	return text
}
