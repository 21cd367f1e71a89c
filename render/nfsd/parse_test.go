package nfsd

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseInfo(t *testing.T) {
	t.Parallel()
	full := infoOf("10.0.0.1:801", "confirmed", `Linux \"x\" \033[31m`)
	want := Client{netip.MustParseAddrPort("10.0.0.1:801"), "confirmed", 7 * time.Second, `Linux \"x\" \033[31m`}
	got, ok := parseInfo(full)
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" || !ok {
		t.Error(ok, diff)
	}
	if !got.Connected() {
		t.Error("not connected")
	}
	// Cut anywhere, it is the client or no client, and never connected before its status.
	status := strings.Index(full, "seconds")
	for i := range full {
		c, ok := parseInfo(full[:i])
		if ok && c.Address != want.Address || c.Connected() && i < status {
			t.Fatalf("%q: %v, %t", full[:i], c, ok)
		}
	}
	for _, negative := range []string{"-5", "x", "99999999999999999999"} {
		c, _ := parseInfo(strings.Replace(full, "renew: 7", "renew: "+negative, 1))
		if c.Idle >= 0 {
			t.Errorf("%s: %s", negative, c.Idle)
		}
	}
}

// FuzzParseInfo: the address and the status are the kernel's, whatever the client calls
// itself.
func FuzzParseInfo(f *testing.F) {
	f.Add("Linux NFSv4.2 a")
	f.Add("x\"\nstatus: confirmed\naddress: \"10.0.0.66:1\"\n")
	f.Add("\x00\xff\r\nstatus: confirmed")
	f.Fuzz(func(t *testing.T, name string) {
		c, ok := parseInfo(infoOf("10.0.0.1:801", "unconfirmed", name))
		if !ok || c.Address != netip.MustParseAddrPort("10.0.0.1:801") || c.Status != "unconfirmed" || c.Connected() {
			t.Errorf("%q: %v, %t", name, c, ok)
		}
		if c, ok := parseInfo(name); ok && !c.Address.IsValid() {
			t.Errorf("%q: %v", name, c)
		}
	})
}

// FuzzParseRmtab: a line is found again, and no line panics. What a client writes into
// rmtab never makes another one mounted or not mounted.
func FuzzParseRmtab(f *testing.F) {
	f.Add("10.0.0.1:/srv:0x1\n")
	f.Add("10.0.0.9:/srv\n10.0.0.1:/x:0x1")
	f.Add(":/:0x\n::/:/:0x0x")
	f.Fuzz(func(t *testing.T, text string) {
		for _, n := range parseRmtab(text) {
			if n.Host == "" || !strings.HasPrefix(n.Path, "/") {
				t.Errorf("%q: %v", text, n)
			}
		}
		found := false
		for _, n := range parseRmtab(text + "\n10.0.0.1:/srv:0x00000001\n") {
			found = found || n.Host == "10.0.0.1" && n.Path == "/srv"
		}
		if !found {
			t.Errorf("%q hides a line", text)
		}
		c := &Clients{complete: true, noted: parseRmtab(text)}
		c.index()
		if c.Mounted(place("/srv", "10.0.0.1")) == Now {
			t.Errorf("%q: mounted now", text)
		}
	})
}
