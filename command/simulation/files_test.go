package simulation

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"nfs-exportd/command"
)

// files looks at what a run may not change.
func (j *judgement) files() {
	const unchanged, table = "cmp exports.d/nfs-exportd.exports before.exports", "cmp etab before.etab"
	if len(j.after.litter) > 0 {
		j.wrong("! exists exports.d/"+j.after.litter[0], "exportfs would read %q", j.after.litter)
	}
	before := j.before.exports
	if j.edited() {
		before = simFile{kind: "file", text: j.edit.text}
	}
	failed := !j.succeeded() || j.command == "plan"
	if (failed || j.left()) && j.after.exports != before {
		j.wrong(unchanged, "the exports file changed, although the run ended with %d", j.got.Status)
	}
	if said := regexp.MustCompile(`exports file (and the active table are|is) as before|nothing was changed`); j.got.Status == command.ExitExportfs && !said.MatchString(j.got.Stderr) {
		j.wrong("", "nothing says that the old file is back")
	}
	if !failed && !j.left() || j.after.etab == j.before.etab {
		return
	}
	if j.got.Status == command.ExitExportfs {
		// What an exportfs leaves behind that does not do what it should, no
		// program can repair, nor what it makes of a file that somebody edited;
		// else the table is that of the old file.
		broken := strings.HasPrefix(j.exportfs, "truncates") && !strings.HasSuffix(j.exportfs, "once")
		if (broken || j.byHand()) && strings.Contains(j.got.Stderr, "but the active table is not") ||
			len(tableDifferences(j.after.etab.text, j.old, j.strays())) == 0 {
			return
		}
	}
	j.wrong(table, "the active table changed, although the run ended with %d", j.got.Status)
}

// simFiles are the files that matter, as they are at one moment.
type simFiles struct {
	exports, etab simFile
	litter        []string // what exportfs would read besides
	ran           int      // how often exportfs was run
}

type simFile struct{ kind, text string }

func (l *life) look() simFiles {
	files := simFiles{exports: lookAt(l.ours()), etab: lookAt(l.path("etab")), ran: strings.Count(lookAt(l.path("exportfs.log")).text, "\n")}
	entries, err := os.ReadDir(l.path("exports.d"))
	if !errors.Is(err, fs.ErrNotExist) {
		l.must(err)
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, ".exports") && name[0] != '.' && name != "nfs-exportd.exports" && name != "other.exports" {
			files.litter = append(files.litter, name)
		}
	}
	return files
}

func lookAt(path string) simFile {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return simFile{kind: "none"}
	}
	if err != nil {
		return simFile{kind: err.Error()}
	}
	if !info.Mode().IsRegular() {
		return simFile{kind: info.Mode().Type().String()}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return simFile{kind: err.Error()}
	}
	return simFile{kind: "file", text: string(text)}
}

// simOwner is whose a line of the exports file is.
type simOwner struct{ project, name, public string }

type simGrant struct {
	options  string
	owner    simOwner
	instance string // its id, if the line has it
}

// parsedExports is what a reader who knows nothing but the form of the lines
// makes of an exports file.
type parsedExports struct {
	grants map[simPlace]simGrant
	odd    int // lines that are none of the program's
	paths  map[string]bool
}

func (p parsedExports) places() []simPlace {
	return slices.SortedFunc(maps.Keys(p.grants), func(a, b simPlace) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.client, b.client))
	})
}

func parseExports(text string) parsedExports {
	p := parsedExports{grants: map[simPlace]simGrant{}, paths: map[string]bool{}}
	var owner simOwner
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 4 && words[1] == "project", len(words) == 7 && words[1] == "project" && words[5] == "domain":
			owner = simOwner{project: words[2], name: strings.Trim(words[3], `"`)}
		case len(words) == 3 && words[1] == "public":
			owner = simOwner{public: strings.Trim(words[2], `"`)}
		case strings.HasPrefix(line, "# unknown"):
			owner = simOwner{}
		case len(words) == 0 || words[0][0] == '#':
		default:
			p.paths[words[0]] = true
			// Behind the grant of an instance stand its id and that of its port.
			instance := ""
			if len(words) > 3 && len(words) < 6 && words[2] == "#" {
				instance, words = words[3], words[:2]
			}
			client, options, ok := "", "", len(words) == 2 && strings.HasSuffix(words[1], ")") && strings.HasSuffix(line, "\n")
			if ok {
				client, options, ok = strings.Cut(strings.TrimSuffix(words[1], ")"), "(")
			}
			at := simPlace{words[0], client}
			if _, twice := p.grants[at]; !ok || twice {
				p.odd++
				continue
			}
			p.grants[at] = simGrant{options, owner, instance}
		}
	}
	return p
}

// tableDifferences compares an active table with an exports file, in lines of a
// script. Of the file beside it the table may have the lines or not: nobody asked
// the program to see to them. Nor need it have lost the strays.
func tableDifferences(table string, p parsedExports, strays []string) []string {
	wanted, other := map[string]bool{}, map[string]bool{}
	for at, g := range p.grants {
		wanted[at.path+"\t"+at.client+"("+g.options] = true
	}
	for at, g := range parseExports(simOther).grants {
		other[at.path+"\t"+at.client+"("+g.options] = true
	}
	var differences []string
	differ := func(format, entry string) {
		differences = append(differences, fmt.Sprintf(format, strings.ReplaceAll(regexp.QuoteMeta(entry), "\t", "\\t")))
	}
	for line := range strings.Lines(table) {
		if slices.Contains(strays, line) {
			continue
		}
		entry, _, whole := strings.Cut(line, ",secure_locks")
		if !whole || !wanted[entry] && !other[entry] {
			differ("! grep '^%s' etab", strings.TrimSuffix(entry, "\n"))
		}
		delete(wanted, entry)
	}
	for _, entry := range slices.Sorted(maps.Keys(wanted)) {
		differ("grep '^%s' etab", entry)
	}
	return differences
}
