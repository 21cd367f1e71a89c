package keystone

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// Options say how to read. The zero value of each field is usable.
type Options struct {
	Domain      string          // id of the domain whose projects count; "" is default
	Regions     []string        // ids; none are all that Keystone lists
	Listing     exports.Listing // "" is auto
	Concurrency int             // requests at a time; 0 is exports.DefaultConcurrency
	UserAgent   string          // product/version, put before Gophercloud's own
	Log         *slog.Logger
	// RequestTimeout is for one request with its answer; 0 is 90 s, because Nova
	// waits 60 s for a cell before it says that the cell is down. The whole
	// conversation is limited by the context.
	RequestTimeout time.Duration
	// Proxy chooses a proxy, usually [http.ProxyFromEnvironment]; nil is none.
	Proxy func(*http.Request) (*url.URL, error)
	// Now, Sleep and Random are the clock and the dice; nil are the real ones.
	// Sleep returns early, with the context's error, when that ends. Random
	// gives numbers in [0, 1).
	Now    func() time.Time
	Sleep  func(context.Context, time.Duration) error
	Random func() float64

	maxBody int64 // bytes of one answer but for a page of instances, unpacked; 0 is 64 MiB
}

func (o Options) withDefaults() (Options, error) {
	o.Domain = cmp.Or(o.Domain, "default")
	o.Listing = cmp.Or(o.Listing, exports.ListingAuto)
	o.Concurrency = cmp.Or(o.Concurrency, exports.DefaultConcurrency)
	o.RequestTimeout = cmp.Or(o.RequestTimeout, 90*time.Second)
	o.maxBody = cmp.Or(o.maxBody, maxBody)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Random == nil {
		o.Random = rand.Float64 // jitter
	}
	if o.Listing != exports.ListingAuto && o.Listing != exports.ListingAllProjects && o.Listing != exports.ListingPerProject {
		return o, fmt.Errorf("listing %s: it is %s, %s or %s", printable.Quote(string(o.Listing)), exports.ListingAuto, exports.ListingAllProjects, exports.ListingPerProject)
	}
	if o.Concurrency < 1 || o.Concurrency > exports.MaxConcurrency {
		return o, fmt.Errorf("concurrency %d: it is from 1 to %d", o.Concurrency, exports.MaxConcurrency)
	}
	return o, nil
}

// Client is a conversation with one cloud.
type Client struct {
	creds  Credentials
	opts   Options
	http   http.Client
	hosts  *hosts
	asking chan struct{} // has an element for each request under way
	root   *session
	// together is that all projects were tried at once: later readings, of a few of
	// them, begin with that too.
	together bool
	// shownAll is that all projects were listed at once.
	shownAll bool
	unscoped *session // see forRescoping
	regions  []string // see listRegions

	mu       sync.Mutex
	projects map[string]*session // by project id
	// witnessed says of each region that was tried whether Nova showed root's token, by
	// id, an instance outside its own project.
	witnessed map[string]*token
	seen      map[string][]string // ids of a few instances of any project, by region
	issued    []secret            // tokens
	shortest  int                 // the bytes of the shortest of them
}

// Open logs in. The error is a [*CredentialsError], [*RefusedError],
// [*UnavailableError] or [*UntrustedError], or is [context.Canceled].
func Open(ctx context.Context, creds Credentials, opts Options) (*Client, error) {
	c, err := newClient(creds, opts)
	if err != nil {
		return nil, err
	}
	c.root = &session{login: c.firstLogin}
	if c.root.token, err = c.firstLogin(ctx); err != nil {
		c.Close()
		return nil, err
	}
	// Keystone answers one whose token is for a domain with the projects of that
	// domain, whichever is asked for: for another, with an empty list.
	if d := c.root.token.domainID; d != "" && d != c.opts.Domain {
		c.Close()
		return nil, unusable(creds.Source, fmt.Errorf("they are for domain %s, but the projects are those of domain %s",
			printable.Quote(d), printable.Quote(c.opts.Domain)), "use other credentials, or set openstack.domain")
	}
	return c, nil
}

// newClient is a client that has not logged in.
func newClient(creds Credentials, opts Options) (*Client, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, unusable("", err, "")
	}
	config, err := creds.tlsConfig()
	if err != nil {
		return nil, err
	}
	auth, err := parseEndpoint(creds.AuthURL)
	if err != nil {
		return nil, unusable(creds.Source, fmt.Errorf("the auth URL is not usable: %w", err), "")
	}
	c := &Client{
		creds:    creds,
		opts:     opts,
		hosts:    &hosts{base: newTransport(config, opts), known: map[string]bool{}, maxBody: opts.maxBody},
		asking:   make(chan struct{}, opts.Concurrency),
		shortest: math.MaxInt,

		projects: map[string]*session{}, witnessed: map[string]*token{}, seen: map[string][]string{},
	}
	c.hosts.allow(auth)
	c.http = http.Client{
		Transport: c.hosts,
		// Go would send the token, and on a 307 the password, to the other host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Wanted is what an inventory should answer.
type Wanted struct {
	// Keys are projects of the configuration, each an id or else a name.
	Keys []string
	// IDs are projects, by id, of which only the existence is wanted. Their domains
	// are those that somebody has seen them in, or empty.
	IDs []exports.Owner
}

// Inventory reads the wanted projects and the instances of those that Keys
// name and that are enabled. It is complete, or there is one of the errors of
// [Open].
func (c *Client) Inventory(ctx context.Context, wanted Wanted) (exports.Inventory, error) {
	inventory, _, err := c.Projects(ctx, wanted)
	if err != nil {
		return exports.Inventory{}, err
	}
	if err := c.Instances(ctx, inventory); err != nil {
		return exports.Inventory{}, err
	}
	return inventory, nil
}

// Projects is the part of [Client.Inventory] that Keystone answers: the projects,
// without their instances. It tells besides, for people, which list that rests on.
func (c *Client) Projects(ctx context.Context, wanted Wanted) (exports.Inventory, string, error) {
	return c.findProjects(ctx, wanted)
}

// Instances is the part of [Client.Inventory] that Nova answers: it fills in the
// instances of the inventory's projects, of some regions or else of all that a
// run reads.
func (c *Client) Instances(ctx context.Context, inventory exports.Inventory, regions ...string) error {
	// Two keys can be one project, one its id and one its name.
	served := map[string]exports.Project{}
	for _, p := range inventory.Projects {
		if p.Sight == exports.Shown && p.Enabled {
			served[p.ID] = p
		}
	}
	instances, err := c.listInstances(ctx, served, regions)
	if err != nil {
		return err
	}
	for key, p := range inventory.Projects {
		p.Instances = instances[p.ID]
		inventory.Projects[key] = p
	}
	return nil
}
