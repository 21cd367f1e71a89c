package rendertest

import (
	"net/netip"
	"strings"

	"pgregory.net/rapid"

	"nfs-exportd/exports"
)

// DrawSet draws any set that package exports could ask for, and owners that no
// sane person would name so. Instances have no names, as in a file.
func DrawSet(t *rapid.T) exports.Set {
	part := rapid.StringMatching(`[a-zA-Z0-9_.#@:,()+=~! -]{1,12}`).Filter(func(s string) bool { return s != "." && s != ".." })
	path := rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), "/")
	})
	client := rapid.OneOf(
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 4, 4), func(b []byte) exports.Client {
			return exports.Client{Addr: netip.AddrFrom4([4]byte(b))}
		}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) exports.Client {
			return exports.Client{Addr: netip.AddrFrom16([16]byte(b)).Unmap()}
		}),
		rapid.Map(rapid.SampledFrom([]string{"*", "10.0.0.0/8", "2001:db8::/32", "@ng", "*.example.org", "host.example.org"}),
			func(s string) exports.Client { return exports.Client{Literal: s} }),
	)
	owner := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) exports.Owner { return exports.Owner{Public: s} }),
		rapid.Custom(func(t *rapid.T) exports.Owner {
			owner := exports.Owner{ID: rapid.String().Draw(t, "id"), Name: string(rapid.SliceOf(rapid.Byte()).Draw(t, "name"))}
			if owner != (exports.Owner{}) {
				owner.Domain = rapid.OneOf(rapid.Just(""), rapid.Just("default"), rapid.String()).Draw(t, "domain")
			}
			return owner
		}),
	)
	id := rapid.StringMatching(`([a-zA-Z0-9-]{1,64})?`)
	options := rapid.SampledFrom([]string{"rw", "ro,sync", "rw,nohide,no_subtree_check,async,no_root_squash", "rw,sec=sys:krb5,sync,no_subtree_check,root_squash"})
	return exports.NewSet(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) exports.Grant {
		g := exports.Grant{Path: path.Draw(t, "path"), Client: client.Draw(t, "client"), Options: options.Draw(t, "options"), Owner: owner.Draw(t, "owner")}
		g.Instance.ID = id.Draw(t, "instance")
		if g.Instance.ID != "" {
			g.Port = id.Draw(t, "port")
		}
		return g
	}), 0, 30).Draw(t, "grants"))
}
