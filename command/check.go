package command

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"nfs-exportd/printable"
)

func checkCommand(action cli.ActionFunc) *cli.Command {
	return &cli.Command{
		Name:   "check",
		Usage:  "go through all that a run depends on, step by step",
		Flags:  append(commonFlags(), formatFlag()),
		Action: action,
	}
}

// checkError is the first step that failed.
type checkError struct {
	step string
	err  error
}

func (e *checkError) Error() string { return fmt.Sprintf("check: %s failed: %s", e.step, e.err) }
func (e *checkError) Unwrap() error { return e.err }

// check goes through a run, and prints what each step came to.
func check(ctx context.Context, c *cli.Context, j job) error {
	format, err := textOrJSON(c, flagFormat)
	if err != nil {
		return err
	}
	err = j.takeSteps(ctx)
	print := j.steps.printText
	if format == "json" {
		print = func(w io.Writer) error { return j.steps.printJSON(w, exitStatus(ctx, err)) }
	}
	if failed := printed(print, j.Stdout); failed != nil {
		return failed
	}
	return err
}

// takeSteps goes through the run. The error is the first *checkError.
func (j job) takeSteps(ctx context.Context) error {
	defer j.showProgress("checking")()
	if _, err := j.run(ctx, nil); err != nil {
		return &checkError{j.steps.failed, err}
	}
	return nil
}

// printText prints one line for each step.
func (s *steps) printText(w io.Writer) error {
	width := 0
	for _, f := range s.findings {
		width = max(width, len(f.Step))
	}
	var b strings.Builder
	for _, f := range s.findings {
		line := fmt.Sprintf("%-11s  %-*s  %s", f.State, width, f.Step, printable.Line(f.Says))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// checkJSON is the JSON form of all steps, see "JSON" in nfs-exportd(8).
type checkJSON struct {
	Status int       `json:"status"`
	Steps  []finding `json:"steps"`
}

// printJSON prints all steps as one object.
func (s *steps) printJSON(w io.Writer, status int) error {
	return printJSON(w, checkJSON{status, s.findings})
}
