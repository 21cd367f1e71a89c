// Package render is everything that knows exports(5): the text of the exports
// file, the file on disk, exportfs(8) and the active table that it writes.
//
// It decides nothing about who may have what; package exports does.
//
// These files do no I/O and are functions of their arguments: text.go,
// parse.go, diff.go, table.go but for ReadTable, agree.go, and the grammar in
// grammar.go. The others touch the disk or run processes: file.go, paths.go,
// foreign.go, adopt.go, exportfs.go, install.go, proof.go and proof_linux.go.
package render
