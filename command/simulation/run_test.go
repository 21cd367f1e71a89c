package simulation

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"nfs-exportd/command"
	"nfs-exportd/command/commandtest"
	"nfs-exportd/keystone/keystonetest"
)

// attempt is a run of the program, with all that happens during it.
type attempt struct {
	command  string // apply or plan
	approve  *refusedPlan
	noReload bool
	debug    bool
	detailed bool
	json     bool
	locked   bool
	busy     bool              // another process holds the lock of exportfs
	later    map[string]string // the mount hosts as the second look-up finds them; nil: as the first

	fault    simFault
	injected *keystonetest.Injected
	during   []*simMoment
	edit     *simEdit

	dump          []byte // the cloud before the run, if it changes during it
	before, after simFiles
	moments       []truth // at the beginning, and after each change
	causes        map[int]string
	got           commandtest.Ran
	requests      []keystonetest.Request // that the run made
}

// simFault is a fault of keystonetest, as "cloud fault" makes it.
type simFault struct {
	on    string // KIND[/PROJECT[/REGION]]
	name  string
	times int  // how many requests go wrong; 0: all
	first int  // which is the first of them; 0 is as 1
	flap  bool // a listing that was empty once
}

func (f simFault) kind() keystonetest.Kind {
	kind, _, _ := strings.Cut(f.on, "/")
	return keystonetest.Kind(kind)
}

// simMoment is a change of the cloud during a run.
type simMoment struct {
	on     string
	nth    int
	change simChange

	mu   sync.Mutex
	over bool // the run has ended, and what comes after it comes too late
	hit  bool
}

// happen makes the change, and is called by a request of the run.
func (m *simMoment) happen(c *keystonetest.Cloud) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.over {
		m.change.cloud(c)
		m.hit = true
	}
}

// end tells whether the change was made.
func (m *simMoment) end() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over = true
	return m.hit
}

// simEdit is a change of the exports file during a run.
type simEdit struct {
	text string
	hit  *keystonetest.Injected
}

// live goes on for so many steps.
func (l *life) live(steps int) {
	for l.step = 1; l.step <= steps; l.step++ {
		l.now = l.now.Add(simInterval)
		l.happen()
		if l.chance(l.hostility) {
			before := l.hostiles()
			l.beHostile()
			if after := l.hostiles(); l.chance(30) && len(before) > 0 {
				l.twin(before, after)
			}
		}
		// Seen again, the last step is to be the one that failed.
		if l.step%25 == 0 || l.step == steps && *simSteps == 0 {
			l.heal()
			l.mustSucceed()
			continue
		}
		a := &attempt{command: "apply", debug: l.chance(5)}
		l.trouble(a)
		if soon := l.chance(30); soon && l.refused != nil {
			a.approve = l.refused
			l.refused = nil
		}
		var p *attempt
		if plan, detailed := l.chance(15), l.chance(30); plan && a.steady() {
			p = &attempt{command: "plan", detailed: detailed, fault: a.fault, later: a.later}
			l.try(p)
		}
		l.try(a)
		if p != nil {
			l.compare(p, a)
		}
		often := 25
		if a.got.Status == command.ExitRefused {
			often = 50
		}
		if now := l.chance(often); now && l.refused != nil {
			b := &attempt{command: "apply", approve: l.refused}
			l.refused = nil
			l.try(b)
		}
	}
}

// steady tells whether nothing happens during a run that another run would not
// see too.
func (a *attempt) steady() bool {
	return a.fault.times == 0 && len(a.during) == 0 && a.edit == nil && !a.locked && !a.busy && a.approve == nil && !a.noReload
}

// compare checks that a plan has told what the apply after it did.
func (l *life) compare(p, a *attempt) {
	// An apply needs to write the lock, and exportfs, which no plan touches; and lists that are
	// out of step are not the same twice.
	if l.disk == "no-directory" || len(l.truth.leftOut) > 0 {
		return
	}
	status := p.got.Status
	if status == command.ExitChanges {
		status = 0
		if len(parseSaid(p.got.Stdout).frozen) > 0 {
			status = command.ExitFrozen
		}
	}
	// Where more than one thing is wrong, the first to be noticed is told.
	if status != a.got.Status && (!p.succeeded() || a.got.Status != command.ExitExportfs) && len(a.causes) < 2 {
		l.fail(p, []violation{{
			what:   fmt.Sprintf("plan ended with %d, and then apply with %d", p.got.Status, a.got.Status),
			expect: []string{fmt.Sprintf("exits %d $COMMAND", a.got.Status)},
		}})
	}
	changed := strings.Contains(a.got.Stdout, "applied\n")
	if p.detailed && a.succeeded() && changed != (p.got.Status == command.ExitChanges) {
		l.fail(p, []violation{{what: fmt.Sprintf("plan --detailed-exitcode ended with %d; that apply changed something is %t", p.got.Status, changed)}})
	}
	if want, got := parseSaid(p.got.Stdout).plan, parseSaid(a.got.Stdout).plan; want != got && len(a.causes) < 2 {
		l.fail(p, []violation{{what: fmt.Sprintf("plan showed plan %q, and apply %q", want, got)}})
	}
}

// try is one run, judged.
func (l *life) try(a *attempt) {
	l.write("mounts.yaml", l.truth.config.yaml())
	if len(a.during) > 0 {
		a.dump = l.cloud.Dump()
	}
	l.cloud.Heal()
	l.cloud.ResetRequests()
	l.inject(a)
	a.before = l.look()
	if a.locked {
		lock, err := os.OpenFile(l.path(lockFile), os.O_CREATE|os.O_RDONLY, 0o640)
		l.must(err)
		l.must(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
		defer lock.Close()
	}
	if a.busy {
		defer l.holdExportLock()()
	}
	a.got = l.run(a)
	a.requests = l.cloud.Requests()
	l.cloud.Heal()
	l.cloud.Disconnect()
	a.after = l.look()
	worlds := l.seenTwice(a)
	a.moments = worlds[:1]
	for _, m := range a.during {
		if !m.end() {
			continue
		}
		for _, before := range slices.Clone(a.moments) {
			after := before.clone()
			m.change.truth(&after)
			a.moments = append(a.moments, after)
		}
		l.truth = l.truth.clone()
		m.change.truth(&l.truth)
		l.stats.moments++
	}
	if strings.HasSuffix(l.exportfs, " once") && !commandtest.Exists(l.path("exportfs.mode")) {
		defer l.mendExportfs()
	}
	violations := l.judge(a)
	if len(violations) > 0 && len(worlds) > 1 {
		a.moments = worlds[1:]
		violations = l.judge(a)
	}
	if len(violations) > 0 {
		l.fail(a, violations)
	}
	l.owe(a)
	if a.after.exports.kind == "file" && a.after.exports != a.before.exports && !a.edited() {
		l.wrote[a.after.exports.text] = true
		if len(l.wrote)%5 == 0 {
			l.backups = append(l.backups, a.after.exports.text)
		}
	}
	if p := l.waiting(a); p != nil {
		l.refused = p
	}
}

// inject puts to work what goes wrong or happens during a run.
func (l *life) inject(a *attempt) {
	if a.fault.name != "" {
		f := commandtest.RequestsNamed(a.fault.on)
		f.Do, f.Times, f.Nth = namedFaultDo(a.fault.name), a.fault.times, a.fault.first
		a.injected = l.cloud.Inject(f)
	}
	for _, m := range a.during {
		l.cloud.Inject(commandtest.DuringRequest(commandtest.RequestsNamed(m.on), m.nth, func() { m.happen(l.cloud.Cloud) }))
	}
	l.limp()
	if a.edit != nil {
		a.edit.hit = l.cloud.Inject(commandtest.DuringRequest(commandtest.RequestsNamed(string(keystonetest.Regions)), 1, func() {
			if err := os.WriteFile(l.ours(), []byte(a.edit.text), 0o644); err != nil {
				panic(err)
			}
		}))
	}
}

func namedFaultDo(name string) keystonetest.Do {
	f, ok := keystonetest.FaultNamed(name)
	if !ok {
		panic("no fault " + name)
	}
	return f.Do
}

// edited tells whether somebody changed the exports file during the run.
func (a *attempt) edited() bool {
	return a.edit != nil && a.edit.hit.Hits() > 0 && a.edit.text != a.before.exports.text
}

func (a *attempt) struck() bool { return a.injected != nil && a.injected.Hits() > 0 }

// environment is that of the program, but for the cloud's address.
func (l *life) environment() []string {
	env := []string{"OS_USERNAME=" + simUser, "OS_PASSWORD=" + simPassword, "OS_USER_DOMAIN_NAME=Default"}
	if l.wrongSecret {
		env[1] = "OS_PASSWORD=" + simPassword + "-old"
	}
	if l.admin {
		return append(env, "OS_SYSTEM_SCOPE=all")
	}
	return append(env, "OS_PROJECT_NAME=home", "OS_PROJECT_DOMAIN_NAME=Default")
}

// words are the command line of an attempt; in a script the files are in $WORK.
func (l *life) words(a *attempt, dir string) []string {
	words := []string{"nfs-exportd", a.command, "--serve-as", servedAs}
	add := func(when bool, more ...string) {
		if when {
			words = append(words, more...)
		}
	}
	if a.approve != nil {
		words = append(words, "--approve", a.approve.id)
	}
	add(a.noReload, "--no-reload")
	add(a.detailed, "--detailed-exitcode")
	add(a.json, "--format", "json")
	add(a.debug, "--log-level", "debug")
	add(isSlow(a.fault.name), "--timeout", "200ms")
	add(l.exportfs == "missing", "--exportfs", dir+"/no-such-program")
	return words
}

func (l *life) run(a *attempt) commandtest.Ran {
	url := l.cloud.AuthURL()
	if l.unreachable {
		url = simNowhere
	}
	env := append(l.environment(),
		"OS_AUTH_URL="+url,
	)
	l.must(os.Setenv("TEST_HOSTS", l.truth.testHosts()), os.Setenv("TEST_HOSTS_LATER", l.laterHosts(a)))
	var stdout, stderr bytes.Buffer
	program := commandtest.App(env, &stdout, &stderr)
	program.Now = func() time.Time { return l.now }
	program.ExportLock, program.LockPatience = l.path(exportLock), time.Nanosecond
	program.Local = func() ([]netip.Addr, error) {
		var addrs []netip.Addr
		for text := range strings.FieldsSeq(simLocal) {
			addrs = append(addrs, netip.MustParseAddr(text))
		}
		return addrs, nil
	}
	words := append(l.words(a, l.dir), "--no-preflight", "--config", l.path("mounts.yaml"), "--exports-file", l.ours(), "--etab", l.path("etab"))
	if l.exportfs != "missing" {
		words = append(words, "--exportfs", l.path("exportfs"))
	}
	status := program.Run(l.t.Context(), words)
	return commandtest.Ran{Status: status, Stdout: stdout.String(), Stderr: stderr.String()}
}
