package command

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

// manual is a man page's source, section by section and subsection by subsection.
func manual(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections, title := map[string]string{}, ""
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, ".Sh "); ok {
			title = strings.TrimSpace(name)
		} else if name, ok := strings.CutPrefix(line, ".Ss "); ok {
			title = strings.TrimSpace(name)
		} else {
			sections[title] += line
		}
	}
	return sections
}

// commandLine is the commands and flags as they are.
func commandLine() *cli.App {
	a := App{Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }, Now: time.Now}
	return a.commands(nil)
}

// flagItem is a flag in the man page: its short name, its name, its value, its text.
var flagItem = regexp.MustCompile(`(?m)^\.It Fl (?:(\w) , Fl )?-([\w-]+)( Ar .*)?\n((?:[^.].*\n|\.[^I].*\n)*)`)

// defaultText is how the page tells of a default.
var defaultText = regexp.MustCompile(`(?m)(?:^\.Pa (\S+)\nby default|(\S+) by default|^\.Cm (\w+) ?,?\n\(the default\))`)

// TestManualFlags checks that the man page has each flag of each command once,
// with its short name, its environment variable, whether it takes a value, its
// default and its choices, and no others.
func TestManualFlags(t *testing.T) {
	describe := func(short, name string, value bool, variable, standard string, words []string) string {
		slices.Sort(words)
		return fmt.Sprintf("-%s --%s value=%t %s default=%q choices=%q", short, name, value, variable, standard, slices.Compact(words))
	}
	// 2m and 2m0s are the same.
	sameDuration := func(text string) string {
		if d, err := time.ParseDuration(text); err == nil {
			return d.String()
		}
		return text
	}
	sections := manual(t, "../man/nfs-exportd.8")
	documented := map[string][]string{} // by command
	for title, text := range sections {
		commands, ok := strings.CutPrefix(title, "Flags of ")
		if !ok {
			continue
		}
		for _, match := range flagItem.FindAllStringSubmatch(text, -1) {
			variable := regexp.MustCompile(`\.Pq Ev (\S+)`).FindStringSubmatch(match[4])
			if variable == nil {
				t.Errorf("--%s has no environment variable in the man page", match[2])
				continue
			}
			standard := ""
			if found := defaultText.FindStringSubmatch(match[4]); found != nil {
				standard = sameDuration(strings.Join(found[1:], ""))
			}
			var words []string
			if choices[match[2]] != "" {
				for _, word := range regexp.MustCompile(`(?m)^\.Cm (\w+)`).FindAllStringSubmatch(match[4], -1) {
					words = append(words, word[1])
				}
			}
			what := describe(match[1], match[2], match[3] != "", variable[1], standard, words)
			for _, command := range strings.FieldsFunc(strings.ReplaceAll(commands, " and ", ","), func(r rune) bool { return r == ',' || r == ' ' }) {
				documented[command] = append(documented[command], what)
			}
		}
	}
	real := map[string][]string{}
	for _, command := range commandLine().Commands {
		for _, flag := range command.Flags {
			variables := flag.(cli.DocGenerationFlag).GetEnvVars()
			if len(variables) != 1 {
				t.Errorf("--%s has the environment variables %q, want one", flag.Names()[0], variables)
				continue
			}
			value, standard := true, ""
			switch flag := flag.(type) {
			case *cli.StringFlag:
				standard = flag.Value
			case *cli.DurationFlag:
				standard = flag.Value.String()
			case *cli.StringSliceFlag:
				if flag.Value != nil {
					standard = flag.Value.String()
				}
			case *cli.BoolFlag:
				value = false
				if flag.Value {
					t.Errorf("--%s is set by default, and cannot be taken back", flag.Name)
				}
			default:
				t.Errorf("--%s is a %T, which this test does not know", flag.Names()[0], flag)
			}
			name, short := flag.Names()[0], strings.Join(flag.Names()[1:], " -")
			real[command.Name] = append(real[command.Name], describe(short, name, value, variables[0], standard, strings.Fields(choices[name])))
		}
	}
	for _, flags := range []map[string][]string{documented, real} {
		for _, list := range flags {
			slices.Sort(list)
		}
	}
	if len(documented["plan"]) < 10 {
		t.Errorf("only these flags of plan were found in the man page: %q", documented["plan"])
	}
	if diff := cmp.Diff(real, documented); diff != "" {
		t.Errorf("flags (-program +man page):\n%s", diff)
	}
}

// TestManualMentions checks that the pages speak of no flag and no variable that
// the program does not have.
func TestManualMentions(t *testing.T) {
	flags := map[string]bool{"-version": true, "-help": true}
	variables := map[string]bool{"OS_*": true}
	for _, command := range commandLine().Commands {
		for _, flag := range command.Flags {
			for _, name := range flag.Names() {
				flags[map[bool]string{true: name, false: "-" + name}[len(name) == 1]] = true
			}
			for _, name := range flag.(cli.DocGenerationFlag).GetEnvVars() {
				variables[name] = true
			}
		}
	}
	for _, name := range environmentRead(t) {
		variables[name] = true
	}
	for _, file := range []string{"../man/nfs-exportd.8", "../man/nfs-mounts.yaml.5"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`\b(Fl|Ev) ([\w*-]+)`).FindAllStringSubmatch(string(text), -1) {
			if known := map[string]map[string]bool{"Fl": flags, "Ev": variables}[match[1]]; !known[match[2]] {
				t.Errorf("%s speaks of %s, which there is not", file, match[2])
			}
		}
		for _, match := range regexp.MustCompile(`(?:^|\s)-(-[a-z][\w-]+)`).FindAllStringSubmatch(string(text), -1) {
			if !flags[match[1]] {
				t.Errorf("%s speaks of -%s, which there is not", file, match[1])
			}
		}
		for _, name := range regexp.MustCompile(`\b(?:NFS_EXPORTD|OS)_[A-Z_]*[A-Z]\b`).FindAllString(string(text), -1) {
			if !variables[name] {
				t.Errorf("%s speaks of %s, which there is not", file, name)
			}
		}
	}
}

// ofLibraries are the variables that the standard library reads for us, by what
// makes it do so.
var ofLibraries = map[string][]string{
	"http.ProxyFromEnvironment": {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"},
	"tls.Config":                {"SSL_CERT_FILE", "SSL_CERT_DIR"},
}

// environmentRead gives the variables that the program reads besides those of its
// flags: from the sources, as the names in calls of what is named so.
func environmentRead(t *testing.T) []string {
	t.Helper()
	readers := []string{"getenv", "Getenv", "LookupEnv", "get", "either"}
	variable := regexp.MustCompile(`^"([A-Z][A-Z0-9_]*)"$`)
	var names []string
	for _, node := range sources(t, ".", "../exports", "../exports/config", "../yamlfile", "../keystone", "../render", "../render/disk", "../render/exportfs", "../render/sandbox", "../render/install") {
		switch node := node.(type) {
		case *ast.CallExpr:
			name, _ := node.Fun.(*ast.Ident)
			if selector, ok := node.Fun.(*ast.SelectorExpr); ok {
				name = selector.Sel
			}
			if name == nil || !slices.Contains(readers, name.Name) {
				continue
			}
			for _, argument := range node.Args {
				if text, ok := argument.(*ast.BasicLit); ok && variable.MatchString(text.Value) {
					names = append(names, strings.Trim(text.Value, `"`))
				}
			}
		case *ast.SelectorExpr:
			if from, ok := node.X.(*ast.Ident); ok {
				names = append(names, ofLibraries[from.Name+"."+node.Sel.Name]...)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// sources gives all that is in the Go files of some directories but their tests.
func sources(t *testing.T, directories ...string) []ast.Node {
	t.Helper()
	var nodes []ast.Node
	for _, directory := range directories {
		files, err := filepath.Glob(filepath.Join(directory, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(node ast.Node) bool {
				if node != nil {
					nodes = append(nodes, node)
				}
				return true
			})
		}
	}
	return nodes
}

// TestManualEnvironment checks that the man page has each variable that is read
// besides those of the flags, once, and no others.
func TestManualEnvironment(t *testing.T) {
	var documented []string
	section := strings.ReplaceAll(manual(t, "../man/nfs-exportd.8")["ENVIRONMENT"], "\\\n", "")
	for _, item := range regexp.MustCompile(`(?m)^\.It (.*)$`).FindAllStringSubmatch(section, -1) {
		for _, name := range regexp.MustCompile(`Ev (\w+)`).FindAllStringSubmatch(item[1], -1) {
			documented = append(documented, name[1])
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(environmentRead(t), documented); diff != "" {
		t.Errorf("variables (-program +man page):\n%s", diff)
	}
}

// TestManualCommands checks that the synopsis has each command.
func TestManualCommands(t *testing.T) {
	synopsis := manual(t, "../man/nfs-exportd.8")["SYNOPSIS"]
	var documented []string
	for _, match := range regexp.MustCompile(`(?m)^\.Cm (\w+)$`).FindAllStringSubmatch(synopsis, -1) {
		documented = append(documented, match[1])
	}
	if diff := cmp.Diff(commandNames(commandLine().Commands), documented); diff != "" {
		t.Errorf("commands (-program +man page):\n%s", diff)
	}
}

// TestManualStatuses checks that the man page has each exit status that exitStatus
// can give, and no others.
func TestManualStatuses(t *testing.T) {
	var documented []string
	for _, match := range regexp.MustCompile(`(?m)^\.It ([\d ,]+)$`).FindAllStringSubmatch(manual(t, "../man/nfs-exportd.8")["EXIT STATUS"], -1) {
		documented = append(documented, strings.FieldsFunc(match[1], func(r rune) bool { return r == ' ' || r == ',' })...)
	}
	var real []string
	names, used := map[string]string{}, map[string]bool{}
	for _, node := range sources(t, ".") {
		switch node := node.(type) {
		case *ast.ValueSpec:
			if name := node.Names[0].Name; strings.HasPrefix(name, "Exit") && len(node.Values) == 1 {
				if value, ok := node.Values[0].(*ast.BasicLit); ok && name != "ExitSignal" {
					names[name] = value.Value
					real = append(real, value.Value)
				}
			}
		case *ast.FuncDecl:
			if !slices.Contains([]string{"exitStatus", "Run", "orBug", "publish"}, node.Name.Name) {
				continue
			}
			ast.Inspect(node, func(inner ast.Node) bool {
				switch inner := inner.(type) {
				case *ast.BasicLit:
					if inner.Kind == token.INT && node.Name.Name == "exitStatus" {
						t.Errorf("exitStatus has %s, which is no exit status of the man page", inner.Value)
					}
				case *ast.Ident:
					used[inner.Name] = true
				}
				return true
			})
		}
	}
	for name, value := range names {
		if !used[name] {
			t.Errorf("%s (%s) is the exit status of nothing", name, value)
		}
	}
	// What --help says.
	var help []string
	for _, match := range regexp.MustCompile(`(?:: |; |;\n)(\d+) `).FindAllStringSubmatch(statusHelp, -1) {
		help = append(help, match[1])
	}
	if diff := cmp.Diff(real, help); diff != "" {
		t.Errorf("exit statuses (-program +help):\n%s", diff)
	}
	// 128 and the number of a signal: hang-up, interrupt, termination, broken pipe.
	real = append(real, "129", "130", "143", "141")
	if diff := cmp.Diff(real, documented); diff != "" {
		t.Errorf("exit statuses (-program +man page):\n%s", diff)
	}
}

// keys gives the JSON keys of a type and of all in it.
func keys(of reflect.Type) []string {
	var all []string
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return nil
	}
	for i := range of.NumField() {
		field := of.Field(i)
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			all = append(all, name)
		} else if field.IsExported() {
			all = append(all, field.Name)
		}
		all = append(all, keys(field.Type)...)
	}
	return all
}

// TestManualJSON checks that the man page has each key of what is printed as JSON,
// and no others.
func TestManualJSON(t *testing.T) {
	real := append(keys(reflect.TypeFor[planJSON]()), keys(reflect.TypeFor[checkJSON]())...)
	var documented []string
	for _, match := range regexp.MustCompile(`(?m)^\.(?:It )?Ql (\w+)(?: [.,])?$`).FindAllStringSubmatch(manual(t, "../man/nfs-exportd.8")["JSON"], -1) {
		documented = append(documented, match[1])
	}
	slices.Sort(real)
	slices.Sort(documented)
	if diff := cmp.Diff(slices.Compact(real), slices.Compact(documented)); diff != "" {
		t.Errorf("keys (-program +man page):\n%s", diff)
	}
}

// TestManualMetrics checks that the man page has each metric, and no others.
func TestManualMetrics(t *testing.T) {
	metric := regexp.MustCompile(metricsNamespace + `_\w+`)
	now := time.Unix(1, 0)
	m := metrics{requests: new(atomic.Int64), now: func() time.Time { return now }, read: true}
	text, err := m.text(ExitOK, kept{})
	if err != nil {
		t.Fatal(err)
	}
	var real []string
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("# TYPE ")) {
			real = append(real, string(metric.Find(line)))
		}
	}
	documented := metric.FindAllString(manual(t, "../man/nfs-exportd.8")["METRICS"], -1)
	slices.Sort(real)
	slices.Sort(documented)
	if diff := cmp.Diff(real, documented); diff != "" {
		t.Errorf("metrics (-program +man page):\n%s", diff)
	}
}
