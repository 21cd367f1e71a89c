package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

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
	id := l.projectID()
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
		again := l.projectID()
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
	l.truth.unknown = false
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
			a.ip = pick(l, strings.Fields(odd)...)
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
	i.empty = ""
	switch l.rng.IntN(4) {
	case 0:
		i.addresses = []simAddress{l.address()}
	case 1:
		i.status = pick(l, "ACTIVE", "ACTIVE", "SHUTOFF", "ERROR", "SOFT_DELETED")
	case 2:
		if l.chance(30) {
			i.empty = "void"
		}
	default:
		i.addresses = append(slices.Clip(i.addresses), l.address())
		i.addresses = i.addresses[max(0, len(i.addresses)-2):]
	}
	i.lost = i.status == "ACTIVE" && l.chance(15)
	l.do(putInstance(id, i))
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
	l.runExportfs()
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
		l.leaveOut, l.leaveOut, l.leaveOut, l.hideRegion, l.slip, l.slip, l.slip, l.slip, l.swapNames, l.versionOne, l.versionOne, l.emptyExports,
		l.hold, l.hold, l.standBy, l.breakConfig, l.editExports, l.editExports, l.spoilTable, l.spoilTable, l.spoilTable,
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
	if l.chance(35) {
		l.correct()
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
	clear(l.truth.leftOut)
	l.truth.unknown = false
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
		if i.status == "SOFT_DELETED" || i.empty != "" || i.status == "BUILD" {
			i.status, i.empty = "ACTIVE", ""
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

// odd are addresses that no client of this server can have.
const odd = "169.254.1.1 224.0.0.1 127.0.0.1 ff02::1 " + simLocal

func isImpossible(ip string) bool { return slices.Contains(strings.Fields(odd), ip) }

func isLocal(ip string) bool { return slices.Contains(strings.Fields(simLocal), ip) }

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
	l.correct()
	l.flatten()
	// With a limit of 0 nobody asks for instances, and what is not proved then stays for good.
	l.truth.config.removed = max(1, l.truth.config.removed)
	l.mendCloud()
	l.giveRoles()
	l.mendInstances()
	l.mendInstances() // one that was kept for one that went
	l.mendHosts()
	// What is gone and not known to be gone, people take out.
	maps.DeleteFunc(l.truth.config.private, func(key string, _ simEntry) bool { return l.truth.meaning(key) == "" })
	keys := map[string]bool{}
	maps.DeleteFunc(l.truth.config.private, func(key string, _ simEntry) bool {
		id := l.truth.meaning(key)
		twice := keys[id] || key != id && l.truth.config.private[id].mounts != nil
		keys[id] = true
		return twice
	})
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
