package command

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/keystone/keystonetest"
)

// noRaceSleep spares a program with the race detector the second that it waits
// at its end for reports of other goroutines.
const noRaceSleep = "GORACE=atexit_sleep_ms=0"

const password = "c29tZSBwYXNzd29yZA"

// world is a cloud, and a server that is in step with it.
type world struct {
	dir    string
	cloud  *keystonetest.Server
	env    []string
	before map[string]string
}

func newWorld(t *testing.T, roles string, env []string) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), cloud: keystonetest.NewServer(t)}
	for _, sub := range []string{"exports.d", "srv"} {
		if err := os.Mkdir(filepath.Join(w.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write(t, "mounts.yaml", fmt.Sprintf(`
private:
  tools: {mounts: {home: 'nfs.example.org:%[1]s/srv'}}
  maps: {mounts: {home: 'nfs.example.org:%[1]s/srv'}}
`, w.dir))
	if err := keystonetest.Load(w.cloud.Cloud, fmt.Appendf(nil, `
settings: {page_size: 2}
projects: {home: {id: p0}, tools: {id: p1}, maps: {id: p2}}
users: {observer: {password: %s, roles: %s}}
instances:
  t1: {project: tools, addresses: {lan: [10.0.0.1]}}
  t2: {project: tools, addresses: {lan: [10.0.0.2]}}
  t3: {project: tools, addresses: {lan: [10.0.0.3]}}
  t4: {project: tools, addresses: {lan: [10.0.0.4]}}
  t5: {project: tools, addresses: {lan: [10.0.0.5]}}
  m1: {project: maps, addresses: {lan: [10.0.1.1]}}
`, password, roles)); err != nil {
		t.Fatal(err)
	}
	if err := makeExportfs(w.dir); err != nil {
		t.Fatal(err)
	}
	w.env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		noRaceSleep,
		"OS_AUTH_URL=" + w.cloud.AuthURL(), "OS_USERNAME=observer", "OS_PASSWORD=" + password, "OS_USER_DOMAIN_NAME=Default",
	}, env...)
	// In one listing Nova's pages are small so that there are several; the other
	// can only be proved within one page.
	if slices.Contains(env, "OS_PROJECT_NAME=home") {
		w.cloud.Configure(func(s *keystonetest.Settings) { s.PageSize = 1000 })
	} else {
		w.cloud.AddHost("RegionOne", "cell1", "compute-1")
	}
	if first := w.run("apply"); first.status != 0 || first.stderr != "" {
		t.Fatalf("the first apply, exit status %d:\n%s", first.status, first.stderr)
	}
	if err := os.Remove(filepath.Join(w.dir, "exportfs.log")); err != nil {
		t.Fatal(err)
	}
	w.cloud.ResetRequests()
	w.before = w.files(t)
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ran is how a run of the program ended.
type ran struct {
	status         int
	stdout, stderr string
}

// run is the program in this process: to start a thousand processes would take
// minutes under the race detector. Two at a time are too many, as the library
// for the command line has variables of its own.
func (w *world) run(args ...string) ran {
	var stdout, stderr bytes.Buffer
	a := App{
		Stdout: &stdout, Stderr: &stderr, Now: time.Now,
		Getenv: func(name string) string {
			for _, pair := range w.env {
				if value, ok := strings.CutPrefix(pair, name+"="); ok {
					return value
				}
			}
			return ""
		},
		Lookup: testLookup,
		Local:  func() ([]netip.Addr, error) { return nil, nil },
		Sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	status := a.Run(context.Background(), w.commandLine(args...))
	return ran{status, stdout.String(), stderr.String()}
}

// commandLine adds the flags that all runs have in common.
func (w *world) commandLine(args ...string) []string {
	flags := []string{"nfs-exportd", args[0],
		"--config", filepath.Join(w.dir, "mounts.yaml"),
		"--exports-file", filepath.Join(w.dir, "exports.d/nfs-exportd.exports"),
		"--etab", filepath.Join(w.dir, "etab"),
		"--exportfs", filepath.Join(w.dir, "exportfs"),
		"--serve-as", "nfs.example.org",
		"--no-preflight",
	}
	if args[0] == "apply" {
		// A process that another test starts has the lock open for a moment.
		flags = append(flags, "--lock-timeout", "10s")
	}
	return append(flags, args[1:]...)
}

// files gives all files of the world but directories, with the lock left out,
// which every apply takes.
func (w *world) files(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(w.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, w.dir+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// untouched checks that the exports file and the table are as before, and that
// exportfs was not run.
func (w *world) untouched(t *testing.T) {
	t.Helper()
	w.has(t, w.before)
}

// has checks all files of the world.
func (w *world) has(t *testing.T, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, w.files(t)); diff != "" {
		t.Errorf("files are not as wanted (-want +got):\n%s", diff)
	}
}
