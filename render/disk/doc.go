// Package disk reads files that others may replace meanwhile, and explains what
// goes wrong with files: what packages exportfs and install both need.
package disk
