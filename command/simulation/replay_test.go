package simulation

import (
	"fmt"
	"strings"
)

// fail ends the test with what is wrong and a script that shows it. The script
// goes to standard output by itself: the log of a test is indented.
func (l *life) fail(a *attempt, violations []violation) {
	l.t.Helper()
	var b strings.Builder
	for _, v := range violations {
		fmt.Fprintf(&b, "  %s\n", v.what)
	}
	fmt.Printf("\n%s-- end --\n", l.script(a, violations))
	l.t.Fatalf("seed %d, step %d, %s:\n%s\nexit status %d\nstdout:\n%s\nstderr:\n%s\n"+
		"To see it again, run with -simulation.seed=%d -simulation.steps=%d, or put the script above, up to its end, into testdata/script.",
		l.seed, l.step, strings.Join(l.words(a, "$WORK"), " "), b.String(), a.got.Status, a.got.Stdout, a.got.Stderr, l.seed, l.step)
}

// script is one for TestScripts that starts from what the run started from, has
// the same happen, and wants what the simulation wanted.
func (l *life) script(a *attempt, violations []violation) string {
	var b, files strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	file := func(name, text string) {
		fmt.Fprintf(&files, "-- %s --\n%s", name, text)
		if text != "" && !strings.HasSuffix(text, "\n") {
			// In a script all files end with a line break.
			line("exec sh -c 'head -c %d %s >cut && mv cut %[2]s'", len(text), name)
			files.WriteByte('\n')
		}
	}
	line("# Step %d of seed %d of TestSimulation.", l.step, l.seed)
	for _, v := range violations {
		line("# %s", strings.ReplaceAll(v.what, "\n", "\n# "))
	}
	dump := a.dump
	if dump == nil {
		dump = l.cloud.Dump()
	}
	file("cloud.yaml", string(dump))
	file("mounts.yaml", a.moments[0].config.yaml())
	file("exports.d/other.exports", simOther)
	line("cloud start cloud.yaml")
	line("env OS_SYSTEM_SCOPE=")
	for _, pair := range l.environment() {
		line("env %s", pair)
	}
	if l.unreachable {
		line("env OS_AUTH_URL=%s", simNowhere)
	}
	line("env TEST_NOW=%s", l.now.Format("2006-01-02T15:04:05Z07:00"))
	line("env TEST_LOCAL='%s'", simLocal)
	line("env TEST_HOSTS='%s'", strings.ReplaceAll(a.moments[0].testHosts(), "\n", ";"))
	if later := l.laterHosts(a); later != "" {
		line("env TEST_HOSTS_LATER='%s'", strings.ReplaceAll(later, "\n", ";"))
	}
	if a.busy {
		file(exportLock, "")
		line("env TEST_EXPORT_LOCK=$WORK/%s", exportLock)
		line("env TEST_LOCK_PATIENCE=1ns")
		line("export-lock write %s", exportLock)
	}
	if l.owed {
		line("exec sh -c 'echo mark >%s'", lockFile)
	}
	if l.exportfs != "" && l.exportfs != "missing" {
		file("exportfs.mode", l.exportfs+"\n")
	}
	for _, f := range []struct {
		name, saved string
		file        simFile
	}{{"exports.d/nfs-exportd.exports", "before.exports", a.before.exports}, {"etab", "before.etab", a.before.etab}} {
		if f.file.kind == "file" {
			file(f.saved, f.file.text)
			line("cp %s %s", f.saved, f.name)
		}
	}
	switch name := brokenFile[l.disk]; l.disk {
	case "":
	case "no-directory":
		line("rm exports.d")
	case "exports-fifo":
		line("exec mkfifo %s", name)
	case "exports-symlink":
		line("symlink %s -> saved", name)
	default:
		line("mkdir %s", name)
	}
	if a.fault.name != "" {
		line("cloud fault %s %s %d %d", a.fault.on, a.fault.name, a.fault.times, a.fault.first)
	}
	for _, m := range a.during {
		line("cloud during %s %d %s", m.on, m.nth, strings.Join(m.change.verb, " "))
		if m.change.file != "" {
			file(m.change.verb[1], m.change.file)
		}
	}
	if a.edit != nil {
		file("edited.exports", a.edit.text)
		line("cloud during Regions 1 copy edited.exports exports.d/nfs-exportd.exports")
	}
	command := strings.Join(l.words(a, "$WORK"), " ")
	if a.locked {
		command = "flock " + lockFile + " " + command
	}
	var status, always, success []string
	for _, v := range violations {
		for _, want := range v.expect {
			if a.before.exports.kind == "none" && strings.HasSuffix(want, " before.exports") {
				want = "! exists exports.d/nfs-exportd.exports"
			}
			if strings.Contains(want, "$COMMAND") {
				status = append(status, strings.ReplaceAll(want, "$COMMAND", command))
			} else {
				always = append(always, want)
			}
		}
		success = append(success, v.success...)
	}
	switch {
	case len(status) > 0:
		line("%s", status[0])
	case len(always) == 0 && len(success) > 0:
		for n, want := range success {
			success[n] = strings.Replace(strings.ReplaceAll(want, "'", `"`), "grep ", "grep -P ", 1)
		}
		line("exec sh -c '! %s || { %s; }'", command, strings.Join(success, " && "))
	default:
		line("exec sh -c '%s || true'", command)
		for _, want := range always {
			line("%s", want)
		}
	}
	return b.String() + files.String()
}
