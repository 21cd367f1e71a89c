package keystone

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

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
	if odd, ok := errors.AsType[*json.SemanticError](err); ok && odd.JSONKind != 0 {
		// Its own text tells of Go's types.
		return fmt.Errorf("%s is %s, which does not belong there", place(odd.JSONPointer), kindName(odd.JSONKind))
	}
	if err != nil {
		return fmt.Errorf("it is not the JSON that was expected: %w", err)
	}
	return nil
}

// place is how messages call a value in an answer.
func place(pointer jsontext.Pointer) string {
	if pointer == "" {
		return "all of it"
	}
	return quote(string(pointer))
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

// decodeServers reads GET /servers, and with detail GET /servers/detail. Token
// by token it takes a third less time than by reflection, and a seventh of the
// allocations (bench_test.go has both), and null is not taken for what is missing.
func decodeServers(d *jsontext.Decoder, into *pack, region string, detail bool) (serverPage, error) {
	into.reset()
	p := serverParser{Decoder: d, pack: into, region: region, detail: detail}
	var page serverPage
	found := false
	err := p.object(func(key []byte) error {
		switch string(key) {
		case `"servers"`:
			found = true
			return p.array(func() error { return p.server(&page) })
		case `"servers_links"`:
			return p.array(func() error { return p.link(&page) })
		}
		return p.SkipValue()
	})
	if err != nil {
		return serverPage{}, err
	}
	if !found {
		return serverPage{}, errors.New("it has no servers")
	}
	page.servers = into.servers()
	return page, p.end()
}

type serverParser struct {
	*jsontext.Decoder
	*pack
	region  string
	detail  bool
	scratch []byte
}

// object calls each with every key of an object, as it is written, quotes and
// all. Each must read the value. A key that is written with an escape matches
// none that is looked for: then one is missing.
func (p *serverParser) object(each func(key []byte) error) error {
	return p.between('{', '}', func() error {
		key, err := p.ReadValue()
		if err != nil {
			return err
		}
		return each(key)
	})
}

func (p *serverParser) array(each func() error) error { return p.between('[', ']', each) }

func (p *serverParser) between(open, closed jsontext.Kind, each func() error) error {
	if err := p.expect(open); err != nil {
		return err
	}
	for p.PeekKind() != closed {
		if p.PeekKind() == 0 {
			_, err := p.ReadToken()
			return err
		}
		if err := each(); err != nil {
			return err
		}
	}
	return p.expect(closed)
}

func (p *serverParser) expect(kind jsontext.Kind) error {
	t, err := p.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() != kind {
		return fmt.Errorf("%s is %s and not %s", place(p.StackPointer()), kindName(t.Kind()), kindName(kind))
	}
	return nil
}

// appendText reads a text and adds it to another.
func (p *serverParser) appendText(to []byte) ([]byte, error) {
	value, err := p.ReadValue()
	if err != nil {
		return to, err
	}
	if value.Kind() != '"' {
		return to, fmt.Errorf("%s is %s and not text", place(p.StackPointer()), kindName(value.Kind()))
	}
	return jsontext.AppendUnquote(to, value)
}

// packText is text that goes into the pack.
func (p *serverParser) packText() (s span, err error) {
	s.from = len(p.pack.text)
	p.pack.text, err = p.appendText(p.pack.text)
	s.end = len(p.pack.text)
	return s, err
}

// text is text that is good until the next is read.
func (p *serverParser) text() (text []byte, err error) {
	p.scratch, err = p.appendText(p.scratch[:0])
	return p.scratch, err
}

// name is text of which there are few different ones.
func (p *serverParser) name() (string, error) {
	text, err := p.text()
	if err != nil {
		return "", err
	}
	return p.pack.name(text), nil
}

// end is after the one JSON value.
func (p *serverParser) end() error {
	if _, err := p.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the JSON value")
	}
	return nil
}

func (p *serverParser) link(page *serverPage) error {
	return p.object(func(key []byte) error {
		if string(key) != `"rel"` {
			return p.SkipValue() // where it leads to is not of interest
		}
		rel, err := p.text()
		if string(rel) == "next" {
			page.full = true
		}
		return err
	})
}

func (p *serverParser) server(page *serverPage) error {
	s := packed{region: p.region}
	var hasName, hasAddresses bool
	err := p.object(func(key []byte) (err error) {
		switch string(key) {
		case `"id"`:
			s.id, err = p.packText()
		case `"name"`:
			hasName = true
			s.name, err = p.packText()
		case `"status"`:
			s.status, err = p.name()
		case `"tenant_id"`:
			s.project, err = p.name()
		case `"addresses"`:
			hasAddresses = true
			s.addresses, err = p.addresses()
		default:
			err = p.SkipValue()
		}
		return err
	})
	id := func() string { return quote(string(p.pack.text[s.id.from:s.id.end])) }
	switch {
	case err != nil:
		return err
	case s.id.from == s.id.end:
		return errors.New("an instance has no id")
	case s.status == "UNKNOWN" && !hasName && !hasAddresses:
		page.stubs++
	case !hasName:
		return fmt.Errorf("instance %s has no name", id())
	case p.detail && s.project == "":
		return fmt.Errorf("instance %s has no tenant_id", id())
	case p.detail && s.status == "":
		return fmt.Errorf("instance %s has no status", id())
	case p.detail && !hasAddresses:
		return fmt.Errorf("instance %s has no addresses", id())
	}
	p.entries = append(p.entries, s)
	return nil
}

func (p *serverParser) addresses() (all span, err error) {
	all.from = len(p.pack.addresses)
	err = p.between('{', '}', func() error {
		network, err := p.name()
		if err != nil {
			return err
		}
		return p.array(func() error {
			addr, err := p.address()
			p.pack.addresses = append(p.pack.addresses, exports.Address{Network: network, Addr: addr})
			return err
		})
	})
	all.end = len(p.pack.addresses)
	return all, err
}

func (p *serverParser) address() (addr netip.Addr, err error) {
	version := byte(0)
	err = p.object(func(key []byte) error {
		switch string(key) {
		case `"addr"`:
			text, err := p.text()
			if err != nil {
				return err
			}
			addr, err = netip.ParseAddr(string(text))
			if err != nil || addr.Zone() != "" {
				return fmt.Errorf("%s is not an address", quote(string(text)))
			}
			addr = addr.Unmap()
			return nil
		case `"version"`:
			value, err := p.ReadValue()
			if string(value) == "4" || string(value) == "6" {
				version = value[0]
			}
			return err
		}
		return p.SkipValue()
	})
	switch {
	case err != nil:
		return addr, err
	case !addr.IsValid():
		return addr, errors.New("an address has no addr")
	case version == 0:
		return addr, fmt.Errorf("address %s has no version 4 or 6", addr)
	}
	return addr, nil
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
