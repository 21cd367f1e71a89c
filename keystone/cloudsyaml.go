package keystone

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"nfs-exportd/printable"
	"nfs-exportd/spelling"
)

// fromCloudsYAML reads one cloud of a clouds.yaml and of the secure.yaml beside
// it, see "Configuring OpenStack SDK Applications" of openstacksdk. Of what
// openstacksdk would take, vendor profiles are not supported; keys that do not
// bear on the log-in are left alone, because the file is shared with other
// programs.
//
// Gophercloud's clouds.Parse is not used: without auth it panics, an interface
// it does not know becomes public, a file it cannot open is skipped for the
// next, insecure is ignored, and it takes OS_CACERT from the environment.
func fromCloudsYAML(cloud string, getenv func(string) string) (Credentials, error) {
	source := fmt.Sprintf("cloud %s", printable.Quote(cloud))
	path, err := cloudsFile(getenv)
	if err != nil {
		return Credentials{}, unusable(source, err, "")
	}
	source += " of " + path
	entry, info, err := cloudEntry(path, cloud)
	if err != nil {
		return Credentials{}, unusable(source, err, cmp.Or(nextStep(err), ofClouds))
	}
	if entry == nil {
		return Credentials{}, unusable(source, noCloud(path, cloud), "check --os-cloud, OS_CLOUD and openstack.cloud")
	}

	if getenv("OS_CLIENT_CONFIG_FILE") == "" && filepath.Dir(path) == "." && writtenByOthers(info, os.Geteuid()) {
		return Credentials{}, unusable(source,
			errors.New("it lies in the working directory, and another user can say in it which cloud is asked"),
			"run in another directory, or name the file that is meant with OS_CLIENT_CONFIG_FILE")
	}
	warnings := exposed(path, info, entry.hasSecret(), os.Geteuid(), os.Getegid())

	securePath := getenv("OS_CLIENT_SECURE_FILE")
	if securePath == "" {
		securePath = filepath.Join(filepath.Dir(path), "secure.yaml")
	}
	secure, secureInfo, err := cloudEntry(securePath, cloud)
	switch {
	case errors.Is(err, fs.ErrNotExist) && getenv("OS_CLIENT_SECURE_FILE") == "":
	case err != nil:
		return Credentials{}, unusable(securePath, err, cmp.Or(nextStep(err), ofClouds))
	case secure != nil:
		warnings = append(warnings, exposed(securePath, secureInfo, secure.hasSecret(), os.Geteuid(), os.Getegid())...)
		entry = secure.over(entry)
	}

	s, err := entry.written(getenv)
	if err != nil {
		return Credentials{}, unusable(source, err, "")
	}
	c, err := s.credentials(source)
	if err != nil {
		return Credentials{}, err
	}
	c.Access = access(info)
	c.Warnings = append(c.Warnings, warnings...)
	return c, nil
}

const ofClouds = "write it as clouds: {NAME: {auth: {auth_url: https://..., ...}}}"

// maxClouds is how many clouds a message names.
const maxClouds = 10

// noCloud says which clouds a file has instead of the one that was asked for.
func noCloud(path, cloud string) error {
	root, _, err := readYAML(path)
	if err != nil {
		return err
	}
	clouds, err := child(root, "clouds")
	if err != nil || clouds == nil {
		return errors.New("the file has no key clouds")
	}
	pairs, err := mapping(clouds)
	if err != nil {
		return err
	}
	var names, quoted []string
	for _, pair := range pairs {
		names = append(names, pair.key)
		if len(quoted) < maxClouds {
			quoted = append(quoted, printable.Quote(pair.key))
		}
	}
	switch near := spelling.Nearest(cloud, names); {
	case len(names) == 0:
		return errors.New("the file has no cloud at all")
	case near != "":
		return fmt.Errorf("there is no such cloud, did you mean %s? It has %s", printable.Quote(near), strings.Join(quoted, ", "))
	case len(names) > maxClouds:
		return fmt.Errorf("there is no such cloud, but %s and %d more", strings.Join(quoted, ", "), len(names)-maxClouds)
	}
	return fmt.Errorf("there is no such cloud, but %s", strings.Join(quoted, ", "))
}

// cloudsFile is the first clouds.yaml there is, at openstacksdk's places.
func cloudsFile(getenv func(string) string) (string, error) {
	if path := getenv("OS_CLIENT_CONFIG_FILE"); path != "" {
		return path, nil
	}
	config := getenv("XDG_CONFIG_HOME")
	if config == "" && getenv("HOME") != "" {
		config = filepath.Join(getenv("HOME"), ".config")
	}
	directories := []string{"."}
	if config != "" {
		directories = append(directories, filepath.Join(config, "openstack"))
	}
	directories = append(directories, "/etc/openstack")
	for _, directory := range directories {
		for _, name := range []string{"clouds.yaml", "clouds.yml"} {
			path := filepath.Join(directory, name)
			if _, err := os.Stat(path); err == nil {
				return path, nil
			} else if !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
	}
	return "", fmt.Errorf("there is no clouds.yaml in %s", strings.Join(directories, ", "))
}

// cloudKeys are the values of one cloud that are scalars, those below auth with
// auth. before their key.
type cloudKeys map[string]string

// cloudEntry gives one cloud of a file, or nil if the file does not have it.
func cloudEntry(path, cloud string) (cloudKeys, fs.FileInfo, error) {
	root, info, err := readYAML(path)
	if err != nil {
		return nil, nil, err
	}
	entry, err := child(root, "clouds")
	if err == nil && entry != nil {
		entry, err = child(entry, cloud)
	}
	if err != nil || entry == nil {
		return nil, nil, err
	}
	pairs, err := mapping(entry)
	if err != nil {
		return nil, nil, err
	}
	keys := cloudKeys{}
	for _, p := range pairs {
		if p.key != "auth" {
			if slices.Contains(topKeys, p.key) || strings.HasSuffix(p.key, "_endpoint_override") {
				if keys[p.key], err = scalar(p.value); err != nil {
					return nil, nil, fmt.Errorf("line %d: the value of %s %w", p.line, keyName(p.key), err)
				}
			}
			continue
		}
		auth, err := mapping(p.value)
		if err != nil {
			return nil, nil, fmt.Errorf("auth: %w", err)
		}
		for _, a := range auth {
			if !slices.Contains(authKeys, a.key) {
				return nil, nil, fmt.Errorf("line %d: unknown key in auth%s", a.line, didYouMean(spelling.Nearest(a.key, authKeys)))
			}
			if keys["auth."+a.key], err = scalar(a.value); err != nil {
				return nil, nil, fmt.Errorf("line %d: the value of auth.%s %w", a.line, a.key, err)
			}
		}
	}
	return keys, info, nil
}

var topKeys = []string{
	"auth_type", "cacert", "cert", "cloud", "endpoint_type", "identity_api_version", "insecure", "interface", "key",
	"profile", "verify",
}

// authKeys has those that are not supported too, where written says so.
var authKeys = []string{
	"application_credential_id", "application_credential_name", "application_credential_secret", "auth_url",
	"default_domain", "default_domain_id", "domain_id", "domain_name", "password", "project_domain_id",
	"project_domain_name", "project_id", "project_name", "system_scope", "tenant_id", "tenant_name", "token", "trust_id",
	"user_domain_id", "user_domain_name", "user_id", "username",
}

func child(node *yaml.Node, key string) (*yaml.Node, error) {
	pairs, err := mapping(node)
	if err != nil {
		return nil, err
	}
	for _, p := range pairs {
		if p.key == key {
			return p.value, nil
		}
	}
	return nil, nil
}

// over gives k on top of base.
func (k cloudKeys) over(base cloudKeys) cloudKeys {
	merged := cloudKeys{}
	for key, value := range base {
		merged[key] = value
	}
	for key, value := range k {
		if value != "" {
			merged[key] = value
		}
	}
	return merged
}

func (k cloudKeys) hasSecret() bool {
	return k["auth.password"] != "" || k["auth.application_credential_secret"] != ""
}

func (k cloudKeys) written(getenv func(string) string) (written, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	either := func(key, other string) string {
		switch {
		case k[key] == "":
			return k[other]
		case k[other] != "" && k[other] != k[key]:
			problem("%s and %s differ", key, other)
		}
		return k[key]
	}
	for _, key := range []string{"auth.token", "auth.trust_id"} {
		if k[key] != "" {
			problem("%s is not supported", key)
		}
	}
	for _, key := range []string{"profile", "cloud"} {
		if k[key] != "" {
			problem("%s, a vendor's profile, is not supported: write its auth_url and interface into the cloud", key)
		}
	}
	for _, key := range []string{"identity_endpoint_override", "compute_endpoint_override"} {
		if k[key] != "" {
			problem("%s is not supported: endpoints come from the catalog", key)
		}
	}
	insecure, err := parseBool(k["insecure"])
	if err != nil {
		problem("insecure %w", err)
	}
	if k["verify"] != "" {
		verify, err := parseBool(k["verify"])
		if err != nil {
			problem("verify %w", err)
		}
		insecure = insecure || !verify
	}
	s := written{
		authURL:            k["auth.auth_url"],
		authType:           k["auth_type"],
		identityAPIVersion: k["identity_api_version"],
		username:           k["auth.username"],
		userID:             k["auth.user_id"],
		password:           k["auth.password"],
		userDomainName:     k["auth.user_domain_name"],
		userDomainID:       k["auth.user_domain_id"],
		projectName:        either("auth.project_name", "auth.tenant_name"),
		projectID:          either("auth.project_id", "auth.tenant_id"),
		projectDomainName:  k["auth.project_domain_name"],
		projectDomainID:    k["auth.project_domain_id"],
		domainName:         k["auth.domain_name"],
		domainID:           k["auth.domain_id"],
		defaultDomain:      either("auth.default_domain", "auth.default_domain_id"),
		systemScope:        k["auth.system_scope"],
		applicationID:      k["auth.application_credential_id"],
		applicationName:    k["auth.application_credential_name"],
		appSecret:          k["auth.application_credential_secret"],
		endpointInterface:  either("interface", "endpoint_type"),
		caCert:             expandHome(k["cacert"], getenv),
		clientCert:         expandHome(k["cert"], getenv),
		clientKey:          expandHome(k["key"], getenv),
		insecure:           insecure,
		key:                func(key string) string { return "auth." + key },
	}
	return s, errors.Join(problems...)
}
