//go:build real

package realtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/command/commandtest"
	"nfs-exportd/keystone/keystonetest"
	"nfs-exportd/render/install"
)

// Where the class of dist/puppet/ puts things, inside testdata/real/private.sh.
const (
	puppetConfig      = "/etc/nfs-mounts.yaml"
	puppetCredentials = "/etc/novaobserver.yaml"
	puppetDefaults    = "/etc/default/nfs-exportd"
	puppetExports     = "/etc/exports.d/nfs-exportd.exports"
	puppetEtab        = "/var/lib/nfs/etab"
	puppetDropIn      = "/etc/systemd/system/nfs-exportd.service.d/puppet.conf"
)

const puppetPassword = "cGFzc3dvcmQ"

// TestRealPuppet applies the class of dist/puppet/ with Debian's Puppet, which runs
// the built program, which runs the real exportfs. Everything below /etc and
// /var/lib/nfs is private. The subtests are one story.
func TestRealPuppet(t *testing.T) {
	binary := os.Getenv(realBinary)
	if binary == "" {
		runRealInPrivate(t)
		return
	}
	if _, err := exec.LookPath("puppet"); err != nil {
		t.Fatalf("install Debian's puppet-agent: %v", err)
	}
	p := newPuppetRun(t, binary)
	grants := func(addresses ...string) string {
		t.Helper()
		text, err := os.ReadFile(puppetExports)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "/srv/home ") {
				got = append(got, strings.TrimPrefix(line[:strings.Index(line, "(")], "/srv/home "))
			}
		}
		return cmp.Diff(addresses, got)
	}
	const quiet = ""

	t.Run("noop before anything is there", func(t *testing.T) {
		p.apply(t, 0, "--noop").says(t, `Exec\[nfs-exportd apply\]/returns: current_value 'notrun', should be \['0', '79'\] \(noop\)`)
		for _, path := range []string{puppetConfig, puppetCredentials, puppetDefaults, puppetExports, puppetEtab} {
			if commandtest.Exists(path) {
				t.Errorf("%s is there", path)
			}
		}
	})

	t.Run("the first run", func(t *testing.T) {
		p.apply(t, 2).says(t,
			`Exec\[nfs-exportd apply\]/returns: 4 grants to add, 0 to remove`,
			`Exec\[nfs-exportd apply\]/returns: executed successfully`)
		if diff := grants("10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"); diff != "" {
			t.Error(diff)
		}
		table, err := os.ReadFile(puppetEtab)
		if err != nil || !strings.Contains(string(table), "/srv/home\t10.0.0.2(") {
			t.Errorf("%v, the active table:\n%s", err, table)
		}
		for path, want := range map[string]os.FileMode{puppetConfig: 0o640, puppetCredentials: 0o600, puppetDefaults: 0o644} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if stat := info.Sys().(*syscall.Stat_t); info.Mode().Perm() != want || stat.Uid != 0 || stat.Gid != 0 {
				t.Errorf("%s: %v %d:%d, want %v and root", path, info.Mode(), stat.Uid, stat.Gid, want)
			}
		}
		text, err := os.ReadFile(puppetDefaults)
		want := `# Puppet writes this file. Flags of nfs-exportd(8) for nfs-exportd.service.
NFS_EXPORTD_CONFIG="/etc/nfs-mounts.yaml"
NFS_EXPORTD_CREDENTIALS="/etc/novaobserver.yaml"
NFS_EXPORTD_SERVE_AS="nfs.example.org"
NFS_EXPORTD_METRICS_FILE="/var/lib/nfs/nfs-exportd.prom"
`
		if diff := cmp.Diff(want, string(text)); err != nil || diff != "" {
			t.Error(err, diff)
		}
		// The settings reach apply.
		if !commandtest.Exists("/var/lib/nfs/nfs-exportd.prom") {
			t.Error("no metrics")
		}
	})

	t.Run("a second run is quiet", func(t *testing.T) {
		p.apply(t, 0).is(t, quiet)
		p.apply(t, 0, "--noop").is(t, quiet)
	})

	t.Run("a change", func(t *testing.T) {
		p.cloud.RemoveInstance("t2")
		p.apply(t, 0, "--noop").says(t, `Exec\[nfs-exportd apply\]/returns: current_value 'notrun'`)
		if diff := grants("10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"); diff != "" {
			t.Error("under noop:", diff)
		}
		p.apply(t, 2).says(t,
			`remove /srv/home 10\.0\.0\.3 of "tools": instance-gone; unknown if mounted`,
			`Exec\[nfs-exportd apply\]/returns: executed successfully`)
		if diff := grants("10.0.0.2", "10.0.0.4", "10.0.0.5"); diff != "" {
			t.Error(diff)
		}
		p.apply(t, 0).is(t, quiet)
	})

	t.Run("a run of the timer that lasts", func(t *testing.T) {
		p.cloud.RemoveInstance("t3")
		release, err := install.File{Path: puppetExports}.Lock(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		p.parameters = "lock_timeout => '1s',"
		said := p.apply(t, 4)
		said.says(t, `another run holds the lock .* \(waited 1s\)`, `returned 75 instead of`)
		said.failsOnce(t)
		if err := release(); err != nil {
			t.Fatal(err)
		}
		p.parameters = ""
		p.apply(t, 2)
		if diff := grants("10.0.0.2", "10.0.0.5"); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("an error", func(t *testing.T) {
		p.fault(t, keystonetest.LogIn, "status-401")
		said := p.apply(t, 4)
		said.says(t,
			`Exec\[nfs-exportd apply\]/returns: nfs-exportd: error: .*401`,
			`Error: .*"/usr/local/bin/nfs-exportd", "apply", "--lock-timeout", "5s".* returned 77 instead of one of \[0,79\]`)
		said.failsOnce(t)
		// Puppet does not tell a failure from a change under noop.
		p.apply(t, 0, "--noop").says(t, `Exec\[nfs-exportd apply\]/returns: current_value 'notrun'`)
		p.cloud.Heal()
		if diff := grants("10.0.0.2", "10.0.0.5"); diff != "" {
			t.Error(diff)
		}
		p.apply(t, 0).is(t, quiet)
	})

	t.Run("other credentials", func(t *testing.T) {
		p.password = "bmV3IHNlY3JldA"
		if err := keystonetest.Load(p.cloud.Cloud, fmt.Appendf(nil, "users: {observer: {password: %s, roles: {system: [admin]}}}\n", p.password)); err != nil {
			t.Fatal(err)
		}
		p.apply(t, 2, "--show_diff").says(t, `File\[/etc/novaobserver.yaml\]/content: .*redacted`)
		p.apply(t, 0).is(t, quiet)
	})

	t.Run("refused", func(t *testing.T) {
		text := readReal(t, puppetExports)
		writeReal(t, puppetExports, text+"# by hand\n", 0o644)
		said := p.apply(t, 4)
		said.says(t,
			`Exec\[nfs-exportd apply\]/returns: nfs-exportd: error: refused: `,
			`returned 65 instead of one of \[0,79\]`)
		said.failsOnce(t)
		// Until somebody approves it.
		said = p.apply(t, 4)
		said.failsOnce(t)
		if diff := grants("10.0.0.2", "10.0.0.5"); diff != "" {
			t.Error(diff)
		}
		found := regexp.MustCompile(`run: (nfs-exportd apply .* --approve [0-9a-f]+)`).FindStringSubmatch(said.output)
		if found == nil {
			t.Fatalf("no command in:\n%s", said.output)
		}
		command := exec.CommandContext(t.Context(), "sh", "-c", found[1])
		command.Env = append(os.Environ(), "PATH=/usr/local/bin:"+os.Getenv("PATH"))
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", found[1], err, out)
		}
		if after := readReal(t, puppetExports); after != text {
			t.Errorf("the approved file is\n%s", after)
		}
		p.apply(t, 0).is(t, quiet)
	})

	t.Run("frozen", func(t *testing.T) {
		p.config = strings.Replace(p.config, "tools:", "others:", 1)
		for range 2 { // it is no failure, and stays so
			p.apply(t, 2).says(t, `Exec\[nfs-exportd apply\]/returns: frozen /srv/home 10.0.0.2 of "tools": looks-like-a-mistake`)
			if diff := grants("10.0.0.2", "10.0.0.5"); diff != "" {
				t.Error(diff)
			}
		}
		p.config = strings.Replace(p.config, "others:", "tools:", 1)
		p.apply(t, 2) // the file of the configuration alone
		p.apply(t, 0).is(t, quiet)
	})

	t.Run("maintenance", func(t *testing.T) {
		p.config += "maintenance: new switches\n"
		p.cloud.RemoveInstance("t4")
		p.fault(t, keystonetest.LogIn, "status-503")
		said := p.apply(t, 2) // the file alone
		said.says(t, `File\[/etc/nfs-mounts.yaml\]/content`)
		if strings.Contains(said.output, "nfs-exportd apply") {
			t.Errorf("it was run:\n%s", said.output)
		}
		p.apply(t, 0).is(t, quiet)
		if diff := grants("10.0.0.2", "10.0.0.5"); diff != "" {
			t.Error(diff)
		}
		p.cloud.Heal()
		p.config = strings.Replace(p.config, "maintenance: new switches\n", "", 1)
	})

	t.Run("the timer, also when the cloud is away", func(t *testing.T) {
		if err := keystonetest.Load(p.cloud.Cloud, []byte("instances: {t5: {id: t5, project: tools, addresses: {lan: [10.0.0.6]}}}\n")); err != nil {
			t.Fatal(err)
		}
		p.parameters = "manage_timer => true,"
		p.fault(t, keystonetest.LogIn, "status-503")
		said := p.apply(t, 6)
		said.says(t, `Service\[nfs-exportd.timer\]/ensure: ensure changed 'stopped' to 'running'`, `returned 69 instead of`)
		said.failsOnce(t)
		p.cloud.Heal()
		p.apply(t, 2)
		p.apply(t, 0).is(t, quiet)
		log, err := os.ReadFile(p.path("systemctl.log"))
		if err != nil || strings.Count(string(log), "start -- nfs-exportd.timer\n") != 1 || strings.Count(string(log), "enable -- nfs-exportd.timer\n") != 1 {
			t.Errorf("%v\n%s", err, log)
		}
		if !commandtest.Exists("/etc/systemd/system/timers.target.wants/nfs-exportd.timer") {
			t.Error("the timer is not enabled")
		}
		dropIn, err := os.ReadFile(puppetDropIn)
		if want := "# Puppet writes this file.\n[Service]\nReadWritePaths=\"-/var/lib/nfs\"\n"; err != nil || string(dropIn) != want {
			t.Errorf("the drop-in for the metrics file: %v\n%s", err, dropIn)
		}
		if strings.Count(string(log), "daemon-reload\n") != 1 {
			t.Errorf("systemd was not told of the drop-in, or too often:\n%s", log)
		}
		settings := p.settings
		p.settings = `'NFS_EXPORTD_SERVE_AS' => 'nfs.example.org'`
		p.apply(t, 2)
		if commandtest.Exists(puppetDropIn) {
			t.Error("the drop-in is still there without a metrics file")
		}
		p.apply(t, 0).is(t, quiet)
		p.settings = settings
		p.parameters = "manage_timer => true, timer_ensure => 'stopped', apply => false,"
		p.apply(t, 2).says(t, `Service\[nfs-exportd.timer\]/ensure: ensure changed 'running' to 'stopped'`)
		if commandtest.Exists("/etc/systemd/system/timers.target.wants/nfs-exportd.timer") {
			t.Error("the timer is still enabled")
		}
		p.apply(t, 0).is(t, quiet)
	})

	t.Run("parameters that make no sense", func(t *testing.T) {
		for parameters, want := range map[string]string{
			"config_source => '/x',":        "give config or config_source, not both",
			"lock_timeout => '5m; reboot',": "parameter 'lock_timeout' expects a match",
		} {
			p.parameters = parameters
			p.apply(t, 1).says(t, want)
		}
		p.parameters = ""
		settings := p.settings
		for setting, want := range map[string]string{
			`'NFS_EXPORTD_TIMEOUT' => "1m\nOS_PASSWORD=x"`: "parameter 'settings' entry 'NFS_EXPORTD_TIMEOUT' expects a match",
			`'OS_PASSWORD' => 'x'`:                         "parameter 'settings' key of entry 'OS_PASSWORD' expects",
			`'NFS_EXPORTD_CONFIG' => '/x'`:                 "NFS_EXPORTD_CONFIG of settings is config_file",
		} {
			p.settings = setting
			p.apply(t, 1).says(t, want)
		}
		p.settings = settings
	})
}

// puppetRun is a server that Puppet manages, and its cloud.
type puppetRun struct {
	home       string // of Puppet, the manifest and the fake systemctl
	cloud      *keystonetest.Server
	config     string
	password   string
	settings   string
	parameters string // more of the class, as Puppet writes them
}

func newPuppetRun(t *testing.T, binary string) *puppetRun {
	t.Helper()
	p := &puppetRun{
		home: t.TempDir(), cloud: keystonetest.NewServer(t), password: puppetPassword,
		config:   "private:\n  tools: {gid: 50380, mounts: {home: 'nfs.example.org:/srv/home'}}\nsafety: {max_removed: 1, max_removed_percent: 0}\n",
		settings: `'NFS_EXPORTD_SERVE_AS' => 'nfs.example.org', 'NFS_EXPORTD_METRICS_FILE' => '/var/lib/nfs/nfs-exportd.prom'`,
	}
	if err := keystonetest.Load(p.cloud.Cloud, fmt.Appendf(nil, `
projects: {tools: {id: p-tools}, others: {id: p-others}}
users: {observer: {password: %s, roles: {system: [admin]}}}
instances:
  t1: {id: t1, project: tools, addresses: {lan: [10.0.0.2]}}
  t2: {id: t2, project: tools, addresses: {lan: [10.0.0.3]}}
  t3: {id: t3, project: tools, addresses: {lan: [10.0.0.4]}}
  t4: {id: t4, project: tools, addresses: {lan: [10.0.0.5]}}
  o1: {id: o1, project: others, addresses: {lan: [10.0.1.1]}}
`, p.password)); err != nil {
		t.Fatal(err)
	}
	// Another process writes what is run later: one that a test starts meanwhile
	// would inherit a file that is open for writing, which cannot be run. What
	// systemctl does to files the real one does; there is no systemd for the rest.
	script := `set -e
mkdir -p /srv/home "$1/bin" /etc/systemd/system
mount -t tmpfs tmpfs /usr/local/bin
cp "$2" /usr/local/bin/nfs-exportd
cp ../../dist/systemd/nfs-exportd* /etc/systemd/system/
echo systemd >"$1/comm"
mount --bind "$1/comm" /proc/1/comm
cat >"$1/bin/systemctl" <<'END'
#!/bin/sh
home=$(dirname "$(dirname "$0")")
echo "$*" >>"$home/systemctl.log"
case $1 in
start) : >"$home/active" ;;
stop) rm -f "$home/active" ;;
is-active) test -e "$home/active" ;;
show) echo NeedDaemonReload=no ;;
daemon-reload) ;;
*) exec /usr/bin/systemctl "$@" ;;
esac
END
chmod +x "$1/bin/systemctl"
`
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", p.home, binary).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return p
}

func (p *puppetRun) path(name string) string { return filepath.Join(p.home, name) }

func (p *puppetRun) fault(t *testing.T, kind keystonetest.Kind, name string) {
	t.Helper()
	fault, ok := keystonetest.FaultNamed(name)
	if !ok {
		t.Fatalf("no fault %q", name)
	}
	p.cloud.Inject(keystonetest.Fault{Kind: kind, Do: fault.Do})
}

// puppetOutput is what Puppet printed, but for the lines of each run.
type puppetOutput struct{ output string }

// apply runs "puppet apply" and wants an exit status of --detailed-exitcodes: 0
// is nothing done, 2 changes, 4 failures, 6 both, 1 no catalog.
func (p *puppetRun) apply(t *testing.T, want int, args ...string) puppetOutput {
	t.Helper()
	manifest := fmt.Sprintf(`class { 'nfs_exportd':
  manage_package => false,
  command        => '/usr/local/bin/nfs-exportd',
  config         => %q,
  credentials    => Sensitive(%q),
  settings       => { %s },
  %s
}
`, p.config, fmt.Sprintf("OS_AUTH_URL: %s\nOS_USERNAME: observer\nOS_PASSWORD: %s\nOS_USER_DOMAIN_NAME: Default\nOS_SYSTEM_SCOPE: all\n",
		p.cloud.AuthURL(), p.password), p.settings, p.parameters)
	for parameter, value := range map[string]string{"manage_timer": "false", "lock_timeout": "'5s'"} {
		if !strings.Contains(p.parameters, parameter) {
			manifest = strings.Replace(manifest, "\n}\n", fmt.Sprintf("\n  %s => %s,\n}\n", parameter, value), 1)
		}
	}
	file := p.path("site.pp")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "puppet", append([]string{"apply", file, "--detailed-exitcodes",
		"--color=false", "--modulepath", "../../dist/puppet", "--confdir", p.path("conf"), "--vardir", p.path("var"), "--logdest", "console"}, args...)...)
	command.Env = append(os.Environ(), "HOME="+p.home, "PATH="+p.path("bin")+":"+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	status := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	var lines []string
	// Two lines of each run, and what Facter says of a machine without a network,
	// and of a container.
	usual := regexp.MustCompile(`^(Notice: Compiled catalog for |Notice: Applied catalog in |Error: Facter: |Warning: Could not retrieve either serverip)`)
	for line := range strings.Lines(string(out)) {
		if !usual.MatchString(line) {
			lines = append(lines, line)
		}
	}
	said := puppetOutput{strings.Join(lines, "")}
	if status != want {
		t.Errorf("puppet apply %v: exit status %d, want %d:\n%s", args, status, want, said.output)
	}
	for _, secret := range []string{puppetPassword, p.password} {
		if strings.Contains(said.output, secret) {
			t.Errorf("a password in:\n%s", said.output)
		}
	}
	return said
}

func (o puppetOutput) is(t *testing.T, want string) {
	t.Helper()
	if diff := cmp.Diff(want, o.output); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func (o puppetOutput) says(t *testing.T, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(o.output) {
			t.Errorf("no %q in:\n%s", pattern, o.output)
		}
	}
}

// failsOnce wants one failed resource, and that to be the exec.
func (o puppetOutput) failsOnce(t *testing.T) {
	t.Helper()
	failed := regexp.MustCompile(`(?m)^Error: .*change from .* failed`).FindAllString(o.output, -1)
	if len(failed) != 1 || !strings.Contains(failed[0], "Exec[nfs-exportd apply]") {
		t.Errorf("%d failed resources, want the exec alone:\n%s", len(failed), o.output)
	}
}
