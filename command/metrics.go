package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http/httptrace"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/urfave/cli/v2"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/install"
)

const (
	metricsNamespace = "nfs_exportd"
	// metricsLimit is how much of an old metrics file is looked at. It is room for
	// thousands of mount hosts.
	metricsLimit = 1 << 20
	// metricsTries is how often another run may come first.
	metricsTries = 5
)

// The phases of a run, in order, as in the label of phase_duration_seconds.
const (
	phaseConfiguration = "configuration" // with the credentials
	phaseResolver      = "resolver"
	phaseLock          = "lock" // with reading the exports files
	phaseCloud         = "cloud"
	phaseProof         = "proof"
	phaseWrite         = "write" // with exportfs and verifying
)

func phases() []string {
	return []string{phaseConfiguration, phaseResolver, phaseLock, phaseCloud, phaseProof, phaseWrite}
}

// phaseOf is the phase of each step of an apply.
var phaseOf = map[string]string{
	"configuration": phaseConfiguration, "credentials": phaseConfiguration,
	"mount hosts": phaseResolver,
	"nfs.conf":    phaseConfiguration,
	"lock":        phaseLock, "exports file": phaseLock,
	"cloud": phaseCloud, "log-in": phaseCloud, "projects": phaseCloud, "instances": phaseCloud, "plan": phaseCloud,
	"new exports file": phaseProof, "directories": phaseProof, "test run": phaseProof, "approval": phaseProof,
	"lock of exportfs": phaseProof,
	"write":            phaseWrite,
}

// The reasons of the metric held.
const (
	heldForMaintenance = "maintenance"
	heldOnStandby      = "standby"
)

// metrics is what a run of apply tells node_exporter. The methods that note
// something do nothing on nil, which is what a run has that is to tell nothing.
type metrics struct {
	file    install.File
	now     func() time.Time
	version string

	begin time.Time
	phase string
	since time.Time // when phase began
	took  map[string]time.Duration

	requests *atomic.Int64
	held     string // "" or a reason of the metric held
	hosts    exports.Hosts
	read     bool // the exports file was read, and has that many grants
	grants   int

	planned bool                         // there was a plan
	frozen  map[exports.FreezeReason]int // places of the plan
	kept    int                          // grants of other exports files that the plan does not want

	added, removed, changed, refused int
}

// measure makes the metrics that the flags of apply ask for, or nil.
func (j job) measure(c *cli.Context) (*metrics, error) {
	path := c.String(flagMetricsFile)
	if path == "" {
		return nil, nil
	}
	if !strings.HasSuffix(path, ".prom") {
		return nil, &usageError{fmt.Errorf("--%s: node_exporter does not read a file of the name %q: it must end in .prom", flagMetricsFile, path)}
	}
	begin := j.Now()
	return &metrics{
		file: install.File{Path: filepath.Clean(path)}, now: j.Now, version: j.shortVersion(), requests: j.requests,
		begin: begin, phase: phaseConfiguration, since: begin, took: map[string]time.Duration{},
	}, nil
}

// enter notes that another phase begins.
func (m *metrics) enter(phase string) {
	if m == nil {
		return
	}
	if phase == m.phase {
		return
	}
	now := m.now()
	m.took[m.phase] += now.Sub(m.since)
	m.phase, m.since = phase, now
}

// countRequests gives a context whose HTTP requests are counted.
func countRequests(ctx context.Context, sent *atomic.Int64) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				sent.Add(1)
			}
		},
	})
}

// exported notes how many grants the exports file has. A later step may end in a bug,
// which leaves no result to note.
func (m *metrics) exported(grants int) {
	if m != nil {
		m.read, m.grants = true, grants
	}
}

// note takes what a run came to.
func (m *metrics) note(r result, err error) {
	if m == nil {
		return
	}
	switch {
	case r.held != nil && r.held.standby:
		m.held = heldOnStandby
	case r.held != nil:
		m.held = heldForMaintenance
	}
	if !is[*exports.DisagreeError](err) { // else r has what the first look-up said
		m.hosts = r.hosts
	}
	m.planned, m.frozen = r.decided, map[exports.FreezeReason]int{}
	for _, f := range r.plan.Frozen {
		m.frozen[f.Reason]++
	}
	if r.decided {
		m.kept = len(render.KeptByOthers(ownPaths(r.situation, r.files), r.plan.Desired, r.files.foreign))
	}
	if is[*approvalError](err) {
		m.refused = len(r.plan.Removed)
	}
	if r.installed {
		m.exported(r.plan.Desired.Len())
		m.added, m.removed, m.changed = len(r.plan.Added), len(r.plan.Removed), len(r.plan.Changed)
	}
}

// metricsError is a metrics file that could not be written. The run itself is
// over by then.
type metricsError struct {
	status int  // of the run itself
	held   bool // the run had nothing to do
	err    error
}

func (e *metricsError) Error() string {
	switch {
	case !succeeded(e.status):
		return fmt.Sprintf("the metrics of this run, which ended with exit status %d, are missing too: %s", e.status, e.err)
	case e.held:
		return fmt.Sprintf("the run was held and changed nothing, but its metrics are missing: %s", e.err)
	}
	if e.status == ExitFrozen {
		return fmt.Sprintf("all but the frozen places is as it should be, but the metrics of this run are missing: %s", e.err)
	}
	return fmt.Sprintf("the exports are as they should be, only the metrics of this run are missing: %s", e.err)
}

func (e *metricsError) Unwrap() error { return e.err }

// succeeded reports whether a run with this status did all that it may do.
func succeeded(status int) bool { return status == ExitOK || status == ExitFrozen }

// publish writes the metrics of a run that came to status, if they are asked
// for, and gives the exit status that is left then: a failure of the run itself
// comes first.
func (j job) publish(ctx context.Context, status int) int {
	if j.metrics == nil {
		return status
	}
	doubt, err := j.metrics.write(status)
	if doubt != nil {
		j.log.Warn(fmt.Sprintf("the last success and the totals before this run are not known and begin anew: %s: %s", j.metrics.file.Path, doubt))
	}
	if err == nil {
		return status
	}
	err = &metricsError{status, j.metrics.held != "", err}
	j.log.Error(err.Error())
	if !succeeded(status) {
		return status
	}
	return exitStatus(ctx, err)
}

// write puts the metrics of a run that came to status in the place of those of
// the run before. Doubt is why it could not take over what is kept of that one.
func (m *metrics) write(status int) (doubt, err error) {
	m.enter("")
	for try := 1; ; try++ {
		old, err := m.file.Load()
		if err != nil {
			return nil, err
		}
		var before kept
		doubt = nil
		if old.Exists {
			before, doubt = readKept(old.Text, m.now())
		}
		text, err := m.text(status, before)
		if err != nil {
			return doubt, err
		}
		// Two runs can end at once: one that fails early, or finds the lock
		// taken, has no lock. The later one must not lose the other's success.
		err = m.file.Replace(old, text)
		if err == nil || !errors.Is(err, install.ErrChanged) || try == metricsTries {
			return doubt, err
		}
	}
}

// kept is what outlives a run, in the metrics file alone.
type kept struct {
	lastSuccess                       float64 // 0: none is known
	added, removed, changed, requests float64
}

// Names of metrics that are read back.
const (
	metricLastSuccess = "last_success_timestamp_seconds"
	metricAdded       = "grants_added_total"
	metricRemoved     = "grants_removed_total"
	metricChanged     = "grants_changed_total"
	metricRequests    = "cloud_requests_total"
)

// readKept reads it from the text of a metrics file. With doubt nothing of the
// text counts.
func readKept(text []byte, now time.Time) (_ kept, doubt error) {
	if len(text) > metricsLimit {
		return kept{}, fmt.Errorf("it has more than %d KiB", metricsLimit>>10)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return kept{}, fmt.Errorf("%q", err.Error())
	}
	var before kept
	for _, row := range []struct {
		name string
		to   *float64
	}{
		{metricLastSuccess, &before.lastSuccess},
		{metricAdded, &before.added},
		{metricRemoved, &before.removed},
		{metricChanged, &before.changed},
		{metricRequests, &before.requests},
	} {
		family := families[metricsNamespace+"_"+row.name]
		if len(family.GetMetric()) != 1 {
			return kept{}, fmt.Errorf("it does not have %s once", row.name)
		}
		metric := family.GetMetric()[0]
		// Two of them are not there, and 0.
		value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + metric.GetUntyped().GetValue()
		if math.IsNaN(value) || math.IsInf(value, 0) || value < 0 {
			return kept{}, fmt.Errorf("%s is %v", row.name, value)
		}
		*row.to = value
	}
	// No alert would fire before that time has come.
	if before.lastSuccess > seconds(now) {
		return kept{}, fmt.Errorf("%s is in the future", metricLastSuccess)
	}
	return before, nil
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// text gives the metrics file.
func (m *metrics) text(status int, before kept) ([]byte, error) {
	registry := prometheus.NewPedanticRegistry()
	var failed []error
	register := func(c prometheus.Collector) { failed = append(failed, registry.Register(c)) }
	gauges := func(name, help, label string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: metricsNamespace, Name: name, Help: help}, []string{label})
		register(g)
		return g
	}
	gauge := func(name, help string, value float64) {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: metricsNamespace, Name: name, Help: help})
		register(g)
		g.Set(value)
	}
	counter := func(name, help string, value float64) {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: metricsNamespace, Name: name, Help: help})
		register(c)
		c.Add(value)
	}

	end := m.now()
	success := before.lastSuccess
	if succeeded(status) && m.held == "" {
		success = seconds(end)
	}
	gauge("last_run_timestamp_seconds", "When the last run of apply ended.", seconds(end))
	gauge(metricLastSuccess, "When a run of apply last left the exports as they should be, but for frozen places; 0 if that is not known. A run that is held does not count.", success)
	gauge("exit_status", "Exit status of the last run, see EXIT STATUS of nfs-exportd(8).", float64(status))
	gauge("run_duration_seconds", "How long the last run took.", end.Sub(m.begin).Seconds())
	m.labelled(gauges)
	if m.read {
		gauge("grants", "Grants in the exports file after the last run. Missing if that run ended before it read the file.", float64(m.grants))
	}
	if m.planned {
		gauge("foreign_grants", "Grants of other exports files, on paths of the configuration or of the exports file, that the plan does not want. Missing if the last run ended before it had a plan.", float64(m.kept))
	}
	gauge("refused_removals", "Grants that the last run would have removed if its plan had not been refused.", float64(m.refused))
	counter(metricAdded, "Grants added so far.", before.added+float64(m.added))
	counter(metricRemoved, "Grants removed so far.", before.removed+float64(m.removed))
	counter(metricChanged, "Grants that were given other options so far.", before.changed+float64(m.changed))
	counter(metricRequests, "HTTP requests sent to Keystone and Nova so far.", before.requests+float64(m.requests.Load()))
	gauges("build_info", "1, with the version that ran.", "version").WithLabelValues(m.version).Set(1)
	gauges("go_info", "1, with the version of Go that the program was built with.", "version").WithLabelValues(runtime.Version()).Set(1)

	families, err := registry.Gather()
	if err := errors.Join(append(failed, err)...); err != nil {
		return nil, fmt.Errorf("this is a bug, please report it: collect the metrics: %w", err)
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			return nil, fmt.Errorf("this is a bug, please report it: write the metrics: %w", err)
		}
	}
	return text.Bytes(), nil
}

// labelled sets the metrics that have a label with a few known values.
func (m *metrics) labelled(gauges func(name, help, label string) *prometheus.GaugeVec) {
	took := gauges("phase_duration_seconds", "How long each phase of the last run took; 0 if it was not reached.", "phase")
	for _, phase := range phases() {
		took.WithLabelValues(phase).Set(m.took[phase].Seconds())
	}
	held := gauges("held", "1 if the last run was held for that reason and left everything as it was.", "reason")
	for _, reason := range []string{heldForMaintenance, heldOnStandby} {
		held.WithLabelValues(reason).Set(map[bool]float64{true: 1}[reason == m.held])
	}
	here := gauges("mount_host_here", "1 if this server is the mount host, 0 if another one is. Missing if the last run did not find out.", "host")
	for name, host := range m.hosts {
		if host.Where != exports.Unresolved {
			here.WithLabelValues(name).Set(map[bool]float64{true: 1}[host.Where == exports.Here])
		}
	}
	if !m.planned {
		return
	}
	frozen := gauges("frozen_places", "Frozen places of the last run. Missing if that run ended before it had a plan.", "reason")
	for reason := range until { // each has a value in every run with a plan
		frozen.WithLabelValues(string(reason)).Set(float64(m.frozen[reason]))
	}
}
