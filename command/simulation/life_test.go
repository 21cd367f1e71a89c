package simulation

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"nfs-exportd/command/commandtest"
	"nfs-exportd/keystone/keystonetest"
)

const (
	simUser     = "observer"
	simPassword = "cGFzc3dvcmQ" // as in the scripts
	simInterval = 5 * time.Minute
	// simNowhere is a Keystone on the port of discard, which nobody serves.
	simNowhere = "http://127.0.0.1:9/identity/v3"
	// simOther is an exports file beside ours that nobody changes.
	simOther = "/nfs/other 10.7.0.0/16(ro,sync,no_subtree_check)\n"
)

// life is that of one NFS server.
type life struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	step   int
	serial int // of ids
	dir    string
	cloud  *keystonetest.Server
	admin  bool // the user logs in for the system, and not for a project
	now    time.Time
	truth  truth

	hostile   string // the id of a project that does what it can against the others
	hostility int    // how often, in a hundred steps

	aside       *simConfig // the configuration while the server stands by
	unslipped   *simConfig // the configuration before a slip
	disk        string     // what is wrong with it
	exportfs    string     // the mode of the stand-in, or "missing"
	wrongSecret bool
	unreachable bool

	owed    bool            // a run without exportfs wrote the file, and none has run exportfs since
	wrote   map[string]bool // all texts that the program wrote
	backups []string
	refused *refusedPlan // that may be approved
	stats   *simStats
}

func newLife(t *testing.T, seed uint64, stats *simStats) *life {
	l := &life{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir(), cloud: keystonetest.NewServer(t),
		// The program compares this clock with the time at which its patience
		// ends, which is of the real one: it must be in the past.
		now:   time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
		wrote: map[string]bool{}, stats: stats,
		truth: truth{
			projects: map[string]simProject{}, instances: map[string]simInstance{}, leftOut: map[string]bool{}, regions: map[string]bool{"RegionOne": true},
			down: map[string]bool{}, roles: map[string]bool{},
			hosts: map[string]string{"nfs-b.example.org": "here", "nfs-c.example.org": "here-v6", "nfs-d.example.org": "elsewhere"},
			config: simConfig{
				public: map[string]simPublic{}, private: map[string]simEntry{}, removed: 4, percent: 20,
			},
		},
	}
	if err := os.Mkdir(l.path("exports.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.write("exports.d/other.exports", simOther)
	l.write("etab", "")
	l.write(exportLock, "")
	if err := commandtest.MakeExportfs(l.dir); err != nil {
		t.Fatal(err)
	}
	l.admin = l.chance(65)
	l.cloud.Configure(func(s *keystonetest.Settings) {
		// One who may not ask for Nova's services can prove no second page, and
		// one who may not look projects up has no way past a list cut short.
		if l.admin && l.chance(50) {
			s.PageSize = 3
		}
		if l.admin && l.chance(40) {
			s.ListLimit = 3
		}
	})
	l.cloud.AddUser(keystonetest.User{Name: simUser, Password: simPassword})
	l.do(putProject(simHome, simProject{name: "home"}))
	if l.chance(50) {
		l.addRegion()
	}
	for range 4 {
		l.createProject()
	}
	l.giveRoles()
	for range 12 {
		l.createInstance()
	}
	for range 4 {
		l.configureProject()
	}
	l.configurePublic()
	l.hostile, _ = l.aProject()
	l.hostility = pick(l, 0, 0, 10, 30)
	return l
}

func (l *life) path(name string) string { return filepath.Join(l.dir, name) }

func (l *life) ours() string { return l.path("exports.d/nfs-exportd.exports") }

func (l *life) write(name, text string) {
	if err := os.WriteFile(l.path(name), []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) must(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		l.t.Fatalf("seed %d, step %d: %v", l.seed, l.step, err)
	}
}

// chance is true so many times in a hundred.
func (l *life) chance(percent int) bool { return l.rng.IntN(100) < percent }

func pick[T any](l *life, from ...T) T { return from[l.rng.IntN(len(from))] }

// pickKey takes a key of a map, in the same way whatever the map's order.
func pickKey[T any](l *life, from map[string]T, fits func(string, T) bool) (string, bool) {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(from)) {
		if fits == nil || fits(key, from[key]) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return "", false
	}
	return pick(l, keys...), true
}

// do changes the cloud and what is known of it.
func (l *life) do(c simChange) {
	c.truth(&l.truth)
	c.cloud(l.cloud.Cloud)
}

// projectID is a new id in Keystone's form, which is spelled like no other.
func (l *life) projectID() string {
	sum := sha256.Sum256([]byte(l.id("project ")))
	return hex.EncodeToString(sum[:16])
}

func (l *life) id(prefix string) string {
	l.serial++
	return prefix + strconv.Itoa(l.serial)
}
