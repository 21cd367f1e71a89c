package command

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestManyClients has a server with 2000 different clients. What changes is said to
// be costly, once a run; that nothing changes is said by nothing, and runs nothing.
func TestManyClients(t *testing.T) {
	w := newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
	config := w.before["mounts.yaml"]
	// The cloud has six besides, and another file one.
	configure := func(public int) {
		lines := ""
		for n := range public {
			lines += fmt.Sprintf("    %s/srv 10.9.%d.%d(ro)\n", w.dir, n>>8, n&255)
		}
		w.write(t, "mounts.yaml", config+"public:\n  all: |\n"+lines)
	}
	const warning = "there are 2000 different clients: exportfs and rpc.mountd take time that grows with the square of their number"
	expect := func(command string, changes, warns bool) {
		t.Helper()
		got := w.run(command)
		if got.status != 0 || (got.stdout != "") != changes {
			t.Fatalf("%s ended with %d: %s%s", command, got.status, got.stdout, got.stderr)
		}
		if n := strings.Count(got.stderr, warning); (n == 1) != warns || n > 1 || !warns && got.stderr != "" {
			t.Errorf("%s, standard error is %q", command, got.stderr)
		}
	}
	configure(1992)
	expect("apply", true, false)
	configure(1993)
	// exportfs does not ask whose they are.
	w.write(t, "exports.d/others.exports", w.dir+"/elsewhere 192.0.2.1(ro)\n")
	expect("plan", true, true)
	expect("apply", true, true)
	if err := os.Remove(w.path("exportfs.log")); err != nil {
		t.Fatal(err)
	}
	before := w.files(t)
	expect("plan", false, false)
	expect("apply", false, false)
	w.has(t, before) // without exportfs.log, too
	if got := w.run("check"); strings.Count(got.stdout, warning) != 1 || !strings.Contains(got.stdout, "nothing is to be changed; there are") {
		t.Errorf("check says:\n%s", got.stdout)
	}
	w.has(t, before)
}
