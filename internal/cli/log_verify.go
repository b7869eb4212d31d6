package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) logVerifyCommand() *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Hash the whole log again and compare",
		Long: "Hashes every entry again and compares the result with the stored hashes, with every checkpoint and with what the guard remembers; " +
			"and payloads and index with the log. It says which entry is wrong. It changes nothing, and works where everything else refuses to.\n\n" +
			exitStatusHelp("0 verified", "1 it could not be verified", "3 verification failed"),
		Args: cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error { return a.verifyLog(ctx, form) }),
	}
	outputFlag(cmd, &form)
	return cmd
}

func (a *app) verifyLog(ctx context.Context, form output) error {
	return a.with(ctx, false, func(q daemon.Queries) error {
		var done, total atomic.Int64
		stop := a.screen.follow(func() string { return fmt.Sprintf("Verifying: entry %d of %d ...", done.Load(), total.Load()) })
		report, err := q.VerifyLog(ctx, func(d, t int64) { done.Store(d); total.Store(t) })
		stop()
		if err != nil {
			return err
		}
		v := verdictOf(report)
		if !v.ok() {
			a.status = taffrail.ExitCorrupt
		}
		if form == outputJSON {
			return writeJSON(a.out, v.form(report))
		}
		p := a.page()
		p.verification(report, v)
		return a.print(p)
	})
}

// verifySchema names the form of a verification as JSON.
const verifySchema = "taffrail.dev/verify/v1"

// verifyForm is a verification as JSON.
type verifyForm struct {
	Schema  string         `json:"schema"`  // [verifySchema]
	Verdict string         `json:"verdict"` // verified or failed
	Log     daemon.LogInfo `json:"log"`
	Size    int64          `json:"size"`   // entries that are stored
	Root    string         `json:"root"`   // base64; empty if verification failed
	Signed  int64          `json:"signed"` // entries that the guard covers
	Checks  []check        `json:"checks"`
	Notes   []string       `json:"notes"` // worth knowing, and no fault
}

func (v verdict) form(r daemon.LogReport) verifyForm {
	f := verifyForm{
		Schema: verifySchema, Verdict: "failed", Log: r.Log, Size: r.Audit.Size, Signed: r.Audit.Signed,
		Checks: v, Notes: append([]string{}, r.Audit.Notes...),
	}
	if v.ok() {
		f.Verdict, f.Root = verified, rootOf(r)
	}
	return f
}

func rootOf(r daemon.LogReport) string { return base64.StdEncoding.EncodeToString(r.Audit.Root[:]) }

func (p *page) verification(r daemon.LogReport, v verdict) {
	p.facts(fact{"Log", safe(r.Log.Origin)}, fact{"Key", safe(r.Log.Key)}, fact{"Folder", safe(r.Log.Data)}, fact{"Guard", safe(r.Log.Guard)})
	p.line()
	hints := map[string]bool{}
	for _, c := range v {
		p.check(c, hints)
	}
	for _, n := range r.Audit.Notes {
		p.paragraph("note: "+safe(n), 0, p.dim)
	}
	p.line()
	if v.ok() {
		p.line(p.paint("1;32", "Verified:"), " ", count(r.Audit.Size, "entry", "entries"), ", root ", rootOf(r))
		return
	}
	p.paragraph("Verification FAILED: "+safe(v.summary()), 0, p.alarm)
}

// check prints one check and what it found; a hint only where it stands for the first time.
func (p *page) check(c check, hinted map[string]bool) {
	const name = len(checkCheckpoints) + len(gap)
	switch c.Result {
	case resultOK:
		p.line(pad(c.Name, name), p.green("ok"), "      ", p.dim(c.Note))
	case resultUnclear:
		p.line(pad(c.Name, name), p.yellow("unclear"), " ", p.dim("as long as something else is wrong"))
	default:
		p.line(pad(c.Name, name), p.alarm("FAILED"))
	}
	for _, f := range c.Problems {
		p.paragraph(safe(f.What), 4, p.red)
		if f.Hint != "" && !hinted[f.Hint] {
			hinted[f.Hint] = true
			p.paragraph("hint: "+safe(f.Hint), 6, p.dim)
		}
	}
}
