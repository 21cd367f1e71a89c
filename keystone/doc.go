// Package keystone is the conversation with OpenStack, Nova included: it finds
// credentials, logs in and reads an [exports.Inventory].
//
// An inventory is complete, or there is an error. Whatever is refused
// ([RefusedError]), not to be had ([UnavailableError]) or odd
// ([UntrustedError]) ends the reading; nothing is left out, guessed or taken
// for empty.
package keystone
