package exports

import "cmp"

// FreezeReason is why a place is frozen.
type FreezeReason string

// The reasons, see "FROZEN PLACES" in nfs-exportd(8).
const (
	ClaimedTwice      FreezeReason = "claimed-twice"
	AddressUnknown    FreezeReason = "address-unknown"
	NotProved         FreezeReason = "unproved"
	LooksLikeAMistake FreezeReason = "looks-like-a-mistake"
	Nested            FreezeReason = "nested"
	LinkInTheWay      FreezeReason = "symbolic-link"
	OverShare         FreezeReason = "over-share"
	OverLimit         FreezeReason = "over-limit"
)

// Frozen is a place where a run neither adds nor removes a grant. The exports file
// keeps what it has there, but for options and comments, which follow the
// configuration; over-share and over-limit keep these too.
type Frozen struct {
	Place
	// Today is the line of today, and Then what an approval makes of it; nil is no
	// line.
	Today, Then *Grant
	Project     Owner
	Instance    InstanceRef
	Reason      FreezeReason
	// Why says what was found, and what ends it, for people.
	Why string

	// Held says that Then differs from what the run leaves there: an approval carries
	// it out.
	Held bool
	// Unasked says that nobody was asked for the instance, because there were too many.
	// An approval has that done, and carries out what is proved.
	Unasked bool
}

// Refusal is why a plan as a whole needs a person's approval.
type Refusal struct {
	Message                 string
	Removed, Current, Limit int // grants that would go, that there are, and that may go
}

// freeze is the item as a frozen place.
func (i *item) freeze() Frozen {
	f := Frozen{
		Place: i.place(), Today: i.old, Then: i.wanted,
		Reason: i.verdict.frozen, Why: i.verdict.why, Unasked: i.unasked,
	}
	if i.overTheLimit() {
		f.Then = i.then
	}
	left := i.line()
	differs := (left == nil) != (f.Then == nil) || left != nil && left.Options != f.Then.Options
	f.Held = differs && f.Reason != Nested && f.Reason != LinkInTheWay // which no approval ends
	of := cmp.Or(i.kept, i.old, i.wanted)
	f.Project, f.Instance = of.Owner, of.Instance
	return f
}
