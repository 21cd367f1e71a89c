package exports_test

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v4"

	"nfs-exportd/exports"
)

const contractExample = `public:                                   # name: exports(5) line(s), literal
  scratch: '/srv/scratch *(rw,sec=sys,sync,no_subtree_check,root_squash)'
private:                                  # key: Keystone project, by id or else by name
  tools:
    gid: 50380                            # unique, or the file is in error
    mounts:
      dumps: true                         # true or false: not from an nfs-exportd server; ignored
      scratch: scratch.svc.example.org:/srv/scratch
      tools-home: tools-nfs.svc.example.org:/srv/tools//home/
`

// everything has every key that there is.
const everything = `---
public:
  scratch: |
    # the world may read

    /srv/scratch/ *(ro,sync) 198.51.100.0/24(rw)
    /srv/pub 2001:DB8:0::1(ro) gss/krb5i(rw) @group(ro) *.example.org(ro) host(rw)
private:
  12345:
    gid: 1
    options: ro,sync
    mounts: {a: 'NFS.Example.org.:/srv/./a', b: '192.0.2.1:/srv/b', c: '[2001:DB8:0::1]:/srv/c', d: 2001:db8::2:/srv/d}
  0123: {}
  tools:
maintenance: {reason: 'moving house', until: 2030-01-31T18:00:00+01:00}
openstack:
  cloud: novaobserver
  credentials: /etc/novaobserver.yaml
  domain: d0
  regions: [east, west]
  networks:
    - flat
    - "float"
  listing: per-project
  concurrency: 32
exports: {options: 'rw,sync'}
safety: {max_removed: 0, max_removed_percent: 100}
`

// aliased is how Ruby's to_yaml, and so Puppet, writes a hash that it holds
// twice.
const aliased = `---
private:
  tools:
    gid: 1
    mounts: &1
      home: nfs.example.org:/srv/home
      dumps: true
  toys:
    gid: 2
    mounts: *1
  toolsbeta:
    gid: 3
    mounts:
      home: &2 nfs.example.org:/srv/beta
      same: *2
`

// production is of the shape of the file that is in use.
const production = `---
public:
  scratch: "/srv/scratch *(rw,sec=sys,sync,no_subtree_check,root_squash)"
private:
  account-creation-assistance:
    gid: 50380
    mounts:
      dumps: true
      project: nfs.svc.example.org://srv/misc/shared//account-creation-assistance/project/
      home: "nfs.svc.example.org:/srv/misc/shared/account-creation-assistance/home"
  admin-monitoring:
    gid: 52014
    mounts:
      dumps: false
      scratch: scratch.svc.example.org:/srv/scratch/
`

func TestParseConfig(t *testing.T) {
	defaults := func(change func(*exports.Config)) *exports.Config {
		c := &exports.Config{
			OpenStack: exports.OpenStack{Domain: "default", Listing: exports.ListingAuto, Concurrency: exports.DefaultConcurrency},
			Options:   "rw,nohide,no_subtree_check,async,no_root_squash",
			Limits:    exports.Limits{MaxRemoved: 10, MaxRemovedPercent: 25},
		}
		change(c)
		return c
	}
	public := func(name, path, client, options string, line int) exports.PublicLine {
		return exports.PublicLine{Name: name, Path: path, Client: exports.ParseClient(client), Options: options, Line: line}
	}
	mount := func(key, host, path string, line int) exports.Mount {
		return exports.Mount{Key: key, Host: host, Path: path, Line: line}
	}
	simple := defaults(func(c *exports.Config) {
		c.Projects = []exports.ProjectConfig{{Key: "tools", Options: c.Options, Line: 2}}
	})
	tests := []struct {
		name, text string
		want       *exports.Config
	}{
		{"the contract's example", contractExample, defaults(func(c *exports.Config) {
			c.Public = []exports.PublicLine{public("scratch", "/srv/scratch", "*", "rw,sec=sys,sync,no_subtree_check,root_squash", 2)}
			c.Projects = []exports.ProjectConfig{{Key: "tools", Options: c.Options, Line: 4, Mounts: []exports.Mount{
				mount("scratch", "scratch.svc.example.org", "/srv/scratch", 8),
				mount("tools-home", "tools-nfs.svc.example.org", "/srv/tools/home", 9),
			}}}
		})},
		{"every key", everything, &exports.Config{
			Public: []exports.PublicLine{
				public("scratch", "/srv/scratch", "*", "ro,sync", 3),
				public("scratch", "/srv/scratch", "198.51.100.0/24", "rw", 3),
				public("scratch", "/srv/pub", "2001:db8::1", "ro", 3),
				public("scratch", "/srv/pub", "gss/krb5i", "rw", 3),
				public("scratch", "/srv/pub", "@group", "ro", 3),
				public("scratch", "/srv/pub", "*.example.org", "ro", 3),
				public("scratch", "/srv/pub", "host", "rw", 3),
			},
			Projects: []exports.ProjectConfig{
				{Key: "12345", Options: "ro,sync", Line: 9, Mounts: []exports.Mount{
					mount("a", "nfs.example.org", "/srv/a", 12),
					mount("b", "192.0.2.1", "/srv/b", 12),
					mount("c", "2001:db8::1", "/srv/c", 12),
					mount("d", "2001:db8::2", "/srv/d", 12),
				}},
				{Key: "0123", Options: "rw,sync", Line: 13},
				{Key: "tools", Options: "rw,sync", Line: 14},
			},
			Maintenance: exports.Maintenance{On: true, Reason: "moving house", Until: time.Date(2030, 1, 31, 17, 0, 0, 0, time.UTC)},
			OpenStack: exports.OpenStack{Cloud: "novaobserver", Credentials: "/etc/novaobserver.yaml", Domain: "d0",
				Regions: []string{"east", "west"}, Networks: []string{"flat", "float"}, Listing: exports.ListingPerProject, Concurrency: 32},
			Options: "rw,sync",
			Limits:  exports.Limits{MaxRemoved: 0, MaxRemovedPercent: 100},
		}},
		{"aliases", aliased, defaults(func(c *exports.Config) {
			c.Projects = []exports.ProjectConfig{
				{Key: "tools", Options: c.Options, Line: 3, Mounts: []exports.Mount{mount("home", "nfs.example.org", "/srv/home", 6)}},
				{Key: "toys", Options: c.Options, Line: 8, Mounts: []exports.Mount{mount("home", "nfs.example.org", "/srv/home", 6)}},
				{Key: "toolsbeta", Options: c.Options, Line: 11, Mounts: []exports.Mount{
					mount("home", "nfs.example.org", "/srv/beta", 14), mount("same", "nfs.example.org", "/srv/beta", 15)}},
			}
		})},
		{"the shape of the file in use", production, defaults(func(c *exports.Config) {
			c.Public = []exports.PublicLine{public("scratch", "/srv/scratch", "*", "rw,sec=sys,sync,no_subtree_check,root_squash", 3)}
			c.Projects = []exports.ProjectConfig{
				{Key: "account-creation-assistance", Options: c.Options, Line: 5, Mounts: []exports.Mount{
					mount("project", "nfs.svc.example.org", "/srv/misc/shared/account-creation-assistance/project", 9),
					mount("home", "nfs.svc.example.org", "/srv/misc/shared/account-creation-assistance/home", 10)}},
				{Key: "admin-monitoring", Options: c.Options, Line: 11, Mounts: []exports.Mount{
					mount("scratch", "scratch.svc.example.org", "/srv/scratch", 15)}},
			}
		})},
		{"public alone", "public:\n  a: /srv *(ro)\n", defaults(func(c *exports.Config) {
			c.Public = []exports.PublicLine{public("a", "/srv", "*", "ro", 2)}
		})},
		{"sections with nothing in them", "public:\nprivate: ~\nopenstack:\nexports:\nsafety:\n", defaults(func(*exports.Config) {})},
		{"a project without mounts", "private:\n  tools:\n    mounts:\n", simple},
		{"a byte order mark", "\ufeffprivate:\n  tools:\n", simple},
		{"CRLF", "private:\r\n  tools:\r\n    mounts: {}\r\n", simple},
		{"CRLF in a public line", "public:\r\n  a: |\r\n    /srv/a *(ro)\r\n\r\n    /srv/b *(ro)\r\n", defaults(func(c *exports.Config) {
			c.Public = []exports.PublicLine{public("a", "/srv/a", "*", "ro", 2), public("a", "/srv/b", "*", "ro", 2)}
		})},
		{"an end of document", "private:\n  tools:\n...\n", simple},
		{"comments behind the document", "private:\n  tools:\n# end\n", simple},
		{"JSON", `{"private":` + "\n" + `{"tools": {"mounts": {}}}}`, simple},
		{"keys that YAML reads as something else than text", "private:\n  1e3: {}\n  0x10: {}\n  true: {}\n  2024-01-01: {}\n  1.50: {}\n  1_000: {}\n  'null': {}\n", defaults(func(c *exports.Config) {
			for i, key := range []string{"1e3", "0x10", "true", "2024-01-01", "1.50", "1_000", "null"} {
				c.Projects = append(c.Projects, exports.ProjectConfig{Key: key, Options: c.Options, Line: 2 + i})
			}
		})},
		{"gids at the ends of the range", "private:\n  a: {gid: 0}\n  b: {gid: 4294967294}\n", defaults(func(c *exports.Config) {
			c.Projects = []exports.ProjectConfig{{Key: "a", Options: c.Options, Line: 2}, {Key: "b", Options: c.Options, Line: 3}}
		})},
		{"one path on two hosts", "private:\n  a:\n    mounts: {x: 'h1:/srv', y: 'h2:/srv'}\n", defaults(func(c *exports.Config) {
			c.Projects = []exports.ProjectConfig{{Key: "a", Options: c.Options, Line: 2, Mounts: []exports.Mount{mount("x", "h1", "/srv", 3), mount("y", "h2", "/srv", 3)}}}
		})},
		{"a path with a space and a hash sign", "private:\n  a:\n    mounts:\n      x: 'h:/srv/a b#c'\n", defaults(func(c *exports.Config) {
			c.Projects = []exports.ProjectConfig{{Key: "a", Options: c.Options, Line: 2, Mounts: []exports.Mount{mount("x", "h", "/srv/a b#c", 4)}}}
		})},
		{"a host in the form of IPv6 for IPv4", "private:\n  a:\n    mounts:\n      x: '[::ffff:192.0.2.1]:/srv'\n", defaults(func(c *exports.Config) {
			c.Projects = []exports.ProjectConfig{{Key: "a", Options: c.Options, Line: 2, Mounts: []exports.Mount{mount("x", "192.0.2.1", "/srv", 4)}}}
		})},
		{"two public lines that agree", "public:\n  a: /srv *(ro)\n  b: /srv *(ro)\n", defaults(func(c *exports.Config) {
			c.Public = []exports.PublicLine{public("a", "/srv", "*", "ro", 2), public("b", "/srv", "*", "ro", 3)}
		})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := exports.ParseConfig([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, byValue, cmpopts.EquateApproxTime(0)); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			checkConfig(t, got, tt.text)
		})
	}
}

// in gives a mount with a value.
func in(value string) string { return "private:\n  a:\n    mounts:\n      x: " + value + "\n" }

// opened gives a public entry with a literal line.
func opened(line string) string { return "public:\n  a: |\n    " + line + "\n" }

// badConfigs has, for each text, how its problems begin, in order.
var badConfigs = []struct {
	name, text string
	want       []string
}{
	{"empty", "", []string{"the file is empty"}},
	{"blank", "\n  \n", []string{"the file is empty"}},
	{"comments alone", "# nothing\n", []string{"the file is empty"}},
	{"a document with nothing in it", "---\n", []string{"the file is empty"}},
	{"nothing to export", "safety: {}\n", []string{`line 1: neither "public" nor "private" is there`}},
	{"two documents", "private: {}\n---\nprivate: {}\n", []string{"line 2: the file holds more than one document"}},
	{"two documents, the second empty", "private: {}\n---\n", []string{"line 2: the file holds more than one document"}},
	{"two documents, the second broken", "private: {}\n---\n[\n", []string{"line 3: this is not YAML: a quote, bracket or brace is opened and never closed"}},
	{"too large", "private: {}\n#" + strings.Repeat("x", 5<<20), []string{"the file has more than 4194304 bytes"}},
	{"a list", "- private\n", []string{"line 1: must be a mapping of keys to values, not a list", "line 1: neither"}},
	{"text", "private\n", []string{"line 1: must be a mapping of keys to values, not text", "line 1: neither"}},
	{"a tab", "private:\n\ttools: {}\n", []string{"line 2: this is not YAML: indent with spaces, not with tabs"}},
	{"not UTF-8", "private: {}\n# \xff\n", []string{"line 2: this is not UTF-8: save the file as UTF-8 (byte 0xFF)"}},
	{"NUL", "private: {}\n\x00\n", []string{"line 2: here is a character that nobody sees and that must not be in the file: take it out (U+0000)"}},
	{"an open quote", "private:\n  a: 'x\n", []string{"line 2: this is not YAML: a quote, bracket or brace is opened and never closed"}},
	{"an open bracket", "private: {a: {}\n", []string{"line 1: this is not YAML: a quote, bracket or brace is opened and never closed"}},
	{"an alias of nothing", "private: *nothing\n", []string{`line 1: this is not YAML: no anchor of this name is above: put text that begins with "*" in quotes (unknown anchor 'nothing' referenced)`}},
	{"a number for a section", "private: 5\n", []string{"line 1: private: must be a mapping of keys to values, not a number"}},
	{"a truth value for a section", "private: {}\nopenstack: true\n", []string{"line 2: openstack: must be a mapping of keys to values, not true or false"}},
	{"a list for each section", "public: []\nprivate: []\nopenstack: []\nexports: []\nsafety: []\nmaintenance: []\n", []string{
		"line 1: public: must be a mapping of keys to values, not a list",
		"line 2: private: must be a mapping of keys to values, not a list",
		"line 3: openstack: must be a mapping of keys to values, not a list",
		"line 4: exports: must be a mapping of keys to values, not a list",
		"line 5: safety: must be a mapping of keys to values, not a list",
		"line 6: maintenance: must be true, false, a reason, or a mapping of reason and until; not a list",
	}},

	{"a key far from all known ones", "private: {}\nbananas: 1\n", []string{`line 2: unknown key "bananas": known here are public, private, maintenance, openstack, exports, safety`}},
	{"a key near a known one", "privat: {}\npublic: {}\n", []string{`line 1: unknown key "privat", did you mean "private"?`}},
	{"a key with a capital", "Private: {}\npublic: {}\n", []string{`line 1: unknown key "Private", did you mean "private"?`}},
	{"a key in capitals alone", "PRIVATE: {}\npublic: {}\n", []string{`line 1: unknown key "PRIVATE", did you mean "private"?`}},
	{"two letters changed", "privvvte: {}\npublic: {}\n", []string{`line 1: unknown key "privvvte", did you mean "private"?`}},
	{"three letters changed", "privvvvte: {}\npublic: {}\n", []string{`line 1: unknown key "privvvvte": known here are`}},
	{"a short key is not near everything", "private:\n  a:\n    xy: 1\n", []string{`line 3: private.a: unknown key "xy": known here are gid, mounts, options`}},
	{"a near key of a project", "private:\n  a:\n    mount: {}\n    Gid: 5\n", []string{`line 3: private.a: unknown key "mount", did you mean "mounts"?`, `line 4: private.a: unknown key "Gid", did you mean "gid"?`}},
	{"unknown keys of all sections", "private: {}\nopenstack:\n  regoins: []\nexports:\n  optoins: rw\nsafety:\n  max_remove: 5\nmaintenance:\n  untill: x\n", []string{
		`line 3: openstack: unknown key "regoins", did you mean "regions"?`,
		`line 5: exports: unknown key "optoins", did you mean "options"?`,
		`line 7: safety: unknown key "max_remove", did you mean "max_removed"?`,
		`line 9: maintenance: unknown key "untill", did you mean "until"?`,
	}},

	{"a key twice", "private:\n  a: {}\n  b: {}\n  a: {}\n", []string{`line 4: private: key "a" is there twice, first in line 2`}},
	{"a key three times", "private:\n  a: {}\n  a: {}\n  a: {}\n", []string{`line 3: private: key "a" is there twice, first in line 2`, `line 4: private: key "a" is there twice, first in line 2`}},
	{"a section twice", "private:\n  a: {}\nprivate:\n  b: {}\n", []string{`line 3: key "private" is there twice, first in line 1`}},
	{"a key twice, once quoted", "private:\n  5: {}\n  '5': {}\n", []string{`line 3: private: key "5" is there twice, first in line 2`}},
	{"a key twice, once as an alias", "private:\n  a:\n    options: &k ro\n  *k : {}\n  ro: {}\n", []string{`line 5: private: key "ro" is there twice, first in line 4`}},
	{"a mount twice", "private:\n  a:\n    mounts:\n      x: h:/a\n      x: h:/b\n", []string{`line 5: private.a.mounts: key "x" is there twice, first in line 4`}},
	{"a merge key", "private:\n  a: &a {gid: 1}\n  b:\n    <<: *a\n", []string{`line 4: private.b: merge keys ("<<") are not supported`}},
	{"a list for a key", "private:\n  ? [a, b]\n  : {}\n", []string{"line 2: private: a key must be plain text, not a list"}},
	{"a mapping for a key", "private:\n  ? {a: b}\n  : {}\n", []string{"line 2: private: a key must be plain text, not a mapping"}},
	{"nothing for a key", "private:\n  ~: {}\n  ? \n  : {}\n  '': {}\n", []string{
		"line 2: private: a key must be plain text, not nothing", "line 3: private: a key must be plain text, not nothing", "line 5: private: a key must be plain text, not nothing: if a project has this name, write its id, or the name in quotes"}},

	{"a project that is text", "private:\n  a: x\n", []string{"line 2: private.a: must be a mapping of keys to values, not text"}},
	{"mounts that are a list", "private:\n  a:\n    mounts: [x]\n", []string{"line 3: private.a.mounts: must be a mapping of keys to values, not a list"}},
	{"a gid twice", "private:\n  a: {gid: 5}\n  b: {gid: 6}\n  c: {gid: 5}\n", []string{"line 4: private.c.gid: 5 is already the gid of a"}},
	{"gids that are none", "private:\n  a: {gid: -1}\n  b: {gid: 4294967295}\n  c: {gid: '5'}\n  d: {gid: 010}\n  e: {gid: 0x5}\n  f: {gid: 5.0}\n  g: {gid: 1_0}\n  h: {gid: }\n  i: {gid: true}\n  j: {gid: [5]}\n  k: {gid: +5}\n  l: {gid: 99999999999999999999}\n  m: {gid: 0o5}\n  n: {gid: -0}\n", []string{
		"line 2: private.a.gid: must be a whole number from 0 to 4294967294", "line 3: private.b.gid: must be", "line 4: private.c.gid: must be",
		"line 5: private.d.gid: must be", "line 6: private.e.gid: must be", "line 7: private.f.gid: must be", "line 8: private.g.gid: must be",
		"line 9: private.h.gid: must be", "line 10: private.i.gid: must be", "line 11: private.j.gid: must be", "line 12: private.k.gid: must be",
		"line 13: private.l.gid: must be", "line 14: private.m.gid: must be", "line 15: private.n.gid: must be",
	}},

	{"a mount that is nothing", in(""), []string{"line 4: private.a.mounts.x: must be HOST:/PATH, true or false, not nothing"}},
	{"a mount that is empty", in("''"), []string{"line 4: private.a.mounts.x: must not be empty"}},
	{"a mount that is a list", in("[h:/a]"), []string{"line 4: private.a.mounts.x: must be HOST:/PATH, true or false, not a list"}},
	{"a mount that is a number", in("5"), []string{`line 4: private.a.mounts.x: "5" is not HOST:/PATH, nor true or false`}},
	{"a mount that is true in quotes", in("'true'"), []string{`line 4: private.a.mounts.x: "true" is not HOST:/PATH, nor true or false`}},
	{"a mount that is yes", in("yes"), []string{`line 4: private.a.mounts.x: "yes" is not HOST:/PATH, nor true or false`}},
	{"a mount without a host", in("/srv"), []string{`line 4: private.a.mounts.x: "/srv" is not HOST:/PATH`}},
	{"a mount with an empty host", in("':/srv'"), []string{`line 4: private.a.mounts.x: ":/srv" does not start with a host name or an address`}},
	{"a mount without a path", in("h"), []string{`line 4: private.a.mounts.x: "h" is not HOST:/PATH`}},
	{"a mount with a relative path", in("'h:srv'"), []string{`line 4: private.a.mounts.x: "h:srv" is not HOST:/PATH`}},
	{"a mount with a bad host", in("'h h:/srv'"), []string{`line 4: private.a.mounts.x: "h h:/srv" does not start with a host name or an address`}},
	{"a mount with half a bracket", in("'[2001:db8::1:/srv'"), []string{`line 4: private.a.mounts.x: "[2001:db8::1:/srv" does not start with a host name or an address`}},
	{"a mount with a name in brackets", in("'[h]:/srv'"), []string{`line 4: private.a.mounts.x: "[h]:/srv" does not start with a host name or an address`}},
	{"a mount with an IPv4 address in brackets", in("'[192.0.2.1]:/srv'"), []string{`line 4: private.a.mounts.x: "[192.0.2.1]:/srv" does not start with a host name or an address`}},
	{"a mount with a zone", in("'fe80::1%eth0:/srv'"), []string{`line 4: private.a.mounts.x: "fe80::1%eth0:/srv" does not start with a host name or an address`}},
	{"a mount with an odd address", in("'010.0.0.1:/srv'"), []string{`line 4: private.a.mounts.x: "010.0.0.1:/srv" does not start with a host name or an address`}},
	{"a mount with half an address", in("'10.1:/srv'"), []string{`line 4: private.a.mounts.x: "10.1:/srv" does not start with a host name or an address`}},
	{"the root directory", in("h:/"), []string{"line 4: private.a.mounts.x: this would export the root directory"}},
	{"the root directory in disguise", in("h:/.//"), []string{"line 4: private.a.mounts.x: this would export the root directory"}},
	{"two dots", in("h:/srv/../etc"), []string{`line 4: private.a.mounts.x: path "/srv/../etc" must not have ".." in it`}},
	{"two dots at the end", in("h:/srv/.."), []string{`line 4: private.a.mounts.x: path "/srv/.." must not have ".." in it`}},
	{"a line break in a path", in(`"h:/srv\n/etc"`), []string{`line 4: private.a.mounts.x: "h:/srv\n/etc" has a control character`}},
	{"NUL in a path", in(`"h:/srv\0"`), []string{`line 4: private.a.mounts.x: "h:/srv\x00" has a control character`}},
	{"DEL in a path", in(`"h:/srv\x7f"`), []string{`line 4: private.a.mounts.x: "h:/srv\x7f" has a control character`}},
	{"a quote in a path", in(`'h:/srv"'`), []string{`line 4: private.a.mounts.x: path "/srv\"" has a character`}},
	{"a single quote in a path", in(`"h:/srv'"`), []string{`line 4: private.a.mounts.x: path "/srv'" has a character`}},
	{"an octal escape in a path", in(`'h:/srv\040x'`), []string{`line 4: private.a.mounts.x: path "/srv\\040x" has a character`}},
	{"a path that is not ASCII", in("h:/srv/ä"), []string{`line 4: private.a.mounts.x: path "/srv/ä" has a character`}},
	{"a long path", in("h:/" + strings.Repeat("x", 1023)), []string{`line 4: private.a.mounts.x: path "/xxxxxxxxxx`}},
	{"a longer path", in("h:/" + strings.Repeat("x", 4096)), []string{"line 4: private.a.mounts.x: has more than 4096 characters"}},

	{"a mount that is a URL", in("http://x/srv"), []string{`line 4: private.a.mounts.x: "http://x/srv" looks like a URL: write HOST:/PATH`}},
	{"a mount that is a URL of NFS", in("NFS://x/srv"), []string{`line 4: private.a.mounts.x: "NFS://x/srv" looks like a URL`}},
	{"a mount that is a file", in("file:///srv"), []string{`line 4: private.a.mounts.x: "file:///srv" looks like a URL`}},
	{"a mount of every host", in("0.0.0.0:/srv"), []string{`line 4: private.a.mounts.x: "0.0.0.0:/srv" does not start with a host name or an address: no server has this one`}},
	{"a mount of every host of IPv6", in("'[::]:/srv'"), []string{`line 4: private.a.mounts.x: "[::]:/srv" does not start with a host name or an address: no server has this one`}},
	{"a mount of every host of IPv6, bare", in("':::/srv'"), []string{`line 4: private.a.mounts.x: ":::/srv" does not start with a host name or an address: no server has this one`}},
	{"a mount of every host in the form of IPv6", in("'[::ffff:0.0.0.0]:/srv'"), []string{`line 4: private.a.mounts.x: "[::ffff:0.0.0.0]:/srv" does not start with a host name or an address`}},
	{"a mount of a group of hosts", in("'224.0.0.1:/srv'"), []string{`line 4: private.a.mounts.x: "224.0.0.1:/srv" does not start with a host name or an address: no server has this one`}},
	{"a mount with a port", in("h:2049:/srv"), []string{`line 4: private.a.mounts.x: "h:2049:/srv" does not start with a host name or an address: take out the port`}},
	{"a mount with a port behind brackets", in("'[2001:db8::1]:2049:/srv'"), []string{`line 4: private.a.mounts.x: "[2001:db8::1]:2049:/srv" does not start with a host name or an address`}},
	{"a mount with a user", in("root@h:/srv"), []string{`line 4: private.a.mounts.x: "root@h:/srv" does not start with a host name or an address: take out what is before the @`}},
	{"a mount with a wildcard", in("'*.example.org:/srv'"), []string{`line 4: private.a.mounts.x: "*.example.org:/srv" does not start with a host name or an address: name one server, without wildcards`}},
	{"a mount with a question mark", in("'nfs?.example.org:/srv'"), []string{`line 4: private.a.mounts.x: "nfs?.example.org:/srv" does not start with a host name or an address: name one server`}},
	{"a mount with a space before it", in("' h:/srv'"), []string{`line 4: private.a.mounts.x: " h:/srv" has a space at its start or its end`}},
	{"a mount with a space behind it", in("'h:/srv '"), []string{`line 4: private.a.mounts.x: "h:/srv " has a space at its start or its end`}},
	{"a mount with a no-break space behind it", in("\"h:/srv\\u00a0\""), []string{`line 4: private.a.mounts.x: "h:/srv\u00a0" has a space at its start or its end`}},
	{"a mount on two lines", in("h:/a\n        h:/b"), []string{`line 4: private.a.mounts.x: "h:/a h:/b" is more than one mount: give each a name of its own`}},
	{"a mount in a block", in("|\n        h:/a"), []string{`line 4: private.a.mounts.x: "h:/a\n" has a control character`}},
	{"two mounts with a comma", in("h:/a,h:/b"), []string{`line 4: private.a.mounts.x: "h:/a,h:/b" is more than one mount`}},
	{"a control character in a key", "private:\n  \"a\\nb\": {}\n", []string{`line 2: private: key "a\nb" has a control character`}},
	{"a control character in a name", "private: {}\nopenstack: {cloud: \"a\\e[2J\"}\n", []string{`line 2: openstack.cloud: "a\x1b[2J" has a control character`}},
	{"credentials of no certain place", "private: {}\nopenstack: {credentials: novaobserver.yaml}\n", []string{`line 2: openstack.credentials: "novaobserver.yaml" does not start with a slash`}},

	{"options that contradict each other", "private:\n  a: {options: 'ro,rw'}\n  b: {options: 'sync,no_root_squash,root_squash'}\n  c: {options: 'sec=sys,rw,ro'}\n  d: {options: 'all_squash,sec=sys,ro,sec=krb5,rw,no_all_squash,all_squash'}\nexports: {options: 'async,rw,sync'}\n", []string{
		`line 2: private.a.options: "ro" and "rw" contradict each other`, `line 3: private.b.options: "no_root_squash" and "root_squash" contradict each other`,
		`line 4: private.c.options: "ro" and "rw" contradict each other`, `line 5: private.d.options: "all_squash" and "no_all_squash" contradict each other`,
		`line 6: exports.options: "async" and "sync" contradict each other`}},
	{"options that would not stay in their parentheses", "private:\n  a: {options: 'rw) *(rw'}\n  b: {options: 'rw,sync '}\n  c: {options: 'rw,,sync'}\n  d: {options: ''}\n  e: {options: 'rw,'}\n  f: {options: 'rw#'}\n  g: {options: 'rw\"'}\n  h: {options: 'rw\\'}\n  i: {options: [rw]}\n  j: {options: true}\n  k: {options: \"rw\\n\"}\n  l: {options: \"rw'\"}\n  m: {options: rwä}\n", []string{
		`line 2: private.a.options: option "rw) *(rw" has a character`,
		`line 3: private.b.options: option "sync " has a character`,
		`line 4: private.c.options: options "rw,,sync" have an empty one`,
		"line 5: private.d.options: must not be empty",
		`line 6: private.e.options: options "rw," have an empty one`,
		`line 7: private.f.options: option "rw#" has a character`,
		`line 8: private.g.options: option "rw\"" has a character`,
		`line 9: private.h.options: option "rw\\" has a character`,
		"line 10: private.i.options: must be text, not a list",
		"line 11: private.j.options: must be text, not true or false",
		`line 12: private.k.options: option "rw\n" has a character`,
		`line 13: private.l.options: option "rw'" has a character`,
		`line 14: private.m.options: option "rwä" has a character`,
	}},
	{"options that break exportfs", "private:\n  a: {options: 'rw,squash_uids=1'}\nexports: {options: 'squash_gids=1-5'}\n", []string{
		`line 2: private.a.options: option "squash_uids=1" is undocumented`, `line 3: exports.options: option "squash_gids=1-5" is undocumented`}},
	{"too many options", "private: {}\nexports:\n  options: rw" + strings.Repeat(",x=12345678", 43) + "\n", []string{"line 3: exports.options: has more characters than exportfs reads"}},

	{"a public line that is nothing", "public: {a: }\n", []string{"line 1: public.a: must be text, not nothing"}},
	{"a public line that is true", "public: {a: true}\n", []string{"line 1: public.a: must be text, not true or false"}},
	{"a public line that is a list", "public: {a: ['/srv *(ro)']}\n", []string{"line 1: public.a: must be text, not a list"}},
	{"no client", opened("/srv"), []string{`line 2: public.a: path "/srv" has no client: exportfs would open it to the world`}},
	{"no client but a comment", opened("/srv # x"), []string{`line 2: public.a: "#" is not CLIENT(OPTIONS)`}},
	{"a relative path", opened("srv *(ro)"), []string{`line 2: public.a: path "srv" must start with a slash`}},
	{"a path in quotes", opened(`"/srv" *(ro)`), []string{`line 2: public.a: path "\"/srv\"" must start with a slash`}},
	{"a path with an escape", opened(`/srv\040x *(ro)`), []string{`line 2: public.a: path "/srv\\040x" has a character`}},
	{"a path with two dots", opened("/srv/../etc *(ro)"), []string{`line 2: public.a: path "/srv/../etc" must not have ".."`}},
	{"a continuation", opened("/srv \\\n    *(ro)"), []string{`line 2: public.a: "\\" is not CLIENT(OPTIONS)`, `line 2: public.a: path "*(ro)" must start with a slash`}},
	{"default options", opened("/srv -ro 10.0.0.1(rw)"), []string{`line 2: public.a: "-ro" is not CLIENT(OPTIONS)`}},
	{"default options in parentheses", opened("/srv -ro(rw)"), []string{`line 2: public.a: client "-ro" starts with a dash`}},
	{"options without a client", opened("/srv (ro)"), []string{`line 2: public.a: "(ro)" is not CLIENT(OPTIONS)`}},
	{"a client without options", opened("/srv *"), []string{`line 2: public.a: "*" is not CLIENT(OPTIONS)`}},
	{"a space before the options", opened("/srv 10.0.0.1 (ro)"), []string{`line 2: public.a: "10.0.0.1" is not CLIENT(OPTIONS)`}},
	{"a space in the options", opened("/srv 10.0.0.1(ro, sync)"), []string{`line 2: public.a: "10.0.0.1(ro," is not CLIENT(OPTIONS)`}},
	{"no options in the parentheses", opened("/srv *()"), []string{`line 2: public.a: options are missing`}},
	{"an empty option", opened("/srv *(ro,)"), []string{`line 2: public.a: options "ro," have an empty one`}},
	{"options twice", opened("/srv *(ro)(rw)"), []string{`line 2: public.a: option "ro)(rw" has a character`}},
	{"text behind the parentheses", opened("/srv *(ro)x"), []string{`line 2: public.a: "*(ro)x" is not CLIENT(OPTIONS)`}},
	{"an option that breaks exportfs", opened("/srv *(ro,squash_uids=5)"), []string{`line 2: public.a: option "squash_uids=5" is undocumented`}},
	{"a hash sign in a client", opened("/srv 10.0.0.1#x(ro)"), []string{`line 2: public.a: client "10.0.0.1#x" has a character`}},
	{"a hash sign before a client", opened("/srv #10.0.0.1(ro)"), []string{`line 2: public.a: client "#10.0.0.1" has a character`}},
	{"an escape in a client", opened(`/srv @x\012/etc\011*(ro)`), []string{`line 2: public.a: client "@x\\012/etc\\011*" has a character`}},
	{"a quote in a client", opened(`/srv "*"(ro)`), []string{`line 2: public.a: client "\"*\"" has a character`}},
	{"a comma in a client", opened(`/srv a,b(ro)`), []string{`line 2: public.a: client "a,b" has a character`}},
	{"a client that is not ASCII", opened(`/srv ä(ro)`), []string{`line 2: public.a: client "ä" has a character`}},
	{"an address in brackets", opened("/srv [2001:db8::5](ro)"), []string{`line 2: public.a: client "[2001:db8::5]" is in brackets`}},
	{"an address with a zone", opened("/srv fe80::1%eth0(ro)"), []string{`line 2: public.a: client "fe80::1%eth0" is no address that a client can have`}},
	{"the unspecified addresses", opened("/srv 0.0.0.0(ro)\n    /srv :: (ro)\n    /srv ::(ro)"), []string{
		`line 2: public.a: client "0.0.0.0" is no address`, `line 2: public.a: "::" is not CLIENT(OPTIONS)`, `line 2: public.a: client "::" is no address`}},
	{"the unspecified address in the form of IPv6", opened("/srv ::ffff:0.0.0.0(ro)"), []string{`line 2: public.a: client "::ffff:0.0.0.0" is no address`}},
	{"networks of length 0", opened("/srv 0.0.0.0/0(ro)\n    /srv ::/0(ro)\n    /srv 10.0.0.0/0(ro)"), []string{
		`line 2: public.a: client "0.0.0.0/0": exportfs takes a length of 0 for the one address 0.0.0.0`, `line 2: public.a: client "::/0": exportfs`, `line 2: public.a: client "10.0.0.0/0": exportfs`}},
	{"networks that are none", opened("/srv 10/8(ro)\n    /srv 10.0.0.0/(ro)\n    /srv 10.0.0.0/33(ro)\n    /srv 10.0.0.0/24x(ro)\n    /srv 10.0.0.0/024(ro)\n    /srv host/24(ro)\n    /srv /24(ro)\n    /srv 2001:db8::/129(ro)"), []string{
		`line 2: public.a: client "10/8" is not a network`, `line 2: public.a: client "10.0.0.0/" is not a network`, `line 2: public.a: client "10.0.0.0/33" is not a network`,
		`line 2: public.a: client "10.0.0.0/24x" is not a network`, `line 2: public.a: client "10.0.0.0/024" is not a network`, `line 2: public.a: client "host/24" is not a network`,
		`line 2: public.a: client "/24" is not a network`, `line 2: public.a: client "2001:db8::/129" is not a network`}},
	// exportfs hands these to inet_aton(3), which reads 8.0.0.1 and 10.0.0.1,
	// or to a resolver that knows no such name and drops the client silently.
	{"an address with an octal number", opened("/srv 010.0.0.1(ro)"), []string{`line 2: public.a: client "010.0.0.1"`}},
	{"an address with two numbers", opened("/srv 10.1(ro)"), []string{`line 2: public.a: client "10.1"`}},
	{"an address as one number", opened("/srv 167772161(ro)"), []string{`line 2: public.a: client "167772161"`}},
	{"an address as one hexadecimal number", opened("/srv 0x0a000001(ro)"), []string{`line 2: public.a: client "0x0a000001"`}},
	{"an address as a number that is too large", opened("/srv 99999999999999999999(ro)"), []string{`line 2: public.a: client "99999999999999999999"`}},
	{"an address that is none", opened("/srv 10.0.0.300(ro)"), []string{`line 2: public.a: client "10.0.0.300"`}},
	{"a no-break space", "public:\n  a: \"/srv\\u00a0*(ro)\"\n", []string{`line 2: public.a: path`}},
	{"a token that exportfs cuts", opened("/srv *(ro" + strings.Repeat(",x=12345678", 50) + ")"), []string{`line 2: public.a: "*(ro,x=12345678,x=12"… has more than the 511 characters`}},
	{"public lines that disagree", "public:\n  a: /srv *(ro)\n  b: /srv/ *(rw)\n  c: /srv 10.0.0.1(ro) ::ffff:10.0.0.1(rw)\n", []string{
		`line 3: public.b: path "/srv" is already open to * with other options, in public.a`,
		`line 4: public.c: path "/srv" is already open to 10.0.0.1 with other options, in public.c`}},

	{"maintenance that is nothing", "private: {}\nmaintenance:\n", []string{"line 2: maintenance: must be true, false, a reason, or a mapping of reason and until; not nothing"}},
	{"maintenance that YAML 1.1 reads as a truth value", "private: {}\nmaintenance: no\n", []string{`line 2: maintenance: "no" is ambiguous`}},
	{"maintenance that is a truth value in quotes", "private: {}\nmaintenance: 'false'\n", []string{`line 2: maintenance: "false" is ambiguous`}},
	{"maintenance with a control character", "private: {}\nmaintenance: \"a\\e[2J\"\n", []string{`line 2: maintenance: "a\x1b[2J" has a control character`}},
	{"maintenance of spaces", "private: {}\nmaintenance: {reason: ' '}\n", []string{"line 2: maintenance.reason: must not be empty"}},
	{"maintenance that is empty", "private: {}\nmaintenance: ''\n", []string{`line 2: maintenance: "" is ambiguous`}},
	{"maintenance until an odd time", "private: {}\nmaintenance: {until: tomorrow}\n", []string{`line 2: maintenance.until: "tomorrow" is not a time as in RFC 3339`}},
	{"maintenance until a time without zone", "private: {}\nmaintenance: {until: 2030-01-31T18:00:00}\n", []string{`line 2: maintenance.until: "2030-01-31T18:00:00" is not a time`}},
	{"maintenance until a day", "private: {}\nmaintenance: {until: 2030-01-31}\n", []string{`line 2: maintenance.until: "2030-01-31" is not a time`}},
	{"maintenance with nothing in it", "private: {}\nmaintenance: {reason: , until: }\n", []string{"line 2: maintenance.reason: must be text, not nothing", "line 2: maintenance.until: must be text, not nothing"}},

	{"openstack", "private: {}\nopenstack:\n  cloud: ''\n  credentials: [a]\n  domain:\n  regions: east\n  networks: []\n  listing: all\n", []string{
		"line 3: openstack.cloud: must not be empty", "line 4: openstack.credentials: must be text, not a list", "line 5: openstack.domain: must be text, not nothing",
		"line 6: openstack.regions: must be a list, not text", "line 7: openstack.networks: the list is empty: take the key out to mean all",
		`line 8: openstack.listing: "all" is not one of auto, all-projects and per-project`}},
	{"lists", "private: {}\nopenstack:\n  regions:\n    - east\n    - west\n    - east\n  networks: [a, '', [b], true]\n", []string{
		`line 6: openstack.regions: "east" is there twice`, "line 7: openstack.networks[1]: must not be empty", "line 7: openstack.networks[2]: must be text, not a list", "line 7: openstack.networks[3]: must be text, not true or false"}},
	{"a list that is nothing", "private: {}\nopenstack: {regions: }\n", []string{"line 2: openstack.regions: must be a list, not nothing"}},
	{"a mapping for a list", "private: {}\nopenstack: {regions: {}}\n", []string{"line 2: openstack.regions: must be a list, not a mapping"}},
	{"listing that is nothing", "private: {}\nopenstack: {listing: }\n", []string{"line 2: openstack.listing: must be text, not nothing"}},
	{"concurrency of none", "private: {}\nopenstack: {concurrency: 0}\n", []string{"line 2: openstack.concurrency: must be a whole number from 1 to 32, in decimal digits alone and without quotes, not \"0\""}},
	{"concurrency of too many", "private: {}\nopenstack: {concurrency: 33}\n", []string{"line 2: openstack.concurrency: must be a whole number from 1 to 32"}},
	{"concurrency of all", "private: {}\nopenstack: {concurrency: all}\n", []string{"line 2: openstack.concurrency: must be a whole number from 1 to 32"}},
	{"safety", "private: {}\nsafety:\n  max_removed: -1\n  max_removed_percent: 101\n", []string{
		"line 3: safety.max_removed: must be a whole number from 0 to 2147483647", "line 4: safety.max_removed_percent: must be a whole number from 0 to 100"}},
	{"safety in text", "private: {}\nsafety:\n  max_removed: ten\n  max_removed_percent: 25%\n", []string{"line 3: safety.max_removed: must be", "line 4: safety.max_removed_percent: must be"}},
	{"options of the file", "private: {}\nexports: {options: 'rw sync'}\n", []string{`line 2: exports.options: option "rw sync" has a character`}},

	{"problems in the order of their lines", "safety:\n  max_removed: x\nexports: {options: ''}\nprivate:\n  a: {gid: x}\npublic:\n  a: /srv\nunknown: 5\n", []string{
		"line 2: safety.max_removed", "line 3: exports.options", "line 5: private.a.gid", "line 7: public.a", `line 8: unknown key "unknown"`}},
	{"more problems than anybody reads", "private:\n" + strings.Repeat("  ~: {}\n", 60), append(slices.Repeat([]string{"line "}, 50), "and 10 more")},
	{"as many problems as are shown", "private:\n" + strings.Repeat("  ~: {}\n", 50), slices.Repeat([]string{"line "}, 50)},
}

func TestParseConfigProblems(t *testing.T) {
	for _, tt := range badConfigs {
		t.Run(tt.name, func(t *testing.T) {
			config, err := exports.ParseConfig([]byte(tt.text))
			var problems *exports.ConfigError
			if !errors.As(err, &problems) {
				t.Fatalf("got %+v and error %v, want a ConfigError", config, err)
			}
			if config != nil {
				t.Errorf("there is a configuration beside the error: %+v", config)
			}
			var got []string
			for _, p := range problems.Problems {
				got = append(got, p.String())
			}
			ok := len(got) == len(tt.want)
			for i := range min(len(got), len(tt.want)) {
				ok = ok && strings.HasPrefix(got[i], tt.want[i])
			}
			if !ok {
				t.Errorf("problems (-beginnings wanted +got):\n%s", cmp.Diff(tt.want, got))
			}
		})
	}
}

// TestParseConfigShortensProblems: whatever stands in the file, a problem stays
// readable, and is cut between letters.
func TestParseConfigShortensProblems(t *testing.T) {
	for _, letters := range []string{"x", "ä", "xä", "xxä", "日", "x日", "xx日", "\U0001F5FF", "x\U0001F5FF"} {
		long := strings.Repeat(letters, 3000)
		for what, text := range map[string]string{
			"key of a project": "private:\n  ? " + long + "\n  : {gid: x}\n",
			"mount":            in(long),
			"unknown key":      "private: {}\n? " + long + "\n: x\n",
		} {
			_, err := exports.ParseConfig([]byte(text))
			if err == nil {
				t.Errorf("%s of %q: no error", what, letters)
				continue
			}
			if got := err.Error(); len(got) > 1000 || !utf8.ValidString(got) || !strings.HasPrefix(got, "line ") {
				t.Errorf("%s of %q: %d bytes, valid UTF-8: %t: %q", what, letters, len(got), utf8.ValidString(got), got)
			}
		}
	}
}

// TestParseConfigSyntaxLines: where YAML itself is wrong there is a line, too,
// although the library's is at times that of the block around the mistake.
func TestParseConfigSyntaxLines(t *testing.T) {
	for _, text := range []string{
		"private:\n  a: b: c\n", "private:\n  a: {}\n b: {}\n", "private: [\n", "private:\n  a: *x\n", "private: {}\n  x\n", "private: {}\n%\n",
	} {
		_, err := exports.ParseConfig([]byte(text))
		var problems *exports.ConfigError
		if !errors.As(err, &problems) || len(problems.Problems) != 1 {
			t.Errorf("%q: got %v, want one problem", text, err)
			continue
		}
		if strings.Contains(err.Error(), "yaml:") {
			t.Errorf("%q: %q names a library", text, err)
		}
	}
}

// TestParseConfigSameProblemsEveryTime: a report whose order changes from run
// to run looks like news.
func TestParseConfigSameProblemsEveryTime(t *testing.T) {
	text := []byte("private: {}\nopenstack: {cloud: [], credentials: [], domain: [], regions: a, networks: b, listing: c}\nsafety: {max_removed: a, max_removed_percent: b}\n")
	_, first := exports.ParseConfig(text)
	if first == nil {
		t.Fatal("no error")
	}
	for range 50 {
		if _, err := exports.ParseConfig(text); err.Error() != first.Error() {
			t.Fatalf("once\n%v\nand once\n%v", first, err)
		}
	}
}

// TestParseConfigBombs: aliases that stand for more than fits into memory, and
// other files that cost much, end soon. What counts is the memory in all, not
// the time, as machines differ and memory bounds it.
func TestParseConfigBombs(t *testing.T) {
	lines := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i, i)
		}
		return b.String()
	}
	tests := []struct {
		name, text, want string
	}{
		{"a thousand million laughs", func() string {
			text := "a: &a [x,x,x,x,x,x,x,x,x]\n"
			for c := 'b'; c <= 'i'; c++ {
				text += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 9))
			}
			return text + "private: *i\n"
		}(), "must be a mapping"},
		{"mounts", "private:\n  a: &a\n    mounts:\n" + lines("      m%d: h:/p/%d\n", 5000) + lines("  p%[1]d: *a\n", 10000), "too large"},
		{"unknown keys", "private:\n  a: &a\n" + lines("    m%[1]d: h\n", 10000) + lines("  p%[1]d: *a\n", 10000), "more"},
		{"public lines", "public:\n  a: &a |\n" + lines("    /srv/%[1]d *(ro)\n", 1100) + lines("  p%[1]d: *a\n", 1100), "too large"},
		{"clients of a public line", "public:\n  a: &a '/srv" + strings.Repeat(" *(ro)", 1100) + "'\n" + lines("  p%[1]d: *a\n", 1100), "too large"},
		{"a list of aliases", "private: {}\nopenstack:\n  cloud: &a " + strings.Repeat("x", 50000) + "\n  regions: [" + strings.Repeat("*a,", 5000) + "]\n", ""},
		{"depth", "private: " + strings.Repeat("[", 200000), ""},
		{"an alias within itself", "private: &a\n  x: *a\n", `unknown key "x"`},
		{"a long list", "private: {}\nopenstack:\n  regions: [" + lines("r%[1]d,", 90000) + "x, x]\n", "twice"},
		{"a long key", "? " + strings.Repeat("x", 200000) + "\n: y\n", "unknown key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := exports.ParseConfig([]byte(tt.text))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("no error")
			} else if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.200q, want something about %q", err, tt.want)
			}
			if err != nil && len(err.Error()) > 1<<20 {
				t.Errorf("the report has %d bytes", len(err.Error()))
			}
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 500 {
				t.Errorf("took %d MB in all, for a file of %d kB", used, len(tt.text)>>10)
			}
			if took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestParseConfigLengths has the last length that exportfs reads, and one more.
func TestParseConfigLengths(t *testing.T) {
	tests := []struct {
		name string
		most int
		text func(n int) string
	}{
		{"a token of a public line", 511, func(n int) string { return opened("/srv *(" + strings.Repeat("x", n-len("*()")) + ")") }},
		{"a path of a public line", 1023, func(n int) string { return opened("/" + strings.Repeat("x", n-1) + " *(ro)") }},
		{"a path of a mount", 1023, func(n int) string { return in("h:/" + strings.Repeat("x", n-1)) }},
		{"options of a project", 470, func(n int) string { return "private:\n  a: {options: " + strings.Repeat("x", n) + "}\n" }},
		{"options of the file", 470, func(n int) string { return "private: {}\nexports: {options: " + strings.Repeat("x", n) + "}\n" }},
		{"the file", 4 << 20, func(n int) string { return "private: {}\n#" + strings.Repeat("x", n-len("private: {}\n#")) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := exports.ParseConfig([]byte(tt.text(tt.most))); err != nil {
				t.Errorf("%d bytes: %v", tt.most, err)
			}
			if _, err := exports.ParseConfig([]byte(tt.text(tt.most + 1))); err == nil {
				t.Errorf("%d bytes are taken", tt.most+1)
			}
		})
	}
}

func TestMaintenance(t *testing.T) {
	day := time.Date(2030, 1, 31, 18, 0, 0, 0, time.UTC)
	tests := []struct {
		name, value string
		want        exports.Maintenance
	}{
		{"true", "true", exports.Maintenance{On: true}},
		{"true in capitals", "TRUE", exports.Maintenance{On: true}},
		{"false", "false", exports.Maintenance{}},
		{"text", "moving house", exports.Maintenance{On: true, Reason: "moving house"}},
		{"text on several lines", `"moving\n house\n"`, exports.Maintenance{On: true, Reason: "moving house"}},
		{"a reason on several lines", `{reason: "moving\r\n\thouse "}`, exports.Maintenance{On: true, Reason: "moving house"}},
		{"a number is text", "12345", exports.Maintenance{On: true, Reason: "12345"}},
		{"an empty mapping", "{}", exports.Maintenance{On: true}},
		{"a reason", "{reason: moving house}", exports.Maintenance{On: true, Reason: "moving house"}},
		{"an end", "{until: 2030-01-31T18:00:00Z}", exports.Maintenance{On: true, Until: day}},
		{"an end in quotes", "{until: '2030-01-31T19:00:00+01:00'}", exports.Maintenance{On: true, Until: day}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config, err := exports.ParseConfig([]byte("private: {}\nmaintenance: " + tt.value + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, config.Maintenance, cmpopts.EquateApproxTime(0)); diff != "" {
				t.Errorf("in the configuration (-want +got):\n%s", diff)
			}
			var document yaml.Node
			if err := yaml.Unmarshal([]byte(tt.value), &document); err != nil {
				t.Fatal(err)
			}
			got, err := exports.ParseMaintenance(document.Content[0])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateApproxTime(0)); diff != "" {
				t.Errorf("ParseMaintenance (-want +got):\n%s", diff)
			}
		})
	}

	if m, err := exports.ParseMaintenance(nil); err != nil || m.On {
		t.Errorf("without a node: %+v, %v", m, err)
	}
	_, err := exports.ParseMaintenance(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "off", Line: 7})
	var problems *exports.ConfigError
	if !errors.As(err, &problems) || problems.Problems[0].Line != 7 {
		t.Errorf("off: got %v, want a ConfigError of line 7", err)
	}
}

func TestMaintenanceHolds(t *testing.T) {
	until := time.Date(2030, 1, 31, 18, 0, 0, 0, time.UTC)
	tests := []struct {
		name           string
		m              exports.Maintenance
		now            time.Time
		holds, expired bool
	}{
		{"off", exports.Maintenance{}, until, false, false},
		{"off with an end", exports.Maintenance{Until: until}, until.Add(time.Hour), false, false},
		{"on", exports.Maintenance{On: true}, until, true, false},
		{"before the end", exports.Maintenance{On: true, Until: until}, until.Add(-time.Nanosecond), true, false},
		{"at the end", exports.Maintenance{On: true, Until: until}, until, false, true},
		{"after the end", exports.Maintenance{On: true, Until: until}, until.Add(time.Hour), false, true},
		{"in another zone", exports.Maintenance{On: true, Until: until}, until.In(time.FixedZone("", 3600)), false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.m.Holds(tt.now); got != tt.holds {
				t.Errorf("holds is %t", got)
			}
			if got := tt.m.Expired(tt.now); got != tt.expired {
				t.Errorf("expired is %t", got)
			}
		})
	}
}

func TestCanonicalHost(t *testing.T) {
	long := strings.Repeat("a", 63)
	tests := []struct {
		name, want string
		ok         bool
	}{
		{"nfs.example.org", "nfs.example.org", true},
		{"NFS.Example.ORG.", "nfs.example.org", true},
		{"a", "a", true},
		{"a_b.c-d.e1", "a_b.c-d.e1", true},
		{long + ".org", long + ".org", true},
		{strings.Repeat(long+".", 3) + strings.Repeat("b", 61), strings.Repeat(long+".", 3) + strings.Repeat("b", 61), true},
		{strings.Repeat(long+".", 3) + strings.Repeat("b", 62), "", false},
		{long + "a.org", "", false},
		{"", "", false},
		{".", "", false},
		{"..", "", false},
		{"a..b", "", false},
		{".a", "", false},
		{"a..", "", false},
		{"-a.org", "", false},
		{"a-.org", "", false},
		{"a b", "", false},
		{"a/b", "", false},
		{"a\x00b", "", false},
		{"ä.org", "", false},
		{"\u212a.org", "", false}, // the Kelvin sign, whose lower case is k
		{"a:b", "", false},
		{"a%b", "", false},
		{"*", "", false},
		{"[a]", "", false},
		{"@a", "", false},
		{"a`b", "", false},
		{"a{b", "", false},
	}
	for _, tt := range tests {
		if got, ok := exports.CanonicalHost(tt.name); got != tt.want || ok != tt.ok {
			t.Errorf("CanonicalHost(%q) = %q, %t, want %q, %t", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestProblemString(t *testing.T) {
	tests := []struct {
		problem exports.Problem
		want    string
	}{
		{exports.Problem{Line: 3, Field: "private.tools", Message: "odd"}, "line 3: private.tools: odd"},
		{exports.Problem{Line: 3, Message: "odd"}, "line 3: odd"},
		{exports.Problem{Field: "a", Message: "odd"}, "a: odd"},
		{exports.Problem{Message: "odd"}, "odd"},
	}
	for _, tt := range tests {
		if got := tt.problem.String(); got != tt.want {
			t.Errorf("%+v is written %q, want %q", tt.problem, got, tt.want)
		}
	}
	one := &exports.ConfigError{Problems: []exports.Problem{{Line: 1, Message: "odd"}}}
	two := &exports.ConfigError{Problems: []exports.Problem{{Line: 1, Message: "odd"}, {Line: 2, Field: "a", Message: "even"}}}
	if got := one.Error(); got != "line 1: odd" {
		t.Errorf("one problem is written %q", got)
	}
	if got := two.Error(); got != "2 problems:\n  line 1: odd\n  line 2: a: even" {
		t.Errorf("two problems are written %q", got)
	}
}

// checkConfig is what holds of every configuration that ParseConfig gives.
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
			} else if host, ok := exports.CanonicalHost(m.Host); !ok || host != m.Host {
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
