package render

import (
	"strconv"

	"nfs-exportd/exports"
)

// maxQuoted is how many bytes error messages show of a text that others chose.
const maxQuoted = 200

// Quote returns s in quotes and in ASCII, cut at 200 bytes. It is safe to print.
func Quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.QuoteToASCII(s[:maxQuoted]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// QuotePath returns a path as it is if it is safe to print, else Quote of it.
func QuotePath(path string) string {
	if unsafeBytes(path, `"\`, "") == "" {
		return path
	}
	return Quote(path)
}

// QuoteWord returns a client or options as they are if exportfs could have
// written them, else Quote of them.
func QuoteWord(s string) string {
	if s != "" && len(s) <= maxToken && unsafeBytes(s, `"\`, "") == "" {
		return s
	}
	return Quote(s)
}

// PlaceText names a place for people, in ASCII.
func PlaceText(p exports.Place) string {
	return QuotePath(p.Path) + " for " + QuoteWord(p.Client.String())
}
