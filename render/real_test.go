//go:build real

package render

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nfs-exportd/exports"
)

// These tests run the real exportfs (Debian: nfs-kernel-server), as root, in
// namespaces of their own.

// mustHaveNamespaces makes tests fail, not skip, without namespaces.
const mustHaveNamespaces = true

const realExportfs = "/usr/sbin/exportfs"

func realSandbox() Sandbox {
	return Sandbox{Self: "nfs-exportd", Exportfs: realExportfs, Own: "/etc/exports.d/nfs.exports", Timeout: time.Minute}
}

// sharedDir is one that exists, and that the sandbox of any user sees.
func sharedDir(t *testing.T, names ...string) string {
	t.Helper()
	dir := openDir(t)
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Whatever set there is, exportfs takes it, and makes the table of it that was
// meant; and our reading of its table finds nothing to object to.
func TestRealSets(t *testing.T) {
	s := realSandbox()
	rapid.Check(t, func(rt *rapid.T) {
		want := drawSet(rt)
		text, err := Marshal(want)
		if err != nil {
			rt.Fatal(err)
		}
		proof, err := s.Prove(t.Context(), text, want, nil)
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		for _, g := range want.Grants() {
			have, ok := proof.Table[g.Place()]
			if !ok && !IsName(g.Client) || ok && compareOptions(g.Options, have) != Agrees {
				rt.Fatalf("%s is %q\n%s", g.Options, have, text)
			}
		}
		for place := range proof.Table {
			if _, ok := want.At(place); !ok {
				rt.Fatalf("%v was not wanted\n%s", place, text)
			}
		}
		if a := proof.Table.Matches(proof, nil); a.Answer != Agrees {
			rt.Fatal(a)
		}
	})
	asNobody(t)
}

// drawFile draws an exports file with all that the grammar has, and now and
// then something that it does not have.
func drawFile(t *rapid.T) string {
	rarely := func(likely, other []string) *rapid.Generator[string] {
		return rapid.SampledFrom(append(slices.Concat(likely, likely, likely, likely, likely, likely), other...))
	}
	gap := rarely([]string{" ", "\t", " ", " \\\n\t "}, []string{"\r", "\v", "\x00", " \x00", "\\", "\"", ","})
	path := rarely([]string{"/srv/a", "/srv/b", "/srv/c", `/srv/d\040e`, `"/srv/f g"`, `/srv/\150`}, []string{`"/srv/a`, `""`, `/srv/\134040`, `/srv/a\000x`, `/srv/a\012b`, `/srv/\777`, "srv", "/srv/\u00e4", "/srv/#"})
	client := rarely([]string{"10.0.0.1", "10.0.0.2", "2001:db8::1", "10.1.0.0/16", "@ng", "*.x"}, []string{"", "*", `10.0.0.\063`, `"10.0.0.4"`})
	options := rarely([]string{"", "(rw)", "(ro,sync)", "()"}, []string{"(rw", "(rw)x", " (ro)", "#", `("rw")`})
	word := rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "default") == 0 {
			return rapid.SampledFrom([]string{"-rw", "-ro,sync", "-"}).Draw(t, "options")
		}
		return client.Draw(t, "client") + options.Draw(t, "options")
	})
	end := rarely([]string{"\n", " \n", "\n\n", "\r\n", " # x\n", " # x\\\n", "\n#\n"}, []string{"", "\\\n", "\r\n\r\n", "\n\v\n"})
	line := rapid.Custom(func(t *rapid.T) string {
		line := path.Draw(t, "path")
		for _, w := range rapid.SliceOfN(word, 0, 3).Draw(t, "words") {
			line += gap.Draw(t, "gap") + w
		}
		return line + end.Draw(t, "end")
	})
	return strings.Join(rapid.SliceOfN(line, 1, 4).Draw(t, "lines"), "")
}

// Our reading of foreign files is that of exportfs.
func TestRealGrammar(t *testing.T) {
	s := realSandbox()
	compared := 0
	rapid.Check(t, func(rt *rapid.T) {
		var files []exportsFiles
		for range 20 {
			files = append(files, exportsFiles{EtcExports: []byte(drawFile(rt))})
		}
		results, err := s.run(t.Context(), files...)
		if err != nil {
			rt.Fatal(err)
		}
		for i, result := range results {
			if compareGrammar(rt, files[i].EtcExports, result) {
				compared++
			}
		}
	})
	if t.Logf("%d files with grants compared", compared); compared < 200 {
		t.Errorf("only %d files with grants compared", compared)
	}
}

// compareGrammar compares places. Which clients and options there are only
// exportfs knows: texts with others than a few plain ones are passed over.
func compareGrammar(t *rapid.T, text []byte, result sandboxResult) bool {
	grants, undecided := parseForeign(text)
	resolvePaths(grants)
	want := map[string]bool{}
	for _, g := range grants {
		if !slices.Contains([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "2001:db8::1", "10.1.0.0/16", "@ng", "*.x", "*"}, g.Place.Client.String()) || !knownOptions(g.Options) {
			return false
		}
		want[g.Place.Path+" "+g.Place.Client.String()] = true
	}
	table, err := ParseTable(result.Etab)
	if err != nil {
		return false
	}
	got := map[string]bool{}
	for place := range table {
		got[place.Path+" "+place.Client.String()] = true
	}
	if !maps.Equal(got, want) {
		t.Fatalf("%q\nexportfs reads %q\nwe read       %q\nundecided %v\n%s", text, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)), undecided, result.Ran)
	}
	return len(want) > 0
}

func knownOptions(options string) bool {
	for word := range strings.SplitSeq(options, ",") {
		if !slices.Contains([]string{"", "rw", "ro", "sync"}, word) {
			return false
		}
	}
	return true
}

func TestRealRejected(t *testing.T) {
	dir := sharedDir(t, "a", "b")
	public := exports.Owner{Public: "scratch"}
	for _, test := range []struct {
		line, says string
	}{
		{"/b *(rw,no_such_option)", `unknown keyword "no_such_option"`},
		{"/b *(rw,sec=nonsense)", "unknown flavor nonsense"},
		{"/b *(rw,anonuid=x)", "bad anonuid"},
		{"/b 10.0.0.0/33(rw)", "10.0.0.0/33"},
		{"/b *(rw,mp=/" + strings.Repeat("x", 400) + ")", "longer than the 511 bytes"},
	} {
		want := exports.NewSet([]exports.Grant{
			grant(t, dir+"/a 10.0.0.1(rw,no_subtree_check)", tools),
			grant(t, dir+test.line, public),
			grant(t, dir+"/b 10.0.0.3(rw,no_subtree_check)", tools),
		})
		_, err := realSandbox().Prove(t.Context(), marshal(t, want), want, nil)
		var rejected *RejectedError
		if !errors.As(err, &rejected) || len(rejected.Grants) != 1 || rejected.Grants[0].Owner != public || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.line, err)
		} else {
			t.Log(err)
		}
	}
}

func TestRealForeign(t *testing.T) {
	dir := sharedDir(t, "a", "b", "c")
	want := set(t, dir+"/a 10.0.0.1"+options, dir+"/a 10.0.0.2"+options)
	foreign := []Foreign{
		foreignFile("/etc/exports", dir+"/a 10.0.0.1(ro,no_subtree_check)\n"+dir+"/b nohost.example.org(rw) other.example.org(rw) 10.0.0.9(ro)\n"),
		foreignFile("/etc/exports.d/a.exports", dir+"/c 10.0.0.1(rw)\n"+dir+"/c 10.0.0.2(bad)\n"+dir+"/c 10.0.0.3(rw)\n"),
		foreignFile("/etc/exports.d/z.exports", dir+"/a 10.0.0.2(ro,no_subtree_check)\n"),
	}
	start := time.Now()
	proof, err := realSandbox().Prove(t.Context(), marshal(t, want), want, foreign)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("names without a network took %s", took)
	}
	var got []string
	for place, options := range proof.Table {
		got = append(got, strings.TrimPrefix(place.Path, dir)+" "+place.Client.String()+" "+options[:2])
	}
	slices.Sort(got)
	// The first of two counts, and a broken file loses its own lines alone.
	if want := []string{"/a 10.0.0.1 ro", "/a 10.0.0.2 rw", "/b 10.0.0.9 ro", "/c 10.0.0.1 rw"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	// All names of the active table are resolved.
	active := maps.Clone(proof.Table)
	active[exports.Place{Path: dir + "/b", Client: exports.Client{Literal: "real.example.org"}}] = sys
	if a := active.Matches(proof, foreign); a.Answer != Agrees {
		t.Error(a)
	}
}

// A sandbox that cannot be had is told from a candidate that is rejected.
func TestRealNoNamespaces(t *testing.T) {
	if os.Getenv(dirEnv) != "" {
		want := set(t, "/srv 10.0.0.1(rw,no_such_option)")
		_, err := realSandbox().Prove(t.Context(), marshal(t, want), want, nil)
		if !errors.Is(err, ErrNoNamespaces) {
			t.Errorf("error %v", err)
		}
		t.Log(err)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string][]string{
		"root without CAP_SYS_ADMIN": {"setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"},
		"no mount namespaces left":   {"unshare", "-Ur", "sh", "-c", `echo 0 >/proc/sys/user/max_mnt_namespaces && exec "$@"`, "sh"},
	} {
		cmd := exec.CommandContext(t.Context(), command[0], append(command[1:], self, "-test.run=^"+t.Name()+"$", "-test.v")...)
		cmd.Env = append(os.Environ(), dirEnv+"=x")
		output, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(output, []byte("--- PASS: "+t.Name())) {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
		t.Logf("%s: %s", name, output)
	}
}

// The tests below are run again in a mount and network namespace with an /etc
// of their own, and there they do what they like.
const insideEnv = "RENDER_TEST_INSIDE"

// insideHost tells whether this is the inner run. The outer one makes it happen.
func insideHost(t *testing.T) bool {
	t.Helper()
	if outside := os.Getenv(insideEnv); outside != "" {
		if err := alone(outside); err != nil {
			t.Fatal(err)
		}
		for _, step := range []func() (string, error){
			func() (string, error) {
				return "make mounts private", syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
			},
			newEtc, newState,
		} {
			if name, err := step(); err != nil {
				t.Fatal(name, err)
			}
		}
		write(t, "/etc/exports", "", 0o644)
		return true
	}
	outside, err := os.Readlink(mountNamespace)
	if err != nil {
		t.Fatal(err)
	}
	again(t, insideEnv+"="+outside)
	return false
}

func TestRealInstall(t *testing.T) {
	if !insideHost(t) {
		return
	}
	dir := sharedDir(t, "a", "b c", "d")
	f, exportfs := realHost()
	write(t, "/etc/exports", dir+"/d 10.0.0.7(ro,no_subtree_check)\n", 0o644)
	step := func(name string, want exports.Set, adopt []Adopted, proven bool) error {
		t.Helper()
		foreign, err := ReadForeign("/etc/exports", f.Path, adopt)
		if err != nil {
			t.Fatal(name, err)
		}
		c := Change{File: f, Old: load(t, f), Text: marshal(t, want), Want: want, Adopt: adopt, Foreign: foreign, Exportfs: exportfs}
		if proven {
			sandbox := realSandbox()
			proof, err := sandbox.Prove(t.Context(), c.Text, want, foreign)
			if err != nil {
				t.Fatal(name, err)
			}
			c.Proven = &proof
		}
		outcome, err := Install(t.Context(), c)
		if err != nil {
			return err
		}
		if len(outcome.Warnings) > 0 || outcome.Ran.Status != 0 {
			t.Errorf("%s: %+v", name, outcome)
		}
		table, err := ReadTable(exportfs.Etab)
		if err != nil {
			t.Fatal(name, err)
		}
		if a := table.Agrees(want, foreign); a.Answer != Agrees {
			t.Errorf("%s: %+v", name, a)
		}
		if len(table) != want.Len()+1 {
			t.Errorf("%s: the table is %v", name, table)
		}
		return nil
	}
	one := set(t, dir+"/a 10.0.0.1"+options, dir+"/b c 10.0.0.1"+options, dir+"/a 2001:db8::5"+options)
	two := exports.NewSet([]exports.Grant{
		grant(t, dir+"/a 10.0.0.2"+options, tools),
		grant(t, dir+"/a *(rw,sec=sys,sync,no_subtree_check,root_squash)", exports.Owner{Public: "a"}),
		grant(t, dir+"/d 10.0.0.0/8(ro,sec=krb5:sys,no_subtree_check)", exports.Owner{Public: "a"}),
	})
	for i, want := range []exports.Set{one, two, one, one, set(t)} {
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
		write(t, path, text, 0o644)
		a, err := ReadAdopted(path)
		if err != nil {
			t.Fatal(err)
		}
		adopted = append(adopted, a)
	}
	if err := step("adopt", one, adopted, true); err != nil {
		t.Error(err)
	}
	if got := names(t, "/etc/exports.d"); !slices.Equal(got, []string{"nfs.exports", "public_a.exports.adopted-by-nfs-exportd", "tools.exports.adopted-by-nfs-exportd"}) {
		t.Errorf("the directory has %q", got)
	}
	// An option that exportfs does not take, with nobody to prove it before.
	before, text := readTable(t, exportfs.Etab), load(t, f).Text
	bad := set(t, dir+"/a 10.0.0.1"+options, dir+"/a 10.0.0.2(rw,no_such_option)", dir+"/a 2001:db8::5"+options)
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
		if err := syscall.Mount("tmpfs", filepath.Dir(exportfs.Etab), "tmpfs", 0, "size="+size); err != nil {
			t.Fatal(err)
		}
		if _, err := exportfs.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		fill := strings.Repeat("x", map[string]int{"8k": 2000, "32k": 4000}[size])
		write(t, filepath.Dir(exportfs.Etab)+"/fill", fill, 0o644)
		small := readTable(t, exportfs.Etab)
		var lines []string
		for i := range 14 {
			lines = append(lines, fmt.Sprintf("%s/a 10.0.1.%d%s", dir, i, options))
		}
		c := set(t, lines...)
		if size == "32k" {
			// The check for room would refuse more than this.
			exportfs.Path = script(t, "grep -q 10.0.1.0 "+f.Path+" && head -c 40000 /dev/zero >"+filepath.Dir(exportfs.Etab)+"/fill 2>/dev/null; "+realExportfs+` "$@"; rc=$?; rm `+filepath.Dir(exportfs.Etab)+"/fill; exit $rc")
		}
		_, err := Install(t.Context(), Change{File: f, Old: load(t, f), Text: marshal(t, c), Want: c, Exportfs: exportfs})
		exportfs.Path = realExportfs
		t.Log(size, err)
		if !right(err) {
			t.Errorf("%s: error %v", size, err)
		}
		if !bytes.Equal(load(t, f).Text, text) {
			t.Errorf("%s: the file changed", size)
		}
		if !maps.Equal(readTable(t, exportfs.Etab), small) {
			t.Errorf("%s: the table changed", size)
		}
		if err := syscall.Unmount(filepath.Dir(exportfs.Etab), 0); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(readTable(t, exportfs.Etab), before) {
		t.Error("the table changed")
	}
}

func readTable(t *testing.T, path string) Table {
	t.Helper()
	table, err := ReadTable(path)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// realHost is this host, inside of insideHost. There nfs.conf names the directory
// of the table.
func realHost() (File, Exportfs) {
	return File{"/etc/exports.d/nfs.exports"}, Exportfs{Path: realExportfs, Etab: stateDir + "/etab", Timeout: time.Minute}
}

// realChange is a change from what there is to want.
func realChange(t *testing.T, want exports.Set) Change {
	t.Helper()
	f, exportfs := realHost()
	foreign, err := ReadForeign("/etc/exports", f.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Change{File: f, Old: load(t, f), Text: marshal(t, want), Want: want, Foreign: foreign, Exportfs: exportfs}
}

// What the real exportfs does on a disk that fails it, and what Install makes of
// that. Each time there is a change to make.
func TestRealFaults(t *testing.T) {
	if !insideHost(t) {
		return
	}
	dir := sharedDir(t, "a", "b")
	f, exportfs := realHost()
	state := filepath.Dir(exportfs.Etab)
	old := set(t, dir+"/a 10.0.0.1"+options, dir+"/b 10.0.0.1"+options)
	want := set(t, dir+"/a 10.0.0.2"+options, dir+"/b 10.0.0.1"+options)
	restored := func(err error) bool { return isRestored(err) }
	before := func(err error) bool { return isFileError(err) && !isRestored(err) }
	for _, row := range []struct {
		name  string
		make  func(t *testing.T, c *Change)
		right func(error) bool // nil: it succeeds
		says  string           // the error, or a warning
	}{
		{"nothing is wrong", func(*testing.T, *Change) {}, nil, ""},
		{"the state directory is read-only", func(t *testing.T, _ *Change) {
			if err := syscall.Mount("", state, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
		}, before, "let exportfs write /etc/.nfs/etab: read-only file system"},
		{"another exportfs holds its lock", func(t *testing.T, c *Change) {
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
		{"exportfs may not write a file", func(t *testing.T, c *Change) {
			c.Exportfs.Path = script(t, "ulimit -c 0; ulimit -f 0; exec "+realExportfs+` "$@"`)
		}, restored, "exportfs was killed by a signal"},
		{"exportfs is not installed", func(_ *testing.T, c *Change) { c.Exportfs.Path = "/none" }, is[*ExportfsError], "nfs-kernel-server"},
		{"the table is a directory", func(t *testing.T, _ *Change) {
			if err := errors.Join(os.Remove(exportfs.Etab), os.Mkdir(exportfs.Etab, 0o755)); err != nil {
				t.Fatal(err)
			}
		}, before, "it is not a regular file"},
		{"the table is a FIFO", func(t *testing.T, _ *Change) {
			if err := errors.Join(os.Remove(exportfs.Etab), mkfifo(exportfs.Etab)); err != nil {
				t.Fatal(err)
			}
		}, before, "it is not a regular file"},
		{"the table is missing", func(t *testing.T, _ *Change) {
			if err := os.Remove(exportfs.Etab); err != nil {
				t.Fatal(err)
			}
		}, nil, ""},
		{"the table is garbage", func(t *testing.T, _ *Change) { write(t, exportfs.Etab, "\x00\n/srv *", 0o644) }, nil, ""},
		{"the table is cut", func(t *testing.T, _ *Change) {
			info, err := os.Stat(exportfs.Etab)
			if err == nil {
				err = os.Truncate(exportfs.Etab, info.Size()-5)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, nil, ""},
		{"another exports file has an option that exportfs rejects", func(t *testing.T, c *Change) {
			write(t, "/etc/exports.d/a.exports", dir+"/b 10.0.0.9(no_such_option)\n", 0o644)
			*c = realChange(t, want)
		}, nil, `unknown keyword "no_such_option"`},
		{"another exports file has one of our grants", func(t *testing.T, c *Change) {
			write(t, "/etc/exports.d/a.exports", dir+"/a 10.0.0.2(ro,no_subtree_check)\n", 0o644)
			*c = realChange(t, want)
		}, nil, "has the options ro"},
		{"another exports file is a link to a FIFO", func(t *testing.T, c *Change) {
			if err := errors.Join(mkfifo("/etc/fifo"), os.Symlink("/etc/fifo", "/etc/exports.d/a.exports")); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := os.Remove("/etc/fifo"); err != nil {
					t.Error(err)
				}
			})
			*c = realChange(t, want)
		}, before, "it is a FIFO, on which exportfs would wait for ever"},
		{"an option that exportfs rejects, unproven", func(t *testing.T, c *Change) {
			*c = realChange(t, set(t, dir+"/a 10.0.0.1"+options, dir+"/b 10.0.0.2(rw,no_such_option)"))
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
			write(t, f.Path, string(marshal(t, old)), 0o644)
			if _, err := exportfs.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			c := realChange(t, want)
			row.make(t, &c)
			file, table := load(t, f), tableOrNothing(exportfs.Etab)
			outcome, err := Install(t.Context(), c)
			t.Log(err, outcome.Warnings)
			if row.right == nil {
				if err != nil {
					t.Fatal(err)
				}
				if got := load(t, f).Text; !bytes.Equal(got, c.Text) {
					t.Errorf("the file is %q", got)
				}
				if a := readTable(t, exportfs.Etab).Agrees(want, c.Foreign); a.Answer == Disagrees {
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
			if got := tableOrNothing(exportfs.Etab); !maps.Equal(got, table) {
				t.Errorf("the table is %v", got)
			}
		})
	}
}

// tableOrNothing is a table that may be something else than a file.
func tableOrNothing(path string) Table {
	table, err := ReadTable(path)
	if err != nil {
		return nil
	}
	return table
}

// applyEnv makes TestRealKills the run that is killed: its value is the number of
// the set that it installs.
const applyEnv = "RENDER_TEST_APPLY"

// Kill runs at any moment, also while the real exportfs is at work, and between
// the file and exportfs.
func TestRealKills(t *testing.T) {
	dir := os.Getenv(dirEnv)
	sets := func() [2]exports.Set {
		var lines [2][]string
		for i := range 200 {
			lines[0] = append(lines[0], fmt.Sprintf("%s/a 10.0.0.%d%s", dir, i, options))
			lines[1] = append(lines[1], fmt.Sprintf("%s/a 10.0.%d.%d%s", dir, i%2, i, options))
		}
		return [2]exports.Set{set(t, lines[0]...), set(t, lines[1]...)}
	}
	if text := os.Getenv(applyEnv); text != "" {
		c := realChange(t, sets()[text[0]-'0'])
		if strings.HasSuffix(text, "kill") {
			c.Exportfs.Path = script(t, "kill -9 $PPID\n")
		}
		fmt.Println("begins")
		if _, err := Install(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !insideHost(t) {
		return
	}
	dir = sharedDir(t, "a")
	f, exportfs := realHost()
	both := sets()
	install := func(i int) {
		t.Helper()
		if _, err := Install(t.Context(), realChange(t, both[i])); err != nil {
			t.Fatal(err)
		}
		if a := readTable(t, exportfs.Etab).Agrees(both[i], nil); a.Answer != Agrees || !bytes.Equal(load(t, f).Text, marshal(t, both[i])) {
			t.Fatalf("not as wanted: %v", a)
		}
	}
	// stage tells which of the sets the file and the table have.
	stage := func() (file, table int) {
		t.Helper()
		file, table = -1, -1
		text, active := load(t, f).Text, readTable(t, exportfs.Etab)
		for i, s := range both {
			if bytes.Equal(text, marshal(t, s)) {
				file = i
			}
			if active.Agrees(s, nil).Answer == Agrees {
				table = i
			}
		}
		if file < 0 || table < 0 {
			t.Fatalf("neither old nor new: file %d, table %d\n%s", file, table, text)
		}
		return file, table
	}
	apply := func(what string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), applyEnv+"="+what, dirEnv+"="+dir)
		return cmd
	}
	install(0)
	cmd := apply("1kill")
	if output, err := cmd.CombinedOutput(); cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%v\n%s", err, output)
	}
	if file, table := stage(); file != 1 || table != 0 {
		t.Errorf("killed between the two: file %d, table %d", file, table)
	}
	install(1)

	start := time.Now()
	install(0)
	whole := time.Since(start)
	seen := map[string]int{}
	const kills = 60
	for i := range kills {
		to := 1 - i%2
		cmd := apply(fmt.Sprint(to))
		output, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			_, err = output.Read(make([]byte, 1))
		}
		if err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); time.Since(start) < whole*time.Duration(i)/kills; {
			// A sleep would be too long for most.
		}
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed, or was faster
		file, table := stage()
		seen[fmt.Sprintf("file new %t, table new %t", file == to, table == to)]++
		install(to)
	}
	t.Logf("%d kills in %s: %v", kills, whole, seen)
}
