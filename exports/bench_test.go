package exports_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"

	"nfs-exportd/exports"
)

// The benchmarks have two sizes, of which one is ten times the other: what they
// take should not grow by much more.
var sizes = []int{2000, 20_000}

// evidence is of n instances, twenty in each project, with addresses that begin
// with first. Each project has one mount here.
func evidence(n int, first byte) exports.Evidence {
	e := exports.Evidence{
		Config:    &exports.Config{},
		Hosts:     exports.Hosts{"here": {Where: exports.Here}},
		Inventory: exports.Inventory{Projects: map[string]exports.Project{}},
	}
	for i := range n {
		key := fmt.Sprintf("project-%05d", i/20)
		project, ok := e.Inventory.Projects[key]
		if !ok {
			project = exports.Project{Sight: exports.Shown, ID: "id-" + key, Name: key, Enabled: true}
			e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{
				Key: key, Options: exports.DefaultOptions,
				Mounts: []exports.Mount{{Key: "home", Host: "here", Path: "/srv/" + key}},
			})
		}
		project.Instances = append(project.Instances, exports.Instance{
			ID: fmt.Sprintf("00000000-0000-0000-0000-%012d", i), Name: fmt.Sprintf("instance-%d", i), Region: "R", Status: "ACTIVE",
			Addresses: []exports.Address{{Network: "lan", Addr: netip.AddrFrom4([4]byte{first, byte(i >> 16), byte(i >> 8), byte(i)})}},
		})
		e.Inventory.Projects[key] = project
	}
	return e
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			e := evidence(n, 10)
			b.ReportAllocs()
			for b.Loop() {
				if set := exports.Build(e); set.Len() != n {
					b.Fatal(set.Len())
				}
			}
		})
	}
}

// world is what a benchmark of Decide starts with.
type world struct {
	e     exports.Evidence
	today exports.Set
}

// unlimited is a world of n grants of which any number may go.
func unlimited(n int, first byte) world {
	e := evidence(n, first)
	e.Config.Limits = exports.Limits{MaxRemovedPercent: 100}
	return world{e, exports.Build(e)}
}

// allOfOne is a world in which one project lists n instances, which all lost the address
// of their lines.
func allOfOne(n int) world {
	w := unlimited(n, 10)
	big := w.e.Inventory.Projects["project-00000"]
	var grants []exports.Grant
	for i := range n {
		addr := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
		big.Instances = append(big.Instances, exports.Instance{ID: strconv.Itoa(i), Status: "SHUTOFF", Addresses: []exports.Address{
			{Network: "lan", Addr: netip.AddrFrom4([4]byte{127, byte(i >> 16), byte(i >> 8), byte(i)})},
		}})
		grants = append(grants, exports.Grant{
			Path: "/srv/project-00000", Client: exports.Client{Addr: addr}, Options: exports.DefaultOptions,
			Owner: exports.Owner{ID: big.ID, Name: big.Name}, Instance: exports.InstanceRef{ID: strconv.Itoa(i)},
		})
	}
	w.e.Inventory.Projects["project-00000"] = big
	w.today = exports.NewSet(grants)
	return w
}

// allClaimed is a world in which one project claims the addresses of all others, which
// share a path with it.
func allClaimed(n int) world {
	w := unlimited(n, 10)
	claimant := exports.Project{Sight: exports.Shown, ID: "a-claimant", Name: "claimant", Enabled: true}
	for i := range w.e.Config.Projects {
		w.e.Config.Projects[i].Mounts[0].Path = "/srv/shared"
		for _, of := range w.e.Inventory.Projects[w.e.Config.Projects[i].Key].Instances {
			of.ID = "of claimant"
			claimant.Instances = append(claimant.Instances, of)
		}
	}
	w.today = exports.Build(w.e)
	w.e.Config.Projects = append(w.e.Config.Projects, exports.ProjectConfig{Key: "claimant", Mounts: []exports.Mount{{Host: "here", Path: "/srv/shared"}}})
	w.e.Inventory.Projects["claimant"] = claimant
	return w
}

// BenchmarkDecide makes plans.
func BenchmarkDecide(b *testing.B) {
	for _, n := range sizes {
		steady := unlimited(n, 10)
		empty := world{steady.e, exports.Set{}}
		others := world{steady.e, unlimited(n, 12).today} // and no answer shows them
		for _, run := range []struct {
			name                   string
			world                  world
			added, removed, frozen int
		}{
			{"nothing changed", steady, 0, 0, 0},
			{"all new", empty, n, 0, 0},
			{"all gone, others came", others, n, n, 0},
			{"all of one project gone", allOfOne(n), n, n, 0},
			{"all claimed by one project", allClaimed(n), 0, 0, n},
		} {
			b.Run(fmt.Sprintf("%s/%d", run.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					plan, _, _, err := ask(run.world.today, run.world.e, &exports.Plan{}, gone)
					if err != nil || len(plan.Added) != run.added || len(plan.Removed) != run.removed || len(plan.Frozen) != run.frozen {
						b.Fatal(len(plan.Added), len(plan.Removed), len(plan.Frozen), err)
					}
				}
			})
		}
	}
}

// BenchmarkFrozen has the limits freeze all of a large project.
func BenchmarkFrozen(b *testing.B) {
	for _, n := range sizes {
		w := allOfOne(n)
		w.e.Config.Limits = exports.Limits{MaxRemoved: 10}
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				plan, questions, err := exports.Decide(w.today, w.e, nil)
				if err != nil || len(questions) != 0 || len(plan.Added) != n || len(plan.Frozen) != n {
					b.Fatal(len(questions), len(plan.Added), len(plan.Frozen), err)
				}
			}
		})
	}
}
