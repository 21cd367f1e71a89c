package exports_test

import (
	"testing"
	"time"

	"nfs-exportd/exports"
)

func TestMaintenanceHolds(t *testing.T) {
	until := time.Date(2030, 1, 31, 18, 0, 0, 0, time.UTC)
	tests := []struct {
		name           string
		m              exports.Maintenance
		now            time.Time
		holds, expired bool
	}{
		{"off", exports.Maintenance{}, until, false, false},
		{"off with an end", exports.Maintenance{Until: until}, until.Add(time.Hour), false, false},
		{"on", exports.Maintenance{On: true}, until, true, false},
		{"before the end", exports.Maintenance{On: true, Until: until}, until.Add(-time.Nanosecond), true, false},
		{"at the end", exports.Maintenance{On: true, Until: until}, until, false, true},
		{"after the end", exports.Maintenance{On: true, Until: until}, until.Add(time.Hour), false, true},
		{"in another zone", exports.Maintenance{On: true, Until: until}, until.In(time.FixedZone("", 3600)), false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.m.Holds(tt.now); got != tt.holds {
				t.Errorf("holds is %t", got)
			}
			if got := tt.m.Expired(tt.now); got != tt.expired {
				t.Errorf("expired is %t", got)
			}
		})
	}
}

func TestIsProjectID(t *testing.T) {
	for key, want := range map[string]bool{
		"0123456789abcdef0123456789abcdef":                                 true,
		"0123456789ABCDEF0123456789abcdef":                                 true,
		"0b5e0000-0000-4000-8000-0000000000aa":                             true,
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef": true,

		"":      false,
		"tools": false,
		"default/0123456789abcdef0123456789abcdef": false,
		"0123456789abcdef0123456789abcde":          false,
		"0123456789abcdef0123456789abcdef0":        false,
		"0123456789abcdef0123456789abcdeg":         false,
		"0123456789abcdef0123456789abcdef\n":       false,
		"0b5e00000000-4000-8000-0000000000aa":      false,
		"0b5e0000-0000-4000-80000-000000000aa":     false,
	} {
		if got := exports.IsProjectID(key); got != want {
			t.Errorf("IsProjectID(%q) is %t", key, got)
		}
	}
}
