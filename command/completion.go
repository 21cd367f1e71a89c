package command

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"nfs-exportd/dist/completion"
)

func completionCommand(action cli.ActionFunc) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print what makes a shell complete the command line",
		ArgsUsage: "bash|zsh|fish",
		Action:    action,
	}
}

// completion prints the file that makes a shell complete our command line.
func (a App) completion(c *cli.Context) error {
	text, ok := completion.For(c.Args().First())
	if !ok || c.NArg() != 1 {
		return &usageError{fmt.Errorf("completion is for one of bash, zsh and fish")}
	}
	if _, err := a.Stdout.Write(text); err != nil {
		return &outputError{err}
	}
	return nil
}
