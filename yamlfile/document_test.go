package yamlfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"nfs-exportd/yamlfile"
)

// brokenYAML is what keeps a text from being one YAML document. A person who
// opens an editor at the line must see the mistake there.
var brokenYAML = []struct {
	name, text string
	line       int
	says       string
}{
	{"a colon in a value", "private:\n  a: b: c\n", 2, "put text with a colon in it in quotes"},
	{"a colon in a value, further down", "# c\n# c\nprivate:\n  a:\n    mounts:\n      x: h: /srv\n  b: {}\n", 6, "put text with a colon in it in quotes"},
	{"too little indentation", "private:\n  a: {}\n b: {}\n", 3, "look at the indentation, from line 1 on"},
	{"too much indentation", "private: {}\n  x\n", 2, "this is not YAML"},
	{"too much indentation of a key", "private:\n  a: {}\n    b: {}\n", 3, "look at the indentation"},
	{"a key beside a list", "openstack:\n  regions:\n  - a\n  b: c\n  d\n", 5, "a key needs a colon behind it"},
	{"a list beside a key", "private: {}\n- x\n", 2, "look at the indentation"},
	{"a key without a colon", "private:\n  a\n  b: {}\n", 3, "and at the line above"},
	{"a key without a colon at the end", "private:\n  b: {}\n  a\n", 3, "a key needs a colon behind it"},
	{"a bracket that is not closed", "openstack:\n  regions: [a, b\n  domain: d\n", 2, "opened and never closed"},
	{"a bracket that is not closed, to the end", "private: {}\nopenstack:\n  regions: [a, b\n", 3, "never closed"},
	{"a bracket that is only opened", "private: {}\nopenstack:\n  regions: [\n\n\n", 3, "never closed"},
	{"a brace that is not closed", "private:\n  a: {gid: 1\n  b: {gid: 2}\n", 2, "opened and never closed"},
	{"a brace that is not closed, to the end", "private:\n  a: {gid: 1\n", 2, "never closed"},
	{"a bracket that is not opened", "private:\n  a: {}\n  b: ]\n", 3, "this is not YAML"},
	{"a single quote that is not closed", "private:\n  a: {options: 'ro}\n  b: {}\n  c: {}\n", 2, "never closed"},
	{"a double quote that is not closed", "public:\n  a: \"/srv *(ro)\n  b: /srv *(ro)\n", 2, "never closed"},
	{"text behind a quote", "public:\n  a: '/srv' *(ro)\n", 2, "this is not YAML"},
	{"an unknown escape", "public:\n  a: \"/srv\\q\"\n", 2, "unknown escape"},
	{"a star", "public:\n  a: *(ro)\n", 2, "this is not YAML"},
	{"an alias of nothing", "private:\n  a: *b\n", 2, `put text that begins with "*" in quotes`},
	{"an alias above its anchor", "private:\n  a: *b\n  b: &b {}\n", 2, "no anchor of this name is above"},
	{"an at sign", "public:\n  b: /srv *(ro)\n  a: @group\n", 3, "put text that begins with this character in quotes"},
	{"a backquote", "private:\n  a: `x`\n", 2, "put text that begins with this character in quotes"},
	{"a percent sign", "private: {}\n%\n", 2, "directive"},
	{"a tag of nobody", "private:\n  a: !x!y z\n", 2, "undefined tag handle"},
	{"another version of YAML", "%YAML 3.0\n---\nprivate: {}\n", 1, "incompatible"},
	{"a block with an odd head", "public:\n  a: |x\n   /srv *(ro)\n", 2, "this is not YAML"},
	{"a broken second document", "private: {}\n---\nx: [\n", 3, "never closed"},
	{"two documents", "# c\nprivate: {}\n---\nprivate: {}\n", 3, `take out the "---" between them`},
	{"depth", "private:\n  a: " + strings.Repeat("[", 100_000), 2, "exceeded max depth"},
	{"depth of mappings", "private:\n  a: " + strings.Repeat("{x: ", 100_000), 2, "exceeded max depth"},

	{"a tab", "private:\n\ta: {}\n", 2, "indent with spaces, not with tabs"},
	{"nothing but a tab", "private:\n\t\n  a: {}\n", 2, "indent with spaces, not with tabs"},
	{"a tab behind spaces", "private:\n  a:\n  \tgid: 1\n", 3, "indent with spaces, not with tabs"},
	{"a tab behind text", "public:\n  b: /srv *(ro)\n\ta: x\n", 3, "indent with spaces, not with tabs"},
	{"a tab in a list", "openstack:\n  regions:\n  - a\n\t- b\n", 4, "indent with spaces, not with tabs"},
	{"a tab in a block", "public:\n  a: |\n    /srv *(ro)\n\t/pub *(ro)\n", 4, "indent with spaces, not with tabs"},

	{"UTF-16, little end first", "\xff\xfep\x00:\x00\n\x00", 1, "UTF-16"},
	{"UTF-16, big end first", "\xfe\xff\x00p\x00:\x00\n", 1, "UTF-16"},
	{"UTF-16 without a mark", "p\x00:\x00 \x00{\x00}\x00\n\x00", 1, "U+0000"},
	{"Latin-1", "private:\n  # caf\xe9\n", 2, "save the file as UTF-8"},
	{"half a letter at the end", "private:\n  a: {} # \xc3", 2, "save the file as UTF-8"},
	{"a surrogate", "private:\n  a: {} # \xed\xa0\x80", 2, "save the file as UTF-8"},
	{"NUL", "private: {}\n\n\x00\n", 3, "U+0000"},
	{"a bell", "private: {}\r\n# \x07\r\n", 2, "U+0007"},
	{"an escape sequence", "private:\r  a: {} # \x1b[31m\r", 2, "U+001B"},
	{"DEL", "private:\n  a\x7f: {}\n", 2, "U+007F"},
	{"a next line", "private:\n  a: {}\u0085  b: {}\n", 2, "U+0085"},
	{"a line separator", "private:\n  a: {}\u2028  b: {}\n", 2, "U+2028"},
	{"a paragraph separator", "private:\n  a: {}\u2029  b: {}\n", 2, "U+2029"},
	{"a second byte order mark", "private:\n\ufeff  a: {}\n", 2, "U+FEFF"},
	{"no character", "private:\n  a: \uffff\n", 2, "U+FFFF"},
}

func TestParseDocumentLines(t *testing.T) {
	for _, tt := range brokenYAML {
		t.Run(tt.name, func(t *testing.T) {
			_, err := yamlfile.ParseDocument([]byte(tt.text))
			syntax, ok := errors.AsType[*yamlfile.SyntaxError](err)
			if !ok {
				t.Fatalf("got %v, want a SyntaxError", err)
			}
			if syntax.Line != tt.line || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %q, want line %d and %q", err, tt.line, tt.says)
			}
			checkSyntaxError(t, syntax, tt.text)
		})
	}
}

// checkSyntaxError is what holds of every SyntaxError.
func checkSyntaxError(t *testing.T, e *yamlfile.SyntaxError, text string) {
	t.Helper()
	if n := len(editorLines(text)); e.Line < 0 || e.Line > n {
		t.Errorf("line %d is not in a file of %d lines", e.Line, n)
	}
	if e.Message == "" || strings.ContainsFunc(e.Error(), unicode.IsControl) || strings.Contains(e.Error(), "go-yaml") {
		t.Errorf("said %q", e)
	}
}

// editorLines are the lines of a text as an editor numbers them.
func editorLines(text string) []string {
	return strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
}

// TestSyntaxErrorKeepsSecrets: the part of a SyntaxError that is for files with
// secrets holds nothing of the text, wherever the text is broken.
func TestSyntaxErrorKeepsSecrets(t *testing.T) {
	const canary = "gehe1m"
	breaks := []string{"'", `"`, "[", "{", "*", "&", "!", "!x!", "%", "@", "`", "\t", "|", ">9", ": b: ", "\\q", "\x00", "\xff", "? ", "- ", "\n---\n", "\n%", "\n  ", "\n\t"}
	broken := 0
	for _, before := range breaks {
		for _, after := range append([]string{""}, breaks...) {
			for _, format := range []string{"OS_PASSWORD: %s\n", "a: 1\nOS_PASSWORD: \"%s\"\n", "? %s\n: x\n", "a: {b: %s}\n", "a:\n - %s\n"} {
				text := fmt.Sprintf(format, before+canary+after)
				_, err := yamlfile.ParseDocument([]byte(text))
				if err == nil {
					continue
				}
				broken++
				syntax, ok := errors.AsType[*yamlfile.SyntaxError](err)
				if !ok || strings.Contains(syntax.Message, canary) {
					t.Errorf("%q: %v", text, err)
				}
			}
		}
	}
	if broken < 500 {
		t.Errorf("only %d texts were broken", broken)
	}
}

// TestParseDocumentTakes: what looks odd and is one document all the same.
func TestParseDocumentTakes(t *testing.T) {
	for _, text := range []string{
		"\ufeffprivate: {}\n", "private: {}\r\n", "private: {}\r", "private: {} # \t tabs \t\n", "{\n\t\"private\": {}\n}\n",
		"private: {}\n...\n", "private: {} # ü 日 \U0001F5FF \u00a0\n", "%YAML 1.1\n---\nprivate: {}\n", "private: {}\n---", "~",
	} {
		_, err := yamlfile.ParseDocument([]byte(text))
		if wrong := strings.HasSuffix(text, "---"); (err != nil) != wrong {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestParseDocumentLarge: in a text that is too large for a search the line is
// where the block begins, or there is none.
func TestParseDocumentLarge(t *testing.T) {
	long := "# c\nprivate:\n" + strings.Repeat("  abc: "+strings.Repeat("x", 1000)+"\n", 1100)
	for _, tt := range []struct {
		name, end string
		line      int
	}{
		{"indentation", " b: {}\n", 2},
		{"an anchor", "  b: *c\n", 0},
		{"a tab", "\tb: c\n", 1102},
	} {
		_, err := yamlfile.ParseDocument([]byte(long + tt.end))
		syntax, ok := errors.AsType[*yamlfile.SyntaxError](err)
		if !ok || syntax.Line != tt.line {
			t.Errorf("%s: got %v, want line %d", tt.name, err, tt.line)
			continue
		}
		checkSyntaxError(t, syntax, long+tt.end)
	}
}

// FuzzParseDocument: a text is either one document or a SyntaxError, and never a
// panic of the library.
func FuzzParseDocument(f *testing.F) {
	for _, c := range brokenYAML {
		if len(c.text) < 4096 {
			f.Add([]byte(c.text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		node, err := yamlfile.ParseDocument(text)
		if err == nil {
			if node == nil {
				t.Error("neither a node nor an error")
			}
			return
		}
		syntax, ok := errors.AsType[*yamlfile.SyntaxError](err)
		if !ok || node != nil {
			t.Fatalf("got %v and %v, want a SyntaxError alone", node, err)
		}
		checkSyntaxError(t, syntax, string(text))
	})
}
