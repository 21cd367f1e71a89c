package config_test

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"nfs-exportd/exports"
	"nfs-exportd/exports/config"
	"nfs-exportd/yamlfile"
)

// FuzzParse: a text is either a configuration that keeps all promises, or
// all its problems. What it grants hangs on what it says and not on the order
// in which it says so.
func FuzzParse(f *testing.F) {
	for _, text := range []string{contractExample, everything, aliased, production} {
		f.Add([]byte(text))
	}
	for _, c := range badConfigs {
		if len(c.text) < 4096 {
			f.Add([]byte(c.text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := config.Parse(text)
		again, errAgain := config.Parse(text)
		if fmt.Sprint(err) != fmt.Sprint(errAgain) || !cmp.Equal(got, again, byValue) {
			t.Errorf("once %+v, %v; and once %+v, %v", got, err, again, errAgain)
		}
		if err != nil {
			checkProblems(t, err, got)
			return
		}
		checkConfig(t, got, string(text))
		checkNames(t, got)
		turned, ok := turnAround(text)
		if !ok {
			return
		}
		other, err := config.Parse(turned)
		if err != nil {
			t.Fatalf("%q is taken, and with its keys in another order, %q, there is %v", text, turned, err)
		}
		if diff := cmp.Diff(granted(t, got), granted(t, other), byValue); diff != "" {
			t.Errorf("%q and %q grant different things:\n%s", text, turned, diff)
		}
		sortConfig(got)
		sortConfig(other)
		if diff := cmp.Diff(got, other, byValue); diff != "" {
			t.Errorf("%q and %q say different things:\n%s", text, turned, diff)
		}
	})
}

// turnAround writes a document with the keys of all its mappings in the opposite
// order. It does not know those with aliases, which must follow their anchors.
func turnAround(text []byte) ([]byte, bool) {
	root, err := yamlfile.ParseDocument(text)
	if err != nil {
		return nil, false
	}
	plain := true
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		plain = plain && n.Kind != yaml.AliasNode
		n.HeadComment, n.LineComment, n.FootComment, n.Style = "", "", "", n.Style&(yaml.TaggedStyle|yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle)
		for _, child := range n.Content {
			walk(child)
		}
		if n.Kind == yaml.MappingNode {
			var pairs [][]*yaml.Node
			for pair := range slices.Chunk(n.Content, 2) {
				pairs = append(pairs, pair)
			}
			slices.Reverse(pairs)
			n.Content = slices.Concat(pairs...)
		}
	}
	walk(root)
	turned, err := yaml.Marshal(root)
	return turned, err == nil && plain
}

// sortConfig takes out of a configuration what hangs on the order of the file.
func sortConfig(c *exports.Config) {
	slices.SortStableFunc(c.Public, func(a, b exports.PublicLine) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.Projects, func(a, b exports.ProjectConfig) int { return strings.Compare(a.Key, b.Key) })
	for i := range c.Public {
		c.Public[i].Line = 0
	}
	for i := range c.Projects {
		c.Projects[i].Line = 0
		slices.SortFunc(c.Projects[i].Mounts, func(a, b exports.Mount) int { return strings.Compare(a.Key, b.Key) })
		for j := range c.Projects[i].Mounts {
			c.Projects[i].Mounts[j].Line = 0
		}
	}
}

// granted gives what a configuration grants on a server that is all its hosts,
// in a cloud where each project has one instance.
func granted(t *testing.T, c *exports.Config) []exports.Grant {
	t.Helper()
	e := exports.Evidence{Config: c, Hosts: exports.Hosts{}, Inventory: exports.Inventory{Projects: map[string]exports.Project{}}}
	for _, name := range c.Hosts() {
		e.Hosts[name] = exports.Host{Where: exports.Here}
	}
	network := "lan"
	if len(c.OpenStack.Networks) > 0 {
		network = c.OpenStack.Networks[0]
	}
	for _, p := range c.Projects {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(p.Key)) // never fails
		var addr [16]byte
		copy(addr[:], "\x20\x01\x0d\xb8")
		sum.Sum(addr[:8])
		id := fmt.Sprintf("%x", sum.Sum(nil))
		copy(addr[8:], sum.Sum(nil))
		e.Inventory.Projects[p.Key] = exports.Project{Sight: exports.Shown, ID: id, Name: p.Key, Enabled: true, Instances: []exports.Instance{
			{ID: "i" + id, Addresses: []exports.Address{{Network: network, Addr: netip.AddrFrom16(addr)}}},
		}}
	}
	return exports.Build(e).Grants()
}

// quoteYAML writes a text as one value of a YAML document, where that can be
// done.
func quoteYAML(text string) (string, bool) {
	quoted, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: text})
	return strings.TrimSuffix(string(quoted), "\n"), err == nil
}

// FuzzMount: a mount that is taken is the same when it is written as it was
// understood, and its parts are those that stand there.
func FuzzMount(f *testing.F) {
	for _, text := range []string{
		"nfs.example.org:/srv/a", "NFS.Example.org.:/srv//a/", "192.0.2.1:/srv/b", "[2001:DB8:0::1]:/srv/c", "2001:db8::2:/srv/d", "nfs:/srv/.",
		"http://x/srv", "h://srv/a", "h:/a:/b", "0.0.0.0:/srv", ":::/srv", "h:2049:/srv", "root@h:/srv", "*.example.org:/srv", "h:/", "h:/..", "h:/a b#c",
		"h:/srv/\\040", "h:/srv/ä", "[fe80::1%eth0]:/srv", "[::ffff:192.0.2.1]:/srv", "010.0.0.1:/srv", "true", "", "h:/srv/a /",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, ok := quoteYAML(text)
		if !ok {
			return
		}
		parse := func(value string) (*exports.Config, error) {
			return config.Parse([]byte("private:\n  p:\n    mounts:\n      m: " + value + "\n"))
		}
		config, err := parse(value)
		if err != nil {
			checkProblems(t, err, config)
			return
		}
		if len(config.Projects[0].Mounts) != 1 {
			t.Fatalf("%q is no mount and no problem", text)
		}
		m := config.Projects[0].Mounts[0]
		host, raw, _ := strings.Cut(text, ":/")
		if m.Path != path.Clean("/"+raw) || m.Path == "/" {
			t.Errorf("%q has path %q", text, m.Path)
		}
		bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		if addr, err := netip.ParseAddr(bare); err == nil {
			if m.Host != addr.Unmap().String() {
				t.Errorf("%q has host %q", text, m.Host)
			}
		} else if !strings.EqualFold(strings.TrimSuffix(host, "."), m.Host) {
			t.Errorf("%q has host %q", text, m.Host)
		}
		written := m.Host + ":" + m.Path
		if strings.Contains(m.Host, ":") {
			written = "[" + m.Host + "]:" + m.Path
		}
		if strings.TrimSpace(written) != written {
			written += "/" // a space at the end of the text is taken for a slip
		}
		value, ok = quoteYAML(written)
		again, err := parse(value)
		if !ok || err != nil || !cmp.Equal(config, again, byValue) {
			t.Errorf("%q is %q, and that is %+v, %v", text, written, again, err)
		}
	})
}

// FuzzOptions: options that are taken are kept to the letter, and would be taken
// for a public line too, where they stay in their parentheses.
func FuzzOptions(f *testing.F) {
	for _, text := range []string{
		exports.DefaultOptions, "rw,sec=sys,sync,no_subtree_check,root_squash", "ro", "rw,ro", "sec=sys,rw,sec=krb5,ro", "rw) *(rw", "fsid=0,crossmnt",
		"anonuid=65534,anongid=65534", "mp=/srv", "refer=/a@10.0.0.1", "rw,,sync", "squash_uids=1", "rw,rw", "xprtsec=mtls", "sec=krb5:krb5i:krb5p", "rw\n", "#",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, options string) {
		value, ok := quoteYAML(options)
		if !ok {
			return
		}
		inProject, err := config.Parse([]byte("private:\n  p:\n    options: " + value + "\n"))
		inFile, errInFile := config.Parse([]byte("private:\n  p: {}\nexports:\n  options: " + value + "\n"))
		if (err == nil) != (errInFile == nil) {
			t.Fatalf("%q: %v for a project, %v for the file", options, err, errInFile)
		}
		if err != nil {
			checkProblems(t, err, inProject)
			checkProblems(t, errInFile, inFile)
			return
		}
		if inProject.Projects[0].Options != options || inFile.Projects[0].Options != options || inFile.Options != options {
			t.Errorf("%q became %q, %q and %q", options, inProject.Projects[0].Options, inFile.Projects[0].Options, inFile.Options)
		}
		value, _ = quoteYAML("/srv 2001:db8::1(" + options + ")")
		public, err := config.Parse([]byte("public:\n  a: " + value + "\n"))
		if err != nil || len(public.Public) != 1 || public.Public[0].Options != options {
			t.Errorf("%q in a public line: %+v, %v", options, public, err)
		}
	})
}

// FuzzPublic: the clients of a public line that is taken are those that stand
// in it, and written out one by one they are taken again.
func FuzzPublic(f *testing.F) {
	for _, c := range badConfigs {
		if text, ok := strings.CutPrefix(c.text, "public:\n  a: |\n    "); ok && len(text) < 500 {
			f.Add(strings.ReplaceAll(text, "\n    ", "\n"))
		}
	}
	f.Add("/srv/scratch *(rw,sec=sys,sync,no_subtree_check,root_squash)")
	f.Add("/srv *(ro) 2001:DB8::1(rw) 10.0.0.0/8(ro)\n# world\n/ @g(ro) gss/krb5(rw)\t*.example.org(ro)\n")
	f.Fuzz(func(t *testing.T, text string) {
		value, ok := quoteYAML(text)
		if !ok {
			return
		}
		got, err := config.Parse([]byte("public:\n  a: " + value + "\n"))
		if err != nil {
			checkProblems(t, err, got)
			return
		}
		clients := 0
		for line := range strings.Lines(text) {
			if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' {
				clients += len(words) - 1
			}
		}
		if len(got.Public) != clients {
			t.Errorf("%q has %d clients, and %d were understood", text, clients, len(got.Public))
		}
		var written strings.Builder
		for _, l := range got.Public {
			fmt.Fprintf(&written, "%s %s(%s)\n", l.Path, l.Client, l.Options)
		}
		if written.Len() == 0 {
			return
		}
		value, _ = quoteYAML(written.String())
		again, err := config.Parse([]byte("public:\n  a: " + value + "\n"))
		if err != nil || !cmp.Equal(got.Public, again.Public, byValue) {
			t.Errorf("%q is %q, and that is %+v, %v", text, written.String(), again, err)
		}
	})
}
