// Command nfs-exportd keeps the exports file of an NFS server in an OpenStack
// cloud in step with a configuration and with what Keystone and Nova say.
//
// This file has the commands and their flags, and is the only place that turns
// errors into exit statuses. The other files of this package wire the packages
// together: run.go computes a plan, report.go prints it, check.go and explain.go
// are commands for people, json.go is for programs, resolve.go asks the resolver,
// log.go writes the log, metrics.go the metrics, terminal.go what only a terminal
// gets, completion.go what shells want to know.
//
// Standard output is the result, standard error the log. Nothing to do is
// nothing printed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"nfs-exportd/exports"
	"nfs-exportd/keystone"
	"nfs-exportd/render"
	renderdisk "nfs-exportd/render/disk"
	"nfs-exportd/render/exportfs"
	"nfs-exportd/render/install"
	"nfs-exportd/render/sandbox"
)

// version is set by the linker in packages; otherwise the build information
// tells.
var version = ""

func main() {
	if status, ok := sandbox.Part(os.Args); ok {
		os.Exit(status)
	}
	ctx, stop := untilSignal(context.Background())
	defer stop()
	a := app{
		stdout: os.Stdout,
		stderr: os.Stderr,
		getenv: os.Getenv,
		now:    time.Now,
		lookup: net.DefaultResolver.LookupNetIP,
		local:  localAddresses,
		sleep:  nil,
		flush:  exportfs.KernelFlush,
	}
	os.Exit(a.run(ctx, os.Args))
}

// app is what the program needs from outside.
type app struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	lookup         lookupFunc
	local          func() ([]netip.Addr, error)
	sleep          func(context.Context, time.Duration) error // nil: the real one
	flush          string                                     // exportfs.KernelFlush, or what stands for it
	// patience is for one run of exportfs; 0 is exportfsTimeout.
	patience time.Duration

	log      *slog.Logger
	progress *progress // on stderr, beside the log
	metrics  *metrics  // nil: none are asked for
}

// signalled is the cause of a context that a signal ended.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string {
	return fmt.Sprintf("ended by a signal (%s); nothing was changed: run again", s.Signal)
}

// untilSignal gives a context that SIGHUP, SIGINT and SIGTERM end, but for those
// that the program was started to ignore, as by nohup(1).
func untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	// It would end the program in the middle of its work. Once somebody asks for
	// it, what is written to nobody fails instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		select {
		case s := <-signals:
			cancel(signalled{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// run is the whole program but for the process around it. It gives the exit
// status.
func (a *app) run(ctx context.Context, args []string) int {
	a.progress = &progress{w: a.stderr, terminal: isTerminal(a.stderr)}
	a.log, a.metrics = newLogger(a.progress, "text", slog.LevelWarn), nil
	status := a.orBug(func() int {
		commands := a.commands()
		unsetEmpty(commands)
		err := commands.RunContext(ctx, flagsFirst(commands, args))
		if err != nil && !errors.Is(err, errChanges) {
			a.log.Error(err.Error())
		}
		return exitStatus(ctx, err)
	})
	return a.orBug(func() int { return a.publish(ctx, status) })
}

// orBug gives the exit status of a part of the program, or that of a bug if it
// panics.
func (a *app) orBug(part func() int) (status int) {
	defer func() {
		if r := recover(); r != nil {
			a.log.Error(fmt.Sprintf("this is a bug, please report it; nothing was changed unless the log above says so: %v\n%s", r, debug.Stack()))
			status = exitBug
		}
	}()
	return part()
}

// Exit statuses, as in sysexits.h(3head) and "EXIT STATUS" of nfs-exportd(8).
const (
	exitOK            = 0
	exitChanges       = 2
	exitUsage         = 64
	exitRefused       = 65
	exitUnavailable   = 69
	exitBug           = 70
	exitExportfs      = 71
	exitCannotWrite   = 73
	exitTemporary     = 75
	exitUntrusted     = 76
	exitNoPermission  = 77
	exitConfiguration = 78
	exitSignal        = 128 // plus the signal's number
)

// exitStatus is the one place that knows which error is which exit status.
func exitStatus(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errChanges) {
		return exitChanges
	}
	var sig signalled
	if errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &sig) {
		return exitSignal + int(sig.Signal)
	}
	if errors.Is(err, syscall.EPIPE) && is[*outputError](err) {
		return exitSignal + int(syscall.SIGPIPE)
	}
	if unclear, ok := errors.AsType[*exports.UnclearError](err); ok {
		switch unclear.Doubt() {
		case exports.ProjectHidden:
			return exitNoPermission
		case exports.InstanceSilent:
			return exitUntrusted
		default:
			return exitUnavailable
		}
	}
	for _, row := range []struct {
		is     func(error) bool
		status int
	}{
		{is[*usageError], exitUsage},

		{is[*exports.ClaimedTwiceError], exitRefused},
		{is[*refusedError], exitRefused},

		{is[*keystone.UnavailableError], exitUnavailable},

		{is[*render.UnsafeError], exitBug},
		{is[*sandbox.MismatchError], exitBug},

		// A failed installation carries what failed in it: its own status
		// comes first.
		{is[*install.ActivationError], exitExportfs},
		{is[*exportfs.Error], exitExportfs},
		{is[*sandbox.ServiceError], exitExportfs},
		{is[*render.TableError], exitExportfs},

		{isChanged, exitTemporary},
		{is[*install.LockedError], exitTemporary},
		{is[*renderdisk.Error], exitCannotWrite},
		{is[*outputError], exitCannotWrite},

		{is[*keystone.UntrustedError], exitUntrusted},
		{is[*exports.AddressError], exitUntrusted},

		{is[*keystone.RefusedError], exitNoPermission},

		{is[*configError], exitConfiguration},
		{is[*keystone.CredentialsError], exitConfiguration},
		{is[*install.AdoptError], exitConfiguration},
		{is[*exportfs.PathProblem], exitConfiguration},
		{is[*sandbox.RejectedError], exitConfiguration},
	} {
		if row.is(err) {
			return row.status
		}
	}
	return exitBug
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func isChanged(err error) bool { return errors.Is(err, install.ErrChanged) }

// errChanges has no text: it is the answer of "plan --detailed-exitcode".
var errChanges = errors.New("there are changes")

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string {
	return fmt.Sprintf("%s; see nfs-exportd --help", e.err)
}

func (e *usageError) Unwrap() error { return e.err }

// outputError is a result that could not be printed: a plan, or what check or explain
// found.
type outputError struct{ err error }

func (e *outputError) Error() string {
	return fmt.Sprintf("cannot print the result: %s; nothing was changed: run again with a standard output that takes it", e.err)
}

func (e *outputError) Unwrap() error { return e.err }

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

	commandCompletion = "completion"

	defaultCredsFile = "/etc/novaobserver.yaml"
)

// commands describes the command line.
func (a *app) commands() *cli.App {
	usage := func(_ *cli.Context, err error, _ bool) error { return &usageError{err} }
	command := func(c *cli.Command, action func(*cli.Context) error) *cli.Command {
		c.OnUsageError = usage
		c.HideHelpCommand = true
		c.UsageText = strings.TrimSpace("nfs-exportd " + c.Name + " " + c.ArgsUsage)
		if len(c.Flags) > 0 {
			c.Before = a.openLog
			c.UsageText += " [flags]"
		}
		c.Action = func(c *cli.Context) error {
			if c.NArg() > 0 && c.Command.ArgsUsage == "" {
				return &usageError{fmt.Errorf("unexpected argument %q", c.Args().First())}
			}
			return action(c)
		}
		return c
	}
	return &cli.App{
		Name:            "nfs-exportd",
		Usage:           "keep an NFS server's exports in step with an OpenStack cloud",
		Version:         versionText(),
		HideHelpCommand: true,
		Suggest:         true,
		Writer:          a.stdout,
		ErrWriter:       a.stderr,
		OnUsageError:    usage,
		// Exit statuses are exitStatus's business alone.
		ExitErrHandler: func(*cli.Context, error) {},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return &usageError{fmt.Errorf("unknown command %q", c.Args().First())}
			}
			return &usageError{errors.New("a command is missing: plan, apply, check or explain")}
		},
		Commands: []*cli.Command{
			command(&cli.Command{
				Name:        "plan",
				Usage:       "show what apply would change, and write nothing",
				Description: statusHelp,
				Flags: slices.Concat(commonFlags(), []cli.Flag{
					&cli.BoolFlag{Name: flagDetailed, Usage: "exit with 2 if there are changes", EnvVars: env(flagDetailed)},
					formatFlag(),
					&cli.StringFlag{Name: flagColor, Usage: "auto, always or never", Value: "auto", EnvVars: env(flagColor)},
				}),
			}, a.plan),
			command(&cli.Command{
				Name:        "apply",
				Usage:       "bring the exports file and the active exports up to date",
				Description: statusHelp,
				Flags: slices.Concat(commonFlags(), []cli.Flag{
					&cli.StringFlag{Name: flagApprove, Usage: "carry out the plan with this `PLAN-ID` although it was refused", EnvVars: env(flagApprove)},
					&cli.BoolFlag{Name: flagNoReload, Usage: "write the file only, do not run exportfs", EnvVars: env(flagNoReload)},
					&cli.DurationFlag{Name: flagLockTimeout, Usage: "how long to wait for another run", EnvVars: env(flagLockTimeout)},
					&cli.StringFlag{Name: flagMetricsFile, TakesFile: true, Usage: "write metrics of the run to `FILE`, for the textfile collector of node_exporter", EnvVars: env(flagMetricsFile)},
				}),
			}, a.apply),
			command(&cli.Command{
				Name:        "check",
				Usage:       "go through all that a run depends on, step by step",
				Description: statusHelp,
				Flags:       slices.Concat(commonFlags(), []cli.Flag{formatFlag()}),
			}, a.check),
			command(&cli.Command{
				Name:        "explain",
				Usage:       "tell everything that is known about one address",
				ArgsUsage:   "ADDRESS",
				Description: statusHelp,
				Flags:       commonFlags(),
			}, a.explain),
			command(&cli.Command{
				Name:      commandCompletion,
				Usage:     "print what makes a shell complete the command line",
				ArgsUsage: "bash|zsh|fish",
			}, a.completion),
		},
	}
}

const statusHelp = `Exit status: 0 done, nothing to do, or held; 2 changes (plan --detailed-exitcode);
64 usage; 65 refused as not safe; 69 cloud or DNS unavailable; 70 a bug;
71 exportfs failed, the old file is back; 73 cannot write; 75 locked or changed
by another; 76 an answer that cannot be trusted; 77 refused by the cloud;
78 configuration. See nfs-exportd(8).`

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
		&cli.StringFlag{Name: flagEtab, TakesFile: true, Usage: "the table of active exports", Value: "/var/lib/nfs/etab", EnvVars: env(flagEtab)},
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

// settings gives the flags that plan and apply share.
func (a *app) settings(c *cli.Context) (settings, error) {
	s := settings{
		config:      c.String(flagConfig),
		exportsFile: c.String(flagExportsFile),
		cloud:       c.String(flagOSCloud),
		credentials: c.String(flagCredentials),
		timeout:     c.Duration(flagTimeout),
		exportfs:    c.String(flagExportfs),
		etab:        c.String(flagEtab),
		noPreflight: c.Bool(flagNoPreflight),
		proofSocket: c.String(flagProofSocket),
		adopt:       c.StringSlice(flagAdopt),
	}
	for _, host := range c.StringSlice(flagServeAs) {
		name, ok := exports.CanonicalHost(host)
		if addr, err := netip.ParseAddr(host); err == nil {
			name, ok = addr.Unmap().String(), true
		}
		if !ok {
			return settings{}, &usageError{fmt.Errorf("--%s: %q is not a host name", flagServeAs, host)}
		}
		s.serveAs = append(s.serveAs, name)
	}
	if exportfs.Ignores(s.exportsFile) {
		return settings{}, &usageError{fmt.Errorf("--%s: exportfs does not read a file of the name %q: it must end in .exports, and not begin with a dot", flagExportsFile, s.exportsFile)}
	}
	if s.timeout <= 0 {
		return settings{}, &usageError{fmt.Errorf("--%s must be more than zero", flagTimeout)}
	}
	return s, nil
}

// textOrJSON is the value of a flag that is one or the other.
func textOrJSON(c *cli.Context, flag string) (string, error) {
	format := c.String(flag)
	if format != "text" && format != "json" {
		return "", &usageError{fmt.Errorf("--%s: %q is not text or json", flag, format)}
	}
	return format, nil
}

// openLog replaces the log by the one that the flags ask for.
func (a *app) openLog(c *cli.Context) error {
	var level slog.Level
	name := c.String(flagLogLevel)
	if err := level.UnmarshalText([]byte(name)); err != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, name) {
		return &usageError{fmt.Errorf("--%s: %q is not debug, info, warn or error", flagLogLevel, name)}
	}
	format, err := textOrJSON(c, flagLogFormat)
	if err != nil {
		return err
	}
	a.log = newLogger(a.progress, format, level)
	return nil
}

func (a *app) plan(c *cli.Context) error {
	s, err := a.settings(c)
	if err != nil {
		return err
	}
	format, err := textOrJSON(c, flagFormat)
	if err != nil {
		return err
	}
	colors, err := a.colors(c.String(flagColor))
	if err != nil {
		return err
	}
	o, err := a.compute(c.Context, s)
	if err != nil {
		return err
	}
	print, out := o.printText, a.stdout
	if colors {
		out = colored{out}
	}
	if format == "json" {
		print, out = o.printJSON, a.stdout
	}
	if err := print(out); err != nil {
		return &outputError{err}
	}
	if err := o.approved("", approveCommand(c, o)); err != nil {
		return err
	}
	if c.Bool(flagDetailed) && o.changes() {
		return errChanges
	}
	return nil
}

func (a *app) apply(c *cli.Context) error {
	if err := a.measure(c); err != nil {
		return err
	}
	s, err := a.settings(c)
	if err != nil {
		return err
	}
	s.lock, s.lockTimeout, s.noReload = true, c.Duration(flagLockTimeout), c.Bool(flagNoReload)
	if s.noReload && len(s.adopt) > 0 {
		return &usageError{fmt.Errorf("--%s needs exportfs to be run: leave out --%s", flagAdopt, flagNoReload)}
	}
	o, err := a.compute(c.Context, s)
	if err != nil {
		return err
	}
	defer o.unlock()
	if err := o.printText(a.stdout); err != nil {
		return &outputError{err}
	}
	refusal := o.approved(c.String(flagApprove), approveCommand(c, o))
	a.metrics.planned(o, refusal)
	if refusal != nil {
		return refusal
	}
	if !o.changes() {
		return nil
	}
	a.metrics.enter(phaseWrite)
	if err := a.install(c.Context, s, o); err != nil {
		return err
	}
	a.metrics.applied(o)
	if _, err := fmt.Fprintln(a.stdout, "applied"); err != nil {
		a.log.Warn(fmt.Sprintf("all is done, but it cannot be said on standard output: %s", err))
	}
	return nil
}

// ofTheCaller are flags that say nothing about what is to be done: who approves of
// a plan has others.
var ofTheCaller = []string{flagLogLevel, flagLogFormat, flagProofSocket}

// approveCommand is the command line that carries out what this run refuses.
func approveCommand(c *cli.Context, o *outcome) string {
	words := []string{c.App.Name, "apply"}
	for _, flag := range commonFlags() {
		name := flag.Names()[0]
		if !c.IsSet(name) || slices.Contains(ofTheCaller, name) {
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
	return strings.Join(append(words, "--"+flagApprove, o.id), " ")
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

// versionText tells version, commit and Go.
func versionText() string {
	v, commit := version, ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v == "" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = " commit " + s.Value
			}
		}
	}
	if v == "" {
		v = "(devel)"
	}
	return v + commit + " " + runtime.Version()
}
