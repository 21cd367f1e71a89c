package simulation

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"nfs-exportd/command"
	"nfs-exportd/keystone/keystonetest"
)

// Flags of TestSimulation. Without any it goes through a few short lives, the
// same ones each time.
var (
	simSeed  = flag.Uint64("simulation.seed", 1, "the `seed` of the first life")
	simSteps = flag.Int("simulation.steps", 0, "so many steps of the life of -simulation.seed")
	simRuns  = flag.Int("simulation.runs", 0, "lives of 250 steps until there were so many runs")
)

// TestSimulation goes through lives of an NFS server: instances, projects, roles,
// cells, resolvers, disks and exportfs come, go and fail by chance, and every
// five minutes there is a run, which people approve of or not. Each is judged by
// what the simulation knows of its world, whatever the program thinks of it:
//
//   - Each grant that went did so for a reason that is true, and Nova was asked
//     about its instance where the reason is that; no more went than the limits
//     allow, unless that very plan was approved.
//   - Each place is frozen that must be, for the right reason, and no other; it
//     keeps its line, and the status says so. All else is carried out.
//   - After a success nobody holds a path who has no right to it, all who have
//     one do, and the active table says the same.
//   - What a hostile tenant does changes nothing at other projects' places, but
//     at addresses that it claims itself: now and then the same world is planned
//     without what it did.
//   - Entries of the active table on paths of others are left alone, and named before
//     exportfs drops them. exportfs is run after a run without it, whatever the table is
//     like. Nothing is changed while another process holds its lock, or after two look-ups
//     of a mount host that disagree.
//   - After a failure the exports file and the active table are as before.
//   - The exit status is one that what is wrong explains; when nothing is wrong
//     and people approve, it is 0.
//   - Nothing secret was printed.
//
// Where a run ends otherwise the test prints a script that shows it.
func TestSimulation(t *testing.T) {
	t.Setenv("TEST_HOSTS", "")
	stats := newSimStats()
	began := time.Now()
	switch {
	case *simSteps > 0:
		newLife(t, *simSeed, stats).live(*simSteps)
	case *simRuns > 0:
		t.Logf("-simulation.seed=%d", *simSeed)
		for seed := *simSeed; stats.runs < *simRuns; seed++ {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { newLife(t, seed, stats).live(250) })
			if t.Failed() {
				break
			}
		}
		stats.reachesAll(t)
		stats.struckByAll(t)
	default:
		// Lives in which everything happens that is counted. After a change of the
		// simulation others may be needed.
		for _, seed := range []uint64{1, 9, 16, 37} {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { newLife(t, seed, stats).live(60) })
		}
		stats.reachesAll(t)
	}
	t.Logf("%s\n%s a run", stats, time.Since(began)/time.Duration(max(1, stats.runs)))
}

// simStats counts what a simulation came to: one in which nothing happens proves
// nothing.
type simStats struct {
	runs, held, standby, healed, added int
	approved, stale, edited, moments   int
	exact, loose                       int // places of which one fate was right, or more
	statuses, removed, struck          map[string]int
	frozen, twins, host                map[string]int
}

func newSimStats() *simStats {
	return &simStats{statuses: map[string]int{}, removed: map[string]int{}, struck: map[string]int{}, frozen: map[string]int{}, twins: map[string]int{}, host: map[string]int{}}
}

func (s *simStats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d runs, %d of them held, %d on standby; all was well %d times\n", s.runs, s.held, s.standby, s.healed)
	fmt.Fprintf(&b, "grants added: %d; removed: %v\n", s.added, s.removed)
	fmt.Fprintf(&b, "frozen: %v; places with one right fate: %d, with more: %d; twins: %v\n", s.frozen, s.exact, s.loose, s.twins)
	fmt.Fprintf(&b, "on the host: %v\n", s.host)
	fmt.Fprintf(&b, "by exit status: %v\n", s.statuses)
	fmt.Fprintf(&b, "approved: %d, too late: %d; the cloud changed during %d runs, the exports file during %d\n", s.approved, s.stale, s.moments, s.edited)
	total := 0
	for _, n := range s.struck {
		total += n
	}
	fmt.Fprintf(&b, "faults: %d of %d kinds", total, len(s.struck))
	return b.String()
}

// reachesAll fails if the simulation has not come everywhere.
func (s *simStats) reachesAll(t *testing.T) {
	t.Helper()
	for _, status := range []int{0, command.ExitRefused, command.ExitUnavailable, command.ExitExportfs, command.ExitCannotWrite, command.ExitTemporary, command.ExitUntrusted, command.ExitNoPermission, command.ExitConfiguration, command.ExitFrozen} {
		if s.statuses[fmt.Sprint("apply ", status)] == 0 {
			t.Errorf("no apply ended with %d", status)
		}
	}
	for _, reason := range []string{"not-in-config", "project-deleted", "project-disabled", "instance-gone", "address-released", "address-reassigned", "approved", "served-elsewhere", "public-removed"} {
		if s.removed[reason] == 0 {
			t.Errorf("no grant went as %s", reason)
		}
	}
	for _, reason := range []string{"claimed-twice", "address-unknown", "unproved", "looks-like-a-mistake", "over-share", "over-limit", "nested"} {
		if s.frozen[reason] == 0 {
			t.Errorf("no place was frozen as %s", reason)
		}
	}
	if s.twins["compared"] == 0 || s.approved == 0 || s.stale == 0 || s.held == 0 || s.standby == 0 || s.edited == 0 || s.moments == 0 || s.healed == 0 {
		t.Errorf("something never happened: %+v", *s)
	}
}

// struckByAll fails if a fault never struck, or something on the host never was so, unless
// there were few runs.
func (s *simStats) struckByAll(t *testing.T) {
	t.Helper()
	for _, what := range []string{"exportfs is locked", "two look-ups disagree", "ran exportfs for a mark alone", "strays were dropped", "strays stay"} {
		if s.runs >= 5000 && s.host[what] == 0 {
			t.Errorf("it never happened that %s", what)
		}
	}
	if s.runs < 80_000 {
		return
	}
	for _, f := range keystonetest.Faults() {
		if !isHuge(f.Name) && s.struck[f.Name] == 0 {
			t.Errorf("fault %s never struck", f.Name)
		}
	}
}
