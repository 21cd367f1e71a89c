//go:build real

package realtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestRealEvidence asks the real Nova for instances by their ids: in every state, with a token of every kind. It shows
// what a 404 proves, what it does not, and what the built program makes of it.
func TestRealEvidence(t *testing.T) {
	if os.Getenv(realBinary) == "" {
		runRealInPrivate(t)
		return
	}
	b := newEvidenceBed(t)
	for _, group := range evidenceGroups() {
		t.Run(group.name, func(t *testing.T) {
			ids := b.bring(t, group.states)
			readings := b.readAll(t)
			b.cloud.begin(t, group)
			for i, state := range group.states {
				t.Run(state.name, func(t *testing.T) { b.checkState(t, state, ids[i]) })
			}
			t.Run("asked by the program", func(t *testing.T) { testRealAsk(t, b, group, ids, readings) })
		})
	}
	t.Run("another project in the question", func(t *testing.T) { testRealAskElsewhere(t, b) })
	t.Run("other 404s", func(t *testing.T) { testReal404s(t, b) })
	t.Run("the built program", func(t *testing.T) { testRealRemovals(t, b) })
}

// evidenceBed is a cloud with the projects tools and maps, each with one instance, and a user of every kind.
type evidenceBed struct {
	cloud    *realCloud
	projects map[string]string // name: id
	tokens   map[string]string // the name of one of evidenceKinds: token
}

func newEvidenceBed(t *testing.T) *evidenceBed {
	t.Helper()
	b := &evidenceBed{cloud: startRealCloud(t), projects: map[string]string{}, tokens: map[string]string{}}
	for _, name := range []string{"nfs", "tools", "maps"} {
		b.projects[name] = b.cloud.ask(t, []string{"add-project", name})
	}
	b.addInstance(t, "tools", "cell1")
	b.addInstance(t, "maps", "cell1")
	for _, user := range []struct{ name, role, scopes string }{
		{"observer", "reader", "nfs tools maps"},
		{"stranger", "reader", "maps"},
		{"boss", "admin", "admin"},
		{"auditor", "admin", "system"},
		{"chief", "admin", "domain"},
		{"clerk", "reader", "system"},
		{"steward", "reader", "domain"},
	} {
		b.cloud.ask(t,
			[]string{"add-user", user.name, realPassword},
			append([]string{"add-role", user.name, user.role}, strings.Fields(user.scopes)...))
	}
	for _, kind := range evidenceKinds {
		b.tokens[kind.name] = b.logIn(t, kind.user, kind.scope)
	}
	return b
}

// addInstance makes an instance and returns its id.
func (b *evidenceBed) addInstance(t *testing.T, project, cell string) string {
	t.Helper()
	return b.cloud.ask(t, []string{"add-instance", b.projects[project], project, cell, "10.0.0.1"})
}

// bring makes an instance of project tools for each state, and returns the ids to ask for.
func (b *evidenceBed) bring(t *testing.T, states []evidenceState) []string {
	t.Helper()
	var ids []string
	for _, state := range states {
		if state.id != "" {
			ids = append(ids, state.id)
			continue
		}
		id := b.addInstance(t, "tools", cmp.Or(state.cell, "cell1"))
		b.cloud.change(t, id, state)
		ids = append(ids, id)
	}
	return ids
}

// change brings an instance into the state.
func (c *realCloud) change(t *testing.T, id string, state evidenceState) {
	t.Helper()
	for _, request := range state.change {
		request = slices.Clone(request)
		request[slices.Index(request, "ID")] = id
		c.ask(t, request)
	}
}

// begin makes the cloud as the states of the group need it, until the test ends.
func (c *realCloud) begin(t *testing.T, group evidenceGroup) {
	t.Helper()
	if len(group.begin) > 0 {
		c.ask(t, group.begin...)
		t.Cleanup(func() { c.ask(t, group.end...) })
	}
}

// listAll lets everybody list the instances of all projects by Nova's policy, or takes that back.
func (c *realCloud) listAll(t *testing.T, allowed bool) {
	t.Helper()
	// Without the last one Nova ignores the project_id of a query, and lists all.
	for _, rule := range []string{"detail:get_all_tenants", "index:get_all_tenants", "allow_all_filters"} {
		request := []string{"policy", "nova", "os_compute_api:servers:" + rule}
		if allowed {
			request = append(request, "")
		}
		c.ask(t, request)
	}
}

// checkState compares all answers about one instance with the row of the table.
func (b *evidenceBed) checkState(t *testing.T, state evidenceState, id string) {
	got := map[string][]string{}
	for _, kind := range evidenceKinds {
		if kind.listsAll {
			b.cloud.listAll(t, true)
		}
		for _, version := range []string{"2.1", "2.69"} {
			answer := b.get(t, b.tokens[kind.name], version, "/servers/"+id)
			got[version] = append(got[version], fmt.Sprint(answer.status))
			answer.check(t, kind.name, version, id, state.shows)
		}
		if kind.listsAll {
			if listed := b.listed(t, b.tokens[kind.name], "?all_tenants=1", id); listed != state.listed {
				t.Errorf("%s: in the list with the status %q, want %q", kind.name, listed, state.listed)
			}
			b.cloud.listAll(t, false)
		}
	}
	if listed := b.listed(t, b.tokens[evidenceKinds[0].name], "", id); listed != state.listed {
		t.Errorf("in the list of the project with the status %q, want %q", listed, state.listed)
	}
	want := map[string][]string{"2.1": strings.Fields(state.old), "2.69": strings.Fields(state.new)}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("HTTP statuses by microversion, for each kind of token (-want +got):\n%s", diff)
	}
}

// novaAnswer is an answer of Nova's.
type novaAnswer struct {
	status int
	header http.Header
	text   []byte
}

// get asks Nova, with a microversion if version is not "".
func (b *evidenceBed) get(t *testing.T, token, version, path string) novaAnswer {
	t.Helper()
	return getRaw(t, token, version, b.cloud.endpoints.ComputeURL+path)
}

func getRaw(t *testing.T, token, version, url string) novaAnswer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Auth-Token", token)
	if version != "" {
		request.Header.Set("OpenStack-API-Version", "compute "+version)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return novaAnswer{response.StatusCode, response.Header, text}
}

// check compares the headers and the body of an answer by id with what Nova sends with this status.
func (a novaAnswer) check(t *testing.T, kind, version, id, shows string) {
	t.Helper()
	for name, want := range map[string]string{"OpenStack-API-Version": "compute " + version, "X-OpenStack-Nova-API-Version": version} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s, %s: HTTP %d with %s: %q, want %q", kind, version, a.status, name, got, want)
		}
	}
	if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("%s, %s: HTTP %d with Content-Type: %q", kind, version, a.status, got)
	}
	var want string
	switch a.status {
	case http.StatusOK:
		a.checkServer(t, kind, version, id, shows)
		return
	case http.StatusNotFound:
		want = fmt.Sprintf(`{"itemNotFound": {"code": 404, "message": "Instance %s could not be found."}}`, id)
	case http.StatusForbidden:
		want = `{"forbidden": {"code": 403, "message": "Policy doesn't allow os_compute_api:servers:show to be performed."}}`
	case http.StatusInternalServerError:
		if strings.HasPrefix(string(a.text), `{"computeFault": {"code": 500, "message": "Unexpected API Error. `) {
			return
		}
	}
	if string(a.text) != want {
		t.Errorf("%s, %s: HTTP %d with the body %s, want %s", kind, version, a.status, a.text, want)
	}
}

// checkServer compares the instance in an answer with HTTP status 200.
func (a novaAnswer) checkServer(t *testing.T, kind, version, id, shows string) {
	t.Helper()
	type server struct {
		ID, Status string
		Addresses  map[string][]struct{ Addr string }
	}
	var body struct{ Server server }
	if err := json.Unmarshal(a.text, &body); err != nil {
		t.Errorf("%s, %s: %v", kind, version, err)
	}
	want := server{ID: id, Status: shows, Addresses: map[string][]struct{ Addr string }{"lan": {{"10.0.0.1"}}}}
	if shows == "UNKNOWN" {
		want.Addresses = nil // the key is missing
	}
	if diff := gocmp.Diff(want, body.Server); diff != "" {
		t.Errorf("%s, %s: HTTP 200 (-want +got):\n%s", kind, version, diff)
	}
}

// listed returns the status that a list with 2.69 has for the instance, "" if it lacks the instance, or the HTTP status
// if there is no list.
func (b *evidenceBed) listed(t *testing.T, token, query, id string) string {
	t.Helper()
	answer := b.get(t, token, "2.69", "/servers/detail"+query)
	if answer.status != http.StatusOK {
		return fmt.Sprint(answer.status)
	}
	var body struct{ Servers []struct{ ID, Status string } }
	if err := json.Unmarshal(answer.text, &body); err != nil {
		t.Fatal(err)
	}
	for _, server := range body.Servers {
		if server.ID == id {
			return server.Status
		}
	}
	return ""
}

// testReal404s compares 404s that are not about an instance: they have neither the headers nor the body of one that is.
func testReal404s(t *testing.T, b *evidenceBed) {
	token := b.tokens[evidenceKinds[0].name]
	nova := b.cloud.endpoints.ComputeURL
	const id = "00000000-0000-4000-8000-000000000000"
	for _, url := range []string{
		nova + "/nothing/" + id,
		nova + "/servers/" + id + "/",
		nova + "/servers/" + id + "/nothing",
		b.cloud.endpoints.AuthURL + "/servers/" + id,
	} {
		answer := getRaw(t, token, "2.1", url)
		if answer.status != http.StatusNotFound {
			t.Errorf("%s: HTTP %d", url, answer.status)
		}
		if got := answer.header.Get("OpenStack-API-Version"); got != "" {
			t.Errorf("%s: OpenStack-API-Version: %q", url, got)
		}
		if json.Valid(answer.text) {
			t.Errorf("%s: JSON: %s", url, answer.text)
		}
	}
	// Without a microversion Nova answers with the oldest one, and says so.
	b.get(t, token, "", "/servers/"+id).check(t, "no microversion", "2.1", id, "")
	// The endpoint of version 2.0 knows no microversions.
	answer := getRaw(t, token, "2.1", strings.TrimSuffix(nova, ".1")+"/servers/"+id)
	if got := answer.header.Get("OpenStack-API-Version"); answer.status != http.StatusNotFound || got != "" {
		t.Errorf("/v2: HTTP %d, OpenStack-API-Version: %q", answer.status, got)
	}
}

// logIn returns a token for the scope.
func (b *evidenceBed) logIn(t *testing.T, user, scope string) string {
	t.Helper()
	domain := map[string]any{"id": "default"}
	where := map[string]any{"project": map[string]any{"name": scope, "domain": domain}}
	switch scope {
	case "domain":
		where = map[string]any{"domain": domain}
	case "system":
		where = map[string]any{"system": map[string]any{"all": true}}
	}
	body, err := json.Marshal(map[string]any{"auth": map[string]any{
		"scope": where,
		"identity": map[string]any{
			"methods":  []string{"password"},
			"password": map[string]any{"user": map[string]any{"name": user, "domain": domain, "password": realPassword}},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(b.cloud.endpoints.AuthURL+"/auth/tokens", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	token := response.Header.Get("X-Subject-Token")
	if response.StatusCode != http.StatusCreated || token == "" {
		t.Fatalf("%s cannot log in for %s: %s", user, scope, response.Status)
	}
	return token
}
