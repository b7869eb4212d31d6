package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// entries prints one line for each entry.
func (p *page) entries(entries []daemon.LogEntry) {
	if len(entries) == 0 {
		p.line("The log has no such entries.")
		return
	}
	digits := len("ENTRY")
	for _, e := range entries {
		digits = max(digits, len(strconv.FormatInt(e.Index, 10)))
	}
	p.entryHead(digits)
	for _, e := range entries {
		p.entryRow(e, digits)
	}
}

// Widths of the columns of a list of entries.
const (
	entryType = 15
	entryEnd  = 10
)

func (p *page) entryHead(digits int) {
	p.line(p.dim(fmt.Sprintf("%*s  %-20s  %-*s  %-*s  %s", digits, "ENTRY", "TIME", entryType, "TYPE", entryEnd, "OUTCOME", "ABOUT")))
}

// entryRow prints one entry on a line.
func (p *page) entryRow(e daemon.LogEntry, digits int) {
	room := max(minValue, p.width-digits-2-20-2-entryType-2-entryEnd-2)
	kind, _ := e.Entry.Body.Kind()
	p.line(fmt.Sprintf("%*d  ", digits, e.Index), p.dim(stamp(e.Entry.Time)), gap, pad(safe(string(kind)), entryType), gap,
		p.outcome(e.Entry.Outcome), gap, clipMiddle(about(e.Entry), room))
}

func (p *page) outcome(o taffrail.Outcome) string {
	word := safe(string(o))
	if o == taffrail.OutcomeUnknown {
		word = "unknown"
	}
	text := pad(word, entryEnd)
	switch o {
	case taffrail.OutcomeFailed:
		return p.red(text)
	case taffrail.OutcomeIncomplete, taffrail.OutcomeUnknown:
		return p.yellow(text)
	}
	return text
}

// about says on one line what an entry is about.
func about(e taffrail.Entry) string {
	switch b := e.Body.(type) {
	case taffrail.LogStarted:
		return safe(b.Origin)
	case taffrail.RunStarted:
		return safe(strings.TrimSpace(string(b.Run) + ": " + b.Program + " " + b.Verb))
	case taffrail.RunFinished:
		return safe(string(b.Run)) + ": " + endedText(b)
	case taffrail.ScanStarted:
		return safe(b.Stack.Name) + targetsOf(b.Selection)
	case taffrail.ScanFinished:
		return fmt.Sprintf("%s: %d of %d checked, %s", safe(b.Stack.Name), b.Coverage.Checked, b.Coverage.Total,
			count(int64(b.Drifts["open"]), "drift", "drifts"))
	case taffrail.DriftFound:
		return seen(e.Resource, b.DriftSeen)
	case taffrail.DriftChanged:
		return seen(e.Resource, b.DriftSeen)
	case taffrail.DriftEnded:
		return safe(string(e.Resource)) + " " + safe(string(b.Why))
	}
	if text := aboutEvents(e); text != "" {
		return text
	}
	if text := aboutLog(e.Body); text != "" {
		return text
	}
	return safe(string(e.Resource))
}

// aboutEvents says what an entry about events is about, or about who moved something.
func aboutEvents(e taffrail.Entry) string {
	switch b := e.Body.(type) {
	case taffrail.EventsReceived:
		text := fmt.Sprintf("%s: %s, %d of them changes", safe(b.Source), count(b.Events, "event", "events"), b.Changes)
		if b.Dead > 0 {
			text += fmt.Sprintf(", %d unread", b.Dead)
		}
		if len(b.Notices) > 0 {
			text += "; " + safe(string(b.Notices[0].Kind)) + ": " + safe(b.Notices[0].What)
		}
		return text
	case taffrail.EventUnlocked:
		return fmt.Sprintf("record %d of entry %d: %s", b.Record, b.Batch, safe(b.Reason))
	case taffrail.CauseFound:
		var tiers []string
		for _, t := range taffrail.Tiers() {
			if n := b.Tiers[t]; n > 0 {
				tiers = append(tiers, fmt.Sprintf("%d %s", n, t))
			}
		}
		return safe(string(e.Resource)) + " " + list(", ", tiers...)
	}
	return ""
}

// aboutLog says what an entry about the log itself is about.
func aboutLog(b taffrail.EntryBody) string {
	switch b := b.(type) {
	case taffrail.Heartbeat:
		if n := len(b.Alarms); n > 0 {
			return count(int64(n), "alarm", "alarms") + ": " + safe(b.Alarms[0])
		}
		return fmt.Sprintf("the log is kept; again in %d s", b.Seconds)
	case taffrail.Verified:
		return count(b.Size, "entry", "entries") + " hashed again, " + count(int64(len(b.Problems)), "problem", "problems")
	case taffrail.Exported:
		return exportedText(b)
	case taffrail.Redacted:
		if b.Field != "" {
			return fmt.Sprintf("field %s of entry %d: %s", safe(b.Field), b.Entry, safe(b.Reason))
		}
		return fmt.Sprintf("payload %.12s of entry %d: %s", safe(b.Payload), b.Entry, safe(b.Reason))
	case taffrail.Held:
		return spanText(b.From, b.To) + ": " + safe(b.Reason)
	case taffrail.Released:
		return fmt.Sprintf("hold of entry %d: %s", b.Hold, safe(b.Reason))
	case taffrail.Pruned:
		return fmt.Sprintf("entries before %d: %s", b.Before, safe(b.Reason))
	case taffrail.KeyRotated:
		return fmt.Sprintf("%s signs from size %d", keyName(b.New), b.From)
	case taffrail.KeyRevoked:
		return fmt.Sprintf("%s is not believed above size %d: %s", keyName(b.Key), b.At, safe(b.Reason))
	}
	return ""
}

func exportedText(b taffrail.Exported) string {
	text := "single entries"
	if b.To > b.From {
		text = fmt.Sprintf("entries %d-%d", b.From, b.To-1)
	}
	if b.Count > 0 {
		text += ", " + count(b.Count, "single one", "single ones")
	}
	return text
}

// keyName is a verifier key without the key itself: name and hash.
func keyName(vkey string) string {
	name, rest, _ := strings.Cut(vkey, "+")
	hash, _, _ := strings.Cut(rest, "+")
	return "key " + safe(name) + "+" + safe(hash)
}

func targetsOf(s taffrail.Selection) string {
	if n := len(s.Addresses); n > 0 {
		return ", only " + count(int64(n), "resource", "resources")
	}
	return ""
}

func seen(resource taffrail.Address, d taffrail.DriftSeen) string {
	text := safe(string(resource)) + " " + safe(string(d.Status))
	if d.Changes > 0 {
		text += ", " + count(int64(d.Changes), "change", "changes")
	}
	return text
}

// entry prints everything that is known of one entry.
func (p *page) entry(e daemon.LogEntry) {
	kind, version := e.Entry.Body.Kind()
	intent := ""
	if e.Entry.Intent != nil {
		intent = fmt.Sprintf("entry %d", *e.Entry.Intent)
	}
	clock := ""
	if !e.Entry.Clock.IsZero() {
		clock = stamp(e.Entry.Clock) + ", before that of an earlier entry"
	}
	p.line(p.bold(fmt.Sprintf("Entry %d", e.Index)), gap, safe(string(kind)))
	facts := []fact{
		{"time", stamp(e.Entry.Time)},
		{"clock", clock},
		{"outcome", safe(string(e.Entry.Outcome))},
		{"stack", safe(string(e.Entry.Scope))},
		{"resource", safe(string(e.Entry.Resource))},
		{"level", string(e.Level)},
		{"written by", safe(e.Entry.Actor)},
		{"request", safe(e.Entry.Request)},
		{"outcome of", intent},
		{"error", safe(e.Entry.Error)},
		{"counter", strconv.FormatInt(e.Entry.Counter, 10)},
		{"form", fmt.Sprintf("%s, version %d, %s", safe(string(kind)), version, count(int64(len(e.Leaf)), "byte", "bytes"))},
		{"leaf hash", safe(e.LeafHash)},
	}
	p.facts(append(facts, fieldFacts(e)...)...)
	p.body(e.Entry.Body)
	p.payloads(e)
}

// fieldFacts are what stands beside an entry, and can be erased.
func fieldFacts(e daemon.LogEntry) (facts []fact) {
	for _, f := range e.Fields {
		facts = append(facts, fact{safe(f.Name), safe(f.Value)})
	}
	if n := len(e.Entry.Digests) - len(e.Fields); n > 0 {
		facts = append(facts, fact{"withheld", count(int64(n), "field, which was erased", "fields, which were erased")})
	}
	return facts
}

func (p *page) body(b taffrail.EntryBody) {
	raw, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		p.line("the body cannot be shown: ", safe(err.Error()))
		return
	}
	p.line()
	for _, l := range bytes.Split(escapeJSON(raw), []byte("\n")) {
		p.line(string(l))
	}
}

// payloads prints what the body points to.
func (p *page) payloads(e daemon.LogEntry) {
	ref, ok := refOf(e.Entry.Body)
	if !ok {
		return
	}
	payload, err := payloadOf(e, ref)
	if err != nil {
		p.line()
		p.line(p.yellow(safe(err.Error())))
		return
	}
	var finding taffrail.Salted[taffrail.Finding]
	var rules taffrail.Salted[[]taffrail.AcceptRule]
	var gaps taffrail.Salted[[]taffrail.Gap]
	var applied taffrail.Salted[[]taffrail.Applied]
	kind, _ := e.Entry.Body.Kind()
	switch {
	case isFinding(e.Entry.Body) && json.Unmarshal(payload, &finding) == nil:
		p.finding(finding.Content)
	case kind == taffrail.EntryScanStarted && json.Unmarshal(payload, &rules) == nil:
		p.acceptRules(rules.Content)
	case kind == taffrail.EntryRunFinished && json.Unmarshal(payload, &applied) == nil:
		for _, one := range applied.Content {
			p.line()
			p.applied(one)
		}
	case json.Unmarshal(payload, &gaps) == nil:
		p.gaps(gaps.Content, view{all: true})
	default:
		p.line()
		p.line(p.yellow("the payload " + safe(ref.SHA256) + " is of a form that this program does not know"))
	}
}

func (p *page) finding(f taffrail.Finding) {
	sign := ""
	for _, s := range statuses {
		if s.status == f.Status {
			sign = s.sign
		}
	}
	p.line()
	p.line("Observed ", stamp(f.ObservedAt), ", recorded → live:")
	p.heading(sign, f, statusWord(f.Status))
	p.rows(rowsOf(f.Changes, true), 4)
	p.wanted(f)
}

// acceptRules prints the rules of acceptance that held.
func (p *page) acceptRules(rules []taffrail.AcceptRule) {
	p.line()
	p.line("Rules of acceptance that held:")
	for _, r := range rules {
		p.paragraph(safe(fmt.Sprintf("%s: until %s, by %s: %s", r.From, stamp(r.Expires), r.Owner, r.Reason)), 2, p.dim)
	}
}

// refOf is the payload that a body names for people to read, if it names one. Versions and types that were listed are none.
func refOf(b taffrail.EntryBody) (taffrail.BlobRef, bool) {
	if f, ok := b.(taffrail.ScanFinished); ok {
		if f.Gaps == nil {
			return taffrail.BlobRef{}, false
		}
		return *f.Gaps, true
	}
	refs := b.Payloads()
	if len(refs) == 0 {
		return taffrail.BlobRef{}, false
	}
	return refs[0], true
}

// versionsOf is the payload of the versions that a scan saw changed, if there is one.
func versionsOf(b taffrail.EntryBody) (taffrail.BlobRef, bool) {
	f, ok := b.(taffrail.ScanFinished)
	if !ok || f.Versions == nil || f.Versions.Changed == 0 {
		return taffrail.BlobRef{}, false
	}
	return f.Versions.Blob, true
}

func isFinding(b taffrail.EntryBody) bool {
	kind, _ := b.Kind()
	return kind == taffrail.EntryDriftFound || kind == taffrail.EntryDriftChanged
}

// payloadOf gives the bytes that a reference names, if they are those.
func payloadOf(e daemon.LogEntry, ref taffrail.BlobRef) ([]byte, error) {
	payload, ok := e.Blobs[ref.SHA256]
	if !ok {
		return nil, fmt.Errorf("the payload %s is not there: it was erased", ref.SHA256)
	}
	if sum := sha256.Sum256(payload); hex.EncodeToString(sum[:]) != ref.SHA256 {
		return nil, fmt.Errorf("the payload %s is not what the log says: it was changed (see taffrail log verify)", ref.SHA256)
	}
	return payload, nil
}

// entriesSchema names the form of entries as JSON.
const entriesSchema = "taffrail.dev/entries/v1"

// entryList is a list of entries as JSON.
type entryList struct {
	Schema  string      `json:"schema"` // [entriesSchema]
	Entries []entryForm `json:"entries"`
}

type entryForm struct {
	daemon.LogEntry
	Payload  json.RawMessage `json:"payload,omitempty"`  // what the body points to
	Versions json.RawMessage `json:"versions,omitempty"` // the versions that it points to
	Missing  string          `json:"missing,omitempty"`  // why one of them is not there
}

// take gives a payload, or notes why there is none.
func (f *entryForm) take(e daemon.LogEntry, ref taffrail.BlobRef) json.RawMessage {
	payload, err := payloadOf(e, ref)
	switch {
	case err != nil:
		f.Missing = err.Error()
	case json.Valid(payload):
		return payload
	default:
		f.Missing = "the payload is no JSON"
	}
	return nil
}

func entriesForm(entries []daemon.LogEntry) entryList {
	l := entryList{Schema: entriesSchema, Entries: []entryForm{}}
	for _, e := range entries {
		form := entryForm{LogEntry: e}
		if ref, ok := refOf(e.Entry.Body); ok {
			form.Payload = form.take(e, ref)
		}
		if ref, ok := versionsOf(e.Entry.Body); ok {
			form.Versions = form.take(e, ref)
		}
		l.Entries = append(l.Entries, form)
	}
	return l
}
