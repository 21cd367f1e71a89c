package faulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nfs-exportd/command"
	"nfs-exportd/command/commandtest"
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
}

// testKills kills one apply after the other: at moments that are evenly spread
// over the time of a whole run, and then over the time from the first file that
// it makes, which is the smaller part. Each is to bring the other configuration.
func (b *built) testKills(t *testing.T) {
	var whole, tail []time.Duration
	config := 0
	for range 7 {
		config = 1 - config
		w := b.watch(t)
		start := time.Now()
		cmd := b.command(t.Context(), "apply", config)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.wait(t)
		first := time.Now()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		whole, tail = append(whole, time.Since(start)), append(tail, time.Since(first))
	}
	slices.Sort(whole)
	slices.Sort(tail)

	const each = 150
	seen := map[string]int{}
	litter, most := 0, 0
	var unhealed *os.File
	for i := range 2 * each {
		before, _ := b.stage(t)
		config = 1 - before
		w := b.watch(t)
		// As in heal, a child of the run before may have the lock for a moment.
		cmd := b.command(t.Context(), "apply", config, "--lock-timeout", "10s")
		cmd.Stdout, cmd.Stderr = nil, nil
		start := time.Now()
		family := startFamily(t, cmd)
		after := whole[len(whole)/2] * time.Duration(i) / each
		if i >= each {
			w.wait(t)
			start = time.Now()
			after = tail[len(tail)/2] * time.Duration(i-each) / each
		}
		w.close(t)
		for time.Since(start) < after {
			// A sleep would be too long for most of them.
		}
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed, or was faster
		how := "had ended"
		if cmd.ProcessState.ExitCode() < 0 {
			file, table := b.stage(t)
			how = fmt.Sprintf("file %s, table %s", map[bool]string{true: "old", false: "new"}[file != config], map[bool]string{true: "old", false: "new"}[table != config])
		}
		seen[how]++
		n := b.litter(t)
		litter += n
		most = max(most, n)
		// Every other one is left for the next that is killed.
		if i%2 == 1 {
			unhealed = family
			continue
		}
		// The exportfs of the one that was left may have read the exports file before
		// this one wrote it, and write that table after the next apply has found
		// everything right. No apply can prevent that.
		waitForFamily(t, unhealed)
		b.heal(t, config)
		waitForFamily(t, family)
	}
	waitForFamily(t, unhealed)
	b.heal(t, config)
	t.Logf("%d kills in %s (from the first file %s): %v, %d left a temporary file", 2*each, whole[len(whole)/2], tail[len(tail)/2], seen, litter)
	if most > 1 {
		t.Errorf("%d temporary files at a time: they pile up", most)
	}
	for _, how := range []string{"file old, table old", "file new, table old"} {
		if seen[how] < 10 {
			t.Errorf("only %d kills with the %s", seen[how], how)
		}
	}
	if litter == 0 {
		t.Error("no kill was in the middle of the write")
	}
}

// startFamily starts a command and returns a file that is at its end once the
// command and all its descendants have ended: until then they have its other end
// open.
func startFamily(t *testing.T, cmd *exec.Cmd) *os.File {
	t.Helper()
	family, member, err := os.Pipe()
	if err == nil {
		cmd.ExtraFiles = []*os.File{member}
		err = errors.Join(cmd.Start(), member.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return family
}

// waitForFamily waits for the end of what startFamily started. nil has ended.
func waitForFamily(t *testing.T, family *os.File) {
	t.Helper()
	if family == nil {
		return
	}
	_, err := io.Copy(io.Discard, family)
	if err := errors.Join(err, family.Close()); err != nil {
		t.Fatal(err)
	}
}

// watch looks for the first file that a run makes in the directory of the exports
// file.
type watch struct{ fd int }

func (b *built) watch(t *testing.T) watch {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		_, err = unix.InotifyAddWatch(fd, filepath.Join(b.dir, "exports.d"), unix.IN_CREATE)
	}
	if err != nil {
		t.Fatal(err)
	}
	return watch{fd}
}

// wait waits for the file.
func (w watch) wait(t *testing.T) {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, 30_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n != 1 {
			t.Fatalf("the run makes no file: %d, %v", n, err)
		}
		return
	}
}

func (w watch) close(t *testing.T) {
	t.Helper()
	if err := unix.Close(w.fd); err != nil {
		t.Fatal(err)
	}
}

// testKilledByExportfs has exportfs kill the run, before it does anything and
// after it has done all.
func (b *built) testKilledByExportfs(t *testing.T) {
	for i, test := range []struct {
		name, script string
		table        int // of the wanted configuration
	}{
		{"before.sh", "kill -9 $PPID; exit\n", 0},
		{"after.sh", "kill -9 $PPID\n", 1},
	} {
		b.heal(t, 0)
		b.write(t, test.name, test.script)
		cmd := b.command(t.Context(), "apply", 1)
		err := cmd.Run()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Errorf("ended with %v", err)
		}
		b.write(t, test.name, "")
		if file, table := b.stage(t); file != 1 || table != test.table {
			t.Errorf("case %d: file %d, table %d", i, file, table)
		}
		// The file has no difference, and the next run sees all the same that
		// exportfs was not run.
		got := b.run(t, nil, "plan", 1, "--detailed-exitcode")
		if want := map[int]int{0: command.ExitChanges, 1: command.ExitOK}[test.table]; got.Status != want || test.table == 0 && !strings.Contains(got.Stdout, "is as it should be, but the active exports are not") {
			t.Errorf("plan: %+v", got)
		}
		b.heal(t, 1)
	}
}

// testKilledInProof kills a run while exportfs proves the new file, which must not
// be left behind in its sandbox.
func (b *built) testKilledInProof(t *testing.T) {
	if ok, err := commandtest.Namespaces(); err != nil || !ok {
		missing(t, fmt.Sprintf("namespaces (%v)", err))
	}
	b.heal(t, 0)
	b.write(t, "before.sh", "exec 8>>$d/proof-lock\nflock 8\ntouch $d/proving\nsleep 1000\n")
	cmd := b.command(t.Context(), "apply", 1, "--no-preflight=false")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); !commandtest.Exists(filepath.Join(b.dir, "proving")); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the run does not come to the proof")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	b.write(t, "before.sh", "")
	lock, err := os.Open(filepath.Join(b.dir, "proof-lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	for deadline := time.Now().Add(30 * time.Second); unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("exportfs lives on in the sandbox")
		}
	}
	if file, table := b.stage(t); file != 0 || table != 0 || b.litter(t) > 0 {
		t.Errorf("file %d, table %d, %d temporary files", file, table, b.litter(t))
	}
	b.heal(t, 1)
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
