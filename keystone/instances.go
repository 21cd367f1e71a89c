package keystone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

const (
	// maxPages is where a listing is taken for one without an end.
	maxPages = 10000
	// listings is how often a listing begins anew because the instance that the
	// next page is asked for by was deleted meanwhile.
	listings = 3
	// maxPerProjectFirst is how many projects are tried with a token for each of
	// them first.
	// Where each fits on a page, that takes no more requests than to look for cells
	// twice, and Nova does not list a whole region for it.
	maxPerProjectFirst = 2
)

// listInstances gives all instances of the projects, which are by id, in the
// regions, of which none are all. The result is by project id, each list in order of region and id.
//
// Nova leaves instances in a cell that is down out of an ordinary answer. It
// tells of them, as stubs with the status UNKNOWN, only with microversion 2.69
// or later, without any parameter but all_tenants, and as long as the page is
// not full (servers.py, _is_cell_down_supported, and compute/api.py, get_all).
// So what a listing lacks has to be proved absent by requests of that form.
func (c *Client) listInstances(ctx context.Context, projects map[string]exports.Project, regions []string) (map[string][]exports.Instance, error) {
	result := map[string][]exports.Instance{}
	if len(projects) == 0 {
		return result, nil
	}
	var err error
	if len(regions) == 0 {
		if regions, err = c.findRegions(ctx); err != nil {
			return nil, err
		}
	}
	var served []exports.Project
	for _, p := range projects {
		served = append(served, p)
	}
	slices.SortFunc(served, func(a, b exports.Project) int { return cmp.Compare(a.ID, b.ID) })

	var listed [][]exports.Instance
	if c.opts.Listing == exports.ListingAuto && len(served) <= maxPerProjectFirst && !c.creds.scope.system && !c.together {
		// All projects at once, and check, go by this catalog. That it has a Nova is
		// not to matter less the fewer projects are served.
		for _, region := range regions {
			if _, err := c.nova(c.root, region); err != nil {
				return nil, err
			}
		}
		if listed, err = c.listPerProject(ctx, regions, served, c.rescopeOnce); !asksTooMuch(err) {
			return byProject(served, listed), err
		}
		c.opts.Log.InfoContext(ctx, "listing all projects at once", "because", err.Error())
	}
	c.together = true
	var refusal error // of the first way
	if c.opts.Listing != exports.ListingPerProject {
		listed, err = c.listAllProjects(ctx, regions, served)
		c.shownAll = err == nil
		refused, ok := errors.AsType[*RefusedError](err)
		if c.opts.Listing == exports.ListingAllProjects || !ok || refused.Status == http.StatusUnauthorized {
			return byProject(served, listed), err
		}
		c.opts.Log.InfoContext(ctx, "listing each project with a token for it", "because", err.Error())
		refusal = err
	}
	listed, err = c.listPerProject(ctx, regions, served, c.rescope)
	if _, too := errors.AsType[*RefusedError](err); too && refusal != nil {
		// Either would do, and who reads this knows which of them was meant to.
		err = fmt.Errorf("%w; all projects at once were refused before that: %w", err, refusal)
	}
	return byProject(served, listed), err
}

// asksTooMuch tells whether an error is about what is needed for a token for each
// project alone: roles, and a Nova in the catalog of each.
func asksTooMuch(err error) bool {
	_, refused := errors.AsType[*RefusedError](err)
	_, nowhere := errors.AsType[*endpointsError](err)
	return refused || nowhere || isTokenLost(err)
}

// byProject joins the listings, of which each project has one for each region.
func byProject(served []exports.Project, listed [][]exports.Instance) map[string][]exports.Instance {
	result := map[string][]exports.Instance{}
	for i, instances := range listed {
		id := served[i%len(served)].ID
		if result[id] == nil {
			result[id] = instances // without a copy, in a cloud of one region
		} else {
			result[id] = append(result[id], instances...)
		}
	}
	for _, instances := range result {
		slices.SortFunc(instances, func(a, b exports.Instance) int {
			return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.ID, b.ID))
		})
	}
	return result
}

// nova is Nova in a region, for the holder of one token.
type nova struct {
	client  *Client
	session *session
	region  string
	url     string
}

func (c *Client) nova(s *session, region string) (nova, error) {
	t, err := s.current()
	if err != nil {
		return nova{}, err
	}
	text, err := c.computeURL(t, region)
	return nova{c, s, region, text}, err
}

// listAllProjects lists with all_tenants and project_id. Cells are looked at
// before and after. The result has len(served) listings for each region.
func (c *Client) listAllProjects(ctx context.Context, regions []string, served []exports.Project) ([][]exports.Instance, error) {
	listed := make([][]exports.Instance, len(regions)*len(served))
	err := parallel(ctx, len(regions), func(ctx context.Context, r int) error {
		n, err := c.nova(c.root, regions[r])
		if err != nil {
			return err
		}
		if err := n.probeAll(ctx); err != nil {
			return err
		}
		err = parallel(ctx, len(served), func(ctx context.Context, i int) error {
			query := url.Values{"all_tenants": {"1"}, "project_id": {served[i].ID}}
			var err error
			listed[r*len(served)+i], err = n.list(ctx, served[i], query, allPages)
			return err
		})
		if err != nil {
			return err
		}
		return n.probeAll(ctx)
	})
	return listed, err
}

// tokenFor is how to get a token for a project with that of a session.
type tokenFor func(ctx context.Context, with *session, p exports.Project) (*token, error)

// listPerProject lists with a token for each project, which ask gets. The result is
// as listAllProjects has it.
func (c *Client) listPerProject(ctx context.Context, regions []string, served []exports.Project, ask tokenFor) ([][]exports.Instance, error) {
	listed := make([][]exports.Instance, len(regions)*len(served))
	first, err := c.forRescoping(ctx)
	if err != nil {
		return nil, err
	}
	err = parallel(ctx, len(served), func(ctx context.Context, i int) error {
		s, err := c.projectSession(ctx, first, served[i], ask)
		if err != nil {
			return err
		}
		return parallel(ctx, len(regions), func(ctx context.Context, r int) error {
			n, err := c.nova(s, regions[r])
			if err != nil {
				return err
			}
			listed[r*len(served)+i], err = n.listOwn(ctx, served[i])
			return err
		})
	})
	return listed, err
}

// projectSession is a session for a project: the first one, where it is for that
// project.
func (c *Client) projectSession(ctx context.Context, first *session, p exports.Project, ask tokenFor) (*session, error) {
	t, err := first.current()
	if err != nil {
		return nil, err
	}
	if t.projectID == p.ID {
		return first, nil
	}
	if c.creds.application.given() {
		return nil, &RefusedError{
			Exchange{Op: fmt.Sprintf("get a token for project %s (%s)", printable.Quote(p.Name), printable.Plain(p.ID)),
				Method: http.MethodPost, URL: c.creds.AuthURL + "/auth/tokens", As: c.creds.String()},
			fmt.Errorf("an application credential is for its own project alone, here %s", printable.Quote(t.projectID)),
			"use a user and password with a role on each project, or give the application credential the right to list the " +
				"instances of all projects (os_compute_api:servers:detail:get_all_tenants)",
		}
	}
	s := &session{login: func(ctx context.Context) (*token, error) { return c.rescope(ctx, first, p) }}
	if s.token, err = ask(ctx, first, p); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.projects[p.ID] = s
	return s, nil
}

// listOwn lists the project of the session. The first request has no parameter,
// so that its answer shows every instance in a cell that is down: of itself it
// proves the listing, unless the page is full.
func (n nova) listOwn(ctx context.Context, p exports.Project) ([]exports.Instance, error) {
	instances, err := n.list(ctx, p, nil, onePage)
	if !errors.Is(err, errFullPage) {
		return instances, err
	}
	why := fmt.Sprintf("project %s (%s) has more instances than Nova puts on a page", printable.Quote(p.Name), printable.Plain(p.ID))
	if err := n.probeServices(ctx, why); err != nil {
		return nil, err
	}
	if instances, err = n.list(ctx, p, nil, allPages); err != nil {
		return nil, err
	}
	return instances, n.probe(ctx, "/servers/detail", true, ownNext, why)
}

const ownNext = "allow os_compute_api:servers:detail to those with a role on the project"

// extent is how much a listing reads.
type extent int

const (
	allPages extent = iota
	onePage         // and errFullPage if there are more
)

var (
	errFullPage   = errors.New("there is more than one page")
	errMarkerGone = errors.New("the instance that the next page is asked for by is gone")
)

// list gives all instances of a project in a region.
func (n nova) list(ctx context.Context, p exports.Project, query url.Values, how extent) ([]exports.Instance, error) {
	for i := 1; ; i++ {
		instances, err := n.listOnce(ctx, p, query, how)
		if !errors.Is(err, errMarkerGone) {
			return instances, err
		}
		if refused, ok := errors.AsType[*UntrustedError](err); ok && i == listings {
			refused.Err = fmt.Errorf("%d listings ended before a page that was refused: %w", listings, refused.Err)
			return nil, refused
		}
	}
}

// listOnce reads pages until one is empty. A short page is not the end: Nova
// takes doubled instances out of a page after it has counted them.
func (n nova) listOnce(ctx context.Context, p exports.Project, query url.Values, how extent) ([]exports.Instance, error) {
	op := fmt.Sprintf("list the instances of project %s (%s) in region %s", printable.Quote(p.Name), printable.Plain(p.ID), printable.Quote(n.region))
	right := ownNext
	if query.Has("all_tenants") {
		right = n.allTenantsNext()
	}
	var instances []exports.Instance
	seen := map[string]bool{}
	next := url.Values{}
	maps.Copy(next, query)
	linked := false // the page before had a link to this one
	for range maxPages {
		path := "/servers/detail"
		if len(next) > 0 {
			path += "?" + next.Encode()
		}
		marker := next.Get("marker")
		page, err := n.page(ctx, op, path, true, right)
		switch {
		case marker != "" && isStatus(err, http.StatusBadRequest):
			return nil, fmt.Errorf("%w: %w", errMarkerGone, err)
		case err != nil:
			return nil, err
		case len(page.servers) == 0 && linked:
			linked = false // a link to nothing: ask again
			continue
		case len(page.servers) == 0:
			return instances, nil
		}
		linked = page.full
		instances = slices.Grow(instances, len(page.servers))
		for _, s := range page.servers {
			switch {
			case s.projectID != p.ID && query.Has("all_tenants"):
				return nil, n.notFiltered(op, path)
			case s.projectID != p.ID:
				return nil, n.odd(op, path, fmt.Errorf("instance %s is of project %s", printable.Quote(s.ID), printable.Quote(s.projectID)))
			case seen[s.ID]:
				return nil, n.odd(op, path, fmt.Errorf("instance %s is there twice", printable.Quote(s.ID)))
			}
			seen[s.ID] = true
			instances = append(instances, s.Instance)
		}
		if how == onePage && (page.full || marker != "") {
			return nil, errFullPage
		}
		next.Set("marker", page.servers[len(page.servers)-1].ID)
	}
	return nil, n.odd(op, "/servers/detail", fmt.Errorf("after %d pages there is still no end", maxPages))
}

// page makes one request for a page of servers, and takes no stub.
func (n nova) page(ctx context.Context, op, path string, detail bool, next string) (page serverPage, err error) {
	err = n.client.get(ctx, n.session, computeOf, call{
		op:   op,
		url:  n.url + path,
		next: next,

		stream: true,
		use: func(a *answer) (err error) {
			// An older Nova, or a proxy that drops the header, shows no stubs.
			if err := sameMicroversion(a.header); err != nil {
				return err
			}
			if page, err = decodeServers(a.body, n.region, detail); err != nil {
				return err
			}
			if page.stubs > 0 {
				return n.cellDown(a.Exchange, count(page.stubs, "instance"))
			}
			return nil
		},
	})
	return page, err
}

// allTenantsNext is what to do where Nova refuses to list all projects.
func (n nova) allTenantsNext() string {
	if n.client.creds.scope.system {
		return "Nova takes no token for the system where [oslo_policy] enforce_scope is on: log in for a project on which the user " +
			"may list all projects, or set openstack.listing to per-project, log in for a project, and give the user a role on each"
	}
	return "allow os_compute_api:servers:index and :detail, and :index:get_all_tenants and :detail:get_all_tenants, " +
		"or set openstack.listing to per-project and give the user a role on each project"
}

func sameMicroversion(header http.Header) error {
	if isOfMicroversion(header, microversion) {
		return nil
	}
	return fmt.Errorf("it does not say that it is of microversion %s, so that it may hide cells that are down", microversion)
}

func isOfMicroversion(header http.Header, version string) bool {
	return slices.Contains(header.Values("OpenStack-API-Version"), "compute "+version)
}

func (n nova) exchange(op, path string) Exchange {
	return Exchange{Op: op, Method: http.MethodGet, URL: printable.Plain(n.url + path), As: n.client.creds.String(), Status: http.StatusOK}
}

func (n nova) odd(op, path string, err error) error {
	return &UntrustedError{n.exchange(op, path), fmt.Errorf("the answer cannot be trusted: %w", err), brokenCloud}
}

// notFiltered is about Nova passing over project_id, as it does for those who
// may not filter by it.
func (n nova) notFiltered(op, path string) error {
	return &RefusedError{n.exchange(op, path), errors.New("project_id was passed over: Nova listed another project"),
		"allow os_compute_api:servers:allow_all_filters, or set openstack.listing to per-project"}
}
