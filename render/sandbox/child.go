package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"nfs-exportd/render/exportfs"
)

// The inside of the sandbox. /etc becomes a tmpfs with links to all that was in
// it but the files that exportfs reads: so it does not matter which of those
// the host has, or where they really are.
const (
	oldEtc         = "/etc/.host"
	stateDir       = "/etc/.nfs"
	liveDir        = "/var/lib/nfs"
	exportFeatures = "/proc/fs/nfsd/export_features"
)

// etcFiles are the files of /etc that the sandbox has instead of the host's.
// Names were looked up before: without a network that would only cost time, and
// some services answer on a socket even here.
var etcFiles = map[string]string{
	"nsswitch.conf": "hosts: files\n",
	"host.conf":     "multi on\n",
	"resolv.conf":   "",
	"nfs.conf":      "[exportd]\nstate-directory-path=" + stateDir + "\n[mountd]\nstate-directory-path=" + stateDir + "\n[exports]\nrootdir=/\n",
}

// hidden are further things of /etc that the sandbox does not have from the
// host.
var hidden = []string{"hosts", "exports", "exports.d", "nfs.conf.d", filepath.Base(oldEtc), filepath.Base(stateDir)}

// childMain is the inside of the sandbox: it does what its standard input asks
// for and replies on its standard output. It returns the exit status. Only
// Sandbox starts it, in namespaces made for it.
func childMain() int {
	if err := guard(); err != nil {
		fmt.Fprintf(os.Stderr, "%s is a part of a test run, and not for use by hand: %s\n", childCommand, err)
		return 70
	}
	syscall.CloseOnExec(outsideFD)
	var request childRequest
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		fmt.Fprintf(os.Stderr, "not for use by hand: %s\n", err)
		return 70
	}
	if err := json.NewEncoder(os.Stdout).Encode(inside(request)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 70
	}
	return 0
}

func inside(request childRequest) childReply {
	if step, err := enter(request.Hosts); err != nil {
		reply := childReply{Step: step, Problem: err.Error()}
		errors.As(err, &reply.Errno)
		return reply
	}
	var reply childReply
	for _, files := range request.Runs {
		if err := lay(files); err != nil {
			return childReply{Step: "lay out the exports files", Problem: err.Error()}
		}
		result := runResult{}
		var err error
		var failed *exportfs.Error
		result.Ran, err = exportfs.Program{Path: request.Exportfs, Timeout: request.Timeout}.Reload(context.Background())
		if errors.As(err, &failed) {
			result.TimedOut = errors.Is(err, context.DeadlineExceeded)
			result.Problem = failed.Err.Error()
			errors.As(err, &result.Errno)
		}
		if result.Etab, err = os.ReadFile(stateDir + "/etab"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return childReply{Step: "read the table", Problem: err.Error()}
		}
		reply.Results = append(reply.Results, result)
	}
	return reply
}

// enter makes the file system of the sandbox. It returns the step that failed.
func enter(hosts []byte) (step string, err error) {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return "make its mounts private", err
	}
	// exportfs writes other words into the table when it knows what the
	// kernel can do.
	features, err := os.ReadFile(exportFeatures)
	if err != nil {
		features = nil
	}
	if step, err := newEtc(); err != nil {
		return step, err
	}
	if err := writeNew("/etc/hosts", hosts); err != nil {
		return "write /etc/hosts", err
	}
	if step, err := newState(); err != nil {
		return step, err
	}
	// With the real /proc exportfs would empty the kernel's caches.
	if err := mountTmpfs("/proc"); err != nil {
		return "hide /proc", err
	}
	if features != nil {
		if err := writeNew(exportFeatures, features); err != nil {
			return "say what the kernel can do", err
		}
	}
	return "", nil
}

// newEtc puts a tmpfs over /etc.
func newEtc() (step string, err error) {
	old, err := os.Open("/etc")
	if err != nil {
		return "open /etc", err
	}
	defer func() { _ = old.Close() }() // nothing was written to it
	entries, err := old.ReadDir(-1)
	if err != nil {
		return "list /etc", err
	}
	if err := mountTmpfs("/etc"); err != nil {
		return "put a file system over /etc", err
	}
	for _, dir := range []string{oldEtc, stateDir, "/etc/exports.d"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "make " + dir, err
		}
	}
	// What is mounted in /etc must come along: to see what a mount hides is
	// forbidden in a user namespace.
	if err := syscall.Mount(fmt.Sprintf("/proc/self/fd/%d", old.Fd()), oldEtc, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return "bind the host's /etc", err
	}
	for name, text := range etcFiles {
		if err := writeNew("/etc/"+name, []byte(text)); err != nil {
			return "write /etc/" + name, err
		}
	}
	for _, entry := range entries {
		name := entry.Name()
		if _, ok := etcFiles[name]; ok || slices.Contains(hidden, name) {
			continue
		}
		// A relative link also leads to the right place inside another sandbox.
		if err := os.Symlink(filepath.Join(filepath.Base(oldEtc), name), "/etc/"+name); err != nil {
			return "link /etc/" + name, err
		}
	}
	return "", nil
}

// newState hides the active table of the host from an exportfs that does not
// heed state-directory-path.
func newState() (step string, err error) {
	if info, err := os.Stat(liveDir); err != nil || !info.IsDir() {
		return "", nil
	}
	if err := syscall.Mount(stateDir, liveDir, "", syscall.MS_BIND, ""); err != nil {
		return "hide " + liveDir, err
	}
	return "", nil
}

func mountTmpfs(path string) error {
	return syscall.Mount("tmpfs", path, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "mode=0755,size=512m")
}

func writeNew(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// lay puts exports files in place of those of the last run, and takes away what
// exportfs left.
func lay(files exportsFiles) error {
	for _, dir := range []string{"/etc/exports.d", stateDir} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.RemoveAll("/etc/exports"); err != nil {
		return err
	}
	if err := writeNew("/etc/exports", files.EtcExports); err != nil {
		return err
	}
	for _, f := range files.Directory {
		if err := writeNew(filepath.Join("/etc/exports.d", string(f.Name)), f.Text); err != nil {
			return err
		}
	}
	return nil
}
