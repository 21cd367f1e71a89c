package exports_test

import (
	"fmt"
	"strings"
	"testing"

	"nfs-exportd/exports"
)

// TestParseConfigBytes has every byte of ASCII amid a path, a client and an
// option of a public line. What passes is what exportfs reads as it looks.
func TestParseConfigBytes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, line, refused string }{
		{"path", "/srv/a%sb *(ro)", `"'\`},
		{"client", "/srv a%sb(ro)", `"'\()#,/`},
		{"option", "/srv *(a%sb)", `"'\()# `},
	} {
		for c := range byte(0x80) {
			want := c > 0x20 && c < 0x7f && strings.IndexByte(test.refused, c) < 0
			if test.name != "option" && (c == ' ' || c == '\n' || c == '\t') {
				continue // that ends a path or a client
			}
			text := fmt.Sprintf("public: {a: \"%s\"}\n", fmt.Sprintf(test.line, fmt.Sprintf(`\x%02x`, c)))
			if _, err := exports.ParseConfig([]byte(text)); (err == nil) != want {
				t.Errorf("%s with the byte 0x%02x: %v", test.name, c, err)
			}
		}
	}
}

// TestCanonicalHostBytes has every byte amid a host name.
func TestCanonicalHostBytes(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		name := "a" + string([]byte{byte(c)}) + "b"
		want := strings.Contains("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", name[1:2])
		got, ok := exports.CanonicalHost(name)
		if ok != want || ok && got != strings.ToLower(name) {
			t.Errorf("%q: %q, %t", name, got, ok)
		}
	}
}

// TestParseConfigNumbers shows people what stands where a number should.
func TestParseConfigNumbers(t *testing.T) {
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
		_, err := exports.ParseConfig([]byte("private: {a: {gid: " + value + "}}"))
		if err == nil || !strings.HasSuffix(err.Error(), ", "+want) {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}

// TestParseConfigNearKeys: up to two letters may be too many or missing.
func TestParseConfigNearKeys(t *testing.T) {
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
		if _, err := exports.ParseConfig([]byte(text + "\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestParseConfigBounds has texts as long as they may be, and longer by one.
func TestParseConfigBounds(t *testing.T) {
	t.Parallel()
	a := func(n int) string { return strings.Repeat("a", n) }
	for _, test := range []struct{ name, text, want string }{
		{"a line", "openstack: {cloud: " + a(4096) + "}\n" + in("true"), ""},
		{"a longer line", "openstack: {cloud: " + a(4097) + "}\n" + in("true"), "has more than 4096 characters"},
		{"what a message shows", "private: {a: {gid: " + a(80) + "}}", `not the text "` + a(80) + `"`},
		{"more than a message shows", "private: {a: {gid: " + a(81) + "}}", `not the text "` + a(80) + `…"`},
	} {
		got := ""
		if _, err := exports.ParseConfig([]byte(test.text)); err != nil {
			got = err.Error()
		}
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestParseConfigHosts has hosts of mounts that are none, and what is said of it.
func TestParseConfigHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"0.0.0.0":        "no server has this one",
		"'[::]'":         "no server has this one",
		"224.0.0.1":      "no server has this one",
		"'[ff02::1]'":    "no server has this one",
		"'[fe80::1%e0]'": "take out the zone",
		"root@nfs":       "take out what is before the @",
		"'nfs*'":         "without wildcards",
		"nfs:2049":       "take out the port",
		"'nfs:2049x'":    "does not start with a host name or an address",
		"'[192.0.2.1]'":  "does not start with a host name or an address",
		"-nfs":           "does not start with a host name or an address",
	} {
		mount := strings.Trim(host, "'") + ":/srv/a"
		if _, err := exports.ParseConfig([]byte(in("'" + mount + "'"))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", mount, err, want)
		}
	}
}
