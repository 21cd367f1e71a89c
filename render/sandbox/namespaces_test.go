//go:build !real

package sandbox

// mustHaveNamespaces makes tests fail, not skip, without namespaces.
const mustHaveNamespaces = false
