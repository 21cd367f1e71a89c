package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile has what a terminal obeys, in UTF-8 and in bytes that are not.
const hostile = "a\u009b31m\u202e\U000e0001\"é\u2028\x7f\x1b[2J\x9b31m"

// TestLogHostile: in both formats nothing in a message or an attribute is for a
// terminal to obey.
func TestLogHostile(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		var b bytes.Buffer
		log := newLogger(&b, format, slog.LevelWarn)
		log.With("with", hostile).Warn(hostile, "text", hostile, "error", errors.New(hostile))
		// Without a blank or a quote that would put it in quotes anyway.
		for _, text := range []string{"a\x9b31m", "a\xff", "\u009b", "\u202e", "\x7f"} {
			log.Warn("odd", "text", text)
		}
		if lines := strings.Count(b.String(), "\n"); lines != 6 {
			t.Errorf("%s: %d lines", format, lines)
		}
		for _, r := range b.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%s: %U is raw in %q", format, r, b.String())
			}
		}
		if !utf8.Valid(b.Bytes()) {
			t.Errorf("%s: not UTF-8: %q", format, b.String())
		}
	}
}

// TestLogAttributes: what looks like one word needs no quotes.
func TestLogAttributes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a ", 1000)
	for value, want := range map[string]string{
		"word":       "key=word",
		"/srv/a:b":   "key=/srv/a:b",
		"":           `key=""`,
		"two words":  `key="two words"`,
		"a=b":        `key="a=b"`,
		`a"b`:        `key="a\"b"`,
		"é":          `key="é"`,
		"two\nlines": `key="two\nlines"`,
		long:         `key="` + long + `"`,
		"\x9b31m":    `key="\x9b31m"`,
	} {
		var b bytes.Buffer
		newLogger(&b, "text", slog.LevelWarn).Warn("message", "key", value)
		if got, want := b.String(), "nfs-exportd: warn: message "+want+"\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestPrintJSONHostile: the result has the same for people and programs as the log.
func TestPrintJSONHostile(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := printJSON(&b, hostile); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), `"a\u009b31m\u202e\udb40\udc01\"é\u2028\u007f\u001b[2J\ufffd31m"`+"\n"; got != want {
		t.Errorf("%s instead of %s", got, want)
	}
	var got string
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got != strings.ToValidUTF8(hostile, "\ufffd") {
		t.Errorf("%+q, %v", got, err)
	}
}
