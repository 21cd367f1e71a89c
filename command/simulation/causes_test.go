package simulation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nfs-exportd/command"
	"nfs-exportd/keystone/keystonetest"
)

// findCauses gives the exit statuses that a run may have besides 0, each with its
// cause. certain tells that it has to be one of them.
func (j *judgement) findCauses() (causes map[int]string, certain bool) {
	causes = map[int]string{}
	first := j.moments[0]
	switch {
	case first.config.broken != "", len(first.config.public)+len(first.config.private) == 0:
		return map[int]string{command.ExitConfiguration: "the configuration is broken"}, true
	case first.held(j.now):
		return causes, false
	case first.standby():
		if hosts := j.disagree(); len(hosts) > 0 {
			return map[int]string{command.ExitUnavailable: fmt.Sprintf("two look-ups of %q disagree", hosts)}, true
		}
		return causes, false
	case j.locked:
		return map[int]string{command.ExitTemporary: "another holds the lock"}, true
	}
	switch j.disk {
	case "exports-directory", "exports-fifo", "exports-symlink", "lock-directory":
		return map[int]string{command.ExitCannotWrite: j.disk}, true
	case "no-directory":
		if j.command == "apply" {
			return map[int]string{command.ExitCannotWrite: j.disk}, true
		}
	case "etab-directory":
		causes[command.ExitCannotWrite] = j.disk
	}
	certain = j.causesOfLogIn(causes)
	j.causesOfTrouble(causes)
	if j.edited() {
		causes[command.ExitTemporary] = "the exports file changed during the run"
	}
	if j.busy && !j.noReload && j.command == "apply" {
		causes[command.ExitTemporary] = "another process holds the lock of exportfs"
	}
	if hosts := j.disagree(); len(hosts) > 0 {
		causes[command.ExitUnavailable] = fmt.Sprintf("two look-ups of %q disagree", hosts)
	}
	if j.exportfs != "" && j.exportfs != "complains" && !j.noReload && j.command == "apply" {
		causes[command.ExitExportfs] = "exportfs " + j.exportfs
	}
	for _, t := range j.moments {
		causesOfCloud(t, causes)
	}
	if len(first.leftOut) > 0 && !j.admin {
		causes[command.ExitNoPermission] = "lists that are out of step look like more than one page"
	}
	steady := len(j.moments) == 1 && !j.struck() && j.edit == nil
	for _, s := range j.sights {
		for at, f := range s.places {
			for fate := range f {
				if status, ok := strings.CutPrefix(fate, "error "); ok {
					n, _ := strconv.Atoi(status)
					causes[n] = fmt.Sprintf("%s %s: %v", at.path, at.client, f)
				}
			}
			certain = certain || steady && f.all(isError)
		}
		if s.unequalKeys() {
			causes[command.ExitConfiguration] = "two keys are one project"
		}
	}
	return causes, j.causesOfRefusal(causes, steady) || certain
}

// causesOfLogIn are those for which the user gets no token. It reports whether there is
// one.
func (j *judgement) causesOfLogIn(causes map[int]string) (certain bool) {
	first := j.moments[0]
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
	return certain
}

// causesOfTrouble are what goes wrong or happens during the run.
func (j *judgement) causesOfTrouble(causes map[int]string) {
	if j.struck() && !j.fault.flap && (j.fault.kind() != keystonetest.OneInstance || isSlow(j.fault.name)) {
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
}

func causesOfCloud(t truth, causes map[int]string) {
	for region, nova := range t.regions {
		if !nova {
			causes[command.ExitUntrusted] = "the catalog has no Nova in " + region
		}
	}
	for cell := range t.down {
		causes[command.ExitUnavailable] = "cell " + cell + " is down"
	}
}

// causesOfRefusal are those for which a person has to approve the plan as a whole. It
// reports whether there surely is one.
func (j *judgement) causesOfRefusal(causes map[int]string, steady bool) (certain bool) {
	const status = command.ExitRefused
	for _, s := range j.sights {
		if s.refusal.may || len(j.moments) > 1 || j.struck() && j.fault.flap {
			causes[status] = "the plan as a whole is odd"
		}
		certain = certain || s.refusal.must
		may, must := j.unowned(s)
		if may {
			causes[status] = "the exports file is empty, and the active table is not"
		}
		certain = certain || must
	}
	for _, s := range j.lists {
		if s.refusal.may {
			causes[status] = "lists that were cut short make the plan as a whole odd" // nobody is asked by id for that
		}
	}
	if j.byHand() {
		causes[status] = "the exports file was changed by hand"
	}
	if j.approve == nil {
		return certain && steady
	}
	same := steady && j.sameAsRefused(j.sights[0])
	if same {
		delete(causes, status)
	} else {
		causes[status] = "another plan was approved"
	}
	return false
}

// unowned reports whether the exports file has no grants while the active table has
// entries on configured paths that nobody else has.
func (j *judgement) unowned(s *sight) (may, must bool) {
	if len(j.old.grants) > 0 {
		return false, false
	}
	paths := s.paths()
	for line := range strings.Lines(j.before.etab.text) {
		path, rest, whole := strings.Cut(line, "\t")
		client, _, ok := strings.Cut(rest, "(")
		if !paths[path] || !whole || !ok {
			continue
		}
		f := s.places[simPlace{path, client}]
		may = may || j.struck() || !f.all(func(fate string) bool { return fate == "added" })
		must = must || strings.HasSuffix(line, ")\n") && !f["added"]
	}
	whole := j.before.etab.text == "" || strings.HasSuffix(j.before.etab.text, ")\n")
	return may, must && whole
}

// unequalKeys reports whether two keys are one project with different options.
func (t truth) unequalKeys() bool {
	options := map[string]string{}
	for key, entry := range t.config.private {
		id := t.meaning(key)
		if !t.served(key) || !t.visible(id) {
			continue
		}
		if other, ok := options[id]; ok && other != entry.options {
			return true
		}
		options[id] = entry.options
	}
	return false
}

// sameAsRefused reports whether the plan that is approved is made of the same things as
// before.
func (j *judgement) sameAsRefused(s *sight) bool {
	return j.approve.sure && len(j.moments[0].leftOut) == 0 && j.approve.before == j.before.exports.text && j.approve.fates == s.String()
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
	has := func(prefixes ...string) bool { return hasPrefix(name, prefixes...) }
	switch {
	case has("status-401", "status-403", "token-expire"):
		return []int{command.ExitNoPermission}
	case has("reset-", "closed-", "black-hole", "stall-", "slow-drip", "status-429", "status-5", "instance-unknown"):
		return []int{command.ExitUnavailable}
	case showsLess(name):
		// Not to be trusted, or no proof. And a 404 to one who exchanges a token is a
		// token that is not found.
		return []int{command.ExitUntrusted, command.ExitNoPermission}
	}
	return []int{command.ExitUntrusted}
}

// showsLess tells of a fault that shows less than everything.
func showsLess(name string) bool {
	return hasPrefix(name, "status-404", "list-empty", "truncated", "page-short", "instance-other-tenant", "project-another")
}

func hasPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

// overtaken looks at a success in spite of a change of the exports file by
// somebody else: there was nothing to do, so that the change must still be there.
func (j *judgement) overtaken() {
	if j.after.exports.text != j.edit.text {
		j.wrong("cmp exports.d/nfs-exportd.exports edited.exports", "the exports file changed during the run, and that is lost")
	}
}
