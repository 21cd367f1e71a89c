package install

import (
	"errors"
	"fmt"
	"strings"

	"nfs-exportd/printable"
	"nfs-exportd/render/exportfs"
)

// ActivationError means that the active table did not become what was asked
// for. It says how far everything is as before.
type ActivationError struct {
	Differences   []string     // of the table, ASCII
	Ran           exportfs.Ran // of the run that failed
	Err           error        // why the run or the reading of the table failed, or nil
	FileRestored  bool         // the exports file and the adopted ones are as before
	TableRestored bool         // the active table is as before
	LeftOut       []string     // paths that are symbolic links by now, whose lines were not put back
	RestoreErr    error        // why something is not as before, or nil
}

// Unwrap returns Err and RestoreErr.
func (e *ActivationError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Err, e.RestoreErr} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// maxNamed is how many differences an error names before it counts the rest.
const maxNamed = 10

// Error says what is wrong, what is as before, and what to do.
func (e *ActivationError) Error() string {
	var b strings.Builder
	b.WriteString("the active table did not become what was asked for: ")
	if e.Err != nil {
		fmt.Fprintf(&b, "%s; ", e.Err)
	}
	for _, d := range e.Differences[:min(len(e.Differences), maxNamed)] {
		fmt.Fprintf(&b, "%s; ", d)
	}
	if more := len(e.Differences) - maxNamed; more > 0 {
		fmt.Fprintf(&b, "and %d more; ", more)
	}
	var run *exportfs.Error // has what exportfs said
	if e.Err == nil || e.Ran.Said != "" && !errors.As(e.Err, &run) {
		fmt.Fprintf(&b, "%s; ", e.Ran)
	}
	if all := e.FileRestored && e.TableRestored; e.RestoreErr != nil && !all {
		fmt.Fprintf(&b, "undoing it failed: %s; ", e.RestoreErr)
	}
	for _, path := range e.LeftOut[:min(len(e.LeftOut), maxNamed)] {
		fmt.Fprintf(&b, "%s is a symbolic link by now, and its lines were not put back; ", printable.Word(path))
	}
	switch {
	case e.FileRestored && e.TableRestored:
		b.WriteString("the exports file and the active table are as before: mend what exportfs speaks of and run again")
	case e.FileRestored:
		b.WriteString(`the exports file is as before, but the active table is not, so clients may have lost access: run "exportfs -ra" and compare "exportfs -s" with the exports files`)
	default:
		b.WriteString(`THE NEW EXPORTS FILE IS STILL THERE: see why it cannot be put back, then run "exportfs -ra" and compare "exportfs -s" with the exports files`)
	}
	return b.String()
}

// why returns what is wrong, in short.
func (e *ActivationError) why() string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case len(e.Differences) > 1:
		return fmt.Sprintf("%s, and %d more; %s", e.Differences[0], len(e.Differences)-1, e.Ran)
	}
	return fmt.Sprintf("%s; %s", strings.Join(e.Differences, ""), e.Ran)
}
