package faulttest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nfs-exportd/command"
	"nfs-exportd/command/commandtest"
)

// configRow is a mistake in what people write for the program.
type configRow struct {
	failureRow
	// config is the configuration; "" is the one that is right, and a text that
	// begins with + comes behind that.
	config string
	// files are others, by name. In all texts and in env and args, $DIR is where
	// they are, $URL Keystone's address and $PASSWORD the right password.
	files map[string]string
	env   []string // instead of the right credentials; nil is those
	args  []string
	// place does what files cannot.
	place func(dir string) error
}

// Lines of configurations and credentials that many rows have in common.
const (
	rightFile   = "OS_AUTH_URL: $URL\nOS_USERNAME: observer\nOS_PASSWORD: $PASSWORD\nOS_USER_DOMAIN_NAME: Default\nOS_SYSTEM_SCOPE: all\n"
	rightCloud  = "clouds:\n  production:\n    auth:\n      auth_url: $URL\n      username: observer\n      password: $PASSWORD\n      system_scope: all\n"
	oneMount    = "private:\n  tools:\n    mounts:\n      home: "
	correctLine = "Correct the line."
)

func variables(pairs ...string) []string {
	env := map[string]string{
		"OS_AUTH_URL": "$URL", "OS_USERNAME": "observer", "OS_PASSWORD": "$PASSWORD", "OS_USER_DOMAIN_NAME": "Default", "OS_SYSTEM_SCOPE": "all",
	}
	for pair := range slices.Chunk(pairs, 2) {
		env[pair[0]] = pair[1]
	}
	all := []string{}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if env[name] != "" {
			all = append(all, name+"="+env[name])
		}
	}
	return all
}

// configRows is every such mistake that the document tells of: of each kind one.
// What other mistakes of a kind come to is in the tests of the packages.
func configRows() []configRow {
	return slices.Concat(configFileRows(), credentialRows())
}

func configFileRows() []configRow {
	const status = command.ExitConfiguration
	text := func(fault, config, says, do string) configRow {
		return configRow{failureRow: failureRow{fault, status, says, do}, config: config}
	}
	return []configRow{
		{failureRow: failureRow{"the configuration is not there", status, "missing.yaml: no such file or directory", "Create it, or name another one with --config."},
			args: []string{"--config", "$DIR/missing.yaml"}},
		{failureRow: failureRow{"the configuration is a directory", status, "is a directory", "Name the file with --config."},
			args: []string{"--config", "$DIR"}},
		{failureRow: failureRow{"the configuration is a named pipe that nobody writes to", status, "it is a FIFO to which nobody writes", "Name the file with --config."},
			args: []string{"--config", "$DIR/pipe"}, place: func(dir string) error { return syscall.Mkfifo(dir+"/pipe", 0o600) }},
		{failureRow: failureRow{"the configuration is a link to itself", status, "too many levels of symbolic links", "Make the link lead to the file."},
			args: []string{"--config", "$DIR/link"}, place: func(dir string) error { return os.Symlink("link", dir+"/link") }},
		text("the configuration is empty, or has comments alone", "# nothing yet\n", "the file is empty", "Restore the file: an empty one is not taken for nothing to export."),
		text("the configuration has neither public nor private", "safety: {max_removed: 5}\n", `neither "public" nor "private" is there`, "Restore the file."),
		text("the configuration is larger than 4 MB", "private: {}\n#"+strings.Repeat("x", 10<<20), "more than 4194304 bytes: is this the right file?", "Name the right file with --config."),
		text("several YAML documents in one file", "private: {}\n---\nprivate: {}\n", `line 2: the file holds more than one document: take out the "---" between them`, `Take out the "---".`),

		text("a tab for indentation", "private:\n\ttools: {}\n", "line 2: this is not YAML: indent with spaces, not with tabs", "Indent with spaces."),
		text("wrong indentation", "private:\n  tools: {}\n maps: {}\n", "line 3: this is not YAML: look at the indentation, from line 1 on", correctLine),
		text("a quote, bracket or brace that is not closed", "private:\n  tools: {options: 'ro}\n  maps: {}\n", "line 2: this is not YAML: a quote, bracket or brace is opened and never closed", "Close it."),
		text("a colon in a value without quotes", "private:\n  tools: {mounts: {}}\nmaintenance: until: later\n", "line 3: this is not YAML: put text with a colon in it in quotes", "Put the value in quotes."),
		text("a star or an at sign without quotes", "public:\n  scratch: @group\n", "line 2: this is not YAML: put text that begins with this character in quotes", "Put the value in quotes."),
		text("an alias without an anchor", "private:\n  tools: *home\n", "line 2: this is not YAML: no anchor of this name is above", "Write the anchor, or put the value in quotes."),
		text("UTF-16", "\xff\xfep\x00:\x00", "line 1: the file is in UTF-16: save it as UTF-8", "Save the file as UTF-8."),
		text("letters that are not UTF-8", "private: {}\n# caf\xe9\n", "line 2: this is not UTF-8: save the file as UTF-8 (byte 0xE9)", "Save the file as UTF-8."),
		text("a NUL or another character that nobody sees", "private: {}\n# \x00\n", "line 2: here is a character that nobody sees and that must not be in the file: take it out (U+0000)", "Take it out."),
		text("nesting without end", "private: "+strings.Repeat("[", 100_000), "line 1: this is not YAML", "Restore the file."),
		text("aliases that stand for more than fits into memory", bomb(), "aliases make this file too large to be meant", "Restore the file."),

		text("an unknown key", "privat: {}\npublic: {}\n", `line 1: unknown key "privat", did you mean "private"?`, "Correct the key."),
		text("a key in the wrong place", "private: {}\nmax_removed: 5\n", `line 2: unknown key "max_removed": it belongs under safety`, "Move the key."),
		text("a key twice", "private:\n  tools: {}\n  maps: {}\n  tools: {}\n", `line 4: private: key "tools" is there twice, first in line 2`, "Take one of them out."),
		text("a merge key", "private:\n  tools: &t {gid: 1}\n  maps: {<<: *t}\n", `line 3: private.maps: merge keys ("<<") are not supported: write the keys out`, "Write the keys out."),
		text("a tag", "private:\n  tools: !ruby/hash {}\n", `line 2: private.tools: has the tag "!ruby/hash", which is not understood here: take it out`, "Take it out."),
		text("a value of the wrong type", "private: [tools, maps]\n", "line 1: private: must be a mapping of keys to values, not a list", correctLine),
		text("a project that YAML reads as nothing", "private:\n  null: {}\n", "line 2: private: a key must be plain text, not nothing: if a project has this name, write its id, or the name in quotes", "Put the name in quotes."),
		text("a gid with a leading zero, in quotes, or no number", "private:\n  tools: {gid: 050380}\n", `line 2: private.tools.gid: must be a whole number from 0 to 4294967294, in decimal digits alone and without quotes, not "050380"`, "Write it in decimal digits."),
		text("a gid that two projects have", "private:\n  tools: {gid: 5}\n  maps: {gid: 5}\n", "line 3: private.maps.gid: 5 is already the gid of tools: each project has its own", "Correct the gid."),

		text("a mount without a host or a path", oneMount+"/srv/home\n", `line 4: private.tools.mounts.home: "/srv/home" is not HOST:/PATH, nor true or false`, "Write HOST:/PATH."),
		text("a mount that is a URL", oneMount+"http://nfs.example.org/srv\n", `line 4: private.tools.mounts.home: "http://nfs.example.org/srv" looks like a URL: write HOST:/PATH`, "Write HOST:/PATH."),
		text("a mount whose host is none", oneMount+"0.0.0.0:/srv\n", `line 4: private.tools.mounts.home: "0.0.0.0:/srv" does not start with a host name or an address: no server has this one`, "Name the server."),
		text("a mount of the root directory", oneMount+"nfs.example.org:/\n", "line 4: private.tools.mounts.home: this would export the root directory of the server: name a directory", "Name a directory."),
		text("a mount with .. in its path", oneMount+"nfs.example.org:/srv/../etc\n", `line 4: private.tools.mounts.home: path "/srv/../etc" must not have ".." in it`, "Write where the path leads to."),
		text("a path that exports(5) cannot carry", oneMount+"'nfs.example.org:/srv/a\"b'\n", "has a character that exports(5) cannot carry safely", "Rename the directory."),
		text("two mounts in one", oneMount+"nfs.example.org:/srv/a nfs.example.org:/srv/b\n", "is more than one mount: give each a name of its own", "Give each a name."),
		text("a public line without a client", "public:\n  scratch: /srv/scratch\n", `line 2: public.scratch: path "/srv/scratch" has no client: exportfs would open it to the world`, "Write the clients, or *(OPTIONS) if the world is meant."),
		text("a public line with a space before the options", "public:\n  scratch: /srv/scratch 10.0.0.1 (rw)\n", `line 2: public.scratch: "10.0.0.1" is not CLIENT(OPTIONS)`, "Take the space out: exportfs would open the path to the world."),
		text("options that contradict each other", "exports: {options: 'ro,rw'}\nprivate: {}\n", `line 1: exports.options: "ro" and "rw" contradict each other: take one of them out`, "Take one of them out."),
		text("an option with a space or a parenthesis", "exports: {options: 'rw, sync'}\nprivate: {}\n", `line 1: exports.options: option " sync" has a character that options cannot have`, "Take the character out."),
		text("maintenance that is neither true nor false in all versions of YAML", "+maintenance: off\n", `maintenance: "off" is ambiguous: write true or false, without quotes`, "Write true or false."),
		text("maintenance until a time without a zone", "+maintenance: {until: 2030-01-31T18:00:00}\n", "is not a time as in RFC 3339, such as 2030-01-31T18:00:00Z", "Write the zone."),
		text("credentials of no certain place", "+openstack: {credentials: novaobserver.yaml}\n", `openstack.credentials: "novaobserver.yaml" does not start with a slash`, "Write the whole path."),
		text("limits that are none", "+safety: {max_removed_percent: 25%}\n", `safety.max_removed_percent: must be a whole number from 0 to 100, in decimal digits alone and without quotes, not the text "25%"`, correctLine),
		{failureRow: failureRow{"a region that the catalog does not have", command.ExitUntrusted, "the catalog has 0 public compute endpoints there, not 1", "Set openstack.regions to the regions that have a Nova."},
			config: "+openstack: {regions: [RegionTwo]}\n"},
		{failureRow: failureRow{"a domain that the projects are not in", command.ExitUntrusted, "the domain has no project at all", "Set openstack.domain to the id of the projects' domain."},
			config: "+openstack: {domain: elsewhere}\n"},
		{failureRow: failureRow{"a maintenance that is over", command.ExitOK, "ended at 2020-01-31T18:00:00Z and holds no longer: take it out", "Take it out."},
			config: "+maintenance: {until: 2020-01-31T18:00:00Z}\n"},
	}
}

func bomb() string {
	var b strings.Builder
	b.WriteString("private:\n  p0: &a\n    mounts:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "      m%d: h:/p\n", i)
	}
	for i := range 400 {
		fmt.Fprintf(&b, "  p%d: *a\n", i+1)
	}
	return b.String()
}

func credentialRows() []configRow {
	const status = command.ExitConfiguration
	none := []string{}
	file := func(fault, text, says, do string) configRow {
		return configRow{failureRow: failureRow{fault, status, says, do}, env: none, files: map[string]string{"observer.yaml": text}, args: []string{"--credentials", "$DIR/observer.yaml"}}
	}
	cloud := func(fault, text, says, do string) configRow {
		return configRow{failureRow: failureRow{fault, status, says, do}, env: []string{"OS_CLIENT_CONFIG_FILE=$DIR/clouds.yaml"},
			files: map[string]string{"clouds.yaml": text}, args: []string{"--os-cloud", "production"}}
	}
	env := func(fault string, variables []string, says, do string) configRow {
		return configRow{failureRow: failureRow{fault, status, says, do}, env: variables}
	}
	warned := func(row configRow, mode os.FileMode) configRow {
		name := slices.Sorted(maps.Keys(row.files))[0]
		row.Status = command.ExitOK
		row.place = func(dir string) error { return os.Chmod(filepath.Join(dir, name), mode) }
		return row
	}
	const (
		setIt   = "Set it."
		takeOut = "Take one of them out."
	)
	rows := []configRow{
		env("no credentials at all", none, "no credentials are given: give --os-cloud NAME with a clouds.yaml, or --credentials FILE", "Give them in one of the four ways."),
		{failureRow: failureRow{"a credentials file that is not there", status, "missing.yaml: no such file or directory: create it, or name another one", "Create it, or name another one."},
			env: none, args: []string{"--credentials", "$DIR/missing.yaml"}},
		{failureRow: failureRow{"a credentials file that is a directory", status, "it is a directory, not a regular file", "Put the file in its place."},
			env: none, args: []string{"--credentials", "$DIR"}},
		{failureRow: failureRow{"a credentials file that is a named pipe", status, "it is a named pipe, not a regular file", "Put the file in its place: a pipe could keep the program waiting for ever."},
			env: none, args: []string{"--credentials", "$DIR/pipe"}, place: func(dir string) error { return syscall.Mkfifo(dir+"/pipe", 0o600) }},
		file("an empty credentials file", "", "the file is empty", "Restore it."),
		file("a credentials file that is a shell script", "export OS_PASSWORD=$PASSWORD\n", "line 1: it is not a mapping of keys to values: write it as OS_AUTH_URL: https://keystone.example.org:5000/v3, one key a line", "Write it in YAML."),
		file("a credentials file that is not YAML", rightFile+"OS_CACERT: \"$PASSWORD\n", "line 6: this is not YAML: a quote, bracket or brace is opened and never closed", correctLine),
		file("a credentials file in another encoding", rightFile+"# caf\xe9\n", "line 6: this is not UTF-8: save the file as UTF-8", "Save the file as UTF-8."),
		file("a mistyped variable", strings.Replace(rightFile, "OS_PASSWORD", "OS_PASWORD", 1), "line 3: unknown key, did you mean OS_PASSWORD?", "Correct the key."),
		file("a variable twice", rightFile+"OS_PASSWORD: $PASSWORD\n", "line 6: OS_PASSWORD is there already in line 3: take one of them out", takeOut),
		file("a password that is a list, or has a tag", strings.Replace(rightFile, "OS_PASSWORD: $PASSWORD", "OS_PASSWORD: [$PASSWORD]", 1), "line 3: the value of OS_PASSWORD is not a plain value: put it in quotes", "Put it in quotes."),
		file("maintenance in the credentials file that is not clear", rightFile+"maintenance: off\n", `line 6: maintenance: "off" is ambiguous`, "Write true or false."),

		{failureRow: failureRow{"no clouds.yaml", status, "no such file or directory: create it, or name another one", "Create it."},
			env: []string{"OS_CLIENT_CONFIG_FILE=$DIR/clouds.yaml"}, args: []string{"--os-cloud", "production"}},
		cloud("a cloud that clouds.yaml does not have", strings.Replace(rightCloud, "production", "productoin", 1), `there is no such cloud, did you mean "productoin"? It has "productoin": check --os-cloud, OS_CLOUD and openstack.cloud`, "Correct the name."),
		cloud("an unknown key in the auth of a cloud", strings.Replace(rightCloud, "password:", "pasword:", 1), "line 6: unknown key in auth, did you mean password?", "Correct the key."),
		cloud("a cloud without auth", "clouds: {production: {region_name: R}}\n", "auth.auth_url: no auth URL is given", "Write its auth."),
		cloud("a vendor's profile", rightCloud+"    profile: vexxhost\n", "profile, a vendor's profile, is not supported: write its auth_url and interface into the cloud", "Write its auth_url and interface into the cloud."),
		cloud("a password with a comma, without quotes", "clouds: {production: {auth: {auth_url: $URL, username: observer, password: x, $PASSWORD}}}\n", "line 1: unknown key in auth", "Put the password in quotes."),
		{failureRow: failureRow{"a secure.yaml that is broken", status, "secure.yaml: line 2: this is not YAML", "Correct the file."},
			env: []string{"OS_CLIENT_CONFIG_FILE=$DIR/clouds.yaml"}, args: []string{"--os-cloud", "production"},
			files: map[string]string{"clouds.yaml": rightCloud, "secure.yaml": "clouds:\n  production: {auth: {password: *$PASSWORD}}\n"}},

		env("no auth URL", variables("OS_AUTH_URL", ""), "OS_AUTH_URL: no auth URL is given, such as https://keystone.example.org:5000/v3", setIt),
		env("an auth URL of another scheme, or of none", variables("OS_AUTH_URL", "keystone.example.org:5000"), "OS_AUTH_URL: the auth URL is not usable: it begins neither with http:// nor with https://", "Write the whole URL."),
		env("an auth URL with a password", variables("OS_AUTH_URL", "https://observer:$PASSWORD@keystone.example.org/v3"), "OS_AUTH_URL: the auth URL is not usable: it holds a user or password", "Take them out of the URL."),
		env("an auth URL of version 2", variables("OS_AUTH_URL", "https://keystone.example.org/v2.0"), "OS_AUTH_URL: the auth URL ends in /v2.0, which Keystone no longer has: use /v3", "Use /v3."),
		env("an identity API of version 2", variables("OS_IDENTITY_API_VERSION", "2"), `the identity API version is "2", only 3 is supported`, "Set it to 3, or take it out."),
		env("no user", variables("OS_USERNAME", ""), "no user is given: set OS_USERNAME or OS_USER_ID", setIt),
		env("no password", variables("OS_PASSWORD", ""), "no password is given: set OS_PASSWORD", setIt),
		env("no scope", variables("OS_SYSTEM_SCOPE", ""), "no scope is given, neither a project, nor a domain, nor the system: set OS_PROJECT_NAME, OS_DOMAIN_NAME or OS_SYSTEM_SCOPE", setIt),
		env("a system scope and a project", variables("OS_PROJECT_NAME", "home"), "both a system scope and a project or domain are given: take out one of them", takeOut),
		env("a password and an application credential", variables("OS_SYSTEM_SCOPE", "", "OS_APPLICATION_CREDENTIAL_ID", "a", "OS_APPLICATION_CREDENTIAL_SECRET", "$PASSWORD"), "both a password and an application credential are given: take out one of them", takeOut),
		env("an application credential without its secret", variables("OS_SYSTEM_SCOPE", "", "OS_USERNAME", "", "OS_PASSWORD", "", "OS_APPLICATION_CREDENTIAL_ID", "a"), "the application credential has no secret: set OS_APPLICATION_CREDENTIAL_SECRET", setIt),
		env("a way to log in that is not supported", variables("OS_AUTH_TYPE", "v3oidcpassword"), `the auth type "v3oidcpassword" is not supported, only password and v3applicationcredential are`, "Use one of these two."),
		env("a token instead of a password", variables("OS_TOKEN", "$PASSWORD"), "OS_TOKEN and OS_TRUST_ID are not supported", "Give a password or an application credential."),
		env("an interface that there is not", variables("OS_INTERFACE", "external"), `the interface is "external", not public, internal or admin`, "Set it to public, internal or admin."),
		env("a user with a line break", variables("OS_USERNAME", "observer\n"), "OS_USERNAME has white space at its start or its end, or a control character in it", "Take it out."),
		env("a cacert that is not there", variables("OS_CACERT", "$DIR/ca.pem"), "ca.pem\": no such file or directory: create it, or name another one", "Name the file."),
		{failureRow: failureRow{"a cacert that is no certificate", status, "no certificate is in the cacert", "Give one in PEM."},
			env: variables("OS_CACERT", "$DIR/ca.pem"), files: map[string]string{"ca.pem": "$PASSWORD"}},
		{failureRow: failureRow{"a client certificate without its key", status, "a client certificate needs both its cert and its key", "Give both."}, env: variables("OS_CERT", "$DIR/c.pem")},
		{failureRow: failureRow{"a client certificate that is none", status, "cannot use the client certificate", "Give it and its key in PEM."},
			env: variables("OS_CERT", "$DIR/c.pem", "OS_KEY", "$DIR/c.pem"), files: map[string]string{"c.pem": "$PASSWORD"}},

		warned(file("credentials that every user of the host can read", rightFile, "holds a secret, and every user of this host can read it: chmod o= it", "chmod o= the file, and change the password."), 0o644),
		warned(cloud("a clouds.yaml that every user of the host can change", rightCloud, "says where to log in, and every user of this host can change it: chmod o= it", "chmod o= the file."), 0o646),
	}
	insecure := env("certificates are not verified", variables("OS_INSECURE", "true"), "the certificates of the cloud are not verified, because the environment says so: give a cacert instead", "Give a cacert instead.")
	insecure.Status = command.ExitOK
	blank := env("a password with white space at its start or its end", variables("OS_PASSWORD", "$PASSWORD\n"), "the password or secret of the environment has white space at its start or its end: if the log-in is refused, take it out", "Take it out.")
	blank.Status = command.ExitNoPermission
	return append(rows, insecure, blank)
}

// TestConfigRows makes each mistake on a server that is in step with its cloud:
// one error or warning says what is wrong, nothing has changed, and no secret is
// in the log.
func TestConfigRows(t *testing.T) {
	w := newWorld(t, "{system: [admin], tools: [reader]}", []string{"OS_SYSTEM_SCOPE=all"})
	right, rightEnv := w.Before["mounts.yaml"], w.Env
	for _, row := range configRows() {
		t.Run(row.Fault, func(t *testing.T) {
			dir := t.TempDir()
			filled := strings.NewReplacer("$DIR", dir, "$URL", w.Cloud.AuthURL(), "$PASSWORD", commandtest.Password).Replace
			config := right
			if more, ok := strings.CutPrefix(row.config, "+"); ok {
				config += more
			} else if row.config != "" {
				config = row.config
			}
			w.Write(t, "mounts.yaml", config)
			w.Before["mounts.yaml"] = config
			w.Env = rightEnv
			if row.env != nil {
				w.Env = []string{"PATH=" + os.Getenv("PATH")}
				for _, pair := range row.env {
					w.Env = append(w.Env, filled(pair))
				}
			}
			for name, text := range row.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(filled(text)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if row.place != nil {
				if err := row.place(dir); err != nil {
					t.Fatal(err)
				}
			}
			args := []string{"apply", "--log-level", "debug"}
			for _, arg := range row.args {
				args = append(args, filled(arg))
			}
			got := w.Run(args...)
			if got.Status != row.Status || !strings.Contains(got.Stderr, row.Says) {
				t.Errorf("exit status %d, want %d and %q; said:\n%s", got.Status, row.Status, row.Says, got.Stderr)
			}
			if n := strings.Count(got.Stderr, "nfs-exportd: error: "); n != min(row.Status, 1) || got.Stdout != "" {
				t.Errorf("%d errors, and printed %q:\n%s", n, got.Stdout, got.Stderr)
			}
			for _, secret := range append(w.Cloud.Tokens(), commandtest.Password) {
				if strings.Contains(got.Stderr, secret) {
					t.Errorf("%q is in the log:\n%s", secret, got.Stderr)
				}
			}
			w.Untouched(t)
		})
	}
}

// TestConfigRowsDiffer: two rows with one name would be one line of the document
// too many.
func TestConfigRowsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range configRows() {
		if seen[row.Fault] || row.Says == "" || !strings.HasSuffix(row.Do, ".") {
			t.Errorf("row %+v", row.failureRow)
		}
		seen[row.Fault] = true
	}
}
