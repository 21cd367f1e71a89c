package printable_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"nfs-exportd/printable"
)

// checkJSON checks that text comes back from what is printed, and that nothing in
// there is for a terminal to obey, with encoding/json and with log/slog.
func checkJSON(t *testing.T, text string) {
	t.Helper()
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	type value struct {
		Msg  string
		Keys map[string]int
	}
	var printed, logged bytes.Buffer
	if err := json.NewEncoder(printable.JSON(&printed)).Encode(value{text, map[string]int{text: 1}}); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewJSONHandler(printable.JSON(&logged), nil)).Warn(text, "Keys", map[string]int{text: 1})
	for name, out := range map[string]string{"encoder": printed.String(), "log": logged.String()} {
		if r, ok := obeyed(out, "\n"); ok {
			t.Fatalf("%s: %U is raw in %q", name, r, out)
		}
		var got value
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%s: %s in %q", name, err, out)
		}
		if got.Msg != text || got.Keys[text] != 1 {
			t.Errorf("%s: %+q became %+q", name, text, got.Msg)
		}
	}
}

// TestJSON goes through every character that there is.
func TestJSON(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for r := range unicode.MaxRune + 1 {
		if utf8.ValidRune(r) {
			b.WriteRune(r)
		}
		if r%4096 == 4095 {
			checkJSON(t, b.String())
			b.Reset()
		}
	}
	var out bytes.Buffer
	if _, err := io.WriteString(printable.JSON(&out), "\"a\u009b31m\u202e\U000e0001é\u2028\"\n"); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `"a\u009b31m\u202e\udb40\udc01é\u2028"`+"\n"; got != want {
		t.Errorf("%s instead of %s", got, want)
	}
	reader, writer := io.Pipe()
	_ = reader.Close()
	if n, err := io.WriteString(printable.JSON(writer), "1"); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%d bytes to nobody, error %v", n, err)
	}
}

func FuzzJSON(f *testing.F) {
	for _, text := range []string{"", "plain", "\x1b[2J\x7f\u009b31m", "\u202e\u2066\u200f", "\U000e0001\U0001f600", "\xff\\u009b<&>\n\t"} {
		f.Add(text)
	}
	f.Fuzz(checkJSON)
}
