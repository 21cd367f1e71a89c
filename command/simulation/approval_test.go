package simulation

import (
	"strings"

	"nfs-exportd/command"
)

// refusedPlan is a plan that waits for approval, as a whole or at frozen places, with
// what it was made of.
type refusedPlan struct {
	id     string
	before string
	fates  string
	sure   bool                // nothing happened meanwhile that the plan may be of or not
	whole  bool                // nothing is done without approval
	held   map[simPlace]string // what approval does at the frozen places
}

func (p *refusedPlan) isWhole() bool { return p != nil && p.whole }

// holds gives what the approval of the plan does at a place.
func (p *refusedPlan) holds(at simPlace) (then string, ok bool) {
	if p == nil {
		return "", false
	}
	then, ok = p.held[at]
	return then, ok
}

func (p *refusedPlan) wholeOrHolds(at simPlace) bool {
	_, ok := p.holds(at)
	return ok || p.isWhole()
}

// nothing is the id of a plan of which nothing needs approval.
const nothing = "e3b0c44298fc1c14"

// waiting is the plan of a run that waits for approval, or nil.
func (l *life) waiting(a *attempt) *refusedPlan {
	s := parseSaid(a.got.Stdout)
	p := &refusedPlan{id: s.plan, before: a.after.exports.text, held: map[simPlace]string{}, whole: a.got.Status == command.ExitRefused,
		// Lists that are out of step are not the same twice. The limit is larger after
		// additions, so that less may need approval then.
		sure: len(a.moments) == 1 && !a.struck() && !a.edited() && len(l.truth.leftOut) == 0 &&
			len(parseExports(a.before.exports.text).grants) == len(parseExports(a.after.exports.text).grants)}
	for at, f := range s.frozen {
		if f.then != "stays" && f.then != "not added" {
			p.held[at] = f.then
		}
	}
	if s.plan == "" || s.plan == nothing || !p.whole && (a.got.Status != command.ExitFrozen || len(p.held) == 0) {
		return nil
	}
	p.fates = l.truth.look(parseExports(p.before), false, nil).String()
	return p
}

// approved checks that what was approved is what the run found.
func (j *judgement) approved() {
	if j.approve == nil || j.said.plan == "" || j.said.plan == j.approve.id {
		return
	}
	j.wrong("exits 65 $COMMAND", "plan %s was carried out with the approval of %s", j.said.plan, j.approve.id)
}

// mustSucceed runs apply when nothing is wrong: with approval it has to end
// well, and after it there is nothing to do.
func (l *life) mustSucceed() {
	a := &attempt{command: "apply"}
	l.refused = nil
	l.try(a)
	// What one approval has left, the next can carry out, or the next run without any:
	// a project that has its first grants by an approval gets lines of others only then.
	for n := 0; n < 8 && (a.got.Status != 0 || a.approve != nil); n++ {
		a = &attempt{command: "apply", approve: l.refused}
		l.refused = nil
		l.try(a)
	}
	if a.got.Status != 0 {
		l.fail(a, []violation{{what: "nothing is wrong, and the run does not end with 0", expect: []string{"exits 0 $COMMAND"}}})
	}
	l.stats.healed++
	again := &attempt{command: "plan", detailed: true}
	l.try(again)
	if again.got.Status != 0 || strings.TrimSpace(again.got.Stdout) != "" {
		l.fail(again, []violation{{what: "after a success there is more to do", expect: []string{"exits 0 $COMMAND"}}})
	}
}
