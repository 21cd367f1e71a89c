package exports_test

import (
	"net/netip"
	"slices"

	"nfs-exportd/exports"
)

// wants gives where a project truly has a right to a grant, with its options.
func (w *truth) wants(id string) map[exports.Place]string {
	wanted := map[exports.Place]string{}
	p, ok := w.denotes(id)
	if !ok || !p.enabled {
		return wanted
	}
	configs, _ := w.configured(p)
	for _, c := range configs {
		for _, m := range c.Mounts {
			if w.hosts[m.Host] != exports.Here {
				continue
			}
			for _, i := range p.read() {
				for _, a := range i.Addresses {
					if w.counts(a) {
						wanted[exports.Place{Path: m.Path, Client: exports.Client{Addr: a.Addr}}] = c.Options
					}
				}
			}
		}
	}
	return wanted
}

// owner gives the project that a line of today truly belongs to, if there is
// one. An adopted line belongs to what the configuration's key means.
func (w *truth) owner(g exports.Grant) (reality, bool) {
	if g.Owner.ID != "" {
		return w.denotes(g.Owner.ID)
	}
	if slices.Contains(w.keys(), g.Owner.Name) {
		return w.denotes(g.Owner.Name)
	}
	for _, p := range w.projects { // which an id is the key of
		if _, ok := w.configured(p); ok && g.Owner.Name != "" && p.name == g.Owner.Name {
			return p, true
		}
	}
	return reality{}, false
}

// own gives the instance that a line names, if it is there.
func (w *truth) own(g exports.Grant) (exports.Instance, bool) {
	p, _ := w.owner(g)
	for _, i := range p.alive() {
		if g.Instance.ID != "" && i.ID == g.Instance.ID {
			return i, true
		}
	}
	return exports.Instance{}, false
}

func hasAddr(i exports.Instance, addr netip.Addr) bool {
	return slices.ContainsFunc(i.Addresses, func(a exports.Address) bool { return a.Addr == addr })
}

// bare tells whether Nova would not show all addresses of an instance.
func bare(i exports.Instance) bool { return len(i.Addresses) == 0 || len(i.EmptyNetworks) > 0 }

// claimants gives the ids of the served projects that truly have an address that counts.
func (w *truth) claimants(addr netip.Addr) []string {
	var all []string
	for _, p := range w.projects {
		configs, _ := w.configured(p)
		served := slices.ContainsFunc(configs, func(c exports.ProjectConfig) bool {
			return slices.ContainsFunc(c.Mounts, func(m exports.Mount) bool { return w.hosts[m.Host] == exports.Here })
		})
		has := slices.ContainsFunc(p.read(), func(i exports.Instance) bool {
			return slices.ContainsFunc(i.Addresses, func(a exports.Address) bool { return a.Addr == addr && w.counts(a) })
		})
		if served && has && p.enabled {
			all = append(all, p.id)
		}
	}
	return all
}

// right tells whether a reason to remove a grant is true.
func (w *truth) right(g exports.Grant, reason exports.Reason) bool {
	p, _ := w.owner(g)
	if configs, ok := w.configured(p); ok {
		right := func(r exports.Reason) bool { return w.rightFor(g, r, configs, ok) }
		// Nobody asks Keystone about what is elsewhere, so that a line with an
		// old name can be one or the other; it goes in either case.
		byName := g.Owner.ID == "" && !slices.Contains(w.keys(), g.Owner.Name)
		if (p.name != g.Owner.Name || byName) && (reason == exports.NotInConfig || reason == exports.ServedElsewhere) {
			return right(exports.NotInConfig) || right(exports.ServedElsewhere)
		}
		return right(reason)
	}
	// A key that is another project by now does not mean the line any more.
	if other, ok := w.denotes(g.Owner.Name); ok && reason == exports.NotInConfig && g.Owner.ID != "" && other.id != g.Owner.ID {
		if own, there := w.own(g); g.Instance.ID != "" && (!there || !bare(own) && !hasAddr(own, g.Client.Addr)) {
			return true
		}
	}
	// A line of a project that nobody configures, or that is no more, belongs
	// to the key it came from: its id or its name.
	configured := false
	for _, key := range []string{g.Owner.ID, g.Owner.Name} {
		if i := slices.Index(w.keys(), key); i >= 0 {
			configured = true
			if w.rightFor(g, reason, w.config.Projects[i:i+1], true) {
				return true
			}
		}
	}
	return (p.id != "" || !configured) && w.rightFor(g, reason, nil, false)
}

// rightFor is right for a line of which it is known what is configured for it.
func (w *truth) rightFor(g exports.Grant, reason exports.Reason, configs []exports.ProjectConfig, configured bool) bool {
	p, exists := w.owner(g)
	public := g.Owner.Public != ""
	var wheres []exports.Where
	for _, c := range configs {
		for _, m := range c.Mounts {
			if m.Path == g.Path {
				wheres = append(wheres, w.hosts[m.Host])
			}
		}
	}
	own, there := w.own(g)
	gone := !public && g.Instance.ID != "" && !there
	released := there && !bare(own) && !hasAddr(own, g.Client.Addr)
	switch reason {
	case exports.PublicRemoved:
		return public && !slices.ContainsFunc(w.config.Public, func(l exports.PublicLine) bool { return l.Path == g.Path && l.Client == g.Client })
	case exports.NotInConfig:
		return !public && (!configured || len(wheres) == 0)
	case exports.OwnAddress:
		return !public && slices.Contains(w.local, g.Client.Addr)
	case exports.ServedElsewhere:
		return !public && len(wheres) > 0 && !slices.ContainsFunc(wheres, func(at exports.Where) bool { return at != exports.Elsewhere })
	case exports.ProjectDeleted:
		return !public && !exists
	case exports.ProjectDisabled:
		return !public && exists && !p.enabled
	case exports.InstanceGone:
		return gone
	case exports.AddressReleased:
		return released
	case exports.AddressReassigned:
		return (gone || released) && slices.ContainsFunc(w.claimants(g.Client.Addr), func(id string) bool { return id != p.id })
	}
	return false
}
