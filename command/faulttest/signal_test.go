package faulttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"nfs-exportd/command"
	"nfs-exportd/command/commandtest"
	"nfs-exportd/keystone/keystonetest"
)

// moment is where a run is when something happens to it.
type moment int

const (
	asksCloud moment = iota
	waitsForLock
	inExportfs
)

// TestSignals ends a run before the write, where it ends at once and changes
// nothing, and in it, where it is finished first.
func TestSignals(t *testing.T) {
	// nohup and a shell's & have the tests ignore some of them, and every program that
	// they run as well. What the tests catch has its default effect there.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(caught)
	d := newDisk(t, newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"}))
	for _, test := range []struct {
		name    string
		moment  moment
		signals []syscall.Signal
		group   bool // they are sent to the whole process group, as a terminal does
		under   []string
		status  int
	}{
		{name: "hang-up", signals: []syscall.Signal{syscall.SIGHUP}, status: 129},
		{name: "interrupt", signals: []syscall.Signal{syscall.SIGINT}, status: 130},
		{name: "termination", signals: []syscall.Signal{syscall.SIGTERM}, status: 143},
		{name: "two at once", signals: []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, status: 143},
		{name: "termination while it waits for the lock", moment: waitsForLock, signals: []syscall.Signal{syscall.SIGTERM}, status: 143},
		{name: "hang-up under nohup", signals: []syscall.Signal{syscall.SIGHUP}, under: []string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh"}},
		{name: "interrupt in the background", signals: []syscall.Signal{syscall.SIGINT}, under: []string{"sh", "-c", `trap "" INT; exec "$@"`, "sh"}},
		{name: "hang-up in the write", moment: inExportfs, signals: []syscall.Signal{syscall.SIGHUP}},
		{name: "interrupt in the write", moment: inExportfs, signals: []syscall.Signal{syscall.SIGINT}},
		{name: "termination in the write", moment: inExportfs, signals: []syscall.Signal{syscall.SIGTERM}},
		{name: "all in the write, and again", moment: inExportfs, signals: []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGTERM}},
		{name: "interrupt of the group in the write", moment: inExportfs, signals: []syscall.Signal{syscall.SIGINT}, group: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Cleanup(func() { d.reset(t) })
			before := d.look(t)
			r := d.begin(t, test.moment, test.under)
			pid := r.cmd.Process.Pid
			if test.group {
				pid = -pid
			}
			for _, sig := range test.signals {
				if err := syscall.Kill(pid, sig); err != nil {
					t.Fatal(err)
				}
			}
			if test.status != 0 {
				// It must not need anything else to end.
				got := r.end(t)
				r.goOn()
				if got.Status != test.status || strings.Count(got.Stderr, "nfs-exportd: error: ") != 1 || got.Stdout != "" {
					t.Errorf("exit status %d, want %d; printed %q and said:\n%s", got.Status, test.status, got.Stdout, got.Stderr)
				}
				if diff := cmp.Diff(before, d.look(t)); diff != "" {
					t.Errorf("something changed (-before +after):\n%s", diff)
				}
				t.Log(got.Stderr)
				return
			}
			r.goOn()
			if got := r.end(t); got.Status != 0 || got.Stderr != "" || !strings.HasSuffix(got.Stdout, "\napplied\n") {
				t.Errorf("exit status %d, printed:\n%s%s", got.Status, got.Stdout, got.Stderr)
			}
			d.isWanted(t)
		})
	}
}

// outlet is where an output of a run goes.
type outlet int

const (
	read   outlet = iota
	gone          // the reader has ended
	full          // a full disk
	closed        // the file descriptor is not open
)

// TestOutput takes away who reads the output of a run.
func TestOutput(t *testing.T) {
	d := newDisk(t, newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"}))
	const cannotPrint = "nothing was changed: run again with a standard output that takes it"
	for _, test := range []struct {
		name, command  string
		stdout, stderr outlet
		args           []string
		status         int
		says           string
		wanted         bool // the change is made
	}{
		{name: "plan to nobody", command: "plan", stdout: gone, status: 141, says: "broken pipe; " + cannotPrint},
		{name: "apply to nobody", command: "apply", stdout: gone, status: 141, says: "broken pipe; " + cannotPrint},
		{name: "plan to a full disk", command: "plan", stdout: full, status: command.ExitCannotWrite, says: "no space left on device; " + cannotPrint},
		{name: "apply to a full disk", command: "apply", stdout: full, status: command.ExitCannotWrite, says: "no space left on device; " + cannotPrint},
		{name: "apply without standard output", command: "apply", stdout: closed, wanted: true},
		{name: "apply without standard error", command: "apply", stderr: closed, wanted: true},
		{name: "apply with neither", command: "apply", stdout: closed, stderr: closed, wanted: true},
		{name: "error to nobody", command: "apply", stderr: gone, args: []string{"--exportfs", "/none"}, status: command.ExitExportfs},
		{name: "error to a full disk", command: "apply", stderr: full, args: []string{"--exportfs", "/none"}, status: command.ExitExportfs},
		{name: "error without standard error", command: "apply", stderr: closed, args: []string{"--exportfs", "/none"}, status: command.ExitExportfs},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Cleanup(func() { d.reset(t) })
			before := d.look(t)
			program, err := exec.LookPath("nfs-exportd")
			if err != nil {
				t.Fatal(err)
			}
			sh := `exec "$@"`
			var texts [2]bytes.Buffer
			var files [2]io.Writer
			for i, to := range []outlet{test.stdout, test.stderr} {
				files[i] = &texts[i]
				switch to {
				case gone:
					reader, writer, err := os.Pipe()
					if err != nil {
						t.Fatal(err)
					}
					files[i] = writer
					if err := reader.Close(); err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = writer.Close() })
				case full:
					file, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
					if err != nil {
						t.Fatal(err)
					}
					files[i] = file
					t.Cleanup(func() { _ = file.Close() })
				case closed:
					sh += fmt.Sprintf(" %d>&-", i+1)
				}
			}
			command := append(d.CommandLine(test.command)[1:], test.args...)
			cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", sh, "sh", program}, command...)...)
			cmd.Env, cmd.Stdout, cmd.Stderr = d.Env, files[0], files[1]
			if err := cmd.Run(); cmd.ProcessState == nil {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != test.status || !strings.Contains(texts[1].String(), test.says) {
				t.Errorf("exit status %d, want %d, and should say %q; said:\n%s", got, test.status, test.says, &texts[1])
			}
			if test.wanted {
				d.isWanted(t)
			} else if diff := cmp.Diff(before, d.look(t)); diff != "" {
				t.Errorf("something changed (-before +after):\n%s", diff)
			}
		})
	}
	t.Run("in the write", func(t *testing.T) {
		t.Cleanup(func() { d.reset(t) })
		r := d.begin(t, inExportfs, nil)
		for _, file := range r.readers {
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		}
		r.goOn()
		if err := r.cmd.Wait(); err != nil {
			t.Errorf("ended with %v", err)
		}
		d.isWanted(t)
	})
}

// isWanted checks that the change is made.
func (d *disk) isWanted(t *testing.T) {
	t.Helper()
	for _, name := range []string{"exports.d/nfs-exportd.exports", "etab"} {
		text, err := os.ReadFile(d.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d.wanted[name], string(text)); diff != "" {
			t.Errorf("%s is not as wanted (-want +got):\n%s", name, diff)
		}
	}
}

// underWay is an apply that has come to a moment and waits there.
type underWay struct {
	cmd     *exec.Cmd
	readers [2]*os.File // of standard output and error
	goOn    func()
}

func (d *disk) begin(t *testing.T, m moment, under []string) *underWay {
	t.Helper()
	program, err := exec.LookPath("nfs-exportd")
	if err != nil {
		t.Fatal(err)
	}
	r := &underWay{}
	var ready func() bool
	switch m {
	case asksCloud:
		asked, answer := make(chan struct{}), make(chan struct{})
		ask := sync.OnceFunc(func() { close(asked) })
		d.Cloud.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			ask()
			<-answer
			next.ServeHTTP(w, r)
		}})
		r.goOn = sync.OnceFunc(func() { close(answer) })
		t.Cleanup(r.goOn)
		ready = func() bool {
			select {
			case <-asked:
				return true
			default:
				return false
			}
		}
	case waitsForLock:
		path := d.Path("exports.d/.nfs-exportd.exports.lock")
		lock, err := os.Open(path)
		if err == nil {
			err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.goOn = func() { _ = lock.Close() }
		t.Cleanup(r.goOn)
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err == nil {
			_, err = unix.InotifyAddWatch(fd, path, unix.IN_OPEN)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		ready = func() bool {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return err == nil && n == 1
		}
	case inExportfs:
		d.Write(t, "exportfs.sh", exportfsFunctions+"touch $d/../started; while ! [ -e $d/../go ]; do sleep 0.01; done; honest\n")
		started, goOn := d.Path("../started"), d.Path("../go")
		t.Cleanup(func() {
			for _, path := range []string{started, goOn} {
				if err := os.Remove(path); err != nil {
					t.Error(err)
				}
			}
		})
		r.goOn = func() {
			if err := os.WriteFile(goOn, nil, 0o644); err != nil {
				t.Error(err)
			}
		}
		ready = func() bool { return commandtest.Exists(started) }
	}
	command := slices.Concat(under, []string{program}, d.CommandLine("apply")[1:])
	r.cmd = exec.Command(command[0], command[1:]...)
	r.cmd.Env = d.Env
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var writers [2]*os.File
	for i := range writers {
		if r.readers[i], writers[i], err = os.Pipe(); err != nil {
			t.Fatal(err)
		}
	}
	r.cmd.Stdout, r.cmd.Stderr = writers[0], writers[1]
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, file := range writers {
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); !ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the run does not come to where something is to happen to it")
		}
	}
	return r
}

// end waits for the end of the run.
func (r *underWay) end(t *testing.T) commandtest.Ran {
	t.Helper()
	var texts [2]string
	for i, file := range r.readers {
		text, err := io.ReadAll(file)
		if err != nil {
			t.Error(err)
		}
		texts[i] = string(text)
	}
	if err := r.cmd.Wait(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	return commandtest.Ran{Status: r.cmd.ProcessState.ExitCode(), Stdout: texts[0], Stderr: texts[1]}
}
