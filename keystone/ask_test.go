package keystone

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/keystone/keystonetest"
)

// loginKind is a kind of log-in: whom the world logs in as, and who may list everything.
type loginKind struct {
	name  string
	creds func(*world, *Credentials)
	// set gives the user his roles, and the cloud its policy.
	set func(*world)
}

func onProject(user, project string) func(*world, *Credentials) {
	return func(_ *world, c *Credentials) {
		c.user.name, c.scope = user, scope{projectID: project}
	}
}

// logins are the kinds of log-in that there are.
func logins() []loginKind {
	everything := func(rule keystonetest.Rule) func(*world) {
		return func(w *world) {
			w.Configure(func(s *keystonetest.Settings) { s.Policy = keystonetest.Everything(rule) })
		}
	}
	return []loginKind{
		{"reader of the project", onProject("reader", toolsID), nil},
		{"reader of another project, with a role on it", onProject("reader", "deployment-prep"), nil},
		{"listed by policy, with a role on it", onProject("reader", "deployment-prep"), everything(keystonetest.Anywhere("reader", "admin"))},
		{"listed by policy, without a role on it", onProject("lister", "deployment-prep"), func(w *world) {
			w.AddUser(keystonetest.User{Name: "lister", Password: password})
			w.AddRole("lister", "deployment-prep", "reader")
			everything(keystonetest.Anywhere("reader", "admin"))(w)
		}},
		{"admin of another project", onProject("boss", "deployment-prep"), func(w *world) {
			w.AddUser(keystonetest.User{Name: "boss", Password: password})
			w.AddRole("boss", "deployment-prep", "admin")
			everything(keystonetest.Anywhere("admin"))(w)
		}},
		{"admin of the system", func(*world, *Credentials) {}, nil},
		{"reader of the system, with a role on it", func(_ *world, c *Credentials) { c.user.name = "reader" }, func(w *world) {
			w.AddRole("reader", keystonetest.System, "reader")
			everything(keystonetest.Anywhere("admin", "reader"))(w)
		}},
		{"application credential of another project", func(w *world, c *Credentials) {
			c.user, c.scope, c.password = identity{}, scope{}, secret{}
			c.application = application{id: "app", secret: newSecret(password)}
		}, func(w *world) {
			w.AddAppCredential(keystonetest.AppCredential{ID: "app", Name: "app", Secret: password, User: "reader", Project: "deployment-prep"})
			everything(keystonetest.Anywhere("reader", "admin"))(w)
		}},
	}
}

// asked is a world whose instances were listed, and then something changed.
type asked struct {
	*world
	client    *Client
	inventory exports.Inventory
}

// listed lists the world's instances, as the one who logs in.
func (w *world) listed(t *testing.T, as loginKind) asked {
	t.Helper()
	if as.set != nil {
		as.set(w)
	}
	w.AddInstance(keystonetest.Instance{Name: "prep-far", ProjectID: "deployment-prep", Region: "RegionTwo"})
	creds := w.credentials()
	as.creds(w, &creds)
	c, err := Open(t.Context(), creds, w.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	inventory, err := c.Inventory(t.Context(), Wanted{Keys: []string{toolsID, "deployment-prep", "idle"}})
	if err != nil {
		// One without the right to list everything may have no role on these either.
		inventory, err = c.Inventory(t.Context(), Wanted{Keys: []string{"deployment-prep"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.ResetRequests()
	return asked{w, c, inventory}
}

// ask asks about one instance of the project tools.
func (a asked) ask(t *testing.T, id string) exports.Answer {
	t.Helper()
	q := exports.Question{Project: toolsID, Instance: id}
	answers, err := a.client.Ask(t.Context(), []exports.Question{q}, a.inventory)
	if err != nil {
		t.Fatal(err)
	}
	if len(answers) != 1 || answers[q].Why == "" {
		t.Errorf("answers %+v", answers)
	}
	a.noSecrets(t, "the answer", answers[q].Why)
	a.noSecrets(t, "the log", a.log.String())
	a.onlyKnownHosts(t)
	for _, r := range a.Requests() {
		if r.Kind == keystonetest.OneInstance && r.Microversion != "2.1" {
			t.Errorf("%s with microversion %s", r, r.Microversion)
		}
	}
	return answers[q]
}

// stated is the state of an answer, and why.
func stated(a exports.Answer) string {
	return []string{"unproved", "gone", "found"}[a.State] + ": " + a.Why
}

// TestAsk asks in each state of an instance, as each kind of log-in. A living instance is
// never gone; a deleted one is gone if the token would have been shown it.
func TestAsk(t *testing.T) {
	t.Parallel()
	blind := map[string]bool{"listed by policy, without a role on it": true, "application credential of another project": true}
	id := func(w *world, name string) string {
		for _, region := range w.Regions() {
			for _, i := range w.Instances(region) {
				if i.Name == name {
					return i.ID
				}
			}
		}
		panic("no instance " + name)
	}
	for _, as := range logins() {
		for _, test := range []struct {
			name, instance string
			change         func(w *world, id string)
			want, blind    exports.AnswerState
			says           string // if not blind
		}{
			{"there", "tools-0", nil, exports.Found, exports.Unproved, "HTTP 200"},
			{"there, in the second region", "tools-far", nil, exports.Found, exports.Unproved, "/compute/RegionTwo/"},
			{"SOFT_DELETED", "tools-0", func(w *world, id string) {
				w.AddInstance(keystonetest.Instance{ID: id, Name: "tools-0", ProjectID: toolsID, Status: "SOFT_DELETED"})
			}, exports.Found, exports.Unproved, "HTTP 200"},
			{"DELETED, and shown", "tools-0", func(w *world, id string) {
				w.AddInstance(keystonetest.Instance{ID: id, Name: "tools-0", ProjectID: toolsID, Status: "DELETED"})
			}, exports.Gone, exports.Unproved, "DELETED"},
			{"deleted", "tools-0", func(w *world, id string) { w.RemoveInstance(id) }, exports.Gone, exports.Unproved, "HTTP 404"},
			{"in a cell that is down", "tools-0", func(w *world, _ string) { w.CellDown("RegionOne", "cell1", true) },
				exports.Unproved, exports.Unproved, "HTTP 500"},
			{"in a cell that is down, without a request spec", "tools-0", func(w *world, id string) {
				w.AddInstance(keystonetest.Instance{ID: id, Name: "tools-0", ProjectID: toolsID, NoRequestSpec: true})
				w.CellDown("RegionOne", "cell1", true)
			}, exports.Unproved, exports.Unproved, "HTTP 500"},
			{"of another project", "other-1", nil, exports.Gone, exports.Unproved, ""},
		} {
			t.Run(as.name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				a := newWorld(t).listed(t, as)
				id := id(a.world, test.instance)
				if test.change != nil {
					test.change(a.world, id)
				}
				got, want := a.ask(t, id), test.want
				if strings.Contains(as.name, "admin") && test.instance == "other-1" {
					want = exports.Unproved // it is shown to them
				}
				if blind[as.name] {
					want = test.blind
				} else if !strings.Contains(got.Why, test.says) {
					t.Errorf("no %q in %s", test.says, stated(got))
				}
				if got.State != want {
					t.Errorf("%s, want %d\n%v", stated(got), want, a.Requests())
				}
				if got.State == exports.Found && (got.Instance.ID != id || got.Instance.Region == "" || !got.Read) {
					t.Errorf("found %+v", got)
				}
			})
		}
	}
}

// TestAskOnlyAdminsShow has a policy that keeps GET by id for admins.
func TestAskOnlyAdminsShow(t *testing.T) {
	t.Parallel()
	for _, as := range logins() {
		a := newWorld(t).listed(t, as)
		a.Configure(func(s *keystonetest.Settings) { s.Policy.OnlyAdminsShow = true })
		want := "unproved: "
		if strings.Contains(as.name, "admin") {
			want = "found: "
		}
		if got := stated(a.ask(t, a.Instances("RegionOne")[0].ID)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", as.name, got)
		}
	}
}

// TestAskFaults breaks each request for an instance in every way there is. One that is
// there is never gone, and one that is gone never so by a broken answer.
func TestAskFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range keystonetest.Faults() {
		if !fault.Applies(keystonetest.OneInstance) {
			continue
		}
		for _, gone := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/gone %t", fault.Name, gone), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.opts.maxBody = 128 << 10
				switch fault.Name {
				case "black-hole", "stall-in-body", "slow-drip":
					w.opts.RequestTimeout = 300 * time.Millisecond
				}
				a := w.listed(t, logins()[0])
				id := w.Instances("RegionOne")[0].ID
				if gone {
					w.RemoveInstance(id)
				}
				healthy := a.ask(t, id).State
				injected := w.Inject(fault.On(keystonetest.OneInstance))
				got := a.ask(t, id)
				want := exports.Unproved
				if gone && isForSuccess(fault.Name) {
					want = healthy // the fault leaves a 404 as it is
				}
				if !gone && (fault.Name == "version-missing" || fault.Name == "instance-other-tenant") {
					want = healthy // nothing of a cell is hidden by that, and that tenant is tools
				}
				if got.State != want || injected.Hits() == 0 {
					t.Errorf("%s, want %d; %d hits\n%v", stated(got), want, injected.Hits(), w.Requests())
				}
			})
		}
	}
}

// isForSuccess reports whether a fault changes a success alone.
func isForSuccess(name string) bool {
	for _, prefix := range []string{"status-", "redirect-", "reset-", "closed-", "black-", "stall-", "slow-", "not-http", "token-",
		"body-short", "chunk-cut", "gzip-bomb", "endless"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return true
}

// TestAskProxy404 has a 404 of something else than Nova, or of another Nova.
func TestAskProxy404(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, version, kind, body string
		want                      exports.AnswerState
	}{
		{"Nova's", "compute 2.1", "application/json; charset=UTF-8", `{"itemNotFound": {"code": 404, "message": "Instance ID could not be found."}}`, exports.Gone},
		{"no microversion", "", "application/json", `{"itemNotFound": {"code": 404, "message": "Instance ID could not be found."}}`, exports.Unproved},
		{"another microversion", "compute 2.69", "application/json", `{"itemNotFound": {"code": 404, "message": "Instance ID could not be found."}}`, exports.Unproved},
		{"another service's", "volume 2.1", "application/json", `{"itemNotFound": {"code": 404, "message": "Instance ID could not be found."}}`, exports.Unproved},
		{"another instance", "compute 2.1", "application/json", `{"itemNotFound": {"code": 404, "message": "Instance 0ID could not be found."}}`, exports.Unproved},
		{"of a path", "compute 2.1", "application/json", `{"itemNotFound": {"code": 404, "message": "The resource could not be found."}}`, exports.Unproved},
		{"two keys", "compute 2.1", "application/json", `{"itemNotFound": {"message": "Instance ID could not be found."}, "x": {}}`, exports.Unproved},
		{"cut short", "compute 2.1", "application/json", `{"itemNotFound": {"code": 404, "message": "Instance ID could not be found."}`, exports.Unproved},
		{"HTML", "compute 2.1", "text/html", `<h1>ID could not be found</h1>`, exports.Unproved},
		{"empty", "compute 2.1", "application/json", ``, exports.Unproved},
	} {
		w := newWorld(t)
		w.opts.Regions = []string{"RegionOne"}
		a := w.listed(t, logins()[0])
		const id = "0b5e0000-0000-4000-8000-0000000000aa"
		w.Inject(keystonetest.Fault{Kind: keystonetest.OneInstance, Do: func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
			if test.version != "" {
				rw.Header().Set("OpenStack-API-Version", test.version)
			}
			rw.Header().Set("Content-Type", test.kind)
			rw.WriteHeader(http.StatusNotFound)
			fmt.Fprint(rw, strings.ReplaceAll(test.body, "ID", id))
		}})
		if got := a.ask(t, id); got.State != test.want {
			t.Errorf("%s: %s", test.name, stated(got))
		}
	}
}
