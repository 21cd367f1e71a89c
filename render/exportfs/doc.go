// Package exportfs is this host's exportfs(8): the program, the exports files that
// it reads, the directories that it exports, the active table that it writes, and
// what the kernel knows of that table.
package exportfs
