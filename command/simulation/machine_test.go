package simulation

import (
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nfs-exportd/command"
)

// exportLock is the lock of exportfs.
const exportLock = "export-lock"

// holdExportLock is another process that runs exportfs, and returns its end.
func (l *life) holdExportLock() (release func()) {
	file, err := os.OpenFile(l.path(exportLock), os.O_RDWR, 0)
	l.must(err)
	l.must(unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}))
	return func() { _ = file.Close() }
}

// otherHosts are the mount hosts with another answer for one.
func (l *life) otherHosts() map[string]string {
	later := maps.Clone(l.truth.hosts)
	host, _ := pickKey(l, later, nil)
	later[host], _ = pickKey(l, resolutions, nil)
	return later
}

// laterHosts writes down how the mount hosts resolve at the second look-up.
func (l *life) laterHosts(a *attempt) string {
	if a.later == nil {
		return ""
	}
	t := l.truth
	t.hosts = a.later
	return "no-name 192.0.2.1\n" + t.testHosts() // never empty
}

// disagree are the hosts that one look-up finds here and the other elsewhere.
func (a *attempt) disagree() (hosts []string) {
	t := a.moments[0]
	for _, entry := range t.config.private {
		for _, m := range entry.mounts {
			first, second := t.where(m.host), resolutions[a.later[m.host]].where
			if a.later != nil && m.host != servedAs && first != simUnknown && second != simUnknown && first != second && !slices.Contains(hosts, m.host) {
				hosts = append(hosts, m.host)
			}
		}
	}
	return hosts
}

// seenTwice is the world at the beginning of a run, with the mount hosts as two look-ups
// say together. If a run did nothing, or failed, it may have made one look-up alone: then
// that follows, and one of the two worlds has to explain all of what it did.
func (l *life) seenTwice(a *attempt) []truth {
	if a.later == nil {
		return []truth{l.truth}
	}
	both := l.truth.clone()
	for host := range both.hosts {
		if resolutions[a.later[host]].where == simUnknown {
			both.hosts[host] = "no-such-host"
		}
	}
	said := parseSaid(a.got.Stdout)
	if did := said.plan != "" && !said.idle || l.truth.standby(); did && a.succeeded() {
		return []truth{both}
	}
	return []truth{both, l.truth}
}

// undisturbed checks that nothing was changed while another process ran exportfs, or
// after look-ups that disagree; and that exportfs was run after a run without it.
func (j *judgement) undisturbed() {
	switch {
	case j.got.Status == command.ExitTemporary && strings.Contains(j.got.Stderr, "exportfs's lock"):
		j.stats.host["exportfs is locked"]++
	case j.got.Status == command.ExitUnavailable && len(j.disagree()) > 0:
		j.stats.host["two look-ups disagree"]++
	}
	if !j.succeeded() || j.command != "apply" || j.left() {
		return
	}
	if j.owed && !j.noReload && strings.Contains(j.got.Stdout, "an earlier run began to write") {
		j.stats.host["ran exportfs for a mark alone"]++
	}
	applied := strings.Contains(j.got.Stdout, "applied\n")
	switch hosts := j.disagree(); {
	case applied && j.busy && !j.noReload:
		j.wrong("", "there was a change while another process held the lock of exportfs")
	case applied && j.said.plan != "" && !j.said.idle && len(hosts) > 0: // others need no second look-up
		j.wrong("", "there was a change although two look-ups of %q disagree", hosts)
	case j.owed && !j.noReload && j.after.ran == j.before.ran:
		j.wrong("", "exportfs was not run after a run with --no-reload")
	}
}

// owe notes whether exportfs has to run at the next time.
func (l *life) owe(a *attempt) {
	if a.command != "apply" || !a.succeeded() || a.moments[0].held(l.now) || a.moments[0].standby() || a.edited() {
		return
	}
	old, now := parseExports(a.before.exports.text).lines(), parseExports(a.after.exports.text).lines()
	l.owed = a.noReload && (l.owed || !maps.Equal(old, now))
}

// runExportfs is what somebody does by hand after a run without exportfs: the table is
// right then, and the next run has to run exportfs all the same.
func (l *life) runExportfs() {
	if by := l.owed && l.exportfs == "" && l.disk == "" && l.chance(40); by {
		l.must(exec.Command(l.path("exportfs"), "-ra").Run())
	}
}

// lines are what exportfs makes of an exports file.
func (p parsedExports) lines() map[simPlace]string {
	lines := map[simPlace]string{}
	for at, g := range p.grants {
		lines[at] = g.options
	}
	return lines
}
