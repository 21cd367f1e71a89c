package command

import (
	"context"
	"io"
	"slices"

	"github.com/urfave/cli/v2"
)

func planCommand(action cli.ActionFunc) *cli.Command {
	return &cli.Command{
		Name:  "plan",
		Usage: "show what apply would change, and write nothing",
		Flags: slices.Concat(commonFlags(), []cli.Flag{
			&cli.BoolFlag{Name: flagDetailed, Usage: "exit with 2 if there are changes", EnvVars: env(flagDetailed)},
			formatFlag(),
			&cli.StringFlag{Name: flagColor, Usage: "auto, always or never", Value: "auto", EnvVars: env(flagColor)},
		}),
		Action: action,
	}
}

// plan shows what apply would change, and writes nothing.
func plan(ctx context.Context, c *cli.Context, j job) error {
	format, err := textOrJSON(c, flagFormat)
	if err != nil {
		return err
	}
	colors, err := j.colors(c.String(flagColor))
	if err != nil {
		return err
	}
	r, err := j.run(ctx, func(r result) error {
		print, out := r.printText, j.Stdout
		switch {
		case format == "json":
			print = r.printJSON
		case colors:
			out = colored{out}
		}
		return printed(print, out)
	})
	if err != nil {
		return err
	}
	if c.Bool(flagDetailed) && r.changes() {
		_ = j.reportFrozen(r) // changes have the status of their own
		return errChanges
	}
	return j.reportFrozen(r)
}

// printed prints a result. The error is an *outputError.
func printed(print func(io.Writer) error, out io.Writer) error {
	if err := print(out); err != nil {
		return &outputError{err}
	}
	return nil
}
