package render

import (
	"strings"
	"syscall"
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

// grant makes a grant of "PATH CLIENT(OPTIONS)"; the path may have blanks.
func grant(tb testing.TB, line string, owner exports.Owner) exports.Grant {
	tb.Helper()
	i := strings.LastIndexByte(line, ' ')
	client, options, ok := strings.Cut(line[i+1:], "(")
	if i < 0 || !ok || !strings.HasSuffix(options, ")") {
		tb.Fatalf("not a grant: %q", line)
	}
	return exports.Grant{
		Path:    line[:i],
		Client:  exports.ParseClient(client),
		Options: strings.TrimSuffix(options, ")"),
		Owner:   owner,
	}
}

var tools = exports.Owner{ID: "0123456789abcdef", Name: "tools"}

// set makes a set of grants of one project.
func set(tb testing.TB, lines ...string) exports.Set {
	tb.Helper()
	var grants []exports.Grant
	for _, line := range lines {
		grants = append(grants, grant(tb, line, tools))
	}
	return exports.NewSet(grants)
}

func place(tb testing.TB, text string) exports.Place {
	tb.Helper()
	path, client, ok := strings.Cut(text, " ")
	if !ok {
		tb.Fatalf("not a place: %q", text)
	}
	return exports.Place{Path: path, Client: clientOf(client)}
}

func marshal(tb testing.TB, set exports.Set) []byte {
	tb.Helper()
	text, err := Marshal(set)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }
