package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nfs-exportd/keystone/keystonetest"
)

// TestSignals ends a run at its two kinds of moments: before the write, where it
// ends at once and changes nothing, and in it, where it is finished first.
func TestSignals(t *testing.T) {
	program, err := exec.LookPath("nfs-exportd")
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String()+" before the write", func(t *testing.T) {
			w := newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
			hole, ok := keystonetest.FaultNamed("black-hole")
			if !ok {
				t.Fatal("no fault black-hole")
			}
			asked := w.cloud.Inject(hole.On(keystonetest.Instances))
			got := w.signal(t, program, sig, func() bool { return asked.Hits() > 0 }, func() {})
			if want := exitSignal + int(sig); got.status != want {
				t.Errorf("exit status %d, want %d; said:\n%s", got.status, want, got.stderr)
			}
			w.untouched(t)
		})
		t.Run(sig.String()+" in the write", func(t *testing.T) {
			w := newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
			if err := keystonetest.Load(w.cloud.Cloud, []byte("instances: {t9: {project: tools, addresses: {lan: [10.0.0.9]}}}")); err != nil {
				t.Fatal(err)
			}
			w.write(t, "exportfs.mode", "waits")
			started, goOn := filepath.Join(w.dir, "exportfs.log"), filepath.Join(w.dir, "exportfs.log.go")
			got := w.signal(t, program, sig, func() bool { return exists(started) }, func() { w.write(t, filepath.Base(goOn), "") })
			if got.status != 0 || !strings.HasSuffix(got.stdout, "\napplied\n") {
				t.Errorf("exit status %d, printed:\n%s%s", got.status, got.stdout, got.stderr)
			}
			for _, name := range []string{"etab", "exports.d/nfs-exportd.exports"} {
				text, err := os.ReadFile(filepath.Join(w.dir, name))
				if err != nil || !bytes.Contains(text, []byte("10.0.0.9(")) {
					t.Errorf("%s (%v) lacks the new grant:\n%s", name, err, text)
				}
			}
		})
	}
}

// signal runs an apply, sends it a signal once ready, and then calls after.
func (w *world) signal(t *testing.T, program string, sig syscall.Signal, ready func() bool, after func()) ran {
	t.Helper()
	cmd := exec.Command(program, w.commandLine("apply")[1:]...)
	cmd.Env = w.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); !ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the run does not come to where the signal is to reach it")
		}
	}
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	after()
	if err := cmd.Wait(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	return ran{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	return err == nil
}
