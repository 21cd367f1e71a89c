package keystone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

const (
	// byIDTimeout is for one request for an instance by its id.
	byIDTimeout = 30 * time.Second
	// byIDRetries is how often such a request is sent again.
	byIDRetries = 1
)

// byID is what Nova answers about one instance.
type byID struct {
	server        // the zero server after a 404
	why    string // the request and its answer
	by     *token // who asked
}

// show asks Nova for an instance by its id. Its error is any answer that proves
// nothing about it.
func (n nova) show(ctx context.Context, id string) (found byID, err error) {
	r := call{
		op:      fmt.Sprintf("look up instance %s in region %s", printable.Plain(id), printable.Quote(n.region)),
		url:     n.url + "/servers/" + id,
		ok:      []int{http.StatusOK, http.StatusNotFound},
		next:    "allow os_compute_api:servers:show to those with a role on the project",
		timeout: min(byIDTimeout, n.client.opts.RequestTimeout),
		use: func(a *answer) (err error) {
			found = byID{why: a.String()}
			if a.Status == http.StatusNotFound {
				return isNovas404(a, id)
			}
			found.server, err = decodeServer(a.text, n.region)
			if err == nil && found.ID != id {
				err = fmt.Errorf("it is instance %s", printable.Quote(found.ID))
			}
			return err
		},
	}
	var by *token
	err = n.client.as(ctx, n.session, func(t *token) error {
		by, r.service = t, t.byID
		return n.client.again(ctx, byIDRetries, func() error { return againAt500(n.client.once(ctx, r)) })
	})
	found.by = by
	return found, err
}

// againAt500 makes any 5xx an error that may be gone a moment later.
func againAt500(err error) error {
	if broken, ok := err.(*UnavailableError); ok && broken.Status/100 == 5 { // not one that is transient already
		return &transientError{UnavailableError: broken}
	}
	return err
}

// isNovas404 is an error if the 404 may be that of a proxy, or of a Nova that says 404
// for an instance in a cell that is down.
func isNovas404(a *answer, id string) error {
	switch {
	case !isOfMicroversion(a.header, byIDMicroversion):
		return fmt.Errorf("it is a 404, but not Nova's of microversion %s", byIDMicroversion)
	case !hasWord(cloudMessage(a.text), id):
		return errors.New("it is a 404, but not Nova's for this instance")
	}
	return nil
}

// decodeServer reads GET /servers/ID.
func decodeServer(body []byte, region string) (server, error) {
	r := pageReader{d: jsontext.NewDecoder(bytes.NewReader(body)), region: region, detail: true}
	s := server{Instance: exports.Instance{Region: region}}
	found := false
	err := members(r.d, func(name []byte) error {
		if string(name) != `"server"` {
			return r.d.SkipValue()
		}
		found = true
		return r.server(&s)
	})
	if plainly := aboutKind(err); plainly != nil {
		return s, plainly
	}
	if err != nil {
		return s, err
	}
	switch _, err := r.d.ReadToken(); {
	case !errors.Is(err, io.EOF):
		return s, errors.New("there is more behind the JSON value")
	case !found:
		return s, errors.New("it has no server")
	case s.Status == "UNKNOWN":
		return s, errors.New("it is what Nova shows of an instance in a cell that is down")
	}
	return s, nil
}
