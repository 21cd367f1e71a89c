package exportfs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/render"
	"nfs-exportd/render/disk"
	"nfs-exportd/render/rendertest"
)

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
	// exportfs ignores the second one.
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
		if f.Ignored != "" {
			words = append(words, f.Ignored)
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
		"exports.d/d.exports | first | a directory",
		"exports.d/dir.exports | first | a directory",
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
	for _, c := range render.Conflicts(ours, foreign, nil) {
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

func TestSameDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, sub := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"a", "a", true},
		{"link", "a", true},
		{"a", "link", true},
		{"b/../link/", "a", true},
		{"a", "b", false},
		{"nothing", "nothing", true},
		{"nothing", "other", false},
		{"nothing", "a", false},
		{"a", "nothing", false},
	} {
		if got := SameDir(dir+"/"+test.a, dir+"/"+test.b); got != test.want {
			t.Errorf("%s and %s: %t", test.a, test.b, got)
		}
	}
	t.Run("by its name", func(t *testing.T) {
		t.Parallel()
		if !SameDir("/etc/../etc/exports.d/", ExportsDir) {
			t.Error("the directory of exportfs is not itself")
		}
	})
}
