//go:build real

package realtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nfs-exportd/keystone/keystonetest"
)

// foreignBinary is the environment variable with the built program, inside private.sh.
const foreignBinary = "NFS_EXPORTD_FOREIGN_BINARY"

// TestRealForeign: whatever other exports files have, a revocation is carried out with
// the real exportfs and the real resolver, and a warning names file and line, once.
func TestRealForeign(t *testing.T) {
	if os.Getenv(foreignBinary) == "" {
		runForeignInPrivate(t)
		return
	}
	long := strings.Repeat("x", 350)
	const web = "10.0.0.2 web.example.org alias\n10.0.0.99 web.example.org alias\n"
	for _, test := range []struct {
		name  string
		files map[string]string // "" is a directory, a target in <> a link
		hosts string
		warns []string // the warnings have this; none: there are none but exportfs's
		table []string // what the table has then
	}{
		{name: "no client", files: map[string]string{"exports": "\n/srv/data\n"}, warns: []string{"/etc/exports, line 2: exportfs exports /srv/data to everyone"}, table: []string{"/srv/data ("}},
		{name: "default options alone", files: map[string]string{"exports": "/srv/data -ro,no_subtree_check\n"}, warns: []string{"/etc/exports, line 1: exportfs exports /srv/data to everyone"}, table: []string{"/srv/data ("}},
		{name: "options behind a blank", files: map[string]string{"exports": "/srv/data 10.9.9.9 (ro)\n"}, warns: []string{"/etc/exports, line 1: exportfs exports /srv/data to everyone"}, table: []string{"/srv/data *(", "/srv/data 10.9.9.9("}},
		{name: "the same twice", files: map[string]string{"exports": "/srv/data *(ro,no_subtree_check)\n/srv/data\n"}, warns: []string{"/etc/exports, line 2: exportfs exports /srv/data to everyone"}},
		{name: "a byte order mark", files: map[string]string{"exports": "\ufeff/srv/data 10.9.9.9(ro,no_subtree_check)\n"}, warns: []string{"/etc/exports, line 1: exportfs takes the byte order mark"}},
		{
			name: "a block of Ganesha", files: map[string]string{"exports.d/ganesha.exports": "EXPORT {\n  Export_Id = 1;\n  Path = /srv/data;\n  CLIENT {\n    Clients = 10.0.0.0/8;\n  }\n}\n"},
			warns: []string{`/etc/exports.d/ganesha.exports, line 1: exportfs takes "EXPORT" for a path`, `line 2: exportfs takes "Export_Id"`, `line 3: exportfs takes "Path"`, `line 6: exportfs takes "}"`},
			table: []string{"} ("},
		},
		{
			name: "a bad option", files: map[string]string{"exports": "# first\n/srv/data 10.9.9.9(ro,bogus)\n/srv/data 10.9.9.8(ro)\n", "exports.d/z.exports": "/srv/data 10.9.9.7(ro,no_subtree_check)\n"},
			warns: []string{`/etc/exports, line 2: exportfs makes no entry of /srv/data for 10.9.9.9(ro,bogus), nor of any line behind it: it says "unknown keyword \"bogus\""`}, table: []string{"/srv/data 10.9.9.7("},
		},
		{name: "an option of a later release", files: map[string]string{"exports": "/srv/data 10.9.9.9(ro,no_subtree_check,reexport=auto-fsidnum)\n"}, warns: []string{"/etc/exports, line 1: exportfs makes no entry of /srv/data for 10.9.9.9"}},
		{name: "a bad network", files: map[string]string{"exports": "/srv/data 10.9.9.0/33(ro,no_subtree_check) 10.9.9.8(ro,no_subtree_check)\n"}, warns: []string{"/etc/exports, line 1: exportfs makes no entry of /srv/data for 10.9.9.0/33"}, table: []string{"/srv/data 10.9.9.8("}},
		{name: "a bracket alone", files: map[string]string{"exports": "/srv/data 10.9.9.9(ro\n"}, warns: []string{"/etc/exports, line 1: bad option list; exportfs reads no further"}},
		{name: "a dangling link", files: map[string]string{"exports.d/x.exports": "<nowhere>"}, warns: []string{"/etc/exports.d/x.exports: exportfs ignores it: it is a symbolic link that leads nowhere"}},
		{name: "a directory", files: map[string]string{"exports.d/x.exports": ""}, warns: []string{"/etc/exports.d/x.exports: exportfs ignores it: it is a directory"}},
		{name: "a link to a directory", files: map[string]string{"exports.d/x.exports": "</srv>"}, warns: []string{"/etc/exports.d/x.exports: exportfs ignores it: it is a directory"}},
		{name: "bytes", files: map[string]string{"exports": "/srv/data 10.9.9.9(ro,no_subtree_check)\n\x00\xff\x1b[2J\x01 \xfe\n"}, warns: []string{`/etc/exports, line 2: exportfs takes "\xff\x1b[2J\x01" for a path`}, table: []string{"/srv/data 10.9.9.9("}},
		{name: "a quoted netgroup", files: map[string]string{"exports": "/srv/data \"@a b\"(ro,no_subtree_check)\n"}, warns: []string{"/etc/exports, line 1: exportfs makes no entry of"}},
		{name: "an entry too long, behind ours", files: map[string]string{"exports": "# x\n/srv/data 10.9.9.9(ro,no_subtree_check,refer=/" + long + "@x)\n"}, warns: []string{"/etc/exports, line 2: rpc.mountd cannot read the entry", "which are 0 of our grants"}},
		{name: "an entry too long, before ours", files: map[string]string{"exports.d/z.exports": "/srv/data 10.9.9.9(ro,no_subtree_check,refer=/" + long + "@x)\n"}, warns: []string{"/etc/exports.d/z.exports, line 1: rpc.mountd cannot read the entry", "which are 1 of our grants"}},
		{name: "a list of groups", files: map[string]string{"exports": "/srv/data 10.9.9.9(ro,no_subtree_check,squash_gids=1)\n"}, warns: []string{"/etc/exports, line 1: rpc.mountd cannot read the entry"}},
		{name: "a name of nobody", files: map[string]string{"exports": "/srv/data nobody.example.org(ro,no_subtree_check)\n"}, warns: []string{`/etc/exports, line 1: no address for the host name "nobody.example.org"`}},
		{name: "a name of nobody on our path", files: map[string]string{"exports": "/srv/home nobody.example.org(ro,no_subtree_check)\n"}, warns: []string{`/etc/exports, line 1: no address for the host name "nobody.example.org"`}},
		{name: "a name", files: map[string]string{"exports": "/srv/data web.example.org(ro,no_subtree_check)\n"}, hosts: "10.0.0.2 web.example.org\n", table: []string{"/srv/home web.example.org(", "/srv/data web.example.org("}},
		{name: "an address of an old kind", files: map[string]string{"exports": "/srv/data 10.2(ro,no_subtree_check)\n"}, table: []string{"/srv/home 10.2(", "/srv/data 10.2("}},
		{name: "a name with other addresses", files: map[string]string{"exports": "/srv/data alias(ro,no_subtree_check)\n"}, hosts: web, table: []string{"/srv/home 10.0.0.2/32(", "/srv/data web.example.org("}},
		{name: "such a name, read behind ours", files: map[string]string{"exports.d/z.exports": "/srv/data alias(ro,no_subtree_check)\n"}, hosts: web, table: []string{"/srv/home 10.0.0.2/32(", "/srv/data web.example.org("}},
		{name: "such a name on our path", files: map[string]string{"exports.d/z.exports": "/srv/home alias(ro,no_subtree_check)\n"}, hosts: web, table: []string{"/srv/home 10.0.0.2/32(", "/srv/home web.example.org("}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newForeignHost(t)
			h.must(0, "apply")
			for name, text := range test.files {
				h.foreign(name, text)
			}
			h.append("/etc/hosts", test.hosts)
			h.exportfs()
			h.cloud.RemoveInstance("i-1")
			plan := h.must(0, "plan")
			said := h.must(0, "apply")
			if text := h.read("/etc/exports.d/nfs-exportd.exports"); strings.Contains(text, "10.0.0.1(") || !strings.Contains(text, "10.0.0.2") {
				t.Errorf("our file is\n%s", text)
			}
			table := h.read("/var/lib/nfs/etab")
			if strings.Contains(table, "10.0.0.1(") || strings.Count(table, "/srv/home\t") < 1 {
				t.Errorf("the table is\n%s", table)
			}
			for _, entry := range test.table {
				if !strings.Contains(strings.ReplaceAll(table, "\t", " "), entry) {
					t.Errorf("the table has not %s:\n%s", entry, table)
				}
			}
			for _, warning := range test.warns {
				if strings.Count(said, warning) != 1 || strings.Count(plan, warning) != 1 {
					t.Errorf("plan said\n%s\nand apply\n%s\ninstead of, once, %s", plan, said, warning)
				}
			}
			if len(test.warns) == 0 && strings.Contains(said, "/etc/exports, line") {
				t.Errorf("apply said\n%s", said)
			}
			if again := h.must(0, "plan", "--detailed-exitcode"); !strings.Contains(test.name, "before ours") && again != "" {
				t.Errorf("the next plan said\n%s", again)
			}
			check := h.must(0, "check")
			for _, warning := range test.warns {
				if strings.Count(check, warning) != 1 {
					t.Errorf("check said\n%s\ninstead of %s", check, warning)
				}
			}
		})
	}
}

// runForeignInPrivate builds the program and starts this test again under private.sh.
func runForeignInPrivate(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "nfs-exportd")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "nfs-exportd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	srv := t.TempDir()
	if err := os.Chmod(srv, 0o755); err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), "../../testdata/real/private.sh", srv, self, "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), foreignBinary+"="+binary)
	out, err := again.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, out)
	}
}

// foreignHost is an NFS server inside of private.sh, with a cloud of one project and two
// instances.
type foreignHost struct {
	*testing.T
	cloud *keystonetest.Server
}

func newForeignHost(t *testing.T) foreignHost {
	h := foreignHost{t, keystonetest.NewServer(t)}
	if err := keystonetest.Load(h.cloud.Cloud, []byte(`
projects: {tools: {id: p-tools}}
users: {observer: {password: secret, roles: {system: [admin]}}}
instances:
  i1: {id: i-1, project: tools, addresses: {lan: [10.0.0.1]}}
  i2: {id: i-2, project: tools, addresses: {lan: [10.0.0.2]}}
`)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/etc/exports.d", "/etc/nfs.conf.d"} {
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"/srv/home", "/srv/data"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll("/var/lib/nfs/etab"); err != nil {
		t.Fatal(err)
	}
	h.foreign("exports", "\n")
	h.foreign("hosts", "127.0.0.1 localhost\n")
	h.foreign("nsswitch.conf", "hosts: files\n")
	h.foreign("nfs-mounts.yaml", "private: {tools: {mounts: {home: 'nfs.example.org:/srv/home'}}}\n")
	return h
}

// foreign makes a file, a directory or a link of /etc.
func (h foreignHost) foreign(name, text string) {
	h.Helper()
	path := filepath.Join("/etc", name)
	err := os.RemoveAll(path)
	switch target, link := strings.CutPrefix(text, "<"); {
	case text == "":
		err = errors.Join(err, os.Mkdir(path, 0o755))
	case link:
		err = errors.Join(err, os.Symlink(strings.TrimSuffix(target, ">"), path))
	default:
		err = errors.Join(err, os.WriteFile(path, []byte(text), 0o644))
	}
	if err != nil {
		h.Fatal(err)
	}
}

func (h foreignHost) append(path, text string) {
	h.Helper()
	h.foreign(filepath.Base(path), h.read(path)+text)
}

func (h foreignHost) read(path string) string {
	h.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		h.Fatal(err)
	}
	return string(text)
}

// exportfs is what an administrator does after an edit, whatever it says.
func (h foreignHost) exportfs() {
	h.Helper()
	if err := exec.CommandContext(h.Context(), "/usr/sbin/exportfs", "-ra").Run(); err != nil {
		h.Logf("exportfs: %v", err)
	}
}

// must runs the program, wants an exit status and returns what it says.
func (h foreignHost) must(status int, command ...string) string {
	h.Helper()
	cmd := exec.CommandContext(h.Context(), os.Getenv(foreignBinary), append(command, "--serve-as", "nfs.example.org")...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "OS_AUTH_URL=" + h.cloud.AuthURL(), "OS_USERNAME=observer", "OS_PASSWORD=secret",
		"OS_USER_DOMAIN_NAME=Default", "OS_SYSTEM_SCOPE=all",
	}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != status {
		h.Fatalf("%s: %v, want status %d\n%s", command, err, status, out)
	}
	return string(out)
}
