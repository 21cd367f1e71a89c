package simulation

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"nfs-exportd/keystone/keystonetest"
)

func (l *life) aProject() (string, bool) {
	return pickKey(l, l.truth.projects, func(id string, _ simProject) bool { return id != simHome })
}

func (l *life) anInstance() (string, bool) { return pickKey(l, l.truth.instances, nil) }

func (l *life) createProject() {
	names := slices.DeleteFunc([]string{"tools", "maps", "wiki", "search", "beta", "lab", "proofs"}, func(name string) bool {
		return l.truth.meaning(name) != ""
	})
	if len(names) < 2 {
		return
	}
	id := l.id("p-")
	l.do(putProject(id, simProject{name: pick(l, names...)}))
	if l.admin && l.chance(50) || !l.admin && l.chance(85) {
		l.do(setRole(id, true))
	}
}

func (l *life) deleteProject() {
	id, ok := l.aProject()
	if !ok || len(l.truth.projects) < 4 {
		return
	}
	if l.chance(50) {
		for _, i := range slices.Sorted(maps.Keys(l.truth.instances)) {
			if l.truth.instances[i].project == id {
				l.do(removeInstance(i))
			}
		}
	}
	name := l.truth.projects[id].name
	l.do(removeProject(id))
	if l.chance(40) {
		again := l.id("p-")
		l.do(putProject(again, simProject{name: name}))
		l.do(setRole(again, true))
	}
}

func (l *life) disableProject() {
	if id, ok := l.aProject(); ok {
		p := l.truth.projects[id]
		p.disabled = !p.disabled
		l.do(putProject(id, p))
	}
}

func (l *life) renameProject() {
	id, ok := l.aProject()
	name := pick(l, "tools", "maps", "wiki", "search", "beta", "lab", "proofs")
	if ok && l.truth.meaning(name) == "" {
		p := l.truth.projects[id]
		p.name = name
		l.do(putProject(id, p))
	}
}

func (l *life) addRegion() {
	if !l.truth.regions["RegionTwo"] {
		l.cloud.AddRegion("RegionTwo")
		l.truth.regions["RegionTwo"] = true
	}
}

// removeRegion takes a region with all its instances away.
func (l *life) removeRegion() {
	if _, ok := l.truth.regions["RegionTwo"]; !ok {
		l.addRegion()
		return
	}
	l.cloud.RemoveRegion("RegionTwo")
	delete(l.truth.regions, "RegionTwo")
	maps.DeleteFunc(l.truth.instances, func(_ string, i simInstance) bool { return i.region == "RegionTwo" })
	maps.DeleteFunc(l.truth.down, func(cell string, _ bool) bool { return strings.HasPrefix(cell, "RegionTwo/") })
}

func (l *life) loseNova() {
	region, _ := pickKey(l, l.truth.regions, nil)
	l.truth.regions[region] = false
	l.cloud.SetEndpoints(region)
}

func (l *life) cellDown() {
	region, _ := pickKey(l, l.truth.regions, nil)
	l.do(setCell(region, pick(l, "cell1", "cell2"), true))
}

func (l *life) giveRoles() {
	if l.admin {
		l.do(setRole(keystonetest.System, true))
		return
	}
	for _, id := range slices.Sorted(maps.Keys(l.truth.projects)) {
		l.do(setRole(id, true))
	}
}

func (l *life) changeRole() {
	if l.admin {
		if l.chance(30) {
			l.do(setRole(keystonetest.System, false))
		}
		return
	}
	id, _ := pickKey(l, l.truth.projects, func(id string, _ simProject) bool { return id != simHome || l.chance(20) })
	if id != "" {
		l.do(setRole(id, !l.truth.roles[id]))
	}
}

// address gives an address: nearly always one that no instance has, and soon
// again one that another had a moment ago.
func (l *life) address() simAddress {
	used := map[string]bool{}
	for _, i := range l.truth.instances {
		for _, a := range i.addresses {
			used[a.ip] = true
		}
	}
	taken := l.chance(3)
	for {
		a := simAddress{pick(l, "lan", "lan", "lan", "dmz"), fmt.Sprintf("10.0.0.%d", 1+l.rng.IntN(40))}
		if l.chance(15) {
			a.ip = fmt.Sprintf("2001:db8:1::%x", 1+l.rng.IntN(20))
		}
		if l.chance(1) && l.chance(30) {
			a.ip = pick(l, "192.0.2.10", "169.254.1.1", "2001:db8::10", "224.0.0.1")
		}
		if taken || !used[a.ip] {
			return a
		}
	}
}

func (l *life) newInstance(project, region string) (string, simInstance) {
	i := simInstance{project: project, region: region, cell: pick(l, "cell1", "cell1", "cell2")}
	i.status = pick(l, "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "SHUTOFF", "BUILD", "ERROR")
	for range 1 + l.rng.IntN(2) {
		i.addresses = append(i.addresses, l.address())
	}
	if l.chance(2) {
		i.addresses = nil
	}
	return l.id("i-"), i
}

func (l *life) createInstance() {
	project, ok := l.aProject()
	if !ok || len(l.truth.instances) > 28 {
		return
	}
	region, _ := pickKey(l, l.truth.regions, nil)
	l.do(putInstance(l.newInstance(project, region)))
}

func (l *life) deleteInstance() {
	if id, ok := l.anInstance(); ok && len(l.truth.instances) > 4 {
		l.do(removeInstance(id))
	}
}

// moveAddress deletes an instance and makes another with its addresses, mostly
// in another project.
func (l *life) moveAddress() {
	id, ok := l.anInstance()
	project, ok2 := l.aProject()
	if !ok || !ok2 {
		return
	}
	i := l.truth.instances[id]
	l.do(removeInstance(id))
	i.project, i.status, i.lost = project, "ACTIVE", false
	l.do(putInstance(l.id("i-"), i))
}

func (l *life) changeInstance() {
	id, ok := l.anInstance()
	if !ok {
		return
	}
	i := l.truth.instances[id]
	i.lost = false
	switch l.rng.IntN(3) {
	case 0:
		i.addresses = []simAddress{l.address()}
	case 1:
		i.status = pick(l, "ACTIVE", "ACTIVE", "SHUTOFF", "ERROR")
	default:
		i.addresses = append(slices.Clip(i.addresses), l.address())
		i.addresses = i.addresses[max(0, len(i.addresses)-2):]
	}
	i.lost = i.status == "ACTIVE" && l.chance(15)
	l.do(putInstance(id, i))
}

// The configuration

func (l *life) options() string {
	return pick(l, "rw,sync,no_subtree_check", "rw,sync,no_subtree_check", "ro,async,no_subtree_check,root_squash")
}

func (l *life) mount() simMount {
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
	switch n := l.rng.IntN(11); {
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

// The server

// editExports changes the exports file by hand.
func (l *life) editExports() {
	if l.disk != "" {
		return
	}
	text, there := l.handEdit()
	if !there {
		l.must(os.RemoveAll(l.ours()))
		return
	}
	l.write("exports.d/nfs-exportd.exports", text)
}

// handEdit is what somebody's hand makes of the exports file, and whether there
// is one then.
func (l *life) handEdit() (string, bool) {
	old := lookAt(l.ours()).text
	lines := slices.Collect(strings.Lines(old))
	var grants []int
	for n, line := range lines {
		if strings.HasPrefix(line, "/") {
			grants = append(grants, n)
		}
	}
	switch n := l.rng.IntN(7); {
	case n == 0:
		return old + "# looks good to me\n", true
	case n == 1 && len(grants) > 0:
		at := pick(l, grants...)
		return strings.Join(slices.Delete(lines, at, at+1), ""), true
	case n == 2:
		return old + fmt.Sprintf("/nfs/home 10.0.3.%d(rw,sync,no_subtree_check)\n", 1+l.rng.IntN(200)), true
	case n == 3 && len(old) > 20:
		return old[:len(old)-1-l.rng.IntN(15)], true
	case n == 4 && len(l.backups) > 0:
		return pick(l, l.backups...), true
	case n == 5:
		return "# unknown\n/nfs/mine *(rw)\n/nfs/mine", true
	}
	return "", false
}

// spoilTable has something else than this program change the active table.
func (l *life) spoilTable() {
	if l.disk != "" {
		return
	}
	old := lookAt(l.path("etab")).text
	switch l.rng.IntN(4) {
	case 0:
		l.write("etab", "") // as after a boot
	case 1:
		l.write("etab", old[:len(old)/2])
	case 2:
		l.write("etab", old+"/nfs/home\t10.0.4.4(rw,sync,no_subtree_check)\n")
	default:
		l.must(os.RemoveAll(l.path("etab")))
	}
}

func (l *life) breakExportfs() {
	l.exportfs = pick(l, "nothing", "fails", "truncates", "complains", "nothing once", "truncates once", "fails once", "missing")
	if l.exportfs != "missing" {
		l.write("exportfs.mode", l.exportfs)
	}
}

func (l *life) mendExportfs() {
	l.exportfs = ""
	l.must(os.RemoveAll(l.path("exportfs.mode")))
}

const (
	lockFile = "exports.d/.nfs-exportd.exports.lock"
	savedAs  = "saved"
)

// brokenFile is the name that something else than a file has, by what is wrong
// with the disk.
var brokenFile = map[string]string{
	"exports-directory": "exports.d/nfs-exportd.exports", "exports-fifo": "exports.d/nfs-exportd.exports",
	"exports-symlink": "exports.d/nfs-exportd.exports", "lock-directory": lockFile, "etab-directory": "etab",
}

func (l *life) breakDisk() {
	if l.disk != "" {
		return
	}
	l.disk, _ = pickKey(l, brokenFile, nil)
	if l.chance(20) {
		l.disk = "no-directory"
		l.must(os.Rename(l.path("exports.d"), l.path("exports.away")))
		return
	}
	name := brokenFile[l.disk]
	if err := os.Rename(l.path(name), l.path(savedAs)); !errors.Is(err, fs.ErrNotExist) {
		l.must(err)
	}
	switch l.disk {
	case "exports-fifo":
		l.must(syscall.Mkfifo(l.path(name), 0o644))
	case "exports-symlink":
		l.must(os.Symlink(l.path(savedAs), l.path(name)))
	default:
		l.must(os.Mkdir(l.path(name), 0o755))
	}
}

func (l *life) mendDisk() {
	switch l.disk {
	case "":
		return
	case "no-directory":
		l.must(os.Rename(l.path("exports.away"), l.path("exports.d")))
	default:
		l.must(os.Remove(l.path(brokenFile[l.disk])))
		if err := os.Rename(l.path(savedAs), l.path(brokenFile[l.disk])); !errors.Is(err, fs.ErrNotExist) {
			l.must(err)
		}
	}
	l.disk = ""
}

// happen is what happens between two runs.
func (l *life) happen() {
	for range l.rng.IntN(3) {
		l.often()
	}
	if l.chance(16) {
		l.seldom()
	}
	l.mend()
}

func (l *life) often() {
	pick(l,
		l.createInstance, l.createInstance, l.createInstance, l.deleteInstance, l.deleteInstance,
		l.moveAddress, l.moveAddress, l.changeInstance, l.changeInstance, l.configure, l.configure)()
}

func (l *life) seldom() {
	pick(l,
		l.createProject, l.createProject, l.deleteProject, l.deleteProject, l.disableProject, l.disableProject, l.renameProject,
		l.removeRegion, l.loseNova, l.cellDown, l.cellDown, l.changeRole, l.changeHost, l.changeHost, l.changeHost, l.changeHost,
		l.hold, l.hold, l.standBy, l.breakConfig, l.editExports, l.editExports, l.spoilTable, l.spoilTable,
		l.breakExportfs, l.breakExportfs, l.breakExportfs, l.breakDisk,
		func() { l.wrongSecret = true }, func() { l.unreachable = true })()
}

// mend ends some of what is wrong.
func (l *life) mend() {
	if l.chance(30) {
		l.mendDisk()
	}
	if l.chance(30) {
		l.mendExportfs()
	}
	if l.chance(30) {
		l.wrongSecret, l.unreachable = false, false
	}
	if l.chance(30) {
		l.truth.config.broken = ""
	}
	if l.chance(30) {
		l.takeOver()
	}
	if l.chance(25) {
		l.truth.config.hold = ""
	}
	if l.chance(25) {
		l.mendCloud()
	}
	if l.chance(10) {
		l.giveRoles()
	}
	if l.chance(20) {
		l.mendInstances()
	}
	if l.chance(15) {
		l.mendHosts()
	}
}

func (l *life) mendCloud() {
	for _, cell := range slices.Sorted(maps.Keys(l.truth.down)) {
		region, name, _ := strings.Cut(cell, "/")
		l.do(setCell(region, name, false))
	}
	for _, region := range slices.Sorted(maps.Keys(l.truth.regions)) {
		l.cloud.ResetEndpoints(region)
		l.truth.regions[region] = true
	}
}

// mendInstances finds lost addresses again, and deletes instances without one,
// with an impossible one, or with that of another.
func (l *life) mendInstances() {
	seen := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(l.truth.instances)) {
		i := l.truth.instances[id]
		if i.lost {
			i.lost = false
			l.do(putInstance(id, i))
		}
		odd := len(i.addresses) == 0
		for _, a := range i.addresses {
			holder, held := seen[a.ip]
			odd = odd || isImpossible(a.ip) || held && holder != i.project
			seen[a.ip] = i.project
		}
		if odd {
			l.do(removeInstance(id))
		}
	}
}

func isImpossible(ip string) bool {
	return slices.Contains([]string{"192.0.2.10", "169.254.1.1", "2001:db8::10", "224.0.0.1"}, ip)
}

func (l *life) mendHosts() {
	for _, host := range slices.Sorted(maps.Keys(l.truth.hosts)) {
		if l.truth.where(host) == simUnknown {
			l.truth.hosts[host] = pick(l, "here", "here-v6", "here-half", "elsewhere")
		}
	}
}

// heal ends all that is wrong, as far as people can.
func (l *life) heal() {
	l.mendDisk()
	l.mendExportfs()
	l.wrongSecret, l.unreachable = false, false
	l.takeOver()
	l.truth.config.broken, l.truth.config.hold = "", ""
	l.mendCloud()
	l.giveRoles()
	l.mendInstances()
	l.mendInstances() // one that was kept for one that went
	l.mendHosts()
	// What is gone and not known to be gone, people take out.
	maps.DeleteFunc(l.truth.config.private, func(key string, _ simEntry) bool { return l.truth.meaning(key) == "" })
	for len(l.truth.config.public) == 0 {
		l.configurePublic()
	}
	if l.admin {
		return
	}
	for _, g := range parseExports(lookAt(l.ours()).text).grants {
		if _, ok := l.truth.projects[g.owner.project]; !ok {
			delete(l.truth.config.private, g.owner.project)
			delete(l.truth.config.private, g.owner.name)
		}
	}
}
