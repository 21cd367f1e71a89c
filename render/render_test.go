package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nfs-exportd/exports"
)

// equateClients lets cmp look at grants: netip.Addr has unexported fields.
var equateClients = cmp.Options{
	cmp.Comparer(func(a, b exports.Client) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func marshal(tb testing.TB, set exports.Set) []byte {
	tb.Helper()
	text, err := Marshal(set)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}
