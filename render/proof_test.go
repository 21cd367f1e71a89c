package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
)

// fakeExportfs is an exportfs for the sandbox: it finds its files where the
// real one would, and reads no further in a file than to an option "bad".
const fakeExportfs = `
state=$(sed -n 's/^state-directory-path=//p' /etc/nfs.conf | head -n 1)
for file in /etc/exports /etc/exports.d/*.exports; do
	[ -e "$file" ] || continue
	grep -q bad "$file" && echo "exportfs: $file:1: unknown keyword \"bad\"" >&2
	sed '/bad/,$d' "$file" | grep -v -e '^#' -e '^$' | sed 's/ /\t/'
done >$state/etab
`

func newSandbox(t *testing.T, exportfs string) Sandbox {
	t.Helper()
	return Sandbox{Self: "nfs-exportd", Exportfs: script(t, exportfs), Own: "/etc/exports.d/nfs.exports", Timeout: time.Minute}
}

// needSandbox skips a test on a machine without namespaces. CI and the tests against
// the real exportfs must have them.
func needSandbox(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, ErrNoNamespaces) && !mustHaveNamespaces && os.Getenv("CI") == "" {
		t.Skip(err)
	}
}

func foreignFile(path, text string) Foreign {
	f := Foreign{File: path, text: []byte(text), etcExports: path == "/etc/exports"}
	f.Grants, f.Undecided = parseForeign(f.text)
	return f
}

func TestProve(t *testing.T) {
	t.Parallel()
	foreign := []Foreign{
		foreignFile("/etc/exports", "/foreign 10.0.0.1(ro)\n"),
		foreignFile("/etc/exports.d/a.exports", "/foreign 10.0.0.2(ro)\n"),
		foreignFile("/etc/exports.d/broken.exports", "/broken 10.0.0.2(bad)\n/lost 10.0.0.1(rw)\n"),
	}
	public := exports.Owner{Public: "p\n"}
	tests := []struct {
		name     string
		exportfs string
		want     exports.Set
		right    func(err error) bool // nil: no error
		says     []string
	}{
		{name: "nothing", exportfs: fakeExportfs},
		{name: "good", exportfs: fakeExportfs, want: set(t, "/srv/a 10.0.0.1(rw)", "/srv/a 10.0.0.2(ro)", "/srv/b *(ro)")},
		{name: "status 1", exportfs: fakeExportfs + "exit 1", want: set(t, "/srv/a 10.0.0.1(rw)")},
		{
			name: "rejected", exportfs: fakeExportfs,
			want: exports.NewSet([]exports.Grant{
				grant(t, "/srv/a 10.0.0.1(rw)", tools),
				grant(t, "/srv/a 10.0.0.2(rw,bad)", tools),
				grant(t, "/srv/a 10.0.0.3(rw,bad)", tools),
				grant(t, "/srv/a 10.0.0.4(rw)", tools),
				grant(t, "/srv/b host(ro,bad)", public),
			}),
			right: is[*RejectedError],
			says: []string{
				`/srv/a for 10.0.0.2(rw,bad) of project "tools": unknown keyword "bad"; /srv/b for host(ro,bad) of public line "p\n": unknown keyword "bad"; correct`,
			},
		},
		{
			name: "too long in the table", exportfs: "OPTIONS=" + strings.Repeat("x", 600) + "\n" + fakeExportfs + `sed -i "s/(rw,fsid/($OPTIONS,&/" $state/etab`,
			want: set(t, "/srv/a 10.0.0.1(rw)", "/srv/a 10.0.0.2(rw,fsid=1)"), right: is[*RejectedError],
			says: []string{"10.0.0.2(rw,fsid=1)", "longer than the 511 bytes"},
		},
		{
			name: "together", exportfs: fakeExportfs + "[ $(grep -c srv $state/etab) -gt 1 ] && sed -i '/10.0.0.2/d' $state/etab", want: set(t, "/srv/a 10.0.0.1(rw)", "/srv/a 10.0.0.2(rw)"),
			right: is[*MismatchError], says: []string{"/srv/a for 10.0.0.2 is missing", "bug"},
		},
		{
			name: "opened to the world", exportfs: fakeExportfs + `grep -q srv $state/etab && printf '/srv/a\t*(rw)\n' >>$state/etab`, want: set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*MismatchError], says: []string{"/srv/a for * is there"},
		},
		{
			name: "other options", exportfs: fakeExportfs + "sed -i 's/(rw)/(ro)/' $state/etab", want: set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*MismatchError], says: []string{"/srv/a for 10.0.0.1 has the options ro instead of rw"},
		},
		{
			name: "foreign grant lost", exportfs: fakeExportfs + "grep -q srv $state/etab && sed -i /foreign/d $state/etab", want: set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*MismatchError], says: []string{"/foreign for 10.0.0.1 is missing"},
		},
		{
			name: "foreign files break the table", exportfs: fakeExportfs + "echo x >>$state/etab", want: set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*TableError], says: []string{"the exports files of others"},
		},
		{
			name: "takes nothing", exportfs: "", want: set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*ExportfsError], says: []string{"takes no line at all: exportfs ended with status 0 and said nothing: see that"},
		},
		{
			name: "takes nothing and says why", exportfs: "echo boo; echo hoo >&2; exit 1", want: set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*ExportfsError], says: []string{"takes no line at all: exportfs ended with status 1 and said: boo | hoo: see that"},
		},
		{
			name: "hangs", exportfs: "echo waiting >&2; sleep 1000", want: set(t, "/srv/a 10.0.0.1(rw)"),
			right: func(err error) bool { return is[*ExportfsError](err) && errors.Is(err, context.DeadlineExceeded) },
			says:  []string{"was killed (it said: waiting): see"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSandbox(t, test.exportfs)
			if test.name == "hangs" {
				s.Timeout = 300 * time.Millisecond
			}
			proof, err := s.Prove(t.Context(), marshal(t, test.want), test.want, foreign)
			needSandbox(t, err)
			if test.right != nil {
				if !test.right(err) {
					t.Fatalf("error %v", err)
				}
				for _, words := range test.says {
					if !strings.Contains(err.Error(), words) {
						t.Errorf("error %s\ndoes not say %s", err, words)
					}
				}
				if message := err.Error(); printable([]byte(message)) != message {
					t.Errorf("error %q", message)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := tableOf(test.want)
			want[place(t, "/foreign 10.0.0.1")] = "ro"
			want[place(t, "/foreign 10.0.0.2")] = "ro"
			if !maps.Equal(proof.Table, want) {
				t.Errorf("the table is %v", proof.Table)
			}
		})
	}
	asNobody(t)
}

// TestMismatchError: as many differences are named as people will read.
func TestMismatchError(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "should: x0; ", maxNamed: "; x9; ", maxNamed + 1: "; x9 (and 1 more); ", 3 * maxNamed: "; x9 (and 20 more); "} {
		e := &MismatchError{}
		for i := range n {
			e.Differences = append(e.Differences, fmt.Sprintf("x%d", i))
		}
		if got := e.Error(); !strings.Contains(got, want) || strings.Contains(got, "x10") {
			t.Errorf("%d differences: %s", n, got)
		}
	}
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// The sandbox has nothing of the host that exportfs could change, and no
// network.
func TestSandboxInside(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	s := newSandbox(t, `
echo $(ls /etc/passwd /etc/exports /etc/exports.d)
echo "conf $(cat /etc/nsswitch.conf /etc/resolv.conf)"
echo "proc $(ls /proc | grep -v '^fs$' | wc -l)"
echo "state $(ls /etc/.nfs | wc -l)"
echo "uid $(id -u), parent $PPID"
echo x >/etc/.nfs/etab; echo y >/etc/.nfs/rmtab
[ ! -d /var/lib/nfs ] || [ "$(cat /var/lib/nfs/rmtab)" = y ] || echo "the live state directory is not hidden"
bash -c 'exec 3<>/dev/tcp/127.0.0.1/`+strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)+`' 2>/dev/null && echo "there is a network"
`)
	files := exportsFiles{EtcExports: []byte("# x\n"), Directory: map[string][]byte{"b.exports": nil, "a.exports": []byte("# y\n")}}
	results, err := s.run(t.Context(), files, exportsFiles{})
	needSandbox(t, err)
	if err != nil {
		t.Fatal(err)
	}
	const rest = "conf hosts: files\nproc 0\nstate 0\nuid 0, parent 1"
	for i, want := range []string{
		"/etc/exports /etc/passwd /etc/exports.d: a.exports b.exports\n" + rest,
		"/etc/exports /etc/passwd /etc/exports.d:\n" + rest,
	} {
		if diff := cmp.Diff(want, results[i].Ran.Said); diff != "" || string(results[i].Etab) != "x\n" {
			t.Errorf("%s%q", diff, results[i].Etab)
		}
	}
	if _, err := os.Stat("/etc/.nfs"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the sandbox shows outside: %v", err)
	}
	asNobody(t)
}

func TestProveCannotRun(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "")
	want := set(t, "/srv/a 10.0.0.1(rw)")
	s.Exportfs += "none"
	_, err := s.Prove(t.Context(), marshal(t, want), want, nil)
	needSandbox(t, err)
	if !is[*ExportfsError](err) || !strings.Contains(err.Error(), "nfs-kernel-server") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Prove(ctx, marshal(t, want), want, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// Only the kernel's refusal of namespaces and mounts is an excuse to go on
// without a proof.
func TestSandboxErrors(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOSYS, syscall.EINVAL, syscall.ENOSPC, syscall.EUSERS} {
		err := newSandboxError("x", &os.PathError{Op: "fork/exec", Path: "/proc/self/exe", Err: errno})
		if !errors.Is(err, ErrNoNamespaces) || !errors.Is(err, errno) {
			t.Errorf("%v is no refusal", err)
		}
	}
	for _, err := range []error{newSandboxError("x", syscall.ENOMEM), newSandboxError("x", syscall.ENOENT), &SandboxError{"x", errors.New("y")}} {
		if errors.Is(err, ErrNoNamespaces) {
			t.Errorf("%v is a refusal", err)
		}
	}
}

// The inside does nothing in the namespace of who asks for it. If it did, that
// would be done to this machine: so it is tried in a namespace in which it does
// not matter.
func TestProofChildAlone(t *testing.T) {
	t.Parallel()
	self := inNamespace(t)
	if self == "" {
		return
	}
	for _, outside := range []string{"", self} {
		cmd := exec.Command("/proc/self/exe", childCommand)
		cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"Outside": %q, "Exportfs": "/bin/false", "Runs": [{}]}`, outside))
		output, err := cmd.Output()
		if err != nil || !strings.Contains(string(output), "find itself in a mount namespace of its own") {
			t.Errorf("%v, %s", err, output)
		}
	}
	cmd := exec.Command("/proc/self/exe", childCommand)
	if output, err := cmd.Output(); err == nil || len(output) > 0 {
		t.Errorf("%v, %s", err, output)
	}
}

// TestSandboxHosts tries the sandbox on hosts of other kinds, which it finds in a
// mount namespace of its own: with and without a kernel server, and with the
// state directory missing or something else.
func TestSandboxHosts(t *testing.T) {
	t.Parallel()
	if inNamespace(t) == "" {
		return
	}
	for _, path := range []string{"/proc/fs", filepath.Dir(liveDir)} {
		if err := mountTmpfs(path); err != nil {
			t.Fatal(err)
		}
	}
	s := newSandbox(t, "cat "+exportFeatures+" 2>/dev/null; ls "+liveDir+" 2>/dev/null; exit 0")
	said := func() string {
		t.Helper()
		results, err := s.run(t.Context(), exportsFiles{})
		needSandbox(t, err)
		if err != nil {
			t.Error(err)
			return ""
		}
		return results[0].Ran.Said
	}
	if got := said(); got != "" {
		t.Errorf("without a kernel server and a state directory: %q", got)
	}
	if err := writeNew(exportFeatures, []byte("0x3feff 0x4000f\n")); err != nil {
		t.Fatal(err)
	}
	write(t, liveDir, "a file", 0o644)
	if got := said(); got != "0x3feff 0x4000f\n"+liveDir {
		t.Errorf("with a kernel server, and a file: %q", got)
	}
	if err := os.Remove(liveDir); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(liveDir+"/rmtab", nil); err != nil {
		t.Fatal(err)
	}
	if got := said(); got != "0x3feff 0x4000f" {
		t.Errorf("with a state directory: %q", got)
	}
}

// TestSandboxStep: what the inside could not do is no word about namespaces,
// unless the kernel refused them.
func TestSandboxStep(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "")
	_, err := s.run(t.Context(), exportsFiles{Directory: map[string][]byte{"": nil}})
	needSandbox(t, err)
	var failure *SandboxError
	if !errors.As(err, &failure) || failure.Step != "lay out the exports files" || !strings.Contains(err.Error(), "open /etc/exports.d: file exists") {
		t.Errorf("error %v", err)
	}
}

// outsideEnv has the mount namespace of the process that ran this one again.
const outsideEnv = "RENDER_TEST_OUTSIDE"

// inNamespace gives the mount namespace that the test is in, once that is one of its
// own. Outside it has the test run again, and gives "".
func inNamespace(t *testing.T) string {
	t.Helper()
	self, err := os.Readlink(mountNamespace)
	if err != nil {
		t.Fatal(err)
	}
	if outside := os.Getenv(outsideEnv); outside == "" {
		again(t, outsideEnv+"="+self)
		return ""
	} else if outside == self {
		t.Fatal("this is not a namespace of its own")
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		if errors.Is(err, syscall.EINVAL) && os.Getenv("CI") == "" {
			t.Skip("needs a root directory that is a mount point")
		}
		t.Fatal(err)
	}
	return self
}

// again runs this test again in a mount namespace of its own.
func again(t *testing.T, env string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	output, err := cmd.CombinedOutput()
	if isRefusal(err) {
		needSandbox(t, newSandboxError("start a process in new namespaces", err))
	}
	if err == nil && bytes.Contains(output, []byte("--- SKIP: "+t.Name())) {
		t.Skipf("%s", output)
	}
	if err != nil || !bytes.Contains(output, []byte("--- PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, output)
	}
}

func TestProofDifferences(t *testing.T) {
	t.Parallel()
	want := set(t, "/srv/a 10.0.0.1(rw)", "/srv/a 10.0.0.2(rw)")
	full := Table{place(t, "/srv/a 10.0.0.1"): "rw", place(t, "/srv/a 10.0.0.2"): "rw"}
	with := func(table Table, texts ...string) Table {
		table = maps.Clone(table)
		for _, text := range texts {
			p, o, _ := strings.Cut(text, "=")
			table[place(t, p)] = o
			if o == "" {
				delete(table, place(t, p))
			}
		}
		return table
	}
	tests := []struct {
		name            string
		table, baseline Table
		differences     []string
	}{
		{"exact", full, Table{}, nil},
		{"with a foreign one", with(full, "/f 10.0.0.1=ro"), Table{place(t, "/f 10.0.0.1"): "ro"}, nil},
		{"foreign one with other options", with(full, "/f 10.0.0.1=rw"), Table{place(t, "/f 10.0.0.1"): "ro"}, []string{"/f for 10.0.0.1 has the options rw instead of ro"}},
		{"conflict, theirs first", with(full, "/srv/a 10.0.0.1=ro"), Table{place(t, "/srv/a 10.0.0.1"): "ro"}, nil},
		{"conflict, ours first", full, Table{place(t, "/srv/a 10.0.0.1"): "ro"}, nil},
		{"conflict, and gone", with(full, "/srv/a 10.0.0.1="), Table{place(t, "/srv/a 10.0.0.1"): "ro"}, []string{"/srv/a for 10.0.0.1 is missing"}},
		// The host of the foreign file is one of ours by /etc/hosts.
		{"host of theirs named as ours", with(full, "/f 10.0.0.1=ro"), Table{place(t, "/f host"): "ro"}, nil},
		{"ours named as a host of theirs", with(full, "/srv/a 10.0.0.1=", "/srv/a host=rw", "/f host=ro"), Table{place(t, "/f host"): "ro"}, nil},
		{"surplus beside a host of theirs", with(full, "/f host=ro", "/f 10.0.0.9=ro"), Table{place(t, "/f host"): "ro"}, []string{"/f for 10.0.0.9 is there and no exports file asks for it"}},
		{"the world beside a host of theirs", with(full, "/f host=ro", "/f *=ro"), Table{place(t, "/f host"): "ro"}, []string{"/f for * is there and no exports file asks for it"}},
	}
	for _, test := range tests {
		got := Proof{Table: test.table}.differences(want, test.baseline)
		if diff := cmp.Diff(test.differences, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}
