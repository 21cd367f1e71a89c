package keystone

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"nfs-exportd/printable"
)

// Credentials are what a log-in needs, and where they are from. They print
// without their secrets, with every verb of package fmt and in logs. [Find]
// makes them.
type Credentials struct {
	// Source is where they are from, for messages: a file, a cloud of a
	// clouds.yaml, the environment.
	Source string
	// Access is the mode and the owner of the file that they are from, for people,
	// or empty.
	Access string
	// Warnings are what an operator should know about them in each run: a file
	// that all may read, TLS that is not verified.
	Warnings []string
	// Maintenance is the value of the key of that name in a credentials file,
	// or nil.
	Maintenance *yaml.Node

	// AuthURL is Keystone's, and ends in /v3.
	AuthURL string
	// Interface is which endpoints of the catalog count: public, internal or
	// admin.
	Interface string

	user        identity
	password    secret
	application application
	scope       scope

	caCert, clientCert, clientKey string // paths of PEM files, or empty
	insecure                      bool
}

// identity is a user, by id or by name and domain.
type identity struct{ id, name, domainID, domainName string }

// application is an application credential, by id or by name and user.
type application struct {
	id, name string
	secret   secret
}

func (a application) given() bool { return a.id != "" || a.name != "" }

// scope is what a token is for. An application credential's scope is its own
// project and is not asked for, so it is empty.
type scope struct {
	projectID, projectName string
	domainID, domainName   string // of projectName, or the scope itself
	system                 bool
}

// User is who logs in, for messages.
func (c Credentials) User() string {
	user := cmp.Or(c.user.name, c.user.id)
	if c.application.given() {
		return "application credential " + printable.Quote(cmp.Or(c.application.name, c.application.id))
	}
	return "user " + printable.Quote(user)
}

// String names the user and the source.
func (c Credentials) String() string { return c.User() + " from " + c.Source }

// GoString is String, so that %#v shows no secret either.
func (c Credentials) GoString() string { return "keystone.Credentials(" + c.String() + ")" }

// LogValue is String as a [slog.Value].
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Sources are the places where [Find] looks.
type Sources struct {
	Cloud       string // name of a cloud in clouds.yaml: --os-cloud, OS_CLOUD, openstack.cloud
	File        string // a YAML file of OS_* keys: --credentials, openstack.credentials
	DefaultFile string // the same, where there is such a file: /etc/novaobserver.yaml
	// Getenv gives the environment, usually [os.Getenv].
	Getenv func(string) string
}

const fourWays = "give --os-cloud NAME with a clouds.yaml, or --credentials FILE with OS_* keys in YAML, " +
	"or put that file at /etc/novaobserver.yaml, or set OS_AUTH_URL and the other OS_* variables of an openrc"

// Find gives the credentials of the first source that is set: Cloud, File,
// DefaultFile, the environment. A source that is set and not usable is an
// error, not a reason to go on with the next. The error is a
// [*CredentialsError].
func Find(from Sources) (Credentials, error) {
	if from.Cloud != "" {
		return fromCloudsYAML(from.Cloud, from.Getenv)
	}
	if from.File != "" {
		return fromFile(from.File, from.Getenv)
	}
	if from.DefaultFile != "" {
		switch _, err := os.Stat(from.DefaultFile); {
		case err == nil:
			return fromFile(from.DefaultFile, from.Getenv)
		case !errors.Is(err, fs.ErrNotExist):
			return Credentials{}, unusable(from.DefaultFile, err, "make it readable for this user")
		}
	}
	return fromEnvironment(from.Getenv)
}

// written is credentials as somebody wrote them down. The three sources have the same,
// under names of their own.
type written struct {
	authURL, authType, identityAPIVersion     string
	username, userID, password                string
	userDomainName, userDomainID              string
	projectName, projectID                    string
	projectDomainName, projectDomainID        string
	domainName, domainID, defaultDomain       string
	systemScope                               string
	applicationID, applicationName, appSecret string
	endpointInterface                         string
	caCert, clientCert, clientKey             string
	insecure                                  bool

	// key gives the name that a value has in its source, for messages.
	key func(string) string
}

// credentials checks what is written. What does not fit together is an error,
// because to choose would be to guess on whose behalf to ask.
func (w written) credentials(source string) (Credentials, error) {
	c := Credentials{
		Source:     source,
		user:       w.user(),
		password:   newSecret(w.password),
		caCert:     w.caCert,
		clientCert: w.clientCert,
		clientKey:  w.clientKey,
		insecure:   w.insecure,
		application: application{
			id:     w.applicationID,
			name:   w.applicationName,
			secret: newSecret(w.appSecret),
		},
	}
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	w.checkTexts(problem)
	var err error
	if c.AuthURL, err = identityURL(w.authURL); err != nil {
		problem("%s: %w", w.key("auth_url"), err)
	}
	if c.Interface, err = endpointInterface(w.endpointInterface); err != nil {
		problems = append(problems, err)
	}
	if v := strings.TrimPrefix(w.identityAPIVersion, "v"); v != "" && v != "3" && !strings.HasPrefix(v, "3.") {
		problem("the identity API version is %s, only 3 is supported", printable.Quote(w.identityAPIVersion))
	}
	if (w.clientCert == "") != (w.clientKey == "") {
		problem("a client certificate needs both its cert and its key")
	}
	if w.systemScope != "" && w.systemScope != "all" {
		problem("the system scope is %s, only all exists", printable.Quote(w.systemScope))
	}

	if w.checkAuthType(c, problem); c.application.given() {
		w.checkApplication(c, problem)
	} else {
		w.checkPassword(c, problem)
		if c.scope, err = w.scope(); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return Credentials{}, unusable(source, errors.Join(problems...), "")
	}
	if c.insecure {
		c.Warnings = append(c.Warnings, fmt.Sprintf(
			"the certificates of the cloud are not verified, because %s says so: give a cacert instead", source))
	}
	for _, given := range []string{w.password, w.appSecret} {
		if strings.TrimSpace(given) != given {
			c.Warnings = append(c.Warnings, fmt.Sprintf(
				"the password or secret of %s has white space at its start or its end: if the log-in is refused, take it out", source))
		}
	}
	return c, nil
}

// checkTexts reports values that cannot be what was meant.
func (w written) checkTexts(problem func(format string, args ...any)) {
	for _, text := range []struct{ key, value string }{
		{"auth_url", w.authURL}, {"username", w.username}, {"user_id", w.userID},
		{"user_domain_name", w.userDomainName}, {"user_domain_id", w.userDomainID}, {"project_name", w.projectName},
		{"project_id", w.projectID}, {"project_domain_name", w.projectDomainName}, {"project_domain_id", w.projectDomainID},
		{"domain_name", w.domainName}, {"domain_id", w.domainID}, {"default_domain", w.defaultDomain},
		{"application_credential_id", w.applicationID}, {"application_credential_name", w.applicationName},
	} {
		if strings.TrimSpace(text.value) != text.value || strings.ContainsFunc(text.value, unicode.IsControl) {
			problem("%s has white space at its start or its end, or a control character in it", w.key(text.key))
		}
	}
}

// checkAuthType reports an auth type that is not supported, or that does not fit.
func (w written) checkAuthType(c Credentials, problem func(format string, args ...any)) {
	switch w.authType {
	case "":
	case "password", "v3password":
		if c.application.given() {
			problem("the auth type is %s, but an application credential is given", w.authType)
		}
	case "v3applicationcredential":
		if !c.application.given() {
			problem("the auth type is %s, but no application credential is given", w.authType)
		}
	default:
		problem("the auth type %s is not supported, only password and v3applicationcredential are", printable.Quote(w.authType))
	}
}

// checkApplication reports what is missing beside an application credential, or too much.
func (w written) checkApplication(c Credentials, problem func(format string, args ...any)) {
	if w.appSecret == "" {
		problem("the application credential has no secret: set %s", w.key("application_credential_secret"))
	}
	if w.password != "" {
		problem("both a password and an application credential are given: take out one of them")
	}
	if c.application.id == "" && c.user == (identity{}) {
		problem("an application credential that is given by name needs its user: set %s", w.key("username"))
	}
	if w.projectID != "" || w.projectName != "" || w.domainID != "" || w.domainName != "" || w.systemScope != "" {
		problem("an application credential is for its own project, and takes no project, domain or system scope")
	}
}

// checkPassword reports what is missing of a user and a password.
func (w written) checkPassword(c Credentials, problem func(format string, args ...any)) {
	if c.user == (identity{}) {
		problem("no user is given: set %s or %s", w.key("username"), w.key("user_id"))
	}
	if w.password == "" {
		problem("no password is given: set %s", w.key("password"))
	}
}

func (w written) user() identity {
	if w.userID != "" {
		return identity{id: w.userID}
	}
	if w.username == "" {
		return identity{}
	}
	u := identity{name: w.username}
	u.domainID, u.domainName = w.domain(w.userDomainID, w.userDomainName)
	return u
}

// domain is a user's or a project's domain: its own, else the general one, else
// the default. One of the two results is set.
func (w written) domain(id, name string) (string, string) {
	switch {
	case id != "":
		return id, ""
	case name != "":
		return "", name
	case w.domainID != "":
		return w.domainID, ""
	case w.domainName != "":
		return "", w.domainName
	}
	return cmp.Or(w.defaultDomain, "default"), ""
}

func (w written) scope() (scope, error) {
	project := w.projectID != "" || w.projectName != ""
	switch {
	case w.systemScope != "" && (project || w.domainID != "" || w.domainName != ""):
		return scope{}, errors.New("both a system scope and a project or domain are given: take out one of them")
	case w.systemScope != "":
		return scope{system: true}, nil
	case w.projectID != "":
		return scope{projectID: w.projectID}, nil
	case project:
		domainID, domainName := w.domain(w.projectDomainID, w.projectDomainName)
		return scope{projectName: w.projectName, domainID: domainID, domainName: domainName}, nil
	case w.domainID != "":
		return scope{domainID: w.domainID}, nil
	case w.domainName != "":
		return scope{domainName: w.domainName}, nil
	}
	return scope{}, fmt.Errorf("no scope is given, neither a project, nor a domain, nor the system: set %s, %s or %s",
		w.key("project_name"), w.key("domain_name"), w.key("system_scope"))
}

// identityURL is where version 3 of the Identity API is. It is made by hand
// because discovery costs a request and trusts its answer with the next URL.
func identityURL(text string) (string, error) {
	if text == "" {
		return "", errors.New("no auth URL is given, such as https://keystone.example.org:5000/v3")
	}
	u, err := parseEndpoint(text)
	if err != nil {
		return "", fmt.Errorf("the auth URL is not usable: %w: write it as https://keystone.example.org:5000/v3", err)
	}
	path := strings.TrimRight(u.Path, "/")
	if strings.HasSuffix(path, "/v2.0") {
		return "", errors.New("the auth URL ends in /v2.0, which Keystone no longer has: use /v3")
	}
	if !strings.HasSuffix(path, "/v3") {
		path += "/v3"
	}
	u.Path = path
	return u.String(), nil
}

// parseEndpoint takes http and https URLs of a host and a path. The error does
// not show the URL, for it may hold a password.
func parseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it begins neither with http:// nor with https://")
	case u.User != nil:
		return nil, errors.New("it holds a user or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("it has a query or a fragment")
	case u.Hostname() == "" || strings.Trim(u.Host, hostBytes) != "" || u.RawPath != "":
		return nil, errors.New("it has an odd host or path")
	}
	return u, nil
}

const hostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]"

// endpointInterface takes the names of interfaces that the catalog has, and
// those with URL behind, as older files write them.
func endpointInterface(text string) (string, error) {
	switch strings.TrimSuffix(text, "URL") {
	case "", "public":
		return "public", nil
	case "internal":
		return "internal", nil
	case "admin":
		return "admin", nil
	}
	return "", fmt.Errorf("the interface is %s, not public, internal or admin", printable.Quote(text))
}

// tlsConfig reads the certificates.
func (c Credentials) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: c.insecure, // asked for by the operator, and warned about in each run
	}
	if c.caCert != "" {
		pem, _, err := readFile(c.caCert)
		if err != nil {
			return nil, unusable(c.Source, fmt.Errorf("cannot read the cacert %s: %w", printable.Quote(c.caCert), err), nextStep(err))
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, unusable(c.Source, fmt.Errorf("no certificate is in the cacert %s", printable.Quote(c.caCert)), "give one in PEM")
		}
	}
	if c.clientCert != "" {
		cert, _, err := readFile(c.clientCert)
		if err != nil {
			return nil, unusable(c.Source, fmt.Errorf("cannot read the client certificate %s: %w", printable.Quote(c.clientCert), err), nextStep(err))
		}
		key, _, err := readFile(c.clientKey)
		if err != nil {
			return nil, unusable(c.Source, fmt.Errorf("cannot read the key %s of the client certificate: %w", printable.Quote(c.clientKey), err), nextStep(err))
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, unusable(c.Source, fmt.Errorf("cannot use the client certificate: %w", err), "give it and its key in PEM, the key without a passphrase")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
