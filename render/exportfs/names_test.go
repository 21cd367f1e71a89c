package exportfs

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/render"
)

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]render.HostName{
		"10.0.0.1        STREAM web.example.org\n10.0.0.1        DGRAM  \n10.0.0.1        RAW    \n2001:db8::1     STREAM \n": {Canonical: "web.example.org", Addrs: addrs("10.0.0.1 2001:db8::1")},
		"fe80::1%eth0 STREAM web\n10.0.0.1 STREAM\n": {Canonical: "web", Addrs: addrs("10.0.0.1")},
		"::ffff:10.0.0.1 STREAM web\n":               {},
		"10.0.0.1 STREAM\n":                          {},
		"10.0.0.1 STREAM a#b\n":                      {},
		"10.0.0.1 STREAM \x1b[2J\n":                  {},
		"nonsense\n\n":                               {},
		"":                                           {},
	} {
		got, err := readAnswer(answer)
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || errors.Is(err, ErrNoAddress) != (want.Canonical == "") {
			t.Errorf("%q: %v %s", answer, err, diff)
		}
	}
}

func addrs(text string) (all []netip.Addr) {
	for word := range strings.FieldsSeq(text) {
		all = append(all, netip.MustParseAddr(word))
	}
	return all
}

// TestResolveName asks the C library of this host about what it knows everywhere.
func TestResolveName(t *testing.T) {
	t.Parallel()
	// A number is an address of an old kind, which has no dots.
	host, err := ResolveName(t.Context(), "10.1")
	if err != nil || host.Canonical != "10.1" || len(host.Addrs) != 1 || host.Addrs[0] != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("%+v, %v", host, err)
	}
	for _, name := range []string{"--help", "-x", "a b", ""} {
		if host, err := ResolveName(t.Context(), name); !errors.Is(err, ErrNoAddress) {
			t.Errorf("%q: %+v, %v", name, host, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ResolveName(ctx, "10.1"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
