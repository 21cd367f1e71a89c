package exports_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nfs-exportd/exports"
)

// grants makes n grants of one path.
func grants(n int) []exports.Grant {
	made := make([]exports.Grant, n)
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range made {
		addr = addr.Next()
		made[i] = exports.Grant{Path: home, Client: exports.Client{Addr: addr}, Options: "rw"}
	}
	return made
}

// shrinking is a plan that takes some of today's grants away, adds some and
// changes nothing else.
func shrinking(today, removed, added int) exports.Plan {
	all := grants(today + added)
	p := exports.Plan{
		Today:   exports.NewSet(all[:today]),
		Desired: exports.NewSet(all[removed:]),
		Added:   all[today:],
	}
	for _, g := range all[:removed] {
		p.Removed = append(p.Removed, exports.Removal{Grant: g, Reason: exports.InstanceGone})
	}
	return p
}

func TestLimitsCheck(t *testing.T) {
	defaults := exports.Limits{MaxRemoved: exports.DefaultMaxRemoved, MaxRemovedPercent: exports.DefaultMaxRemovedPercent}
	none := exports.Limits{}
	anything := exports.Limits{MaxRemoved: 1 << 20, MaxRemovedPercent: 100}
	tests := []struct {
		name                  string
		limits                exports.Limits
		today, removed, added int
		want                  *exports.LimitError
	}{
		{"nothing there, nothing wanted", defaults, 0, 0, 0, nil},
		{"the first plan", defaults, 0, 0, 100, nil},
		{"only additions", none, 5, 0, 100, nil},
		{"no change", none, 5, 0, 0, nil},
		{"one, and none may go", none, 5, 1, 0, &exports.LimitError{Removed: 1, Current: 5, Limit: 0}},
		{"at the number", defaults, 20, 10, 0, nil},
		{"one above the number", defaults, 20, 11, 0, &exports.LimitError{Removed: 11, Current: 20, Limit: 10}},
		{"the number counts where it is larger", defaults, 40, 10, 0, nil},
		{"the percentage counts where it is larger", defaults, 100, 25, 0, nil},
		{"one above the percentage", defaults, 100, 26, 0, &exports.LimitError{Removed: 26, Current: 100, Limit: 25}},
		{"a percentage is never rounded up", defaults, 47, 12, 0, &exports.LimitError{Removed: 12, Current: 47, Limit: 11}},
		{"percentage alone", exports.Limits{MaxRemovedPercent: 50}, 3, 1, 0, nil},
		{"percentage alone, one above", exports.Limits{MaxRemovedPercent: 50}, 3, 2, 0, &exports.LimitError{Removed: 2, Current: 3, Limit: 1}},
		{"additions do not make up for removals", defaults, 20, 11, 50, &exports.LimitError{Removed: 11, Current: 20, Limit: 10}},
		{"the percentage is of today's grants, not of the desired ones", defaults, 20, 11, 500, &exports.LimitError{Removed: 11, Current: 20, Limit: 10}},
		{"all of one", anything, 1, 1, 0, &exports.LimitError{Removed: 1, Current: 1, Limit: 1 << 20, Empty: true}},
		{"all of many", anything, 50, 50, 0, &exports.LimitError{Removed: 50, Current: 50, Limit: 1 << 20, Empty: true}},
		{"all but one", anything, 50, 49, 0, nil},
		{"all are replaced", anything, 5, 5, 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.limits.Check(shrinking(tt.today, tt.removed, tt.added))
			var got *exports.LimitError
			if err != nil && !errors.As(err, &got) {
				t.Fatalf("got %v, want a LimitError", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitsAllowed(t *testing.T) {
	tests := []struct {
		limits exports.Limits
		today  int
		want   int
	}{
		{exports.Limits{}, 1000, 0},
		{exports.Limits{MaxRemoved: 10}, 0, 10},
		{exports.Limits{MaxRemoved: 10, MaxRemovedPercent: 25}, 40, 10},
		{exports.Limits{MaxRemoved: 10, MaxRemovedPercent: 25}, 43, 10},
		{exports.Limits{MaxRemoved: 10, MaxRemovedPercent: 25}, 44, 11},
		{exports.Limits{MaxRemovedPercent: 100}, 20000, 20000},
	}
	for _, tt := range tests {
		if got := tt.limits.Allowed(tt.today); got != tt.want {
			t.Errorf("%+v allow %d of %d, want %d", tt.limits, got, tt.today, tt.want)
		}
	}
}

func TestLimitErrorText(t *testing.T) {
	tests := []struct {
		err  exports.LimitError
		want []string
	}{
		{exports.LimitError{Removed: 11, Current: 20, Limit: 10}, []string{"11 of 20 grants", "10", "safety.max_removed", "safety.max_removed_percent"}},
		{exports.LimitError{Removed: 7, Current: 7, Limit: 10, Empty: true}, []string{"all 7 grants", "nothing"}},
	}
	for _, tt := range tests {
		for _, want := range tt.want {
			if got := tt.err.Error(); !strings.Contains(got, want) {
				t.Errorf("%q does not say %q", got, want)
			}
		}
	}
}

// TestLimitsAreMonotone: a larger limit never refuses what a smaller one let
// pass, and removing more of the same never passes where less was refused.
func TestLimitsAreMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := exports.Limits{
			MaxRemoved:        rapid.IntRange(0, 30).Draw(t, "max_removed"),
			MaxRemovedPercent: rapid.IntRange(0, 100).Draw(t, "max_removed_percent"),
		}
		today := rapid.IntRange(0, 60).Draw(t, "today")
		removed := rapid.IntRange(0, today).Draw(t, "removed")
		added := rapid.IntRange(0, 3).Draw(t, "added")
		passes := func(l exports.Limits, removed int) bool {
			return l.Check(shrinking(today, removed, added)) == nil
		}
		raised := exports.Limits{
			MaxRemoved:        limits.MaxRemoved + rapid.IntRange(0, 30).Draw(t, "raise"),
			MaxRemovedPercent: rapid.IntRange(limits.MaxRemovedPercent, 100).Draw(t, "raised percent"),
		}
		more := rapid.IntRange(removed, today).Draw(t, "more")
		if passes(limits, removed) && !passes(raised, removed) {
			t.Errorf("%+v let %d of %d pass and %+v does not", limits, removed, today, raised)
		}
		if !passes(limits, removed) && passes(limits, more) {
			t.Errorf("%+v refused %d of %d and let %d pass", limits, removed, today, more)
		}
		// The contract's sentence, in numbers that need no rounding.
		tooMany := removed > limits.MaxRemoved && 100*removed > limits.MaxRemovedPercent*today
		nothingLeft := removed > 0 && removed == today && added == 0
		if got := !passes(limits, removed); got != (tooMany || nothingLeft) {
			t.Errorf("%s: refused is %t", fmt.Sprintf("%+v, %d of %d, %d new", limits, removed, today, added), got)
		}
	})
}
