package keystone

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/keystone/keystonetest"
)

// cellCase is a cell that goes or comes back, and the projects that are served.
type cellCase struct {
	cell   string
	served []string
}

func cellCases() (cases []cellCase) {
	for _, cell := range []string{"cell1", "cell2"} {
		cases = append(cases,
			cellCase{cell, []string{toolsID, "deployment-prep", "idle"}},
			cellCase{cell, []string{toolsID, "deployment-prep"}}, // few
		)
	}
	return cases
}

// TestCellDown takes a cell away before the run, and before each of its requests
// to Nova in turn. That must never end in a shorter list.
func TestCellDown(t *testing.T) {
	t.Parallel()
	for _, reader := range []bool{false, true} {
		for _, small := range []bool{false, true} {
			for _, test := range cellCases() {
				t.Run(fmt.Sprintf("reader %t, paged %t, %s, %d projects", reader, small, test.cell, len(test.served)), func(t *testing.T) {
					t.Parallel()
					for n := range 200 {
						w := newWorld(t)
						w.reader = reader
						if small {
							w.paged()
						}
						want := w.healthy()
						down := w.Inject(keystonetest.Fault{
							Match: func(r keystonetest.Request) bool { return strings.HasPrefix(r.Path, "/compute/RegionOne/") },
							Nth:   n, Times: 1,
							Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
								w.CellDown("RegionOne", test.cell, true)
								next.ServeHTTP(rw, r)
							},
						})
						if n == 0 {
							w.CellDown("RegionOne", test.cell, true)
							down.Remove()
						}
						got, err := w.read(t.Context(), Wanted{Keys: test.served})
						if n > 0 && down.Hits() == 0 {
							return // there are fewer requests
						}
						switch class(err) {
						case "unavailable":
						case "complete":
							for key, p := range withoutWhy(got).Projects {
								if diff := cmp.Diff(want.Projects[key], p, sameAddr); diff != "" {
									t.Errorf("down at request %d: project %s: -want +got:\n%s\n%v", n, key, diff, w.Requests())
								}
							}
							if n == 0 {
								t.Error("the cell was down all the time, and nobody saw it")
							}
						default:
							t.Errorf("down at request %d: %s: %v\n%v", n, class(err), err, w.Requests())
						}
					}
				})
			}
		}
	}
}

// TestCellBack has a cell that is down from the beginning and comes back before
// each of the requests to Nova in turn.
func TestCellBack(t *testing.T) {
	t.Parallel()
	for _, reader := range []bool{false, true} {
		for _, small := range []bool{false, true} {
			for _, test := range cellCases() {
				t.Run(fmt.Sprintf("reader %t, paged %t, %s, %d projects", reader, small, test.cell, len(test.served)), func(t *testing.T) {
					t.Parallel()
					for n := 1; ; n++ {
						w := newWorld(t)
						w.reader = reader
						if small {
							w.paged()
						}
						want := w.healthy()
						w.CellDown("RegionOne", test.cell, true)
						back := w.Inject(keystonetest.Fault{
							Match: func(r keystonetest.Request) bool { return strings.HasPrefix(r.Path, "/compute/RegionOne/") },
							Nth:   n, Times: 1,
							Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
								w.CellDown("RegionOne", test.cell, false)
								next.ServeHTTP(rw, r)
							},
						})
						got, err := w.read(t.Context(), Wanted{Keys: test.served})
						if back.Hits() == 0 {
							if class(err) != "unavailable" {
								t.Errorf("down all the time: %s: %v", class(err), err)
							}
							return
						}
						if err == nil {
							for key, p := range withoutWhy(got).Projects {
								if diff := cmp.Diff(want.Projects[key], p, sameAddr); diff != "" {
									t.Errorf("back at request %d: project %s: -want +got:\n%s\n%v", n, key, diff, w.Requests())
								}
							}
						} else if class(err) != "unavailable" {
							t.Errorf("back at request %d: %s: %v", n, class(err), err)
						}
					}
				})
			}
		}
	}
}

// TestRights has a user with some rights and not others.
func TestRights(t *testing.T) {
	t.Parallel()
	admin, all := keystonetest.Anywhere("admin"), keystonetest.Anywhere("admin", "reader")
	for _, test := range []struct {
		name   string
		policy keystonetest.Policy
		small  bool
		want   map[exports.Listing]string
	}{
		{"nothing but roles", keystonetest.Everything(admin), false,
			map[exports.Listing]string{exports.ListingAuto: "complete", exports.ListingAllProjects: "refused", exports.ListingPerProject: "complete"}},
		{"all_tenants, but no filters", keystonetest.Policy{ListProjects: all, AllTenants: all, AllFilters: admin, ListServices: all}, false,
			map[exports.Listing]string{exports.ListingAuto: "complete", exports.ListingAllProjects: "refused", exports.ListingPerProject: "complete"}},
		{"all_tenants and filters", keystonetest.Policy{ListProjects: all, AllTenants: all, AllFilters: all, ListServices: admin}, false,
			map[exports.Listing]string{exports.ListingAuto: "complete", exports.ListingAllProjects: "complete", exports.ListingPerProject: "complete"}},
		{"pages are full, and cells cannot be seen", keystonetest.Policy{ListProjects: all, AllTenants: all, AllFilters: all, ListServices: admin}, true,
			map[exports.Listing]string{exports.ListingAuto: "refused", exports.ListingAllProjects: "refused", exports.ListingPerProject: "refused"}},
		{"pages are full, and cells can be seen", keystonetest.Everything(all), true,
			map[exports.Listing]string{exports.ListingAuto: "complete", exports.ListingAllProjects: "complete", exports.ListingPerProject: "complete"}},
	} {
		for listing, want := range test.want {
			t.Run(test.name+"/"+string(listing), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t).asReader()
				w.Configure(func(s *keystonetest.Settings) {
					s.Policy = test.policy
					if test.small {
						s.PageSize = 2
					}
				})
				w.opts.Listing = listing
				got, err := w.read(t.Context(), Wanted{Keys: []string{toolsID, "deployment-prep", "idle"}})
				if class(err) != want {
					t.Fatalf("%s, want %s: %v\n%v", class(err), want, err, w.Requests())
				}
				if err != nil {
					return
				}
				healthy := w.healthy()
				for key, p := range withoutWhy(got).Projects {
					if diff := cmp.Diff(healthy.Projects[key], p, sameAddr); diff != "" {
						t.Errorf("project %s: -want +got:\n%s", key, diff)
					}
				}
			})
		}
	}
}

// TestNoRole takes the role on one served project away.
func TestNoRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t).asReader()
	w.Configure(func(s *keystonetest.Settings) { s.Policy.ListProjects = keystonetest.Anywhere("reader") })
	w.RemoveRole("reader", "deployment-prep", "reader")
	_, err := w.read(t.Context(), everything())
	if class(err) != "refused" || !strings.Contains(err.Error(), `"deployment-prep"`) {
		t.Errorf("%s: %v", class(err), err)
	}
}

// TestFew has one or two projects, for which a token each is tried first.
func TestFew(t *testing.T) {
	t.Parallel()
	allowed := keystonetest.Everything(keystonetest.Anywhere("admin", "reader"))
	password := func(*world, *Credentials) {}
	noRole := func(w *world, _ *Credentials) { w.RemoveRole("reader", w.healthy().Projects["idle"].ID, "reader") }
	app := func(w *world, c *Credentials) {
		a := w.AddAppCredential(keystonetest.AppCredential{User: "reader", Project: toolsID, Secret: "app-7f3a", Roles: []string{"reader"}})
		c.application, c.password, c.scope = application{id: a.ID, secret: newSecret("app-7f3a")}, secret{}, scope{}
	}
	for _, test := range []struct {
		name    string
		listing exports.Listing
		served  []string
		policy  keystonetest.Policy
		as      func(*world, *Credentials)
		want    map[keystonetest.Kind]int // requests
	}{
		{"the project of the log-in", exports.ListingAuto, []string{"tools"}, allowed, password,
			map[keystonetest.Kind]int{keystonetest.LogIn: 1}},
		{"two others", exports.ListingAuto, []string{"deployment-prep", "idle"}, allowed, password,
			map[keystonetest.Kind]int{keystonetest.LogIn: 1, keystonetest.Rescope: 2}},
		{"two others, without any other right", exports.ListingAuto, []string{"deployment-prep", "idle"}, keystonetest.DefaultPolicy(), password,
			map[keystonetest.Kind]int{keystonetest.LogIn: 1, keystonetest.Rescope: 2}},
		{"two others, who are to be listed all at once", exports.ListingAllProjects, []string{"deployment-prep", "idle"}, allowed, password,
			map[keystonetest.Kind]int{keystonetest.LogIn: 1, keystonetest.CellProbe: 4}},
		{"three", exports.ListingAuto, []string{"tools", "deployment-prep", "idle"}, allowed, password,
			map[keystonetest.Kind]int{keystonetest.LogIn: 1, keystonetest.CellProbe: 4}},
		{"one without a role", exports.ListingAuto, []string{"idle"}, allowed, noRole,
			map[keystonetest.Kind]int{keystonetest.LogIn: 1, keystonetest.Rescope: 1, keystonetest.CellProbe: 4}},
		{"one with a role and one without", exports.ListingAuto, []string{"tools", "idle"}, allowed, noRole,
			map[keystonetest.Kind]int{keystonetest.LogIn: 1, keystonetest.Rescope: 1, keystonetest.CellProbe: 4}},
		{"an admin of the system, who would have to log in again", exports.ListingAuto, []string{"tools", "idle"}, keystonetest.DefaultPolicy(),
			func(w *world, c *Credentials) { w.reader = false; *c = w.credentials() },
			map[keystonetest.Kind]int{keystonetest.LogIn: 1, keystonetest.CellProbe: 4}},
		{"an application credential, for neither", exports.ListingAuto, []string{"deployment-prep", "idle"}, allowed, app,
			map[keystonetest.Kind]int{keystonetest.LogIn: 1, keystonetest.CellProbe: 4}},
		{"an application credential, for one of the two", exports.ListingAuto, []string{"tools", "idle"}, allowed, app,
			map[keystonetest.Kind]int{keystonetest.LogIn: 1, keystonetest.CellProbe: 4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).asReader()
			healthy := w.healthy().Projects
			w.Configure(func(s *keystonetest.Settings) { s.Policy = test.policy })
			w.opts.Listing = test.listing
			creds := w.credentials()
			test.as(w, &creds)
			c, err := Open(t.Context(), creds, w.options())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got, err := c.Inventory(t.Context(), Wanted{Keys: test.served})
			if err != nil {
				t.Fatal(err)
			}
			healthy["tools"] = healthy[toolsID]
			for key, p := range withoutWhy(got).Projects {
				if diff := cmp.Diff(healthy[key], p, sameAddr); diff != "" {
					t.Errorf("project %s: -want +got:\n%s", key, diff)
				}
			}
			count := map[keystonetest.Kind]int{}
			for _, kind := range []keystonetest.Kind{keystonetest.LogIn, keystonetest.ReLogIn, keystonetest.Rescope, keystonetest.CellProbe} {
				if n := w.Count(kind); n > 0 {
					count[kind] = n
				}
			}
			if diff := cmp.Diff(test.want, count); diff != "" {
				t.Errorf("requests: -want +got:\n%s\n%v", diff, w.Requests())
			}
		})
	}
}

// TestSecondReading reads some projects of those that were just read. One who may
// list all of them does not come to try a token for each.
func TestSecondReading(t *testing.T) {
	t.Parallel()
	w := newWorld(t).asReader()
	w.Configure(func(s *keystonetest.Settings) {
		s.Policy = keystonetest.Everything(keystonetest.Anywhere("admin", "reader"))
	})
	c, err := Open(t.Context(), w.credentials(), w.options())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, keys := range [][]string{{"tools", "deployment-prep", "idle"}, {"deployment-prep"}} {
		w.ResetRequests()
		if _, err := c.Inventory(t.Context(), Wanted{Keys: keys}); err != nil {
			t.Fatal(err)
		}
		if tokens, cells := w.Count(keystonetest.Rescope), w.Count(keystonetest.CellProbe); tokens != 0 || cells != 4 {
			t.Errorf("%d projects: %d requests for tokens and %d about cells, want 0 and 4", len(keys), tokens, cells)
		}
	}

	// Nor does one who was refused a token for one before.
	w.RemoveRole("reader", "deployment-prep", "reader")
	another, err := Open(t.Context(), w.credentials(), w.options())
	if err != nil {
		t.Fatal(err)
	}
	defer another.Close()
	for _, want := range []int{1, 0} {
		w.ResetRequests()
		if _, err := another.Inventory(t.Context(), Wanted{Keys: []string{"deployment-prep"}}); err != nil {
			t.Fatal(err)
		}
		if got := w.Count(keystonetest.Rescope); got != want {
			t.Errorf("%d requests for tokens, want %d", got, want)
		}
	}
}

// TestLogInIsNotStopped loses the token before instances are read. The project of the
// log-in comes to log in again; meanwhile the other is refused, as its token is lost
// too. That must not stop the log-in, of which Keystone counts each that fails.
func TestLogInIsNotStopped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		wrong bool // the password, by now
		want  string
	}{{"mended", false, "complete"}, {"locked out", true, "refused"}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).asReader()
			w.opts.Regions = []string{"RegionOne"}
			w.Inject(keystonetest.Fault{Kind: keystonetest.AuthProjects, Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				next.ServeHTTP(rw, r)
				w.ExpireTokens()
			}})
			rescoping, loggingIn := make(chan struct{}), make(chan struct{})
			w.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Times: 1, Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				<-rescoping
				next.ServeHTTP(rw, r)
			}})
			w.Inject(keystonetest.Fault{Kind: keystonetest.Rescope, Times: 1, Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				close(rescoping)
				<-loggingIn
				next.ServeHTTP(rw, r)
			}})
			refused, _ := keystonetest.FaultNamed("status-401")
			w.Inject(keystonetest.Fault{Kind: keystonetest.ReLogIn, Times: 1, Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				close(loggingIn)
				select { // time for the refusal to do harm
				case <-r.Context().Done():
				case <-time.After(200 * time.Millisecond):
				}
				if test.wrong {
					refused.Do(rw, r, next)
				} else {
					next.ServeHTTP(rw, r)
				}
			}})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			got, err := w.read(ctx, Wanted{Keys: []string{"tools", "deployment-prep"}})
			if class(err) != test.want || err == nil && len(got.Projects["tools"].Instances) != 5 {
				t.Errorf("%s, %d instances: %v\n%v", class(err), len(got.Projects["tools"].Instances), err, w.Requests())
			}
			if n := w.Count(keystonetest.ReLogIn); n != 1 {
				t.Errorf("%d log-ins after the first, want 1\n%v", n, w.Requests())
			}
		})
	}
}

// TestCellWithoutHosts has a page that is full, until a cell goes down of which
// os-services tells nothing.
func TestCellWithoutHosts(t *testing.T) {
	t.Parallel()
	for _, reader := range []bool{false, true} {
		for _, cell := range []string{"cell1", "cell2"} {
			for n := 1; ; n++ {
				w := newWorld(t).paged()
				w.reader = reader
				w.opts.Regions = []string{"RegionOne"}
				page := len(w.Instances("RegionOne")) - 1
				if reader {
					page = 4 // of the five of tools
				}
				w.Configure(func(s *keystonetest.Settings) { s.PageSize = page })
				w.RemoveHosts("RegionOne", cell)
				down := w.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Nth: n, Times: 1, Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
					w.CellDown("RegionOne", cell, true)
					next.ServeHTTP(rw, r)
				}})
				got, err := w.read(t.Context(), Wanted{Keys: []string{"tools"}})
				if down.Hits() == 0 {
					break // there are fewer requests
				}
				if have := len(got.Projects["tools"].Instances); class(err) != "unavailable" && (err != nil || have != 5) {
					t.Errorf("reader %t, %s down at request %d: %d instances, %s: %v\n%v", reader, cell, n, have, class(err), err, w.Requests())
				}
			}
		}
	}
}

// TestBudget counts requests, of which there are to be no more than a page and
// the empty page that ends it for each project, and a few besides.
func TestBudget(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reader bool
		atMost int
		logins int
	}{{false, 410, 1}, {true, 610, 1}} {
		t.Run(fmt.Sprintf("reader %t", test.reader), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.RemoveRegion("RegionTwo")
			w.reader = test.reader
			w.opts.Concurrency = 6
			var wanted Wanted
			for n := range 200 {
				p := w.AddProject(keystonetest.Project{Name: fmt.Sprintf("many-%d", n)})
				w.AddRole("reader", p.ID, "reader")
				w.AddInstance(keystonetest.Instance{Name: "one", ProjectID: p.ID})
				wanted.Keys = append(wanted.Keys, p.Name)
				wanted.IDs = append(wanted.IDs, exports.Owner{ID: p.ID})
			}
			inventory := w.mustRead(t, wanted)
			for key, p := range inventory.Projects {
				if len(p.Instances) != 1 {
					t.Errorf("project %s has %d instances", key, len(p.Instances))
				}
			}
			if got := w.Count(); got > test.atMost {
				t.Errorf("%d requests, want at most %d", got, test.atMost)
			}
			if got := w.Count(keystonetest.LogIn, keystonetest.ReLogIn); got != test.logins {
				t.Errorf("%d log-ins, want %d", got, test.logins)
			}
			if got := w.Peak(); got > 6 {
				t.Errorf("%d requests at a time, want at most 6", got)
			}
			for _, r := range w.Requests() {
				if !strings.HasPrefix(r.UserAgent, "nfs-exportd/test gophercloud/") {
					t.Fatalf("User-Agent %q", r.UserAgent)
				}
			}
		})
	}
}

// TestMarkerGone deletes an instance between the page that it is the last of and
// the next.
func TestMarkerGone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		times int
		want  string
	}{{1, "complete"}, {2, "complete"}, {0, "untrusted"}} {
		w := newWorld(t).paged()
		fault, _ := keystonetest.FaultNamed("marker-unknown")
		w.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Project: toolsID, Region: "RegionOne", Times: test.times,
			Match: func(r keystonetest.Request) bool { return r.Marker != "" }, Do: fault.Do})
		got, err := w.read(t.Context(), Wanted{Keys: []string{"tools"}})
		if class(err) != test.want {
			t.Errorf("gone %d times: %s, want %s: %v", test.times, class(err), test.want, err)
		}
		if err == nil && len(got.Projects["tools"].Instances) != 6 {
			t.Errorf("gone %d times: %v", test.times, got)
		}
	}
}

// TestLinkToNothing has an empty page once, after a page with a link to it.
func TestLinkToNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t).paged()
	w.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Project: toolsID, Page: keystonetest.MiddlePage, Times: 1,
		Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			rw.Header().Set("OpenStack-API-Version", "compute 2.69")
			keystonetest.Answer(200, `{"servers":[]}`)(rw, r, next)
		}})
	if got := w.mustRead(t, Wanted{Keys: []string{"tools"}}).Projects["tools"].Instances; len(got) != 6 {
		t.Errorf("%d instances, want 6", len(got))
	}
}

func TestNothingServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := withoutWhy(w.mustRead(t, Wanted{Keys: []string{"gone", "off"}, IDs: owners(toolsID)}))
	healthy := w.healthy()
	want := exports.Inventory{
		Projects: map[string]exports.Project{"gone": {Sight: exports.Absent}, "off": healthy.Projects["off"]},
		IDs:      map[string]exports.Project{toolsID: healthy.IDs[toolsID]},
	}
	if diff := cmp.Diff(want, got, sameAddr); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := w.Count(keystonetest.CellProbe, keystonetest.Instances, keystonetest.Regions); n > 0 {
		t.Errorf("%d requests about instances, of which none are wanted", n)
	}
}

// TestStopped ends the context while a request is under way.
func TestStopped(t *testing.T) {
	t.Parallel()
	hole, _ := keystonetest.FaultNamed("black-hole")
	for _, kind := range []keystonetest.Kind{keystonetest.LogIn, keystonetest.Projects, keystonetest.Instances} {
		t.Run("canceled/"+string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			w.Inject(keystonetest.Fault{Kind: kind, Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				cancel(fmt.Errorf("interrupted"))
				hole.Do(rw, r, next)
			}})
			if _, err := w.read(ctx, everything()); class(err) != "canceled" || !strings.Contains(err.Error(), "interrupted") {
				t.Errorf("%s: %v", class(err), err)
			}
		})
		t.Run("late/"+string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Inject(keystonetest.Fault{Kind: kind, Do: hole.Do})
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := w.read(ctx, everything()); class(err) != "unavailable" || !strings.Contains(err.Error(), "--timeout") {
				t.Errorf("%s: %v", class(err), err)
			}
		})
	}
}
