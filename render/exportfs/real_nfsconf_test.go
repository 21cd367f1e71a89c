//go:build real

package exportfs

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// nfsconf gets a setting with the parser that exportfs has.
func nfsconf(t *testing.T, conf, section, tag string) (value string, ok bool) {
	t.Helper()
	cmd := exec.Command("/usr/sbin/nfsconf", "--file", conf, "--get", section, tag)
	cmd.Env = Environment()
	out, err := cmd.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); failed {
		return "", false
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(out), "\n"), true
}

// TestRealNFSConf compares our reading of nfs.conf(5) with that of nfs-utils, for files
// made of the pieces that its parser knows.
func TestRealNFSConf(t *testing.T) {
	t.Parallel()
	pieces := []string{
		"[mountd]", "[exportd]", "[exports]", "[ MOUNTD ]", "[statd]", "[mountd", "[]", "[mountd \"open]", "x]",
		"state-directory-path", "State-Directory-Path", "rootdir", "include", "=", "=", " = ", "\t=", "-", "\"", "'", "#", ";", "\\", "\r", "\v", " ",
		"/a", "/b c", "more", "none", "\n", "\n", "\n", "\n", "[mountd]\nstate-directory-path=/x\n", "[exports]\nrootdir=/y\n", "\ninclude=more\n", "[exportd]\nstate-directory-path = /z", "[exports]\nrootdir=\"/r\"",
	}
	dice := rand.New(rand.NewPCG(1, 2))
	draw := func() string {
		var b strings.Builder
		for range 1 + dice.IntN(14) {
			b.WriteString(pieces[dice.IntN(len(pieces))])
		}
		if dice.IntN(4) > 0 {
			b.WriteString("\n")
		}
		return b.String()
	}
	set := 0
	for range 500 {
		files := map[string]string{"nfs.conf": draw(), "nfs.conf.d/a10.conf": draw(), "nfs.conf.d/a9.conf": draw(), "nfs.conf.d/more": draw(), "more": draw()}
		for _, name := range []string{"more", "nfs.conf.d/more"} {
			files[name] = strings.ReplaceAll(files[name], "include", "inclode") // no cycles
		}
		conf := confTree(t, files)
		r := confReader{}
		if err := r.host(conf); err != nil {
			// nfsconf warns of what is no file, and goes on.
			if !strings.Contains(err.Error(), "regular file") {
				t.Fatalf("%q: %v", files, err)
			}
			continue
		}
		for _, name := range confSettings {
			section, tag, _ := strings.Cut(name, "/")
			want, ok := nfsconf(t, conf, section, tag)
			got, has := r[name]
			if got.argument {
				continue // refused
			}
			if ok != has || want != got.value {
				t.Fatalf("%s of %q: got %q, %t; nfsconf has %q, %t", name, files, got.value, has, want, ok)
			}
			if ok {
				set++
			}
		}
	}
	if set < 150 {
		t.Errorf("only %d settings were found", set)
	}
}
