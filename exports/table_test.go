package exports_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

// row is one line of the truth table in the comment of compare.
type row struct {
	mount, keystone, address, host, instance, outcome string
}

func (r row) String() string {
	return strings.Join([]string{r.mount, r.keystone, r.address, r.host, r.instance, "= " + r.outcome}, "  ")
}

// table is the truth table once more, so that a slip in one of both is seen.
var table = []row{
	{"no", "-", "-", "-", "-", "not-in-config"},
	{"-", "deleted", "-", "-", "-", "project-deleted"},
	{"-", "disabled", "-", "-", "-", "project-disabled"},
	{"-", "-", "own", "-", "-", "own-address"},
	{"yes", "-", "another", "elsewhere", "-", "served-elsewhere"},
	{"slip", "-", "another", "-", "gone", "not-in-config"},
	{"slip", "-", "another", "-", "without it", "not-in-config"},
	{"slip", "-", "another", "-", "-", "frozen: looks-like-a-mistake"},
	{"yes", "replaced", "another", "-", "gone", "not-in-config"},
	{"yes", "replaced", "another", "-", "without it", "not-in-config"},
	{"yes", "replaced", "another", "-", "-", "frozen: looks-like-a-mistake"},
	{"yes", "-", "another", "-", "gone", "instance-gone"},
	{"yes", "-", "another", "-", "without it", "address-released"},
	{"yes", "hidden", "another", "-", "-", "in doubt: project-hidden"},
	{"yes", "renamed", "another", "-", "-", "in doubt: project-hidden"},
	{"yes", "shown", "another", "unresolved", "-", "in doubt: host-unresolved"},
	{"yes", "shown", "another", "here", "bare", "frozen: address-unknown"},
	{"yes", "shown", "another", "here", "uncounted", "frozen: looks-like-a-mistake"},
	{"yes", "shown", "another", "here", "not known", "frozen: unproved"},
}

// cells has every value that a column of the table can have.
var cells = [5][]string{
	{"no", "slip", "yes"},
	{"hidden", "renamed", "deleted", "replaced", "disabled", "shown"},
	{"own", "another"},
	{"elsewhere", "unresolved", "here"},
	{"gone", "without it", "bare", "uncounted", "not known"},
}

func (r row) cells() [5]string {
	return [5]string{r.mount, r.keystone, r.address, r.host, r.instance}
}

// covers tells whether a row fits a combination of cells. A row above another one
// comes first, as in the comment.
func (r row) covers(combination [5]string) bool {
	for i, cell := range r.cells() {
		if cell != "-" && cell != combination[i] {
			return false
		}
	}
	return true
}

// combinations gives all combinations of cells.
func combinations() [][5]string {
	all := [][5]string{{}}
	for column, values := range cells {
		var next [][5]string
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
		if !ok || f.Name.Name != "compare" {
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
			if len(cells) != 5 {
				t.Fatalf("the comment's row %q has %d columns, not 5", text, len(cells))
			}
			comment = append(comment, row{cells[0], cells[1], cells[2], cells[3], cells[4], outcome})
		}
	}
	if diff := cmp.Diff(comment, table, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("the comment of compare (-) and the tested table (+) differ:\n%s", diff)
	}
}

// TestTruthTableIsTotal shows that no combination is without a row, and that each row
// decides one.
func TestTruthTableIsTotal(t *testing.T) {
	used := map[row]bool{}
	for _, c := range combinations() {
		if r, ok := firstRow(c); ok {
			used[r] = true
		} else {
			t.Errorf("no row for %v", c)
		}
	}
	for _, r := range table {
		if !used[r] {
			t.Errorf("row %v decides nothing that the rows above leave", r)
		}
	}
}

// firstRow gives the row that decides a combination.
func firstRow(c [5]string) (row, bool) {
	for _, r := range table {
		if r.covers(c) {
			return r, true
		}
	}
	return row{}, false
}

// How a line of today's file can name a project that is configured by id or by
// name.
var lineKinds = []string{"key is a name", "key is an id", "no key", "adopted line"}

const (
	home  = "/srv/home"
	other = "/srv/other"
)

var (
	contested = netip.MustParseAddr("10.0.0.9")
	harmless  = netip.MustParseAddr("10.0.0.1")
)

// possible tells whether a kind of line can be in a combination.
func possible(c [5]string, kind string) bool {
	mount, keystone, instance := c[0], c[1], c[4]
	switch kind {
	case "key is an id":
		return keystone != "renamed" && keystone != "replaced"
	case "no key":
		// Then no key tells what became of the project, but its id.
		return mount != "yes" && keystone != "replaced" && keystone != "renamed"
	case "adopted line":
		// Such a line has no id by which Keystone or Nova could be asked.
		return (keystone == "hidden" || keystone == "disabled" && mount == "yes" || keystone == "shown") &&
			(instance == "not known" || instance == "uncounted" && keystone == "shown" && mount == "yes")
	}
	return true
}

// evidenceFor makes the world of a combination of cells, and today's grant in it.
func evidenceFor(c [5]string, kind string) (exports.Evidence, exports.Grant) {
	mount, keystone, address, host, instance := c[0], c[1], c[2], c[3], c[4]
	key, owner := "tools", exports.Owner{ID: "id-tools", Name: "tools"}
	own := exports.InstanceRef{ID: "own"}
	switch kind {
	case "key is an id":
		key = "id-tools"
	case "adopted line":
		owner.ID, own.ID = "", ""
	}
	e := exports.Evidence{
		Config: &exports.Config{OpenStack: exports.OpenStack{Networks: []string{"flat"}}, Limits: exports.Limits{MaxRemoved: 1000}},
		Hosts: exports.Hosts{
			"nfs.example":  {Where: map[string]exports.Where{"elsewhere": exports.Elsewhere, "unresolved": exports.Unresolved, "here": exports.Here}[host], Why: "the resolver's word"},
			"here.example": {Where: exports.Here},
		},
		Inventory: exports.Inventory{Projects: map[string]exports.Project{}, IDs: map[string]exports.Project{}},
		Local:     []netip.Addr{netip.MustParseAddr("192.0.2.1")},
	}
	if address == "own" {
		e.Local = append(e.Local, contested)
	}
	e = withNeighbours(e, mount == "slip")
	if kind != "no key" {
		p := exports.ProjectConfig{Key: key, Options: "rw", Line: 3, Mounts: []exports.Mount{{Key: "other", Host: "here.example", Path: other, Line: 5}}}
		if mount == "yes" {
			p.Mounts = append(p.Mounts, exports.Mount{Key: "home", Host: "nfs.example", Path: home, Line: 6})
		}
		e.Config.Projects = append(e.Config.Projects, p)
	}
	listed := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true, Instances: []exports.Instance{
		{ID: "i1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: harmless}}},
		{ID: "i2", Status: "BUILD"},
		{ID: "i3", Status: "SHUTOFF"},
	}}
	q := exports.Question{Project: "id-tools", Instance: "own"}
	switch i, answer := ownInstance(instance); {
	case i.ID == "":
		e.Answers = map[exports.Question]exports.Answer{q: answer}
	case keystone == "shown" && kind != "no key":
		listed.Instances = append(listed.Instances, i)
	default:
		e.Answers = map[exports.Question]exports.Answer{q: {State: exports.Found, Instance: i, Read: true, Why: "200"}}
	}
	byKey, byID := keystoneSays(keystone, listed)
	if kind != "no key" {
		e.Inventory.Projects[key] = byKey
	}
	e.Inventory.IDs["id-tools"] = byID
	return e, exports.Grant{Path: home, Client: exports.Client{Addr: contested}, Options: "rw", Owner: owner, Instance: own}
}

// withNeighbours adds projects that must not matter, and with slip a key that Keystone
// does not know.
func withNeighbours(e exports.Evidence, slip bool) exports.Evidence {
	e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: "neighbour", Options: "rw", Line: 8,
		Mounts: []exports.Mount{{Key: "home", Host: "here.example", Path: "/srv/neighbour", Line: 10}}})
	e.Inventory.Projects["neighbour"] = exports.Project{Sight: exports.Shown, ID: "id-neighbour", Name: "neighbour", Enabled: true,
		Instances: []exports.Instance{{ID: "n1", Status: "ACTIVE", Addresses: []exports.Address{{Network: "flat", Addr: netip.MustParseAddr("10.0.0.2")}}}}}
	e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: "taker", Options: "rw", Line: 12,
		Mounts: []exports.Mount{{Key: "taken", Host: "here.example", Path: "/srv/taken", Line: 14}}})
	e.Inventory.Projects["taker"] = exports.Project{Sight: exports.Shown, ID: "id-taker", Name: "taker", Enabled: true}
	if slip {
		e.Config.Projects = append(e.Config.Projects, exports.ProjectConfig{Key: "mystery", Options: "rw", Line: 16,
			Mounts: []exports.Mount{{Key: "home", Host: "here.example", Path: home, Line: 18}}})
		e.Inventory.Projects["mystery"] = exports.Project{Sight: exports.Absent, Why: "not in the list"}
	}
	return e
}

// ownInstance is what Nova shows of a line's own instance, or else its answer by id.
func ownInstance(cell string) (exports.Instance, exports.Answer) {
	i := exports.Instance{ID: "own", Name: "web", Status: "SHUTOFF", Region: "R1"}
	switch cell {
	case "gone":
		return exports.Instance{}, exports.Answer{State: exports.Gone, Why: "404"}
	case "not known":
		return exports.Instance{}, exports.Answer{Why: "500"}
	case "without it":
		i.Addresses = []exports.Address{{Network: "flat", Addr: netip.MustParseAddr("10.0.0.3")}}
	case "uncounted":
		i.Addresses = []exports.Address{{Network: "storage", Addr: contested}}
	}
	return i, exports.Answer{} // bare
}

// keystoneSays is what Keystone says of the key and of the id of the line's project.
func keystoneSays(cell string, listed exports.Project) (byKey, byID exports.Project) {
	alive := exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools", Enabled: true}
	alive.Domain = "default"
	renamed := alive
	renamed.Name = "tools-of-old"
	switch cell {
	case "hidden":
		byKey = exports.Project{Sight: exports.Hidden, Why: "GET /v3/projects/tools: 403"}
		return byKey, byKey
	case "renamed":
		return exports.Project{Sight: exports.Absent, Why: "not in the list"}, renamed
	case "deleted":
		byKey = exports.Project{Sight: exports.Absent, Why: "not in the list"}
		return byKey, byKey
	case "replaced":
		listed.ID = "id-other-tools"
		return listed, renamed
	case "disabled":
		byKey = exports.Project{Sight: exports.Shown, ID: "id-tools", Name: "tools"}
		return byKey, byKey
	}
	return listed, alive
}

// decided gives the plan for evidence to which the answers that it lacks prove nothing.
func decided(today exports.Set, e exports.Evidence) (exports.Plan, error) {
	for {
		plan, questions, err := exports.Decide(today, e, nil)
		if err != nil || len(questions) == 0 {
			return plan, err
		}
		answers := map[exports.Question]exports.Answer{}
		for _, q := range questions {
			answers[q] = exports.Answer{Why: "nobody answered"}
		}
		e = e.Answer(answers)
	}
}

// outcome is what becomes of a single grant of today, in the table's words.
func outcome(t testing.TB, g exports.Grant, e exports.Evidence) string {
	t.Helper()
	plan, err := decided(exports.NewSet([]exports.Grant{g}), e)
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
		t.Fatalf("Decide: %v", err)
	}
	for _, f := range plan.Frozen {
		if f.Place != g.Place() {
			if f.Today != nil || f.Reason != exports.LooksLikeAMistake {
				t.Fatalf("another place is frozen: %+v", f)
			}
			continue
		}
		if len(plan.Removed) != 0 || f.Why == "" || f.Then != nil || f.Today == nil {
			t.Fatalf("frozen: %+v", f)
		}
		if _, ok := plan.Desired.At(g.Place()); !ok {
			t.Fatal("frozen, and not in the file")
		}
		return "frozen: " + string(f.Reason)
	}
	if len(plan.Removed) == 0 {
		return "stays"
	}
	if diff := cmp.Diff(g, plan.Removed[0].Grant, byValue); diff != "" {
		t.Fatalf("another grant is removed:\n%s", diff)
	}
	return string(plan.Removed[0].Reason)
}

var byValue = cmp.Options{cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()}

func TestTruthTable(t *testing.T) {
	tried := map[row]int{}
	for _, c := range combinations() {
		want, _ := firstRow(c)
		for _, kind := range lineKinds {
			if !possible(c, kind) {
				continue
			}
			tried[want]++
			e, g := evidenceFor(c, kind)
			if got := outcome(t, g, e); got != want.outcome {
				t.Errorf("%q (%s) = %s, want %s", c, kind, got, want.outcome)
			}
		}
	}
	for _, r := range table {
		if tried[r] == 0 {
			t.Errorf("row %v was not tried", r)
		}
	}
}

// TestTruthTableAsks: what an answer by id could change is asked for before there is
// a plan, and nothing else is.
func TestTruthTableAsks(t *testing.T) {
	for _, c := range combinations() {
		for _, kind := range []string{"key is a name", "key is an id", "no key"} {
			if !possible(c, kind) {
				continue
			}
			e, g := evidenceFor(c, kind)
			byAnswer := len(e.Answers) > 0
			e.Answers = nil
			_, questions, _ := exports.Decide(exports.NewSet([]exports.Grant{g}), e, nil)
			want, _ := firstRow(c)
			decided := map[string]bool{"project-deleted": true, "project-disabled": true, "own-address": true, "served-elsewhere": true}[want.outcome] ||
				c[0] == "no"
			if asked := len(questions) > 0; asked != (byAnswer && !decided) {
				t.Errorf("%q (%s): asked %v", c, kind, questions)
			}
		}
	}
}

// cell gives the world of a row's combination, for tests that change one
// thing about it.
func cell(t *testing.T, kind string, c ...string) (exports.Evidence, exports.Grant) {
	t.Helper()
	if !possible([5]string(c), kind) {
		t.Fatalf("%v cannot be with %s", c, kind)
	}
	return evidenceFor([5]string(c), kind)
}
