package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/keystone/keystonetest"
)

// TestFaults makes every request that the program sends go wrong in every way
// that the test cloud knows, in both ways to list, and looks at what people get:
// the exit status, one error, and an exports file and an active table that are
// as before, without a run of exportfs and without a secret in what is printed.
//
// The cloud is in step with the exports file, so that whatever is taken for a
// shorter list would show as a change.
func TestFaults(t *testing.T) {
	cells := 0
	for _, mode := range []struct {
		name  string
		roles string
		env   []string
		// kinds are the requests that a run makes.
		kinds []keystonetest.Kind
		// settings makes those requests happen that a healthy run does without.
		settings func(*keystonetest.Cloud)
	}{
		{
			name:  "all-projects",
			roles: "{system: [admin]}",
			env:   []string{"OS_SYSTEM_SCOPE=all"},
			kinds: []keystonetest.Kind{keystonetest.LogIn, keystonetest.Regions, keystonetest.Projects, keystonetest.CellProbe, keystonetest.Instances},
		},
		{
			name:  "per-project",
			roles: "{tools: [reader], maps: [reader], home: [reader]}",
			env:   []string{"OS_PROJECT_NAME=home", "OS_PROJECT_DOMAIN_NAME=Default"},
			kinds: []keystonetest.Kind{keystonetest.LogIn, keystonetest.Rescope, keystonetest.Regions, keystonetest.AuthProjects, keystonetest.Instances},
		},
		{
			name:  "log-in-again",
			roles: "{system: [admin]}",
			env:   []string{"OS_SYSTEM_SCOPE=all"},
			kinds: []keystonetest.Kind{keystonetest.ReLogIn},
			settings: func(c *keystonetest.Cloud) {
				expires, ok := keystonetest.FaultNamed("token-expires")
				if !ok {
					panic("no fault token-expires")
				}
				fault := expires.On(keystonetest.Instances)
				fault.Nth, fault.Times = 2, 1
				c.Inject(fault)
			},
		},
		{
			name:  "listed-one-by-one",
			roles: "{system: [admin]}",
			env:   []string{"OS_SYSTEM_SCOPE=all"},
			kinds: []keystonetest.Kind{keystonetest.OneProject},
			settings: func(c *keystonetest.Cloud) {
				c.Configure(func(s *keystonetest.Settings) { s.ListLimit = 1 })
			},
		},
	} {
		for _, kind := range mode.kinds {
			t.Run(fmt.Sprintf("%s/%s", mode.name, kind), func(t *testing.T) {
				w := newWorld(t, mode.roles, mode.env)
				for _, fault := range keystonetest.Faults() {
					if !fault.Applies(kind) {
						continue
					}
					cells++
					t.Run(fault.Name, func(t *testing.T) {
						w.cloud.Heal()
						if mode.settings != nil {
							mode.settings(w.cloud.Cloud)
						}
						injected := w.cloud.Inject(fault.On(kind))
						timeout := "30s"
						if neverAnswers(fault.Name) {
							timeout = "500ms"
						}
						got := w.run("apply", "--log-level", "debug", "--timeout", timeout)
						if injected.Hits() == 0 {
							t.Fatalf("no request of the run was of kind %s; exit status %d, said:\n%s", kind, got.status, got.stderr)
						}
						w.untouched(t)
						if want := expected(fault, kind); !slices.Contains(want, got.status) {
							t.Errorf("exit status %d, want one of %d; said:\n%s", got.status, want, got.stderr)
						}
						if n := strings.Count(got.stderr, "nfs-exportd: error: "); n != min(got.status, 1) {
							t.Errorf("exit status %d and %d errors:\n%s", got.status, n, got.stderr)
						}
						if got.stdout != "" {
							t.Errorf("printed:\n%s", got.stdout)
						}
						for _, secret := range append(w.cloud.Tokens(), password) {
							if strings.Contains(got.stderr, secret) {
								t.Errorf("%q is in the log:\n%s", secret, got.stderr)
							}
						}
					})
				}
			})
		}
	}
	t.Logf("%d faults tried", cells)
}

// neverAnswers reports whether a run ends with such a fault only because of its
// time limit.
func neverAnswers(fault string) bool {
	return slices.Contains([]string{"black-hole", "stall-in-body", "slow-drip"}, fault)
}

// expected gives the exit statuses that are right for a fault in all requests of
// a kind. 0 is for those who get the right result all the same.
func expected(fault keystonetest.NamedFault, kind keystonetest.Kind) []int {
	name := fault.Name
	is := func(kinds ...keystonetest.Kind) bool { return slices.Contains(kinds, kind) }
	switch name {
	case "status-401":
		return []int{exitNoPermission}
	case "status-403":
		if is(keystonetest.OneProject) {
			return []int{exitOK} // the name is looked up as well, and allowed
		}
		// Without the list and without a name to look up, the projects are not
		// shown to us.
		return []int{exitNoPermission}
	case "token-expires", "token-expired":
		if is(keystonetest.LogIn) {
			return []int{exitOK} // the second log-in is not the first
		}
		return []int{exitNoPermission}
	case "token-expired-claim":
		return []int{exitOK} // by whose clock?
	case "truncated", "truncated-half", "list-empty":
		switch {
		case is(keystonetest.Projects) && name != "list-empty":
			return []int{exitOK} // they are looked up one by one then
		case is(keystonetest.AuthProjects) && name == "truncated":
			return []int{exitOK} // nothing is missing that was looked for
		case is(keystonetest.AuthProjects):
			return []int{exitNoPermission} // not shown to us
		}
	case "instance-other-tenant":
		// In the listing of all projects this is a filter that is not honoured.
		return []int{exitUntrusted, exitNoPermission}
	case "page-short":
		// With a token for the project, one page is a proof and two are none.
		return []int{exitOK, exitNoPermission}
	case "reset-in-body":
		if is(keystonetest.ReLogIn) {
			return []int{exitOK} // the try after it is no longer the one after a 401
		}
	case "catalog-without-compute", "catalog-two-compute", "catalog-http", "catalog-bad-url":
		if is(keystonetest.ReLogIn) {
			// Requests that were prepared before go by the first catalog.
			return []int{exitUntrusted, exitOK}
		}
	}
	for _, prefix := range []string{"reset-", "closed-", "black-hole", "stall-", "slow-drip", "status-429", "status-5", "instance-unknown"} {
		if strings.HasPrefix(name, prefix) {
			return []int{exitUnavailable}
		}
	}
	if fault.Complete {
		return []int{exitUntrusted, exitOK}
	}
	return []int{exitUntrusted}
}

// noRaceSleep spares a program with the race detector the second that it waits
// at its end for reports of other goroutines.
const noRaceSleep = "GORACE=atexit_sleep_ms=0"

const password = "c29tZSBwYXNzd29yZA"

// world is a cloud, and a server that is in step with it.
type world struct {
	dir    string
	cloud  *keystonetest.Server
	env    []string
	before map[string]string
}

func newWorld(t *testing.T, roles string, env []string) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), cloud: keystonetest.NewServer(t)}
	for _, sub := range []string{"exports.d", "srv"} {
		if err := os.Mkdir(filepath.Join(w.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write(t, "mounts.yaml", fmt.Sprintf(`
private:
  tools: {mounts: {home: 'nfs.example.org:%[1]s/srv'}}
  maps: {mounts: {home: 'nfs.example.org:%[1]s/srv'}}
`, w.dir))
	if err := keystonetest.Load(w.cloud.Cloud, fmt.Appendf(nil, `
settings: {page_size: 2}
projects: {home: {id: p0}, tools: {id: p1}, maps: {id: p2}}
users: {observer: {password: %s, roles: %s}}
instances:
  t1: {project: tools, addresses: {lan: [10.0.0.1]}}
  t2: {project: tools, addresses: {lan: [10.0.0.2]}}
  t3: {project: tools, addresses: {lan: [10.0.0.3]}}
  t4: {project: tools, addresses: {lan: [10.0.0.4]}}
  t5: {project: tools, addresses: {lan: [10.0.0.5]}}
  m1: {project: maps, addresses: {lan: [10.0.1.1]}}
`, password, roles)); err != nil {
		t.Fatal(err)
	}
	if err := makeExportfs(w.dir); err != nil {
		t.Fatal(err)
	}
	w.env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		noRaceSleep,
		"OS_AUTH_URL=" + w.cloud.AuthURL(), "OS_USERNAME=observer", "OS_PASSWORD=" + password, "OS_USER_DOMAIN_NAME=Default",
	}, env...)
	// In one listing Nova's pages are small so that there are several; the other
	// can only be proved within one page.
	if slices.Contains(env, "OS_PROJECT_NAME=home") {
		w.cloud.Configure(func(s *keystonetest.Settings) { s.PageSize = 1000 })
	} else {
		w.cloud.AddHost("RegionOne", "cell1", "compute-1")
	}
	if first := w.run("apply"); first.status != 0 || first.stderr != "" {
		t.Fatalf("the first apply, exit status %d:\n%s", first.status, first.stderr)
	}
	if err := os.Remove(filepath.Join(w.dir, "exportfs.log")); err != nil {
		t.Fatal(err)
	}
	w.cloud.ResetRequests()
	w.before = w.files(t)
	return w
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ran is how a run of the program ended.
type ran struct {
	status         int
	stdout, stderr string
}

// run is the program in this process: to start a thousand processes would take
// minutes under the race detector. Two at a time are too many, as the library
// for the command line has variables of its own.
func (w *world) run(args ...string) ran {
	var stdout, stderr bytes.Buffer
	a := app{
		stdout: &stdout, stderr: &stderr, now: time.Now,
		getenv: func(name string) string {
			for _, pair := range w.env {
				if value, ok := strings.CutPrefix(pair, name+"="); ok {
					return value
				}
			}
			return ""
		},
		lookup: testLookup,
		local:  func() ([]netip.Addr, error) { return nil, nil },
		sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	status := a.run(context.Background(), w.commandLine(args...))
	return ran{status, stdout.String(), stderr.String()}
}

// commandLine adds the flags that all runs have in common.
func (w *world) commandLine(args ...string) []string {
	flags := []string{"nfs-exportd", args[0],
		"--config", filepath.Join(w.dir, "mounts.yaml"),
		"--exports-file", filepath.Join(w.dir, "exports.d/nfs-exportd.exports"),
		"--etab", filepath.Join(w.dir, "etab"),
		"--exportfs", filepath.Join(w.dir, "exportfs"),
		"--serve-as", "nfs.example.org",
		"--no-preflight",
	}
	if args[0] == "apply" {
		// A process that another test starts has the lock open for a moment.
		flags = append(flags, "--lock-timeout", "10s")
	}
	return append(flags, args[1:]...)
}

// files gives all files of the world but directories, with the lock left out,
// which every apply takes.
func (w *world) files(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(w.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, w.dir+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// untouched checks that the exports file and the table are as before, and that
// exportfs was not run.
func (w *world) untouched(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff(w.before, w.files(t)); diff != "" {
		t.Errorf("files changed (-before +after):\n%s", diff)
	}
}

// TestAbsentTwice has the listing of one project come back empty once, as when a
// cell of Nova was away for just that request: what is there in a second reading
// is not gone.
func TestAbsentTwice(t *testing.T) {
	w := newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
	empty := keystonetest.Fault{
		Kind: keystonetest.Instances, Project: "p1", Times: 1,
		Do: keystonetest.Rewrite(func([]byte) []byte { return []byte(`{"servers": []}`) }),
	}
	once := w.cloud.Inject(empty)
	if got := w.run("apply"); got.status != 0 || got.stdout != "" || once.Hits() != 1 {
		t.Errorf("exit status %d after %d empty answers, printed:\n%s%s", got.status, once.Hits(), got.stdout, got.stderr)
	}
	w.untouched(t)

	empty.Times = 2
	w.cloud.Inject(empty)
	if got := w.run("plan"); got.status != 0 || !strings.Contains(got.stdout, "10.0.0.1 of \"tools\": instance-gone") {
		t.Errorf("gone twice: exit status %d, printed:\n%s%s", got.status, got.stdout, got.stderr)
	}
	w.untouched(t)
}
