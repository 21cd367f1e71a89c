package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseForeign(t *testing.T) {
	t.Parallel()
	type line struct {
		Place, Options string
		Line           int
	}
	tests := []struct {
		name, text string
		want       []line
		undecided  string // in the problem
	}{
		{name: "empty"},
		{name: "comments", text: "# /srv/a *(rw)\n   # x\\\n\n"},
		{name: "one", text: "/srv/a 10.0.0.1(rw)", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{
			name: "many clients", text: "\n/srv/a\t10.0.0.1(rw)   host 10.0.0.0/24(ro,sync)\n/srv/b @ng(rw)\n",
			want: []line{{"/srv/a 10.0.0.1", "rw", 2}, {"/srv/a host", "", 2}, {"/srv/a 10.0.0.0/24", "ro,sync", 2}, {"/srv/b @ng", "rw", 3}},
		},
		{
			name: "default options", text: "/srv/a -rw,async 10.0.0.1 10.0.0.2(ro) -sync 10.0.0.3\n",
			want: []line{{"/srv/a 10.0.0.1", "rw,async", 1}, {"/srv/a 10.0.0.2", "rw,async,ro", 1}, {"/srv/a 10.0.0.3", "rw,async,sync", 1}},
		},
		{name: "no client", text: "/srv/a\n", want: []line{{"/srv/a *", "", 1}}},
		{name: "options alone", text: "/srv/a (rw)\n", want: []line{{"/srv/a *", "rw", 1}}},
		{name: "default options alone", text: "/srv/a -rw\n", want: []line{{"/srv/a *", "rw", 1}}},
		{name: "default options behind", text: "/srv/a 10.0.0.1(ro) -rw\n", want: []line{{"/srv/a 10.0.0.1", "ro", 1}, {"/srv/a *", "rw", 1}}},
		{name: "default options twice", text: "/srv/a -ro -rw\n", want: []line{{"/srv/a -rw", "ro", 1}}},
		{
			name: "continued", text: "/srv/a \\\n   10.0.0.1(rw)\\\n10.0.0.2(ro)\n/srv/b 10.0.0.3(rw)\n",
			want: []line{{"/srv/a 10.0.0.1", "rw", 2}, {"/srv/a 10.0.0.2", "ro", 3}, {"/srv/b 10.0.0.3", "rw", 4}},
		},
		{name: "continued in quotes", text: "\"/srv/a\\\n \t b\" 10.0.0.1(rw)\n", want: []line{{"/srv/a b 10.0.0.1", "rw", 2}}},
		{name: "continued, and nothing comes", text: "/srv/a 10.0.0.1(rw)\\\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "continued, and blanks come", text: "/srv/a 10.0.0.1(rw)\\\n \t", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "a backslash at the end", text: "/srv/a 10.0.0.1\\", want: []line{{"/srv/a 10.0.0.1\\", "", 1}}},
		{name: "a backslash before a blank", text: "/srv/a\\ 10.0.0.1(rw)\n", want: []line{{"/srv/a\\ 10.0.0.1", "rw", 1}}},
		{name: "odd blanks", text: "/srv/a\v(rw)\f(ro)\n", want: []line{{"/srv/a *", "rw", 1}, {"/srv/a *", "ro", 1}}},
		{name: "no blanks", text: "/srv/a\x08b\x0e 10.0.0.1(rw)\n", want: []line{{"/srv/a\x08b\x0e 10.0.0.1", "rw", 1}}},
		{name: "no options in brackets", text: "/srv/a 10.0.0.1()\n", want: []line{{"/srv/a 10.0.0.1", "", 1}}},
		{name: "a bracket alone", text: "/srv/a 10.0.0.1(\n", undecided: "bad option list"},
		{name: "a comment to the end", text: "/srv/a 10.0.0.1(rw)\n# x", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "a long path", text: "/" + strings.Repeat("a", 1023) + " 10.0.0.1(rw)\n", want: []line{{"/" + strings.Repeat("a", 1023) + " 10.0.0.1", "rw", 1}}},
		{name: "a long client", text: "/srv/a (" + strings.Repeat("a", 509) + ")\n", want: []line{{"/srv/a *", strings.Repeat("a", 509), 1}}},
		{name: "a long client with an escape", text: "/srv/a (" + strings.Repeat("a", 507) + "\\101)\n", want: []line{{"/srv/a *", strings.Repeat("a", 507) + "A", 1}}},
		{name: "a comment is not continued", text: "# x \\\n/srv/a 10.0.0.1(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 2}}},
		{name: "comment behind", text: "/srv/a 10.0.0.1(rw) # 10.0.0.2(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "ids behind", text: "/srv/a 10.0.0.1(rw) # 1-a 2-b\n/srv/b 2001:db8::5(rw) # 1-a", want: []line{{"/srv/a 10.0.0.1", "rw", 1}, {"/srv/b 2001:db8::5", "rw", 2}}},
		{name: "no comment", text: "/srv/a 10.0.0.1#x(rw)\n", want: []line{{"/srv/a 10.0.0.1#x", "rw", 1}}},
		{name: "quotes", text: "\"/srv/a b\" \"10.0.0.1\"(rw)\n", want: []line{{"/srv/a b 10.0.0.1", "rw", 1}}},
		{name: "newline in quotes", text: "\"/srv/a\nb\" 10.0.0.1(rw)\n/srv/c 10.0.0.2(rw)", want: []line{{"/srv/a\nb 10.0.0.1", "rw", 2}, {"/srv/c 10.0.0.2", "rw", 3}}},
		{name: "escapes", text: `/srv/a\040b\043\777 10.0.0.1(rw)`, want: []line{{`/srv/a b#\777 10.0.0.1`, "rw", 1}}},
		{name: "an escape first", text: `\057srv/a \052(rw)`, want: []line{{"/srv/a *", "rw", 1}}},
		{name: "escaped escape", text: `/srv/a\134040b 10.0.0.1(rw)`, want: []line{{"/srv/a b 10.0.0.1", "rw", 1}}},
		{name: "carriage return behind", text: "/srv/a 10.0.0.1(rw)\r\n/srv/b 10.0.0.1(rw)\r\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}, {"/srv/b 10.0.0.1", "rw", 2}}},
		{name: "NUL separates", text: "/srv/a\x0010.0.0.1(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "escaped NUL ends", text: "/srv/a\\000b 10.0.0.1(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}},
		{name: "blank line of a DOS file", text: "/srv/a 10.0.0.1(rw)\n\r\n/srv/b 10.0.0.1(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}, undecided: "empty path"},
		{name: "empty path", text: "\"\" 10.0.0.1(rw)\n", undecided: "empty path"},
		{name: "bad list", text: "/srv/a 10.0.0.1(rw)\n/srv/a 10.0.0.2(rw\n/srv/b 10.0.0.1(rw)\n", want: []line{{"/srv/a 10.0.0.1", "rw", 1}}, undecided: "bad option list"},
		{name: "bad list, more behind", text: "/srv/a 10.0.0.2(rw)x\n", undecided: "bad option list"},
		{name: "long path", text: "/" + strings.Repeat("a", 1024) + " 10.0.0.1(rw)\n", undecided: "path too long"},
		{name: "long client", text: "/srv/a 10.0.0.1(" + strings.Repeat("a", 511) + ")\n", undecided: "client and options too long"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			grants, undecided := parseForeign([]byte(test.text))
			var got []line
			for _, g := range grants {
				got = append(got, line{g.Place.Path + " " + g.Place.Client.String(), g.Options, g.Line})
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			switch {
			case test.undecided == "" && len(undecided) == 0:
			case test.undecided == "" || len(undecided) != 1 || !strings.Contains(undecided[0].Problem, test.undecided):
				t.Errorf("undecided %v", undecided)
			}
		})
	}
}

// TestParseForeignSays shows people the word that exportfs stops at.
func TestParseForeignSays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/srv/a *(ro)\n\r\n/srv/b *(ro)\n":          `line 2: empty path; exportfs reads no further: "\r"`,
		"/srv/a *(ro)\n/srv/b *(ro *(rw)\n":         `line 2: bad option list; exportfs reads no further: "*(ro"`,
		"/srv/a *(ro) \\\n -rw \\\n *(ro\n":         `line 3: bad option list; exportfs reads no further: "*(ro"`,
		"/srv/a " + strings.Repeat("b", 512) + "\n": `line 1: client and options too long; exportfs reads no further: "` + strings.Repeat("b", 200) + `"...`,
	} {
		if _, got := parseForeign([]byte(text)); len(got) != 1 || got[0].String() != want {
			t.Errorf("%q: %v, want %s", text, got, want)
		}
	}
}
