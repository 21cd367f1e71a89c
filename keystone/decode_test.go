package keystone

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
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
	return decodeServers(jsontext.NewDecoder(bytes.NewBufferString(body)), "R", detail)
}

func TestDecodeServers(t *testing.T) {
	t.Parallel()
	good := exports.Instance{ID: "i1", Name: "a\x1b", Region: "R", Status: "ACTIVE", Addresses: []exports.Address{
		{Network: "lan", Addr: netip.MustParseAddr("10.0.0.1")}, {Network: "lan", Addr: netip.MustParseAddr("2001:db8::1")},
	}}
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
		{"not a time", with(`2026-01-01T00:00:00.000000Z`, `soon`), tokens.Scope{ProjectID: "p"}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := decodeToken([]byte(test.body), tokens.AuthOptions{Scope: test.asked}, test.unscoped); (err == nil) != test.ok {
				t.Error(err)
			}
		})
	}
}

func FuzzServers(f *testing.F) {
	f.Add([]byte(goodServers), true)
	f.Add([]byte(strings.Replace(goodServers, "10.0.0.1", "::ffff:10.0.0.1", 1)), true)
	f.Add([]byte(`{"servers":[{"id":"i","status":"UNKNOWN"},{"id":"j","name":"n"}]}`), false)
	f.Fuzz(func(t *testing.T, body []byte, detail bool) {
		page, err := servers(string(body), detail)
		if err != nil {
			oneLine(t, plain(err.Error()))
			return
		}
		if !jsontext.Value(body).IsValid() {
			t.Errorf("%q is not JSON", body)
		}
		for _, s := range page.servers {
			if s.ID == "" || detail && s.projectID == "" {
				t.Errorf("%q: %+v", body, s)
			}
			for _, a := range s.Addresses {
				if !a.Addr.IsValid() || a.Addr.Zone() != "" || a.Addr.Is4In6() {
					t.Errorf("%q: address %v", body, a)
				}
			}
		}
	})
}

func FuzzProjects(f *testing.F) {
	f.Add([]byte(`{"projects":[` + goodProject + `],"links":{"next":"x"},"truncated":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := decodeProjects(body)
		if err != nil {
			oneLine(t, plain(err.Error()))
			return
		}
		for _, p := range page.projects {
			if p.id == "" || p.name == "" || p.domain == "" {
				t.Errorf("%q: %+v", body, p)
			}
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add([]byte(goodToken), "R")
	f.Fuzz(func(t *testing.T, body []byte, region string) {
		token, err := decodeToken(body, tokens.AuthOptions{Scope: tokens.Scope{ProjectID: "p"}}, false)
		if err != nil {
			oneLine(t, plain(err.Error()))
			return
		}
		c := &Client{creds: Credentials{AuthURL: "https://k/v3", Interface: "public"}, hosts: &hosts{known: map[string]bool{}}}
		switch url, err := c.computeURL(token, region); {
		case err != nil:
			oneLine(t, err.Error())
		case !strings.HasPrefix(url, "https://") || !strings.Contains(url, "/v2.1"):
			t.Errorf("%q: %q", body, url)
		}
	})
}

func FuzzCredentialsFile(f *testing.F) {
	f.Add([]byte("OS_AUTH_URL: https://k\nOS_USERNAME: u\nOS_PASSWORD: \"a\\nb\"\nOS_PROJECT_ID: p\nmaintenance: true\n"), false)
	f.Add([]byte("clouds: {c: {auth: {auth_url: https://k, username: u, password: p, project_id: p}}}"), true)
	f.Fuzz(func(t *testing.T, text []byte, clouds bool) {
		path := filepath.Join(t.TempDir(), "clouds.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		from := Sources{File: path, Getenv: func(name string) string {
			return map[string]string{"OS_CLIENT_CONFIG_FILE": path}[name]
		}}
		if clouds {
			from.Cloud = "c"
		}
		c, err := Find(from)
		if err != nil {
			if class(err) != "credentials" {
				t.Errorf("%T: %v", err, err)
			}
			oneLine(t, err.Error())
			return
		}
		if _, err := parseEndpoint(c.AuthURL); err != nil || !strings.HasSuffix(c.AuthURL, "/v3") {
			t.Errorf("auth URL %q: %v", c.AuthURL, err)
		}
		oneLine(t, c.String())
	})
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

// BenchmarkDecodeServers reads a page of 1000 instances of 2.5 kB, beside what
// json v2 does with the same by reflection.
func BenchmarkDecodeServers(b *testing.B) {
	filler := fmt.Sprintf(`,"OS-EXT-SRV-ATTR:user_data":%q,"links":[{"rel":"self","href":%q}]}`,
		strings.Repeat("A", 1000), strings.Repeat("http://nova", 100))
	one := strings.TrimSuffix(goodServer, "}") + filler
	body := []byte(`{"servers":[` + strings.Repeat(one+",", 999) + one + `]}`)
	b.Run("jsontext", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		var buffer bytes.Buffer
		var d jsontext.Decoder
		for b.Loop() {
			buffer.Reset()
			buffer.Write(body)
			d.Reset(&buffer)
			if page, err := decodeServers(&d, "R", true); err != nil || len(page.servers) != 1000 {
				b.Fatal(len(page.servers), err)
			}
		}
	})
	b.Run("reflection", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var page struct {
				Servers []struct {
					ID        string `json:"id"`
					Name      string `json:"name"`
					Status    string `json:"status"`
					TenantID  string `json:"tenant_id"`
					Addresses map[string][]struct {
						Addr    netip.Addr `json:"addr"`
						Version int        `json:"version"`
					} `json:"addresses"`
				} `json:"servers"`
			}
			if err := unmarshal(body, &page); err != nil || len(page.Servers) != 1000 {
				b.Fatal(err)
			}
		}
	})
}
