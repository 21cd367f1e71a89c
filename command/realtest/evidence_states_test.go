//go:build real

package realtest

// evidenceKinds are the kinds of token, in the order of the columns of evidenceGroups. The instances are in project tools.
var evidenceKinds = []struct {
	name, user string
	scope      string // system, domain, or the name of a project
	listsAll   bool   // Nova's policy lets everybody list the instances of all projects
}{
	{name: "reader of the project", user: "observer", scope: "tools"},
	{name: "reader of another project", user: "observer", scope: "maps"},
	{name: "reader of another project, listed by policy", user: "observer", scope: "maps", listsAll: true},
	{name: "admin of another project", user: "boss", scope: "admin"},
	{name: "admin of the system", user: "auditor", scope: "system"},
	{name: "admin of the domain", user: "chief", scope: "domain"},
	{name: "reader of the system", user: "clerk", scope: "system"},
	{name: "reader of the domain", user: "steward", scope: "domain"},
}

// evidenceGroup has states that can be there at the same time.
type evidenceGroup struct {
	name       string
	begin, end [][]string // requests to the cloud, when the instances are in their states
	states     []evidenceState
	hidesAll   bool // Nova shows no instance to anybody
}

// evidenceState is a state of one instance of project tools.
type evidenceState struct {
	name   string
	id     string     // what to ask for, if it is not the id of the instance
	cell   string     // "" is cell1
	change [][]string // requests to the cloud; ID stands for the id of the instance
	shows  string     // the status by id
	// listed is the status in the list of the project, and in that of all projects; "" if neither has the instance, "500"
	// if there is no list.
	listed string
	// old and new are the HTTP statuses by id with the microversions 2.1 and 2.69, in the order of evidenceKinds.
	old, new string
}

// evidenceGroups is the table of what Nova 26.2 answers. The lines of a row stand below each other.
//
// With 2.1 a 404 always means that the instance is gone, to the first column and to admins, with one exception: the
// instance has no mapping to its cell.
//
// Nova's database refuses the readers of the system and the domain inside the cell, and Nova takes that for a failure of
// the cell. With 2.1 it is a 500. With 2.69 it answers as if the cell were down, so these readers get a 404 for a living
// instance that is queued for deletion or has no request spec.
func evidenceGroups() []evidenceGroup {
	cellDown := func(name string, change ...[]string) evidenceState {
		return evidenceState{name: name, cell: "cell2", change: change,
			old: "500 500 500 500 500 500 500 500",
			new: "404 404 404 404 404 404 404 404"}
	}
	there := cellDown("there")
	there.shows, there.listed, there.new = "UNKNOWN", "UNKNOWN", "200 403 403 200 200 200 403 403"
	bare := cellDown("there, no request spec", []string{"remove-request-spec", "ID"})
	bare.listed = "UNKNOWN"
	return []evidenceGroup{
		{name: "everything is up", states: evidenceUp()},
		{
			name:  "the cell is down",
			begin: [][]string{{"cell-down", "cell2"}},
			end:   [][]string{{"cell-up", "cell2"}},
			states: []evidenceState{
				there,
				bare,
				cellDown("being deleted", []string{"set-state", "ID", "active", "deleting"}, []string{"queue-for-delete", "ID"}),
				cellDown("deleted", []string{"delete-instance", "ID"}),
			},
		},
		{
			name:  "policy lets only admins show",
			begin: [][]string{{"policy", "nova", "os_compute_api:servers:show", "role:admin"}},
			end:   [][]string{{"policy", "nova", "os_compute_api:servers:show"}},
			states: []evidenceState{
				{name: "there", shows: "ACTIVE", listed: "ACTIVE",
					old: "403 404 404 200 200 200 500 500",
					new: "403 404 404 200 200 200 403 403"},
				{name: "deleted", change: [][]string{{"delete-instance", "ID"}},
					old: "404 404 404 404 404 404 500 500",
					new: "404 404 404 404 404 404 404 404"},
			},
		},
		{
			name:     "Neutron is away",
			begin:    [][]string{{"stop", "neutron"}},
			end:      [][]string{{"start", "neutron"}},
			hidesAll: true,
			states: []evidenceState{
				{name: "there", listed: "500",
					old: "500 404 404 500 500 500 500 500",
					new: "500 404 404 500 500 500 403 403"},
				{name: "deleted", change: [][]string{{"delete-instance", "ID"}}, listed: "500",
					old: "404 404 404 404 404 404 500 500",
					new: "404 404 404 404 404 404 404 404"},
			},
		},
	}
}

// evidenceUp is the part of the table where every service answers.
func evidenceUp() []evidenceState {
	there := func(shows string, change ...[]string) evidenceState {
		return evidenceState{name: shows, change: change, shows: shows, listed: shows,
			old: "200 404 404 200 200 200 500 500",
			new: "200 404 404 200 200 200 403 403"}
	}
	gone := func(name, id string, change ...[]string) evidenceState {
		return evidenceState{name: name, id: id, change: change,
			old: "404 404 404 404 404 404 404 404",
			new: "404 404 404 404 404 404 404 404"}
	}
	soft := there("SOFT_DELETED", []string{"set-state", "ID", "soft-delete"})
	soft.listed = ""
	// There is no compute host, so the state stays.
	deleting := there("ACTIVE", []string{"set-state", "ID", "active", "deleting"}, []string{"queue-for-delete", "ID"})
	deleting.name, deleting.new = "being deleted", "200 404 404 200 200 200 404 404"
	bare := there("ACTIVE", []string{"remove-request-spec", "ID"})
	bare.name, bare.new = "no request spec", deleting.new
	deleted := gone("deleted", "", []string{"delete-instance", "ID"})
	deleted.old = "404 404 404 404 404 404 500 500"
	// Gone by id, and there in the list.
	unmapped := gone("no mapping to its cell", "", []string{"remove-mapping", "ID"})
	unmapped.listed = "ACTIVE"
	return []evidenceState{
		there("ACTIVE"),
		there("ERROR", []string{"set-state", "ID", "error"}),
		there("SHELVED_OFFLOADED", []string{"set-state", "ID", "shelved_offloaded"}),
		soft,
		deleting,
		bare,
		deleted,
		gone("deleted and archived", "", []string{"delete-instance", "ID"}, []string{"remove-request-spec", "ID"}, []string{"remove-mapping", "ID"}),
		gone("an id that never was", "00000000-0000-4000-8000-000000000000"),
		gone("an id that is not a UUID", "i-0001"),
		unmapped,
	}
}
