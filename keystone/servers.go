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
	"nfs-exportd/printable"
)

// maxInstance is for one instance of a page, for what comes before the instances
// and for what comes after them. A page has no limit.
const maxInstance = 4 << 20

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
	Addr    string `json:"addr"`
	Version int    `json:"version"`
}

type linkJSON struct {
	Rel given[string] `json:"rel"`
}

// decodeServers reads GET /servers, and with detail GET /servers/detail, one
// instance after the other. Its error is [io.EOF] if there is nothing to read.
func decodeServers(body *limitedBody, region string, detail bool) (serverPage, error) {
	body.limit = maxInstance
	r := pageReader{d: jsontext.NewDecoder(body), body: body, region: region, detail: detail}
	err := r.read()
	if plainly := aboutKind(err); plainly != nil {
		err = plainly
	}
	if err != nil {
		return serverPage{}, err
	}
	return r.page, nil
}

type pageReader struct {
	d      *jsontext.Decoder
	body   *limitedBody // which d reads
	region string
	detail bool
	page   serverPage
}

func (r *pageReader) read() error {
	if err := begin[struct{}](r.d, jsontext.KindBeginObject); err != nil {
		return err
	}
	found := false
	for r.d.PeekKind() != jsontext.KindEndObject {
		key, err := r.d.ReadValue()
		if err != nil {
			return err
		}
		switch string(key) { // one that is written with an escape counts as missing
		case `"servers"`:
			found = true
			err = r.servers()
		case `"servers_links"`:
			var links given[[]given[linkJSON]]
			err = json.UnmarshalDecode(r.d, &links)
			for _, link := range links.value {
				// Where it leads to is not of interest.
				r.page.full = r.page.full || link.value.Rel.value == "next"
			}
		default:
			err = r.d.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	if !found {
		return errors.New("it has no servers")
	}
	if _, err := r.d.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the JSON value")
	}
	return nil
}

// begin reads the beginning of an object or a list, which would be a T.
func begin[T any](d *jsontext.Decoder, kind jsontext.Kind) error {
	t, err := d.ReadToken()
	if err == nil && t.Kind() != kind {
		return &json.SemanticError{JSONPointer: d.StackPointer(), JSONKind: t.Kind(), GoType: reflect.TypeFor[T]()}
	}
	return err
}

func (r *pageReader) servers() error {
	if err := begin[[]any](r.d, jsontext.KindBeginArray); err != nil {
		return err
	}
	var s given[serverJSON]
	for {
		r.body.limit = r.d.InputOffset() + maxInstance
		if kind := r.d.PeekKind(); kind == jsontext.KindEndArray || kind == jsontext.KindInvalid {
			_, err := r.d.ReadToken()
			return err
		}
		networks := s.value.Addresses.value
		clear(networks) // a map for each instance would be a third of all garbage
		s = given[serverJSON]{}
		s.value.Addresses.value = networks
		err := json.UnmarshalDecode(r.d, &s)
		if err == nil {
			err = r.add(&s.value)
		}
		if errors.Is(err, errTooLong) {
			r.body.err = fmt.Errorf("instance %d of the page (id %s) is longer than %d MiB",
				len(r.page.servers)+1, printable.Quote(s.value.ID.value), maxInstance>>20)
		}
		if err != nil {
			return err
		}
	}
}

// add adds an instance to the page if nothing is missing.
func (r *pageReader) add(s *serverJSON) error {
	stub := s.Status.value == "UNKNOWN" && !s.Name.is && !s.Addresses.is
	missing := ""
	switch {
	case s.ID.value == "":
		return errors.New("an instance has no id")
	case stub:
		r.page.stubs++
	case !s.Name.is:
		missing = "name"
	case r.detail && s.TenantID.value == "":
		missing = "tenant_id"
	case r.detail && s.Status.value == "":
		missing = "status"
	case r.detail && !s.Addresses.is:
		missing = "addresses"
	}
	if missing != "" {
		return fmt.Errorf("instance %s has no %s", printable.Quote(s.ID.value), missing)
	}
	one := server{exports.Instance{ID: s.ID.value, Name: s.Name.value, Region: r.region, Status: s.Status.value}, s.TenantID.value}
	for _, network := range slices.Sorted(maps.Keys(s.Addresses.value)) {
		for _, a := range s.Addresses.value[network].value {
			addr, err := a.parse()
			if err != nil {
				return err
			}
			one.Addresses = append(one.Addresses, exports.Address{Network: network, Addr: addr})
		}
	}
	r.page.servers = append(r.page.servers, one)
	return nil
}

func (a addressJSON) parse() (netip.Addr, error) {
	addr, err := netip.ParseAddr(a.Addr)
	switch {
	case a.Addr == "":
		return addr, errors.New("an address has no addr")
	case err != nil, addr.Zone() != "":
		return addr, fmt.Errorf("%s is not an address", printable.Quote(a.Addr))
	case a.Version != 4 && a.Version != 6:
		return addr, fmt.Errorf("address %s has no version 4 or 6", addr)
	}
	return addr.Unmap(), nil
}
