package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"nfs-exportd/exports"
	"nfs-exportd/exports/config"
	"nfs-exportd/keystone"
	"nfs-exportd/printable"
)

// situation is what a run finds out before it asks the cloud.
type situation struct {
	config *exports.Config // nil: it cannot be read
	creds  *keystone.Credentials
	// credsErr is why there are none. Only a run that asks the cloud fails because of it.
	credsErr error
	local    []netip.Addr
	hosts    exports.Hosts // nil: nobody knows where they are
	held     *held         // nil: the run may go on
}

// held is why a run leaves everything as it is.
type held struct {
	reason  string
	until   time.Time
	standby bool // of a server that is none of the mount hosts
}

// text is the hold for people.
func (h *held) text() string {
	text := "held: " + printable.Text(h.reason)
	if !h.until.IsZero() {
		text += ", until " + h.until.Format(time.RFC3339)
	}
	return text
}

// about says what a hold means. Grants in the file of a standby are a concern: nobody
// takes back those of deleted instances. f is nil if the files cannot be read.
func (h *held) about(f *files) (string, error) {
	text := h.text() + ": " + untilItEnds
	if n := f.grants(); h.standby && n > 0 {
		return "", concern(fmt.Sprintf("%s, but %s still has %s, which no run removes: if another server serves them for good, remove the file and run \"exportfs -ra\"; "+
			"if this server should serve them, see whether its service address is there, or use --%s", text, f.path, count(n, "grant"), flagServeAs))
	}
	return text, nil
}

// untilItEnds is what a hold means.
const untilItEnds = "until it ends, plan and apply do nothing"

// gather finds out all that does not need the cloud. A hold ends it for plan and
// apply: then nobody is asked about anything else.
func (j job) gather(ctx context.Context) (s situation) {
	s.config, _ = step(j.steps, "configuration", true, func() (*exports.Config, string, error) {
		config, err := readConfig(j.flags.config)
		if err != nil {
			return nil, "", err
		}
		hold, odd := j.maintenance(config.Maintenance, j.flags.config)
		s.held = hold
		found := fmt.Sprintf("%s: %s, %s", j.flags.config, count(len(config.Projects), "project"), count(len(config.Public), "public line"))
		return config, found, concernAbout(found, odd)
	})
	goesOn := func() bool { return s.config != nil && (s.held == nil || j.steps.goOn) }
	s.creds, _ = step(j.steps, "credentials", goesOn(), func() (*keystone.Credentials, string, error) {
		creds, err := j.findCredentials(s.config)
		if err != nil {
			s.credsErr = err
			return nil, "none are needed, as no project is configured", j.needed(s.config, err)
		}
		key, err := maintenanceOf(creds)
		if err != nil {
			return &creds, "", err // with which check can ask the cloud all the same
		}
		hold, odd := j.maintenance(key, creds.Source)
		s.held = cmp.Or(s.held, hold)
		found := fmt.Sprintf("%s, for %s at %s", access(creds), creds.Scope(), creds.AuthURL)
		return &creds, found, concernAbout(found, append(slices.Clip(creds.Warnings), odd...))
	})
	s.hosts, _ = step(j.steps, "mount hosts", goesOn(), func() (_ exports.Hosts, _ string, err error) {
		if s.local, err = j.Local(); err != nil {
			return nil, "", err
		}
		hosts, err := j.locate(ctx, s.config.Hosts(), j.flags.serveAs, s.local)
		if err != nil {
			return nil, "", err
		}
		if s.config.Standby(hosts) {
			// It ends the run, which would look again only when there is a plan.
			if hosts, s.local, err = j.lookAgain(ctx, hosts); err != nil {
				return nil, "", err
			}
		}
		if s.config.Standby(hosts) {
			s.held = cmp.Or(s.held, &held{reason: "standby", standby: true})
		}
		found, concern := aboutHosts(s.config, hosts, s.local)
		return hosts, found, concern
	})
	return s
}

// needed gives the error of credentials that cannot be found if it matters by now: only
// check looks at what a run may never need. For the others the log-in fails because of it.
func (j job) needed(config *exports.Config, err error) error {
	if len(config.Projects) == 0 || j.purpose != toCheck {
		return nil
	}
	return err
}

// access names credentials, and who may read them.
func access(creds keystone.Credentials) string {
	if creds.Access == "" {
		return creds.String()
	}
	return fmt.Sprintf("%s (%s)", creds, creds.Access)
}

// configError is a file for people that cannot be read, or not be understood.
type configError struct {
	file string
	err  error
}

func (e *configError) Error() string {
	return fmt.Sprintf("configuration %s: %s; nothing was changed", e.file, e.err)
}

func (e *configError) Unwrap() error { return e.err }

// configLimit is how much of a configuration file is read: one byte more than
// config.Parse takes, which then says what is wrong.
const configLimit = 4<<20 + 1

func readConfig(path string) (*exports.Config, error) {
	// To open a FIFO that nobody writes to would wait for ever.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		// os.OpenFile names the path, and so does configError.
		err = errors.Unwrap(err)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: write one, see nfs-mounts.yaml(5), or name it with --%s", err, flagConfig)
		}
		return nil, &configError{path, err}
	}
	defer func() { _ = f.Close() }() // nothing was written to it
	text, err := io.ReadAll(io.LimitReader(f, configLimit))
	if err != nil {
		return nil, &configError{path, err}
	}
	if info, err := f.Stat(); err == nil && info.Mode()&fs.ModeNamedPipe != 0 && len(text) == 0 {
		return nil, &configError{path, errors.New("it is a FIFO to which nobody writes: name a file with --" + flagConfig)}
	}
	parsed, err := config.Parse(text)
	if err != nil {
		return nil, &configError{path, err}
	}
	return parsed, nil
}

// maintenance gives the hold of a maintenance key, if it is in force, and what an
// operator should know about the key.
func (j job) maintenance(m exports.Maintenance, file string) (*held, []string) {
	switch {
	case m.Expired(j.Now()):
		odd := fmt.Sprintf("maintenance in %s ended at %s and holds no longer: take it out", file, m.Until.Format(time.RFC3339))
		j.log.Warn(odd)
		return nil, []string{odd}
	case m.Holds(j.Now()):
		h := &held{reason: cmp.Or(m.Reason, "maintenance in "+file), until: m.Until}
		return h, []string{h.text() + ": " + untilItEnds}
	}
	return nil, nil
}

func (j job) findCredentials(config *exports.Config) (keystone.Credentials, error) {
	return keystone.Find(keystone.Sources{
		Cloud:       cmp.Or(j.flags.cloud, config.OpenStack.Cloud),
		File:        cmp.Or(j.flags.credentials, config.OpenStack.Credentials),
		DefaultFile: defaultCredsFile,
		Getenv:      j.Getenv,
	})
}

func maintenanceOf(creds keystone.Credentials) (exports.Maintenance, error) {
	if creds.Maintenance == nil {
		return exports.Maintenance{}, nil
	}
	m, err := config.ParseMaintenance(creds.Maintenance)
	if err != nil {
		return m, &configError{creds.Source, err}
	}
	return m, nil
}
