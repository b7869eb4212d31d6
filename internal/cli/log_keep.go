package cli

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// person says who runs this command, as the system knows them.
func person() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}

// keepFlags are those of every command that does something to the log.
type keepFlags struct {
	output output
	reason string
	by     string
}

func (f *keepFlags) add(cmd *cobra.Command, reasoned bool) {
	outputFlag(cmd, &f.output)
	flags := cmd.Flags()
	if reasoned {
		flags.StringVar(&f.reason, "reason", "", "why; stands in the log in clear, for good; required")
	}
	flags.StringVar(&f.by, "by", "", "who asks for it, beside the entry, in a field that can be erased (else the user and the machine)")
}

func (f *keepFlags) who() string {
	if f.by != "" {
		return f.by
	}
	return person()
}

// keepHelp ends the help of what is done to the log.
const keepHelp = "What is intended is in the log, signed, before anything is done, and what came of it after. Where the log cannot be written, nothing is done.\n\n"

func (a *app) logHoldCommand() *cobra.Command {
	var f keepFlags
	var from, to int64
	cmd := &cobra.Command{
		Use:   "hold",
		Short: "Keep entries from being pruned or redacted",
		Long: "Says that the entries from --from to before --to must be kept as they are, with their payloads and fields, until `taffrail log release`. " +
			"Without --to it is all that are yet to come, too. " + keepHelp + exitStatusHelp("0 done", "1 error", "3 the log is not what was written"),
		Example: "taffrail log hold --from 0 --reason \"case 2026-17\"",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			return a.keep(ctx, f, "Held", func(q daemon.Queries) (daemon.LogPosition, error) {
				return q.HoldLog(ctx, daemon.HoldRequest{From: from, To: to, Reason: f.reason, By: f.who()})
			})
		}),
	}
	f.add(cmd, true)
	cmd.Flags().Int64Var(&from, "from", 0, "the first entry")
	cmd.Flags().Int64Var(&to, "to", 0, "the first entry that is not held; 0 is no end")
	return cmd
}

func (a *app) logReleaseCommand() *cobra.Command {
	var f keepFlags
	cmd := &cobra.Command{
		Use:     "release HOLD",
		Short:   "End a hold",
		Long:    "Ends a hold, named by its entry: `taffrail log status` lists them. " + keepHelp + exitStatusHelp("0 done", "1 error", "3 the log is not what was written"),
		Example: "taffrail log release 412 --reason \"case 2026-17 is closed\"",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(1, func(ctx context.Context, args []string) error {
			hold, err := oneIndex(args, "a hold by its entry")
			if err != nil {
				return err
			}
			return a.keep(ctx, f, "Released", func(q daemon.Queries) (daemon.LogPosition, error) {
				return q.ReleaseLog(ctx, daemon.ReleaseRequest{Hold: hold, Reason: f.reason, By: f.who()})
			})
		}),
	}
	f.add(cmd, true)
	return cmd
}

func (a *app) logRedactCommand() *cobra.Command {
	var f keepFlags
	r := daemon.RedactRequest{}
	cmd := &cobra.Command{
		Use:   "redact ENTRY",
		Short: "Erase a field or a payload of an entry, for good",
		Long: "Erases a field that stands beside an entry, or a payload that it names. The entry itself stays, and so does every proof of it: an auditor sees that something was there, and that it is withheld. " +
			"A copy that was exported before is out of reach. " + keepHelp + exitStatusHelp("0 done", "1 error, or a hold covers the entry", "3 the log is not what was written"),
		Example: "taffrail log redact 17 --field by --reason \"left the company\" --basis \"GDPR Art. 17\"",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(1, func(ctx context.Context, args []string) (err error) {
			if r.Entry, err = oneIndex(args, "an entry"); err != nil {
				return err
			}
			r.Reason, r.By = f.reason, f.who()
			return a.keep(ctx, f, "Erased", func(q daemon.Queries) (daemon.LogPosition, error) { return q.RedactLog(ctx, r) })
		}),
	}
	f.add(cmd, true)
	cmd.Flags().StringVar(&r.Field, "field", "", "the field to erase, such as by")
	cmd.Flags().StringVar(&r.Payload, "payload", "", "or the payload, by its SHA-256")
	cmd.Flags().StringVar(&r.Basis, "basis", "", "what allows or demands it, in law; stands in the log in clear; required")
	return cmd
}

func (a *app) logPruneCommand() *cobra.Command {
	var f keepFlags
	r := daemon.PruneRequest{}
	var older string
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Drop the bodies of old entries, for good",
		Long: "Drops the bodies of all entries before an index, with their payloads and fields, in whole tiles of 256. Their hashes stay, and with them every proof, signature and checkpoint. What the index says of them stays as a payload. " +
			keepHelp + exitStatusHelp("0 done", "1 error, or a hold covers one of them", "3 the log is not what was written"),
		Example: "taffrail log prune --older-than 400d --reason \"retention\"",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			if err := pruneRange(&r, older); err != nil {
				return err
			}
			r.Reason, r.By = f.reason, f.who()
			return a.pruneLog(ctx, f, r)
		}),
	}
	f.add(cmd, true)
	cmd.Flags().Int64Var(&r.Before, "before", 0, "the first entry that is kept, a multiple of 256")
	cmd.Flags().StringVar(&older, "older-than", "", "or how old an entry must be to be dropped, such as 400d or 48h")
	return cmd
}

func pruneRange(r *daemon.PruneRequest, older string) error {
	if (r.Before == 0) == (older == "") {
		return usage("give --before INDEX, or --older-than 400d", "which entries are to be dropped is not said, or twice")
	}
	if older == "" {
		return nil
	}
	age, err := parseAge(older)
	r.OlderThan = time.Now().Add(-age)
	return err
}

// parseAge reads a time such as 48h, or of whole days such as 400d.
func parseAge(text string) (time.Duration, error) {
	if n := len(text); n > 1 && text[n-1] == 'd' {
		days, err := strconv.ParseUint(text[:n-1], 10, 16)
		if err == nil {
			return time.Duration(days) * 24 * time.Hour, nil
		}
	}
	age, err := time.ParseDuration(text)
	if err != nil || age < 0 {
		return 0, usage("write it as 400d or 48h", "%q is no age", text)
	}
	return age, nil
}

func (a *app) pruneLog(ctx context.Context, f keepFlags, r daemon.PruneRequest) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		report, err := q.PruneLog(ctx, r)
		if err != nil {
			return err
		}
		if f.output == outputJSON {
			return writeJSON(a.out, report)
		}
		p := a.page()
		p.line("Dropped: the bodies of all entries before ", strconv.FormatInt(report.Before, 10), ", and ", count(report.Payloads, "payload", "payloads"), ".")
		p.line(p.dim(logLine(report.Log)))
		return a.print(p)
	})
}

// keep does something to the log, and says where that stands.
func (a *app) keep(ctx context.Context, f keepFlags, done string, do func(daemon.Queries) (daemon.LogPosition, error)) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		position, err := do(q)
		if err != nil {
			return err
		}
		if f.output == outputJSON {
			return writeJSON(a.out, position)
		}
		p := a.page()
		p.line(done, fmt.Sprintf(": intended in entry %d, done in entry %d.", position.First, position.Last))
		p.line(p.dim(logLine(position)))
		return a.print(p)
	})
}

// oneIndex reads the one argument of a command.
func oneIndex(args []string, what string) (int64, error) {
	if len(args) == 0 {
		return 0, usage("`taffrail log show` lists entries", "name %s", what)
	}
	n, err := parseIndex(args[0])
	if err != nil {
		return 0, usage("entries are named by their index, such as 12", "%w", err)
	}
	return n, nil
}
