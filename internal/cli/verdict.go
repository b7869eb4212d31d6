package cli

import (
	"fmt"
	"slices"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

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

// checkOf says which check a problem of the log belongs to.
func checkOf(c *audit.CorruptError) string {
	if slices.Contains([]string{checkHashes, checkCheckpoints, checkGuard}, string(c.Part)) {
		return string(c.Part)
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
