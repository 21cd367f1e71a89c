package main

// failureRow is one state of failure that a test makes, as docs/failure-states.md
// has it.
type failureRow struct {
	Fault  string // what is wrong, as a person would say it
	Status int
	Says   string // a part of the message, which the test looks for
	Do     string // what to do, in one sentence
}
