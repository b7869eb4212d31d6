package cli

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) runsCommand() *cobra.Command {
	var form output
	var since, until string
	r := daemon.RunsRequest{}
	cmd := &cobra.Command{
		Use:   "runs [ID]",
		Short: "List the runs that were recorded, or show one of them",
		Long: "Lists what was run with `taffrail run`, the newest first: when, who, what, how it ended, and how many resources it was seen to change. With the ID of a run it shows that one in full, with each change. " +
			"Each entry that is shown was compared with the newest checkpoint.\n\n" + exitStatusHelp("0 done, whatever was found", "1 error", "3 the log is not what was written"),
		Example: "taffrail runs --since 7d\n\n# one of them, with what it changed\ntaffrail runs run-6f1c0d9a5b7e4382",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(1, func(ctx context.Context, args []string) (err error) {
			now := time.Now()
			if r.Since, err = parseMoment(since, now); err != nil {
				return err
			}
			if r.Until, err = parseMoment(until, now); err != nil {
				return err
			}
			if len(args) == 1 {
				r.ID = taffrail.RunID(args[0])
			}
			return a.runs(ctx, r, form)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&since, "since", "", "under way at or after: a date, a moment (RFC 3339), or an age such as 7d or 2h")
	flags.StringVar(&until, "until", "", "begun before this")
	flags.StringVar((*string)(&r.Stack), "stack", "", "the stack's ID")
	flags.IntVarP(&r.Limit, "limit", "n", daemon.SearchLimit, "how many runs")
	outputFlag(cmd, &form)
	return cmd
}

// runsSchema names the form of runs as JSON.
const runsSchema = "taffrail.dev/runs/v1"

// runsForm is a list of runs as JSON.
type runsForm struct {
	Schema string         `json:"schema"` // [runsSchema]
	Runs   []taffrail.Run `json:"runs"`   // the newest first
}

func (a *app) runs(ctx context.Context, r daemon.RunsRequest, form output) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		all, err := q.Runs(ctx, r)
		if err != nil {
			return err
		}
		if r.ID != "" && len(all) == 0 {
			return &taffrail.Error{Op: "find run", Kind: taffrail.KindNotFound, Err: fmt.Errorf("there is no run %q", r.ID), Hint: "`taffrail runs` lists them"}
		}
		if form == outputJSON {
			return writeJSON(a.out, runsForm{runsSchema, all})
		}
		p := a.page()
		if r.ID != "" {
			p.run(all[0])
		} else {
			p.runs(all)
		}
		return a.print(p)
	})
}

// runs prints one line for each run.
func (p *page) runs(all []taffrail.Run) {
	if len(all) == 0 {
		p.line("No run was recorded.")
		return
	}
	p.line(p.dim(fmt.Sprintf("%-20s  %-20s  %-8s  %-8s  %-16s  %s", "RUN", "STARTED", "ENDED", "APPLIED", "WHO", "COMMAND")))
	for _, r := range all {
		used := 20 + 2 + 20 + 2 + 8 + 2 + 8 + 2 + 16 + 2
		p.line(pad(safe(string(r.ID)), 20), gap, p.dim(stamp(r.Started)), gap, p.runEnd(r), gap, pad(appliedText(r), 8), gap,
			pad(clipMiddle(runnerText(r.Who), 16), 16), gap, ansi.Truncate(shortCommand(r), max(minValue, p.width-used), ellipsis))
	}
}

// runEnd says in a word how a run ended.
func (p *page) runEnd(r taffrail.Run) string {
	switch {
	case r.State != taffrail.RunEnded:
		return p.yellow(pad(string(r.State), 8))
	case r.Exit == nil:
		return p.red(pad(safe(cmp.Or(r.Signal, "failed")), 8))
	case *r.Exit != 0:
		return p.red(pad("exit "+strconv.Itoa(*r.Exit), 8))
	}
	return pad("exit 0", 8)
}

// appliedText is how many resources were changed; nothing is said where nobody looked.
func appliedText(r taffrail.Run) string {
	switch {
	case r.Tap == nil:
		return "-"
	case r.Tap.Connections == 0:
		return "not seen"
	case r.Tap.Failed > 0:
		return fmt.Sprintf("%d, %d ✗", r.Tap.Applied, r.Tap.Failed)
	}
	return strconv.Itoa(r.Tap.Applied)
}

func runnerText(who taffrail.Actor) string {
	for _, link := range who.Chain {
		if link.Kind == "actor" {
			return safe(link.ID)
		}
	}
	return cmp.Or(safe(who.Name), "(erased)")
}

// shortCommand is the command line without the folder of its program.
func shortCommand(r taffrail.Run) string {
	if len(r.Command) > 0 {
		r.Command = append([]string{filepath.Base(r.Command[0])}, r.Command[1:]...)
	}
	return commandText(r)
}

func commandText(r taffrail.Run) string {
	if r.Command == nil {
		return safe(strings.TrimSpace(r.Program+" "+r.Verb)) + " …"
	}
	return safe(commandLine(r.Command))
}

// commandLine writes arguments as a person would type them, with digests in the place of secrets cut short.
func commandLine(args []string) string {
	var words []string
	for _, arg := range args {
		arg = shortDigests(arg)
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'$`\\*?[]{}()<>|&;#~") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// shortDigests leaves of the digests of secrets what one tells them apart by.
func shortDigests(text string) string {
	const mark, kept = "taffrail-sealed:hmac:", 8
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, mark)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		const kid, digest = 8 + 1, 64
		if len(rest) < kid+digest {
			b.WriteString(mark)
			text = rest
			continue
		}
		b.WriteString("<secret " + rest[kid:kid+kept] + "…>")
		text = rest[kid+digest:]
	}
}

// run prints everything that is known of one run.
func (p *page) run(r taffrail.Run) {
	p.line(p.bold(safe(string(r.ID))), gap, p.runEnd(r))
	facts := []fact{
		{"command", commandText(r)}, {"folder", safe(r.Where)}, {"who", safe(r.Who.Name)}, {"class", string(r.Who.Class) + ": " + safe(strings.Join(r.Who.Features, "; "))}, {"pipeline", safe(r.CI)},
	}
	for _, link := range r.Who.Chain {
		facts = append(facts, fact{"  " + safe(link.Kind), safe(link.ID)})
	}
	facts = append(facts, fact{"started", stamp(r.Started)}, fact{"finished", finishedText(r)}, fact{"stack", safe(strings.TrimSpace(string(r.Stack) + "  " + r.Name))}, fact{"state", serialText(r)},
		fact{"commit", codeText(r.Commit)}, fact{"plan", safe(r.Plan)}, fact{"user agent", safe(r.Agent)}, fact{"error", safe(r.Error)}, fact{"tap", tapFact(r)}, fact{"entries", entriesText(r.Entries)})
	p.facts(facts...)
	if r.Tap != nil && r.Tap.Resources != nil && r.Applied == nil {
		p.line()
		p.line(p.yellow("What it changed was erased."))
	}
	for _, a := range r.Applied {
		p.line()
		p.applied(a)
	}
}

func finishedText(r taffrail.Run) string {
	switch {
	case r.Finished != nil:
		return stamp(*r.Finished) + fmt.Sprintf(" (%v)", r.Finished.Sub(r.Started).Round(time.Millisecond))
	case r.State == taffrail.RunUnknown:
		return "nobody knows: we were stopped before it ended"
	}
	return ""
}

func serialText(r taffrail.Run) string {
	if r.Stack == "" {
		return ""
	}
	return fmt.Sprintf("serial %d → %d", r.Serial[0], r.Serial[1])
}

func codeText(c *taffrail.Commit) string {
	if c == nil {
		return ""
	}
	text := safe(c.Hash)
	if c.Ref != "" {
		text += " (" + safe(c.Ref) + ")"
	}
	if c.Dirty {
		text += ", with changes that are not committed"
	}
	return text
}

func tapFact(r taffrail.Run) string {
	if r.Tap == nil {
		return safe(r.Untapped)
	}
	text := tapText(*r.Tap)
	if r.Tap.LeftOut > 0 {
		text += fmt.Sprintf(", %d of them not recorded in full", r.Tap.LeftOut)
	}
	if r.Tap.Withheld != "" {
		text += "; " + safe(r.Tap.Withheld)
	}
	return text
}

func entriesText(all []int64) string {
	var words []string
	for _, e := range all {
		words = append(words, strconv.FormatInt(e, 10))
	}
	return strings.Join(words, ", ")
}

// applied prints what was done to one resource.
func (p *page) applied(a taffrail.Applied) {
	name := cmp.Or(string(a.Address), string(a.Type)+" "+string(a.ID))
	p.line(p.bold(safe(name)), gap, safe(string(a.Action)), gap, p.dim(stamp(a.Finished)))
	if a.Error != "" {
		p.paragraph("failed: "+safe(a.Error), 4, p.red)
	}
	var changes []taffrail.Change
	for _, c := range a.Changes {
		changes = append(changes, taffrail.Change{Path: c.Path, Before: c.Before, After: c.After, Class: taffrail.ClassDrift})
	}
	p.rows(rowsOf(changes, true), 4)
	if a.Withheld {
		p.line(p.dim("    values are withheld: what of them is sensitive is not known"))
	}
}

// endedText says on one line how a run ended.
func endedText(b taffrail.RunFinished) string {
	text := "exit " + strconv.Itoa(b.Exit)
	if b.Exit < 0 {
		text = cmp.Or(safe(b.Signal), "not started")
	}
	if b.Tap != nil {
		text += ", " + tapText(*b.Tap)
	}
	return text
}
