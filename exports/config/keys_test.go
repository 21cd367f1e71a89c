package config_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nfs-exportd/exports/config"
)

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
		_, err := config.Parse(fmt.Appendf(nil, levels[tt.level], "'"+tt.key+"'"))
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
			_, err := config.Parse([]byte(text))
			if slices.Contains(key.takes, value) {
				if err != nil {
					t.Errorf("%q: %v", text, err)
				}
				continue
			}
			problems, ok := errors.AsType[*config.Error](err)
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
		if _, err := config.Parse([]byte("private:\n  " + key + ": {}\n")); err == nil || !strings.HasPrefix(err.Error(), "line 2: private: ") {
			t.Errorf("%s: got %v", key, err)
		}
		if key != "''" {
			text += quoted
			keys = append(keys, key)
		}
	}
	config, err := config.Parse([]byte(text))
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

// TestParseNumbers shows people what stands where a number should.
func TestParseNumbers(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"'5'":  `not the text "5"`,
		"x":    `not the text "x"`,
		"-1":   `not "-1"`,
		"0x5":  `not "0x5"`,
		"1.5":  `not "1.5"`,
		"true": `not "true"`,
		"[5]":  "not a list",
		"{}":   "not a mapping",
	} {
		_, err := config.Parse([]byte("private: {a: {gid: " + value + "}}"))
		if err == nil || !strings.HasSuffix(err.Error(), ", "+want) {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}

// TestParseNearKeys: up to two letters may be too many or missing.
func TestParseNearKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"privatexx: {}":                       `unknown key "privatexx", did you mean "private"?`,
		"priva: {}":                           `unknown key "priva", did you mean "private"?`,
		"privatexxx: {}":                      `unknown key "privatexxx": known here are`,
		"priv: {}":                            `unknown key "priv": known here are`,
		"safety: {max_removed_percxxt: 1}":    `unknown key "max_removed_percxxt", did you mean "max_removed_percent"?`,
		"safety: {max_removed_percentxxx: 1}": `unknown key "max_removed_percentxxx": known here are`,
		"safety: {max_removed_perc: 1}":       `unknown key "max_removed_perc": known here are`,
		"openstack: {regionss: [a]}":          `unknown key "regionss", did you mean "regions"?`,
	} {
		if _, err := config.Parse([]byte(text + "\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
