package command

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"nfs-exportd/exports/config"
	"nfs-exportd/render/exportfs"
)

// Flags of which more than one place knows the name.
const (
	flagConfig      = "config"
	flagExportsFile = "exports-file"
	flagOSCloud     = "os-cloud"
	flagCredentials = "credentials"
	flagServeAs     = "serve-as"
	flagTimeout     = "timeout"
	flagLogLevel    = "log-level"
	flagLogFormat   = "log-format"
	flagExportfs    = "exportfs"
	flagEtab        = "etab"
	flagNoPreflight = "no-preflight"
	flagProofSocket = "proof-socket"
	flagAdopt       = "adopt"
	flagDetailed    = "detailed-exitcode"
	flagFormat      = "format"
	flagColor       = "color"
	flagApprove     = "approve"
	flagNoReload    = "no-reload"
	flagLockTimeout = "lock-timeout"
	flagMetricsFile = "metrics-file"
	envPrefix       = "NFS_EXPORTD_"

	defaultCredsFile = "/etc/novaobserver.yaml"
)

func commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: flagConfig, TakesFile: true, Aliases: []string{"c"}, Usage: "who may mount what, see nfs-mounts.yaml(5)", Value: "/etc/nfs-mounts.yaml", EnvVars: env(flagConfig)},
		&cli.StringFlag{Name: flagExportsFile, TakesFile: true, Usage: "the exports file to keep", Value: "/etc/exports.d/nfs-exportd.exports", EnvVars: env(flagExportsFile)},
		&cli.StringFlag{Name: flagOSCloud, Usage: "the `NAME` of a cloud in clouds.yaml", EnvVars: []string{"OS_CLOUD"}},
		&cli.StringFlag{Name: flagCredentials, TakesFile: true, Usage: "a YAML `FILE` of OS_* keys", EnvVars: env(flagCredentials)},
		&cli.StringSliceFlag{Name: flagServeAs, Usage: "this server is `HOST`, do not ask the resolver; repeatable", EnvVars: env(flagServeAs)},
		&cli.DurationFlag{Name: flagTimeout, Usage: "limit for the whole conversation with the cloud", Value: 2 * time.Minute, EnvVars: env(flagTimeout)},
		&cli.StringFlag{Name: flagLogLevel, Usage: "debug, info, warn or error", Value: "warn", EnvVars: env(flagLogLevel)},
		&cli.StringFlag{Name: flagLogFormat, Usage: "text or json", Value: "text", EnvVars: env(flagLogFormat)},
		&cli.StringFlag{Name: flagExportfs, TakesFile: true, Usage: "the exportfs program", Value: "/usr/sbin/exportfs", EnvVars: env(flagExportfs)},
		&cli.StringFlag{Name: flagEtab, TakesFile: true, Usage: "the active table, if not where nfs.conf(5) says", EnvVars: env(flagEtab)},
		&cli.BoolFlag{Name: flagNoPreflight, Usage: "do not prove the new file with exportfs in a sandbox", EnvVars: env(flagNoPreflight)},
		&cli.StringFlag{Name: flagProofSocket, TakesFile: true, Usage: "have the service at this `SOCKET` make the sandbox", EnvVars: env(flagProofSocket)},
		&cli.StringSliceFlag{Name: flagAdopt, TakesFile: true, Usage: "take over the exports `FILE` of the program that this one replaces; repeatable", EnvVars: env(flagAdopt)},
	}
}

func formatFlag() cli.Flag {
	return &cli.StringFlag{Name: flagFormat, Usage: "text or json", Value: "text", EnvVars: env(flagFormat)}
}

// flagsFirst puts the flags of a command before its arguments: the library takes all
// for arguments that comes after the first one.
func flagsFirst(commands *cli.App, args []string) []string {
	if len(args) < 2 {
		return args
	}
	command := commands.Command(args[1])
	if command == nil || command.ArgsUsage == "" {
		return args
	}
	first, last := slices.Clone(args[:2]), []string{"--"}
	for rest := args[2:]; len(rest) > 0; {
		word := rest[0]
		rest = rest[1:]
		switch {
		case word == "--":
			last = append(last, rest...)
			rest = nil
		case !strings.HasPrefix(word, "-") || word == "-":
			last = append(last, word)
		case word == "--help" || word == "-h":
			return append(first, word) // with an argument it would be help about that
		default:
			first = append(first, word)
			if !takesNext(command, word) {
				continue
			}
			if len(rest) == 0 {
				return first // for the library to say that the value is missing
			}
			first = append(first, rest[0])
			rest = rest[1:]
		}
	}
	return append(first, last...)
}

// takesNext reports whether a flag, as it is on the command line, has its value in the
// next word.
func takesNext(command *cli.Command, word string) bool {
	name := strings.TrimLeft(word, "-")
	return slices.ContainsFunc(command.Flags, func(flag cli.Flag) bool {
		valued, ok := flag.(cli.DocGenerationFlag)
		return ok && valued.TakesValue() && slices.Contains(flag.Names(), name)
	})
}

// env gives the environment variable of a flag.
func env(flag string) []string {
	return []string{envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))}
}

// unsetEmpty takes the variables of flags that are there and empty out of the
// environment, from which the flags are read: an EnvironmentFile has such lines for
// what somebody does not use.
func unsetEmpty(commands *cli.App) {
	for _, command := range commands.Commands {
		for _, flag := range command.Flags {
			for _, name := range flag.(cli.DocGenerationFlag).GetEnvVars() {
				if os.Getenv(name) == "" {
					_ = os.Unsetenv(name) // fails for no name that there is
				}
			}
		}
	}
}

// flags are the values of the flags that decide what a run does.
type flags struct {
	config, exportsFile string
	cloud, credentials  string
	serveAs             []string
	timeout             time.Duration
	exportfs, etab      string
	noPreflight         bool
	proofSocket         string
	adopt               []string

	// Of apply alone.
	approve     string
	lockTimeout time.Duration
	noReload    bool

	// approveCommand is the command line that carries out what this one refuses, but
	// for the plan id behind --approve.
	approveCommand string
	// approveLater is the same after the files to adopt were adopted.
	approveLater string
}

// readFlags gives the values of the flags, or a *usageError.
func readFlags(c *cli.Context) (flags, error) {
	f := flags{
		config:         c.String(flagConfig),
		exportsFile:    c.String(flagExportsFile),
		cloud:          c.String(flagOSCloud),
		credentials:    c.String(flagCredentials),
		timeout:        c.Duration(flagTimeout),
		exportfs:       c.String(flagExportfs),
		etab:           c.String(flagEtab),
		noPreflight:    c.Bool(flagNoPreflight),
		proofSocket:    c.String(flagProofSocket),
		adopt:          c.StringSlice(flagAdopt),
		approve:        c.String(flagApprove),
		lockTimeout:    c.Duration(flagLockTimeout),
		noReload:       c.Bool(flagNoReload),
		approveCommand: approveCommand(c),
		approveLater:   approveCommand(c, flagAdopt),
	}
	for _, host := range c.StringSlice(flagServeAs) {
		name, ok := config.CanonicalHost(host)
		if addr, err := netip.ParseAddr(host); err == nil {
			name, ok = addr.Unmap().String(), true
		}
		if !ok {
			return f, &usageError{fmt.Errorf("--%s: %q is not a host name", flagServeAs, host)}
		}
		f.serveAs = append(f.serveAs, name)
	}
	switch {
	case exportfs.Ignores(f.exportsFile):
		return f, &usageError{fmt.Errorf("--%s: exportfs does not read a file of the name %q: it must end in .exports, and not begin with a dot", flagExportsFile, f.exportsFile)}
	case f.timeout <= 0:
		return f, &usageError{fmt.Errorf("--%s must be more than zero", flagTimeout)}
	case f.noReload && len(f.adopt) > 0:
		return f, &usageError{fmt.Errorf("--%s needs exportfs to be run: leave out --%s", flagAdopt, flagNoReload)}
	}
	return f, nil
}

// textOrJSON is the value of a flag that is one or the other.
func textOrJSON(c *cli.Context, flag string) (string, error) {
	format := c.String(flag)
	if format != "text" && format != "json" {
		return "", &usageError{fmt.Errorf("--%s: %q is not text or json", flag, format)}
	}
	return format, nil
}

// newLog gives the log that the flags ask for, or a *usageError.
func newLog(c *cli.Context, progress *progress) (*slog.Logger, error) {
	var level slog.Level
	name := c.String(flagLogLevel)
	if err := level.UnmarshalText([]byte(name)); err != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, name) {
		return nil, &usageError{fmt.Errorf("--%s: %q is not debug, info, warn or error", flagLogLevel, name)}
	}
	format, err := textOrJSON(c, flagLogFormat)
	if err != nil {
		return nil, err
	}
	return newLogger(progress, format, level), nil
}

// notForApproval are flags that say nothing about what is to be done: the person who
// approves a plan uses others.
var notForApproval = []string{flagLogLevel, flagLogFormat, flagProofSocket}

// approveCommand is the command line that carries out what this one refuses, but for
// the plan id and some flags.
func approveCommand(c *cli.Context, without ...string) string {
	words := []string{c.App.Name, "apply"}
	for _, flag := range commonFlags() {
		name := flag.Names()[0]
		if !c.IsSet(name) || slices.Contains(notForApproval, name) || slices.Contains(without, name) {
			continue
		}
		switch flag.(type) {
		case *cli.BoolFlag:
			words = append(words, "--"+name)
		case *cli.StringSliceFlag:
			for _, value := range c.StringSlice(name) {
				words = append(words, "--"+name, shellQuote(value))
			}
		default:
			words = append(words, "--"+name, shellQuote(fmt.Sprint(c.Value(name))))
		}
	}
	if file := c.String(flagMetricsFile); file != "" {
		words = append(words, "--"+flagMetricsFile, shellQuote(file))
	}
	return strings.Join(words, " ")
}

// shellQuote writes a word so that a POSIX shell reads it as itself.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=@%+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
