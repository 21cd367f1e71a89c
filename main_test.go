package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"nfs-exportd/command/commandtest"
	"nfs-exportd/keystone/keystonetest"
)

func TestMain(m *testing.M) { commandtest.Main(m) }

// TestScripts runs the scripts, and those about files once more with the umask of
// a machine on which each user has a group of his own.
func TestScripts(t *testing.T) {
	var about []string
	for _, name := range []string{"adopt", "comments", "credentials", "deleted", "edited", "exportfs", "file", "first", "metrics"} {
		about = append(about, filepath.Join("testdata/script", name+".txtar"))
	}
	for _, run := range []struct {
		umask int
		dir   string
		files []string
	}{
		{0o022, "testdata/script", nil},
		{0o002, "", about},
	} {
		t.Run(fmt.Sprintf("umask %03o", run.umask), func(t *testing.T) {
			old := syscall.Umask(run.umask)
			t.Cleanup(func() { syscall.Umask(old) })
			locks := exportLocks{held: map[string]*os.File{}}
			clouds := scriptClouds{running: map[string]*keystonetest.Server{}}
			testscript.Run(t, testscript.Params{
				Dir:                 run.dir,
				Files:               run.files,
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Setup:               setUpScript,
				Condition:           condition,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits":         exits,
					"cloud":         clouds.run,
					"proof-service": startProofService,
					"export-lock":   locks.run,
				},
			})
		})
	}
}

// condition knows whether there are namespaces for a proof, and FUSE in one, patch, zsh, and fish. A
// machine for CI must have them.
func condition(name string) (bool, error) {
	if slices.Contains([]string{"patch", "zsh", "fish"}, name) {
		_, err := exec.LookPath(name)
		if err != nil && os.Getenv("CI") != "" {
			return false, err
		}
		return err == nil, nil
	}
	if name == "fuse" {
		there, err := commandtest.Namespaces()
		if _, missing := os.Stat("/dev/fuse"); missing != nil {
			there = false
			if os.Getenv("CI") != "" {
				err = missing
			}
		}
		return there, err
	}
	if name != "namespaces" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	return commandtest.Namespaces()
}

// setUpScript gives a script directories to export, an exportfs, the flags that
// all of them have in common, and the files of testdata/common unless it has
// its own. In its files $WORK stands for its directory.
func setUpScript(env *testscript.Env) error {
	dir := env.WorkDir
	for _, sub := range []string{"exports.d", "srv/tools/home", "srv/scratch", "srv/maps"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"mounts.yaml", "cloud.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("testdata/common", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "[a-z]*.*[a-z]"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if filepath.Ext(file) == ".d" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "$WORK", dir)), 0o644); err != nil {
			return err
		}
	}
	if err := commandtest.MakeExportfs(dir); err != nil {
		return err
	}
	env.Vars = append(env.Vars,
		"NFS_EXPORTD_CONFIG="+filepath.Join(dir, "mounts.yaml"),
		"NFS_EXPORTD_EXPORTS_FILE="+filepath.Join(dir, "exports.d/nfs-exportd.exports"),
		"NFS_EXPORTD_ETAB="+filepath.Join(dir, "etab"),
		"NFS_EXPORTD_EXPORTFS="+filepath.Join(dir, "exportfs"),
		// Scripts about the proof take this away.
		"NFS_EXPORTD_NO_PREFLIGHT=1",
		commandtest.NoRaceSleep,
		"TEST_LOCAL=127.0.0.1 192.0.2.10 2001:db8::10",
		"TEST_HOSTS=nfs.example.org 192.0.2.10\nother.example.org 192.0.2.11\n",
		"OS_USERNAME=observer", "OS_PASSWORD=cGFzc3dvcmQ", "OS_USER_DOMAIN_NAME=Default", "OS_SYSTEM_SCOPE=all",
	)
	return nil
}

// exits runs a command and wants an exact exit status, which testscript itself
// cannot check.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS command…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit status %d, want %d", args[1], got, want)
	}
}

// startProofService is the command
//
//	proof-service SOCKET COMMAND…
//
// that runs the command for each connection to the socket, which is its standard
// input and output, as systemd does for a socket with Accept=yes.
func startProofService(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: proof-service SOCKET COMMAND…")
	}
	listener, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	program, err := exec.LookPath(args[1])
	ts.Check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the listener is closed
			}
			file, err := conn.(*net.UnixConn).File()
			if err != nil {
				panic(err)
			}
			cmd := exec.Command(program, args[2:]...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = file, file, os.Stderr
			cmd.Env = append(os.Environ(), commandtest.NoRaceSleep)
			// How it ends is for who asked to see.
			_ = cmd.Run()
			file.Close()
			conn.Close()
		}
	}()
	ts.Defer(func() {
		listener.Close()
		<-done
	})
}

// scriptClouds has the cloud of each script that runs, by its directory.
type scriptClouds struct {
	mu      sync.Mutex
	running map[string]*keystonetest.Server
}

// run is the command that starts and changes a script's cloud:
//
//	cloud start FILE [tls]
//	cloud load FILE
//	cloud remove-instance ID
//	cloud remove-project NAME | disable-project NAME
//	cloud remove-role USER SCOPE ROLE
//	cloud cell-down REGION CELL | cell-up REGION CELL
//	cloud copy FROM TO
//	cloud fault KIND[/PROJECT[/REGION]] NAME [TIMES [FIRST]] | heal
//	cloud during KIND[/PROJECT[/REGION]] N CHANGE…
//	cloud stop
//	cloud requests KIND N
//	cloud forget
func (s *scriptClouds) run(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: cloud VERB…")
	}
	verb, args := args[0], append(args[1:], "", "", "")
	if verb == "start" {
		var c *keystonetest.Server
		if args[1] == "tls" {
			c = keystonetest.NewTLSServer(scriptTB{ts})
			ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), c.CAPEM, 0o644))
		} else {
			c = keystonetest.NewServer(scriptTB{ts})
		}
		ts.Check(keystonetest.Load(c.Cloud, []byte(ts.ReadFile(args[0]))))
		ts.Setenv("OS_AUTH_URL", c.AuthURL())
		ts.Setenv("CLOUD", c.URL)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running[ts.Getenv("WORK")] = c
		return
	}
	s.mu.Lock()
	c := s.running[ts.Getenv("WORK")]
	s.mu.Unlock()
	if c == nil {
		ts.Fatalf("cloud %s: start one first", verb)
	}
	if change := cloudChange(ts, c, verb, args); change != nil {
		change()
		return
	}
	switch verb {
	case "fault":
		named, ok := keystonetest.FaultNamed(args[1])
		if !ok {
			ts.Fatalf("no fault %q", args[1])
		}
		fault := commandtest.RequestsNamed(args[0])
		fault.Do = named.Do
		for n, number := range []*int{&fault.Times, &fault.Nth} {
			if text := args[2+n]; text != "" {
				var err error
				*number, err = strconv.Atoi(text)
				ts.Check(err)
			}
		}
		c.Inject(fault)
	case "during":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		change := cloudChange(ts, c, args[2], args[3:])
		if change == nil {
			ts.Fatalf("cloud during: no change %q", args[2])
		}
		c.Inject(commandtest.DuringRequest(commandtest.RequestsNamed(args[0]), n, change))
	case "heal":
		c.Heal()
	case "stop":
		c.Close()
	case "forget":
		c.ResetRequests()
	case "requests":
		want, err := strconv.Atoi(args[1])
		ts.Check(err)
		var kinds []keystonetest.Kind
		if args[0] != "all" {
			kinds = append(kinds, keystonetest.Kind(args[0]))
		}
		if got := c.Count(kinds...); got != want {
			ts.Fatalf("%d requests of kind %s, want %d:\n%v", got, args[0], want, c.Requests())
		}
	default:
		ts.Fatalf("cloud: unknown verb %q", verb)
	}
}

// cloudChange gives what a verb changes of a cloud, nil if that is none of its
// verbs. To copy a file is no change of the cloud, but of what there is besides.
func cloudChange(ts *testscript.TestScript, c *keystonetest.Server, verb string, args []string) func() {
	switch verb {
	case "load":
		text := []byte(ts.ReadFile(args[0]))
		return func() {
			if err := keystonetest.Load(c.Cloud, text); err != nil {
				panic(err)
			}
		}
	case "remove-instance":
		return func() { c.RemoveInstance(args[0]) }
	case "remove-project":
		return func() { c.RemoveProject(args[0]) }
	case "disable-project":
		return func() { c.SetProjectDisabled(args[0], true) }
	case "remove-role":
		return func() { c.RemoveRole(args[0], args[1], args[2]) }
	case "cell-down", "cell-up":
		return func() { c.CellDown(args[0], args[1], verb == "cell-down") }
	case "copy":
		text, to := []byte(ts.ReadFile(args[0])), ts.MkAbs(args[1])
		return func() {
			if err := os.WriteFile(to, text, 0o644); err != nil {
				panic(err)
			}
		}
	}
	return nil
}

type scriptTB struct{ *testscript.TestScript }

func (s scriptTB) Helper()          {}
func (s scriptTB) Cleanup(f func()) { s.Defer(f) }
