package command

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

// TestEmptyVariables checks that an empty variable is like none, for each flag.
func TestEmptyVariables(t *testing.T) {
	// values are the flags of all commands as they are without a command line.
	values := func(t *testing.T) map[string]string {
		seen := map[string]string{}
		commands := commandLine()
		unsetEmpty(commands)
		for _, command := range commands.Commands {
			flags := command.Flags
			command.Before = nil
			command.Action = func(c *cli.Context) error {
				for _, flag := range flags {
					name := flag.Names()[0]
					seen[command.Name+" --"+name] = fmt.Sprintf("%v %t", c.Value(name), c.IsSet(name))
				}
				return nil
			}
			if err := commands.RunContext(t.Context(), []string{"nfs-exportd", command.Name}); err != nil {
				t.Error(err)
			}
		}
		return seen
	}
	want := values(t)
	if len(want) < 50 {
		t.Fatalf("only %d flags were seen", len(want))
	}
	for _, command := range commandLine().Commands {
		for _, flag := range command.Flags {
			for _, variable := range flag.(cli.DocGenerationFlag).GetEnvVars() {
				t.Run(command.Name+" "+variable, func(t *testing.T) {
					t.Setenv(variable, "")
					if diff := cmp.Diff(want, values(t)); diff != "" {
						t.Errorf("an empty variable is not like none (-none +empty):\n%s", diff)
					}
				})
			}
		}
	}
}
