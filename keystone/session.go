package keystone

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// microversion is the first with which Nova tells of cells that are down, see
// "Handling Down Cells" in the Compute API guide.
const microversion = "2.69"

// byIDMicroversion is for an instance by its id. From 2.69 on Nova can answer 404 for
// an instance in a cell that is down (compute/api.py, _get_instance_from_cell).
const byIDMicroversion = "2.1"

// token is what a log-in gives. It never changes, so that requests can share it.
type token struct {
	id                secret
	projectID         string // of a token for a project
	domainID          string // of a token for a domain
	scope             string // for people
	roles             []string
	catalog           []tokens.CatalogEntry
	identity, compute *gophercloud.ServiceClient
	byID              *gophercloud.ServiceClient // compute, for an instance by its id
}

// session is a token, and how to get another one when Keystone has taken it
// back: once, because a second refusal is meant.
type session struct {
	login func(context.Context) (*token, error)

	mu      sync.Mutex
	token   *token
	renewed bool
	err     error // of the log-in that failed, so that no other is tried
}

func (s *session) current() (*token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, s.err
}

// renew logs in again, unless another request has done so since old was taken.
// The refusal is of the request with old.
func (s *session) renew(ctx context.Context, old *token, refusal error) (*token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return nil, s.err
	case s.token != old:
		return s.token, nil
	case s.renewed:
		return nil, refusal
	}
	s.renewed = true
	t, err := s.login(ofCaller(ctx))
	if err != nil {
		s.err = err
		return nil, err
	}
	s.token = t
	return t, nil
}

// get makes a GET request on behalf of a session. Service chooses the client.
func (c *Client) get(ctx context.Context, s *session, service func(*token) *gophercloud.ServiceClient, r call) error {
	return c.as(ctx, s, func(t *token) error {
		r.service = service(t)
		return c.send(ctx, r)
	})
}

func identityOf(t *token) *gophercloud.ServiceClient { return t.identity }
func computeOf(t *token) *gophercloud.ServiceClient  { return t.compute }

// as does something with a session's token, and once more with another token if
// Keystone has taken the first back.
func (c *Client) as(ctx context.Context, s *session, do func(*token) error) error {
	t, err := s.current()
	if err != nil {
		return err
	}
	err = do(t)
	if !isTokenLost(err) {
		return err
	}
	c.opts.Log.InfoContext(ctx, "logging in again", "after", err.Error())
	if t, err = s.renew(ctx, t, err); err != nil {
		return err
	}
	return do(t)
}

// isTokenLost tells whether err is about a token that Keystone does not know any
// more. The answer is 401, but 404 where that token was to be exchanged for
// another (keystone/token/provider.py, validate_token).
func isTokenLost(err error) bool {
	untrusted, ok := errors.AsType[*UntrustedError](err)
	return isStatus(err, http.StatusUnauthorized) ||
		ok && untrusted.Status == http.StatusNotFound && untrusted.Method == http.MethodPost
}

// isStatus tells whether err is about an answer of that status.
func isStatus(err error, status int) bool {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused.Status == status
	}
	if untrusted, ok := errors.AsType[*UntrustedError](err); ok {
		return untrusted.Status == status
	}
	return false
}
