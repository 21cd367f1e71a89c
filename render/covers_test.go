package render

import (
	"net/netip"
	"testing"
)

func TestCovers(t *testing.T) {
	const no, yes, unknown = "no", "yes", "not known"
	for _, test := range []struct{ client, addr, want string }{
		{"10.0.0.2", "10.0.0.2", yes},
		{"10.0.0.2", "10.0.0.3", no},
		{"2001:db8::2", "2001:db8::2", yes},
		{"*", "10.0.0.2", yes},
		{"*", "2001:db8::2", yes},
		{"10.0.0.0/24", "10.0.0.2", yes},
		{"10.0.0.7/24", "10.0.0.2", yes},
		{"10.0.0.0/24", "10.0.1.2", no},
		{"10.0.0.0/24", "2001:db8::2", no},
		{"0.0.0.0/0", "10.0.0.2", yes},
		{"0.0.0.0/0.0.0.0", "10.0.0.2", yes},
		{"10.0.0.0/255.255.255.0", "10.0.0.2", yes},
		{"10.0.0.0/255.255.255.0", "10.0.1.2", no},
		{"10.0.0.0/255.0.255.0", "10.0.0.2", unknown},
		{"10.0.0.0/ffff::", "10.0.0.2", unknown},
		{"2001:db8::/32", "2001:db8::2", yes},
		{"2001:db8::/32", "2001:db9::2", no},
		{"::ffff:10.0.0.2", "10.0.0.2", no},
		{"host.example.org", "10.0.0.2", unknown},
		{"*.example.org", "10.0.0.2", unknown},
		{"10.0.0.*", "10.0.0.2", unknown},
		{"10.1", "10.0.0.1", unknown},
		{"@trusted", "10.0.0.2", unknown},
		{"gss/krb5", "10.0.0.2", unknown},
	} {
		got := no
		switch covered, known := Covers(clientOf(test.client), netip.MustParseAddr(test.addr)); {
		case !known && covered:
			t.Errorf("%s covers %s and that is not known", test.client, test.addr)
		case !known:
			got = unknown
		case covered:
			got = yes
		}
		if got != test.want {
			t.Errorf("%s covers %s: %s, want %s", test.client, test.addr, got, test.want)
		}
	}
}
