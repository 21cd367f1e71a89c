package exports_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
)

func TestWritable(t *testing.T) {
	t.Parallel()
	for options, want := range map[string]bool{
		"rw": true, "ro": false, "": false, "sync,no_subtree_check": false, "ro,rw": true, "rw,ro": false,
		"sec=sys,rw": true, "rw,sec=sys": true, "rw,sec=sys,ro": false, "ro,sec=sys,rw": true,
		"sec=krb5,rw,sec=sys,ro": true, "sec=sys,ro,sec=krb5,rw": true, "sec=sys,ro,sec=krb5,ro": false,
		"RW": false, "nrw": false, "rw,all_squash": true, exports.DefaultOptions: true,
	} {
		if got := exports.Writable(options); got != want {
			t.Errorf("%q: %v", options, got)
		}
	}
}

// mounts is a configuration of one project, with its mounts given as host and path.
func mounts(options string, mounts ...string) *exports.Config {
	c := &exports.Config{Projects: []exports.ProjectConfig{{Key: "tools", Options: options, Line: 2}}}
	for i := 0; i < len(mounts); i += 2 {
		c.Projects[0].Mounts = append(c.Projects[0].Mounts,
			exports.Mount{Key: "m" + string(rune('1'+i/2)), Host: mounts[i], Path: mounts[i+1], Line: 3 + i/2})
	}
	return c
}

func TestNested(t *testing.T) {
	t.Parallel()
	allowed := mounts(rw, here, "/srv", here, "/srv/home")
	allowed.AllowNested = true
	public := func(options string, c *exports.Config) *exports.Config {
		c.Public = []exports.PublicLine{{Name: "root", Path: "/", Client: exports.Client{Literal: "*"}, Options: options, Line: 1}}
		return c
	}
	hosts := exports.Hosts{here: {Where: exports.Here}, away: {Where: exports.Elsewhere}, lost: {Where: exports.Unresolved}}
	for name, test := range map[string]struct {
		config *exports.Config
		want   []string // on this server
		byName []string
	}{
		"two":                {mounts(rw, here, "/srv", here, "/srv/home"), []string{"/srv/home in /srv"}, []string{"/srv/home in /srv"}},
		"read-only":          {mounts(ro, here, "/srv", here, "/srv/home"), nil, nil},
		"beside":             {mounts(rw, here, "/srv", here, "/srv2", here, "/srv-home/x"), nil, nil},
		"twice":              {mounts(rw, here, "/srv", here, "/srv"), nil, nil},
		"far below":          {mounts(rw, here, "/srv", here, "/srv/a/b/c"), []string{"/srv/a/b/c in /srv"}, []string{"/srv/a/b/c in /srv"}},
		"the nearest":        {mounts(rw, here, "/", here, "/a", here, "/a/b"), []string{"/a in /", "/a/b in /a"}, []string{"/a in /", "/a/b in /a"}},
		"elsewhere":          {mounts(rw, away, "/srv", here, "/srv/home"), nil, nil},
		"unresolved":         {mounts(rw, lost, "/srv", here, "/srv/home"), nil, nil},
		"another server's":   {mounts(rw, away, "/srv", away, "/srv/home"), nil, []string{"/srv/home in /srv"}},
		"allowed":            {allowed, nil, nil},
		"read-only root":     {public(ro, mounts(rw, here, "/srv")), nil, nil},
		"root":               {public(rw, mounts(rw, here, "/srv")), []string{"/srv in /"}, []string{"/srv in /"}},
		"read-only below":    {public(rw, mounts(ro, here, "/srv")), []string{"/srv in /"}, []string{"/srv in /"}},
		"root of two hosts":  {public(rw, mounts(rw, away, "/srv")), nil, []string{"/srv in /"}},
		"root is not nested": {mounts(rw, here, "/"), nil, nil},
	} {
		text := func(nested []exports.Nesting) (all []string) {
			for _, n := range nested {
				all = append(all, n.Inner.Path+" in "+n.Outer.Path)
			}
			return all
		}
		if diff := cmp.Diff(test.want, text(test.config.Nested(hosts))); diff != "" {
			t.Errorf("%s: on this server:\n%s", name, diff)
		}
		if diff := cmp.Diff(test.byName, text(test.config.NestedByName())); diff != "" {
			t.Errorf("%s: by name:\n%s", name, diff)
		}
	}
	err := error(&exports.NestedError{Nested: mounts(rw, here, "/srv", here, "/srv/home").NestedByName()})
	for _, part := range []string{"/srv/home (private.tools.mounts.m2, line 4 of", "/srv (private.tools.mounts.m1, line 3 of", "exports.allow_nested"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	if errors.Unwrap(err) != nil {
		t.Error("it has a cause")
	}
}

// nestRows is the table in the comment of nest once more.
var nestRows = [][4]string{
	{"a symbolic link", "a line", "a reason", "the same"},
	{"a symbolic link", "a line", "-", "symbolic-link"},
	{"a symbolic link", "no line", "-", "frozen: symbolic-link"},
	{"below a writable", "no line", "-", "frozen: nested"},
	{"below a writable", "a line", "a reason", "the same"},
	{"below a writable", "a line", "frozen", "the same"},
	{"below a writable", "a line", "stays", "frozen: nested"},
	{"neither", "-", "-", "the same"},
}

func TestNestTableIsTheComment(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "nested.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][4]string
	columns := regexp.MustCompile(`\s{2,}`)
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Name.Name != "nest" {
			continue
		}
		for _, c := range f.Doc.List {
			text, indented := strings.CutPrefix(c.Text, "//\t")
			front, outcome, isRow := strings.Cut(text, " = ")
			if cells := columns.Split(strings.TrimSpace(front), -1); indented && isRow && outcome != "outcome" {
				rows = append(rows, [4]string{cells[0], cells[1], cells[2], outcome})
			}
		}
	}
	if diff := cmp.Diff(rows, nestRows); diff != "" {
		t.Errorf("the comment of nest (-) and the tested table (+) differ:\n%s", diff)
	}
}

// TestNestTable makes each combination of the table, which so is total.
func TestNestTable(t *testing.T) {
	t.Parallel()
	used := map[int]bool{}
	for _, at := range []string{"a symbolic link", "below a writable", "neither"} {
		for _, there := range []string{"a line", "no line"} {
			for _, so := range []string{"a reason", "frozen", "stays"} {
				if there == "no line" && so == "a reason" {
					continue // which only a line has
				}
				n := slices.IndexFunc(nestRows, func(r [4]string) bool {
					return r[0] == at && (r[1] == "-" || r[1] == there) && (r[2] == "-" || r[2] == so)
				})
				if n < 0 {
					t.Fatalf("no row for %s, %s, %s", at, there, so)
				}
				used[n] = true
				want := nestRows[n][3]
				if want == "the same" {
					want = nestOutcome(t, "neither", there, so)
				}
				if got := nestOutcome(t, at, there, so); got != want {
					t.Errorf("%s, %s, %s: %s, not %s", at, there, so, got, want)
				}
			}
		}
	}
	if len(used) != len(nestRows) {
		t.Errorf("of %d rows %d decide something", len(nestRows), len(used))
	}
}

// nestOutcome is what becomes of a place, and of its line if it has one.
func nestOutcome(t *testing.T, at, there, so string) string {
	t.Helper()
	d := newDraft()
	d.key(alpha, here, "/srv/p")
	a, b := d.cloud(idOf("a"), alpha), d.cloud(idOf("b"), omega)
	a.instances = []exports.Instance{server("i1", addrX), server("i2", addrZ)}
	d.line("/srv/p", addrZ, ownerOf(0, alpha), "i2")
	if there == "a line" {
		d.line("/srv/p", addrX, ownerOf(0, alpha), "i1")
	}
	switch {
	case so == "a reason":
		a.instances[0] = server("i1", addrY)
	case so == "frozen" && there == "a line":
		a.instances[0] = silentServer(server("i1"))
	case so == "frozen":
		d.key(omega, here, "/srv/q")
		b.instances = []exports.Instance{server("j1", addrX)}
	}
	if at == "below a writable" {
		d.config.Public = []exports.PublicLine{{Name: "above", Path: "/srv", Client: exports.Client{Literal: "*"}, Options: rw}}
	}
	w := d.world()
	if at == "a symbolic link" {
		w.evidence.Links = map[string]string{"/srv/p": "it is a symbolic link"}
	}
	x := settle(w, nil)
	if x.err != nil || x.refused() {
		t.Fatalf("%s, %s, %s: %v", at, there, so, x)
	}
	place := exports.Place{Path: "/srv/p", Client: exports.Client{Addr: addrX}}
	fate := x.fates()[place]
	if _, line := x.plan.Desired.At(place); line && isRemoved(fate) {
		t.Errorf("%s, %s, %s: removed, and in the file", at, there, so)
	}
	if fate == "" && there == "no line" {
		return "nothing"
	}
	return strings.NewReplacer("removed:", "", "frozen:", "frozen: ").Replace(fate)
}

// TestAboveRelative has paths as other exports files can have them.
func TestAboveRelative(t *testing.T) {
	for _, path := range []string{"EXPORT", "a/b", "", ".", "/"} {
		if above, ok := exports.Above(path, map[string]string{"/srv": "why"}); ok {
			t.Errorf("%q is below %q", path, above)
		}
	}
}
