//go:build real

package install

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/rendertest"
)

// applyEnv makes TestRealKills the run that is killed: its value is the number of
// the set that it installs.
const applyEnv = "RENDER_TEST_APPLY"

// Kill runs at any moment, also while the real exportfs is at work, and between
// the file and exportfs.
func TestRealKills(t *testing.T) {
	dir := os.Getenv(rendertest.DirEnv)
	sets := func() [2]exports.Set {
		var lines [2][]string
		for i := range 200 {
			lines[0] = append(lines[0], fmt.Sprintf("%s/a 10.0.0.%d%s", dir, i, options))
			lines[1] = append(lines[1], fmt.Sprintf("%s/a 10.0.%d.%d%s", dir, i%2, i, options))
		}
		return [2]exports.Set{rendertest.Set(t, lines[0]...), rendertest.Set(t, lines[1]...)}
	}
	if text := os.Getenv(applyEnv); text != "" {
		c := realChange(t, sets()[text[0]-'0'])
		if strings.HasSuffix(text, "kill") {
			c.Exportfs.Path = rendertest.Script(t, "kill -9 $PPID\n")
		}
		fmt.Println("begins")
		if _, err := Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !insideHost(t) {
		return
	}
	dir = rendertest.OpenDir(t, "a")
	f, program := realHost()
	both := sets()
	install := func(i int) {
		t.Helper()
		if _, err := Run(t.Context(), realChange(t, both[i])); err != nil {
			t.Fatal(err)
		}
		if a := readTable(t, program.Etab).Agrees(both[i], nil); a.Answer != render.Agrees || !bytes.Equal(load(t, f).Text, marshal(t, both[i])) {
			t.Fatalf("not as wanted: %v", a)
		}
	}
	// stage tells which of the sets the file and the table have.
	stage := func() (file, table int) {
		t.Helper()
		file, table = -1, -1
		text, active := load(t, f).Text, readTable(t, program.Etab)
		for i, s := range both {
			if bytes.Equal(text, marshal(t, s)) {
				file = i
			}
			if active.Agrees(s, nil).Answer == render.Agrees {
				table = i
			}
		}
		if file < 0 || table < 0 {
			t.Fatalf("neither old nor new: file %d, table %d\n%s", file, table, text)
		}
		return file, table
	}
	apply := func(what string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), applyEnv+"="+what, rendertest.DirEnv+"="+dir)
		return cmd
	}
	install(0)
	cmd := apply("1kill")
	if output, err := cmd.CombinedOutput(); cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%v\n%s", err, output)
	}
	if file, table := stage(); file != 1 || table != 0 {
		t.Errorf("killed between the two: file %d, table %d", file, table)
	}
	install(1)

	start := time.Now()
	install(0)
	whole := time.Since(start)
	seen := map[string]int{}
	const kills = 60
	for i := range kills {
		to := 1 - i%2
		cmd := apply(fmt.Sprint(to))
		output, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			_, err = output.Read(make([]byte, 1))
		}
		if err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); time.Since(start) < whole*time.Duration(i)/kills; {
			// A sleep would be too long for most.
		}
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed, or was faster
		file, table := stage()
		seen[fmt.Sprintf("file new %t, table new %t", file == to, table == to)]++
		install(to)
	}
	t.Logf("%d kills in %s: %v", kills, whole, seen)
}
