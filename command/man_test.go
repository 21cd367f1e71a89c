package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"nfs-exportd/exports"
)

// manual returns the lines of each section and subsection of a man page.
func manual(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../man/" + file)
	if err != nil {
		t.Fatal(err)
	}
	sections, title := map[string][]string{}, ""
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\\\n", ""), "\n") {
		if strings.HasPrefix(line, ".Sh ") || strings.HasPrefix(line, ".Ss ") {
			title = line[len(".Sh "):]
		}
		sections[title] = append(sections[title], line)
	}
	return sections
}

// with returns the lines that begin with a prefix.
func with(prefix string, lines []string) (found []string) {
	for _, line := range lines {
		if strings.HasPrefix(line, prefix) {
			found = append(found, line)
		}
	}
	return found
}

// words returns the words of lines, with names of flags and variables whole.
func words(lines ...string) []string {
	return strings.FieldsFunc(strings.Join(lines, "\n"), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_*", r)
	})
}

// enumerate joins words by a comma, and the last one by "and".
func enumerate(words []string, comma, and string) string {
	text := strings.Join(words, comma)
	if last := strings.LastIndex(text, comma); last >= 0 {
		return text[:last] + and + text[last+len(comma):]
	}
	return text
}

// same compares what must be there with what is there.
func same(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-must have +has:\n%s", diff)
	}
}

// commandLine is the commands and flags as they are.
func commandLine() *cli.App {
	a := App{Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }, Now: time.Now}
	return a.commands(nil)
}

// noVariable is what the man page says of a flag without an environment variable.
const noVariable = "It has no environment variable"

// flagLines returns the line of a flag in the man page, without the name of its
// value, and those of its default and choices and of its environment variable.
func flagLines(t *testing.T, flag cli.Flag) []string {
	t.Helper()
	names, about := flag.Names(), flag.(cli.DocGenerationFlag)
	item := ".It "
	for _, short := range names[1:] {
		item += "Fl " + short + " , "
	}
	item += "Fl -" + names[0]
	if about.TakesValue() {
		item += " Ar "
	}
	lines, standard := []string{item}, strings.Trim(about.GetDefaultText(), `"`)
	if values := strings.Fields(choices[names[0]]); len(values) > 0 {
		for i, value := range values {
			values[i] = "Cm " + value + map[bool]string{true: " No (the default)"}[value == standard]
		}
		lines = append(lines, "."+enumerate(values, " , ", " No or "))
	} else if strings.HasPrefix(standard, "/") {
		lines = append(lines, ".Pa "+standard+" No by default")
	} else if standard != "" && standard != "false" {
		lines = append(lines, strings.Replace(standard, "m0s", "m", 1)+" by default")
	}
	if names[0] == flagApprove {
		if len(about.GetEnvVars()) > 0 {
			t.Errorf("--%s has the environment variables %q, want none", names[0], about.GetEnvVars())
		}
		return append(lines, noVariable)
	}
	if len(about.GetEnvVars()) != 1 {
		t.Errorf("--%s has the environment variables %q, want one", names[0], about.GetEnvVars())
	}
	return append(lines, ".Pq Ev "+strings.Join(about.GetEnvVars(), " , Ev "))
}

// TestManualFlags checks that the man page has each flag of each command once, in
// the section of these commands, with its short name, its environment variable,
// whether it takes a value, its default and its choices, and no others.
func TestManualFlags(t *testing.T) {
	commands := map[string][]string{} // by the lines of a flag
	for _, command := range commandLine().Commands {
		for _, flag := range command.Flags {
			lines := strings.Join(flagLines(t, flag), "\n")
			commands[lines] = append(commands[lines], command.Name)
		}
	}
	want, got := map[string][]string{}, map[string][]string{} // by section and item
	for lines, names := range commands {
		item, rest, _ := strings.Cut(lines, "\n")
		want["Flags of "+enumerate(names, ", ", " and ")+": "+item] = strings.Split(rest, "\n")
	}
	for title, section := range manual(t, "nfs-exportd.8") {
		item := ""
		for _, line := range section {
			if !strings.HasPrefix(title, "Flags of ") {
				continue
			} else if strings.HasPrefix(line, ".It ") {
				_, value, _ := strings.Cut(line, " Ar ")
				item = title + ": " + strings.TrimSuffix(line, value)
			} else if strings.HasPrefix(line, ".Pq Ev ") || strings.HasPrefix(line, noVariable) || strings.Contains(line, " default") {
				got[item] = append(got[item], strings.TrimRight(line, " .,:"))
			}
		}
	}
	same(t, want, got)
}

// TestManualMentions checks that the pages name no flag and no variable that the
// program does not have.
func TestManualMentions(t *testing.T) {
	known := append(environmentRead(t), "OS_*", "--version", "--help")
	for _, command := range commandLine().Commands {
		for _, flag := range command.Flags {
			known = append(known, flag.(cli.DocGenerationFlag).GetEnvVars()...)
			for _, name := range flag.Names() {
				known = append(known, strings.Repeat("-", min(len(name), 2))+name)
			}
		}
	}
	for _, file := range []string{"nfs-exportd.8", "nfs-mounts.yaml.5"} {
		for title, section := range manual(t, file) {
			text := strings.NewReplacer("Fl ", "_-", "Ev ", "_").Replace(strings.Join(section, "\n"))
			for _, word := range words(text) {
				for _, prefix := range []string{"_", "--", envPrefix, "OS_"} {
					if strings.HasPrefix(word, prefix) && !slices.Contains(known, strings.TrimPrefix(word, "_")) {
						t.Errorf("%s, %s: the program does not have %s", file, title, word)
					}
				}
			}
		}
	}
}

// environmentRead returns the variables that the program reads besides those of its
// flags: the names in calls of functions that read one.
func environmentRead(t *testing.T) []string {
	t.Helper()
	readers := []string{"getenv", "Getenv", "LookupEnv", "get", "either"}
	ofLibraries := map[string][]string{ // by what makes the standard library read them
		"http.ProxyFromEnvironment": {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"},
		"tls.Config":                {"SSL_CERT_FILE", "SSL_CERT_DIR"},
	}
	var names []string
	inspect(t, "..", func(node ast.Node) {
		switch node := node.(type) {
		case *ast.SelectorExpr:
			names = append(names, ofLibraries[types.ExprString(node)]...)
		case *ast.CallExpr:
			function := types.ExprString(node.Fun)
			function = function[strings.LastIndex(function, ".")+1:]
			for _, argument := range node.Args {
				name, literal := strings.CutPrefix(types.ExprString(argument), `"`)
				if literal && name == strings.ToUpper(name) && slices.Contains(readers, function) {
					names = append(names, strings.Trim(name, `"`))
				}
			}
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// inspect visits the Go files in and below a directory, except those of tests.
func inspect(t *testing.T, directory string, visit func(ast.Node)) {
	t.Helper()
	if err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (strings.HasSuffix(path, "test") || strings.HasSuffix(path, "testdata")) {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		for node := range ast.Preorder(file) {
			visit(node)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestManualEnvironment checks that the man page has each variable that is read
// besides those of the flags, once, and no others.
func TestManualEnvironment(t *testing.T) {
	var documented []string
	for _, line := range with(".It ", manual(t, "nfs-exportd.8")["ENVIRONMENT"]) {
		documented = append(documented, strings.Split(strings.TrimPrefix(line, ".It Ev "), " , Ev ")...)
	}
	slices.Sort(documented)
	same(t, environmentRead(t), documented)
}

// TestManualCommands checks that the synopsis has each command, and the shells.
func TestManualCommands(t *testing.T) {
	want := []string{".Cm " + strings.ReplaceAll(shellNames, " ", " | ")}
	for i, name := range commandNames(commandLine().Commands) {
		want = slices.Insert(want, i, ".Cm "+name)
	}
	same(t, want, with(".Cm ", manual(t, "nfs-exportd.8")["SYNOPSIS"]))
}

// TestManualStatuses checks that the man page and --help have each exit status, and
// no others, and that exitStatus gives each of them, by its name.
func TestManualStatuses(t *testing.T) {
	var want, help, names, used []string
	inside := false
	inspect(t, ".", func(node ast.Node) {
		switch node := node.(type) {
		case *ast.ValueSpec:
			name := node.Names[0].Name
			inside = inside || name == "statuses"
			if strings.HasPrefix(name, "Exit") {
				names, want = append(names, name), append(want, ".It "+types.ExprString(node.Values[0]))
			}
		case *ast.FuncDecl:
			inside = node.Name.Name == "exitStatus"
		case *ast.BasicLit:
			if inside && node.Kind == token.INT {
				used = append(used, node.Value)
			}
		case *ast.Ident:
			if inside && strings.HasPrefix(node.Name, "Exit") {
				used = append(used, node.Name)
			}
		}
	})
	slices.Sort(names)
	slices.Sort(used)
	same(t, names, slices.Compact(used))
	want = slices.DeleteFunc(want, func(line string) bool { return line == ".It 128" }) // plus a signal's number
	_, text, _ := strings.Cut(statusHelp, ": ")
	for part := range strings.SplitSeq(text, ";") {
		help = append(help, ".It "+words(part)[0])
	}
	same(t, want, help)
	// Hang-up, interrupt, termination; broken pipe.
	same(t, append(want, ".It 129 , 130 , 143", ".It 141"), with(".It ", manual(t, "nfs-exportd.8")["EXIT STATUS"]))
}

// keys returns the JSON keys of a type and of all in it, as the man page has them.
func keys(of reflect.Type) (all []string) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return keys(of.Elem())
	case reflect.Struct:
		for field := range of.Fields() {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); field.IsExported() {
				all = append(append(all, ".Ql "+name), keys(field.Type)...)
			}
		}
	}
	return all
}

// TestManualJSON checks that the man page has each key of what is printed as JSON,
// and no others.
func TestManualJSON(t *testing.T) {
	want, documented := append(keys(reflect.TypeFor[planJSON]()), keys(reflect.TypeFor[checkJSON]())...), []string(nil)
	for _, line := range manual(t, "nfs-exportd.8")["JSON"] {
		if all := words(line); len(all) > 1 && all[len(all)-2] == "Ql" { // no command line
			documented = append(documented, ".Ql "+all[len(all)-1])
		}
	}
	slices.Sort(want)
	slices.Sort(documented)
	same(t, slices.Compact(want), slices.Compact(documented))
}

// TestManualMetrics checks that the man page has each metric, and no others.
func TestManualMetrics(t *testing.T) {
	m := metrics{requests: new(atomic.Int64), now: func() time.Time { return time.Unix(1, 0) }, read: true, planned: true,
		hosts: exports.Hosts{"nfs.example.org": {Where: exports.Here}}}
	text, err := m.text(ExitOK, kept{})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, line := range with("# TYPE ", strings.Split(string(text), "\n")) {
		want = append(want, words(line)[1])
	}
	documented := with(metricsNamespace+"_", words(manual(t, "nfs-exportd.8")["METRICS"]...))
	slices.Sort(documented)
	same(t, want, documented)
}
