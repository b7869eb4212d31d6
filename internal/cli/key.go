package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) keyCommand() *cobra.Command {
	key := a.group(&cobra.Command{
		Use:   "key",
		Short: "The keys that sign the log",
		Long:  "A log is signed by one key after another, each for a range of sizes. Those who verify keep the ranges in their policy: see `taffrail log policy`.",
	})
	key.AddCommand(a.keyRotateCommand(), a.keyRevokeCommand())
	return key
}

func (a *app) keyRotateCommand() *cobra.Command {
	var f keepFlags
	var overlap int64
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Have another key sign the log",
		Long: "Makes another key, which signs from the next entry on. The present one signs beside it for as many entries as --overlap says, so that those who verify have time to take the new one over. " +
			"That it was made is signed by the old key. " + keepHelp + exitStatusHelp("0 done", "1 error", "3 the log is not what was written"),
		Example: "taffrail key rotate --overlap 10000",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			if overlap < 1 {
				return usage("give at least 1: the entry that says so must be signed by both", "--overlap %d is no overlap", overlap)
			}
			return a.changeKey(ctx, f, func(q daemon.Queries) (daemon.KeyReport, error) {
				return q.RotateKey(ctx, daemon.RotateRequest{Overlap: overlap, By: f.who()})
			})
		}),
	}
	f.add(cmd, false)
	cmd.Flags().Int64Var(&overlap, "overlap", 1000, "for how many entries both keys sign")
	return cmd
}

func (a *app) keyRevokeCommand() *cobra.Command {
	var f keepFlags
	var key string
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "Say that a key is in other hands",
		Long: "Makes another key at once, which alone signs from the next entry on. Whatever the old key signs above the present size must not be believed: tell those who verify, whose policy says for which sizes a key counts (`taffrail log policy`). " +
			"Nothing that only the log says can stop someone who has the key and the guard: witnesses and remembered checkpoints do. " + keepHelp +
			exitStatusHelp("0 done", "1 error", "3 the log is not what was written"),
		Example: "taffrail key revoke --reason \"laptop stolen\"",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			return a.changeKey(ctx, f, func(q daemon.Queries) (daemon.KeyReport, error) {
				return q.RevokeKey(ctx, daemon.RevokeRequest{Key: key, Reason: f.reason, By: f.who()})
			})
		}),
	}
	f.add(cmd, true)
	cmd.Flags().StringVar(&key, "key", "", "the verifier key (else the one that signs now)")
	return cmd
}

func (a *app) changeKey(ctx context.Context, f keepFlags, do func(daemon.Queries) (daemon.KeyReport, error)) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		r, err := do(q)
		if err != nil {
			return err
		}
		return a.answered(f.output, r, true, func(p *page) {
			for _, k := range r.Keys {
				p.line(safe(k.Key))
				p.line(p.dim("    " + sizesText(k)))
			}
			p.line(p.dim(logLine(r.Log)))
		})
	})
}
