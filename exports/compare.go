package exports

import (
	"maps"
	"slices"
)

// Reason is positive evidence that a grant must go.
type Reason string

// The reasons, see "REASONS" in nfs-exportd(8).
const (
	NotInConfig       Reason = "not-in-config"
	ProjectDeleted    Reason = "project-deleted"
	ProjectDisabled   Reason = "project-disabled"
	InstanceGone      Reason = "instance-gone"
	AddressReassigned Reason = "address-reassigned"
	OwnAddress        Reason = "own-address"
	ServedElsewhere   Reason = "served-elsewhere"
	PublicRemoved     Reason = "public-removed"
)

// Doubt is why nobody can say whether a grant must go.
type Doubt string

const (
	// ProjectHidden: Keystone does not show the project to us, or not under
	// the configured name.
	ProjectHidden Doubt = "project-hidden"
	// HostUnresolved: the resolver did not say where the mount's host is.
	HostUnresolved Doubt = "host-unresolved"
	// InstanceSilent: Nova shows an active instance of the project without any
	// address, so that the listing may lack more.
	InstanceSilent Doubt = "instance-silent"
)

// Removal is a grant that goes, and why.
type Removal struct {
	Grant
	Reason Reason
}

// Change is a grant that stays with other options.
type Change struct {
	Old, New Grant
}

// Plan is what separates today's grants from the desired ones. All lists are
// in the order of the exports file.
type Plan struct {
	Today, Desired Set
	Added          []Grant
	Removed        []Removal
	Changed        []Change
	// Warnings is what an operator should know although it stops nothing.
	Warnings []string
}

// Decide gives the plan that follows from today's grants and the evidence, or
// the questions that are left. The caller has them answered, see
// [Evidence.Answer], and asks again. Errors are those of [Build] and [Compare].
func Decide(today Set, e Evidence) (Plan, Questions, error) {
	desired, err := Build(e)
	if err != nil {
		return Plan{}, Questions{}, err
	}
	return Compare(today, desired, e)
}

// Compare gives the plan that leads from today's grants to the desired ones,
// which Build made of the same evidence.
//
// A grant is the same grant if its path and client are the same. For each one
// of today that is not desired, of project X on path P, the first fitting row
// decides:
//
//	X in the  P among     hosts of    address of  Keystone  instances
//	config    X's mounts  those       another     says      of X        = outcome
//	no        -           -           -           -         -           = not-in-config
//	yes       no          -           -           -         -           = not-in-config
//	yes       yes         elsewhere   -           -         -           = served-elsewhere
//	yes       yes         -           yes         -         -           = address-reassigned
//	yes       yes         unresolved  no          -         -           = in doubt: host-unresolved
//	yes       yes         here        no          hidden    -           = in doubt: project-hidden
//	yes       yes         here        no          renamed   -           = in doubt: project-hidden
//	yes       yes         here        no          absent    -           = project-deleted
//	yes       yes         here        no          replaced  -           = not-in-config
//	yes       yes         here        no          disabled  -           = project-disabled
//	yes       yes         here        no          shown     uncounted   = not-in-config
//	yes       yes         here        no          shown     one silent  = in doubt: instance-silent
//	yes       yes         here        no          shown     without it  = instance-gone
//
// "Address of another" is one that the inventory shows in another served
// project. "Renamed" is a project that Keystone has under another name than
// the configured one, "replaced" one whose name another project has taken and
// that lives on. "Silent" is an active instance without any address,
// "uncounted" an address in a network that openstack.networks leaves out.
//
// A grant of a public line goes as public-removed, as only the configuration
// says what is public, and another one for an address of this server as own-address,
// unless the first two rows fit. With any grant in doubt there is no plan but an
// *UnclearError that names all of them.
//
// "Instance-gone" is the one reason that rests on something missing: a cell of
// Nova that was away for a moment takes its instances along. So a project whose
// instances were not listed a second time is a question, and with any question
// the plan is the zero Plan.
func Compare(today, desired Set, e Evidence) (Plan, Questions, error) {
	plan := Plan{Today: today, Desired: desired, Warnings: e.warnings()}
	if today.Len() == 0 {
		plan.Added = desired.Grants() // of which there can be many
		return plan, Questions{}, nil
	}
	var j *judge
	unclear := &UnclearError{}
	again := map[string]bool{}
	for old, wanted := range pairs(today.Grants(), desired.Grants()) {
		switch {
		case old == nil:
			plan.Added = append(plan.Added, *wanted)
		case wanted == nil:
			if j == nil {
				j = newJudge(e) // which most runs do not need
			}
			v := j.judge(*old)
			switch {
			case v.doubt != "":
				unclear.Grants = append(unclear.Grants, Unclear{*old, v.doubt, v.why})
			case v.reason == InstanceGone && !e.twice[v.key]:
				again[v.key] = true
			default:
				plan.Removed = append(plan.Removed, Removal{*old, v.reason})
			}
		case old.Options != wanted.Options:
			plan.Changed = append(plan.Changed, Change{*old, *wanted})
		}
	}
	switch {
	case len(unclear.Grants) > 0:
		return Plan{}, Questions{}, unclear
	case len(again) > 0:
		return Plan{}, Questions{Again: slices.Sorted(maps.Keys(again))}, nil
	}
	return plan, Questions{}, nil
}

// pairs walks the places of two lists that are in order. A grant is nil where its
// list has none for the place.
func pairs(a, b []Grant) func(yield func(inA, inB *Grant) bool) {
	return func(yield func(inA, inB *Grant) bool) {
		for len(a) > 0 || len(b) > 0 {
			var inA, inB *Grant
			order := 0
			switch {
			case len(b) == 0:
				order = -1
			case len(a) == 0:
				order = 1
			default:
				order = a[0].Place().Compare(b[0].Place())
			}
			if order <= 0 {
				inA, a = &a[0], a[1:]
			}
			if order >= 0 {
				inB, b = &b[0], b[1:]
			}
			if !yield(inA, inB) {
				return
			}
		}
	}
}
