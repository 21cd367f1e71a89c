//go:build real

package realtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nfs-exportd/command/commandtest"
	"nfs-exportd/keystone/keystonetest"
	"nfs-exportd/render/rendertest"
)

func TestMain(m *testing.M) { commandtest.Main(m) }

// activeInside is the environment variable of the run of TestRealActive inside its namespaces.
const activeInside = "NFS_EXPORTD_ACTIVE_INSIDE"

// The directories of the configuration, and one of somebody else.
const (
	activeTools = "/srv/tools"
	activeMaps  = "/srv/maps"
	activeOther = "/srv/other"
)

// activeHost is a server with the real exportfs, in namespaces of its own, and a cloud.
type activeHost struct {
	cloud *keystonetest.Server
	env   []string
}

// TestRealActive leaves entries in the active table that no exports file has, beside each fault of another exports file
// that could hide them. After an apply that ends with 0 none may be there.
func TestRealActive(t *testing.T) {
	if os.Getenv(activeInside) == "" {
		if err := rendertest.InNamespaces(t, activeInside+"=1"); err != nil {
			t.Error(err)
		}
		return
	}
	for _, row := range []struct {
		name string
		make func() error
		left []string // other entries on our paths, which another file asks for
	}{
		{"no other file", func() error { return nil }, nil},
		{"a line with a blank in its options", others("/srv/other *(rw, async)\n"), nil},
		{"an option that exportfs does not know", others("/srv/other *(rw,snyc)\n"), nil},
		{"a grant behind that", others("/srv/other *(rw,snyc)\n/srv/tools *(rw)\n"), nil},
		{"a grant before that", others("/srv/tools 10.9.9.9(rw,no_subtree_check)\n/srv/other *(rw,snyc)\n"), []string{"/srv/tools 10.9.9.9"}},
		{"a link that leads nowhere", func() error { return os.Symlink("/none", "/etc/exports.d/a.exports") }, nil},
		{"a host name that nobody can resolve", others("/srv/tools none.example.org(rw,no_subtree_check)\n"), nil},
		{"a netgroup", others("/srv/tools @none(rw,no_subtree_check)\n"), []string{"/srv/tools @none"}},
		{"a network of one address that is ours", others("/srv/tools 10.0.0.2/32(ro,no_subtree_check)\n"), []string{"/srv/tools 10.0.0.2/32"}},
	} {
		for _, flags := range [][]string{nil, {"--no-preflight"}} {
			if flags != nil && row.name == "a grant behind that" {
				continue // only a test run can tell that exportfs does not come that far
			}
			t.Run(row.name+strings.Join(flags, ""), func(t *testing.T) {
				h := newActiveHost(t)
				h.run(t, 0, "apply")
				if err := row.make(); err != nil {
					t.Fatal(err)
				}
				// A revocation that is written and not active, then what somebody opened by hand.
				h.remove(t, "tools-1")
				h.run(t, 0, "apply", append(flags, "--no-reload")...)
				h.mustHave(t, "/srv/tools 10.0.0.1", true)
				h.checkReload(t, flags, row.left)
				for _, client := range []string{"*", "10.0.0.9", "10.0.0.0/8"} {
					h.exportfs(t, "-i", "-o", "rw,no_root_squash,no_subtree_check", client+":"+activeTools)
					h.mustHave(t, "/srv/tools "+client, true)
					h.checkReload(t, flags, row.left)
				}
				// An unrelated revocation.
				h.remove(t, "maps-3")
				h.run(t, 0, "apply", flags...)
				h.isActive(t, append(slices.Clone(row.left), "/srv/tools 10.0.0.2", "/srv/maps 10.0.0.4"))
			})
		}
	}
	t.Run("a path that is dropped without a reload", testActiveDropped)
	t.Run("entries of no file on other paths", testActiveStrays)
	t.Run("a grant that another file keeps", testActiveKept)
	t.Run("an exports file that is deleted", testActiveDeleted)
}

// others writes /etc/exports.
func others(text string) func() error {
	return func() error { return os.WriteFile("/etc/exports", []byte(text), 0o644) }
}

func testActiveDropped(t *testing.T) {
	h := newActiveHost(t)
	h.run(t, 0, "apply")
	h.configure(t, activeTools)
	h.run(t, 0, "apply", "--no-reload")
	h.mustHave(t, "/srv/maps 10.0.0.3", true)
	if out, _ := h.run(t, 2, "plan", "--detailed-exitcode"); !strings.Contains(out, "no run has seen the active table follow") {
		t.Errorf("plan: %s", out)
	}
	h.run(t, 0, "apply")
	h.isActive(t, []string{"/srv/tools 10.0.0.1", "/srv/tools 10.0.0.2"})
	h.run(t, 0, "plan", "--detailed-exitcode")
}

func testActiveStrays(t *testing.T) {
	h := newActiveHost(t)
	h.run(t, 0, "apply")
	h.exportfs(t, "-i", "-o", "rw,no_subtree_check", "10.9.9.9:"+activeOther)
	// They are left alone as long as there is nothing to do.
	if out, said := h.run(t, 0, "apply"); out != "" || said != "" {
		t.Errorf("printed %q and said %q", out, said)
	}
	h.mustHave(t, "/srv/other 10.9.9.9", true)
	h.remove(t, "maps-3")
	for _, command := range []string{"plan", "apply"} {
		if _, said := h.run(t, 0, command); !strings.Contains(said, "exportfs -ra drops 1 entry of the active table, which no exports file asks for: /srv/other for 10.9.9.9; ") {
			t.Errorf("%s: %s", command, said)
		}
	}
	h.mustHave(t, "/srv/other 10.9.9.9", false)
}

func testActiveKept(t *testing.T) {
	h := newActiveHost(t)
	h.run(t, 0, "apply")
	if err := others("/srv/tools 10.0.0.1(rw,no_subtree_check) 10.0.0.0/24(ro,no_subtree_check)\n")(); err != nil {
		t.Fatal(err)
	}
	h.remove(t, "tools-1")
	_, said := h.run(t, 0, "apply", "--metrics-file", "/srv/a.prom")
	for _, want := range []string{
		"/etc/exports, line 1, exports /srv/tools to 10.0.0.1: that keeps the path open to 1 client that the plan removes (10.0.0.1)",
		"/etc/exports, line 1, exports /srv/tools to 10.0.0.0/24: that keeps the path open to 1 client that the plan removes (10.0.0.1)",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%s\nis not in\n%s", want, said)
		}
	}
	h.isActive(t, []string{"/srv/tools 10.0.0.1", "/srv/tools 10.0.0.0/24", "/srv/tools 10.0.0.2", "/srv/maps 10.0.0.3", "/srv/maps 10.0.0.4"})
	if out, said := h.run(t, 0, "apply", "--metrics-file", "/srv/a.prom"); out != "" || said != "" {
		t.Errorf("printed %q and said %q", out, said)
	}
	if text := readReal(t, "/srv/a.prom"); !strings.Contains(text, "\nnfs_exportd_foreign_grants 2\n") {
		t.Errorf("metrics: %s", text)
	}
	if out, _ := h.run(t, 0, "check"); !strings.Contains(out, "/etc/exports, line 1, exports /srv/tools to 10.0.0.1, and nfs-exportd does not") {
		t.Errorf("check: %s", out)
	}
}

// testActiveDeleted deletes the exports file while an entry is there that the plan does not have. It needs approval,
// unless another exports file has it, even if only exportfs knows that: it calls 10.0.1, which is
// the same address in an old form, as the first line does.
func testActiveDeleted(t *testing.T) {
	for _, test := range []struct {
		exports string
		status  int
	}{
		{"/srv/other *(rw,snyc)\n", 65},
		{"/srv/other 10.0.0.1(ro,no_subtree_check)\n", 65},
		{"/srv/other 10.0.0.1(ro,no_subtree_check)\n/srv/tools 10.0.1(rw,no_subtree_check)\n", 0},
	} {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			h := newActiveHost(t)
			h.run(t, 0, "apply")
			if err := errors.Join(others(test.exports)(), os.Remove(realExportsFile)); err != nil {
				t.Fatal(err)
			}
			h.remove(t, "tools-1")
			table := readReal(t, realEtab)
			_, said := h.run(t, test.status, "apply")
			if test.status == 0 {
				h.mustHave(t, "/srv/tools 10.0.0.1", true)
				return
			}
			if !strings.Contains(said, "no exports file has 1 grant of the active table (/srv/tools for 10.0.0.1)") {
				t.Errorf("apply: %s", said)
			}
			if _, err := os.Stat(realExportsFile); err == nil || readReal(t, realEtab) != table {
				t.Error("something was changed")
			}
		})
	}
}

// newActiveHost makes /etc, /srv and the state of exportfs anew.
func newActiveHost(t *testing.T) *activeHost {
	t.Helper()
	do := func(steps ...func() error) {
		t.Helper()
		for _, step := range steps {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cover := func(dir string) {
		do(func() error { return syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755") })
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	}
	do(func() error { return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") },
		exec.CommandContext(t.Context(), "ip", "link", "set", "lo", "up").Run)
	cover("/srv")
	cover("/var/lib/nfs")
	cover("/etc")
	do(func() error { return os.Mkdir("/etc/exports.d", 0o755) }, others(""),
		func() error { return os.WriteFile("/etc/nsswitch.conf", []byte("hosts: files\n"), 0o644) },
		func() error { return os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost\n"), 0o644) })
	for _, dir := range []string{activeTools, activeMaps, activeOther} {
		do(func() error { return os.Mkdir(dir, 0o755) })
	}
	h := &activeHost{cloud: keystonetest.NewServer(t)}
	instances := ""
	for i, project := range []string{"tools", "tools", "maps", "maps"} {
		instances += fmt.Sprintf("  %[1]s-%[2]d: {id: i-%[1]s-%[2]d, project: %[1]s, addresses: {lan: [10.0.0.%[2]d]}}\n", project, i+1)
	}
	if err := keystonetest.Load(h.cloud.Cloud, fmt.Appendf(nil, `
projects: {tools: {}, maps: {}}
users: {observer: {password: %s, roles: {system: [admin]}}}
instances:
%s`, commandtest.Password, instances)); err != nil {
		t.Fatal(err)
	}
	h.cloud.AddHost("RegionOne", "cell1", "compute-1")
	h.env = []string{
		"PATH=" + os.Getenv("PATH"), commandtest.NoRaceSleep, "OS_AUTH_URL=" + h.cloud.AuthURL(), "OS_USERNAME=observer",
		"OS_PASSWORD=" + commandtest.Password, "OS_USER_DOMAIN_NAME=Default", "OS_SYSTEM_SCOPE=all", "TEST_LOCAL=192.0.2.10",
	}
	h.configure(t, activeTools, activeMaps)
	return h
}

// configure writes a configuration with these paths.
func (h *activeHost) configure(t *testing.T, paths ...string) {
	t.Helper()
	text := "private:\n"
	for _, path := range paths {
		text += fmt.Sprintf("  %s: {mounts: {m: 'nfs.example.org:%s'}}\n", filepath.Base(path), path)
	}
	writeReal(t, realConfig, text, 0o644)
}

func (h *activeHost) remove(t *testing.T, instance string) {
	t.Helper()
	h.cloud.RemoveInstance("i-" + instance)
}

// run runs the program, which must end with a status.
func (h *activeHost) run(t *testing.T, status int, command string, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "nfs-exportd", append([]string{command, "--serve-as", "nfs.example.org"}, args...)...)
	var out, said bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = h.env, &out, &said
	if err := cmd.Run(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Fatalf("%s %q: exit status %d, want %d\n%s\n%s", command, args, got, status, &out, &said)
	}
	return out.String(), said.String()
}

func (h *activeHost) exportfs(t *testing.T, args ...string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), "/usr/sbin/exportfs", args...).CombinedOutput(); err != nil {
		t.Fatalf("exportfs %q: %v: %s", args, err, output)
	}
}

// checkReload checks that plan sees what is left over, and that apply takes it out and then has nothing more to do.
func (h *activeHost) checkReload(t *testing.T, flags, left []string) {
	t.Helper()
	if out, _ := h.run(t, 2, "plan", append(slices.Clone(flags), "--detailed-exitcode")...); !strings.Contains(out, "exportfs has to read it again") {
		t.Errorf("plan: %s", out)
	}
	h.run(t, 0, "apply", flags...)
	h.isActive(t, append(slices.Clone(left), "/srv/tools 10.0.0.2", "/srv/maps 10.0.0.3", "/srv/maps 10.0.0.4"))
	if out, said := h.run(t, 0, "apply", flags...); out != "" || said != "" {
		t.Errorf("the next apply printed %q and said %q", out, said)
	}
}

// isActive checks the entries of the active table on our paths, as exportfs wrote them.
func (h *activeHost) isActive(t *testing.T, want []string) {
	t.Helper()
	got := slices.DeleteFunc(entriesReal(t), func(e string) bool { return strings.HasPrefix(e, activeOther) })
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the active table has\n%q\nand should have\n%q", got, want)
	}
}

func (h *activeHost) mustHave(t *testing.T, entry string, has bool) {
	t.Helper()
	if slices.Contains(entriesReal(t), entry) != has {
		t.Errorf("%s: it should be in the active table: %t", entry, has)
	}
}

// entriesReal are the entries of the active table, path and client.
func entriesReal(t *testing.T) (entries []string) {
	t.Helper()
	for line := range strings.Lines(readReal(t, realEtab)) {
		entry, _, _ := strings.Cut(line, "(")
		entries = append(entries, strings.Replace(entry, "\t", " ", 1))
	}
	slices.Sort(entries)
	return entries
}
