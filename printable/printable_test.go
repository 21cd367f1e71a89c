package printable_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"nfs-exportd/printable"
)

// functions are those of the package, with what their documents promise.
var functions = []struct {
	name  string
	of    func(string) string
	ascii bool
	keeps string // the white space but the blank that may come out
	most  int    // the longest result; 0 is no limit
}{
	{"Text", printable.Text, false, "\n\t", 0},
	{"Line", printable.Line, false, "", 0},
	{"Word", printable.Word, true, "", 1024},
	{"ID", printable.ID, true, "", 1024},
	{"Plain", printable.Plain, true, "", 1024 + len("...")},
	{"Quote", printable.Quote, true, "", 4*200 + len(`""...`)},
	{"Lines", func(s string) string { return printable.Lines([]byte(s)) }, true, "\n", 0},
}

// obeyed returns the first character of text that a terminal could obey, or show in
// the place of another, or that is not UTF-8.
func obeyed(text, keeps string) (rune, bool) {
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) && !strings.ContainsRune(keeps, r) {
			return r, true
		}
	}
	return 0, false
}

func checkSafe(t *testing.T, text string) {
	t.Helper()
	for _, f := range functions {
		got := f.of(text)
		if r, ok := obeyed(got, f.keeps); ok {
			t.Errorf("%s of %+q has %U raw", f.name, text, r)
		}
		if f.ascii && strings.ContainsFunc(got, func(r rune) bool { return r > unicode.MaxASCII }) {
			t.Errorf("%s of %+q is not ASCII: %+q", f.name, text, got)
		}
		if f.most > 0 && len(got) > f.most {
			t.Errorf("%s of %d bytes has %d", f.name, len(text), len(got))
		}
	}
}

// TestNothingToObey goes through every character that there is, so few at a time that
// none of them is cut off, and through single and random bytes.
func TestNothingToObey(t *testing.T) {
	t.Parallel()
	var some []rune
	for r := range unicode.MaxRune + 1 {
		if some = append(some, r); len(some) == 32 {
			checkSafe(t, string(some))
			some = some[:0]
		}
		if t.Failed() {
			return
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		text := make([]byte, random.IntN(30)*random.IntN(100))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		checkSafe(t, string(text))
		if t.Failed() {
			return
		}
	}
	for c := range 0x100 {
		checkSafe(t, string([]byte{byte(c)}))
	}
}

func FuzzSafe(f *testing.F) {
	for _, text := range []string{"", "plain", "\x1b[2J\x7f\u009b31m\x9b31m", "\u202e\u2066\u200f", strings.Repeat("\x00", 300), strings.Repeat("a", 2000)} {
		f.Add(text)
	}
	f.Fuzz(checkSafe)
}

// TestText: what has letters alone stays as it is, what has not is escaped, and lines
// stay lines only where that is meant.
func TestText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, whole, line string }{
		{"", "", ""},
		{"länge 日本", "länge 日本", "länge 日本"},
		{"a\n\tb  c\r\n", "a\n\tb  c\\r\n", "a b c"},
		{"\x1b[2J'\x7f", `\x1b[2J'\x7f`, `\x1b[2J'\x7f`},
		{"\u009b\u202e\u2028\U000e0001", `\u009b\u202e\u2028\U000e0001`, `\u009b\u202e \U000e0001`},
		{"a\x9b31m", "a\ufffd31m", "a\ufffd31m"},
	} {
		if got := printable.Text(test.text); got != test.whole {
			t.Errorf("Text of %+q: %+q, want %+q", test.text, got, test.whole)
		}
		if got := printable.Line(test.text); got != test.line {
			t.Errorf("Line of %+q: %+q, want %+q", test.text, got, test.line)
		}
	}
}

// TestQuotedText: what is long is cut, and what is not printable ASCII does not come
// out as it is.
func TestQuotedText(t *testing.T) {
	t.Parallel()
	a := func(n int) string { return strings.Repeat("a", n) }
	for _, test := range []struct{ name, text, quoted, plain, word string }{
		{"empty", "", `""`, "", `""`},
		{"first and last of ASCII", " ~", `" ~"`, " ~", `" ~"`},
		{"before it", "a\x1f", `"a\x1f"`, `"a\x1f"`, `"a\x1f"`},
		{"after it", "a\x7f", `"a\x7f"`, `"a\x7f"`, `"a\x7f"`},
		{"not ASCII", "ä", `"\u00e4"`, `"\u00e4"`, `"\u00e4"`},
		{"options", "rw,sec=sys!~", `"rw,sec=sys!~"`, "rw,sec=sys!~", "rw,sec=sys!~"},
		{"a blank", "rw ro", `"rw ro"`, "rw ro", `"rw ro"`},
		{"a quote", `rw"`, `"rw\""`, `rw"`, `"rw\""`},
		{"a backslash", `rw\`, `"rw\\"`, `rw\`, `"rw\\"`},
		{"as long as can be quoted", a(200), `"` + a(200) + `"`, a(200), a(200)},
		{"one more", a(201), `"` + a(200) + `"...`, a(201), a(201)},
		{"as long as can be", a(1024), `"` + a(200) + `"...`, a(1024), a(1024)},
		{"one more than that", a(1025), `"` + a(200) + `"...`, a(1024) + "...", `"` + a(200) + `"...`},
		{"long and odd", "\n" + a(1025), `"\n` + a(199) + `"...`, `"\n` + a(199) + `"...`, `"\n` + a(199) + `"...`},
	} {
		if got := printable.Quote(test.text); got != test.quoted {
			t.Errorf("%s: Quote gives %s, want %s", test.name, got, test.quoted)
		}
		if got := printable.Plain(test.text); got != test.plain {
			t.Errorf("%s: Plain gives %s, want %s", test.name, got, test.plain)
		}
		if got := printable.Word(test.text); got != test.word {
			t.Errorf("%s: Word gives %s, want %s", test.name, got, test.word)
		}
	}
}

// TestID goes through ASCII. A test of package exports has the same of its messages.
func TestID(t *testing.T) {
	t.Parallel()
	for c := range byte(0x80) {
		text := "a" + string(c) + "b"
		want := text
		if !strings.ContainsRune("-_.:", rune(c)) && !unicode.IsLetter(rune(c)) && !unicode.IsDigit(rune(c)) {
			want = printable.Quote(text)
		}
		if got := printable.ID(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	long := strings.Repeat("a", 1024)
	for text, want := range map[string]string{
		"": `""`, "ä": `"\u00e4"`, "-": "-", long: long, long + "a": `"` + long[:200] + `"...`,
	} {
		if got := printable.ID(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "",
		"\n \n":                     "",
		"one\n":                     "one",
		"\n one\r\n\n\ttwo \n\n":    "one\ntwo",
		"exportfs: \x1b[2J /srv/ä~": `exportfs: \x1b[2J /srv/\xc3\xa4~`,
		"a\x7fb\xffc":               `a\x7fb\xffc`,
	} {
		if got := printable.Lines([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
