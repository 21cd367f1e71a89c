package keystone

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plainly is what is compared of credentials, the secrets readable.
func plainly(c Credentials) string {
	text := fmt.Sprintf("%s %s", c.AuthURL, c.Interface)
	for _, part := range []struct{ name, value string }{
		{"user", c.user.name}, {"user id", c.user.id}, {"user domain", c.user.domainName}, {"user domain id", c.user.domainID},
		{"password", c.password.reveal()}, {"app id", c.application.id}, {"app", c.application.name},
		{"secret", c.application.secret.reveal()}, {"project id", c.scope.projectID}, {"project", c.scope.projectName},
		{"domain", c.scope.domainName}, {"domain id", c.scope.domainID}, {"cacert", c.caCert},
	} {
		if part.value != "" {
			text += fmt.Sprintf(", %s %q", part.name, part.value)
		}
	}
	if c.scope.system {
		text += ", system"
	}
	if c.insecure {
		text += ", insecure"
	}
	return text
}

const (
	login   = "OS_AUTH_URL=https://k/v3 OS_USERNAME=u OS_PASSWORD=pw-7f3a "
	scoped  = login + "OS_PROJECT_ID=p "
	appCred = "OS_AUTH_URL=https://k OS_APPLICATION_CREDENTIAL_ID=a OS_APPLICATION_CREDENTIAL_SECRET=pw-7f3a "
)

// TestVariables has each case as an environment and as a file.
func TestVariables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, variables, want string }{
		{"Horizon's openrc", "OS_AUTH_URL=https://k:5000/v3 OS_PROJECT_ID=p OS_PROJECT_NAME=pn OS_USER_DOMAIN_NAME=Default " +
			"OS_PROJECT_DOMAIN_ID=default OS_USERNAME=u OS_PASSWORD=pw-7f3a OS_REGION_NAME=RegionOne OS_INTERFACE=public OS_IDENTITY_API_VERSION=3",
			`https://k:5000/v3 public, user "u", user domain "Default", password "pw-7f3a", project id "p"`},
		{"by names", login + "OS_USER_DOMAIN_ID=d OS_PROJECT_NAME=p OS_PROJECT_DOMAIN_NAME=pd",
			`https://k/v3 public, user "u", user domain id "d", password "pw-7f3a", project "p", domain "pd"`},
		{"one domain for all", login + "OS_DOMAIN_NAME=d OS_PROJECT_NAME=p",
			`https://k/v3 public, user "u", user domain "d", password "pw-7f3a", project "p", domain "d"`},
		{"no domain", login + "OS_PROJECT_NAME=p",
			`https://k/v3 public, user "u", user domain id "default", password "pw-7f3a", project "p", domain id "default"`},
		{"a tenant", login + "OS_TENANT_NAME=p OS_DEFAULT_DOMAIN=d",
			`https://k/v3 public, user "u", user domain id "d", password "pw-7f3a", project "p", domain id "d"`},
		{"user id", "OS_AUTH_URL=http://k/identity/ OS_USER_ID=i OS_PASSWORD=pw-7f3a OS_PROJECT_ID=p",
			`http://k/identity/v3 public, user id "i", password "pw-7f3a", project id "p"`},
		{"domain scope", login + "OS_DOMAIN_ID=d",
			`https://k/v3 public, user "u", user domain id "d", password "pw-7f3a", domain id "d"`},
		{"system scope", login + "OS_SYSTEM_SCOPE=all OS_INTERFACE=internalURL",
			`https://k/v3 internal, user "u", user domain id "default", password "pw-7f3a", system`},
		{"application credential", appCred + "OS_AUTH_TYPE=v3applicationcredential",
			`https://k/v3 public, app id "a", secret "pw-7f3a"`},
		{"application credential by name", "OS_AUTH_URL=https://k OS_APPLICATION_CREDENTIAL_NAME=a OS_USERNAME=u OS_USER_DOMAIN_NAME=d " +
			"OS_APPLICATION_CREDENTIAL_SECRET=pw-7f3a",
			`https://k/v3 public, user "u", user domain "d", app "a", secret "pw-7f3a"`},
		{"cacert", scoped + "OS_CACERT=~/ca.pem OS_INSECURE=false",
			`https://k/v3 public, user "u", user domain id "default", password "pw-7f3a", project id "p", cacert "/home/x/ca.pem"`},
		{"insecure", scoped + "OS_INSECURE=True",
			`https://k/v3 public, user "u", user domain id "default", password "pw-7f3a", project id "p", insecure`},

		{"bogus interface", scoped + "OS_INTERFACE=bogus", `error: interface is "bogus"`},
		{"two interfaces", scoped + "OS_INTERFACE=public OS_ENDPOINT_TYPE=internal", "error: OS_INTERFACE and OS_ENDPOINT_TYPE differ"},
		{"bogus insecure", scoped + "OS_INSECURE=maybe", "error: OS_INSECURE is neither"},
		{"version 2", scoped + "OS_IDENTITY_API_VERSION=2.0", "error: only 3 is supported"},
		{"version 2 in the URL", "OS_AUTH_URL=https://k/v2.0 OS_USERNAME=u OS_PASSWORD=pw-7f3a OS_PROJECT_ID=p", "error: /v2.0"},
		{"no password", "OS_AUTH_URL=https://k OS_USERNAME=u OS_PROJECT_ID=p", "error: no password"},
		{"no scope", login, "error: no scope"},
		{"no user", "OS_AUTH_URL=https://k OS_PASSWORD=pw-7f3a OS_PROJECT_ID=p", "error: "},
		{"no URL", "OS_USERNAME=u OS_PASSWORD=pw-7f3a OS_PROJECT_ID=p", "error: no auth URL"},
		{"password in the URL", "OS_AUTH_URL=https://u:pw-7f3a@k OS_USERNAME=u OS_PASSWORD=pw-7f3a OS_PROJECT_ID=p", "error: holds a user"},
		{"two scopes", scoped + "OS_SYSTEM_SCOPE=all", "error: both a system scope"},
		{"bogus system scope", login + "OS_SYSTEM_SCOPE=some", "error: only all exists"},
		{"two secrets", appCred + "OS_USERNAME=u OS_PASSWORD=pw-7f3a", "error: both a password and"},
		{"no secret", "OS_AUTH_URL=https://k OS_APPLICATION_CREDENTIAL_ID=a", "error: no secret"},
		{"an application credential's scope", appCred + "OS_PROJECT_ID=p", "error: takes no project"},
		{"an application credential of nobody", "OS_AUTH_URL=https://k OS_APPLICATION_CREDENTIAL_NAME=a OS_APPLICATION_CREDENTIAL_SECRET=pw-7f3a",
			"error: needs its user"},
		{"a token", scoped + "OS_TOKEN=pw-7f3a", "error: not supported"},
		{"another auth type", scoped + "OS_AUTH_TYPE=v3oidcpassword", "error: auth type"},
		{"half a client certificate", scoped + "OS_CERT=/c", "error: both its cert and its key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			variables := map[string]string{}
			file := ""
			for assignment := range strings.FieldsSeq(test.variables) {
				name, value, _ := strings.Cut(assignment, "=")
				variables[name] = value
				file += name + ": " + value + "\n"
			}
			variables["HOME"] = "/home/x"
			path := write(t, "credentials.yaml", file, 0o600)
			for _, from := range []Sources{
				{Getenv: func(name string) string { return variables[name] }},
				{File: path, Getenv: func(name string) string { return map[string]string{"HOME": "/home/x"}[name] }},
			} {
				if from.File == "" && test.name == "no user" {
					continue // the environment then holds no credentials at all
				}
				check(t, from, test.want)
			}
		})
	}
}

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// check finds credentials, or the error of which want has a part.
func check(t *testing.T, from Sources, want string) Credentials {
	t.Helper()
	c, err := Find(from)
	if part, ok := strings.CutPrefix(want, "error: "); ok {
		if _, typed := errors.AsType[*CredentialsError](err); !typed || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want %q", err, part)
		} else if text := err.Error(); strings.Contains(text, "7f3a") || strings.Contains(text, "\n") {
			t.Errorf("a secret, or a line break, in %q", text)
		}
		return c
	}
	if err != nil {
		t.Errorf("Find: %v", err)
	} else if diff := cmp.Diff(want, plainly(c)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	return c
}

func TestFile(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	const rest = "OS_AUTH_URL: https://k/v3\nOS_USERNAME: u\nOS_PROJECT_ID: p\n"
	const found = `https://k/v3 public, user "u", user domain id "default", password %q, project id "p"`
	for _, test := range []struct{ name, text, want string }{
		{"digits", rest + "OS_PASSWORD: 0123\n", fmt.Sprintf(found, "0123")},
		{"a number", rest + "OS_PASSWORD: 1e3\n", fmt.Sprintf(found, "1e3")},
		{"a date", rest + "OS_PASSWORD: 2019-03-04\n", fmt.Sprintf(found, "2019-03-04")},
		{"a word", rest + "OS_PASSWORD: yes\n", fmt.Sprintf(found, "yes")},
		{"quotes", rest + "OS_PASSWORD: 'it''s # 7f3a'\n", fmt.Sprintf(found, "it's # 7f3a")},
		{"line breaks", rest + "OS_PASSWORD: \"a\\nb\\t7f3a\"\n", fmt.Sprintf(found, "a\nb\t7f3a")},
		{"a block", rest + "OS_PASSWORD: |-\n  a\n  7f3a\n", fmt.Sprintf(found, "a\n7f3a")},
		{"another OS_ key", rest + "OS_PASSWORD: pw\nOS_WHATEVER: 1\n", fmt.Sprintf(found, "pw")},
		{"maintenance", rest + "OS_PASSWORD: pw\nmaintenance: {reason: x}\n", fmt.Sprintf(found, "pw")},
		{"unknown key", rest + "OS_PASSWORD: pw-7f3a\npasswort: pw-7f3a\n", `error: line 5: unknown key, did you mean OS_PASSWORD?`},
		{"twice", rest + "OS_PASSWORD: pw-7f3a\nOS_USERNAME: v\n", "error: line 5: OS_USERNAME is there already in line 2"},
		{"a list", rest + "OS_PASSWORD: [pw-7f3a]\n", `error: line 4: the value of OS_PASSWORD is not a plain value`},
		{"a tag", rest + "OS_PASSWORD: !!binary cHctN2YzYQ==\n", "error: line 4: the value of OS_PASSWORD has a tag that is not understood here: take it out"},
		{"a tag for text", rest + "OS_PASSWORD: !!str 0123\n", fmt.Sprintf(found, "0123")},
		{"an alias", "x: &a pw-7f3a\n" + rest + "OS_PASSWORD: *a\n", "error: unknown key"},
		{"a merge key", rest + "<<: {OS_PASSWORD: pw-7f3a, OS_USERNAME: v}\n", fmt.Sprintf(found, "pw-7f3a")},
		{"merge keys", rest + "<<: [{OS_PASSWORD: pw-7f3a}, {OS_PASSWORD: no}]\n", fmt.Sprintf(found, "pw-7f3a")},
		{"an unknown key, merged", rest + "<<: {passwort: pw-7f3a}\n", `error: line 4: unknown key, did you mean OS_PASSWORD?`},
		{"merged with itself", "<<: &a {<<: *a}\n" + rest, "error: more than 100"},
		{"merged with text", rest + "<<: pw-7f3a\n", "error: line 4: it is not a mapping"},
		{"not YAML", rest + "OS_PASSWORD: \"pw-7f3a\n", "error: line 4: this is not YAML: a quote, bracket or brace is opened and never closed"},
		{"a bad escape", rest + "OS_PASSWORD: \"\\qpw-7f3a\"\n", "error: line 4: this is not YAML"},
		{"two documents", rest + "OS_PASSWORD: pw-7f3a\n---\n", "error: more than one"},
		{"empty", "", "error: the file is empty"},
		{"a comment", "# nothing\n", "error: "},
		{"a shell script", "export OS_PASSWORD=pw-7f3a\n", "error: it is not a mapping"},
		{"null", rest + "OS_PASSWORD: ~\n", "error: no password"},
		{"too long", rest + "OS_PASSWORD: pw-7f3a\n" + strings.Repeat("#\n", maxFile), "error: larger"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, "novaobserver.yaml", test.text, 0o640)
			c := check(t, Sources{File: path, Getenv: none}, test.want)
			if (c.Maintenance != nil) != (test.name == "maintenance") || len(c.Warnings) > 0 {
				t.Errorf("maintenance %v, warnings %q", c.Maintenance, c.Warnings)
			}
		})
	}
	t.Run("readable by all", func(t *testing.T) {
		path := write(t, "novaobserver.yaml", rest+"OS_PASSWORD: pw\n", 0o644)
		if c := check(t, Sources{File: path, Getenv: none}, fmt.Sprintf(found, "pw")); len(c.Warnings) != 1 {
			t.Errorf("warnings %q", c.Warnings)
		}
	})
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := func(name string) string {
		return write(t, "c.yaml", "OS_AUTH_URL: https://"+name+"\nOS_USERNAME: u\nOS_PASSWORD: p\nOS_SYSTEM_SCOPE: all\n", 0o600)
	}
	clouds := write(t, "clouds.yaml", "clouds: {c: {auth: {auth_url: https://cloud, username: u, password: p, system_scope: all}}}\n", 0o600)
	full := map[string]string{"OS_CLIENT_CONFIG_FILE": clouds, "OS_AUTH_URL": "https://environment", "OS_USERNAME": "u",
		"OS_PASSWORD": "p", "OS_SYSTEM_SCOPE": "all"}
	missing := filepath.Join(t.TempDir(), "missing")
	for _, test := range []struct {
		from Sources
		env  map[string]string
		want string
	}{
		{Sources{Cloud: "c", File: file("file"), DefaultFile: file("default")}, full, "https://cloud/v3"},
		{Sources{File: file("file"), DefaultFile: file("default")}, full, "https://file/v3"},
		{Sources{DefaultFile: file("default")}, full, "https://default/v3"},
		{Sources{DefaultFile: missing}, full, "https://environment/v3"},
		{Sources{}, full, "https://environment/v3"},
		{Sources{Cloud: "other", File: file("file")}, full, "error: no such cloud"},
		{Sources{File: missing, DefaultFile: file("default")}, full, "error: no such file"},
		{Sources{DefaultFile: t.TempDir()}, full, "error: not a regular file"},
		{Sources{DefaultFile: missing}, nil, "error: give --os-cloud NAME"},
	} {
		test.from.Getenv = func(name string) string { return test.env[name] }
		c, err := Find(test.from)
		if part, ok := strings.CutPrefix(test.want, "error: "); ok {
			if class(err) != "credentials" || !strings.Contains(err.Error(), part) {
				t.Errorf("%+v: error %v, want %q", test.from, err, part)
			}
		} else if err != nil || c.AuthURL != test.want {
			t.Errorf("%+v: %q, %v, want %q", test.from, c.AuthURL, err, test.want)
		}
	}
}

func TestCloudsYAML(t *testing.T) {
	t.Parallel()
	const auth = "auth: {auth_url: https://k/v3, username: u, password: pw-7f3a, project_id: p}"
	const found = `https://k/v3 public, user "u", user domain id "default", password "pw-7f3a", project id "p"`
	for _, test := range []struct{ name, cloud, secure, want string }{
		{"plain", "{" + auth + "}", "", found},
		{"with what is not for us", "{" + auth + ", region_name: R, regions: [R, {name: S}], volume_api_version: 3, networks: [{name: n}]}", "", found},
		{"secure.yaml", "{auth: {auth_url: https://k/v3, username: u, password: old, project_id: p}}", "{auth: {password: pw-7f3a}}", found},
		{"application credential", "{auth_type: v3applicationcredential, auth: {auth_url: https://k, application_credential_id: a, application_credential_secret: pw-7f3a}}", "",
			`https://k/v3 public, app id "a", secret "pw-7f3a"`},
		{"system scope", "{auth: {auth_url: https://k, username: u, user_domain_name: d, password: pw-7f3a, system_scope: all}, interface: internal}", "",
			`https://k/v3 internal, user "u", user domain "d", password "pw-7f3a", system`},
		{"cacert", "{" + auth + ", cacert: ~/ca.pem}", "", found + `, cacert "/home/x/ca.pem"`},
		{"verify: false", "{" + auth + ", verify: false}", "", found + ", insecure"},
		{"insecure: true", "{" + auth + ", insecure: true}", "", found + ", insecure"},
		{"verify and insecure", "{" + auth + ", verify: true, insecure: true}", "", found + ", insecure"},
		{"empty in secure.yaml", "{" + auth + "}", "{auth: {username: '', password: }}", found},
		{"verify: true", "{" + auth + ", verify: true, insecure: false}", "", found},
		{"the other name of interface", "{" + auth + ", endpoint_type: adminURL}", "", strings.Replace(found, "public", "admin", 1)},

		{"an alias", "*all", "", strings.Replace(found, "pw-7f3a", "old", 1)},
		{"another cloud's auth", "{auth: {<<: *o, password: pw-7f3a}}", "", found},

		{"no auth", "{region_name: R}", "", "error: no auth URL"},
		{"null auth", "{auth: }", "", "error: not a mapping"},
		{"null", "", "", "error: not a mapping"},
		{"bogus interface", "{" + auth + ", interface: bogus}", "", `error: interface is "bogus"`},
		{"two interfaces", "{" + auth + ", interface: public, endpoint_type: admin}", "", "error: differ"},
		{"bogus verify", "{" + auth + ", verify: perhaps}", "", "error: verify is neither"},
		{"unknown key in auth", "{auth: {auth_url: https://k, username: u, pasword: pw-7f3a}}", "", `error: line 4: unknown key in auth, did you mean password?`},
		{"twice", "{" + auth + ", " + auth + "}", "", "error: is there already"},
		{"twice in auth", "{auth: {auth_url: https://k, auth_url: https://l}}", "", "error: is there already"},
		{"a profile", "{" + auth + ", profile: vexxhost}", "", "error: profile"},
		{"an override", "{" + auth + ", compute_endpoint_override: https://l}", "", "error: compute_endpoint_override"},
		{"a list", "{auth: {auth_url: [https://k]}}", "", "error: not a plain value"},
		{"application credential with a project", "{auth: {auth_url: https://k, application_credential_id: a, application_credential_secret: pw-7f3a, project_id: p}}", "",
			"error: takes no project"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			directory := filepath.Join(t.TempDir(), ".config", "openstack")
			if err := os.MkdirAll(directory, 0o700); err != nil {
				t.Fatal(err)
			}
			files := map[string]string{"clouds.yaml": "clouds:\n  other: &all {auth: &o {auth_url: https://k/v3, username: u, password: old, project_id: p}}\n  odd: 1\n  c: " + test.cloud + "\n"}
			if test.secure != "" {
				files["secure.yaml"] = "clouds: {c: " + test.secure + "}\n"
			}
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := check(t, Sources{Cloud: "c", Getenv: func(name string) string {
				switch name {
				case "XDG_CONFIG_HOME":
					return filepath.Dir(directory)
				case "HOME":
					return "/home/x"
				case "OS_CACERT", "OS_INTERFACE", "OS_PASSWORD":
					return "not for a cloud of a file"
				}
				return ""
			}}, test.want)
			if c.insecure != (len(c.Warnings) == 1) {
				t.Errorf("warnings %q", c.Warnings)
			}
		})
	}
}

// TestSecretsDoNotPrint prints credentials, and what holds them, in every way.
func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	c := Credentials{Source: "here", user: identity{name: "u"}, password: newSecret("pw-7f3a"),
		application: application{id: "a", secret: newSecret("secret-7f3a")}}
	client := &Client{creds: c, issued: []secret{newSecret("token-7f3a")}}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	all := string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		all += fmt.Sprintf(verb, c) + fmt.Sprintf(verb, &c) + fmt.Sprintf(verb, client) +
			fmt.Sprintf(verb, c.password) + fmt.Sprintf(verb, struct{ c Credentials }{c})
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("x", "c", c, "p", &c, "secret", c.password, "in", struct{ C Credentials }{c})
	}
	all += log.String()
	if strings.Contains(all, "7f3a") || strings.Contains(all, fmt.Sprintf("%x", "7f3a")) {
		t.Error(all)
	}
}
