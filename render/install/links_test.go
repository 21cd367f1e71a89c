package install

import (
	"context"
	"errors"
	"strings"
	"testing"

	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/rendertest"
)

// looking answers that paths are links.
func looking(err error, links ...string) func(context.Context, []string) (map[string]string, error) {
	return func(_ context.Context, paths []string) (map[string]string, error) {
		found := map[string]string{}
		for _, path := range paths {
			for _, link := range links {
				if path == link {
					found[path] = "a link"
				}
			}
		}
		return found, err
	}
}

// TestLinkAfterTheWrite: what is a link by then is left out, and exportfs never reads it.
func TestLinkAfterTheWrite(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	want := rendertest.Set(t, "/srv/a 10.0.0.1"+options, "/srv/b 10.0.0.1"+options)
	rest := rendertest.Set(t, "/srv/b 10.0.0.1"+options)
	done, err := Run(t.Context(), Job{
		File: h.file, Text: marshal(t, want), Want: want, Look: looking(nil, "/srv/a"),
		Exportfs: h.exportfs(t, "grep -q /srv/a FILE && exit 99\n"+honest),
	})
	if err != nil || !done.Wrote || done.LeftOut["/srv/a"] == "" || len(done.LeftOut) != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if got := string(load(t, h.file).Text); got != string(marshal(t, rest)) {
		t.Errorf("the file is\n%s", got)
	}
	if len(h.table(t)) != 1 || h.runs(t) != 1 {
		t.Errorf("%d runs, %v", h.runs(t), h.table(t))
	}

	// The same again, where nothing is to be written.
	done, err = Run(t.Context(), Job{
		File: h.file, Old: load(t, h.file), Text: marshal(t, rest), Want: rest, Look: looking(nil, "/srv/b"), Exportfs: h.exportfs(t, honest),
	})
	if err != nil || !done.Wrote || len(render.Parse(load(t, h.file).Text).Set.Grants()) != 0 || len(h.table(t)) != 0 {
		t.Errorf("%+v, %v: %v", done, err, h.table(t))
	}
}

// TestHangAfterTheWrite: exportfs is not run, and the file is put back.
func TestHangAfterTheWrite(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	today := rendertest.Set(t, "/srv/b 10.0.0.1"+options)
	first := Job{File: h.file, Text: marshal(t, today), Want: today, Exportfs: h.exportfs(t, honest)}
	if _, err := Run(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	want := rendertest.Set(t, "/srv/a 10.0.0.1"+options)
	_, err := Run(t.Context(), Job{
		File: h.file, Old: load(t, h.file), Text: marshal(t, want), Want: want,
		Look: looking(&exportfs.HangError{Paths: []string{"/srv/a"}}), Exportfs: h.exportfs(t, honest),
	})
	var hang *exportfs.HangError
	if !errors.As(err, &hang) {
		t.Errorf("error %v", err)
	}
	if got := string(load(t, h.file).Text); got != string(first.Text) || h.runs(t) != 1 {
		t.Errorf("%d runs, the file is\n%s", h.runs(t), got)
	}
}

// TestOldWithout: a file that was not edited does not count as edited without some lines,
// and one that was keeps its other lines as they are.
func TestOldWithout(t *testing.T) {
	t.Parallel()
	set := rendertest.Set(t, "/srv/a 10.0.0.1"+options, "/srv/b 10.0.0.1"+options)
	left := map[string]string{"/srv/a": "a link"}
	clean := Job{Old: Snapshot{Text: marshal(t, set), Exists: true}}.oldWithout(left)
	if parsed := render.Parse(clean.Text); parsed.Edited || parsed.Set.Len() != 1 {
		t.Errorf("edited %v:\n%s", parsed.Edited, clean.Text)
	}
	text := string(marshal(t, set)) + "/srv/c  *(ro) # by hand\n"
	edited := string(Job{Old: Snapshot{Text: []byte(text), Exists: true}}.oldWithout(left).Text)
	if want := strings.Replace(text, "/srv/a 10.0.0.1"+options+"\n", "", 1); edited != want {
		t.Errorf("got\n%s\nwant\n%s", edited, want)
	}
}
