package command

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"
)

func applyCommand(action cli.ActionFunc) *cli.Command {
	return &cli.Command{
		Name:  "apply",
		Usage: "bring the exports file and the active exports up to date",
		Flags: slices.Concat(commonFlags(), []cli.Flag{
			// No variable: one that is left in an EnvironmentFile would approve unread plans.
			&cli.StringFlag{Name: flagApprove, Usage: "carry out the plan with this `PLAN-ID` although it was refused"},
			&cli.BoolFlag{Name: flagNoReload, Usage: "write the file only, do not run exportfs", EnvVars: env(flagNoReload)},
			&cli.DurationFlag{Name: flagLockTimeout, Usage: "how long to wait for another run", EnvVars: env(flagLockTimeout)},
			&cli.StringFlag{Name: flagMetricsFile, TakesFile: true, Usage: "write metrics of the run to `FILE`, for the textfile collector of node_exporter", EnvVars: env(flagMetricsFile)},
		}),
		Action: action,
	}
}

// apply brings the exports file and the active exports up to date.
func apply(ctx context.Context, _ *cli.Context, j job) error {
	r, err := j.run(ctx, func(r result) error { return printed(r.printText, j.Stdout) })
	j.metrics.note(r, err)
	if err != nil {
		return err
	}
	if r.installed {
		if _, err := fmt.Fprintln(j.Stdout, "applied"); err != nil {
			j.log.Warn(fmt.Sprintf("all is done, but it cannot be said on standard output: %s", err))
		}
	}
	return j.reportFrozen(r)
}
