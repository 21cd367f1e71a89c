// Package render is everything that knows exports(5): the text of the exports
// file, the file on disk, exportfs(8) and the active table that it writes.
//
// It decides nothing about who may have what; package exports does.
//
// These files do no I/O and are functions of their arguments:
// text.go, parse.go, diff.go, grammar.go, options.go, agree.go, versionsort.go,
// and table.go but for ReadTable. The others look at the disk or write to it
// (file.go, paths.go, foreign.go, adopt.go), run programs (exportfs.go,
// sandbox.go, and sandbox_child.go inside of what that starts), or put it all
// together (install.go, proof.go).
package render
