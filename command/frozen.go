package command

import (
	"fmt"
	"maps"
	"slices"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// maxFrozen is how many frozen places of one project the log and check name before they
// only count: one project must not hide those of the others.
const maxFrozen = 10

// onApproval is what an approval makes of a frozen place.
func onApproval(f exports.Frozen) string {
	switch {
	case !f.Held && f.Today == nil:
		return "not added"
	case !f.Held:
		return "stays"
	case f.Today == nil:
		return "added"
	case f.Unasked:
		return "removed if its instance is gone"
	case f.Then == nil:
		return "removed"
	}
	return fmt.Sprintf("changed from %s to %s", f.Today.Options, f.Then.Options)
}

// until says what ends the freezing of a place.
var until = map[exports.FreezeReason]string{
	exports.ClaimedTwice:      "only one project has the address",
	exports.AddressUnknown:    "Nova shows the addresses of the instance, or says that it is gone",
	exports.NotProved:         "Nova proves that the instance is gone or has lost the address",
	exports.LooksLikeAMistake: "the configuration is corrected, or the instance loses the address",
	exports.Nested:            "the configuration exports only one of the two, makes the outer one read-only, or has exports.allow_nested: true",
	exports.LinkInTheWay:      "a directory is there instead of the link",
	exports.OverShare:         "somebody approves it",
	exports.OverLimit:         "somebody approves it",
}

// whyFrozen says why a place is frozen, and until when.
func whyFrozen(f exports.Frozen) string {
	return fmt.Sprintf("%s; until %s", printable.Line(f.Why), until[f.Reason])
}

// frozenText names a frozen place for people, and what to do about it.
func frozenText(f exports.Frozen) string {
	next := "there is nothing to approve"
	switch {
	case !f.Held:
	case f.Today == nil:
		next = "an approval adds it"
	case f.Unasked:
		next = "after an approval Nova is asked for the instance, and the grant is removed if that is gone"
	case f.Then == nil:
		next = "an approval removes it"
	default:
		next = "with an approval its options are " + onApproval(f)
	}
	return fmt.Sprintf("frozen: %s: %s for %s of project %s%s: %s; %s", f.Reason, printable.Word(f.Path), printable.Word(f.Client.String()),
		printable.Quote(f.Project.String()), instanceText(f.Instance), whyFrozen(f), next)
}

func instanceText(i exports.InstanceRef) string {
	if i == (exports.InstanceRef{}) {
		return ""
	}
	return ", instance " + printable.Quote(instanceName(i))
}

// frozenTexts names frozen places, the first few of each project.
func frozenTexts(all []exports.Frozen) []string {
	var texts []string
	of := map[string]int{} // places, by project
	for _, f := range all {
		project := f.Project.String()
		if of[project]++; of[project] <= maxFrozen {
			texts = append(texts, frozenText(f))
		}
	}
	for _, project := range slices.Sorted(maps.Keys(of)) {
		if more := of[project] - maxFrozen; more > 0 {
			texts = append(texts, fmt.Sprintf("frozen: %s more of project %s", count(more, "place"), printable.Quote(project)))
		}
	}
	return texts
}

// reportFrozen names the frozen places of a run that succeeded in the log, and gives
// errFrozen if there are some.
func (j job) reportFrozen(r result) error {
	left := slices.ContainsFunc(r.plan.Removed, func(g exports.Removal) bool { return g.Reason == exports.SymbolicLink })
	if len(r.plan.Frozen) == 0 && !left && !r.leftOut {
		return nil
	}
	j.warn(frozenTexts(r.plan.Frozen)...)
	if r.approval.places > 0 && !r.approval.given {
		command := j.approveCommand(r.approval.id)
		if r.installed {
			command = j.flags.approveLater + " --" + flagApprove + " " + r.approval.id
		}
		j.warn("read the plan; to carry out what is frozen, run: " + command)
	}
	return errFrozen
}
