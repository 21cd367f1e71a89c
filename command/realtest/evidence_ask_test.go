//go:build real

package realtest

import (
	"net/netip"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
	"nfs-exportd/keystone"
)

// evidenceLogins are the ways into the cloud. Only the first one has a role on project tools.
var evidenceLogins = []struct {
	name, user string
	scope      string // as in evidenceKinds
	// column is the one of evidenceGroups whose answers prove something, or -1 if nothing is proved to this user.
	column int
	// listsAll is that the policies of Nova and Keystone let everybody list all instances and projects.
	listsAll bool
}{
	{"reader of the project, by another project", "observer", "nfs", 0, false},
	{"reader of another project", "stranger", "maps", -1, false},
	{"reader of another project, listed by policy", "stranger", "maps", -1, true},
	{"admin of another project", "boss", "admin", 3, false},
	{"admin of the system", "auditor", "system", 4, false},
	{"admin of the domain", "chief", "domain", 5, false},
	{"reader of the system", "clerk", "system", -1, false},
	{"reader of the domain", "steward", "domain", -1, false},
}

// evidenceReading is what one log-in has read of the cloud before the states of a group begin.
type evidenceReading struct {
	client    *keystone.Client
	inventory exports.Inventory
}

// readAs logs in and reads the projects and what the user may see of the instances.
func (b *evidenceBed) readAs(t *testing.T, user, scope string) evidenceReading {
	t.Helper()
	variables := map[string]string{
		"OS_AUTH_URL": b.cloud.endpoints.AuthURL, "OS_USERNAME": user, "OS_PASSWORD": realPassword, "OS_USER_DOMAIN_ID": "default",
	}
	switch scope {
	case "domain":
		variables["OS_DOMAIN_ID"] = "default"
	case "system":
		variables["OS_SYSTEM_SCOPE"] = "all"
	default:
		variables["OS_PROJECT_NAME"], variables["OS_PROJECT_DOMAIN_ID"] = scope, "default"
	}
	credentials, err := keystone.Find(keystone.Sources{Getenv: func(name string) string { return variables[name] }})
	if err != nil {
		t.Fatal(err)
	}
	client, err := keystone.Open(t.Context(), credentials, keystone.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	inventory, _, err := client.Projects(t.Context(), keystone.Wanted{Keys: []string{"tools", "maps"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Instances(t.Context(), inventory); err != nil {
		t.Logf("%s cannot list the instances: %v", user, err)
	}
	return evidenceReading{client, inventory}
}

// readAll reads the cloud with every one of evidenceLogins.
func (b *evidenceBed) readAll(t *testing.T) []evidenceReading {
	t.Helper()
	var readings []evidenceReading
	for _, login := range evidenceLogins {
		b.listEverything(t, login.listsAll)
		reading := b.readAs(t, login.user, login.scope)
		readings = append(readings, reading)
		lists := login.listsAll || login.column >= 0
		if got := len(reading.inventory.Projects["tools"].Instances) > 0; got != lists {
			t.Errorf("%s: lists the instances of project tools: %t, want %t", login.name, got, lists)
		}
	}
	b.listEverything(t, false)
	return readings
}

// listEverything lets everybody list all instances by Nova's policy and all projects by Keystone's, or takes that back.
func (b *evidenceBed) listEverything(t *testing.T, allowed bool) {
	t.Helper()
	b.cloud.listAll(t, allowed)
	for _, rule := range []string{"identity:get_project", "identity:list_projects"} {
		request := []string{"policy", "keystone", rule}
		if allowed {
			request = append(request, "")
		}
		b.cloud.ask(t, request)
	}
}

// testRealAsk compares the answers that the program's own client gives with what Nova's prove.
func testRealAsk(t *testing.T, b *evidenceBed, group evidenceGroup, ids []string, readings []evidenceReading) {
	for i, login := range evidenceLogins {
		t.Run(login.name, func(t *testing.T) {
			b.listEverything(t, login.listsAll)
			defer b.listEverything(t, false)
			var questions []exports.Question
			for _, id := range ids {
				questions = append(questions, exports.Question{Project: b.projects["tools"], Instance: id})
			}
			answers, err := readings[i].client.Ask(t.Context(), questions, readings[i].inventory)
			if err != nil {
				t.Fatal(err)
			}
			if len(answers) != len(questions) {
				t.Errorf("%d answers to %d questions", len(answers), len(questions))
			}
			for n, state := range group.states {
				answer := answers[questions[n]]
				t.Logf("%s: state %d: %s", state.name, answer.State, answer.Why)
				want := exports.Answer{State: group.proves(state, login.column), Why: answer.Why}
				if want.State == exports.Found {
					want.Read = true
					want.Instance = exports.Instance{
						ID: ids[n], Name: "tools", Region: "RegionOne", Status: state.shows,
						Addresses: []exports.Address{{Network: "lan", Addr: netip.MustParseAddr("10.0.0.1")}},
					}
				}
				if diff := gocmp.Diff(want, answer, cmpopts.EquateComparable(netip.Addr{})); diff != "" || answer.Why == "" {
					t.Errorf("%s (-want +got):\n%s", state.name, diff)
				}
			}
		})
	}
}

// testRealAskElsewhere asks for an instance of another project than the question has. An admin is shown it. To a token
// for the project of the question it is not there, so whoever asks has to know the project.
func testRealAskElsewhere(t *testing.T, b *evidenceBed) {
	question := exports.Question{Project: b.projects["maps"], Instance: b.addInstance(t, "tools", "cell1")}
	for _, login := range evidenceLogins {
		want := exports.Unproved
		if login.scope == "maps" || login.column == 0 {
			want = exports.Gone
		}
		reading := b.readAs(t, login.user, login.scope)
		answers, err := reading.client.Ask(t.Context(), []exports.Question{question}, reading.inventory)
		if err != nil {
			t.Fatal(err)
		}
		if got := answers[question]; got.State != want {
			t.Errorf("%s: state %d, want %d: %s", login.name, got.State, want, got.Why)
		}
	}
}

// proves is what the answers about an instance prove to a log-in, by its column of the table.
func (g evidenceGroup) proves(state evidenceState, column int) exports.AnswerState {
	if column < 0 {
		return exports.Unproved
	}
	switch strings.Fields(state.old)[column] {
	case "200":
		return exports.Found
	case "404":
		// An admin must be shown another instance first.
		if column == 0 || !g.hidesAll {
			return exports.Gone
		}
	}
	return exports.Unproved
}
