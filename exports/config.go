package exports

import (
	"regexp"
	"time"
)

// Defaults of the configuration file, see nfs-mounts.yaml(5).
const (
	DefaultOptions           = "rw,nohide,no_subtree_check,async,no_root_squash"
	DefaultMaxRemoved        = 10
	DefaultMaxRemovedPercent = 25
	DefaultDomain            = "default"
	DefaultConcurrency       = 12
	MaxConcurrency           = 32
)

// Config is a configuration file that was accepted: who may mount what, and how
// careful to be. Package config reads it.
type Config struct {
	Public      []PublicLine
	Projects    []ProjectConfig // in the order of the file
	Maintenance Maintenance
	OpenStack   OpenStack
	Options     string // for the grants of projects without options of their own
	AllowNested bool   // paths may be below others that clients may write to
	Limits      Limits
}

// PublicLine is one client of one literal exports(5) line under "public".
type PublicLine struct {
	Name    string // the key under "public"
	Path    string // absolute and clean
	Client  Client
	Options string
	Line    int // in the configuration file
}

// ProjectConfig is what one project may mount.
type ProjectConfig struct {
	Key     string // a Keystone project's id, or else its name
	Options string // of its grants
	Mounts  []Mount
	Line    int // in the configuration file
}

// projectID is how Keystone (32 hexadecimal digits), federation and LDAP (64, or the
// dashed form of a UUID, RFC 9562, section 4) write the id of a project.
var projectID = regexp.MustCompile(`^(?i:[0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// IsProjectID reports whether a key has the form of a project's id. Such a key is never
// a name: anybody can call a project like another one's id.
func IsProjectID(key string) bool { return projectID.MatchString(key) }

// Mount is one host:/path that a project may use. Mounts that are set to true
// or false, which other programs than this one serve, are not kept.
type Mount struct {
	Key  string // its name in the configuration
	Host string // lower case, without a final dot; a name or an address
	Path string // absolute and clean
	Line int    // in the configuration file
}

// OpenStack says which cloud to ask and how.
type OpenStack struct {
	Cloud       string   // a name in clouds.yaml, or empty
	Credentials string   // the path of a file of OS_* keys, or empty
	Domain      string   // the id of the domain that projects are looked for in
	Regions     []string // empty: all that Keystone lists
	Networks    []string // names of Nova networks whose addresses count; empty: all
	Listing     Listing
	Concurrency int // requests at a time
}

// Listing is how instances are asked for.
type Listing string

// The ways to list instances, see nfs-mounts.yaml(5).
const (
	ListingAuto        Listing = "auto"
	ListingAllProjects Listing = "all-projects"
	ListingPerProject  Listing = "per-project"
)

// Maintenance is a request to leave everything as it is. The zero value asks
// for nothing.
type Maintenance struct {
	On     bool
	Reason string    // why, for people; may be empty
	Until  time.Time // zero: until it is taken out of the file
}

// Holds reports whether the request is in force at a time.
func (m Maintenance) Holds(now time.Time) bool {
	return m.On && !m.Expired(now)
}

// Expired reports whether the request was in force once and is so no longer.
func (m Maintenance) Expired(now time.Time) bool {
	return m.On && !m.Until.IsZero() && !now.Before(m.Until)
}
