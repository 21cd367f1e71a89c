package exportfs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// LookCommand is the argument with which this program is started to look at
// directories, and nothing else.
const LookCommand = "-look-child"

// Looker looks at directories. A file system that does not answer can block whoever
// looks in the kernel, where not even SIGKILL ends him: so another process does it, which
// is left behind.
type Looker struct {
	// Self is os.Args[0]; the other process is /proc/self/exe under this name. With ""
	// this process looks by itself.
	Self  string
	Limit time.Duration // for all paths together
}

// maxLooking is how many paths are looked at at a time. If so many hang, the others do
// not matter any more.
const maxLooking = 64

// answer is what was found at the path with a number.
type answer struct {
	N     int
	Found Directory
}

// Look looks at paths, all at the same time, and returns what it found, each path once and
// in order. It returns a *HangError if the limit is over, an *Error if there can be no other process,
// or the error of ctx.
func (l Looker) Look(ctx context.Context, paths []string) ([]Directory, error) {
	paths = slices.Compact(slices.Sorted(slices.Values(paths)))
	if len(paths) == 0 {
		return nil, nil
	}
	found := make(chan answer, len(paths)) // so that nobody waits who is left behind
	ended := make(chan error, 1)
	leave := func() {}
	if l.Self == "" {
		go func() {
			lookAtAll(paths, func(a answer) { found <- a })
			ended <- nil
		}()
	} else {
		cmd, err := l.start(paths, found, ended)
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNoProc
		}
		if err != nil {
			return nil, &Error{Path: "/proc/self/exe", Err: err}
		}
		leave = func() { _ = cmd.Process.Kill() } // and nobody waits until it is dead
	}
	timer := time.NewTimer(l.Limit)
	defer timer.Stop()
	all, missing := make([]Directory, len(paths)), len(paths)
	note := func(a answer) {
		all[a.N], missing = a.Found, missing-1
		all[a.N].Path = paths[a.N]
	}
	for missing > 0 {
		select {
		case a := <-found:
			note(a)
		case err := <-ended:
			for len(found) > 0 {
				note(<-found)
			}
			if missing > 0 {
				return nil, &Error{Path: "/proc/self/exe", Err: fmt.Errorf("it ended before it had looked at all directories: %w", err)}
			}
		case <-timer.C:
			leave()
			return nil, l.hanging(paths, all)
		case <-ctx.Done():
			leave()
			return nil, fmt.Errorf("looking at the exported directories: %w: %w", ctx.Err(), context.Cause(ctx))
		}
	}
	return all, nil
}

func (l Looker) hanging(paths []string, all []Directory) error {
	hang := &HangError{Limit: l.Limit.String()}
	for i, path := range paths {
		if all[i].Path == "" {
			hang.Paths = append(hang.Paths, path)
		}
	}
	return hang
}

// start starts the other process, and has its answers sent to found, then how it ended to
// ended.
func (l Looker) start(paths []string, found chan<- answer, ended chan<- error) (*exec.Cmd, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{l.Self, LookCommand}
	cmd.Env = append(Environment(), "GORACE=atexit_sleep_ms=0")
	cmd.Dir = "/"
	// A signal of the terminal is this process's business.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var raw [][]byte // a path of another exports file can be any bytes
	for _, path := range paths {
		raw = append(raw, []byte(path))
	}
	request, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	cmd.Stdin = bytes.NewReader(request)
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		for decoder := json.NewDecoder(answers); ; {
			var a answer
			if err := decoder.Decode(&a); err != nil || a.N < 0 || a.N >= len(paths) {
				break // the end, or it is killed
			}
			found <- a
		}
		ended <- cmd.Wait()
	}()
	return cmd, nil
}

// LookMain is the other process: it reads the paths from its standard input and prints
// what it finds, one JSON object for each path, in the order in which they answer. It
// returns the exit status.
func LookMain() int {
	text, err := io.ReadAll(os.Stdin)
	var raw [][]byte
	if err == nil {
		err = json.Unmarshal(text, &raw)
	}
	if err != nil {
		return 1
	}
	var paths []string
	for _, path := range raw {
		paths = append(paths, string(path))
	}
	var printing sync.Mutex
	answers := json.NewEncoder(os.Stdout)
	status := 0
	lookAtAll(paths, func(a answer) {
		printing.Lock()
		defer printing.Unlock()
		if answers.Encode(a) != nil {
			status = 1 // nobody reads any more
		}
	})
	return status
}

// lookAtAll calls found with what is at each path.
func lookAtAll(paths []string, found func(answer)) {
	next := make(chan int)
	var looking sync.WaitGroup
	for range min(maxLooking, len(paths)) {
		looking.Go(func() {
			for n := range next {
				found(answer{n, lookAt(paths[n])})
			}
		})
	}
	for n := range paths {
		next <- n
	}
	close(next)
	looking.Wait()
}

// Wait is cmd.Wait for a command that ctx kills. It does not wait for a process that a
// file system keeps alive for a while after it was killed: it returns the error of ctx
// then, and left is true. What the command writes to must not be read in that case.
func Wait(ctx context.Context, cmd *exec.Cmd) (left bool, err error) {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return false, err
	case <-ctx.Done():
	}
	timer := time.NewTimer(2 * WaitDelay)
	defer timer.Stop()
	select {
	case err := <-done:
		return false, err
	case <-timer.C:
		return true, ctx.Err()
	}
}
