// Package keystone is the conversation with OpenStack, Nova included: it finds
// credentials, logs in and reads an [exports.Inventory].
//
// An inventory is complete, or there is an error. Whatever is refused
// ([RefusedError]), not to be had ([UnavailableError]) or odd
// ([UntrustedError]) ends the reading; nothing is left out, guessed or taken
// for empty.
//
// Gophercloud sends the requests, and that is all: its list helpers take many a
// broken answer for the end of a list, and follow links to any host with the
// token. The loops over pages and the decoding are this package's own.
package keystone
