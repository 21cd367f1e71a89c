package exportfs

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"nfs-exportd/printable"
	"nfs-exportd/render/disk"
)

// PathProblem is what is wrong with an exported directory.
type PathProblem struct {
	Path string
	// Fatal problems must stop the run: exportfs would export something else
	// than the path says. With the others (nothing there, or out of sight) it
	// exports just that.
	Fatal   bool
	Problem string
}

// Error names the path and the problem.
func (p *PathProblem) Error() string {
	return fmt.Sprintf("exported path %s: %s", printable.Word(p.Path), p.Problem)
}

// CheckPaths looks at directories that are to be exported. exportfs follows
// symbolic links, so whoever may make one on the way to a directory chooses
// what is exported.
func CheckPaths(paths []string) []*PathProblem {
	var problems []*PathProblem
	for _, path := range paths {
		fatal, problem := checkPath(path)
		if problem != "" {
			problems = append(problems, &PathProblem{path, fatal, problem})
		}
	}
	return problems
}

func checkPath(path string) (fatal bool, problem string) {
	for at := range steps(path) {
		switch info, err := os.Lstat(at); {
		case errors.Is(err, fs.ErrNotExist):
			return false, "it does not exist: create the directory, or mount its file system"
		case err != nil:
			return false, fmt.Sprintf("it cannot be looked at (%s): see that it is a directory; exportfs will look as root", disk.Bare(err))
		case info.Mode()&fs.ModeSymlink != 0:
			return true, fmt.Sprintf("%s is a symbolic link: name the directory that is meant in the configuration", printable.Word(at))
		case !info.IsDir():
			return true, fmt.Sprintf("%s is not a directory: name the directory that is meant in the configuration", printable.Word(at))
		}
	}
	return false, ""
}

// steps returns the directories on the way to a path, from / on, and the path.
func steps(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield("/") || path == "/" {
			return
		}
		for i := 1; i < len(path); i++ {
			if path[i] == '/' && !yield(path[:i]) {
				return
			}
		}
		yield(path)
	}
}
