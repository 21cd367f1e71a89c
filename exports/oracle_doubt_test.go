package exports_test

import (
	"slices"

	"nfs-exportd/exports"
)

// doubt is a line that is in none of the rows and not wanted.
func (o *oracle) doubt(g exports.Grant) fates {
	keys, reused := o.known(g)
	hosts := o.hosts(g)
	about := o.evidence.Inventory.IDs[g.Owner.ID]
	hiddenID := g.Owner.ID != "" && about.Sight == exports.Hidden
	own := o.own(g)
	if len(hosts) == 0 {
		allowed := only(fateMistaken)
		if reused != "" && hiddenID {
			allowed[error77] = true
		}
		switch own {
		case ownUnknown:
			allowed[fateSilent] = true
		case ownUnproved, ownSurplus, ownNone:
			allowed[fateUnproved] = true
		}
		return allowed
	}
	if !hosts[exports.Here] && hosts[exports.Unresolved] {
		return o.unresolved(g, keys, hiddenID)
	}
	for _, c := range keys {
		p := o.evidence.Inventory.Projects[c.Key]
		renamed := g.Owner.ID != "" && p.Sight == exports.Absent && !o.shown(keys, g.Path)
		switch {
		case o.served(c) && (p.Sight == exports.Hidden || renamed), hiddenID:
			return only(error77)
		case o.served(c) && p.Sight == exports.Absent && g.Owner.ID == "":
			return only(error77, fateUnproved) // a name alone proves nothing
		}
	}
	return o.freeze(g, own)
}

// unresolved is a line whose host is not known. If Keystone hides its project besides, or
// shows it by another name than the key, both are right.
func (o *oracle) unresolved(g exports.Grant, keys []exports.ProjectConfig, hidden bool) fates {
	allowed := only(error69)
	for _, c := range keys {
		p := o.evidence.Inventory.Projects[c.Key]
		unseen := o.served(c) && p.Sight != exports.Shown
		if hidden || unseen || !o.served(c) && o.nameOf(g.Owner.ID) != "" && c.Key != g.Owner.ID && c.Key != o.nameOf(g.Owner.ID) {
			allowed[error77] = true
		}
	}
	return allowed
}

// doubtOfKey is what else is right for a line that is in no configuration: where the host
// of the key's mount is, if the key names another project by now; and if the line has no
// name, or Keystone hides its project, a name that Keystone does not show can be its
// project's.
func (o *oracle) doubtOfKey(g exports.Grant, c exports.ProjectConfig, reused string, allowed fates) {
	// A name that Keystone does not show can be that of a project which it hides.
	unnamed := !exports.IsProjectID(c.Key) && o.evidence.Inventory.Projects[c.Key].Sight == exports.Hidden &&
		(g.Owner.Name == "" || o.evidence.Inventory.IDs[g.Owner.ID].Sight == exports.Hidden)
	for _, m := range c.Mounts {
		if m.Path != g.Path || c.Key != reused && !unnamed {
			continue
		}
		switch where := o.evidence.Hosts[m.Host].Where; {
		case unnamed && where != exports.Elsewhere:
			allowed[error77], allowed[error69] = true, true
		case where == exports.Elsewhere:
			allowed["removed:served-elsewhere"] = true
		case where == exports.Unresolved:
			allowed[error69] = true
		}
	}
}

// shown reports whether Keystone shows one of the keys that have the path.
func (o *oracle) shown(keys []exports.ProjectConfig, path string) bool {
	return slices.ContainsFunc(keys, func(c exports.ProjectConfig) bool {
		return len(o.mounts(c.Key, path)) > 0 && o.evidence.Inventory.Projects[c.Key].Sight == exports.Shown
	})
}

// freeze is why a place of a project that is in the configuration, shown, and served
// here stays as it is.
func (o *oracle) freeze(g exports.Grant, own own) fates {
	switch own {
	case ownShows:
		if impossibleClient(g.Client.Addr) {
			return only(fateUnproved, fateMistaken)
		}
		return only(mustAsk)
	case ownElsewhere:
		if impossibleClient(g.Client.Addr) {
			return only(fateUnproved, fateMistaken)
		}
		if others(o.claims, g) {
			return only(fateMistaken, fateTwice)
		}
		return only(fateMistaken)
	case ownUnknown:
		return only(fateSilent)
	case ownNone:
		if o.seen[g.Client.Addr][o.projectID(g)] {
			return only(fateMistaken)
		}
		if impossibleClient(g.Client.Addr) {
			return only(fateUnproved, fateMistaken)
		}
	}
	if own == ownSurplus {
		return only(fateUnproved, fateShare) // not asked because there are more than the limit
	}
	return only(fateUnproved)
}

// projectID is the line's project, also if the line has only its name.
func (o *oracle) projectID(g exports.Grant) string {
	if g.Owner.ID != "" {
		return g.Owner.ID
	}
	keys, _ := o.known(g)
	for _, c := range keys {
		if p := o.evidence.Inventory.Projects[c.Key]; p.Sight == exports.Shown {
			return p.ID
		}
	}
	return ""
}
