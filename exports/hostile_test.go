package exports_test

import (
	"fmt"
	"strings"
	"testing"

	"nfs-exportd/exports"
)

// hostile is what a tenant can call things, and a cloud under attack can use
// for ids.
var hostile = []string{
	"x\n    /srv/forged 10.6.6.6 of project",
	"\x1b[2J\x1b]0;owned\x07",
	"\x00\r\v\f\x7f",
	"\u0085\u2028\u2029",
	"\u202egnp.\u200b\ufeff",
	"\xff\xfe",
	`"; # \`,
	"a\nb",
	"\u009b31m",
}

// clean tells whether text is safe for a terminal, given as many lines as its
// author meant.
func clean(t *testing.T, what, text string, lines int) {
	t.Helper()
	if got := strings.Count(text, "\n") + 1; got != lines {
		t.Errorf("%s has %d lines, want %d: %q", what, got, lines, text)
	}
	for _, r := range strings.ReplaceAll(text, "\n", "") {
		if r < ' ' || r == 0x7f || r == '\ufffd' || (r >= 0x80 && r < 0xa0) || strings.ContainsRune("\u2028\u2029\u202e\u200b\ufeff", r) {
			t.Errorf("%s has %+q raw: %+q", what, r, text)
			return
		}
	}
}

func TestHostileNamesAreQuoted(t *testing.T) {
	for _, name := range hostile {
		t.Run(fmt.Sprintf("%+q", name), func(t *testing.T) {
			e, g := cell(t, "key is a name", "yes", "shown", "another", "here", "bare")
			p := e.Inventory.Projects["tools"]
			p.Name = name
			for i := range p.Instances {
				p.Instances[i].Name = name
			}
			e.Inventory.Projects["tools"] = p
			g.Owner.Name = name
			check := func(what string, lines int) {
				t.Helper()
				_, err := decided(exports.NewSet([]exports.Grant{g}), e)
				if (err != nil) != (lines > 0) {
					t.Fatalf("%s: the error is %v", what, err)
				}
				if err != nil {
					clean(t, what, err.Error(), lines)
				}
				for _, today := range []exports.Set{{}, exports.NewSet([]exports.Grant{g})} {
					plan, _ := decided(today, e)
					for _, w := range plan.Warnings {
						clean(t, what+", a warning", w, 1)
					}
					for _, f := range plan.Frozen {
						clean(t, what+", frozen", f.Why, 1)
					}
				}
			}
			check("a bare instance", 0)

			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Absent, Why: "not in the list"}
			e.Inventory.IDs["id-tools"] = exports.Project{Sight: exports.Shown, ID: "id-tools", Name: name, Enabled: true}
			g.Owner.Name = "tools"
			check("a renamed project", 4)
		})
	}
}

// TestHostileIDsAreQuoted is the same for what is not a name. Nova and
// Keystone make ids themselves, but nothing here knows that they did.
func TestHostileIDsAreQuoted(t *testing.T) {
	for _, id := range hostile {
		t.Run(fmt.Sprintf("%+q", id), func(t *testing.T) {
			e, g := cell(t, "key is a name", "yes", "shown", "another", "here", "bare")
			p := e.Inventory.Projects["tools"]
			p.ID = id
			for i := range p.Instances {
				p.Instances[i].ID = id
				p.Instances[i].Region = id
			}
			e.Inventory.Projects["tools"] = p
			g.Owner.ID = id
			for _, own := range []string{id, "gone"} {
				g.Instance.ID = own
				for _, f := range mustDecide(t, exports.NewSet([]exports.Grant{g}), e).Frozen {
					clean(t, "a frozen place", f.Why, 1)
				}
			}

			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Absent, Why: "not in the list"}
			_, err := decided(exports.NewSet([]exports.Grant{g}), e)
			if err == nil {
				t.Fatal("no error")
			}
			clean(t, "a project that was not asked for", err.Error(), 4)
		})
	}
}
