package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
	"nfs-exportd/exports/config"
)

// checkConfig is what holds of every configuration that Parse gives.
func checkConfig(t *testing.T, c *exports.Config, text string) {
	t.Helper()
	lines := strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u0085") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029") + 2
	plain := func(what, text, but string) {
		t.Helper()
		if text == "" {
			t.Errorf("%s is empty", what)
		}
		for _, b := range []byte(text) {
			if b < ' ' || b > '~' || strings.IndexByte(but, b) >= 0 {
				t.Errorf("%s %q has %q in it", what, text, b)
				return
			}
		}
	}
	clean := func(p, but string) {
		t.Helper()
		plain("path", p, `"'\`+but)
		if !path.IsAbs(p) || path.Clean(p) != p || len(p) > 1023 {
			t.Errorf("path %q is not absolute and clean, or has more than 1023 bytes", p)
		}
	}
	options := func(o string, most int) {
		t.Helper()
		plain("options", o, ` "'\()#`)
		if len(o) > most || slices.Contains(strings.Split(o, ","), "") {
			t.Errorf("options %q are too long or have an empty one", o)
		}
	}
	line := func(n int) {
		t.Helper()
		if n < 1 || n > lines {
			t.Errorf("line %d is not in a file of at most %d lines", n, lines)
		}
	}

	options(c.Options, 470)
	places := map[exports.Place]string{}
	for _, l := range c.Public {
		clean(l.Path, " ")
		options(l.Options, 509)
		line(l.Line)
		if l.Name == "" {
			t.Error("a public line has no name")
		}
		place := exports.Place{Path: l.Path, Client: l.Client}
		if o, ok := places[place]; ok && o != l.Options {
			t.Errorf("%v is there with options %q and %q", place, o, l.Options)
		}
		places[place] = l.Options
		if written := fmt.Sprintf("%s(%s)", l.Client, l.Options); len(written) > 511 {
			t.Errorf("exportfs does not read all of %q", written)
		}
		switch a := l.Client.Addr; {
		case a.IsValid() == (l.Client.Literal != ""):
			t.Errorf("client %+v is not exactly one thing", l.Client)
		case a.IsValid():
			if a.Zone() != "" || a.Is4In6() || a.IsUnspecified() {
				t.Errorf("client %s", a)
			}
		default:
			plain("client", l.Client.Literal, ` "'\()#,`)
			if strings.ContainsRune("-[", rune(l.Client.Literal[0])) {
				t.Errorf("client %q", l.Client.Literal)
			}
			if _, err := netip.ParseAddr(l.Client.Literal); err == nil {
				t.Errorf("client %q is an address", l.Client.Literal)
			}
			if strings.Trim(l.Client.Literal, "0123456789.") == "" {
				t.Errorf("client %q is not what it looks like", l.Client.Literal)
			}
		}
	}
	keys := map[string]bool{}
	for _, p := range c.Projects {
		options(p.Options, 470)
		line(p.Line)
		if p.Key == "" || keys[p.Key] {
			t.Errorf("project %q is empty or there twice", p.Key)
		}
		keys[p.Key] = true
		mounts := map[string]bool{}
		for _, m := range p.Mounts {
			line(m.Line)
			clean(m.Path, "")
			if m.Path == "/" {
				t.Error("the root directory")
			}
			if m.Key == "" || mounts[m.Key] {
				t.Errorf("mount %q is empty or there twice", m.Key)
			}
			mounts[m.Key] = true
			if addr, err := netip.ParseAddr(m.Host); err == nil {
				if addr.String() != m.Host || addr.Is4In6() {
					t.Errorf("host %q is not written as addresses are", m.Host)
				}
			} else if host, ok := config.CanonicalHost(m.Host); !ok || host != m.Host {
				t.Errorf("host %q is not canonical", m.Host)
			}
		}
	}
	o := c.OpenStack
	if !slices.Contains([]exports.Listing{exports.ListingAuto, exports.ListingAllProjects, exports.ListingPerProject}, o.Listing) {
		t.Errorf("listing %q", o.Listing)
	}
	if o.Domain == "" || slices.Contains(o.Regions, "") || slices.Contains(o.Networks, "") {
		t.Errorf("something is empty in %+v", o)
	}
	if o.Concurrency < 1 || o.Concurrency > exports.MaxConcurrency {
		t.Errorf("concurrency %d", o.Concurrency)
	}
	if l := c.Limits; l.MaxRemoved < 0 || l.MaxRemovedPercent < 0 || l.MaxRemovedPercent > 100 {
		t.Errorf("limits %+v", l)
	}
	if m := c.Maintenance; !m.On && m != (exports.Maintenance{}) {
		t.Errorf("maintenance %+v", m)
	}
}

// checkProblems is what holds of every error of Parse.
func checkProblems(t *testing.T, err error, c *exports.Config) {
	t.Helper()
	problems, ok := errors.AsType[*config.Error](err)
	if !ok || c != nil {
		t.Fatalf("got %+v and %v, want an Error alone", c, err)
	}
	if n := len(problems.Problems); n == 0 || n > 52 {
		t.Errorf("%d problems", n)
	}
	last := 0
	for i, p := range problems.Problems {
		if p.Message == "" {
			t.Errorf("problem %d says nothing", i)
		}
		if i < 50 && p.Line < last {
			t.Errorf("problem %d is of line %d, after one of line %d", i, p.Line, last)
		}
		last = p.Line
		if strings.ContainsFunc(p.String(), unicode.IsControl) {
			t.Errorf("problem %q has a control character", p)
		}
	}
}

// checkNames: no text of a configuration moves a cursor.
func checkNames(t *testing.T, c *exports.Config) {
	t.Helper()
	names := []string{c.Maintenance.Reason, c.OpenStack.Cloud, c.OpenStack.Credentials, c.OpenStack.Domain}
	names = slices.Concat(names, c.OpenStack.Regions, c.OpenStack.Networks)
	for _, l := range c.Public {
		names = append(names, l.Name)
	}
	for _, p := range c.Projects {
		names = append(names, p.Key)
		for _, m := range p.Mounts {
			names = append(names, m.Key)
		}
	}
	for _, name := range names {
		if strings.ContainsFunc(name, unicode.IsControl) {
			t.Errorf("%q has a control character", name)
		}
	}
}

var byValue = cmp.Options{cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()}

func TestAllowNested(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"private: {}\n": false, "private: {}\nexports: {allow_nested: true}\n": true, "private: {}\nexports: {allow_nested: false}\n": false} {
		c, err := config.Parse([]byte(text))
		if err != nil || c.AllowNested != want {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
}
