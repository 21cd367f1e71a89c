package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
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
	a := app{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }, now: time.Now}
	return a.commands()
}

// flagItem is a flag in the man page.
var flagItem = regexp.MustCompile(`(?m)^\.It Fl (?:\w , Fl )?-([\w-]+)( Ar .*)?\n((?:[^.].*\n|\.[^I].*\n)*)`)

// TestManualFlags checks that the man page has each flag of each command once,
// with its environment variable and whether it takes a value, and no others.
func TestManualFlags(t *testing.T) {
	sections := manual(t, "man/nfs-exportd.8")
	documented := map[string][]string{} // by command
	for title, text := range sections {
		commands, ok := strings.CutPrefix(title, "Flags of ")
		if !ok {
			continue
		}
		for _, match := range flagItem.FindAllStringSubmatch(text, -1) {
			variable := regexp.MustCompile(`\.Pq Ev (\S+)`).FindStringSubmatch(match[3])
			if variable == nil {
				t.Errorf("--%s has no environment variable in the man page", match[1])
				continue
			}
			what := fmt.Sprintf("--%s value=%t %s", match[1], match[2] != "", variable[1])
			for _, command := range strings.FieldsFunc(strings.ReplaceAll(commands, " and ", ","), func(r rune) bool { return r == ',' || r == ' ' }) {
				documented[command] = append(documented[command], what)
			}
		}
	}
	real := map[string][]string{}
	for _, command := range commandLine().Commands {
		for _, flag := range command.Flags {
			_, isBool := flag.(*cli.BoolFlag)
			variables := flag.(cli.DocGenerationFlag).GetEnvVars()
			if len(variables) != 1 {
				t.Errorf("--%s has the environment variables %q, want one", flag.Names()[0], variables)
				continue
			}
			real[command.Name] = append(real[command.Name], fmt.Sprintf("--%s value=%t %s", flag.Names()[0], !isBool, variables[0]))
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

// TestManualCommands checks that the synopsis has each command.
func TestManualCommands(t *testing.T) {
	synopsis := manual(t, "man/nfs-exportd.8")["SYNOPSIS"]
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
	for _, match := range regexp.MustCompile(`(?m)^\.It ([\d ,]+)$`).FindAllStringSubmatch(manual(t, "man/nfs-exportd.8")["EXIT STATUS"], -1) {
		documented = append(documented, strings.FieldsFunc(match[1], func(r rune) bool { return r == ' ' || r == ',' })...)
	}
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	var real []string
	for _, match := range regexp.MustCompile(`(?m)^\texit[A-Z]\w+ += (\d+)$`).FindAllStringSubmatch(string(source), -1) {
		real = append(real, match[1])
	}
	// 128 and the number of a signal: hang-up, interrupt, termination, broken pipe.
	real = append(real, "129", "130", "143", "141")
	if diff := cmp.Diff(real, documented); diff != "" {
		t.Errorf("exit statuses (-program +man page):\n%s", diff)
	}
}

// TestManualMetrics checks that the man page has each metric, and no others.
func TestManualMetrics(t *testing.T) {
	metric := regexp.MustCompile(metricsNamespace + `_\w+`)
	now := time.Unix(1, 0)
	m := metrics{now: func() time.Time { return now }, read: true}
	text, err := m.text(exitOK, kept{})
	if err != nil {
		t.Fatal(err)
	}
	var real []string
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("# TYPE ")) {
			real = append(real, string(metric.Find(line)))
		}
	}
	documented := metric.FindAllString(manual(t, "man/nfs-exportd.8")["METRICS"], -1)
	slices.Sort(real)
	slices.Sort(documented)
	if diff := cmp.Diff(real, documented); diff != "" {
		t.Errorf("metrics (-program +man page):\n%s", diff)
	}
}
