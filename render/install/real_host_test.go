//go:build real

package install

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/rendertest"
)

// These tests run the real exportfs (Debian: nfs-kernel-server), as root, in a
// mount and network namespace with an /etc of their own, where they do what they
// like.

const (
	realExportfs = "/usr/sbin/exportfs"
	// stateDir is where exportfs has its table, as nfs.conf says, and liveDir
	// where it has its lock, whatever nfs.conf says.
	stateDir = "/etc/.nfs"
	liveDir  = "/var/lib/nfs"

	// insideEnv has the mount namespace of the process that ran the test again.
	insideEnv      = "RENDER_TEST_INSIDE"
	mountNamespace = "/proc/self/ns/mnt"
)

// insideHost reports whether this is the inner run. The outer one starts it.
func insideHost(t *testing.T) bool {
	t.Helper()
	self, err := os.Readlink(mountNamespace)
	if err != nil {
		t.Fatal(err)
	}
	switch os.Getenv(insideEnv) {
	case "":
		if err := rendertest.InNamespaces(t, insideEnv+"="+self); err != nil {
			t.Error(err)
		}
		return false
	case self:
		t.Fatal("this is not a namespace of its own")
	}
	for _, step := range []func() error{
		func() error { return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") },
		func() error { return syscall.Mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") },
		exec.CommandContext(t.Context(), "cp", "-a", "/etc/.", "/mnt").Run,
		func() error { return syscall.Mount("/mnt", "/etc", "", syscall.MS_BIND, "") },
		func() error { return os.RemoveAll("/etc/nfs.conf.d") },
		func() error { return os.RemoveAll("/etc/exports.d") },
		func() error { return os.Mkdir("/etc/exports.d", 0o755) },
		func() error { return os.Mkdir(stateDir, 0o755) },
		func() error { return syscall.Mount(stateDir, liveDir, "", syscall.MS_BIND, "") },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"exports":       "",
		"nsswitch.conf": "hosts: files\n",
		"nfs.conf":      "[exportd]\nstate-directory-path=" + stateDir + "\n[mountd]\nstate-directory-path=" + stateDir + "\n",
	} {
		rendertest.Write(t, filepath.Join("/etc", name), text, 0o644)
	}
	return true
}

func readTable(t *testing.T, path string) render.Table {
	t.Helper()
	table, err := exportfs.ReadTable(path)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// realHost is this host, inside of insideHost. There nfs.conf names the directory
// of the table.
func realHost() (File, exportfs.Program) {
	return File{"/etc/exports.d/nfs.exports"}, exportfs.Program{Path: realExportfs, Etab: stateDir + "/etab", Timeout: time.Minute}
}

// realChange is a change from what there is to want.
func realChange(t *testing.T, want exports.Set) Job {
	t.Helper()
	f, program := realHost()
	foreign, err := exportfs.ReadForeign("/etc/exports", f.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Job{File: f, Old: load(t, f), Text: marshal(t, want), Want: want, Foreign: foreign, Exportfs: program}
}

// tableOrNothing is a table that may be something else than a file.
func tableOrNothing(path string) render.Table {
	table, err := exportfs.ReadTable(path)
	if err != nil {
		return nil
	}
	return table
}

func isExportfsError(err error) bool {
	_, ok := errors.AsType[*exportfs.Error](err)
	return ok
}
