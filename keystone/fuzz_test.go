package keystone

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"nfs-exportd/exports"
	"nfs-exportd/printable"
)

// The decoders take no answer that encoding/json would read as something else:
// what they accept is compared with a reading without any care. naive is that
// reading of one object, in which keys are what they are, letter by letter.
func naive(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(body, &object); err != nil {
		t.Fatalf("%q is taken, and is no JSON object: %v", body, err)
	}
	return object
}

// items, field, text and truth walk through what naive gives; what is not there, or of
// another type, is empty.
func items(of any) []any             { all, _ := of.([]any); return all }
func field(of any, key string) any   { object, _ := of.(map[string]any); return object[key] }
func text(of any, key string) string { value, _ := field(of, key).(string); return value }
func truth(of any, key string) bool  { value, _ := field(of, key).(bool); return value }

// onlyOnce: a text that is taken has no object with two values for a key.
func onlyOnce(t *testing.T, body []byte) {
	t.Helper()
	if !jsontext.Value(body).IsValid() {
		t.Errorf("%q is taken, and is not JSON with each key once, in UTF-8", body)
	}
}

// FuzzServers: a page of instances is refused, or is what stands there.
func FuzzServers(f *testing.F) {
	f.Add([]byte(goodServers), true)
	f.Add([]byte(strings.Replace(goodServers, "10.0.0.1", "::ffff:10.0.0.1", 1)), true)
	f.Add([]byte(`{"servers":[{"id":"i","status":"UNKNOWN"},{"id":"j","name":"n"}]}`), false)
	f.Add([]byte(`{"servers":[],"servers_links":[{"rel":"next"}],"Servers":[1],"x":{"servers":null}}`), true)
	f.Add([]byte(`{"servers":[],"servers":[]}`), true)
	f.Add([]byte(`{"servers":[],"servers_links":[{"rel":"previous","href":"x"}]}`), true)
	f.Add([]byte(`{"servers":[]}{"servers":[]}`), true)
	f.Add([]byte(`{"error":{"message":"no"}}`), true)
	f.Add([]byte("\ufeff"+goodServers), true)
	f.Fuzz(func(t *testing.T, body []byte, detail bool) {
		page, err := servers(string(body), detail)
		if err != nil {
			oneLine(t, printable.Plain(err.Error()))
			return
		}
		onlyOnce(t, body)
		object := naive(t, body)
		var want, got []server
		full := false
		for _, link := range items(object["servers_links"]) {
			full = full || text(link, "rel") == "next"
		}
		for _, s := range items(object["servers"]) {
			one := server{exports.Instance{ID: text(s, "id"), Name: text(s, "name"), Region: "R", Status: text(s, "status")}, text(s, "tenant_id")}
			networks, _ := field(s, "addresses").(map[string]any)
			for network, addresses := range networks {
				if len(items(addresses)) == 0 {
					one.EmptyNetworks = append(one.EmptyNetworks, network)
				}
				for _, a := range items(addresses) {
					addr, err := netip.ParseAddr(text(a, "addr"))
					if err != nil {
						t.Errorf("%q: address %v is taken", body, a)
					}
					one.Addresses = append(one.Addresses, exports.Address{Network: network, Addr: addr.Unmap()})
				}
			}
			want = append(want, one)
		}
		for _, s := range page.servers {
			if s.ID == "" || detail && (s.projectID == "" || s.Status == "") && page.stubs == 0 {
				t.Errorf("%q: %+v", body, s)
			}
			got = append(got, s)
		}
		for _, all := range [][]server{want, got} {
			for i := range all {
				slices.Sort(all[i].EmptyNetworks)
				slices.SortFunc(all[i].Addresses, func(a, b exports.Address) int {
					return strings.Compare(a.Network+"\x00"+a.Addr.String(), b.Network+"\x00"+b.Addr.String())
				})
			}
		}
		// A key that is written with an escape counts as missing: more stubs.
		if strings.Contains(string(body), `\`) && page.stubs > 0 {
			return
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(server{}), sameAddr, sameEmpty); diff != "" || full != page.full {
			t.Errorf("%q, with a next page %t, is read as with one %t (-naive +got):\n%s", body, full, page.full, diff)
		}
	})
}

// sameEmpty takes no addresses for no addresses.
var sameEmpty = cmp.FilterValues(func(a, b []exports.Address) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore())

// FuzzServer: the answer about one instance is refused, or is what stands there.
func FuzzServer(f *testing.F) {
	for _, body := range []string{`{"server":` + goodServer + `}`, goodServers, `{"server":null}`, `{"server":{},"server":` + goodServer + `}`,
		`{"server":` + strings.Replace(goodServer, "ACTIVE", "UNKNOWN", 1) + `}`, `{"server":` + goodServer + `}{}`,
		`{"server":{"id":"i","status":"UNKNOWN","tenant_id":"p"}}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeServer(body, "R")
		if err != nil {
			oneLine(t, printable.Plain(err.Error()))
			return
		}
		onlyOnce(t, body)
		raw := naive(t, body)["server"]
		networks, ok := field(raw, "addresses").(map[string]any)
		addresses, empty := 0, 0
		for _, list := range networks {
			addresses += len(items(list))
			if len(items(list)) == 0 {
				empty++
			}
		}
		if !ok || got.ID == "" || got.ID != text(raw, "id") || got.projectID == "" || got.projectID != text(raw, "tenant_id") ||
			got.Status == "UNKNOWN" || got.Status != text(raw, "status") || got.Region != "R" ||
			len(got.Addresses) != addresses || len(got.EmptyNetworks) != empty {
			t.Errorf("%q: %+v", body, got)
		}
	})
}

// FuzzServices: the services of Nova are refused, or as many are of a cell that
// is down as say so.
func FuzzServices(f *testing.F) {
	f.Add([]byte(`{"services":[{"binary":"nova-compute","host":"h","status":"UNKNOWN"},{"binary":"b","host":"i","status":"enabled"}]}`))
	f.Add([]byte(`{"services":[{"binary":"b","host":"h","status":"disabled","state":"down","x":[1,{}]}],"links":null}`))
	f.Add([]byte(`{"services":[]}`))
	f.Add([]byte(`{"services":null,"Services":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		down, err := decodeServices(body)
		if err != nil {
			oneLine(t, printable.Plain(err.Error()))
			return
		}
		onlyOnce(t, body)
		services := items(naive(t, body)["services"])
		want := 0
		for _, s := range services {
			if text(s, "status") == "UNKNOWN" {
				want++
			}
		}
		if len(services) == 0 || down != want {
			t.Errorf("%q: %d of %d are down, and %d were counted", body, want, len(services), down)
		}
	})
}

// FuzzProjects: a list of projects is refused, or is what stands there; so is
// an answer about one.
func FuzzProjects(f *testing.F) {
	f.Add([]byte(`{"projects":[` + goodProject + `],"links":{"next":"x"},"truncated":true}`))
	f.Add([]byte(`{"projects":[` + goodProject + `,{"id":"d","is_domain":true}],"links":{"next":null}}`))
	f.Add([]byte(`{"project":` + goodProject + `}`))
	f.Add([]byte(`{"projects":[],"tenants":[` + goodProject + `]}`))
	f.Add([]byte(`{"projects":[` + goodProject + `],"project":` + strings.Replace(goodProject, "true", "false", 1) + `}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		same := func(raw any, p project) bool {
			return p == project{text(raw, "id"), text(raw, "name"), text(raw, "domain_id"), truth(raw, "enabled")} && p.id != "" && p.name != "" && p.domain != ""
		}
		if one, ok, err := decodeProject(body); err != nil {
			oneLine(t, printable.Plain(err.Error()))
		} else if raw := naive(t, body)["project"]; ok == truth(raw, "is_domain") || ok && !same(raw, one) {
			t.Errorf("%q: %+v, %t", body, one, ok)
		}
		page, err := decodeProjects(body)
		if err != nil {
			oneLine(t, printable.Plain(err.Error()))
			return
		}
		onlyOnce(t, body)
		object := naive(t, body)
		if page.truncated != truth(object, "truncated") || page.next != text(object["links"], "next") {
			t.Errorf("%q: truncated %t, next %q", body, page.truncated, page.next)
		}
		raws := slices.DeleteFunc(slices.Clone(items(object["projects"])), func(raw any) bool { return truth(raw, "is_domain") })
		if !slices.EqualFunc(raws, page.projects, same) {
			t.Errorf("%q: %+v", body, page.projects)
		}
	})
}

// FuzzRegions: a list of regions is refused, or is what stands there.
func FuzzRegions(f *testing.F) {
	f.Add([]byte(`{"regions":[{"id":"R"},{"id":"S","parent_region_id":null}],"links":{"next":null}}`))
	f.Add([]byte(`{"regions":[{"id":"R"}],"links":{"next":"https://k/v3/regions?marker=R"}}`))
	f.Add([]byte(`{"regions":[{"id":"R"},{"id":"R"}]}`))
	f.Add([]byte(`{"regions":[]}`))
	f.Add([]byte(`{"regions":[{"id":"R"}],"truncated":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		ids, err := decodeRegions(body)
		if err != nil {
			oneLine(t, printable.Plain(err.Error()))
			return
		}
		onlyOnce(t, body)
		object := naive(t, body)
		var want []string
		for _, region := range items(object["regions"]) {
			want = append(want, text(region, "id"))
		}
		sorted := slices.Sorted(slices.Values(ids))
		if !slices.Equal(want, ids) || len(ids) == 0 || len(slices.Compact(sorted)) != len(ids) || slices.Contains(ids, "") ||
			truth(object, "truncated") || text(object["links"], "next") != "" {
			t.Errorf("%q: %q", body, ids)
		}
	})
}

// FuzzToken: a token is refused, or is for what was asked for, and the endpoint
// that is taken from its catalog is the only one there that could be meant.
func FuzzToken(f *testing.F) {
	f.Add([]byte(goodToken), "R")
	f.Add([]byte(strings.Replace(goodToken, "http://n", "https://n/v2.1/p", 1)), "R")
	f.Add([]byte(strings.Replace(goodToken, "http://n", "https://n:8774/compute/", 1)), "R")
	f.Add([]byte(strings.Replace(goodToken, `"endpoints":[`, `"endpoints":[{"interface":"public","region_id":"R","url":"https://m"},`, 1)), "R")
	f.Add([]byte(strings.Replace(goodToken, `"region_id":"R",`, ``, 1)), "")
	f.Fuzz(func(t *testing.T, body []byte, region string) {
		token, err := decodeToken(body, tokens.AuthOptions{Scope: tokens.Scope{ProjectID: "p"}}, false)
		if err != nil {
			oneLine(t, printable.Plain(err.Error()))
			return
		}
		onlyOnce(t, body)
		raw := naive(t, body)["token"]
		if text(field(raw, "project"), "id") != "p" || token.projectID != "p" || text(raw, "expires_at") == "" {
			t.Errorf("%q: %+v", body, token)
		}
		var found []string
		for _, service := range items(field(raw, "catalog")) {
			for _, e := range items(field(service, "endpoints")) {
				id := text(e, "region_id")
				if id == "" {
					id = text(e, "region")
				}
				if text(service, "type") == "compute" && text(e, "interface") == "public" && id == region {
					found = append(found, text(e, "url"))
				}
			}
		}
		c := &Client{creds: Credentials{AuthURL: "https://k/v3", Interface: "public"}, hosts: &hosts{known: map[string]bool{}}}
		got, err := c.computeURL(token, region)
		if err != nil {
			if class(err) != "untrusted" {
				t.Errorf("%T: %v", err, err)
			}
			oneLine(t, err.Error())
			return
		}
		if len(found) != 1 {
			t.Fatalf("%q has the endpoints %q, and %q is taken", body, found, got)
		}
		want, err := url.Parse(found[0])
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != want.Host || u.User != nil || u.RawQuery != "" ||
			!strings.HasPrefix(u.Path, strings.TrimRight(want.Path, "/")) || !strings.Contains(u.Path, "/v2.1") {
			t.Errorf("%q became %q", found[0], got)
		}
		if !c.hosts.known[u.Scheme+"://"+u.Host] && len(c.hosts.known) != 1 {
			t.Errorf("%q: hosts %v", got, c.hosts.known)
		}
	})
}

// FuzzRefusal: whatever an answer that is no success holds, its status alone
// says what it is, and the token that it was asked with does not come back.
func FuzzRefusal(f *testing.F) {
	f.Add(401, []byte(`{"error":{"message":"The request you have made requires authentication.","code":401,"title":"Unauthorized"}}`), "req-1", "")
	f.Add(403, []byte(`{"forbidden":{"message":"Policy doesn't allow t0ken-canary","code":403}}`), "req-1", "")
	f.Add(503, []byte("<html>\x1b[2J"), "\x1b[2J", "120")
	f.Add(429, []byte(`{"overLimit":{"message":"slow","retryAfter":"1"}}`), "", "Wed, 21 Oct 2026 07:28:00 GMT")
	f.Add(406, []byte(`{"computeFault":{"message":"Version 2.69 is not supported"}}`), "", "")
	f.Add(300, []byte(`{"choices":[]}`), "", "-1")
	f.Add(404, []byte(`{"itemNotFound":{"message":"`+strings.Repeat("x", 5000)+`"}}`), strings.Repeat("y", 5000), "99999999999999999999")
	f.Fuzz(func(t *testing.T, status int, body []byte, id, after string) {
		if status < 100 || status > 999 {
			return // net/http refuses those
		}
		c := &Client{issued: []secret{newSecret("t0ken-canary")}}
		c.opts, _ = Options{}.withDefaults()
		header := http.Header{"X-Openstack-Request-Id": {id}, "Retry-After": {after}}
		err := c.status(Exchange{Op: "list", Method: "GET", URL: "https://k/v3", As: "user"},
			gophercloud.ErrUnexpectedResponseCode{Actual: status, Body: body, ResponseHeader: header}, "next")
		want := "untrusted"
		switch {
		case status == 401, status == 403:
			want = "refused"
		case status == 429, status/100 == 5:
			want = "unavailable"
		}
		if got := class(err); got != want {
			t.Errorf("status %d is %s: %v", status, got, err)
		}
		oneLine(t, err.Error())
		if len(err.Error()) > 10*printable.MaxQuoted {
			t.Errorf("the message has %d bytes", len(err.Error()))
		}
		if strings.Contains(err.Error(), "t0ken-canary") {
			t.Errorf("the token is in %q", err)
		}
		if transient, ok := errors.AsType[*transientError](err); ok && transient.after < 0 {
			t.Errorf("wait %s", transient.after)
		}
	})
}

// secretFollows matches what stands before a password in a file.
var secretFollows = regexp.MustCompile("(?i)^[^\"']*(?:^|[\\n{, ])(?:os_)?(?:password|application_credential_secret) ?:[ \\n]*[\"'\\[{&*!|>%@`-]*$")

// FuzzCredentialsFile: a file gives usable credentials or an error on one line,
// and the password that stands in it is in neither.
func FuzzCredentialsFile(f *testing.F) {
	const rest = "OS_AUTH_URL: https://k\nOS_USERNAME: u\nOS_PROJECT_ID: p\n"
	for _, before := range []string{rest + "OS_PASSWORD: ", rest + "OS_PASSWORD: \"", rest + "OS_PASSWORD: [", rest + "OS_PASSWORD: *", rest + "OS_PASSWORD: !x!",
		rest + "OS_PASSWORD: !", rest + "OS_PASSWORD: |\n  ", rest + "<<: {OS_USERNAME: v, OS_PASSWORD: ", "maintenance: {reason: x}\n" + rest + "OS_PASSWORD: ",
		"OS_AUTH_URL: https://u:@k/v2.0\nOS_SYSTEM_SCOPE: some\nOS_IDENTITY_API_VERSION: 2\nOS_PASSWORD: "} {
		for _, after := range []string{"\n", "", "\"\n", ", x: y}\n", ": y\n", "\nOS_PASSWORD: x\n", "\nOS_CACERT: ~/ca\n---\n", "\nOS_PASWORD: x\n\tx"} {
			f.Add(before, after, false)
		}
	}
	for _, before := range []string{"clouds: {c: {auth: {auth_url: https://k, username: u, project_id: p, password: ", "clouds:\n  d: &d {a: 1}\n  c:\n    <<: *d\n    verify: false\n    auth:\n      auth_url: https://k\n      username: u\n      system_scope: all\n      password: "} {
		for _, after := range []string{"}}}\n", ", x}}}\n", "\n", "\n    profile: x\n", ": x\n", "\n  c: 1\n"} {
			f.Add(before, after, true)
		}
	}
	const canary = "s3cr3t.c4n4ry"
	directory := f.TempDir()
	f.Fuzz(func(t *testing.T, before, after string, clouds bool) {
		text := before + canary + after
		path := filepath.Join(directory, "clouds.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		from := Sources{File: path, Getenv: environment("OS_CLIENT_CONFIG_FILE", path)}
		if clouds {
			from.Cloud = "c"
		}
		c, err := Find(from)
		said := ""
		if err != nil {
			if class(err) != "credentials" {
				t.Errorf("%T: %v", err, err)
			}
			said = err.Error()
		} else {
			if _, err := parseEndpoint(c.AuthURL); err != nil || !strings.HasSuffix(c.AuthURL, "/v3") {
				t.Errorf("auth URL %q: %v", c.AuthURL, err)
			}
			if c.password.reveal() == "" && c.application.secret.reveal() == "" || c.scope == (scope{}) && !c.application.given() || c.User() == "" {
				t.Errorf("%q gives %+v", text, c)
			}
			said = fmt.Sprintf("%+v %v", c, c.Warnings)
		}
		oneLine(t, said)
		if strings.Contains(said, canary) && secretFollows.MatchString(before) {
			t.Errorf("%q: %q is in %q", text, canary, said)
		}
	})
}

// FuzzEnvironment: variables give usable credentials or an error on one line,
// without the password, and the same as a file with them.
func FuzzEnvironment(f *testing.F) {
	f.Add("https://k/v3", "u", "p4ssword", "p", "", "", "", "")
	f.Add("https://k:5000", "", "p4ssword", "", "all", "", "admin", "true")
	f.Add("http://k/identity/v2.0", "u", "", "", "", "a", "internalURL", "no")
	f.Add("https://u:p4ssword@k", "u\n", "p4ssword\n", "", "", "", "odd", "maybe")
	directory := f.TempDir()
	f.Fuzz(func(t *testing.T, authURL, user, password, project, system, application, endpoint, insecure string) {
		pairs := []string{
			"OS_AUTH_URL", authURL, "OS_USERNAME", user, "OS_PASSWORD", password, "OS_PROJECT_NAME", project, "OS_SYSTEM_SCOPE", system,
			"OS_APPLICATION_CREDENTIAL_ID", application, "OS_INTERFACE", endpoint, "OS_INSECURE", insecure,
		}
		for _, value := range pairs {
			if strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' || r == unicode.ReplacementChar }) {
				return // no YAML, and no environment
			}
		}
		c, err := Find(Sources{Getenv: environment(pairs...)})
		said := fmt.Sprintf("%+v %v", c, c.Warnings)
		if err != nil {
			said = err.Error()
		}
		oneLine(t, said)
		if strings.Contains(password, "4ssw") && strings.Contains(said, password) && !strings.Contains(user+authURL+project+system+application+endpoint+insecure, "4ssw") {
			t.Errorf("the password is in %q", said)
		}

		written := map[string]string{}
		for pair := range slices.Chunk(pairs, 2) {
			written[pair[0]] = pair[1]
		}
		text, jsonErr := json.Marshal(written) // which is YAML
		path := filepath.Join(directory, "f.yaml")
		if err := errors.Join(jsonErr, os.WriteFile(path, text, 0o600)); err != nil {
			t.Fatal(err)
		}
		again, errAgain := Find(Sources{File: path, Getenv: environment()})
		if authURL == "" && user == "" && application == "" {
			return // then the environment has none at all, and the file is wrong
		}
		if (err == nil) != (errAgain == nil) || err == nil && plainly(c) != plainly(again) {
			t.Errorf("%q: %v, %v in the environment, and %v, %v in a file", pairs, plainly(c), err, plainly(again), errAgain)
		}
	})
}
