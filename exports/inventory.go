package exports

import (
	"net/netip"
	"slices"
)

// Inventory is what the cloud said in one run about the projects that were
// asked for. It is complete: whoever fills one gives an error instead where an
// answer is missing or odd.
type Inventory struct {
	// Projects has an answer for every configured project that was asked for,
	// by its key in the configuration.
	Projects map[string]Project
	// IDs has an answer for every project id that was asked for besides,
	// because today's exports file has grants of it.
	IDs map[string]Project
}

// Sight is what Keystone let us see of a project.
type Sight int

const (
	// Hidden is no evidence at all: a 401 or 403, or a list that holds only
	// what the user has a role on. The project may or may not exist.
	Hidden Sight = iota
	// Absent is evidence that the project does not exist: a complete list of
	// the domain without it, or a 404 to one who may see all projects.
	Absent
	// Shown means that Keystone answered with the project.
	Shown
)

// Project is one Keystone project as the cloud shows it. Names come from
// tenants and can hold any text.
type Project struct {
	Sight Sight
	// Why says, for Hidden and Absent, which answer that was (method, URL,
	// HTTP status, request id), for error messages.
	Why string

	ID, Name string // of a project that is Shown
	Domain   string // the id of its domain
	Enabled  bool
	// Instances are all instances of the project in all regions, of a project
	// that is Shown and Enabled and was asked for by its key.
	Instances []Instance
}

// owner is the project as the owner of its grants.
func (p Project) owner() Owner { return Owner{ID: p.ID, Name: p.Name, Domain: p.Domain} }

// Instance is one Nova instance.
type Instance struct {
	ID, Name  string
	Region    string
	Status    string // as Nova gives it: ACTIVE, SHUTOFF, BUILD, …
	Addresses []Address
	// EmptyNetworks are the networks that Nova lists without an address.
	EmptyNetworks []string
}

// deleted reports whether an instance is no more than a record of one.
func (i Instance) deleted() bool { return i.Status == "DELETED" }

// bare reports whether Nova does not show all addresses of an instance: there is
// none, or a network without one.
func (i Instance) bare() bool { return len(i.Addresses) == 0 || len(i.EmptyNetworks) > 0 }

// has tells whether an instance has an address.
func (i Instance) has(addr netip.Addr) bool {
	return slices.ContainsFunc(i.Addresses, func(a Address) bool { return a.Addr.Unmap() == addr })
}

// Address is one address of an instance, fixed or floating.
type Address struct {
	Network string // the Nova network's name
	Addr    netip.Addr
}

// Len is how many instances the inventory has.
func (i Inventory) Len() int {
	n := 0
	for _, project := range i.Projects {
		n += len(project.Instances)
	}
	return n
}
