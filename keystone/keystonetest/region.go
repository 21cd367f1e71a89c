package keystonetest

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Address is one address of an instance. Version 0 means as IP looks, an empty
// Type means fixed. IP is sent as it is, valid or not.
type Address struct {
	Network string
	IP      string
	Version int
	Type    string
}

// Instance is a Nova server. What is left empty is made of the name: ID,
// Region (the first), Cell (cell1), Status (ACTIVE), Host (compute-CELL).
// An instance in BUILD shows no addresses, as in Nova, and one that is SOFT_DELETED is
// in no list.
type Instance struct {
	ID        string    `yaml:"id,omitempty"`
	Name      string    `yaml:"-"`
	ProjectID string    `yaml:"project,omitempty"`
	UserID    string    `yaml:"-"`
	Region    string    `yaml:"region,omitempty"`
	Cell      string    `yaml:"cell,omitempty"`
	Host      string    `yaml:"host,omitempty"`
	Status    string    `yaml:"status,omitempty"`
	Addresses []Address `yaml:"-"`
	// EmptyNetworks are networks that are shown without an address.
	EmptyNetworks []string `yaml:"-"`
	// NoRequestSpec is that Nova has lost the instance's request spec, as of old ones:
	// while the cell is down it takes it for one that is not there.
	NoRequestSpec bool `yaml:"-"`
	// Unscheduled is that the instance is in no cell yet: there is but the request to
	// build it, which Nova finds by its id for whoever asks.
	Unscheduled bool `yaml:"-"`
}

// softDeleted is the status of an instance that is only shown by its id.
const softDeleted = "SOFT_DELETED"

// Endpoint is one compute endpoint in the catalog. In URL, {base} stands for
// the cloud's base URL and {project} for the id of the token's project.
type Endpoint struct{ Interface, URL string }

type region struct {
	id        string
	endpoints []Endpoint // nil means the three usual ones
	cells     []*cell
	instances []*instance // oldest first
	byID      map[string]*instance
	byProject map[string][]*instance // oldest first
	deleted   map[string]bool        // ids
}

type cell struct {
	name  string
	down  bool
	hosts []string
}

// instance is an Instance with what costs time to write down already written.
type instance struct {
	Instance
	serial    int
	cell      *cell
	name      string // JSON
	addresses string // JSON
}

// AddRegion adds a region with a Nova of its own.
func (c *Cloud) AddRegion(id string) {
	defer c.lock()()
	if c.region(id) != nil {
		return
	}
	c.regions = append(c.regions, &region{
		id:        id,
		byID:      map[string]*instance{},
		byProject: map[string][]*instance{},
		deleted:   map[string]bool{},
	})
}

// Regions lists the regions in the order in which they were added.
func (c *Cloud) Regions() []string {
	defer c.lock()()
	return collect(c.regions, func(r *region) string { return r.id })
}

// RemoveRegion takes a region away, with its Nova and its catalog entries.
func (c *Cloud) RemoveRegion(id string) {
	defer c.lock()()
	c.regions = slices.DeleteFunc(c.regions, func(r *region) bool { return r.id == id })
}

// SetEndpoints replaces the compute endpoints of a region in the catalog; none
// leaves the region without Nova. The usual URL is {base}/compute/R/v2.1. The
// Nova of the region answers as well at {base}/compute/R/v2.1/{project} and,
// with its list of versions only, at {base}/compute/R. It panics if there is no
// such region.
func (c *Cloud) SetEndpoints(region string, endpoints ...Endpoint) {
	defer c.lock()()
	c.mustRegion(region).endpoints = append([]Endpoint{}, endpoints...)
}

// ResetEndpoints gives a region its usual three endpoints back.
func (c *Cloud) ResetEndpoints(region string) {
	defer c.lock()()
	c.mustRegion(region).endpoints = nil
}

// AddHost maps a compute host into a cell, as AddInstance does by itself. Only
// a cell with hosts shows in GET /os-services when it is down.
func (c *Cloud) AddHost(region, cell, host string) {
	defer c.lock()()
	c.mustRegion(region).addHost(cell, host)
}

// RemoveHosts unmaps all hosts of a cell.
func (c *Cloud) RemoveHosts(region, cell string) {
	defer c.lock()()
	c.mustRegion(region).cell(cell).hosts = nil
}

// CellDown takes the database of a cell away, or gives it back. It panics if
// there is no such region.
func (c *Cloud) CellDown(region, cell string, down bool) {
	defer c.lock()()
	c.mustRegion(region).cell(cell).down = down
}

func (c *Cloud) region(id string) *region {
	return find(c.regions, func(r *region) bool { return r.id == id })
}

func (c *Cloud) mustRegion(id string) *region { return must(c.region(id), "region", id) }

func (r *region) cell(name string) *cell {
	c := find(r.cells, func(c *cell) bool { return c.name == name })
	if c == nil {
		c = &cell{name: name}
		r.cells = append(r.cells, c)
	}
	return c
}

func (r *region) addHost(cell, host string) {
	c := r.cell(cell)
	if !slices.Contains(c.hosts, host) {
		c.hosts = append(c.hosts, host)
	}
}

// AddInstance adds an instance, or replaces the one of the same id in the
// region (its age stays), and returns it with everything filled in. The
// project need not exist. It panics if there is no such region.
func (c *Cloud) AddInstance(i Instance) Instance {
	defer c.lock()()
	if i.Region == "" {
		i.Region = c.regions[0].id
	}
	setDefault(&i.ID, dashed(hexID("instance", i.Region+"/"+i.ProjectID+"/"+i.Name)))
	setDefault(&i.Cell, "cell1")
	setDefault(&i.Status, "ACTIVE")
	setDefault(&i.Host, "compute-"+i.Cell)
	setDefault(&i.UserID, hexID("user", i.ProjectID))
	r := c.mustRegion(i.Region)
	r.addHost(i.Cell, i.Host)
	made := &instance{Instance: i, cell: r.cell(i.Cell), name: string(encode(i.Name, true)), addresses: string(addressesJSON(i))}
	if old := r.byID[i.ID]; old != nil {
		made.serial = old.serial
		r.remove(old)
	} else {
		c.serial++
		made.serial = c.serial
	}
	r.insert(made)
	return i
}

// Instances lists the instances of a region, oldest first, those of cells that
// are down included. It panics if there is no such region.
func (c *Cloud) Instances(region string) []Instance {
	defer c.lock()()
	return collect(c.mustRegion(region).instances, func(i *instance) Instance { return i.Instance })
}

// RemoveInstance deletes an instance, in whichever region it is.
func (c *Cloud) RemoveInstance(id string) {
	defer c.lock()()
	for _, r := range c.regions {
		if i := r.byID[id]; i != nil {
			r.remove(i)
			r.deleted[id] = true
		}
	}
}

func (r *region) insert(i *instance) {
	add := func(list []*instance) []*instance { return slices.Insert(list, byAge(list, i.serial), i) }
	r.byID[i.ID], r.instances, r.byProject[i.ProjectID] = i, add(r.instances), add(r.byProject[i.ProjectID])
}

func (r *region) remove(i *instance) {
	drop := func(list []*instance) []*instance {
		at := byAge(list, i.serial)
		return slices.Delete(list, at, at+1)
	}
	delete(r.byID, i.ID)
	r.instances, r.byProject[i.ProjectID] = drop(r.instances), drop(r.byProject[i.ProjectID])
}

// byAge finds the place of an instance in a list, oldest first.
func byAge(list []*instance, serial int) int {
	at, _ := slices.BinarySearchFunc(list, serial, func(i *instance, s int) int { return i.serial - s })
	return at
}

func addressesJSON(i Instance) []byte {
	type address struct {
		MAC     string `json:"OS-EXT-IPS-MAC:mac_addr"`
		Version int    `json:"version"`
		Addr    string `json:"addr"`
		Type    string `json:"OS-EXT-IPS:type"`
	}
	if i.Status == "BUILD" {
		i.Addresses, i.EmptyNetworks = nil, nil
	}
	var networks ordered[[]address]
	for _, a := range i.Addresses {
		if ip, err := netip.ParseAddr(a.IP); a.Version == 0 {
			a.Version = 4
			if err == nil && ip.Is6() {
				a.Version = 6
			}
		}
		mac := hexID("mac", i.ID+"/"+a.Network)
		list, _ := networks.of(a.Network)
		*list = append(*list, address{
			MAC:     "fa:16:3e:" + mac[:2] + ":" + mac[2:4] + ":" + mac[4:6],
			Version: a.Version, Addr: a.IP, Type: cmp.Or(a.Type, "fixed"),
		})
	}
	for _, name := range i.EmptyNetworks {
		list, _ := networks.of(name)
		*list = append([]address{}, *list...)
	}
	b := []byte{'{'}
	for n, network := range networks {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(append(b, encode(network.name, true)...), ':')
		b = append(b, encode(network.value, true)...)
	}
	return append(b, '}')
}

// created is a time by which a newer instance is younger.
func (i *instance) created() string {
	return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i.serial) * time.Second).Format(time.RFC3339)
}

// appendTo writes the instance: as GET /servers shows it, or with detail as GET
// /servers/detail does, or as a stub, which is what a cell that is down leaves.
func (i *instance) appendTo(b []byte, root string, detail, stub bool) []byte {
	links := `"links":[{"rel":"self","href":"` + root + `/v2.1/servers/` + i.ID +
		`"},{"rel":"bookmark","href":"` + root + `/servers/` + i.ID + `"}]`
	switch {
	case stub && detail:
		return concat(b, `{"id":"`, i.ID, `","status":"UNKNOWN","tenant_id":"`, i.ProjectID, `","created":"`, i.created(), `",`, links, `}`)
	case stub:
		return concat(b, `{"id":"`, i.ID, `","status":"UNKNOWN",`, links, `}`)
	case detail:
		return i.appendDetail(b, root, links)
	}
	return concat(b, `{"id":"`, i.ID, `","name":`, i.name, `,`, links, `}`)
}

func concat(b []byte, parts ...string) []byte {
	for _, s := range parts {
		b = append(b, s...)
	}
	return b
}

// appendDetail writes some 2.5 kB, with the keys of 2.69.
func (i *instance) appendDetail(b []byte, root, links string) []byte {
	task, vm, power := "null", "active", "1"
	switch i.Status {
	case "BUILD":
		task, vm, power = `"spawning"`, "building", "0"
	case "SHUTOFF":
		vm, power = "stopped", "4"
	case softDeleted:
		vm, power = "soft-delete", "4"
	case "ERROR":
		vm, power = "error", "0"
	}
	created := i.created()
	return concat(b,
		`{"id":"`, i.ID, `","name":`, i.name, `,"status":"`, i.Status,
		`","tenant_id":"`, i.ProjectID, `","user_id":"`, i.UserID,
		`","metadata":{},"hostId":"`, hostID, `","image":{"id":"`, imageID,
		`","links":[{"rel":"bookmark","href":"`, root, `/images/`, imageID, `"}]},`,
		`"flavor":{"vcpus":4,"ram":8192,"disk":20,"ephemeral":0,"swap":0,"original_name":"g4.cores4.ram8.disk20",`,
		`"extra_specs":{"aggregate_instance_extra_specs:ceph":"true","quota:disk_read_iops_sec":"5000",`,
		`"quota:disk_total_bytes_sec":"200000000","quota:disk_write_iops_sec":"500"}},`,
		`"created":"`, created, `","updated":"`, created, `","addresses":`, i.addresses,
		`,"accessIPv4":"","accessIPv6":"",`, links,
		`,"OS-DCF:diskConfig":"MANUAL","progress":0,"OS-EXT-AZ:availability_zone":"nova","config_drive":"",`,
		`"key_name":null,"OS-SRV-USG:launched_at":"`, strings.TrimSuffix(created, "Z"), `.000000",`,
		`"OS-SRV-USG:terminated_at":null,"security_groups":[{"name":"default"}],`,
		`"OS-EXT-SRV-ATTR:host":"`, i.Host, `","OS-EXT-SRV-ATTR:instance_name":"i-0000a1b2",`,
		`"OS-EXT-SRV-ATTR:hypervisor_hostname":"`, i.Host, `.example.org","OS-EXT-SRV-ATTR:reservation_id":"r-0a1b2c3d",`,
		`"OS-EXT-SRV-ATTR:launch_index":0,"OS-EXT-SRV-ATTR:hostname":`, i.name,
		`,"OS-EXT-SRV-ATTR:kernel_id":"","OS-EXT-SRV-ATTR:ramdisk_id":"","OS-EXT-SRV-ATTR:root_device_name":"/dev/sda",`,
		`"OS-EXT-SRV-ATTR:user_data":"`, userData, `","OS-EXT-STS:task_state":`, task,
		`,"OS-EXT-STS:vm_state":"`, vm, `","OS-EXT-STS:power_state":`, power,
		`,"os-extended-volumes:volumes_attached":[],"locked":false,"description":`, i.name,
		`,"tags":[],"trusted_image_certificates":null,"host_status":"UP"}`,
	)
}

const (
	hostID  = "2091634baaccdc4c5a1d57069c833e402921df696b7f970791b12ec6"
	imageID = "70a599e0-31e7-49b7-b260-868f441e862b"
	// userData is a cloud-init of ordinary size.
	userData = "I2Nsb3VkLWNvbmZpZwpwYWNrYWdlX3VwZGF0ZTogdHJ1ZQpwYWNrYWdlczoKICAtIG5mcy1jb21tb24KICAtIHB1cHBldAp3cml0ZV9maWxl" +
		"czoKICAtIHBhdGg6IC9ldGMvcHVwcGV0L3B1cHBldC5jb25mCiAgICBjb250ZW50OiB8CiAgICAgIFttYWluXQogICAgICBsb2dkaXIgPSAv" +
		"dmFyL2xvZy9wdXBwZXQKICAgICAgdmFyZGlyID0gL3Zhci9saWIvcHVwcGV0CiAgICAgIHNzbGRpciA9IC92YXIvbGliL3B1cHBldC9zc2wK" +
		"ICAgICAgcnVuZGlyID0gL3J1bi9wdXBwZXQKcnVuY21kOgogIC0gcHVwcGV0IGFnZW50IC0tdGVzdAo="
)
