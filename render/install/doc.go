// Package install puts a new exports file in place and makes it active: the file
// on disk and its lock, adopted files, the real run of exportfs, and the way back
// if that fails.
package install
