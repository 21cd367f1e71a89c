package faulttest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nfs-exportd/command"
	"nfs-exportd/command/commandtest"
)

// testKills kills one apply after the other: at moments that are evenly spread
// over the time of a whole run, and then over the time from the first file that
// it makes, which is the smaller part. Each is to bring the other configuration.
func (b *built) testKills(t *testing.T) {
	whole, tail := b.timeApply(t)
	const each = 150
	config := 0
	seen := map[string]int{}
	litter, most := 0, 0
	var unhealed *os.File
	for i := range 2 * each {
		before, _ := b.stage(t)
		config = 1 - before
		var family *os.File
		var how string
		if i < each {
			family, how = b.kill(t, config, false, whole*time.Duration(i)/each)
		} else {
			family, how = b.kill(t, config, true, tail*time.Duration(i-each)/each)
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
	t.Logf("%d kills in %s (from the first file %s): %v, %d left a temporary file", 2*each, whole, tail, seen, litter)
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

// timeApply returns how long an apply usually takes, and how long from the first file
// that it makes.
func (b *built) timeApply(t *testing.T) (whole, tail time.Duration) {
	t.Helper()
	const runs = 7
	var wholes, tails []time.Duration
	for i := range runs {
		w := b.watch(t)
		start := time.Now()
		cmd := b.command(t.Context(), "apply", 1-i%2)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.wait(t)
		first := time.Now()
		w.close(t)
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		wholes, tails = append(wholes, time.Since(start)), append(tails, time.Since(first))
	}
	slices.Sort(wholes)
	slices.Sort(tails)
	return wholes[runs/2], tails[runs/2]
}

// kill starts an apply and kills it some time after the start, or after the first file
// that it makes. It returns its family, see startFamily, and how far it came.
func (b *built) kill(t *testing.T, config int, fromFile bool, after time.Duration) (family *os.File, how string) {
	t.Helper()
	w := b.watch(t)
	// As in heal, a child of the run before may have the lock for a moment.
	cmd := b.command(t.Context(), "apply", config, "--lock-timeout", "10s")
	start := time.Now()
	family = startFamily(t, cmd)
	if fromFile {
		w.wait(t)
		start = time.Now()
	}
	w.close(t)
	for time.Since(start) < after {
		// A sleep would be too long for most of them.
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed, or was faster
	if cmd.ProcessState.ExitCode() >= 0 {
		return family, "had ended"
	}
	file, table := b.stage(t)
	if file != table && !b.marked(t) {
		t.Errorf("file %d, table %d, and no mark", file, table)
	}
	age := map[bool]string{true: "new", false: "old"}
	return family, fmt.Sprintf("file %s, table %s", age[file == config], age[table == config])
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
		if !b.marked(t) {
			t.Errorf("case %d: no mark", i)
		}
		// The file has no difference, and the next run sees all the same that
		// exportfs was not run, or that nobody looked at what it did.
		got := b.run(t, nil, "plan", 1, "--detailed-exitcode")
		if got.Status != command.ExitChanges || !strings.Contains(got.Stdout, "no run has seen the active table follow") {
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
