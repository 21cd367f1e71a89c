package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports/config"
	"nfs-exportd/yamlfile"
)

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
	{"allow_nested in text", "private: {}\nexports: {allow_nested: 'true'}\n", []string{`line 2: exports.allow_nested: must be true or false, without quotes, not "true"`}},
	{"allow_nested as YAML 1.1 has it", "private: {}\nexports: {allow_nested: yes}\n", []string{`line 2: exports.allow_nested: must be true or false, without quotes, not "yes"`}},
	{"allow_nested as a number", "private: {}\nexports: {allow_nested: 1}\n", []string{`line 2: exports.allow_nested: must be true or false, without quotes, not "1"`}},
	{"allow_nested empty", "private: {}\nexports: {allow_nested: }\n", []string{"line 2: exports.allow_nested: must be true or false, without quotes, not nothing"}},
	{"safety in text", "private: {}\nsafety:\n  max_removed: ten\n  max_removed_percent: 25%\n", []string{"line 3: safety.max_removed: must be", "line 4: safety.max_removed_percent: must be"}},
	{"options of the file", "private: {}\nexports: {options: 'rw sync'}\n", []string{`line 2: exports.options: option "rw sync" has a character`}},

	{"problems in the order of their lines", "safety:\n  max_removed: x\nexports: {options: ''}\nprivate:\n  a: {gid: x}\npublic:\n  a: /srv\nunknown: 5\n", []string{
		"line 2: safety.max_removed", "line 3: exports.options", "line 5: private.a.gid", "line 7: public.a", `line 8: unknown key "unknown"`}},
	{"more problems than anybody reads", "private:\n" + strings.Repeat("  ~: {}\n", 60), append(slices.Repeat([]string{"line "}, 50), "and 10 more")},
	{"as many problems as are shown", "private:\n" + strings.Repeat("  ~: {}\n", 50), slices.Repeat([]string{"line "}, 50)},
}

func TestParseProblems(t *testing.T) {
	for _, tt := range badConfigs {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Parse([]byte(tt.text))
			var problems *config.Error
			if !errors.As(err, &problems) {
				t.Fatalf("got %+v and error %v, want an Error", c, err)
			}
			if c != nil {
				t.Errorf("there is a configuration beside the error: %+v", c)
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

// TestParseShortensProblems: whatever stands in the file, a problem stays
// readable, and is cut between letters.
func TestParseShortensProblems(t *testing.T) {
	for _, letters := range []string{"x", "ä", "xä", "xxä", "日", "x日", "xx日", "\U0001F5FF", "x\U0001F5FF"} {
		long := strings.Repeat(letters, 3000)
		for what, text := range map[string]string{
			"key of a project": "private:\n  ? " + long + "\n  : {gid: x}\n",
			"mount":            in(long),
			"unknown key":      "private: {}\n? " + long + "\n: x\n",
		} {
			_, err := config.Parse([]byte(text))
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

// TestParseSyntaxLines: where YAML itself is wrong there is a line, too,
// although the library's is at times that of the block around the mistake.
func TestParseSyntaxLines(t *testing.T) {
	for _, text := range []string{
		"private:\n  a: b: c\n", "private:\n  a: {}\n b: {}\n", "private: [\n", "private:\n  a: *x\n", "private: {}\n  x\n", "private: {}\n%\n",
	} {
		_, err := config.Parse([]byte(text))
		var problems *config.Error
		if !errors.As(err, &problems) || len(problems.Problems) != 1 {
			t.Errorf("%q: got %v, want one problem", text, err)
			continue
		}
		if _, syntax := yamlfile.ParseDocument([]byte(text)); problems.Problems[0].String() != syntax.Error() {
			t.Errorf("%q: got %v, want %v", text, err, syntax)
		}
		if strings.Contains(err.Error(), "yaml:") {
			t.Errorf("%q: %q names a library", text, err)
		}
	}
}

// TestParseSameProblemsEveryTime: a report whose order changes from run
// to run looks like news.
func TestParseSameProblemsEveryTime(t *testing.T) {
	text := []byte("private: {}\nopenstack: {cloud: [], credentials: [], domain: [], regions: a, networks: b, listing: c}\nsafety: {max_removed: a, max_removed_percent: b}\n")
	_, first := config.Parse(text)
	if first == nil {
		t.Fatal("no error")
	}
	for range 50 {
		if _, err := config.Parse(text); err.Error() != first.Error() {
			t.Fatalf("once\n%v\nand once\n%v", first, err)
		}
	}
}

func TestProblemString(t *testing.T) {
	tests := []struct {
		problem config.Problem
		want    string
	}{
		{config.Problem{Line: 3, Field: "private.tools", Message: "odd"}, "line 3: private.tools: odd"},
		{config.Problem{Line: 3, Message: "odd"}, "line 3: odd"},
		{config.Problem{Field: "a", Message: "odd"}, "a: odd"},
		{config.Problem{Message: "odd"}, "odd"},
	}
	for _, tt := range tests {
		if got := tt.problem.String(); got != tt.want {
			t.Errorf("%+v is written %q, want %q", tt.problem, got, tt.want)
		}
	}
	one := &config.Error{Problems: []config.Problem{{Line: 1, Message: "odd"}}}
	two := &config.Error{Problems: []config.Problem{{Line: 1, Message: "odd"}, {Line: 2, Field: "a", Message: "even"}}}
	if got := one.Error(); got != "line 1: odd" {
		t.Errorf("one problem is written %q", got)
	}
	if got := two.Error(); got != "2 problems:\n  line 1: odd\n  line 2: a: even" {
		t.Errorf("two problems are written %q", got)
	}
}
