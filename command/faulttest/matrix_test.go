package faulttest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"nfs-exportd/command"
	"nfs-exportd/command/commandtest"
	"nfs-exportd/keystone/keystonetest"
)

// conversation is a way in which a run talks with the cloud.
type conversation struct {
	name  string
	roles string
	env   []string
	// kinds are the requests that a run makes.
	kinds []keystonetest.Kind
	// paged tells that there is more than one page of instances.
	paged bool
	// settings makes those requests happen that a healthy run does without.
	settings func(*keystonetest.Cloud)
	config   string // more lines for it
}

// world is a new one for such a conversation.
func (c conversation) world(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, c.roles, c.env)
	w.Write(t, "mounts.yaml", w.Before["mounts.yaml"]+c.config)
	w.Before = w.Files(t)
	return w
}

// conversations has every request that the program ever makes.
func conversations() []conversation {
	reader := []string{"OS_PROJECT_NAME=home", "OS_PROJECT_DOMAIN_NAME=Default"}
	admin := []string{"OS_SYSTEM_SCOPE=all"}
	onAll, onOwn := "{system: [admin]}", "{tools: [reader], maps: [reader], home: [reader]}"
	return []conversation{
		{
			name: "all-projects", roles: onAll, env: admin, paged: true,
			kinds: []keystonetest.Kind{keystonetest.LogIn, keystonetest.Regions, keystonetest.Projects, keystonetest.CellProbe, keystonetest.Instances},
		},
		{
			name: "per-project", roles: onOwn, env: reader,
			kinds: []keystonetest.Kind{keystonetest.LogIn, keystonetest.Rescope, keystonetest.Regions, keystonetest.AuthProjects, keystonetest.Instances},
		},
		{
			name: "per-project-in-pages", roles: onOwn, env: reader, paged: true,
			kinds: []keystonetest.Kind{keystonetest.CellProbe, keystonetest.Instances},
			// Without a try to list all projects, which would be refused.
			config: "openstack: {listing: per-project}\n",
			settings: func(c *keystonetest.Cloud) {
				c.Configure(func(s *keystonetest.Settings) {
					s.PageSize = 2
					s.Policy.ListServices = keystonetest.Anywhere("reader")
				})
			},
		},
		{
			// Nothing is lost if Keystone gives no token for one of few projects.
			name: "all-projects-in-the-end", roles: "{tools: [reader], maps: [reader], home: [admin]}", env: reader,
			kinds: []keystonetest.Kind{keystonetest.Rescope},
			settings: func(c *keystonetest.Cloud) {
				c.Configure(func(s *keystonetest.Settings) { s.Policy = keystonetest.Everything(keystonetest.Anywhere("admin")) })
			},
		},
		{
			name: "log-in-again", roles: onAll, env: admin,
			kinds: []keystonetest.Kind{keystonetest.ReLogIn},
			settings: func(c *keystonetest.Cloud) {
				fault := namedFault("token-expires").On(keystonetest.Instances)
				fault.Nth, fault.Times = 2, 1
				c.Inject(fault)
			},
		},
		{
			// An instance that no list has is asked for by its id.
			name: "asked-by-id", roles: onOwn, env: reader,
			kinds:    []keystonetest.Kind{keystonetest.OneInstance},
			settings: deleteSoftly,
		},
		{
			name: "listed-one-by-one", roles: onAll, env: admin,
			kinds: []keystonetest.Kind{keystonetest.OneProject},
			settings: func(c *keystonetest.Cloud) {
				c.Configure(func(s *keystonetest.Settings) { s.ListLimit = 1 })
			},
		},
	}
}

// deleteSoftly takes the instance t2 out of all lists, if it is there.
func deleteSoftly(c *keystonetest.Cloud) {
	for _, i := range c.Instances("RegionOne") {
		if i.Name == "t2" && i.Status != "SOFT_DELETED" {
			c.RemoveInstance(i.ID)
			i.Status = "SOFT_DELETED"
			c.AddInstance(i)
		}
	}
}

func namedFault(name string) keystonetest.NamedFault {
	fault, ok := keystonetest.FaultNamed(name)
	if !ok {
		panic("no fault " + name)
	}
	return fault
}

// pages are the places in which the requests of a kind can go wrong.
func (c conversation) pages(kind keystonetest.Kind) []keystonetest.Page {
	if kind != keystonetest.Instances || !c.paged {
		return []keystonetest.Page{keystonetest.AnyPage}
	}
	return []keystonetest.Page{keystonetest.AnyPage, keystonetest.FirstPage, keystonetest.MiddlePage, keystonetest.LastPage, keystonetest.EndPage}
}

// TestFaults makes every request that the program sends, and every page of
// instances, go wrong in every way that the test cloud knows, for ever, and looks
// at what people get: the exit status, one error, and an exports file and an
// active table that are as before, without a run of exportfs and without a secret
// in what is printed.
//
// The cloud is in step with the exports file, so that whatever is taken for a
// shorter list would show as a change.
//
// What is seen here makes docs/failure-states.md.
func TestFaults(t *testing.T) {
	document := newDocument()
	for _, c := range conversations() {
		for _, kind := range c.kinds {
			t.Run(fmt.Sprintf("%s/%s", c.name, kind), func(t *testing.T) {
				w := c.world(t)
				for _, page := range c.pages(kind) {
					for _, fault := range keystonetest.Faults() {
						if !fault.Applies(kind) || page != keystonetest.AnyPage && isBomb(fault.Name) || changesNothing(fault.Name, page) {
							continue
						}
						t.Run(strings.TrimSuffix(fault.Name+"/"+string(page), "/"), func(t *testing.T) {
							w.heal(c)
							broken := fault.On(kind)
							broken.Page = page
							got, injected := w.runWith(broken, "apply", "--log-level", "debug", "--timeout", timeLimit(fault.Name))
							if injected.Hits() == 0 {
								t.Fatalf("no request of the run was of kind %s; exit status %d, said:\n%s", kind, got.Status, got.Stderr)
							}
							w.Untouched(t)
							if want := expected(c, fault, kind); !slices.Contains(want, got.Status) {
								t.Errorf("exit status %d, want one of %d; said:\n%s", got.Status, want, got.Stderr)
							}
							if got.Stdout != "" && got.Status != command.ExitFrozen {
								t.Errorf("printed:\n%s", got.Stdout)
							}
							w.wellSaid(t, got)
							document.see(c, fault, kind, got)
						})
					}
				}
			})
		}
	}
	t.Logf("%d faults tried", document.cells)
	document.compare(t)
}

// TestFaultsThatEnd has faults that are over after some requests, while the
// cloud and the exports file differ. Those that the program may wait for end
// well, as long as its patience lasts. Every run ends with everything as before,
// or with everything as wanted.
func TestFaultsThatEnd(t *testing.T) {
	cells, saved := 0, 0
	for _, c := range conversations() {
		for _, kind := range c.kinds {
			t.Run(fmt.Sprintf("%s/%s", c.name, kind), func(t *testing.T) {
				w := c.world(t)
				wanted, count := w.changed(t, c, kind)
				for _, fault := range keystonetest.Faults() {
					if !fault.Applies(kind) || isBomb(fault.Name) || neverAnswers(fault.Name) || isOneOfMany(fault.Name) {
						continue
					}
					type end struct{ nth, times int }
					ends := []end{{1, 1}}
					if count > 1 {
						ends = append(ends, end{count, 1})
					}
					if isWaitedFor(fault.Name, kind) {
						ends = append(ends, end{1, patienceWith(kind)}, end{1, tooOften(fault.Name)})
					}
					for _, ends := range ends {
						cells++
						t.Run(fmt.Sprintf("%s/from %d, %d times", fault.Name, ends.nth, ends.times), func(t *testing.T) {
							w.heal(c)
							w.restore(t)
							broken := fault.On(kind)
							broken.Nth, broken.Times = ends.nth, ends.times
							if ends.times > 1 {
								// The same request again and again, not those beside it.
								broken.Match = sameRequest()
							}
							got, injected := w.runWith(broken, "apply", "--log-level", "debug")
							if injected.Hits() == 0 {
								t.Fatalf("no request of the run was number %d of kind %s", ends.nth, kind)
							}
							if want := expectedInTheEnd(c, fault, kind, ends.times); !slices.Contains(want, got.Status) {
								t.Errorf("exit status %d, want one of %d; said:\n%s", got.Status, want, got.Stderr)
							}
							w.wellSaid(t, got)
							if got.Status == command.ExitFrozen {
								w.keptWhatWasFrozen(t, wanted)
								return
							}
							if got.Status != command.ExitOK {
								w.Untouched(t)
								return
							}
							saved++
							w.Has(t, wanted)
						})
					}
				}
			})
		}
	}
	t.Logf("%d faults tried that end, of which %d runs came to a good end", cells, saved)
}

// patience is how often a request that failed is sent again.
const patience = 3

// patienceWith is the same for a kind of request.
func patienceWith(kind keystonetest.Kind) int {
	if kind == keystonetest.OneInstance {
		return 1 // a grant may stay for another five minutes
	}
	return patience
}

// expectedInTheEnd gives the exit statuses that are right for a fault that is over after
// some requests.
func expectedInTheEnd(c conversation, fault keystonetest.NamedFault, kind keystonetest.Kind, times int) []int {
	switch patience := patienceWith(kind); {
	case times <= patience && isWaitedFor(fault.Name, kind), isTokenLost(fault.Name, kind):
		return []int{command.ExitOK}
	case times > patience && kind == keystonetest.OneInstance:
		return []int{command.ExitFrozen}
	case times > patience:
		return []int{command.ExitUnavailable}
	}
	return append(expected(c, fault, kind), command.ExitOK)
}

// tooOften is how many failures of one request are too many. If connections that
// were used before are closed, Go's own client takes one after the other first.
func tooOften(fault string) int {
	if strings.HasPrefix(fault, "status-") {
		return patience + 1
	}
	return 50
}

// isWaitedFor reports whether a request with such a fault is sent again.
func isWaitedFor(fault string, kind keystonetest.Kind) bool {
	if fault == "reset-in-body" && kind == keystonetest.ReLogIn {
		return false // the second log-in again is no longer one after a 401
	}
	return slices.Contains([]string{
		"reset-before-body", "reset-in-body", "closed-before-body",
		"status-429", "status-429-retry-after",
		"status-502-html", "status-503", "status-503-retry-after", "status-503-html", "status-504-html",
	}, fault)
}

// isTokenLost reports whether such a fault, once, is one that another log-in
// mends.
func isTokenLost(fault string, kind keystonetest.Kind) bool {
	switch kind {
	case keystonetest.LogIn, keystonetest.ReLogIn:
		return false
	case keystonetest.Rescope:
		return fault == "status-401" || fault == "status-404" || fault == "token-expires"
	}
	return fault == "status-401" || fault == "token-expires"
}

// sameRequest matches the first request that it sees, and all that are equal.
func sameRequest() func(keystonetest.Request) bool {
	first := ""
	return func(r keystonetest.Request) bool {
		if first == "" {
			first = r.Path + "?" + r.Query.Encode() + " " + r.Project
		}
		return first == r.Path+"?"+r.Query.Encode()+" "+r.Project
	}
}

// neverAnswers reports whether a run ends with such a fault only because of its
// time limit.
func neverAnswers(fault string) bool {
	return slices.Contains([]string{"black-hole", "stall-in-body", "slow-drip"}, fault)
}

// isBomb reports whether a fault makes for so much work that each kind of
// request has to do with it once.
func isBomb(fault string) bool {
	return slices.Contains([]string{"gzip-bomb", "endless", "endless-length"}, fault)
}

// isOneOfMany reports whether a fault is like another, but for the place at which
// the body is cut.
func isOneOfMany(fault string) bool {
	return strings.HasPrefix(fault, "cut-") && fault != "cut-11"
}

// timeLimit is short for a fault that never ends.
func timeLimit(fault string) string {
	if neverAnswers(fault) {
		return "200ms"
	}
	return "30s"
}

// changesNothing reports whether a fault leaves the answer for a page as it is.
func changesNothing(fault string, page keystonetest.Page) bool {
	switch page {
	case keystonetest.FirstPage:
		return fault == "page-repeated"
	case keystonetest.EndPage:
		// There is no instance on it.
		return strings.HasPrefix(fault, "item-") || strings.HasPrefix(fault, "instance-") || strings.HasSuffix(fault, "-item")
	}
	return false
}

// expected gives the exit statuses that are right for a fault in requests of a
// kind. 0 is for a run that gets the right result all the same.
func expected(c conversation, fault keystonetest.NamedFault, kind keystonetest.Kind) []int {
	name := fault.Name
	is := func(kinds ...keystonetest.Kind) bool { return slices.Contains(kinds, kind) }
	if is(keystonetest.OneInstance) && name == "version-missing" {
		return []int{command.ExitFrozen, command.ExitOK} // what is shown is there, whatever the version
	}
	if is(keystonetest.OneInstance) {
		return []int{command.ExitFrozen} // no answer is no proof, and never an error
	}
	if c.name == "all-projects-in-the-end" && slices.Contains([]string{
		"status-401", "status-403", "status-404", "token-expires", "token-expired", // no role, or another log-in is needed
		"catalog-without-compute", "catalog-two-compute", "catalog-empty", // the catalog of a project
	}, name) {
		return []int{command.ExitOK}
	}
	switch name {
	case "status-401":
		return []int{command.ExitNoPermission}
	case "status-404":
		if is(keystonetest.Rescope) {
			return []int{command.ExitNoPermission} // the token is not found
		}
	case "status-403":
		if is(keystonetest.OneProject) {
			return []int{command.ExitOK} // the name is looked up as well, and allowed
		}
		// Without the list and without a name to look up, the projects are not
		// shown to us.
		return []int{command.ExitNoPermission}
	case "token-expires", "token-expired":
		if is(keystonetest.LogIn) {
			return []int{command.ExitOK} // the second log-in is not the first
		}
		return []int{command.ExitNoPermission}
	case "token-expired-claim":
		return []int{command.ExitOK} // by whose clock?
	case "truncated", "truncated-half", "list-empty":
		switch {
		case is(keystonetest.Projects) && name != "list-empty":
			return []int{command.ExitOK} // they are looked up one by one then
		case is(keystonetest.AuthProjects) && name == "truncated":
			return []int{command.ExitOK} // nothing is missing that was looked for
		case is(keystonetest.AuthProjects):
			return []int{command.ExitNoPermission} // not shown to us
		}
	case "instance-other-tenant":
		if c.name == "all-projects" {
			return []int{command.ExitNoPermission} // as from a Nova that passes over project_id
		}
	case "page-short":
		if c.name == "per-project" {
			return []int{command.ExitNoPermission} // two pages, and no right to look at the cells
		}
		return []int{command.ExitOK}
	case "next-other-host", "next-other-scheme", "next-relative", "next-missing":
		return []int{command.ExitOK} // links are not followed
	case "reset-in-body":
		if is(keystonetest.ReLogIn) {
			return []int{command.ExitOK} // the try after it is no longer the one after a 401
		}
	case "catalog-empty", "catalog-without-compute", "catalog-two-compute", "catalog-http", "catalog-bad-url":
		if is(keystonetest.ReLogIn) {
			// Requests that were prepared before go by the first catalog. What is asked
			// by id after them is frozen.
			return []int{command.ExitUntrusted, command.ExitFrozen, command.ExitOK}
		}
		if is(keystonetest.LogIn) && c.name == "per-project" && name == "catalog-http" {
			return []int{command.ExitOK} // nothing is asked there: the projects' tokens have catalogs of their own
		}
	}
	for _, prefix := range []string{"reset-", "closed-", "black-hole", "stall-", "slow-drip", "status-429", "status-5", "instance-unknown"} {
		if strings.HasPrefix(name, prefix) {
			return []int{command.ExitUnavailable}
		}
	}
	return []int{command.ExitUntrusted}
}

// heal takes all faults away but those that the conversation needs.
func (w *world) heal(c conversation) {
	w.Cloud.Disconnect()
	w.Cloud.Heal()
	if c.settings != nil {
		c.settings(w.Cloud.Cloud)
	}
}

// runWith is a run during which there is a fault.
func (w *world) runWith(fault keystonetest.Fault, args ...string) (commandtest.Ran, *keystonetest.Injected) {
	injected := w.Cloud.Inject(fault)
	return w.Run(args...), injected
}

// wellSaid checks what every run has to keep to: one error if it failed, and
// none of the secrets.
func (w *world) wellSaid(t *testing.T, got commandtest.Ran) {
	t.Helper()
	wanted := 1
	if got.Status == command.ExitOK || got.Status == command.ExitFrozen {
		wanted = 0
	}
	if n := strings.Count(got.Stderr, "nfs-exportd: error: "); n != wanted {
		t.Errorf("exit status %d and %d errors:\n%s", got.Status, n, got.Stderr)
	}
	for _, secret := range append(w.Cloud.Tokens(), commandtest.Password) {
		if strings.Contains(got.Stdout+got.Stderr, secret) {
			t.Errorf("%q is in the log:\n%s%s", secret, got.Stderr, got.Stdout)
		}
	}
}

// keptWhatWasFrozen checks that the active table has all that is wanted, and nothing
// besides but what was there before.
func (w *world) keptWhatWasFrozen(t *testing.T, wanted map[string]string) {
	t.Helper()
	lines := func(files map[string]string) []string { return strings.Split(strings.TrimSpace(files["etab"]), "\n") }
	now := lines(w.Files(t))
	for _, line := range lines(wanted) {
		if !slices.Contains(now, line) {
			t.Errorf("not there: %s", line)
		}
	}
	allowed := append(lines(w.Before), lines(wanted)...)
	for _, line := range now {
		if !slices.Contains(allowed, line) {
			t.Errorf("nobody wanted %s", line)
		}
	}
	if len(now) <= len(lines(wanted)) {
		t.Errorf("exit status %d, but nothing is frozen", command.ExitFrozen)
	}
}

// changed makes the cloud differ from the exports file. It gives the files that
// an apply is to leave behind, and how many requests of a kind that takes.
func (w *world) changed(t *testing.T, c conversation, kind keystonetest.Kind) (map[string]string, int) {
	t.Helper()
	for _, i := range w.Cloud.Instances("RegionOne") {
		if i.Name == "t2" {
			w.Cloud.RemoveInstance(i.ID)
		}
	}
	w.Cloud.AddInstance(keystonetest.Instance{Name: "t6", ProjectID: "p1", Addresses: []keystonetest.Address{{Network: "lan", IP: "10.0.0.6", Version: 4, Type: "fixed"}}})
	w.heal(c)
	w.Cloud.ResetRequests()
	if got := w.Run("apply"); got.Status != command.ExitOK || !strings.Contains(got.Stdout, "applied") {
		t.Fatalf("the healthy apply, exit status %d:\n%s%s", got.Status, got.Stdout, got.Stderr)
	}
	wanted := w.Files(t)
	return wanted, w.Cloud.Count(kind)
}

// restore puts the files back that were there before.
func (w *world) restore(t *testing.T) {
	t.Helper()
	for name, text := range w.Files(t) {
		switch before, ok := w.Before[name]; {
		case !ok:
			if err := os.Remove(w.Path(name)); err != nil {
				t.Fatal(err)
			}
		case text != before:
			w.Write(t, name, before)
		}
	}
}

// TestListingThatLacks has the listing of one project come back empty, as when a cell
// of Nova is away: what answers for its id is not gone, however often that is so.
func TestListingThatLacks(t *testing.T) {
	w := newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
	empty := w.Cloud.Inject(keystonetest.Fault{
		Kind: keystonetest.Instances, Project: "p1",
		Do: keystonetest.Rewrite(func([]byte) []byte { return []byte(`{"servers": []}`) }),
	})
	for range 2 {
		if got := w.Run("apply"); got.Status != 0 || got.Stdout != "" {
			t.Errorf("exit status %d after %d empty answers, printed:\n%s%s", got.Status, empty.Hits(), got.Stdout, got.Stderr)
		}
	}
	if empty.Hits() != 2 {
		t.Errorf("%d empty answers", empty.Hits())
	}
	w.Untouched(t)
}
