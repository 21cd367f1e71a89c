package exports_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// law is what the files of one package may use, see doc.go of package exports
// and of its neighbours: imports run keystone → exports ← render, and exports
// is a function of its arguments.
type law struct {
	// siblings are the packages of this module that it may import, by their
	// directories; its tests may import testSiblings besides.
	siblings, testSiblings []string
	pure                   bool // no I/O, no clock, no dice
	command                bool // may end the process
}

// laws has a law for every package of the module but the one at the top, which
// sees everything.
var laws = map[string]law{
	"dist/completion":                 {},
	"exports":                         {pure: true},
	"keystone":                        {siblings: []string{"exports"}, testSiblings: []string{"keystone/keystonetest"}},
	"keystone/keystonetest":           {},
	"keystone/keystonetest/testcloud": {siblings: []string{"keystone/keystonetest"}, command: true},
	"render":                          {siblings: []string{"exports"}},
}

// pureImports is what a pure package may import: of the standard library what
// only computes, and the two modules that exports needs.
var pureImports = []string{
	"bytes", "cmp", "encoding/binary", "encoding/hex", "errors", "fmt", "hash/fnv", "crypto/sha256", "io", "iter", "maps", "math", "math/bits",
	"net/netip", "path", "regexp", "slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8",
	"go.yaml.in/yaml/v4", "github.com/xrash/smetrics",
}

// impure is what a pure package must not take out of a package that it may
// import.
var impure = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// breaches names what a file does against the law of its package.
func breaches(module, dir, name string, source any) ([]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	isTest := strings.HasSuffix(name, "_test.go")
	rule, known := laws[dir]
	if dir == "." {
		rule, known = law{command: true}, true
	}
	if !known {
		return []string{"there is no law for package " + dir}, nil
	}
	var found []string
	report := func(at token.Pos, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s: %s", files.Position(at), fmt.Sprintf(format, args...)))
	}
	imported := map[string]string{} // by the name in the file
	for _, spec := range file.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		local := path.Base(target)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		imported[local] = target
		if sibling, ok := strings.CutPrefix(target, module+"/"); ok && dir != "." {
			own := isTest && sibling == dir
			test := isTest && slices.Contains(rule.testSiblings, sibling)
			if !own && !test && !slices.Contains(rule.siblings, sibling) {
				report(spec.Pos(), "package %s must not import %s", dir, sibling)
			}
		} else if target == module {
			report(spec.Pos(), "nothing imports the command")
		}
		if rule.pure && !isTest {
			if !slices.Contains(pureImports, target) && !strings.HasPrefix(target, module+"/") {
				report(spec.Pos(), "package %s must not import %s", dir, target)
			}
			if local == "." || local == "_" {
				report(spec.Pos(), "package %s must not import %s as %q", dir, target, local)
			}
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if f, ok := node.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" && !isTest {
			report(f.Pos(), "there is an init function")
		}
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		target, what := imported[of.Name], selector.Sel.Name
		if rule.pure && !isTest && slices.Contains(impure[target], what) {
			report(selector.Pos(), "package %s must not use %s.%s", dir, target, what)
		}
		exits := target == "os" && what == "Exit" || target == "log" && (strings.HasPrefix(what, "Fatal") || strings.HasPrefix(what, "Panic"))
		if exits && !rule.command && !isTest {
			report(selector.Pos(), "package %s must not end the process", dir)
		}
		return true
	})
	return found, nil
}

func TestImportLaw(t *testing.T) {
	top := filepath.Join("..")
	gomod, err := os.ReadFile(filepath.Join(top, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(gomod), "\n")
	module, ok := strings.CutPrefix(strings.TrimSpace(line), "module ")
	if !ok {
		t.Fatalf("go.mod starts with %q", line)
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		switch {
		case entry.IsDir() && name != top && (base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(base, ".go"):
			return nil
		}
		dir, err := filepath.Rel(top, filepath.Dir(name))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		seen[dir] = true
		found, err := breaches(module, dir, name, nil)
		if err != nil {
			// Whether a neighbour compiles is not this test's matter.
			t.Logf("%s is not read: %v", name, err)
			return nil
		}
		for _, breach := range found {
			t.Error(breach)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range laws {
		if !seen[dir] && !strings.Contains(dir, "testcloud") {
			t.Errorf("there is no package %s", dir)
		}
	}
}

// TestImportLawCanBeBroken shows that the check sees what it is there to see.
func TestImportLawCanBeBroken(t *testing.T) {
	const module = "nfs-exportd"
	tests := []struct {
		dir, name, source string
		want              int
	}{
		{"exports", "a.go", `import ("fmt"; "net/netip"; "time"; "go.yaml.in/yaml/v4"); var t time.Time; var s = fmt.Sprint(netip.Addr{}, yaml.Node{})`, 0},
		{"exports", "a.go", `import "os"`, 1},
		{"exports", "a.go", `import "os/exec"`, 1},
		{"exports", "a.go", `import "net"`, 1},
		{"exports", "a.go", `import "net/http"`, 1},
		{"exports", "a.go", `import "syscall"`, 1},
		{"exports", "a.go", `import "io/fs"`, 1},
		{"exports", "a.go", `import "log"`, 1},
		{"exports", "a.go", `import "log/slog"`, 1},
		{"exports", "a.go", `import "math/rand/v2"`, 1},
		{"exports", "a.go", `import "context"`, 1},
		{"exports", "a.go", `import "unsafe"`, 1},
		{"exports", "a.go", `import "golang.org/x/sys/unix"`, 1},
		{"exports", "a.go", `import "github.com/gophercloud/gophercloud/v2"`, 1},
		{"exports", "a.go", `import "nfs-exportd/keystone"`, 1},
		{"exports", "a.go", `import "nfs-exportd/render"`, 1},
		{"exports", "a.go", `import "nfs-exportd/exports"`, 1},
		{"exports", "a.go", `import . "time"; var t = Now()`, 1},
		{"exports", "a.go", `import "time"; var t = time.Now()`, 1},
		{"exports", "a.go", `import "time"; var f = time.Now`, 1},
		{"exports", "a.go", `import clock "time"; var t = clock.Since(clock.Time{})`, 1},
		{"exports", "a.go", `import "fmt"; func f() { fmt.Println() }`, 1},
		{"exports", "a.go", `func init() {}`, 1},
		{"exports", "a_test.go", `import ("os"; "time"; "nfs-exportd/exports"); var t = time.Now()`, 0},
		{"exports", "a_test.go", `import "nfs-exportd/render"`, 1},
		{"keystone", "a.go", `import ("net/http"; "nfs-exportd/exports")`, 0},
		{"keystone", "a.go", `import "nfs-exportd/render"`, 1},
		{"keystone", "a.go", `import "nfs-exportd/keystone/keystonetest"`, 1},
		{"keystone", "a.go", `import "nfs-exportd"`, 1},
		{"keystone", "a.go", `import "os"; func f() { os.Exit(1) }`, 1},
		{"keystone", "a.go", `import "log"; func f() { log.Fatal() }`, 1},
		{"keystone", "a_test.go", `import "nfs-exportd/keystone/keystonetest"`, 0},
		{"keystone", "a_test.go", `import "nfs-exportd/render"`, 1},
		{"render", "a.go", `import ("os"; "nfs-exportd/exports")`, 0},
		{"render", "a.go", `import "nfs-exportd/keystone"`, 1},
		{"render", "a_test.go", `import "nfs-exportd/keystone/keystonetest"`, 1},
		{"keystone/keystonetest", "a.go", `import "net/http"`, 0},
		{"keystone/keystonetest", "a.go", `import "nfs-exportd/exports"`, 1},
		{"keystone/keystonetest", "a_test.go", `import "nfs-exportd/keystone"`, 1},
		{"keystone/keystonetest/testcloud", "main.go", `import ("os"; "nfs-exportd/keystone/keystonetest"); func main() { os.Exit(1) }`, 0},
		{".", "main.go", `import ("os"; "nfs-exportd/exports"; "nfs-exportd/keystone"; "nfs-exportd/render"); func main() { os.Exit(1) }`, 0},
		{"util", "a.go", ``, 1},
	}
	for _, tt := range tests {
		found, err := breaches(module, tt.dir, tt.name, "package p; "+tt.source)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != tt.want {
			t.Errorf("%s/%s, %s: %d breaches, want %d:\n%s", tt.dir, tt.name, tt.source, len(found), tt.want, cmp.Diff([]string(nil), found))
		}
	}
}
