//go:build !real

package render

// mustHaveNamespaces makes tests fail, not skip, without namespaces.
const mustHaveNamespaces = false
