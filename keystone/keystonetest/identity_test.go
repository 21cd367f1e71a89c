package keystonetest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/keystone/keystonetest"
)

// TestRefusedLogInsLookTheSame holds what a real Keystone does: a refusal never
// tells a wrong password from a project that is gone.
func TestRefusedLogInsLookTheSame(t *testing.T) {
	s := small(t)
	s.AddAppCredential(keystonetest.AppCredential{ID: "c1", Name: "ci", Secret: "app-secret", User: "reader", Project: "a1"})
	appCredential := `{"auth":{"identity":{"methods":["application_credential"],` +
		`"application_credential":{"id":"c1","secret":"app-secret"}}`
	s.AddProject(keystonetest.Project{ID: "off", Name: "off"})
	s.AddRole("reader", "off", "reader")
	s.SetProjectDisabled("off", true)
	s.AddUser(keystonetest.User{Name: "left", Password: "left-secret", Disabled: true})
	s.AddRole("left", "a1", "reader")
	withCredential := logIn(t, s, appCredential+"}}")
	if withCredential.status != http.StatusCreated {
		t.Fatalf("application credential: %d %s", withCredential.status, withCredential.body)
	}
	want := `{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}`
	for name, body := range map[string]string{
		"wrong password":                   passwordBody("reader", "x", onAlpha),
		"no such user":                     passwordBody("stranger", "x", onAlpha),
		"user disabled":                    passwordBody("left", "left-secret", onAlpha),
		"no such project":                  passwordBody("reader", "reader-secret", `{"project":{"id":"gone"}}`),
		"no project of this name":          passwordBody("reader", "reader-secret", `{"project":{"name":"beta","domain":{"id":"ldap"}}}`),
		"project disabled":                 passwordBody("reader", "reader-secret", `{"project":{"id":"off"}}`),
		"no role":                          passwordBody("nobody", "nobody-secret", onAlpha),
		"no role on the system":            passwordBody("reader", "reader-secret", onSystem),
		"application credential and scope": appCredential + `,"scope":` + onAlpha + `}}`,
		"domain scope":                     passwordBody("reader", "reader-secret", `{"domain":{"id":"default"}}`),
	} {
		g := logIn(t, s, body)
		if g.status != http.StatusUnauthorized || g.body != want || g.header.Get("X-Subject-Token") != "" ||
			g.header.Get("X-Openstack-Request-Id") == "" {
			t.Errorf("%s: %d %s", name, g.status, g.body)
		}
	}
	if g := logIn(t, s, tokenBody("gAAAAAB", onAlpha)); g.status != http.StatusNotFound || !strings.Contains(g.body, "Could not find token: gAAAAAB.") {
		t.Errorf("token unknown: %d %s", g.status, g.body)
	}
	for _, scope := range []string{onBeta, unscoped} {
		g := logIn(t, s, tokenBody(withCredential.header.Get("X-Subject-Token"), scope))
		if g.status != http.StatusForbidden || !strings.Contains(g.body, "delegated token") {
			t.Errorf("a token of an application credential, rescoped to %s: %d %s", scope, g.status, g.body)
		}
	}
	if g := logIn(t, s, `{"auth":`); g.status != http.StatusBadRequest {
		t.Errorf("half a body: %d", g.status)
	}
}

func TestRescope(t *testing.T) {
	s := small(t)
	s.AddRole("admin", "a1", "admin")
	first := logIn(t, s, passwordBody("reader", "reader-secret", unscoped))
	if body := first.decode(t)["token"].(map[string]any); body["catalog"] != nil || body["project"] != nil {
		t.Errorf("an unscoped token has a catalog or a project: %v", body)
	}
	second := logIn(t, s, tokenBody(first.header.Get("X-Subject-Token"), onBeta))
	body := second.decode(t)["token"].(map[string]any)
	if body["project"].(map[string]any)["id"] != "b2" || len(body["catalog"].([]any)) == 0 {
		t.Errorf("rescoped: %s", second.body)
	}
	if body["expires_at"] != first.decode(t)["token"].(map[string]any)["expires_at"] {
		t.Error("rescoping made the token live longer")
	}
	if diff := cmp.Diff([]any{"token", "password"}, body["methods"]); diff != "" {
		t.Error(diff)
	}
	third := logIn(t, s, tokenBody(second.header.Get("X-Subject-Token"), onAlpha))
	if third.status != http.StatusCreated {
		t.Errorf("from project to project: %d", third.status)
	}
	fromSystem := logIn(t, s, tokenBody(token(t, s, "admin", onSystem), onAlpha))
	if fromSystem.status != http.StatusForbidden || !strings.Contains(fromSystem.body, "system-scoped") {
		t.Errorf("from system to project: %d %s", fromSystem.status, fromSystem.body)
	}
	if diff := cmp.Diff([]keystonetest.Kind{"LogIn", "Rescope", "Rescope", "LogIn", "Rescope"}, kinds(s)); diff != "" {
		t.Error(diff)
	}
	if r := s.Requests()[1]; r.User != "reader" || r.Project != "beta" {
		t.Errorf("%+v", r)
	}
}

func kinds(s *keystonetest.Server) []keystonetest.Kind {
	list := []keystonetest.Kind{}
	for _, r := range s.Requests() {
		list = append(list, r.Kind)
	}
	return list
}

// TestTokensEnd goes through everything that makes a good token worth nothing.
func TestTokensEnd(t *testing.T) {
	for name, end := range map[string]func(s *keystonetest.Server, token string){
		"expired":          func(s *keystonetest.Server, _ string) { s.ExpireTokens() },
		"one expired":      func(s *keystonetest.Server, token string) { s.ExpireToken(token) },
		"role gone":        func(s *keystonetest.Server, _ string) { s.RemoveRole("reader", "a1", "reader") },
		"project gone":     func(s *keystonetest.Server, _ string) { s.RemoveProject("a1") },
		"project disabled": func(s *keystonetest.Server, _ string) { s.SetProjectDisabled("a1", true) },
		"project made anew": func(s *keystonetest.Server, _ string) {
			s.RemoveProject("a1")
			s.AddProject(keystonetest.Project{ID: "a1", Name: "alpha"})
		},
		"user disabled": func(s *keystonetest.Server, _ string) {
			s.AddUser(keystonetest.User{Name: "reader", Password: "reader-secret", Disabled: true})
		},
		"clock": func(s *keystonetest.Server, _ string) {
			s.Configure(func(set *keystonetest.Settings) {
				set.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := small(t)
			tok := token(t, s, "reader", onAlpha)
			paths := []string{"/identity/v3/regions", "/compute/RegionOne/v2.1/servers/detail"}
			for _, p := range paths {
				if g := get(t, s, tok, p); g.status != http.StatusOK {
					t.Errorf("%s before: %d", p, g.status)
				}
			}
			end(s, tok)
			for _, p := range paths {
				g := get(t, s, tok, p)
				if g.status != http.StatusUnauthorized || !strings.HasPrefix(g.header.Get("WWW-Authenticate"), "Keystone uri=") {
					t.Errorf("%s after: %d %v", p, g.status, g.header)
				}
			}
		})
	}
}

// TestReLogIn: a log-in is a re-log-in if the token for the same user and scope
// was refused, and the next one is not.
func TestReLogIn(t *testing.T) {
	s := small(t)
	tok := token(t, s, "reader", onAlpha)
	s.ExpireTokens()
	get(t, s, tok, "/identity/v3/regions")
	token(t, s, "reader", onBeta)
	token(t, s, "reader", onAlpha)
	tok = token(t, s, "reader", onAlpha)
	s.Inject(named(t, "status-401").On(keystonetest.Regions))
	get(t, s, tok, "/identity/v3/regions")
	token(t, s, "reader", onAlpha)
	want := []keystonetest.Kind{"LogIn", "Regions", "LogIn", "ReLogIn", "LogIn", "Regions", "ReLogIn"}
	if diff := cmp.Diff(want, kinds(s)); diff != "" {
		t.Error(diff)
	}
	if n := len(s.Tokens()); n != 5 {
		t.Errorf("%d tokens given out, want 5", n)
	}
}

func TestProjectsAndTheirPolicy(t *testing.T) {
	s := small(t)
	s.AddProject(keystonetest.Project{ID: "off", Name: "off", Disabled: true})
	s.AddRole("reader", "off", "reader")
	admin, reader := token(t, s, "admin", onSystem), token(t, s, "reader", onAlpha)
	plain := logIn(t, s, passwordBody("reader", "reader-secret", unscoped)).header.Get("X-Subject-Token")
	for _, test := range []struct {
		token, path string
		status      int
		want        any // ids, or a part of the body
	}{
		{admin, "/projects", 200, []string{"a1", "b2", "off"}},
		{admin, "/projects?enabled=true", 200, []string{"a1", "b2"}},
		{admin, "/projects?name=beta&domain_id=default", 200, []string{"b2"}},
		{admin, "/projects?name=Beta", 200, []string{}},
		{admin, "/projects?domain_id=ldap", 200, []string{}},
		{admin, "/auth/projects", 200, []string{}},
		{admin, "/projects/off", 200, `"enabled":false`},
		{admin, "/projects/gone", 404, "Could not find project: gone."},
		{reader, "/projects", 403, "You are not authorized to perform the requested action: identity:list_projects."},
		{reader, "/projects?name=alpha", 403, "identity:list_projects"},
		{reader, "/projects/a1", 200, `"name":"alpha"`},
		{reader, "/projects/b2", 403, "You are not authorized to perform the requested action: identity:get_project."},
		{reader, "/projects/gone", 403, "identity:get_project"},
		{reader, "/auth/projects", 200, []string{"a1", "b2", "off"}},
		{plain, "/auth/projects", 200, []string{"a1", "b2", "off"}},
		{plain, "/projects/a1", 403, "identity:get_project"},
		{plain, "/regions", 200, `"id":"RegionOne"`},
		{"", "/regions", 401, "requires authentication"},
		{admin, "/users", 501, "does not implement"},
		{admin, "/projects?parent_id=x", 501, "does not implement"},
	} {
		g := get(t, s, test.token, "/identity/v3"+test.path)
		if g.status != test.status {
			t.Errorf("%s: %d %s", test.path, g.status, g.body)
			continue
		}
		switch want := test.want.(type) {
		case string:
			if !strings.Contains(g.body, want) {
				t.Errorf("%s: %s", test.path, g.body)
			}
		case []string:
			if diff := cmp.Diff(want, g.ids(t, "projects")); diff != "" {
				t.Errorf("%s: %s", test.path, diff)
			}
		}
	}
	s.Configure(func(set *keystonetest.Settings) { set.Policy.ListProjects = keystonetest.Anywhere("reader") })
	if g := get(t, s, reader, "/identity/v3/projects/gone"); g.status != http.StatusNotFound {
		t.Errorf("a reader who may see all: %d", g.status)
	}
	s.Configure(func(set *keystonetest.Settings) { set.Policy.ListProjects = keystonetest.Nobody() })
	if g := get(t, s, admin, "/identity/v3/projects"); g.status != http.StatusForbidden {
		t.Errorf("nobody: %d", g.status)
	}
}

func TestTruncatedLists(t *testing.T) {
	s := small(t)
	s.AddProject(keystonetest.Project{ID: "c3", Name: "gamma"})
	s.AddRegion("RegionTwo")
	admin := token(t, s, "admin", onSystem)
	const path = "/identity/v3/projects"
	truncated := func(path string) bool { return get(t, s, admin, path).decode(t)["truncated"] == true }
	if truncated(path) {
		t.Error("truncated without a limit")
	}
	s.Configure(func(set *keystonetest.Settings) { set.ListLimit = 3 })
	if truncated(path) {
		t.Error("truncated at its limit")
	}
	s.Configure(func(set *keystonetest.Settings) { set.ListLimit = 1 })
	if !truncated("/identity/v3/regions") {
		t.Error("the regions are not truncated")
	}
	g := get(t, s, admin, path+"?marker=a1")
	if links := g.decode(t)["links"].(map[string]any); !truncated(path) || links["next"] != nil {
		t.Errorf("%s", g.body)
	}
	if diff := cmp.Diff([]string{"a1"}, g.ids(t, "projects")); diff != "" {
		t.Error(diff)
	}

	s.Configure(func(set *keystonetest.Settings) { set.KeystonePaging = true })
	all := []string{}
	for next := path; next != ""; {
		g := get(t, s, admin, next)
		all = append(all, g.ids(t, "projects")...)
		link, _ := g.decode(t)["links"].(map[string]any)["next"].(string)
		next = strings.TrimPrefix(link, s.URL)
	}
	if diff := cmp.Diff([]string{"a1", "b2", "c3"}, all); diff != "" {
		t.Error(diff)
	}
}

func TestVersionDocuments(t *testing.T) {
	s := small(t)
	for path, want := range map[string]int{
		"/identity": 300, "/identity/": 300, "/identity/v3": 200, "/identity/v3/": 200,
		"/compute/RegionOne": 200, "/compute/RegionOne/v2.1/": 200, "/compute/Nowhere/v2.1/": 404, "/volume": 404,
	} {
		if g := get(t, s, "", path); g.status != want {
			t.Errorf("%s: %d, want %d", path, g.status, want)
		}
	}
}

// TestLog: what the cloud tells about the requests that it got.
func TestLog(t *testing.T) {
	s := small(t)
	tok := token(t, s, "reader", onAlpha)
	token(t, s, "admin", onSystem)
	get(t, s, tok, "/compute/RegionOne/v2.1/servers?limit=5&marker=m", "OpenStack-API-Version", v269, "User-Agent", "test/1")
	host := strings.TrimPrefix(s.URL, "http://")
	want := []keystonetest.Request{
		{Kind: "LogIn", Method: "POST", Host: host, Path: "/identity/v3/auth/tokens", Query: map[string][]string{},
			Project: "a1", User: "reader", UserAgent: "Go-http-client/1.1", Status: 201},
		{Kind: "LogIn", Method: "POST", Host: host, Path: "/identity/v3/auth/tokens", Query: map[string][]string{},
			User: "admin", UserAgent: "Go-http-client/1.1", Status: 201},
		{Kind: "Instances", Method: "GET", Host: host, Path: "/compute/RegionOne/v2.1/servers",
			Query: map[string][]string{"limit": {"5"}, "marker": {"m"}}, Region: "RegionOne", Project: "a1", User: "reader",
			Marker: "m", Microversion: "2.69", UserAgent: "test/1", HasToken: true, Status: 400},
	}
	if diff := cmp.Diff(want, s.Requests()); diff != "" {
		t.Error(diff)
	}
	if text := want[2].String(); text != "GET /compute/RegionOne/v2.1/servers?limit=5&marker=m 400" {
		t.Error(text)
	}
	if s.Count() != 3 || s.Count(keystonetest.LogIn, keystonetest.Instances) != 3 || s.Count(keystonetest.Instances) != 1 {
		t.Error("counts")
	}
	if s.Peak() != 1 {
		t.Errorf("peak %d of sequential requests", s.Peak())
	}
	s.ResetRequests()
	if s.Count() != 0 || s.Peak() != 0 {
		t.Error("not reset")
	}
}

// TestPeak keeps three requests waiting at once.
func TestPeak(t *testing.T) {
	s := small(t)
	tok := token(t, s, "reader", onAlpha)
	arrived, release := make(chan struct{}), make(chan struct{})
	s.Inject(keystonetest.Fault{Kind: keystonetest.Regions, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		arrived <- struct{}{}
		<-release
		next.ServeHTTP(w, r)
	}})
	done := make(chan int)
	for range 3 {
		go func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.AuthURL()+"/regions", nil)
			if err != nil {
				done <- 0
				return
			}
			r.Header.Set("X-Auth-Token", tok)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				done <- 0
				return
			}
			done <- res.StatusCode
			_ = res.Body.Close()
		}()
	}
	for range 3 {
		<-arrived
	}
	close(release)
	for range 3 {
		if status := <-done; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	if s.Peak() != 3 {
		t.Errorf("peak %d, want 3", s.Peak())
	}
}

func TestLatency(t *testing.T) {
	s := small(t)
	s.Configure(func(set *keystonetest.Settings) { set.Latency = 30 * time.Millisecond })
	start := time.Now()
	get(t, s, "", "/identity/v3")
	if d := time.Since(start); d < 30*time.Millisecond {
		t.Errorf("answered after %v", d)
	}
}
