package keystone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// findProjects answers for each key and id what Keystone shows of the project,
// and tells which list that rests on.
//
// One request is enough where the user may list the domain's projects. Where
// not, or where Keystone cuts the list, those that the user has a role on come
// first, and what is still missing is asked for one by one. What is refused then
// is hidden, never absent.
func (c *Client) findProjects(ctx context.Context, wanted Wanted) (exports.Inventory, string, error) {
	inventory := exports.Inventory{Projects: map[string]exports.Project{}, IDs: map[string]exports.Project{}}
	if len(wanted.Keys) == 0 && len(wanted.IDs) == 0 {
		return inventory, "", nil
	}
	domain, err := c.listDomain(ctx)
	if err != nil {
		return inventory, "", err
	}
	domain.of = map[string]string{}
	for _, o := range wanted.IDs {
		domain.of[o.ID] = o.Domain
	}
	keys := make([]exports.Project, len(wanted.Keys))
	ids := make([]exports.Project, len(wanted.IDs))
	err = parallel(ctx, len(keys)+len(ids), func(ctx context.Context, i int) (err error) {
		if i < len(keys) {
			keys[i], err = c.projectOfKey(ctx, domain, wanted.Keys[i])
			return err
		}
		i -= len(keys)
		ids[i], err = c.projectOfID(ctx, domain, wanted.IDs[i].ID)
		return err
	})
	if err != nil {
		return inventory, "", err
	}
	for i, key := range wanted.Keys {
		inventory.Projects[key] = keys[i]
	}
	for i, o := range wanted.IDs {
		inventory.IDs[o.ID] = ids[i]
	}
	list := fmt.Sprintf("the complete list of domain %s, %d projects", printable.Quote(c.opts.Domain), len(domain.byID))
	if !domain.complete {
		list = fmt.Sprintf("not the complete list of domain %s, but %d projects, with those that the user has a role on: %s",
			printable.Quote(c.opts.Domain), len(domain.byID), domain.why)
	}
	return inventory, list, nil
}

// domainProjects are the projects of the domain, as far as Keystone lists them.
type domainProjects struct {
	byID, byName map[string]project
	// complete is a list of all of them.
	complete bool
	// exists tells that Keystone showed some project of the domain. It answers
	// for a domain that does not exist with an empty list.
	exists bool
	why    string // the answer by which it is complete, or not
	// of are the domains that projects are known to be in, by id.
	of map[string]string
}

func (p *domainProjects) add(all []project) error {
	if !p.exists {
		p.byID, p.byName = make(map[string]project, len(all)), make(map[string]project, len(all))
	}
	for _, one := range all {
		if _, ok := p.byID[one.id]; ok {
			return fmt.Errorf("project %s is there twice", printable.Quote(one.id))
		}
		if _, ok := p.byName[one.name]; ok {
			return fmt.Errorf("two projects have the name %s", printable.Quote(one.name))
		}
		p.byID[one.id], p.byName[one.name] = one, one
		p.exists = true
	}
	return nil
}

// listDomain asks for the list of the domain's projects.
func (c *Client) listDomain(ctx context.Context) (*domainProjects, error) {
	all := &domainProjects{}
	query := url.Values{"domain_id": {c.opts.Domain}}
	for n := 0; ; n++ {
		var page projectPage
		err := c.get(ctx, c.root, identityOf, call{
			op:  "list the projects of domain " + printable.Quote(c.opts.Domain),
			url: c.creds.AuthURL + "/projects?" + query.Encode(),
			use: func(a *answer) (err error) {
				if page, err = c.domainPage(a); err == nil {
					all.why = a.String()
				}
				return err
			},
		})
		if isStatus(err, http.StatusForbidden) && n == 0 {
			all.why = err.Error()
			return all, c.addOwn(ctx, all)
		}
		if err != nil {
			return nil, err
		}
		if err := all.add(page.projects); err != nil {
			return nil, c.oddList(err, all.why)
		}
		if page.next != "" && len(page.projects) > 0 && n < maxPages {
			if query, err = c.nextProjects(page.next); err != nil {
				return nil, c.oddList(err, all.why)
			}
			continue
		}
		if page.next == "" && !page.truncated {
			break
		}
		// Keystone's list_limit, of which Keystone before 27 does not show the
		// rest.
		all.why = "the list is truncated: " + all.why
		return all, c.addOwn(ctx, all)
	}
	if !all.exists {
		return nil, c.oddList(errors.New("the domain has no project at all"), all.why)
	}
	all.complete = true
	return all, nil
}

func (c *Client) oddList(err error, why string) error {
	return &UntrustedError{
		Exchange{Op: "list the projects of domain " + printable.Quote(c.opts.Domain), Method: http.MethodGet,
			URL: c.creds.AuthURL + "/projects", As: c.creds.String()},
		fmt.Errorf("the answer cannot be trusted: %w (%s)", err, why),
		"check that openstack.domain is the id of a domain, not its name",
	}
}

// domainPage decodes projects, all of which must be of the domain.
func (c *Client) domainPage(a *answer) (projectPage, error) {
	page, err := decodeProjects(a.text)
	for _, p := range page.projects {
		if p.domain != c.opts.Domain {
			return page, fmt.Errorf("project %s is of domain %s", printable.Quote(p.id), printable.Quote(p.domain))
		}
	}
	return page, err
}

// nextProjects is the query of the next page. Only its marker and limit are
// taken from the link: the rest of the URL is as before. That it leads to
// another page shows by the projects on that.
func (c *Client) nextProjects(link string) (url.Values, error) {
	next, err := url.Parse(link)
	if err != nil {
		return nil, errors.New("the link to the next page is not a URL")
	}
	query := url.Values{"domain_id": {c.opts.Domain}}
	for _, name := range []string{"marker", "limit"} {
		if value := next.Query().Get(name); value != "" {
			query.Set(name, value)
		}
	}
	return query, nil
}

// addOwn adds the projects that the user has a role on. They are no evidence of
// what else there is.
func (c *Client) addOwn(ctx context.Context, all *domainProjects) error {
	var page projectPage
	err := c.get(ctx, c.root, identityOf, call{
		op:  "list the projects that " + c.creds.User() + " has a role on",
		url: c.creds.AuthURL + "/auth/projects",
		use: func(a *answer) (err error) {
			page, err = decodeProjects(a.text)
			return err
		},
	})
	if isStatus(err, http.StatusForbidden) {
		return nil
	}
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, p := range page.projects {
		if seen[p.id] {
			return c.oddList(fmt.Errorf("project %s is there twice", printable.Quote(p.id)), c.creds.AuthURL+"/auth/projects")
		}
		seen[p.id] = true
		if p.domain != c.opts.Domain {
			continue
		}
		if _, ok := all.byID[p.id]; ok {
			continue
		}
		if err := all.add([]project{p}); err != nil {
			return c.oddList(err, c.creds.AuthURL+"/auth/projects")
		}
	}
	return nil
}

// projectOfKey finds the project that a key of the configuration means. A key in the
// form of an id is never a name: a name can be chosen by anybody.
func (c *Client) projectOfKey(ctx context.Context, domain *domainProjects, key string) (exports.Project, error) {
	if p, ok := domain.byID[key]; ok {
		return shown(p), nil
	}
	if exports.IsProjectID(key) {
		return c.projectOfID(ctx, domain, key)
	}
	if p, ok := domain.byName[key]; ok {
		return shown(p), nil
	}
	byID := exports.Project{Sight: exports.Absent}
	if isID.MatchString(key) {
		var err error
		byID, err = c.askForID(ctx, key)
		switch {
		case isStatus(err, http.StatusForbidden) && domain.complete:
			// There is no project of that name, and nothing is known of the id.
		case isStatus(err, http.StatusForbidden):
			byID = exports.Project{Why: err.Error()}
		case err != nil, byID.Sight == exports.Shown, domain.complete:
			return byID, err
		}
	}
	if domain.complete {
		return domain.missing(), nil
	}
	byName, err := c.askForName(ctx, domain, key)
	if byName.Sight == exports.Absent && byID.Sight == exports.Hidden {
		return byID, err
	}
	return byName, err
}

// projectOfID finds a project by its id alone.
func (c *Client) projectOfID(ctx context.Context, domain *domainProjects, id string) (exports.Project, error) {
	if p, ok := domain.byID[id]; ok {
		return shown(p), nil
	}
	// The list proves that a project is gone only if somebody has seen it in this domain.
	gone := domain.complete && domain.of[id] == c.opts.Domain
	if !isID.MatchString(id) && !gone {
		return exports.Project{Why: "not listed, and no id to ask for, " + domain.why}, nil
	}
	if !isID.MatchString(id) {
		return domain.missing(), nil
	}
	found, err := c.askForID(ctx, id)
	// A reader of the domain gets 403 for a project that does not exist, and for one
	// of another domain.
	if isStatus(err, http.StatusForbidden) {
		if gone {
			return domain.missing(), nil
		}
		return exports.Project{Why: err.Error()}, nil
	}
	return found, err
}

// missing is a project of which nothing is known but that it is not listed.
func (p *domainProjects) missing() exports.Project {
	if p.complete {
		return exports.Project{Sight: exports.Absent, Why: "not in the complete list, " + p.why}
	}
	return exports.Project{Sight: exports.Hidden, Why: "not listed, " + p.why}
}

// isID is what can be a project's id and be asked for in a path. Keystone makes ids of
// 32 hexadecimal digits; other tools make others.
var isID = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`)

func shown(p project) exports.Project {
	return exports.Project{Sight: exports.Shown, ID: p.id, Name: p.name, Domain: p.domain, Enabled: p.enabled}
}

// askForID asks for one project. A project of another domain is hidden.
func (c *Client) askForID(ctx context.Context, id string) (exports.Project, error) {
	var found exports.Project
	err := c.get(ctx, c.root, identityOf, call{
		op:  "look up project " + printable.Quote(id),
		url: c.creds.AuthURL + "/projects/" + url.PathEscape(id),
		ok:  []int{http.StatusOK, http.StatusNotFound},
		use: func(a *answer) error {
			if a.Status == http.StatusNotFound {
				// Any proxy can say 404. Keystone says what it could not find.
				if !hasWord(cloudMessage(a.text), id) {
					return errors.New("it is a 404, but not Keystone's for this project")
				}
				found = exports.Project{Sight: exports.Absent, Why: a.String()}
				return nil
			}
			p, ok, err := decodeProject(a.text)
			switch {
			case err != nil:
				return err
			case !strings.EqualFold(p.id, id):
				return fmt.Errorf("it is project %s", printable.Quote(p.id))
			case !ok || p.id != id:
				// A domain, or another id to all but a database that does not
				// tell capital letters from small ones.
				found = exports.Project{Sight: exports.Absent, Why: a.String()}
			case p.domain != c.opts.Domain:
				found = exports.Project{Why: fmt.Sprintf("it is of domain %s and not of %s, %s",
					printable.Quote(p.domain), printable.Quote(c.opts.Domain), a)}
			default:
				found = shown(p)
			}
			return nil
		},
	})
	return found, err
}

// hasWord reports whether a message has a word, perhaps with a mark behind it: one that
// quotes a path has not.
func hasWord(message, word string) bool {
	return slices.ContainsFunc(strings.Fields(message), func(w string) bool { return w == word || strings.TrimRight(w, ".,:;") == word })
}

// askForName asks for the project of a name in the domain.
func (c *Client) askForName(ctx context.Context, domain *domainProjects, name string) (exports.Project, error) {
	query := url.Values{"domain_id": {c.opts.Domain}, "name": {name}}
	var found exports.Project
	err := c.get(ctx, c.root, identityOf, call{
		op:  "look up the project of the name " + printable.Quote(name),
		url: c.creds.AuthURL + "/projects?" + query.Encode(),
		use: func(a *answer) error {
			page, err := c.domainPage(a)
			if err != nil {
				return err
			}
			found = exports.Project{Sight: exports.Absent, Why: a.String()}
			if page.truncated || page.next != "" || !domain.exists {
				found.Sight = exports.Hidden
			}
			matches := 0
			for _, p := range page.projects {
				if p.name == name {
					found = shown(p)
					matches++
				}
			}
			if matches > 1 {
				return fmt.Errorf("%d projects have the name", matches)
			}
			return nil
		},
	})
	if isStatus(err, http.StatusForbidden) {
		return exports.Project{Why: err.Error()}, nil
	}
	return found, err
}
