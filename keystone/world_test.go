package keystone

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/keystone/keystonetest"
)

const (
	toolsID   = "0123456789abcdef0123456789abcdef"
	deletedID = "ffffffffffffffffffffffffffffffff"
	password  = "pa\"ss\n#wörd-7f3a"
)

// world is a cloud with two regions and, served, the projects tools (5
// instances and another), deployment-prep (1), idle (none) and off (disabled).
type world struct {
	*keystonetest.Server
	reader bool // log in as one with roles on projects alone
	opts   Options
	log    *logBuffer
	waited []time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return fill(&world{Server: keystonetest.NewServer(t)})
}

func fill(w *world) *world {
	w.AddRegion("RegionTwo")
	w.AddProject(keystonetest.Project{ID: toolsID, Name: "tools"})
	w.AddProject(keystonetest.Project{ID: "deployment-prep", Name: "deployment-prep"})
	w.AddProject(keystonetest.Project{Name: "idle"})
	off := w.AddProject(keystonetest.Project{Name: "off", Disabled: true})
	other := w.AddProject(keystonetest.Project{Name: "other"})
	w.AddDomain(keystonetest.Domain{ID: "elsewhere"})
	w.AddProject(keystonetest.Project{ID: "foreign", Name: "tools", DomainID: "elsewhere"})
	for _, user := range []string{"admin", "reader"} {
		w.AddUser(keystonetest.User{Name: user, Password: password})
	}
	w.AddRole("admin", keystonetest.System, "admin")
	for _, p := range w.Projects() {
		if p.Name != "other" && p.DomainID == "default" {
			w.AddRole("reader", p.ID, "reader")
		}
	}
	for n := range 5 {
		w.AddInstance(keystonetest.Instance{
			Name: fmt.Sprintf("tools-%d", n), ProjectID: toolsID, Cell: fmt.Sprintf("cell%d", n%2+1),
			Addresses: []keystonetest.Address{
				{Network: "lan", IP: fmt.Sprintf("10.0.0.%d", n+1)},
				{Network: "lan", IP: fmt.Sprintf("2001:DB8:0::%d", n+1)},
			},
		})
	}
	w.AddInstance(keystonetest.Instance{Name: "tools-far", ProjectID: toolsID, Region: "RegionTwo", Status: "SHUTOFF",
		Addresses: []keystonetest.Address{{Network: "far lan", IP: "10.1.0.1"}}})
	w.AddInstance(keystonetest.Instance{Name: "prep\x1b[31m", ProjectID: "deployment-prep", Status: "BUILD"})
	w.AddInstance(keystonetest.Instance{Name: "off-1", ProjectID: off.ID})
	w.AddInstance(keystonetest.Instance{Name: "other-1", ProjectID: other.ID,
		Addresses: []keystonetest.Address{{Network: "lan", IP: "10.0.0.99"}}})
	w.log = &logBuffer{}
	return w
}

// asReader makes the world one of a user with roles on projects alone.
func (w *world) asReader() *world { w.reader = true; return w }

// paged makes pages small, and cells visible to everyone.
func (w *world) paged() *world {
	w.Configure(func(s *keystonetest.Settings) {
		s.PageSize = 2
		s.Policy.ListServices = keystonetest.Anywhere("admin", "reader")
	})
	return w
}

func (w *world) credentials() Credentials {
	c := Credentials{
		Source: "the test", AuthURL: w.AuthURL(), Interface: "public",
		user: identity{name: "admin", domainID: "default"}, password: newSecret(password), scope: scope{system: true},
	}
	if w.reader {
		c.user.name, c.scope = "reader", scope{projectName: "tools", domainName: "Default"}
	}
	return c
}

func (w *world) options() Options {
	o := w.opts
	o.UserAgent = "nfs-exportd/test"
	o.Log = slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.Random = func() float64 { return 0 }
	var mu sync.Mutex
	o.Sleep = func(ctx context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		w.waited = append(w.waited, d)
		return ctx.Err()
	}
	return o
}

func everything() Wanted {
	return Wanted{
		Keys: []string{toolsID, "deployment-prep", "idle", "off", "gone"},
		IDs:  owners(toolsID, "deployment-prep", deletedID),
	}
}

// owners are projects of which only the ids are known.
func owners(ids ...string) (owners []exports.Owner) {
	for _, id := range ids {
		owners = append(owners, exports.Owner{ID: id})
	}
	return owners
}

// read does what main does.
func (w *world) read(ctx context.Context, wanted Wanted) (exports.Inventory, error) {
	c, err := Open(ctx, w.credentials(), w.options())
	if err != nil {
		return exports.Inventory{}, err
	}
	defer c.Close()
	return c.Inventory(ctx, wanted)
}

func (w *world) mustRead(t *testing.T, wanted Wanted) exports.Inventory {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	inventory, err := w.read(ctx, wanted)
	if err != nil {
		t.Fatalf("Inventory: %v", err)
	}
	return inventory
}

// withoutWhy takes out what is only for messages.
func withoutWhy(inventory exports.Inventory) exports.Inventory {
	for _, projects := range []map[string]exports.Project{inventory.Projects, inventory.IDs} {
		for key, p := range projects {
			p.Why = ""
			projects[key] = p
		}
	}
	return inventory
}

// healthy is what the world has, for one who may see everything.
func (w *world) healthy() exports.Inventory {
	byName := map[string]keystonetest.Project{}
	for _, p := range w.Projects() {
		if p.DomainID == "default" {
			byName[p.Name] = p
		}
	}
	project := func(name string) exports.Project {
		p := byName[name]
		return exports.Project{Sight: exports.Shown, ID: p.ID, Name: p.Name, Domain: "default", Enabled: !p.Disabled}
	}
	served := func(name string) exports.Project {
		p := project(name)
		for _, region := range []string{"RegionOne", "RegionTwo"} {
			for _, i := range w.Instances(region) {
				if i.ProjectID == p.ID && p.Enabled {
					p.Instances = append(p.Instances, wantInstance(i))
				}
			}
		}
		slices.SortFunc(p.Instances, func(a, b exports.Instance) int {
			return strings.Compare(a.Region+a.ID, b.Region+b.ID)
		})
		return p
	}
	return exports.Inventory{
		Projects: map[string]exports.Project{
			toolsID: served("tools"), "deployment-prep": served("deployment-prep"),
			"idle": served("idle"), "off": served("off"), "gone": {Sight: exports.Absent},
		},
		IDs: map[string]exports.Project{
			toolsID: project("tools"), "deployment-prep": project("deployment-prep"),
			deletedID: {Sight: exports.Absent},
		},
	}
}

func wantInstance(i keystonetest.Instance) exports.Instance {
	want := exports.Instance{ID: i.ID, Name: i.Name, Region: i.Region, Status: i.Status}
	if i.Status != "BUILD" {
		for _, a := range i.Addresses {
			want.Addresses = append(want.Addresses, exports.Address{Network: a.Network, Addr: netip.MustParseAddr(a.IP)})
		}
	}
	return want
}

// noSecrets fails if a text shows a password or a token.
func (w *world) noSecrets(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range append(w.Tokens(), password, "7f3a") {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows the secret %q:\n%s", where, secret, text)
		}
	}
}

// onlyKnownHosts fails if a request went to another name of the server.
func (w *world) onlyKnownHosts(t *testing.T) {
	t.Helper()
	for _, r := range w.Requests() {
		if r.Host != strings.TrimPrefix(strings.TrimPrefix(w.URL, "https://"), "http://") {
			t.Errorf("a request to %s: %s", r.Host, r)
		}
	}
}

type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}
