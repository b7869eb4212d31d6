package cli

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// lastEntries is how many entries are shown if none were asked for.
const lastEntries = 20

// showFlags are what can be said about showing entries.
type showFlags struct {
	output output
	last   int64
	raw    bool
}

func (a *app) logShowCommand() *cobra.Command {
	var f showFlags
	cmd := &cobra.Command{
		Use:   "show [INDEX|FROM..TO]",
		Short: "Show entries, the newest last",
		Long: "Shows entries of the log. Of a single one it shows everything: its fields, its body, and what was found before and after. " +
			"A range takes in both of its ends, and either may be left out.\n\n" +
			exitStatusHelp("0 done", "1 error, or there is no such entry", "3 the log is not what was written"),
		Example: "# the last ones\ntaffrail log show\n\n# one, whole\ntaffrail log show 12\n\n# the exact bytes that were signed\ntaffrail log show 12 --raw",
		Args:    cobra.ArbitraryArgs,
		RunE:    a.do(1, func(ctx context.Context, args []string) error { return a.showLog(ctx, f, strings.Join(args, "")) }),
	}
	outputFlag(cmd, &f.output)
	cmd.Flags().Int64VarP(&f.last, "last", "n", lastEntries, "how many of the newest to show, if no entries are named")
	cmd.Flags().BoolVar(&f.raw, "raw", false, "print the exact bytes, one entry on each line")
	return cmd
}

func (a *app) showLog(ctx context.Context, f showFlags, which string) error {
	r, err := f.entries(which)
	if err != nil {
		return err
	}
	return a.with(ctx, true, func(q daemon.Queries) error {
		var entries []daemon.LogEntry
		err := q.Entries(ctx, r.from, r.to, func(e daemon.LogEntry) error {
			if f.raw {
				return a.printRaw(e)
			}
			entries = append(entries, e)
			return nil
		})
		if err != nil || f.raw {
			return err
		}
		return a.printEntries(entries, r, f.output)
	})
}

// A span is a half-open range of entries. A negative from counts from the end; a negative to is the end.
type span struct{ from, to int64 }

func (s span) single() bool { return s.to == s.from+1 }

// entries reads what was asked for: an index, a range that takes in its ends, or nothing for the newest.
func (f showFlags) entries(which string) (span, error) {
	if f.last < 1 {
		return span{}, usage("give 1 or more", "-n %d shows nothing", f.last)
	}
	if f.raw && f.output == outputJSON {
		return span{}, usage("leave one of them out", "--raw and -o json are two forms of output")
	}
	if which == "" {
		return span{-f.last, -1}, nil
	}
	from, to, isRange := strings.Cut(which, "..")
	if !isRange {
		to = from
	}
	s := span{0, -1}
	var err error
	if from != "" || !isRange {
		s.from, err = parseIndex(from)
	}
	if err == nil && (to != "" || !isRange) {
		s.to, err = parseIndex(to)
		s.to++
	}
	if err == nil && s.to >= 0 && s.to <= s.from {
		err = fmt.Errorf("it ends before it begins")
	}
	if err != nil {
		return span{}, usage("entries are named as 12, 12..15, 12.. or ..15", "entries %q: %w", which, err)
	}
	return s, nil
}

func parseIndex(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 62)
	if err != nil {
		return 0, fmt.Errorf("%q is no index", s)
	}
	return int64(n), nil
}

// printRaw prints the bytes of an entry as they are, which is safe for a file and not always for a terminal.
func (a *app) printRaw(e daemon.LogEntry) error {
	if _, terminal := terminalOf(a.Stdout); terminal && (!utf8.Valid(e.Leaf) || !bytes.Equal(escapeJSON(e.Leaf), e.Leaf)) {
		return usage("write it to a file, or leave --raw out", "entry %d holds characters that a terminal could obey", e.Index)
	}
	_, err := a.Stdout.Write(append(bytes.Clone(e.Leaf), '\n'))
	return err
}

func (a *app) printEntries(entries []daemon.LogEntry, r span, form output) error {
	if form == outputJSON {
		return writeJSON(a.out, entriesForm(entries))
	}
	p := a.page()
	if r.single() && len(entries) == 1 {
		p.entry(entries[0])
	} else {
		p.entries(entries)
	}
	return a.print(p)
}
