package exports

import (
	"maps"
	"net/netip"
	"slices"
)

// Evidence is everything that was found out in one run. All decisions are
// functions of it and of today's grants.
type Evidence struct {
	Config    *Config
	Hosts     Hosts     // has every host of Config.Hosts
	Inventory Inventory // has every project of Config.Served
	Local     []netip.Addr

	// twice has the keys of the projects whose instances were listed twice.
	twice map[string]bool
}

// Questions is what must be known before there can be a plan. The zero Questions
// is none.
type Questions struct {
	// Again has the keys of the projects whose instances must be listed a second
	// time, sorted: the first listing lacks instances that have grants today.
	Again []string
}

// None reports whether there is no question.
func (q Questions) None() bool { return len(q.Again) == 0 }

// Answer gives the evidence with a second reading of the projects of q.Again. An
// instance counts as gone only if neither reading has it.
func (e Evidence) Answer(q Questions, second Inventory) Evidence {
	e.Inventory = e.Inventory.join(second)
	twice := map[string]bool{}
	maps.Copy(twice, e.twice)
	for _, key := range q.Again {
		twice[key] = true
	}
	e.twice = twice
	return e
}

// join gives the inventory with all that a second reading of some of its
// projects shows besides: what either of them has seen is there. Neither
// argument is changed.
func (i Inventory) join(second Inventory) Inventory {
	joined := Inventory{Projects: maps.Clone(i.Projects), IDs: i.IDs}
	for key, again := range second.Projects {
		if project, ok := joined.Projects[key]; ok && project.ID == again.ID {
			project.Instances = slices.Concat(project.Instances, again.Instances)
			joined.Projects[key] = project
		}
	}
	return joined
}
