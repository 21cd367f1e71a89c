package keystone

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"nfs-exportd/spelling"
)

// variableNames are the variables that bear on the log-in, and those that
// openrc files have besides and that could be taken for mistyped ones.
var variableNames = []string{
	"OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_NAME", "OS_APPLICATION_CREDENTIAL_SECRET", "OS_AUTH_TYPE",
	"OS_AUTH_URL", "OS_CACERT", "OS_CERT", "OS_DEFAULT_DOMAIN", "OS_DOMAIN_ID", "OS_DOMAIN_NAME", "OS_ENDPOINT_TYPE",
	"OS_IDENTITY_API_VERSION", "OS_INSECURE", "OS_INTERFACE", "OS_KEY", "OS_PASSWORD", "OS_PROJECT_DOMAIN_ID",
	"OS_PROJECT_DOMAIN_NAME", "OS_PROJECT_ID", "OS_PROJECT_NAME", "OS_SYSTEM_SCOPE", "OS_TENANT_ID", "OS_TENANT_NAME",
	"OS_TOKEN", "OS_TRUST_ID", "OS_USERNAME", "OS_USER_DOMAIN_ID", "OS_USER_DOMAIN_NAME", "OS_USER_ID",

	"OS_CLOUD", "OS_DEFAULT_DOMAIN_ID", "OS_DEFAULT_DOMAIN_NAME", "OS_REGION_NAME", "OS_REGION", "OS_URL",
}

const oneKeyALine = "write it as OS_AUTH_URL: https://keystone.example.org:5000/v3, one key a line"

// keyName names a key if it is a known one: others may be a part of a password.
func keyName(key string) string {
	for _, known := range [][]string{variableNames, authKeys, topKeys} {
		if slices.Contains(known, key) {
			return key
		}
	}
	return "a key"
}

// variable is the name of a setting in the environment.
func variable(key string) string { return "OS_" + strings.ToUpper(key) }

func didYouMean(key string) string {
	if key == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", key)
}

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
	c, err := written{
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
		key:                variable,
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
	root, info, err := readYAML(path)
	if err != nil {
		return Credentials{}, unusable(path, err, cmp.Or(nextStep(err), oneKeyALine))
	}
	pairs, err := mapping(root)
	if err != nil {
		return Credentials{}, unusable(path, err, oneKeyALine)
	}
	variables := map[string]string{}
	var maintenance *yaml.Node
	var problems []error
	for _, pair := range pairs {
		switch {
		case pair.key == "maintenance":
			maintenance = pair.value
		case strings.HasPrefix(pair.key, "OS_") && (slices.Contains(variableNames, pair.key) || spelling.Nearest(pair.key, variableNames) == ""):
			// What no variable of ours is near to is for other programs.
			text, err := scalar(pair.value)
			if err != nil {
				problems = append(problems, fmt.Errorf("line %d: the value of %s %w", pair.line, keyName(pair.key), err))
			}
			variables[pair.key] = text
		default:
			problems = append(problems, fmt.Errorf("line %d: unknown key%s", pair.line, didYouMean(cmp.Or(
				spelling.Nearest(pair.key, variableNames), spelling.Nearest("OS_"+pair.key, variableNames)))))
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
	c.Access = access(info)
	c.Warnings = append(c.Warnings, exposed(path, info, true, os.Geteuid(), os.Getegid())...)
	return c, nil
}
