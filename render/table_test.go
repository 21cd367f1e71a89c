package render

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
)

// sys is what exportfs 2.6.2 makes of rw,nohide,no_subtree_check,async,no_root_squash.
const sys = "rw,async,wdelay,nohide,nocrossmnt,secure,no_root_squash,no_all_squash,no_subtree_check,secure_locks,acl,no_pnfs,anonuid=65534,anongid=65534,sec=sys,rw,no_root_squash,no_all_squash"

func TestParseTable(t *testing.T) {
	t.Parallel()
	text := "/srv/a\t10.0.0.1(" + sys + ")\n" +
		"/srv/a\\040b\\043\\134\t2001:DB8::5(ro)\n" +
		"/srv/a\t*(ro)\n" +
		"/srv/a\t::ffff:10.0.0.1(rw)\n" +
		"/srv/\\303\\244\\377\t*(ro)\n" +
		"/srv/\\400\\380\\308\\12\t*(ro)\n" +
		"/srv/a\t10.0.0.0/24()\n"
	want := Table{
		{Path: "/srv/a", Client: exports.ParseClient("10.0.0.1")}:            sys,
		{Path: `/srv/a b#\`, Client: exports.ParseClient("2001:db8::5")}:     "ro",
		{Path: "/srv/a", Client: exports.Client{Literal: "*"}}:               "ro",
		{Path: "/srv/\u00e4\xff", Client: exports.Client{Literal: "*"}}:      "ro",
		{Path: `/srv/\400\380\308\12`, Client: exports.Client{Literal: "*"}}: "ro",
		{Path: "/srv/a", Client: exports.Client{Literal: "::ffff:10.0.0.1"}}: "rw",
		{Path: "/srv/a", Client: exports.Client{Literal: "10.0.0.0/24"}}:     "",
	}
	got, err := ParseTable([]byte(text))
	if diff := cmp.Diff(want, got, equateClients); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestParseTableErrors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 511-len("10.0.0.1()"))
	if _, err := ParseTable([]byte("/srv/a\t10.0.0.1(" + long + ")\n")); err != nil {
		t.Errorf("511 bytes: %v", err)
	}
	for name, text := range map[string]string{
		"cut":           "/srv/a\t10.0.0.1(rw)",
		"cut, one line": "/srv/a\t10.0.0.1(rw)\n/srv/a\t10.0.0.2(r",
		"no tab":        "/srv/a 10.0.0.1(rw)\n",
		"no path":       "srv/a\t10.0.0.1(rw)\n",
		"no client":     "/srv/a\t(rw)\n",
		"no options":    "/srv/a\t10.0.0.1\n",
		"not closed":    "/srv/a\t10.0.0.1(rw\n",
		"more behind":   "/srv/a\t10.0.0.1(rw) x\n",
		"raw client":    "/srv/a\t@x y(rw)\n",
		"blank line":    "\n",
		"twice":         "/srv/a\t10.0.0.1(rw)\n/srv/a\t10.0.0.1(rw)\n",
		"two spellings": "/srv/a\t2001:DB8::5(rw)\n/srv/a\t2001:db8::5(rw)\n",
		"too long":      "/srv/a\t10.0.0.1(" + long + "a)\n",
	} {
		table, err := ParseTable([]byte(text))
		var problem *TableError
		if !errors.As(err, &problem) || table != nil {
			t.Errorf("%s: %v, %v", name, table, err)
		}
	}
}

func TestTableError(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]TableError{
		`the active table, line 3: odd: run "exportfs -ra" and look at it again`:          {Line: 3, Problem: "odd"},
		`the active table /a/etab, line 3: odd: run "exportfs -ra" and look at it again`:  {"/a/etab", 3, "odd"},
		`the active table "/a\x1b", line 3: odd: run "exportfs -ra" and look at it again`: {"/a\x1b", 3, "odd"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
