package exports_test

import (
	"errors"
	"fmt"
	"slices"

	"nfs-exportd/exports"
)

// decision is what came out of a world.
type decision struct {
	plan    exports.Plan
	err     error
	asked   map[exports.Question]bool
	strange []exports.Question // asked again, or what has no answer as it is listed
}

// settle has everything asked that Decide wants to know, and answers it.
func settle(w smallWorld, approved *exports.Plan) decision {
	d := decision{asked: map[exports.Question]bool{}}
	e := w.evidence
	for range 20 {
		var questions []exports.Question
		d.plan, questions, d.err = exports.Decide(w.today, e, approved)
		if d.err != nil || len(questions) == 0 {
			return d
		}
		answers := map[exports.Question]exports.Answer{}
		for _, q := range questions {
			a, ok := w.answers[q]
			if !ok || d.asked[q] {
				d.strange = append(d.strange, q)
			}
			answers[q] = a
			d.asked[q] = true
		}
		e = e.Answer(answers)
	}
	d.err = errors.New("Decide asks without end")
	return d
}

func (d decision) refused() bool { return d.err == nil && d.plan.Refused != nil }

// status is the exit status that an error gives; 0 if it is none, 70 if nobody knows it.
func status(err error) int {
	var unclear *exports.UnclearError
	var unequal *exports.UnequalKeysError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &unequal):
		return 78
	case !errors.As(err, &unclear):
		return 70
	case unclear.Doubt() == exports.ProjectHidden:
		return 77
	case unclear.Doubt() == exports.HostUnresolved:
		return 69
	}
	return 70
}

// again decides once more after the plan was carried out: a removal that looks like a
// mistake does not stop to look like one because of that.
func (x *examiner) again() {
	mistakes := slices.DeleteFunc(slices.Clone(x.d.plan.Frozen), func(f exports.Frozen) bool {
		return f.Reason != exports.LooksLikeAMistake || f.Today == nil
	})
	if len(mistakes) == 0 || x.d.refused() {
		return
	}
	w := x.w
	w.today = x.d.plan.Desired
	again := settle(w, nil)
	for _, r := range again.plan.Removed {
		if slices.ContainsFunc(mistakes, func(f exports.Frozen) bool { return f.Place == r.Place() }) && !again.refused() {
			x.report(fmt.Sprintf("a mistake ends with the next run, as %s", r.Reason), "%v\nthen %s", r.Place(), again)
		}
	}
}
