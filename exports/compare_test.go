package exports_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

// row is one line of the truth table in the comment of exports.Compare.
type row struct {
	config, path, hosts, another, keystone, instances, outcome string
}

func (r row) String() string {
	return strings.Join([]string{r.config, r.path, r.hosts, r.another, r.keystone, r.instances, "= " + r.outcome}, "  ")
}

// table is the truth table once more, so that a slip in one of both is seen.
var table = []row{
	{"no", "-", "-", "-", "-", "-", "not-in-config"},
	{"yes", "no", "-", "-", "-", "-", "not-in-config"},
	{"yes", "yes", "elsewhere", "-", "-", "-", "served-elsewhere"},
	{"yes", "yes", "-", "yes", "-", "-", "address-reassigned"},
	{"yes", "yes", "unresolved", "no", "-", "-", "in doubt: host-unresolved"},
	{"yes", "yes", "here", "no", "hidden", "-", "in doubt: project-hidden"},
	{"yes", "yes", "here", "no", "renamed", "-", "in doubt: project-hidden"},
	{"yes", "yes", "here", "no", "absent", "-", "project-deleted"},
	{"yes", "yes", "here", "no", "replaced", "-", "not-in-config"},
	{"yes", "yes", "here", "no", "disabled", "-", "project-disabled"},
	{"yes", "yes", "here", "no", "shown", "uncounted", "not-in-config"},
	{"yes", "yes", "here", "no", "shown", "one silent", "in doubt: instance-silent"},
	{"yes", "yes", "here", "no", "shown", "without it", "instance-gone"},
}

// cells has every value that a column of the table can have.
var cells = [6][]string{
	{"no", "yes"},
	{"no", "yes"},
	{"elsewhere", "unresolved", "here"},
	{"no", "yes"},
	{"hidden", "renamed", "absent", "replaced", "disabled", "shown"},
	{"uncounted", "one silent", "without it"},
}

func (r row) cells() [6]string {
	return [6]string{r.config, r.path, r.hosts, r.another, r.keystone, r.instances}
}

// covers tells whether a row speaks of a combination of cells. A row above
// another one comes first, as in the comment.
func (r row) covers(combination [6]string) bool {
	for i, cell := range r.cells() {
		if cell != "-" && cell != combination[i] {
			return false
		}
	}
	return true
}

// combinations gives all combinations of cells.
func combinations() [][6]string {
	all := [][6]string{{}}
	for column, values := range cells {
		var next [][6]string
		for _, c := range all {
			for _, value := range values {
				c[column] = value
				next = append(next, c)
			}
		}
		all = next
	}
	return all
}

func TestTruthTableIsTheComment(t *testing.T) {
	var comment []row
	file, err := parser.ParseFile(token.NewFileSet(), "compare.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Name.Name != "Compare" {
			continue
		}
		columns := regexp.MustCompile(`\s{2,}`)
		for _, c := range f.Doc.List {
			text, indented := strings.CutPrefix(c.Text, "//\t")
			front, outcome, isRow := strings.Cut(text, " = ")
			if !indented || !isRow || strings.HasSuffix(strings.TrimSpace(outcome), "outcome") {
				continue
			}
			cells := columns.Split(strings.TrimSpace(front), -1)
			if len(cells) != 6 {
				t.Fatalf("the comment's row %q has %d columns, not 6", text, len(cells))
			}
			comment = append(comment, row{cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], outcome})
		}
	}
	if diff := cmp.Diff(comment, table, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("the comment of Compare (-) and the tested table (+) differ:\n%s", diff)
	}
}

// TestTruthTableIsTotal shows that no combination is without a row, and that
// only the one pair of rows that the code's order decides covers one twice.
func TestTruthTableIsTotal(t *testing.T) {
	used := map[row]bool{}
	for _, c := range combinations() {
		var covering []row
		for _, r := range table {
			if r.covers(c) {
				covering = append(covering, r)
			}
		}
		if len(covering) == 0 {
			t.Errorf("no row for %v", c)
			continue
		}
		used[covering[0]] = true
		if len(covering) > 1 && (len(covering) != 2 || covering[0].outcome != "served-elsewhere" || covering[1].outcome != "address-reassigned") {
			t.Errorf("%v is in several rows: %v", c, covering)
		}
	}
	for _, r := range table {
		if !used[r] {
			t.Errorf("row %v speaks of nothing that the rows above leave", r)
		}
	}
}

// How a line of today's file can name a project that is configured by id or by
// name.
var lineKinds = []string{"key is a name", "key is an id", "adopted line"}

const (
	home  = "/srv/home"
	other = "/srv/other"
)

var (
	contested = netip.MustParseAddr("10.0.0.9")
	harmless  = netip.MustParseAddr("10.0.0.1")
)

// evidenceFor makes the world of a combination of cells, and today's grant in
// it. It gives false for a combination that the kind of line cannot be in.
func evidenceFor(c [6]string, kind string) (e exports.Evidence, g exports.Grant, ok bool) {
	config, path, hosts, another, keystone, instances := c[0], c[1], c[2], c[3], c[4], c[5]
	key, owner := "tools", exports.Owner{ID: "id-tools", Name: "tools"}
	switch kind {
	case "key is an id":
		key = "id-tools"
	case "adopted line":
		owner.ID = ""
	}
	if kind != "key is a name" && (keystone == "renamed" || keystone == "replaced") {
		return exports.Evidence{}, exports.Grant{}, false
	}

	e = exports.Evidence{
		Config: &exports.Config{OpenStack: exports.OpenStack{Networks: []string{"flat"}}},
		Hosts: exports.Hosts{
			"nfs.example":  {Where: map[string]exports.Where{"elsewhere": exports.Elsewhere, "unresolved": exports.Unresolved, "here": exports.Here}[hosts], Why: "the resolver's word"},
			"here.example": {Where: exports.Here},
		},
		Inventory: exports.Inventory{Projects: map[string]exports.Project{}, IDs: map[string]exports.Project{}},
		Local:     []netip.Addr{netip.MustParseAddr("192.0.2.1")},
	}
	if config == "yes" {
		p := exports.ProjectConfig{Key: key, Options: "rw", Line: 3, Mounts: []exports.Mount{{Key: "other", Host: "here.example", Path: other, Line: 5}}}
		if path == "yes" {
			p.Mounts = append(p.Mounts, exports.Mount{Key: "home", Host: "nfs.example", Path: home, Line: 6})
		}
		e.Config.Projects = append(e.Config.Projects, p)
	}
	// Another project has the same mount, which must not matter.
	e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: "neighbour", Options: "rw", Line: 8,
		Mounts: []exports.Mount{{Key: "home", Host: "here.example", Path: home, Line: 10}}})
	e.Inventory.Projects["neighbour"] = exports.Project{Sight: exports.Shown, ID: "id-neighbour", Name: "neighbour", Enabled: true,
		Instances: []exports.Instance{{ID: "n1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: netip.MustParseAddr("10.0.0.2")}}}}}
	e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: "taker", Options: "rw", Line: 12,
		Mounts: []exports.Mount{{Key: "taken", Host: "here.example", Path: "/srv/taken", Line: 14}}})
	taker := exports.Project{Sight: exports.Shown, ID: "id-taker", Name: "taker", Enabled: true}
	if another == "yes" {
		taker.Instances = []exports.Instance{{ID: "t1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: contested}}}}
	}
	e.Inventory.Projects["taker"] = taker

	shown := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: []exports.Instance{
		{ID: "i1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: harmless}}},
		{ID: "i2", Status: "BUILD"},
		{ID: "i3", Status: "SHUTOFF"},
	}}
	switch instances {
	case "uncounted":
		shown.Instances = append(shown.Instances, exports.Instance{ID: "i4", Status: "ACTIVE", Addresses: []exports.Address{{Network: "storage", Addr: contested}}})
	case "one silent":
		shown.Instances = append(shown.Instances, exports.Instance{ID: "i4", Name: "mute", Status: "ACTIVE"})
	}
	var byKey, byID exports.Project
	switch keystone {
	case "hidden":
		byKey = exports.Project{Sight: exports.Hidden, Why: "GET /v3/projects/tools: 403"}
		byID = byKey
	case "renamed":
		byKey = exports.Project{Sight: exports.Absent, Why: "not in the list"}
		byID = exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools-of-old", Enabled: true}
	case "absent":
		byKey = exports.Project{Sight: exports.Absent, Why: "not in the list"}
		byID = byKey
	case "replaced":
		byKey = shown
		byKey.ID = "id-other-tools"
		byID = exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools-of-old", Enabled: true}
	case "disabled":
		byKey = exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools"}
		byID = byKey
	case "shown":
		byKey = shown
		byID = exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true}
	}
	if config == "yes" {
		e.Inventory.Projects[key] = byKey
		e.Inventory.IDs["id-tools"] = byID
	}
	return e, exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: owner}, true
}

// compared gives the plan of a cloud that shows the same a second time.
func compared(today, desired exports.Set, e exports.Evidence) (exports.Plan, error) {
	plan, questions, err := exports.Compare(today, desired, e)
	if err != nil || questions.None() {
		return plan, err
	}
	plan, questions, err = exports.Compare(today, desired, e.Answer(questions, exports.Inventory{}))
	if !questions.None() {
		err = errors.Join(err, fmt.Errorf("asked twice: %q", questions.Again))
	}
	return plan, err
}

// outcome is what becomes of a single grant of today, in the table's words.
func outcome(t testing.TB, g exports.Grant, e exports.Evidence) string {
	t.Helper()
	desired, err := exports.Build(e)
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	plan, err := compared(exports.NewSet([]exports.Grant{g}), desired, e)
	var unclear *exports.UnclearError
	switch {
	case errors.As(err, &unclear):
		if len(unclear.Grants) != 1 {
			t.Fatalf("one grant and %d doubts", len(unclear.Grants))
		}
		if diff := cmp.Diff(g, unclear.Grants[0].Grant, byValue); diff != "" {
			t.Fatalf("the doubt is about another grant:\n%s", diff)
		}
		if unclear.Grants[0].Why == "" {
			t.Fatal("the doubt rests on nothing")
		}
		return "in doubt: " + string(unclear.Grants[0].Doubt)
	case err != nil:
		t.Fatalf("Compare: %v", err)
	case len(plan.Removed) == 0:
		return "stays"
	}
	if diff := cmp.Diff(g, plan.Removed[0].Grant, byValue); diff != "" {
		t.Fatalf("another grant is removed:\n%s", diff)
	}
	return string(plan.Removed[0].Reason)
}

var byValue = cmp.Options{cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()}

func TestTruthTable(t *testing.T) {
	above := map[[6]string]bool{}
	for _, r := range table {
		t.Run(r.String(), func(t *testing.T) {
			tried := 0
			for _, c := range combinations() {
				if !r.covers(c) || above[c] {
					continue
				}
				above[c] = true
				for _, kind := range lineKinds {
					e, g, ok := evidenceFor(c, kind)
					if !ok {
						continue
					}
					tried++
					if got := outcome(t, g, e); got != r.outcome {
						t.Errorf("%q (%s) = %s", c, kind, got)
					}
				}
			}
			if tried == 0 {
				t.Error("nothing was tried")
			}
		})
	}
}

// cell gives the world of a row's combination, for tests that change one
// thing about it.
func cell(t *testing.T, kind string, c ...string) (exports.Evidence, exports.Grant) {
	t.Helper()
	e, g, ok := evidenceFor([6]string(c), kind)
	if !ok {
		t.Fatalf("%v cannot be with %s", c, kind)
	}
	return e, g
}

func TestComparePublicRemoved(t *testing.T) {
	line := func(name string) exports.Grant {
		return exports.Grant{Path: home, Client: exports.Client{Literal: "*"}, Options: "ro", Owner: exports.Owner{Public: name}}
	}
	// A public entry may be called like a project: it is none.
	for _, name := range []string{"scratch", "tools", "id-tools"} {
		for _, keystone := range cells[4] {
			for _, hosts := range cells[2] {
				e, _ := cell(t, "key is a name", "yes", "yes", hosts, "no", keystone, "one silent")
				if got := outcome(t, line(name), e); got != "public-removed" {
					t.Errorf("public.%s, host %s, project %s = %s", name, hosts, keystone, got)
				}
			}
		}
	}
	e, _ := cell(t, "key is a name", "yes", "yes", "here", "no", "shown", "without it")
	e.Config.Public = []exports.PublicLine{{Name: "renamed", Path: home, Client: exports.Client{Literal: "*"}, Options: "ro"}}
	if got := outcome(t, line("scratch"), e); got != "stays" {
		t.Errorf("a public line under another name = %s", got)
	}
}

func TestCompareSeveralMountsWithOnePath(t *testing.T) {
	elsewhere, unresolved, here := exports.Elsewhere, exports.Unresolved, exports.Here
	tests := []struct {
		name    string
		hosts   []exports.Where
		outcome string
	}{
		{"elsewhere twice", []exports.Where{elsewhere, elsewhere}, "served-elsewhere"},
		{"elsewhere and unresolved", []exports.Where{elsewhere, unresolved}, "in doubt: host-unresolved"},
		{"elsewhere and here", []exports.Where{elsewhere, here}, "instance-gone"},
		{"unresolved and here", []exports.Where{unresolved, here}, "instance-gone"},
		{"all three", []exports.Where{unresolved, elsewhere, here}, "instance-gone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				e, g := cell(t, "key is a name", "yes", "no", "here", "no", "shown", "without it")
				for i, where := range tt.hosts {
					name := fmt.Sprintf("nfs%d.example", i)
					e.Hosts[name] = exports.Host{Where: where, Why: "so"}
					e.Config.Projects[0].Mounts = append(e.Config.Projects[0].Mounts, exports.Mount{Key: name, Host: name, Path: home})
				}
				if got := outcome(t, g, e); got != tt.outcome {
					t.Errorf("%v = %s, want %s", tt.hosts, got, tt.outcome)
				}
				slices.Reverse(tt.hosts)
			}
		})
	}
}

func TestCompareLinesOfProjects(t *testing.T) {
	tests := []struct {
		name    string
		change  func(e *exports.Evidence, g *exports.Grant)
		outcome string
	}{
		{"the line has the name that the project had before", func(_ *exports.Evidence, g *exports.Grant) {
			g.Owner.Name = "tools-before"
		}, "instance-gone"},
		{"the line has an id alone", func(_ *exports.Evidence, g *exports.Grant) {
			g.Owner.Name = ""
		}, "instance-gone"},
		{"a line of which nobody knows", func(_ *exports.Evidence, g *exports.Grant) {
			g.Owner = exports.Owner{}
		}, "not-in-config"},
		{"the name is that of a deleted project and was taken by another", func(e *exports.Evidence, g *exports.Grant) {
			g.Owner.ID = "id-deleted"
			e.Inventory.IDs["id-deleted"] = exports.Project{Sight: exports.Absent, Why: "404"}
		}, "project-deleted"},
		{"the name was taken by another and the old project is hidden", func(e *exports.Evidence, g *exports.Grant) {
			g.Owner.ID = "id-before"
			e.Inventory.IDs["id-before"] = exports.Project{Sight: exports.Hidden, Why: "403"}
		}, "in doubt: project-hidden"},
		{"the name was taken by another and nobody asked for the old project", func(_ *exports.Evidence, g *exports.Grant) {
			g.Owner.ID = "id-before"
		}, "in doubt: project-hidden"},
		{"its client has an address of this server", func(e *exports.Evidence, _ *exports.Grant) {
			e.Local = append(e.Local, contested)
		}, "own-address"},
		{"its client has an address of this server, and the project is hidden", func(e *exports.Evidence, _ *exports.Grant) {
			e.Local = append(e.Local, contested)
			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Hidden, Why: "403"}
		}, "own-address"},
		{"its client has an address of this server, and the configuration no longer has the mount", func(e *exports.Evidence, g *exports.Grant) {
			e.Local = append(e.Local, contested)
			g.Path = "/srv/before"
		}, "not-in-config"},
		{"the name is in the form of an id, and the key is another project's id", func(e *exports.Evidence, g *exports.Grant) {
			const id = "0123456789abcdef0123456789abcdef"
			e.Config.Projects[0].Key = id
			e.Inventory.Projects[id] = exports.Project{Sight: exports.Hidden, Why: "403"}
			g.Owner = exports.Owner{ID: "id-tools", Name: id}
		}, "not-in-config"},
		{"the name leads to nothing and nobody asked for the id", func(e *exports.Evidence, _ *exports.Grant) {
			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Absent, Why: "not in the list"}
			delete(e.Inventory.IDs, "id-tools")
		}, "in doubt: project-hidden"},
		{"the key is hidden although its id is absent", func(e *exports.Evidence, _ *exports.Grant) {
			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Hidden, Why: "403"}
			e.Inventory.IDs["id-tools"] = exports.Project{Sight: exports.Absent, Why: "404"}
		}, "in doubt: project-hidden"},
		{"the project swapped names with another configured one", func(e *exports.Evidence, g *exports.Grant) {
			g.Owner = exports.Owner{ID: "id-neighbour", Name: "tools"}
		}, "instance-gone"},
		{"a key is hidden and nothing says why", func(e *exports.Evidence, _ *exports.Grant) {
			e.Inventory.Projects["tools"] = exports.Project{}
		}, "in doubt: project-hidden"},
		{"the inventory has no answer for a key", func(e *exports.Evidence, _ *exports.Grant) {
			delete(e.Inventory.Projects, "tools")
		}, "in doubt: project-hidden"},
		{"the inventory has no answer for an adopted line", func(e *exports.Evidence, g *exports.Grant) {
			delete(e.Inventory.Projects, "tools")
			g.Owner.ID = ""
		}, "in doubt: project-hidden"},
		{"nobody asked where the host is", func(e *exports.Evidence, _ *exports.Grant) {
			delete(e.Hosts, "nfs.example")
		}, "in doubt: host-unresolved"},
		{"the address moved within the project to an uncounted network, and one instance is silent", func(e *exports.Evidence, _ *exports.Grant) {
			p := e.Inventory.Projects["tools"]
			p.Instances = append(p.Instances,
				exports.Instance{ID: "i4", Status: "ACTIVE"},
				exports.Instance{ID: "i5", Status: "ACTIVE", Addresses: []exports.Address{{Network: "storage", Addr: contested}}})
			e.Inventory.Projects["tools"] = p
		}, "not-in-config"},
		{"the address is on an uncounted network, in the form of IPv6", func(e *exports.Evidence, _ *exports.Grant) {
			p := e.Inventory.Projects["tools"]
			p.Instances = append(p.Instances, exports.Instance{ID: "i5", Status: "ACTIVE", Addresses: []exports.Address{{Network: "storage", Addr: netip.MustParseAddr("::ffff:10.0.0.9")}}})
			e.Inventory.Projects["tools"] = p
		}, "not-in-config"},
		{"another project holds the address on an uncounted network", func(e *exports.Evidence, _ *exports.Grant) {
			p := e.Inventory.Projects["taker"]
			p.Instances = []exports.Instance{{ID: "t1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "storage", Addr: contested}}}}
			e.Inventory.Projects["taker"] = p
		}, "instance-gone"},
		{"another project is silent", func(e *exports.Evidence, _ *exports.Grant) {
			p := e.Inventory.Projects["taker"]
			p.Instances = []exports.Instance{{ID: "t1", Status: "ACTIVE"}}
			e.Inventory.Projects["taker"] = p
		}, "instance-gone"},
		{"an active instance has an address on an uncounted network alone", func(e *exports.Evidence, _ *exports.Grant) {
			p := e.Inventory.Projects["tools"]
			p.Instances = append(p.Instances, exports.Instance{ID: "i4", Status: "ACTIVE", Addresses: []exports.Address{{Network: "storage", Addr: netip.MustParseAddr("10.9.9.9")}}})
			e.Inventory.Projects["tools"] = p
		}, "instance-gone"},
		{"an adopted line of a hidden project whose address another project has", func(e *exports.Evidence, g *exports.Grant) {
			g.Owner.ID = ""
			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Hidden, Why: "403"}
			p := e.Inventory.Projects["taker"]
			p.Instances = []exports.Instance{{ID: "t1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: contested}}}}
			e.Inventory.Projects["taker"] = p
		}, "address-reassigned"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, g := cell(t, "key is a name", "yes", "yes", "here", "no", "shown", "without it")
			tt.change(&e, &g)
			if got := outcome(t, g, e); got != tt.outcome {
				t.Errorf("got %s, want %s", got, tt.outcome)
			}
		})
	}
}

// TestCompareTwoKeysForOneProject: the configuration may name one project by
// its id and by its name. Whichever comes last must not decide what the
// project's mounts are.
func TestCompareTwoKeysForOneProject(t *testing.T) {
	shown := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true}
	tests := []struct {
		name     string
		where    exports.Where
		projects map[string]exports.Project
		owner    exports.Owner
		outcome  string
	}{
		{"here, both shown", exports.Here, map[string]exports.Project{"tools": shown, "id-tools": shown},
			exports.Owner{ID: "id-tools", Name: "tools"}, "instance-gone"},
		{"unresolved under one of them", exports.Unresolved, map[string]exports.Project{"id-tools": shown},
			exports.Owner{ID: "id-tools", Name: "tools"}, "in doubt: host-unresolved"},
		{"elsewhere under one of them", exports.Elsewhere, map[string]exports.Project{"id-tools": shown},
			exports.Owner{ID: "id-tools", Name: "tools"}, "served-elsewhere"},
		{"one of them hidden", exports.Here, map[string]exports.Project{"tools": {Sight: exports.Hidden, Why: "403"}, "id-tools": shown},
			exports.Owner{ID: "id-tools", Name: "tools"}, "in doubt: project-hidden"},
		{"one of them hidden, an adopted line whose address the other has", exports.Here, map[string]exports.Project{
			"tools": {Sight: exports.Hidden, Why: "403"},
			"id-tools": {Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: []exports.Instance{
				{ID: "i1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: contested}}}}},
		}, exports.Owner{Name: "tools"}, "in doubt: project-hidden"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := &exports.Config{Projects: []exports.ProjectConfig{
				{Key: "tools", Options: "rw", Mounts: []exports.Mount{{Host: "nfs.example", Path: home}}},
				{Key: "id-tools", Options: "rw", Mounts: []exports.Mount{{Host: "here.example", Path: other}}},
			}}
			for range 2 {
				e := exports.Evidence{
					Config:    config,
					Hosts:     exports.Hosts{"here.example": {Where: exports.Here}, "nfs.example": {Where: tt.where, Why: "so"}},
					Inventory: exports.Inventory{Projects: tt.projects, IDs: map[string]exports.Project{"id-tools": shown}},
				}
				g := exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: tt.owner}
				if got := outcome(t, g, e); got != tt.outcome {
					t.Errorf("keys %q and %q: got %s, want %s", config.Projects[0].Key, config.Projects[1].Key, got, tt.outcome)
				}
				slices.Reverse(config.Projects)
			}
		})
	}
}

// TestCompareSecondKeyHasTheMount: the mounts of both keys count, also where the
// line knows the project by neither, and where one of the keys leads nowhere.
func TestCompareSecondKeyHasTheMount(t *testing.T) {
	shown := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true}
	renamed := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools-by-now", Enabled: true}
	tests := []struct {
		name          string
		byName, byKey exports.Project // what Keystone says of the keys tools and id-tools
		ids           map[string]exports.Project
		owner         exports.Owner
		outcome       string
	}{
		{"an old name in the line", shown, shown, nil, exports.Owner{ID: "id-tools", Name: "tools-before"}, "instance-gone"},
		{"no name in the line", shown, shown, nil, exports.Owner{ID: "id-tools"}, "instance-gone"},
		{"the key with the mount is a name that the project has lost", exports.Project{Sight: exports.Absent, Why: "404"}, renamed,
			map[string]exports.Project{"id-tools": renamed}, exports.Owner{ID: "id-tools", Name: "tools"}, "in doubt: project-hidden"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := &exports.Config{Projects: []exports.ProjectConfig{
				{Key: "tools", Options: "rw", Mounts: []exports.Mount{{Host: "here.example", Path: home}}},
				{Key: "id-tools", Options: "rw", Mounts: []exports.Mount{{Host: "here.example", Path: other}}},
			}}
			for range 2 {
				e := exports.Evidence{
					Config:    config,
					Hosts:     exports.Hosts{"here.example": {Where: exports.Here}},
					Inventory: exports.Inventory{Projects: map[string]exports.Project{"tools": tt.byName, "id-tools": tt.byKey}, IDs: tt.ids},
				}
				g := exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: tt.owner}
				if got := outcome(t, g, e); got != tt.outcome {
					t.Errorf("keys %q and %q: got %s, want %s", config.Projects[0].Key, config.Projects[1].Key, got, tt.outcome)
				}
				slices.Reverse(config.Projects)
			}
		})
	}
}

// TestCompareTwoKeysWithOneMount: where both keys have the mount, the one that
// Keystone shows tells more.
func TestCompareTwoKeysWithOneMount(t *testing.T) {
	tests := []struct {
		name           string
		hidden, shown  string
		owner          exports.Owner
		holder         []exports.Instance
		outcome        string
		onlyHiddenHere bool // the key that is shown does not have the mount
	}{
		{"the name is hidden", "tools", "id-tools", exports.Owner{ID: "id-tools", Name: "tools"}, nil, "instance-gone", false},
		{"the id is hidden", "id-tools", "tools", exports.Owner{ID: "id-tools", Name: "tools"}, nil, "instance-gone", false},
		{"an adopted line under the id, which is hidden", "id-tools", "tools", exports.Owner{Name: "id-tools"},
			[]exports.Instance{instance("i1", contested.String())}, "in doubt: project-hidden", true},
		{"an adopted line under the name, which is hidden", "tools", "id-tools", exports.Owner{Name: "tools"},
			[]exports.Instance{instance("i1", contested.String())}, "in doubt: project-hidden", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mount := exports.Mount{Host: "here.example", Path: home}
			mountOfShown := mount
			if tt.onlyHiddenHere {
				mountOfShown.Path = other
			}
			config := &exports.Config{Projects: []exports.ProjectConfig{
				{Key: tt.hidden, Options: "rw", Mounts: []exports.Mount{mount}},
				{Key: tt.shown, Options: "rw", Mounts: []exports.Mount{mountOfShown}},
			}}
			for range 2 {
				e := exports.Evidence{
					Config: config,
					Hosts:  exports.Hosts{"here.example": {Where: exports.Here}},
					Inventory: exports.Inventory{Projects: map[string]exports.Project{
						tt.hidden: {Sight: exports.Hidden, Why: "403"},
						tt.shown:  {Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: tt.holder},
					}},
				}
				g := exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: tt.owner}
				if got := outcome(t, g, e); got != tt.outcome {
					t.Errorf("keys %q and %q: got %s, want %s", config.Projects[0].Key, config.Projects[1].Key, got, tt.outcome)
				}
				slices.Reverse(config.Projects)
			}
		})
	}
}

// TestCompareHiddenProjectHoldsNobodyElse: a project that Keystone hides casts
// no doubt on lines that are surely not its own.
func TestCompareHiddenProjectHoldsNobodyElse(t *testing.T) {
	hidden := exports.Project{Sight: exports.Hidden, Why: "403"}
	tools := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true}
	tests := []struct {
		name  string
		owner exports.Owner
		ids   map[string]exports.Project
	}{
		{"the line's project is shown and has no such mount", exports.Owner{ID: "id-tools", Name: "tools"}, map[string]exports.Project{"id-tools": hidden}},
		{"the line's project is there under a name that nobody configures", exports.Owner{ID: "id-left", Name: "left"},
			map[string]exports.Project{"id-left": {Sight: exports.Shown, ID: "id-left", Name: "left", Enabled: true}}},
		{"the line's project is there under another name that nobody configures", exports.Owner{ID: "id-left", Name: "left"},
			map[string]exports.Project{"id-left": {Sight: exports.Shown, ID: "id-left", Name: "left-again", Enabled: true}}},
		{"the line's project is no more", exports.Owner{ID: "id-left", Name: "left"}, map[string]exports.Project{"id-left": {Sight: exports.Absent, Why: "404"}}},
		{"an adopted line", exports.Owner{Name: "left"}, nil},
		{"a line of which nobody knows", exports.Owner{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := exports.Evidence{
				Config: &exports.Config{Projects: []exports.ProjectConfig{
					{Key: "tools", Options: "rw", Mounts: []exports.Mount{{Host: "here.example", Path: other}}},
					{Key: "hidden", Options: "rw", Mounts: []exports.Mount{{Host: "here.example", Path: home}}},
				}},
				Hosts:     exports.Hosts{"here.example": {Where: exports.Here}},
				Inventory: exports.Inventory{Projects: map[string]exports.Project{"tools": tools, "hidden": hidden}, IDs: tt.ids},
			}
			g := exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: tt.owner}
			if got := outcome(t, g, e); got != "not-in-config" {
				t.Errorf("got %s, want not-in-config", got)
			}
		})
	}
}

// TestCompareNewNameWithoutEvidence: a project got a new name, in Keystone and
// in the configuration, and the lines of today still carry the old one. As
// long as nobody can say which project the new name means, it may be theirs.
func TestCompareNewNameWithoutEvidence(t *testing.T) {
	g := exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: exports.Owner{ID: "id-tools", Name: "tools-before"}}
	evidence := func(where exports.Where, byKey map[string]exports.Project) exports.Evidence {
		e := exports.Evidence{
			Config: &exports.Config{Projects: []exports.ProjectConfig{
				{Key: "tools", Options: "rw", Mounts: []exports.Mount{{Host: "nfs.example", Path: home}}},
			}},
			Hosts:     exports.Hosts{"nfs.example": {Where: where, Why: "so"}},
			Inventory: exports.Inventory{Projects: byKey, IDs: map[string]exports.Project{}},
		}
		// Keystone answers what it is asked by id.
		_, ids := exports.ProjectsToRead(e.Config, e.Hosts, exports.NewSet([]exports.Grant{g}))
		for _, id := range ids {
			e.Inventory.IDs[id] = exports.Project{Sight: exports.Shown, ID: id, Name: "tools", Enabled: true}
		}
		return e
	}
	t.Run("unresolved", func(t *testing.T) {
		if got := outcome(t, g, evidence(exports.Unresolved, nil)); !strings.HasPrefix(got, "in doubt") {
			t.Errorf("got %s, want a doubt", got)
		}
	})
	t.Run("hidden, and the old name is that of another project now", func(t *testing.T) {
		e := evidence(exports.Here, map[string]exports.Project{
			"tools":        {Sight: exports.Hidden, Why: "403"},
			"tools-before": {Sight: exports.Shown, ID: "id-another", Name: "tools-before", Enabled: true},
		})
		e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: "tools-before", Options: "rw", Mounts: []exports.Mount{{Host: "nfs.example", Path: home}}})
		if got := outcome(t, g, e); !strings.HasPrefix(got, "in doubt") {
			t.Errorf("got %s, want a doubt", got)
		}
	})
	t.Run("hidden", func(t *testing.T) {
		hidden := map[string]exports.Project{"tools": {Sight: exports.Hidden, Why: "403"}}
		if got := outcome(t, g, evidence(exports.Here, hidden)); !strings.HasPrefix(got, "in doubt") {
			t.Errorf("got %s, want a doubt", got)
		}
	})
}

func TestCompareListsInFileOrder(t *testing.T) {
	e, _ := cell(t, "key is a name", "yes", "yes", "here", "no", "shown", "without it")
	// Desired: /srv/home and /srv/other for 10.0.0.1 of tools, /srv/home for
	// 10.0.0.2 of neighbour.
	desired, err := exports.Build(e)
	if err != nil {
		t.Fatal(err)
	}
	tools := exports.Owner{ID: "id-tools", Name: "tools"}
	grant := func(path, addr, options string) exports.Grant {
		return exports.Grant{Path: path, Client: exports.ParseClient(addr), Options: options, Owner: tools}
	}
	today := exports.NewSet([]exports.Grant{
		grant("/srv/z", "10.0.0.1", "rw"),
		grant(home, "10.0.0.10", "rw"),
		grant(home, "10.0.0.9", "rw"),
		grant(home, "10.0.0.1", "ro"),
		grant(other, "10.0.0.1", "rw"),
	})
	plan, err := compared(today, desired, e)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := plan.Today.Len(), 5; got != want {
		t.Errorf("the plan has %d grants of today, want %d", got, want)
	}
	if diff := cmp.Diff(desired.Grants(), plan.Desired.Grants(), byValue); diff != "" {
		t.Errorf("the plan desires something else:\n%s", diff)
	}
	want := []string{
		"+ /srv/home 10.0.0.2 rw neighbour n1",
		"- /srv/home 10.0.0.9 instance-gone",
		"- /srv/home 10.0.0.10 instance-gone",
		"- /srv/z 10.0.0.1 not-in-config",
		"~ /srv/home 10.0.0.1 ro rw",
	}
	var got []string
	for _, g := range plan.Added {
		got = append(got, fmt.Sprintf("+ %s %s %s %s %s", g.Path, g.Client, g.Options, g.Owner, g.Instance.ID))
	}
	for _, r := range plan.Removed {
		got = append(got, fmt.Sprintf("- %s %s %s", r.Path, r.Client, r.Reason))
	}
	for _, c := range plan.Changed {
		got = append(got, fmt.Sprintf("~ %s %s %s %s", c.New.Path, c.New.Client, c.Old.Options, c.New.Options))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestCompareOfNothing(t *testing.T) {
	plan, err := compared(exports.Set{}, exports.Set{}, exports.Evidence{Config: &exports.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Added)+len(plan.Removed)+len(plan.Changed)+len(plan.Warnings) != 0 {
		t.Errorf("a plan out of nothing: %+v", plan)
	}
}

// TestCompareOneDoubtStopsAll: no part of a plan leaves Compare beside an
// error, and the error has every grant in doubt and no other.
func TestCompareOneDoubtStopsAll(t *testing.T) {
	e, g := cell(t, "key is a name", "yes", "yes", "here", "no", "hidden", "without it")
	gone := g
	gone.Owner = exports.Owner{ID: "id-neighbour", Name: "neighbour"}
	gone.Client = exports.ParseClient("10.0.0.3")
	second := g
	second.Client = exports.ParseClient("10.0.0.4")
	desired, err := exports.Build(e)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := compared(exports.NewSet([]exports.Grant{g, gone, second}), desired, e)
	var unclear *exports.UnclearError
	if !errors.As(err, &unclear) {
		t.Fatalf("got %v, want an UnclearError", err)
	}
	if diff := cmp.Diff(exports.Plan{}, plan, byValue, cmp.AllowUnexported(exports.Set{})); diff != "" {
		t.Errorf("a plan beside an error:\n%s", diff)
	}
	var places []string
	for _, u := range unclear.Grants {
		places = append(places, u.Path+" "+u.Client.String())
	}
	if diff := cmp.Diff([]string{"/srv/home 10.0.0.4", "/srv/home 10.0.0.9"}, places); diff != "" {
		t.Errorf("grants in doubt (-want +got):\n%s", diff)
	}
}

func TestUnclearErrorDoubt(t *testing.T) {
	hidden, silent, unresolved := exports.ProjectHidden, exports.InstanceSilent, exports.HostUnresolved
	tests := []struct {
		doubts []exports.Doubt
		want   exports.Doubt
		next   string
	}{
		{[]exports.Doubt{unresolved}, unresolved, "--serve-as"},
		{[]exports.Doubt{silent}, silent, "Nova"},
		{[]exports.Doubt{hidden}, hidden, "role"},
		{[]exports.Doubt{unresolved, silent}, silent, "Nova"},
		{[]exports.Doubt{silent, unresolved}, silent, "Nova"},
		{[]exports.Doubt{unresolved, silent, hidden}, hidden, "role"},
		{[]exports.Doubt{hidden, silent, unresolved}, hidden, "role"},
		{[]exports.Doubt{hidden, unresolved}, hidden, "role"},
	}
	for _, tt := range tests {
		e := &exports.UnclearError{}
		for _, d := range tt.doubts {
			e.Grants = append(e.Grants, exports.Unclear{Doubt: d, Why: "so"})
		}
		if got := e.Doubt(); got != tt.want {
			t.Errorf("the gravest of %v is %s, want %s", tt.doubts, got, tt.want)
		}
		lines := strings.Split(e.Error(), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "  next: ") || !strings.Contains(last, tt.next) {
			t.Errorf("%v: the last line is %q, want the next step, about %s", tt.doubts, last, tt.next)
		}
	}
}

func TestUnclearErrorText(t *testing.T) {
	unclear := func(path, addr string, doubt exports.Doubt, why string) exports.Unclear {
		return exports.Unclear{Grant: exports.Grant{Path: path, Client: exports.ParseClient(addr), Options: "rw", Owner: exports.Owner{ID: "id-tools", Name: "tools"}}, Doubt: doubt, Why: why}
	}
	e := &exports.UnclearError{Grants: []exports.Unclear{
		unclear("/srv/a", "10.0.0.1", exports.ProjectHidden, "GET /v3/projects: 403"),
		unclear("/srv/a", "2001:db8::1", exports.ProjectHidden, "GET /v3/projects: 403"),
		unclear("/srv/b", "10.0.0.1", exports.HostUnresolved, "host b: no such host"),
	}}
	want := `nothing says that these must go, and nothing was changed (grants of the exports file in doubt: 3):
  project-hidden: GET /v3/projects: 403:
    /srv/a 10.0.0.1 of project "tools"
    /srv/a 2001:db8::1 of project "tools"
  host-unresolved: host b: no such host:
    /srv/b 10.0.0.1 of project "tools"
  next: give the user of this server a role on these projects, or take them out of the configuration if they are gone`
	if diff := cmp.Diff(want, e.Error()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}

	for _, n := range []int{20, 21, 25} {
		e := &exports.UnclearError{}
		for i := range n {
			e.Grants = append(e.Grants, unclear("/srv/a", fmt.Sprintf("10.0.0.%d", i), exports.ProjectHidden, "so"))
		}
		text := e.Error()
		if got := strings.Count(text, "/srv/a 10.0.0."); got != 20 {
			t.Errorf("%d grants in doubt: %d are named, want 20", n, got)
		}
		if more := fmt.Sprintf("and %d more", n-20); strings.Contains(text, more) != (n > 20) {
			t.Errorf("%d grants in doubt: %q is there %d times:\n%s", n, more, strings.Count(text, more), text)
		}
	}
}

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
			e, g := cell(t, "key is a name", "yes", "yes", "here", "no", "shown", "one silent")
			p := e.Inventory.Projects["tools"]
			p.Name = name
			for i := range p.Instances {
				p.Instances[i].Name = name
			}
			e.Inventory.Projects["tools"] = p
			g.Owner.Name = name
			check := func(what string, lines int) {
				t.Helper()
				desired, err := exports.Build(e)
				if err != nil {
					t.Fatal(err)
				}
				_, err = compared(exports.NewSet([]exports.Grant{g}), desired, e)
				if err == nil {
					t.Fatalf("%s: no error", what)
				}
				clean(t, what, err.Error(), lines)
				plan, err := compared(exports.Set{}, desired, e)
				if err != nil {
					t.Fatal(err)
				}
				for _, w := range plan.Warnings {
					clean(t, what+", a warning", w, 1)
				}
			}
			check("a silent instance", 4)

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
			e, g := cell(t, "key is a name", "yes", "yes", "here", "no", "shown", "one silent")
			p := e.Inventory.Projects["tools"]
			p.ID = id
			for i := range p.Instances {
				p.Instances[i].ID = id
				p.Instances[i].Region = id
			}
			e.Inventory.Projects["tools"] = p
			g.Owner.ID = id
			desired, err := exports.Build(e)
			if err != nil {
				t.Fatal(err)
			}
			_, err = compared(exports.NewSet([]exports.Grant{g}), desired, e)
			if err == nil {
				t.Fatal("no error")
			}
			clean(t, "a silent instance", err.Error(), 4)

			e.Inventory.Projects["tools"] = exports.Project{Sight: exports.Absent, Why: "not in the list"}
			_, err = compared(exports.NewSet([]exports.Grant{g}), desired, e)
			if err == nil {
				t.Fatal("no error")
			}
			clean(t, "a project that was not asked for", err.Error(), 4)
		})
	}
}

func TestCompareWarnings(t *testing.T) {
	addressed := []exports.Instance{{ID: "i1", Name: "web", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: harmless}}}}
	tests := []struct {
		name    string
		project exports.Project
		want    []string
	}{
		{"all well", exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: addressed}, nil},
		{"no instances", exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true}, nil},
		{"hidden", exports.Project{Sight: exports.Hidden, Why: "GET X: 403"}, []string{`project "tools" (line 7 of the configuration) is not shown to us: GET X: 403`}},
		{"absent", exports.Project{Sight: exports.Absent, Why: "GET X: 404"}, []string{`project "tools" (line 7 of the configuration) does not exist: GET X: 404`}},
		{"disabled", exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools"}, []string{`project "tools" (line 7 of the configuration) is disabled in Keystone and gets no grants`}},
		{"silent", exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: append([]exports.Instance{
			{ID: "i2", Name: "mute", Status: "ACTIVE"}, {ID: "i3", Name: "young", Status: "BUILD"}, {ID: "i4", Name: "off", Status: "SHUTOFF"}}, addressed...)},
			[]string{`active instance "mute" (i2) of project "tools" has no address in Nova`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := exports.Evidence{
				Config: &exports.Config{Projects: []exports.ProjectConfig{
					{Key: "tools", Line: 7, Mounts: []exports.Mount{{Host: "here.example", Path: home}}},
					// Not served, so nobody asked and nobody is warned.
					{Key: "far", Line: 9, Mounts: []exports.Mount{{Host: "far.example", Path: home}}},
				}},
				Hosts:     exports.Hosts{"here.example": {Where: exports.Here}, "far.example": {Where: exports.Elsewhere}},
				Inventory: exports.Inventory{Projects: map[string]exports.Project{"tools": tt.project}},
			}
			plan, err := compared(exports.Set{}, exports.Set{}, e)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, plan.Warnings, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
	for _, tt := range []struct {
		name      string
		networks  []string
		instances []exports.Instance
		want      []string
	}{
		{"of the instances", []string{"flat"}, addressed, nil},
		{"of nobody", []string{"flat", "flut\n"}, addressed,
			[]string{`no instance of a served project has an address in network "flut\n" of openstack.networks; they are in "flat": see whether its name is right`}},
		{"without any address to go by", []string{"flut"}, nil, nil},
	} {
		t.Run("network "+tt.name, func(t *testing.T) {
			e := exports.Evidence{
				Config: &exports.Config{
					OpenStack: exports.OpenStack{Networks: tt.networks},
					Projects:  []exports.ProjectConfig{{Key: "tools", Mounts: []exports.Mount{{Host: "here.example", Path: home}}}},
				},
				Hosts: exports.Hosts{"here.example": {Where: exports.Here}},
				Inventory: exports.Inventory{Projects: map[string]exports.Project{
					"tools": {Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: tt.instances},
				}},
			}
			if diff := cmp.Diff(tt.want, e.AddressWarnings(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("unresolved", func(t *testing.T) {
		e := exports.Evidence{
			Config: &exports.Config{Projects: []exports.ProjectConfig{
				{Key: "a", Mounts: []exports.Mount{{Host: "b.example", Path: home}, {Host: "a.example", Path: home}}},
				{Key: "b", Mounts: []exports.Mount{{Host: "b.example", Path: other}, {Host: "far.example", Path: home}}},
			}},
			Hosts: exports.Hosts{"a.example": {Why: "SERVFAIL"}, "b.example": {Why: "no answer"}, "far.example": {Where: exports.Elsewhere}},
		}
		plan, err := compared(exports.Set{}, exports.Set{}, e)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"mount host a.example is not known to be this server or another: SERVFAIL",
			"mount host b.example is not known to be this server or another: no answer",
		}
		if diff := cmp.Diff(want, plan.Warnings); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
	})
}
