package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) logProveCommand() *cobra.Command {
	var leaf bool
	var to string
	cmd := &cobra.Command{
		Use:   "prove INDEX",
		Short: "Prove that an entry is in the log",
		Long: "Prints the proof of one entry under the newest checkpoint, as C2SP tlog-proof writes it: it is checked with the entry's exact bytes (--leaf) and the log's key alone.\n\n" +
			exitStatusHelp("0 done", "1 error, or there is no such entry", "3 the log is not what was written"),
		Example: "taffrail log prove 12 > 12.tlog-proof\ntaffrail log prove 12 --leaf > 12.json",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(1, func(ctx context.Context, args []string) error {
			index, err := oneIndex(args, "an entry")
			if err != nil {
				return err
			}
			return a.prove(ctx, index, leaf, to)
		}),
	}
	cmd.Flags().BoolVar(&leaf, "leaf", false, "print the exact bytes of the entry instead")
	cmd.Flags().StringVar(&to, "file", "-", "the file to write; - is standard output")
	return cmd
}

func (a *app) prove(ctx context.Context, index int64, leaf bool, to string) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		proof, err := q.ProveEntry(ctx, index)
		if err != nil {
			return err
		}
		text := proof.Proof
		if leaf {
			text = proof.Leaf
		}
		write := func(w io.Writer) error { _, err := w.Write(text); return err }
		if to == "-" {
			return write(a.Stdout)
		}
		return writeWhole(to, write)
	})
}

func (a *app) logPolicyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "policy",
		Short: "Print a policy for those who verify",
		Long: "Prints the keys of the log, for which sizes each is valid, and the witnesses that it asks, in the form of C2SP tlog-policy. Whoever verifies should compare the keys with what they were told on another way: " +
			"a policy that comes with the evidence proves nothing.\n\n" + exitStatusHelp("0 done", "1 error", "3 the log is not what was written"),
		Example: "taffrail log policy > prod.policy",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			return a.with(ctx, true, func(q daemon.Queries) error {
				text, err := q.LogPolicy(ctx)
				if err != nil {
					return err
				}
				_, err = a.out.Write(text)
				return err
			})
		}),
	}
}
