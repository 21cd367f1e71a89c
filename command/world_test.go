package command_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nfs-exportd/command/commandtest"
	"nfs-exportd/keystone/keystonetest"
)

func TestMain(m *testing.M) { commandtest.Main(m) }

// TestConcurrencyKey has the configuration say how many requests there are at a
// time: one, or as many as it takes to answer those that wait for each other.
func TestConcurrencyKey(t *testing.T) {
	w := commandtest.NewWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
	config := w.Before["mounts.yaml"]
	// Too many would be seen to be under way at once.
	w.Cloud.Configure(func(s *keystonetest.Settings) { s.Latency = 2 * time.Millisecond })
	for key, peak := range map[string]int{"1": 1, "2": 2} {
		w.Write(t, "mounts.yaml", config+"openstack: {concurrency: "+key+"}\n")
		w.Cloud.ResetRequests()
		arrived := make(chan struct{}, peak)
		w.Cloud.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Times: peak, Do: func(out http.ResponseWriter, r *http.Request, next http.Handler) {
			arrived <- struct{}{}
			for len(arrived) < peak && r.Context().Err() == nil {
				continue // for the other
			}
			next.ServeHTTP(out, r)
		}})
		if got := w.Run("plan"); got.Status != 0 || got.Stdout+got.Stderr != "" {
			t.Errorf("exit status %d: %s%s", got.Status, got.Stdout, got.Stderr)
		}
		if got := w.Cloud.Peak(); got != peak {
			t.Errorf("openstack.concurrency %s: %d requests at a time", key, got)
		}
		w.Cloud.Heal()
	}
	var version bytes.Buffer
	a := commandtest.App(w.Env, &version, &version)
	a.Run(t.Context(), []string{"nfs-exportd", "--version"})
	for _, r := range w.Cloud.Requests() {
		if want := "nfs-exportd/" + strings.Fields(version.String())[2] + " gophercloud/"; !strings.HasPrefix(r.UserAgent, want) {
			t.Fatalf("%s: User-Agent %q, want %s...", r, r.UserAgent, want)
		}
	}
}

// TestManyClients has a server with 2000 different clients. What changes is said to
// be costly, once a run; that nothing changes is said by nothing, and runs nothing.
func TestManyClients(t *testing.T) {
	w := commandtest.NewWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
	config := w.Before["mounts.yaml"]
	// The cloud has six besides, and another file one.
	configure := func(public int) {
		lines := ""
		for n := range public {
			lines += fmt.Sprintf("    %s/srv 10.9.%d.%d(ro)\n", w.Dir, n>>8, n&255)
		}
		w.Write(t, "mounts.yaml", config+"public:\n  all: |\n"+lines)
	}
	const warning = "there are 2000 different clients: exportfs and rpc.mountd take time that grows with the square of their number"
	expect := func(command string, changes, warns bool) {
		t.Helper()
		got := w.Run(command)
		if got.Status != 0 || (got.Stdout != "") != changes {
			t.Fatalf("%s ended with %d: %s%s", command, got.Status, got.Stdout, got.Stderr)
		}
		if n := strings.Count(got.Stderr, warning); (n == 1) != warns || n > 1 || !warns && got.Stderr != "" {
			t.Errorf("%s, standard error is %q", command, got.Stderr)
		}
	}
	configure(1992)
	expect("apply", true, false)
	configure(1993)
	// exportfs does not ask whose they are.
	w.Write(t, "exports.d/others.exports", w.Dir+"/elsewhere 192.0.2.1(ro)\n")
	expect("plan", true, true)
	expect("apply", true, true)
	if err := os.Remove(w.Path("exportfs.log")); err != nil {
		t.Fatal(err)
	}
	before := w.Files(t)
	expect("plan", false, false)
	expect("apply", false, false)
	w.Has(t, before) // without exportfs.log, too
	if got := w.Run("check"); strings.Count(got.Stdout, warning) != 1 || !strings.Contains(got.Stdout, "no grant is to be changed; there are") {
		t.Errorf("check says:\n%s", got.Stdout)
	}
	w.Has(t, before)
}

// TestPhasesOfRuns runs the program with a clock that goes on by a millisecond
// whenever somebody looks at it: a phase that was reached took some.
func TestPhasesOfRuns(t *testing.T) {
	w := commandtest.NewWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
	noon, clock := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC), new(atomic.Int64)
	apply := func(config string) string {
		t.Helper()
		var output bytes.Buffer
		a := commandtest.App(w.Env, &output, &output)
		a.Now = func() time.Time { return noon.Add(time.Duration(clock.Add(1)) * time.Millisecond) }
		a.Run(t.Context(), w.CommandLine("apply", "--metrics-file", w.Path("exportd.prom"), "--config", w.Path(config)))
		text, err := os.ReadFile(w.Path("exportd.prom"))
		if err != nil {
			t.Fatalf("%v\n%s", err, output.String())
		}
		if strings.Contains(string(text), commandtest.Password) {
			t.Error("the password is in the metrics")
		}
		var reached []string
		for _, phase := range []string{"configuration", "resolver", "lock", "cloud", "proof", "write"} {
			if !strings.Contains(string(text), fmt.Sprintf("{phase=%q} 0\n", phase)) {
				reached = append(reached, phase)
			}
		}
		return strings.Join(reached, " ")
	}
	if err := os.Remove(w.Path("exports.d/nfs-exportd.exports")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ config, want string }{
		{"mounts.yaml", "configuration resolver lock cloud proof write"},
		{"mounts.yaml", "configuration resolver lock cloud proof"},
		{"missing.yaml", "configuration"},
	} {
		if got := apply(test.config); got != test.want {
			t.Errorf("%s: reached %q, want %q", test.config, got, test.want)
		}
	}
	fault, _ := keystonetest.FaultNamed("status-503")
	w.Cloud.Inject(keystonetest.Fault{Kind: keystonetest.LogIn, Do: fault.Do})
	if got, want := apply("mounts.yaml"), "configuration resolver lock cloud"; got != want {
		t.Errorf("cloud away: reached %q, want %q", got, want)
	}
}
