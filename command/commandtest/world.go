package commandtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/command"
	"nfs-exportd/keystone/keystonetest"
)

// NoRaceSleep spares a program with the race detector the second that it waits
// at its end for reports of other goroutines.
const NoRaceSleep = "GORACE=atexit_sleep_ms=0"

const Password = "c29tZSBwYXNzd29yZA"

// World is a cloud, and a server that is in step with it.
type World struct {
	Dir    string
	Cloud  *keystonetest.Server
	Env    []string          // of its runs
	Before map[string]string // the files as the first apply left them, see Files
}

func NewWorld(t *testing.T, roles string, env []string) *World {
	t.Helper()
	w := &World{Dir: t.TempDir(), Cloud: keystonetest.NewServer(t)}
	for _, sub := range []string{"exports.d", "srv"} {
		if err := os.Mkdir(filepath.Join(w.Dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.Write(t, "mounts.yaml", fmt.Sprintf(`
private:
  tools: {mounts: {home: 'nfs.example.org:%[1]s/srv'}}
  maps: {mounts: {home: 'nfs.example.org:%[1]s/srv'}}
`, w.Dir))
	if err := keystonetest.Load(w.Cloud.Cloud, fmt.Appendf(nil, `
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
`, Password, roles)); err != nil {
		t.Fatal(err)
	}
	if err := MakeExportfs(w.Dir); err != nil {
		t.Fatal(err)
	}
	w.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		NoRaceSleep,
		"OS_AUTH_URL=" + w.Cloud.AuthURL(), "OS_USERNAME=observer", "OS_PASSWORD=" + Password, "OS_USER_DOMAIN_NAME=Default",
	}, env...)
	// In one listing Nova's pages are small so that there are several; the other
	// can only be proved within one page.
	if slices.Contains(env, "OS_PROJECT_NAME=home") {
		w.Cloud.Configure(func(s *keystonetest.Settings) { s.PageSize = 1000 })
	} else {
		w.Cloud.AddHost("RegionOne", "cell1", "compute-1")
	}
	if first := w.Run("apply"); first.Status != 0 || first.Stderr != "" {
		t.Fatalf("the first apply, exit status %d:\n%s", first.Status, first.Stderr)
	}
	if err := os.Remove(filepath.Join(w.Dir, "exportfs.log")); err != nil {
		t.Fatal(err)
	}
	w.Cloud.ResetRequests()
	w.Before = w.Files(t)
	return w
}

func (w *World) Path(name string) string { return filepath.Join(w.Dir, name) }

func (w *World) Write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(w.Path(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// App is the program in this process, with an environment of NAME=value and a
// resolver that [Lookup] is. It has no addresses, and does not wait between tries.
func App(env []string, stdout, stderr io.Writer) command.App {
	return command.App{
		Stdout: stdout, Stderr: stderr, Now: time.Now,
		Getenv: func(name string) string {
			for _, pair := range env {
				if value, ok := strings.CutPrefix(pair, name+"="); ok {
					return value
				}
			}
			return ""
		},
		Lookup:      NewLookup(),
		ResolveName: ResolveName,
		Local:       func() ([]netip.Addr, error) { return nil, nil },
		Sleep:       func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

// Ran is how a run of the program ended.
type Ran struct {
	Status         int
	Stdout, Stderr string
}

// Run is the program in this process: to start a thousand processes would take
// minutes under the race detector. Two at a time are too many, as the library
// for the command line has variables of its own.
func (w *World) Run(args ...string) Ran {
	var stdout, stderr bytes.Buffer
	a := App(w.Env, &stdout, &stderr)
	status := a.Run(context.Background(), w.CommandLine(args...))
	return Ran{status, stdout.String(), stderr.String()}
}

// CommandLine adds the flags that all runs have in common.
func (w *World) CommandLine(args ...string) []string {
	flags := []string{"nfs-exportd", args[0],
		"--config", filepath.Join(w.Dir, "mounts.yaml"),
		"--exports-file", filepath.Join(w.Dir, "exports.d/nfs-exportd.exports"),
		"--etab", filepath.Join(w.Dir, "etab"),
		"--exportfs", filepath.Join(w.Dir, "exportfs"),
		"--serve-as", "nfs.example.org",
		"--no-preflight",
	}
	if args[0] == "apply" {
		// A process that another test starts has the lock open for a moment.
		flags = append(flags, "--lock-timeout", "10s")
	}
	return append(flags, args[1:]...)
}

// Files gives all files of the World but directories, with the lock left out,
// which every apply takes.
func (w *World) Files(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(w.Dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, w.Dir+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Untouched checks that the exports file and the table are as before, and that
// exportfs was not run.
func (w *World) Untouched(t *testing.T) {
	t.Helper()
	w.Has(t, w.Before)
}

// Has checks all files of the World.
func (w *World) Has(t *testing.T, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, w.Files(t)); diff != "" {
		t.Errorf("files are not as wanted (-want +got):\n%s", diff)
	}
}
