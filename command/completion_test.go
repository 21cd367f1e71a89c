package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"nfs-exportd/dist/completion"
)

// choices has the flags that accept only some values.
var choices = map[string]string{
	flagFormat:    "text json",
	flagLogFormat: "text json",
	flagLogLevel:  "debug info warn error",
	flagColor:     "auto always never",
}

const shellNames = "bash zsh fish"

func commandNames(commands []*cli.Command) []string {
	var names []string
	for _, command := range commands {
		names = append(names, command.Name)
	}
	return names
}

// completed is a flag as a shell completes it.
type completed struct {
	names       []string // with their dashes, the long one first
	about       string
	value, file bool // it takes a value; the value is the name of a file
	choice      string
}

// completedFlags returns the flags of a command, and --help.
func completedFlags(command *cli.Command) []completed {
	all := []completed{{names: []string{"--help", "-h"}, about: "show help"}}
	for _, flag := range command.Flags {
		f := completed{choice: choices[flag.Names()[0]]}
		for _, name := range flag.Names() {
			f.names = append(f.names, strings.Repeat("-", min(len(name), 2))+name)
		}
		documented := flag.(cli.DocGenerationFlag)
		f.value, f.about = documented.TakesValue(), strings.ReplaceAll(documented.GetUsage(), "`", "")
		switch flag := flag.(type) {
		case *cli.StringFlag:
			f.file = flag.TakesFile
		case *cli.StringSliceFlag:
			f.file = flag.TakesFile
		}
		all = append(all, f)
	}
	return all
}

// completionFile returns the file for a shell.
func completionFile(t *testing.T, shell string) string {
	t.Helper()
	text, ok := completion.For(shell)
	if !ok {
		t.Fatalf("no completion for %s", shell)
	}
	return string(text)
}

// sameCompletion compares what a file has of each command, "" for the program, with
// what it must have.
func sameCompletion(t *testing.T, want, got map[string][]string) {
	t.Helper()
	for _, side := range []map[string][]string{want, got} {
		for _, lines := range side {
			slices.Sort(lines)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("completion (-must have +has):\n%s", diff)
	}
}

// TestCompletionBash checks that the file for bash has each command, each of its
// flags and what follows a flag, and no others.
func TestCompletionBash(t *testing.T) {
	want := map[string][]string{"": append(commandNames(commandLine().Commands), "--help", "--version")}
	for _, command := range commandLine().Commands {
		if command.Name == "completion" {
			want[command.Name] = strings.Fields(shellNames)
		}
		for _, f := range completedFlags(command) {
			want[command.Name] = append(want[command.Name], f.names...)
			for _, name := range f.names {
				switch {
				case f.choice != "":
					want[name] = strings.Fields(f.choice)
				case f.file:
					want[name] = []string{"(files)"}
				case f.value:
					want[name] = []string{"(nothing)"}
				}
			}
		}
	}
	text := completionFile(t, "bash")
	common := regexp.MustCompile(`(?m)^\tlocal common='(.*)'$`).FindStringSubmatch(text)
	if common == nil {
		t.Fatal("no flags of all commands")
	}
	got := map[string][]string{}
	for _, match := range regexp.MustCompile(`(?m)^\t+([\w|'-]+)\)(?:\n\t+(mapfile.*)| words=["'](.*)["'] ;;| (return) ;;)$`).FindAllStringSubmatch(text, -1) {
		words := strings.Fields(strings.ReplaceAll(match[3], "$common", common[1]))
		switch {
		case strings.Contains(match[2], "compgen -f "):
			words = []string{"(files)"}
		case match[4] != "":
			words = []string{"(nothing)"}
		}
		for _, name := range strings.Split(match[1], "|") {
			name = strings.Trim(name, "'")
			if got[name] != nil {
				t.Errorf("%q is there twice", name)
			}
			got[name] = slices.Clone(words)
		}
	}
	sameCompletion(t, want, got)
	// How a word becomes the command.
	if names := strings.Join(commandNames(commandLine().Commands), "|"); !strings.Contains(text, "\t\t"+names+") command=$word; break ;;\n") {
		t.Errorf("no line of the commands %s", names)
	}
}

// TestCompletionZsh checks that the file for zsh has each command and each of its
// flags, with its text and its values, and no others.
func TestCompletionZsh(t *testing.T) {
	quote := strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`).Replace
	want := map[string][]string{}
	for _, command := range commandLine().Commands {
		want[""] = append(want[""], command.Name+":"+quote(command.Usage))
		for _, f := range completedFlags(command) {
			value := ""
			switch {
			case f.choice != "":
				value = ":value:(" + f.choice + ")"
			case f.file:
				value = ":file:_files"
			case f.value:
				value = ":value:"
			}
			for _, name := range f.names {
				if f.value && strings.HasPrefix(name, "--") {
					name += "=" // or in the next word
				}
				want[command.Name] = append(want[command.Name], fmt.Sprintf("*%s[%s]%s", name, quote(f.about), value))
			}
		}
		if command.ArgsUsage != "" {
			words := ""
			if command.Name == "completion" {
				words = shellNames
			}
			want[command.Name] = append(want[command.Name], fmt.Sprintf("1:%s:(%s)", quote(command.ArgsUsage), words))
		}
	}
	text := completionFile(t, "zsh")
	got, common, section := map[string][]string{}, []string{}, ""
	title, line := regexp.MustCompile(`^\t\t(\w+)\)$`), regexp.MustCompile(`^\t+'(.*)'(?: \\| ;;)?$`)
	for _, row := range strings.Split(text, "\n") {
		if match := title.FindStringSubmatch(row); match != nil {
			section = match[1]
		} else if row == "\tlocal -a common=(" {
			section = "common"
		} else if strings.Contains(row, "_arguments $common") {
			got[section] = append(got[section], common...)
		} else if match := line.FindStringSubmatch(row); match != nil && section == "common" {
			common = append(common, match[1])
		} else if match != nil {
			got[section] = append(got[section], match[1])
		}
	}
	sameCompletion(t, want, got)
}

// TestCompletionFish checks that the file for fish has each command and each of its
// flags, with its text and its values, and no others.
func TestCompletionFish(t *testing.T) {
	quote := func(text string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'" }
	want := map[string][]string{"": {"-l version -d 'show the version'"}}
	for _, command := range commandLine().Commands {
		want[""] = append(want[""], "-a "+command.Name+" -d "+quote(command.Usage))
		if command.Name == "completion" {
			want[command.Name] = []string{"-a " + quote(shellNames)}
		}
		for _, f := range completedFlags(command) {
			line := ""
			for _, name := range f.names {
				if long, ok := strings.CutPrefix(name, "--"); ok {
					line += "-l " + long + " "
				} else {
					line += "-s " + strings.TrimPrefix(name, "-") + " "
				}
			}
			switch {
			case f.choice != "":
				line += "-x -a " + quote(f.choice) + " "
			case f.file:
				line += "-r -F "
			case f.value:
				line += "-x "
			}
			want[command.Name] = append(want[command.Name], line+"-d "+quote(f.about))
		}
	}
	got := map[string][]string{}
	for _, match := range regexp.MustCompile(`(?m)^complete -c nfs-exportd -n (?:__fish_use_subcommand|'__fish_seen_subcommand_from ([\w ]+)') (.*)$`).FindAllStringSubmatch(completionFile(t, "fish"), -1) {
		for _, command := range strings.Split(match[1], " ") {
			got[command] = append(got[command], match[2])
		}
	}
	sameCompletion(t, want, got)
}
