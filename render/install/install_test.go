package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/disk"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/rendertest"
)

// equateClients lets cmp look at grants: netip.Addr has unexported fields.
var equateClients = cmp.Options{
	cmp.Comparer(func(a, b exports.Client) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func marshal(t *testing.T, set exports.Set) []byte {
	t.Helper()
	text, err := render.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const options = "(rw,nohide,no_subtree_check,async,no_root_squash)"

// host is an NFS server in a directory: exports.d/nfs.exports, etab, and an
// exportfs that is a script.
type host struct {
	dir  string
	file File
	etab string
}

// honest is an exportfs that does what it should. FILES are the exports files,
// ETAB the active table.
const honest = `
echo run >>RUNS
cat FILES | grep -v -e '^#' -e '^$' | sed 's/ *#.*//;s/ /\t/' >ETAB.tmp
mv ETAB.tmp ETAB
`

func newHost(t *testing.T) host {
	t.Helper()
	dir := t.TempDir()
	h := host{dir, File{filepath.Join(dir, "exports.d", "nfs.exports")}, filepath.Join(dir, "etab")}
	if err := os.Mkdir(filepath.Dir(h.file.Path), 0o755); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h host) exportfs(t *testing.T, text string) exportfs.Program {
	t.Helper()
	text = strings.NewReplacer(
		"FILES", filepath.Dir(h.file.Path)+"/*.exports",
		"FILE", h.file.Path,
		"ETAB", h.etab,
		"RUNS", filepath.Join(h.dir, "runs"),
	).Replace(text)
	return exportfs.Program{Path: rendertest.Script(t, text), Etab: h.etab, Timeout: time.Minute}
}

// runs counts the runs of exportfs.
func (h host) runs(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, "runs"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

func (h host) table(t *testing.T) render.Table {
	t.Helper()
	table, err := exportfs.ReadTable(h.etab)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// tableOf is what an honest exportfs makes of a set.
func tableOf(set exports.Set) render.Table {
	table := render.Table{}
	for _, g := range set.Grants() {
		table[g.Place()] = g.Options
	}
	return table
}

func TestInstall(t *testing.T) {
	t.Parallel()
	old := rendertest.Set(t, "/srv/a 10.0.0.1"+options, "/srv/a 10.0.0.2"+options)
	want := rendertest.Set(t, "/srv/a 10.0.0.2"+options, "/srv/a 10.0.0.3"+options, "/srv/b 10.0.0.3(ro)")
	tests := []struct {
		name     string
		exportfs string // with the new file; with the old one it is honest
		foreign  string // text of /etc/exports
		proven   bool
		fails    bool
		says     string // in the error
		warns    string // in a warning
	}{
		{name: "honest", exportfs: honest},
		{name: "honest, proven", exportfs: honest, proven: true},
		{name: "status 1 with everything done", exportfs: honest + "echo odd >&2; exit 1", proven: true, warns: "exportfs ended with status 1 and said: odd"},
		{name: "status 0 with nothing done", exportfs: "exit 0", fails: true, says: "/srv/a for 10.0.0.3 is missing"},
		{name: "status 0 with nothing done, proven", exportfs: "exit 0", proven: true, fails: true, says: "/srv/a for 10.0.0.1 is there"},
		{name: "hangs", exportfs: "exec sleep 1000", fails: true, says: "did not come to an end in time"},
		{name: "cut table", exportfs: honest + "truncate -s -5 ETAB", fails: true, says: "ends in the middle of a line"},
		{name: "empty table", exportfs: ">ETAB", fails: true, says: "/srv/b for 10.0.0.3 is missing"},
		{name: "table gone", exportfs: "rm ETAB", fails: true, says: "/srv/b for 10.0.0.3 is missing"},
		{name: "one missing", exportfs: honest + "sed -i '/10.0.0.2/d' ETAB", fails: true, says: "/srv/a for 10.0.0.2 is missing"},
		{name: "other options", exportfs: honest + "sed -i 's/(ro)/(rw)/' ETAB", fails: true, says: "/srv/b for 10.0.0.3 has the options rw instead of ro"},
		{name: "removed one is there", exportfs: honest + `printf '/srv/a\t10.0.0.1(rw)\n' >>ETAB`, fails: true, says: "/srv/a for 10.0.0.1 is there"},
		{name: "surplus on a path of others", exportfs: honest + `printf '/srv/x\t10.0.0.9(rw)\n' >>ETAB`},
		{name: "surplus on a path of others, proven", exportfs: honest + `printf '/srv/x\t10.0.0.9(rw)\n' >>ETAB`, proven: true},
		{name: "surplus on a path of the configuration", exportfs: honest + `printf '/srv/c\t10.0.0.9(rw)\n' >>ETAB`, fails: true, says: "/srv/c for 10.0.0.9 is there"},
		{
			name: "surplus that a line of another file may explain", exportfs: honest + `printf '/srv/a\t*(rw)\n' >>ETAB`, foreign: "/srv/f 10.0.0.1(rw\n",
			warns: "/srv/a for * may come from a line that only exportfs can read, in /etc/exports",
		},
		{
			name: "surplus that a line of another file may explain, proven", exportfs: honest + `printf '/srv/a\t*(rw)\n' >>ETAB`, foreign: "/srv/f 10.0.0.1(rw\n",
			proven: true, fails: true, says: "/srv/a for * is there",
		},
		{name: "surplus, proven", exportfs: honest + `printf '/srv/a\t*(rw)\n' >>ETAB`, proven: true, fails: true, says: "/srv/a for * is there"},
		{name: "dies", exportfs: "kill -9 $$", fails: true, says: "exportfs was killed by a signal and said nothing"},
		{name: "open to the world", exportfs: honest + `printf '/srv/a\t*(rw)\n' >>ETAB`, fails: true, says: "/srv/a for * is there"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			oldText, newText := marshal(t, old), marshal(t, want)
			rendertest.Write(t, h.file.Path, string(oldText), 0o600)
			if _, err := h.exportfs(t, honest).Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			change := Job{
				File: h.file, Old: load(t, h.file), Text: newText, Want: want, Own: map[string]bool{"/srv/c": true},
				Foreign:  []render.Foreign{render.ParseForeign("/etc/exports", []byte(test.foreign))},
				Exportfs: h.exportfs(t, "if ! grep -q 10.0.0.3 FILE; then "+honest+"exit; fi\n"+test.exportfs),
			}
			if test.proven {
				change.Proven = &render.Proven{Table: tableOf(want)}
			}
			limits := []time.Duration{change.Exportfs.Timeout}
			if test.name == "hangs" {
				limits = rendertest.Limits()
			}
			var outcome Done
			var err error
			var failure *ActivationError
			for _, change.Exportfs.Timeout = range limits {
				outcome, err = Run(t.Context(), change)
				// The one with the old file does not hang, and has the same limit.
				if !errors.As(err, &failure) || failure.RestoreErr == nil {
					break
				}
				change.Old = load(t, h.file)
			}
			now := load(t, h.file)
			if now.info.Mode() != 0o600 {
				t.Errorf("mode %v", now.info.Mode())
			}
			if got := rendertest.Names(t, filepath.Dir(h.file.Path)); !slices.Equal(got, []string{".nfs.exports.lock", "nfs.exports"}) {
				t.Errorf("the directory has %q", got)
			}
			if marked, err := h.file.Marked(); marked || err != nil {
				t.Errorf("there is a mark, or not a lock file: %v", err)
			}
			if !test.fails {
				if err != nil {
					t.Fatal(err)
				}
				if !outcome.Wrote || !bytes.Equal(now.Text, newText) {
					t.Errorf("wrote %t, %q", outcome.Wrote, now.Text)
				}
				if warned := strings.Join(outcome.Warnings, "\n"); !strings.Contains(warned, test.warns) || test.warns == "" && warned != "" {
					t.Errorf("warnings %q", outcome.Warnings)
				}
				return
			}
			if failure == nil {
				t.Fatalf("error %v", err)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %s\ndoes not say %s", err, test.says)
			}
			if !failure.FileRestored || !failure.TableRestored || failure.RestoreErr != nil ||
				!strings.Contains(err.Error(), "the exports file and the active table are as before") {
				t.Errorf("restored: file %t, table %t, %v", failure.FileRestored, failure.TableRestored, failure.RestoreErr)
			}
			if !bytes.Equal(now.Text, oldText) {
				t.Errorf("the file is %q", now.Text)
			}
			if got := h.table(t); !maps.Equal(got, tableOf(old)) {
				t.Errorf("the table is %v", got)
			}
		})
	}
}

// An exportfs that is broken for good leaves the table as it likes: that must
// be said.
func TestInstallTableLost(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	old := rendertest.Set(t, "/srv/a 10.0.0.1"+options)
	rendertest.Write(t, h.file.Path, string(marshal(t, old)), 0o644)
	if _, err := h.exportfs(t, honest).Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := rendertest.Set(t, "/srv/a 10.0.0.2"+options)
	_, err := Run(t.Context(), Job{
		File: h.file, Old: load(t, h.file), Text: marshal(t, want), Want: want, Exportfs: h.exportfs(t, ">ETAB; exit 0"),
	})
	var failure *ActivationError
	if !errors.As(err, &failure) || !failure.FileRestored || failure.TableRestored {
		t.Fatalf("error %+v", err)
	}
	if marked, err := h.file.Marked(); !marked || err != nil {
		t.Errorf("no mark: %v", err)
	}
	if !strings.Contains(err.Error(), "clients may have lost access") {
		t.Errorf("error %s", err)
	}
	if now := load(t, h.file); !bytes.Equal(now.Text, marshal(t, old)) {
		t.Errorf("the file is %q", now.Text)
	}
}

// A new file must be gone again.
func TestInstallNewFileUndone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	want := rendertest.Set(t, "/srv/a 10.0.0.2"+options)
	_, err := Run(t.Context(), Job{
		File: h.file, Text: marshal(t, want), Want: want, Exportfs: h.exportfs(t, "exit 0"),
	})
	var failure *ActivationError
	if !errors.As(err, &failure) || !failure.FileRestored || !failure.TableRestored {
		t.Fatalf("error %+v", err)
	}
	if got := rendertest.Names(t, filepath.Dir(h.file.Path)); !slices.Equal(got, []string{".nfs.exports.lock"}) {
		t.Errorf("the directory has %q", got)
	}
}

// TestInstallSameText has nothing to write: if exportfs does not do what it should,
// it gets a second chance.
func TestInstallSameText(t *testing.T) {
	t.Parallel()
	want := rendertest.Set(t, "/srv/a 10.0.0.2"+options)
	for _, test := range []struct {
		name, exportfs string
		runs           int
		works          bool
		warns          string
	}{
		{"honest", honest, 1, true, ""},
		{"honest at last", "echo run >>RUNS; test $(wc -l <RUNS) = 2 || exit 0\n" + strings.Replace(honest, "echo run >>RUNS", ":", 1), 2, true,
			"exportfs was run twice, for it did not do at first: /srv/a for 10.0.0.2 is missing; exportfs ended with status 0"},
		{"broken", "echo run >>RUNS", 2, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			rendertest.Write(t, h.file.Path, string(marshal(t, want)), 0o644)
			old := load(t, h.file)
			outcome, err := Run(t.Context(), Job{
				File: h.file, Old: old, Text: marshal(t, want), Want: want, Exportfs: h.exportfs(t, test.exportfs),
			})
			if !load(t, h.file).same(old) {
				t.Error("the file was written")
			}
			if got := h.runs(t); got != test.runs {
				t.Errorf("%d runs", got)
			}
			var failure *ActivationError
			switch {
			case test.works && (err != nil || outcome.Wrote || !maps.Equal(h.table(t), tableOf(want))):
				t.Errorf("%+v, %v", outcome, err)
			case !test.works && (!errors.As(err, &failure) || !failure.FileRestored || !failure.TableRestored):
				t.Errorf("%+v, %v", outcome, err)
			}
			if said := strings.Join(outcome.Warnings, "\n"); !strings.HasPrefix(said, test.warns) || (test.warns == "") != (said == "") {
				t.Errorf("warnings %q", outcome.Warnings)
			}
		})
	}
}

func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	want := rendertest.Set(t, "/srv/a 10.0.0.2"+options)
	tests := []struct {
		name  string
		spoil func(t *testing.T, h host, c *Job) (context.Context, func(error) bool)
	}{
		{"canceled", func(t *testing.T, _ host, _ *Job) (context.Context, func(error) bool) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx, func(err error) bool { return errors.Is(err, context.Canceled) }
		}},
		{"changed", func(t *testing.T, h host, _ *Job) (context.Context, func(error) bool) {
			rendertest.Write(t, h.file.Path, "other\n", 0o644)
			return t.Context(), func(err error) bool { return errors.Is(err, ErrChanged) }
		}},
		{"changed, same text", func(t *testing.T, h host, c *Job) (context.Context, func(error) bool) {
			c.Text = c.Old.Text
			rendertest.Write(t, h.file.Path, "other\n", 0o644)
			return t.Context(), func(err error) bool { return errors.Is(err, ErrChanged) }
		}},
		{"no directory for the table", func(t *testing.T, h host, c *Job) (context.Context, func(error) bool) {
			c.Exportfs.Etab = filepath.Join(h.dir, "none", "etab")
			return t.Context(), isFileError
		}},
		{"table is a directory", func(t *testing.T, h host, c *Job) (context.Context, func(error) bool) {
			c.Exportfs.Etab = h.dir
			return t.Context(), isFileError
		}},
		{"no room", func(t *testing.T, h host, c *Job) (context.Context, func(error) bool) {
			// This file system has no room for anything. Others than root may not even try.
			if os.Geteuid() != 0 {
				t.Skip("only root can try to write to /proc")
			}
			c.Exportfs.Etab = "/proc/etab"
			return t.Context(), func(err error) bool { return isFileError(err) && strings.Contains(err.Error(), "make room") }
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			rendertest.Write(t, h.file.Path, "# old\n", 0o644)
			c := Job{File: h.file, Old: load(t, h.file), Text: marshal(t, want), Want: want, Exportfs: h.exportfs(t, honest)}
			ctx, right := test.spoil(t, h, &c)
			before := load(t, h.file)
			if _, err := Run(ctx, c); !right(err) {
				t.Errorf("error %v", err)
			}
			if !load(t, h.file).same(before) || h.runs(t) > 0 {
				t.Errorf("the file was written, or exportfs run %d times", h.runs(t))
			}
		})
	}
}

func isFileError(err error) bool {
	var failure *disk.Error
	return errors.As(err, &failure)
}

// Once it has written, it goes on to the end.
func TestInstallFinishes(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	want := rendertest.Set(t, "/srv/a 10.0.0.2"+options)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started, goOn := filepath.Join(h.dir, "started"), filepath.Join(h.dir, "go-on")
	for _, path := range []string{started, goOn} {
		if err := rendertest.Mkfifo(path); err != nil {
			t.Fatal(err)
		}
	}
	exportfs := h.exportfs(t, fmt.Sprintf("echo >%s; read x <%s\n", started, goOn)+honest)
	exportfs.Timeout = time.Minute
	done := make(chan error, 1)
	go func() {
		_, err := Run(ctx, Job{File: h.file, Text: marshal(t, want), Want: want, Exportfs: exportfs})
		done <- err
	}()
	if _, err := os.ReadFile(started); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := os.WriteFile(goOn, []byte("\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := h.table(t); !maps.Equal(got, tableOf(want)) {
		t.Errorf("the table is %v", got)
	}
}
