package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/sandbox"
)

// lookLimit is how long all file systems of exported paths together have to answer.
const lookLimit = 30 * time.Second

// directories is what was found at the exported paths: those of the configuration, of
// today's file, and of the files of others.
type directories struct {
	found map[string]exportfs.Directory
	// writable says of paths that clients may write to who says so, for people. What is below them can
	// be a symbolic link at any time.
	writable map[string]string
	foreign  map[string]bool // those that other files alone make writable
	// others are the paths of other exports files, as these have them, with one such file.
	others map[string]string
}

func (j job) looker() exportfs.Looker {
	return exportfs.Looker{Self: j.Self, Limit: min(lookLimit, j.exportfsTimeout())}
}

// lookAtDirectories looks at all paths. The error is an *exportfs.HangError, an
// *exportfs.Error, or that of ctx.
func (j job) lookAtDirectories(ctx context.Context, s situation, f *files) (d directories, err error) {
	d = directories{found: map[string]exportfs.Directory{}, writable: map[string]string{}, foreign: map[string]bool{}, others: map[string]string{}}
	paths := slices.Concat(configuredPaths(s), pathsOf(f.today))
	for _, path := range s.config.WritablePaths(s.hosts) {
		d.writable[path] = "the configuration"
	}
	for _, g := range f.today.Grants() {
		if _, known := d.writable[g.Path]; !known && exports.Writable(g.Options) {
			d.writable[g.Path] = printable.Word(f.path)
		}
	}
	for _, other := range f.foreign {
		for _, g := range other.Grants {
			written := cmp.Or(g.Written, g.Place.Path)
			paths = append(paths, written)
			d.others[written] = other.File
			if _, known := d.writable[g.Place.Path]; !known && exports.Writable(g.Options) {
				d.writable[g.Place.Path], d.foreign[g.Place.Path] = printable.Word(other.File), true
			}
		}
	}
	all, err := j.looker().Look(ctx, paths)
	for _, found := range all {
		d.found[found.Path] = found
	}
	return d, err
}

// risk says who besides root can put a symbolic link in the place of a path, or gives
// nothing.
func (d directories) risk(path string) string {
	if above, ok := exports.Above(path, d.writable); ok {
		return fmt.Sprintf("it is below %s, which %s lets clients write to", printable.Word(above), d.writable[above])
	}
	if open := d.found[path].Open; open != "" {
		return fmt.Sprintf("others than root can write to %s", printable.Word(open))
	}
	return ""
}

// links says why paths are left out: there is a symbolic link that others than root can
// have put there. Any other link ends the run.
func (d directories) links() map[string]string {
	links := map[string]string{}
	for path, found := range d.found {
		if risk := d.risk(path); found.Link != "" && risk != "" {
			links[path] = fmt.Sprintf("%s is %s, and %s: its grants are left out, as exportfs would export what is there", printable.Word(found.Link), found.Kind(), risk)
		}
	}
	return links
}

// problems says what is wrong with paths: fatal is about those of which exportfs would
// export something else, odd about all that are not as they should be.
func (d directories) problems(paths []string) (odd []string, fatal error) {
	links := d.links()
	var errs []error
	for _, path := range paths {
		found := d.found[path]
		problem := &exportfs.PathProblem{Path: path, Fatal: found.Fatal, Problem: found.Problem}
		switch {
		case links[path] != "":
			odd = append(odd, fmt.Sprintf("exported path %s: %s", printable.Word(path), links[path]))
		case found.Fatal:
			errs = append(errs, problem)
		case found.Problem != "":
			odd = append(odd, problem.Error())
		}
	}
	return odd, errors.Join(errs...)
}

// maxAtRisk is how many paths at risk a run names before it only counts.
const maxAtRisk = 10

// atRisk warns of paths that others than root can replace by a symbolic link, but for those
// that nest in our own file, which has a rule of its own.
func (d directories) atRisk(paths []string) (odd []string) {
	n := 0
	for _, path := range paths {
		above, nested := exports.Above(path, d.writable)
		risk := d.risk(path)
		if risk == "" || nested && !d.foreign[above] {
			continue
		}
		if n++; n <= maxAtRisk {
			odd = append(odd, fmt.Sprintf("exported path %s: %s, and so put a symbolic link in its place, which exportfs follows when the server starts: "+
				"let root alone write to the directories above it, or give it a file system of its own and the option mountpoint", printable.Word(path), risk))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(d.others)) {
		risk, link := d.risk(path), ""
		if risk == "" || slices.Contains(paths, path) {
			continue
		}
		if found := d.found[path]; found.Link != "" {
			link = fmt.Sprintf("%s is %s by now, and exportfs exports what is there; ", printable.Word(found.Link), found.Kind())
		}
		if n++; n <= maxAtRisk {
			odd = append(odd, fmt.Sprintf("%s exports %s: %s%s: take the line out, or let root alone write to the directories above", printable.Word(d.others[path]), printable.Word(path), link, risk))
		}
	}
	if n > maxAtRisk {
		odd = append(odd, fmt.Sprintf("%d more exported paths can be replaced by a symbolic link", n-maxAtRisk))
	}
	return odd
}

// swapped says, of a test run that failed, which paths at risk were a symbolic link then, or
// are one by now: exportfs made an entry of no exports file, and none for them.
func (j job) swapped(ctx context.Context, r result, failure error) map[string]string {
	mismatch, ok := errors.AsType[*sandbox.MismatchError](failure)
	if !ok && !is[*sandbox.RejectedError](failure) {
		return nil
	}
	paths := slices.DeleteFunc(pathsOf(r.plan.Desired), func(path string) bool { return r.directories.risk(path) == "" })
	swapped, err := j.linksNow(ctx, paths)
	if err != nil {
		return nil
	}
	if !ok {
		return swapped
	}
	known := map[string]bool{}
	for _, path := range slices.Concat(pathsOf(r.plan.Desired), slices.Collect(maps.Keys(r.directories.found))) {
		known[path] = true
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(mismatch.Table)), func(p exports.Place) bool { return !known[p.Path] }) {
		return swapped
	}
	for _, g := range r.plan.Desired.Grants() { // it can be there again for the next line
		if _, there := mismatch.Table[g.Place()]; !there && slices.Contains(paths, g.Path) {
			swapped[g.Path] = "exportfs found a symbolic link there in its test run"
		}
	}
	return swapped
}
