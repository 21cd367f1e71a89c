package simulation

import (
	"maps"
	"slices"
	"strings"
)

// simDeep is a path below another one.
const simDeep = "/nfs/home/deep"

// flatten takes the mounts out that are below others.
func (l *life) flatten() {
	for _, key := range slices.Sorted(maps.Keys(l.truth.config.private)) {
		entry := l.truth.config.private[key]
		entry.mounts = maps.Clone(entry.mounts)
		maps.DeleteFunc(entry.mounts, func(_ string, m simMount) bool { return m.path == simDeep })
		l.truth.config.private[key] = entry
		if len(entry.mounts) == 0 {
			delete(l.truth.config.private, key)
		}
	}
}

// nest freezes what is below a path that clients may write to: additions, and lines that
// would stay. A removal goes on, and a line that is frozen for something else stays so.
func (s *sight) nest() {
	for at, f := range s.places {
		sure, perhaps := s.isBelow(at.path)
		if s.config.nested || !perhaps {
			continue
		}
		_, today := s.old.grants[at]
		below := fates{}
		for fate := range f {
			switch {
			case isRemoved(fate), isError(fate), fate == "none", today && isFrozen(fate):
				below[fate] = true
			case sure:
				below[nested] = true
			default:
				below[nested], below[fate] = true, true
			}
		}
		s.places[at] = below
	}
}

// isBelow reports whether a path is below one that clients may write to: one of the
// configuration, or of a line that stays.
func (s *sight) isBelow(path string) (sure, perhaps bool) {
	writes := func(outer, options string) bool {
		return strings.HasPrefix(path, outer+"/") && strings.HasPrefix(options, "rw,")
	}
	for _, p := range s.config.public {
		sure = sure || writes(p.path, p.options)
	}
	for _, entry := range s.config.private {
		for _, m := range entry.mounts {
			sure = sure || s.where(m.host) == simHere && writes(m.path, entry.options)
		}
	}
	perhaps = sure
	for at, g := range s.old.grants {
		all := true
		for _, options := range s.optionsOf(at, g) {
			perhaps = perhaps || writes(at.path, options) && !s.places[at].all(isRemoved)
			all = all && writes(at.path, options)
		}
		sure = sure || all && s.places[at].all(func(fate string) bool { return isFrozen(fate) || fate == "kept" })
	}
	return sure, perhaps
}
