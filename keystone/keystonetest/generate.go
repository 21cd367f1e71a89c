package keystonetest

import (
	"fmt"
	"net/netip"
)

// Generate fills a cloud for benchmarks, the same way each time: projects named
// project-00000 and so on, instances spread evenly over them and over the
// regions and the cells cell1 and cell2, each with an IPv4 address on the
// network lan and every third with an IPv6 address too. The user observer, with
// the password secret, is reader on every project and admin on the system.
func Generate(c *Cloud, projects, instances int) {
	regions := c.Regions()
	c.AddUser(User{Name: "observer", Password: "secret"})
	c.AddRole("observer", System, "admin")
	ids := make([]string, projects)
	for n := range ids {
		ids[n] = c.AddProject(Project{Name: fmt.Sprintf("project-%05d", n)}).ID
		c.AddRole("observer", ids[n], "reader")
	}
	for n := range instances {
		i := Instance{
			Name:      fmt.Sprintf("instance-%06d", n),
			ProjectID: ids[n%projects],
			Region:    regions[n%len(regions)],
			Cell:      fmt.Sprintf("cell%d", 1+n/projects%2),
		}
		four := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		i.Addresses = append(i.Addresses, Address{Network: "lan", IP: four.String()})
		if n%3 == 0 {
			six := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
			i.Addresses = append(i.Addresses, Address{Network: "lan", IP: six.String()})
		}
		c.AddInstance(i)
	}
}
