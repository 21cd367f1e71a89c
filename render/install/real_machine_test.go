//go:build real

package install

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/rendertest"
	"nfs-exportd/render/sandbox"
)

// TestRealMovedTable has the table of exportfs where a drop-in of nfs.conf says. An old
// table stays where it was, and neither it nor the drop-in misleads a test run.
func TestRealMovedTable(t *testing.T) {
	if !insideHost(t) {
		return
	}
	dir := rendertest.OpenDir(t, "a")
	moved := rendertest.OpenDir(t, "state")
	old := dir + "/a\t10.0.0.99(rw)\n"
	rendertest.Write(t, stateDir+"/etab", old, 0o644)
	if err := os.Mkdir("/etc/nfs.conf.d", 0o755); err != nil {
		t.Fatal(err)
	}
	rendertest.Write(t, "/etc/nfs.conf.d/9.conf", "[MountD]\nstate-directory-path = /nowhere\n", 0o644)
	rendertest.Write(t, "/etc/nfs.conf.d/10.conf", "[mountd]\ninclude = more # x\n", 0o644)
	rendertest.Write(t, "/etc/nfs.conf.d/more", "State-Directory-Path = \""+moved+"/state\"\n", 0o644)
	table, err := exportfs.TablePath(exportfs.NFSConf)
	if err != nil || table != moved+"/state/etab" {
		t.Fatalf("%q, %v", table, err)
	}
	want := rendertest.Set(t, dir+"/a 10.0.0.1"+options)
	c := realChange(t, want)
	c.Exportfs.Etab = table
	proven, err := sandbox.Sandbox{Self: "nfs-exportd", Exportfs: realExportfs, Own: c.File.Path, Timeout: time.Minute}.Try(t.Context(), c.Text, want, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if tableOrNothing(table) == nil || len(tableOrNothing(table)) > 0 {
		t.Errorf("the test run wrote the table of the host")
	}
	c.Proven = &proven
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if a := readTable(t, table).Agrees(want, nil); a.Answer != render.Agrees {
		t.Errorf("%+v", a)
	}
	if text, err := os.ReadFile(stateDir + "/etab"); err != nil || string(text) != old {
		t.Errorf("the old table: %s, %v", text, err)
	}
}

// TestRealLock has somebody else hold the lock of exportfs: before a run, in the moment
// between our look and exportfs, and not at all.
func TestRealLock(t *testing.T) {
	if !insideHost(t) {
		return
	}
	dir := rendertest.OpenDir(t, "a")
	before := rendertest.Set(t, dir+"/a 10.0.0.1"+options)
	job := func(clients ...string) Job {
		var lines []string
		for _, client := range clients {
			lines = append(lines, dir+"/a "+client+options)
		}
		c := realChange(t, rendertest.Set(t, lines...))
		c.Exportfs.Lock, c.Exportfs.LockWait = exportfs.LockFile, 300*time.Millisecond
		return c
	}
	asBefore := func() {
		t.Helper()
		f, program := realHost()
		if a := readTable(t, program.Etab).Agrees(before, nil); a.Answer != render.Agrees || !bytes.Equal(load(t, f).Text, marshal(t, before)) {
			t.Errorf("not as before: %+v", a)
		}
	}
	if _, err := Run(t.Context(), job("10.0.0.1")); err != nil {
		t.Fatal(err)
	}

	// A lock for reading keeps exportfs from its lock, but it is none of a run.
	lock, err := os.OpenFile(exportfs.LockFile, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	set := func(kind int16) {
		t.Helper()
		l := unix.Flock_t{Type: kind, Whence: io.SeekStart}
		if err := unix.FcntlFlock(lock.Fd(), unix.F_OFD_SETLK, &l); err != nil {
			t.Fatal(err)
		}
	}
	set(unix.F_RDLCK)
	c := job("10.0.0.1", "10.0.0.2")
	_, err = Run(t.Context(), c)
	if _, ok := errors.AsType[*exportfs.LockedError](err); !ok || !strings.Contains(err.Error(), "; nothing was changed") {
		t.Errorf("error %v", err)
	}
	if err := c.Exportfs.Idle(t.Context()); err != nil {
		t.Errorf("with a lock for reading: %v", err)
	}
	asBefore()
	set(unix.F_WRLCK)
	if err := c.Exportfs.Idle(t.Context()); err == nil {
		t.Error("with a lock for writing nobody is at work")
	}
	set(unix.F_UNLCK)
	if err := c.Exportfs.Idle(t.Context()); err != nil {
		t.Error(err)
	}

	// A run of the real exportfs is known by its lock: here one that waits for a FIFO.
	if err := errors.Join(syscall.Mkfifo("/etc/waits", 0o644), os.Symlink("/etc/waits", "/etc/exports.d/waits.exports")); err != nil {
		t.Fatal(err)
	}
	other := exec.Command(realExportfs, "-ra")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); c.Exportfs.Idle(t.Context()) == nil; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("exportfs does not take its lock")
		}
	}
	_, err = c.Exportfs.TakeLock(t.Context())
	if err == nil || !strings.Contains(err.Error(), "(exportfs) holds exportfs's lock "+exportfs.LockFile) {
		t.Errorf("error %v", err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // it was killed
	if err := os.Remove("/etc/exports.d/waits.exports"); err != nil {
		t.Fatal(err)
	}

	// Somebody takes the lock after our look: the run ends in time, and everything is
	// as before.
	c = job("10.0.0.1", "10.0.0.2")
	script := rendertest.Script(t, ": >/etc/started; until test -e /etc/held; do sleep 0.01; done; exec "+realExportfs+" \"$@\"\n")
	c.Exportfs.Path, c.Exportfs.Timeout = script, 2*time.Second
	go func() {
		for range 5000 {
			if _, err := os.Stat("/etc/started"); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		set(unix.F_WRLCK)
		if err := os.WriteFile("/etc/held", nil, 0o644); err != nil {
			panic(err)
		}
	}()
	begin := time.Now()
	_, err = Run(t.Context(), c)
	failure, ok := errors.AsType[*ActivationError](err)
	if !ok || !failure.FileRestored || !failure.TableRestored || !strings.Contains(err.Error(), "holds exportfs's lock "+exportfs.LockFile) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	asBefore()
	set(unix.F_UNLCK)
}
