// Package command has the commands of nfs-exportd and their flags, and the order of a
// run (run.go), which all of them share. It is the only place that turns errors into
// exit statuses (exit.go).
//
// Standard output is the result, standard error the log. Nothing to do is
// nothing printed.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"
)

// App is the program, with all that it needs from outside.
type App struct {
	Version        string // "" takes that of the build information
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Lookup         Lookup
	ResolveName    ResolveName
	Local          func() ([]netip.Addr, error)               // the addresses of this server
	Sleep          func(context.Context, time.Duration) error // nil: the real one
	Flush          string                                     // render.KernelFlush, or what stands for it
	NFSConf        string                                     // exportfs.NFSConf; "": none
	ExportLock     string                                     // exportfs.LockFile; "": none
	Proc           string                                     // /proc, or what stands for it; "" has no NFS server
	// Self is os.Args[0], under which another process of this program looks at the
	// exported directories; with "" this one does.
	Self string
	// Patience is for one run of exportfs; 0 is two minutes.
	Patience time.Duration
	// LockPatience is for the lock of exportfs, besides --lock-timeout; 0 is ten seconds.
	LockPatience time.Duration

	gate *gate
}

// Run is the whole program but for the process around it. args are as in os.Args. It
// gives the exit status. A run that ctx ends before it writes does not delay that: if
// it does not come to an end by itself, as one that waits for a file system that does not
// answer, it is left behind.
func (a App) Run(ctx context.Context, args []string) int {
	a.gate = new(gate)
	done := make(chan int, 1)
	go func() { done <- a.run(ctx, args) }()
	select {
	case status := <-done:
		return status
	case <-ctx.Done():
	}
	ticker := time.NewTicker(untilLeft)
	defer ticker.Stop()
	for left := false; !left; {
		select {
		case status := <-done:
			return status
		case <-ticker.C:
			left = a.gate.leave() // else what is being written is finished first
		}
	}
	newLogger(a.Stderr, "text", slog.LevelWarn).Error(fmt.Sprintf("%s; the run was waiting, perhaps for a file system that does not answer", context.Cause(ctx)))
	return exitStatus(ctx, ctx.Err())
}

func (a App) run(ctx context.Context, args []string) int {
	progress := &progress{w: a.Stderr, terminal: isTerminal(a.Stderr)}
	log := newLogger(progress, "text", slog.LevelWarn)
	return orBug(log, func() int {
		commands := a.commands(progress)
		unsetEmpty(commands)
		err := commands.RunContext(ctx, flagsFirst(commands, args))
		if status, ok := errors.AsType[ended](err); ok {
			return int(status)
		}
		if err != nil {
			log.Error(err.Error())
		}
		return exitStatus(ctx, err)
	})
}

// orBug gives the exit status of a part of the program, or that of a bug if it
// panics.
func orBug(log *slog.Logger, part func() int) (status int) {
	defer func() {
		if r := recover(); r != nil {
			log.Error(fmt.Sprintf("this is a bug, please report it; nothing was changed unless the log above says so: %v\n%s", r, debug.Stack()))
			status = ExitBug
		}
	}()
	return part()
}

// ended is a command that has said how it ended, with its exit status.
type ended int

func (e ended) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// action makes the action of a command with flags: the log and the values that the
// flags ask for, then what the command does, and in the end its metrics.
func (a App) action(purpose purpose, progress *progress, do func(context.Context, *cli.Context, job) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		log, err := newLog(c, progress)
		if err != nil {
			return err
		}
		j := job{App: a, purpose: purpose, log: log, progress: progress, requests: new(atomic.Int64)}
		status := orBug(log, func() int {
			err := j.begin(c)
			if err == nil {
				err = do(c.Context, c, j)
			}
			if err != nil && !isOutcome(err) {
				log.Error(err.Error())
			}
			return exitStatus(c.Context, err)
		})
		status = orBug(log, func() int { return j.publish(c.Context, status) })
		if status != ExitOK {
			return ended(status)
		}
		return nil
	}
}

// begin reads the flags.
func (j *job) begin(c *cli.Context) (err error) {
	if c.NArg() > 0 && c.Command.ArgsUsage == "" {
		return &usageError{fmt.Errorf("unexpected argument %q", c.Args().First())}
	}
	if j.metrics, err = j.measure(c); err != nil {
		return err
	}
	if j.flags, err = readFlags(c); err != nil {
		return err
	}
	if err = j.findTable(c); err != nil {
		return err
	}
	j.steps = &steps{goOn: j.purpose == toCheck || j.purpose == toExplain, begin: func(name string) {
		j.metrics.enter(phaseOf[name])
		if j.purpose == toCheck {
			j.progress.now("checking " + name)
		}
	}}
	return nil
}

// warn logs warnings of plan and apply. check and explain say such things themselves.
func (j job) warn(warnings ...string) {
	if j.steps.goOn {
		return
	}
	for _, warning := range warnings {
		j.log.Warn(warning)
	}
}

// commands describes the command line.
func (a App) commands(progress *progress) *cli.App {
	usage := func(_ *cli.Context, err error, _ bool) error { return &usageError{err} }
	commands := []*cli.Command{
		planCommand(a.action(toPlan, progress, plan)),
		applyCommand(a.action(toApply, progress, apply)),
		checkCommand(a.action(toCheck, progress, check)),
		explainCommand(a.action(toExplain, progress, explain)),
		completionCommand(a.completion),
	}
	for _, c := range commands {
		c.OnUsageError = usage
		c.HideHelpCommand = true
		c.UsageText = strings.TrimSpace("nfs-exportd " + c.Name + " " + c.ArgsUsage)
		if len(c.Flags) > 0 {
			c.UsageText += " [flags]"
			c.Description = statusHelp
		}
	}
	return &cli.App{
		Name:            "nfs-exportd",
		Usage:           "keep an NFS server's exports in step with an OpenStack cloud",
		Version:         a.version(),
		HideHelpCommand: true,
		Suggest:         true,
		Writer:          a.Stdout,
		ErrWriter:       a.Stderr,
		OnUsageError:    usage,
		// Exit statuses are exitStatus's business alone.
		ExitErrHandler: func(*cli.Context, error) {},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return &usageError{fmt.Errorf("unknown command %q", c.Args().First())}
			}
			return &usageError{errors.New("a command is missing: plan, apply, check or explain")}
		},
		Commands: commands,
	}
}

const statusHelp = `Exit status: 0 done, nothing to do, or held; 2 changes (plan --detailed-exitcode);
64 usage; 65 refused as a whole; 69 cloud or DNS unavailable; 70 a bug;
71 exportfs failed, the old file is back; 73 cannot write; 75 locked or changed
by another; 76 an answer that cannot be trusted; 77 refused by the cloud;
78 configuration; 79 done, but places are frozen. See nfs-exportd(8).`

// version tells version, commit and Go.
func (a App) version() string {
	v, commit := a.Version, ""
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

// shortVersion is the version alone.
func (a App) shortVersion() string { return strings.Fields(a.version())[0] }
