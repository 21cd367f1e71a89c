package exports_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"nfs-exportd/exports"
)

// brokenYAML is what keeps a text from being one YAML document. A person who
// opens an editor at the line must see the mistake there.
var brokenYAML = []struct {
	name, text string
	line       int
	says       string
}{
	{"a colon in a value", "private:\n  a: b: c\n", 2, "put text with a colon in it in quotes"},
	{"a colon in a value, further down", "# c\n# c\nprivate:\n  a:\n    mounts:\n      x: h: /srv\n  b: {}\n", 6, "put text with a colon in it in quotes"},
	{"too little indentation", "private:\n  a: {}\n b: {}\n", 3, "look at the indentation, from line 1 on"},
	{"too much indentation", "private: {}\n  x\n", 2, "this is not YAML"},
	{"too much indentation of a key", "private:\n  a: {}\n    b: {}\n", 3, "look at the indentation"},
	{"a key beside a list", "openstack:\n  regions:\n  - a\n  b: c\n  d\n", 5, "a key needs a colon behind it"},
	{"a list beside a key", "private: {}\n- x\n", 2, "look at the indentation"},
	{"a key without a colon", "private:\n  a\n  b: {}\n", 3, "and at the line above"},
	{"a key without a colon at the end", "private:\n  b: {}\n  a\n", 3, "a key needs a colon behind it"},
	{"a bracket that is not closed", "openstack:\n  regions: [a, b\n  domain: d\n", 3, "opened in line 2 and not closed"},
	{"a bracket that is not closed, to the end", "private: {}\nopenstack:\n  regions: [a, b\n", 3, "never closed"},
	{"a bracket that is only opened", "private: {}\nopenstack:\n  regions: [\n\n\n", 3, "never closed"},
	{"a brace that is not closed", "private:\n  a: {gid: 1\n  b: {gid: 2}\n", 3, "opened in line 2 and not closed"},
	{"a brace that is not closed, to the end", "private:\n  a: {gid: 1\n", 2, "never closed"},
	{"a bracket that is not opened", "private:\n  a: {}\n  b: ]\n", 3, "this is not YAML"},
	{"a single quote that is not closed", "private:\n  a: {options: 'ro}\n  b: {}\n  c: {}\n", 2, "never closed"},
	{"a double quote that is not closed", "public:\n  a: \"/srv *(ro)\n  b: /srv *(ro)\n", 2, "never closed"},
	{"text behind a quote", "public:\n  a: '/srv' *(ro)\n", 2, "this is not YAML"},
	{"an unknown escape", "public:\n  a: \"/srv\\q\"\n", 2, "unknown escape"},
	{"a star", "public:\n  a: *(ro)\n", 2, "this is not YAML"},
	{"an alias of nothing", "private:\n  a: *b\n", 2, `put text that begins with "*" in quotes`},
	{"an alias above its anchor", "private:\n  a: *b\n  b: &b {}\n", 2, "no anchor of this name is above"},
	{"an at sign", "public:\n  b: /srv *(ro)\n  a: @group\n", 3, "put text that begins with this character in quotes"},
	{"a backquote", "private:\n  a: `x`\n", 2, "put text that begins with this character in quotes"},
	{"a percent sign", "private: {}\n%\n", 2, "directive"},
	{"a tag of nobody", "private:\n  a: !x!y z\n", 2, "undefined tag handle"},
	{"another version of YAML", "%YAML 3.0\n---\nprivate: {}\n", 1, "incompatible"},
	{"a block with an odd head", "public:\n  a: |x\n   /srv *(ro)\n", 2, "this is not YAML"},
	{"a broken second document", "private: {}\n---\nx: [\n", 3, "never closed"},
	{"two documents", "# c\nprivate: {}\n---\nprivate: {}\n", 3, `take out the "---" between them`},
	{"depth", "private:\n  a: " + strings.Repeat("[", 100_000), 2, "exceeded max depth"},
	{"depth of mappings", "private:\n  a: " + strings.Repeat("{x: ", 100_000), 2, "exceeded max depth"},

	{"a tab", "private:\n\ta: {}\n", 2, "indent with spaces, not with tabs"},
	{"a tab behind spaces", "private:\n  a:\n  \tgid: 1\n", 3, "indent with spaces, not with tabs"},
	{"a tab behind text", "public:\n  b: /srv *(ro)\n\ta: x\n", 3, "indent with spaces, not with tabs"},
	{"a tab in a list", "openstack:\n  regions:\n  - a\n\t- b\n", 4, "indent with spaces, not with tabs"},
	{"a tab in a block", "public:\n  a: |\n    /srv *(ro)\n\t/pub *(ro)\n", 4, "indent with spaces, not with tabs"},

	{"UTF-16, little end first", "\xff\xfep\x00:\x00\n\x00", 1, "UTF-16"},
	{"UTF-16, big end first", "\xfe\xff\x00p\x00:\x00\n", 1, "UTF-16"},
	{"UTF-16 without a mark", "p\x00:\x00 \x00{\x00}\x00\n\x00", 1, "U+0000"},
	{"Latin-1", "private:\n  # caf\xe9\n", 2, "save the file as UTF-8"},
	{"half a letter at the end", "private:\n  a: {} # \xc3", 2, "save the file as UTF-8"},
	{"a surrogate", "private:\n  a: {} # \xed\xa0\x80", 2, "save the file as UTF-8"},
	{"NUL", "private: {}\n\n\x00\n", 3, "U+0000"},
	{"a bell", "private: {}\r\n# \x07\r\n", 2, "U+0007"},
	{"an escape sequence", "private:\r  a: {} # \x1b[31m\r", 2, "U+001B"},
	{"DEL", "private:\n  a\x7f: {}\n", 2, "U+007F"},
	{"a next line", "private:\n  a: {}\u0085  b: {}\n", 2, "U+0085"},
	{"a line separator", "private:\n  a: {}\u2028  b: {}\n", 2, "U+2028"},
	{"a paragraph separator", "private:\n  a: {}\u2029  b: {}\n", 2, "U+2029"},
	{"a second byte order mark", "private:\n\ufeff  a: {}\n", 2, "U+FEFF"},
	{"no character", "private:\n  a: \uffff\n", 2, "U+FFFF"},
}

func TestParseDocumentLines(t *testing.T) {
	for _, tt := range brokenYAML {
		t.Run(tt.name, func(t *testing.T) {
			_, err := exports.ParseDocument([]byte(tt.text))
			syntax, ok := errors.AsType[*exports.SyntaxError](err)
			if !ok {
				t.Fatalf("got %v, want a SyntaxError", err)
			}
			if syntax.Line != tt.line || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %q, want line %d and %q", err, tt.line, tt.says)
			}
			checkSyntaxError(t, syntax, tt.text)

			// The same through the one that people call.
			_, err = exports.ParseConfig([]byte(tt.text))
			problems, ok := errors.AsType[*exports.ConfigError](err)
			if !ok || len(problems.Problems) != 1 || problems.Problems[0].String() != syntax.Error() {
				t.Errorf("ParseConfig: got %v, want %v", err, syntax)
			}
		})
	}
}

// checkSyntaxError is what holds of every SyntaxError.
func checkSyntaxError(t *testing.T, e *exports.SyntaxError, text string) {
	t.Helper()
	if n := len(editorLines(text)); e.Line < 0 || e.Line > n {
		t.Errorf("line %d is not in a file of %d lines", e.Line, n)
	}
	if e.Message == "" || strings.ContainsFunc(e.Error(), unicode.IsControl) || strings.Contains(e.Error(), "go-yaml") {
		t.Errorf("said %q", e)
	}
}

// editorLines are the lines of a text as an editor numbers them.
func editorLines(text string) []string {
	return strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
}

// TestSyntaxErrorKeepsSecrets: the part of a SyntaxError that is for files with
// secrets holds nothing of the text, wherever the text is broken.
func TestSyntaxErrorKeepsSecrets(t *testing.T) {
	const canary = "gehe1m"
	breaks := []string{"'", `"`, "[", "{", "*", "&", "!", "!x!", "%", "@", "`", "\t", "|", ">9", ": b: ", "\\q", "\x00", "\xff", "? ", "- ", "\n---\n", "\n%", "\n  ", "\n\t"}
	broken := 0
	for _, before := range breaks {
		for _, after := range append([]string{""}, breaks...) {
			for _, format := range []string{"OS_PASSWORD: %s\n", "a: 1\nOS_PASSWORD: \"%s\"\n", "? %s\n: x\n", "a: {b: %s}\n", "a:\n - %s\n"} {
				text := fmt.Sprintf(format, before+canary+after)
				_, err := exports.ParseDocument([]byte(text))
				if err == nil {
					continue
				}
				broken++
				syntax, ok := errors.AsType[*exports.SyntaxError](err)
				if !ok || strings.Contains(syntax.Message, canary) {
					t.Errorf("%q: %v", text, err)
				}
			}
		}
	}
	if broken < 500 {
		t.Errorf("only %d texts were broken", broken)
	}
}

// TestParseDocumentTakes: what looks odd and is one document all the same.
func TestParseDocumentTakes(t *testing.T) {
	for _, text := range []string{
		"\ufeffprivate: {}\n", "private: {}\r\n", "private: {}\r", "private: {} # \t tabs \t\n\t\n", "{\n\t\"private\": {}\n}\n",
		"private: {}\n...\n", "private: {} # ü 日 \U0001F5FF \u00a0\n", "%YAML 1.1\n---\nprivate: {}\n", "private: {}\n---", "~",
	} {
		_, err := exports.ParseDocument([]byte(text))
		if wrong := strings.HasSuffix(text, "---"); (err != nil) != wrong {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestUnknownKeys has the mistakes that people make with keys, and what is
// said to them.
func TestUnknownKeys(t *testing.T) {
	levels := map[string]string{
		"top": "public: {}\n%s: 1\n", "project": "private:\n  a: {%s: 1}\n", "maintenance": "private: {}\nmaintenance: {%s: 1}\n",
		"openstack": "private: {}\nopenstack: {%s: 1}\n", "exports": "private: {}\nexports: {%s: 1}\n", "safety": "private: {}\nsafety: {%s: 1}\n",
	}
	for _, tt := range []struct{ level, key, want string }{
		{"top", "privat", `, did you mean "private"?`},
		{"top", "Private", `, did you mean "private"?`},
		{"top", "pubic", `, did you mean "public"?`},
		{"top", "projects", ": known here are public, private"},
		{"top", "maintenence", `, did you mean "maintenance"?`},
		{"top", "openStack", `, did you mean "openstack"?`},
		{"top", "open_stack", `, did you mean "openstack"?`},
		{"top", "export", `, did you mean "exports"?`},
		{"top", "safty", `, did you mean "safety"?`},
		{"top", "max_removed", ": it belongs under safety"},
		{"top", "max_remove", `, did you mean "max_removed", which belongs under safety?`},
		{"top", "options", ": it belongs under a project of private or under exports"},
		{"top", "cloud", ": it belongs under openstack"},
		{"top", "reason", ": it belongs under maintenance"},
		{"project", "mount", `, did you mean "mounts"?`},
		{"project", "gids", `, did you mean "gid"?`},
		{"project", "GID", `, did you mean "gid"?`},
		{"project", "uid", `, did you mean "gid"?`},
		{"project", "option", `, did you mean "options"?`},
		{"project", "maintenance", ": it belongs at the top of the file"},
		{"project", "id", `, did you mean "gid"?`},
		{"project", "name", ": known here are gid, mounts, options"},
		{"maintenance", "untill", `, did you mean "until"?`},
		{"maintenance", "until ", `, did you mean "until"?`},
		{"maintenance", "end", ": known here are reason, until"},
		{"openstack", "region", `, did you mean "regions"?`},
		{"openstack", "network", `, did you mean "networks"?`},
		{"openstack", "listings", `, did you mean "listing"?`},
		{"openstack", "credential", `, did you mean "credentials"?`},
		{"openstack", "clouds", `, did you mean "cloud"?`},
		{"openstack", "os_cloud", ": known here are cloud"},
		{"exports", "opts", ": known here are options"},
		{"exports", "option", `, did you mean "options"?`},
		{"exports", "public", ": it belongs at the top of the file"},
		{"safety", "removed_max", `, did you mean "max_removed"?`},
		{"safety", "max-removed", `, did you mean "max_removed"?`},
		{"safety", "maxRemoved", `, did you mean "max_removed"?`},
		{"safety", "max_remove", `, did you mean "max_removed"?`},
		{"safety", "max_removed_percents", `, did you mean "max_removed_percent"?`},
		{"safety", "percent_max_removed", `, did you mean "max_removed_percent"?`},
		{"safety", "max", ": known here are max_removed, max_removed_percent"},
	} {
		_, err := exports.ParseConfig(fmt.Appendf(nil, levels[tt.level], "'"+tt.key+"'"))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("unknown key %q%s", tt.key, tt.want)) || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%s of %s: got %v, want %q", tt.key, tt.level, err, tt.want)
		}
	}
}

// typedKeys are all keys there are, with a document around a value that stands
// in the last line, what a wrong value is told, and the values that are right.
var typedKeys = []struct {
	field, text, wants string
	takes              []string
}{
	{"", "%s\n", "must be a mapping", nil},
	{"public", "private: {}\npublic: %s\n", "must be a mapping", []string{"null", "~", "{}"}},
	{"public.a", "public:\n  a: %s\n", "must be text|must start with a slash|must not be empty", nil},
	{"private", "public: {}\nprivate: %s\n", "must be a mapping", []string{"null", "~", "{}"}},
	{"private.a", "private:\n  a: %s\n", "must be a mapping", []string{"null", "~", "{}"}},
	{"private.a.gid", "private:\n  a:\n    gid: %s\n", "must be a whole number from 0 to 4294967294", []string{"0"}},
	{"private.a.options", "private:\n  a:\n    options: %s\n", "must be text|must not be empty", []string{"0", "1.5", "text", "yes", "'true'", "2024-01-01", "010", "1e3"}},
	{"private.a.mounts", "private:\n  a:\n    mounts: %s\n", "must be a mapping", []string{"null", "~", "{}"}},
	{"private.a.mounts.x", "private:\n  a:\n    mounts:\n      x: %s\n", "must be HOST:/PATH, true or false|is not HOST:/PATH, nor true or false|must not be empty", []string{"true", "FALSE"}},
	{"maintenance", "private: {}\nmaintenance: %s\n", "must be true, false, a reason|is ambiguous", []string{"true", "FALSE", "0", "1.5", "text", "{}", "2024-01-01", "010", "1e3"}},
	{"maintenance.reason", "private: {}\nmaintenance:\n  reason: %s\n", "must be text|must not be empty", []string{"0", "1.5", "text", "yes", "'true'", "2024-01-01", "010", "1e3"}},
	{"maintenance.until", "private: {}\nmaintenance:\n  until: %s\n", "must be text|is not a time as in RFC 3339|must not be empty", nil},
	{"openstack", "private: {}\nopenstack: %s\n", "must be a mapping", []string{"null", "~", "{}"}},
	{"openstack.cloud", "private: {}\nopenstack:\n  cloud: %s\n", "must be text|must not be empty", []string{"0", "1.5", "text", "yes", "'true'", "2024-01-01", "010", "1e3"}},
	{"openstack.credentials", "private: {}\nopenstack:\n  credentials: %s\n", "must be text|does not start with a slash|must not be empty", nil},
	{"openstack.domain", "private: {}\nopenstack:\n  domain: %s\n", "must be text|must not be empty", []string{"0", "1.5", "text", "yes", "'true'", "2024-01-01", "010", "1e3"}},
	{"openstack.regions", "private: {}\nopenstack:\n  regions: %s\n", "must be a list|the list is empty", nil},
	{"openstack.regions[0]", "private: {}\nopenstack:\n  regions:\n  - %s\n", "must be text|must not be empty", []string{"0", "1.5", "text", "yes", "'true'", "2024-01-01", "010", "1e3"}},
	{"openstack.networks", "private: {}\nopenstack:\n  networks: %s\n", "must be a list|the list is empty", nil},
	{"openstack.networks[0]", "private: {}\nopenstack:\n  networks:\n  - %s\n", "must be text|must not be empty", []string{"0", "1.5", "text", "yes", "'true'", "2024-01-01", "010", "1e3"}},
	{"openstack.listing", "private: {}\nopenstack:\n  listing: %s\n", "must be text|is not one of auto, all-projects and per-project|must not be empty", nil},
	{"openstack.concurrency", "private: {}\nopenstack:\n  concurrency: %s\n", "must be a whole number from 1 to 32", nil},
	{"exports", "private: {}\nexports: %s\n", "must be a mapping", []string{"null", "~", "{}"}},
	{"exports.options", "private: {}\nexports:\n  options: %s\n", "must be text|must not be empty", []string{"0", "1.5", "text", "yes", "'true'", "2024-01-01", "010", "1e3"}},
	{"safety", "private: {}\nsafety: %s\n", "must be a mapping", []string{"null", "~", "{}"}},
	{"safety.max_removed", "private: {}\nsafety:\n  max_removed: %s\n", "must be a whole number from 0 to 2147483647", []string{"0"}},
	{"safety.max_removed_percent", "private: {}\nsafety:\n  max_removed_percent: %s\n", "must be a whole number from 0 to 100,", []string{"0"}},
}

// TestTypes gives every key a value of every type.
func TestTypes(t *testing.T) {
	values := []string{
		"null", "~", "true", "FALSE", "0", "1.5", "text", "yes", "'true'", "''", "[]", "{}", "2024-01-01", "010", "1e3",
		"!!binary aGVsbG8=", "!!str {}", "!custom text", "!custom {}", "!custom []", "!!set {a}", "!!omap []", "!!timestamp 2024-01-01",
		"!!float 5", "!!int 0", "!!bool yes", "!!null ''", "!ruby/object:Hash {}", "&a !x [*a]",
	}
	rows := 0
	for _, key := range typedKeys {
		for _, value := range values {
			rows++
			text := fmt.Sprintf(key.text, value)
			_, err := exports.ParseConfig([]byte(text))
			if slices.Contains(key.takes, value) {
				if err != nil {
					t.Errorf("%q: %v", text, err)
				}
				continue
			}
			problems, ok := errors.AsType[*exports.ConfigError](err)
			if !ok {
				t.Errorf("%q: got %v, want a problem", text, err)
				continue
			}
			p := problems.Problems[0]
			wants := strings.Split(key.wants, "|")
			if strings.Contains(value, "!") {
				wants = []string{"has the tag "}
			}
			says := slices.ContainsFunc(wants, func(part string) bool { return strings.Contains(p.Message, part) })
			if key.field == "" && p.Field == "" {
				says = true // there it can also be the file that is empty
			}
			if !says || p.Field != key.field || p.Line != strings.Count(text, "\n") {
				t.Errorf("%q: got %q, want one of %q of %s", text, p, wants, key.field)
			}
		}
	}
	t.Logf("%d values tried", rows)
}

// TestKeysKeepTheirText: whatever YAML takes a key for, its project is the one
// that is written there, and no two of them are one.
func TestKeysKeepTheirText(t *testing.T) {
	keys := []string{
		"12345", "012345", "0o12", "0x10", "1_000", "1e3", "1e03", "1.50", "1.5", "+1", "-0", ".inf", ".NaN", "0b1", "190:20:30",
		"00000000000000000000000000000042", "12345678901234567890123456789012", "1234567890123456789012345678901e", "0e123456789012345678901234567890",
		"yes", "Yes", "no", "NO", "on", "off", "y", "n", "true", "True", "false", "2024-01-01", "2024-01-01T00:00:00Z", "=",
	}
	text := "private:\n"
	for _, key := range keys {
		text += "  " + key + ": {}\n"
	}
	for _, key := range []string{"~", "null", "Null", "<<", "''"} {
		quoted := "  '" + strings.Trim(key, "'") + "': {}\n"
		if _, err := exports.ParseConfig([]byte("private:\n  " + key + ": {}\n")); err == nil || !strings.HasPrefix(err.Error(), "line 2: private: ") {
			t.Errorf("%s: got %v", key, err)
		}
		if key != "''" {
			text += quoted
			keys = append(keys, key)
		}
	}
	config, err := exports.ParseConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, project := range config.Projects {
		got = append(got, project.Key)
	}
	if !slices.Equal(got, keys) {
		t.Errorf("got %q, want %q", got, keys)
	}
}
