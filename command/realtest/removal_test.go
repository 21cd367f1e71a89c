//go:build real

package realtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/render"
)

// removalBed is a file server for two more projects in the cloud of an evidenceBed. Its exports file has lines for three
// instances of web and one of wiki. Then one of web was deleted, and wiki got another one. So each run has a line to
// remove, if the removal is proved, and one to add.
type removalBed struct {
	*realBed
	evidence *evidenceBed
	before   string            // the exports file that the first apply wrote
	ids      map[string]string // of projects and instances, by name
	names    map[string]string // by id
}

// testRealRemovals runs the built program with lines whose instances are in no list.
func testRealRemovals(t *testing.T, evidence *evidenceBed) {
	b := newRemovalBed(t, evidence)
	for _, test := range []struct {
		name string
		rows []removalRow
	}{
		{"by the log-in", removalLogins()},
		{"by the id in the line", removalLines()},
		{"by the state of the cell", removalCells()},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, row := range test.rows {
				t.Run(row.name, func(t *testing.T) { b.checkRow(t, row) })
			}
		})
	}
}

func newRemovalBed(t *testing.T, evidence *evidenceBed) *removalBed {
	t.Helper()
	b := &removalBed{
		realBed:  &realBed{binary: os.Getenv(realBinary), cloud: evidence.cloud, proxy: &realProxy{}},
		evidence: evidence,
		ids:      map[string]string{},
		names:    map[string]string{},
	}
	var config strings.Builder
	config.WriteString("private:\n")
	for i, name := range []string{"web", "wiki"} {
		b.ids[name] = b.cloud.ask(t, []string{"add-project", name})
		b.cloud.ask(t, []string{"add-role", "observer", "reader", name})
		makeReal(t, "/srv/"+name)
		fmt.Fprintf(&config, "  %s: {gid: %d, mounts: {home: '%s:/srv/%s'}}\n", name, 50600+i, realHomeHost, name)
	}
	writeReal(t, realConfig, config.String(), 0o644)
	b.writeClouds(t)
	b.add(t, "web", "stays", "cell1", "10.1.0.1")
	b.add(t, "web", "deleted", "cell1", "10.1.0.2")
	b.add(t, "web", "in-cell2", "cell2", "10.1.0.3")
	b.add(t, "wiki", "page", "cell1", "10.1.0.4")
	if got := b.start(t, "apply", "--os-cloud=reader"); got.status != 0 {
		t.Fatalf("the first apply: exit status %d", got.status)
	}
	b.before = readReal(t, realExportsFile)
	b.cloud.ask(t,
		[]string{"delete-instance", b.ids["deleted"]},
		// It has no line. An admin is shown its stub while the cell is down.
		[]string{"add-instance", evidence.projects["maps"], "map", "cell2", "10.1.0.9"})
	b.add(t, "wiki", "new", "cell1", "10.1.0.5")
	return b
}

func (b *removalBed) add(t *testing.T, project, name, cell, address string) {
	t.Helper()
	id := b.cloud.ask(t, []string{"add-instance", b.ids[project], name, cell, address})
	b.ids[name], b.names[id] = id, name
}

// writeClouds writes a clouds.yaml with every log-in of the tables.
func (b *removalBed) writeClouds(t *testing.T) {
	t.Helper()
	url := b.cloud.endpoints.AuthURL
	var clouds strings.Builder
	clouds.WriteString("clouds:\n")
	for _, cloud := range []struct{ name, user, scope string }{
		{"reader", "observer", "project_name: nfs, project_domain_id: default"},
		{"stranger", "stranger", "project_name: maps, project_domain_id: default"},
		{"admin", "boss", "project_name: admin, project_domain_id: default"},
		{"domain-admin", "chief", "domain_id: default"},
		{"system-admin", "auditor", "system_scope: all"},
		{"system-reader", "clerk", "system_scope: all"},
	} {
		fmt.Fprintf(&clouds, "  %s: {auth: {auth_url: %s, username: %s, password: %q, user_domain_id: default, %s}}\n",
			cloud.name, url, cloud.user, realPassword, cloud.scope)
	}
	for _, cloud := range []struct{ name, user, project string }{
		{"application-of-reader", "observer", "nfs"},
		{"application-of-reader-for-web", "observer", "web"},
		{"application-of-admin", "boss", "admin"},
	} {
		var made struct{ ID, Secret string }
		text := b.cloud.ask(t, []string{"add-application-credential", cloud.user, realPassword, cloud.project})
		if err := json.Unmarshal([]byte(text), &made); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&clouds, "  %s: {auth_type: v3applicationcredential, auth: {auth_url: %s, application_credential_id: %s, application_credential_secret: %s}}\n",
			cloud.name, url, made.ID, made.Secret)
	}
	makeReal(t, "/etc/openstack")
	writeReal(t, realClouds, clouds.String(), 0o600)
}

// removalRow is one run of apply, and what is right for it.
type removalRow struct {
	name     string
	login    string     // a cloud of writeClouds
	listsAll bool       // as in evidenceLogins
	change   [][]string // of the instance in cell2, as in evidenceState
	cellDown bool       // cell2 is down
	// address is the client of a line with a wrong id: that of the instance with the name names, or else names itself.
	address, names string
	edited         bool // the wrong id was written by hand, so the digest of the file is wrong too
	plan           bool // run plan first, which takes a second
	status         int
	says           string // a pattern
	// want has the lines of the exports file after apply: path, address and name of the instance. It is nil if apply
	// changes nothing.
	want []string
}

// The places after an apply that carries out what it may.
var (
	removalDone = []string{"/srv/web 10.1.0.1 stays", "/srv/web 10.1.0.3 in-cell2", "/srv/wiki 10.1.0.4 page", "/srv/wiki 10.1.0.5 new"}
	// removalFrozen still has the line of the deleted instance, and the other project has its addition.
	removalFrozen = []string{"/srv/web 10.1.0.1 stays", "/srv/web 10.1.0.2 deleted", "/srv/web 10.1.0.3 in-cell2", "/srv/wiki 10.1.0.4 page", "/srv/wiki 10.1.0.5 new"}
)

const (
	removalGone     = `(?m)^remove /srv/web 10\.1\.0\.2 of "web": instance-gone; unknown if mounted$`
	removalUnproved = `warn: frozen: unproved: /srv/web for 10\.1\.0\.2 of project "web", instance "[^"]+": .*`
)

// removalLogins has a row for every kind of user, about the line of the deleted instance.
func removalLogins() []removalRow {
	return []removalRow{
		{name: "reader of the project", login: "reader", plan: true, says: removalGone, want: removalDone},
		{name: "reader of the project, listed by policy", login: "reader", listsAll: true, says: removalGone, want: removalDone},
		{name: "admin of another project", login: "admin", says: removalGone, want: removalDone},
		{name: "admin of the domain", login: "domain-admin", says: removalGone, want: removalDone},
		{name: "admin of the system", login: "system-admin", says: removalGone, want: removalDone},
		{name: "application credential of an admin", login: "application-of-admin", says: removalGone, want: removalDone},
		// Keystone does not exchange its token for one for another project.
		{name: "application credential for the project, listed by policy", login: "application-of-reader-for-web", listsAll: true,
			says: removalGone, want: removalDone},
		{name: "application credential for another project, listed by policy", login: "application-of-reader", listsAll: true,
			status: 79, says: removalUnproved + `HTTP 404`, want: removalFrozen},
		{name: "application credential for another project", login: "application-of-reader", status: 77,
			says: `an application credential is for its own project alone`},
		{name: "no role, listed by policy", login: "stranger", listsAll: true, plan: true, status: 79, says: removalUnproved + `HTTP 404`, want: removalFrozen},
		{name: "no role", login: "stranger", status: 77, says: `project-hidden: .*"web": .*identity:list_projects`},
		{name: "reader of the system", login: "system-reader", status: 77, says: `refused .*index:get_all_tenants`},
		{name: "reader of the system, listed by policy", login: "system-reader", listsAll: true, status: 79, says: removalUnproved + `HTTP 500`, want: removalFrozen},
	}
}

// removalLines has a row for every kind of wrong id in a line.
func removalLines() []removalRow {
	const never = "00000000-0000-4000-8000-000000000000"
	return []removalRow{
		// To a token for the line's project the instance is not there. An admin is shown that it is of another project,
		// which proves nothing.
		{name: "of another project, asked by a reader", login: "reader", address: "10.1.0.2", names: "page", says: removalGone, want: removalDone},
		{name: "of another project, asked by an admin", login: "admin", address: "10.1.0.2", names: "page",
			status: 79, says: removalUnproved + `the instance is of project`,
			want: []string{"/srv/web 10.1.0.1 stays", "/srv/web 10.1.0.2 page", "/srv/web 10.1.0.3 in-cell2", "/srv/wiki 10.1.0.4 page", "/srv/wiki 10.1.0.5 new"}},
		{name: "of the same project", login: "reader", address: "10.1.0.2", names: "stays",
			says: `(?m)^remove /srv/web 10\.1\.0\.2 of "web": address-released; unknown if mounted$`, want: removalDone},
		{name: "none that ever was", login: "reader", address: "10.1.0.2", names: never, says: removalGone, want: removalDone},
		{name: "not a UUID", login: "reader", address: "10.1.0.2", names: "i-0001", says: removalGone, want: removalDone},
		{name: "edited by hand", login: "reader", plan: true, address: "10.1.0.2", names: never, edited: true, status: 65, says: `was edited by hand`},
		// Another instance of the project has the address, so the grant stays.
		{name: "at an address in use, asked by a reader", login: "reader", address: "10.1.0.1", names: "page", says: removalGone, want: removalDone},
		{name: "at an address in use, asked by an admin", login: "admin", address: "10.1.0.1", names: "page", says: removalGone,
			want: []string{"/srv/web 10.1.0.1 page", "/srv/web 10.1.0.3 in-cell2", "/srv/wiki 10.1.0.4 page", "/srv/wiki 10.1.0.5 new"}},
	}
}

// removalCells has the rows about an instance in a cell that is down, in this order: each begins with the instance as the
// row before it left it.
func removalCells() []removalRow {
	const (
		down     = `a Nova cell of region "RegionOne" is down`
		unproved = `warn: frozen: unproved: /srv/web for 10\.1\.0\.3 of project "web", instance "[^"]+": .*HTTP 500`
		gone     = `(?m)^remove /srv/web 10\.1\.0\.3 of "web": instance-gone; unknown if mounted$`
	)
	deleting := [][]string{{"set-state", "ID", "active", "deleting"}, {"queue-for-delete", "ID"}}
	return []removalRow{
		{name: "down, asked by a reader", login: "reader", plan: true, cellDown: true, status: 69, says: down},
		{name: "down, asked by an admin", login: "admin", cellDown: true, status: 69, says: down},
		{name: "down, no request spec", login: "reader", change: [][]string{{"remove-request-spec", "ID"}}, cellDown: true, status: 69, says: down},
		// The instance is alive, and no list shows its stub. So Nova does not tell a reader of the project that the cell is
		// down. An admin is shown the stub of project maps.
		{name: "down, being deleted, asked by a reader", login: "reader", change: deleting, cellDown: true, status: 79, says: unproved, want: removalDone},
		{name: "down, being deleted, asked by an admin", login: "admin", cellDown: true, status: 69, says: down},
		{name: "up, being deleted", login: "reader", says: removalGone, want: removalDone},
		{name: "up, deleted", login: "reader", change: [][]string{{"delete-instance", "ID"}}, says: gone,
			want: []string{"/srv/web 10.1.0.1 stays", "/srv/wiki 10.1.0.4 page", "/srv/wiki 10.1.0.5 new"}},
	}
}

// checkRow runs apply, and plan before it if the row says so, and compares all that they leave behind.
func (b *removalBed) checkRow(t *testing.T, row removalRow) {
	before := b.file(t, row)
	writeReal(t, realExportsFile, before, 0o644)
	if out, err := exec.CommandContext(t.Context(), "exportfs", "-ra").CombinedOutput(); err != nil {
		t.Fatalf("exportfs -ra: %v\n%s", err, out)
	}
	table := activeRealVersion(t)
	if row.listsAll {
		b.evidence.listEverything(t, true)
		defer b.evidence.listEverything(t, false)
	}
	b.cloud.change(t, b.ids["in-cell2"], evidenceState{change: row.change})
	if row.cellDown {
		b.cloud.begin(t, evidenceGroup{begin: [][]string{{"cell-down", "cell2"}}, end: [][]string{{"cell-up", "cell2"}}})
	}
	commands := []string{"plan", "apply"}
	if !row.plan {
		commands = commands[1:]
	}
	for _, command := range commands {
		got := b.start(t, command, "--os-cloud="+row.login)
		if got.status != row.status {
			t.Errorf("%s: exit status %d, want %d", command, got.status, row.status)
		}
		if !regexp.MustCompile(row.says).MatchString(got.stdout + "\n" + got.stderr) {
			t.Errorf("%s prints nothing like %q, but:\n%s%s", command, row.says, got.stdout, got.stderr)
		}
		if command == "apply" && row.want != nil {
			b.checkPlaces(t, row.want)
			continue
		}
		if diff := gocmp.Diff(before, readReal(t, realExportsFile)); diff != "" {
			t.Errorf("%s changed the exports file (-want +got):\n%s", command, diff)
		}
		if activeRealVersion(t) != table {
			t.Errorf("%s ran exportfs", command)
		}
	}
}

// file is the exports file that a row begins with.
func (b *removalBed) file(t *testing.T, row removalRow) string {
	t.Helper()
	if row.address == "" {
		return b.before
	}
	id := cmp.Or(b.ids[row.names], row.names)
	var grants []exports.Grant
	edited := b.before
	for _, g := range render.Parse([]byte(b.before)).Set.Grants() {
		if g.Client.String() == row.address {
			edited = strings.ReplaceAll(edited, g.Instance.ID, id)
			g.Instance.ID = id
		}
		grants = append(grants, g)
	}
	if row.edited {
		return edited
	}
	text, err := render.Marshal(exports.NewSet(grants))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkPlaces compares the exports file and the active table with the lines of a row.
func (b *removalBed) checkPlaces(t *testing.T, want []string) {
	t.Helper()
	parsed := render.Parse([]byte(readReal(t, realExportsFile)))
	if parsed.Edited || len(parsed.Unread) > 0 {
		t.Errorf("the exports file is not as the program writes it: %v", parsed.Unread)
	}
	var got, table []string
	for _, g := range parsed.Set.Grants() {
		got = append(got, g.Path+" "+g.Client.String()+" "+cmp.Or(b.names[g.Instance.ID], g.Instance.ID))
	}
	for _, line := range want {
		table = append(table, line[:strings.LastIndex(line, " ")])
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("exports file (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(table, activeReal(t)); diff != "" {
		t.Errorf("active table (-want +got):\n%s", diff)
	}
}
