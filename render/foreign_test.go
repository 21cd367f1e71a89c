package render

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfs-exportd/render/disk"
	"nfs-exportd/render/rendertest"

	"github.com/google/go-cmp/cmp"
)

func TestParseForeign(t *testing.T) {
	t.Parallel()
	type line struct {
		Place, Options string
		Line           int
	}
	tests := []struct {
		name, text string
		want       []line
		undecided  string // in the problem
	}{
		{name: "empty"},
		{name: "comments", text: "# /srv/a *(rw)\n   # x\\\n\n"},
		{name: "one", text: "/srv/a 10.0.0.1(rw)", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{
			name: "many clients", text: "\n/srv/a\t10.0.0.1(rw)   host 10.0.0.0/24(ro,sync)\n/srv/b @ng(rw)\n",
			want: []line{{"/srv/a 10.0.0.1", "rw", 2}, {"/srv/a host", "", 2}, {"/srv/a 10.0.0.0/24", "ro,sync", 2}, {"/srv/b @ng", "rw", 3}},
		},
		{
			name: "default options", text: "/srv/a -rw,async 10.0.0.1 10.0.0.2(ro) -sync 10.0.0.3\n",
			want: []line{{"/srv/a 10.0.0.1", "rw,async", 1}, {"/srv/a 10.0.0.2", "rw,async,ro", 1}, {"/srv/a 10.0.0.3", "rw,async,sync", 1}},
		},
		{name: "no client", text: "/srv/a\n", want: []line{{"/srv/a *", "", 1}}},
		{name: "options alone", text: "/srv/a (rw)\n", want: []line{{"/srv/a *", "rw", 1}}},
		{name: "default options alone", text: "/srv/a -rw\n", want: []line{{"/srv/a *", "rw", 1}}},
		{name: "default options behind", text: "/srv/a 10.0.0.1(ro) -rw\n", want: []line{{"/srv/a 10.0.0.1", "ro", 1}, {"/srv/a *", "rw", 1}}},
		{name: "default options twice", text: "/srv/a -ro -rw\n", want: []line{{"/srv/a -rw", "ro", 1}}},
		{
			name: "continued", text: "/srv/a \\\n   10.0.0.1(rw)\\\n10.0.0.2(ro)\n/srv/b 10.0.0.3(rw)\n",
			want: []line{{"/srv/a 10.0.0.1", "rw", 2}, {"/srv/a 10.0.0.2", "ro", 3}, {"/srv/b 10.0.0.3", "rw", 4}},
		},
		{name: "continued in quotes", text: "\"/srv/a\\\n \t b\" 10.0.0.1(rw)\n", want: []line{{"/srv/a b 10.0.0.1", "rw", 2}}},
		{name: "continued, and nothing comes", text: "/srv/a 10.0.0.1(rw)\\\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "continued, and blanks come", text: "/srv/a 10.0.0.1(rw)\\\n \t", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "a backslash at the end", text: "/srv/a 10.0.0.1\\", want: []line{{"/srv/a 10.0.0.1\\", "", 1}}},
		{name: "a backslash before a blank", text: "/srv/a\\ 10.0.0.1(rw)\n", want: []line{{"/srv/a\\ 10.0.0.1", "rw", 1}}},
		{name: "odd blanks", text: "/srv/a\v(rw)\f(ro)\n", want: []line{{"/srv/a *", "rw", 1}, {"/srv/a *", "ro", 1}}},
		{name: "no blanks", text: "/srv/a\x08b\x0e 10.0.0.1(rw)\n", want: []line{{"/srv/a\x08b\x0e 10.0.0.1", "rw", 1}}},
		{name: "no options in brackets", text: "/srv/a 10.0.0.1()\n", want: []line{{"/srv/a 10.0.0.1", "", 1}}},
		{name: "a bracket alone", text: "/srv/a 10.0.0.1(\n", undecided: "bad option list"},
		{name: "a comment to the end", text: "/srv/a 10.0.0.1(rw)\n# x", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "a long path", text: "/" + strings.Repeat("a", 1023) + " 10.0.0.1(rw)\n", want: []line{{"/" + strings.Repeat("a", 1023) + " 10.0.0.1", "rw", 1}}},
		{name: "a long client", text: "/srv/a (" + strings.Repeat("a", 509) + ")\n", want: []line{{"/srv/a *", strings.Repeat("a", 509), 1}}},
		{name: "a long client with an escape", text: "/srv/a (" + strings.Repeat("a", 507) + "\\101)\n", want: []line{{"/srv/a *", strings.Repeat("a", 507) + "A", 1}}},
		{name: "a comment is not continued", text: "# x \\\n/srv/a 10.0.0.1(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 2}}},
		{name: "comment behind", text: "/srv/a 10.0.0.1(rw) # 10.0.0.2(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "no comment", text: "/srv/a 10.0.0.1#x(rw)\n", want: []line{{"/srv/a 10.0.0.1#x", "rw", 1}}},
		{name: "quotes", text: "\"/srv/a b\" \"10.0.0.1\"(rw)\n", want: []line{{"/srv/a b 10.0.0.1", "rw", 1}}},
		{name: "newline in quotes", text: "\"/srv/a\nb\" 10.0.0.1(rw)\n/srv/c 10.0.0.2(rw)", want: []line{{"/srv/a\nb 10.0.0.1", "rw", 2}, {"/srv/c 10.0.0.2", "rw", 3}}},
		{name: "escapes", text: `/srv/a\040b\043\777 10.0.0.1(rw)`, want: []line{{`/srv/a b#\777 10.0.0.1`, "rw", 1}}},
		{name: "an escape first", text: `\057srv/a \052(rw)`, want: []line{{"/srv/a *", "rw", 1}}},
		{name: "escaped escape", text: `/srv/a\134040b 10.0.0.1(rw)`, want: []line{{"/srv/a b 10.0.0.1", "rw", 1}}},
		{name: "carriage return behind", text: "/srv/a 10.0.0.1(rw)\r\n/srv/b 10.0.0.1(rw)\r\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}, {"/srv/b 10.0.0.1", "rw", 2}}},
		{name: "NUL separates", text: "/srv/a\x0010.0.0.1(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "escaped NUL ends", text: "/srv/a\\000b 10.0.0.1(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "blank line of a DOS file", text: "/srv/a 10.0.0.1(rw)\n\r\n/srv/b 10.0.0.1(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}, undecided: "empty path"},
		{name: "empty path", text: "\"\" 10.0.0.1(rw)\n", undecided: "empty path"},
		{name: "bad list", text: "/srv/a 10.0.0.1(rw)\n/srv/a 10.0.0.2(rw\n/srv/b 10.0.0.1(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}, undecided: "bad option list"},
		{name: "bad list, more behind", text: "/srv/a 10.0.0.2(rw)x\n", undecided: "bad option list"},
		{name: "long path", text: "/" + strings.Repeat("a", 1024) + " 10.0.0.1(rw)\n", undecided: "path too long"},
		{name: "long client", text: "/srv/a 10.0.0.1(" + strings.Repeat("a", 511) + ")\n", undecided: "client and options too long"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			grants, undecided := parseForeign([]byte(test.text))
			var got []line
			for _, g := range grants {
				got = append(got, line{g.Place.Path + " " + g.Place.Client.String(), g.Options, g.Line})
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			switch {
			case test.undecided == "" && len(undecided) == 0:
			case test.undecided == "" || len(undecided) != 1 || !strings.Contains(undecided[0].Problem, test.undecided):
				t.Errorf("undecided %v", undecided)
			}
		})
	}
}

// TestParseForeignSays shows people the word that exportfs stops at.
func TestParseForeignSays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/srv/a *(ro)\n\r\n/srv/b *(ro)\n":          `line 2: empty path; exportfs reads no further: "\r"`,
		"/srv/a *(ro)\n/srv/b *(ro *(rw)\n":         `line 2: bad option list; exportfs reads no further: "*(ro"`,
		"/srv/a *(ro) \\\n -rw \\\n *(ro\n":         `line 3: bad option list; exportfs reads no further: "*(ro"`,
		"/srv/a " + strings.Repeat("b", 512) + "\n": `line 1: client and options too long; exportfs reads no further: "` + strings.Repeat("b", 200) + `"...`,
	} {
		if _, got := parseForeign([]byte(text)); len(got) != 1 || got[0].String() != want {
			t.Errorf("%q: %v, want %s", text, got, want)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	// strverscmp(3), and what exportfs 2.6.2 was seen to do.
	for _, want := range [][]string{
		{"2b.exports", "9.exports", "10.exports", "A.exports", "a.exports"},
		{"000", "00", "01", "010", "09", "0", "1", "9", "10"},
		{"item#99", "item#100"},
		{"nfs-exportd.exports", "nfs.exports", "z.exports"},
		{"a1b", "a2", "a10"},
		{"", "a", "ab"},
	} {
		got := slices.Clone(want)
		slices.Reverse(got)
		slices.SortFunc(got, compareVersions)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestReadForeign(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	exportsD := filepath.Join(dir, "exports.d")
	for _, d := range []string{exportsD, filepath.Join(exportsD, "dir.exports"), filepath.Join(dir, "srv")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own := filepath.Join(exportsD, "nfs.exports")
	files := map[string]string{
		"exports":               dir + "/srv/ 10.0.0.1(rw)\n",
		"exports.d/nfs.exports": "/own 10.0.0.1(rw)\n",
		"exports.d/z.exports":   dir + "/link 10.0.0.2(ro) host(ro)\n",
		"exports.d/9.exports":   "/nine//x/ 10.0.0.1(rw)\n",
		"exports.d/10.exports":  "/ten 10.0.0.1(rw)\n",
		"exports.d/bad.exports": "/bad 10.0.0.1(rw\n",
		"exports.d/old.exports": "/old 10.0.0.1(rw)\n",
		"exports.d/.x.exports":  "/hidden 10.0.0.1(rw)\n",
		"exports.d/.exports":    "/hidden 10.0.0.1(rw)\n",
		"exports.d/x.exports~":  "/hidden 10.0.0.1(rw)\n",
		"exports.d/x.EXPORTS":   "/hidden 10.0.0.1(rw)\n",
		"exports.d/exports":     "/hidden 10.0.0.1(rw)\n",
		"target":                "/target 10.0.0.1(rw)\n",
	}
	for name, text := range files {
		rendertest.Write(t, filepath.Join(dir, name), text, 0o644)
	}
	links := map[string]string{
		"link": "srv", "exports.d/l.exports": "../target", "exports.d/d.exports": "dir.exports",
		"exports.d/m.exports": "nowhere", "exports.d/p.exports": "../fifo",
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// exportfs passes over the second one, as it does over directories.
	for _, name := range []string{"fifo", "exports.d/f.exports"} {
		if err := rendertest.Mkfifo(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	foreign, err := ReadForeign(filepath.Join(dir, "exports"), own, []string{filepath.Join(exportsD, "old.exports")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range foreign {
		words := []string{strings.TrimPrefix(f.File, dir+"/")}
		if f.First {
			words = append(words, "first")
		}
		for _, g := range f.Grants {
			words = append(words, strings.ReplaceAll(g.String(), dir, ""))
		}
		for _, l := range f.Undecided {
			words = append(words, l.String())
		}
		got = append(got, strings.Join(words, " | "))
	}
	want := []string{
		"exports | first | /srv for 10.0.0.1(rw)",
		"exports.d/9.exports | first | /nine//x/ for 10.0.0.1(rw)",
		"exports.d/10.exports | first | /ten for 10.0.0.1(rw)",
		`exports.d/bad.exports | first | line 1: bad option list; exportfs reads no further: "10.0.0.1(rw"`,
		"exports.d/l.exports | first | /target for 10.0.0.1(rw)",
		"exports.d/m.exports | first | a symbolic link that leads nowhere",
		"exports.d/p.exports | cannot be read: it is not a regular file",
		"exports.d/z.exports | /srv for 10.0.0.2(ro) | /srv for host(ro)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	ours := rendertest.Set(t, dir+"/srv 10.0.0.1(rw)", dir+"/srv 10.0.0.2(rw)", "/ten 10.0.0.2(rw)")
	got = nil
	for _, c := range Conflicts(ours, foreign) {
		got = append(got, strings.ReplaceAll(c.String(), dir, ""))
	}
	want = []string{
		"/srv for 10.0.0.1 is also in /exports, line 1: exportfs takes that one, with the options rw",
		"/srv for 10.0.0.2 is also in /exports.d/z.exports, line 1: exportfs takes ours",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadForeignNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	foreign, err := ReadForeign(filepath.Join(dir, "exports"), filepath.Join(dir, "exports.d", "nfs.exports"), nil)
	if err != nil || len(foreign) > 0 {
		t.Errorf("%v, %v", foreign, err)
	}
	rendertest.Write(t, filepath.Join(dir, "file"), "", 0o644)
	var failure *disk.Error
	if _, err := ReadForeign(filepath.Join(dir, "exports"), filepath.Join(dir, "file", "nfs.exports"), nil); !errors.As(err, &failure) {
		t.Errorf("error %v", err)
	}
}

// TestReadForeignAdopted: a file is adopted by whatever path it was named, and
// no other is for it.
func TestReadForeignAdopted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own := filepath.Join(dir, "exports.d", "nfs.exports")
	if err := os.Mkdir(filepath.Dir(own), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.exports", "b.exports"} {
		rendertest.Write(t, filepath.Join(dir, "exports.d", name), "/srv/"+name+" 10.0.0.1(rw)\n", 0o644)
	}
	for name, target := range map[string]string{"link": "exports.d", "exports.d/nowhere.exports": "x"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string][]string{
		"exports.d/a.exports":              {"b.exports", "nowhere.exports"},
		"exports.d/../exports.d/a.exports": {"b.exports", "nowhere.exports"},
		"link/a.exports":                   {"b.exports", "nowhere.exports"},
		"exports.d/gone.exports":           {"a.exports", "b.exports", "nowhere.exports"},
		"exports":                          {"a.exports", "b.exports", "nowhere.exports"},
	} {
		foreign, err := ReadForeign(filepath.Join(dir, "exports"), own, []string{dir + "/" + path})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range foreign {
			got = append(got, filepath.Base(f.File))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("adopted %s: %s", path, diff)
		}
	}
}

func TestIgnores(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/etc/exports.d/nfs-exportd.exports": false, "x.exports": false,
		"/etc/exports.d/.x.exports": true, "/etc/exports.d/x": true, "/x.exports/x": true, "/x.EXPORTS": true, "/.exports": true, "exports": true,
	} {
		if got := Ignores(path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}
