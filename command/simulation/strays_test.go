package simulation

import (
	"fmt"
	"slices"
	"strings"
)

// paths are those that the configuration has for this server.
func (t truth) paths() map[string]bool {
	paths := map[string]bool{}
	for _, p := range t.config.public {
		paths[p.path] = true
	}
	for _, entry := range t.config.private {
		for _, m := range entry.mounts {
			paths[m.path] = paths[m.path] || t.where(m.host) == simHere
		}
	}
	return paths
}

// strays are the entries of the active table before the run that are neither on a path of
// the configuration, nor of the exports file, nor of the file beside it: no run has to see
// to them, and exportfs drops them.
func (j *judgement) strays() []string {
	paths, other := j.moments[0].paths(), parseExports(simOther)
	var strays []string
	for line := range strings.Lines(j.before.etab.text) {
		path, _, ok := strings.Cut(line, "\t")
		if ok && !paths[path] && !j.old.paths[path] && !other.paths[path] && !slices.Contains(strays, line) {
			strays = append(strays, line)
		}
	}
	return strays
}

// strayed checks that entries which a run of exportfs has dropped were named before it.
func (j *judgement) strayed() {
	var gone []string
	for _, line := range j.strays() {
		if !strings.HasSuffix(line, ")\n") {
			return // nobody can read such a table
		}
		if !strings.Contains(j.after.etab.text, line) {
			place, _, _ := strings.Cut(line, "(")
			gone = append(gone, strings.Replace(place, "\t", " for ", 1))
		}
	}
	if len(gone) == 0 {
		if len(j.strays()) > 0 {
			j.stats.host["strays stay"]++
		}
		return
	}
	j.stats.host["strays were dropped"]++
	entries := "1 entry"
	if len(gone) > 1 {
		entries = fmt.Sprintf("%d entries", len(gone))
	}
	if !strings.Contains(j.got.Stderr, "exportfs -ra drops "+entries+" of the active table") {
		j.wrong("", "nothing says that exportfs drops %s: %q", entries, gone)
		return
	}
	named := slices.DeleteFunc(slices.Clone(gone), func(place string) bool { return !strings.Contains(j.got.Stderr, place) })
	if len(named) < min(3, len(gone)) {
		j.wrong("", "of %q, which exportfs drops, only %q are named", gone, named)
	}
}
