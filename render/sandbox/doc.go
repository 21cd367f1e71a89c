// Package sandbox makes test runs of exportfs: the host's own exportfs reads a new
// exports file in namespaces of its own, where nothing that it does has an effect.
package sandbox
