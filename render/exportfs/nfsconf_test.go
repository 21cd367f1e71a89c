package exportfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// confTree writes files below a directory and returns that of nfs.conf. $DIR stands
// for the directory.
func confTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"state", "other", "nfs.conf.d"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "$DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "nfs.conf")
}

// standard stands for the table of a host that does not move it.
const standard = "/var/lib/nfs/etab"

func TestTablePath(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files map[string]string
		want  string // below the directory; or the standard
	}{
		"no file":             {nil, standard},
		"empty":               {map[string]string{"nfs.conf": ""}, standard},
		"mountd":              {map[string]string{"nfs.conf": "[mountd]\nstate-directory-path=$DIR/state\n"}, "state/etab"},
		"exportd":             {map[string]string{"nfs.conf": "[exportd]\nstate-directory-path = $DIR/state/\n"}, "state/etab"},
		"mountd counts first": {map[string]string{"nfs.conf": "[exportd]\nstate-directory-path=$DIR/other\n[mountd]\nstate-directory-path=$DIR/state\n"}, "state/etab"},
		"another section":     {map[string]string{"nfs.conf": "[statd]\nstate-directory-path=$DIR/state\n"}, standard},
		"drop-in alone":       {map[string]string{"nfs.conf.d/a.conf": "[mountd]\nstate-directory-path=$DIR/state\n"}, "state/etab"},
		"drop-in over file": {map[string]string{
			"nfs.conf":          "[mountd]\nstate-directory-path=$DIR/other\n",
			"nfs.conf.d/a.conf": "[mountd]\nstate-directory-path=$DIR/state\n",
		}, "state/etab"},
		"drop-ins in the order of versions": {map[string]string{
			"nfs.conf.d/9.conf":  "[mountd]\nstate-directory-path=$DIR/other\n",
			"nfs.conf.d/10.conf": "[mountd]\nstate-directory-path=$DIR/state\n",
		}, "state/etab"},
		"not drop-ins": {map[string]string{
			"nfs.conf.d/.a.conf":   "[mountd]\nstate-directory-path=$DIR/state\n",
			"nfs.conf.d/a.conf.sv": "[mountd]\nstate-directory-path=$DIR/state\n",
			"nfs.conf.d/.conf":     "[mountd]\nstate-directory-path=$DIR/state\n",
			"nfs.conf.d/a.CONF":    "[mountd]\nstate-directory-path=$DIR/state\n",
		}, standard},
		"include in a section": {map[string]string{
			"nfs.conf": "[mountd]\ninclude=more\nfoo=bar\n",
			"more":     "state-directory-path=$DIR/state\n[statd]\n",
		}, "state/etab"},
		"section after include": {map[string]string{
			"nfs.conf": "[mountd]\nInclude = \"-more\"\nstate-directory-path=$DIR/state\n",
			"more":     "[statd]\n",
		}, "state/etab"},
		"include outside of a section": {map[string]string{
			"nfs.conf": "include=more\n", "more": "[mountd]\nstate-directory-path=$DIR/state\n",
		}, standard},
		"include of nothing":  {map[string]string{"nfs.conf": "[mountd]\ninclude=nothing\nstate-directory-path=$DIR/state\n"}, "state/etab"},
		"case":                {map[string]string{"nfs.conf": "[ MountD ] x\nSTATE-Directory-path=$DIR/state\n"}, "state/etab"},
		"quotes":              {map[string]string{"nfs.conf": "[mountd]\nstate-directory-path='$DIR/state' # x\n"}, "state/etab"},
		"open quote":          {map[string]string{"nfs.conf": "[mountd]\nstate-directory-path=\"$DIR/state\n"}, standard},
		"comment":             {map[string]string{"nfs.conf": "[mountd]\n#state-directory-path=$DIR/other\nstate-directory-path=$DIR/state ; x\n"}, "state/etab"},
		"CRLF":                {map[string]string{"nfs.conf": "[mountd]\r\nstate-directory-path=$DIR/state\r\n"}, "state/etab"},
		"continued line":      {map[string]string{"nfs.conf": "[mountd]\nx=y\\\nstate-directory-path=$DIR/state\n"}, standard},
		"no end of the line":  {map[string]string{"nfs.conf": "[mountd]\nstate-directory-path=$DIR/state"}, standard},
		"empty value":         {map[string]string{"nfs.conf": "[mountd]\nstate-directory-path=$DIR/state\nstate-directory-path=\n"}, "state/etab"},
		"section without end": {map[string]string{"nfs.conf": "[mountd]\n[mountd\nstate-directory-path=$DIR/state\n"}, standard},
		"after NUL":           {map[string]string{"nfs.conf": "[mountd]\n\x00\nstate-directory-path=$DIR/state\n"}, standard},
		"the root as root":    {map[string]string{"nfs.conf": "[exports]\nrootdir=.///\n"}, standard},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf := confTree(t, test.files)
			want := test.want
			if want != standard {
				want = filepath.Join(filepath.Dir(conf), want)
			}
			if got, err := TablePath(conf); got != want || err != nil {
				t.Errorf("got %q, error %v; want %q", got, err, want)
			}
		})
	}
}

// TestTablePathRefused: a table that cannot be known for certain is none.
func TestTablePathRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"rootdir":          {map[string]string{"nfs.conf.d/r.conf": "[exports]\nrootdir=/srv/root\n"}, "/nfs.conf.d/r.conf: rootdir=/srv/root in [exports]: nfs-exportd does not support it"},
		"missing":          {map[string]string{"nfs.conf": "[mountd]\nstate-directory-path=$DIR/nothing\n"}, "/nothing in [mountd]: no such file or directory: create the directory"},
		"a file":           {map[string]string{"nfs.conf": "[mountd]\nstate-directory-path=$DIR/nfs.conf\n"}, "it is not a directory"},
		"relative":         {map[string]string{"nfs.conf": "[mountd]\nstate-directory-path=state\n"}, "must begin with a slash"},
		"environment":      {map[string]string{"nfs.conf": "[exportd]\nstate-directory-path=$HOME\n"}, "depends on the environment"},
		"argument":         {map[string]string{"nfs.conf": "[mountd]\nstate-directory-path=$DIR/state\n[mountd \"x\"]\nstate-directory-path=$DIR/other\n"}, "the section has an argument"},
		"includes itself":  {map[string]string{"nfs.conf": "[mountd]\ninclude=nfs.conf\n"}, "include each other too deeply"},
		"includes a place": {map[string]string{"nfs.conf": "[mountd]\ninclude=state\n"}, "it is not a regular file"},
		"a directory":      {map[string]string{"nfs.conf": "[mountd]\ninclude=/proc/self/task\n"}, "/proc/self/task: it is not a regular file: see what it is"},
		"control":          {map[string]string{"nfs.conf": "[mountd]\nstate-directory-path=\x1b[31m\n"}, `"\x1b[31m"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := TablePath(confTree(t, test.files))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if _, ok := errors.AsType[*ConfError](err); !ok {
				t.Errorf("error of type %T", err)
			}
		})
	}
}

// TestTablePathNull: a file that is disabled with a link to /dev/null is empty.
func TestTablePathNull(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(t.TempDir(), "nfs.conf")
	if err := os.Symlink(os.DevNull, conf); err != nil {
		t.Fatal(err)
	}
	if got, err := TablePath(conf); got != standard || err != nil {
		t.Errorf("got %q, error %v", got, err)
	}
}
