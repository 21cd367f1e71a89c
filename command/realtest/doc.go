// Package realtest has the tests that run the built program against the real
// Keystone, Nova, exportfs and Puppet of Debian, with the build tag real. They need
// root.
package realtest
