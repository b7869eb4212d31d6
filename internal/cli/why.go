package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) whyCommand() *cobra.Command {
	var r daemon.WhyRequest
	var form output
	cmd := &cobra.Command{
		Use:   "why ADDRESS [PATH]",
		Short: "Say who moved a resource, with the evidence",
		Long: "Explains a drift as the log has it: for each attribute who moved it, by which event, when, from what to what, how sure that is and by what evidence, who else it may have been, and which events were rejected and why. " +
			"ADDRESS may also be the ID of a drift. PATH is one attribute and what lies below it.\n\n" + exitStatusHelp("0 done, whatever the answer", "1 error, or nothing is known of it"),
		Example: "taffrail why aws_security_group.web\n\n# one attribute\ntaffrail why aws_security_group.web ingress",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(2, func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return usage("give an address as `taffrail scan` prints it", "no resource is named")
			}
			if len(args) == 2 {
				r.Path = args[1]
			}
			if strings.HasPrefix(args[0], "drift-") {
				r.Drift = taffrail.DriftID(args[0])
			} else {
				r.Address = taffrail.Address(args[0])
			}
			return a.why(ctx, r, form)
		}),
	}
	cmd.Flags().StringVar((*string)(&r.Stack), "stack", "", "the stack's ID, where several have this address")
	cmd.Flags().BoolVar(&r.All, "all", false, "drifts that are over, too")
	outputFlag(cmd, &form)
	return cmd
}

func (a *app) why(ctx context.Context, r daemon.WhyRequest, form output) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		answers, err := q.Why(ctx, r)
		if err != nil {
			return err
		}
		if form == outputJSON {
			return writeJSON(a.out, answers)
		}
		p := a.page()
		for _, answer := range answers {
			p.whyDrift(answer)
		}
		return a.print(p)
	})
}

func (p *page) whyDrift(a daemon.WhyAnswer) {
	over := ""
	if a.Ended >= 0 {
		over = fmt.Sprintf("over, as entry %d says", a.Ended)
	}
	p.heading("~", a.Drift.Finding, statusWord(a.Drift.Finding.Status), "since "+stamp(a.Drift.Since), over)
	p.facts(fact{"    drift", fmt.Sprintf("%s, entry %d", safe(string(a.Drift.ID)), a.Drift.Entry)}, fact{"    stack", safe(string(a.Stack))}, fact{"    declared", declaredText(a.Declared)})
	if a.Drift.Causes == nil {
		p.line()
		p.paragraph(a.Unasked, 4, p.dim)
		return
	}
	for _, c := range a.Selected {
		p.whyChange(c)
	}
	p.line()
	text := fmt.Sprintf("The answer is entry %d", a.Drift.Causes.Entry)
	if n := len(a.Revised); n > 0 {
		text += fmt.Sprintf(", and took the place of entry %d", a.Revised[0])
	}
	if !a.Drift.Causes.Settled {
		text += "; events of the time may still arrive, and change it"
	}
	p.paragraph(text+".", 4, p.dim)
}

// declaredText says who wrote the line of the code.
func declaredText(d *taffrail.Declaration) string {
	if d == nil {
		return ""
	}
	return fmt.Sprintf("by %s in commit %.12s, %s: %s", safe(whoText(d.Actor)), safe(string(d.Event)), stamp(d.Time), safe(d.Summary))
}

func (p *page) whyChange(c taffrail.Cause) {
	p.line()
	p.rows(rowsOf([]taffrail.Change{c.Change}, false), 4)
	p.line("    ", p.tierWord(c.Tier, c.Confidence), gap, p.who(c))
	if c.Event != nil {
		p.event(*c.Event, 6)
	}
	if c.Run != nil {
		p.paragraph(runText(*c.Run), 6, p.dim)
	}
	if c.Via != "" {
		p.paragraph("it reached the resource through "+safe(c.Via), 6, p.dim)
	}
	if c.Reason != "" {
		p.paragraph(safe(c.Reason), 6, p.dim)
	}
	p.whyList("evidence", len(c.Evidence), func(i int) string { return string(c.Evidence[i].Kind) + ": " + c.Evidence[i].Detail })
	p.whyList("may have been", len(c.Candidates), func(i int) string {
		o := c.Candidates[i]
		return fmt.Sprintf("%s, %s, %s (%s)", whoText(o.Actor), o.Action, stamp(o.Time), o.ID)
	})
	p.whyList("was another value in between", len(c.Excursions), func(i int) string {
		x := c.Excursions[i]
		return fmt.Sprintf("%s to %s: %s, by event %s", stamp(x.From), stamp(x.Until), renderValue(x.Value), x.By)
	})
	p.whyList("rejected", len(c.Rejected), func(i int) string {
		r := c.Rejected[i]
		return fmt.Sprintf("%s: %s (%s)", r.Action, r.Why, r.Event)
	})
}

func (p *page) who(c taffrail.Cause) string {
	if c.Event == nil {
		return "nobody is named"
	}
	return p.bold(safe(whoText(c.Event.Actor)))
}

// event prints what is known of the event that is named.
func (p *page) event(e taffrail.EventRef, indent int) {
	lead := strings.Repeat(" ", indent)
	p.facts(fact{lead + "action", safe(e.Action)}, fact{lead + "at", stamp(e.Time)}, fact{lead + "principal", safe(e.Actor.ID)},
		fact{lead + "judged by", safe(strings.Join(e.Actor.Features, "; "))}, fact{lead + "event", safe(string(e.ID))})
	p.whyList("through", len(e.Actor.Chain), func(i int) string { return e.Actor.Chain[i].Kind + " " + e.Actor.Chain[i].ID })
}

// mostShown bounds a list for people; JSON has all.
const mostShown = 12

func (p *page) whyList(name string, n int, text func(int) string) {
	for i := range min(n, mostShown) {
		if i == 0 {
			p.line("      ", p.dim(name))
		}
		p.paragraph(safe(text(i)), 8, func(s string) string { return s })
	}
	if n > mostShown {
		p.line("        ", p.dim(fmt.Sprintf("and %d more: see -o json", n-mostShown)))
	}
}

func (a *app) historyCommand() *cobra.Command {
	var r daemon.HistoryRequest
	var since, until string
	var form output
	cmd := &cobra.Command{
		Use:   "history ADDRESS",
		Short: "Show what happened to a resource, in time",
		Long: "Shows what the log knows of one resource, the oldest first: each version in which it was seen, its drifts, who moved them, the runs that were watched while they changed it, and the events that touched it. " +
			"Its events are found by its identity, as far as scans have noted it; --id adds others.\n\n" + exitStatusHelp("0 done", "1 error, or nothing is known of it"),
		Example: "taffrail history aws_security_group.web --since 7d",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(1, func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return usage("give an address as `taffrail scan` prints it", "no resource is named")
			}
			r.Address = taffrail.Address(args[0])
			var err error
			if r.Since, r.Until, err = a.moments(since, until); err != nil {
				return err
			}
			return a.history(ctx, r, form)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar((*string)(&r.Stack), "stack", "", "the stack's ID, where several have this address")
	flags.StringArrayVar(&r.IDs, "id", nil, "another identity of it, such as an ARN; may be given again")
	flags.StringVar(&since, "since", "", "not before: a date, a moment (RFC 3339), or an age such as 7d or 2h")
	flags.StringVar(&until, "until", "", "and not after this")
	flags.BoolVar(&r.Reads, "reads", false, "events that changed nothing, too")
	outputFlag(cmd, &form)
	return cmd
}

func (a *app) history(ctx context.Context, r daemon.HistoryRequest, form output) error {
	return a.with(ctx, true, func(q daemon.Queries) error {
		h, err := q.History(ctx, r)
		if err != nil {
			return err
		}
		if form == outputJSON {
			return writeJSON(a.out, h)
		}
		p := a.page()
		p.line(p.bold(safe(string(h.Address))), gap, p.dim(safe(strings.Join(h.IDs, ", "))))
		for _, i := range h.Items {
			room := max(minValue, p.width-20-9-14)
			p.line(p.dim(stamp(i.Time)), gap, pad(safe(i.What), 7), gap, clipMiddle(safe(i.Text), room), gap, p.dim(fmt.Sprintf("entry %d", i.Entry)))
		}
		return a.print(p)
	})
}
