package keystone

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fileStates are what can be found where a file with credentials should be.
var fileStates = []struct {
	name string
	make func(path string) error
	says string
}{
	{"missing", func(string) error { return nil }, "no such file or directory: create it"},
	{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, "it is a directory, not a regular file: put a file in its place"},
	{"a named pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "it is a named pipe, not a regular file"},
	{"a socket", func(path string) error {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer syscall.Close(fd)
		return syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	}, "no such device or address"},
	{"a link to a device", func(path string) error { return os.Symlink("/dev/zero", path) }, "it is a device, not a regular file"},
	{"a link to nothing", func(path string) error { return os.Symlink("nothing", path) }, "no such file or directory"},
	{"a link to itself", func(path string) error { return os.Symlink(filepath.Base(path), path) }, "too many levels of symbolic links"},
	{"a file below a file", func(path string) error { return os.WriteFile(filepath.Dir(path), nil, 0o600) }, "not a directory"},
	{"empty", func(path string) error { return os.WriteFile(path, nil, 0o600) }, "the file is empty"},
	{"comments", func(path string) error { return os.WriteFile(path, []byte("# OS_PASSWORD: pw-7f3a\n"), 0o600) }, "the file is empty"},
	{"UTF-16", func(path string) error { return os.WriteFile(path, []byte("\xff\xfeO\x00S\x00"), 0o600) }, "line 1: the file is in UTF-16: save it as UTF-8"},
	{"Latin-1", func(path string) error {
		return os.WriteFile(path, []byte("OS_USERNAME: u\nOS_PASSWORD: pw-7f3a\xe9\n"), 0o600)
	}, "line 2: this is not UTF-8: save the file as UTF-8"},
	{"NUL", func(path string) error {
		return os.WriteFile(path, []byte("OS_USERNAME: u\nOS_PASSWORD: pw-7f3a\x00\n"), 0o600)
	}, "line 2: here is a character"},
	{"a tab", func(path string) error {
		return os.WriteFile(path, []byte("OS_USERNAME: u\n\tOS_PASSWORD: pw-7f3a\n"), 0o600)
	}, "line 2: this is not YAML: indent with spaces, not with tabs"},
	{"not YAML", func(path string) error {
		return os.WriteFile(path, []byte("OS_USERNAME: u\nOS_PASSWORD: [pw-7f3a\nx: y\n"), 0o600)
	}, "line 2: this is not YAML: a quote, bracket or brace is opened and never closed"},
	{"an anchor as a password", func(path string) error {
		return os.WriteFile(path, []byte("OS_USERNAME: u\nOS_PASSWORD: *pw-7f3a\n"), 0o600)
	}, `line 2: this is not YAML: no anchor of this name is above`},
	{"a tag as a password", func(path string) error {
		return os.WriteFile(path, []byte("OS_USERNAME: u\nOS_PASSWORD: !pw-7f3a!x\n"), 0o600)
	}, "line 2: this is not YAML"},
	{"two documents", func(path string) error { return os.WriteFile(path, []byte("a: pw-7f3a\n---\nb: 1\n"), 0o600) }, `line 2: the file holds more than one document`},
	{"a list", func(path string) error { return os.WriteFile(path, []byte("- pw-7f3a\n"), 0o600) }, "line 1: it is not a mapping of keys to values: write it as"},
	{"text", func(path string) error { return os.WriteFile(path, []byte("OS_PASSWORD=pw-7f3a\n"), 0o600) }, "line 1: it is not a mapping of keys to values: write it as"},
	{"depth", func(path string) error { return os.WriteFile(path, []byte("a: "+strings.Repeat("[", 100_000)), 0o600) }, "line 1: this is not YAML"},
	{"2 MB", func(path string) error { return os.WriteFile(path, make([]byte, 2<<20), 0o600) }, "it is larger than 1048576 bytes"},
}

// TestFileStates puts each into the place of each file that is read.
func TestFileStates(t *testing.T) {
	t.Parallel()
	const login = "auth_url: https://k, username: u, password: pw-7f3a, project_id: p"
	for _, source := range []struct {
		name string
		from func(path, directory string) (Sources, error)
		open bool // it is read for the log-in only
	}{
		{"credentials", func(path, _ string) (Sources, error) { return Sources{File: path}, nil }, false},
		{"default credentials", func(path, _ string) (Sources, error) { return Sources{DefaultFile: path}, nil }, false},
		{"clouds.yaml", func(path, _ string) (Sources, error) {
			return Sources{Cloud: "c", Getenv: environment("OS_CLIENT_CONFIG_FILE", path)}, nil
		}, false},
		{"secure.yaml", func(path, directory string) (Sources, error) {
			clouds := filepath.Join(directory, "clouds.yaml")
			return Sources{Cloud: "c", Getenv: environment("OS_CLIENT_CONFIG_FILE", clouds, "OS_CLIENT_SECURE_FILE", path)},
				os.WriteFile(clouds, []byte("clouds: {c: {auth: {"+login+"}}}"), 0o600)
		}, false},
		{"cacert", func(path, _ string) (Sources, error) {
			return Sources{Getenv: environment("OS_AUTH_URL", "https://k", "OS_USERNAME", "u", "OS_PASSWORD", "pw-7f3a", "OS_PROJECT_ID", "p", "OS_CACERT", path)}, nil
		}, true},
		{"client certificate", func(path, _ string) (Sources, error) {
			return Sources{Getenv: environment("OS_AUTH_URL", "https://k", "OS_USERNAME", "u", "OS_PASSWORD", "pw-7f3a", "OS_PROJECT_ID", "p", "OS_CERT", path, "OS_KEY", path)}, nil
		}, true},
	} {
		for _, state := range fileStates {
			t.Run(source.name+"/"+state.name, func(t *testing.T) {
				t.Parallel()
				directory := t.TempDir()
				path := filepath.Join(directory, "f", "file")
				if state.name != "a file below a file" {
					if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
						t.Fatal(err)
					}
				}
				if err := state.make(path); err != nil {
					t.Fatal(err)
				}
				from, err := source.from(path, directory)
				if err != nil {
					t.Fatal(err)
				}
				if from.Getenv == nil {
					from.Getenv = environment()
				}
				c, err := Find(from)
				says := state.says
				if source.open {
					if err != nil {
						t.Fatal(err)
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					_, err = Open(ctx, c, Options{})
					if _, statErr := os.Stat(path); statErr == nil && !strings.Contains(says, "not a regular file") && !strings.Contains(says, "larger") && !strings.Contains(says, "no such device") {
						says = "certificate" // its text is not for YAML
					}
				} else if source.name == "default credentials" && strings.Contains(says, "no such file") {
					says = "no credentials are given" // it need not be there
				}
				if class(err) != "credentials" || !strings.Contains(err.Error(), says) {
					t.Fatalf("got %v, want %q", err, says)
				}
				if strings.Contains(err.Error(), "7f3a") || strings.Contains(err.Error(), "\n") {
					t.Errorf("a secret, or a line break, in %q", err)
				}
			})
		}
	}
}

// environment gives variables from names and values in turn.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// TestSettings has what can be wrong with what the sources say. Each is tried
// in the environment, in a file of variables and in a clouds.yaml, and the
// message names the key as it is called there.
func TestSettings(t *testing.T) {
	t.Parallel()
	const (
		user = "auth_url=https://k username=u password=pw-7f3a "
		full = user + "project_id=p "
		app  = "auth_url=https://k application_credential_id=a application_credential_secret=pw-7f3a "
	)
	for i, test := range []struct{ settings, says string }{
		{"username=u password=pw-7f3a project_id=p", "KEY(auth_url): no auth URL is given, such as https://keystone.example.org:5000/v3"},
		{"auth_url=https://k password=pw-7f3a project_id=p user_domain_id=default", "no user is given: set KEY(username) or KEY(user_id)"},
		{"auth_url=https://k username=u project_id=p", "no password is given: set KEY(password)"},
		{user, "no scope is given, neither a project, nor a domain, nor the system: set KEY(project_name), KEY(domain_name) or KEY(system_scope)"},
		{"auth_url=https://k username=u application_credential_id=a", "the application credential has no secret: set KEY(application_credential_secret)"},
		{"auth_url=https://k application_credential_name=a application_credential_secret=pw-7f3a", "given by name needs its user: set KEY(username)"},
		{app + "username=u password=pw-7f3a", "both a password and an application credential are given: take out one of them"},
		{app + "project_name=x", "an application credential is for its own project, and takes no project, domain or system scope"},
		{app + "system_scope=all", "an application credential is for its own project"},
		{full + "system_scope=all", "both a system scope and a project or domain are given: take out one of them"},
		{user + "system_scope=all domain_name=d", "both a system scope and a project or domain"},
		{user + "system_scope=some", `the system scope is "some", only all exists`},

		{full + "auth_url=keystone.example.org", "KEY(auth_url): the auth URL is not usable: it begins neither with http:// nor with https://: write it as https://keystone.example.org:5000/v3"},
		{full + "auth_url=keystone.example.org:5000/v3", "the auth URL is not usable: it begins neither with"},
		{full + "auth_url=ftp://k/v3", "the auth URL is not usable: it begins neither with"},
		{full + "auth_url=https://u:pw-7f3a@k/v3", "the auth URL is not usable: it holds a user or password"},
		{full + "auth_url=https://pw-7f3a@k/v3", "the auth URL is not usable: it holds a user or password"},
		{full + "auth_url=https:///v3", "the auth URL is not usable: it has an odd host or path"},
		{full + "auth_url=https://k:port/v3", "the auth URL is not usable: it is not a URL"},
		{full + "auth_url=https://k/v3?x=pw-7f3a", "the auth URL is not usable: it has a query or a fragment"},
		{full + "auth_url=https://k/v3#x", "the auth URL is not usable: it has a query or a fragment"},
		{full + "auth_url=https://k/%2e%2e/v3", "the auth URL is not usable: it has an odd host or path"},
		{full + "auth_url=https://k/v3/", ""},
		{full + "auth_url=https://k/v2.0", "the auth URL ends in /v2.0, which Keystone no longer has: use /v3"},
		{full + "auth_url=https://k/v2.0/", "the auth URL ends in /v2.0"},
		{full + `auth_url=https://k/v3\n`, "KEY(auth_url) has white space at its start or its end, or a control character in it"},
		{full + `username=u\n`, "KEY(username) has white space at its start or its end"},
		{full + `username=\tu`, "KEY(username) has white space"},
		{full + `project_id=a\nb`, "KEY(project_id) has white space at its start or its end, or a control character"},
		{full + `user_domain_name=\u0020d`, "KEY(user_domain_name) has white space"},
	} {
		// The name of a test is in the paths of its files.
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			values := map[string]string{}
			var order []string
			for assignment := range strings.FieldsSeq(test.settings) {
				key, value, _ := strings.Cut(assignment, "=")
				if _, ok := values[key]; !ok {
					order = append(order, key)
				}
				values[key] = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\u0020`, " ").Replace(value)
			}
			var variables []string
			file, auth := "", ""
			for _, key := range order {
				variables = append(variables, variable(key), values[key])
				file += fmt.Sprintf("%s: %q\n", variable(key), values[key])
				auth += fmt.Sprintf("%s: %q, ", key, values[key])
			}
			clouds := write(t, "clouds.yaml", "clouds: {c: {auth: {"+auth+"}}}\n", 0o600)
			for _, source := range []struct {
				from Sources
				key  func(string) string
			}{
				{Sources{Getenv: environment(variables...)}, variable},
				{Sources{File: write(t, "f.yaml", file, 0o600), Getenv: environment()}, variable},
				{Sources{Cloud: "c", Getenv: environment("OS_CLIENT_CONFIG_FILE", clouds)}, func(key string) string { return "auth." + key }},
			} {
				want := test.says
				for {
					before, rest, ok := strings.Cut(want, "KEY(")
					if !ok {
						break
					}
					key, after, _ := strings.Cut(rest, ")")
					want = before + source.key(key) + after
				}
				_, err := Find(source.from)
				if want == "" {
					if err != nil {
						t.Errorf("%s: %v", test.settings, err)
					}
					continue
				}
				if strings.Contains(want, "no user") && source.from.File == "" && source.from.Cloud == "" {
					want = source.key("username")
				}
				if class(err) != "credentials" || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got %v, want %q", test.settings, err, want)
				} else if strings.Contains(err.Error(), "7f3a") || strings.Contains(err.Error(), "\n") {
					t.Errorf("a secret, or a line break, in %q", err)
				}
			}
		})
	}
}

// TestPasswordWithWhiteSpace: it may be meant, and is a mistake more often.
func TestPasswordWithWhiteSpace(t *testing.T) {
	t.Parallel()
	for password, warned := range map[string]bool{"pw 7f3a": false, "pw\n7f3a": false, "pw-7f3a\n": true, " pw-7f3a": true, "pw-7f3a ": true, "\u00a0pw-7f3a": true} {
		c, err := Find(Sources{Getenv: environment("OS_AUTH_URL", "https://k", "OS_USERNAME", "u", "OS_PROJECT_ID", "p", "OS_PASSWORD", password)})
		if err != nil || c.password.reveal() != password {
			t.Fatalf("%q: %q, %v", password, c.password.reveal(), err)
		}
		if (len(c.Warnings) == 1) != warned || strings.Contains(strings.Join(c.Warnings, ""), "7f3a") {
			t.Errorf("%q: warnings %q", password, c.Warnings)
		}
	}
}

// TestNoSuchCloud: the message shows what there is.
func TestNoSuchCloud(t *testing.T) {
	t.Parallel()
	many := ""
	for i := range 12 {
		many += fmt.Sprintf("cloud-number-%d: {}, ", i)
	}
	for _, test := range []struct{ text, says string }{
		{"clouds: {production: {}, staging: {}}", `there is no such cloud, did you mean "production"? It has "production", "staging": check --os-cloud`},
		{"clouds: {east: {}, west: {}}", `there is no such cloud, but "east", "west": check --os-cloud`},
		{"clouds: {Productoin: {}}", `there is no such cloud, did you mean "Productoin"? It has "Productoin": check`},
		{"clouds: {" + many + "}", `"cloud-number-9" and 2 more: check`},
		{`clouds: {"a\e[2J": {}}`, `but "a\x1b[2J": check`},
		{"clouds: {}", "the file has no cloud at all: check"},
		{"cloud: {producton: {}}", "the file has no key clouds: check"},
		{"clouds:", "line 1: it is not a mapping of keys to values: write it as clouds:"},
		{"clouds: [production]", "line 1: it is not a mapping of keys to values"},
		{"clouds: {x: 1, x: 2}", "line 1: a key is there already in line 1"},
	} {
		path := write(t, "clouds.yaml", test.text, 0o600)
		_, err := Find(Sources{Cloud: "producton", Getenv: environment("OS_CLIENT_CONFIG_FILE", path)})
		if class(err) != "credentials" || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), `cloud "producton" of `+path) {
			t.Errorf("%s: got %v, want %q", test.text, err, test.says)
		}
	}
}

// TestMistypedKeys: they are pointed out without being shown.
func TestMistypedKeys(t *testing.T) {
	t.Parallel()
	const rest = "OS_AUTH_URL: https://k\nOS_USERNAME: u\nOS_PROJECT_ID: p\nOS_PASSWORD: pw-7f3a\n"
	for _, test := range []struct{ key, says string }{
		{"OS_PASWORD", "line 5: unknown key, did you mean OS_PASSWORD?"},
		{"OS_PROJECT_DOMIAN_NAME", "line 5: unknown key, did you mean OS_PROJECT_DOMAIN_NAME?"},
		{"OS_CACERTS", "line 5: unknown key, did you mean OS_CACERT?"},
		{"os_cacert", "line 5: unknown key, did you mean OS_CACERT?"},
		{"username", "line 5: unknown key, did you mean OS_USERNAME?"},
		{"maintainance", "line 5: unknown key: keep to OS_* keys and maintenance"},
		{"export OS_PASSWORD=pw-7f3a", "line 5: unknown key: keep to OS_* keys and maintenance"},
		{"pw-7f3a", "line 5: unknown key: keep to OS_* keys and maintenance"},
		{"OS_REGION_NAME", ""},
		{"OS_VOLUME_API_VERSION", ""},
		{"OS_COMPUTE_API_VERSION", ""},
		{"OS_IMAGE_API_VERSION", ""},
		{"OS_DEFAULT_DOMAIN_NAME", ""},
		{"OS_CLOUDNAME", ""},
		{"OS_NO_CACHE", ""},
	} {
		path := write(t, "f.yaml", rest+test.key+": x\n", 0o600)
		_, err := Find(Sources{File: path, Getenv: environment()})
		switch {
		case test.says == "" && err != nil, test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s: got %v, want %q", test.key, err, test.says)
		case err != nil && strings.Contains(err.Error(), "7f3a"):
			t.Errorf("a secret in %q", err)
		}
	}
}

// fakeInfo is a file of somebody.
type fakeInfo struct {
	fs.FileInfo
	mode     fs.FileMode
	uid, gid uint32
}

func (f fakeInfo) Mode() fs.FileMode { return f.mode }
func (f fakeInfo) Sys() any          { return &syscall.Stat_t{Uid: f.uid, Gid: f.gid} }

// TestExposed has who may read and write a file, seen by a process of user 33
// and group 34.
func TestExposed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode     fs.FileMode
		uid, gid uint32
		want     string // parts of the warnings, with | between them
		noSecret string // the same of a file without a secret
	}{
		{0o600, 0, 0, "", ""},
		{0o640, 0, 0, "", ""},
		{0o660, 0, 0, "", ""},
		{0o640, 0, 34, "", ""},
		{0o400, 33, 34, "", ""},
		{0o644, 0, 0, "(mode 0644, of user 0 and group 0) holds a secret, and every user of this host can read it: chmod o=", ""},
		{0o640, 0, 100, "(mode 0640, of user 0 and group 100) holds a secret, and the group can read it: chmod g=", ""},
		{0o666, 0, 0, "every user of this host can change it", "every user of this host can change it"},
		{0o662, 0, 100, "every user of this host can change it", "every user of this host can change it"},
		{0o660, 0, 100, "the group can change it", "the group can change it"},
		{0o620, 0, 100, "the group can change it", "the group can change it"},
		{0o664, 0, 0, "every user of this host can read it", ""},
		{0o600, 1000, 1000, "its owner is another user: chown it to root", "its owner is another user"},
		{0o644, 1000, 1000, "every user of this host can read it|its owner is another user", "its owner is another user"},
	} {
		for _, secret := range []bool{true, false} {
			want := test.noSecret
			if secret {
				want = test.want
			}
			got := exposed("/c.yaml", fakeInfo{mode: test.mode, uid: test.uid, gid: test.gid}, secret, 33, 34)
			var parts []string
			if want != "" {
				parts = strings.Split(want, "|")
			}
			ok := len(got) == len(parts)
			for i := range min(len(got), len(parts)) {
				ok = ok && strings.HasPrefix(got[i], "/c.yaml (mode ") && strings.Contains(got[i], parts[i])
			}
			if !ok {
				t.Errorf("%04o of %d:%d, secret %t: got %q, want %q", test.mode, test.uid, test.gid, secret, got, parts)
			}
		}
	}
}

// TestExposedFiles: of the files of a cloud, that with the secret is the one
// whose readers matter. Links count as what they lead to.
func TestExposedFiles(t *testing.T) {
	t.Parallel()
	const rest = "auth_url: https://k, username: u, project_id: p"
	for _, test := range []struct {
		name           string
		clouds, secure fs.FileMode
		secretIn       string
		want           []string
	}{
		{"neither", 0o600, 0o600, "clouds", nil},
		{"a secret for all", 0o644, 0o600, "clouds", []string{"clouds.yaml"}},
		{"no secret for all", 0o644, 0o600, "secure", nil},
		{"the other secret for all", 0o600, 0o644, "secure", []string{"secure.yaml"}},
		{"one that all may write, without a secret", 0o646, 0o600, "secure", []string{"clouds.yaml"}},
		{"both", 0o646, 0o646, "secure", []string{"clouds.yaml", "secure.yaml"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			secret := map[string]string{test.secretIn: ", password: pw-7f3a"}
			for name, mode := range map[string]fs.FileMode{"clouds": test.clouds, "secure": test.secure} {
				real := filepath.Join(directory, "real-"+name)
				if err := os.WriteFile(real, []byte("clouds: {c: {auth: {"+rest+secret[name]+"}}}\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(real, mode); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(real, filepath.Join(directory, name+".yaml")); err != nil {
					t.Fatal(err)
				}
			}
			c, err := Find(Sources{Cloud: "c", Getenv: environment("OS_CLIENT_CONFIG_FILE", filepath.Join(directory, "clouds.yaml"))})
			if err != nil {
				t.Fatal(err)
			}
			ok := len(c.Warnings) == len(test.want)
			for i := range min(len(c.Warnings), len(test.want)) {
				ok = ok && strings.Contains(c.Warnings[i], test.want[i])
			}
			if !ok {
				t.Errorf("warnings %q, want of %q", c.Warnings, test.want)
			}
		})
	}
}

// A clouds.yaml in the working directory can be anybody's, who could send root to
// a cloud of his own.
func TestCloudsOfWorkingDirectory(t *testing.T) {
	const text = "clouds: {here: {auth: {auth_url: 'https://keystone.example.org:5000', username: u, password: p, project_name: x}}}"
	for _, test := range []struct {
		name  string
		mode  os.FileMode
		named bool
		class string
	}{
		{"own", 0o600, false, "complete"},
		{"everybody may write it", 0o606, false, "credentials"},
		{"everybody may write it, but it is named", 0o606, true, "complete"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, "clouds.yaml", text, test.mode)
			if err := os.Chmod(path, test.mode); err != nil { // whatever the umask is
				t.Fatal(err)
			}
			t.Chdir(filepath.Dir(path))
			env := environment()
			if test.named {
				env = environment("OS_CLIENT_CONFIG_FILE", "clouds.yaml")
			}
			_, err := Find(Sources{Cloud: "here", Getenv: env})
			if class(err) != test.class || err != nil && !strings.Contains(err.Error(), "another user can say in it which cloud is asked: run in another directory") {
				t.Errorf("%s: %v", class(err), err)
			}
		})
	}
}
