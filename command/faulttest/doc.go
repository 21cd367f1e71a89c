// Package faulttest has the tests that run the whole program while something is
// wrong: with every request to the cloud (matrix_test.go), with the machine
// (disk_test.go), with what people write (config_rows_test.go), and while it is
// killed or gets signals. Each failure is held to its exit status and its message,
// and to an exports file and an active table that did not change.
//
// What the tests see makes docs/failure-states.md.
package faulttest
