package keystone

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"nfs-exportd/exports"
)

const (
	goodServer = `{"id":"i1","name":"a\u001b","status":"ACTIVE","tenant_id":"p1","flavor":{"x":[1,{}]},` +
		`"addresses":{"lan":[{"addr":"10.0.0.1","version":4,"x":null},{"version":6,"addr":"2001:DB8::1"}],"none":[]}}`
	goodServers = `{"servers":[` + goodServer + `],"servers_links":[{"rel":"next","href":"http://elsewhere"}]}`
	goodProject = `{"id":"p1","name":"one","domain_id":"default","enabled":true,"is_domain":false}`
	goodToken   = `{"token":{"expires_at":"2026-01-01T00:00:00.000000Z","project":{"id":"p","name":"n","domain":{"id":"d","name":"D"}},` +
		`"catalog":[{"type":"compute","endpoints":[{"interface":"public","region_id":"R","region":"R","url":"http://n"}]}]}}`
)

func servers(body string, detail bool) (serverPage, error) {
	return decodeServers(bodyOf(strings.NewReader(body)), "R", detail)
}

// bodyOf is the body of an answer.
func bodyOf(r io.Reader) *limitedBody { return &limitedBody{ReadCloser: io.NopCloser(r)} }

func TestDecodeServers(t *testing.T) {
	t.Parallel()
	good := exports.Instance{ID: "i1", Name: "a\x1b", Region: "R", Status: "ACTIVE", Addresses: []exports.Address{
		{Network: "lan", Addr: netip.MustParseAddr("10.0.0.1")}, {Network: "lan", Addr: netip.MustParseAddr("2001:db8::1")},
	}, EmptyNetworks: []string{"none"}}
	got, err := servers(goodServers, true)
	want := serverPage{servers: []server{{good, "p1"}}, full: true}
	if err != nil || !cmp.Equal(want, got, cmp.AllowUnexported(serverPage{}, server{}), sameAddr) {
		t.Errorf("%+v, %v", got, err)
	}
	with := func(old, new string) string { return strings.Replace(goodServers, old, new, 1) }
	for _, test := range []struct {
		name, body string
		detail     bool
		want       string // "servers stubs full", or ""
	}{
		{"empty", `{"servers":[]}`, true, "0 0 false"},
		{"no addresses", with(`{"lan":[{"addr":"10.0.0.1","version":4,"x":null},{"version":6,"addr":"2001:DB8::1"}],"none":[]}`, `{}`), true, "1 0 true"},
		{"no name in it", with(`"a\u001b"`, `""`), true, "1 0 true"},
		{"mapped", with(`10.0.0.1`, `::ffff:10.0.0.1`), true, "1 0 true"},
		{"unknown, but whole", with(`ACTIVE`, `UNKNOWN`), true, "1 0 true"},
		{"stub", `{"servers":[{"id":"i","status":"UNKNOWN","tenant_id":"p","created":"x","links":[]}]}`, true, "1 1 false"},
		{"stub in short", `{"servers":[{"id":"i","status":"UNKNOWN","links":[]},{"id":"j","name":""}]}`, false, "2 1 false"},
		{"other links", `{"servers":[],"servers_links":[{"rel":"previous","href":1}]}`, true, "0 0 false"},
		{"white space", " \n" + goodServers + "\n ", true, "1 0 true"},

		{"nothing", ``, true, ""},
		{"an empty object", `{}`, true, ""},
		{"null", `null`, true, ""},
		{"null servers", `{"servers":null}`, true, ""},
		{"an object of servers", `{"servers":{}}`, true, ""},
		{"null server", `{"servers":[null]}`, true, ""},
		{"twice", `{"servers":[],"servers":[]}`, true, ""},
		{"twice, escaped", `{"servers":[],"server\u0073":[]}`, true, ""},
		{"escaped", `{"server\u0073":[]}`, true, ""},
		{"capital", `{"Servers":[]}`, true, ""},
		{"two values", goodServers + `{}`, true, ""},
		{"garbage behind", goodServers + `x`, true, ""},
		{"comma behind", `{"servers":[],}`, true, ""},
		{"not UTF-8", with(`ACTIVE`, "\xff"), true, ""},
		{"not UTF-8 in what is skipped", with(`"x":[1`, "\"x\":[\"\xff\""), true, ""},
		{"twice in what is skipped", with(`"x":[1`, `"x":1,"x":[1`), true, ""},
		{"null id", with(`"i1"`, `null`), true, ""},
		{"empty id", with(`"i1"`, `""`), true, ""},
		{"no id", with(`"id":"i1",`, ``), true, ""},
		{"an id with a slash", with(`"i1"`, `"i/1"`), true, ""},
		{"an id with a line break", with(`"i1"`, `"i1\n"`), true, ""},
		{"an id of other letters", with(`"i1"`, `"ı1"`), true, ""},
		{"an id of 64", with(`"i1"`, `"`+strings.Repeat("Z", 64)+`"`), true, "1 0 true"},
		{"an id of 65", with(`"i1"`, `"`+strings.Repeat("9", 65)+`"`), true, ""},
		{"two ids", with(`"id":"i1"`, `"id":"i1","id":"i2"`), true, ""},
		{"null name", with(`"a\u001b"`, `null`), true, ""},
		{"no status", with(`"status":"ACTIVE",`, ``), true, ""},
		{"no tenant", with(`"tenant_id":"p1",`, ``), true, ""},
		{"null addresses", with(`{"lan":[{"addr":"10.0.0.1","version":4,"x":null},{"version":6,"addr":"2001:DB8::1"}],"none":[]}`, `null`), true, ""},
		{"null network", with(`"none":[]`, `"none":null`), true, ""},
		{"a network twice", with(`"none":[]`, `"lan":[]`), true, ""},
		{"no addr", with(`"addr":"10.0.0.1",`, ``), true, ""},
		{"null addr", with(`"10.0.0.1"`, `null`), true, ""},
		{"no version", with(`"version":4,`, ``), true, ""},
		{"version 5", with(`"version":4`, `"version":5`), true, ""},
		{"a network's address", with(`10.0.0.1`, `10.0.0.0/8`), true, ""},
		{"a star", with(`10.0.0.1`, `*`), true, ""},
		{"leading zero", with(`10.0.0.1`, `10.0.0.01`), true, ""},
		{"zone", with(`2001:DB8::1`, `fe80::1%*(rw)`), true, ""},
		{"space", with(`10.0.0.1`, `10.0.0.1 `), true, ""},
		{"stub without id", `{"servers":[{"status":"UNKNOWN"}]}`, true, ""},
		{"no name in short", `{"servers":[{"id":"j"}]}`, false, ""},
		{"active without name in short", `{"servers":[{"id":"j","status":"ACTIVE"}]}`, false, ""},
		{"unknown, with addresses and without a name", `{"servers":[{"id":"j","status":"UNKNOWN","tenant_id":"p","addresses":{}}]}`, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			page, err := servers(test.body, test.detail)
			got := ""
			if err == nil {
				got = fmt.Sprintf("%d %d %t", len(page.servers), page.stubs, page.full)
			}
			if got != test.want {
				t.Errorf("%s: %q, want %q: %v", test.body, got, test.want, err)
			}
		})
	}
}

// TestDecodeServersSays has a message that leads to what is wrong.
func TestDecodeServersSays(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`[]`:                             `all of it is a list and not an object`,
		`{"servers":null}`:               `"/servers" is null and not a list`,
		`{"servers":[7]}`:                `"/servers/0" is a number and not an object`,
		`{"servers":[{"id":7}]}`:         `"/servers/0/id" is a number and not text`,
		`{"servers":[{"addresses":""}]}`: `"/servers/0/addresses" is text and not an object`,
		`{"servers":[{"status":true}]}`:  `"/servers/0/status" is true and not text`,
		`{"servers":[]} {}`:              `there is more behind the JSON value`,
	} {
		if _, err := servers(body, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s in it", body, err, want)
		}
	}
}

// TestDecodeLists takes away from lists of Keystone, and one project, one thing
// after the other.
func TestDecodeLists(t *testing.T) {
	t.Parallel()
	projects := `{"projects":[` + goodProject + `],"links":{"next":null},"truncated":false}`
	regions := `{"regions":[{"id":"R"},{"id":"S"}],"links":{"next":null},"truncated":false}`
	for _, test := range []struct {
		of, old, new string
		want         string // what is in it, or ""
	}{
		{projects, ``, ``, `[{p1 one default true}] "" false`},
		{projects, `true`, `false`, `[{p1 one default false}] "" false`},
		{projects, `"is_domain":false`, `"is_domain":true`, `[] "" false`},
		{projects, `"next":null`, `"next":"x"`, `[{p1 one default true}] "x" false`},
		{projects, `{"next":null}`, `null`, `[{p1 one default true}] "" false`},
		{projects, `"truncated":false`, `"truncated":true`, `[{p1 one default true}] "" true`},
		{projects, `"truncated":false`, `"truncated":null`, `[{p1 one default true}] "" false`},
		{projects, `"projects"`, `"project"`, ``},
		{projects, goodProject, `null`, ``},
		{projects, `"id":"p1",`, ``, ``},
		{projects, `"p1"`, `""`, ``},
		{projects, `"name":"one",`, ``, ``},
		{projects, `"one"`, `""`, ``},
		{projects, `"domain_id":"default",`, ``, ``},
		{projects, `"default"`, `""`, ``},
		{projects, `"enabled":true,`, ``, ``},
		{regions, ``, ``, `[R S]`},
		{regions, `"regions"`, `"region"`, ``},
		{regions, `{"id":"R"},{"id":"S"}`, ``, ``},
		{regions, `"id":"R"`, ``, ``},
		{regions, `"R"`, `""`, ``},
		{regions, `"S"`, `"R"`, ``},
		{regions, `"next":null`, `"next":"x"`, ``},
		{regions, `"truncated":false`, `"truncated":true`, ``},
	} {
		body := strings.Replace(test.of, test.old, test.new, 1)
		got := ""
		if test.of == projects {
			if page, err := decodeProjects([]byte(body)); err == nil {
				got = fmt.Sprintf("%v %q %t", page.projects, page.next, page.truncated)
			}
		} else if ids, err := decodeRegions([]byte(body)); err == nil {
			got = fmt.Sprint(ids)
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", body, got, test.want)
		}
	}
}

// TestCut cuts good answers at every byte: none of it must pass.
func TestCut(t *testing.T) {
	t.Parallel()
	for name, decode := range decoders() {
		if err := decode.try([]byte(decode.good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for n := range decode.good {
			if err := decode.try([]byte(decode.good[:n])); err == nil {
				t.Errorf("%s takes %q", name, decode.good[:n])
			}
		}
	}
}

type decoder struct {
	good string
	try  func([]byte) error
}

func decoders() map[string]decoder {
	return map[string]decoder{
		"servers": {goodServers, func(b []byte) error { _, err := servers(string(b), true); return err }},
		"probe":   {`{"servers":[{"id":"i","name":"n"}]}`, func(b []byte) error { _, err := servers(string(b), false); return err }},
		"services": {`{"services":[{"binary":"nova-compute","host":"h","status":"UNKNOWN"}]}`,
			func(b []byte) error { _, err := decodeServices(b); return err }},
		"projects": {`{"projects":[` + goodProject + `],"links":{"next":null},"truncated":false}`,
			func(b []byte) error { _, err := decodeProjects(b); return err }},
		"project": {`{"project":` + goodProject + `}`, func(b []byte) error { _, _, err := decodeProject(b); return err }},
		"regions": {`{"regions":[{"id":"R"}],"links":{"next":null}}`, func(b []byte) error { _, err := decodeRegions(b); return err }},
		"token": {goodToken, func(b []byte) error {
			_, err := decodeToken(b, tokens.AuthOptions{Scope: tokens.Scope{ProjectID: "p"}}, false)
			return err
		}},
	}
}

func TestDecodeServices(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		body string
		want string
	}{
		{`{"services":[{"binary":"b","host":"h","status":"enabled"},{"binary":"b","host":"i","status":"disabled"}]}`, "0"},
		{`{"services":[{"binary":"b","host":"h","status":"UNKNOWN"},{"binary":"b","host":"i","status":"UNKNOWN"}]}`, "2"},
		{`{"services":[]}`, ""},
		{`{}`, ""},
		{`{"services":[null]}`, ""},
		{`{"services":null}`, ""},
		{`{"services":[{"host":"h","status":"enabled"}]}`, ""},
		{`{"services":[{"binary":"b","status":"enabled"}]}`, ""},
		{`{"services":[{"binary":"b","host":"h"}]}`, ""},
		{`{"services":[{"binary":"b","host":"h","status":"strange"}]}`, ""},
	} {
		down, err := decodeServices([]byte(test.body))
		got := ""
		if err == nil {
			got = fmt.Sprint(down)
		}
		if got != test.want {
			t.Errorf("%s: %q, %v, want %q", test.body, got, err, test.want)
		}
	}
}

func TestDecodeToken(t *testing.T) {
	t.Parallel()
	with := func(old, new string) string { return strings.Replace(goodToken, old, new, 1) }
	project := `"project":{"id":"p","name":"n","domain":{"id":"d","name":"D"}}`
	for _, test := range []struct {
		name, body string
		asked      tokens.Scope
		unscoped   bool
		ok         bool
	}{
		{"project", goodToken, tokens.Scope{ProjectID: "p"}, false, true},
		{"project by name", goodToken, tokens.Scope{ProjectName: "N", DomainID: "d"}, false, true},
		{"an application credential's", goodToken, tokens.Scope{}, false, true},
		{"system", with(project, `"system":{"all":true}`), tokens.Scope{System: true}, false, true},
		{"domain", with(project, `"domain":{"id":"d","name":"D"}`), tokens.Scope{DomainName: "D"}, false, true},
		{"nothing", `{"token":{"expires_at":"2026-01-01T00:00:00Z"}}`, tokens.Scope{}, true, true},
		{"another project", goodToken, tokens.Scope{ProjectID: "q"}, false, false},
		{"a project of another domain", goodToken, tokens.Scope{ProjectName: "n", DomainID: "e"}, false, false},
		{"not the system", goodToken, tokens.Scope{System: true}, false, false},
		{"not all of the system", with(project, `"system":{"all":false}`), tokens.Scope{System: true}, false, false},
		{"another domain", with(project, `"domain":{"id":"e","name":"E"}`), tokens.Scope{DomainID: "d"}, false, false},
		{"a scope that was not asked for", goodToken, tokens.Scope{}, true, false},
		{"no scope", with(project+",", ``), tokens.Scope{}, false, false},
		{"project without id", with(`"id":"p"`, `"id":""`), tokens.Scope{}, false, false},
		{"no token", `{}`, tokens.Scope{ProjectID: "p"}, false, false},
		{"no catalog", with(`"catalog"`, `"catalogue"`), tokens.Scope{ProjectID: "p"}, false, false},
		{"a null catalog", `{"token":{"expires_at":"2026-01-01T00:00:00Z",` + project + `,"catalog":null}}`, tokens.Scope{ProjectID: "p"}, false, false},
		{"no expires_at", with(`"expires_at":"2026-01-01T00:00:00.000000Z",`, ``), tokens.Scope{ProjectID: "p"}, false, false},
		{"project by name, of any domain", goodToken, tokens.Scope{ProjectName: "n"}, false, true},
		{"another project by name", goodToken, tokens.Scope{ProjectName: "m", DomainID: "d"}, false, false},
		{"domain by id", with(project, `"domain":{"id":"d","name":"D"}`), tokens.Scope{DomainID: "d"}, false, true},
		{"another domain by name", with(project, `"domain":{"id":"d","name":"D"}`), tokens.Scope{DomainName: "E"}, false, false},
		{"domain without id", with(project, `"domain":{"id":"","name":"D"}`), tokens.Scope{DomainName: "D"}, false, false},
		{"a project and a domain", with(project, project+`,"domain":{"id":"d","name":"D"}`), tokens.Scope{DomainID: "d"}, false, false},
		{"a project and a domain, by name", with(project, project+`,"domain":{"id":"d","name":"D"}`), tokens.Scope{DomainName: "D"}, false, false},
		{"a project and the system", with(project, project+`,"system":{"all":true}`), tokens.Scope{System: true}, false, false},
		{"no project for one by id", with(project+",", ``), tokens.Scope{ProjectID: "p"}, false, false},
		{"no project for one by name", with(project+",", ``), tokens.Scope{ProjectName: "n"}, false, false},
		{"no system for it", with(project+",", ``), tokens.Scope{System: true}, false, false},
		{"no domain for one by id", with(project+",", ``), tokens.Scope{DomainID: "d"}, false, false},
		{"no domain for one by name", with(project+",", ``), tokens.Scope{DomainName: "D"}, false, false},
		{"a domain for nothing", with(project, `"domain":{"id":"d","name":"D"}`), tokens.Scope{}, true, false},
		{"the system for nothing", with(project, `"system":{"all":true}`), tokens.Scope{}, true, false},
		{"not a time", with(`2026-01-01T00:00:00.000000Z`, `soon`), tokens.Scope{ProjectID: "p"}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := decodeToken([]byte(test.body), tokens.AuthOptions{Scope: test.asked}, test.unscoped); (err == nil) != test.ok {
				t.Error(err)
			}
		})
	}
}

func oneLine(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r < ' ' || r > '~' {
			t.Errorf("%q has more than ASCII on one line", text)
			return
		}
	}
}
