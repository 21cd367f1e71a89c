package keystonetest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// compute answers a request to a Nova. The mutex is held.
func (c *Cloud) compute(k *call) *answer {
	r := c.region(k.Region)
	if r == nil {
		return notFound()
	}
	if k.Kind == Version {
		return c.computeVersion(k)
	}
	if strings.HasPrefix(k.resource, "unversioned/") {
		return notFound()
	}
	if k.token == nil {
		a := c.unauthorized(k)
		a.header.Set("WWW-Authenticate", "Keystone uri='"+k.base+"/identity'")
		return a
	}
	minor, bad := c.minor(k)
	var a *answer
	switch {
	case bad != nil:
		a = bad
	case k.inPath != "" && k.inPath != k.caller.Project:
		a = novaError(http.StatusBadRequest, fmt.Sprintf(
			"Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'", k.inPath, cmp.Or(k.caller.Project, "None")))
	case k.Kind == Instances, k.Kind == CellProbe && k.resource != "os-services":
		a = c.listInstances(k, r, minor)
	case k.Kind == CellProbe:
		a = c.listServices(k, r, minor)
	case k.Kind == OneInstance:
		a = c.showInstance(k, r, minor)
	default:
		a = notServed(k)
	}
	if bad == nil {
		a.header.Set("OpenStack-API-Version", "compute 2."+strconv.Itoa(minor))
		a.header.Set("X-OpenStack-Nova-API-Version", "2."+strconv.Itoa(minor))
	}
	a.header["Vary"] = []string{"OpenStack-API-Version", "X-OpenStack-Nova-API-Version"}
	return a
}

func (c *Cloud) computeVersion(k *call) *answer {
	root := k.base + "/compute/" + url.PathEscape(k.Region)
	v := func(id, status, version, minimum string) map[string]any {
		return map[string]any{
			"id": id, "status": status, "version": version, "min_version": minimum, "updated": "2013-07-23T11:33:21Z",
			"links": []any{map[string]any{"rel": "self", "href": root + "/" + id + "/"}},
		}
	}
	v21 := v("v2.1", "CURRENT", "2."+strconv.Itoa(c.settings.MaxMicroversion), "2.1")
	if k.resource == "versions" {
		return jsonAnswer(http.StatusOK, map[string]any{"versions": []any{v("v2.0", "SUPPORTED", "", ""), v21}})
	}
	return jsonAnswer(http.StatusOK, map[string]any{"version": v21})
}

// microversion is what a request asks Nova for, "" if nothing. The newer of the
// two headers wins, as in Nova.
func microversion(h http.Header) string {
	for _, v := range h.Values("OpenStack-API-Version") {
		if service, version, ok := strings.Cut(strings.TrimSpace(v), " "); ok && service == "compute" {
			return version
		}
	}
	return h.Get("X-OpenStack-Nova-API-Version")
}

// minor is the minor number of the microversion to answer with, or the answer
// to a version that this Nova does not have.
func (c *Cloud) minor(k *call) (int, *answer) {
	switch k.Microversion {
	case "":
		return 1, nil
	case "latest":
		return c.settings.MaxMicroversion, nil
	}
	if !regexp.MustCompile(`^[1-9]\d*\.([1-9]\d*|0)$`).MatchString(k.Microversion) {
		return 0, novaError(http.StatusBadRequest, "API Version String "+k.Microversion+
			" is of invalid format. Must be of format MajorNum.MinorNum.")
	}
	digits, two := strings.CutPrefix(k.Microversion, "2.")
	n, err := strconv.Atoi(digits)
	if !two || err != nil || n < 1 || n > c.settings.MaxMicroversion {
		return 0, novaTooNew(k.Microversion, c.settings.MaxMicroversion)
	}
	return n, nil
}

// filters are the parameters of a listing that count for this caller: what he
// may not filter by is dropped without a word.
func (c *Cloud) filters(k *call) url.Values {
	q := maps.Clone(k.Query)
	for _, p := range pagingAndSorting() {
		delete(q, p)
	}
	if !c.settings.Policy.AllFilters.allows(k.caller) {
		for name := range q {
			if !slices.Contains([]string{"all_tenants", "name", "status", "reservation_id", "image", "flavor", "ip", "ip6",
				"changes-since", "changes-before", "tags", "tags-any", "not-tags", "not-tags-any", "locked"}, name) {
				delete(q, name)
			}
		}
	}
	return q
}

func pagingAndSorting() []string { return []string{"limit", "marker", "sort_key", "sort_dir"} }

// filterProject is the project that a listing is for, by its parameters: "" if
// there is none, or if the caller may not say.
func (c *Cloud) filterProject(k *call) string {
	if k.token == nil {
		return ""
	}
	q := c.filters(k)
	if all, err := isTrue(q, "all_tenants"); err != nil || !all {
		return ""
	}
	return cmp.Or(q.Get("project_id"), q.Get("tenant_id"))
}

// listing is one page of instances, or the answer to a request for one that
// cannot be served.
type listing struct {
	refused *answer
	page    []*instance // up to the limit, newest first
	stubs   []*instance // of cells that are down, after the page
	limit   int
	more    bool // there is an instance after the page
}

// list finds a page of instances as Nova does. The rules for cells that are
// down are those of _is_cell_down_supported in nova/api/openstack/compute/
// servers.py and of get_all in nova/compute/api.py.
func (c *Cloud) list(k *call, r *region, minor int) listing {
	refuse := func(a *answer) listing { return listing{refused: a} }
	q := c.filters(k)
	for name := range q {
		if !slices.Contains([]string{"all_tenants", "project_id", "tenant_id", "name", "status"}, name) {
			return refuse(notServed(k))
		}
	}
	if k.Query.Has("sort_key") || k.Query.Has("sort_dir") {
		return refuse(notServed(k))
	}
	from, refused := c.visible(k, r, q)
	if refused != nil {
		return refuse(refused)
	}
	l := listing{limit: c.settings.PageSize}
	if s := k.Query.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return refuse(novaError(http.StatusBadRequest, fmt.Sprintf("Invalid input for query parameters limit. Value: %s.", s)))
		}
		l.limit = min(l.limit, cmp.Or(n, l.limit))
	}
	nameLike, err := regexp.Compile(q.Get("name"))
	if err != nil {
		return refuse(novaError(http.StatusBadRequest, "Invalid regular expression "+q.Get("name")))
	}

	// Stubs are shown only to a request without paging, sorting and filters.
	stubs := minor >= 69 && !slices.ContainsFunc(pagingAndSorting(), k.Query.Has)
	for name := range q {
		stubs = stubs && name == "all_tenants"
	}
	down := slices.ContainsFunc(r.cells, func(c *cell) bool { return c.down })
	if down && !stubs && !c.settings.SkipDownCells {
		return refuse(novaCrash("nova.exception.NovaException"))
	}
	if m := k.Query.Get("marker"); m != "" {
		last := r.byID[m]
		switch {
		case last == nil:
			return refuse(novaNoMarker(m))
		case last.cell.down:
			return refuse(novaCrash("oslo_db.exception.DBConnectionError"))
		}
		from = from[:byAge(from, last.serial)]
	}
	l.fill(from, func(i *instance) bool {
		return nameLike.MatchString(i.Name) &&
			(!q.Has("status") || slices.ContainsFunc(q["status"], func(s string) bool { return strings.EqualFold(s, i.Status) }))
	})
	if stubs {
		l.addStubs(r, from)
	}
	return l
}

// visible lists the instances that a listing chooses from, oldest first.
func (c *Cloud) visible(k *call, r *region, q url.Values) ([]*instance, *answer) {
	all, err := isTrue(q, "all_tenants")
	project := k.caller.Project
	switch {
	case err != nil:
		return nil, novaError(http.StatusBadRequest, err.Error())
	case all && !c.settings.Policy.AllTenants.allows(k.caller):
		list := "index"
		if k.resource == "servers/detail" {
			list = "detail"
		}
		return nil, novaForbidden("os_compute_api:servers:" + list + ":get_all_tenants")
	case all:
		if project = cmp.Or(q.Get("project_id"), q.Get("tenant_id")); project == "" {
			return r.instances, nil
		}
	case project == "":
		return nil, nil // a token without a project sees its user's own instances
	}
	return r.byProject[project], nil
}

// fill makes the page of the newest instances.
func (l *listing) fill(from []*instance, keep func(*instance) bool) {
	for _, i := range slices.Backward(from) {
		if i.cell.down || i.Status == softDeleted || !keep(i) {
			continue
		}
		if l.more = len(l.page) == l.limit; l.more {
			return
		}
		l.page = append(l.page, i)
	}
}

func (l *listing) addStubs(r *region, from []*instance) {
	for _, cell := range r.cells {
		for _, i := range from {
			if cell.down && i.cell == cell && i.Status != softDeleted && len(l.page)+len(l.stubs) < l.limit {
				l.stubs = append(l.stubs, i)
			}
		}
	}
}

func (c *Cloud) listInstances(k *call, r *region, minor int) *answer {
	l := c.list(k, r, minor)
	if l.refused != nil {
		return l.refused
	}
	detail := k.resource == "servers/detail"
	root := k.base + "/compute/" + url.PathEscape(r.id)
	body := make([]byte, 0, 3000*(len(l.page)+1))
	body = append(body, `{"servers":[`...)
	for n, i := range slices.Concat(l.page, l.stubs) {
		if n > 0 {
			body = append(body, ',')
		}
		body = i.appendTo(body, root, detail, n >= len(l.page))
		if n+1 == l.limit {
			q := maps.Clone(k.Query)
			q.Set("marker", i.ID)
			body = append(body, `],"servers_links":[{"rel":"next","href":`...)
			body = append(append(body, encode(k.base+k.Path+"?"+q.Encode(), true)...), '}')
		}
	}
	return newAnswer(http.StatusOK, "application/json", append(body, "]}"...))
}

// listServices answers GET /os-services. The hosts of a cell that is down are
// UNKNOWN from 2.69 on, and missing before.
func (c *Cloud) listServices(k *call, r *region, minor int) *answer {
	if !c.settings.Policy.ListServices.allows(k.caller) {
		return novaForbidden("os_compute_api:os-services:list")
	}
	list := []any{}
	add := func(binary, host, zone string, down bool) {
		q := k.Query
		if q.Has("binary") && q.Get("binary") != binary || q.Has("host") && q.Get("host") != host {
			return
		}
		if down {
			if minor >= 69 {
				list = append(list, map[string]any{"binary": binary, "host": host, "status": "UNKNOWN"})
			}
			return
		}
		list = append(list, map[string]any{
			"id": dashed(hexID("service", binary+"/"+host)), "binary": binary, "host": host, "zone": zone,
			"status": "enabled", "state": "up", "updated_at": "2025-01-02T03:04:05.000000",
			"disabled_reason": nil, "forced_down": false,
		})
	}
	add("nova-scheduler", "controller1", "internal", false)
	for _, cell := range r.cells {
		if !cell.down {
			add("nova-conductor", "conductor-"+cell.name, "internal", false)
		}
		for _, h := range cell.hosts {
			add("nova-compute", h, "nova", cell.down)
		}
	}
	return jsonAnswer(http.StatusOK, map[string]any{"services": list})
}

// isTrue reads a boolean parameter as Nova does: present without a value is true.
func isTrue(q url.Values, name string) (bool, error) {
	if !q.Has(name) {
		return false, nil
	}
	switch v := q.Get(name); strings.ToLower(v) {
	case "", "1", "t", "true", "on", "y", "yes":
		return true, nil
	case "0", "f", "false", "off", "n", "no":
		return false, nil
	default:
		//lint:ignore ST1005 this is Nova's text
		return false, fmt.Errorf("Unrecognized value '%s', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', "+
			"'off', 'on', 't', 'true', 'y', 'yes'", v)
	}
}
