package keystonetest

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// identity answers a request to Keystone. The mutex is held.
func (c *Cloud) identity(k *call) *answer {
	switch k.Kind {
	case Version:
		return c.identityVersion(k)
	case LogIn, ReLogIn, Rescope:
		return c.logIn(k)
	}
	t := k.token
	if t == nil {
		return c.unauthorized(k)
	}
	switch k.Kind {
	case Regions:
		return c.listRegions(k)
	case Projects:
		if !c.settings.Policy.ListProjects.allows(k.caller) {
			return keystoneForbidden("identity:list_projects.")
		}
		return c.listProjects(k, c.projects)
	case OneProject:
		return c.getProject(k)
	case AuthProjects:
		// Keystone 22 lists disabled ones too.
		return c.listProjects(k, filter(c.projects, func(p *Project) bool { return len(c.roles[t.user][p.ID]) > 0 }))
	}
	if k.resource == "auth/catalog" && k.Method == http.MethodGet && t.scope() != "" {
		return jsonAnswer(http.StatusOK, map[string]any{"catalog": c.catalog(k.base, t.project), "links": listLinks(k)})
	}
	return notServed(k)
}

func (c *Cloud) identityVersion(k *call) *answer {
	v3 := map[string]any{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []any{map[string]any{"rel": "self", "href": k.base + "/identity/v3/"}},
		"media-types": []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}},
	}
	if k.resource == "versions" {
		return jsonAnswer(http.StatusMultipleChoices, map[string]any{"versions": map[string]any{"values": []any{v3}}})
	}
	return jsonAnswer(http.StatusOK, map[string]any{"version": v3})
}

func (c *Cloud) listRegions(k *call) *answer {
	list := collect(c.regions, func(r *region) any {
		return map[string]any{
			"id": r.id, "description": "", "parent_region_id": nil,
			"links": map[string]any{"self": k.base + "/identity/v3/regions/" + url.PathEscape(r.id)},
		}
	})
	body := map[string]any{"links": listLinks(k)}
	if n := c.settings.ListLimit; n > 0 && len(list) > n {
		list = list[:n]
		body["truncated"] = true
	}
	body["regions"] = list
	return jsonAnswer(http.StatusOK, body)
}

func (c *Cloud) listProjects(k *call, from []*Project) *answer {
	limit := c.settings.ListLimit
	marker := ""
	for name, values := range k.Query {
		switch value := values[0]; name {
		case "name":
			from = filter(from, func(p *Project) bool { return p.Name == value })
		case "domain_id":
			from = filter(from, func(p *Project) bool { return p.DomainID == value })
		case "enabled":
			want := value != "0" && !strings.EqualFold(value, "false")
			from = filter(from, func(p *Project) bool { return p.Disabled != want })
		case "is_domain":
			if value != "0" && !strings.EqualFold(value, "false") {
				from = nil
			}
		case "marker", "limit":
			if !c.settings.KeystonePaging {
				continue
			}
			if name == "marker" {
				marker = value
			} else if n, err := strconv.Atoi(value); err == nil && n > 0 && (limit == 0 || n < limit) {
				limit = n
			}
		default:
			return notServed(k)
		}
	}
	for marker != "" && len(from) > 0 {
		if from[0].ID == marker {
			marker = ""
		}
		from = from[1:]
	}
	links := listLinks(k)
	body := map[string]any{"links": links}
	if limit > 0 && len(from) > limit {
		from = from[:limit]
		body["truncated"] = true
		if c.settings.KeystonePaging {
			q := maps.Clone(k.Query)
			q.Set("marker", from[limit-1].ID)
			q.Set("limit", strconv.Itoa(limit))
			links["next"] = k.base + k.Path + "?" + q.Encode()
		}
	}
	body["projects"] = collect(from, func(p *Project) any { return projectBody(k, p) })
	return jsonAnswer(http.StatusOK, body)
}

// getProject answers 404 only to those who may see every project; to anybody
// else a project that is gone looks like one that he may not see.
func (c *Cloud) getProject(k *call) *answer {
	all := c.settings.Policy.ListProjects.allows(k.caller)
	p := c.project(k.Project)
	switch {
	case !all && (p == nil || k.caller.Project != p.ID):
		return keystoneForbidden("identity:get_project.")
	case p == nil:
		return keystoneError(http.StatusNotFound, "Could not find project: "+k.Project+".")
	}
	return jsonAnswer(http.StatusOK, map[string]any{"project": projectBody(k, p)})
}

func projectBody(k *call, p *Project) map[string]any {
	return map[string]any{
		"id": p.ID, "name": p.Name, "domain_id": p.DomainID, "description": p.Description,
		"enabled": !p.Disabled, "parent_id": p.DomainID, "is_domain": false,
		"tags": []any{}, "options": map[string]any{},
		"links": map[string]any{"self": k.base + "/identity/v3/projects/" + url.PathEscape(p.ID)},
	}
}

func listLinks(k *call) map[string]any {
	self := k.base + k.Path
	if len(k.Query) > 0 {
		self += "?" + k.Query.Encode()
	}
	return map[string]any{"next": nil, "previous": nil, "self": self}
}

func filter[T any](list []T, keep func(T) bool) []T {
	var left []T
	for _, x := range list {
		if keep(x) {
			left = append(left, x)
		}
	}
	return left
}

// catalog is what a scoped token for the project (or "", for the system) holds.
func (c *Cloud) catalog(base, project string) []any {
	entry := func(kind, name string, endpoints func(r *region) []Endpoint) map[string]any {
		list := []any{}
		for _, r := range c.regions {
			for n, e := range endpoints(r) {
				target := strings.NewReplacer("{base}", base, "{project}", project).Replace(e.URL)
				list = append(list, map[string]any{
					"id":        hexID("endpoint", kind+"/"+r.id+"/"+strconv.Itoa(n)),
					"interface": e.Interface, "region": r.id, "region_id": r.id, "url": target,
				})
			}
		}
		return map[string]any{"id": hexID("service", kind), "type": kind, "name": name, "endpoints": list}
	}
	usual := func(path string) func(*region) []Endpoint {
		return func(r *region) []Endpoint {
			target := "{base}" + strings.ReplaceAll(path, "{region}", r.id)
			return []Endpoint{{"public", target}, {"internal", target}, {"admin", target}}
		}
	}
	compute := func(r *region) []Endpoint {
		if r.endpoints != nil {
			return r.endpoints
		}
		return usual("/compute/{region}/v2.1")(r)
	}
	return []any{
		entry("identity", "keystone", usual("/identity")),
		entry("compute", "nova", compute),
		entry("compute_legacy", "nova_legacy", usual("/compute/{region}/v2/{project}")),
		entry("network", "neutron", usual("/network/{region}")),
		entry("image", "glance", usual("/image/{region}")),
		entry("placement", "placement", usual("/placement/{region}")),
	}
}
