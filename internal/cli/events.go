package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/config"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) eventsCommand() *cobra.Command {
	events := a.group(&cobra.Command{
		Use:   "events",
		Short: "Take in who did what from audit logs, and look at it",
		Long:  "Events of audit logs say who did what. They come into the log in batches, without their secrets, and `taffrail scan` and `taffrail why` find in them who moved a drift.",
	})
	events.AddCommand(a.eventsImportCommand(), a.eventsReceiveCommand(), a.eventsListCommand(), a.eventsTailCommand(), a.eventsSourcesCommand(), a.eventsUnlockCommand())
	return events
}

func (a *app) eventsImportCommand() *cobra.Command {
	var r daemon.ImportRequest
	var form output
	cmd := &cobra.Command{
		Use:   "import PATH...",
		Short: "Take in audit logs from files and folders",
		Long: "Takes in the records of files, and of folders with all that is in them: CloudTrail's json.gz, Kubernetes audit logs, ... What is in the log already is not taken twice, so an import may be done again. " +
			"A record that cannot be read is kept, locked, and counted.\n\n" + exitStatusHelp("0 all was taken in", "1 error, or some records could not be read"),
		Example: "taffrail events import trail/\n\n# with the digests of CloudTrail verified\ntaffrail events import trail/ --set public_keys=keys.json\n\n# of another account\ntaffrail events import --name prod trail-prod/",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(-1, func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return usage("name a file or a folder", "nothing is named to be taken in")
			}
			return a.importEvents(ctx, args, r, form)
		}),
	}
	cmd.Flags().StringVar(&r.Source, "source", "", "the plug-in that reads it (else whichever knows its form)")
	cmd.Flags().StringVar(&r.Name, "name", "", "what the source is called in the log (else the name of the plug-in)")
	cmd.Flags().StringArrayVar(&r.Settings, "set", nil, "a setting of the plug-in, as key=value; may be given again")
	outputFlag(cmd, &form)
	return cmd
}

// importForm is what came in as JSON.
type importForm struct {
	daemon.EventsTaken
	Seconds float64 `json:"duration_s"`
}

func (a *app) importEvents(ctx context.Context, paths []string, r daemon.ImportRequest, form output) error {
	began := time.Now()
	var all importForm
	err := a.with(ctx, true, func(q daemon.Queries) error {
		for _, path := range paths {
			abs, err := filepath.Abs(path)
			if err != nil {
				return err
			}
			r.Path = abs
			taken, err := q.ImportEvents(ctx, r, nil)
			if taken.Began != nil {
				a.announce(taken.Began.Origin, taken.Began.Key)
			}
			all.Add(taken)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	all.Seconds = time.Since(began).Seconds()
	if form == outputJSON {
		err = writeJSON(a.out, all)
	} else {
		p := a.page()
		p.taken("", all.EventsTaken)
		err = a.print(p)
	}
	if err == nil && all.Dead > 0 {
		a.status = taffrail.ExitError
	}
	return err
}

// taken says on a line what came in.
func (p *page) taken(source string, t daemon.EventsTaken) {
	text := count(t.Events, "event", "events") + fmt.Sprintf(", %d of them changes", t.Changes)
	if t.Repeated > 0 {
		text += fmt.Sprintf("; %d known already", t.Repeated)
	}
	if t.Notices > 0 {
		text += "; " + p.yellow(count(t.Notices, "notice of the source about itself", "notices of the source about itself")+": see taffrail events sources")
	}
	if source != "" {
		text = p.bold(safe(source)) + gap + text
	}
	p.line(text)
	if t.Dead > 0 {
		p.line(p.red(count(t.Dead, "record could not be read", "records could not be read")), ": see taffrail events list --dead")
	}
}

func (a *app) eventsReceiveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "receive",
		Short: "Run the configured receivers and readers of events",
		Long: "Runs the audit sources that config.yaml names, until it is stopped: listens for those that send, and looks at an interval for those that are read. `taffrail serve` does the same beside its other duties.\n\n" +
			exitStatusHelp("0 stopped", "1 error"),
		Example: "taffrail events receive",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			return a.serving(ctx, true, func(s service, _ config.Installation) error {
				return s.ReceiveEvents(ctx, func(source, address string) {
					fmt.Fprintf(a.screen, "%s listens on %s\n", safe(source), safe(address))
				}, func(source string, t daemon.EventsTaken) {
					if t.Began != nil {
						a.announce(t.Began.Origin, t.Began.Key)
					}
					if t.Events == 0 && t.Notices == 0 || a.global.quiet {
						return
					}
					p := a.page()
					p.taken(source, t)
					_ = a.print(p) // what cannot be shown was taken in nevertheless
				})
			})
		}),
	}
}

// eventFlags say which events are meant.
type eventFlags struct {
	since, until string
	daemon.EventFilter
}

func (f *eventFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Source, "source", "", "the source, as config.yaml calls it")
	flags.StringVar(&f.EventFilter.Actor, "actor", "", "a part of who did it")
	flags.StringVar(&f.Action, "action", "", "a part of what was done, such as ec2: or Authorize")
	flags.StringVar(&f.Resource, "resource", "", "a name of a resource that stands in the event, such as an id or an ARN")
	flags.BoolVar(&f.Changes, "changes", false, "those alone that may have changed something")
	flags.BoolVar(&f.Failed, "failed", false, "those alone that failed")
}

// moments reads two moments that were typed.
func (a *app) moments(since, until string) (from, to time.Time, err error) {
	now := time.Now()
	if from, err = parseMoment(since, now); err == nil {
		to, err = parseMoment(until, now)
	}
	return from, to, err
}

func (a *app) eventsListCommand() *cobra.Command {
	var f eventFlags
	var form output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show events, the newest first",
		Long: "Shows events that came into the log, copies of one event as one, the newest first. Secrets in them are digests.\n\n" +
			exitStatusHelp("0 done, whatever was found", "1 error"),
		Example: "taffrail events list --changes --since 2h\n\n# what could not be read\ntaffrail events list --dead",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) (err error) {
			if f.Since, f.Until, err = a.moments(f.since, f.until); err != nil {
				return err
			}
			if f.Limit < 1 {
				return usage("give 1 or more", "-n %d shows nothing", f.Limit)
			}
			return a.with(ctx, true, func(q daemon.Queries) error {
				return a.showEvents(form, func(show func(daemon.LoggedEvent) error) error { return q.ListEvents(ctx, f.EventFilter, show) })
			})
		}),
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "not before: a date, a moment (RFC 3339), or an age such as 7d or 2h")
	flags.StringVar(&f.until, "until", "", "and not after this")
	flags.StringVar((*string)(&f.ID), "id", "", "the event's own ID, of one that may have changed something")
	flags.BoolVar(&f.Dead, "dead", false, "in the place of events: records that could not be read")
	flags.IntVarP(&f.Limit, "limit", "n", 50, "how many")
	formFlag(cmd, &form, outputTable, outputNDJSON)
	return cmd
}

func (a *app) eventsUnlockCommand() *cobra.Command {
	var f keepFlags
	var file string
	r := daemon.UnlockRequest{}
	cmd := &cobra.Command{
		Use:   "unlock ENTRY RECORD",
		Short: "Take out a record that could not be read, to look at it",
		Long: "Writes a record that could not be read into a file, as it was delivered. It was kept encrypted, since it may hold secrets that nobody could find in it. " +
			keepHelp + exitStatusHelp("0 done", "1 error", "3 the log is not what was written"),
		Example: "taffrail events unlock 17 4 --file record --reason \"a new form?\"",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(2, func(ctx context.Context, args []string) (err error) {
			if len(args) < 2 || file == "" {
				return usage("`taffrail events list --dead` names entry and record; --file is where it is written to", "entry, record and file are needed")
			}
			if r.Batch, err = parseIndex(args[0]); err != nil {
				return err
			}
			if r.Record, err = parseIndex(args[1]); err != nil {
				return err
			}
			r.Reason, r.By = f.reason, f.who()
			return a.keep(ctx, f, "Unlocked", func(q daemon.Queries) (daemon.LogPosition, error) {
				return q.UnlockEvent(ctx, r, func(record []byte) error {
					return writeWhole(file, func(w io.Writer) error { _, err := w.Write(record); return err })
				})
			})
		}),
	}
	f.add(cmd, true)
	cmd.Flags().StringVar(&file, "file", "", "where it is written to; readable for you alone; required")
	return cmd
}

func (a *app) eventsTailCommand() *cobra.Command {
	var f eventFlags
	var form output
	cmd := &cobra.Command{
		Use:     "tail",
		Short:   "Show events as they come in",
		Long:    "Shows each event that comes into the log, by whichever process, until it is stopped.\n\n" + exitStatusHelp("0 stopped", "1 error"),
		Example: "taffrail events tail --changes",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			return a.with(ctx, true, func(q daemon.Queries) error {
				return a.showEvents(form, func(show func(daemon.LoggedEvent) error) error { return q.FollowEvents(ctx, f.EventFilter, show) })
			})
		}),
	}
	f.add(cmd)
	formFlag(cmd, &form, outputTable, outputNDJSON)
	return cmd
}

// showEvents prints events as they come, each on a line.
func (a *app) showEvents(form output, each func(show func(daemon.LoggedEvent) error) error) error {
	return each(func(e daemon.LoggedEvent) error {
		if form == outputNDJSON {
			return writeCompact(a.out, e)
		}
		p := a.page()
		p.loggedEvent(e)
		return a.print(p)
	})
}

func (p *page) loggedEvent(l daemon.LoggedEvent) {
	if l.Event == nil {
		p.line(p.red("unread"), gap, safe(l.Source), gap, p.dim(fmt.Sprintf("entry %d record %d", l.Batch, l.Record)), gap, safe(l.Where), gap, safe(l.Fault))
		return
	}
	e := l.Event
	outcome := "changes"
	switch {
	case e.Error != "":
		outcome = p.red(safe(e.Error))
	case e.DryRun:
		outcome = p.dim("rehearsal")
	case e.Read:
		outcome = p.dim("reads")
	}
	p.line(p.dim(stamp(e.Time)), gap, pad(safe(e.Action), 38), gap, safe(whoText(e.Actor)), gap, outcome, gap, p.dim(safe(string(e.ID))))
}

func (a *app) eventsSourcesCommand() *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "sources",
		Short: "Show how far each source has come, and what is wrong with it",
		Long: "Shows for each audit source how many events came, up to which time all of them are there, how many records could not be read, and what the source says of its own completeness: gaps, files that are not what was signed, and calls that told it to record less.\n\n" +
			exitStatusHelp("0 nothing is wrong", "1 error, or something is wrong with a source"),
		Example: "taffrail events sources",
		Args:    cobra.ArbitraryArgs,
		RunE:    a.do(0, func(ctx context.Context, _ []string) error { return a.eventSources(ctx, form) }),
	}
	outputFlag(cmd, &form)
	return cmd
}

func (a *app) eventSources(ctx context.Context, form output) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		all, err := q.EventSources(ctx)
		if err != nil {
			return err
		}
		for _, s := range all {
			if len(s.Notices) > 0 || s.Dead > 0 {
				a.status = taffrail.ExitError
			}
		}
		if form == outputJSON {
			return writeJSON(a.out, all)
		}
		p := a.page()
		if len(all) == 0 {
			p.line("No event has come yet, and no source is configured.")
		}
		for i, s := range all {
			if i > 0 {
				p.line()
			}
			p.eventSource(s)
		}
		return a.print(p)
	})
}

func (p *page) eventSource(s daemon.EventSourceStatus) {
	p.line(p.bold(safe(s.Source)), gap, p.dim(safe(s.Plugin)))
	p.facts(
		fact{"  events", fmt.Sprintf("%s, %d of them changes", count(s.Events, "event", "events"), s.Changes)},
		fact{"  unread", p.someRed(s.Dead)}, fact{"  complete until", stampOr(s.Settled)}, fact{"  first event", stampOr(s.First)}, fact{"  last event", stampOr(s.Last)},
		fact{"  last taken in", stampOr(s.Taken)},
	)
	for _, n := range s.Notices {
		p.line("  ", p.yellow(safe(string(n.Kind))), gap, p.dim(stamp(n.Start)+" to "+stamp(n.End)), gap, safe(n.What))
	}
}

func (p *page) someRed(n int64) string {
	if n == 0 {
		return ""
	}
	return p.red(count(n, "record", "records"))
}

func stampOr(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}
