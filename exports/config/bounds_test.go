package config_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"nfs-exportd/exports/config"
)

// bomb is a file that costs much to parse, and what the error is about.
type bomb struct{ name, text, want string }

func bombs() []bomb {
	lines := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i, i)
		}
		return b.String()
	}
	return []bomb{
		{"a thousand million laughs", func() string {
			text := "a: &a [x,x,x,x,x,x,x,x,x]\n"
			for c := 'b'; c <= 'i'; c++ {
				text += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 9))
			}
			return text + "private: *i\n"
		}(), "must be a mapping"},
		{"mounts", "private:\n  a: &a\n    mounts:\n" + lines("      m%d: h:/p/%d\n", 5000) + lines("  p%[1]d: *a\n", 10000), "too large"},
		{"unknown keys", "private:\n  a: &a\n" + lines("    m%[1]d: h\n", 10000) + lines("  p%[1]d: *a\n", 10000), "more"},
		{"public lines", "public:\n  a: &a |\n" + lines("    /srv/%[1]d *(ro)\n", 1100) + lines("  p%[1]d: *a\n", 1100), "too large"},
		{"clients of a public line", "public:\n  a: &a '/srv" + strings.Repeat(" *(ro)", 1100) + "'\n" + lines("  p%[1]d: *a\n", 1100), "too large"},
		{"a list of aliases", "private: {}\nopenstack:\n  cloud: &a " + strings.Repeat("x", 50000) + "\n  regions: [" + strings.Repeat("*a,", 5000) + "]\n", ""},
		{"depth", "private: " + strings.Repeat("[", 200000), ""},
		{"an alias within itself", "private: &a\n  x: *a\n", `unknown key "x"`},
		{"a long list", "private: {}\nopenstack:\n  regions: [" + lines("r%[1]d,", 90000) + "x, x]\n", "twice"},
		{"a long key", "? " + strings.Repeat("x", 200000) + "\n: y\n", "unknown key"},
	}
}

// TestParseBombs: aliases that stand for more than fits into memory, and other
// files that cost much, end soon. The test counts memory and allocations and not the
// time, as machines differ; BenchmarkParseBombs measures that.
func TestParseBombs(t *testing.T) {
	for _, tt := range bombs() {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := config.Parse([]byte(tt.text))
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("no error")
			} else if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.200q, want something about %q", err, tt.want)
			}
			if err != nil && len(err.Error()) > 1<<20 {
				t.Errorf("the report has %d bytes", len(err.Error()))
			}
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 500 {
				t.Errorf("took %d MB in all, for a file of %d kB", used, len(tt.text)>>10)
			}
			if n := after.Mallocs - before.Mallocs; n > 5_000_000 {
				t.Errorf("allocated %d times, for a file of %d kB", n, len(tt.text)>>10)
			}
		})
	}
}

func BenchmarkParseBombs(b *testing.B) {
	for _, bomb := range bombs() {
		b.Run(bomb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := config.Parse([]byte(bomb.text)); err == nil {
					b.Fatal("no error")
				}
			}
		})
	}
}

// TestParseLengths has the last length that exportfs reads, and one more.
func TestParseLengths(t *testing.T) {
	tests := []struct {
		name string
		most int
		text func(n int) string
	}{
		{"a token of a public line", 511, func(n int) string { return opened("/srv *(" + strings.Repeat("x", n-len("*()")) + ")") }},
		{"a path of a public line", 1023, func(n int) string { return opened("/" + strings.Repeat("x", n-1) + " *(ro)") }},
		{"a path of a mount", 1023, func(n int) string { return in("h:/" + strings.Repeat("x", n-1)) }},
		{"options of a project", 470, func(n int) string { return "private:\n  a: {options: " + strings.Repeat("x", n) + "}\n" }},
		{"options of the file", 470, func(n int) string { return "private: {}\nexports: {options: " + strings.Repeat("x", n) + "}\n" }},
		{"the file", 4 << 20, func(n int) string { return "private: {}\n#" + strings.Repeat("x", n-len("private: {}\n#")) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := config.Parse([]byte(tt.text(tt.most))); err != nil {
				t.Errorf("%d bytes: %v", tt.most, err)
			}
			if _, err := config.Parse([]byte(tt.text(tt.most + 1))); err == nil {
				t.Errorf("%d bytes are taken", tt.most+1)
			}
		})
	}
}

// TestParseBounds has texts as long as they may be, and longer by one.
func TestParseBounds(t *testing.T) {
	t.Parallel()
	a := func(n int) string { return strings.Repeat("a", n) }
	for _, test := range []struct{ name, text, want string }{
		{"a line", "openstack: {cloud: " + a(4096) + "}\n" + in("true"), ""},
		{"a longer line", "openstack: {cloud: " + a(4097) + "}\n" + in("true"), "has more than 4096 characters"},
		{"what a message shows", "private: {a: {gid: " + a(200) + "}}", `not the text "` + a(200) + `"`},
		{"more than a message shows", "private: {a: {gid: " + a(201) + "}}", `not the text "` + a(200) + `"...`},
	} {
		got := ""
		if _, err := config.Parse([]byte(test.text)); err != nil {
			got = err.Error()
		}
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestParseBytes has every byte of ASCII amid a path, a client and an
// option of a public line. What passes is what exportfs reads as it looks.
func TestParseBytes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, line, refused string }{
		{"path", "/srv/a%sb *(ro)", `"'\`},
		{"client", "/srv a%sb(ro)", `"'\()#,/`},
		{"option", "/srv *(a%sb)", `"'\()# `},
	} {
		for c := range byte(0x80) {
			want := c > 0x20 && c < 0x7f && strings.IndexByte(test.refused, c) < 0
			if test.name != "option" && (c == ' ' || c == '\n' || c == '\t') {
				continue // that ends a path or a client
			}
			text := fmt.Sprintf("public: {a: \"%s\"}\n", fmt.Sprintf(test.line, fmt.Sprintf(`\x%02x`, c)))
			if _, err := config.Parse([]byte(text)); (err == nil) != want {
				t.Errorf("%s with the byte 0x%02x: %v", test.name, c, err)
			}
		}
	}
}
