// Package render knows exports(5): the text of the exports file, of other exports
// files and of the active table, what lines and options mean, and the diff.
//
// It does no I/O. Package exports decides who may mount what; the packages below
// this one read and write files and run exportfs.
package render
