package exports

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Evidence is everything that was found out in one run. All decisions are
// functions of it and of today's grants.
type Evidence struct {
	Config    *Config
	Hosts     Hosts     // has every host of Config.Hosts
	Inventory Inventory // has every project of Config.Served
	Local     []netip.Addr
	// Links says of paths that are symbolic links, or behind one, why they are left out.
	Links map[string]string
	// Answers are those to the questions of [Decide] so far.
	Answers map[Question]Answer
}

// Answer gives the evidence with more answers. The receiver is not changed.
func (e Evidence) Answer(answers map[Question]Answer) Evidence {
	all := make(map[Question]Answer, len(e.Answers)+len(answers))
	maps.Copy(all, e.Answers)
	maps.Copy(all, answers)
	e.Answers = all
	return e
}

// withFound gives the evidence with the instances that no list had and that an answer
// shows, in a region whose instances are listed: they count like the listed ones.
func (e Evidence) withFound() Evidence {
	found := map[string][]Instance{} // by the id of the project
	for q, a := range e.Answers {
		if a.State == Found && a.Read {
			found[q.Project] = append(found[q.Project], a.Instance)
		}
	}
	if len(found) == 0 {
		return e
	}
	for _, instances := range found { // the answers have no order
		slices.SortFunc(instances, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	}
	projects := maps.Clone(e.Inventory.Projects)
	for key, p := range projects {
		if p.Sight != Shown || !p.Enabled {
			continue
		}
		listed := map[string]bool{}
		for _, i := range p.Instances {
			listed[i.ID] = !i.deleted()
		}
		p.Instances = slices.Clip(p.Instances)
		for _, i := range found[p.ID] {
			if !listed[i.ID] {
				p.Instances = append(p.Instances, i)
			}
		}
		projects[key] = p
	}
	e.Inventory.Projects = projects
	return e
}

// Question is an instance that Nova must be asked about by its id.
type Question struct {
	Project, Instance string // ids
}

// AnswerState is what the answers to a question prove.
type AnswerState int

const (
	// Unproved is no evidence: an answer is missing, or was a refusal or an error.
	Unproved AnswerState = iota
	// Gone means that every Nova of the cloud says that the instance is not there, or
	// that it is deleted.
	Gone
	// Found means that a Nova showed the instance.
	Found
)

// Answer is what Nova answered to a question.
type Answer struct {
	State AnswerState
	// Instance is the one that was found.
	Instance Instance
	// Read says that it was found in a region whose instances this run lists.
	Read bool
	// Why names the answers that the state rests on (method, URL, HTTP status,
	// request id), for people.
	Why string
}
