package keystone

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"nfs-exportd/exports"
)

// The decoders take no answer that is short of something. encoding/json would
// take {}, null, a key twice and letters behind the end for an empty list; json
// v2 refuses the last two, and pointers show what is missing.

// unmarshal takes exactly one JSON value.
func unmarshal(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	if err != nil && understood(err) == err {
		return fmt.Errorf("it is not the JSON that was expected: %w", err)
	}
	return understood(err)
}

// understood gives an error about a value of the wrong kind other words: its own
// tell of Go's types.
func understood(err error) error {
	odd, ok := errors.AsType[*json.SemanticError](err)
	if !ok || odd.JSONKind == jsontext.KindInvalid {
		return err
	}
	where := "all of it"
	if odd.JSONPointer != "" {
		where = quote(string(odd.JSONPointer))
	}
	if odd.GoType == nil {
		return fmt.Errorf("%s is %s, which does not belong there", where, kindName(odd.JSONKind))
	}
	return fmt.Errorf("%s is %s and not %s", where, kindName(odd.JSONKind), kindOfType(odd.GoType))
}

// kindName is how messages call a kind of JSON value.
func kindName(kind jsontext.Kind) string {
	switch kind {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "text"
	case '0':
		return "a number"
	}
	return kind.String()
}

// kindOfType is how messages call the kind of JSON value that is read as a type.
func kindOfType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kindOfType(t.Elem())
	case reflect.Struct, reflect.Map:
		return kindName(jsontext.KindBeginObject)
	case reflect.Slice:
		return kindName(jsontext.KindBeginArray)
	case reflect.String:
		return kindName(jsontext.KindString)
	case reflect.Bool:
		return "true or false"
	}
	return kindName(jsontext.KindNumber)
}

// list is what Keystone puts around its lists.
type list struct {
	Truncated *bool `json:"truncated"`
	Links     *struct {
		Next *string `json:"next"`
	} `json:"links"`
}

// next is the URL of the next page, or "".
func (l list) next() string {
	if l.Links == nil || l.Links.Next == nil {
		return ""
	}
	return *l.Links.Next
}

func (l list) truncated() bool { return l.Truncated != nil && *l.Truncated }

func decodeRegions(body []byte) ([]string, error) {
	var page struct {
		list
		Regions *[]struct {
			ID *string `json:"id"`
		} `json:"regions"`
	}
	if err := unmarshal(body, &page); err != nil {
		return nil, err
	}
	switch {
	case page.Regions == nil:
		return nil, errors.New("it has no regions")
	case page.truncated(), page.next() != "":
		return nil, errors.New("the list of regions is cut short")
	case len(*page.Regions) == 0:
		return nil, errors.New("there is no region at all")
	}
	seen := map[string]bool{}
	var ids []string
	for _, region := range *page.Regions {
		switch {
		case region.ID == nil || *region.ID == "":
			return nil, errors.New("a region has no id")
		case seen[*region.ID]:
			return nil, fmt.Errorf("region %s is there twice", quote(*region.ID))
		}
		seen[*region.ID] = true
		ids = append(ids, *region.ID)
	}
	return ids, nil
}

// project is one of Keystone's.
type project struct {
	id, name, domain string
	enabled          bool
}

// projectJSON is a project as Keystone writes it. No text that it needs is empty,
// so that what is empty is missing, or null.
type projectJSON struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	DomainID string `json:"domain_id"`
	Enabled  *bool  `json:"enabled"`
	IsDomain bool   `json:"is_domain"`
}

// project gives false for a domain, which Keystone shows as a project too.
func (p *projectJSON) project() (project, bool, error) {
	switch {
	case p == nil:
		return project{}, false, errors.New("it has no project")
	case p.ID == "":
		return project{}, false, errors.New("a project has no id")
	case p.IsDomain:
		return project{id: p.ID}, false, nil
	case p.Name == "":
		return project{}, false, fmt.Errorf("project %s has no name", quote(p.ID))
	case p.DomainID == "":
		return project{}, false, fmt.Errorf("project %s has no domain_id", quote(p.ID))
	case p.Enabled == nil:
		return project{}, false, fmt.Errorf("project %s has no enabled", quote(p.ID))
	}
	return project{p.ID, p.Name, p.DomainID, *p.Enabled}, true, nil
}

type projectPage struct {
	projects  []project
	next      string
	truncated bool
}

func decodeProjects(body []byte) (projectPage, error) {
	var page struct {
		list
		Projects *[]projectJSON `json:"projects"`
	}
	if err := unmarshal(body, &page); err != nil {
		return projectPage{}, err
	}
	if page.Projects == nil {
		return projectPage{}, errors.New("it has no projects")
	}
	result := projectPage{next: page.next(), truncated: page.truncated()}
	for _, raw := range *page.Projects {
		p, ok, err := raw.project()
		if err != nil {
			return projectPage{}, err
		}
		if ok {
			result.projects = append(result.projects, p)
		}
	}
	return result, nil
}

func decodeProject(body []byte) (project, bool, error) {
	var answer struct {
		Project *projectJSON `json:"project"`
	}
	if err := unmarshal(body, &answer); err != nil {
		return project{}, false, err
	}
	return answer.Project.project()
}

// serverPage is one page of Nova's list of servers.
type serverPage struct {
	servers []server
	stubs   int  // what Nova shows of instances in a cell that is down
	full    bool // there is a link to the next page
}

type server struct {
	exports.Instance
	projectID string // not in the summary view
}

// given is a value that must not be null. It knows whether it was there.
type given[T any] struct {
	value T
	is    bool
}

// UnmarshalJSONFrom is as in [json.UnmarshalerFrom].
func (g *given[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if kind := d.PeekKind(); kind == jsontext.KindNull {
		return &json.SemanticError{JSONKind: kind, GoType: reflect.TypeFor[T]()}
	}
	g.is = true
	return json.UnmarshalDecode(d, &g.value)
}

// serverJSON is an instance as Nova writes it.
type serverJSON struct {
	ID        given[string]                          `json:"id"`
	Name      given[string]                          `json:"name"`
	Status    given[string]                          `json:"status"`
	TenantID  given[string]                          `json:"tenant_id"`
	Addresses given[map[string]given[[]addressJSON]] `json:"addresses"`
}

type addressJSON struct {
	Addr    given[string] `json:"addr"`
	Version given[int]    `json:"version"`
}

type linkJSON struct {
	Rel given[string] `json:"rel"`
}

// maxInstance is for one instance on a page, and for all that comes before the
// instances, and after them. A page has no limit.
const maxInstance = 4 << 20

// decodeServers reads GET /servers, and with detail GET /servers/detail, one
// instance after the other.
func decodeServers(body *limitedBody, region string, detail bool) (serverPage, error) {
	var page serverPage
	found := false
	d := jsontext.NewDecoder(body)
	body.allow(maxInstance)
	if d.PeekKind() == jsontext.KindInvalid {
		if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
			return page, errEmpty
		}
	}
	err := begin[map[string]any](d, jsontext.KindBeginObject)
	for err == nil && d.PeekKind() != jsontext.KindEndObject {
		var key jsontext.Value
		if key, err = d.ReadValue(); err != nil {
			break
		}
		switch string(key) { // a key that is written with an escape matches none
		case `"servers"`:
			found = true
			err = page.readServers(d, body, region, detail)
		case `"servers_links"`:
			var links given[[]given[linkJSON]]
			err = json.UnmarshalDecode(d, &links)
			for _, link := range links.value {
				page.full = page.full || link.value.Rel.value == "next" // where it leads to is not of interest
			}
		default:
			err = d.SkipValue()
		}
	}
	switch {
	case err != nil:
		return serverPage{}, understood(err)
	case !found:
		return serverPage{}, errors.New("it has no servers")
	}
	if _, err = d.ReadToken(); err != nil { // the end of the object
		return serverPage{}, err
	}
	switch _, err = d.ReadToken(); {
	case errors.Is(err, io.EOF):
		return page, nil
	case body.err != nil:
		return serverPage{}, body.err
	}
	return serverPage{}, errors.New("there is more behind the JSON value")
}

// begin reads the beginning of an object or a list, which would be a T.
func begin[T any](d *jsontext.Decoder, kind jsontext.Kind) error {
	t, err := d.ReadToken()
	if err == nil && t.Kind() != kind {
		return &json.SemanticError{JSONPointer: d.StackPointer(), JSONKind: t.Kind(), GoType: reflect.TypeFor[T]()}
	}
	return err
}

func (p *serverPage) readServers(d *jsontext.Decoder, body *limitedBody, region string, detail bool) error {
	if err := begin[[]any](d, jsontext.KindBeginArray); err != nil {
		return err
	}
	var raw given[serverJSON]
	for {
		body.allow(d.InputOffset() + maxInstance)
		if kind := d.PeekKind(); kind == jsontext.KindEndArray || kind == jsontext.KindInvalid {
			_, err := d.ReadToken()
			return err
		}
		raw = given[serverJSON]{}
		err := json.UnmarshalDecode(d, &raw)
		if errors.Is(err, errTooLong) {
			name := ""
			if raw.value.ID.value != "" {
				name = ", " + quote(raw.value.ID.value) + ","
			}
			return fmt.Errorf("instance %d of the page%s is longer than %d MiB", len(p.servers)+1, name, maxInstance>>20)
		}
		if err != nil {
			return err
		}
		s, stub, err := raw.value.server(region, detail)
		if err != nil {
			return err
		}
		if stub {
			p.stubs++
		}
		p.servers = append(p.servers, s)
	}
}

// server checks that nothing is missing. It tells besides whether the instance is
// only a stub.
func (s *serverJSON) server(region string, detail bool) (server, bool, error) {
	stub := s.Status.value == "UNKNOWN" && !s.Name.is && !s.Addresses.is
	missing := ""
	switch {
	case s.ID.value == "":
		return server{}, false, errors.New("an instance has no id")
	case stub:
	case !s.Name.is:
		missing = "name"
	case detail && s.TenantID.value == "":
		missing = "tenant_id"
	case detail && s.Status.value == "":
		missing = "status"
	case detail && !s.Addresses.is:
		missing = "addresses"
	}
	if missing != "" {
		return server{}, false, fmt.Errorf("instance %s has no %s", quote(s.ID.value), missing)
	}
	one := server{exports.Instance{ID: s.ID.value, Name: s.Name.value, Region: region, Status: s.Status.value}, s.TenantID.value}
	for _, network := range slices.Sorted(maps.Keys(s.Addresses.value)) {
		for _, raw := range s.Addresses.value[network].value {
			addr, err := raw.address()
			if err != nil {
				return server{}, false, err
			}
			one.Addresses = append(one.Addresses, exports.Address{Network: network, Addr: addr})
		}
	}
	return one, stub, nil
}

func (a addressJSON) address() (netip.Addr, error) {
	addr, err := netip.ParseAddr(a.Addr.value)
	switch {
	case !a.Addr.is:
		return addr, errors.New("an address has no addr")
	case err != nil, addr.Zone() != "":
		return addr, fmt.Errorf("%s is not an address", quote(a.Addr.value))
	case a.Version.value != 4 && a.Version.value != 6:
		return addr, fmt.Errorf("address %s has no version 4 or 6", addr)
	}
	return addr.Unmap(), nil
}

// decodeServices reads GET /os-services and tells how many of the hosts are of
// a cell that is down.
func decodeServices(body []byte) (down int, err error) {
	var answer struct {
		Services *[]struct {
			Binary *string `json:"binary"`
			Host   *string `json:"host"`
			Status *string `json:"status"`
		} `json:"services"`
	}
	if err := unmarshal(body, &answer); err != nil {
		return 0, err
	}
	if answer.Services == nil || len(*answer.Services) == 0 {
		return 0, errors.New("it has no services")
	}
	for _, s := range *answer.Services {
		switch {
		case s.Binary == nil || s.Host == nil || s.Status == nil:
			return 0, errors.New("a service has no binary, host or status")
		case *s.Status == "UNKNOWN":
			down++
		case *s.Status != "enabled" && *s.Status != "disabled":
			return 0, fmt.Errorf("the status %s of a service is not known", quote(*s.Status))
		}
	}
	return down, nil
}
