package keystone

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"unique"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

const (
	// maxInstance is for one instance of a page, for what comes before the instances
	// and for what comes after them. A page has no limit in bytes.
	maxInstance = 4 << 20
	// maxOnPage is how many instances a page may have. Nova's own limit is 1,000,
	// unless osapi_max_limit says otherwise. A page without an end would fill
	// the memory before the time is up.
	maxOnPage = 100_000
)

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

// given is a value that must not be null.
type given[T any] struct{ value T }

// UnmarshalJSONFrom is as in [json.UnmarshalerFrom].
func (g *given[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if kind := d.PeekKind(); kind == jsontext.KindNull {
		return &json.SemanticError{JSONKind: kind, GoType: reflect.TypeFor[T]()}
	}
	return json.UnmarshalDecode(d, &g.value)
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
	found := false
	err := members(r.d, func(name []byte) error {
		switch string(name) { // one that is written with an escape counts as missing
		case `"servers"`:
			found = true
			return r.servers()
		case `"servers_links"`:
			var links given[[]given[linkJSON]]
			err := json.UnmarshalDecode(r.d, &links)
			for _, link := range links.value {
				// Where it leads to is not of interest.
				r.page.full = r.page.full || link.value.Rel.value == "next"
			}
			return err
		}
		return r.d.SkipValue()
	})
	if err != nil {
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

// members reads an object. It calls each with every name as it is written, and each
// reads the value.
func members(d *jsontext.Decoder, each func(name []byte) error) error {
	if _, err := readKind[struct{}](d, jsontext.KindBeginObject); err != nil {
		return err
	}
	for d.PeekKind() == jsontext.KindString {
		name, err := d.ReadValue()
		if err == nil {
			err = each(name)
		}
		if err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// readKind reads text, or the beginning of an object or a list. It would become a T.
func readKind[T any](d *jsontext.Decoder, kind jsontext.Kind) (jsontext.Token, error) {
	t, err := d.ReadToken()
	if err == nil && t.Kind() != kind {
		err = &json.SemanticError{JSONPointer: d.StackPointer(), JSONKind: t.Kind(), GoType: reflect.TypeFor[T]()}
	}
	return t, err
}

func (r *pageReader) text() (string, error) {
	t, err := readKind[string](r.d, jsontext.KindString)
	if err != nil {
		return "", err
	}
	return t.String(), nil
}

// commonText reads text of which there are few different ones, and keeps each once.
func (r *pageReader) commonText() (string, error) {
	text, err := r.text()
	return unique.Make(text).Value(), err
}

func (r *pageReader) servers() error {
	if _, err := readKind[[]any](r.d, jsontext.KindBeginArray); err != nil {
		return err
	}
	for {
		r.body.limit = r.d.InputOffset() + maxInstance
		if kind := r.d.PeekKind(); kind == jsontext.KindEndArray || kind == jsontext.KindInvalid {
			_, err := r.d.ReadToken()
			return err
		}
		if len(r.page.servers) == maxOnPage {
			return fmt.Errorf("the page has more than %d instances", maxOnPage)
		}
		s := server{Instance: exports.Instance{Region: r.region}}
		err := r.server(&s)
		if errors.Is(err, errTooLong) {
			r.body.err = fmt.Errorf("instance %d of the page (id %s) is longer than %d MiB",
				len(r.page.servers)+1, printable.Quote(s.ID), maxInstance>>20)
		}
		if err != nil {
			return err
		}
		r.page.servers = append(r.page.servers, s)
	}
}

// server reads an instance. It is an error if something is missing. A struct for
// package json would take half as much time again: that looks up the name of each
// field that is not needed, and these are most of them.
func (r *pageReader) server(s *server) error {
	hasName, hasAddresses := false, false
	err := members(r.d, func(name []byte) (err error) {
		switch string(name) {
		case `"id"`:
			s.ID, err = r.text()
		case `"name"`:
			hasName = true
			s.Name, err = r.text()
		case `"status"`:
			s.Status, err = r.commonText()
		case `"tenant_id"`:
			s.projectID, err = r.commonText()
		case `"addresses"`:
			hasAddresses = true
			s.Addresses, s.EmptyNetworks, err = r.addresses()
		default:
			err = r.d.SkipValue()
		}
		return err
	})
	missing := ""
	switch {
	case err != nil:
		return err
	case s.ID == "":
		return errors.New("an instance has no id")
	case !isPlainID(s.ID):
		return fmt.Errorf("the id of an instance is %s, and not up to %d letters, digits and dashes", printable.Quote(s.ID), maxID)
	case s.Status == "UNKNOWN" && !hasName && !hasAddresses:
		r.page.stubs++
	case !hasName:
		missing = "name"
	case r.detail && s.projectID == "":
		missing = "tenant_id"
	case r.detail && s.Status == "":
		missing = "status"
	case r.detail && !hasAddresses:
		missing = "addresses"
	}
	if missing != "" {
		return fmt.Errorf("instance %s has no %s", printable.Quote(s.ID), missing)
	}
	return nil
}

// maxID is how long the id of an instance may be.
const maxID = 64

// isPlainID reports whether an id is one to write into a comment or the path of a URL.
func isPlainID(id string) bool {
	for i := range len(id) {
		c := id[i] | 0x20 // a small letter
		if (c < 'a' || c > 'z') && (id[i] < '0' || id[i] > '9') && id[i] != '-' {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

// addresses reads the addresses of an instance, by network, and the networks that
// have none.
func (r *pageReader) addresses() (all []exports.Address, empty []string, err error) {
	err = members(r.d, func(name []byte) error {
		text, err := jsontext.AppendUnquote(nil, name)
		if err != nil {
			return err
		}
		network := unique.Make(string(text)).Value()
		var list given[[]addressJSON]
		if err := json.UnmarshalDecode(r.d, &list); err != nil {
			return err
		}
		if len(list.value) == 0 {
			empty = append(empty, network)
		}
		for _, a := range list.value {
			addr, err := a.parse()
			if err != nil {
				return err
			}
			all = append(all, exports.Address{Network: network, Addr: addr})
		}
		return nil
	})
	return all, empty, err
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
