package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// The verdicts on a bundle, in order.
const (
	VerdictSignature    = "signature"    // a key of the policy, valid for that size, signed the checkpoint
	VerdictQuorum       = "quorum"       // enough witnesses of the policy cosigned it
	VerdictEntries      = "entries"      // the entries hash into tiles, and the tiles into the root
	VerdictCompleteness = "completeness" // the range has no hole: what is withheld is payloads, which are counted
	VerdictConsistency  = "consistency"  // the tree contains what was remembered, and every other checkpoint of the bundle
	VerdictTimes        = "times"        // entries' times never go back, and lie before the cosignatures that cover them
	VerdictIntents      = "intents"      // what was intended has an outcome
	VerdictPayloads     = "payloads"     // payloads and disclosures are what the entries name
	VerdictAnchors      = "anchors"      // outside authorities saw the checkpoint
)

// A Finding says how a verdict went.
type Finding string

// The findings. What is not checked proves nothing either way.
const (
	FindingOK         Finding = "ok"
	FindingFailed     Finding = "failed"
	FindingNotChecked Finding = "not_checked"
)

// A Verdict is what one check of a bundle came to.
type Verdict struct {
	Name    string   `json:"verdict"`
	Finding Finding  `json:"finding"`
	Detail  string   `json:"detail,omitempty"` // what was found, on one line
	Faults  []string `json:"faults,omitempty"` // what is wrong, a line each; the first of many
	Hint    string   `json:"hint,omitempty"`   // what can be done
}

// maxFaults is how many faults of one verdict are named.
const maxFaults = 20

// BundleReport is what verifying a bundle came to.
type BundleReport struct {
	Origin    string        `json:"origin"`
	Size      int64         `json:"size"`
	Root      string        `json:"root"` // base64
	From      int64         `json:"from"` // entries that were seen in a range
	To        int64         `json:"to"`
	Single    int           `json:"single"`    // entries of which only the presence was proved
	Pruned    int64         `json:"pruned"`    // entries before this index are not there any more, as the bundle says; 0 is none
	Payloads  int           `json:"payloads"`  // that are in the bundle
	Withheld  int           `json:"withheld"`  // payloads that entries name, and the bundle does not hold
	Disclosed int           `json:"disclosed"` // fields that are in the bundle
	Signed    string        `json:"signed"`    // "WITNESSED(2)", "SIGNED-ONLY" or "UNSIGNED"
	Witnesses []Cosignature `json:"witnesses"` // that cosigned the checkpoint
	Anchors   []Anchored    `json:"anchors"`   // receipts of outside authorities
	Verdicts  []Verdict     `json:"verdicts"`

	WithheldFields int `json:"withheld_fields"` // fields of which the entries hold the digest alone
	Redacted       int `json:"redacted"`        // payloads and fields that were erased, as entries of the bundle tell

	// Unlinked says that nothing is wrong with the consistency but that the bundle does not show it: it lacks the tiles for what is remembered.
	Unlinked bool `json:"unlinked"`

	Head Head `json:"-"` // to remember, if everything holds
}

// Anchored says what came of the receipt of an outside authority.
type Anchored struct {
	Kind    string    `json:"kind"`
	Anchor  string    `json:"anchor"` // by the name that the log gives it
	Size    int64     `json:"size"`   // of the checkpoint
	At      time.Time `json:"at"`     // that it vouches for; where it was not checked, that the bundle says
	Checked bool      `json:"checked"`
	Why     string    `json:"why,omitempty"` // it was not checked
}

// OK says whether no verdict failed.
func (r BundleReport) OK() bool {
	for _, v := range r.Verdicts {
		if v.Finding == FindingFailed {
			return false
		}
	}
	return len(r.Verdicts) > 0
}

func newReport() BundleReport {
	r := BundleReport{Signed: "UNSIGNED", Witnesses: []Cosignature{}, Anchors: []Anchored{}}
	for _, name := range []string{
		VerdictSignature, VerdictQuorum, VerdictEntries, VerdictCompleteness, VerdictConsistency, VerdictTimes, VerdictIntents, VerdictPayloads, VerdictAnchors,
	} {
		r.Verdicts = append(r.Verdicts, Verdict{Name: name, Finding: FindingNotChecked})
	}
	return r
}

func (r *BundleReport) verdict(name string) *Verdict {
	for i := range r.Verdicts {
		if r.Verdicts[i].Name == name {
			return &r.Verdicts[i]
		}
	}
	panic("audit: no verdict " + name)
}

// fail notes a fault.
func (r *BundleReport) fail(name, format string, args ...any) {
	v := r.verdict(name)
	v.Finding = FindingFailed
	if len(v.Faults) < maxFaults {
		v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
	}
}

// settle says how a verdict went that did not fail.
func (r *BundleReport) settle(name string, f Finding, format string, args ...any) {
	if v := r.verdict(name); v.Finding != FindingFailed {
		v.Finding, v.Detail = f, fmt.Sprintf(format, args...)
	}
}

// OutcomeIntended marks an entry that says what is about to be done. Another, whose intent is its index, says how it went.
const OutcomeIntended = "intended"

// skew is how far the clocks of a log and of those outside may lie apart.
const skew = 5 * time.Minute

// delay is how long a checkpoint may wait for a cosignature, while entries are appended behind it.
const delay = time.Hour

// A chronicle looks at the headers of entries, in order.
type chronicle struct {
	report  *BundleReport
	last    time.Time
	before  []bound          // entries before a size are not later than
	after   []bound          // entries from a size on are not much earlier than
	floor   bound            // of after, the latest one that holds by now
	bounded bool             // somebody outside says when
	open    map[int64]string // intents without an outcome, by index
	from    int64
}

// A bound says that somebody had seen the entries before a size at a time.
type bound struct {
	size int64
	at   time.Time
	by   string
}

// witnessed takes the times at which witnesses saw a checkpoint.
func (c *chronicle) witnessed(s Signed) {
	for _, one := range s.Cosignatures {
		b := bound{s.Size, one.At, one.Witness}
		c.before, c.after = append(c.before, b), append(c.after, b)
	}
}

// begin sorts what is known, before the first entry. Whoever saw a larger size at an earlier time bounds the smaller ones, too.
func (c *chronicle) begin(report *BundleReport, from int64) {
	c.report, c.from, c.open, c.bounded = report, from, map[int64]string{}, len(c.before) > 0
	bySize := func(a, b bound) int { return cmp.Or(cmp.Compare(a.size, b.size), a.at.Compare(b.at)) }
	slices.SortFunc(c.before, bySize)
	slices.SortFunc(c.after, bySize)
	for i := len(c.before) - 2; i >= 0; i-- {
		if next := c.before[i+1]; next.at.Before(c.before[i].at) {
			c.before[i].at, c.before[i].by = next.at, next.by
		}
	}
}

func (c *chronicle) entry(index int64, h header) {
	at, err := time.Parse(time.RFC3339Nano, h.Time)
	switch {
	case err != nil:
		c.report.fail(VerdictTimes, "entry %d: its time %.40q is none", index, h.Time)
	case at.Before(c.last):
		c.report.fail(VerdictTimes, "entry %d: its time %s is before that of the entry before it", index, h.Time)
	default:
		c.last = at
	}
	if err == nil {
		c.bounds(index, at)
	}
	if h.Counter != index {
		c.report.fail(VerdictTimes, "entry %d: its counter is %d", index, h.Counter)
	}
	c.intents(index, h)
}

// bounds compares the time of an entry with what others say of the checkpoints around it.
func (c *chronicle) bounds(index int64, at time.Time) {
	for len(c.before) > 0 && c.before[0].size <= index {
		c.before = c.before[1:]
	}
	for len(c.after) > 0 && c.after[0].size <= index {
		if c.after[0].at.After(c.floor.at) {
			c.floor = c.after[0]
		}
		c.after = c.after[1:]
	}
	if len(c.before) > 0 && at.After(c.before[0].at.Add(skew)) {
		c.report.fail(VerdictTimes, "entry %d: it says %s, and %s had seen it at %s", index, at.UTC().Format(time.RFC3339), c.before[0].by, c.before[0].at.UTC().Format(time.RFC3339))
	}
	if c.floor.by != "" && at.Before(c.floor.at.Add(-delay)) {
		c.report.fail(VerdictTimes, "entry %d: it says %s, and %s had seen a log without it at %s", index, at.UTC().Format(time.RFC3339), c.floor.by, c.floor.at.UTC().Format(time.RFC3339))
	}
}

func (c *chronicle) intents(index int64, h header) {
	if h.Outcome == OutcomeIntended {
		c.open[index] = h.Type
	}
	if h.Intent == nil {
		return
	}
	if _, ok := c.open[*h.Intent]; !ok && *h.Intent >= c.from {
		c.report.fail(VerdictIntents, "entry %d: it is the outcome of entry %d, which is no intent without one", index, *h.Intent)
	}
	delete(c.open, *h.Intent)
}

// treeAt is the root over the first size entries, out of tiles that are tied to a root already.
func treeAt(size int64, r tlog.HashReader) (tlog.Hash, error) {
	e, err := readEdge(size, r)
	if err != nil {
		return tlog.Hash{}, err
	}
	return e.root(), nil
}

// level says how far a checkpoint is vouched for.
func (s Signed) level() string {
	if n := len(s.Cosignatures); n > 0 && s.Quorum {
		return fmt.Sprintf("WITNESSED(%d)", n)
	}
	return "SIGNED-ONLY"
}

func names(all []Cosignature) string {
	var text []string
	for _, c := range all {
		text = append(text, fmt.Sprintf("%s at %s", c.Witness, c.At.Format(time.RFC3339)))
	}
	return strings.Join(text, ", ")
}
