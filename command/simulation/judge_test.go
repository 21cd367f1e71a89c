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
	"strconv"
	"strings"

	"nfs-exportd/command"
	"nfs-exportd/keystone/keystonetest"
)

// violation is something that must not be, and the lines of a script that would
// show it: what there must be in any case, and what after a success. $COMMAND
// stands for the run.
type violation struct {
	what    string
	expect  []string
	success []string
}

// judge says what is wrong with how a run ended.
func (l *life) judge(a *attempt) []violation {
	j := &judgement{life: l, attempt: a, old: parseExports(a.before.exports.text), new: parseExports(a.after.exports.text)}
	j.output()
	j.status()
	j.files()
	if a.command == "apply" && a.got.Status == 0 && !j.left() {
		if j.edited() {
			j.overtaken()
		} else {
			j.removals()
			j.result()
		}
	}
	j.count()
	return j.violations
}

type judgement struct {
	*life
	*attempt
	old, new   parsedExports
	violations []violation
}

func (j *judgement) wrong(expect, format string, args ...any) {
	v := violation{what: fmt.Sprintf(format, args...)}
	if expect != "" {
		v.expect = strings.Split(expect, "\n")
	}
	j.violations = append(j.violations, v)
}

// wrongSuccess is for what a run that failed would have been free to do.
func (j *judgement) wrongSuccess(expect []string, format string, args ...any) {
	j.violations = append(j.violations, violation{what: fmt.Sprintf(format, args...), success: expect})
}

// left tells whether a run had to leave everything as it is.
func (j *judgement) left() bool {
	t := j.moments[0]
	return t.held(j.now) || t.standby()
}

// output looks for secrets. All tokens of the test cloud begin alike.
func (j *judgement) output() {
	for _, secret := range []string{simPassword, "gAAAAAB"} {
		if strings.Contains(j.got.Stdout+j.got.Stderr, secret) {
			j.wrong("! stderr "+secret, "%q was printed", secret)
		}
	}
	if n := strings.Count(j.got.Stderr, "nfs-exportd: error: "); n != min(j.got.Status, 1) && j.got.Status != command.ExitChanges {
		j.wrong("", "%d errors with exit status %d", n, j.got.Status)
	}
}

// status compares the exit status with what is wrong.
func (j *judgement) status() {
	causes, certain := j.findCauses()
	j.causes = causes
	switch got := j.got.Status; {
	case got == command.ExitChanges && j.detailed, got == 0 && !certain:
	case causes[got] == "":
		allowed := slices.Sorted(maps.Keys(causes))
		if !certain {
			allowed = append([]int{0}, allowed...)
		}
		want := fmt.Sprintf("exits %d $COMMAND", allowed[0])
		if len(allowed) > 1 {
			either := strings.ReplaceAll(strings.Trim(fmt.Sprint(allowed), "[]"), " ", "|")
			want = fmt.Sprintf("exec sh -c '$COMMAND; case $? in %s) ;; *) exit 1;; esac'", either)
		}
		j.wrong(want, "exit status %d, but only %v could be: %v", got, allowed, causes)
	}
}

// findCauses gives the exit statuses that a run may have besides 0, each with its
// cause. certain tells that it has to be one of them.
func (j *judgement) findCauses() (causes map[int]string, certain bool) {
	causes = map[int]string{}
	first := j.moments[0]
	switch {
	case first.config.broken != "", len(first.config.public)+len(first.config.private) == 0:
		return map[int]string{command.ExitConfiguration: "the configuration is broken"}, true
	case first.held(j.now), first.standby():
		return causes, false
	case j.locked:
		return map[int]string{command.ExitTemporary: "another holds the lock"}, true
	}
	switch j.disk {
	case "exports-directory", "exports-fifo", "exports-symlink":
		return map[int]string{command.ExitCannotWrite: j.disk}, true
	case "lock-directory", "no-directory":
		if j.command == "apply" {
			return map[int]string{command.ExitCannotWrite: j.disk}, true
		}
	case "etab-directory":
		causes[command.ExitCannotWrite] = j.disk
	}
	if first.asks() {
		if j.unreachable {
			causes[command.ExitUnavailable], certain = "Keystone is not there", true
		}
		if j.wrongSecret {
			causes[command.ExitNoPermission], certain = "the password is wrong", true
		}
		if j.admin && !first.roles[keystonetest.System] || !j.admin && !first.roles[simHome] {
			causes[command.ExitNoPermission], certain = "the user has no role where he logs in", true
		}
	}
	if j.struck() && !j.fault.flap {
		for _, status := range faultStatuses(j.fault.name) {
			causes[status] = "fault " + j.fault.name
		}
	}
	for _, m := range j.during {
		if !m.hit {
			continue
		}
		switch {
		case strings.Contains(m.change.verb[0], "project"), strings.Contains(m.change.verb[0], "role"):
			causes[command.ExitNoPermission] = "the user's rights changed"
		case m.change.verb[0] == "cell-down":
			causes[command.ExitUnavailable] = "a cell went down"
		}
	}
	if j.edited() {
		causes[command.ExitTemporary] = "the exports file changed during the run"
	}
	if j.exportfs != "" && j.exportfs != "complains" && !j.noReload && j.command == "apply" {
		causes[command.ExitExportfs] = "exportfs " + j.exportfs
	}
	for _, t := range j.moments {
		j.causesIn(t, causes)
	}
	if len(j.moments) > 2 {
		causes[command.ExitRefused] = "more than one change during the run"
	}
	j.causesOfRefusal(causes)
	if len(j.moments) == 1 && !j.struck() && len(first.holdersTwice()) > 0 {
		certain = true
	}
	return causes, certain
}

func (j *judgement) causesIn(t truth, causes map[int]string) {
	for region, nova := range t.regions {
		if !nova {
			causes[command.ExitUntrusted] = "the catalog has no Nova in " + region
		}
	}
	for cell := range t.down {
		causes[command.ExitUnavailable] = "cell " + cell + " is down"
	}
	for address, holders := range t.holders() {
		if len(holders) > 1 {
			causes[command.ExitRefused] = address + " is held twice"
		}
	}
	silent := map[string]bool{}
	for _, i := range t.instances {
		if i.status == "ACTIVE" && (len(i.addresses) == 0 || i.lost) {
			silent[i.project] = true
		}
	}
	if len(silent) > 0 && j.struck() && j.fault.flap {
		// In the listing that came back empty, the others are missing beside it.
		causes[command.ExitUntrusted] = "instances are missing, and another is silent"
	}
	rights := t.rights()
	for at, g := range j.old.grants {
		if len(rights[at]) > 0 || g.owner.public != "" {
			continue
		}
		p, lives := t.projects[g.owner.project]
		switch {
		case g.owner.project == "":
		case !t.visible(g.owner.project) && !t.roles[keystonetest.System]:
			causes[command.ExitNoPermission] = "Keystone does not show project " + g.owner.project
		case lives && p.name != g.owner.name:
			causes[command.ExitNoPermission] = "project " + g.owner.project + " has another name"
		}
		if silent[g.owner.project] {
			causes[command.ExitUntrusted] = "an instance of project " + g.owner.project + " is silent"
		}
		for key, entry := range t.config.private {
			hidden := !t.visible(t.meaning(key)) && !t.roles[keystonetest.System]
			for _, m := range entry.mounts {
				if m.path == at.path && t.where(m.host) == simUnknown {
					causes[command.ExitUnavailable] = "nobody knows where " + m.host + " is"
				}
				if m.path == at.path && hidden {
					causes[command.ExitNoPermission] = "Keystone does not show project " + key
				}
			}
		}
	}
}

// causesOfRefusal are those for which a person has to approve.
func (j *judgement) causesOfRefusal(causes map[int]string) {
	for _, t := range j.moments {
		rights := t.rights()
		removed := 0
		for at := range j.old.grants {
			if len(rights[at]) == 0 {
				removed++
			}
		}
		if removed > t.config.limit(len(j.old.grants)) || removed > 0 && len(rights) == 0 || len(j.moments) > 1 || j.fault.flap {
			causes[command.ExitRefused] = fmt.Sprintf("%d of %d grants would go", removed, len(j.old.grants))
		}
		if j.approve != nil && !j.sameAsRefused(t) {
			causes[command.ExitRefused] = "another plan was approved"
		}
	}
	if j.byHand() {
		causes[command.ExitRefused] = "the exports file was changed by hand"
	}
	if j.approve != nil && j.sameAsRefused(j.moments[0]) && len(j.moments) == 1 && !j.struck() {
		if len(j.moments[0].holdersTwice()) == 0 {
			delete(causes, command.ExitRefused)
		}
	}
}

// limit is how many grants may go at once.
func (c simConfig) limit(today int) int { return max(c.removed, today*c.percent/100) }

// holdersTwice are the addresses that more than one project holds.
func (t truth) holdersTwice() []string {
	var twice []string
	for address, holders := range t.holders() {
		if len(holders) > 1 {
			twice = append(twice, address)
		}
	}
	return twice
}

// sameAsRefused tells whether the plan that is approved is made of the same
// things as before.
func (j *judgement) sameAsRefused(t truth) bool {
	return j.approve.sure && j.approve.before == j.before.exports.text && maps.Equal(j.approve.outcome, t.outcome())
}

// byHand tells whether somebody else than the program wrote the exports file,
// which matters if it has more than comments.
func (j *judgement) byHand() bool {
	text := j.before.exports.text
	return !j.wrote[text] && (len(j.old.grants) > 0 || j.old.odd > 0)
}

// faultStatuses are the statuses with which a run may end because of a fault. 0
// always may be.
func faultStatuses(name string) []int {
	has := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	}
	switch {
	case has("status-401", "status-403", "token-expire"):
		return []int{command.ExitNoPermission}
	case has("reset-", "closed-", "black-hole", "stall-", "slow-drip", "status-429", "status-5", "instance-unknown"):
		return []int{command.ExitUnavailable}
	case has("status-404", "list-empty", "truncated", "page-short", "instance-other-tenant", "project-another"):
		// Less than everything is shown: not to be trusted, or no proof. And a 404
		// to one who exchanges a token is a token that is not found.
		return []int{command.ExitUntrusted, command.ExitNoPermission}
	}
	return []int{command.ExitUntrusted}
}

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
	failed := j.got.Status != 0 || j.command == "plan"
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
		// program can mend, nor what it makes of a file that somebody edited;
		// else the table is that of the old file.
		broken := strings.HasPrefix(j.exportfs, "truncates") && !strings.HasSuffix(j.exportfs, "once")
		if (broken || j.byHand()) && strings.Contains(j.got.Stderr, "but the active table is not") ||
			len(tableDifferences(j.after.etab.text, j.old)) == 0 {
			return
		}
	}
	j.wrong(table, "the active table changed, although the run ended with %d", j.got.Status)
}

// overtaken looks at a success in spite of a change of the exports file by
// somebody else: there was nothing to do, so that the change must still be there.
func (j *judgement) overtaken() {
	if j.after.exports.text != j.edit.text {
		j.wrong("cmp exports.d/nfs-exportd.exports edited.exports", "the exports file changed during the run, and that is lost")
	}
}

// removals looks for each grant that went at what the program says of it, and at
// whether that is so.
func (j *judgement) removals() {
	gone := 0
	for _, at := range j.old.places() {
		if _, ok := j.new.grants[at]; ok {
			continue
		}
		gone++
		reason := removalReason(j.got.Stdout, at)
		keep := fmt.Sprintf("grep '^%s %s\\(' exports.d/nfs-exportd.exports", at.path, regexp.QuoteMeta(at.client))
		if reason == "" {
			j.wrong(keep, "%s %s went, and no reason was named", at.path, at.client)
			continue
		}
		if !slices.ContainsFunc(j.moments, func(t truth) bool { return t.justifies(reason, at, j.old.grants[at].owner) }) {
			j.wrong(keep, "%s %s of %v went as %s, which is not so", at.path, at.client, j.old.grants[at].owner, reason)
		}
		j.stats.removed[reason]++
	}
	rewrote := j.after.exports != j.before.exports
	approved := j.approve != nil && (!j.approve.sure || slices.ContainsFunc(j.moments, j.sameAsRefused))
	if !rewrote || approved {
		return
	}
	refuse := "exits 65 $COMMAND"
	if limit := j.moments[0].config.limit(len(j.old.grants)); gone > limit {
		j.wrong(refuse, "%d grants went without approval, and %d may", gone, limit)
	}
	if gone > 0 && len(j.new.grants) == 0 {
		j.wrong(refuse, "the last of %d grants went without approval", gone)
	}
	if j.byHand() {
		j.wrong(refuse, "an exports file changed by hand was replaced without approval")
	}
}

func removalReason(stdout string, at simPlace) string {
	prefix := fmt.Sprintf("remove %s %s of ", at.path, at.client)
	for line := range strings.Lines(stdout) {
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSpace(line[strings.LastIndex(line, ":")+1:])
		}
	}
	return ""
}

// justifies tells whether a reason for a grant to go is true.
func (t truth) justifies(reason string, at simPlace, owner simOwner) bool {
	// A key that is the name in the line counts too if no other does, although
	// another project has that name by now.
	var keys []string
	for key := range t.config.private {
		if id := t.meaning(key); owner.project != "" && (key == owner.project || id == owner.project || id == "" && key == owner.name) {
			keys = append(keys, key)
		}
	}
	replaced := len(keys) == 0 && owner.project != ""
	if replaced {
		keys = append(keys, owner.name)
	}
	mounts, elsewhere := 0, 0
	for _, key := range keys {
		for _, m := range t.config.private[key].mounts {
			if m.path == at.path {
				mounts++
				if t.where(m.host) == simElsewhere {
					elsewhere++
				}
			}
		}
	}
	holds, counts, other := false, false, false
	for _, i := range t.instances {
		for _, a := range i.addresses {
			if a.ip == at.client && i.status != "BUILD" {
				holds = holds || i.project == owner.project
				counts = counts || i.project == owner.project && t.counts(a)
				other = other || i.project != owner.project && t.counts(a) && i.shown()
			}
		}
	}
	project, lives := t.projects[owner.project]
	switch reason {
	case "public-removed":
		return owner.public != "" && !slices.ContainsFunc(slices.Collect(maps.Values(t.config.public)), func(p simPublic) bool {
			return p.path == at.path && p.client == at.client
		})
	case "not-in-config":
		return owner.public == "" && (mounts == 0 || replaced || holds && !counts)
	case "project-deleted":
		return owner.project != "" && !lives
	case "project-disabled":
		return lives && project.disabled
	case "instance-gone":
		return lives && !holds
	case "address-reassigned":
		return owner.public == "" && other
	case "own-address":
		return slices.Contains(strings.Fields(simLocal), at.client)
	case "served-elsewhere":
		return mounts > 0 && elsewhere == mounts
	}
	return false
}

// result compares what is exported after a success with who has a right to it.
func (j *judgement) result() {
	if j.new.odd > 0 {
		j.wrong("", "%d lines of the exports file cannot be read", j.new.odd)
	}
	rights := make([]map[simPlace][]simRight, len(j.moments))
	for n, t := range j.moments {
		rights[n] = t.rights()
	}
	line := func(at simPlace) string {
		return fmt.Sprintf("grep '^%s %s\\(' exports.d/nfs-exportd.exports", at.path, regexp.QuoteMeta(at.client))
	}
	for _, at := range j.new.places() {
		g := j.new.grants[at]
		allowed := slices.ContainsFunc(rights, func(rights map[simPlace][]simRight) bool {
			return slices.Contains(rights[at], simRight{g.owner.project, g.owner.public, g.options})
		})
		if !allowed {
			j.wrongSuccess([]string{"! " + line(at)}, "%s %s(%s) is exported for %v, who has no right to it: %v", at.path, at.client, g.options, g.owner, rights[0][at])
		}
	}
	for at, first := range rights[0] {
		if _, ok := j.new.grants[at]; ok {
			continue
		}
		always := func(r simRight) bool {
			return !slices.ContainsFunc(rights, func(rights map[simPlace][]simRight) bool {
				return !slices.ContainsFunc(rights[at], func(s simRight) bool { return s.project == r.project && s.public == r.public })
			})
		}
		if slices.ContainsFunc(first, func(r simRight) bool { return always(r) && !j.mayBeHidden(at, r) }) {
			j.wrongSuccess([]string{line(at)}, "%s %s is not exported, but %v has a right to it", at.path, at.client, first)
		}
	}
	if differences := j.unexplained(tableDifferences(j.after.etab.text, j.new)); len(differences) > 0 && !j.noReload {
		j.wrongSuccess(differences, "the active table is not that of the exports file")
	}
}

// unexplained leaves out what an exportfs that does nothing has left in the table
// for paths that are not exported any more, if there is a warning about it:
// without a proof it could be for another file's sake.
func (j *judgement) unexplained(differences []string) []string {
	paths := map[string]bool{}
	for at := range j.new.grants {
		paths[at.path] = true
	}
	return slices.DeleteFunc(differences, func(difference string) bool {
		entry, surplus := strings.CutPrefix(difference, "! grep '^")
		path, _, _ := strings.Cut(entry, `\t`)
		return surplus && j.exportfs != "" && !paths[path] && strings.Contains(j.got.Stderr, "warn: "+path+" for ")
	})
}

// mayBeHidden tells of a right of which a run could not know because it was not
// shown the project, or not its instances, and of which nothing was exported
// before that would have been missed.
func (j *judgement) mayBeHidden(at simPlace, r simRight) bool {
	if !j.struck() || r.project == "" || j.old.grants[at].owner.project == r.project {
		return false
	}
	kind, project, _ := strings.Cut(j.fault.on, "/")
	switch keystonetest.Kind(kind) {
	case keystonetest.Projects, keystonetest.AuthProjects, keystonetest.OneProject:
		return true
	case keystonetest.Instances:
		return j.fault.flap && strings.HasPrefix(project, r.project+"/")
	}
	return false
}

// count keeps what happened.
func (j *judgement) count() {
	j.stats.runs++
	j.stats.statuses[j.command+" "+strconv.Itoa(j.got.Status)]++
	switch t := j.moments[0]; {
	case j.got.Status != 0:
	case t.held(j.now):
		j.stats.held++
	case t.standby():
		j.stats.standby++
	}
	if j.command == "apply" && j.got.Status == 0 {
		for at := range j.new.grants {
			if _, ok := j.old.grants[at]; !ok {
				j.stats.added++
			}
		}
	}
	switch {
	case j.approve == nil:
	case j.got.Status == 0:
		j.stats.approved++
	case j.got.Status == command.ExitRefused:
		j.stats.stale++
	}
	if j.struck() {
		j.stats.struck[j.fault.name]++
	}
	if j.edited() {
		j.stats.edited++
	}
}

// What is on the disk

// simFiles are the files that matter, as they are at one moment.
type simFiles struct {
	exports, etab simFile
	litter        []string // what exportfs would read besides
}

type simFile struct{ kind, text string }

func (l *life) look() simFiles {
	files := simFiles{exports: lookAt(l.ours()), etab: lookAt(l.path("etab"))}
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
	options string
	owner   simOwner
}

// parsedExports is what a reader who knows nothing but the form of the lines
// makes of an exports file.
type parsedExports struct {
	grants map[simPlace]simGrant
	odd    int // lines that are none of the program's
}

func (p parsedExports) places() []simPlace {
	return slices.SortedFunc(maps.Keys(p.grants), func(a, b simPlace) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.client, b.client))
	})
}

func parseExports(text string) parsedExports {
	p := parsedExports{grants: map[simPlace]simGrant{}}
	var owner simOwner
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 4 && words[1] == "project":
			owner = simOwner{project: words[2], name: strings.Trim(words[3], `"`)}
		case len(words) == 3 && words[1] == "public":
			owner = simOwner{public: strings.Trim(words[2], `"`)}
		case strings.HasPrefix(line, "# unknown"):
			owner = simOwner{}
		case len(words) == 0 || words[0][0] == '#':
		default:
			client, options, ok := "", "", len(words) == 2 && strings.HasSuffix(line, ")\n")
			if ok {
				client, options, ok = strings.Cut(strings.TrimSuffix(words[1], ")"), "(")
			}
			at := simPlace{words[0], client}
			if _, twice := p.grants[at]; !ok || twice {
				p.odd++
				continue
			}
			p.grants[at] = simGrant{options, owner}
		}
	}
	return p
}

// tableDifferences compares an active table with an exports file, in lines of a
// script. Of the file beside it the table may have the lines or not: nobody asked
// the program to see to them.
func tableDifferences(table string, p parsedExports) []string {
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
