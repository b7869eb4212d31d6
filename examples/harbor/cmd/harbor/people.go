package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

func loginCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "login WHO",
		Short: "Print a credential, for the environment",
		Long: "Print a credential, for the environment. WHO is a person (carol@corp.example, or carol@corp.example/ReadOnly for a permission set), a user (user:dana),\n" +
			"a run of a pipeline (ci:4711), and roles that are assumed one after the other from there (carol@corp.example>Operations>Maintenance).",
		Example: `  eval "$(harbor login carol@corp.example)"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.plain()
			if err != nil {
				return err
			}
			key, err := c.Login(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "export %s='%s'\n", envKey, key)
			return nil
		},
	}
}

func whoamiCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Say whose the credential is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			who, err := c.CallerIdentity(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), who.Principal)
			return nil
		},
	}
}

func principalsCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "principals",
		Short: "List who there is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.plain()
			if err != nil {
				return err
			}
			all, err := c.Principals(cmd.Context())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tKIND\tWHAT")
			for _, p := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, p.Kind, p.Detail)
			}
			return w.Flush()
		},
	}
}

func doCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "do TYPE/ID[,ID...] ACTION [ATTRIBUTE=VALUE...]",
		Short: "Call an action by its name",
		Long:  "Call an action by its name. Elements of sets are given as a list, keys of maps as an object; null takes a key away. Without ACTION it lists those of the type.",
		Example: "  harbor do firewall/web AuthorizeFirewallRules 'rules=[{\"protocol\":\"tcp\",\"from_port\":22,\"to_port\":22,\"cidrs\":[\"0.0.0.0/0\"]}]'\n" +
			"  harbor do instance/i-0001,i-0002 StopInstances",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, ids, _ := strings.Cut(args[0], "/")
			if len(args) == 1 {
				for _, a := range action.Kinds[kind].Actions {
					fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", a.Name, strings.Join(a.Attributes, ", "))
				}
				return nil
			}
			attributes := map[string]any{}
			if _, err := assign(attributes, args[2:]); err != nil {
				return err
			}
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			after, err := c.Act(cmd.Context(), kind, strings.Split(ids, ","), args[1], attributes, "")
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "done %s on %s/%s, version %d\n", args[1], kind, ids, after.Version)
			return nil
		},
	}
}

// switches makes a command that does one thing to the cloud itself.
func switches(r *remote, use, short string, args cobra.PositionalArgs, do func(cmd *cobra.Command, c *client.Client, args []string) (string, error)) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		c, err := r.plain()
		if err != nil {
			return err
		}
		said, err := do(cmd, c, args)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), said)
		return nil
	}}
}

func stepCommand(r *remote) *cobra.Command {
	return switches(r, "step", "Have the cloud's controllers look at everything once", cobra.NoArgs, func(cmd *cobra.Command, c *client.Client, _ []string) (string, error) {
		n, err := c.Step(cmd.Context())
		return fmt.Sprintf("%d objects changed", n), err
	})
}

func clockCommand(r *remote) *cobra.Command {
	return switches(r, "clock DURATION", "Move the cloud's own clock forward", cobra.ExactArgs(1), func(cmd *cobra.Command, c *client.Client, args []string) (string, error) {
		at, err := c.Advance(cmd.Context(), args[0])
		return at.Now.Format(time.RFC3339), err
	})
}

func trailCommand(r *remote) *cobra.Command {
	cmd := &cobra.Command{Use: "trail", Short: "Deliver the audit trail"}
	cmd.AddCommand(switches(r, "flush", "Deliver all records now, and a digest of them", cobra.NoArgs, func(cmd *cobra.Command, c *client.Client, _ []string) (string, error) {
		return "delivered", c.FlushTrail(cmd.Context())
	}))
	return cmd
}

func populateCommand(r *remote) *cobra.Command {
	var count int
	cmd := switches(r, "populate", "Make up objects of all kinds, of which nothing is told", cobra.NoArgs, func(cmd *cobra.Command, c *client.Client, _ []string) (string, error) {
		return "made up " + strconv.Itoa(count) + " objects", c.Populate(cmd.Context(), count)
	})
	cmd.Flags().IntVar(&count, "count", 1000, "how many")
	return cmd
}
