package keystone

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// fromVariables are the OS_* variables of openstackclient, see "Environment
// Variables" in openstack(1).
func fromVariables(source string, get func(string) string) (Credentials, error) {
	var problems []error
	// either is a variable that has two names.
	either := func(name, old string) string {
		if a, b := get(name), get(old); a != "" && b != "" && a != b {
			problems = append(problems, fmt.Errorf("%s and %s differ", name, old))
		} else if a == "" {
			return b
		}
		return get(name)
	}
	insecure, err := parseBool(get("OS_INSECURE"))
	if err != nil {
		problems = append(problems, fmt.Errorf("OS_INSECURE %w", err))
	}
	if get("OS_TOKEN") != "" || get("OS_TRUST_ID") != "" {
		problems = append(problems, errors.New("OS_TOKEN and OS_TRUST_ID are not supported"))
	}
	c, err := settings{
		authURL:            get("OS_AUTH_URL"),
		authType:           get("OS_AUTH_TYPE"),
		identityAPIVersion: get("OS_IDENTITY_API_VERSION"),
		username:           get("OS_USERNAME"),
		userID:             get("OS_USER_ID"),
		password:           get("OS_PASSWORD"),
		userDomainName:     get("OS_USER_DOMAIN_NAME"),
		userDomainID:       get("OS_USER_DOMAIN_ID"),
		projectName:        either("OS_PROJECT_NAME", "OS_TENANT_NAME"),
		projectID:          either("OS_PROJECT_ID", "OS_TENANT_ID"),
		projectDomainName:  get("OS_PROJECT_DOMAIN_NAME"),
		projectDomainID:    get("OS_PROJECT_DOMAIN_ID"),
		domainName:         get("OS_DOMAIN_NAME"),
		domainID:           get("OS_DOMAIN_ID"),
		defaultDomain:      get("OS_DEFAULT_DOMAIN"),
		systemScope:        get("OS_SYSTEM_SCOPE"),
		applicationID:      get("OS_APPLICATION_CREDENTIAL_ID"),
		applicationName:    get("OS_APPLICATION_CREDENTIAL_NAME"),
		appSecret:          get("OS_APPLICATION_CREDENTIAL_SECRET"),
		endpointInterface:  either("OS_INTERFACE", "OS_ENDPOINT_TYPE"),
		caCert:             get("OS_CACERT"),
		clientCert:         get("OS_CERT"),
		clientKey:          get("OS_KEY"),
		insecure:           insecure,
	}.credentials(source)
	if len(problems) > 0 {
		return Credentials{}, unusable(source, errors.Join(append(problems, err)...), "")
	}
	return c, err
}

func fromEnvironment(getenv func(string) string) (Credentials, error) {
	if getenv("OS_AUTH_URL") == "" && getenv("OS_USERNAME") == "" && getenv("OS_USER_ID") == "" &&
		getenv("OS_APPLICATION_CREDENTIAL_ID") == "" && getenv("OS_APPLICATION_CREDENTIAL_NAME") == "" {
		return Credentials{}, unusable("", errors.New("no credentials are given"), fourWays)
	}
	return fromVariables("the environment", func(name string) string {
		if name == "OS_CACERT" || name == "OS_CERT" || name == "OS_KEY" {
			return expandHome(getenv(name), getenv)
		}
		return getenv(name)
	})
}

// fromFile reads a YAML mapping of OS_* variables to scalars, with an optional
// key maintenance.
func fromFile(path string, getenv func(string) string) (Credentials, error) {
	root, mode, err := readYAML(path)
	if err != nil {
		return Credentials{}, unusable(path, err, "")
	}
	pairs, err := mapping(root)
	if err != nil {
		return Credentials{}, unusable(path, err, "write it as OS_AUTH_URL: https://..., one key a line")
	}
	variables := map[string]string{}
	var maintenance *yaml.Node
	var problems []error
	for _, pair := range pairs {
		switch {
		case pair.key == "maintenance":
			maintenance = pair.value
		case strings.HasPrefix(pair.key, "OS_"):
			text, err := scalar(pair.value)
			if err != nil {
				problems = append(problems, fmt.Errorf("line %d: %s %w", pair.line, quote(pair.key), err))
			}
			variables[pair.key] = text
		default:
			problems = append(problems, fmt.Errorf("line %d: unknown key %s", pair.line, quote(pair.key)))
		}
	}
	if len(problems) > 0 {
		return Credentials{}, unusable(path, errors.Join(problems...), "keep to OS_* keys and maintenance")
	}
	for _, name := range []string{"OS_CACERT", "OS_CERT", "OS_KEY"} {
		variables[name] = expandHome(variables[name], getenv)
	}
	c, err := fromVariables(path, func(name string) string { return variables[name] })
	if err != nil {
		return Credentials{}, err
	}
	c.Maintenance = maintenance
	c.Warnings = append(c.Warnings, readableByAll(path, mode)...)
	return c, nil
}
