package nfsd

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

// infoOf is a client's file as Linux 6.1 writes it.
func infoOf(address, status, name string) string {
	return fmt.Sprintf(`clientid: 0x6d077c99675df2b3
address: "%s"
status: %s
seconds from last renew: 7
name: "%s"
minor version: 2
Implementation domain: "kernel.org"
Implementation name: "Linux 6.1.0 #1 SMP"
Implementation time: [0, 0]
callback state: UP
callback address: %s
`, address, status, name, address)
}

// server is a /proc with a server that runs, and the path of its rmtab.
type server struct{ proc, rmtab string }

func newServer(t testing.TB) server {
	t.Helper()
	dir := t.TempDir()
	s := server{filepath.Join(dir, "proc"), filepath.Join(dir, "rmtab")}
	s.write(t, "net/rpc/nfsd", "rc 0 0 8\nfh 0 0 0 0 0\nio 0 0\nth 8 0 0.000 0.000\n")
	s.write(t, "fs/nfsd/v4_end_grace", "Y\n")
	if err := os.MkdirAll(filepath.Join(s.proc, "fs/nfsd/clients"), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s server) write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(s.proc, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s server) client(t testing.TB, id int, info string) {
	t.Helper()
	s.write(t, fmt.Sprintf("fs/nfsd/clients/%d/info", id), info)
}

func (s server) read(t testing.TB) *Clients { return Read(t.Context(), s.proc, s.rmtab) }

func place(path, client string) exports.Place {
	return exports.Place{Path: path, Client: exports.ParseClient(client)}
}

// TestMounted has one server with all kinds of clients.
func TestMounted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for id, info := range []string{
		infoOf("10.0.0.1:801", "confirmed", "Linux NFSv4.2 a"),
		infoOf("[fd00::1]:802", "confirmed", "b"),
		infoOf("[::ffff:10.0.0.2]:803", "confirmed", "c"),
		infoOf("10.0.0.3:804", "courtesy", "d"),
		infoOf("10.0.0.4:805", "expirable", "e"),
		infoOf("10.0.0.5:806", "unconfirmed", "f"),
		// The client came back and the kernel keeps the old one for a day.
		infoOf("10.0.0.6:807", "courtesy", "g"),
		infoOf("10.0.0.6:808", "confirmed", "g"),
		strings.Replace(infoOf("10.0.0.7:809", "confirmed", "h"), "renew: 7", "renew: 33163", 1),
		strings.Replace(infoOf("10.0.0.8:809", "confirmed", "i"), "seconds from last renew: 7\n", "", 1),
		strings.Replace(infoOf("10.0.0.9:809", "confirmed", "j"), "status: confirmed\n", "", 1),
		infoOf("10.0.0.10:809", "unconfirmed", "k\"\nstatus: confirmed\naddress: \"10.0.0.66:1\"\n\""),
		infoOf("[fe80::1%2]:809", "confirmed", "l"),
	} {
		s.client(t, id+1, info)
	}
	rmtab := `10.0.0.1:/srv/home:0x00000001
10.0.0.20:/srv/home:0x00000002
10.0.0.21:/srv/home/deep/:0x00000001
10.0.0.22:/srv/homes:0x00000001
fd00::20:/srv/home:0x00000001
::ffff:10.0.0.23:/srv/home:0x00000001
10.0.0.24:/srv/home:x:0x00000001
10.0.0.25:/srv/home
t26.example.org:/srv/names:0x00000001

2001:db8:0x00000001
no path at all
:/srv/home:0x00000001
10.0.0.27:/srv/ho`
	if err := os.WriteFile(s.rmtab, []byte(rmtab), 0o644); err != nil {
		t.Fatal(err)
	}
	c := s.read(t)
	if c.Unknown() != "" {
		t.Fatal(c.Unknown())
	}
	for _, test := range []struct {
		path, client string
		want         Mounted
	}{
		{"/srv/home", "10.0.0.1", Now},
		{"/any", "10.0.0.1", Now}, // the kernel does not say what it mounted
		{"/srv/home", "fd00::1", Now},
		{"/srv/home", "fd00:0:0::1", Now},
		{"/srv/home", "10.0.0.2", Now},
		{"/srv/home", "fe80::1", Now},
		{"/srv/home", "10.0.0.3", Unknown},
		{"/srv/home", "10.0.0.4", Unknown},
		{"/srv/home", "10.0.0.5", Unknown},
		{"/srv/home", "10.0.0.6", Now},
		{"/srv/home", "10.0.0.7", Unknown},
		{"/srv/home", "10.0.0.8", Now},
		{"/srv/home", "10.0.0.9", Unknown},
		{"/srv/home", "10.0.0.10", Unknown},
		{"/srv/home", "10.0.0.66", Not},
		{"/srv/home", "10.0.0.11", Not},
		{"/srv/home", "10.0.0.20", Unknown},
		{"/srv", "10.0.0.20", Unknown},
		{"/", "10.0.0.20", Unknown},
		{"/srv/home/deep", "10.0.0.20", Not},
		{"/other", "10.0.0.20", Not},
		{"/srv/home", "10.0.0.21", Unknown},
		{"/srv/home", "10.0.0.22", Not},
		{"/srv/home", "fd00::20", Unknown},
		{"/srv/home", "10.0.0.23", Unknown},
		{"/srv/home", "10.0.0.24", Not},
		{"/srv/home:x", "10.0.0.24", Unknown},
		{"/srv/home", "10.0.0.25", Unknown},
		{"/srv/home", "10.0.0.26", Not},
		{"/srv/names", "10.0.0.26", Unknown}, // the name can be this address
		{"/srv/home", "10.0.0.0/24", Now},
		{"/srv/home", "10.0.0.0/255.255.255.252", Now},
		{"/srv/home", "10.0.0.4/31", Unknown},
		{"/srv/home", "10.0.0.20/32", Unknown},
		{"/srv/home", "10.9.0.0/16", Not},
		{"/srv/home", "*", Now},
		{"/srv/home", "host.example.org", Unknown},
		{"/srv/home", "@netgroup", Unknown},
		{"/srv/home", "10.0.0.*", Unknown},
	} {
		if got := c.Mounted(place(test.path, test.client)); got != test.want {
			t.Errorf("%s for %s: %s, want %s", test.path, test.client, got, test.want)
		}
	}
}

// TestUnknown has servers of which not everything can be known: no client is said to
// be not mounted, but one that was seen is still mounted now.
func TestUnknown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make func(*testing.T, server)
		want string // DIR stands for the /proc
		seen bool
	}{
		"no server":        {func(t *testing.T, s server) { remove(t, s.proc) }, "no NFS server of the kernel runs here", false},
		"stopped":          {func(t *testing.T, s server) { s.write(t, "net/rpc/nfsd", "rc 0 0 8\nth 0 0\n") }, "no NFS server of the kernel runs here", false},
		"odd statistics":   {func(t *testing.T, s server) { s.write(t, "net/rpc/nfsd", "th") }, "no NFS server of the kernel runs here", false},
		"before Linux 5.3": {func(t *testing.T, s server) { remove(t, s.proc+"/fs/nfsd/clients") }, "the kernel does not show NFSv4 clients: DIR/fs/nfsd/clients is not there", false},
		"file as directory": {func(t *testing.T, s server) {
			remove(t, s.proc+"/fs/nfsd/clients")
			s.write(t, "fs/nfsd/clients", "")
		}, "DIR/fs/nfsd/clients cannot be read: not a directory", false},
		"grace":       {func(t *testing.T, s server) { s.write(t, "fs/nfsd/v4_end_grace", "N\n") }, "the NFS server has just started, and its clients are still coming back", true},
		"grace empty": {func(t *testing.T, s server) { s.write(t, "fs/nfsd/v4_end_grace", "") }, "the NFS server has just started, and its clients are still coming back", true},
		"no grace":    {func(t *testing.T, s server) { remove(t, s.proc+"/fs/nfsd/v4_end_grace") }, "DIR/fs/nfsd/v4_end_grace cannot be read: no such file or directory", true},
		"empty file":  {func(t *testing.T, s server) { s.client(t, 9, "") }, "DIR/fs/nfsd/clients/9/info has no address", true},
		"cut address": {func(t *testing.T, s server) { s.client(t, 9, `clientid: 0x1`+"\n"+`address: "10.0.0.2`) }, "DIR/fs/nfsd/clients/9/info has no address", true},
		"odd address": {func(t *testing.T, s server) { s.client(t, 9, infoOf("(unknown)", "confirmed", "x")) }, "DIR/fs/nfsd/clients/9/info has no address", true},
		"only a name": {func(t *testing.T, s server) {
			s.client(t, 9, "clientid: 0x1\nname: \"x\"\naddress: \"10.0.0.2:1\"\nstatus: confirmed\n")
		}, "DIR/fs/nfsd/clients/9/info has no address", true},
		"a directory": {func(t *testing.T, s server) { s.write(t, "fs/nfsd/clients/9/info/x", "") }, "DIR/fs/nfsd/clients/9/info cannot be read: it is not a regular file", true},
		"a FIFO": {func(t *testing.T, s server) {
			s.client(t, 9, "")
			remove(t, s.proc+"/fs/nfsd/clients/9/info")
			if err := syscall.Mkfifo(s.proc+"/fs/nfsd/clients/9/info", 0o644); err != nil {
				t.Fatal(err)
			}
		}, "DIR/fs/nfsd/clients/9/info cannot be read: it is not a regular file", true},
		"a link": {func(t *testing.T, s server) {
			s.client(t, 9, "")
			remove(t, s.proc+"/fs/nfsd/clients/9/info")
			if err := os.Symlink("../1/info", s.proc+"/fs/nfsd/clients/9/info"); err != nil {
				t.Fatal(err)
			}
		}, "DIR/fs/nfsd/clients/9/info cannot be read: too many levels of symbolic links", true},
		"rmtab a directory": {func(t *testing.T, s server) {
			if err := os.Mkdir(s.rmtab, 0o755); err != nil {
				t.Fatal(err)
			}
		}, "DIR/../rmtab cannot be read: it is not a regular file", true},
		"rmtab too long": {func(t *testing.T, s server) {
			s.write(t, "../rmtab", strings.Repeat("x", maxRmtab+1))
		}, "DIR/../rmtab is longer than 8 MiB", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.client(t, 1, infoOf("10.0.0.1:801", "confirmed", "a"))
			test.make(t, s)
			c := s.read(t)
			want := strings.NewReplacer("DIR/..", filepath.Dir(s.proc), "DIR", s.proc).Replace(test.want)
			if c.Unknown() != want {
				t.Errorf("%q, want %q", c.Unknown(), want)
			}
			seen := map[bool]Mounted{true: Now, false: Unknown}[test.seen]
			if got := c.Mounted(place("/srv", "10.0.0.1")); got != seen {
				t.Errorf("the client: %s, want %s", got, seen)
			}
			if got := c.Mounted(place("/srv", "10.0.0.2")); got != Unknown {
				t.Errorf("another: %s", got)
			}
			if got := c.Mounted(place("/srv", "10.0.0.0/30")); got != seen {
				t.Errorf("a network: %s, want %s", got, seen)
			}
		})
	}
	if got := (&Clients{}).Mounted(place("/srv", "10.0.0.1")); got != Unknown {
		t.Errorf("zero Clients: %s", got)
	}
	if got := Read(t.Context(), "", filepath.Join(t.TempDir(), "rmtab")).Mounted(place("/srv", "10.0.0.1")); got != Unknown {
		t.Errorf("no /proc: %s", got)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// TestGone has clients that go while they are read: their directory is still listed,
// and their file is no longer there.
func TestGone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.client(t, 1, infoOf("10.0.0.1:801", "confirmed", "a"))
	s.client(t, 2, infoOf("10.0.0.2:801", "confirmed", "b"))
	remove(t, s.proc+"/fs/nfsd/clients/2/info")
	s.write(t, "fs/nfsd/clients/README", "not a directory")
	c := s.read(t)
	if got := c.Mounted(place("/srv", "10.0.0.1")); got != Now {
		t.Error(got)
	}
	// What is no directory is no client that went.
	if want := s.proc + "/fs/nfsd/clients/README/info cannot be read: not a directory"; c.Unknown() != want {
		t.Errorf("%q", c.Unknown())
	}
	remove(t, s.proc+"/fs/nfsd/clients/README")
	c = s.read(t)
	if got := c.Mounted(place("/srv", "10.0.0.2")); got != Not || c.Unknown() != "" {
		t.Errorf("the one that went: %s, %q", got, c.Unknown())
	}
	for _, err := range []error{syscall.ENOENT, syscall.ENXIO, syscall.ESTALE, fmt.Errorf("x: %w", &os.PathError{Err: syscall.ENXIO})} {
		if !isGone(err) {
			t.Error(err)
		}
	}
	for _, err := range []error{nil, syscall.EACCES, syscall.EIO} {
		if isGone(err) {
			t.Error(err)
		}
	}
}

// TestNotInTime has a context that ends: what was not read is not known.
func TestNotInTime(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.client(t, 1, infoOf("10.0.0.1:801", "confirmed", "a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := Read(ctx, s.proc, s.rmtab)
	if got := c.Mounted(place("/srv", "10.0.0.1")); got != Unknown || c.Unknown() != "there was no time to read all NFSv4 clients: 0 of 1 were read" {
		t.Errorf("%s, %q", got, c.Unknown())
	}
}

// TestManyClients has a server with thousands of clients, and as many removals.
func TestManyClients(t *testing.T) {
	t.Parallel()
	const n = 5000
	s := newServer(t)
	for i := range n {
		s.client(t, i, infoOf(fmt.Sprintf("10.1.%d.%d:801", i>>8, i&255), "confirmed", "a"))
	}
	began := time.Now()
	c := s.read(t)
	for i := range 2 * n {
		want := Not
		if i < n {
			want = Now
		}
		if got := c.Mounted(place("/srv", fmt.Sprintf("10.1.%d.%d", i>>8, i&255))); got != want {
			t.Fatalf("client %d: %s", i, got)
		}
	}
	t.Logf("%d clients, %d answers: %s", n, 2*n, time.Since(began))
}

// TestTooMany has more clients than are read.
func TestTooMany(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for id := range 4 {
		s.client(t, id, infoOf("10.0.0.1:801", "confirmed", "a"))
	}
	for limit, want := range map[int]string{3: "there are more than 3 NFSv4 clients", 4: ""} {
		c, got := &Clients{}, ""
		if err := c.readClients(t.Context(), s.proc+"/fs/nfsd/clients", limit); err != nil {
			got = err.Error()
		}
		if got != want || len(c.clients) != limit {
			t.Errorf("limit %d: %d clients, %q", limit, len(c.clients), got)
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.client(t, 1, infoOf("10.0.0.1:801", "confirmed", "a"))
	s.client(t, 2, infoOf("10.0.0.1:802", "courtesy", "a"))
	s.client(t, 3, infoOf("10.0.0.2:802", "courtesy", "a"))
	s.write(t, "../rmtab", "10.0.0.1:/a:0x1\nname:/b:0x1\n10.0.0.2:/c:0x1\n")
	clients, noted := s.read(t).Of(netip.MustParseAddr("10.0.0.1"))
	if len(clients) != 2 || clients[0].Address.Addr() != clients[1].Address.Addr() {
		t.Error(clients)
	}
	if diff := cmp.Diff([]Noted{{Host: "10.0.0.1", Path: "/a"}, {Host: "name", Path: "/b"}}, noted, cmpopts.IgnoreUnexported(Noted{})); diff != "" {
		t.Error(diff)
	}
}
