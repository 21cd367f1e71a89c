package simulation

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"nfs-exportd/command"
)

// fates compares what became of each place, and what the run says of it, with what may.
func (j *judgement) fates() {
	all := map[simPlace]bool{}
	for at := range j.old.grants {
		all[at] = true
	}
	for at := range j.new.grants {
		all[at] = true
	}
	for at := range j.said.frozen {
		all[at] = true
	}
	for at := range j.said.removed {
		all[at] = true
	}
	for _, s := range j.sights {
		for at := range s.places {
			all[at] = true
		}
	}
	for at := range all {
		j.fate(at)
	}
	if frozen := len(j.said.frozen) > 0; frozen != (j.got.Status == command.ExitFrozen) && !(frozen && j.got.Status == command.ExitChanges) {
		j.wrong("", "exit status %d, and %d places are frozen", j.got.Status, len(j.said.frozen))
	}
	if !strings.Contains(j.got.Stdout, "plan ") && j.command == "apply" && len(j.old.grants) != len(j.new.grants) {
		j.wrong("", "the grants changed without a word")
	}
}

// fate is one place.
func (j *judgement) fate(at simPlace) {
	fate := j.fateOf(at)
	if fate == "" {
		return
	}
	allowed := fates{}
	for _, s := range j.sights {
		f := s.places[at]
		if f == nil {
			f = only("none")
		}
		allowed = allowed.or(f)
	}
	if len(allowed) == 1 {
		j.stats.exact++
	} else {
		j.stats.loose++
	}
	switch {
	case allowed[fate]:
	case fate == "none" && allowed["added"] && j.mayBeMissing(at):
	case len(j.moments) > 1 && slices.Contains([]string{twice, unproved, mistaken, overLimit, overShare, "frozen address-unknown"}, fate):
	case j.struck() && j.fault.flap && slices.Contains([]string{unproved, overLimit, overShare}, fate):
	default:
		have := fmt.Sprintf("grep '^%s %s\\(' exports.d/nfs-exportd.exports", at.path, regexp.QuoteMeta(at.client))
		want := []string{"! " + have}
		if isRemoved(fate) || fate == "none" {
			want = []string{have}
		}
		j.wrongSuccess(want, "%s %s of %v: %s, which is not so; it could be %v", at.path, at.client, j.old.grants[at], fate, allowed)
	}
}

// fateOf is what became of a place, or would after a plan; "" if that is not known.
func (j *judgement) fateOf(at simPlace) string {
	old, today := j.old.grants[at]
	now, then := j.new.grants[at]
	if reason, ok := j.said.removed[at]; ok {
		return "removed " + reason // though an addition can wait there
	}
	if f, ok := j.said.frozen[at]; ok {
		return "frozen " + f.reason
	}
	switch {
	case j.command == "plan":
		return ""
	case today && !then:
		return "removed without a word"
	case !today && then:
		return "added"
	case !today:
		return "none"
	case old.options != now.options:
		return "changed"
	}
	return "kept"
}

// mayBeMissing reports whether something during the run can have hidden the right to a
// place that has no line.
func (j *judgement) mayBeMissing(at simPlace) bool {
	if len(j.moments) > 1 {
		return true
	}
	for _, s := range j.sights {
		if !slices.ContainsFunc(s.rights[at], func(r simRight) bool { return !j.mayBeHidden(at, r) }) {
			return true
		}
	}
	return false
}

// removals looks at the law for each grant that went: there was an answer about it, and
// there were not too many without approval.
func (j *judgement) removals() {
	gone := 0
	for _, at := range j.old.places() {
		old := j.old.grants[at]
		now, stays := j.new.grants[at]
		approved := j.approve.wholeOrHolds(at)
		if f, ok := j.said.frozen[at]; ok {
			j.frozenLine(at, f)
		}
		if stays {
			if now.options != old.options && !approved {
				if _, frozen := j.said.frozen[at]; !frozen {
					gone++
				}
			}
			continue
		}
		reason := j.said.removed[at]
		j.stats.removed[reason]++
		if !approved {
			gone++
		}
		if slices.Contains([]string{"instance-gone", "address-reassigned"}, reason) && !j.answered(old) {
			j.wrong("", "%s %s went as %s, and nobody asked about instance %s in all regions", at.path, at.client, reason, old.instance)
		}
	}
	for at, f := range j.said.frozen {
		if _, today := j.old.grants[at]; !today {
			j.frozenLine(at, f)
		}
	}
	if j.after.exports == j.before.exports || j.approve.isWhole() {
		return
	}
	refuse := "exits 65 $COMMAND"
	if limit := j.moments[0].config.limit(len(j.old.grants)); gone > limit {
		j.wrong(refuse, "%d grants went or changed without approval, and %d may", gone, limit)
	}
	if j.byHand() {
		j.wrong(refuse, "an exports file changed by hand was replaced without approval")
	}
}

// frozenLine checks that a frozen place keeps its line, with the options of the
// configuration at most, and that nothing is added. Where others claim the address twice,
// or take it over by mistake, a line goes for a reason of its own.
func (j *judgement) frozenLine(at simPlace, f saidFrozen) {
	j.stats.frozen[f.reason]++
	old, today := j.old.grants[at]
	now, then := j.new.grants[at]
	if _, gone := j.said.removed[at]; gone && (f.reason == "claimed-twice" || f.reason == "looks-like-a-mistake" || f.reason == "nested") {
		today = false
	}
	switch {
	case today != then:
		j.wrong("", "%s %s is frozen (%s), but a line is there: %t, then %t", at.path, at.client, f.reason, today, then)
	case !today, f.reason == "nested":
		return // whose such a line is by now, rightful looks at
	case old.owner.project != now.owner.project || old.owner.public != now.owner.public || old.instance != "" && old.instance != now.instance:
		j.wrong("", "%s %s is frozen (%s), but its line is of %v and not of %v", at.path, at.client, f.reason, now, old)
	case (f.reason == "over-share" || f.reason == "over-limit") && now.options != old.options:
		j.wrong("", "%s %s is frozen (%s), but has other options", at.path, at.client, f.reason)
	case !slices.ContainsFunc(j.sights, func(s *sight) bool { return slices.Contains(s.optionsOf(at, old), now.options) }):
		j.wrong("", "%s %s is frozen (%s), but has the options %s", at.path, at.client, f.reason, now.options)
	}
}

// answered reports whether Nova was asked about the instance of a line, or listed it.
func (j *judgement) answered(g simGrant) bool {
	for _, t := range j.moments {
		if _, lives := t.instances[g.instance]; lives && t.lists(g.instance) {
			return true
		}
	}
	last := j.moments[len(j.moments)-1]
	missing := maps.Clone(last.regions)
	maps.DeleteFunc(missing, func(region string, _ bool) bool { return last.invisible(region) })
	for _, r := range j.requests {
		if !strings.HasSuffix(r.Path, "/servers/"+g.instance) {
			continue
		}
		if r.Status == http.StatusOK {
			return true
		}
		if r.Status == http.StatusNotFound {
			delete(missing, r.Region)
		}
	}
	return g.instance != "" && len(missing) == 0
}

// String is all that may become of the places, in order.
func (s *sight) String() string {
	var lines []string
	for at, f := range s.places {
		lines = append(lines, fmt.Sprint(at, " ", s.old.grants[at], " ", f, " ", s.rights[at]))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
