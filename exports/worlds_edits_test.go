package exports_test

import (
	"net/netip"

	"nfs-exportd/exports"
)

// edits is an edit of the configuration: alpha's key or mount is there, elsewhere, or
// gone, and another key is there besides, which is near or far, an id or a name, takes the
// path or not, is known to Keystone or not, and has grants or not. Not in it: more than one
// such key; alpha's own hosts and all answers (in alone).
func edits(p *picker) *draft {
	d := newDraft()
	key := []string{alpha, idOf("a")}[p.pick(2)]
	switch mounts := p.pick(5); mounts {
	case 1:
		d.key(key, here, "/p")
	case 2:
		d.key(key, here, "/q")
	case 3:
		d.key(key, lost, "/p")
	case 4:
		d.key(key, away, "/p", here, "/q")
	}
	n := sights
	if key == alpha {
		n = sightsReused
	}
	a := d.alpha(p.pick(n))
	b := d.other(p)
	if p.yes() {
		d.network()
	}
	kind := []int{0, 1, 2}[p.pick(3)]
	id := ""
	if kind == 0 {
		id = "i1"
	}
	d.instanceOf(p, a, addrX, kind == 0, listingsFew, answersFew)
	d.line("/p", addrX, ownerOf(kind, key), id).Options = []string{rw, ro}[p.pick(2)]
	switch owner := (exports.Owner{ID: b.id, Name: b.name, Domain: exports.DefaultDomain}); p.pick(4) {
	case 1: // the other key has a grant, which stays if it can
		d.line("/b", addrZ, owner, "j2")
		d.answers["j2"] = unprovedAnswer()
		if b.sight == exports.Shown && d.visible(b) {
			delete(d.answers, "j2")
			b.instances = append(b.instances, server("j2", addrZ))
		}
	case 2: // on the same path
		d.line("/p", addrY, owner, "j1")
		d.answers["j1"] = goneAnswer()
		for _, i := range b.instances {
			if i.ID == "j1" {
				delete(d.answers, "j1")
			}
		}
	case 3: // a project that has nothing to do with it keeps a grant
		d.key(gamma, here, "/gamma")
		g := d.cloud(idOf("9"), gamma)
		if a.name == gamma {
			return nil
		}
		g.instances = []exports.Instance{server("k1", addrZ)}
		d.line("/gamma", addrZ, exports.Owner{ID: g.id, Name: gamma, Domain: exports.DefaultDomain}, "k1")
	}
	return d.done()
}

// other is another project and its key.
func (d *draft) other(p *picker) *cloudProject {
	name, id := omega, idOf("b")
	if p.yes() {
		name, id = near1, nearID()
	}
	b := d.cloud(id, name)
	key := name
	if p.yes() {
		key = id
	}
	switch p.pick(4) {
	case 0:
		d.key(key, here, "/p")
	case 1:
		d.key(key, here, "/b")
	case 2:
		d.key(key, away, "/p", here, "/b")
	case 3:
		d.key(key, lost, "/p")
	}
	switch p.pick(4) {
	case 1:
		b.disabled = true
	case 2:
		b.sight = exports.Absent
	case 3:
		b.sight = exports.Hidden
	default:
		if d.visible(b) {
			d.otherInstance(p, b)
		}
	}
	return b
}

func (d *draft) otherInstance(p *picker, b *cloudProject) {
	switch p.pick(4) {
	case 1:
		b.instances = append(b.instances, server("j1", addrY))
	case 2:
		b.instances = append(b.instances, server("j1", addrX))
	case 3:
		b.instances = append(b.instances, on("other", addrX, server("j1")))
	}
}

// claims is three projects that are served, with instances that have some of two
// addresses, on one path or on their own, and up to three lines of which the own instance
// shows the address, or does not, or is not known. Left out: the same with the second and
// the third project exchanged, unless only one of them has a line.
func claims(p *picker) *draft {
	d := newDraft()
	shared := p.pick(3) // nobody, two, or all share a path
	letters, names := []string{"a", "b", "c"}, []string{alpha, omega, gamma}
	sets := [][]netip.Addr{nil, {addrX}, {addrY}, {addrX, addrY}}
	var owners []exports.Owner
	for n := range 3 {
		path := "/" + letters[n]
		if n <= shared && shared > 0 {
			path = "/p"
		}
		d.key(names[n], here, path)
		d.config.Projects[n].Options = []string{rw, rw, "rw,async"}[n]
		project := d.cloud(idOf(letters[n]), names[n])
		owners = append(owners, exports.Owner{ID: project.id, Name: project.name, Domain: exports.DefaultDomain})
		instances := 1 + p.pick(2)
		if n > 0 {
			instances = 1
		}
		for i := range instances {
			id := letters[n] + string(rune('1'+i))
			switch kind := p.pick(7); {
			case kind == 4:
				project.instances = append(project.instances, empty(server(id, addrY)))
			case kind == 5:
				project.instances = append(project.instances, on("other", addrX, server(id)))
			case kind < 4:
				project.instances = append(project.instances, server(id, sets[kind]...))
			case i == 0: // not listed
				d.answers[id] = unprovedAnswer()
			default:
				return nil // one instance that is not listed is like none
			}
		}
	}
	d.network()
	d.claimLines(p, owners)
	return d.done()
}

// claimLines are one line, or two of which the first is alpha's.
func (d *draft) claimLines(p *picker, owners []exports.Owner) {
	line := func(n int) {
		id := []string{"a1", "b1", "c1"}[n]
		if p.yes() {
			id = ""
		}
		d.line(d.config.Projects[n].Mounts[0].Path, []netip.Addr{addrX, addrY}[p.pick(2)], owners[n], id)
	}
	line(0)
	switch p.pick(3) {
	case 1:
		line(0)
	case 2:
		line(1)
	}
	seen := map[string]bool{}
	for _, g := range d.lines {
		id := g.Instance.ID
		if _, ok := d.answers[id]; ok && !seen[id] {
			seen[id] = true // two lines of one instance: asked once
			d.answers[id] = []exports.Answer{
				goneAnswer(), unprovedAnswer(), foundAnswer(true, server(id, addrX)), foundAnswer(true, server(id, addrY)),
			}[p.pick(4)]
		}
	}
}

// limitsFamily is up to four lines of two projects, each with an instance of its own that
// stays, is gone, was released, is not proved, or is found by its id; and additions. Left
// out: other orders of the lines of one project.
func limitsFamily(p *picker) *draft {
	d := newDraft()
	d.config.Limits = exports.Limits{MaxRemoved: p.pick(4)}
	var projects []*cloudProject
	for n, letter := range []string{"a", "b"} {
		name := []string{alpha, omega}[n]
		d.key(name, here, "/"+letter)
		projects = append(projects, d.cloud(idOf(letter), name))
	}
	public := p.pick(3) // none, one that goes, one that stays and is changed
	if public > 0 {
		g := d.line("/public", addrZ, exports.Owner{Public: "everybody"}, "")
		g.Options = ro
	}
	if public == 2 {
		d.config.Public = []exports.PublicLine{{Name: "everybody", Path: "/public", Client: exports.Client{Addr: addrZ}, Options: rw}}
	}
	lines, of := 1+p.pick(5), 0
	least := 0
	for n := range lines {
		if of == 0 && n > 0 && p.yes() {
			of, least = 1, 0
		}
		kind := p.pick(10)
		if kind < least {
			return nil
		}
		least = kind
		d.limitLine(projects[of], n, kind)
	}
	if p.yes() {
		projects[1].instances = append(projects[1].instances, server("new", addr("10.0.1.1")))
	}
	return d.done()
}

func (d *draft) limitLine(project *cloudProject, n, kind int) {
	letter := project.id[:1]
	id := letter + string(rune('1'+n))
	client := netip.AddrFrom4([4]byte{10, 0, 2, byte(n + 1)})
	elsewhere := netip.AddrFrom4([4]byte{10, 0, 3, byte(n + 1)})
	g := d.line("/"+letter, client, exports.Owner{ID: project.id, Name: project.name, Domain: exports.DefaultDomain}, id)
	list := func(i exports.Instance) { project.instances = append(project.instances, i) }
	switch kind {
	case 0:
		list(server(id, client))
	case 1:
		g.Options = ro
		list(server(id, client))
	case 2:
		d.answers[id] = goneAnswer()
	case 3:
		d.answers[id] = unprovedAnswer()
	case 4:
		list(server(id, elsewhere))
	case 5:
		list(silentServer(server(id)))
	case 6:
		d.answers[id] = foundAnswer(true, server(id, client))
	case 7:
		g.Path = "/old" // a mount that is not in the configuration
		d.answers[id] = unprovedAnswer()
	case 8:
		g.Options = ro
		d.answers[id] = unprovedAnswer()
	case 9:
		g.Instance.ID = ""
	}
}

// twoKeys is one project by its id and by its name, with the same path or another.
func twoKeys(p *picker) *draft {
	d := newDraft()
	paths, hosts := []string{"/p", "/q"}, []string{here, away, lost}
	first := []string{hosts[p.pick(3)], "/p"}
	d.key(alpha, first...)
	d.key(idOf("a"), hosts[p.pick(3)], paths[p.pick(2)])
	d.key(omega, here, "/omega")
	b := d.cloud(idOf("b"), omega)
	b.instances = []exports.Instance{server("j1", []netip.Addr{addrX, addrY, addrZ}[p.pick(3)])}
	sight := p.pick(sights + 1)
	if sight == sights {
		sight = 7 // another project has the name by now
	}
	a := d.alpha(sight)
	if p.yes() {
		d.network()
	}
	kind := p.pick(3)
	id := ""
	if kind == 0 {
		id = "i1"
	}
	d.instanceOf(p, a, addrX, kind == 0, listingsAll, answersAll)
	d.line(paths[p.pick(2)], addrX, ownerOf(kind, []string{alpha, idOf("a")}[p.pick(2)]), id)
	if p.yes() {
		d.line("/omega", b.instances[0].Addresses[0].Addr, exports.Owner{ID: b.id, Name: omega, Domain: exports.DefaultDomain}, "j1")
	}
	return d.done()
}
