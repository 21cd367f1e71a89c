// Package commandtest has what the tests of the whole program share: a server with
// a cloud ([World]), the program as a process whose resolver, clock and interfaces
// the environment describes ([Main]), and a stand-in for exportfs(8).
package commandtest
