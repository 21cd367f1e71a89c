package exports_test

import (
	"slices"

	"nfs-exportd/exports"
)

// known gives the projects of the configuration that a line belongs to. A key is an id
// or else a name; a name counts only if Keystone shows no other project by it. A name
// alone belongs to every key that is this project. reused is a key that names another
// project by now.
func (o *oracle) known(g exports.Grant) (keys []exports.ProjectConfig, reused string) {
	for _, c := range o.evidence.Config.Projects {
		p := o.evidence.Inventory.Projects[c.Key]
		byName := c.Key == g.Owner.Name && !exports.IsProjectID(c.Key)
		switch {
		case g.Owner.ID != "" && (c.Key == g.Owner.ID || p.Sight == exports.Shown && p.ID == g.Owner.ID):
			keys = append(keys, c)
		case byName && g.Owner.ID != "" && p.Sight == exports.Shown:
			reused = c.Key
		case g.Owner.ID == "" && o.isNamed(p, g.Owner.Name):
			keys = append(keys, c)
		case byName, !o.served(c) && o.nameOf(g.Owner.ID) == c.Key:
			keys = append(keys, c) // of a key that is not served Keystone is not asked
		}
	}
	return keys, reused
}

// isNamed reports whether a name alone stands for a project: Keystone shows that for the
// name as a key, or else with the name.
func (o *oracle) isNamed(p exports.Project, name string) bool {
	if byKey := o.evidence.Inventory.Projects[name]; byKey.Sight == exports.Shown {
		return p.Sight == exports.Shown && p.ID == byKey.ID
	}
	return p.Sight == exports.Shown && p.Name == name
}

// nameOf is the name that Keystone shows for an id.
func (o *oracle) nameOf(id string) string {
	if id == "" {
		return ""
	}
	return o.evidence.Inventory.IDs[id].Name
}

// hosts gives where the hosts of the line's mounts are; none if it has no mount.
func (o *oracle) hosts(g exports.Grant) map[exports.Where]bool {
	where := map[exports.Where]bool{}
	keys, _ := o.known(g)
	for _, c := range keys {
		for _, m := range c.Mounts {
			if m.Path == g.Path {
				where[o.evidence.Hosts[m.Host].Where] = true
			}
		}
	}
	return where
}

func (o *oracle) local(g exports.Grant) bool {
	return slices.Contains(o.evidence.Local, g.Client.Addr)
}

// line says what can become of a line of today.
func (o *oracle) line(g exports.Grant) fates {
	wants := o.wants[g.Place()]
	switch {
	case g.Owner.Public != "":
		// The configuration no longer has the public line.
		if len(wants) > 0 {
			return only(fateKept)
		}
		return only("removed:public-removed")
	case g.Owner == exports.Owner{}:
		return o.nobodys(g, wants)
	}
	keys, _ := o.known(g)
	isOwn := func(w want) bool {
		return slices.ContainsFunc(keys, func(c exports.ProjectConfig) bool { return c.Key == w.key })
	}
	contested := len(o.claims[g.Client.Addr]) > 1
	switch {
	case len(wants) == 0:
		return o.undesired(g)
	case slices.ContainsFunc(wants, isOwn):
		return o.desired(g, contested)
	}
	return o.anothers(g, wants, contested)
}

// anothers is a line whose place only other projects want, or a public line. Until the
// line's own reason is proved, the line stays and is its own project's; then the grant is
// the other's. If two claim the address, the addition waits. A name alone that leads to no
// project holds nobody up.
func (o *oracle) anothers(g exports.Grant, wants []want, contested bool) fates {
	public := slices.ContainsFunc(wants, func(w want) bool { return w.id == "" })
	all, staying := o.undesired(g), only(fateKept)
	if contested && !public {
		staying = only(fateTwice)
	}
	atOnce := public || !contested && g.Instance.ID == "" // which could never be proved to have left
	if !atOnce {
		o.behind[g.Place()] = all
	}
	options := map[string]bool{}
	o.follows[g.Place()] = options
	for _, w := range wants {
		if !public || w.id == "" {
			options[w.options] = true
		}
	}
	if atOnce || !contested && all.all(isRemoved) {
		return only(fateKept)
	}
	if !all.all(isRemoved) {
		options[g.Options] = true
		keys, _ := o.known(g)
		for _, c := range keys {
			options[c.Options] = true
		}
	}
	if !contested {
		return staying
	}
	removed := fates{}
	for fate := range all {
		if isRemoved(fate) {
			removed[fate] = true
		}
	}
	if all.all(isRemoved) {
		return removed
	}
	return removed.or(staying)
}

// nobodys is a line without an owner. On a path that some project mounts here, or
// perhaps here, it can be that project's; nothing can be asked about it.
func (o *oracle) nobodys(g exports.Grant, wants []want) fates {
	if len(wants) > 0 {
		if len(o.claims[g.Client.Addr]) > 1 {
			return only(fateTwice)
		}
		return only(fateKept)
	}
	for _, c := range o.evidence.Config.Projects {
		if where := o.mounts(c.Key, g.Path); where[exports.Here] || where[exports.Unresolved] {
			if o.local(g) {
				return only("removed:own-address")
			}
			return only(fateUnproved)
		}
	}
	return only("removed:not-in-config")
}

// desired is a line whose project wants the place. It is frozen if instances of two
// served projects have the address, unless the line's own instance does not show it.
func (o *oracle) desired(g exports.Grant, contested bool) fates {
	if !contested {
		return only(fateKept)
	}
	switch o.own(g) {
	case ownNone, ownShows:
		return only(fateTwice)
	case ownGone:
		return only(fateTwice, fateGone, fateMoved)
	case ownReleased:
		return only(fateTwice, fateReleased, fateMoved)
	case ownElsewhere:
		return only(fateTwice, fateMistaken)
	case ownUnknown:
		return only(fateTwice, fateSilent)
	}
	return only(fateTwice, fateUnproved)
}

// undesired is a line that no project wants: the first row that holds, else an error
// or a frozen place.
func (o *oracle) undesired(g exports.Grant) fates {
	allowed := o.row(g)
	if allowed == nil {
		allowed = o.doubt(g)
	}
	hosts := o.hosts(g)
	if (len(hosts) == 0 || !hosts[exports.Here] && o.byNameAlone(g)) && o.keystone(g) == nil && !o.local(g) {
		for _, c := range o.evidence.Config.Projects {
			o.doubtOfKey(g, c, o.reused(g), allowed)
		}
	}
	if g.Owner.ID == "" && len(o.hosts(g)) == 0 && o.keystone(g) != nil {
		allowed[fateMistaken] = true // a name alone: what Keystone says of it counts, or not
	}
	return allowed
}

// byNameAlone reports whether nothing but a name says which key the line's project has: the
// line has an id, which is no key, and which Keystone hides. A name proves nothing.
func (o *oracle) byNameAlone(g exports.Grant) bool {
	return g.Owner.ID != "" && o.evidence.Inventory.IDs[g.Owner.ID].Sight == exports.Hidden &&
		!slices.ContainsFunc(o.evidence.Config.Projects, func(c exports.ProjectConfig) bool { return c.Key == g.Owner.ID })
}

// row is the first reason for a removal that holds.
func (o *oracle) row(g exports.Grant) fates {
	hosts := o.hosts(g)
	rest := o.keystone(g)
	if rest == nil {
		rest = o.sure(g, o.own(g), hosts)
	}
	if len(hosts) > 0 {
		return rest
	}
	// Not in the configuration, and it does not look like a mistake.
	yes, perhaps, _ := o.mistake(g, o.own(g))
	suspect, suspectPerhaps, _ := o.mistake(g, ownUnproved)
	switch {
	case yes:
	case perhaps:
		rest = only("removed:not-in-config").or(rest)
		if o.keystone(g) == nil && !o.local(g) {
			rest[fateMistaken] = true
		}
	case suspect, suspectPerhaps:
		// It is none because the instance has lost the address. A reason that needs no
		// answer about it is as good.
		rest = only("removed:not-in-config").or(rest)
	default:
		return only("removed:not-in-config")
	}
	if where := o.mounts(o.reused(g), g.Path); rest != nil && len(where) == 1 && where[exports.Elsewhere] {
		rest["removed:served-elsewhere"] = true
	}
	return rest
}

func (o *oracle) reused(g exports.Grant) string {
	_, reused := o.known(g)
	return reused
}

// mounts gives where the hosts of a key's mounts on a path are.
func (o *oracle) mounts(key, path string) map[exports.Where]bool {
	where := map[exports.Where]bool{}
	for _, c := range o.evidence.Config.Projects {
		for _, m := range c.Mounts {
			if c.Key == key && m.Path == path {
				where[o.evidence.Hosts[m.Host].Where] = true
			}
		}
	}
	return where
}

// keystone says whether the project is there, and enabled.
func (o *oracle) keystone(g exports.Grant) fates {
	about := o.evidence.Inventory.IDs[g.Owner.ID]
	if g.Owner.ID != "" && about.Sight == exports.Absent {
		return only("removed:project-deleted")
	}
	if g.Owner.ID != "" && about.Sight == exports.Shown && !about.Enabled {
		return only("removed:project-disabled")
	}
	keys, _ := o.known(g)
	for _, c := range keys {
		switch p := o.evidence.Inventory.Projects[c.Key]; {
		case c.Key == g.Owner.ID && o.served(c) && p.Sight == exports.Absent:
			return only("removed:project-deleted")
		case p.Sight == exports.Shown && !p.Enabled:
			return only("removed:project-disabled")
		}
	}
	return nil
}

// sure is the rest of the rows: the instance, the address, the host. What needs no
// question is decided without one.
func (o *oracle) sure(g exports.Grant, own own, hosts map[exports.Where]bool) fates {
	rows := fates{}
	if o.local(g) {
		rows["removed:own-address"] = true
	}
	if len(hosts) == 1 && hosts[exports.Elsewhere] {
		rows["removed:served-elsewhere"] = true
	}
	if rows["removed:own-address"] {
		delete(rows, "removed:served-elsewhere") // own-address is above
	}
	name := map[bool]fate{true: fateMoved}
	switch own {
	case ownGone:
		name[false] = fateGone
	case ownReleased:
		name[false] = fateReleased
	default:
		if len(rows) == 0 {
			return nil
		}
		return rows
	}
	// Both are called address-reassigned if another served project has the address by now.
	rows[name[others(o.claims, g)]] = true
	if others(o.seen, g) && !others(o.claims, g) {
		rows[fateMoved] = true
	}
	return rows
}
