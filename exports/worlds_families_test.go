package exports_test

import (
	"net/netip"

	"nfs-exportd/exports"
)

var (
	addrX = addressKinds[0]
	addrY = netip.AddrFrom4([4]byte{10, 0, 0, 2})
	addrZ = netip.AddrFrom4([4]byte{10, 0, 0, 3})
)

func families() []family {
	return []family{
		{"alone", alone},
		{"edits", edits},
		{"claims", claims},
		{"limits", limitsFamily},
		{"keys", twoKeys},
		{"nested", nestedFamily},
	}
}

// sights of a project alpha in the cloud. The last five are a key that names another
// project by now, while the old one is absent, hidden, there under another name,
// disabled, or there under the same name in another domain.
const sights, sightsReused = 5, 10

func (d *draft) alpha(sight int) *cloudProject {
	a := d.cloud(idOf("a"), alpha)
	switch sight {
	case 1:
		a.disabled = true
	case 2:
		a.sight = exports.Absent
	case 3:
		a.sight = exports.Hidden
	case 4:
		a.name = gamma
	}
	if sight < sights {
		return a
	}
	c := &cloudProject{id: idOf("c"), name: alpha, sight: exports.Shown}
	d.projects = append([]*cloudProject{c}, d.projects...) // a name finds the new one first
	a.name = gamma
	switch sight {
	case 5:
		a.sight = exports.Absent
	case 6:
		a.sight = exports.Hidden
	case 8:
		a.disabled = true
	case 9:
		a.name = alpha
	}
	return a
}

// ownListing is the own instance of a line as Nova lists it; false if it does not.
func ownListing(n int, x netip.Addr) (exports.Instance, bool) {
	i := server("i1")
	switch n {
	case 1:
		return server("i1", x), true
	case 2:
		return server("i1", addrY), true
	case 3:
		return silentServer(i), true
	case 4:
		return empty(server("i1", addrY)), true
	case 5:
		return on("other", x, i), true
	case 6:
		return server("i1", x, addrY), true
	case 7:
		return empty(server("i1", x)), true
	case 8:
		return on("other", x, server("i1", addrY)), true
	case 9:
		return empty(i), true
	case 10:
		return deleted(server("i1", x)), true
	}
	return i, false
}

// answerOf is what is said about the own instance of a line that is not listed.
func answerOf(n int, x netip.Addr) exports.Answer {
	if n < 2 {
		return []exports.Answer{goneAnswer(), unprovedAnswer()}[n]
	}
	n -= 2
	i, _ := ownListing(1+n/2, x)
	return foundAnswer(n%2 == 0, i)
}

// Numbers of kinds: few have all that differ in kind, the others their mixtures as well.
const listingsFew, listingsAll, answersFew, answersAll = 6, 11, 12, 20

// instanceOf gives alpha the instance i1, listed or known by id.
func (d *draft) instanceOf(p *picker, a *cloudProject, x netip.Addr, asks bool, listings, answers int) {
	kind := 0
	if d.visible(a) {
		kind = p.pick(listings)
	}
	i, ok := ownListing(kind, x)
	if ok {
		a.instances = append(a.instances, i)
	}
	if asks && (!ok || i.Status == "DELETED") {
		d.answers["i1"] = answerOf(p.pick(answers), x)
	}
}

// visible reports whether the instances of a project are listed.
func (d *draft) visible(a *cloudProject) bool {
	w := d.world()
	for _, s := range w.evidence.Inventory.Projects {
		if s.ID == a.id && s.Enabled {
			return true
		}
	}
	return false
}

// alphaMounts are the mounts of alpha, in families with one project.
var alphaMounts = [][]string{
	{here, "/p"}, nil, {away, "/p"}, {lost, "/p"}, {here, "/q"}, {away, "/q"}, {lost, "/q"},
	{here, "/p", away, "/p"}, {here, "/p", lost, "/p"}, {away, "/p", lost, "/p"},
	{here, "/p", here, "/q"}, {away, "/p", here, "/q"}, {lost, "/p", here, "/q"},
}

// owners of the first line: id and name, id alone, name alone, public, nobody.
func ownerOf(kind int, key string) exports.Owner {
	switch kind {
	case 2:
		if key == alpha {
			return exports.Owner{Name: alpha}
		}
		return exports.Owner{ID: key}
	case 3:
		return exports.Owner{Public: "everybody"}
	case 4:
		return exports.Owner{}
	}
	return exports.Owner{ID: idOf("a"), Name: alpha, Domain: exports.DefaultDomain}
}

// alone is one project with all that can be said of it, and one or two lines. A key of
// another project besides is there only to keep the server from being on standby.
func alone(p *picker) *draft {
	d := newDraft()
	key := []string{alpha, idOf("a")}[p.pick(2)]
	mounts := alphaMounts[p.pick(len(alphaMounts))]
	if mounts != nil {
		d.key(key, mounts...)
	}
	d.key(omega, here, "/omega")
	b := d.cloud(idOf("b"), omega)
	n := sights
	if key == alpha {
		n = sightsReused
	}
	a := d.alpha(p.pick(n))
	kind := p.pick(5)
	x := addressKinds[0]
	if kind != 3 {
		x = addressKinds[p.pick(3)]
	}
	if p.yes() {
		d.network()
	}
	id := ""
	if kind == 0 {
		id = "i1"
	}
	d.instanceOf(p, a, x, kind == 0, listingsAll, answersAll)
	if d.visible(a) {
		switch p.pick(3) {
		case 1:
			a.instances = append(a.instances, server("i2", x))
		case 2:
			a.instances = append(a.instances, silentServer(server("i2")))
		}
	}
	if kind == 3 && p.yes() {
		d.config.Public = []exports.PublicLine{{Name: "everybody", Path: "/p", Client: exports.Client{Addr: x}, Options: rw}}
	}
	d.line("/p", x, ownerOf(kind, key), id).Options = []string{rw, ro}[p.pick(2)]
	switch p.pick(4) { // a second line
	case 1:
		d.line("/q", x, ownerOf(0, key), id)
	case 2:
		d.line("/p", addrY, ownerOf(0, key), id)
	case 3:
		d.line("/omega", addrZ, exports.Owner{ID: idOf("b"), Name: omega}, "j1")
		b.instances = []exports.Instance{server("j1", addrZ)}
	}
	return d.done()
}

func (d *draft) done() *draft {
	if !d.valid() {
		return nil
	}
	return d
}
