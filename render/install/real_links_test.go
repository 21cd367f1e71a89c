//go:build real

package install

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/rendertest"
)

// TestRealLinks has a tenant replace an exported directory by a link to /etc at each moment
// of a run. In the end the table has nothing that leads there, and no other grant is lost.
func TestRealLinks(t *testing.T) {
	if !insideHost(t) {
		return
	}
	dir := rendertest.OpenDir(t, "srv/all", "srv/home", "srv/other")
	home, other := dir+"/srv/home", dir+"/srv/other"
	f, program := realHost()
	// As a tenant does it: a swap, and back.
	swap := "mv " + home + " " + home + ".real 2>/dev/null && ln -s /etc " + home
	back := "rm -f " + home + "; mv " + home + ".real " + home + " 2>/dev/null"
	today := rendertest.Set(t, home+" 10.0.0.1"+options, other+" 10.0.0.1"+options)
	want := rendertest.Set(t, home+" 10.0.0.2"+options, other+" 10.0.0.2"+options)
	safe := func(name string, program exportfs.Program, grants exports.Set) {
		t.Helper()
		if text := string(load(t, f).Text); strings.Contains(text, home) || !strings.Contains(text, other) {
			t.Errorf("%s: the file is\n%s", name, text)
		}
		if parsed := render.Parse(load(t, f).Text); parsed.Edited || len(parsed.Unread) > 0 {
			t.Errorf("%s: the file counts as edited", name)
		}
		table := readTable(t, program.Etab)
		if a := table.Agrees(grants, nil); a.Answer != render.Agrees || len(table) != grants.Len() {
			t.Errorf("%s: the table is %v, %+v", name, table, a)
		}
	}
	run := func(script string, prove bool) (Done, error) {
		t.Helper()
		sh(t, back+"; true")
		c := realChange(t, today)
		if _, err := Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		c = realChange(t, want)
		if prove {
			c.Proven = &render.Proven{Table: render.Table{}}
			for _, g := range want.Grants() {
				c.Proven.Table[g.Place()] = g.Options
			}
		}
		looks := 0
		c.Look = func(ctx context.Context, paths []string) (map[string]string, error) {
			if looks++; looks == 1 && script == "before" {
				sh(t, swap)
			}
			found, err := exportfs.Looker{Limit: time.Minute}.Look(ctx, paths)
			links := map[string]string{}
			for _, d := range found {
				if d.Link != "" {
					links[d.Path] = "a link"
				}
			}
			return links, err
		}
		c.AtRisk = func(path string) bool { return path == home }
		if script != "before" {
			c.Exportfs.Path = rendertest.Script(t, script)
		}
		return Run(t.Context(), c)
	}
	left := func(set exports.Set) exports.Set { return without(set, map[string]string{home: "x"}) }

	// Before exportfs runs: the rest is applied.
	done, err := run("before", true)
	if err != nil || done.LeftOut[home] == "" || !done.Wrote {
		t.Errorf("before: %+v, %v", done, err)
	}
	safe("before", program, left(want))

	// While it runs, for good: what is put back is without the path.
	real := realExportfs + ` "$@"`
	_, err = run("["+" -L "+home+" ] || { "+swap+"; }\n"+real, true)
	restoredWithout(t, "while", err, home)
	safe("while", program, left(today))

	// While it runs, each time, and back again before anybody can see it.
	for _, prove := range []bool{true, false} {
		_, err = run(swap+"\n"+real+"\nrc=$?\n"+back+"\nexit $rc", prove)
		restoredWithout(t, "each time", err, home)
		safe("each time", program, left(today))
	}

	// exportfs fails by itself: nothing is a link, and all is put back.
	_, err = run("echo no >&2; grep -q 10.0.0.2 "+f.Path+" && exit 1\n"+real, true)
	var failure *ActivationError
	if !errors.As(err, &failure) || !failure.FileRestored || !failure.TableRestored || len(failure.LeftOut) > 0 {
		t.Errorf("no link: %v", err)
	}
	if a := readTable(t, program.Etab).Agrees(today, nil); a.Answer != render.Agrees {
		t.Errorf("no link: %+v", a)
	}
}

func restoredWithout(t *testing.T, name string, err error, path string) {
	t.Helper()
	var failure *ActivationError
	if !errors.As(err, &failure) || !failure.FileRestored || !failure.TableRestored || len(failure.LeftOut) != 1 || failure.LeftOut[0] != path {
		t.Errorf("%s: %+v: %v", name, failure, err)
	} else if !strings.Contains(err.Error(), "is a symbolic link by now, and its lines were not put back") {
		t.Errorf("%s: %v", name, err)
	}
}

func sh(t *testing.T, script string) {
	t.Helper()
	path := rendertest.Script(t, script)
	defer func() { _ = os.Remove(path) }()
	if _, err := (exportfs.Program{Path: path, Timeout: time.Minute}).Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}
