package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) root() *cobra.Command {
	root := a.group(&cobra.Command{
		Use:   "taffrail",
		Short: "Find infrastructure drift, and keep a record of it that can be proved",
		Long: "Taffrail compares live infrastructure with the code that defines it, and writes what it sees into a log that nobody can change unnoticed.\n\n" +
			exitStatusHelp("0 in sync, or done", "1 error, or something could not be checked", "2 drift", "3 a verification failed"),
		Example: "# what can be read here?\ntaffrail doctor\n\n# what has drifted?\ntaffrail scan\n\n# who moved it?\ntaffrail why aws_security_group.web\n\n# what was seen, and when?\ntaffrail log show\n\n# was the log tampered with?\ntaffrail log verify",
	})
	flags := root.PersistentFlags()
	for _, f := range []struct {
		rule folderRule
		to   *string
	}{
		{folderRules.data, &a.global.folders.data},
		{folderRules.state, &a.global.folders.state},
		{folderRules.config, &a.global.folders.config},
	} {
		flags.StringVar(f.to, f.rule.flag, "", fmt.Sprintf("%s [%s, else $%s/taffrail]", f.rule.help, f.rule.env, f.rule.xdg))
	}
	flags.BoolVar(&a.global.noColor, "no-color", false, "no colours [NO_COLOR]")
	flags.BoolVar(&a.global.verbose, "verbose", false, "say everything, on standard error")
	flags.BoolVarP(&a.global.quiet, "quiet", "q", false, "no progress, no warnings")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		a.fail(flagError(cmd, err))
		return nil
	})
	root.AddCommand(a.scanCommand(), a.runCommand(), a.runsCommand(), a.whyCommand(), a.historyCommand(), a.eventsCommand(), a.attributeCommand(), a.doctorCommand(), a.stacksCommand(), a.logCommand(), a.keyCommand(), a.verifyCommand(), a.serveCommand(), a.signerCommand(),
		a.witnessCommand(), a.indexCommand(), a.versionCommand())
	return root
}

// group makes a command that only holds others.
func (a *app) group(c *cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs // or cobra would find the errors, and say less
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		hint := "see " + cmd.CommandPath() + " --help"
		if near := nearest(args[0], commandNames(cmd)); near != "" {
			hint = "did you mean " + cmd.CommandPath() + " " + near + "?"
		}
		a.fail(usage(hint, "%s has no command %q", cmd.CommandPath(), args[0]))
		return nil
	}
	return c
}

func commandNames(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	return names
}

// do makes what a command does out of a function, which gets at most so many arguments; a negative number is any.
func (a *app) do(most int, f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.prepare()
		err := atMost(cmd, args, most)
		if err == nil {
			err = f(cmd.Context(), args)
		}
		if err != nil {
			a.fail(err)
		}
		return nil
	}
}

func atMost(cmd *cobra.Command, args []string, most int) error {
	if most < 0 || len(args) <= most {
		return nil
	}
	return usage("usage: "+cmd.UseLine(), "%s takes %s, not %d: %s", cmd.CommandPath(), count(int64(most), "argument", "arguments"),
		len(args), strings.Join(args, " "))
}

func flagError(cmd *cobra.Command, err error) error {
	hint := "see " + cmd.CommandPath() + " --help"
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		if near := nearest(name, flagNames(cmd)); near != "" {
			hint = "did you mean --" + near + "?"
		}
	}
	return usage(hint, "%s: %w", cmd.CommandPath(), err)
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}
