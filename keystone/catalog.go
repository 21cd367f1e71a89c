package keystone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"nfs-exportd/printable"
)

// findRegions gives the ids of the regions to read.
func (c *Client) findRegions(ctx context.Context) ([]string, error) {
	if len(c.opts.Regions) > 0 {
		return c.opts.Regions, nil
	}
	return c.listRegions(ctx)
}

// listRegions gives the ids of all regions of the cloud. Keystone is asked once in a
// run.
func (c *Client) listRegions(ctx context.Context) ([]string, error) {
	if len(c.regions) > 0 {
		return c.regions, nil
	}
	var regions []string
	err := c.get(ctx, c.root, identityOf, call{
		op:   "list the regions",
		url:  c.creds.AuthURL + "/regions",
		next: "let the user list regions, or set openstack.regions",
		use: func(a *answer) (err error) {
			regions, err = decodeRegions(a.text)
			return err
		},
	})
	if err == nil {
		c.regions = regions
	}
	return regions, err
}

// computeRegions gives the ids of the regions in which a token's catalog has a Nova of
// any interface, sorted.
func (t *token) computeRegions() []string {
	var ids []string
	for _, service := range t.catalog {
		for _, e := range service.Endpoints {
			if service.Type == "compute" {
				ids = append(ids, cmp.Or(e.RegionID, e.Region))
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// computeURL is the endpoint of Nova in a region, without a slash at its end,
// for requests with a token. There must be no choice: which of two is the right
// one is not to be guessed.
func (c *Client) computeURL(t *token, region string) (string, error) {
	x := Exchange{
		Op:  fmt.Sprintf("find Nova in region %s", printable.Quote(region)),
		URL: c.creds.AuthURL + "/auth/tokens", Method: "POST", As: c.creds.String(),
	}
	var found []string
	for _, service := range t.catalog {
		if service.Type != "compute" {
			continue
		}
		for _, e := range service.Endpoints {
			if cmp.Or(e.RegionID, e.Region) == region && e.Interface == c.creds.Interface {
				found = append(found, e.URL)
			}
		}
	}
	if len(found) != 1 {
		return "", &UntrustedError{x, &endpointsError{len(found), c.creds.Interface},
			"set openstack.regions to the regions that have a Nova, or OS_INTERFACE or interface to public, internal or admin"}
	}
	text, err := versionedCompute(found[0], strings.HasPrefix(c.creds.AuthURL, "https:"))
	if err != nil {
		return "", &UntrustedError{x, fmt.Errorf("the endpoint %s is not usable: %w", printable.Quote(found[0]), err), "have the catalog corrected"}
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", &UntrustedError{x, errors.New("the endpoint is not a URL"), "have the catalog corrected"}
	}
	c.hosts.allow(u)
	return text, nil
}

// endpointsError is about a catalog that has not one Nova in a region. A project can
// have a catalog of its own (Keystone's endpoint filter).
type endpointsError struct {
	found int
	kind  string // public, internal or admin
}

func (e *endpointsError) Error() string {
	return fmt.Sprintf("the catalog has %d %s compute endpoints there, not 1", e.found, e.kind)
}

// versionedCompute completes an endpoint to version 2.1. It is made by hand,
// because discovery costs a request and trusts its answer with the next URL.
func versionedCompute(endpoint string, secure bool) (string, error) {
	u, err := parseEndpoint(endpoint)
	if err != nil {
		return "", err
	}
	if secure && u.Scheme != "https" {
		return "", errors.New("it is not https, as Keystone is")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	last, before := path.Base(u.Path), path.Base(path.Dir(u.Path))
	switch {
	case last == "v2.1", before == "v2.1": // before a project id
	case last == "v2", before == "v2":
		return "", errors.New("version 2 has no microversions: it should be v2.1")
	default:
		u.Path += "/v2.1"
	}
	return u.String(), nil
}
