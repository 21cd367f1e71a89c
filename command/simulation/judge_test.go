package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nfs-exportd/command"
	"nfs-exportd/keystone/keystonetest"
)

// violation is something that must not be, and the lines of a script that would
// show it: what there must be in any case, and what after a success. $COMMAND
// stands for the run.
type violation struct {
	what    string
	expect  []string
	success []string
}

// judge says what is wrong with how a run ended.
func (l *life) judge(a *attempt) []violation {
	j := &judgement{
		life: l, attempt: a, old: parseExports(a.before.exports.text), new: parseExports(a.after.exports.text),
		said: parseSaid(a.got.Stdout),
	}
	j.look()
	j.output()
	j.status()
	j.files()
	j.strayed()
	j.undisturbed()
	switch {
	case !a.succeeded() || j.left() || a.json:
	case j.edited():
		j.overtaken()
	default:
		j.approved()
		j.fates()
		if a.command == "apply" {
			j.removals()
			j.result()
		}
	}
	j.count()
	return j.violations
}

type judgement struct {
	*life
	*attempt
	old, new   parsedExports
	said       said
	sights     []*sight // what may be seen at each moment
	lists      []*sight // what lists may show that a fault made shorter, without answers by id
	violations []violation
}

func (j *judgement) wrong(expect, format string, args ...any) {
	v := violation{what: fmt.Sprintf(format, args...)}
	if expect != "" {
		v.expect = strings.Split(expect, "\n")
	}
	j.violations = append(j.violations, v)
}

// wrongSuccess is for what a run that failed would have been free to do.
func (j *judgement) wrongSuccess(expect []string, format string, args ...any) {
	j.violations = append(j.violations, violation{what: fmt.Sprintf(format, args...), success: expect})
}

// left tells whether a run had to leave everything as it is.
func (j *judgement) left() bool {
	t := j.moments[0]
	return t.held(j.now) || t.standby()
}

// look finds out what may become of each place.
func (j *judgement) look() {
	shaky := j.struck() || len(j.moments) > 1
	for _, t := range j.moments {
		j.sights = append(j.sights, t.look(j.old, shaky, j.approve))
		if !j.struck() {
			continue
		}
		switch kind := j.fault.kind(); {
		case j.fault.flap:
			j.sights = append(j.sights, j.less(t, j.isInFault))
		case kind == keystonetest.Instances && showsLess(j.fault.name):
			j.lists = append(j.lists, j.less(t, j.isInFault))
		case kind == keystonetest.CellProbe && len(t.down) > 0:
			// The answer that says so is lost, lists lack the cell, and Nova fails for an id.
			j.sights = append(j.sights, j.less(t, func(i simInstance) bool { return t.down[i.region+"/"+i.cell] }))
		}
	}
}

// less is a world of which some lists lack instances.
func (j *judgement) less(t truth, out func(simInstance) bool) *sight {
	less := t.clone()
	for id, i := range t.instances {
		if out(i) {
			less.leftOut[id] = true
		}
	}
	return less.look(j.old, true, j.approve)
}

// isInFault reports whether a fault of Nova's lists strikes those that have an instance.
func (j *judgement) isInFault(i simInstance) bool {
	return j.fault.on == string(keystonetest.Instances) || strings.HasSuffix(j.fault.on, "/"+i.project+"/"+i.region)
}

// succeeded reports whether the plan was carried out, or would be.
func (a *attempt) succeeded() bool {
	return slices.Contains([]int{0, command.ExitChanges, command.ExitFrozen}, a.got.Status)
}

// output looks for secrets. All tokens of the test cloud begin alike.
func (j *judgement) output() {
	for _, secret := range []string{simPassword, "gAAAAAB"} {
		if strings.Contains(j.got.Stdout+j.got.Stderr, secret) {
			j.wrong("! stderr "+secret, "%q was printed", secret)
		}
	}
	if n := strings.Count(j.got.Stderr, "nfs-exportd: error: "); n != min(j.got.Status, 1) && !j.succeeded() {
		j.wrong("", "%d errors with exit status %d", n, j.got.Status)
	}
}

// status compares the exit status with what is wrong.
func (j *judgement) status() {
	causes, certain := j.findCauses()
	j.causes = causes
	switch got := j.got.Status; {
	case got == command.ExitChanges && j.detailed, j.succeeded() && !certain:
	case causes[got] == "":
		allowed := slices.Sorted(maps.Keys(causes))
		if !certain {
			allowed = append([]int{0}, allowed...)
		}
		want := fmt.Sprintf("exits %d $COMMAND", allowed[0])
		if len(allowed) > 1 {
			either := strings.ReplaceAll(strings.Trim(fmt.Sprint(allowed), "[]"), " ", "|")
			want = fmt.Sprintf("exec sh -c '$COMMAND; case $? in %s) ;; *) exit 1;; esac'", either)
		}
		j.wrong(want, "exit status %d, but only %v could be: %v", got, allowed, causes)
	}
}

// count keeps what happened.
func (j *judgement) count() {
	j.stats.runs++
	j.stats.statuses[j.command+" "+strconv.Itoa(j.got.Status)]++
	switch t := j.moments[0]; {
	case !j.succeeded():
	case t.held(j.now):
		j.stats.held++
	case t.standby():
		j.stats.standby++
	}
	if j.command == "apply" && j.succeeded() {
		for at := range j.new.grants {
			if _, ok := j.old.grants[at]; !ok {
				j.stats.added++
			}
		}
	}
	switch {
	case j.approve == nil:
	case j.succeeded():
		j.stats.approved++
	case j.got.Status == command.ExitRefused:
		j.stats.stale++
	}
	if j.struck() {
		j.stats.struck[j.fault.name]++
	}
	if j.edited() {
		j.stats.edited++
	}
}
