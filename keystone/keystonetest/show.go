package keystonetest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// showInstance answers GET /servers/ID as measured on Nova 26. What a token may not see
// is a 404 like what is not there: Nova searches the project of the token alone, unless
// the caller is an admin or the token is for no project.
func (c *Cloud) showInstance(k *call, r *region, minor int) *answer {
	id := strings.TrimPrefix(k.resource, "servers/")
	i := r.byID[id]
	admin := slices.Contains(k.caller.Roles, "admin")
	own := i != nil && k.caller.Project == i.ProjectID
	noProject := k.caller.Project == "" && !admin
	const policy = "os_compute_api:servers:show"
	switch {
	case noProject && minor < 69 && (i != nil || r.deleted[id]):
		return novaCrash("nova.exception.NovaException")
	case i == nil:
		return novaNoInstance(id)
	case i.cell.down && minor < 69:
		return novaCrash("oslo_db.exception.DBConnectionError")
	case i.cell.down && i.NoRequestSpec:
		return novaNoInstance(id)
	case noProject, i.cell.down && !own && !admin, own && c.settings.Policy.OnlyAdminsShow && !admin:
		return novaForbidden(policy)
	case !own && !admin && !i.Unscheduled: // a build request is read without its project
		return novaNoInstance(id)
	}
	body := i.appendTo([]byte(`{"server":`), k.base+"/compute/"+url.PathEscape(r.id), true, i.cell.down)
	return newAnswer(http.StatusOK, "application/json", append(body, '}'))
}

// novaNoInstance is Nova's 404 for an instance. Its microversion stands in a header.
func novaNoInstance(id string) *answer {
	return novaError(http.StatusNotFound, "Instance "+id+" could not be found.")
}
