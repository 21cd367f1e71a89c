package faulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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

// diskRow is a fault of the disk or of exportfs. apply has a change to make and
// must end with the row's status and say what the row says, and the exports file
// and the active table, and all else, must be as before.
type diskRow struct {
	failureRow
	// make makes the fault. What lasts longer than the directory of the world
	// it takes away with t.Cleanup.
	make func(*testing.T, *world)
	// during is done in the middle of apply, while it waits for the cloud. What
	// it leaves must then stay.
	during func(*testing.T, *world)
	// exportfs is what exportfs does in the place of its work once the new
	// exports file is there, as a shell script; see exportfsFunctions.
	exportfs string
	// forGood makes exportfs do so with the old exports file as well.
	forGood bool
	// patience is for one run of exportfs.
	patience time.Duration
	// app changes what comes from outside.
	app func(*command.App, *world)
	// args are further arguments of apply, with $d for the directory of the world.
	args []string
	// under is a command that runs the program as a process of its own.
	under []string
	// nobody runs it as a user without rights.
	nobody bool
	// plan tells that plan meets the fault as well. Otherwise it ends with 0.
	plan bool
	// check tells that check must meet the fault as well, before any run does.
	check bool
	// file and table are what there is in the end.
	file, table state
	// needs are what a machine may not have: "mounts", or "immutable" files.
	needs string
}

// state is which version of a file is there.
type state int

const (
	asBefore state = iota
	asWanted
	asItLikes
)

// A stand-in for exportfs: "honest" does what exportfs does, in the directory $d.
const exportfsFunctions = `
honest() {
	sed -n '/^[^#]/{s/ *#.*//;s/ /\t/;s/)$/,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534)/;p}' $d/exports.d/*.exports >$d/etab.new
	mv $d/etab.new $d/etab
}
`

func diskRows() []diskRow {
	const (
		free                = "Make room there; nothing else is needed."
		away                = "See what it is and who put it there, and move it away."
		again               = "See who else writes to it; the next run goes by what is there then."
		mend                = "Mend exportfs, and run again."
		rights              = "Run as root."
		exports             = "exports.d/nfs-exportd.exports"
		lock                = "exports.d/.nfs-exportd.exports.lock"
		exportLock, nfsConf = "export-lock", "nfs.conf"
	)
	return []diskRow{
		// The directory of the exports file.
		{
			failureRow: failureRow{"the file system of the exports file is full", command.ExitCannotWrite, "no space left on device: make room on the file system of ", free},
			check:      true,
			needs:      "mounts",
			make: func(t *testing.T, w *world) {
				w.mount(t, "exports.d", "size=64k")
				fill(t, w.Path("exports.d/filler"))
			},
		},
		{
			failureRow: failureRow{"the file system of the exports file fills up in the middle of the write", command.ExitCannotWrite, "no space left on device: make room on the file system of ", free},
			needs:      "mounts",
			// One page has the old file, and the new one needs two.
			make: func(t *testing.T, w *world) { w.mount(t, "exports.d", "size=8k") },
		},
		{
			failureRow: failureRow{"the file system of the exports file has no inodes left", command.ExitCannotWrite, "no space left on device: make room on the file system of ", free},
			needs:      "mounts",
			make:       func(t *testing.T, w *world) { w.mount(t, "exports.d", "nr_inodes=3") },
		},
		{
			failureRow: failureRow{"the file system of the exports file is read-only", command.ExitCannotWrite, "read-only file system: make the file system of ", "Mend the file system (the kernel log tells why it is read-only), or mount it writable."},
			check:      true,
			needs:      "mounts",
			make: func(t *testing.T, w *world) {
				w.mount(t, "exports.d", "")
				w.readOnly(t, "exports.d")
			},
		},
		{
			failureRow: failureRow{"the file system of the exports file becomes read-only during the run", command.ExitCannotWrite, "read-only file system: make the file system of ", "Mend the file system (the kernel log tells why it is read-only), or mount it writable."},
			needs:      "mounts",
			make:       func(t *testing.T, w *world) { w.mount(t, "exports.d", "") },
			during:     func(t *testing.T, w *world) { w.readOnly(t, "exports.d") },
		},
		{
			failureRow: failureRow{"the directory of the exports file is a file system of its own", command.ExitOK, "", "Nothing."},
			needs:      "mounts",
			make:       func(t *testing.T, w *world) { w.mount(t, "exports.d", "") },
			file:       asWanted, table: asWanted,
		},
		{
			failureRow: failureRow{"the directory of the exports file does not exist", command.ExitCannotWrite, "no such file or directory: create the directory ", "Create it, or name another file with --exports-file."},
			make: func(t *testing.T, w *world) {
				w.rename(t, "exports.d", "away")
			},
		},
		{
			failureRow: failureRow{"a file is in the place of the directory", command.ExitCannotWrite, "not a directory: see what is in the place of the directory ", away},
			plan:       true,
			make: func(t *testing.T, w *world) {
				w.rename(t, "exports.d", "away")
				w.Write(t, "exports.d", "")
			},
		},
		{
			failureRow: failureRow{"the directory of the exports file is immutable", command.ExitCannotWrite, "operation not permitted: run as root; if this is root, see with lsattr", "Take the attribute away with chattr -i."},
			check:      true,
			needs:      "immutable",
			make:       func(t *testing.T, w *world) { w.attribute(t, "exports.d", unix.STATX_ATTR_IMMUTABLE) },
		},
		{
			failureRow: failureRow{"a user without the right to write to the directory runs it", command.ExitCannotWrite, "permission denied: run as root, or give this user the right to it in ", rights},
			nobody:     true,
		},
		{
			failureRow: failureRow{"a user who may write to the directory, but does not own the exports file, runs it", command.ExitCannotWrite, "cannot keep the owner of ", rights},
			nobody:     true,
			args:       []string{"--etab", "$d/state/etab"},
			make: func(t *testing.T, w *world) {
				w.mkdir(t, "state")
				w.Write(t, "state/etab", w.Before["etab"])
				for path, mode := range map[string]fs.FileMode{"exports.d": 0o777, "state": 0o777, lock: 0o666} {
					if err := os.Chmod(w.Path(path), mode); err != nil {
						t.Fatal(err)
					}
				}
			},
		},

		// The exports file.
		{
			failureRow: failureRow{"the exports file is a symbolic link", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			plan:       true,
			make: func(t *testing.T, w *world) {
				w.rename(t, exports, "elsewhere")
				w.symlink(t, "../elsewhere", exports)
			},
		},
		{
			failureRow: failureRow{"the exports file is a symbolic link to nothing", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.symlink(t, "nowhere", exports) },
		},
		{
			failureRow: failureRow{"the exports file is a symbolic link to a directory", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.symlink(t, "..", exports) },
		},
		{
			failureRow: failureRow{"the exports file is a directory", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.mkdir(t, exports) },
		},
		{
			failureRow: failureRow{"the exports file is a FIFO", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.fifo(t, exports) },
		},
		{
			failureRow: failureRow{"the exports file is a socket", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.socket(t, exports) },
		},
		{
			failureRow: failureRow{"the exports file is a device", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			plan:       true,
			needs:      "mounts",
			make: func(t *testing.T, w *world) {
				if err := syscall.Mount("/dev/zero", w.Path(exports), "", syscall.MS_BIND, ""); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { w.unmount(t, exports) })
			},
		},
		{
			failureRow: failureRow{"the exports file is immutable", command.ExitCannotWrite, "operation not permitted: run as root; if this is root, see with lsattr", "Take the attribute away with chattr -i."},
			check:      true,
			needs:      "immutable",
			make:       func(t *testing.T, w *world) { w.attribute(t, exports, unix.STATX_ATTR_IMMUTABLE) },
		},
		{
			failureRow: failureRow{"the exports file is append-only", command.ExitCannotWrite, "operation not permitted: run as root; if this is root, see with lsattr", "Take the attribute away with chattr -a."},
			check:      true,
			needs:      "immutable",
			make:       func(t *testing.T, w *world) { w.attribute(t, exports, unix.STATX_ATTR_APPEND) },
		},
		{
			failureRow: failureRow{"the exports file cannot be read by the user who runs it", command.ExitCannotWrite, "permission denied: run as root, or give this user the right to it in ", rights},
			plan:       true,
			nobody:     true,
			make: func(t *testing.T, w *world) {
				if err := errors.Join(os.Chmod(w.Path(exports), 0o600), os.Chmod(w.Path(lock), 0o644)); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			failureRow: failureRow{"the exports file is far larger than one that exportfs could work with", command.ExitCannotWrite, "it is larger than 64 MiB: see what it is, and move it away", away},
			plan:       true,
			make: func(t *testing.T, w *world) {
				if err := os.Truncate(w.Path(exports), 64<<20+1); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			failureRow: failureRow{"the exports file would become larger than the process may make a file", command.ExitCannotWrite, "file too large: raise the limit for the size of a file (ulimit -f", "Raise the limit (in systemd LimitFSIZE=)."},
			under:      []string{"prlimit", "--fsize=4096:4096"},
		},

		// The lock.
		{
			failureRow: failureRow{"another run holds the lock", command.ExitTemporary, "another run holds the lock ", "Let it finish; the next run does what is left."},
			make: func(t *testing.T, w *world) {
				file, err := os.Open(w.Path(lock))
				if err == nil {
					err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = file.Close() })
			},
		},
		{
			failureRow: failureRow{"the lock is a symbolic link", command.ExitCannotWrite, "see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.symlink(t, "nowhere", lock) },
		},
		{
			failureRow: failureRow{"the lock is a directory", command.ExitCannotWrite, "see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.mkdir(t, lock) },
		},
		{
			failureRow: failureRow{"the lock is a FIFO", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.fifo(t, lock) },
		},
		{
			failureRow: failureRow{"the lock is a socket", command.ExitCannotWrite, "see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.socket(t, lock) },
		},
		{
			failureRow: failureRow{"the lock cannot be opened by the user who runs it", command.ExitCannotWrite, "permission denied: run as root, or give this user the right to it in ", rights},
			nobody:     true,
			make: func(t *testing.T, w *world) {
				if err := errors.Join(os.Chmod(w.Path("exports.d"), 0o777), os.Chmod(w.Path(lock), 0o600)); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			failureRow: failureRow{"the mark in the lock cannot be written by the user who runs it", command.ExitCannotWrite, "permission denied: run as root, or give this user the right to it in ", rights},
			nobody:     true,
			args:       []string{"--etab", "$d/state/etab"},
			make: func(t *testing.T, w *world) {
				w.mkdir(t, "state")
				w.Write(t, "state/etab", w.Before["etab"])
				for path, mode := range map[string]fs.FileMode{"exports.d": 0o777, "state": 0o777, lock: 0o644} {
					if err := os.Chmod(w.Path(path), mode); err != nil {
						t.Fatal(err)
					}
				}
			},
		},

		// Somebody else writes, too.
		{
			failureRow: failureRow{"the exports file was written to during the run", command.ExitTemporary, "the file changed during the run; nothing was changed: see who else writes to it", again},
			during:     func(t *testing.T, w *world) { w.Write(t, exports, "# other\n") },
		},
		{
			failureRow: failureRow{"the exports file was replaced during the run, by one with the same text", command.ExitTemporary, "the file changed during the run; nothing was changed: see who else writes to it", again},
			during: func(t *testing.T, w *world) {
				w.Write(t, "copy", w.Before[exports])
				w.rename(t, "copy", exports)
			},
		},
		{
			failureRow: failureRow{"the exports file was deleted during the run", command.ExitTemporary, "the file changed during the run; nothing was changed: see who else writes to it", again},
			during:     func(t *testing.T, w *world) { w.remove(t, exports) },
		},
		{
			failureRow: failureRow{"the exports file was created during the run", command.ExitTemporary, "the file changed during the run; nothing was changed: see who else writes to it", again},
			make:       func(t *testing.T, w *world) { w.remove(t, exports) },
			during:     func(t *testing.T, w *world) { w.Write(t, exports, "") },
		},
		{
			failureRow: failureRow{"the mode of the exports file was changed during the run", command.ExitTemporary, "the file changed during the run; nothing was changed: see who else writes to it", again},
			during: func(t *testing.T, w *world) {
				if err := os.Chmod(w.Path(exports), 0o600); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			failureRow: failureRow{"the exports file became a FIFO during the run", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			during:     func(t *testing.T, w *world) { w.fifo(t, exports) },
		},
		{
			failureRow: failureRow{"another exports file appeared during the run", command.ExitTemporary, "the file changed during the run; nothing was changed: see who else writes to it", again},
			during:     func(t *testing.T, w *world) { w.Write(t, "exports.d/other.exports", "/srv 10.9.9.9(ro)\n") },
		},
		{
			failureRow: failureRow{"another exports file was changed during the run", command.ExitTemporary, "the file changed during the run; nothing was changed: see who else writes to it", again},
			make:       func(t *testing.T, w *world) { w.Write(t, "exports", "/srv 10.9.9.9(ro)\n") },
			during:     func(t *testing.T, w *world) { w.Write(t, "exports", "/srv 10.9.9.9(rw)\n") },
		},
		{
			failureRow: failureRow{"another exports file was deleted during the run", command.ExitTemporary, "the file changed during the run; nothing was changed: see who else writes to it", again},
			make:       func(t *testing.T, w *world) { w.Write(t, "exports.d/other.exports", "/srv 10.9.9.9(ro)\n") },
			during:     func(t *testing.T, w *world) { w.remove(t, "exports.d/other.exports") },
		},

		// The active table, before exportfs is run.
		{
			failureRow: failureRow{"the directory of the active table does not exist", command.ExitCannotWrite, "no such file or directory: create the directory ", "Install the NFS server's tools, or name the table with --etab."},
			args:       []string{"--etab", "$d/none/etab"},
		},
		{
			failureRow: failureRow{"the active table is a directory", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.mkdir(t, "etab") },
		},
		{
			failureRow: failureRow{"the active table is a FIFO", command.ExitCannotWrite, "it is not a regular file: see what it is, move it away", away},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.fifo(t, "etab") },
		},
		{
			failureRow: failureRow{"the active table is far larger than any that rpc.mountd could work with", command.ExitCannotWrite, "it is larger than 64 MiB: see what it is, and move it away", away},
			plan:       true,
			make: func(t *testing.T, w *world) {
				if err := os.Truncate(w.Path("etab"), 64<<20+1); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			failureRow: failureRow{"the active table cannot be read by the user who runs it", command.ExitCannotWrite, "permission denied: run as root, or give this user the right to it in ", rights},
			plan:       true,
			nobody:     true,
			make: func(t *testing.T, w *world) {
				if err := errors.Join(os.Chmod(w.Path("etab"), 0o600), os.Chmod(w.Path(lock), 0o644)); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			failureRow: failureRow{"the file system of the active table is full", command.ExitCannotWrite, "no space left on device: make room on the file system of ", free},
			check:      true,
			needs:      "mounts",
			args:       []string{"--etab", "$d/state/etab"},
			make: func(t *testing.T, w *world) {
				w.mkdir(t, "state")
				w.mount(t, "state", "size=64k")
				w.Write(t, "state/etab", w.Before["etab"])
				fill(t, w.Path("state/filler"))
			},
		},

		{
			failureRow: failureRow{"the file system of the active table is read-only", command.ExitCannotWrite, "state/etab: read-only file system: make the file system of ", "Mend the file system (the kernel log tells why it is read-only), or mount it writable."},
			check:      true,
			needs:      "mounts",
			args:       []string{"--etab", "$d/state/etab"},
			make: func(t *testing.T, w *world) {
				w.mkdir(t, "state")
				w.mount(t, "state", "")
				w.Write(t, "state/etab", w.Before["etab"])
				w.readOnly(t, "state")
			},
		},
		{
			failureRow: failureRow{"the active table is immutable", command.ExitCannotWrite, "etab: operation not permitted: run as root; if this is root, see with lsattr", "Take the attribute away with chattr -i."},
			check:      true,
			needs:      "immutable",
			args:       []string{"--etab", "$d/exports.d/etab"},
			make: func(t *testing.T, w *world) {
				w.Write(t, "exports.d/etab", w.Before["etab"])
				w.attribute(t, "exports.d/etab", unix.STATX_ATTR_IMMUTABLE)
			},
		},
		{
			failureRow: failureRow{"the lock of the active table is immutable", command.ExitCannotWrite, ".etab.lock: operation not permitted: run as root; if this is root, see with lsattr", "Take the attribute away with chattr -i."},
			check:      true,
			needs:      "immutable",
			args:       []string{"--etab", "$d/exports.d/etab"},
			make: func(t *testing.T, w *world) {
				w.Write(t, "exports.d/etab", w.Before["etab"])
				w.Write(t, "exports.d/.etab.lock", "")
				w.attribute(t, "exports.d/.etab.lock", unix.STATX_ATTR_IMMUTABLE)
			},
		},

		// exportfs.
		{
			failureRow: failureRow{"another exports file is a link to a FIFO, on which exportfs would wait for ever", command.ExitCannotWrite, "other.exports: it is a FIFO, on which exportfs would wait for ever: see what it is, move it away, and run again", away},
			plan:       true,
			check:      true,
			make: func(t *testing.T, w *world) {
				w.fifo(t, "fifo")
				w.symlink(t, "../fifo", "exports.d/other.exports")
			},
		},
		{
			failureRow: failureRow{"/etc/exports is a FIFO, on which exportfs would wait for ever", command.ExitCannotWrite, "/exports: it is a FIFO, on which exportfs would wait for ever: see what it is, move it away, and run again", away},
			plan:       true,
			check:      true,
			make:       func(t *testing.T, w *world) { w.fifo(t, "exports") },
		},
		{
			failureRow: failureRow{"exportfs is not installed", command.ExitExportfs, "install the NFS server's tools (Debian: nfs-kernel-server), or name the program with --exportfs; nothing was changed", "Install it."},
			make:       func(t *testing.T, w *world) { w.rename(t, "exportfs", "away") },
		},
		{
			failureRow: failureRow{"exportfs is not executable", command.ExitExportfs, "permission denied: see that it is a program that this user may run; nothing was changed", "See what was installed; dpkg --verify tells whether it is the package's."},
			make: func(t *testing.T, w *world) {
				w.rename(t, "exportfs", "away")
				w.Write(t, "exportfs", "")
			},
		},
		{
			failureRow: failureRow{"exportfs is a directory", command.ExitExportfs, "is a directory: see that it is a program that this user may run; nothing was changed", "See what --exportfs names."},
			make: func(t *testing.T, w *world) {
				w.rename(t, "exportfs", "away")
				w.mkdir(t, "exportfs")
			},
		},
		{
			failureRow: failureRow{"exportfs is a script whose interpreter does not exist", command.ExitExportfs, "the interpreter that its first line names is not", "Correct its first line."},
			make:       func(t *testing.T, w *world) { w.program(t, "exportfs", "#!/none/sh\n") },
		},
		{
			failureRow: failureRow{"exportfs is not a program", command.ExitExportfs, "exec format error: see that it is a program", "See what was installed; dpkg --verify tells whether it is the package's."},
			make:       func(t *testing.T, w *world) { w.program(t, "exportfs", "\x7fELF") },
		},
		{
			failureRow: failureRow{"another process holds the lock of exportfs", command.ExitTemporary, "holds exportfs's lock ", "See what the process is, and end it if it hangs. Give the lock file mode 0600, so that only root can hold it."},
			make: func(t *testing.T, w *world) {
				file, err := os.Create(w.Path(exportLock))
				if err == nil {
					err = unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = file.Close() })
			},
			app: func(a *command.App, w *world) {
				a.ExportLock, a.LockPatience = w.Path(exportLock), 100*time.Millisecond
			},
		},
		{
			failureRow: failureRow{"nfs.conf sets rootdir", command.ExitConfiguration, "rootdir=/srv in [exports]: nfs-exportd does not support it", "Take rootdir out of nfs.conf, and write whole paths."},
			plan:       true,
			make:       func(t *testing.T, w *world) { w.text(t, nfsConf, "[exports]\nrootdir=/srv\n") },
			app:        func(a *command.App, w *world) { a.NFSConf = w.Path(nfsConf) },
		},
		{
			failureRow: failureRow{"nfs.conf names a directory for the active table that is not there", command.ExitConfiguration, "no such file or directory: create the directory", "Make the directory, or correct state-directory-path."},
			plan:       true,
			make: func(t *testing.T, w *world) {
				w.text(t, nfsConf, "[mountd]\nstate-directory-path="+w.Path("nowhere")+"\n")
			},
			app: func(a *command.App, w *world) { a.NFSConf = w.Path(nfsConf) },
		},
		{
			failureRow: failureRow{"exportfs hangs, and a child of it has its output open", command.ExitExportfs, "did not come to an end in time and was killed: see whether another exportfs hangs", "See with ps what hangs; a host name that does not resolve in another exports file is a usual cause."},
			exportfs:   "trap '' TERM INT HUP; sleep 1000 & sleep 1000",
			forGood:    true,
			patience:   500 * time.Millisecond,
		},
		{
			failureRow: failureRow{"exportfs does nothing and exits 0", command.ExitExportfs, "and 50 more; exportfs ended with status 0 and said nothing; the exports file and the active table are as before: mend what exportfs speaks of", mend},
			exportfs:   "exit 0",
		},
		{
			failureRow: failureRow{"exportfs fails", command.ExitExportfs, "exportfs ended with status 1 and said: exportfs: cannot; the exports file and the active table are as before: mend what exportfs speaks of", mend},
			exportfs:   "echo 'exportfs: cannot' >&2; exit 1",
		},
		{
			failureRow: failureRow{"exportfs does everything and exits 1", command.ExitOK, "exportfs ended with status 1 and said: exportfs: odd", "Nothing: the table is right. See what it complains of."},
			exportfs:   "honest; echo 'exportfs: odd' >&2; exit 1",
			file:       asWanted, table: asWanted,
		},
		{
			failureRow: failureRow{"exportfs writes a table that is cut in the middle of a line", command.ExitExportfs, "the table ends in the middle of a line", "See whether the file system of the table is full."},
			exportfs:   "honest; truncate -s -5 $d/etab",
		},
		{
			failureRow: failureRow{"exportfs writes half of the table", command.ExitExportfs, "is missing; and ", "See whether the file system of the table is full."},
			exportfs:   "honest; head -n 20 $d/etab >$d/etab.new; mv $d/etab.new $d/etab",
		},
		{
			failureRow: failureRow{"exportfs writes an empty table", command.ExitExportfs, "is missing; and ", mend},
			exportfs:   ">$d/etab",
		},
		{
			failureRow: failureRow{"exportfs deletes the table", command.ExitExportfs, "is missing; and ", mend},
			exportfs:   "rm $d/etab",
		},
		{
			failureRow: failureRow{"exportfs makes something else of the table", command.ExitExportfs, "etab: it is not a regular file", mend},
			exportfs:   "rm $d/etab; mkfifo $d/etab",
		},
		{
			failureRow: failureRow{"exportfs exports a path to the world", command.ExitExportfs, "/srv for * is there and no exports file asks for it", mend},
			exportfs:   `honest; printf '%s/srv\t*(rw)\n' "$d" >>$d/etab`,
		},
		{
			failureRow: failureRow{"exportfs gives other options than those asked for", command.ExitExportfs, " instead of rw,nohide", mend},
			exportfs:   `honest; sed -i 's/(rw,/(ro,/' $d/etab`,
		},
		{
			failureRow: failureRow{"exportfs is killed by a signal", command.ExitExportfs, "exportfs was killed by a signal and said nothing; the exports file and the active table are as before", "See who killed it; the kernel log tells whether memory was short."},
			exportfs:   "kill -TERM $$",
		},
		{
			failureRow: failureRow{"exportfs writes without end to standard error", command.ExitExportfs, "did not come to an end in time and was killed", mend},
			exportfs:   "exec yes >&2",
			forGood:    true,
			patience:   200 * time.Millisecond,
		},
		{
			failureRow: failureRow{"exportfs prints escape sequences", command.ExitExportfs, `said: \x1b[2J\x07\xff\x00out`, mend},
			exportfs:   `printf '\033[2J\007\377\000'; echo out; env; exit 1`,
		},

		// The undoing.
		{
			failureRow: failureRow{"exportfs ruins the table, and does so again when the old exports file is back", command.ExitExportfs, `the exports file is as before, but the active table is not, so clients may have lost access: run "exportfs -ra"`, "Run exportfs -ra, and compare exportfs -s with the exports files: clients may have lost access. The next run tries as well."},
			exportfs:   ">$d/etab", forGood: true,
			table: asItLikes,
		},
		{
			failureRow: failureRow{"exportfs makes a directory of the table", command.ExitExportfs, "undoing it failed: cannot read ", "Move it away, run exportfs -ra, and compare exportfs -s with the exports files: clients may have lost access."},
			exportfs:   "rm -f $d/etab; mkdir -p $d/etab", forGood: true,
			table: asItLikes,
		},
		{
			failureRow: failureRow{"exportfs fails, and the old exports file cannot be put back", command.ExitExportfs, "THE NEW EXPORTS FILE IS STILL THERE: see why it cannot be put back", "Make its file system writable, and run again: the new exports file is right, but not active."},
			exportfs:   "mount -o remount,bind,ro $d/exports.d; exit 1",
			needs:      "mounts",
			make:       func(t *testing.T, w *world) { w.mount(t, "exports.d", "") },
			file:       asWanted,
		},
	}
}

// insideDisk tells the inner run of TestDisk that it is one.
const insideDisk = "NFS_EXPORTD_TEST_INSIDE"

// TestDisk makes each fault in turn. It runs itself again in a mount namespace of
// its own.
func TestDisk(t *testing.T) {
	mounts := os.Getenv(insideDisk) != ""
	if !mounts {
		ok, err := commandtest.Namespaces()
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			runInNamespaces(t)
			return
		}
	} else if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "{system: [admin]}", []string{"OS_SYSTEM_SCOPE=all"})
	d := newDisk(t, w)
	for _, row := range diskRows() {
		t.Run(row.Fault, func(t *testing.T) {
			switch {
			case row.needs == "mounts" && !mounts:
				missing(t, "mount namespaces")
			case row.nobody && d.uid != "0":
				missing(t, "root")
			}
			d.try(t, row)
		})
	}
}

// nobody is a user without rights.
const nobody = 65534

// missing skips a test for want of something that a machine for CI must have.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("CI, and there is no way to have %s", what)
	}
	t.Skipf("needs %s", what)
}

// runInNamespaces runs the test again in a mount namespace, and in a user
// namespace if this is not root.
func runInNamespaces(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v="+fmt.Sprint(testing.Verbose()))
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideDisk+"="+fmt.Sprint(os.Geteuid()), commandtest.NoRaceSleep)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("inside: %v", err)
	}
	if err != nil || testing.Verbose() {
		t.Logf("%s", output)
	}
}

// disk is a world whose server can be put back to where it was before a row.
type disk struct {
	*world
	uid    string // outside of all namespaces
	wanted map[string]string
}

// wantedGrants are the grants that apply is to add, enough for two pages of a
// disk.
const wantedGrants = 60

func newDisk(t *testing.T, w *world) *disk {
	t.Helper()
	d := &disk{world: w, uid: os.Getenv(insideDisk)}
	if d.uid == "" {
		d.uid = fmt.Sprint(os.Geteuid())
	}
	// Other users must come in, and what exportfs does is in a file that it
	// reads: a program that this process writes could not be run at once.
	if err := os.Chmod(filepath.Dir(w.Dir), 0o755); err != nil {
		t.Fatal(err)
	}
	w.program(t, "exportfs", fmt.Sprintf("#!/bin/sh\nd=%s\n. $d/exportfs.sh\n", w.Dir))
	w.Write(t, "exportfs.sh", exportfsFunctions+"honest\n")
	instances := "instances:\n"
	for i := range wantedGrants {
		instances += fmt.Sprintf("  n%d: {project: tools, addresses: {lan: [10.0.2.%d]}}\n", i, i+1)
	}
	if err := keystonetest.Load(w.Cloud.Cloud, []byte(instances)); err != nil {
		t.Fatal(err)
	}
	w.Before = w.Files(t)
	if got := d.start(t, diskRow{}, "apply"); got.Status != 0 || got.Stderr != "" {
		t.Fatalf("nothing is wrong and apply ends with %d:\n%s", got.Status, got.Stderr)
	}
	d.wanted = w.Files(t)
	d.reset(t)
	return d
}

// reset makes all files as they were at first.
func (d *disk) reset(t *testing.T) {
	d.Cloud.Heal()
	entries, err := os.ReadDir(d.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != "mounts.yaml" && name != "srv" {
			if err := os.RemoveAll(d.Path(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.mkdir(t, "exports.d")
	for name, text := range d.Before {
		if name != "exportfs" {
			d.Write(t, name, text)
		}
	}
	d.Write(t, "exports.d/.nfs-exportd.exports.lock", "")
	if err := os.Chmod(d.Path("exports.d/.nfs-exportd.exports.lock"), 0o640); err != nil {
		t.Fatal(err)
	}
	d.program(t, "exportfs", d.Before["exportfs"])
}

// try makes one fault and looks at what plan and apply make of it.
func (d *disk) try(t *testing.T, row diskRow) {
	t.Cleanup(func() { d.reset(t) })
	if row.exportfs != "" {
		script := row.exportfs
		if !row.forGood {
			script = "grep -q 10.0.2. $d/exports.d/nfs-exportd.exports || { honest; exit; }\n" + script
		}
		d.Write(t, "exportfs.sh", exportfsFunctions+script+"\n")
	}
	if row.make != nil {
		row.make(t, d.world)
	}
	want := d.look(t)
	got := d.start(t, row, "plan")
	if status := map[bool]int{true: row.Status}[row.plan]; got.Status != status {
		t.Errorf("plan: exit status %d, want %d", got.Status, status)
	}
	if row.plan {
		d.says(t, row, got)
	}
	if row.check {
		got := d.start(t, row, "check")
		if got.Status != row.Status {
			t.Errorf("check: exit status %d, want %d", got.Status, row.Status)
		}
		d.says(t, row, got)
	}
	if diff := cmp.Diff(want, d.look(t)); diff != "" {
		t.Errorf("plan or check changed something (-before +after):\n%s", diff)
	}

	if row.during != nil {
		var once sync.Once
		d.Cloud.Inject(keystonetest.Fault{Kind: keystonetest.Instances, Do: func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			once.Do(func() {
				row.during(t, d.world)
				want = d.look(t)
			})
			next.ServeHTTP(rw, r)
		}})
	}
	got = d.start(t, row, "apply")
	if got.Status != row.Status {
		t.Errorf("apply: exit status %d, want %d", got.Status, row.Status)
	}
	d.says(t, row, got)
	now := d.look(t)
	for name, state := range map[string]state{"exports.d/nfs-exportd.exports": row.file, "etab": row.table} {
		switch state {
		case asWanted:
			want[name] = "-rw-r--r--\n" + d.wanted[name]
		case asItLikes:
			delete(want, name)
			delete(now, name)
		}
	}
	if row.Status == command.ExitExportfs && (row.file != asBefore || row.table != asBefore) { // then the next run has to run exportfs
		want["exports.d/.nfs-exportd.exports.lock"] += "nfs-exportd began to write the exports file and has not seen the active table follow: the next apply runs exportfs.\n"
	}
	if diff := cmp.Diff(want, now); diff != "" {
		t.Errorf("apply: files are not as wanted (-want +got):\n%s", diff)
	}
}

// says checks what the operator gets to read.
func (d *disk) says(t *testing.T, row diskRow, got commandtest.Ran) {
	t.Helper()
	if !strings.Contains(got.Stderr, row.Says) {
		t.Errorf("does not say %q, but:\n%s", row.Says, got.Stderr)
	}
	if n := strings.Count(got.Stderr, "nfs-exportd: error: "); n != min(got.Status, 1) {
		t.Errorf("exit status %d and %d errors:\n%s", got.Status, n, got.Stderr)
	}
	for _, c := range got.Stderr {
		if c != '\n' && (c < ' ' || c > '~') {
			t.Errorf("raw %q in:\n%s", c, got.Stderr)
			break
		}
	}
	if len(got.Stderr) > 64<<10 {
		t.Errorf("%d bytes on standard error", len(got.Stderr))
	}
	for _, secret := range append(d.Cloud.Tokens(), commandtest.Password) {
		if strings.Contains(got.Stderr, secret) {
			t.Errorf("%q is in the log:\n%s", secret, got.Stderr)
		}
	}
	t.Log(strings.TrimSuffix(got.Stderr, "\n"))
}

// start runs plan or apply, which must come to an end.
func (d *disk) start(t *testing.T, row diskRow, command string) commandtest.Ran {
	t.Helper()
	args := d.CommandLine(command)
	if command == "apply" {
		args = append(args, "--lock-timeout", "0s")
	}
	for _, arg := range row.args {
		args = append(args, strings.ReplaceAll(arg, "$d", d.Dir))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if row.under != nil || row.nobody {
		return d.process(ctx, t, row, args)
	}
	var stdout, stderr bytes.Buffer
	a := commandtest.App(d.Env, &stdout, &stderr)
	a.Patience = row.patience
	if row.app != nil {
		row.app(&a, d.world)
	}
	ended := make(chan int, 1)
	go func() { ended <- a.Run(ctx, args) }()
	select {
	case status := <-ended:
		return commandtest.Ran{Status: status, Stdout: stdout.String(), Stderr: stderr.String()}
	case <-ctx.Done():
		t.Fatalf("%s hangs", command)
		return commandtest.Ran{}
	}
}

// process runs the program as a process of its own.
func (d *disk) process(ctx context.Context, t *testing.T, row diskRow, args []string) commandtest.Ran {
	t.Helper()
	program, err := exec.LookPath("nfs-exportd")
	if err != nil {
		t.Fatal(err)
	}
	command := append(slices.Clone(row.under), program)
	cmd := exec.CommandContext(ctx, command[0], append(command[1:], args[1:]...)...)
	if row.nobody {
		// By its path another user cannot get at the program.
		file, err := os.Open(program)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		cmd.Path, cmd.ExtraFiles = "/proc/self/fd/3", []*os.File{file}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	cmd.Env = d.Env
	cmd.Dir = "/"
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		t.Fatal(err, ctx.Err())
	}
	return commandtest.Ran{Status: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

// look gives all that is in the directory of the world: mode, and text or what
// else it is.
func (d *disk) look(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(d.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(path, d.Dir), "/")
		found[name] = info.Mode().String()
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			found[name] += " " + target
			return err
		case info.Mode().IsRegular() && info.Size() > 1<<20:
			found[name] += fmt.Sprintf(" of %d bytes, %s", info.Size(), info.ModTime())
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			found[name] += "\n" + string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return found
}

// mount puts a tmpfs over a directory, with the same files.
func (w *world) mount(t *testing.T, name, options string) {
	t.Helper()
	dir := w.Path(name)
	files, modes := map[string][]byte{}, map[string]fs.FileMode{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if files[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		modes[entry.Name()] = info.Mode().Perm()
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, strings.Trim("mode=0755,"+options, ",")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.unmount(t, name) })
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, file), files[file], modes[file]); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) unmount(t *testing.T, name string) {
	t.Helper()
	if err := syscall.Unmount(w.Path(name), unix.MNT_DETACH); err != nil {
		t.Error(err)
	}
}

func (w *world) readOnly(t *testing.T, name string) {
	t.Helper()
	if err := syscall.Mount("", w.Path(name), "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

// attribute gives a file or directory an attribute of chattr(1), on the file
// system of the world, or on a tmpfs in the place of exports.d, which knows it
// since Linux 6.6.
func (w *world) attribute(t *testing.T, name string, attribute int) {
	t.Helper()
	if err := w.setAttribute(name, attribute, true); err == nil {
		t.Cleanup(func() {
			if err := w.setAttribute(name, attribute, false); err != nil {
				t.Error(err)
			}
		})
		return
	} else if os.Getenv(insideDisk) == "" {
		missing(t, fmt.Sprintf("immutable files: %s", err))
	}
	w.mount(t, "exports.d", "")
	if err := w.setAttribute(name, attribute, true); err != nil {
		missing(t, fmt.Sprintf("immutable files, not even on a tmpfs: %s", err))
	}
}

func (w *world) setAttribute(name string, attribute int, on bool) error {
	file, err := os.Open(w.Path(name))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	flags, err := unix.IoctlGetInt(int(file.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	// The flags of linux/fs.h have the same bits as those of statx.
	flags &^= attribute
	if on {
		flags |= attribute
	}
	return unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags)
}

// fill writes a file until there is no room for more.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// program writes a file that can be run. Another process writes it, as for
// makeExportfs.
func (w *world) program(t *testing.T, name, text string) {
	t.Helper()
	w.remove(t, name)
	cmd := exec.Command("sh", "-c", `cat >"$1" && chmod 755 "$1"`, "sh", w.Path(name))
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// The following put something in the place of a file.

func (w *world) symlink(t *testing.T, target, name string) {
	t.Helper()
	w.remove(t, name)
	if err := os.Symlink(target, w.Path(name)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) mkdir(t *testing.T, name string) {
	t.Helper()
	w.remove(t, name)
	if err := os.Mkdir(w.Path(name), 0o755); err != nil {
		t.Fatal(err)
	}
}

// text writes a file of the world.
func (w *world) text(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(w.Path(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (w *world) fifo(t *testing.T, name string) {
	t.Helper()
	w.remove(t, name)
	if err := syscall.Mkfifo(w.Path(name), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (w *world) socket(t *testing.T, name string) {
	t.Helper()
	w.remove(t, name)
	// The path of a socket has to be short.
	t.Chdir(filepath.Dir(w.Path(name)))
	listener, err := net.Listen("unix", filepath.Base(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
}

func (w *world) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(w.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func (w *world) rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(w.Path(from), w.Path(to)); err != nil {
		t.Fatal(err)
	}
}
