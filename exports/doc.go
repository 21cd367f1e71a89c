// Package exports decides what an NFS server should export to whom.
//
// It holds the configuration ([Config]), what the cloud said ([Inventory]), the
// grants that follow from both ([Build]) and the way there from today's grants
// ([Decide], [Limits.Check]). Everything is a function of
// its arguments: the package reads no file, asks no server, knows no time. It
// does not know how an exports file looks either; that is package render's.
//
// Two rules are above all others. What is unclear is an error, never a smaller
// result. And no grant of today is left out without a [Reason].
package exports
