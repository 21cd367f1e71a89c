package command

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// printsJSON checks that text comes back from what is printed, that nothing in
// there is for a terminal to obey, and that the log has the same.
func printsJSON(t *testing.T, text string) {
	t.Helper()
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	type value struct {
		Msg  string
		Keys map[string]int
	}
	want := value{text, map[string]int{text: 1}}
	var printed, logged bytes.Buffer
	if err := printJSON(&printed, want); err != nil {
		t.Fatal(err)
	}
	newLogger(&logged, "json", slog.LevelWarn).Warn(text)
	for name, out := range map[string][]byte{"result": printed.Bytes(), "log": logged.Bytes()} {
		for _, r := range string(out) {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("%s: %U is raw in %q", name, r, out)
			}
		}
		var got value
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s: %s in %q", name, err, out)
		}
		if got.Msg != text || name == "result" && got.Keys[text] != 1 {
			t.Errorf("%s: %+q became %+q", name, text, got.Msg)
		}
	}
}

// TestPrintJSON goes through every character that there is.
func TestPrintJSON(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for r := range unicode.MaxRune + 1 {
		if utf8.ValidRune(r) {
			b.WriteRune(r)
		}
		if r%4096 == 4095 {
			printsJSON(t, b.String())
			b.Reset()
		}
	}
	var out bytes.Buffer
	if err := printJSON(&out, "a\u009b31m\u202e\U000e0001\"é\u2028"); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `"a\u009b31m\u202e\udb40\udc01\"é\u2028"`+"\n"; got != want {
		t.Errorf("%s instead of %s", got, want)
	}
}

func FuzzPrintJSON(f *testing.F) {
	for _, text := range []string{"", "plain", "\x1b[2J\x7f\u009b31m", "\u202e\u2066\u200f", "\U000e0001\U0001f600", "\xff\\u009b<&>\n\t"} {
		f.Add(text)
	}
	f.Fuzz(printsJSON)
}
