package install

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/rendertest"
)

const oldOptions = "rw,nohide,no_subtree_check,async,no_root_squash"

func TestReadAdopted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tools := exports.Owner{Name: "tools"}
	tests := []struct {
		file, text string
		want       []exports.Grant
	}{
		{"tools.exports", "", nil},
		{
			"tools.exports", "/srv/tools//home/ -" + oldOptions + " 10.0.0.1 10.0.0.2\n/srv/scratch -" + oldOptions + " 10.0.0.1\n",
			[]exports.Grant{
				rendertest.Grant(t, "/srv/tools/home 10.0.0.1("+oldOptions+")", tools),
				rendertest.Grant(t, "/srv/tools/home 10.0.0.2("+oldOptions+")", tools),
				rendertest.Grant(t, "/srv/scratch 10.0.0.1("+oldOptions+")", tools),
			},
		},
		{
			"tools.exports", "/srv/a -rw 10.0.0.1 10.0.0.1\n/srv//a -ro 10.0.0.1 10.0.0.2",
			[]exports.Grant{rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", tools), rendertest.Grant(t, "/srv/a 10.0.0.2(ro)", tools)},
		},
		{
			// No other program knows what our ids mean, so they count for nothing.
			"tools.exports", "# project p \"other\" in domain d\n/srv/a -rw 10.0.0.1 # 1-a\n/srv/a 10.0.0.2(ro) # 1-a 2-b",
			[]exports.Grant{rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", tools), rendertest.Grant(t, "/srv/a 10.0.0.2(ro)", tools)},
		},
		{
			"public_scratch.exports", "/srv/scratch *(rw,sec=sys,sync,no_subtree_check,root_squash)",
			[]exports.Grant{rendertest.Grant(t, "/srv/scratch *(rw,sec=sys,sync,no_subtree_check,root_squash)", exports.Owner{Public: "scratch"})},
		},
		{
			"0123456789abcdef0123456789abcdef.exports", "/srv/a -rw 10.0.0.1\n",
			[]exports.Grant{rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", exports.Owner{ID: "0123456789abcdef0123456789abcdef"})},
		},
		{
			"0b5e0000-0000-4000-8000-0000000000aa.exports", "/srv/a -rw 10.0.0.1\n",
			[]exports.Grant{rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", exports.Owner{ID: "0b5e0000-0000-4000-8000-0000000000aa"})},
		},
	}
	for _, test := range tests {
		path := filepath.Join(dir, test.file)
		rendertest.Write(t, path, test.text, 0o644)
		got, err := ReadAdopted(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(test.want, got.Grants, equateClients); diff != "" || got.Path != path {
			t.Error(got.Path, diff)
		}
	}
}

func TestReadAdoptedErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own, err := render.Marshal(exports.NewSet([]exports.Grant{rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", exports.Owner{ID: "id", Name: "tools"})}))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"own.exports":      string(own),
		"tools.txt":        "/srv/a -rw 10.0.0.1\n",
		".exports":         "/srv/a -rw 10.0.0.1\n",
		"broken.exports":   "/srv/a 10.0.0.1(rw\n",
		"relative.exports": "srv/a -rw 10.0.0.1\n",
		"bare.exports":     "/srv/a 10.0.0.1\n",
		"world.exports":    "/srv/a\n",
		"hostile.exports":  "\"/srv/a\n/etc\" -rw 10.0.0.1\n",
		"dots.exports":     "/srv/a\\134b -rw 10.0.0.1\n",
	} {
		path := filepath.Join(dir, name)
		rendertest.Write(t, path, text, 0o644)
		_, err := ReadAdopted(path)
		var problem *AdoptError
		if !errors.As(err, &problem) || problem.Path != path || len(problem.Lines) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(dir, "two.exports")
	rendertest.Write(t, path, "srv/a -rw 10.0.0.1\n/srv/b -rw 10.0.0.1\nsrv/c -rw 10.0.0.1\n", 0o644)
	var all *AdoptError
	if _, err := ReadAdopted(path); !errors.As(err, &all) || len(all.Lines) != 2 || all.Lines[1].Number != 3 {
		t.Errorf("two lines: %v", err)
	}
	if err := os.Symlink("broken.exports", filepath.Join(dir, "link.exports")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"none.exports", "link.exports"} {
		if _, err := ReadAdopted(filepath.Join(dir, name)); !isFileError(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// adoptive is a host with two files of the program that is replaced, all
// active, and the change that adopts them.
func adoptive(t *testing.T, exportfs string) (host, Job) {
	t.Helper()
	h := newHost(t)
	var adopted []Adopted
	for name, text := range map[string]string{
		"tools.exports":          "/srv/a 10.0.0.1" + options + "\n",
		"public_scratch.exports": "/srv/s *(ro)\n",
	} {
		path := filepath.Join(filepath.Dir(h.file.Path), name)
		rendertest.Write(t, path, text, 0o644)
		a, err := ReadAdopted(path)
		if err != nil {
			t.Fatal(err)
		}
		adopted = append(adopted, a)
	}
	if _, err := h.exportfs(t, honest).Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := rendertest.Set(t, "/srv/a 10.0.0.1"+options, "/srv/b 10.0.0.1"+options)
	return h, Job{File: h.file, Text: marshal(t, want), Want: want, Adopt: adopted, Exportfs: h.exportfs(t, exportfs)}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	h, c := adoptive(t, honest)
	outcome, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{".nfs.exports.lock", "nfs.exports", "public_scratch.exports.adopted-by-nfs-exportd", "tools.exports.adopted-by-nfs-exportd"}
	if got := rendertest.Names(t, filepath.Dir(h.file.Path)); !slices.Equal(got, want) {
		t.Errorf("the directory has %q", got)
	}
	if len(outcome.Adopted) != 2 || len(outcome.Warnings) > 0 {
		t.Errorf("%+v", outcome)
	}
	if got := h.table(t); !maps.Equal(got, tableOf(c.Want)) {
		t.Errorf("the table is %v", got)
	}
}

// A run that was killed after it wrote the file and before it moved the others
// aside is taken up by the next.
func TestAdoptTakenUp(t *testing.T) {
	t.Parallel()
	h, c := adoptive(t, honest)
	rendertest.Write(t, h.file.Path, string(c.Text), 0o644)
	c.Old = load(t, h.file)
	outcome, err := Run(t.Context(), c)
	if err != nil || outcome.Wrote || len(outcome.Adopted) != 2 {
		t.Errorf("%+v, %v", outcome, err)
	}
	if got := rendertest.Names(t, filepath.Dir(h.file.Path)); len(got) != 4 || got[3] != "tools.exports.adopted-by-nfs-exportd" {
		t.Errorf("the directory has %q", got)
	}
	if got := h.table(t); !maps.Equal(got, tableOf(c.Want)) {
		t.Errorf("the table is %v", got)
	}
}

func TestAdoptUndone(t *testing.T) {
	t.Parallel()
	exists := func(path string) string { return "if [ -e " + path + " ]; then" + honest + "exit; fi\n" }
	tests := []struct {
		name     string
		exportfs string
		spoil    func(t *testing.T, c *Job)
		right    func(err error) bool
	}{
		{"one is left out", honest + "sed -i '/.srv.b/d' ETAB", nil, isRestored},
		{"an adopted one remains", honest + `printf '/srv/s\t*(ro)\n' >>ETAB`, nil, isRestored},
		{"an adopted file changed", honest, func(t *testing.T, c *Job) {
			rendertest.Write(t, c.Adopt[1].Path, "/srv/other *(ro)\n", 0o644)
		}, func(err error) bool { return errors.Is(err, ErrChanged) }},
		{"the new name is taken", honest, func(t *testing.T, c *Job) {
			rendertest.Write(t, c.Adopt[1].aside(), "x", 0o644)
		}, isFileError},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, c := adoptive(t, honest)
			c.Exportfs = h.exportfs(t, exists(c.Adopt[0].Path)+test.exportfs)
			if test.spoil != nil {
				test.spoil(t, &c)
			}
			before := append([]string{".nfs.exports.lock"}, rendertest.Names(t, filepath.Dir(h.file.Path))...)
			table := h.table(t)
			if _, err := Run(t.Context(), c); !test.right(err) {
				t.Errorf("error %v", err)
			}
			if got := rendertest.Names(t, filepath.Dir(h.file.Path)); !slices.Equal(got, before) {
				t.Errorf("the directory has %q", got)
			}
			if got := h.table(t); !maps.Equal(got, table) {
				t.Errorf("the table is %v", got)
			}
		})
	}
}

func isRestored(err error) bool {
	var failure *ActivationError
	return errors.As(err, &failure) && failure.FileRestored && failure.TableRestored
}
