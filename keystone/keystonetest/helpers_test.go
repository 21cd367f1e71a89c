package keystonetest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"nfs-exportd/keystone/keystonetest"
)

// small is a cloud with two projects, three users and no instance.
func small(t *testing.T) *keystonetest.Server {
	t.Helper()
	s := keystonetest.NewServer(t)
	fill(s.Cloud)
	return s
}

func fill(c *keystonetest.Cloud) {
	c.AddProject(keystonetest.Project{ID: "a1", Name: "alpha"})
	c.AddProject(keystonetest.Project{ID: "b2", Name: "beta"})
	for _, name := range []string{"admin", "reader", "nobody"} {
		c.AddUser(keystonetest.User{Name: name, Password: name + "-secret"})
	}
	c.AddRole("admin", keystonetest.System, "admin")
	c.AddRole("reader", "a1", "reader")
	c.AddRole("reader", "b2", "reader")
}

const (
	onSystem = `{"system":{"all":true}}`
	onAlpha  = `{"project":{"id":"a1"}}`
	onBeta   = `{"project":{"name":"beta","domain":{"id":"default"}}}`
	unscoped = `"unscoped"`
)

// got is an answer, read to its end.
type got struct {
	status int
	header http.Header
	body   string
}

func (g got) decode(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(g.body), &m); err != nil {
		t.Fatalf("%v in %.200q", err, g.body)
	}
	return m
}

// ids lists the ids under a key, "STUB-" before those without an addresses key.
func (g got) ids(t *testing.T, key string) []string {
	t.Helper()
	if g.status != http.StatusOK {
		t.Fatalf("status %d: %s", g.status, g.body)
	}
	ids := []string{}
	for _, i := range g.decode(t)[key].([]any) {
		m := i.(map[string]any)
		id := m["id"].(string)
		if m["status"] == "UNKNOWN" {
			if _, ok := m["addresses"]; ok {
				t.Errorf("stub %s has addresses", id)
			}
			id = "STUB-" + id
		}
		ids = append(ids, id)
	}
	return ids
}

// do sends one request, with headers (name, value, ...).
func do(t *testing.T, method, url, body string, headers ...string) got {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(headers); n += 2 {
		r.Header.Add(headers[n], headers[n+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, res.Body); err != nil {
		t.Fatal(err)
	}
	return got{res.StatusCode, res.Header, b.String()}
}

func get(t *testing.T, s *keystonetest.Server, token, path string, headers ...string) got {
	t.Helper()
	return do(t, http.MethodGet, s.URL+path, "", append(headers, "X-Auth-Token", token)...)
}

func passwordBody(user, password, scope string) string {
	body := `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"` + user +
		`","domain":{"id":"default"},"password":"` + password + `"}}}`
	if scope != "" {
		body += `,"scope":` + scope
	}
	return body + `}}`
}

func tokenBody(token, scope string) string {
	return `{"auth":{"identity":{"methods":["token"],"token":{"id":"` + token + `"}},"scope":` + scope + `}}`
}

func logIn(t *testing.T, s *keystonetest.Server, body string) got {
	t.Helper()
	return do(t, http.MethodPost, s.AuthURL()+"/auth/tokens", body)
}

// token logs a user of the small cloud in.
func token(t *testing.T, s *keystonetest.Server, user, scope string) string {
	t.Helper()
	g := logIn(t, s, passwordBody(user, user+"-secret", scope))
	if g.status != http.StatusCreated {
		t.Fatalf("log-in: %d: %s", g.status, g.body)
	}
	return g.header.Get("X-Subject-Token")
}

const v269 = "compute 2.69"

const (
	detail     = "/compute/RegionOne/v2.1/servers/detail"
	osServices = "/compute/RegionOne/v2.1/os-services"

	oneInstance = "/compute/RegionOne/v2.1/servers/i5"
)

// cells is the small cloud with instances i1 to i6, odd ones of alpha and in
// cell1, even ones of beta and in cell2; i6 is the newest.
func cells(t *testing.T) *keystonetest.Server {
	t.Helper()
	s := small(t)
	for n := 1; n <= 6; n++ {
		i := keystonetest.Instance{ID: fmt.Sprintf("i%d", n), Name: fmt.Sprintf("vm-%d", n), ProjectID: "a1", Cell: "cell1",
			Addresses: []keystonetest.Address{{Network: "lan", IP: fmt.Sprintf("10.0.0.%d", n)}}}
		if n%2 == 0 {
			i.ProjectID, i.Cell = "b2", "cell2"
		}
		s.AddInstance(i)
	}
	return s
}
