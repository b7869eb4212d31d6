package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) indexCommand() *cobra.Command {
	index := a.group(&cobra.Command{
		Use:   "index",
		Short: "The tables over the log",
		Long:  "Every table but the log's own is an index over it, and can be built again.",
	})
	var form output
	rebuild := &cobra.Command{
		Use:   "rebuild",
		Short: "Build the index anew from the log",
		Long: "Builds every table but the log's anew from the log, and says what that changed: nothing, unless someone changed the tables.\n\n" +
			exitStatusHelp("0 done", "1 error", "3 the log is not what was written"),
		Args: cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error { return a.rebuildIndex(ctx, form) }),
	}
	outputFlag(rebuild, &form)
	index.AddCommand(rebuild)
	return index
}

func (a *app) rebuildIndex(ctx context.Context, form output) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		stop := a.screen.follow(func() string { return "Rebuilding the index ..." })
		report, err := q.RebuildIndex(ctx)
		stop()
		if err != nil {
			return err
		}
		if form == outputJSON {
			return writeJSON(a.out, report)
		}
		p := a.page()
		p.index(report)
		return a.print(p)
	})
}

func (p *page) index(r daemon.IndexReport) {
	verdict := "nothing changed."
	if len(r.Changed) > 0 {
		verdict = "it was not as the log says:"
	}
	p.line("Index rebuilt: ", count(r.Entries, "entry", "entries"), ", ", count(r.Rows, "row", "rows"), "; ", verdict)
	for _, c := range r.Changed {
		p.paragraph(safe(c), 2, p.yellow)
	}
}
