package exports_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
)

// TestDecideOneDoubtStopsAll: no part of a plan leaves Decide beside an
// error, and the error has every grant in doubt and no other.
func TestDecideOneDoubtStopsAll(t *testing.T) {
	e, g := cell(t, "key is a name", "yes", "hidden", "another", "here", "not known")
	gone := g
	gone.Owner = exports.Owner{ID: "id-neighbour", Name: "neighbour"}
	gone.Client = exports.ParseClient("10.0.0.3")
	second := g
	second.Client = exports.ParseClient("10.0.0.4")
	plan, err := decided(exports.NewSet([]exports.Grant{g, gone, second}), e)
	var unclear *exports.UnclearError
	if !errors.As(err, &unclear) {
		t.Fatalf("got %v, want an UnclearError", err)
	}
	if diff := cmp.Diff(exports.Plan{}, plan, byValue, cmp.AllowUnexported(exports.Set{})); diff != "" {
		t.Errorf("a plan beside an error:\n%s", diff)
	}
	var places []string
	for _, u := range unclear.Grants {
		places = append(places, u.Path+" "+u.Client.String())
	}
	if diff := cmp.Diff([]string{"/srv/home 10.0.0.4", "/srv/home 10.0.0.9"}, places); diff != "" {
		t.Errorf("grants in doubt (-want +got):\n%s", diff)
	}
}

func TestUnclearErrorDoubt(t *testing.T) {
	hidden, unresolved := exports.ProjectHidden, exports.HostUnresolved
	tests := []struct {
		doubts []exports.Doubt
		want   exports.Doubt
		next   string
	}{
		{[]exports.Doubt{unresolved}, unresolved, "--serve-as"},
		{[]exports.Doubt{hidden}, hidden, "role"},
		{[]exports.Doubt{hidden, unresolved}, hidden, "role"},
	}
	for _, tt := range tests {
		e := &exports.UnclearError{}
		for _, d := range tt.doubts {
			e.Grants = append(e.Grants, exports.Unclear{Doubt: d, Why: "so"})
		}
		if got := e.Doubt(); got != tt.want {
			t.Errorf("the gravest of %v is %s, want %s", tt.doubts, got, tt.want)
		}
		lines := strings.Split(e.Error(), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "  next: ") || !strings.Contains(last, tt.next) {
			t.Errorf("%v: the last line is %q, want the next step, about %s", tt.doubts, last, tt.next)
		}
	}
}

func TestUnclearErrorText(t *testing.T) {
	unclear := func(path, addr string, doubt exports.Doubt, why string) exports.Unclear {
		return exports.Unclear{Grant: exports.Grant{Path: path, Client: exports.ParseClient(addr), Options: "rw", Owner: exports.Owner{ID: "id-tools", Name: "tools"}}, Doubt: doubt, Why: why}
	}
	e := &exports.UnclearError{Grants: []exports.Unclear{
		unclear("/srv/a", "10.0.0.1", exports.ProjectHidden, "GET /v3/projects: 403"),
		unclear("/srv/a", "2001:db8::1", exports.ProjectHidden, "GET /v3/projects: 403"),
		unclear("/srv/b", "10.0.0.1", exports.HostUnresolved, "host b: no such host"),
	}}
	want := `nothing says that these must go, and nothing was changed (grants of the exports file in doubt: 3):
  project-hidden: GET /v3/projects: 403:
    /srv/a 10.0.0.1 of project "tools"
    /srv/a 2001:db8::1 of project "tools"
  host-unresolved: host b: no such host:
    /srv/b 10.0.0.1 of project "tools"
  next: correct the keys of these projects, or give the user of this server a role on them; take one out of the configuration only if its grants may go`
	if diff := cmp.Diff(want, e.Error()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}

	for _, n := range []int{20, 21, 25} {
		e := &exports.UnclearError{}
		for i := range n {
			e.Grants = append(e.Grants, unclear("/srv/a", fmt.Sprintf("10.0.0.%d", i), exports.ProjectHidden, "so"))
		}
		text := e.Error()
		if got := strings.Count(text, "/srv/a 10.0.0."); got != 20 {
			t.Errorf("%d grants in doubt: %d are named, want 20", n, got)
		}
		if more := fmt.Sprintf("and %d more", n-20); strings.Contains(text, more) != (n > 20) {
			t.Errorf("%d grants in doubt: %q is there %d times:\n%s", n, more, strings.Count(text, more), text)
		}
	}
}
