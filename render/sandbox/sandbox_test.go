package sandbox

import (
	"errors"
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

	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/rendertest"
)

func TestMain(m *testing.M) {
	if status, ok := Part(os.Args); ok {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

func newSandbox(t *testing.T, exportfs string) Sandbox {
	t.Helper()
	return Sandbox{Self: "nfs-exportd", Exportfs: rendertest.Script(t, exportfs), Own: "/etc/exports.d/nfs.exports", Timeout: time.Minute}
}

// needSandbox skips a test on a machine without namespaces. CI and the tests against
// the real exportfs must have them.
func needSandbox(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, ErrNoNamespaces) && !mustHaveNamespaces && os.Getenv("CI") == "" {
		t.Skip(err)
	}
}

// The sandbox has nothing of the host that exportfs could change, and no
// network.
func TestInside(t *testing.T) {
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
	files := exportsFiles{EtcExports: []byte("# x\n"), Directory: []exportsFile{{[]byte("b.exports"), nil}, {[]byte("a.exports"), []byte("# y\n")}}}
	results, err := s.run(t.Context(), nil, files, exportsFiles{})
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
	rendertest.AsNobody(t)
}

// Only the kernel's refusal of namespaces and mounts is an excuse to go on
// without a proof.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOSYS, syscall.EINVAL, syscall.ENOSPC, syscall.EUSERS} {
		err := newError("x", &os.PathError{Op: "fork/exec", Path: "/proc/self/exe", Err: errno})
		if !errors.Is(err, ErrNoNamespaces) || !errors.Is(err, errno) {
			t.Errorf("%v is no refusal", err)
		}
	}
	for _, err := range []error{newError("x", syscall.ENOMEM), newError("x", syscall.ENOENT), &Error{"x", errors.New("y")}} {
		if errors.Is(err, ErrNoNamespaces) {
			t.Errorf("%v is a refusal", err)
		}
	}
}

// TestChildByHand checks that the inside does nothing in the namespace of the process
// that starts it. If it did, that would be done to this machine: so it is tried in a
// namespace in which it does not matter.
func TestChildByHand(t *testing.T) {
	t.Parallel()
	if inNamespace(t) == "" {
		return
	}
	if err := mountTmpfs("/etc"); err != nil {
		t.Fatal(err)
	}
	rendertest.Write(t, "/etc/is-there", "", 0o644)
	for name, test := range map[string]struct {
		flags uintptr
		file  string // the descriptor with the namespace outside
		want  string
	}{
		"by hand":                      {0, mountNamespace, "not the first of a process namespace"},
		"in a process namespace":       {syscall.CLONE_NEWPID, "", "the mount namespace outside"},
		"with the namespace it is in":  {syscall.CLONE_NEWPID, mountNamespace, "in the mount namespace of the process that started it"},
		"with a file":                  {syscall.CLONE_NEWPID, "/proc/self/exe", "was not given"},
		"with a namespace of its kind": {syscall.CLONE_NEWPID, "/proc/self/ns/net", "a namespace of another kind"},
	} {
		cmd := exec.Command("/proc/self/exe", childCommand)
		cmd.Stdin = strings.NewReader(`{"Outside": "x", "Exportfs": "/bin/false", "Runs": [{}]}`)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: test.flags}
		if test.file != "" {
			file, err := os.Open(test.file)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			cmd.ExtraFiles = []*os.File{file}
		}
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err == nil || stdout.Len() > 0 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: %v, %s%s", name, err, stdout.String(), stderr.String())
		}
		if _, err := os.Stat("/etc/is-there"); err != nil {
			t.Fatalf("%s: it mounted over /etc: %v", name, err)
		}
	}
}

// TestServiceByHand checks that the service wants a connection.
func TestServiceByHand(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/proc/self/exe", serviceCommand)
	cmd.Stdin = strings.NewReader(`{"Exportfs": "/bin/true", "Runs": [{}]}`)
	output, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "standard input is not a connection") {
		t.Errorf("%v, %s", err, output)
	}
}

// TestHosts tries the sandbox on hosts of other kinds, which it finds in a
// mount namespace of its own: with and without a kernel server, and with the
// state directory missing or something else.
func TestHosts(t *testing.T) {
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
		results, err := s.run(t.Context(), nil, exportsFiles{})
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
	rendertest.Write(t, liveDir, "a file", 0o644)
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

// TestNoProc checks that a host without /proc is told so, with or without a test run.
func TestNoProc(t *testing.T) {
	t.Parallel()
	if inNamespace(t) == "" {
		return
	}
	s := newSandbox(t, "")
	if err := mountTmpfs("/proc"); err != nil {
		t.Fatal(err)
	}
	_, err := s.run(t.Context(), nil, exportsFiles{})
	for _, err := range []error{err, exportfs.Program{Path: "/bin/sh", Flush: exportfs.KernelFlush}.Check()} {
		if !errors.Is(err, exportfs.ErrNoProc) {
			t.Errorf("error %v", err)
		}
	}
}

// TestStep: what the inside could not do is no word about namespaces,
// unless the kernel refused them.
func TestStep(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "")
	_, err := s.run(t.Context(), nil, exportsFiles{Directory: []exportsFile{{}}})
	needSandbox(t, err)
	var failure *Error
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
		err := rendertest.InNamespaces(t, outsideEnv+"="+self)
		if isRefusal(err) {
			needSandbox(t, newError("start a process in new namespaces", err))
		}
		if err != nil {
			t.Error(err)
		}
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
