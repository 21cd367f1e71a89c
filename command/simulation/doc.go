// Package simulation has a test that lives through years of an NFS server in a
// cloud in minutes: instances, projects, roles, cells, disks and exportfs come, go
// and fail by chance, and each run of the program is judged by what the simulation
// knows of its world.
package simulation
