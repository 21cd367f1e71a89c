package command

import (
	"path/filepath"
	"strings"
	"testing"

	"nfs-exportd/exports"
	"nfs-exportd/render"
)

// approvalCase is a plan with one frozen place whose line an approval removes, besides
// a place that only stays, and a removal that needs no approval.
type approvalCase struct {
	files files
	plan  exports.Plan
}

func newApprovalCase() *approvalCase {
	line := func(client, options string) *exports.Grant {
		return &exports.Grant{
			Path: "/srv/a", Client: exports.ParseClient(client), Options: options,
			Owner: exports.Owner{ID: "p1", Name: "tools"}, Instance: exports.InstanceRef{ID: "i1"},
		}
	}
	held, stays, gone := line("10.0.0.1", "rw"), line("10.0.0.2", "rw"), line("10.0.0.3", "rw")
	return &approvalCase{
		files: files{path: "/etc/exports.d/a.exports", parsed: render.Parsed{Set: exports.NewSet([]exports.Grant{*held, *stays, *gone})}},
		plan: exports.Plan{
			Frozen: []exports.Frozen{
				{Place: held.Place(), Today: held, Reason: exports.NotProved, Held: true},
				{Place: stays.Place(), Today: stays, Then: stays, Reason: exports.ClaimedTwice},
			},
			Removed: []exports.Removal{{Grant: *gone, Reason: exports.InstanceGone}},
			Changed: []exports.Change{{Old: *stays, New: *line("10.0.0.2", "ro")}},
		},
	}
}

// approval gives what of the case needs approval.
func (c *approvalCase) approval(t *testing.T) approval {
	t.Helper()
	j := job{flags: flags{etab: filepath.Join(t.TempDir(), "etab")}}
	a, err := j.needsApproval(t.Context(), situation{config: &exports.Config{}}, &c.files, c.plan)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestPlanID checks what changes the id of a plan and what does not: a tenant must not
// change it at will.
func TestPlanID(t *testing.T) {
	foreign := func(client string) []render.Foreign {
		return []render.Foreign{{File: "/etc/exports", Grants: []render.ForeignGrant{{
			Place: exports.Place{Path: "/srv/a", Client: exports.ParseClient(client)}, Options: "ro", Line: 7,
		}}}}
	}
	base := newApprovalCase().approval(t)
	if base.places != 1 || base.refused != nil {
		t.Errorf("%+v, want one place and no refusal", base)
	}
	for _, test := range []struct {
		name    string
		change  func(*approvalCase)
		changes bool
	}{
		{"another grant is added", func(c *approvalCase) {
			c.plan.Added = []exports.Grant{{Path: "/srv/b", Client: exports.ParseClient("10.0.0.9"), Options: "rw"}}
		}, false},
		{"a removal that needs no approval is not there", func(c *approvalCase) { c.plan.Removed = nil }, false},
		{"a change that needs no approval is not there", func(c *approvalCase) { c.plan.Changed = nil }, false},
		{"a place that only stays is not there", func(c *approvalCase) { c.plan.Frozen = c.plan.Frozen[:1] }, false},
		{"the why has other words", func(c *approvalCase) { c.plan.Frozen[0].Why = "request id 77" }, false},
		{"the line has a port", func(c *approvalCase) { c.plan.Frozen[0].Today.Port = "port" }, false},
		{"the project has another name", func(c *approvalCase) { c.plan.Frozen[0].Today.Owner.Name = "other" }, false},
		{"another file has another place", func(c *approvalCase) { c.files.foreign = foreign("10.0.0.7") }, false},

		{"another file has the place", func(c *approvalCase) { c.files.foreign = foreign("10.0.0.1") }, true},
		{"the line has another instance", func(c *approvalCase) { c.plan.Frozen[0].Today.Instance.ID = "i2" }, true},
		{"the line is of another project", func(c *approvalCase) { c.plan.Frozen[0].Today.Owner.ID = "other" }, true},
		{"the line has other options", func(c *approvalCase) { c.plan.Frozen[0].Today.Options = "ro" }, true},
		{"the reason is another", func(c *approvalCase) { c.plan.Frozen[0].Reason = exports.AddressUnknown }, true},
		{"nobody was asked for the instance", func(c *approvalCase) { c.plan.Frozen[0].Unasked = true }, true},
		{"the place is not there", func(c *approvalCase) { c.plan.Frozen = c.plan.Frozen[1:] }, true},
		{"the plan is refused as a whole", func(c *approvalCase) { c.plan.Refused = &exports.Refusal{Message: "odd"} }, true},
		{"the file was edited", func(c *approvalCase) { c.files.parsed.Edited = true }, true},
		{"the file has lines that cannot be read", func(c *approvalCase) { c.files.parsed.Unread = []render.Line{{Number: 1}} }, true},
	} {
		c := newApprovalCase()
		test.change(c)
		if got := c.approval(t); (got.id != base.id) != test.changes {
			t.Errorf("%s: id %s, and %s without it", test.name, got.id, base.id)
		}
	}
}

// TestPlanIDOverShare: which of too many instances were asked for depends on the limit, which
// anybody's new grants raise.
func TestPlanIDOverShare(t *testing.T) {
	var ids []string
	for _, unasked := range []bool{false, true} {
		c := newApprovalCase()
		c.plan.Frozen[0].Reason, c.plan.Frozen[0].Unasked = exports.OverShare, unasked
		ids = append(ids, c.approval(t).id)
	}
	if ids[0] != ids[1] {
		t.Errorf("ids %v", ids)
	}
}

// TestPlanIDOfEdited checks that the id of a plan for an edited file covers what would go.
func TestPlanIDOfEdited(t *testing.T) {
	c := newApprovalCase()
	c.files.parsed.Edited = true
	with := c.approval(t).id
	c.plan.Removed = nil
	if without := c.approval(t).id; with == without {
		t.Errorf("id %s with a removal and without it", with)
	}
}

// TestPlanIDOfRefused checks that the id of a plan that is refused as a whole covers its
// removals and changes, and that of an edited file its text.
func TestPlanIDOfRefused(t *testing.T) {
	refused := func(change func(*approvalCase)) string {
		c := newApprovalCase()
		c.plan.Refused = &exports.Refusal{Message: "odd"}
		c.files.parsed.Edited = true
		change(c)
		a := c.approval(t)
		if len(a.refused) != 2 || !strings.Contains(a.covers(), "odd; ") || !strings.Contains(a.covers(), "1 frozen place") {
			t.Errorf("an approval covers %q", a.covers())
		}
		return a.id
	}
	base := refused(func(*approvalCase) {})
	released := refused(func(c *approvalCase) { c.plan.Removed[0].Reason = exports.AddressReleased })
	if reassigned := refused(func(c *approvalCase) { c.plan.Removed[0].Reason = exports.AddressReassigned }); reassigned != released {
		t.Errorf("id %s, and %s if another tenant takes the address", released, reassigned)
	}
	for name, change := range map[string]func(*approvalCase){
		"a removal less":           func(c *approvalCase) { c.plan.Removed = nil },
		"another reason":           func(c *approvalCase) { c.plan.Removed[0].Reason = exports.OwnAddress },
		"a change less":            func(c *approvalCase) { c.plan.Changed = nil },
		"another change":           func(c *approvalCase) { c.plan.Changed[0].New.Options = "sync" },
		"another text of the file": func(c *approvalCase) { c.files.old.Text = []byte("text") },
	} {
		if refused(change) == base {
			t.Errorf("%s: the same id", name)
		}
	}
}

// TestNothingToApprove checks that a plan without anything to approve has the id of
// nothing.
func TestNothingToApprove(t *testing.T) {
	c := newApprovalCase()
	c.plan.Frozen = c.plan.Frozen[1:]
	if got := c.approval(t); got.id != render.PlanID() {
		t.Errorf("%+v, want the id %s", got, render.PlanID())
	}
}
