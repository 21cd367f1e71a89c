//go:build real

package realtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Where things are inside testdata/real/private.sh: the places that the program takes without being told.
const (
	realConfig      = "/etc/nfs-mounts.yaml"
	realExportsFile = "/etc/exports.d/nfs-exportd.exports"
	realEtab        = "/var/lib/nfs/etab"
	realClouds      = "/etc/openstack/clouds.yaml"
)

// The hosts of the mounts. The last one is another server.
const (
	realScratchHost = "scratch.svc.example.org"
	realHomeHost    = "tools-nfs.svc.example.org"
	realOtherHost   = "other-nfs.svc.example.org"
)

// TestReal runs the built program against a real Keystone, a real Nova and the real exportfs. It runs itself again in
// namespaces of its own, so that the exports of this machine stay as they are.
func TestReal(t *testing.T) {
	if os.Getenv(realBinary) == "" {
		runRealInPrivate(t)
		return
	}
	bed := newRealBed(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *realBed)
	}{
		{"every log-in gives the same file", testRealLogins},
		{"two projects with a token for each", testRealFew},
		{"what is refused changes nothing", testRealRefusals},
		{"a cell that is down", testRealCellDown},
		{"a cell that goes down during the run", testRealCellGoesDown},
		{"a page that is full of the cells that are up", testRealFullPage},
		{"services that go away", testRealOutages},
		{"a cloud that is set up otherwise", testRealStates},
		{"a disk that is full", testRealFullDisk},
		{"an address that moves", testRealMove},
		{"a project that goes", testRealProjectGoes},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, bed) })
	}
}

// realBinary is the environment variable with the built program, inside private.sh.
const realBinary = "NFS_EXPORTD_REAL_BINARY"

// runRealInPrivate installs and builds what is missing and starts this test again under private.sh.
func runRealInPrivate(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("the real services and a private mount namespace need root")
	}
	// Each has namespaces of its own, and waits for services more than it computes.
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "nfs-exportd")
	for _, command := range []*exec.Cmd{
		exec.CommandContext(t.Context(), "../../testdata/real/install.sh"),
		exec.CommandContext(t.Context(), "go", "build", "-o", binary, "nfs-exportd"),
	} {
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command.Args, err, out)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// This test alone, with the subtests that were asked for.
	pattern := "^" + t.Name() + "$"
	if _, subtests, ok := strings.Cut(flag.Lookup("test.run").Value.String(), "/"); ok {
		pattern += "/" + subtests
	}
	again := exec.CommandContext(t.Context(), "../../testdata/real/private.sh", t.TempDir(),
		self, "-test.run="+pattern, "-test.v="+fmt.Sprint(testing.Verbose()))
	again.Env = append(os.Environ(), realBinary+"="+binary)
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	// The signal comes when the thread ends that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	again.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := again.Run(); err != nil {
		t.Fatalf("inside private.sh: %v", err)
	}
}

// realCloud is a running testdata/real/cloud.py.
type realCloud struct {
	home      string
	endpoints struct {
		AuthURL       string `json:"auth_url"`
		ComputeURL    string `json:"compute_url"`
		AdminPassword string `json:"admin_password"`
	}
}

func startRealCloud(t *testing.T) *realCloud {
	t.Helper()
	c := &realCloud{home: filepath.Join(t.TempDir(), "cloud")}
	command := exec.Command("../../testdata/real/cloud.py", "run", c.home)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(stdin.Close(), command.Wait()); err != nil {
			t.Errorf("the cloud ended with %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		c.showLogs(t)
		t.Fatalf("the cloud did not start: %v", err)
	}
	if err := json.Unmarshal(line, &c.endpoints); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends the requests, each a verb and its arguments, and returns what the last one gave.
func (c *realCloud) ask(t *testing.T, requests ...[]string) string {
	t.Helper()
	given, err := c.try(requests...)
	if err != nil {
		t.Fatal(err)
	}
	return given
}

func (c *realCloud) try(requests ...[]string) (string, error) {
	connection, err := net.Dial("unix", filepath.Join(c.home, "control"))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	given := json.NewDecoder(connection)
	var answer struct {
		OK    json.RawMessage `json:"ok"`
		Error string          `json:"error"`
	}
	for _, request := range requests {
		if err := json.NewEncoder(connection).Encode(request); err != nil {
			return "", err
		}
		if err := given.Decode(&answer); err != nil {
			return "", err
		}
		if answer.Error != "" {
			return "", fmt.Errorf("%q: %s", request, answer.Error)
		}
	}
	var text string
	if json.Unmarshal(answer.OK, &text) != nil {
		text = string(answer.OK)
	}
	return text, nil
}

func (c *realCloud) showLogs(t *testing.T) {
	for _, service := range []string{"keystone", "nova"} {
		log, err := os.ReadFile(filepath.Join(c.home, service+".log"))
		if err != nil {
			t.Log(err)
		}
		t.Logf("the end of %s.log:\n%s", service, log[max(0, len(log)-4000):])
	}
}

// realProxy stands in front of Keystone and Nova, counts the requests and lets a test act in the middle of a run.
type realProxy struct {
	mu     sync.Mutex
	asked  []string               // method, path and query of each request
	before func(n int, nova bool) // called with the number of the request, from 1, before it is passed on
	url    map[string]*url.URL    // keystone and nova, as the program sees them
}

func startRealProxy(t *testing.T, c *realCloud) *realProxy {
	t.Helper()
	p := &realProxy{url: map[string]*url.URL{}}
	for service, address := range map[string]string{"keystone": c.endpoints.AuthURL, "nova": c.endpoints.ComputeURL} {
		target, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		reverse := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			},
			// A connection that the service has closed must look closed to the program, not like a 502.
			ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
			Transport:    &http.Transport{DisableKeepAlives: true},
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			p.asked = append(p.asked, r.Method+" "+r.URL.RequestURI())
			if p.before != nil {
				p.before(len(p.asked), service == "nova")
			}
			p.mu.Unlock()
			reverse.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		p.url[service], err = url.Parse(server.URL + target.Path)
		if err != nil {
			t.Fatal(err)
		}
	}
	c.ask(t,
		[]string{"set-endpoint", "identity", p.url["keystone"].String()},
		[]string{"set-endpoint", "compute", p.url["nova"].String()})
	return p
}

// watch forgets the requests so far and calls before, which may be nil, ahead of each one to come.
func (p *realProxy) watch(before func(n int, nova bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked, p.before = nil, before
}

func (p *realProxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// realBed is one cloud of the production shape, with one configuration for it.
type realBed struct {
	binary    string
	cloud     *realCloud
	proxy     *realProxy
	projects  map[string]string // name: id, all that have mounts on this server
	instances map[string]string // "project/number": id
	want      []string          // "path client", sorted
	logins    []realLogin
}

// realLogin is one way into the cloud: the arguments that choose it.
type realLogin struct {
	name  string
	args  []string
	all   bool // may list the instances of all projects
	every bool // may list every project
}

const (
	realPassword  = "correct horse battery staple" // of every user but admin
	realProjects  = 12
	realOptions   = "rw,nohide,no_subtree_check,async,no_root_squash"
	realPublic    = "/srv/public *(ro,sec=sys,sync,no_subtree_check,root_squash)"
	realServeArgs = "--serve-as=" + realScratchHost + " --serve-as=" + realHomeHost
)

func newRealBed(t *testing.T) *realBed {
	t.Helper()
	b := &realBed{
		binary:    os.Getenv(realBinary),
		cloud:     startRealCloud(t),
		projects:  map[string]string{},
		instances: map[string]string{},
	}
	b.proxy = startRealProxy(t, b.cloud)
	b.cloud.ask(t,
		[]string{"add-user", "observer", realPassword},
		[]string{"add-user", "boss", realPassword},
		[]string{"add-role", "boss", "admin", "admin"},
		[]string{"add-user", "steward", realPassword},
		[]string{"add-user", "auditor", realPassword},
		[]string{"add-role", "auditor", "admin", "system"})

	var config strings.Builder
	fmt.Fprintf(&config, "public:\n  public: '%s'\nprivate:\n", realPublic)
	for i := range realProjects {
		name := fmt.Sprintf("tools-%02d", i)
		b.addProject(t, &config, i, name)
	}
	b.cloud.ask(t, slices.Concat([]string{"add-role", "observer", "reader"}, slices.Collect(maps.Keys(b.projects))))
	b.cloud.ask(t, slices.Concat([]string{"add-role", "steward", "reader", "domain"}, slices.Collect(maps.Keys(b.projects))))
	// Has instances, but no mount here, and the observer has no role on it: it must cost and change nothing.
	elsewhere := b.cloud.ask(t, []string{"add-project", "elsewhere"})
	b.cloud.ask(t, []string{"add-instance", elsewhere, "far", "cell1", "10.99.0.1"})
	fmt.Fprintf(&config, "  elsewhere:\n    gid: 59999\n    mounts:\n      dumps: false\n      home: %s:/srv/other\n", realOtherHost)
	stranger := b.cloud.ask(t, []string{"add-project", "stranger"})
	b.cloud.ask(t, []string{"add-instance", stranger, "unknown", "cell2", "10.99.0.2"})
	b.wantAlso("/srv/public *")

	makeReal(t, "/srv/public", "/srv/scratch", "/srv/other", filepath.Dir(realClouds))
	writeReal(t, realConfig, config.String(), 0o644)
	writeReal(t, "/etc/hosts", "127.0.0.1 localhost\n192.0.2.9 "+realOtherHost+"\n", 0o644)
	b.writeCredentials(t)
	return b
}

// addProject makes one project with nought to three instances in both cells, and writes its part of the configuration.
func (b *realBed) addProject(t *testing.T, config io.Writer, i int, name string) {
	t.Helper()
	id := b.cloud.ask(t, []string{"add-project", name})
	b.projects[name] = id
	home := "/srv/" + name + "/home"
	makeReal(t, home)
	paths := []string{home}
	key := name
	if i%6 == 0 {
		key = id
	}
	fmt.Fprintf(config, "  %s:\n    gid: %d\n    mounts:\n      dumps: true\n", key, 50300+i)
	fmt.Fprintf(config, "      %s-home: %s:/srv/%s//home/\n", name, realHomeHost, name)
	if i%2 == 0 {
		fmt.Fprintf(config, "      scratch: %s:/srv/scratch\n", realScratchHost)
		paths = append(paths, "/srv/scratch")
	}
	if i%3 == 0 {
		fmt.Fprintf(config, "      other: %s:/srv/other\n", realOtherHost)
	}
	for k := range i % 4 {
		addresses := []string{fmt.Sprintf("10.%d.0.%d", i, k)}
		if i%5 == 0 {
			addresses = append(addresses, fmt.Sprintf("2001:db8:%d::%d", i, k+1))
		}
		b.addInstance(t, name, k, addresses...)
		for _, path := range paths {
			for _, address := range addresses {
				b.wantAlso(path + " " + address)
			}
		}
	}
}

func (b *realBed) addInstance(t *testing.T, project string, number int, addresses ...string) {
	t.Helper()
	instance := fmt.Sprintf("%s/%d", project, number)
	b.instances[instance] = b.cloud.ask(t, []string{"add-instance", b.projects[project],
		instance, []string{"cell1", "cell2"}[number%2], strings.Join(addresses, ",")})
}

// writeCredentials writes the files for each way to log in. The observer's is where the program looks by itself.
func (b *realBed) writeCredentials(t *testing.T) {
	t.Helper()
	keystone := b.proxy.url["keystone"]
	credentials := func(user, password, project string) string {
		return fmt.Sprintf("OS_AUTH_URL: %s\nOS_USERNAME: %s\nOS_PASSWORD: %s\nOS_PROJECT_NAME: %s\n"+
			"OS_USER_DOMAIN_ID: default\nOS_PROJECT_DOMAIN_ID: default\n", keystone, user, password, project)
	}
	writeReal(t, "/etc/novaobserver.yaml", credentials("observer", realPassword, "tools-01"), 0o600)
	writeReal(t, "/etc/boss.yaml", credentials("boss", realPassword, "admin"), 0o600)
	writeReal(t, "/etc/wrong.yaml", credentials("observer", "wrong "+realPassword, "tools-01"), 0o600)

	var made struct{ ID, Secret string }
	text := b.cloud.ask(t, []string{"add-application-credential", "boss", realPassword, "admin"})
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		t.Fatal(err)
	}
	writeReal(t, realClouds, fmt.Sprintf(`clouds:
  application:
    auth_type: v3applicationcredential
    auth: {auth_url: %[1]s, application_credential_id: %[2]s, application_credential_secret: %[3]s}
  domain:
    auth: {auth_url: %[1]s, username: steward, password: %[4]q, user_domain_id: default, domain_id: default}
  system:
    auth: {auth_url: %[1]s, username: auditor, password: %[4]q, user_domain_id: default, system_scope: all}
`, keystone, made.ID, made.Secret, realPassword), 0o600)

	b.logins = []realLogin{
		{"password, reader on each project", nil, false, false},
		{"password, admin", []string{"--credentials=/etc/boss.yaml"}, true, true},
		{"password, reader of the domain and on each project", []string{"--os-cloud=domain"}, false, true},
		{"application credential, admin", []string{"--os-cloud=application"}, true, true},
		{"system scope, admin", []string{"--os-cloud=system"}, true, true},
	}
}

// realRun is one run of the program and what can be said about it afterwards.
type realRun struct {
	status         int
	stdout, stderr string
}

// start runs the program with the arguments and notes what it cost.
func (b *realBed) start(t *testing.T, command string, args ...string) realRun {
	t.Helper()
	args = slices.Concat([]string{command}, strings.Fields(realServeArgs), args)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	process := exec.CommandContext(ctx, b.binary, args...)
	process.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	var stdout, stderr bytes.Buffer
	process.Stdout, process.Stderr = &stdout, &stderr
	begin := time.Now()
	var exit *exec.ExitError
	if err := process.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	state := process.ProcessState
	usage, _ := state.SysUsage().(*syscall.Rusage)
	t.Logf("%s: exit status %d, %d requests, %.2f s, %.0f MiB\n%s", strings.Join(args, " "), state.ExitCode(),
		len(b.proxy.requests()), time.Since(begin).Seconds(), float64(usage.Maxrss)/1024, stderr.String())
	for _, secret := range []string{realPassword, b.cloud.endpoints.AdminPassword} {
		if strings.Contains(stdout.String()+stderr.String(), secret) {
			t.Errorf("%s prints a password", command)
		}
	}
	return realRun{state.ExitCode(), stdout.String(), stderr.String()}
}

// apply brings the machine to the wanted state. It starts with none, unless there is one already.
func (b *realBed) apply(t *testing.T) {
	t.Helper()
	b.proxy.watch(nil)
	if got := b.start(t, "apply"); got.status != 0 {
		t.Fatalf("apply: exit status %d", got.status)
	}
	b.checkApplied(t)
}

// checkApplied compares the exports file and the active table with what the cloud and the configuration say.
func (b *realBed) checkApplied(t *testing.T) {
	t.Helper()
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(readReal(t, realExportsFile)), "\n") {
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		line, id, _ := strings.Cut(line, " # ")
		if (id == "") != (line == realPublic) {
			t.Errorf("%q has the id %q behind it", line, id)
		}
		path, client, _ := strings.Cut(line, " ")
		address, options, _ := strings.Cut(client, "(")
		if want := realOptions + ")"; options != want && line != realPublic {
			t.Errorf("options of %q are %q, not %q", line, options, want)
		}
		lines = append(lines, path+" "+address)
	}
	slices.Sort(lines)
	if diff := cmp.Diff(b.want, lines); diff != "" {
		t.Errorf("exports file (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(b.want, activeReal(t)); diff != "" {
		t.Errorf("active table (-want +got):\n%s", diff)
	}
}

// mustFail runs plan and apply, and wants the status and a message like pattern from both, and no change at all. Before
// each run it calls begin, which may be nil.
func (b *realBed) mustFail(t *testing.T, status int, pattern string, begin func(), args ...string) {
	t.Helper()
	file, table := readReal(t, realExportsFile), activeRealVersion(t)
	for _, command := range []string{"plan", "apply"} {
		if begin != nil {
			begin()
		}
		got := b.start(t, command, args...)
		if got.status != status {
			t.Errorf("%s: exit status %d, want %d", command, got.status, status)
		}
		if !regexp.MustCompile(pattern).MatchString(got.stderr) {
			t.Errorf("%s: the message is not like %q", command, pattern)
		}
		if got.stdout != "" {
			t.Errorf("%s prints %q", command, got.stdout)
		}
		if diff := cmp.Diff(file, readReal(t, realExportsFile)); diff != "" {
			t.Errorf("%s changed the exports file:\n%s", command, diff)
		}
		if now := activeRealVersion(t); now != table {
			t.Errorf("%s ran exportfs", command)
		}
		// The lock stays, and so does the file.
		if left, err := os.ReadDir(filepath.Dir(realExportsFile)); err != nil || len(left) != 2 {
			t.Errorf("%s left %v, %v", command, left, err)
		}
	}
}

func testRealLogins(t *testing.T, b *realBed) {
	var first string
	for _, login := range b.logins {
		t.Run(login.name, func(t *testing.T) {
			clearReal(t)
			b.proxy.watch(nil)
			if got := b.start(t, "plan", login.args...); got.status != 0 || got.stdout == "" {
				t.Fatalf("plan: exit status %d, stdout %q", got.status, got.stdout)
			}
			if _, err := os.Stat(realExportsFile); err == nil {
				t.Fatal("plan wrote the exports file")
			}
			b.proxy.watch(nil)
			if got := b.start(t, "apply", login.args...); got.status != 0 {
				t.Fatalf("apply: exit status %d", got.status)
			}
			t.Logf("requests:\n%s", strings.Join(b.proxy.requests(), "\n"))
			b.checkApplied(t)
			if first == "" {
				first = readReal(t, realExportsFile)
			}
			if diff := cmp.Diff(first, readReal(t, realExportsFile)); diff != "" {
				t.Errorf("not the file that the first log-in gives:\n%s", diff)
			}
			table := activeRealVersion(t)
			for _, again := range [][]string{{"plan", "--detailed-exitcode"}, {"apply"}} {
				b.proxy.watch(nil)
				got := b.start(t, again[0], slices.Concat(login.args, again[1:])...)
				if got.status != 0 || got.stdout != "" {
					t.Errorf("a second %s: exit status %d, stdout %q", again, got.status, got.stdout)
				}
			}
			if activeRealVersion(t) != table {
				t.Error("a second apply ran exportfs")
			}
			if login.name == b.logins[0].name || login.name == b.logins[len(b.logins)-1].name {
				if got := b.start(t, "check", login.args...); got.status != 0 || strings.Contains(got.stdout, "\nfailed") || !strings.Contains(got.stdout, "reads all exports files") {
					t.Errorf("check: exit status %d, printed:\n%s", got.status, got.stdout)
				} else {
					t.Log(got.stdout)
				}
			}
		})
	}
}

// testRealFew has two projects alone. One who has a role on them asks nothing about all projects; an admin who has none
// loses one request by it, or two, and no log-in.
func testRealFew(t *testing.T, b *realBed) {
	clearReal(t)
	var config strings.Builder
	config.WriteString("private:\n")
	for i, name := range []string{"tools-03", "tools-07"} {
		fmt.Fprintf(&config, "  %s: {gid: %d, mounts: {home: '%s:/srv/%s/home'}}\n", name, 50300+i, realHomeHost, name)
	}
	writeReal(t, "/etc/few.yaml", config.String(), 0o644)
	var first string
	for _, login := range b.logins {
		b.proxy.watch(nil)
		got := b.start(t, "plan", slices.Concat(login.args, []string{"--config=/etc/few.yaml"})...)
		asked := b.proxy.requests()
		t.Logf("%s:\n%s", login.name, strings.Join(asked, "\n"))
		if got.status != 0 || strings.Count(got.stdout, "\n+/srv/tools-0") != 6 {
			t.Errorf("%s: exit status %d, printed:\n%s", login.name, got.status, got.stdout)
		}
		if first == "" {
			first = got.stdout
		}
		if diff := cmp.Diff(first, got.stdout); diff != "" {
			t.Errorf("%s: not the plan of the first log-in:\n%s", login.name, diff)
		}
		tokens, about := 0, 0
		for _, request := range asked {
			if strings.HasPrefix(request, "POST ") {
				tokens++
			}
			if strings.Contains(request, "all_tenants") || strings.Contains(request, "os-services") {
				about++
			}
		}
		// The log-in and a token for each; and where both are refused, one may not be asked for any more.
		least, most := 3, 3
		switch login.name {
		case "password, admin":
			least = 2
		case "application credential, admin", "system scope, admin":
			least, most = 1, 1
		}
		if tokens < least || tokens > most || (about > 0) != login.all {
			t.Errorf("%s: %d requests for tokens and %d about all projects", login.name, tokens, about)
		}
	}
}

func testRealRefusals(t *testing.T, b *realBed) {
	b.apply(t)
	reader := b.logins[0]
	t.Run("what check says of a password and of a role", func(t *testing.T) {
		got := b.start(t, "check", "--credentials=/etc/wrong.yaml")
		if got.status != 77 || !regexp.MustCompile(`(?m)^failed +log-in .*do not work without a scope either`).MatchString(got.stdout) {
			t.Errorf("wrong password: exit status %d, printed:\n%s", got.status, got.stdout)
		}
		b.cloud.ask(t, []string{"remove-role", "auditor", "admin", "system"})
		t.Cleanup(func() { b.cloud.ask(t, []string{"add-role", "auditor", "admin", "system"}) })
		got = b.start(t, "check", "--os-cloud=system")
		if got.status != 77 || !regexp.MustCompile(`(?m)^failed +log-in .*work without a scope, .* it is the system that is refused`).MatchString(got.stdout) {
			t.Errorf("role gone: exit status %d, printed:\n%s", got.status, got.stdout)
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		begin := func() { b.proxy.watch(nil) }
		b.mustFail(t, 77, `401`, begin, "--credentials=/etc/wrong.yaml")
		if asked := b.proxy.requests(); len(asked) > 2 {
			t.Errorf("a refused password was sent again: %q", asked)
		}
	})
	t.Run("role taken away", func(t *testing.T) {
		b.cloud.ask(t, []string{"remove-role", "observer", "reader", "tools-07"})
		t.Cleanup(func() { b.cloud.ask(t, []string{"add-role", "observer", "reader", "tools-07"}) })
		b.mustFail(t, 77, `tools-07`, nil, reader.args...)
		for _, login := range b.logins {
			if got := b.start(t, "plan", login.args...); login.all && (got.status != 0 || got.stdout != "") {
				t.Errorf("%s: exit status %d, stdout %q", login.name, got.status, got.stdout)
			}
		}
	})
	t.Run("configured project that does not exist", func(t *testing.T) {
		config := readReal(t, realConfig)
		t.Cleanup(func() { writeReal(t, realConfig, config, 0o644) })
		makeReal(t, "/srv/ghost")
		writeReal(t, realConfig, config+"  ghost:\n    gid: 59998\n    mounts:\n      home: "+realHomeHost+":/srv/ghost\n", 0o644)
		// It has no grants, so that nothing hangs on whether it is there.
		got := b.start(t, "plan", reader.args...)
		if got.status != 0 || got.stdout != "" || !strings.Contains(got.stderr, `warn: project "ghost"`) {
			t.Errorf("exit status %d, printed %q", got.status, got.stdout)
		}
	})
}

func testRealCellDown(t *testing.T, b *realBed) {
	b.apply(t)
	b.cloud.ask(t, []string{"cell-down", "cell2"})
	t.Cleanup(func() { b.cloud.ask(t, []string{"cell-up", "cell2"}) })
	for _, login := range b.logins {
		t.Run(login.name, func(t *testing.T) { b.mustFail(t, 69, `(?i)cell`, nil, login.args...) })
	}
	t.Run("cell of no served instance", func(t *testing.T) {
		// cell0 holds instances that were never scheduled, so nothing may be concluded from its absence either, but
		// nobody has any there: both outcomes are right, a shorter list is not.
		b.cloud.ask(t, []string{"cell-up", "cell2"}, []string{"cell-down", "cell0"})
		defer b.cloud.ask(t, []string{"cell-up", "cell0"}, []string{"cell-down", "cell2"})
		for _, login := range b.logins {
			if got := b.start(t, "plan", login.args...); got.stdout != "" {
				t.Errorf("%s: exit status %d and a plan:\n%s", login.name, got.status, got.stdout)
			}
		}
	})
}

// testRealCellGoesDown takes the cell away ahead of each request to Nova in turn: the run ends in 69, or it had read
// what it needed before.
func testRealCellGoesDown(t *testing.T, b *realBed) {
	b.apply(t)
	for _, login := range b.logins[:2] {
		t.Run(login.name, func(t *testing.T) {
			b.proxy.watch(nil)
			b.start(t, "plan", login.args...)
			total := len(b.proxy.requests())
			step := max(1, total/6)
			for at := 1; at <= total; at += step {
				b.proxy.watch(func(n int, _ bool) {
					if n == at {
						if _, err := b.cloud.try([]string{"cell-down", "cell2"}); err != nil {
							t.Error(err)
						}
					}
				})
				got := b.start(t, "plan", login.args...)
				b.proxy.watch(nil)
				b.cloud.ask(t, []string{"cell-up", "cell2"})
				if got.stdout != "" || got.status != 69 && got.status != 0 {
					t.Errorf("down before request %d of %d: exit status %d and a plan:\n%s", at, total, got.status, got.stdout)
				}
				if at < total/4 && got.status != 69 {
					t.Errorf("down before request %d of %d: exit status %d, want 69", at, total, got.status)
				}
			}
		})
	}
}

// testRealFullPage is the case that Nova does not show on the first page: the cells that are up fill it.
func testRealFullPage(t *testing.T, b *realBed) {
	b.cloud.ask(t, []string{"configure", "nova", "api", "max_limit", "5"})
	t.Cleanup(func() { b.cloud.ask(t, []string{"configure", "nova", "api", "max_limit", "1000"}) })
	// The others list as one of these does.
	for _, login := range []realLogin{b.logins[0], b.logins[len(b.logins)-1]} {
		t.Run(login.name, func(t *testing.T) {
			clearReal(t)
			b.proxy.watch(nil)
			if got := b.start(t, "apply", login.args...); got.status != 0 {
				t.Fatalf("apply: exit status %d", got.status)
			}
			b.checkApplied(t)
			b.cloud.ask(t, []string{"cell-down", "cell2"})
			t.Cleanup(func() { b.cloud.ask(t, []string{"cell-up", "cell2"}) })
			b.mustFail(t, 69, `(?i)cell`, nil, login.args...)
		})
	}
}

func testRealOutages(t *testing.T, b *realBed) {
	b.apply(t)
	up := func(service string) { b.cloud.ask(t, []string{"start", service}) }
	t.Run("Keystone between log-in and listing", func(t *testing.T) {
		// The others log in and list as the second of these does.
		for _, login := range []realLogin{b.logins[0], b.logins[len(b.logins)-1]} {
			running := true
			begin := func() {
				if !running {
					up("keystone")
				}
				running = true
				b.proxy.watch(func(_ int, nova bool) {
					if nova && running {
						running = false
						if _, err := b.cloud.try([]string{"stop", "keystone"}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			t.Run(login.name, func(t *testing.T) {
				b.mustFail(t, 69, `(?i)503|keystone`, begin, slices.Concat(login.args, []string{"--timeout=30s"})...)
			})
			b.proxy.watch(nil)
			if !running {
				up("keystone")
			}
		}
	})
	t.Run("Keystone", func(t *testing.T) {
		b.cloud.ask(t, []string{"stop", "keystone"})
		defer up("keystone")
		b.mustFail(t, 69, `log in for .*: .*/v3/auth/tokens`, nil, "--timeout=20s")
		// The proxy in front of it still takes connections.
		if got := b.start(t, "check", "--timeout=20s"); got.status != 69 || !regexp.MustCompile(`(?m)^failed +log-in .*closed without an answer`).MatchString(got.stdout) {
			t.Errorf("check: exit status %d, printed:\n%s", got.status, got.stdout)
		}
	})
	t.Run("Nova", func(t *testing.T) {
		b.cloud.ask(t, []string{"stop", "nova"})
		defer up("nova")
		b.mustFail(t, 69, `(?i)nova|compute`, nil, "--timeout=20s")
	})
	t.Run("exportfs", func(t *testing.T) {
		b.addInstance(t, "tools-01", 7, "10.1.0.7")
		defer b.cloud.ask(t, []string{"delete-instance", b.instances["tools-01/7"]})
		file, table := readReal(t, realExportsFile), activeReal(t)
		if got := b.start(t, "apply", "--exportfs=/bin/false"); got.status != 71 {
			t.Errorf("exit status %d, want 71", got.status)
		}
		if diff := cmp.Diff(file, readReal(t, realExportsFile)); diff != "" {
			t.Errorf("the exports file is not the old one:\n%s", diff)
		}
		if diff := cmp.Diff(table, activeReal(t)); diff != "" {
			t.Errorf("the active table is not the old one:\n%s", diff)
		}
	})
}

// testRealStates changes the cloud in ways that its services themselves refuse, fail or say odd things for. Unless all is
// well, the run ends with a status and a message, and with everything as it was.
func testRealStates(t *testing.T, b *realBed) {
	b.apply(t)
	reader, all := b.logins[0], b.logins[len(b.logins)-1]
	nova := b.proxy.url["nova"].String()
	move := func(url string) []string { return []string{"set-endpoint", "compute", url} }
	back := [][]string{move(nova)}
	for _, test := range []struct {
		name       string
		begin, end [][]string // requests to the cloud
		login      realLogin
		status     int
		says       string // a pattern
	}{
		{"Nova's policy refuses the list",
			[][]string{{"policy", "nova", "os_compute_api:servers:detail", "!"}}, [][]string{{"policy", "nova", "os_compute_api:servers:detail"}},
			reader, 77, `HTTP 403 .*allow os_compute_api:servers:detail`},
		{"Keystone's policy refuses the regions",
			[][]string{{"policy", "keystone", "identity:list_regions", "!"}}, [][]string{{"policy", "keystone", "identity:list_regions"}},
			reader, 77, `list the regions: .*HTTP 403`},
		// Keystone refuses tokens of the second in which it was, so the rows after it
		// are about another user.
		{"the user is disabled",
			[][]string{{"disable-user", "observer"}}, [][]string{{"enable-user", "observer"}},
			reader, 77, `log in for .*: refused .*HTTP 401`},
		{"the catalog has no compute service",
			[][]string{{"disable-endpoints", "compute"}}, [][]string{{"enable-endpoints", "compute"}},
			all, 76, `0 public compute endpoints`},
		{"the catalog has two compute services",
			[][]string{{"add-service", "compute", nova + "/"}}, [][]string{{"remove-service", nova + "/"}},
			all, 76, `2 public compute endpoints`},
		{"the catalog has a port where nobody listens",
			[][]string{move("http://127.0.0.1:1/v2.1")}, back,
			all, 69, `connection refused .*127\.0\.0\.1:1/`},
		{"the catalog has a name that does not resolve",
			[][]string{move("http://nova.invalid:8774/v2.1")}, back,
			all, 69, `lookup nova\.invalid`},
		{"the catalog has https where Nova speaks http",
			[][]string{move(strings.Replace(nova, "http:", "https:", 1))}, back,
			all, 76, `gave HTTP response to HTTPS client`},
		{"the catalog has Keystone for Nova",
			[][]string{move(b.proxy.url["keystone"].String())}, back,
			all, 76, `HTTP 404`},
		{"Keystone's database is away",
			[][]string{{"database-down", "keystone"}}, [][]string{{"database-up", "keystone"}},
			reader, 69, `HTTP 500`},
		{"Keystone cuts the list of projects",
			[][]string{{"configure", "keystone", "resource", "list_limit", "3"}}, [][]string{{"configure", "keystone", "resource", "list_limit", ""}},
			all, 0, ""},
		{"Keystone's tokens are short-lived",
			[][]string{{"configure", "keystone", "token", "expiration", "1"}}, [][]string{{"configure", "keystone", "token", "expiration", "3600"}},
			reader, 77, `HTTP 40[14]`},
		{"Keystone takes no request of that size",
			[][]string{{"configure", "keystone", "oslo_middleware", "max_request_body_size", "10"}}, [][]string{{"configure", "keystone", "oslo_middleware", "max_request_body_size", "114688"}},
			reader, 76, `log in for .*: .*HTTP 413`},
		{"Neutron is away",
			[][]string{{"stop", "neutron"}}, [][]string{{"start", "neutron"}},
			all, 69, `HTTP 5`},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.cloud.ask(t, test.begin...)
			defer func() { b.cloud.ask(t, test.end...) }()
			b.proxy.watch(nil)
			if test.status != 0 {
				b.mustFail(t, test.status, test.says, nil, slices.Concat(test.login.args, []string{"--timeout=30s"})...)
			} else if got := b.start(t, "apply", test.login.args...); got.status != 0 || got.stdout != "" {
				t.Errorf("exit status %d, printed:\n%s", got.status, got.stdout)
			}
		})
	}
	b.apply(t)
}

// testRealFullDisk fills /var/lib/nfs, where exportfs then writes a short table and exits 0.
func testRealFullDisk(t *testing.T, b *realBed) {
	b.apply(t)
	b.addInstance(t, "tools-01", 9, "10.1.0.9")
	file, table := readReal(t, realExportsFile), activeReal(t)
	filler := fillReal(t, filepath.Join(filepath.Dir(realEtab), "filler"))
	if got := b.start(t, "apply"); got.status != 73 || !strings.Contains(got.stderr, "no space left") {
		t.Errorf("exit status %d, want 73 for the lack of space", got.status)
	}
	if diff := cmp.Diff(file, readReal(t, realExportsFile)); diff != "" {
		t.Errorf("the exports file is not the old one:\n%s", diff)
	}
	if diff := cmp.Diff(table, activeReal(t)); diff != "" {
		t.Errorf("the active table is not the old one:\n%s", diff)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	b.wantAlso("/srv/tools-01/home 10.1.0.9")
	b.apply(t)
}

// testRealMove gives an address of one project to another one.
func testRealMove(t *testing.T, b *realBed) {
	b.addInstance(t, "tools-01", 8, "10.1.0.8")
	b.wantAlso("/srv/tools-01/home 10.1.0.8")
	b.apply(t)
	b.cloud.ask(t, []string{"delete-instance", b.instances["tools-01/8"]})
	b.addInstance(t, "tools-03", 8, "10.1.0.8")
	b.wantNoMore("/srv/tools-01/home 10.1.0.8")
	for _, login := range b.logins {
		want := []removal{{Path: "/srv/tools-01/home", Client: "10.1.0.8", Reason: "address-reassigned"}}
		if diff := cmp.Diff(want, b.removals(t, login)); diff != "" {
			t.Errorf("%s: removed (-want +got):\n%s", login.name, diff)
		}
	}
	b.wantAlso("/srv/tools-03/home 10.1.0.8")
	b.apply(t)
}

// testRealProjectGoes disables and then deletes a project whose instances stay in Nova.
func testRealProjectGoes(t *testing.T, b *realBed) {
	var more strings.Builder
	b.addProject(t, &more, 40, "doomed")
	b.addInstance(t, "doomed", 1, "10.40.0.1")
	b.wantAlso("/srv/doomed/home 10.40.0.1", "/srv/scratch 10.40.0.1")
	b.cloud.ask(t, []string{"add-role", "observer", "reader", "doomed"})
	config := readReal(t, realConfig)
	writeReal(t, realConfig, config+more.String(), 0o644)
	b.apply(t)
	want := func(reason string) []removal {
		return []removal{
			{Path: "/srv/doomed/home", Client: "10.40.0.1", Reason: reason},
			{Path: "/srv/scratch", Client: "10.40.0.1", Reason: reason},
		}
	}

	b.cloud.ask(t, []string{"disable-project", "doomed"})
	for _, login := range b.logins {
		if diff := cmp.Diff(want("project-disabled"), b.removals(t, login)); diff != "" {
			t.Errorf("disabled, %s: removed (-want +got):\n%s", login.name, diff)
		}
	}

	b.cloud.ask(t, []string{"delete-project", "doomed"})
	for _, login := range b.logins {
		if !login.every {
			b.mustFail(t, 77, "doomed", nil, login.args...)
			continue
		}
		if diff := cmp.Diff(want("project-deleted"), b.removals(t, login)); diff != "" {
			t.Errorf("deleted, %s: removed (-want +got):\n%s", login.name, diff)
		}
	}

	// Another project without grants has the shared path, so that this looks like a mistake,
	// but to who is told that the project is gone.
	writeReal(t, realConfig, config, 0o644)
	var all realLogin
	for _, login := range b.logins {
		removed := []removal{{Path: "/srv/doomed/home", Client: "10.40.0.1", Reason: "not-in-config"}}
		if login.every {
			all = login
			removed = append(removed, removal{Path: "/srv/scratch", Client: "10.40.0.1", Reason: "project-deleted"})
		}
		if diff := cmp.Diff(removed, b.removals(t, login)); diff != "" {
			t.Errorf("not configured, %s: removed (-want +got):\n%s", login.name, diff)
		}
	}
	b.wantNoMore("/srv/doomed/home 10.40.0.1", "/srv/scratch 10.40.0.1")
	if got := b.start(t, "apply", all.args...); got.status != 0 {
		t.Fatalf("apply: exit status %d", got.status)
	}
	b.checkApplied(t)
}

func (b *realBed) wantAlso(grants ...string) {
	b.want = append(b.want, grants...)
	slices.Sort(b.want)
}

func (b *realBed) wantNoMore(grants ...string) {
	b.want = slices.DeleteFunc(b.want, func(grant string) bool { return slices.Contains(grants, grant) })
}

// removal is one grant that goes, as plan --format json shows it.
type removal struct{ Path, Client, Reason string }

// removals returns what a plan that may be applied removes, sorted by path.
func (b *realBed) removals(t *testing.T, login realLogin) []removal {
	t.Helper()
	got := b.start(t, "plan", slices.Concat(login.args, []string{"--format=json", "--detailed-exitcode"})...)
	if got.status != 2 {
		t.Errorf("%s: plan: exit status %d, want 2", login.name, got.status)
		return nil
	}
	var plan struct{ Grants struct{ Removed []removal } }
	if err := json.Unmarshal([]byte(got.stdout), &plan); err != nil {
		t.Errorf("%s: %v in %s", login.name, err, got.stdout)
	}
	slices.SortFunc(plan.Grants.Removed, func(a, b removal) int { return strings.Compare(a.Path, b.Path) })
	return plan.Grants.Removed
}

// activeReal reads "path client" for each entry of the active table, sorted.
func activeReal(t *testing.T) []string {
	t.Helper()
	var active []string
	for line := range strings.Lines(readReal(t, realEtab)) {
		path, client, _ := strings.Cut(line, "\t")
		address, _, _ := strings.Cut(client, "(")
		active = append(active, path+" "+address)
	}
	slices.Sort(active)
	return active
}

// activeRealVersion identifies one version of the active table: exportfs renames a new one into place.
func activeRealVersion(t *testing.T) string {
	t.Helper()
	info, err := os.Stat(realEtab)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(info.Sys().(*syscall.Stat_t).Ino, info.ModTime())
}

func clearReal(t *testing.T) {
	t.Helper()
	for _, path := range []string{realExportsFile, realEtab} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "exportfs", "-ra").CombinedOutput(); err != nil {
		t.Fatalf("exportfs -ra: %v\n%s", err, out)
	}
}

// fillReal writes a file until the disk is full.
func fillReal(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return path
}

func makeReal(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func readReal(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeReal(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
