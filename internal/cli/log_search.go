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

// searchFlags say which entries are looked for.
type searchFlags struct {
	since, until    string
	types, outcomes []string
	daemon.SearchRequest
}

func (f *searchFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "not before: a date, a moment (RFC 3339), or an age such as 7d or 2h")
	flags.StringVar(&f.until, "until", "", "and before this")
	flags.StringSliceVar(&f.types, "type", nil, "types of entry, such as drift.found")
	flags.StringSliceVar(&f.outcomes, "outcome", nil, "outcomes, such as failed")
	flags.StringVar(&f.Actor, "actor", "", "who wrote the entry, such as taffrail/0.1.0")
	flags.StringVar((*string)(&f.Stack), "stack", "", "the stack's ID")
	flags.StringVar((*string)(&f.Resource), "resource", "", "the resource's address")
	flags.StringVar(&f.Request, "request", "", "what joins the entries of one request, such as one scan")
	flags.StringVar(&f.Text, "text", "", "words that all stand in the entry, in clear")
}

// request reads what was typed.
func (f *searchFlags) request(now time.Time) (daemon.SearchRequest, error) {
	r := f.SearchRequest
	var err error
	if r.Since, err = parseMoment(f.since, now); err != nil {
		return r, err
	}
	if r.Until, err = parseMoment(f.until, now); err != nil {
		return r, err
	}
	for _, t := range f.types {
		r.Types = append(r.Types, taffrail.EntryType(t))
	}
	for _, o := range f.outcomes {
		r.Outcomes = append(r.Outcomes, taffrail.Outcome(o))
	}
	return r, nil
}

// parseMoment reads a date, a moment, or an age; an empty text is no moment.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02T15:04", time.DateTime} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), nil
		}
	}
	age, err := parseAge(text)
	if err != nil {
		return time.Time{}, usage("write a date such as 2026-03-31, a moment such as 2026-03-31T18:00:00Z, or an age such as 7d", "%q is no time", text)
	}
	return now.Add(-age), nil
}

func (a *app) logSearchCommand() *cobra.Command {
	var f searchFlags
	var form output
	cmd := &cobra.Command{
		Use:   "search",
		Short: "Find entries by what they say",
		Long: "Finds entries by time, type, outcome, author, stack, resource, request and words, newest first. It looks at what entries say in clear, not at payloads. " +
			"Each entry that is shown was compared with the newest checkpoint.\n\n" + exitStatusHelp("0 done, whatever was found", "1 error", "3 the log is not what was written"),
		Example: "# what was done to the log itself?\ntaffrail log search --type log.redacted,log.pruned,log.held,log.released\n\n# the last week of one resource\ntaffrail log search --since 7d --resource aws_s3_bucket.logs",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			r, err := f.request(time.Now())
			if err == nil && (r.Limit < 1 || r.Limit > maxPage) {
				err = usage(fmt.Sprintf("give 1 to %d, and --before for what comes next", maxPage), "-n %d is no size of a page", r.Limit)
			}
			if err != nil {
				return err
			}
			return a.searchLog(ctx, r, form)
		}),
	}
	f.add(cmd)
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", daemon.SearchLimit, "how many entries")
	cmd.Flags().Int64Var(&f.Before, "before", 0, "only entries before this index: the next page")
	outputFlag(cmd, &form)
	return cmd
}

// maxPage bounds what is shown at once.
const maxPage = 1000

func (a *app) searchLog(ctx context.Context, r daemon.SearchRequest, form output) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		found, err := q.SearchLog(ctx, r)
		if err != nil {
			return err
		}
		if form == outputJSON {
			return writeJSON(a.out, searchForm{entriesForm(found.Entries), found.Next, found.Pruned})
		}
		p := a.page()
		p.entries(found.Entries)
		if found.Next > 0 {
			p.line(p.dim("More: --before " + strconv.FormatInt(found.Next, 10)))
		}
		if found.Pruned > 0 {
			p.line(p.dim(fmt.Sprintf("Entries before %d cannot be found: they were pruned.", found.Pruned)))
		}
		return a.print(p)
	})
}

// searchForm is what was found as JSON.
type searchForm struct {
	entryList
	Next   int64 `json:"next"`   // index for --before of the next page; 0: there is none
	Pruned int64 `json:"pruned"` // entries before this index cannot be found
}

func (a *app) logTailCommand() *cobra.Command {
	var form output
	var last int64
	var follow bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the newest entries, and those that come",
		Long: "Shows the newest entries, and with -f each one that is appended, by whichever process, until it is stopped.\n\n" +
			exitStatusHelp("0 done, or stopped", "1 error", "3 the log is not what was written"),
		Example: "taffrail log tail -f",
		Args:    cobra.ArbitraryArgs,
		RunE:    a.do(0, func(ctx context.Context, _ []string) error { return a.tailLog(ctx, last, follow, form) }),
	}
	cmd.Flags().Int64VarP(&last, "last", "n", lastEntries, "how many of the newest to begin with")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with each entry that is appended")
	formFlag(cmd, &form, outputTable, outputNDJSON)
	return cmd
}

func (a *app) tailLog(ctx context.Context, last int64, follow bool, form output) error {
	if last < 1 {
		return usage("give 1 or more", "-n %d shows nothing", last)
	}
	return a.with(ctx, true, func(q daemon.Queries) error {
		const digits = 7 // of the entries that are yet to come
		head := true
		show := func(e daemon.LogEntry) error {
			if form == outputNDJSON {
				return writeLine(a.out, entriesForm([]daemon.LogEntry{e}).Entries[0])
			}
			p := a.page()
			if head {
				p.entryHead(digits)
				head = false
			}
			p.entryRow(e, digits)
			return a.print(p)
		}
		if follow {
			return q.FollowLog(ctx, -last, show)
		}
		return q.Entries(ctx, -last, -1, show)
	})
}
