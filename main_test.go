package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nfs-exportd/keystone/keystonetest"
	"nfs-exportd/render"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"nfs-exportd":   func() { os.Exit(runInTest()) },
		"fake-exportfs": func() { os.Exit(fakeExportfs(os.Args[1], os.Args[2:])) },
	})
}

// runInTest is main with a resolver, a clock and interfaces that the
// environment describes, and without waiting between tries.
func runInTest() int {
	if status, ok := render.ProofPart(os.Args); ok {
		return status
	}
	ctx, stop := untilSignal(context.Background())
	defer stop()
	a := app{
		stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		now: func() time.Time {
			if t, err := time.Parse(time.RFC3339, os.Getenv("TEST_NOW")); err == nil {
				return t
			}
			return time.Now()
		},
		lookup: testLookup,
		local: func() ([]netip.Addr, error) {
			var addrs []netip.Addr
			for text := range strings.FieldsSeq(os.Getenv("TEST_LOCAL")) {
				addrs = append(addrs, netip.MustParseAddr(text))
			}
			return addrs, nil
		},
		sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		flush: os.Getenv("TEST_FLUSH"),
	}
	switch os.Getenv("TEST_PANIC") {
	case "local":
		a.local = func() ([]netip.Addr, error) { panic("made by the test") }
	case "lookup":
		a.lookup = func(context.Context, string, string) ([]netip.Addr, error) { panic("made by the test") }
	}
	return a.run(ctx, os.Args)
}

// testLookup answers from TEST_HOSTS, which has lines of a name and its
// addresses; a semicolon ends a line too. An address "servfail4" or "servfail6" is a failure of that family.
// A name without a line does not exist.
func testLookup(_ context.Context, network, host string) ([]netip.Addr, error) {
	host = strings.TrimSuffix(host, ".")
	if asked := os.Getenv("TEST_ASKED"); asked != "" {
		f, err := os.OpenFile(asked, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if _, err := fmt.Fprintln(f, network, host); err != nil {
			return nil, err
		}
	}
	missing := &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	for line := range strings.Lines(strings.ReplaceAll(os.Getenv("TEST_HOSTS"), ";", "\n")) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != host {
			continue
		}
		var addrs []netip.Addr
		for _, word := range words[1:] {
			if word == "servfail"+strings.TrimPrefix(network, "ip") {
				return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
			}
			if addr, err := netip.ParseAddr(word); err == nil && (network == "ip" || addr.Is4() == (network == "ip4")) {
				addrs = append(addrs, addr)
			}
		}
		if len(addrs) > 0 {
			return addrs, nil
		}
	}
	return nil, missing
}

// fakeExportfs stands in for exportfs(8) where that is not installed: it reads
// the *.exports files of exports.d in its home directory, writes the table to
// etab, does as exportfs.mode says, for this one run if that ends in "once", and
// logs its runs to exportfs.log.
func fakeExportfs(home string, args []string) int {
	dir, etab, logFile := home+"/exports.d", home+"/etab", home+"/exportfs.log"
	if _, err := os.Stat("/proc/self"); err != nil {
		// Inside the sandbox: the real one has fixed paths too.
		dir, etab, logFile = "/etc/exports.d", "/var/lib/nfs/etab", os.DevNull
	}
	text, err := os.ReadFile(home + "/exportfs.mode")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	mode, once := strings.CutSuffix(strings.TrimSpace(string(text)), " once")
	if once {
		if err := os.Remove(home + "/exportfs.mode"); err != nil {
			panic(err)
		}
	}
	log, err := os.OpenFile(logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(log, strings.Join(args, " "))
	switch mode {
	case "waits":
		for {
			if _, err := os.Stat(home + "/exportfs.log.go"); err == nil {
				break
			}
			if _, err := os.Stat(home); err != nil {
				return 1 // the test has ended
			}
			time.Sleep(time.Millisecond)
		}
	case "nothing":
		return 0
	case "refuses":
		if strings.Contains(table(dir), "bogus") {
			fmt.Fprintln(os.Stderr, "exportfs: "+dir+"/nfs-exportd.exports:9: unknown keyword \"bogus\"")
			return 1
		}
	case "fails":
		fmt.Fprintln(os.Stderr, "exportfs: \x1b[31mthis did not work\x1b[0m")
		return 1
	}
	active := table(dir)
	if mode == "truncates" {
		active = active[:len(active)/2]
	}
	// The real one leaves a table that stays the same alone, too.
	if old, err := os.ReadFile(etab); err != nil || string(old) != active {
		if err := os.WriteFile(etab, []byte(active), 0o644); err != nil {
			panic(err)
		}
	}
	if exists(home+"/flush") && exists("/proc/self") {
		// As Linux does, which never gives the same time twice.
		switch old, err := os.ReadFile(home + "/flush"); {
		case err != nil:
			panic(err)
		case mode == "unflushed":
		case mode == "killed":
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				panic(err)
			}
			select {}
		default:
			last, _ := strconv.ParseInt(strings.TrimSpace(string(old)), 10, 64)
			if err := os.WriteFile(home+"/flush", fmt.Appendln(nil, max(time.Now().Unix(), last+1)), 0o644); err != nil {
				panic(err)
			}
		}
	}
	if mode == "complains" {
		fmt.Fprintln(os.Stderr, "exportfs: all is well, but the exit status says otherwise")
		return 1
	}
	return 0
}

// table gives the table for the exports files of a directory.
func table(dir string) string {
	names, err := filepath.Glob(filepath.Join(dir, "[^.]*.exports"))
	if err != nil {
		panic(err)
	}
	slices.Sort(names)
	// As /etc/exports beside /etc/exports.d.
	if first := filepath.Join(filepath.Dir(dir), "exports"); exists(first) {
		names = slices.Insert(names, 0, first)
	}
	var b strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			if len(words) == 0 || words[0][0] == '#' {
				continue
			}
			options := ""
			for _, word := range words[1:] {
				if word[0] == '-' {
					options = word[1:]
					continue
				}
				client, own, ok := strings.Cut(strings.TrimSuffix(word, ")"), "(")
				if !ok {
					own = options
				}
				fmt.Fprintf(&b, "%s\t%s(%s,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534)\n", words[0], client, own)
			}
		}
	}
	return b.String()
}

// TestScripts runs the scripts, and those about files once more with the umask of
// a machine on which each user has a group of his own.
func TestScripts(t *testing.T) {
	var about []string
	for _, name := range []string{"adopt", "credentials", "edited", "exportfs", "file", "first", "metrics"} {
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
				},
			})
		})
	}
}

// condition knows whether there are namespaces for a proof, patch, zsh, and fish. A
// machine for CI must have them.
func condition(name string) (bool, error) {
	if slices.Contains([]string{"patch", "zsh", "fish"}, name) {
		_, err := exec.LookPath(name)
		if err != nil && os.Getenv("CI") != "" {
			return false, err
		}
		return err == nil, nil
	}
	if name != "namespaces" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	err := exec.Command("unshare", "--user", "--map-root-user", "--mount", "--net", "true").Run()
	if err != nil && os.Getenv("CI") != "" {
		return false, fmt.Errorf("no namespaces in CI: %w", err)
	}
	return err == nil, nil
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
	if err := makeExportfs(dir); err != nil {
		return err
	}
	env.Vars = append(env.Vars,
		"NFS_EXPORTD_CONFIG="+filepath.Join(dir, "mounts.yaml"),
		"NFS_EXPORTD_EXPORTS_FILE="+filepath.Join(dir, "exports.d/nfs-exportd.exports"),
		"NFS_EXPORTD_ETAB="+filepath.Join(dir, "etab"),
		"NFS_EXPORTD_EXPORTFS="+filepath.Join(dir, "exportfs"),
		// Scripts about the proof take this away.
		"NFS_EXPORTD_NO_PREFLIGHT=1",
		noRaceSleep,
		"TEST_LOCAL=127.0.0.1 192.0.2.10 2001:db8::10",
		"TEST_HOSTS=nfs.example.org 192.0.2.10\nother.example.org 192.0.2.11\n",
		"OS_USERNAME=observer", "OS_PASSWORD=cGFzc3dvcmQ", "OS_USER_DOMAIN_NAME=Default", "OS_SYSTEM_SCOPE=all",
	)
	return nil
}

// makeExportfs puts a stand-in for exportfs into a directory. Another process
// writes it: a process that a test starts meanwhile would inherit a file that
// this one has open, and what is open for writing cannot be run.
func makeExportfs(dir string) error {
	fake, err := exec.LookPath("fake-exportfs")
	if err != nil {
		return err
	}
	cmd := exec.Command("sh", "-c", `printf '#!/bin/sh\nGORACE=atexit_sleep_ms=0 exec "%s" "%s" "$@"\n' "$1" "$2" >"$2/exportfs" && chmod +x "$2/exportfs"`, "sh", fake, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
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
			cmd.Env = append(os.Environ(), noRaceSleep)
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
		fault := requestsNamed(args[0])
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
		c.Inject(duringRequest(requestsNamed(args[0]), n, change))
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

// requestsNamed gives a fault in the requests that KIND[/PROJECT[/REGION]]
// stands for.
func requestsNamed(text string) keystonetest.Fault {
	words := append(strings.Split(text, "/"), "", "")
	return keystonetest.Fault{Kind: keystonetest.Kind(words[0]), Project: words[1], Region: words[2]}
}

// duringRequest makes a fault that changes something before the nth of its
// requests is answered, and lets the cloud answer.
func duringRequest(requests keystonetest.Fault, nth int, change func()) keystonetest.Fault {
	requests.Nth, requests.Times = nth, 1
	requests.Do = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		change()
		next.ServeHTTP(w, r)
	}
	return requests
}

type scriptTB struct{ *testscript.TestScript }

func (s scriptTB) Helper()          {}
func (s scriptTB) Cleanup(f func()) { s.Defer(f) }
