package keystone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

const (
	// maxFailures is after how many failures in a region no more is asked there.
	maxFailures = 3
	// maxWitnesses is how many instances of a region are tried as a witness.
	maxWitnesses = 3
)

// Ask asks every Nova of the cloud for instances by their ids. It gives an answer to
// each question: what nobody could answer is [exports.Unproved]. Inventory is what was
// read in this run. The error is [context.Canceled] alone.
func (c *Client) Ask(ctx context.Context, questions []exports.Question, inventory exports.Inventory) (map[exports.Question]exports.Answer, error) {
	answers := map[exports.Question]exports.Answer{}
	if len(questions) == 0 {
		return answers, nil
	}
	a := &asker{c: c, inventory: inventory, questions: questions, failures: map[string]int{},
		sessions: map[string]func() sessionOrError{}, witnesses: map[string]func() bool{}}
	a.first = sync.OnceValues(func() (*session, error) { return c.forRescoping(ctx) })
	a.findRegions(ctx)
	list := make([]exports.Answer, len(questions))
	var next atomic.Int64
	// No more at a time than there may be requests: a question that waited for its turn
	// would not know how many failed meanwhile.
	err := parallel(ctx, min(len(questions), c.opts.Concurrency), func(ctx context.Context, _ int) error {
		for i := next.Add(1) - 1; i < int64(len(questions)); i = next.Add(1) - 1 {
			list[i] = a.answer(ctx, questions[i])
		}
		return nil
	})
	if err == nil && errors.Is(ctx.Err(), context.Canceled) {
		err = ended(ctx, Exchange{Op: "ask for instances by their ids"})
	}
	if err != nil {
		return nil, err
	}
	for i, q := range questions {
		answers[q] = list[i]
	}
	return answers, nil
}

// asker is one call of Ask.
type asker struct {
	c         *Client
	inventory exports.Inventory
	questions []exports.Question
	first     func() (*session, error) // whose token is exchanged for those for projects
	// read are the regions whose instances this run lists, and regions all that must
	// be asked.
	read, regions []string
	// unknown is why there may be more regions, or "".
	unknown string

	mu        sync.Mutex
	failures  map[string]int                   // by region
	sessions  map[string]func() sessionOrError // by project id
	witnesses map[string]func() bool           // by region
}

type sessionOrError struct {
	session *session
	err     error
}

// findRegions finds the regions to ask. Nothing can be proved gone if Keystone does not
// say which there are, unless it refuses that and the configuration names some.
func (a *asker) findRegions(ctx context.Context) {
	all, err := a.c.listRegions(ctx)
	a.read = a.c.opts.Regions
	switch {
	case err == nil && len(a.read) == 0:
		a.read = all
	case err != nil && (len(a.read) == 0 || !isStatus(err, http.StatusForbidden)):
		a.unknown = err.Error()
	}
	if a.unknown == "" {
		a.unknown = sameNova(a.inventory)
	}
	a.regions = union(a.read, all)
	if t, err := a.c.root.current(); err == nil {
		a.regions = union(a.regions, t.computeRegions())
	}
}

// sameNova says which regions have one Nova, as one instance is listed in both: then
// another Nova may not be in the catalog.
func sameNova(inventory exports.Inventory) string {
	seen := map[string]string{} // regions, by the id of an instance
	for _, p := range inventory.Projects {
		for _, i := range p.Instances {
			other, ok := seen[i.ID]
			if ok && other != i.Region {
				return fmt.Sprintf("the regions %s and %s have one Nova, as instance %s is listed in both: correct the catalog",
					printable.Quote(min(other, i.Region)), printable.Quote(max(other, i.Region)), printable.ID(i.ID))
			}
			seen[i.ID] = i.Region
		}
	}
	return ""
}

// union gives what is in either list, in their order.
func union(a, b []string) []string {
	both := slices.Clip(a)
	for _, s := range b {
		if !slices.Contains(both, s) {
			both = append(both, s)
		}
	}
	return both
}

// answer asks for one instance in all regions, until one has it.
func (a *asker) answer(ctx context.Context, q exports.Question) exports.Answer {
	for _, id := range []string{q.Project, q.Instance} {
		if !isPlainID(id) {
			return exports.Answer{Why: fmt.Sprintf("nobody was asked: the id %s is not up to %d letters, digits and dashes", printable.Quote(id), maxID)}
		}
	}
	var gone, doubts []string
	if a.unknown != "" {
		doubts = append(doubts, a.unknown)
	}
	regions := a.regions
	for i := 0; i < len(regions); i++ {
		s, err := a.session(ctx, regions[i], q.Project)
		if err != nil {
			// What is shown is there, whoever is shown it. That this token is not shown more is
			// no failure of the region.
			one := a.askRegion(ctx, a.c.root, regions[i], q, false)
			if one.State == exports.Found {
				one.Read = slices.Contains(a.read, regions[i])
				return one
			}
			doubts = union(doubts, []string{one.Why, err.Error()}) // the second is the same in all regions
			continue
		}
		if t, err := s.current(); err == nil {
			regions = union(regions, t.computeRegions()) // a project can have a catalog of its own
		}
		switch one := a.askRegion(ctx, s, regions[i], q, true); one.State {
		case exports.Found:
			one.Read = slices.Contains(a.read, regions[i])
			return one
		case exports.Gone:
			gone = append(gone, one.Why)
		default:
			doubts = append(doubts, one.Why)
		}
	}
	if len(doubts) > 0 || len(gone) == 0 {
		return exports.Answer{Why: strings.Join(doubts, "; ")}
	}
	return exports.Answer{State: exports.Gone, Why: strings.Join(gone, "; ")}
}

// askRegion asks for one instance in one region. counts says that a refusal is one of the
// failures after which no more is asked there.
func (a *asker) askRegion(ctx context.Context, s *session, region string, q exports.Question, counts bool) exports.Answer {
	if a.failed(region, 0) >= maxFailures {
		return exports.Answer{Why: fmt.Sprintf("Nova of region %s was not asked, because it failed %d times before", printable.Quote(region), maxFailures)}
	}
	n, err := a.c.nova(s, region)
	if err != nil {
		return exports.Answer{Why: fmt.Sprintf("Nova of region %s cannot be asked: %s", printable.Quote(region), err)}
	}
	found, err := n.show(ctx, q.Instance)
	if err != nil {
		// A refusal to a token for one project says nothing about the others.
		if _, refused := errors.AsType[*RefusedError](err); ctx.Err() == nil && (!refused || counts && s == a.c.root) {
			a.failed(region, 1)
		}
		return exports.Answer{Why: err.Error()}
	}
	switch {
	case (found.ID == "" || found.Status == "DELETED") && !a.proves(region, q.Project, found.by):
		return exports.Answer{Why: "nothing shows that this token may see the instances of the project: " + found.why}
	case found.ID == "":
		return exports.Answer{State: exports.Gone, Why: found.why}
	case found.projectID != q.Project:
		return exports.Answer{Why: fmt.Sprintf("the instance is of project %s: %s", printable.Quote(found.projectID), found.why)}
	case found.Status == "DELETED":
		return exports.Answer{State: exports.Gone, Why: "its status is DELETED: " + found.why}
	}
	return exports.Answer{State: exports.Found, Instance: found.Instance, Why: found.why}
}

// proves reports whether a token is the one whose 404 proves something, and not one that
// a new log-in gave since.
func (a *asker) proves(region, project string, t *token) bool {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	return t.projectID == project || a.c.witnessed[region] == t
}

// failed counts n more failures in a region, and gives how many there are.
func (a *asker) failed(region string, n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures[region] += n
	return a.failures[region]
}

// session gives whose 404 for an instance of the project proves something in a region.
// Nova says 404 for all that a token may not see: to a token for another project, and to
// one that may list all projects by policy alone.
func (a *asker) session(ctx context.Context, region, project string) (*session, error) {
	t, err := a.c.root.current()
	if err != nil {
		return nil, err
	}
	if t.projectID == project {
		return a.c.root, nil
	}
	witnessed := func() bool {
		return once(&a.mu, a.witnesses, region, func() bool { return a.findWitness(ctx, region, t.projectID) })
	}
	// One that listed all projects at once seldom has a role on each of them.
	if a.c.shownAll && witnessed() {
		return a.c.root, nil
	}
	s := once(&a.mu, a.sessions, project, func() sessionOrError { return a.projectSession(ctx, project) })
	if s.err != nil && witnessed() {
		return a.c.root, nil
	}
	return s.session, s.err
}

// once gives what make gave the first time for a key.
func once[T any](mu *sync.Mutex, made map[string]func() T, key string, make func() T) T {
	mu.Lock()
	get, ok := made[key]
	if !ok {
		get = sync.OnceValue(make)
		made[key] = get
	}
	mu.Unlock()
	return get()
}

// projectSession gives the session of this run for a project, or a new one.
func (a *asker) projectSession(ctx context.Context, id string) sessionOrError {
	a.c.mu.Lock()
	s, ok := a.c.projects[id]
	a.c.mu.Unlock()
	if ok {
		return sessionOrError{session: s}
	}
	first, err := a.first()
	if err != nil {
		return sessionOrError{err: err}
	}
	s, err = a.c.projectSession(ctx, first, a.project(id), a.c.rescopeOnce)
	return sessionOrError{s, err}
}

// project gives what the inventory knows of a project.
func (a *asker) project(id string) exports.Project {
	for _, p := range a.inventory.Projects {
		if p.ID == id {
			return p
		}
	}
	if p := a.inventory.IDs[id]; p.ID == id {
		return p
	}
	return exports.Project{ID: id}
}

// findWitness reports whether Nova of a region shows root's token, by id, an instance
// outside its own project. One that is in no cell yet Nova shows to everybody.
func (a *asker) findWitness(ctx context.Context, region, own string) bool {
	a.c.mu.Lock()
	by, tried := a.c.witnessed[region]
	a.c.mu.Unlock()
	if !tried {
		by = a.tryWitnesses(ctx, region, own)
		a.c.mu.Lock()
		a.c.witnessed[region] = by
		a.c.mu.Unlock()
	}
	return by != nil
}

func (a *asker) tryWitnesses(ctx context.Context, region, own string) *token {
	n, err := a.c.nova(a.c.root, region)
	if err != nil {
		return nil
	}
	for _, q := range a.candidates(region, own) {
		found, err := n.show(ctx, q.Instance)
		late, unavailable := errors.AsType[*UnavailableError](err)
		switch {
		case unavailable && late.Status == 0:
			return nil // there was no answer, and for the next there would be none either
		case err == nil && found.ID != "" && found.projectID == cmp.Or(q.Project, found.projectID) && found.projectID != own && found.Status != "DELETED" && found.Status != "BUILD":
			return found.by
		}
	}
	return nil
}

// candidates are instances of a region outside a project, as few as are tried: of as
// many projects as possible, as a tenant could delete all of his own, then some that a
// list of all projects showed, and without any those that are asked for.
func (a *asker) candidates(region, own string) []exports.Question {
	of := map[string][]exports.Question{} // by project, once though two keys can be one
	for _, p := range a.inventory.Projects {
		if p.ID == own || of[p.ID] != nil {
			continue
		}
		for _, i := range p.Instances {
			if i.Region == region && isPlainID(i.ID) && i.Status != "DELETED" && i.Status != "BUILD" {
				of[p.ID] = append(of[p.ID], exports.Question{Project: p.ID, Instance: i.ID})
			}
		}
	}
	byInstance := func(a, b exports.Question) int { return strings.Compare(a.Instance, b.Instance) }
	var first, others []exports.Question // the same ones in each run
	for _, questions := range of {
		slices.SortFunc(questions, byInstance)
		first = append(first, questions[0])
		others = append(others, questions[1:min(len(questions), maxWitnesses)]...)
	}
	slices.SortFunc(first, byInstance)
	slices.SortFunc(others, byInstance)
	all := slices.Concat(first, others)
	all = all[:min(len(all), maxWitnesses-1)] // the last try is for one that the inventory lacks
	a.c.mu.Lock()
	for _, id := range a.c.seen[region] {
		if !slices.ContainsFunc(all, func(q exports.Question) bool { return q.Instance == id }) {
			all = append(all, exports.Question{Instance: id})
		}
	}
	a.c.mu.Unlock()
	if len(all) == 0 {
		for _, q := range a.questions {
			if q.Project != own && isPlainID(q.Instance) {
				all = append(all, q)
			}
		}
	}
	return all[:min(len(all), maxWitnesses)]
}
