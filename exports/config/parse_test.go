package config_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
	"nfs-exportd/exports/config"
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

func TestParse(t *testing.T) {
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
			got, err := config.Parse([]byte(tt.text))
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
