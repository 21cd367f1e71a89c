package exportfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nfs-exportd/render/rendertest"
)

func TestReload(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       Ran
	}{
		{"silent", "exit 0", Ran{0, ""}},
		{"status", "echo one >&2; echo two; exit 3", Ran{3, "one\ntwo"}},
		{"hostile", `printf 'a\033[2Jb\n\n\r\n\303\244\000 "q" \\040\n' >&2`, Ran{0, "a\\x1b[2Jb\n\\xc3\\xa4\\x00 \"q\" \\040"}},
		{"signal", "kill -9 $$", Ran{-1, ""}},
		{"arguments and surroundings", `echo "$*"; pwd; env | sort | grep -v -e ^PWD= -e ^SHLVL= -e ^_=; readlink /proc/self/fd/0`,
			Ran{0, "-ra\n/\nLC_ALL=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n/dev/null"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Program{Path: rendertest.Script(t, test.text), Timeout: time.Minute}.Reload(t.Context())
			if err != nil || got != test.want {
				t.Errorf("got %+q, %v", got, err)
			}
		})
	}
}

func TestReloadBounded(t *testing.T) {
	t.Parallel()
	ran, err := Program{Path: rendertest.Script(t, "head -c 1000000 /dev/zero | tr '\\0' x >&2"), Timeout: time.Minute}.Reload(t.Context())
	if err != nil || len(ran.Said) != maxSaid {
		t.Errorf("%d bytes, %v", len(ran.Said), err)
	}
}

func TestReloadHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pids := filepath.Join(dir, "pids")
	path := rendertest.Script(t, "sleep 1000 & echo $! >>"+pids+"; echo $$ >>"+pids+"; echo waiting >&2; wait")
	var failed *Error
	for _, limit := range rendertest.Limits() {
		_, err := Program{Path: path, Timeout: limit}.Reload(t.Context())
		if !errors.As(err, &failed) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		if failed.Ran.Said != "" {
			break
		}
	}
	if failed.Ran.Said != "waiting" {
		t.Errorf("error %v", failed)
	}
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(text)) {
		if gone(t, pid) {
			continue
		}
		t.Errorf("process %s is still there", pid)
	}
}

// A process of its own session is out of reach, but cannot hold up the run by
// keeping the output open.
func TestReloadLeavesChild(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text   string
		limits []time.Duration
		right  func(Ran, error) bool
	}{
		"done": {"exit 0", []time.Duration{time.Minute}, func(ran Ran, err error) bool {
			return err == nil && ran == Ran{0, "done"}
		}},
		"failed": {"exit 1", []time.Duration{time.Minute}, func(ran Ran, err error) bool {
			return err == nil && ran == Ran{1, "done"}
		}},
		"hangs": {"trap '' TERM INT HUP; while :; do sleep 1000; done", rendertest.Limits(), func(_ Ran, err error) bool {
			return errors.Is(err, context.DeadlineExceeded)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pid := filepath.Join(t.TempDir(), "pid")
			path := rendertest.Script(t, "setsid sh -c 'echo $$ >"+pid+"; echo done >&2; exec sleep 1000' & while ! [ -s "+pid+" ]; do sleep 0.01; done\n"+test.text)
			var text []byte
			for _, limit := range test.limits {
				ran, err := Program{Path: path, Timeout: limit}.Reload(t.Context())
				if !test.right(ran, err) {
					t.Errorf("%+v, %v", ran, err)
				}
				if text, err = os.ReadFile(pid); err == nil {
					break
				}
			}
			child, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Kill(child, unix.SIGKILL); err != nil {
				t.Errorf("the child was to live on: %v", err)
			}
		})
	}
}

// gone waits until a process that was killed has ended, but not for ever.
func gone(t *testing.T, pid string) bool {
	t.Helper()
	number, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(number, 0)
	if errors.Is(err, unix.ESRCH) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	for {
		ended, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && ended == 1
		}
	}
}

func TestReloadCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Program{Path: rendertest.Script(t, "exit 0"), Timeout: time.Minute}.Reload(ctx)
	var failed *Error
	if !errors.As(err, &failed) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestReloadCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rendertest.Write(t, filepath.Join(dir, "plain"), "", 0o644)
	rendertest.Write(t, filepath.Join(dir, "interpreted"), "#!"+dir+"/none\n", 0o755)
	rendertest.Write(t, filepath.Join(dir, "cut"), "\x7fELF", 0o755)
	for path, words := range map[string]string{
		dir:                               "see that it is a program",
		filepath.Join(dir, "interpreted"): "the interpreter that its first line names is not",
		filepath.Join(dir, "cut"):         "exec format error",
		filepath.Join(dir, "none"):        "nfs-kernel-server",
		filepath.Join(dir, "plain"):       "permission denied",
	} {
		_, err := Program{Path: path, Timeout: time.Minute}.Reload(t.Context())
		var failed *Error
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), words) {
			t.Errorf("error %v", err)
		}
	}
}
