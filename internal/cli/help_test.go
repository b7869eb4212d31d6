package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const helpPage = "../../docs/reference/cli.md"

// eachCommand calls f for each command that a person can see, parents first.
func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			eachCommand(sub, f)
		}
	}
}

func TestEveryHelpNamesTheExitStatus(t *testing.T) {
	eachCommand(newApp(Program{}, nil).root(), func(c *cobra.Command) {
		if !c.HasSubCommands() && !strings.Contains(c.Long, "\n\nExit status: 0 ") {
			t.Errorf("%s does not", c.CommandPath())
		}
	})
}

// Without arguments a group of commands shows its help, which is no error.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"log"}, {"index"}, {"--help"}, {"scan", "-h"}, {"help", "log", "show"}} {
		got := run(t, &fake{}, args...)
		if got.status != 0 || !strings.Contains(got.stdout, "USAGE") || got.stderr != "" {
			t.Errorf("%v: status %d, stderr %q, stdout %s", args, got.status, got.stderr, got.stdout)
		}
	}
}

func TestCompletion(t *testing.T) {
	got := run(t, &fake{}, "__complete", "scan", "-o", "")
	if !strings.HasPrefix(got.stdout, "table\njson\nndjson\nsarif\njunit\nmarkdown\n") {
		t.Errorf("got %q", got.stdout)
	}
}

// The page in the reference is what the commands say of themselves.
func TestHelpPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# The command line\n\nGenerated from the program by `go test ./internal/cli -update`.\n")
	eachCommand(newApp(Program{}, nil).root(), func(c *cobra.Command) {
		fmt.Fprintf(&b, "\n## %s\n```\n%s\n```\n%s\n", c.CommandPath(), strings.TrimSuffix(c.UseLine(), " [flags]"), c.Long)
		if c.Example != "" {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", c.Example)
		}
		writeFlags(&b, c)
	})
	if *update {
		if err := os.WriteFile(helpPage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(helpPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s is not what the commands say; run with -update (-want +got):\n%s", helpPage, diff)
	}
}

// writeFlags lists the flags that a command adds to those of its parents.
func writeFlags(b *strings.Builder, c *cobra.Command) {
	header := "\n| Flag | Says |\n|---|---|\n"
	flags := c.LocalFlags()
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		b.WriteString(header)
		header = ""
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		value := ""
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			value = " (" + f.DefValue + ")"
		}
		fmt.Fprintf(b, "| %s | %s%s |\n", name, strings.ReplaceAll(f.Usage, "|", `\|`), value)
	})
}
