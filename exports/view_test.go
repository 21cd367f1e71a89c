package exports_test

import (
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"nfs-exportd/exports"
)

// view is which parts of the truth are not to be seen.
type view struct {
	hiddenKeys, hiddenIDs map[string]bool // questions that Keystone refuses to answer
	unresolved            map[string]bool // hosts
	missing               map[string]bool // instances that no listing has
	silent                map[string]bool // instances that Nova shows without their addresses
	emptied               map[string]bool // instances that Nova shows without those on the network flat
	unanswered            map[string]bool // instances about which an answer by id proves nothing
	silentAnswer          bool            // of a refusal not even the reason is known
}

func (v *view) parts() map[string]*map[string]bool {
	return map[string]*map[string]bool{
		"hidden keys": &v.hiddenKeys, "hidden ids": &v.hiddenIDs, "unresolved": &v.unresolved,
		"missing": &v.missing, "silent": &v.silent, "emptied": &v.emptied, "unanswered": &v.unanswered,
	}
}

// GoString is the view as a failing test shows it.
func (v view) GoString() string {
	text := fmt.Sprintf("without a word: %t", v.silentAnswer)
	parts := v.parts()
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if what := slices.Sorted(maps.Keys(*parts[name])); len(what) > 0 {
			text += fmt.Sprintf(", %s %q", name, what)
		}
	}
	return text
}

// more hides what either of two views hides.
func (v view) more(other view) view {
	merged := view{silentAnswer: v.silentAnswer}
	a, b, into := v.parts(), other.parts(), merged.parts()
	for name := range into {
		both := map[string]bool{}
		maps.Copy(both, *a[name])
		maps.Copy(both, *b[name])
		*into[name] = both
	}
	return merged
}

func drawView(t *rapid.T, w *truth) view {
	return rapid.Custom(func(t *rapid.T) view { return makeView(t, w) }).Draw(t, "view")
}

func makeView(t *rapid.T, w *truth) view {
	subset := func(label string, of []string) map[string]bool {
		chosen := map[string]bool{}
		odds := pick(t, label+", percent", []int{0, 0, 0, 0, 25, 100})
		for _, s := range of {
			if chance(t, label, odds) {
				chosen[s] = true
			}
		}
		return chosen
	}
	return view{
		hiddenKeys:   subset("hidden keys", slices.Concat(trueIDs, trueNames)),
		hiddenIDs:    subset("hidden ids", trueIDs),
		unresolved:   subset("unresolved", trueHosts),
		missing:      subset("missing", w.instanceIDs()),
		silent:       subset("silent", w.instanceIDs()),
		emptied:      subset("emptied", w.instanceIDs()),
		unanswered:   subset("unanswered", append(w.instanceIDs(), w.namedIDs()...)),
		silentAnswer: chance(t, "no reason given", 30),
	}
}

// instanceIDs are those of all instances, namedIDs those in lines of today.
func (w *truth) instanceIDs() []string {
	var all []string
	for _, p := range w.projects {
		for _, i := range p.instances {
			all = append(all, i.ID)
		}
	}
	return all
}

func (w *truth) namedIDs() []string {
	named := map[string]bool{}
	for _, g := range w.today {
		named[g.Instance.ID] = true
	}
	return slices.Sorted(maps.Keys(named))
}

// shows is an instance as Nova shows it.
func (v view) shows(i exports.Instance) exports.Instance {
	if v.silent[i.ID] {
		i.Addresses = nil
	}
	if v.emptied[i.ID] {
		i.Addresses = slices.DeleteFunc(slices.Clone(i.Addresses), func(a exports.Address) bool { return a.Network == "flat" })
		i.EmptyNetworks = append(slices.Clone(i.EmptyNetworks), "flat")
	}
	return i
}

// evidence is what the program gets to see, asked for as it asks, without answers by id.
func (w *truth) evidence(v view, today exports.Set) exports.Evidence {
	e := exports.Evidence{Config: w.config, Hosts: exports.Hosts{}, Local: w.local,
		Inventory: exports.Inventory{Projects: map[string]exports.Project{}, IDs: map[string]exports.Project{}}}
	for h, where := range w.hosts {
		e.Hosts[h] = exports.Host{Where: where, Why: "answer"}
		if v.unresolved[h] {
			e.Hosts[h] = exports.Host{Why: "SERVFAIL"}
		}
	}
	answer := func(question string, hidden map[string]bool, instances bool) exports.Project {
		if hidden[question] {
			if v.silentAnswer {
				return exports.Project{}
			}
			return exports.Project{Sight: exports.Hidden, Why: "403"}
		}
		p, ok := w.denotes(question)
		if !ok {
			return exports.Project{Sight: exports.Absent, Why: "404"}
		}
		shown := exports.Project{Sight: exports.Shown, ID: p.id, Name: p.name, Enabled: p.enabled}
		if !instances || !p.enabled {
			return shown
		}
		for _, i := range p.instances {
			if i.Region == "east" && !v.missing[i.ID] {
				shown.Instances = append(shown.Instances, v.shows(i))
			}
		}
		return shown
	}
	keys, ids := exports.ProjectsToRead(w.config, e.Hosts, today)
	for _, k := range keys {
		e.Inventory.Projects[k] = answer(k, v.hiddenKeys, true)
	}
	for _, id := range ids {
		e.Inventory.IDs[id.ID] = answer(id.ID, v.hiddenIDs, false)
	}
	return e
}

// answers is what Nova says to a question, in all regions.
func (w *truth) answers(v view) func(exports.Question) exports.Answer {
	return func(q exports.Question) exports.Answer {
		if v.unanswered[q.Instance] {
			return exports.Answer{Why: "503"}
		}
		p, _ := w.denotes(q.Project)
		for _, i := range p.alive() {
			if i.ID == q.Instance && p.id == q.Project {
				return exports.Answer{State: exports.Found, Instance: v.shows(i), Read: i.Region == "east", Why: "200"}
			}
		}
		return exports.Answer{State: exports.Gone, Why: "404"}
	}
}

// decide has all questions of a run answered, and gives the evidence with the answers.
func (w *truth) decide(v view, today []exports.Grant) (exports.Plan, exports.Evidence, error) {
	set := exports.NewSet(today)
	plan, _, e, err := ask(set, w.evidence(v, exports.NewSet(w.today)), nil, w.answers(v))
	return plan, e, err
}

// shuffled is the same world, written down in another order.
func (w *truth) shuffled(t *rapid.T) *truth {
	s := &truth{hosts: w.hosts, local: w.local}
	for _, p := range rapid.Permutation(w.projects).Draw(t, "projects") {
		var instances []exports.Instance
		for _, i := range rapid.Permutation(p.instances).Draw(t, "instances") {
			i.Addresses = rapid.Permutation(i.Addresses).Draw(t, "addresses")
			instances = append(instances, i)
		}
		p.instances = instances
		s.projects = append(s.projects, p)
	}
	config := *w.config
	config.Public = rapid.Permutation(config.Public).Draw(t, "public")
	config.OpenStack.Networks = rapid.Permutation(config.OpenStack.Networks).Draw(t, "networks")
	config.Projects = nil
	for _, c := range rapid.Permutation(w.config.Projects).Draw(t, "config") {
		c.Mounts = rapid.Permutation(c.Mounts).Draw(t, "mounts")
		config.Projects = append(config.Projects, c)
	}
	s.config = &config
	s.today = rapid.Permutation(w.today).Draw(t, "today")
	return s
}
