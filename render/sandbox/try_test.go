package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

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
			name: "foreign files break the table", exportfs: fakeExportfs + "echo x >>$state/etab", want: rendertest.Set(t, "/srv/a 10.0.0.1(rw)"),
			right: is[*render.TableError], says: []string{"the exports files of others"},
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
				proof, err = s.Try(t.Context(), marshal(t, test.want), test.want, foreign)
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
	_, err := s.Try(t.Context(), marshal(t, want), want, nil)
	needSandbox(t, err)
	if !is[*exportfs.Error](err) || !strings.Contains(err.Error(), "nfs-kernel-server") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Try(ctx, marshal(t, want), want, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
