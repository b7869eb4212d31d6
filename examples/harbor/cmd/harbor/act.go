package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/examples/harbor/chaos"
)

func actCommand(r *remote) *cobra.Command {
	var o chaos.Options
	var verbose bool
	cmd := &cobra.Command{
		Use:   "act",
		Short: "Change what there is, by several people and programs",
		Long: "Change what there is, by several people and programs: rightly, in vain, to and fro, several objects at once, while the cloud refuses.\n" +
			"What is done follows from --seed. The cloud must know its people (serve --principals).",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.plain()
			if err != nil {
				return err
			}
			if verbose {
				o.Report = func(said string) { fmt.Fprintln(cmd.OutOrStdout(), said) }
			}
			done, err := chaos.Act(cmd.Context(), c, o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d changed something, %d were in vain, %d were refused\n", done.Done, done.InVain, done.Refused)
			return nil
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&o.Seed, "seed", 1, "what is done follows from this number")
	f.IntVar(&o.Count, "count", 20, "how many deeds; one may be several calls")
	f.StringSliceVar(&o.People, "who", nil, "who acts (else a number of those that harbor principals lists)")
	f.StringSliceVar(&o.Only, "only", nil, "types of objects to change (else all)")
	f.BoolVar(&o.Clock, "clock", false, "move the cloud's own clock between deeds")
	f.BoolVar(&verbose, "verbose", false, "print each call")
	return cmd
}
