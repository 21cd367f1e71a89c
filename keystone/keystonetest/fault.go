package keystonetest

import (
	"net/http"
	"slices"
)

// Page is a place in a listing of instances.
type Page string

// The places in a listing. A page may be the first and the last at once.
const (
	AnyPage    Page = ""
	FirstPage  Page = "first"  // asked for without a marker
	MiddlePage Page = "middle" // has a marker, and more instances follow
	LastPage   Page = "last"   // has instances, and none follow
	EndPage    Page = "end"    // has a marker, and no instances
)

// Fault makes some requests go wrong. The zero value of every field but Do
// stands for any, or for ever.
type Fault struct {
	Kind    Kind
	Project string // as in Request.Project
	Region  string
	Page    Page               // of requests of kind Instances and CellProbe
	Match   func(Request) bool // called with the cloud locked: it must not call its methods
	Nth     int                // the first matching request to go wrong, counted from 1
	Times   int                // how many go wrong
	// Do answers instead of the cloud. next is the healthy cloud.
	Do func(w http.ResponseWriter, r *http.Request, next http.Handler)
}

// Injected is a fault at work.
type Injected struct {
	Fault
	cloud *Cloud
	seen  int
	hits  int
}

// Inject puts a fault to work. If two match the same request, the one that was
// injected first takes it.
func (c *Cloud) Inject(f Fault) *Injected {
	defer c.lock()()
	i := &Injected{Fault: f, cloud: c}
	c.faults = append(c.faults, i)
	return i
}

// Heal takes all faults away.
func (c *Cloud) Heal() {
	defer c.lock()()
	c.faults = nil
}

// Hits says how many requests went wrong so far.
func (i *Injected) Hits() int {
	defer i.cloud.lock()()
	return i.hits
}

// Remove takes the fault away.
func (i *Injected) Remove() {
	defer i.cloud.lock()()
	i.cloud.faults = slices.DeleteFunc(i.cloud.faults, func(o *Injected) bool { return o == i })
}

// match finds the fault for a request, and counts. The mutex is held.
func (c *Cloud) match(k *call) *Injected {
	for _, f := range c.faults {
		if f.Kind != "" && f.Kind != k.Kind || f.Project != "" && f.Project != k.Project ||
			f.Region != "" && f.Region != k.Region || f.Page != AnyPage && !c.isPage(k, f.Page) ||
			f.Match != nil && !f.Match(k.Request) {
			continue
		}
		f.seen++
		if f.seen < f.Nth || f.Times > 0 && f.hits == f.Times {
			continue
		}
		f.hits++
		return f
	}
	return nil
}

// isPage tells whether the healthy answer to a request would be such a page.
func (c *Cloud) isPage(k *call, p Page) bool {
	if k.Kind != Instances && k.Kind != CellProbe {
		return false
	}
	if p == FirstPage {
		return k.Marker == ""
	}
	minor, bad := c.minor(k)
	r := c.region(k.Region)
	if r == nil || k.token == nil || bad != nil || k.resource == "os-services" {
		return false
	}
	l := c.list(k, r, minor)
	if l.refused != nil {
		return false
	}
	switch p {
	case MiddlePage:
		return k.Marker != "" && l.more
	case LastPage:
		return len(l.page) > 0 && !l.more
	default:
		return k.Marker != "" && len(l.page) == 0
	}
}

// faultKey is the key in a request's context under which a fault finds the
// cloud and what the request is for.
type faultKey struct{}

type faulted struct {
	cloud *Cloud
	call  *call
}

func at(r *http.Request) faulted { return r.Context().Value(faultKey{}).(faulted) }
