package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func (a *app) logVerifyCommand() *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Hash the whole log again and compare",
		Long: "Hashes every entry again and compares the result with the stored hashes, with every checkpoint and with what the guard remembers; " +
			"and payloads and index with the log. It says which entry is wrong. It writes nothing, and works where everything else refuses to.\n\n" +
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
			return writeJSON(a.Stdout, v.form(report))
		}
		p := a.page()
		p.verification(report, v)
		return a.print(p)
	})
}

// A verdict says of each check what is wrong, a line each.
type verdict []check

type check struct {
	Name     string    `json:"check"`
	OK       bool      `json:"ok"`
	Note     string    `json:"note,omitempty"` // what was compared
	Problems []problem `json:"problems"`
}

type problem struct {
	What    string   `json:"what"`
	Entries *entries `json:"entries,omitempty"` // those concerned, if it is some in particular
	Hint    string   `json:"hint,omitempty"`
}

// entries is a half-open range of indexes.
type entries struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// The checks, in the order in which they are shown.
const (
	checkLog      = "log"
	checkPayloads = "payloads"
	checkIndex    = "index"
)

// verdictOf sorts what a verification found. Whatever the report calls its verdict, it takes every check to pass.
func verdictOf(r daemon.LogReport) verdict {
	log := check{Name: checkLog, Problems: []problem{}, Note: list(", ",
		count(r.Audit.Size, "entry", "entries")+" hashed again",
		count(int64(r.Audit.Checkpoints), "checkpoint", "checkpoints"),
		"guard at "+fmt.Sprint(r.Audit.Signed))}
	for _, p := range r.Audit.Problems {
		log.Problems = append(log.Problems, problemOf(p))
	}
	if r.Audit.Truncated {
		log.Problems = append(log.Problems, problem{What: "there is more; the search ended here"})
	}
	payloads, index := check{Name: checkPayloads, Problems: problemsOf(r.Blobs)}, check{Name: checkIndex, Problems: problemsOf(r.Index)}
	v := verdict{log, payloads, index}
	for i := range v {
		v[i].OK = len(v[i].Problems) == 0
	}
	if v.ok() && r.Verdict != verified {
		v[0].OK = false
		v[0].Problems = append(v[0].Problems, problem{What: "the verdict is " + r.Verdict})
	}
	return v
}

// verified is the verdict of a log of which everything holds.
const verified = "verified"

func (v verdict) ok() bool {
	for _, c := range v {
		if !c.OK {
			return false
		}
	}
	return true
}

func problemOf(c *audit.CorruptError) problem {
	what := c.What
	if c.Err != nil {
		what += ": " + c.Err.Error()
	}
	p := problem{What: what, Hint: c.Hint}
	if c.From < c.To {
		p.Entries = &entries{c.From, c.To}
	}
	return p
}

func problemsOf(lines []string) []problem {
	problems := []problem{}
	for _, l := range lines {
		problems = append(problems, problem{What: l})
	}
	return problems
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
	const name = 10
	if c.OK {
		p.line(pad(c.Name, name), p.green("ok"), "      ", p.dim(c.Note))
		return
	}
	p.line(pad(c.Name, name), p.alarm("FAILED"))
	for _, f := range c.Problems {
		p.paragraph(safe(f.What), 4, p.red)
		if f.Hint != "" && !hinted[f.Hint] {
			hinted[f.Hint] = true
			p.paragraph("hint: "+safe(f.Hint), 6, p.dim)
		}
	}
}

// summary is the first problem, and how many more there are.
func (v verdict) summary() string {
	first, n := "", 0
	for _, c := range v {
		for _, p := range c.Problems {
			if n++; n == 1 {
				first = c.Name + ": " + p.What
			}
		}
	}
	if n > 1 {
		first += " (and " + count(int64(n-1), "more problem", "more problems") + ")"
	}
	return first
}
