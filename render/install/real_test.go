//go:build real

package install

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/rendertest"
	"nfs-exportd/render/sandbox"
)

func TestRealInstall(t *testing.T) {
	if !insideHost(t) {
		return
	}
	dir := rendertest.OpenDir(t, "a", "b c", "d")
	f, program := realHost()
	rendertest.Write(t, "/etc/exports", dir+"/d 10.0.0.7(ro,no_subtree_check)\n", 0o644)
	step := func(name string, want exports.Set, adopt []Adopted, proven bool) error {
		t.Helper()
		var paths []string
		for _, a := range adopt {
			paths = append(paths, a.Path)
		}
		foreign, err := exportfs.ReadForeign("/etc/exports", f.Path, paths)
		if err != nil {
			t.Fatal(name, err)
		}
		c := Job{File: f, Old: load(t, f), Text: marshal(t, want), Want: want, Adopt: adopt, Foreign: foreign, Exportfs: program}
		if proven {
			sandbox := sandbox.Sandbox{Self: "nfs-exportd", Exportfs: realExportfs, Own: f.Path, Timeout: time.Minute}
			proven, err := sandbox.Try(t.Context(), c.Text, want, foreign, nil)
			if err != nil {
				t.Fatal(name, err)
			}
			c.Proven = &proven
		}
		outcome, err := Run(t.Context(), c)
		if err != nil {
			return err
		}
		if len(outcome.Warnings) > 0 || outcome.Ran.Status != 0 {
			t.Errorf("%s: %+v", name, outcome)
		}
		table, err := exportfs.ReadTable(program.Etab)
		if err != nil {
			t.Fatal(name, err)
		}
		if a := table.Agrees(want, foreign); a.Answer != render.Agrees {
			t.Errorf("%s: %+v", name, a)
		}
		if len(table) != want.Len()+1 {
			t.Errorf("%s: the table is %v", name, table)
		}
		return nil
	}
	one := rendertest.Set(t, dir+"/a 10.0.0.1"+options, dir+"/b c 10.0.0.1"+options+" # 1-a", dir+"/a 2001:db8::5"+options+" # 1-a 2-b")
	two := exports.NewSet([]exports.Grant{
		rendertest.Grant(t, dir+"/a 10.0.0.2"+options, rendertest.Tools()),
		rendertest.Grant(t, dir+"/a *(rw,sec=sys,sync,no_subtree_check,root_squash)", exports.Owner{Public: "a"}),
		rendertest.Grant(t, dir+"/d 10.0.0.0/8(ro,sec=krb5:sys,no_subtree_check)", exports.Owner{Public: "a"}),
	})
	for i, want := range []exports.Set{one, two, one, one, rendertest.Set(t)} {
		for _, proven := range []bool{true, false} {
			name := fmt.Sprintf("step %d, proven %t", i, proven)
			if err := step(name, want, nil, proven); err != nil {
				t.Error(name, err)
			}
		}
	}
	// The old script's files, of which one has a grant that is wanted still.
	var adopted []Adopted
	for name, text := range map[string]string{
		"tools.exports":    dir + "/a -rw,nohide,no_subtree_check,async,no_root_squash 10.0.0.1 10.0.0.2\n",
		"public_a.exports": dir + "/a *(rw,sec=sys,sync,no_subtree_check,root_squash)\n",
	} {
		path := "/etc/exports.d/" + name
		rendertest.Write(t, path, text, 0o644)
		a, err := ReadAdopted(path)
		if err != nil {
			t.Fatal(err)
		}
		adopted = append(adopted, a)
	}
	if err := step("adopt", one, adopted, true); err != nil {
		t.Error(err)
	}
	if got := rendertest.Names(t, "/etc/exports.d"); !slices.Equal(got, []string{".nfs.exports.lock", "nfs.exports", "public_a.exports.adopted-by-nfs-exportd", "tools.exports.adopted-by-nfs-exportd"}) {
		t.Errorf("the directory has %q", got)
	}
	// An option that exportfs does not take, with nobody to prove it before.
	before, text := readTable(t, program.Etab), load(t, f).Text
	bad := rendertest.Set(t, dir+"/a 10.0.0.1"+options, dir+"/a 10.0.0.2(rw,no_such_option)", dir+"/a 2001:db8::5"+options)
	var failure *ActivationError
	if err := step("bad", bad, nil, false); !errors.As(err, &failure) || !failure.FileRestored || !failure.TableRestored {
		t.Errorf("bad options: %v", err)
	} else {
		t.Log(err)
	}
	// A full disk, and one that is full before exportfs is done.
	for size, right := range map[string]func(error) bool{
		"8k":  isFileError,
		"32k": isRestored,
	} {
		if err := syscall.Mount("tmpfs", filepath.Dir(program.Etab), "tmpfs", 0, "size="+size); err != nil {
			t.Fatal(err)
		}
		if _, err := program.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		fill := strings.Repeat("x", map[string]int{"8k": 2000, "32k": 4000}[size])
		rendertest.Write(t, filepath.Dir(program.Etab)+"/fill", fill, 0o644)
		small := readTable(t, program.Etab)
		var lines []string
		for i := range 14 {
			lines = append(lines, fmt.Sprintf("%s/a 10.0.1.%d%s", dir, i, options))
		}
		c := rendertest.Set(t, lines...)
		if size == "32k" {
			// The check for room would refuse more than this.
			program.Path = rendertest.Script(t, "grep -q 10.0.1.0 "+f.Path+" && head -c 40000 /dev/zero >"+filepath.Dir(program.Etab)+"/fill 2>/dev/null; "+realExportfs+` "$@"; rc=$?; rm `+filepath.Dir(program.Etab)+"/fill; exit $rc")
		}
		_, err := Run(t.Context(), Job{File: f, Old: load(t, f), Text: marshal(t, c), Want: c, Exportfs: program})
		program.Path = realExportfs
		t.Log(size, err)
		if !right(err) {
			t.Errorf("%s: error %v", size, err)
		}
		if !bytes.Equal(load(t, f).Text, text) {
			t.Errorf("%s: the file changed", size)
		}
		if !maps.Equal(readTable(t, program.Etab), small) {
			t.Errorf("%s: the table changed", size)
		}
		if err := syscall.Unmount(filepath.Dir(program.Etab), 0); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(readTable(t, program.Etab), before) {
		t.Error("the table changed")
	}
}

// A change of comments alone needs no exportfs: it would make the same table.
func TestRealOnlyComments(t *testing.T) {
	if !insideHost(t) {
		return
	}
	dir := rendertest.OpenDir(t, "a", "b c#d")
	f, program := realHost()
	rendertest.Write(t, f.Path, "", 0o640)
	plain := rendertest.Set(t, dir+"/a 10.0.0.1"+options, dir+"/a 2001:db8::5"+options, dir+"/b c#d 10.0.0.1"+options)
	if _, err := Run(t.Context(), realChange(t, plain)); err != nil {
		t.Fatal(err)
	}
	etab, err := os.ReadFile(program.Etab)
	if err != nil {
		t.Fatal(err)
	}
	grants := slices.Clone(plain.Grants())
	for i := range grants {
		grants[i].Instance.ID, grants[i].Port, grants[i].Owner.Domain = "1-a", "2-b", "default"
	}
	withIDs := exports.NewSet(grants)
	old := load(t, f)
	if !render.OnlyComments(render.Parse(old.Text), withIDs, nil) {
		t.Fatal("this is more than comments")
	}
	if err := f.Replace(old, marshal(t, withIDs)); err != nil {
		t.Fatal(err)
	}
	if now := load(t, f); now.info.Mode() != old.info.Mode() || bytes.Equal(now.Text, old.Text) {
		t.Errorf("mode %v, text %s", now.info.Mode(), now.Text)
	}
	if a := readTable(t, program.Etab).Agrees(withIDs, nil); a.Answer != render.Agrees {
		t.Error(a)
	}
	if _, err := program.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(program.Etab); err != nil || !bytes.Equal(now, etab) {
		t.Errorf("%v, the table was\n%s\nand is\n%s", err, etab, now)
	}
}

// What the real exportfs does on a disk that fails it, and what Install makes of
// that. Each time there is a change to make.
func TestRealFaults(t *testing.T) {
	if !insideHost(t) {
		return
	}
	dir := rendertest.OpenDir(t, "a", "b")
	f, program := realHost()
	state := filepath.Dir(program.Etab)
	old := rendertest.Set(t, dir+"/a 10.0.0.1"+options, dir+"/b 10.0.0.1"+options)
	want := rendertest.Set(t, dir+"/a 10.0.0.2"+options, dir+"/b 10.0.0.1"+options)
	restored := func(err error) bool { return isRestored(err) }
	before := func(err error) bool { return isFileError(err) && !isRestored(err) }
	for _, row := range []struct {
		name  string
		make  func(t *testing.T, c *Job)
		right func(error) bool // nil: it succeeds
		says  string           // the error, or a warning
	}{
		{"nothing is wrong", func(*testing.T, *Job) {}, nil, ""},
		{"the state directory is read-only", func(t *testing.T, _ *Job) {
			if err := syscall.Mount("", state, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
		}, before, "let exportfs write /etc/.nfs/etab: read-only file system"},
		{"another exportfs holds its lock", func(t *testing.T, c *Job) {
			// It is there, whatever nfs.conf says.
			lock, err := os.OpenFile(filepath.Join(liveDir, "export-lock"), os.O_RDWR|os.O_CREATE, 0o644)
			if err == nil {
				err = syscall.FcntlFlock(lock.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK})
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = lock.Close() })
			c.Exportfs.Timeout = time.Second
		}, restored, "see whether another exportfs hangs"},
		{"exportfs may not write a file", func(t *testing.T, c *Job) {
			c.Exportfs.Path = rendertest.Script(t, "ulimit -c 0; ulimit -f 0; exec "+realExportfs+` "$@"`)
		}, restored, "exportfs was killed by a signal"},
		{"exportfs is not installed", func(_ *testing.T, c *Job) { c.Exportfs.Path = "/none" }, isExportfsError, "nfs-kernel-server"},
		{"the table is a directory", func(t *testing.T, _ *Job) {
			if err := errors.Join(os.Remove(program.Etab), os.Mkdir(program.Etab, 0o755)); err != nil {
				t.Fatal(err)
			}
		}, before, "it is not a regular file"},
		{"the table is a FIFO", func(t *testing.T, _ *Job) {
			if err := errors.Join(os.Remove(program.Etab), rendertest.Mkfifo(program.Etab)); err != nil {
				t.Fatal(err)
			}
		}, before, "it is not a regular file"},
		{"the table is missing", func(t *testing.T, _ *Job) {
			if err := os.Remove(program.Etab); err != nil {
				t.Fatal(err)
			}
		}, nil, ""},
		{"the table is garbage", func(t *testing.T, _ *Job) { rendertest.Write(t, program.Etab, "\x00\n/srv *", 0o644) }, nil, ""},
		{"the table is cut", func(t *testing.T, _ *Job) {
			info, err := os.Stat(program.Etab)
			if err == nil {
				err = os.Truncate(program.Etab, info.Size()-5)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, nil, ""},
		{"another exports file has an option that exportfs rejects", func(t *testing.T, c *Job) {
			rendertest.Write(t, "/etc/exports.d/a.exports", dir+"/b 10.0.0.9(no_such_option)\n", 0o644)
			*c = realChange(t, want)
		}, nil, `unknown keyword "no_such_option"`},
		{"another exports file has one of our grants", func(t *testing.T, c *Job) {
			rendertest.Write(t, "/etc/exports.d/a.exports", dir+"/a 10.0.0.2(ro,no_subtree_check)\n", 0o644)
			*c = realChange(t, want)
		}, nil, "has the options ro"},
		{"another exports file is a link to a FIFO", func(t *testing.T, c *Job) {
			if err := errors.Join(rendertest.Mkfifo("/etc/fifo"), os.Symlink("/etc/fifo", "/etc/exports.d/a.exports")); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := os.Remove("/etc/fifo"); err != nil {
					t.Error(err)
				}
			})
			*c = realChange(t, want)
		}, before, "it is a FIFO, on which exportfs would wait for ever"},
		{"an option that exportfs rejects, unproven", func(t *testing.T, c *Job) {
			*c = realChange(t, rendertest.Set(t, dir+"/a 10.0.0.1"+options, dir+"/b 10.0.0.2(rw,no_such_option)"))
		}, restored, `unknown keyword "no_such_option"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := syscall.Mount("tmpfs", state, "tmpfs", 0, "size=1m"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(state, syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
				if err := os.Remove("/etc/exports.d/a.exports"); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Error(err)
				}
			})
			rendertest.Write(t, f.Path, string(marshal(t, old)), 0o644)
			if _, err := program.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			c := realChange(t, want)
			row.make(t, &c)
			file, table := load(t, f), tableOrNothing(program.Etab)
			outcome, err := Run(t.Context(), c)
			t.Log(err, outcome.Warnings)
			if row.right == nil {
				if err != nil {
					t.Fatal(err)
				}
				if got := load(t, f).Text; !bytes.Equal(got, c.Text) {
					t.Errorf("the file is %q", got)
				}
				if a := readTable(t, program.Etab).Agrees(want, c.Foreign); a.Answer == render.Disagrees {
					t.Errorf("the table: %v", a)
				}
				if said := strings.Join(outcome.Warnings, "\n"); !strings.Contains(said, row.says) || row.says == "" && said != "" {
					t.Errorf("warnings %q", said)
				}
				return
			}
			if !row.right(err) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("error %v", err)
			}
			if got := load(t, f).Text; !bytes.Equal(got, file.Text) {
				t.Errorf("the file is %q", got)
			}
			if got := tableOrNothing(program.Etab); !maps.Equal(got, table) {
				t.Errorf("the table is %v", got)
			}
		})
	}
}
