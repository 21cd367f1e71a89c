package render

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nfs-exportd/exports"
	"nfs-exportd/render/rendertest"
)

// trailer is what a plan may print behind the diff.
const trailer = `remove /srv/a 10.0.0.1 of "tools": instance-gone; mounted now
- /srv/b 10.0.0.1
+ /srv/c 10.0.0.1

1 grants to add, 1 to remove, 0 to change; 2 today, 2 then
plan 0123456789abcdef
`

// patch applies a plan with patch(1) and gives the new text of the file.
func patch(t interface {
	Fatalf(format string, args ...any)
}, dir, path string, old []byte, exists bool, plan []byte, args ...string) []byte {
	if exists {
		if err := os.WriteFile(path, old, 0o644); err != nil {
			t.Fatalf("%v", err)
		}
	} else if err := os.RemoveAll(path); err != nil {
		t.Fatalf("%v", err)
	}
	cmd := exec.Command("patch", append([]string{"--batch", "--silent"}, args...)...)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(plan)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("patch: %v\n%s\n%s", err, output, plan)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return text
}

// needPatch skips a test on a machine without patch; CI must have it.
func needPatch(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("patch"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("needs patch")
	}
}

func TestDiff(t *testing.T) {
	needPatch(t)
	t.Parallel()
	dir := t.TempDir()
	one := marshal(t, rendertest.Set(t, "/srv/a 10.0.0.1(rw)", "/srv/a 10.0.0.2(rw)"))
	two := marshal(t, rendertest.Set(t, "/srv/a 10.0.0.2(rw)", "/srv/b 10.0.0.2(rw)"))
	tests := []struct {
		name     string
		file     string
		old, new []byte
		exists   bool
	}{
		{"change", "nfs.exports", one, two, true},
		{"new file", "nfs.exports", nil, one, false},
		{"empty file", "nfs.exports", nil, one, true},
		{"to nothing", "nfs.exports", one, marshal(t, rendertest.Set(t)), true},
		{"no final newline", "nfs.exports", one[:len(one)-1], two, true},
		{"new file without final newline", "nfs.exports", nil, one[:len(one)-1], false},
		{"hand-written", "nfs.exports", []byte("/srv/a 10.0.0.1(rw)\r\n\\ odd\n--- x\n+++ y\n\x00\xff"), one, true},
		{"odd name", "a b\"c\\d\x01\xff.exports", one, two, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(dir, test.file)
			plan := append(Diff(path, test.old, test.new, test.exists), trailer...)
			// As README says, with the name of the file.
			got := patch(t, dir, path, test.old, test.exists, plan, path)
			if diff := cmp.Diff(test.new, got); diff != "" {
				t.Error(diff)
			}
			// In the root directory patch takes absolute names from the diff.
			got = patch(t, "/", path, test.old, test.exists, plan, "-p0")
			if diff := cmp.Diff(test.new, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if diff := Diff("x", one, one, true); diff != nil {
		t.Errorf("diff of the same text: %s", diff)
	}
	want := "--- /dev/null\n+++ /etc/x\n@@ -0,0 +1,1 @@\n+a\n"
	if diff := cmp.Diff(want, string(Diff("/etc/x", nil, []byte("a\n"), false))); diff != "" {
		t.Error(diff)
	}
}

// TestDiffNames has names as GNU diff writes them, which patch reads.
func TestDiffNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"/etc/exports.d/!x~.exports": "/etc/exports.d/!x~.exports",
		"a b":                        `"a b"`,
		"a\x1fb":                     `"a\037b"`,
		"a\x7fb":                     `"a\177b"`,
		"\u00e4 b":                   `"\303\244 b"`,
		`a"b`:                        `"a\"b"`,
		`a\b`:                        `"a\\b"`,
		"\t!~":                       `"\011!~"`,
	} {
		want = "--- " + want + "\n+++ " + want + "\n@@ -1,1 +1,1 @@\n-a\n+b\n"
		if diff := cmp.Diff(want, string(Diff(name, []byte("a\n"), []byte("b\n"), true))); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
}

func TestDiffAnySets(t *testing.T) {
	needPatch(t)
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.exports")
	rapid.Check(t, func(t *rapid.T) {
		old, err := Marshal(rendertest.DrawSet(t))
		if err != nil {
			t.Fatal(err)
		}
		new, err := Marshal(rendertest.DrawSet(t))
		if err != nil {
			t.Fatal(err)
		}
		plan := append(Diff(path, old, new, true), trailer...)
		if bytes.Equal(old, new) {
			return
		}
		if got := patch(t, dir, path, old, true, plan, path); !bytes.Equal(got, new) {
			t.Fatalf("patch made %q of %q, not %q", got, old, new)
		}
	})
}

func TestPlanID(t *testing.T) {
	t.Parallel()
	ids := map[string]string{}
	for _, texts := range [][]string{
		{}, {""}, {"", ""}, {"", "", ""}, {"a"}, {"a", ""}, {"", "a"}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {"a", "b"}, {"b", "a"},
		{"a", "b", "c"}, {"\x00\x00\x00\x00\x00\x00\x00\x00"},
	} {
		held := make([][]byte, len(texts))
		for i, text := range texts {
			held[i] = []byte(text)
		}
		id := PlanID(held...)
		if len(id) != 16 || strings.Trim(id, "0123456789abcdef") != "" {
			t.Errorf("id %q", id)
		}
		if other, ok := ids[id]; ok {
			t.Errorf("%q has the id of %s", texts, other)
		}
		ids[id] = fmt.Sprintf("%q", texts)
	}
	// Written down, because people keep plan ids over an upgrade.
	if got, want := PlanID([]byte("old\n"), []byte("new\n")), "17616463abeb4601"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := PlanID(), "e3b0c44298fc1c14"; got != want {
		t.Errorf("of nothing: got %s, want %s", got, want)
	}
}

func TestOnlyComments(t *testing.T) {
	t.Parallel()
	lines := []string{"/srv/a 10.0.0.1(rw)", "/srv/a 10.0.0.2(rw) # a", "/srv/b 10.0.0.1(ro) # a b"}
	text := string(marshal(t, rendertest.Set(t, lines...)))
	other := exports.Owner{ID: "x", Name: "y", Domain: "z"}
	tests := []struct {
		name string
		old  string
		new  exports.Set
		want bool
	}{
		{"nothing", "", exports.Set{}, true},
		{"hand-written comments", "# a\n", exports.Set{}, true},
		{"the same", text, rendertest.Set(t, lines...), true},
		{"other ids", text, rendertest.Set(t, "/srv/a 10.0.0.1(rw) # a", "/srv/a 10.0.0.2(rw)", "/srv/b 10.0.0.1(ro) # b a"), true},
		{"another owner", text, exports.NewSet([]exports.Grant{
			rendertest.Grant(t, lines[0], other), rendertest.Grant(t, lines[1], other), rendertest.Grant(t, lines[2], other),
		}), true},
		{"edited", strings.Replace(text, "# a\n", "# b\n", 1), rendertest.Set(t, lines...), false},
		{"a line that is not read", string(reread(text + "/srv/c 10.0.0.1\n")), rendertest.Set(t, lines...), false},
		{"options", text, rendertest.Set(t, lines[0], lines[1], "/srv/b 10.0.0.1(rw) # a b"), false},
		{"one more", text, rendertest.Set(t, append(lines, "/srv/c 10.0.0.1(rw)")...), false},
		{"one less", text, rendertest.Set(t, lines[:2]...), false},
		{"another client", text, rendertest.Set(t, lines[0], lines[1], "/srv/b 10.0.0.2(ro) # a b"), false},
		{"another path", text, rendertest.Set(t, lines[0], lines[1], "/srv/c 10.0.0.1(ro) # a b"), false},
	}
	for _, test := range tests {
		if got := OnlyComments(Parse([]byte(test.old)), test.new, nil); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

// reread gives a text the digest that its lines have now.
func reread(text string) []byte {
	_, body, _ := strings.Cut(text, "\n")
	return append([]byte(digestLine([]byte(body))), body...)
}
