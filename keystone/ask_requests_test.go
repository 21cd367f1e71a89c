package keystone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/keystone/keystonetest"
)

// TestAskRegions has regions without a Nova, without a place in Keystone's list, and
// without a place in the configuration.
func TestAskRegions(t *testing.T) {
	t.Parallel()
	const gone, here, far = "no-such-instance", "tools-0", "tools-far"
	no, _ := keystonetest.FaultNamed("status-403")
	broken, _ := keystonetest.FaultNamed("status-500")
	for _, test := range []struct {
		name    string
		regions []string // of the configuration
		change  func(*world)
		ask     string
		want    string // a state, and what Why says
	}{
		{"all", nil, nil, gone, "gone: RegionOne RegionTwo"},
		{"one is not listed by the run", []string{"RegionOne"}, nil, gone, "gone: RegionOne RegionTwo"},
		{"found in one that is not listed by the run", []string{"RegionOne"}, nil, far, "found, not read: RegionTwo"},
		{"found in one that is listed by the run", []string{"RegionTwo", "RegionOne"}, nil, far, "found: RegionTwo"},
		{"Keystone has one without a Nova", []string{"RegionOne", "RegionTwo"}, func(w *world) {
			w.AddRegion("RegionThree")
			w.SetEndpoints("RegionThree")
		}, gone, `unproved: "RegionThree"`},
		{"the same, and found", []string{"RegionOne", "RegionTwo"}, func(w *world) {
			w.AddRegion("RegionThree")
			w.SetEndpoints("RegionThree")
		}, here, "found: RegionOne"},
		{"a Nova of another interface", []string{"RegionOne"}, func(w *world) {
			w.Inject(no.On(keystonetest.Regions))
			w.SetEndpoints("RegionTwo", keystonetest.Endpoint{Interface: "admin", URL: "{base}/compute/RegionTwo/v2.1"})
		}, gone, `unproved: "RegionTwo"`},
		{"two regions have one Nova", nil, func(w *world) {
			w.SetEndpoints("RegionTwo", keystonetest.Endpoint{Interface: "public", URL: "{base}/compute/RegionOne/v2.1/"})
		}, gone, `unproved: one Nova "RegionOne" "RegionTwo"`},
		{"two regions have one Nova, and found", nil, func(w *world) {
			w.SetEndpoints("RegionTwo", keystonetest.Endpoint{Interface: "public", URL: "{base}/compute/RegionOne/v2.1/"})
		}, here, "found: RegionOne"},
		{"no list of regions", []string{"RegionOne"}, func(w *world) { w.Inject(no.On(keystonetest.Regions)) }, gone, "gone: RegionOne RegionTwo"},
		{"a broken list of regions", []string{"RegionOne"}, func(w *world) { w.Inject(broken.On(keystonetest.Regions)) }, gone, "unproved: /v3/regions"},
		{"a broken list of regions, and found", []string{"RegionOne"}, func(w *world) { w.Inject(broken.On(keystonetest.Regions)) }, here, "found: RegionOne"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.opts.Regions = test.regions
			if test.change != nil {
				test.change(w)
			}
			a := w.listed(t, logins()[0])
			id := test.ask
			for _, i := range append(w.Instances("RegionOne"), w.Instances("RegionTwo")...) {
				if i.Name == id {
					id = i.ID
				}
			}
			got := a.ask(t, id)
			state, says, _ := strings.Cut(test.want, ": ")
			if have, _, _ := strings.Cut(stated(got), ":"); have != strings.TrimSuffix(state, ", not read") ||
				got.Read != (state == "found") {
				t.Errorf("%+v, want %s", got, test.want)
			}
			for word := range strings.FieldsSeq(says) {
				if !strings.Contains(got.Why, word) {
					t.Errorf("no %q in %s", word, got.Why)
				}
			}
		})
	}
}

// TestAskCatalogs has a project whose catalog has another region than that of the log-in:
// the Novas of both must be asked.
func TestAskCatalogs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Regions = []string{"RegionOne"}
	no, _ := keystonetest.FaultNamed("status-403")
	w.Inject(no.On(keystonetest.Regions))
	w.Inject(keystonetest.Fault{Kind: keystonetest.Rescope, Do: keystonetest.Rewrite(func(body []byte) []byte {
		return bytes.ReplaceAll(body, []byte("RegionTwo"), []byte("RegionSix"))
	})})
	a := w.listed(t, logins()[1])
	got := a.ask(t, "gone")
	if got.State != exports.Unproved || !strings.Contains(got.Why, `"RegionTwo" cannot be asked`) || !strings.Contains(got.Why, "/compute/RegionSix/") {
		t.Errorf("%s", stated(got))
	}
}

// TestAskStops ends the context from outside, and by its deadline.
func TestAskStops(t *testing.T) {
	t.Parallel()
	hole, _ := keystonetest.FaultNamed("black-hole")
	for _, deadline := range []bool{false, true} {
		w := newWorld(t)
		w.opts.Concurrency = 1
		a := w.listed(t, logins()[0])
		signal := errors.New("signal: terminated")
		ctx, cancel := context.WithCancelCause(t.Context())
		if deadline {
			var end context.CancelFunc
			ctx, end = context.WithTimeout(ctx, 200*time.Millisecond)
			defer end()
		}
		injected := a.Inject(hole.On(keystonetest.OneInstance))
		go func() {
			for !deadline && injected.Hits() == 0 && t.Context().Err() == nil {
				time.Sleep(time.Millisecond)
			}
			if !deadline {
				cancel(signal)
			}
		}()
		var questions []exports.Question
		for n := range 6 {
			questions = append(questions, exports.Question{Project: toolsID, Instance: fmt.Sprintf("gone-%d", n)})
		}
		answers, err := a.client.Ask(ctx, questions, a.inventory)
		switch {
		case !deadline && (!errors.Is(err, context.Canceled) || !errors.Is(err, signal) || answers != nil):
			t.Errorf("canceled: %v, %v", answers, err)
		case deadline && (err != nil || len(answers) != 6):
			t.Errorf("deadline: %v, %v", answers, err)
		}
		for _, got := range answers {
			if got.State != exports.Unproved || !strings.Contains(got.Why, "the time is up") || strings.Contains(got.Why, "was not asked") {
				t.Errorf("deadline: %s", stated(got))
			}
		}
		cancel(nil)
	}
}

// TestAskFailures asks about ten instances in a region whose Nova is broken, one after
// the other.
func TestAskFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault  string
		region string
		login  int
		asked  int // requests there
	}{
		{"status-500", "RegionOne", 0, 6}, // each once more
		{"status-502-html", "RegionOne", 0, 6},
		{"status-429", "RegionOne", 0, 6},
		{"reset-in-body", "RegionOne", 0, 6},
		{"black-hole", "RegionOne", 0, 3},
		{"status-404", "RegionOne", 0, 3},
		{"status-413", "RegionOne", 0, 3},
		{"redirect-302", "RegionOne", 0, 3},
		{"status-403", "RegionOne", 0, 3},
		{"status-403", "RegionOne", 1, 10}, // to a token for one project: the others may be answered
		{"status-500", "RegionTwo", 0, 6},
		{"status-500", "RegionTwo", 1, 6},
	} {
		t.Run(fmt.Sprint(test.fault, test.region, test.login), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.opts.Concurrency = 1
			if test.fault == "black-hole" {
				w.opts.RequestTimeout = 200 * time.Millisecond
			}
			a := w.listed(t, logins()[test.login])
			fault, _ := keystonetest.FaultNamed(test.fault)
			w.Inject(keystonetest.Fault{Kind: keystonetest.OneInstance, Region: test.region, Do: fault.Do})
			var questions []exports.Question
			for n := range 10 {
				questions = append(questions, exports.Question{Project: toolsID, Instance: fmt.Sprintf("gone-%d", n)})
			}
			answers, err := a.client.Ask(t.Context(), questions, a.inventory)
			if err != nil {
				t.Fatal(err)
			}
			counted := map[string]int{}
			for _, r := range w.Requests() {
				counted[r.Region]++
			}
			other := map[string]string{"RegionOne": "RegionTwo", "RegionTwo": "RegionOne"}[test.region]
			if diff := cmp.Diff(map[string]int{test.region: test.asked, other: 10}, counted); diff != "" {
				t.Errorf("requests: %s", diff)
			}
			for n, q := range questions {
				if a := answers[q]; a.State != exports.Unproved || strings.Contains(a.Why, "was not asked") != (n >= 3 && test.asked < 10) {
					t.Errorf("%d: %s", n, stated(a))
				}
			}
		})
	}
}

// TestAskRetry has a request fail once, and then succeed.
func TestAskRetry(t *testing.T) {
	t.Parallel()
	for fault, again := range map[string]bool{
		"status-500": true, "status-503": true, "status-429": true, "reset-in-body": true, "status-502-html": true,
		"status-401": true, "status-403": false, "status-409": false, "status-404": false, "body-short": false, "redirect-307": false,
	} {
		w := newWorld(t)
		a := w.listed(t, logins()[0])
		named, _ := keystonetest.FaultNamed(fault)
		w.Inject(keystonetest.Fault{Kind: keystonetest.OneInstance, Times: 1, Do: named.Do})
		if got := a.ask(t, w.Instances("RegionOne")[0].ID); (got.State == exports.Found) != again {
			t.Errorf("%s: %s\n%v", fault, stated(got), w.Requests())
		}
		if again && fault != "status-401" && len(w.waited) != 1 {
			t.Errorf("%s: waited %v", fault, w.waited)
		}
	}
}

// TestAskRequests counts what questions cost.
func TestAskRequests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		login int
		want  map[string]int
	}{
		// 3 instances that are gone, 2 regions.
		{0, map[string]int{"Instance": 6}},
		{1, map[string]int{"Instance": 6}},                       // the session of the listing
		{2, map[string]int{"Instance": 6 + 3 + 2, "Rescope": 1}}, // 3 and 2 that are no witness; the second region has no more
		{4, map[string]int{"Instance": 6 + 2}},                   // a witness for each region
		{5, map[string]int{"Instance": 6 + 2}},
	} {
		w := newWorld(t)
		a := w.listed(t, logins()[test.login])
		var questions []exports.Question
		for n := range 3 {
			questions = append(questions, exports.Question{Project: toolsID, Instance: fmt.Sprintf("gone-%d", n)})
		}
		answers, err := a.client.Ask(t.Context(), append(questions, exports.Question{Project: toolsID, Instance: "a/b"},
			exports.Question{Project: "", Instance: "a"}, exports.Question{Project: "a b", Instance: "a"},
			exports.Question{Project: toolsID, Instance: strings.Repeat("a", 65)}), a.inventory)
		if err != nil || len(answers) != 7 {
			t.Fatal(answers, err)
		}
		for _, q := range questions {
			if answers[q].State != exports.Gone {
				t.Errorf("%s: %s", logins()[test.login].name, stated(answers[q]))
			}
			delete(answers, q)
		}
		for q, a := range answers {
			if a.State != exports.Unproved || !strings.Contains(a.Why, "nobody was asked") {
				t.Errorf("%+v: %s", q, stated(a))
			}
		}
		counted := map[string]int{}
		for _, r := range w.Requests() {
			counted[string(r.Kind)]++
		}
		if diff := cmp.Diff(test.want, counted); diff != "" {
			t.Errorf("%s: -want +got: %s", logins()[test.login].name, diff)
		}
		// What was found out holds for the rest of the run.
		w.ResetRequests()
		a.ask(t, "gone-9")
		if got := w.Count(); got != 2 {
			t.Errorf("%s: the second time: %d requests: %v", logins()[test.login].name, got, w.Requests())
		}
	}
}

// TestAskWitness asks as users who have no role on the project tools about an instance
// of it that is gone. Only one who is shown an instance outside his own project would be
// shown that too, however the instances were listed.
func TestAskWitness(t *testing.T) {
	t.Parallel()
	const together, each = exports.ListingAllProjects, exports.ListingPerProject
	// more is a project with an instance in each region, on which the user has a role.
	more := func(user string) func(*world) {
		return func(w *world) {
			w.AddProject(keystonetest.Project{ID: "more", Name: "more"})
			for _, region := range []string{"RegionOne", "RegionTwo"} {
				w.AddInstance(keystonetest.Instance{Name: "more", ProjectID: "more", Region: region})
			}
			w.AddRole(user, "deployment-prep", "reader")
			w.AddRole(user, "more", "reader")
		}
	}
	for _, test := range []struct {
		name    string
		login   int
		listing exports.Listing
		keys    []string
		change  func(*world)
		want    string
	}{
		{"an instance of another served project", 4, together, []string{"tools", "deployment-prep"}, nil, "gone"},
		{"an instance of a project that is not served", 4, together, []string{"deployment-prep"}, nil, "gone"},
		{"one region has none but his own", 4, together, []string{"deployment-prep"}, func(w *world) {
			for _, i := range w.Instances("RegionTwo") {
				if i.ProjectID == toolsID {
					w.RemoveInstance(i.ID)
				}
			}
		}, "unproved"},
		{"others are listed, and not shown", 3, together, []string{"tools", "deployment-prep"}, nil, "unproved"},
		{"others that are not served are not shown", 3, together, []string{"deployment-prep"}, nil, "unproved"},
		{"an instance of a project that he has a role on", 4, each, []string{"deployment-prep", "more"}, more("boss"), "gone"},
		{"no instance outside his own project", 4, each, []string{"deployment-prep"}, nil, "unproved"},
		{"one that is not in a cell yet", 3, together, []string{"tools", "deployment-prep"}, func(w *world) {
			for _, region := range []string{"RegionOne", "RegionTwo"} {
				for _, i := range w.Instances(region) {
					w.RemoveInstance(i.ID)
				}
				w.AddInstance(keystonetest.Instance{Name: "new", ProjectID: toolsID, Region: region, Status: "BUILD", Unscheduled: true})
			}
		}, "unproved"},
		{"one that a token for its project alone is shown", 3, each, []string{"deployment-prep", "more"}, more("lister"), "unproved"},
	} {
		w := newWorld(t)
		as := logins()[test.login]
		as.set(w)
		w.AddInstance(keystonetest.Instance{Name: "prep-far", ProjectID: "deployment-prep", Region: "RegionTwo"})
		if test.change != nil {
			test.change(w)
		}
		creds := w.credentials()
		as.creds(w, &creds)
		w.opts.Listing = test.listing
		client, err := Open(t.Context(), creds, w.options())
		if err != nil {
			t.Fatal(test.name, err)
		}
		defer client.Close()
		inventory, err := client.Inventory(t.Context(), Wanted{Keys: test.keys})
		if err != nil {
			t.Fatal(test.name, err)
		}
		a := asked{w, client, inventory}
		got := stated(a.ask(t, "gone"))
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s", test.name, got)
		}
		if test.want == "unproved" && !strings.Contains(got, "get a token for project") {
			t.Errorf("%s: no refusal in %s", test.name, got)
		}
	}
}

// TestAskWitnessBroken has instances that Nova cannot show, of one project: one of
// another is a witness as good.
func TestAskWitnessBroken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Listing = exports.ListingAllProjects
	a := w.listed(t, logins()[5])
	of := map[string]string{} // projects, by the path of an instance
	for _, i := range w.Instances("RegionOne") {
		of["/compute/RegionOne/v2.1/servers/"+i.ID] = i.ProjectID
	}
	broken, _ := keystonetest.FaultNamed("status-500")
	injected := w.Inject(keystonetest.Fault{Kind: keystonetest.OneInstance, Do: broken.Do, Match: func(r keystonetest.Request) bool {
		return of[r.Path] == toolsID
	}})
	if got := a.ask(t, "gone"); got.State != exports.Gone || injected.Hits() == 0 {
		t.Errorf("%s, %d hits\n%v", stated(got), injected.Hits(), w.Requests())
	}
}

// TestAskFallbackFails asks about instances of a project for which there is no token, in a
// region whose Nova is broken: after three failures no more is asked there.
func TestAskFallbackFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Concurrency, w.opts.Regions = 1, []string{"RegionOne"}
	a := w.listed(t, logins()[3])
	broken, _ := keystonetest.FaultNamed("status-500")
	w.Inject(keystonetest.Fault{Kind: keystonetest.OneInstance, Do: broken.Do})
	var questions []exports.Question
	for n := range 10 {
		questions = append(questions, exports.Question{Project: "not-ours", Instance: fmt.Sprintf("gone-%d", n)})
	}
	if _, err := a.client.Ask(t.Context(), questions, a.inventory); err != nil {
		t.Fatal(err)
	}
	counted := map[string]int{}
	for _, r := range w.Requests() {
		if r.Kind == keystonetest.OneInstance && strings.Contains(r.Path, "gone-") {
			counted[r.Region]++
		}
	}
	// In the second region, which nobody listed, three of them are tried as witnesses too.
	if diff := cmp.Diff(map[string]int{"RegionOne": 6, "RegionTwo": 12}, counted); diff != "" {
		t.Error(diff)
	}
}

// TestAskWitnessLate has a Nova that does not answer: one witness is enough to find out.
func TestAskWitnessLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.RequestTimeout = 300 * time.Millisecond
	a := w.listed(t, logins()[4])
	hole, _ := keystonetest.FaultNamed("black-hole")
	w.Inject(keystonetest.Fault{Kind: keystonetest.OneInstance, Region: "RegionOne", Do: hole.Do})
	if got := a.ask(t, "gone"); got.State != exports.Unproved {
		t.Errorf("%s", stated(got))
	}
	n := 0
	for _, r := range w.Requests() {
		if r.Kind == keystonetest.OneInstance && r.Region == "RegionOne" {
			n++
		}
	}
	if n != 2 { // for one witness, and for the instance itself
		t.Errorf("%d requests to RegionOne: %v", n, w.Requests())
	}
}
