package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// output is the form in which a command answers.
type output string

const (
	outputTable    output = "table"
	outputJSON     output = "json"
	outputNDJSON   output = "ndjson" // a line of JSON for each thing, as it comes
	outputSARIF    output = "sarif"
	outputJUnit    output = "junit"
	outputMarkdown output = "markdown"
)

// form is the flag -o: one of those that a command knows.
type form struct {
	to    *output
	known []output
}

// outputFlag adds -o to a command that answers in a table or in JSON.
func outputFlag(cmd *cobra.Command, to *output) { formFlag(cmd, to, outputTable, outputJSON) }

// formFlag adds -o. The first form is that of a command without it.
func formFlag(cmd *cobra.Command, to *output, known ...output) {
	*to = known[0]
	f := form{to, known}
	cmd.Flags().VarP(f, "output", "o", "form of the answer: "+f.names())
	var names []string
	for _, k := range known {
		names = append(names, string(k))
	}
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
}

// names lists the forms: "table, json or ndjson".
func (f form) names() string {
	var names []string
	for _, k := range f.known {
		names = append(names, string(k))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// String implements [pflag.Value].
func (f form) String() string {
	if f.to == nil {
		return ""
	}
	return string(*f.to)
}

// Type implements [pflag.Value].
func (f form) Type() string { return "form" }

// Set implements [pflag.Value].
func (f form) Set(s string) error {
	if !slices.Contains(f.known, output(s)) {
		return fmt.Errorf("%q is not one of %s", s, f.names())
	}
	*f.to = output(s)
	return nil
}

// askedForm is the form that arguments ask for, even if they could not be parsed, and the table where they ask for none.
func askedForm(args []string) output {
	for i, a := range args {
		if a == "--" {
			break
		}
		if (a == "-o" || a == "--output") && i+1 < len(args) {
			return output(args[i+1])
		}
		if name, ok := strings.CutPrefix(a, "--output="); ok {
			return output(name)
		}
		if name, ok := strings.CutPrefix(a, "-o"); ok {
			return output(strings.TrimPrefix(name, "="))
		}
	}
	return outputTable
}
