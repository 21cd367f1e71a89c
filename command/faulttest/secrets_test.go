package faulttest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nfs-exportd/command/commandtest"
)

// TestSecretsStayInside looks at the command line and the environment of every
// process that the program starts, while exportfs runs in the sandbox and while
// it runs for good, and at the program's own command line, which everybody on the
// machine can read. What the program prints is looked at by TestFaults.
func TestSecretsStayInside(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		// children is how many processes there are at least.
		children int
	}{
		{"in the sandbox", []string{"plan", "--no-preflight=false"}, 2},
		{"for good", []string{"apply"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if ok, err := commandtest.Namespaces(); err != nil {
				t.Fatal(err)
			} else if !ok && test.children > 1 {
				t.Skip("there are no namespaces for the sandbox")
			}
			w := newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
			w.Cloud.RemoveInstance(w.Cloud.Instances("RegionOne")[0].ID)
			w.Write(t, "exportfs.mode", "waits")
			program, err := exec.LookPath("nfs-exportd")
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), program, w.CommandLine(test.args...)[1:]...)
			cmd.Env = w.Env
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			own := commandLineOf(cmd.Process.Pid)
			children := waitForExportfs(t, cmd.Process.Pid)
			w.Write(t, "exportfs.log.go", "")
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v:\n%s", err, &out)
			}
			if len(children) < test.children {
				t.Errorf("%d processes were seen, want at least %d: %q", len(children), test.children, children)
			}
			for _, text := range append(children, own) {
				for _, secret := range append(w.Cloud.Tokens(), commandtest.Password) {
					if strings.Contains(text, secret) {
						t.Errorf("%q is in %q", secret, text)
					}
				}
			}
			for _, text := range children {
				if strings.Contains(text, "OS_USERNAME") {
					t.Errorf("a child has the environment of the program: %q", text)
				}
			}
		})
	}
}

// waitForExportfs gives the command lines and environments of all processes below
// one, once exportfs is among them.
func waitForExportfs(t *testing.T, pid int) []string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		children := below(t, pid)
		for _, text := range children {
			if strings.Contains(text, "/fake-exportfs\x00") {
				return children
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("exportfs was not run; there is %q", children)
		}
		time.Sleep(time.Millisecond)
	}
}

// below gives the command lines and environments of all processes below one.
func below(t *testing.T, pid int) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	parents := map[int]int{}
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// proc_pid_stat(5): the name in brackets may hold anything.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		child, err1 := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		parent, err2 := strconv.Atoi(fields[1])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		parents[child] = parent
	}
	var texts []string
	for child := range parents {
		for above := parents[child]; above != 0; above = parents[above] {
			if above == pid {
				environ, _ := os.ReadFile("/proc/" + strconv.Itoa(child) + "/environ") // it may have ended
				texts = append(texts, commandLineOf(child)+" "+string(environ))
				break
			}
		}
	}
	return texts
}

func commandLineOf(pid int) string {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline") // it may have ended
	return string(text)
}
