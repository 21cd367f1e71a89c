package simulation

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"strings"
)

// leaveOut has one of three hosts of Nova leave instances out of its lists.
func (l *life) leaveOut() {
	for range 1 + l.rng.IntN(3) {
		if id, ok := l.anInstance(); ok {
			l.truth.leftOut[id] = true
		}
	}
}

// hideRegion has Keystone leave a region out of its list that the catalog has.
func (l *life) hideRegion() {
	_, there := l.truth.regions["RegionTwo"]
	l.truth.unknown = there && !l.truth.unknown
}

// slip is a mistake of an operator in the configuration.
func (l *life) slip() {
	c := &l.truth.config
	key, ok := pickKey(l, c.private, nil)
	if l.aside != nil || l.unslipped != nil || !ok {
		return
	}
	before := *c
	before.private = maps.Clone(c.private)
	switch l.rng.IntN(4) {
	case 0: // a misspelt key
		wrong := key[:len(key)-1] + "q"
		c.private[wrong] = c.private[key]
		delete(c.private, key)
	case 1: // a mount under the wrong key
		name, _ := pickKey(l, c.private[key].mounts, nil)
		m := c.private[key].mounts[name]
		l.configureProject()
		other, _ := pickKey(l, c.private, func(other string, _ simEntry) bool { return other != key })
		if len(c.private[key].mounts) < 2 || other == "" {
			return
		}
		from, to := c.private[key], c.private[other]
		for _, there := range to.mounts {
			if there.path == m.path {
				return
			}
		}
		from.mounts, to.mounts = maps.Clone(from.mounts), maps.Clone(to.mounts)
		delete(from.mounts, name)
		to.mounts[name] = m
		c.private[key], c.private[other] = from, to
	case 2: // a network that has another name
		c.networks = []string{"lam", "dmz"}
	default: // a region is left out
		c.regions = []string{"RegionOne"}
	}
	l.unslipped = &before
}

// correct takes a slip back.
func (l *life) correct() {
	if l.unslipped == nil || l.aside != nil {
		return
	}
	c := &l.truth.config
	c.private, c.networks, c.regions = l.unslipped.private, l.unslipped.networks, l.unslipped.regions
	l.unslipped = nil
}

// swapNames gives a project's name to another one.
func (l *life) swapNames() {
	one, ok := l.aProject()
	two, ok2 := l.aProject()
	if !ok || !ok2 || one == two {
		return
	}
	p, q := l.truth.projects[one], l.truth.projects[two]
	p.name, q.name = q.name, p.name
	l.do(putProject(one, simProject{name: l.id("between")}))
	l.do(putProject(two, q))
	l.do(putProject(one, p))
}

// versionOne makes the exports file one of version 1, without ids behind the lines and
// without domains.
func (l *life) versionOne() {
	f := lookAt(l.ours())
	_, body, ok := strings.Cut(f.text, "\n")
	if l.disk != "" || !ok || !l.wrote[f.text] {
		return
	}
	body = regexp.MustCompile(`(?m)(\)) # .*$|( in domain .*)$`).ReplaceAllString(body, "$1")
	sum := sha256.Sum256([]byte(body))
	text := "# sha256 " + hex.EncodeToString(sum[:]) + " of all lines below\n" + body
	l.wrote[text] = true
	l.write("exports.d/nfs-exportd.exports", text)
}

// emptyExports leaves lines in the active table that no exports file has.
func (l *life) emptyExports() {
	if l.disk == "" {
		l.write("exports.d/nfs-exportd.exports", pick(l, "", "# nothing\n"))
	}
}
