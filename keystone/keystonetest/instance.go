package keystonetest

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"
)

// instance is an Instance with what costs time to write down already written.
type instance struct {
	Instance
	serial    int
	cell      *cell
	name      string // JSON
	addresses string // JSON
}

func newInstance(i Instance, c *cell) *instance {
	return &instance{Instance: i, cell: c, name: string(quote(i.Name)), addresses: string(addressesJSON(i))}
}

func quote(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return b
}

func addressesJSON(i Instance) []byte {
	type address struct {
		MAC     string `json:"OS-EXT-IPS-MAC:mac_addr"`
		Version int    `json:"version"`
		Addr    string `json:"addr"`
		Type    string `json:"OS-EXT-IPS:type"`
	}
	b := []byte{'{'}
	if i.Status == "BUILD" {
		i.Addresses = nil
	}
	var networks []string
	byNetwork := map[string][]address{}
	for _, a := range i.Addresses {
		if _, ok := byNetwork[a.Network]; !ok {
			networks = append(networks, a.Network)
		}
		if ip, err := netip.ParseAddr(a.IP); a.Version == 0 {
			a.Version = 4
			if err == nil && ip.Is6() {
				a.Version = 6
			}
		}
		mac := hexID("mac", i.ID+"/"+a.Network)
		byNetwork[a.Network] = append(byNetwork[a.Network], address{
			MAC:     "fa:16:3e:" + mac[:2] + ":" + mac[2:4] + ":" + mac[4:6],
			Version: a.Version, Addr: a.IP, Type: cmpOr(a.Type, "fixed"),
		})
	}
	for n, network := range networks {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(append(b, quote(network)...), ':')
		list, err := json.Marshal(byNetwork[network])
		if err != nil {
			panic(err) // strings and numbers always have a JSON form
		}
		b = append(b, list...)
	}
	return append(b, '}')
}

// created is a time by which a newer instance is younger.
func (i *instance) created() string {
	return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i.serial) * time.Second).Format(time.RFC3339)
}

func (i *instance) appendLinks(b []byte, root string) []byte {
	b = append(b, `"links":[{"rel":"self","href":"`...)
	b = append(append(append(append(b, root...), "/v2.1/servers/"...), i.ID...), `"},{"rel":"bookmark","href":"`...)
	return append(append(append(append(b, root...), "/servers/"...), i.ID...), `"}]`...)
}

// appendSummary writes the instance as GET /servers shows it.
func (i *instance) appendSummary(b []byte, root string) []byte {
	b = append(append(append(b, `{"id":"`...), i.ID...), `","name":`...)
	b = append(append(b, i.name...), ',')
	return append(i.appendLinks(b, root), '}')
}

// appendStub writes the instance as a cell that is down leaves it.
func (i *instance) appendStub(b []byte, root string, detail bool) []byte {
	b = append(append(append(b, `{"id":"`...), i.ID...), `","status":"UNKNOWN",`...)
	if detail {
		b = append(append(append(b, `"tenant_id":"`...), i.ProjectID...), `",`...)
		b = append(append(append(b, `"created":"`...), i.created()...), `",`...)
	}
	return append(i.appendLinks(b, root), '}')
}

// appendDetail writes the instance as GET /servers/detail shows it: some 2.5 kB,
// with the keys of 2.69.
func (i *instance) appendDetail(b []byte, root string) []byte {
	task, vm, power := "null", "active", "1"
	switch i.Status {
	case "BUILD":
		task, vm, power = `"spawning"`, "building", "0"
	case "SHUTOFF":
		vm, power = "stopped", "4"
	case "ERROR":
		vm, power = "error", "0"
	}
	created := i.created()
	for _, s := range [...]string{
		`{"id":"`, i.ID, `","name":`, i.name, `,"status":"`, i.Status,
		`","tenant_id":"`, i.ProjectID, `","user_id":"`, i.UserID,
		`","metadata":{},"hostId":"`, hostID, `","image":{"id":"`, imageID,
		`","links":[{"rel":"bookmark","href":"`, root, `/images/`, imageID, `"}]},`,
		`"flavor":{"vcpus":4,"ram":8192,"disk":20,"ephemeral":0,"swap":0,"original_name":"g4.cores4.ram8.disk20",`,
		`"extra_specs":{"aggregate_instance_extra_specs:ceph":"true","quota:disk_read_iops_sec":"5000",`,
		`"quota:disk_total_bytes_sec":"200000000","quota:disk_write_iops_sec":"500"}},`,
		`"created":"`, created, `","updated":"`, created, `","addresses":`, i.addresses,
		`,"accessIPv4":"","accessIPv6":"",`,
	} {
		b = append(b, s...)
	}
	b = i.appendLinks(b, root)
	for _, s := range [...]string{
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
	} {
		b = append(b, s...)
	}
	return b
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
