package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// choices are the flags of which only some values are known.
var choices = map[string]string{
	flagFormat:    "text json",
	flagLogFormat: "text json",
	flagLogLevel:  "debug info warn error",
	flagColor:     "auto always never",
}

// shells are those that there is completion for.
var shells = map[string]func(io.Writer, []*cli.Command) error{
	"bash": completeBash,
	"zsh":  completeZsh,
	"fish": completeFish,
}

// completion prints what makes a shell complete our command line.
func (a App) completion(c *cli.Context) error {
	write, ok := shells[c.Args().First()]
	if !ok || c.NArg() != 1 {
		return &usageError{fmt.Errorf("completion is for one of bash, zsh and fish")}
	}
	if err := write(a.Stdout, c.App.Commands); err != nil {
		return &outputError{err}
	}
	return nil
}

// completed is a flag as shells want to know it.
type completed struct {
	names  []string // with their dashes, the long one first
	about  string
	value  bool // it takes one
	file   bool // which is a file
	choice string
}

// flagsOf gives the flags of a command, and --help.
func flagsOf(command *cli.Command) []completed {
	all := []completed{{names: []string{"--help", "-h"}, about: "show help"}}
	for _, flag := range command.Flags {
		f := completed{choice: choices[flag.Names()[0]]}
		for _, name := range flag.Names() {
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			f.names = append(f.names, dashes+name)
		}
		switch flag := flag.(type) {
		case *cli.BoolFlag:
			f.about = flag.Usage
		case *cli.StringFlag:
			f.about, f.value, f.file = flag.Usage, true, flag.TakesFile
		case *cli.StringSliceFlag:
			f.about, f.value, f.file = flag.Usage, true, flag.TakesFile
		case *cli.DurationFlag:
			f.about, f.value = flag.Usage, true
		}
		f.about = strings.ReplaceAll(f.about, "`", "")
		all = append(all, f)
	}
	return all
}

func commandNames(commands []*cli.Command) []string {
	var names []string
	for _, command := range commands {
		names = append(names, command.Name)
	}
	return names
}

func completeBash(w io.Writer, commands []*cli.Command) error {
	var b strings.Builder
	b.WriteString(`# bash completion for nfs-exportd
_nfs_exportd() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word command='' words='' joined=''
	# The = of --flag=value is a word of its own, see COMP_WORDBREAKS in bash(1).
	if [[ $cur == = ]]; then
		cur='' joined=1
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]} joined=1
	fi
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
`)
	fmt.Fprintf(&b, "\t\t%s) command=$word; break ;;\n\t\tesac\n\tdone\n\tcase $prev in\n", strings.Join(commandNames(commands), "|"))
	seen := map[string]bool{}
	for _, command := range commands {
		for _, f := range flagsOf(command) {
			if !f.value || seen[f.names[0]] {
				continue
			}
			seen[f.names[0]] = true
			reply := ""
			switch {
			case f.choice != "":
				reply = fmt.Sprintf(`mapfile -t COMPREPLY < <(compgen -W '%s' -- "$cur"); `, f.choice)
			case f.file:
				reply = `mapfile -t COMPREPLY < <(compgen -f -- "$cur"); compopt -o filenames; `
			}
			fmt.Fprintf(&b, "\t%s) %sreturn ;;\n", strings.Join(f.names, "|"), reply)
		}
	}
	fmt.Fprintf(&b, "\tesac\n\t[[ $joined ]] && return\n\tcase $command in\n\t'') words='%s --help --version' ;;\n", strings.Join(commandNames(commands), " "))
	for _, command := range commands {
		var words []string
		if command.Name == commandCompletion {
			words = append(words, "bash", "zsh", "fish")
		}
		for _, f := range flagsOf(command) {
			words = append(words, f.names...)
		}
		fmt.Fprintf(&b, "\t%s) words='%s' ;;\n", command.Name, strings.Join(words, " "))
	}
	b.WriteString("\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -F _nfs_exportd nfs-exportd\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func completeZsh(w io.Writer, commands []*cli.Command) error {
	quote := func(text string) string {
		return strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(text)
	}
	var b strings.Builder
	b.WriteString("#compdef nfs-exportd\n_nfs_exportd() {\n\tlocal line state\n" +
		"\t_arguments -C '(- *)--help[show help]' '(- *)--version[show the version]' '1: :->command' '*:: :->rest'\n" +
		"\tcase $state in\n\tcommand)\n\t\tlocal -a commands=(\n")
	for _, command := range commands {
		fmt.Fprintf(&b, "\t\t\t'%s:%s'\n", command.Name, quote(command.Usage))
	}
	b.WriteString("\t\t)\n\t\t_describe command commands ;;\n\trest)\n\t\tcase $line[1] in\n")
	for _, command := range commands {
		fmt.Fprintf(&b, "\t\t%s)\n\t\t\t_arguments", command.Name)
		for _, f := range flagsOf(command) {
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
					name += "=" // or a word of its own
				}
				fmt.Fprintf(&b, " \\\n\t\t\t\t'*%s[%s]%s'", name, quote(f.about), value)
			}
		}
		if command.ArgsUsage != "" {
			words := ""
			if command.Name == commandCompletion {
				words = "bash zsh fish"
			}
			// Without this zsh knows of no flag behind the argument.
			fmt.Fprintf(&b, " \\\n\t\t\t\t'1:%s:(%s)'", quote(command.ArgsUsage), words)
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString("\t\tesac ;;\n\tesac\n}\n_nfs_exportd \"$@\"\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func completeFish(w io.Writer, commands []*cli.Command) error {
	quote := func(text string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'" }
	var b strings.Builder
	b.WriteString("# fish completion for nfs-exportd\ncomplete -c nfs-exportd -f\n" +
		"complete -c nfs-exportd -n __fish_use_subcommand -l version -d 'show the version'\n")
	for _, command := range commands {
		fmt.Fprintf(&b, "complete -c nfs-exportd -n __fish_use_subcommand -a %s -d %s\n", command.Name, quote(command.Usage))
		for _, f := range flagsOf(command) {
			fmt.Fprintf(&b, "complete -c nfs-exportd -n '__fish_seen_subcommand_from %s'", command.Name)
			for _, name := range f.names {
				if long, ok := strings.CutPrefix(name, "--"); ok {
					fmt.Fprintf(&b, " -l %s", long)
				} else {
					fmt.Fprintf(&b, " -s %s", strings.TrimPrefix(name, "-"))
				}
			}
			switch {
			case f.choice != "":
				fmt.Fprintf(&b, " -x -a %s", quote(f.choice))
			case f.file:
				b.WriteString(" -r -F")
			case f.value:
				b.WriteString(" -x")
			}
			fmt.Fprintf(&b, " -d %s\n", quote(f.about))
		}
		if command.Name == commandCompletion {
			fmt.Fprintf(&b, "complete -c nfs-exportd -n '__fish_seen_subcommand_from %s' -a %s\n", command.Name, quote("bash zsh fish"))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
