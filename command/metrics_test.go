package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/types"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"nfs-exportd/exports"
	"nfs-exportd/render/install"
)

var metricsNoon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC) // 1893499200

// keptText is a metrics file as far as it is read back.
func keptText(success, added string) string {
	return fmt.Sprintf(`# TYPE nfs_exportd_cloud_requests_total counter
nfs_exportd_cloud_requests_total 4
# TYPE nfs_exportd_grants_added_total counter
nfs_exportd_grants_added_total %s
nfs_exportd_grants_changed_total 3
nfs_exportd_grants_removed_total 2
# TYPE nfs_exportd_last_success_timestamp_seconds gauge
nfs_exportd_last_success_timestamp_seconds %s
`, added, success)
}

func TestReadKept(t *testing.T) {
	good := keptText("1.8934992e+09", "1")
	for _, test := range []struct {
		name, text string
		want       kept
		doubt      string
	}{
		{"a file of ours", keptText("1.8934989e+09", "1"), kept{1893498900, 1, 2, 3, 4}, ""},
		{"this very moment", good, kept{1893499200, 1, 2, 3, 4}, ""},
		{"with metrics of another version", good + "nfs_exportd_else{a=\"b\"} 1\n", kept{1893499200, 1, 2, 3, 4}, ""},
		{"empty", "", kept{}, "does not have last_success_timestamp_seconds once"},
		{"cut short", good[:len(good)-40], kept{}, "unexpected end of input stream"},
		{"not text", "\x00\xff\x1b[31m", kept{}, `"text format parsing error`},
		{"a terminal's commands", "nfs_exportd_last_success_timestamp_seconds \x1b[31m\n", kept{}, `\\x1b`},
		{"a number that is none", keptText("NaN", "1"), kept{}, "NaN"},
		{"without end", keptText("1", "+Inf"), kept{}, "+Inf"},
		{"negative", keptText("1", "-1"), kept{}, "grants_added_total is -1"},
		{"from the future", keptText("1893499201", "1"), kept{}, "in the future"},
		{"twice", good + "nfs_exportd_grants_changed_total{a=\"b\"} 3\n", kept{}, "does not have grants_changed_total once"},
		{"with labels only", strings.Replace(good, "_changed_total 3", "_changed_total{a=\"b\"} 3\nnfs_exportd_grants_changed_total{a=\"c\"} 3", 1), kept{}, "does not have grants_changed_total once"},
		{"huge", good + strings.Repeat("#\n", metricsLimit/2), kept{}, "more than 1024 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, doubt := readKept([]byte(test.text), metricsNoon)
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if (doubt != nil) != (test.doubt != "") || doubt != nil && !strings.Contains(doubt.Error(), test.doubt) {
				t.Errorf("doubt %v, want %q", doubt, test.doubt)
			}
			if doubt != nil && strings.ContainsAny(doubt.Error(), "\x1b\x00") {
				t.Errorf("control characters in %q", doubt)
			}
		})
	}
}

// TestMetricsAreReadBack checks that the next run reads what this one writes,
// and that the names and texts are as Prometheus wants them.
func TestMetricsAreReadBack(t *testing.T) {
	m := &metrics{requests: new(atomic.Int64), now: func() time.Time { return metricsNoon }, begin: metricsNoon, took: map[string]time.Duration{}, added: 8, removed: 7, changed: 6}
	m.requests.Store(5)
	m.read, m.grants, m.planned = true, 4, true
	m.hosts = exports.Hosts{}
	for n := range 5000 {
		m.hosts[fmt.Sprintf("nfs-%d.%s.example.org", n, strings.Repeat("long", 15))] = exports.Host{Where: exports.Where(n % 3)}
	}
	text, err := m.text(ExitOK, kept{1, 10, 20, 30, 40})
	if err != nil {
		t.Fatal(err)
	}
	got, doubt := readKept(text, metricsNoon)
	if want := (kept{1893499200, 18, 27, 36, 45}); got != want || doubt != nil {
		t.Errorf("got %+v, %v, want %+v", got, doubt, want)
	}
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v in:\n%s", err, problems, text)
	}
}

func TestPhases(t *testing.T) {
	now := metricsNoon
	m := &metrics{requests: new(atomic.Int64), now: func() time.Time { return now }, begin: now, since: now, phase: phaseConfiguration, took: map[string]time.Duration{}}
	for n, phase := range []string{phaseResolver, phaseLock, phaseCloud, phaseProof, phaseWrite, ""} {
		now = now.Add(time.Duration(1<<n) * time.Second)
		m.enter(phase)
	}
	text, err := m.text(ExitOK, kept{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "nfs_exportd_") && strings.Contains(line, "duration") {
			got = append(got, strings.TrimSpace(strings.TrimPrefix(line, "nfs_exportd_")))
		}
	}
	want := []string{
		`phase_duration_seconds{phase="cloud"} 8`,
		`phase_duration_seconds{phase="configuration"} 1`,
		`phase_duration_seconds{phase="lock"} 4`,
		`phase_duration_seconds{phase="proof"} 16`,
		`phase_duration_seconds{phase="resolver"} 2`,
		`phase_duration_seconds{phase="write"} 32`,
		`run_duration_seconds 63`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMetricsOfTwoRuns lets another run write its success between the moment
// this one reads the file and the moment it replaces it.
func TestMetricsOfTwoRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exportd.prom")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(keptText("1", "1"))
	reads := 0
	m := &metrics{requests: new(atomic.Int64), file: install.File{Path: path}, begin: metricsNoon, took: map[string]time.Duration{}}
	m.now = func() time.Time {
		if reads++; reads == 2 { // 1 ends the phase, 2 is for what was read
			write(keptText("1893499000", "9"))
		}
		return metricsNoon
	}
	if doubt, err := m.write(ExitTemporary); doubt != nil || err != nil {
		t.Fatal(doubt, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"last_success_timestamp_seconds 1.893499e+09\n", "grants_added_total 9\n", "exit_status 75\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: somebody chose another", info.Mode())
	}
}

// TestMetricsOfEveryEnd runs the command line as a signal, a bug and the lock
// of another run end it.
func TestMetricsOfEveryEnd(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "mounts.yaml")
	if err := os.WriteFile(config, []byte("public: {scratch: '/srv/scratch *(rw)'}\nprivate: {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancelCause(t.Context())
	stop(signalled{syscall.SIGTERM})
	for _, test := range []struct {
		name  string
		ctx   context.Context
		local func() ([]netip.Addr, error)
		lock  bool
		want  int
	}{
		{"SIGTERM", stopped, func() ([]netip.Addr, error) { return nil, nil }, false, 143},
		{"a bug", t.Context(), func() ([]netip.Addr, error) { panic("made by the test") }, false, ExitBug},
		{"locked", t.Context(), func() ([]netip.Addr, error) { return nil, nil }, true, ExitTemporary},
		{"an error without a status", t.Context(), func() ([]netip.Addr, error) { return nil, errors.New("made by the test") }, false, ExitBug},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := install.File{Path: filepath.Join(dir, "nfs-exportd.exports")}
			if test.lock {
				release, err := file.Lock(t.Context(), 0)
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := release(); err != nil {
						t.Error(err)
					}
				}()
			}
			var stderr bytes.Buffer
			a := App{Stdout: &stderr, Stderr: &stderr, Getenv: func(string) string { return "" }, Now: time.Now, Local: test.local}
			path := filepath.Join(dir, "exportd.prom")
			status := a.Run(test.ctx, []string{"nfs-exportd", "apply", "--config", config, "--exports-file", file.Path, "--exportfs", "/usr/sbin/exportfs", "--metrics-file", path})
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if status != test.want || !strings.Contains(string(text), fmt.Sprintf("nfs_exportd_exit_status %d\n", test.want)) {
				t.Errorf("exit status %d, want %d, in the metrics too:\n%s%s", status, test.want, stderr.String(), text)
			}
		})
	}
}

// TestAlerts checks that alerts are about metrics that there are, and that each
// has its section of the runbook and its unit test.
func TestAlerts(t *testing.T) {
	read := func(path string) string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	all := func(text, pattern string) []string {
		var found []string
		for _, match := range regexp.MustCompile(`(?m)`+pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, match[1])
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	rules := read("../dist/prometheus/alerts.yml")
	m := &metrics{requests: new(atomic.Int64), now: time.Now, took: map[string]time.Duration{}}
	m.read, m.grants, m.planned = true, 1, true
	m.hosts = exports.Hosts{"nfs.example.org": {Where: exports.Here}}
	text, err := m.text(ExitOK, kept{})
	if err != nil {
		t.Fatal(err)
	}
	written := all(string(text), `^# HELP (\S+)`)
	for _, used := range all(rules, `(nfs_exportd_[a-z_]+)`) {
		if !slices.Contains(written, used) {
			t.Errorf("dist/prometheus/alerts.yml uses %s, which nobody writes", used)
		}
	}
	alerts := all(rules, `alert: (\S+)$`)
	_, runbook, _ := strings.Cut(read("../docs/runbook.md"), "\n# Alerts\n")
	if diff := cmp.Diff(alerts, all(runbook, `^## (\S+)$`)); diff != "" {
		t.Errorf("alerts and docs/runbook.md (-alerts +runbook):\n%s", diff)
	}
	var anchors []string
	for _, alert := range alerts {
		anchors = append(anchors, strings.ToLower(alert))
	}
	slices.Sort(anchors)
	if diff := cmp.Diff(anchors, all(rules, `runbook: docs/runbook\.md#(\S+)$`)); diff != "" {
		t.Errorf("alerts and their anchors (-alerts +anchors):\n%s", diff)
	}
	if diff := cmp.Diff(alerts, all(read("../dist/prometheus/alerts_test.yml"), `alertname: (\w+)`)); diff != "" {
		t.Errorf("alerts and their tests (-alerts +tests):\n%s", diff)
	}
}

// bugWriter is a standard output that panics.
type bugWriter struct{}

func (bugWriter) Write([]byte) (int, error) { panic("made by the test") }

// TestMetricsOfABug has a bug after the exports file was read: its grants are known.
func TestMetricsOfABug(t *testing.T) {
	dir := t.TempDir()
	config, file, path := filepath.Join(dir, "mounts.yaml"), filepath.Join(dir, "nfs-exportd.exports"), filepath.Join(dir, "exportd.prom")
	for name, text := range map[string]string{config: "public: {scratch: '/srv/scratch *(rw)'}\nprivate: {}\n", file: "/srv/old 192.0.2.1(rw)\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var stderr bytes.Buffer
	a := App{Stdout: bugWriter{}, Stderr: &stderr, Getenv: func(string) string { return "" }, Now: time.Now, Local: func() ([]netip.Addr, error) { return nil, nil }}
	got := a.Run(t.Context(), []string{"nfs-exportd", "apply", "--config", config, "--exports-file", file, "--metrics-file", path, "--no-reload", "--no-preflight"})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != ExitBug || !strings.Contains(string(text), "\nnfs_exportd_grants 1\n") {
		t.Errorf("exit status %d, want %d, and 1 grant:\n%s%s", got, ExitBug, stderr.String(), text)
	}
}

// TestPhaseOf checks that each step of the sources that apply can make has a phase.
func TestPhaseOf(t *testing.T) {
	for _, file := range []string{"gather.go", "files.go", "ask.go", "candidate.go", "testrun.go", "install.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		steps := regexp.MustCompile(`step(?:Only)?\(j\.steps, "([^"]+)", `).FindAllSubmatch(text, -1)
		if len(steps) == 0 {
			t.Errorf("%s has no step", file)
		}
		for _, step := range steps {
			if phaseOf[string(step[1])] == "" {
				t.Errorf("step %q has no phase", step[1])
			}
		}
	}
}

// TestFreezeReasons checks that there is a text for what ends each reason that package
// exports can freeze a place for: the metric takes the reasons from these.
func TestFreezeReasons(t *testing.T) {
	var got, want []string
	for reason, text := range until {
		got = append(got, string(reason))
		if text == "" {
			t.Errorf("nothing says what ends %s", reason)
		}
	}
	inspect(t, "../exports", func(node ast.Node) {
		spec, ok := node.(*ast.ValueSpec)
		if ok && spec.Type != nil && types.ExprString(spec.Type) == "FreezeReason" {
			want = append(want, strings.Trim(types.ExprString(spec.Values[0]), `"`))
		}
	})
	slices.Sort(got)
	slices.Sort(want)
	same(t, want, got)
}
