package render

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfs-exportd/exports"
	"nfs-exportd/render/rendertest"
)

func TestParse(t *testing.T) {
	t.Parallel()
	public := exports.Owner{Public: "scratch"}
	inDomain := exports.Owner{ID: "0123456789abcdef", Name: "tools", Domain: "d"}
	tests := []struct {
		name   string
		text   string
		grants []exports.Grant
		edited bool
		unread []Line
	}{
		{name: "empty"},
		{name: "comments alone", text: "# hand-written\n\n#\n# project 1 \"x\"\n"},
		{
			name:   "no digest",
			text:   "# project 0123456789abcdef \"tools\"\n/srv/a 10.0.0.1(rw)\n",
			grants: []exports.Grant{rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", rendertest.Tools())},
			edited: true,
		},
		{
			name: "owners",
			text: "/srv/a 10.0.0.1(rw)\n# public \"scratch\"\n/srv/a 10.0.0.2(rw)\n# a note\n/srv/a 10.0.0.3(rw)\n" +
				"# project nonsense\n/srv/a 10.0.0.4(rw)\n# project \"tools\"\n/srv/a 10.0.0.5(rw)\n" +
				"# public scratch\n/srv/a 10.0.0.6(rw)\n# project \"abc\" \"tools\"\n/srv/a 10.0.0.7(rw)\n",
			grants: []exports.Grant{
				rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", exports.Owner{}),
				rendertest.Grant(t, "/srv/a 10.0.0.2(rw)", public),
				rendertest.Grant(t, "/srv/a 10.0.0.3(rw)", public),
				rendertest.Grant(t, "/srv/a 10.0.0.4(rw)", exports.Owner{}),
				rendertest.Grant(t, "/srv/a 10.0.0.5(rw)", exports.Owner{Name: "tools"}),
				rendertest.Grant(t, "/srv/a 10.0.0.6(rw)", exports.Owner{}),
				// An id of letters is not quoted by us.
				rendertest.Grant(t, "/srv/a 10.0.0.7(rw)", exports.Owner{}),
			},
			edited: true,
		},
		{
			name:   "ids",
			edited: true,
			text: "# project 0123456789abcdef \"tools\" in domain d\n" +
				"/srv/a 10.0.0.1(rw) # 1111-a\n" +
				"/srv/a 10.0.0.2(rw) # 1111-a P2\n" +
				"/srv/a 10.0.0.3(rw)\n" +
				"/srv/a 10.0.0.4(rw) #\n" +
				"/srv/a 10.0.0.5(rw) # \n" +
				"/srv/a 10.0.0.6(rw) # a \n" +
				"/srv/a 10.0.0.7(rw) # a b c\n" +
				"/srv/a 10.0.0.8(rw) #a\n" +
				"/srv/a 10.0.0.9(rw)# a\n" +
				"/srv/a 10.0.0.10(rw)\t# a\n" +
				"/srv/a 10.0.0.11(rw)  # a\n" +
				"/srv/a 10.0.0.12(rw) #  a\n" +
				"/srv/a 10.0.0.13(rw) # a_b\n" +
				"/srv/a 10.0.0.14(rw) # a b_c\n" +
				"/srv/a 10.0.0.15(rw) # a # b\n" +
				"/srv/a 10.0.0.16(rw) # a\r\n" +
				"/srv/a 10.0.0.17(rw) # instance of tools\n" +
				"/srv/a # a\n" +
				"/srv/a 10.0.0.18(rw) # a",
			grants: []exports.Grant{
				rendertest.Grant(t, "/srv/a 10.0.0.1(rw) # 1111-a", inDomain),
				rendertest.Grant(t, "/srv/a 10.0.0.2(rw) # 1111-a P2", inDomain),
				rendertest.Grant(t, "/srv/a 10.0.0.3(rw)", inDomain),
			},
			unread: []Line{
				{5, "/srv/a 10.0.0.4(rw) #", "not as nfs-exportd writes it"},
				{6, "/srv/a 10.0.0.5(rw) # ", "not as nfs-exportd writes it"},
				{7, "/srv/a 10.0.0.6(rw) # a ", "not as nfs-exportd writes it"},
				{8, "/srv/a 10.0.0.7(rw) # a b c", "not as nfs-exportd writes it"},
				{9, "/srv/a 10.0.0.8(rw) #a", "not as nfs-exportd writes it"},
				{10, "/srv/a 10.0.0.9(rw)# a", "not as nfs-exportd writes it"},
				{11, "/srv/a 10.0.0.10(rw)\t# a", "not as nfs-exportd writes it"},
				{12, "/srv/a 10.0.0.11(rw)  # a", "not as nfs-exportd writes it"},
				{13, "/srv/a 10.0.0.12(rw) #  a", "not as nfs-exportd writes it"},
				{14, "/srv/a 10.0.0.13(rw) # a_b", "not as nfs-exportd writes it"},
				{15, "/srv/a 10.0.0.14(rw) # a b_c", "not as nfs-exportd writes it"},
				{16, "/srv/a 10.0.0.15(rw) # a # b", "not as nfs-exportd writes it"},
				{17, "/srv/a 10.0.0.16(rw) # a\r", "not as nfs-exportd writes it"},
				{18, "/srv/a 10.0.0.17(rw) # instance of tools", "not as nfs-exportd writes it"},
				{19, "/srv/a # a", "not PATH CLIENT(OPTIONS)"},
				{20, "/srv/a 10.0.0.18(rw) # a", "the file ends in the middle of a line"},
			},
		},
		{
			name:   "lines of other kinds",
			edited: true,
			text: "/srv/a 10.0.0.1(rw)\n" +
				"/srv/a 10.0.0.2(rw) 10.0.0.3(rw)\n" +
				"/srv/a -rw 10.0.0.4\n" +
				"/srv/a\n" +
				" /srv/a 10.0.0.5(rw)\n" +
				"/srv/a  10.0.0.6(rw)\n" +
				"/srv/a 10.0.0.7(rw)\r\n" +
				"/srv/a/ 10.0.0.8(rw)\n" +
				"/srv/\\141 10.0.0.9(rw)\n" +
				"/srv/a 2001:DB8::5(rw)\n" +
				"/srv/a 10.0.0.10()\n" +
				"/srv/a 10.0.0.11\n" +
				"/srv/a \\\n10.0.0.12(rw)\n" +
				"/srv/a 10.0.0.1(ro)\n" +
				"/srv/a 10.0.0.13(rw)",
			grants: []exports.Grant{rendertest.Grant(t, "/srv/a 10.0.0.1(rw)", exports.Owner{})},
			unread: []Line{
				{2, "/srv/a 10.0.0.2(rw) 10.0.0.3(rw)", "not as nfs-exportd writes it"},
				{3, "/srv/a -rw 10.0.0.4", "not PATH CLIENT(OPTIONS)"},
				{4, "/srv/a", "no client"},
				{5, " /srv/a 10.0.0.5(rw)", "not as nfs-exportd writes it"},
				{6, "/srv/a  10.0.0.6(rw)", "not as nfs-exportd writes it"},
				{7, "/srv/a 10.0.0.7(rw)\r", "not PATH CLIENT(OPTIONS)"},
				{8, "/srv/a/ 10.0.0.8(rw)", "not as nfs-exportd writes it"},
				{9, "/srv/\\141 10.0.0.9(rw)", "not as nfs-exportd writes it"},
				{10, "/srv/a 2001:DB8::5(rw)", "not as nfs-exportd writes it"},
				{11, "/srv/a 10.0.0.10()", "not as nfs-exportd writes it"},
				{12, "/srv/a 10.0.0.11", "not PATH CLIENT(OPTIONS)"},
				{13, "/srv/a \\", "not PATH CLIENT(OPTIONS)"},
				{14, "10.0.0.12(rw)", "no client"},
				{15, "/srv/a 10.0.0.1(ro)", "same path and client as line 1"},
				{16, "/srv/a 10.0.0.13(rw)", "the file ends in the middle of a line"},
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := Parse([]byte(test.text))
			if diff := cmp.Diff(test.grants, got.Set.Grants(), equateClients); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.unread, got.Unread); diff != "" {
				t.Error(diff)
			}
			if got.Edited != test.edited {
				t.Errorf("edited %t", got.Edited)
			}
		})
	}
}

// Whatever is done to the file by hand, it shows.
func TestParseEdited(t *testing.T) {
	t.Parallel()
	text := marshal(t, rendertest.Set(t, "/srv/a 10.0.0.1(rw) # 1-a", "/srv/a 10.0.0.2(rw) # 1-a 2", "/srv/b 10.0.0.1(rw)"))
	if Parse(text).Edited {
		t.Fatal("our own text counts as edited")
	}
	for i := range text {
		for _, other := range []byte{text[i] ^ 1, text[i] ^ 0x80, '\n', '#'} {
			changed := bytes.Clone(text)
			changed[i] = other
			if !bytes.Equal(changed, text) && !Parse(changed).Edited {
				t.Errorf("byte %d changed from %q to %q does not show", i, text[i], other)
			}
		}
		if !Parse(append(append(bytes.Clone(text[:i]), "\n"...), text[i:]...)).Edited {
			t.Errorf("a line added at byte %d does not show", i)
		}
		if cut := Parse(text[:i]); !cut.Edited && (cut.Set.Len() > 0 || len(cut.Unread) > 0) {
			t.Errorf("the end cut off at byte %d does not show", i)
		}
	}
}
