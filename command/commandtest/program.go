package commandtest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nfs-exportd/command"
	"nfs-exportd/render"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/sandbox"
)

// Main runs the tests of a package with two programs in PATH: nfs-exportd, which
// takes resolver, clock and interfaces from its environment, and fake-exportfs,
// which stands in for exportfs(8). It is for a TestMain.
func Main(m testscript.TestingM) {
	testscript.Main(m, map[string]func(){
		"nfs-exportd":   func() { os.Exit(runInTest()) },
		"fake-exportfs": func() { os.Exit(fakeExportfs(os.Args[1], os.Args[2:])) },
		"hang":          func() { os.Exit(hang(os.Args[1], os.Args[2])) },
	})
}

// runInTest is main with a resolver, a clock and interfaces that the
// environment describes, and without waiting between tries.
func runInTest() int {
	if status, ok := sandbox.Part(os.Args); ok {
		return status
	}
	syscall.Umask(0o022) // as main does
	ctx, stop := command.UntilSignal(context.Background())
	defer stop()
	a := command.App{
		Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Now: func() time.Time {
			if t, err := time.Parse(time.RFC3339, os.Getenv("TEST_NOW")); err == nil {
				return t
			}
			return time.Now()
		},
		Lookup:      NewLookup(),
		ResolveName: ResolveName,
		Local:       newLocal(),
		Sleep:       func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Flush:       os.Getenv("TEST_FLUSH"),
		NFSConf:     os.Getenv("TEST_NFS_CONF"),
		ExportLock:  os.Getenv("TEST_EXPORT_LOCK"),
		Proc:        os.Getenv("TEST_PROC"),
		Self:        os.Args[0],
	}
	if patience, err := time.ParseDuration(os.Getenv("TEST_PATIENCE")); err == nil {
		a.Patience = patience
	}
	a.LockPatience, _ = time.ParseDuration(os.Getenv("TEST_LOCK_PATIENCE"))
	switch os.Getenv("TEST_PANIC") {
	case "local":
		a.Local = func() ([]netip.Addr, error) { panic("made by the test") }
	case "lookup":
		a.Lookup = func(context.Context, string, string) ([]netip.Addr, error) { panic("made by the test") }
	}
	return a.Run(ctx, os.Args)
}

// newLocal gives the addresses of TEST_LOCAL, and from the second time on those of
// TEST_LOCAL_LATER if that is set.
func newLocal() func() ([]netip.Addr, error) {
	variable := "TEST_LOCAL"
	return func() ([]netip.Addr, error) {
		var addrs []netip.Addr
		for text := range strings.FieldsSeq(os.Getenv(variable)) {
			addrs = append(addrs, netip.MustParseAddr(text))
		}
		if os.Getenv("TEST_LOCAL_LATER") != "" {
			variable = "TEST_LOCAL_LATER"
		}
		return addrs, nil
	}
}

// NewLookup gives a resolver for one run of the program. It answers from TEST_HOSTS,
// which has lines of a name and its addresses; a semicolon ends a line too. An address
// "servfail4" or "servfail6" is a failure of that family. A name without a line does not
// exist. From the second time on that a name is asked for in a family, the answer is from
// TEST_HOSTS_LATER if that is set.
func NewLookup() command.Lookup {
	var mu sync.Mutex
	seen := map[[2]string]bool{}
	return func(_ context.Context, network, host string) ([]netip.Addr, error) {
		host = strings.TrimSuffix(host, ".")
		mu.Lock()
		defer mu.Unlock()
		table := os.Getenv("TEST_HOSTS")
		if later := os.Getenv("TEST_HOSTS_LATER"); later != "" && seen[[2]string{network, host}] {
			table = later
		}
		seen[[2]string{network, host}] = true
		if asked := os.Getenv("TEST_ASKED"); asked != "" {
			f, err := os.OpenFile(asked, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				return nil, err
			}
			defer func() { _ = f.Close() }() // the write tells
			if _, err := fmt.Fprintln(f, network, host); err != nil {
				return nil, err
			}
		}
		return lookup(table, network, host)
	}
}

func lookup(table, network, host string) ([]netip.Addr, error) {
	missing := &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	for line := range strings.Lines(strings.ReplaceAll(table, ";", "\n")) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != host {
			continue
		}
		var addrs []netip.Addr
		for _, word := range words[1:] {
			if word == "servfail"+strings.TrimPrefix(network, "ip") {
				return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
			}
			if addr, err := netip.ParseAddr(word); err == nil && (network == "ip" || addr.Is4() == (network == "ip4")) {
				addrs = append(addrs, addr)
			}
		}
		if len(addrs) > 0 {
			return addrs, nil
		}
	}
	return nil, missing
}

// ResolveName answers from TEST_NAMES, which has lines of a host name of an exports
// file, its canonical name and its addresses; a semicolon ends a line too. It notes in
// the file TEST_NAMED which names it was asked for.
func ResolveName(_ context.Context, name string) (render.HostName, error) {
	if named := os.Getenv("TEST_NAMED"); named != "" {
		f, err := os.OpenFile(named, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return render.HostName{}, err
		}
		defer func() { _ = f.Close() }() // the write tells
		if _, err := fmt.Fprintln(f, name); err != nil {
			return render.HostName{}, err
		}
	}
	for line := range strings.Lines(strings.ReplaceAll(os.Getenv("TEST_NAMES"), ";", "\n")) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != name {
			continue
		}
		host := render.HostName{Canonical: words[1]}
		for _, word := range words[2:] {
			host.Addrs = append(host.Addrs, netip.MustParseAddr(word))
		}
		return host, nil
	}
	return render.HostName{}, exportfs.ErrNoAddress
}
