package command

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"
)

// apply brings the exports file and the active exports up to date.
func apply(ctx context.Context, _ *cli.Context, j job) error {
	r, err := j.run(ctx, func(r result) error { return printed(r.printText, j.Stdout) })
	j.metrics.note(r, err)
	if err != nil || !r.installed {
		return err
	}
	if _, err := fmt.Fprintln(j.Stdout, "applied"); err != nil {
		j.log.Warn(fmt.Sprintf("all is done, but it cannot be said on standard output: %s", err))
	}
	return nil
}
