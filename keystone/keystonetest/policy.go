package keystonetest

import "slices"

// Caller is who is asking, by the token sent.
type Caller struct {
	User    string // id
	Roles   []string
	Project string // id, of a token with project scope
	System  bool   // a token with system scope
}

// Rule says whether a caller may do something.
type Rule func(Caller) bool

// Policy is the part of policy.yaml that a reader of projects and instances
// meets. A nil rule allows nobody.
type Policy struct {
	ListProjects Rule // Keystone: GET /v3/projects, and GET of any project
	AllTenants   Rule // Nova: all_tenants=1
	AllFilters   Rule // Nova: filters such as project_id are honoured, not ignored
	ListServices Rule // Nova: GET /os-services
	// OnlyAdminsShow is that Nova keeps GET /servers/ID, of one's own project too, for
	// those who hold the role admin.
	OnlyAdminsShow bool
}

// DefaultPolicy lets the role admin on system scope do everything, and anybody
// else nothing beyond the project of his token.
func DefaultPolicy() Policy {
	return Everything(OnSystem("admin"))
}

// Everything has one rule for all lists.
func Everything(r Rule) Policy {
	return Policy{ListProjects: r, AllTenants: r, AllFilters: r, ListServices: r}
}

// OnSystem allows callers with system scope who hold one of the roles.
func OnSystem(roles ...string) Rule {
	return func(c Caller) bool { return c.System && holds(c, roles) }
}

// Anywhere allows callers who hold one of the roles on whatever scope their
// token has: in Nova's default policy, admin on any project is such a rule.
func Anywhere(roles ...string) Rule {
	return func(c Caller) bool { return holds(c, roles) }
}

// Nobody allows no caller.
func Nobody() Rule {
	return func(Caller) bool { return false }
}

func holds(c Caller, roles []string) bool {
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(c.Roles, r) })
}

func (r Rule) allows(c Caller) bool { return r != nil && r(c) }
