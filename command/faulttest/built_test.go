package faulttest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nfs-exportd/command"
	"nfs-exportd/command/commandtest"
	"nfs-exportd/render/install"
)

// built is a server without a cloud, the program as users have it, and two
// configurations: hundreds of runs of a program with the race detector, against a
// cloud, would take minutes.
type built struct {
	dir, program string
	// texts and tables are those of the two configurations, and plans the steps
	// to them from the other.
	texts, tables, plans [2]string
}

// TestBuilt runs the program as it is built for users, many times and many at
// once.
func TestBuilt(t *testing.T) {
	b := newBuilt(t)
	t.Run("killed at any moment", b.testKills)
	t.Run("killed between the file and exportfs", b.testKilledByExportfs)
	t.Run("killed while it proves", b.testKilledInProof)
	t.Run("fifty at once, none waits", b.testCrowd)
	t.Run("fifty at once, all wait", b.testQueue)
	t.Run("plan beside apply", b.testPlanBeside)
	t.Run("few open files", b.testFewFiles)
}

func newBuilt(t *testing.T) *built {
	t.Helper()
	dir := t.TempDir()
	b := &built{dir: dir, program: filepath.Join(dir, "nfs-exportd")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", b.program, "nfs-exportd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, sub := range []string{"exports.d", "srv"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i := range b.texts {
		var config strings.Builder
		config.WriteString("public:\n")
		for n := range 100 {
			net := 10
			if n < 5 {
				net += i // what the two do not have in common
			}
			fmt.Fprintf(&config, "  p%d: '%s/srv %d.%d.0.0/16(rw,no_subtree_check)'\n", n, dir, net, n)
		}
		b.write(t, fmt.Sprintf("%d.yaml", i), config.String())
	}
	// As the real one it reads and writes under a lock, and the table is whole at
	// every moment.
	(&world{&commandtest.World{Dir: dir}}).program(t, "exportfs", fmt.Sprintf("#!/bin/sh\nd=%s\n%s\n. $d/before.sh\nexec 9>>$d/export-lock\nflock 9\necho >>$d/runs\nhonest\n. $d/after.sh\n", dir, exportfsFunctions))
	b.write(t, "before.sh", "")
	b.write(t, "after.sh", "")
	for i := range []int{0, 1, 2} {
		i %= 2
		if got := b.run(t, nil, "plan", i); got.Status != 0 {
			t.Fatalf("%+v", got)
		} else {
			b.plans[i] = got.Stdout
		}
		if got := b.run(t, nil, "apply", i); got.Status != 0 || got.Stderr != "" {
			t.Fatalf("%+v", got)
		}
		b.texts[i], b.tables[i] = b.read(t, "exports.d/nfs-exportd.exports"), b.read(t, "etab")
	}
	return b
}

// command is a run with one of the configurations.
func (b *built) command(ctx context.Context, name string, config int, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.program, append([]string{
		name,
		"--config", filepath.Join(b.dir, fmt.Sprintf("%d.yaml", config)),
		"--exports-file", filepath.Join(b.dir, "exports.d/nfs-exportd.exports"),
		"--etab", filepath.Join(b.dir, "etab"),
		"--exportfs", filepath.Join(b.dir, "exportfs"),
		"--no-preflight",
	}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	return cmd
}

// run runs it to its end, under another command if under is set.
func (b *built) run(t *testing.T, under []string, name string, config int, args ...string) commandtest.Ran {
	t.Helper()
	cmd := b.command(t.Context(), name, config, args...)
	if under != nil {
		outer := exec.CommandContext(t.Context(), under[0], slices.Concat(under[1:], cmd.Args)...)
		outer.Env = cmd.Env
		cmd = outer
	}
	return runToEnd(t, cmd)
}

func runToEnd(t *testing.T, cmd *exec.Cmd) commandtest.Ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Error(err)
		return commandtest.Ran{Status: -1}
	}
	return commandtest.Ran{Status: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

func (b *built) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (b *built) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// stage tells how far a run came: the texts of the exports file and of the table
// are always those of one configuration or the other.
func (b *built) stage(t *testing.T) (file, table int) {
	t.Helper()
	file = slices.Index(b.texts[:], b.read(t, "exports.d/nfs-exportd.exports"))
	table = slices.Index(b.tables[:], b.read(t, "etab"))
	if file < 0 || table < 0 {
		t.Fatalf("neither old nor new: exports file\n%s\ntable\n%s", b.read(t, "exports.d/nfs-exportd.exports"), b.read(t, "etab"))
	}
	return file, table
}

var temporary = regexp.MustCompile(`^\.nfs-exportd\.exports[0-9]+$`)

// litter counts temporary files. Nothing else may lie about.
func (b *built) litter(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(b.dir, "exports.d"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, entry := range entries {
		switch name := entry.Name(); {
		case temporary.MatchString(name):
			found++
		case name != "nfs-exportd.exports" && name != ".nfs-exportd.exports.lock":
			t.Errorf("%s was left behind", name)
		}
	}
	return found
}

// heal runs apply, after which all must be as wanted.
func (b *built) heal(t *testing.T, config int) {
	t.Helper()
	// A child of the killed run can have the lock open until it has become
	// exportfs.
	if got := b.run(t, nil, "apply", config, "--lock-timeout", "10s"); got.Status != 0 || got.Stderr != "" {
		t.Fatalf("the next apply: %+v", got)
	}
	if file, table := b.stage(t); file != config || table != config {
		t.Fatalf("the next apply leaves file %d and table %d, want %d", file, table, config)
	}
	if n := b.litter(t); n > 0 {
		t.Errorf("the next apply leaves %d temporary files", n)
	}
	if b.marked(t) {
		t.Error("the next apply leaves a mark")
	}
}

// marked reports whether there is the mark of a run that did not see the active table
// follow.
func (b *built) marked(t *testing.T) bool {
	t.Helper()
	marked, err := install.File{Path: filepath.Join(b.dir, "exports.d/nfs-exportd.exports")}.Marked()
	if err != nil {
		t.Fatal(err)
	}
	return marked
}

const crowd = 50

// start runs many applies at once and gives their ends as they come.
func (b *built) start(t *testing.T, config int, args ...string) <-chan commandtest.Ran {
	t.Helper()
	ends := make(chan commandtest.Ran, crowd)
	for range crowd {
		cmd := b.command(t.Context(), "apply", config, args...)
		go func() { ends <- runToEnd(t, cmd) }()
	}
	return ends
}

func (b *built) testCrowd(t *testing.T) {
	b.heal(t, 0)
	b.write(t, "runs", "")
	b.write(t, "before.sh", "while ! [ -e $d/go ]; do sleep 0.01; done\n")
	defer b.write(t, "before.sh", "")
	ends := b.start(t, 1)
	for range crowd - 1 {
		if got := <-ends; got.Status != command.ExitTemporary || !strings.Contains(got.Stderr, "another run holds the lock") || got.Stdout != "" {
			t.Errorf("beside another: %+v", got)
		}
	}
	b.write(t, "go", "")
	if got := <-ends; got.Status != 0 || got.Stderr != "" || !strings.HasSuffix(got.Stdout, "\napplied\n") {
		t.Errorf("the one with the lock: %+v", got)
	}
	if file, table := b.stage(t); file != 1 || table != 1 || b.read(t, "runs") != "\n" {
		t.Errorf("file %d, table %d, runs %q", file, table, b.read(t, "runs"))
	}
}

func (b *built) testQueue(t *testing.T) {
	b.heal(t, 0)
	b.write(t, "runs", "")
	ends := b.start(t, 1, "--lock-timeout", "60s")
	worked := 0
	for range crowd {
		got := <-ends
		if got.Status != 0 || got.Stderr != "" {
			t.Errorf("%+v", got)
		}
		if got.Stdout != "" {
			worked++
		}
	}
	if file, table := b.stage(t); file != 1 || table != 1 || b.read(t, "runs") != "\n" || worked != 1 {
		t.Errorf("file %d, table %d, runs %q, %d had something to do", file, table, b.read(t, "runs"), worked)
	}
}

// testPlanBeside reads while others write: what a plan shows starts from what was
// there before or from what is there after.
func (b *built) testPlanBeside(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20 {
			if got := runToEnd(t, b.command(t.Context(), "apply", i%2)); got.Status != 0 {
				t.Errorf("apply: %+v", got)
			}
		}
	}()
	seen := map[string]int{}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got := b.run(t, nil, "plan", 1)
		how := "new"
		switch {
		case got.Status != 0 || got.Stderr != "":
			t.Errorf("plan: %+v", got)
		case got.Stdout == b.plans[1]:
			how = "old"
		case strings.Contains(got.Stdout, "is as it should be, but the active exports are not"):
			how = "between"
		case got.Stdout != "":
			t.Errorf("plan: neither old nor new:\n%s", got.Stdout)
		}
		seen[how]++
	}
	t.Logf("plans: %v", seen)
}

// testFewFiles lets a run have ever more open files, until it has enough.
func (b *built) testFewFiles(t *testing.T) {
	b.heal(t, 0)
	seen := map[int]int{}
	// With less the Go runtime gives up, by itself and with exit status 2.
	for n := 8; ; n++ {
		if n > 100 {
			t.Fatal("100 files are not enough")
		}
		limit := fmt.Sprintf("--nofile=%d:%d", n, n)
		got := b.run(t, []string{"prlimit", limit}, "apply", 1)
		seen[got.Status]++
		if got.Status == 0 {
			break
		}
		if file, table := b.stage(t); file != 0 || table != 0 || b.litter(t) > 0 {
			t.Errorf("%d files: file %d, table %d, %d temporary files", n, file, table, b.litter(t))
		}
		if !slices.Contains([]int{command.ExitExportfs, command.ExitCannotWrite, command.ExitConfiguration}, got.Status) || !strings.Contains(got.Stderr, "too many open files: raise the limit for open files") {
			t.Errorf("%d files: %+v", n, got)
		}
	}
	t.Logf("exit statuses: %v", seen)
}
