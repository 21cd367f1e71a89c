package simulation

import (
	"fmt"
	"maps"
	"time"
)

func (l *life) options() string {
	return pick(l, "rw,sync,no_subtree_check", "rw,sync,no_subtree_check", "ro,async,no_subtree_check,root_squash")
}

func (l *life) mount() simMount {
	if l.chance(3) {
		return simMount{host: servedAs, path: simDeep}
	}
	return simMount{
		host: pick(l, servedAs, servedAs, "nfs-b.example.org", "nfs-b.example.org", "nfs-c.example.org", "nfs-d.example.org"),
		path: pick(l, "/nfs/home", "/nfs/scratch", "/nfs/maps", "/nfs/data"),
	}
}

// withMount adds a mount unless the project has its path already.
func (l *life) withMount(e simEntry) simEntry {
	m := l.mount()
	for _, other := range e.mounts {
		if other.path == m.path {
			return e
		}
	}
	e.mounts = maps.Clone(e.mounts)
	e.mounts[l.id("m")] = m
	return e
}

func (l *life) configureProject() {
	id, ok := pickKey(l, l.truth.projects, func(id string, p simProject) bool {
		_, byID := l.truth.config.private[id]
		_, byName := l.truth.config.private[p.name]
		return id != simHome && !byID && !byName
	})
	if !ok {
		return
	}
	key := pick(l, id, l.truth.projects[id].name, l.truth.projects[id].name)
	if l.chance(2) {
		key = "not-there-yet"
	}
	entry := simEntry{mounts: map[string]simMount{}, options: l.options()}
	for range 1 + l.rng.IntN(3) {
		entry = l.withMount(entry)
	}
	l.truth.config.private[key] = entry
}

func (l *life) configurePublic() {
	p := simPublic{
		path: pick(l, "/nfs/public", "/nfs/scratch"), client: pick(l, "*", "10.9.0.0/16", "10.8.0.1", "10.0.0.5"), options: l.options(),
	}
	for _, other := range l.truth.config.public {
		if other.path == p.path && other.client == p.client {
			return
		}
	}
	l.truth.config.public[l.id("public-")] = p
}

// configure is what operators do to the configuration.
func (l *life) configure() {
	c := &l.truth.config
	key, hasKey := pickKey(l, c.private, nil)
	public, hasPublic := pickKey(l, c.public, nil)
	switch n := l.rng.IntN(12); {
	case n < 3:
		l.configureProject()
	case n == 3 && hasKey && len(c.private) > 1:
		delete(c.private, key)
	case n == 4 && hasKey:
		c.private[key] = l.withMount(c.private[key])
	case n == 5 && hasKey && len(c.private[key].mounts) > 1:
		entry := c.private[key]
		entry.mounts = maps.Clone(entry.mounts)
		name, _ := pickKey(l, entry.mounts, nil)
		delete(entry.mounts, name)
		c.private[key] = entry
	case n == 6:
		l.configurePublic()
	case n == 7 && hasPublic:
		delete(c.public, public)
	case n == 8 && hasKey:
		entry := c.private[key]
		entry.options = l.options()
		c.private[key] = entry
	case n == 9:
		c.removed, c.percent = l.rng.IntN(6), l.rng.IntN(30)
	case n == 10 && l.chance(30):
		c.networks = pick(l, nil, []string{"lan"}, []string{"lan", "dmz"})
	case n == 11 && l.chance(20):
		c.nested = !c.nested
	}
}

func (l *life) hold() {
	c := &l.truth.config
	c.hold, c.until = pick(l, "true", "'new switches'"), time.Time{}
	if l.chance(60) {
		c.until = l.now.Add(time.Duration(1+l.rng.IntN(4)) * simInterval)
		c.hold = fmt.Sprintf("{reason: new switches, until: '%s'}", c.until.Format(time.RFC3339))
	}
}

// standBy gives the server a configuration by which all is another's.
func (l *life) standBy() {
	key, ok := pickKey(l, l.truth.config.private, nil)
	if l.aside != nil || !ok {
		return
	}
	aside := l.truth.config
	l.aside = &aside
	l.truth.hosts["nfs-d.example.org"] = "elsewhere"
	l.truth.config.public = map[string]simPublic{}
	l.truth.config.private = map[string]simEntry{key: {
		mounts: map[string]simMount{"moved": {"nfs-d.example.org", "/nfs/home"}}, options: l.options(),
	}}
}

// takeOver ends that.
func (l *life) takeOver() {
	if l.aside != nil {
		l.truth.config, l.aside = *l.aside, nil
	}
}

func (l *life) breakConfig() {
	l.truth.config.broken = pick(l, "private: {}", "surprise: true", "safety: [", "\tx: 1")
	if l.truth.config.broken == "private: {}" && len(l.truth.config.private) == 0 {
		l.truth.config.broken = "surprise: true"
	}
}

func (l *life) changeHost() {
	host := pick(l, "nfs-b.example.org", "nfs-c.example.org", "nfs-d.example.org")
	l.truth.hosts[host], _ = pickKey(l, resolutions, nil)
}
