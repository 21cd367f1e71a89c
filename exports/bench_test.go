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

func mustBuild(tb testing.TB, e exports.Evidence) exports.Set {
	tb.Helper()
	set, err := exports.Build(e)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			e := evidence(n, 10)
			b.ReportAllocs()
			for b.Loop() {
				if set := mustBuild(b, e); set.Len() != n {
					b.Fatal(set.Len())
				}
			}
		})
	}
}

// BenchmarkCompare makes plans, and has the guard look at them.
func BenchmarkCompare(b *testing.B) {
	for _, n := range sizes {
		e := evidence(n, 10)
		wanted := mustBuild(b, e)
		one := e // all in one project, which has them in its listing
		one.Inventory = exports.Inventory{Projects: map[string]exports.Project{}}
		for key, project := range e.Inventory.Projects {
			one.Inventory.Projects[key] = project
		}
		big := e.Inventory.Projects["project-00000"]
		var grants []exports.Grant
		for i := range n {
			big.Instances = append(big.Instances, exports.Instance{ID: strconv.Itoa(i), Status: "SHUTOFF"})
			grants = append(grants, exports.Grant{
				Path: "/srv/project-00000", Client: exports.Client{Addr: netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})},
				Options: exports.DefaultOptions, Owner: exports.Owner{ID: big.ID, Name: big.Name},
			})
		}
		one.Inventory.Projects["project-00000"] = big
		for _, run := range []struct {
			name    string
			today   exports.Set
			e       exports.Evidence
			added   int
			removed int
		}{
			{"nothing changed", wanted, e, 0, 0},
			{"all new", exports.Set{}, e, n, 0},
			{"all gone, others came", mustBuild(b, evidence(n, 12)), e, n, n},
			{"all of one project gone", exports.NewSet(grants), one, n, n},
		} {
			b.Run(fmt.Sprintf("%s/%d", run.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					plan, err := compared(run.today, wanted, run.e)
					if err != nil || len(plan.Added) != run.added || len(plan.Removed) != run.removed {
						b.Fatal(len(plan.Added), len(plan.Removed), err)
					}
					limits := exports.Limits{MaxRemoved: 10, MaxRemovedPercent: 25}
					if err := limits.Check(plan); (err != nil) != (run.removed > 0) {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
