// Package rendertest has what the tests of package render and of the packages
// below it share: grants in one line, scripts in the place of exportfs, and tests
// that run again as another user or in namespaces of their own.
package rendertest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nfs-exportd/exports"
)

// DirEnv has the directory of a test that AsNobody runs again.
const DirEnv = "RENDER_TEST_DIR"

// Limits returns time limits for a program that hangs, to be tried one after the
// other: on a busy machine the first can be over before the program has done what it
// does before it hangs.
func Limits() []time.Duration {
	return []time.Duration{300 * time.Millisecond, 3 * time.Second, 30 * time.Second}
}

// Tools returns the owner of the grants of Set.
func Tools() exports.Owner { return exports.Owner{ID: "0123456789abcdef", Name: "tools"} }

// Grant makes a grant of "PATH CLIENT(OPTIONS)", or of that with " # INSTANCE" or
// " # INSTANCE PORT" behind it; the path may have blanks.
func Grant(tb testing.TB, line string, owner exports.Owner) exports.Grant {
	tb.Helper()
	line, ids, _ := strings.Cut(line, " # ")
	instance, port, _ := strings.Cut(ids, " ")
	i := strings.LastIndexByte(line, ' ')
	client, options, ok := strings.Cut(line[i+1:], "(")
	if i < 0 || !ok || !strings.HasSuffix(options, ")") {
		tb.Fatalf("not a grant: %q", line)
	}
	return exports.Grant{
		Path:     line[:i],
		Client:   exports.ParseClient(client),
		Options:  strings.TrimSuffix(options, ")"),
		Owner:    owner,
		Instance: exports.InstanceRef{ID: instance},
		Port:     port,
	}
}

// Set makes a set of grants of one project, see Grant.
func Set(tb testing.TB, lines ...string) exports.Set {
	tb.Helper()
	var grants []exports.Grant
	for _, line := range lines {
		grants = append(grants, Grant(tb, line, Tools()))
	}
	return exports.NewSet(grants)
}

// Place makes a place of "PATH CLIENT".
func Place(tb testing.TB, text string) exports.Place {
	tb.Helper()
	path, client, ok := strings.Cut(text, " ")
	if !ok {
		tb.Fatalf("not a place: %q", text)
	}
	return exports.Place{Path: path, Client: exports.ParseClient(client)}
}

// Names returns what is in a directory, sorted.
func Names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// Write writes a file, whatever the umask.
func Write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	// A test that starts a process meanwhile would give it the open file, and a
	// program that is open for writing cannot be run: "text file busy".
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, []byte(text), mode)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// Script makes a program of a shell script.
func Script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exportfs")
	Write(t, path, "#!/bin/sh\n"+text, 0o755)
	return path
}

// Mkfifo makes a FIFO.
func Mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }

// OpenDir is a directory that other users can get into, unlike t.TempDir, with
// directories of these names in it.
func OpenDir(t *testing.T, names ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "render")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// AsNobody runs this test again as a user without rights, if this is root.
func AsNobody(t *testing.T, env ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if output, err := again(t, env, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}); err != nil {
		t.Errorf("as nobody: %v\n%s", err, output)
	}
}

// InNamespaces runs this test again in a mount and a network namespace of its
// own. It returns the error of a test that failed or could not be started.
func InNamespaces(t *testing.T, env ...string) error {
	t.Helper()
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	if uid := os.Geteuid(); uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	output, err := again(t, env, attr)
	if err != nil {
		t.Logf("%s", output)
	}
	return err
}

func again(t *testing.T, env []string, attr *syscall.SysProcAttr) ([]byte, error) {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = attr
	output, err := cmd.CombinedOutput()
	if err == nil && bytes.Contains(output, []byte("--- SKIP: "+t.Name())) {
		t.Skipf("%s", output)
	}
	if err == nil && !bytes.Contains(output, []byte("--- PASS: "+t.Name())) {
		err = errors.New("it did not pass")
	}
	return output, err
}

// IsPlain reports whether a message is one line of printable ASCII.
func IsPlain(message string) bool {
	for i := range len(message) {
		if message[i] < ' ' || message[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(message) == message
}
