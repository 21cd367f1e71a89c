package command

import (
	"slices"
	"strings"
)

// steps is told of each step of a run as it is made. A step that fails stops those
// after it, unless the run goes on: then only those that need its value.
type steps struct {
	goOn  bool
	begin func(step string) // is called at the begin of each step that is made

	findings []finding
	failed   string // the first step that failed
	err      error  // why
}

// finding is what one step came to.
type finding struct {
	Step  string    `json:"step"`
	State stepState `json:"state"`
	Says  string    `json:"says"`
	err   error
}

// stepState is how a step ended.
type stepState string

const (
	stateOK         stepState = "ok"
	stateWarning    stepState = "warning"
	stateFailed     stepState = "failed"
	stateNotReached stepState = "not reached"
)

// concern is what an operator should know although no run fails because of it. A step
// that ends with one has a value all the same.
type concern string

func (c concern) Error() string { return string(c) }

// concernAbout is a concern that says what was found, and what is odd about it; nil if
// nothing is.
func concernAbout(found string, odd []string) error {
	if len(odd) == 0 {
		return nil
	}
	if found != "" {
		odd = slices.Concat([]string{found}, odd)
	}
	return concern(strings.Join(odd, "; "))
}

// step makes a step of a run if what it needs is there (ready). It gives the step's
// value, and whether the step succeeded. What the step says is for check.
func step[T any](s *steps, name string, ready bool, do func() (T, string, error)) (value T, ok bool) {
	f := finding{Step: name, State: stateNotReached}
	if ready && (s.goOn || s.err == nil) {
		s.begin(name)
		value, f.Says, f.err = do()
		switch c, odd := f.err.(concern); {
		case odd:
			f.State, f.Says, ok = stateWarning, string(c), true
		case f.err != nil:
			f.State, f.Says = stateFailed, f.err.Error()
			if s.err == nil {
				s.failed, s.err = name, f.err
			}
		default:
			f.State, ok = stateOK, true
		}
	}
	s.findings = append(s.findings, f)
	return value, ok
}

// stepOnly is a step without a value.
func stepOnly(s *steps, name string, ready bool, do func() (string, error)) (ok bool) {
	_, ok = step(s, name, ready, func() (struct{}, string, error) {
		says, err := do()
		return struct{}{}, says, err
	})
	return ok
}
