package simulation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// editExports changes the exports file by hand.
func (l *life) editExports() {
	if l.disk != "" {
		return
	}
	text, there := l.handEdit()
	if !there {
		l.must(os.RemoveAll(l.ours()))
		return
	}
	l.write("exports.d/nfs-exportd.exports", text)
}

// handEdit is what somebody's hand makes of the exports file, and whether there
// is one then.
func (l *life) handEdit() (string, bool) {
	old := lookAt(l.ours()).text
	lines := slices.Collect(strings.Lines(old))
	var grants []int
	for n, line := range lines {
		if strings.HasPrefix(line, "/") {
			grants = append(grants, n)
		}
	}
	switch n := l.rng.IntN(7); {
	case n == 0:
		return old + "# looks good to me\n", true
	case n == 1 && len(grants) > 0:
		at := pick(l, grants...)
		return strings.Join(slices.Delete(lines, at, at+1), ""), true
	case n == 2:
		return old + fmt.Sprintf("/nfs/home 10.0.3.%d(rw,sync,no_subtree_check)\n", 1+l.rng.IntN(200)), true
	case n == 3 && len(old) > 20:
		return old[:len(old)-1-l.rng.IntN(15)], true
	case n == 4 && len(l.backups) > 0:
		return pick(l, l.backups...), true
	case n == 5:
		return "# unknown\n/nfs/mine *(rw)\n/nfs/mine", true
	}
	return "", false
}

// spoilTable has something else than this program change the active table.
func (l *life) spoilTable() {
	if l.disk != "" {
		return
	}
	old := lookAt(l.path("etab")).text
	switch l.rng.IntN(5) {
	case 0:
		l.write("etab", "") // as after a boot
	case 1:
		l.write("etab", old[:len(old)/2])
	case 2:
		l.write("etab", old+"/nfs/home\t10.0.4.4(rw,sync,no_subtree_check)\n")
	case 3: // the agent of a cluster
		l.write("etab", old+"/nfs/cluster\t10.0.4.5(rw,sync,no_subtree_check)\n")
	default:
		l.must(os.RemoveAll(l.path("etab")))
	}
}

func (l *life) breakExportfs() {
	l.exportfs = pick(l, "nothing", "fails", "truncates", "complains", "nothing once", "truncates once", "fails once", "missing")
	if l.exportfs != "missing" {
		l.write("exportfs.mode", l.exportfs)
	}
}

func (l *life) mendExportfs() {
	l.exportfs = ""
	l.must(os.RemoveAll(l.path("exportfs.mode")))
}

const (
	lockFile = "exports.d/.nfs-exportd.exports.lock"
	savedAs  = "saved"
)

// brokenFile is the name that something else than a file has, by what is wrong
// with the disk.
var brokenFile = map[string]string{
	"exports-directory": "exports.d/nfs-exportd.exports", "exports-fifo": "exports.d/nfs-exportd.exports",
	"exports-symlink": "exports.d/nfs-exportd.exports", "lock-directory": lockFile, "etab-directory": "etab",
}

func (l *life) breakDisk() {
	if l.disk != "" {
		return
	}
	l.disk, _ = pickKey(l, brokenFile, nil)
	if l.chance(20) {
		l.disk = "no-directory"
		l.must(os.Rename(l.path("exports.d"), l.path("exports.away")))
		return
	}
	name := brokenFile[l.disk]
	if err := os.Rename(l.path(name), l.path(savedAs)); !errors.Is(err, fs.ErrNotExist) {
		l.must(err)
	}
	switch l.disk {
	case "exports-fifo":
		l.must(syscall.Mkfifo(l.path(name), 0o644))
	case "exports-symlink":
		l.must(os.Symlink(l.path(savedAs), l.path(name)))
	default:
		l.must(os.Mkdir(l.path(name), 0o755))
	}
}

func (l *life) mendDisk() {
	switch l.disk {
	case "":
		return
	case "no-directory":
		l.must(os.Rename(l.path("exports.away"), l.path("exports.d")))
	default:
		l.must(os.Remove(l.path(brokenFile[l.disk])))
		if err := os.Rename(l.path(savedAs), l.path(brokenFile[l.disk])); !errors.Is(err, fs.ErrNotExist) {
			l.must(err)
		}
	}
	l.disk = ""
}
