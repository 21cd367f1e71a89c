package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// scene is one thing that is measured.
type scene struct {
	name                string
	projects, instances int           // of the cloud, spread evenly
	served              int           // how many of the projects the configuration has
	one                 bool          // it has one project of 20 instances that is in the cloud besides
	perProject          bool          // the user is a reader of projects, and not admin on the system
	onePath             bool          // all projects share one directory, and not each has its own
	latency             time.Duration // of each request
	args                []string
	status              int
	before, after       func(*stage) error
}

// cloud tells whether the scene is one with a cloud.
func (s scene) cloud() bool { return s.projects > 0 }

// Names that more than one place knows.
const (
	all200      = "200 × 20, all-projects"
	each200     = "200 × 20, per-project"
	slowAll200  = "200 × 20, all-projects, 20 ms a request"
	slowEach200 = "200 × 20, per-project, 20 ms a request"
	oneInSmall  = "1 project of 20 served, in a cloud of 20"
	oneInLarge  = "1 project of 20 served, in a cloud of 100,000"
	allInSmall  = "1 project of 20 served, in a cloud of 20, all-projects"
	allInLarge  = "1 project of 20 served, in a cloud of 100,000, all-projects"
	allInMany   = "the same, with 5,000 projects in the cloud"
	served10k   = "10,000 instances served"
	served100k  = "100,000 instances served"
	onPath100k  = "100,000 instances served, all on one path"
	same100k    = "100,000 instances served, nothing changed"
	projects2k  = "2000 × 20, all-projects"
	unchanged   = "nothing changed, 2,000 grants"
	changed4k   = "4,000 changed lines, half of them removals: refused"
	changed40k  = "40,000 changed lines, half of them removals: refused"
	version     = "--version"
)

// plan is a run that has everything to add. The proof is left out: it is
// exportfs's time, which is in a table of its own.
var plan = []string{"plan", "--no-preflight"}

func scenes() []scene {
	scenes := []scene{
		{name: all200, projects: 200, instances: 4000, served: 200, args: plan},
		{name: each200, projects: 200, instances: 4000, served: 200, perProject: true, args: plan},
		{name: slowAll200, projects: 200, instances: 4000, served: 200, latency: 20 * time.Millisecond, args: plan},
		{name: slowEach200, projects: 200, instances: 4000, served: 200, perProject: true, latency: 20 * time.Millisecond, args: plan},
		{name: oneInSmall, projects: 1, one: true, perProject: true, args: plan},
		{name: oneInLarge, projects: 200, instances: 100_000, one: true, perProject: true, args: plan},
		{name: allInSmall, projects: 1, one: true, args: plan},
		{name: allInLarge, projects: 200, instances: 100_000, one: true, args: plan},
		{name: allInMany, projects: 5000, instances: 100_000, one: true, args: plan},
		{name: served10k, projects: 100, instances: 10_000, served: 100, args: plan},
		{name: served100k, projects: 100, instances: 100_000, served: 100, args: plan},
		{name: onPath100k, projects: 100, instances: 100_000, served: 100, onePath: true, args: plan},
		{name: same100k, projects: 100, instances: 100_000, served: 100, args: []string{"apply"}, before: applied, after: untouched},
		{name: projects2k, projects: 2000, instances: 40_000, served: 2000, args: plan},
		// Every third instance has two addresses.
		{name: unchanged, projects: 75, instances: 1500, served: 75, args: []string{"apply"}, before: applied, after: untouched},
		{name: changed4k, projects: 150, instances: 3000, served: 75, args: plan, status: 65, before: otherHalf, after: halfRemoved},
		{name: changed40k, projects: 1500, instances: 30_000, served: 750, args: plan, status: 65, before: otherHalf, after: halfRemoved},
		{name: version, args: []string{"--version"}},
	}
	for i, s := range scenes {
		if s.cloud() && s.after == nil {
			scenes[i].after = allServed
		}
	}
	return scenes
}

// allServed is an error unless the plan had a line for each address that is to be
// served, and no others: a run that reads nothing is not worth measuring.
func allServed(st *stage) error {
	return st.expect(st.scene.addresses(0, st.scene.served), 0)
}

// addresses is how many addresses the configuration serves that has the projects
// from first up to end.
func (s scene) addresses(first, end int) int {
	n := 0
	if s.one {
		n = oneInstances
	}
	for i := range s.instances {
		if project := i % s.projects; project >= first && project < end {
			n++
			if i%3 == 0 { // has two, see keystonetest.Generate
				n++
			}
		}
	}
	return n
}

// applied carries the plan out. From then on exportfs counts, and so do writes.
func applied(st *stage) error {
	if _, err := st.run([]string{"apply", "--no-preflight"}, 0); err != nil {
		return err
	}
	if err := os.Remove(st.path(exportfsRuns)); err != nil {
		return fmt.Errorf("the first apply did not run exportfs: %w", err)
	}
	return st.remember()
}

// untouched is an error if anything was written or exportfs was run, sandbox or
// not.
func untouched(st *stage) error {
	runs, err := os.ReadFile(st.path(exportfsRuns))
	if !errors.Is(err, os.ErrNotExist) {
		return errors.Join(fmt.Errorf("exportfs was run %d times", len(runs)), err)
	}
	return st.compare()
}

// otherHalf carries out the plan for some projects and then configures as many
// others: each line of the file is to go, and another to come.
func otherHalf(st *stage) error {
	if err := applied(st); err != nil {
		return err
	}
	return st.configure(st.scene.served, 2*st.scene.served)
}

// halfRemoved is an error unless all of the one half goes and all of the other comes.
func halfRemoved(st *stage) error {
	served := st.scene.served
	return st.expect(st.scene.addresses(served, 2*served), st.scene.addresses(0, served))
}

// exportfsRuns is the file to which exportfs adds a letter each time.
const exportfsRuns = "exportfs.runs"

// exportfs does for the program what exportfs(8) does, and counts.
func exportfs(dir string) error {
	runs, err := os.OpenFile(filepath.Join(dir, exportfsRuns), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = runs.WriteString("x")
	if err := errors.Join(err, runs.Close()); err != nil {
		return err
	}
	table, err := activeTable(filepath.Join(dir, "exports.d/nfs-exportd.exports"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "etab"), table, 0o644)
}
