package main

import (
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// exportLocks has the open lock file of each script that holds one, by its directory.
type exportLocks struct {
	mu   sync.Mutex
	held map[string]*os.File
}

// run is the command that holds the lock of exportfs as another process does:
//
//	export-lock read FILE
//	export-lock write FILE
//	export-lock release
func (l *exportLocks) run(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		args = []string{""}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	kind, holds := map[string]int16{"read": syscall.F_RDLCK, "write": syscall.F_WRLCK}[args[0]]
	switch dir := ts.Getenv("WORK"); {
	case !neg && len(args) == 2 && holds:
		file, err := os.OpenFile(ts.MkAbs(args[1]), os.O_RDWR, 0)
		ts.Check(err)
		lock := syscall.Flock_t{Type: kind, Whence: io.SeekStart}
		ts.Check(syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, &lock))
		l.held[dir] = file
	case !neg && len(args) == 1 && args[0] == "release":
		ts.Check(l.held[dir].Close())
		delete(l.held, dir)
	default:
		ts.Fatalf("usage: export-lock read|write FILE, export-lock release")
	}
}
