package command

import (
	"context"
	"fmt"
	"maps"
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
			stepOnly(j.steps, "plan", true, func() (string, error) { return r.held.about(r.files) })
		}
		return decision{evidence: r.evidence}, false
	}
	d, decided = step(j.steps, "plan", r.files != nil && r.complete, func() (decision, string, error) {
		d, err := j.planTwice(ctx, c, r)
		if err != nil {
			return d, "", err
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

// planTwice makes the plan. If it does anything, the hosts are looked up again before it
// is final: a single answer of the resolver neither removes nor adds a grant. If the
// second look-up leaves a host unresolved, or this server has other addresses by now,
// another plan follows from that.
func (j job) planTwice(ctx context.Context, c cloud, r result) (decision, error) {
	d, err := j.planFrom(ctx, c, r, r.evidence)
	if err != nil || len(d.plan.Added)+len(d.plan.Removed)+len(d.plan.Changed)+len(d.plan.Frozen) == 0 {
		return d, err
	}
	hosts, local, err := j.lookAgain(ctx, r.hosts)
	if err != nil {
		return decision{}, err
	}
	if maps.Equal(hosts, r.hosts) && slices.Equal(local, r.local) {
		return d, nil
	}
	d.evidence.Hosts, d.evidence.Local = hosts, local
	return j.planFrom(ctx, c, r, d.evidence)
}

// planFrom makes the plan that follows from the evidence. It gives the evidence with the
// answers of Nova.
func (j job) planFrom(ctx context.Context, c cloud, r result, e exports.Evidence) (decision, error) {
	d, err := j.settle(ctx, c, r.files, e, nil)
	if err != nil {
		return d, err
	}
	r.hosts, r.local = e.Hosts, e.Local
	if d.approval, err = j.needsApproval(ctx, r.situation, r.files, d.plan); err != nil {
		return d, err
	}
	if approval := d.approval; j.flags.approve == approval.id {
		j.log.Info("the plan is approved", "plan", approval.id, "approved", approval.covers())
		if d, err = j.settle(ctx, c, r.files, d.evidence, &d.plan); err != nil {
			return d, err
		}
		d.approval, d.approval.given = approval, true
	}
	return d, nil
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
	if c.unneeded {
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
