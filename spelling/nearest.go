// Package spelling guesses what a mistyped word was meant to be.
package spelling

import (
	"slices"
	"strings"

	"github.com/xrash/smetrics"
)

// Nearest gives the known word that a mistyped one was most likely meant to
// be, or nothing.
func Nearest(word string, known []string) string {
	word = strings.ToLower(word)
	best, distance := "", 3
	for _, k := range known {
		lower := strings.ToLower(k)
		if diff := len(word) - len(lower); diff > 2 || diff < -2 {
			continue // without the work
		}
		d := smetrics.WagnerFischer(word, lower, 1, 1, 1)
		if sortedWords(word) == sortedWords(lower) {
			d = 1 // removed_max
		}
		if d < distance && d <= max(1, len(k)/3) {
			best, distance = k, d
		}
	}
	return best
}

// sortedWords gives the words of a key in alphabetical order.
func sortedWords(key string) string {
	words := strings.FieldsFunc(key, func(r rune) bool { return strings.ContainsRune("_-. ", r) })
	slices.Sort(words)
	return strings.Join(words, "_")
}
