package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// starter is the first argument with which this program starts another one to
// measure it. Linux counts the memory of who starts a process as the process's
// own, until it has taken more: so this has to be somebody small.
const starter = "-start"

// ended is what the starter tells, as JSON on its file descriptor 3.
type ended struct {
	Status    int
	Wall, CPU time.Duration
	RSS       int64 // bytes
}

// start runs a command and tells how that went.
func start(command []string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	if cmd.ProcessState == nil {
		return err
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("this system does not tell what a process took")
	}
	return json.NewEncoder(os.NewFile(3, "3")).Encode(ended{
		Status: cmd.ProcessState.ExitCode(),
		Wall:   wall,
		CPU:    cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		RSS:    usage.Maxrss << 10, // Linux gives KiB
	})
}

// timed runs a command to its end, which has to be of a status, and gives what it
// took and its standard output.
func timed(env []string, status int, command ...string) (cost, []byte, error) {
	report, write, err := os.Pipe()
	if err != nil {
		return cost{}, nil, err
	}
	defer func() { _ = report.Close() }() // it was read to its end
	cmd := exec.Command("/proc/self/exe", append([]string{starter}, command...)...)
	cmd.Env = env
	cmd.ExtraFiles = []*os.File{write}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = errors.Join(cmd.Run(), write.Close())
	if err != nil {
		return cost{}, nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	var e ended
	if err := json.NewDecoder(report).Decode(&e); err != nil {
		return cost{}, nil, err
	}
	if e.Status != status {
		return cost{}, nil, fmt.Errorf("%v ended with %d and not %d: %.2000s", command, e.Status, status, stderr.String())
	}
	return cost{wall: e.Wall, cpu: e.CPU, rss: e.RSS}, stdout.Bytes(), nil
}
