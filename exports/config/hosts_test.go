package config_test

import (
	"strings"
	"testing"

	"nfs-exportd/exports/config"
)

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
		if got, ok := config.CanonicalHost(tt.name); got != tt.want || ok != tt.ok {
			t.Errorf("CanonicalHost(%q) = %q, %t, want %q, %t", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

// TestCanonicalHostBytes has every byte amid a host name.
func TestCanonicalHostBytes(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		name := "a" + string([]byte{byte(c)}) + "b"
		want := strings.Contains("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", name[1:2])
		got, ok := config.CanonicalHost(name)
		if ok != want || ok && got != strings.ToLower(name) {
			t.Errorf("%q: %q, %t", name, got, ok)
		}
	}
}

// TestParseHosts has hosts of mounts that are none, and what is said of it.
func TestParseHosts(t *testing.T) {
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
		if _, err := config.Parse([]byte(in("'" + mount + "'"))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", mount, err, want)
		}
	}
}
