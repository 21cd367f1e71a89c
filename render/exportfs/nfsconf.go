package exportfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nfs-exportd/printable"
	"nfs-exportd/render/disk"
)

const (
	// NFSConf is the configuration file of the NFS tools, see nfs.conf(5).
	NFSConf = "/etc/nfs.conf"
	// StateDir is where exportfs keeps the active table unless NFSConf moves it.
	StateDir = "/var/lib/nfs"
)

// ConfError is an nfs.conf(5) that cannot be read as exportfs reads it, or a setting in
// it with which nfs-exportd cannot work.
type ConfError struct {
	File string
	Err  error
}

// Error names the file and the problem.
func (e *ConfError) Error() string {
	return fmt.Sprintf("configuration %s: %s; nothing was changed", printable.Word(e.File), disk.Bare(e.Err))
}

// Unwrap returns Err.
func (e *ConfError) Unwrap() error { return e.Err }

// TablePath returns where exportfs keeps the active table by an nfs.conf(5) and its
// drop-ins; an empty path stands for a host without any. Its error is a *ConfError, also
// for rootdir, with which exportfs exports other directories than the exports files
// name.
func TablePath(conf string) (string, error) {
	if conf == "" {
		return StateDir + "/etab", nil
	}
	r := confReader{}
	if err := r.host(conf); err != nil {
		return "", err
	}
	for _, name := range confSettings {
		switch s := r[name]; {
		case s.argument:
			return "", s.error("the section has an argument, which versions of exportfs read in different ways: remove the argument")
		case strings.HasPrefix(s.value, "$"):
			return "", s.error("the value depends on the environment of each caller: write the value itself")
		}
	}
	if s, ok := r["exports/rootdir"]; ok && withoutDots(s.value) != "" && withoutDots(s.value) != "/" {
		return "", s.error("nfs-exportd does not support it: remove it, and name the directories by their full paths")
	}
	s, ok := r["mountd/state-directory-path"]
	if !ok {
		s, ok = r["exportd/state-directory-path"]
	}
	if !ok {
		return StateDir + "/etab", nil
	}
	if !filepath.IsAbs(s.value) {
		return "", s.error("the path must begin with a slash")
	}
	// exportfs does not start without the directory.
	switch info, err := os.Stat(s.value); {
	case err != nil:
		return "", s.error(fmt.Sprintf("%s: create the directory, or correct the setting", disk.Bare(err)))
	case !info.IsDir():
		return "", s.error("it is not a directory: correct the setting")
	}
	return strings.TrimRight(s.value, "/") + "/etab", nil
}

// withoutDots removes from the begin of rootdir what exportfs removes
// (nfsd_path_strip in nfs-utils' support/misc/nfsd_path.c).
func withoutDots(path string) string {
	for {
		rest, dot := strings.CutPrefix(path, "./")
		if !dot {
			if !strings.HasPrefix(path, "//") {
				return path
			}
			rest = path[1:]
		}
		path = rest
	}
}

// setting is a setting that matters here.
type setting struct {
	name     string // with its section
	value    string
	file     string
	argument bool // of the section: [mountd "argument"]
}

// error returns the *ConfError of a setting.
func (s setting) error(problem string) error {
	section, tag, _ := strings.Cut(s.name, "/")
	return &ConfError{s.file, fmt.Errorf("%s=%s in [%s]: %s", tag, printable.Word(s.value), section, problem)}
}

// confReader reads nfs.conf(5) as nfs-utils does (support/nfs/conffile.c), and
// keeps the settings that matter here, by section and name. Of two equal ones the later
// counts.
type confReader map[string]setting

// confSettings are the settings that exportfs uses; of state-directory-path that of
// mountd counts first.
var confSettings = []string{"mountd/state-directory-path", "exportd/state-directory-path", "exports/rootdir"}

// maxIncludes is how deep files may include others. exportfs has no limit, and crashes
// if a file includes itself.
const maxIncludes = 8

// confSection is the section that a line is in.
type confSection struct {
	in       bool
	name     string
	argument bool
}

// host reads a file and its drop-ins, and before them those of /usr/etc, which newer
// versions of nfs-utils read: they forget all of it if there is the other file.
func (r confReader) host(conf string) error {
	files := []string{conf}
	if strings.HasPrefix(conf, "/etc/") {
		files = []string{"/usr" + conf, conf}
	}
	for _, file := range files {
		text, there, err := readConfFile(file)
		if err != nil {
			return err
		}
		if there {
			clear(r)
			if err := r.parse(text, file, confSection{}, 0); err != nil {
				return err
			}
		}
		if err := r.dropIns(file + ".d"); err != nil {
			return err
		}
	}
	return nil
}

// dropIns reads the files of a directory whose names end in .conf.
func (r confReader) dropIns(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unreadable(dir, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return compareVersions(a.Name(), b.Name()) })
	for _, entry := range entries {
		name := entry.Name()
		regular := entry.Type().IsRegular() || entry.Type()&fs.ModeSymlink != 0
		if !regular || strings.HasPrefix(name, ".") || len(name) <= len(".conf") || !strings.HasSuffix(name, ".conf") {
			continue
		}
		if err := r.include(filepath.Join(dir, name), confSection{}, 0); err != nil {
			return err
		}
	}
	return nil
}

// include reads a file if it is there.
func (r confReader) include(file string, section confSection, depth int) error {
	if depth > maxIncludes {
		return &ConfError{file, errors.New("files include each other too deeply: see whether one includes itself")}
	}
	text, _, err := readConfFile(file)
	if err != nil {
		return err
	}
	return r.parse(text, file, section, depth)
}

// readConfFile reads a file if it is there. Its error is a *ConfError.
func readConfFile(path string) (text []byte, there bool, err error) {
	text, _, err = disk.Read(path, true)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case errors.Is(err, disk.ErrNotRegular) && isNull(path):
		return nil, true, nil
	case err != nil:
		return nil, false, unreadable(path, err)
	}
	return text, true, nil
}

// unreadable returns the *ConfError of a file or directory that cannot be read.
func unreadable(path string, err error) error {
	next := "see what it is, and correct it"
	if errors.Is(err, fs.ErrPermission) {
		next = "run as root, as exportfs does, or let this user read it"
	}
	return &ConfError{path, fmt.Errorf("%w: %s", disk.Bare(err), next)}
}

// isNull reports whether a path leads to /dev/null, with which people disable a file.
func isNull(path string) bool {
	info, err := os.Stat(path)
	null, failed := os.Stat(os.DevNull)
	return err == nil && failed == nil && os.SameFile(info, null)
}

const (
	confSpace = " \t\n\v\f\r"
	confBlank = " \t"
)

// parse reads the text of a file that begins in a section.
func (r confReader) parse(text []byte, file string, section confSection, depth int) error {
	text, _, _ = bytes.Cut(text, []byte{0})
	joined := strings.ReplaceAll(string(text), "\\\n", "  ")
	for line := range strings.Lines(joined) {
		if !strings.HasSuffix(line, "\n") {
			break // exportfs ignores a last line without an end
		}
		line = strings.TrimLeft(strings.TrimSuffix(line, "\n"), confSpace)
		switch {
		case line == "", line[0] == '#', line[0] == ';':
			continue
		case line[0] == '[':
			section = parseSection(line[1:])
			continue
		}
		tag, value, ok := parseAssignment(line)
		if !section.in || !ok {
			continue
		}
		if strings.EqualFold(tag, "include") {
			if err := r.includeValue(value, file, section, depth); err != nil {
				return err
			}
			continue
		}
		name := strings.ToLower(section.name + "/" + tag)
		if value != "" && slices.Contains(confSettings, name) {
			r[name] = setting{name, value, file, section.argument}
		}
	}
	return nil
}

// includeValue reads the file that an assignment to include names.
func (r confReader) includeValue(value, file string, section confSection, depth int) error {
	value = strings.TrimPrefix(value, "-") // no warning if it is missing
	if value == "" {
		return nil
	}
	if !filepath.IsAbs(value) {
		value = filepath.Dir(file) + "/" + value
	}
	return r.include(value, section, depth+1)
}

// parseSection reads what follows the bracket at the begin of a section.
func parseSection(line string) confSection {
	name, _, ok := strings.Cut(strings.TrimLeft(line, confBlank), "]")
	if !ok {
		return confSection{}
	}
	name, rest, quoted := strings.Cut(strings.TrimRight(name, confBlank), `"`)
	if quoted {
		name = strings.TrimRight(name, confBlank)
	}
	return confSection{true, name, quoted && strings.Contains(rest, `"`)}
}

// parseAssignment reads a line that is no section. A line without a name, or with a
// quote that has no end, is none.
func parseAssignment(line string) (tag, value string, ok bool) {
	tag, value, ok = strings.Cut(line, "=")
	if !ok {
		return "", "", false
	}
	tag, value = strings.TrimRight(tag, confBlank), strings.TrimLeft(value, confBlank)
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		value, _, ok = strings.Cut(value[1:], value[:1])
		return tag, value, ok && tag != ""
	}
	if end := strings.IndexAny(value, "#;"); end >= 0 {
		value = value[:end]
	}
	trimmed := strings.TrimRight(value, confSpace)
	if trimmed == "" && value != "" {
		trimmed = value[:1] // exportfs keeps the first byte: a carriage return
	}
	return tag, trimmed, tag != ""
}
