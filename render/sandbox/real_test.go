//go:build real

package sandbox

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/rendertest"
)

// These tests run the real exportfs (Debian: nfs-kernel-server), as root, in
// namespaces of their own.

// mustHaveNamespaces makes tests fail, not skip, without namespaces.
const mustHaveNamespaces = true

const realExportfs = "/usr/sbin/exportfs"

// sys is what exportfs 2.6.2 makes of rw,nohide,no_subtree_check,async,no_root_squash.
const sys = "rw,async,wdelay,nohide,nocrossmnt,secure,no_root_squash,no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,sec=sys,rw,no_root_squash,no_all_squash"

const options = "(rw,nohide,no_subtree_check,async,no_root_squash)"

func realSandbox() Sandbox {
	return Sandbox{Self: "nfs-exportd", Exportfs: realExportfs, Own: "/etc/exports.d/nfs.exports", Timeout: time.Minute}
}

// Whatever set there is, exportfs takes it, and makes the table of it that was
// meant; and our reading of its table finds nothing to object to.
func TestRealSets(t *testing.T) {
	s := realSandbox()
	rapid.Check(t, func(rt *rapid.T) {
		want := rendertest.DrawSet(rt)
		text, err := render.Marshal(want)
		if err != nil {
			rt.Fatal(err)
		}
		proof, err := s.Try(t.Context(), text, want, nil, nil)
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		for _, g := range want.Grants() {
			have, ok := proof.Table[g.Place()]
			if !ok && !render.IsName(g.Client) || ok && (render.Table{g.Place(): have}).Agrees(exports.NewSet([]exports.Grant{g}), nil).Answer != render.Agrees {
				rt.Fatalf("%s is %q\n%s", g.Options, have, text)
			}
		}
		for place := range proof.Table {
			if _, ok := want.At(place); !ok {
				rt.Fatalf("%v was not wanted\n%s", place, text)
			}
		}
		if a := proof.Table.Matches(proof); a.Answer != render.Agrees {
			rt.Fatal(a)
		}
	})
	rendertest.AsNobody(t)
}

// The ids behind lines change nothing of what exportfs reads, nor of what it says.
func TestRealIDs(t *testing.T) {
	id := exports.InstanceRef{ID: "11111111-2222-4333-8444-555555555555"}
	longestID := strings.Repeat("i", 64)
	// A client and its options have 511 bytes, which is the limit.
	long := func(client string) string {
		free := 511 - len(client) - len("(anonuid=,ro,no_subtree_check)")
		return client + "(anonuid=" + strings.Repeat("0", free-4) + "1234,ro,no_subtree_check)"
	}
	plain := rendertest.Set(t,
		"/srv/first 10.0.0.1"+options, "/srv/a 10.0.0.1"+options, "/srv/a 10.0.0.2(ro,no_subtree_check)", "/srv/a 2001:db8::5"+options,
		"/srv/a 2001:db80:1111:2222:3333:4444:5555:6666"+options, "/srv/a b#c d 10.0.0.1"+options, "/srv/# 10.0.0.1"+options,
		"/srv/a 10.0.0.3(sec=krb5:sys,rw,no_subtree_check)", "/srv/a 10.0.0.0/8(ro,no_subtree_check)", "/srv/public *(ro,no_subtree_check)", "/"+strings.Repeat("p", 1000)+" 10.0.0.1"+options,
		"/srv/a "+long("10.0.0.4"), "/srv/a "+long("2001:db80:1111:2222:3333:4444:5555:7777"), "/srv/z 10.0.0.1"+options,
	)
	texts := [][]byte{marshal(t, plain)}
	for _, port := range []string{"", "66666666-7777-4888-8999-aaaaaaaaaaaa", longestID} {
		grants := slices.Clone(plain.Grants())
		for i := range grants {
			grants[i].Instance, grants[i].Port = id, port
			grants[i].Owner.Domain = "default"
			if port == longestID {
				grants[i].Instance.ID = longestID
			}
		}
		text := marshal(t, exports.NewSet(grants))
		// Also where the last line has no end, which is no file of ours.
		texts = append(texts, text, bytes.TrimSuffix(text, []byte("\n")))
	}
	var files []exportsFiles
	for _, text := range texts {
		files = append(files, exportsFiles{EtcExports: text}, exportsFiles{Directory: []exportsFile{{[]byte("nfs.exports"), text}}})
	}
	results, err := realSandbox().run(t.Context(), nil, files...)
	if err != nil {
		t.Fatal(err)
	}
	table, err := render.ParseTable(results[0].Etab)
	if err != nil || len(table) != plain.Len() {
		t.Fatalf("%d of %d grants, %v, %s", len(table), plain.Len(), err, results[0].Ran)
	}
	if a := table.Agrees(plain, nil); a.Answer != render.Agrees {
		t.Error(a)
	}
	for i, result := range results {
		if !bytes.Equal(result.Etab, results[0].Etab) || result.Ran.Status != results[i%2].Ran.Status || result.Ran.Said != results[i%2].Ran.Said {
			t.Errorf("%s\nis read as\n%s%s\nnot as\n%s%s", texts[i/2], result.Etab, result.Ran, results[0].Etab, results[i%2].Ran)
		}
	}
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
	dir, compared := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		var files []exportsFiles
		for range 20 {
			files = append(files, exportsFiles{EtcExports: []byte(drawFile(rt))})
		}
		results, err := s.run(t.Context(), nil, files...)
		if err != nil {
			rt.Fatal(err)
		}
		for i, result := range results {
			if compareGrammar(rt, dir, files[i].EtcExports, result) {
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
func compareGrammar(t *rapid.T, dir string, text []byte, result runResult) bool {
	if err := os.WriteFile(filepath.Join(dir, "exports"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	foreign, err := exportfs.ReadForeign(filepath.Join(dir, "exports"), filepath.Join(dir, "exports.d", "nfs.exports"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, g := range foreign[0].Grants {
		if !slices.Contains([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "2001:db8::1", "10.1.0.0/16", "@ng", "*.x", "*"}, g.Place.Client.String()) || !knownOptions(g.Options) {
			return false
		}
		want[g.Place.Path+" "+g.Place.Client.String()] = true
	}
	table, err := render.ParseTable(result.Etab)
	if err != nil {
		return false
	}
	got := map[string]bool{}
	for place := range table {
		got[place.Path+" "+place.Client.String()] = true
	}
	if !maps.Equal(got, want) {
		t.Fatalf("%q\nexportfs reads %q\nwe read       %q\nundecided %v\n%s", text, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)), foreign[0].Undecided, result.Ran)
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
	dir := rendertest.OpenDir(t, "a", "b")
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
			rendertest.Grant(t, dir+"/a 10.0.0.1(rw,no_subtree_check)", rendertest.Tools()),
			rendertest.Grant(t, dir+test.line, public),
			rendertest.Grant(t, dir+"/b 10.0.0.3(rw,no_subtree_check)", rendertest.Tools()),
		})
		_, err := realSandbox().Try(t.Context(), marshal(t, want), want, nil, nil)
		var rejected *RejectedError
		if !errors.As(err, &rejected) || len(rejected.Grants) != 1 || rejected.Grants[0].Owner != public || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.line, err)
		} else {
			t.Log(err)
		}
	}
}

func TestRealForeign(t *testing.T) {
	dir := rendertest.OpenDir(t, "a", "b", "c")
	want := rendertest.Set(t, dir+"/a 10.0.0.1"+options, dir+"/a 10.0.0.2"+options)
	foreign := []render.Foreign{
		foreignFile("/etc/exports", dir+"/a 10.0.0.1(ro,no_subtree_check)\n"+dir+"/b nohost.example.org(rw) other.example.org(rw) 10.0.0.9(ro)\n"),
		foreignFile("/etc/exports.d/a.exports", dir+"/c 10.0.0.1(rw)\n"+dir+"/c 10.0.0.2(bad)\n"+dir+"/c 10.0.0.3(rw)\n"),
		foreignFile("/etc/exports.d/z.exports", dir+"/a 10.0.0.2(ro,no_subtree_check)\n"),
	}
	start := time.Now()
	proof, err := realSandbox().Try(t.Context(), marshal(t, want), want, foreign, nil)
	if err != nil {
		t.Fatal(err)
	}
	// With a network that does not answer, each of the two takes 20 s.
	if took := time.Since(start); took > 20*time.Second {
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
	// A name of these can have been resolved since, and no other.
	for name, want := range map[string]render.Answer{"other.example.org": render.Agrees, "real.example.org": render.Disagrees} {
		active := maps.Clone(proof.Table)
		active[exports.Place{Path: dir + "/b", Client: exports.Client{Literal: name}}] = sys
		if a := active.Matches(proof); a.Answer != want {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// A sandbox that cannot be had is told from a candidate that is rejected.
func TestRealNoNamespaces(t *testing.T) {
	if os.Getenv(rendertest.DirEnv) != "" {
		want := rendertest.Set(t, "/srv 10.0.0.1(rw,no_such_option)")
		_, err := realSandbox().Try(t.Context(), marshal(t, want), want, nil, nil)
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
		cmd.Env = append(os.Environ(), rendertest.DirEnv+"=x")
		output, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(output, []byte("--- PASS: "+t.Name())) {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
		t.Logf("%s: %s", name, output)
	}
}
