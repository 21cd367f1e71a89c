package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// simConfig is what nfs-mounts.yaml says.
type simConfig struct {
	public   map[string]simPublic
	private  map[string]simEntry // by key, which is an id or a name
	hold     string              // YAML of maintenance
	until    time.Time           // of hold; zero: for ever
	networks []string
	regions  []string
	removed  int // safety.max_removed
	percent  int
	nested   bool   // exports.allow_nested
	broken   string // a line that makes it wrong
}

type simPublic struct{ path, client, options string }

type simEntry struct {
	mounts  map[string]simMount // never changed in place
	options string
}

type simMount struct{ host, path string }

// yaml writes the configuration.
func (c simConfig) yaml() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for n, name := range slices.Sorted(maps.Keys(c.public)) {
		if n == 0 {
			line("public:")
		}
		p := c.public[name]
		line("  %s: '%s %s(%s)'", name, p.path, p.client, p.options)
	}
	for n, key := range slices.Sorted(maps.Keys(c.private)) {
		if n == 0 {
			line("private:")
		}
		entry := c.private[key]
		line("  %s:\n    options: %s\n    mounts:\n      dumps: true", key, entry.options)
		for _, name := range slices.Sorted(maps.Keys(entry.mounts)) {
			line("      %s: %s:%s", name, entry.mounts[name].host, entry.mounts[name].path)
		}
	}
	if c.hold != "" {
		line("maintenance: %s", c.hold)
	}
	var cloud []string
	if len(c.networks) > 0 {
		cloud = append(cloud, "networks: ["+strings.Join(c.networks, ", ")+"]")
	}
	if len(c.regions) > 0 {
		cloud = append(cloud, "regions: ["+strings.Join(c.regions, ", ")+"]")
	}
	if len(cloud) > 0 {
		line("openstack: {%s}", strings.Join(cloud, ", "))
	}
	if c.nested {
		line("exports: {allow_nested: true}")
	}
	line("safety: {max_removed: %d, max_removed_percent: %d}", c.removed, c.percent)
	if c.broken != "" {
		line("%s", c.broken)
	}
	return b.String()
}

// limit is how many grants may go at once.
func (c simConfig) limit(today int) int { return max(c.removed, today*c.percent/100) }
