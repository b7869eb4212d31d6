package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) logCommand() *cobra.Command {
	log := a.group(&cobra.Command{
		Use:   "log",
		Short: "The record of all that was seen and done",
		Long: "The log is a Merkle tree whose root is signed as it grows, behind a guard that remembers how far it had come. " +
			"It can be read, and verified; nothing in it can be changed unnoticed.",
	})
	log.AddCommand(
		a.logInitCommand(), a.logStatusCommand(), a.logShowCommand(), a.logSearchCommand(), a.logTailCommand(), a.logProveCommand(), a.logVerifyCommand(),
		a.logExportCommand(), a.logPolicyCommand(), a.logPublishCommand(), a.logRestoreCommand(), a.logWitnessCommand(), a.logAnchorCommand(),
		a.logHoldCommand(), a.logReleaseCommand(), a.logRedactCommand(), a.logPruneCommand(),
	)
	return log
}

func (a *app) logInitCommand() *cobra.Command {
	var form output
	var r daemon.InitRequest
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Begin a log",
		Long: "Begins a log: makes its key, its guard state and its first entry. It is refused where there is a log, or was one. " +
			"The first scan begins a log, too, under a name that it makes up.\n\n" +
			exitStatusHelp("0 done", "1 error, or there is a log already", "3 there was a log, and it is not what it was"),
		Example: "taffrail log init --origin example.org/log/production",
		Args:    cobra.ArbitraryArgs,
		RunE:    a.do(0, func(ctx context.Context, _ []string) error { return a.initLog(ctx, r, form) }),
	}
	cmd.Flags().StringVar(&r.Origin, "origin", "", "name that the log signs with for ever, such as host/log/scope (else one is made up)")
	cmd.Flags().StringVar(&r.Prior, "prior", "", "the last checkpoint of the log that this one goes on from, as ORIGIN,SIZE,ROOT")
	outputFlag(cmd, &form)
	return cmd
}

func (a *app) initLog(ctx context.Context, r daemon.InitRequest, form output) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		info, err := q.InitLog(ctx, r)
		if err != nil {
			return err
		}
		a.announce(info.Origin, info.Key)
		if form == outputJSON {
			return writeJSON(a.out, info)
		}
		p := a.page()
		p.facts(
			fact{"Log", safe(info.Data)},
			fact{"Guard", safe(info.Guard)},
			fact{"Keys", safe(info.Keys)},
		)
		return a.print(p)
	})
}

// A fact is a name and what it stands for.
type fact struct{ name, text string }

// facts prints facts below one another; those without a text are left out.
func (p *page) facts(facts ...fact) {
	width := 0
	for _, f := range facts {
		width = max(width, cells(f.name))
	}
	for _, f := range facts {
		if f.text != "" {
			p.line(p.dim(pad(f.name, width)), gap, f.text)
		}
	}
}
