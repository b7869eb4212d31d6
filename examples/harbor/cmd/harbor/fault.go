package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

func faultCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fault",
		Short: "Make the cloud misbehave towards programs",
		Long: `Make the cloud misbehave towards programs. A target is TYPE, TYPE/ID, TYPE/NAME or *. A fault is one of
  deny             403, AccessDenied
  error            500
  outage           503
  throttle         429, with Retry-After
  hang             no answer, until the client goes away or the cloud stops
  gone             reads say 404 though the object exists, as to a wrong account
  crash            reads make the provider process die
  lag=DURATION     reads answer what was true so long ago
  latency=DURATION each request takes so much longer
  deny-list, throttle-list, lag-list=DURATION
                   the same for requests that list objects, and for no other
Faults end with the cloud's process.`,
	}
	cmd.AddCommand(faultSetCommand(r), faultClearCommand(r), faultListCommand(r))
	return cmd
}

func faultSetCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "set TARGET FAULT",
		Short:   "Switch a fault on",
		Example: "  harbor fault set firewall/web deny\n  harbor fault set bucket lag=5s",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			fault, err := api.ParseFault(args[1])
			if err != nil {
				return err
			}
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			return c.SetFault(cmd.Context(), api.TargetedFault{Target: api.Target(args[0]), Fault: fault})
		},
	}
}

func faultClearCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "clear [TARGET]",
		Short: "Switch off the faults of a target, or all",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			return c.ClearFaults(cmd.Context(), api.Target(strings.Join(args, "")))
		},
	}
}

func faultListCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the faults that are on",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			faults, err := c.Faults(cmd.Context())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "TARGET\tFAULT")
			for _, f := range faults {
				fmt.Fprintf(w, "%s\t%s\n", f.Target, f.Fault)
			}
			return w.Flush()
		},
	}
}
