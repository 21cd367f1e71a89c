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

// refusedPlan is a plan that waits for approval, with what it was made of.
type refusedPlan struct {
	id      string
	before  string
	outcome map[string]int
	sure    bool // nothing happened meanwhile that the plan may be of or not
}

// attempt is a run of the program, with all that happens during it.
type attempt struct {
	command  string // apply or plan
	approve  *refusedPlan
	noReload bool
	debug    bool
	detailed bool
	locked   bool

	fault    simFault
	injected *keystonetest.Injected
	during   []*simMoment
	edit     *simEdit

	dump          []byte // the cloud before the run, if it changes during it
	before, after simFiles
	moments       []truth // at the beginning, and after each change
	causes        map[int]string
	got           commandtest.Ran
}

// simFault is a fault of keystonetest, as "cloud fault" makes it.
type simFault struct {
	on    string // KIND[/PROJECT[/REGION]]
	name  string
	times int  // how many requests go wrong; 0: all
	first int  // which is the first of them; 0 is as 1
	flap  bool // a listing that was empty once
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
			p = &attempt{command: "plan", detailed: detailed, fault: a.fault}
			l.try(p)
		}
		l.try(a)
		if p != nil {
			l.compare(p, a)
		}
		if now := l.chance(50); now && a.got.Status == command.ExitRefused && l.refused != nil {
			l.try(&attempt{command: "apply", approve: l.refused})
			l.refused = nil
		}
	}
}

// steady tells whether nothing happens during a run that another run would not
// see too.
func (a *attempt) steady() bool {
	return a.fault.times == 0 && len(a.during) == 0 && a.edit == nil && !a.locked && a.approve == nil && !a.noReload
}

// compare checks that a plan has told what the apply after it did.
func (l *life) compare(p, a *attempt) {
	// An apply needs the lock, and exportfs, which no plan touches.
	if l.disk == "lock-directory" || l.disk == "no-directory" {
		return
	}
	status := p.got.Status
	if status == command.ExitChanges {
		status = 0
	}
	// Where more than one thing is wrong, the first to be noticed is told.
	if status != a.got.Status && (status != 0 || a.got.Status != command.ExitExportfs) && len(a.causes) < 2 {
		l.fail(p, []violation{{
			what:   fmt.Sprintf("plan ended with %d, and then apply with %d", p.got.Status, a.got.Status),
			expect: []string{fmt.Sprintf("exits %d $COMMAND", a.got.Status)},
		}})
	}
	changed := strings.Contains(a.got.Stdout, "applied\n")
	if p.detailed && a.got.Status == 0 && changed != (p.got.Status == command.ExitChanges) {
		l.fail(p, []violation{{what: fmt.Sprintf("plan --detailed-exitcode ended with %d; that apply changed something is %t", p.got.Status, changed)}})
	}
	if want, got := planID(p.got.Stdout), planID(a.got.Stdout); want != got && len(a.causes) < 2 {
		l.fail(p, []violation{{what: fmt.Sprintf("plan showed plan %q, and apply %q", want, got)}})
	}
}

// mustSucceed runs apply when nothing is wrong: with approval it has to end
// well, and after it there is nothing to do.
func (l *life) mustSucceed() {
	a := &attempt{command: "apply"}
	l.try(a)
	if a.got.Status == command.ExitRefused && l.refused != nil {
		a = &attempt{command: "apply", approve: l.refused}
		l.refused = nil
		l.try(a)
	}
	if a.got.Status != 0 {
		l.fail(a, []violation{{what: fmt.Sprintf("nothing is wrong, and the run ended with %d", a.got.Status), expect: []string{"exits 0 $COMMAND"}}})
	}
	l.stats.healed++
	again := &attempt{command: "plan", detailed: true}
	l.try(again)
	if again.got.Status != 0 || again.got.Stdout != "" {
		l.fail(again, []violation{{what: fmt.Sprintf("after a success there is more to do, exit status %d", again.got.Status), expect: []string{"exits 0 $COMMAND"}}})
	}
}

// trouble chooses what goes wrong or happens during a run.
func (l *life) trouble(a *attempt) {
	switch n := l.rng.IntN(100); {
	case n < 18:
		a.fault = l.aFault()
	case n < 22:
		if id, ok := l.aProject(); ok {
			region, _ := pickKey(l, l.truth.regions, nil)
			a.fault = simFault{on: string(keystonetest.Instances) + "/" + id + "/" + region, name: "list-empty", times: 1, flap: true}
		}
	case n < 36:
		a.during = l.aMoment()
	case n < 38:
		if text, there := l.handEdit(); there && l.disk == "" {
			a.edit = &simEdit{text: text}
		}
	case n < 39:
		a.locked = l.disk == ""
	case n < 40:
		a.noReload = true
	}
}

// aFault chooses a fault and the requests that it strikes. Where it ends, the
// requests come one after the other, so that it is the same ones each time.
func (l *life) aFault() simFault {
	kinds := []keystonetest.Kind{keystonetest.LogIn, keystonetest.Regions, keystonetest.Projects, keystonetest.OneProject, keystonetest.CellProbe, keystonetest.Instances}
	if !l.admin {
		kinds = []keystonetest.Kind{keystonetest.LogIn, keystonetest.Regions, keystonetest.AuthProjects, keystonetest.OneProject, keystonetest.Rescope, keystonetest.Instances}
	}
	if l.chance(30) {
		kinds = kinds[len(kinds)-1:] // the answers on which most depends
	}
	kind := pick(l, kinds...)
	var faults []keystonetest.NamedFault
	usual := l.chance(50)
	for _, f := range keystonetest.Faults() {
		if f.Applies(kind) && (!usual || isUsual(f.Name)) && (!isSlow(f.Name) || l.chance(3)) && !isHuge(f.Name) {
			faults = append(faults, f)
		}
	}
	f := simFault{on: string(kind), name: pick(l, faults...).Name}
	inTurn := true
	switch kind {
	case keystonetest.Rescope, keystonetest.OneProject, keystonetest.Instances:
		id, ok := l.aProject()
		if inTurn = ok && l.chance(60); inTurn {
			f.on += "/" + id
		}
	}
	if region, ok := pickKey(l, l.truth.regions, nil); ok && inTurn && kind == keystonetest.Instances {
		f.on += "/" + region
	}
	if inTurn && kind != keystonetest.CellProbe && l.chance(50) {
		f.times = 1 + l.rng.IntN(5)
	}
	if inTurn && kind != keystonetest.CellProbe && l.chance(30) {
		f.first = 1 + l.rng.IntN(3)
	}
	return f
}

// isUsual tells of a fault of the kind that clouds have every day.
func isUsual(name string) bool {
	return slices.Contains([]string{
		"status-401", "status-403", "status-404", "status-500", "status-503", "status-429", "reset-before-body", "closed-before-body",
		"body-object", "list-empty", "truncated-half", "token-expires", "instance-unknown", "page-short",
	}, name)
}

// isSlow tells of a fault that ends a run only by its time limit.
func isSlow(name string) bool {
	return slices.Contains([]string{"black-hole", "stall-in-body", "slow-drip"}, name)
}

// isHuge tells of a fault that takes long to send.
func isHuge(name string) bool {
	return slices.Contains([]string{"gzip-bomb", "endless", "endless-length"}, name)
}

// aMoment chooses what changes during a run, and before which request. Each
// change shows in the requests for one project in one region alone, which come
// one after the other, or is before all of those that it shows in.
func (l *life) aMoment() []*simMoment {
	early := string(keystonetest.Regions)
	project, ok := l.aProject()
	region, _ := pickKey(l, l.truth.regions, nil)
	if !ok {
		return nil
	}
	stream := func(id string) string { return string(keystonetest.Instances) + "/" + id + "/" + region }
	nth := func() int { return 1 + l.rng.IntN(4) }
	mine, has := pickKey(l, l.truth.instances, func(_ string, i simInstance) bool { return i.project == project && i.region == region })
	switch n := l.rng.IntN(10); {
	case n < 2:
		return []*simMoment{{on: stream(project), nth: nth(), change: putInstance(l.newInstance(project, region))}}
	case n < 4 && has:
		return []*simMoment{{on: stream(project), nth: nth(), change: removeInstance(mine)}}
	case n == 4 && has:
		i := l.truth.instances[mine]
		i.addresses, i.lost = []simAddress{l.address()}, false
		return []*simMoment{{on: stream(project), nth: nth(), change: putInstance(mine, i)}}
	case n < 8 && has:
		// An address goes from one project to another.
		other, _ := l.aProject()
		i := l.truth.instances[mine]
		i.project, i.lost = other, false
		if other == project {
			return nil
		}
		return []*simMoment{
			{on: stream(project), nth: nth(), change: removeInstance(mine)},
			{on: stream(other), nth: nth(), change: putInstance(l.id("i-"), i)},
		}
	case n == 8:
		p := l.truth.projects[project]
		p.disabled = true
		scope := project
		if l.admin {
			scope = keystonetest.System
		}
		return []*simMoment{{on: early, nth: 1, change: pick(l, putProject(project, p), removeProject(project), setRole(scope, false))}}
	case n == 9:
		return []*simMoment{{on: string(keystonetest.CellProbe) + "//" + region, nth: 1 + l.rng.IntN(2), change: setCell(region, pick(l, "cell1", "cell2"), true)}}
	}
	return nil
}

// try is one run, judged.
func (l *life) try(a *attempt) {
	l.write("mounts.yaml", l.truth.config.yaml())
	if len(a.during) > 0 {
		a.dump = l.cloud.Dump()
	}
	l.cloud.Heal()
	l.cloud.ResetRequests()
	if a.fault.name != "" {
		f := commandtest.RequestsNamed(a.fault.on)
		f.Do, f.Times, f.Nth = namedFaultDo(a.fault.name), a.fault.times, a.fault.first
		a.injected = l.cloud.Inject(f)
	}
	for _, m := range a.during {
		l.cloud.Inject(commandtest.DuringRequest(commandtest.RequestsNamed(m.on), m.nth, func() { m.happen(l.cloud.Cloud) }))
	}
	if a.edit != nil {
		a.edit.hit = l.cloud.Inject(commandtest.DuringRequest(commandtest.RequestsNamed(string(keystonetest.Regions)), 1, func() {
			if err := os.WriteFile(l.ours(), []byte(a.edit.text), 0o644); err != nil {
				panic(err)
			}
		}))
	}
	a.before = l.look()
	if a.locked {
		lock, err := os.OpenFile(l.path(lockFile), os.O_CREATE|os.O_RDONLY, 0o640)
		l.must(err)
		l.must(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
		defer lock.Close()
	}
	a.got = l.run(a)
	l.cloud.Heal()
	l.cloud.Disconnect()
	a.after = l.look()
	a.moments = []truth{l.truth}
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
	if violations := l.judge(a); len(violations) > 0 {
		l.fail(a, violations)
	}
	if l.disk == "" && a.after.exports != a.before.exports && !a.edited() {
		l.wrote[a.after.exports.text] = true
		if len(l.wrote)%5 == 0 {
			l.backups = append(l.backups, a.after.exports.text)
		}
	}
	if id := planID(a.got.Stdout); a.got.Status == command.ExitRefused && id != "" {
		l.refused = &refusedPlan{id: id, before: a.before.exports.text, outcome: l.truth.outcome(),
			sure: len(a.moments) == 1 && !a.struck() && !a.edited()}
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

// planID is the id of a plan that was printed.
func planID(stdout string) string {
	for line := range strings.Lines(stdout) {
		if id, ok := strings.CutPrefix(line, "plan "); ok {
			return strings.TrimSpace(id)
		}
	}
	return ""
}

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
	l.must(os.Setenv("TEST_HOSTS", l.truth.testHosts()))
	var stdout, stderr bytes.Buffer
	program := commandtest.App(env, &stdout, &stderr)
	program.Now = func() time.Time { return l.now }
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
