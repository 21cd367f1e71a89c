package exportfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nfs-exportd/render"
	"nfs-exportd/render/disk"
)

// ReadForeign reads etcExports, which is /etc/exports, and the other files of
// the directory of own, which is /etc/exports.d, in the order in which exportfs
// reads them, but for those whose paths are in without. What cannot be read is
// Undecided in the result. It returns a *disk.Error if the directory cannot be
// listed; one that does not exist is empty.
func ReadForeign(etcExports, own string, without []string) ([]render.Foreign, error) {
	dir := filepath.Dir(own)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, disk.NewError(dir, "list", err)
	}
	left := map[string]bool{} // names in dir
	for _, path := range without {
		if SameDir(filepath.Dir(path), dir) {
			left[filepath.Base(path)] = true
		}
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if name == filepath.Base(own) || left[name] || Ignores(name) || !entry.IsDir() && !readByExportfs(entry) {
			continue
		}
		names = append(names, name)
	}
	slices.SortFunc(names, compareVersions)
	foreign := readForeign(nil, etcExports, true)
	for i := range foreign {
		foreign[i].EtcExports = true
	}
	for _, name := range names {
		foreign = readForeign(foreign, filepath.Join(dir, name), compareVersions(name, filepath.Base(own)) < 0)
	}
	return foreign, nil
}

// readByExportfs follows export_d_read in nfs-utils' support/export/export.c.
func readByExportfs(entry fs.DirEntry) bool {
	kind := entry.Type()
	return kind.IsRegular() || kind&fs.ModeSymlink != 0
}

// ExportsDir is the directory whose files exportfs reads, after /etc/exports.
const ExportsDir = "/etc/exports.d"

// Ignores reports whether exportfs ignores a file in /etc/exports.d because of
// its name, which must end in ".exports" and not start with a dot.
func Ignores(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, ".") || !strings.HasSuffix(name, ".exports")
}

// SameDir reports whether two paths, perhaps through links, lead to one directory. A path
// that leads nowhere is only the same as itself.
func SameDir(a, b string) bool {
	wholeA, errA := filepath.Abs(a)
	wholeB, errB := filepath.Abs(b)
	if errA == nil && errB == nil && wholeA == wholeB {
		return true
	}
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// readForeign adds the file at path, if there is one.
func readForeign(foreign []render.Foreign, path string, first bool) []render.Foreign {
	f := render.Foreign{File: path}
	text, _, err := disk.Read(path, true)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err != nil {
			return foreign
		}
		f.Ignored = "a symbolic link that leads nowhere"
	case errors.Is(err, disk.ErrNotRegular) && isDir(path):
		f.Ignored = "a directory"
	case err != nil:
		f.Undecided = []render.Line{{Problem: fmt.Sprintf("cannot be read: %s", disk.Bare(err))}}
	default:
		f = render.ParseForeign(path, text)
		resolvePaths(f.Grants)
	}
	f.First = first
	return append(foreign, f)
}

// resolveLimit is for all paths of one file.
const resolveLimit = 10 * time.Second

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// resolvePaths names directories as exportfs does: through all symbolic links,
// or as they are written where there is nothing, or where no file system answers: a Looker
// names those.
func resolvePaths(grants []render.ForeignGrant) {
	resolved := map[string]string{}
	limit := time.After(resolveLimit)
	for i := range grants {
		path := grants[i].Place.Path
		real, ok := resolved[path]
		if !ok {
			answer := make(chan string, 1)
			go func() {
				// exportfs runs in /.
				target, err := filepath.EvalSymlinks(filepath.Join("/", path))
				if err != nil {
					target = path
				}
				answer <- target
			}()
			select {
			case real = <-answer:
			case <-limit:
				return
			}
			resolved[path] = real
		}
		if real != path {
			grants[i].Written = path
		}
		grants[i].Place.Path = real
	}
}
