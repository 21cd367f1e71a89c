package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/rendertest"
)

// fakeExportfs is an exportfs for the sandbox: it finds its files where the
// real one would, and reads no further in a file than to an option "bad".
const fakeExportfs = `
state=$(sed -n 's/^state-directory-path=//p' /etc/nfs.conf | head -n 1)
for file in /etc/exports /etc/exports.d/*.exports; do
	[ -e "$file" ] || continue
	grep -q bad "$file" && echo "exportfs: $file:1: unknown keyword \"bad\"" >&2
	sed '/bad/,$d' "$file" | grep -v -e '^#' -e '^$' | sed 's/ /\t/'
done >$state/etab
`

func marshal(t *testing.T, set exports.Set) []byte {
	t.Helper()
	text, err := render.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func foreignFile(path, text string) render.Foreign {
	f := render.ParseForeign(path, []byte(text))
	f.EtcExports = path == "/etc/exports"
	return f
}

func TestTry(t *testing.T) {
	t.Parallel()
	foreign := []render.Foreign{
		foreignFile("/etc/exports", "/foreign 10.0.0.1(ro)\n"),
		foreignFile("/etc/exports.d/a.exports", "/foreign 10.0.0.2(ro)\n"),
		foreignFile("/etc/exports.d/broken.exports", "/broken 10.0.0.2(bad)\n/lost 10.0.0.1(rw)\n"),
	}
	public := exports.Owner{Public: "p\n"}
	tests := []struct {
		name     string
		exportfs string
		want     exports.Set
		right    func(err error) bool // nil: no error
		says     []string
	}{
		{name: "nothing", exportfs: fakeExportfs},
		{name: "good", exportfs: fakeExportfs, want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)", "/srv/a 10.0.0.2(ro)", "/srv/b *(ro)")},
		{name: "status 1", exportfs: fakeExportfs + "exit 1", want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)")},
		{
			name: "rejected", exportfs: fakeExportfs,
			want: exports.NewSet([]exports.Grant{
				rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", rendertest.Tools()),
				rendertest.Grant(t, "/srv/a 10.0.0.2(rw,bad)", rendertest.Tools()),
				rendertest.Grant(t, "/srv/a 10.0.0.3(rw,bad)", rendertest.Tools()),
				rendertest.Grant(t, "/srv/a 10.0.0.4(rw)", rendertest.Tools()),
				rendertest.Grant(t, "/srv/b host(ro,bad)", public),
			}),
			right: is[*RejectedError],
			says: []string{
				`/srv/a for 10.0.0.2(rw,bad) of project "tools": unknown keyword "bad"; /srv/b for host(ro,bad) of public line "p\n": unknown keyword "bad"; correct`,
			},
		},
		{
			name: "too long in the table", exportfs: "OPTIONS=" + strings.Repeat("x", 600) + "\n" + fakeExportfs + `sed -i "s/(rw,fsid/($OPTIONS,&/" $state/etab`,
			want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)", "/srv/a 10.0.0.2(rw,fsid=1)"), right: is[*RejectedError],
			says: []string{"10.0.0.2(rw,fsid=1)", "longer than the 511 bytes"},
		},
		{
			name: "together", exportfs: fakeExportfs + "[ $(grep -c srv $state/etab) -gt 1 ] && sed -i '/10.0.0.2/d' $state/etab", want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)", "/srv/a 10.0.0.2(rw)"),
			right: is[*MismatchError], says: []string{"/srv/a for 10.0.0.2 is missing", "bug"},
		},
		{
			name: "opened to the world", exportfs: fakeExportfs + `grep -q srv $state/etab && printf '/srv/a\t*(rw)\n' >>$state/etab`, want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*MismatchError], says: []string{"/srv/a for * is there"},
		},
		{
			name: "other options", exportfs: fakeExportfs + "sed -i 's/(rw)/(ro)/' $state/etab", want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*MismatchError], says: []string{"/srv/a for 10.0.0.1 has the options ro instead of rw"},
		},
		{
			name: "foreign grant lost", exportfs: fakeExportfs + "grep -q srv $state/etab && sed -i /foreign/d $state/etab", want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*MismatchError], says: []string{"/foreign for 10.0.0.1 is missing"},
		},
		{
			name: "the table is cut", exportfs: fakeExportfs + "printf x >>$state/etab", want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*exportfs.Error], says: []string{"takes no line at all"},
		},
		{
			name: "takes nothing", exportfs: "", want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*exportfs.Error], says: []string{"takes no line at all: exportfs ended with status 0 and said nothing: see that"},
		},
		{
			name: "takes nothing and says why", exportfs: "echo boo; echo hoo >&2; exit 1", want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*exportfs.Error], says: []string{"takes no line at all: exportfs ended with status 1 and said: boo | hoo: see that"},
		},
		{
			name: "hangs", exportfs: "echo waiting >&2; sleep 1000", want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)"),
			right: func(err error) bool {
				return is[*exportfs.Error](err) && errors.Is(err, context.DeadlineExceeded)
			},
			says: []string{"was killed (it said: waiting): see"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSandbox(t, test.exportfs)
			limits := []time.Duration{s.Timeout}
			if test.name == "hangs" {
				limits = rendertest.Limits()
			}
			var proof render.Proven
			var err error
			for _, s.Timeout = range limits {
				proof, err = s.Try(t.Context(), marshal(t, test.want), test.want, foreign, nil)
				if err == nil || len(limits) > 1 && strings.Contains(err.Error(), test.says[0]) {
					break
				}
			}
			needSandbox(t, err)
			if test.right != nil {
				if !test.right(err) {
					t.Fatalf("error %v", err)
				}
				for _, words := range test.says {
					if !strings.Contains(err.Error(), words) {
						t.Errorf("error %s\ndoes not say %s", err, words)
					}
				}
				if message := err.Error(); !rendertest.IsPlain(message) {
					t.Errorf("error %q", message)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := tableOf(test.want)
			want[rendertest.Place(t, "/foreign 10.0.0.1")] = "ro"
			want[rendertest.Place(t, "/foreign 10.0.0.2")] = "ro"
			if !maps.Equal(proof.Table, want) {
				t.Errorf("the table is %v", proof.Table)
			}
		})
	}
	rendertest.AsNobody(t)
}

// TestTryOdd: what exportfs makes of foreign files is right, and what is odd is named.
func TestTryOdd(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 600)
	foreign := []render.Foreign{
		foreignFile("/etc/exports", "# first\n/foreign 10.0.0.1(ro)\n/broken 10.0.0.2(bad)\n/lost 10.0.0.1(rw)\n"),
		foreignFile("/etc/exports.d/x.exports", "/long 10.0.0.7(long)\n/name real.example.org(ro)\n"),
		foreignFile("/etc/exports.d/z.exports", "/name nobody.example.org(ro)\n/fsidd 10.0.0.8(reexport=auto-fsidnum)\n"),
	}
	names := render.Names{"real.example.org": {Canonical: "a.example.org", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")}}}
	want := rendertest.Set(t, "/srv/a 10.0.0.1(rw)", "/srv/a nobody.example.org(rw)")
	s := newSandbox(t, fakeExportfs+`
	grep -q multi /etc/host.conf && grep -q '^10.0.0.1 a.example.org real.example.org$' /etc/hosts && sed -i 's/real.example.org/a.example.org/' $state/etab
	sed -i '/nobody.example.org/d; s/(long)/(`+long+`)/' $state/etab
	sed -i '/reexport=auto/,$d' $state/etab
	sort -r $state/etab >$state/x; mv $state/x $state/etab`)
	got, err := s.Try(t.Context(), marshal(t, want), want, foreign, names)
	needSandbox(t, err)
	if err != nil {
		t.Fatal(err)
	}
	var odd []string
	for _, o := range got.Odd {
		odd = append(odd, o.String())
	}
	if diff := cmp.Diff([]string{
		"/etc/exports.d/x.exports, line 1: rpc.mountd cannot read the entry that exportfs makes of /long for 10.0.0.7, nor any behind it in the active table, which are 0 of our grants; shorten or remove the line",
		`/etc/exports, line 3: exportfs makes no entry of /broken for 10.0.0.2(bad), nor of any line behind it: it says "unknown keyword \"bad\""`,
	}, odd); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/fsidd for 10.0.0.8"}, placeTexts(got.Reexported)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/srv/a for nobody.example.org", "/name for nobody.example.org"}, placeTexts(got.Unresolved)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/foreign for 10.0.0.1", "/fsidd for 10.0.0.8", "/long for 10.0.0.7", "/name for a.example.org", "/srv/a for 10.0.0.1"}, placeTexts(got.Table.Places())); diff != "" {
		t.Error(diff)
	}
}

func placeTexts(places []exports.Place) (texts []string) {
	for _, p := range places {
		texts = append(texts, render.PlaceText(p))
	}
	return texts
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// tableOf is what an honest exportfs makes of a set.
func tableOf(set exports.Set) render.Table {
	table := render.Table{}
	for _, g := range set.Grants() {
		table[g.Place()] = g.Options
	}
	return table
}

// TestMismatchError: as many differences are named as people will read.
func TestMismatchError(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "should: x0; ", maxNamed: "; x9; ", maxNamed + 1: "; x9 (and 1 more); ", 3 * maxNamed: "; x9 (and 20 more); "} {
		e := &MismatchError{}
		for i := range n {
			e.Differences = append(e.Differences, fmt.Sprintf("x%d", i))
		}
		if got := e.Error(); !strings.Contains(got, want) || strings.Contains(got, "x10") {
			t.Errorf("%d differences: %s", n, got)
		}
	}
}

func TestTryCannotRun(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "")
	want := rendertest.Set(t, "/srv/a 10.0.0.1(rw)")
	s.Exportfs += "none"
	_, err := s.Try(t.Context(), marshal(t, want), want, nil, nil)
	needSandbox(t, err)
	if !is[*exportfs.Error](err) || !strings.Contains(err.Error(), "nfs-kernel-server") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Try(ctx, marshal(t, want), want, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
