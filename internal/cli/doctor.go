package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) doctorCommand() *cobra.Command {
	var f sourceFlags
	var form output
	cmd := &cobra.Command{
		Use:   "doctor [DIR|STATE|URL]",
		Short: "Say what a scan could read and what it could not, and why",
		Long: "Looks at everything that a scan needs: the state and where it is kept, the lock file, the providers and their configuration, and which types of resource can be read. " +
			"It reads no resource, changes nothing and writes nothing into the log.\n\n" +
			exitStatusHelp("0 nothing failed", "1 something failed, or it could not be looked at", "3 the log is not what was written"),
		Example: "taffrail doctor infra/prod",
		Args:    cobra.ArbitraryArgs,
		RunE:    a.do(1, func(ctx context.Context, args []string) error { return a.doctor(ctx, f, append(args, ".")[0], form) }),
	}
	outputFlag(cmd, &form)
	f.add(cmd.Flags())
	return cmd
}

// doctorSchema names the form of an examination as JSON. It grows by fields.
const doctorSchema = "taffrail.dev/doctor/v1"

// doctorForm is an examination as JSON.
type doctorForm struct {
	Schema string                       `json:"schema"` // [doctorSchema]
	Target string                       `json:"target"` // the stack, as it was given
	OK     bool                         `json:"ok"`     // something was looked at, and nothing failed
	Counts map[taffrail.CheckResult]int `json:"counts"` // how many checks had which result; each result is there
	Checks []taffrail.Check             `json:"checks"` // in the order in which they were made
}

// checkResults are the results, in the order in which they are counted, with their words in a column.
var checkResults = []taffrail.CheckResult{taffrail.CheckOK, taffrail.CheckWarning, taffrail.CheckFailed, taffrail.CheckSkipped}

func (a *app) doctor(ctx context.Context, f sourceFlags, target string, as output) error {
	if target == "" {
		return usage("give a folder or a state file, or nothing for this folder", "the stack's name is empty")
	}
	if err := f.check(); err != nil {
		return err
	}
	request, err := f.request(target, nil)
	if err != nil {
		return err
	}
	form := doctorForm{Schema: doctorSchema, Target: named(target), Counts: map[taffrail.CheckResult]int{}, Checks: []taffrail.Check{}}
	for _, r := range checkResults {
		form.Counts[r] = 0
	}
	return a.with(ctx, true, func(q daemon.Queries) error {
		stop := a.screen.follow(func() string { return "Examining " + safe(named(target)) + " ..." })
		err := q.Doctor(ctx, request, func(c taffrail.Check) error {
			form.Checks = append(form.Checks, c)
			form.Counts[c.Result]++
			return nil
		})
		stop()
		if err != nil {
			return err
		}
		return a.printDoctor(form, as)
	})
}

func (a *app) printDoctor(form doctorForm, as output) error {
	form.OK = form.Counts[taffrail.CheckFailed] == 0 && len(form.Checks) > 0
	if !form.OK {
		a.status = taffrail.ExitError
	}
	if as == outputJSON {
		return writeJSON(a.out, form)
	}
	p := a.page()
	p.examination(form)
	return a.print(p)
}

// examination prints each check on a line, and what was found where it has room.
func (p *page) examination(form doctorForm) {
	p.line("Examined ", p.bold(safe(form.Target)))
	p.line()
	const widest = len(taffrail.CheckWarning)
	name := 0
	for _, c := range form.Checks {
		name = max(name, cells(safe(c.Name)))
	}
	at := widest + len(gap) + name + len(gap)
	for _, c := range form.Checks {
		p.examined(c, p.checkResult(c.Result, widest)+gap+pad(safe(c.Name), name)+gap, at)
	}
	p.line()
	p.line(p.doctorVerdict(form))
}

// examined prints one check: on one line, if that has room.
func (p *page) examined(c taffrail.Check, lead string, at int) {
	subject, detail := safe(c.Subject), safe(c.Detail)
	switch {
	case subject == "" || detail == "" || at+cells(subject)+len(gap)+cells(detail) <= p.width:
		rest := wrap(detail, max(40, p.width-at))
		if subject != "" || len(rest) == 0 {
			p.line(lead, list(gap, subject, p.dim(detail)))
			break
		}
		p.line(lead, p.dim(rest[0]))
		for _, l := range rest[1:] {
			p.line(spaces(at), p.dim(l))
		}
	default:
		p.line(lead, subject)
		p.paragraph(detail, at, p.dim)
	}
	if c.Hint != "" {
		p.paragraph("hint: "+safe(c.Hint), at, func(s string) string { return s })
	}
}

func (p *page) checkResult(r taffrail.CheckResult, width int) string {
	text := pad(safe(string(r)), width)
	switch r {
	case taffrail.CheckOK:
		return p.green(text)
	case taffrail.CheckWarning:
		return p.yellow(text)
	case taffrail.CheckFailed:
		return p.alarm(text)
	}
	return p.dim(text)
}

func (p *page) doctorVerdict(form doctorForm) string {
	counts := ""
	for _, r := range checkResults {
		if n := form.Counts[r]; n > 0 {
			counts = list(", ", counts, fmt.Sprintf("%d %s", n, r))
		}
	}
	switch {
	case len(form.Checks) == 0:
		return p.alarm("Nothing was examined.")
	case !form.OK:
		return p.alarm("A scan cannot read everything: ") + counts
	case form.Counts[taffrail.CheckWarning] > 0:
		return p.paint("1;33", "A scan can read this, within limits: ") + counts
	}
	return p.paint("1;32", "A scan can read this: ") + counts
}
