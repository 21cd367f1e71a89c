package disk

import (
	"strconv"
	"strings"
)

// maxQuoted is how many bytes of a path error messages show.
const maxQuoted = 200

// quotePath returns a path as it is if it is safe to print, else in quotes.
func quotePath(path string) string {
	switch quoted := strconv.QuoteToASCII(path); {
	case quoted == `"`+path+`"` && !strings.Contains(path, " "):
		return path
	case len(path) > maxQuoted:
		return strconv.QuoteToASCII(path[:maxQuoted]) + "..."
	default:
		return quoted
	}
}
