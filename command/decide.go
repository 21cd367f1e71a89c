package command

import (
	"context"
	"fmt"
	"slices"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// decision is a plan, and all that it follows from.
type decision struct {
	plan     exports.Plan // what apply carries out
	approval approval
	evidence exports.Evidence // with the answers to the plan's questions
}

// decide makes the plan that follows from the evidence, and has its questions
// answered. If --approve has the id of what needs approval, the plan has that too.
func (j job) decide(ctx context.Context, c cloud, r result) (d decision, decided bool) {
	if r.held != nil {
		if j.purpose == toCheck {
			stepOnly(j.steps, "plan", true, func() (string, error) { return r.held.text() + ": " + untilItEnds, nil })
		}
		return decision{evidence: r.evidence}, false
	}
	d, decided = step(j.steps, "plan", r.files != nil && r.complete, func() (decision, string, error) {
		d, err := j.settle(ctx, c, r.files, r.evidence, nil)
		if err != nil {
			return d, "", err
		}
		if d.approval, err = j.needsApproval(ctx, r.situation, r.files, d.plan); err != nil {
			return d, "", err
		}
		if approval := d.approval; j.flags.approve == approval.id {
			j.log.Info("the plan is approved", "plan", approval.id, "approved", approval.covers())
			if d, err = j.settle(ctx, c, r.files, d.evidence, &d.plan); err != nil {
				return d, "", err
			}
			d.approval, d.approval.given = approval, true
		}
		says, concern := aboutPlan(d.plan, r.files)
		return d, says, concern
	})
	if !decided {
		d.evidence = r.evidence
	}
	j.warn(d.plan.Warnings...)
	if decided {
		j.warn(keptOpen(d.plan, r.files)...)
	}
	return d, decided
}

// settle decides and has questions answered until there is none. approved is the plan
// that somebody has approved, or nil.
func (j job) settle(ctx context.Context, c cloud, f *files, e exports.Evidence, approved *exports.Plan) (decision, error) {
	for {
		plan, questions, err := exports.Decide(f.today, e, approved)
		if err != nil || len(questions) == 0 {
			return decision{plan: plan, evidence: e}, err
		}
		answers, err := j.answer(ctx, c, questions, e.Inventory)
		if err != nil {
			return decision{}, err
		}
		e = e.Answer(answers)
	}
}

// answer has Nova asked about instances by their ids.
func (j job) answer(ctx context.Context, c cloud, questions []exports.Question, known exports.Inventory) (map[exports.Question]exports.Answer, error) {
	if c.client == nil {
		answers := make(map[exports.Question]exports.Answer, len(questions))
		for _, q := range questions {
			answers[q] = exports.Answer{State: exports.Unproved, Why: "the cloud was not asked, because no project has a mount on this server"}
		}
		return answers, nil
	}
	j.log.Info("asking Nova about instances by id", "questions", len(questions))
	answers, err := c.client.Ask(ctx, questions, known)
	if err != nil {
		return nil, err
	}
	counts := map[exports.AnswerState]int{}
	for _, q := range questions {
		if _, ok := answers[q]; !ok {
			return nil, fmt.Errorf("this is a bug, please report it: nobody answered about instance %s of project %s", printable.ID(q.Instance), printable.ID(q.Project))
		}
		counts[answers[q].State]++
	}
	j.log.Info("Nova answered about instances by id", "gone", counts[exports.Gone], "found", counts[exports.Found], "unproved", counts[exports.Unproved])
	return answers, nil
}

// aboutPlan says what a plan changes. Frozen places, and so many clients that exportfs
// is slow with them, are a concern.
func aboutPlan(plan exports.Plan, f *files) (string, error) {
	says := "no grant is to be changed"
	if len(plan.Added)+len(plan.Removed)+len(plan.Changed) > 0 {
		says = fmt.Sprintf("%d grants to add, %d to remove, %d to change", len(plan.Added), len(plan.Removed), len(plan.Changed))
	}
	return says, concernAbout(says, slices.Concat(frozenTexts(plan.Frozen), keptOpen(plan, f), manyClients(plan, f)))
}
