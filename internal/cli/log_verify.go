package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
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
	Result   result    `json:"result"`
	Note     string    `json:"note,omitempty"` // what was compared
	Problems []problem `json:"problems,omitempty"`
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

// A result says how a check went.
type result string

const (
	resultOK     result = "ok"
	resultFailed result = "failed"
	// resultUnclear is that of a check of the log in which nothing was found, beside another in which something was: what is
	// compared there rests on the same entries and hashes.
	resultUnclear result = "unclear"
)

// The checks, in the order in which they are shown.
const (
	checkEntries     = "entries"
	checkHashes      = "hashes"
	checkCheckpoints = "checkpoints"
	checkGuard       = "guard"
	checkPayloads    = "payloads"
	checkIndex       = "index"
)

// checkOf says which check a problem of the log belongs to, by what it speaks of. What speaks of none else is the entries'.
func checkOf(c *audit.CorruptError) string {
	switch {
	case strings.Contains(c.What, "guard"):
		return checkGuard
	case strings.Contains(c.What, "checkpoint"):
		return checkCheckpoints
	case strings.HasPrefix(c.What, "entries [") || strings.HasPrefix(c.What, "a stored hash"):
		return checkHashes
	}
	return checkEntries
}

// verdictOf sorts what a verification found. Whatever the report calls its verdict, it takes every check to pass.
func verdictOf(r daemon.LogReport) verdict {
	v := verdict{
		{Name: checkEntries, Note: fmt.Sprintf("%d hashed again", r.Audit.Size)},
		{Name: checkHashes},
		{Name: checkCheckpoints, Note: fmt.Sprintf("%d hold", r.Audit.Checkpoints)},
		{Name: checkGuard, Note: "covers " + count(r.Audit.Signed, "entry", "entries")},
		{Name: checkPayloads, Problems: problemsOf(r.Blobs)},
		{Name: checkIndex, Problems: problemsOf(r.Index)},
	}
	for _, p := range r.Audit.Problems {
		v.add(checkOf(p), problemOf(p))
	}
	if r.Audit.Truncated {
		v.add(checkEntries, problem{What: "there are more problems than are named"})
	}
	if r.Verdict != verified && v.problems() == 0 {
		v.add(checkEntries, problem{What: "the verdict is " + r.Verdict})
	}
	for i, c := range v {
		ofLog := c.Name != checkPayloads && c.Name != checkIndex
		switch {
		case len(c.Problems) > 0:
			v[i].Result = resultFailed
		case ofLog && len(r.Audit.Problems) > 0:
			v[i].Result, v[i].Note = resultUnclear, ""
		default:
			v[i].Result = resultOK
		}
	}
	return v
}

func (v verdict) add(name string, p problem) {
	for i := range v {
		if v[i].Name == name {
			v[i].Problems = append(v[i].Problems, p)
		}
	}
}

func (v verdict) problems() int {
	n := 0
	for _, c := range v {
		n += len(c.Problems)
	}
	return n
}

// verified is the verdict of a log of which everything holds.
const verified = "verified"

func (v verdict) ok() bool { return v.problems() == 0 }

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
	var problems []problem
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

// summary is the first problem, and how many more there are.
func (v verdict) summary() string {
	for _, c := range v {
		if len(c.Problems) == 0 {
			continue
		}
		first := c.Problems[0].What
		if n := v.problems(); n > 1 {
			first += " (and " + count(int64(n-1), "more problem", "more problems") + ")"
		}
		return first
	}
	return ""
}
