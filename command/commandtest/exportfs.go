package commandtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fakeExportfs stands in for exportfs(8) where that is not installed: it reads
// the *.exports files of exports.d in its home directory, writes the table to
// etab, does as exportfs.mode says, for this one run if that ends in "once", and
// logs its runs to exportfs.log.
func fakeExportfs(home string, args []string) int {
	dir, etab, logFile := home+"/exports.d", home+"/etab", home+"/exportfs.log"
	if _, err := os.Stat("/proc/self"); err != nil {
		// Inside the sandbox: the real one has fixed paths too.
		dir, etab, logFile = "/etc/exports.d", "/var/lib/nfs/etab", os.DevNull
	}
	text, err := os.ReadFile(home + "/exportfs.mode")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	mode, once := strings.CutSuffix(strings.TrimSpace(string(text)), " once")
	if once {
		if err := os.Remove(home + "/exportfs.mode"); err != nil {
			panic(err)
		}
	}
	log, err := os.OpenFile(logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	if _, err := fmt.Fprintln(log, strings.Join(args, " ")); err != nil {
		panic(err)
	}
	switch mode {
	case "waits":
		for {
			if _, err := os.Stat(home + "/exportfs.log.go"); err == nil {
				break
			}
			if _, err := os.Stat(home); err != nil {
				return 1 // the test has ended
			}
			time.Sleep(time.Millisecond)
		}
	case "nothing":
		return 0
	case "refuses":
		if strings.Contains(table(dir), "bogus") {
			fmt.Fprintln(os.Stderr, "exportfs: "+dir+"/nfs-exportd.exports:9: unknown keyword \"bogus\"")
			return 1
		}
	case "fails":
		fmt.Fprintln(os.Stderr, "exportfs: \x1b[31mthis did not work\x1b[0m")
		return 1
	}
	active := table(dir)
	switch mode {
	case "truncates":
		active = active[:len(active)/2]
	case "again": // what the file again has comes back each time
		more, err := os.ReadFile(home + "/again")
		if err != nil {
			panic(err)
		}
		active += string(more)
	}
	// The real one leaves a table that stays the same alone, too.
	if old, err := os.ReadFile(etab); err != nil || string(old) != active {
		if err := os.WriteFile(etab, []byte(active), 0o644); err != nil {
			panic(err)
		}
	}
	if Exists(home+"/flush") && Exists("/proc/self") {
		// As Linux does, which never gives the same time twice.
		switch old, err := os.ReadFile(home + "/flush"); {
		case err != nil:
			panic(err)
		case mode == "unflushed":
		case mode == "killed":
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				panic(err)
			}
			select {}
		default:
			last, _ := strconv.ParseInt(strings.TrimSpace(string(old)), 10, 64)
			if err := os.WriteFile(home+"/flush", fmt.Appendln(nil, max(time.Now().Unix(), last+1)), 0o644); err != nil {
				panic(err)
			}
		}
	}
	if mode == "complains" {
		fmt.Fprintln(os.Stderr, "exportfs: all is well, but the exit status says otherwise")
		return 1
	}
	return 0
}

// table gives the table for the exports files of a directory.
func table(dir string) string {
	names, err := filepath.Glob(filepath.Join(dir, "[^.]*.exports"))
	if err != nil {
		panic(err)
	}
	slices.Sort(names)
	// As /etc/exports beside /etc/exports.d.
	if first := filepath.Join(filepath.Dir(dir), "exports"); Exists(first) {
		names = slices.Insert(names, 0, first)
	}
	var b strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			words := strings.Fields(line)
			if len(words) == 0 {
				continue
			}
			options := ""
			for _, word := range words[1:] {
				if word[0] == '-' {
					options = word[1:]
					continue
				}
				client, own, ok := strings.Cut(strings.TrimSuffix(word, ")"), "(")
				if !ok {
					own = options
				}
				fmt.Fprintf(&b, "%s\t%s(%s,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534)\n", words[0], client, own)
			}
		}
	}
	return b.String()
}

// MakeExportfs puts a stand-in for exportfs into a directory. Another process
// writes it: a process that a test starts meanwhile would inherit a file that
// this one has open, and what is open for writing cannot be run.
func MakeExportfs(dir string) error {
	fake, err := exec.LookPath("fake-exportfs")
	if err != nil {
		return err
	}
	cmd := exec.Command("sh", "-c", `printf '#!/bin/sh\nGORACE=atexit_sleep_ms=0 exec "%s" "%s" "$@"\n' "$1" "$2" >"$2/exportfs" && chmod +x "$2/exportfs"`, "sh", fake, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Exists reports whether there is a file at a path.
func Exists(path string) bool {
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	return err == nil
}

// Namespaces reports whether this user can have private namespaces, without which
// there is no test run of exportfs. A machine for CI must have them.
func Namespaces() (bool, error) {
	err := exec.Command("unshare", "--user", "--map-root-user", "--mount", "--net", "true").Run()
	if err != nil && os.Getenv("CI") != "" {
		return false, fmt.Errorf("no namespaces in CI: %w", err)
	}
	return err == nil, nil
}
