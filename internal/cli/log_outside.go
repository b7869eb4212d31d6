package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) logWitnessCommand() *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "witness",
		Short: "Have the newest checkpoint cosigned",
		Long: "Asks every witness of the policy that config.yaml names to cosign the newest checkpoint. A witness that has seen more of this log than there is proves that log and guard were set back together.\n\n" +
			exitStatusHelp("0 enough of them cosigned", "1 error, or too few", "3 the log is not what a witness has seen"),
		Args: cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			return a.with(ctx, true, func(q daemon.Queries) error {
				r, err := q.WitnessLog(ctx)
				if err != nil {
					return err
				}
				return a.answered(form, r, r.Quorum, func(p *page) { p.witnesses(r) })
			})
		}),
	}
	outputFlag(cmd, &form)
	return cmd
}

// answered prints what others answered. Where that is not enough, it is an error that the answers tell.
func (a *app) answered(form output, r any, enough bool, text func(*page)) error {
	if !enough {
		a.status = taffrail.ExitError
	}
	if form == outputJSON {
		return writeJSON(a.out, r)
	}
	p := a.page()
	text(p)
	return a.print(p)
}

func (p *page) witnesses(r daemon.WitnessReport) {
	for _, w := range r.Witnesses {
		p.answer(w.Name, "cosigned", w.At, w.Error)
	}
	if r.Quorum {
		p.line(p.green("Witnessed:"), " checkpoint ", strconv.FormatInt(r.Size, 10))
		return
	}
	p.line(p.alarm("Not witnessed:"), " too few cosigned checkpoint ", strconv.FormatInt(r.Size, 10))
}

// answer prints what one of many said.
func (p *page) answer(name, did string, at *time.Time, failed string) {
	if failed != "" {
		p.line(pad(safe(name), 20), gap, p.red("no"))
		p.paragraph(safe(failed), 4, p.dim)
		return
	}
	when := ""
	if at != nil {
		when = " at " + stamp(*at)
	}
	p.line(pad(safe(name), 20), gap, p.green(did), when)
}

func (a *app) logAnchorCommand() *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "anchor",
		Short: "Show the newest checkpoint to outside authorities",
		Long: "Shows the newest checkpoint to every anchor that config.yaml names, and keeps their receipts.\n\n" +
			exitStatusHelp("0 all of them took it", "1 error, or one did not", "3 the log is not what was written"),
		Args: cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			return a.with(ctx, true, func(q daemon.Queries) error {
				r, err := q.AnchorLog(ctx)
				if err != nil {
					return err
				}
				all := true
				for _, anchor := range r.Anchors {
					all = all && anchor.Error == ""
				}
				return a.answered(form, r, all, func(p *page) {
					for _, anchor := range r.Anchors {
						p.answer(anchor.Kind+" "+anchor.Name, fmt.Sprintf("took checkpoint %d", r.Size), anchor.At, anchor.Error)
					}
				})
			})
		}),
	}
	outputFlag(cmd, &form)
	return cmd
}

func (a *app) logPublishCommand() *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "publish FOLDER",
		Short: "Bring a folder up to date that others may read",
		Long: "Writes checkpoint, tiles and entries into a folder, as C2SP tlog-tiles serves them: any web server can show it, and any client of that format can read it. Payloads are no part of it. " +
			"A folder that holds another log, or more of this one than there is, is refused.\n\n" + exitStatusHelp("0 done", "1 error", "3 folder and log contradict each other"),
		Example: "taffrail log publish /srv/www/log",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(1, func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return usage("taffrail log publish /srv/www/log", "name a folder")
			}
			return a.with(ctx, true, func(q daemon.Queries) error {
				r, err := q.PublishLog(ctx, args[0])
				if err != nil {
					return err
				}
				return a.answered(form, r, true, func(p *page) {
					p.line("Published: ", count(r.Size, "entry", "entries"), " in ", safe(r.Folder), ", ", count(int64(r.Files), "file", "files"), " written.")
				})
			})
		}),
	}
	outputFlag(cmd, &form)
	return cmd
}

func (a *app) logRestoreCommand() *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "restore FOLDER",
		Short: "Bring back entries that the guard knows and the log has lost",
		Long: "After an older copy of the data folder was brought back, appends the entries that are missing, out of a folder that `taffrail log publish` wrote, if they give the very tree that the guard remembers. " +
			"Payloads and fields are no part of such a folder: bring them back from another copy, or they are missing. Nothing is signed that was not signed before.\n\n" +
			exitStatusHelp("0 the log is whole again", "1 error", "3 the entries are not those that were signed"),
		Example: "taffrail log restore /srv/www/log",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(1, func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return usage("taffrail log restore /srv/www/log", "name a folder that `taffrail log publish` wrote")
			}
			return a.with(ctx, false, func(q daemon.Queries) error {
				r, err := q.RestoreLog(ctx, args[0])
				if err != nil {
					return err
				}
				return a.answered(form, r, true, func(p *page) {
					if r.From == r.To {
						p.line("Nothing was missing.")
						return
					}
					p.line("Restored: ", spanText(r.From, r.To), ". ", count(r.Payloads, "payload that they name is", "payloads that they name are"), " missing.")
				})
			})
		}),
	}
	outputFlag(cmd, &form)
	return cmd
}
