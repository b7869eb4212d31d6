package daemon

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/correlate"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// sides are what was recorded of a resource, and what is live.
type sides struct{ before, after taffrail.Value }

// An explanation is what is to be written of one drift.
type explanation struct {
	drift   *taffrail.Drift
	causes  []taffrail.Cause
	events  []taffrail.CausingCall
	ids     []string // what the resource is known by
	settled bool
	missing int    // changes whose event should be in the log and is not
	before  *int64 // the entry that it takes the place of
}

// explain says who moved each drift that a scan saw, and writes it down, an entry for each, unless the log says the same already.
func (s *scan) explain(ctx context.Context, r *ScanReport) error {
	if len(r.Drifts) == 0 {
		return nil
	}
	l, err := s.daemon.current()
	if err != nil {
		return err
	}
	var found []explanation
	err = l.store.Read(ctx, func(tx *store.Tx) error {
		found, err = s.explanations(ctx, tx, r)
		return err
	})
	if err != nil || len(found) == 0 {
		return err
	}
	err = l.store.Update(ctx, func(tx *store.Tx) error {
		for _, e := range found {
			if err := s.recordCause(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	checkpoint, err := l.log.Sign(ctx)
	if err != nil {
		return err
	}
	r.Log.Last, r.Log.Size, r.Log.Root = checkpoint.Size-1, checkpoint.Size, checkpoint.Root.String()
	return nil
}

func (s *scan) recordCause(tx *store.Tx, e explanation) error {
	causes, err := putPayload(tx, e.causes)
	if err != nil {
		return err
	}
	body := taffrail.CauseFound{
		Drift: e.drift.ID, Entry: e.drift.Entry, Tiers: map[taffrail.Tier]int{}, Events: e.events, Before: e.before, Settled: e.settled, Missing: e.missing, IDs: boundIDs(e.ids), Causes: causes,
	}
	for _, c := range e.causes {
		body.Tiers[c.Tier]++
		if c.Run != nil && !slices.Contains(body.Runs, c.Run.Entry) && len(body.Runs) < maxCalls {
			body.Runs = append(body.Runs, c.Run.Entry)
		}
	}
	outcome := taffrail.OutcomeOK
	if !e.settled {
		outcome = taffrail.OutcomeIncomplete
	}
	stamp, err := tx.Append(s.entry(body, e.drift.Finding.Resource.Address, outcome))
	e.drift.Causes = &taffrail.Causes{Entry: stamp.Index, Settled: e.settled, Changes: e.causes}
	return err
}

// explanations gives what is new of who moved the drifts. The others get what the log has of them.
func (s *scan) explanations(ctx context.Context, tx *store.Tx, r *ScanReport) (found []explanation, err error) {
	sources, err := tx.EventSources()
	sources = slices.DeleteFunc(sources, func(e store.EventSource) bool { return s.daemon.declares(e.Source) })
	if err != nil || len(sources) == 0 {
		return nil, err
	}
	sealer, err := s.daemon.sealer(ctx)
	if err != nil {
		return nil, err
	}
	heard, err := s.daemon.heard(tx)
	if err != nil {
		return nil, err
	}
	models, err := s.daemon.models()
	if err != nil {
		return nil, err
	}
	x := &explainer{daemon: s.daemon, tx: tx, sources: sources, heard: heard, models: models, decoders: s.daemon.decoders(sealer), events: map[store.EventAt]taffrail.Event{}, runs: map[time.Time][]taffrail.Run{}, formats: map[string][]string{}, records: map[taffrail.StackID]correlate.Record{}}
	for i := range r.Drifts {
		d := &r.Drifts[i]
		sides, ok := s.sides[d.Finding.Resource.Address]
		if !ok {
			continue
		}
		e, news, err := x.explain(ctx, s.stack.ID, d, sides)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Finding.Resource.Address, err)
		}
		if news {
			found = append(found, e)
		}
	}
	return found, nil
}

// models are what is built in, and what the operator has added.
func (d *Daemon) models() (*correlate.Models, error) {
	var files [][]byte
	for _, name := range d.options.Installation.Models {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, &taffrail.Error{Op: "read models", Kind: taffrail.KindInvalid, Err: err, Hint: "check `models` in " + d.options.Installation.Name()}
		}
		files = append(files, text)
	}
	models, err := correlate.LoadModels(files...)
	if err != nil {
		err = &taffrail.Error{Op: "read models", Kind: taffrail.KindInvalid, Err: err, Hint: "check the files under `models` in " + d.options.Installation.Name()}
	}
	return models, err
}

// An explainer finds causes in one snapshot of the log.
type explainer struct {
	daemon   *Daemon
	tx       *store.Tx
	sources  []store.EventSource
	heard    time.Time // up to when those that send have been heard
	models   *correlate.Models
	decoders *decoders
	events   map[store.EventAt]taffrail.Event
	runs     map[time.Time][]taffrail.Run // by the time since which they were asked for
	formats  map[string][]string          // of the events that were seen of each source
	records  map[taffrail.StackID]correlate.Record
}

// explain says who moved one drift, and whether the log does not say so yet.
func (x *explainer) explain(ctx context.Context, stack taffrail.StackID, d *taffrail.Drift, v sides) (e explanation, news bool, err error) {
	known, err := x.tx.CausesOf([]taffrail.DriftID{d.ID})
	if err != nil {
		return e, false, err
	}
	was, isKnown := known[d.ID]
	if isKnown && was.Settled && was.Entry == d.Entry && !x.newerThan(was.Index) {
		d.Causes, err = causesAt(x.tx, was)
		if err != nil || d.Causes != nil {
			return e, false, err
		}
	}
	q, places, err := x.question(ctx, stack, d, v)
	if err != nil {
		return e, false, err
	}
	e = explanation{drift: d, ids: q.Resources[0].IDs, causes: correlate.Attribute(q, x.models), settled: x.settled(q.End)}
	if e.missing, err = x.missing(stack, d, e.causes); err != nil {
		return e, false, err
	}
	if isKnown {
		if d.Causes, err = causesAt(x.tx, was); err != nil {
			return e, false, err
		}
		if d.Causes != nil && was.Entry == d.Entry && was.Settled == e.settled && sameCauses(d.Causes.Changes, e.causes) {
			return e, false, nil
		}
		e.before = new(was.Index)
	}
	e.events, err = x.calls(e.causes, places)
	return e, true, err
}

// newerThan says whether events have come since an entry.
func (x *explainer) newerThan(index int64) bool {
	return slices.ContainsFunc(x.sources, func(s store.EventSource) bool { return s.Entry > index })
}

// causesAt reads what the log says of who moved a drift; nil: it was erased.
func causesAt(tx *store.Tx, at store.CauseAt) (*taffrail.Causes, error) {
	e, err := entryAt(tx, at.Index)
	if taffrail.KindOf(err) == taffrail.KindNotFound {
		return nil, nil // pruned
	}
	if err != nil {
		return nil, err
	}
	body, _ := e.Body.(taffrail.CauseFound)
	data, err := tx.Blob(body.Causes)
	if errors.Is(err, audit.ErrMissing) {
		return nil, nil
	}
	var logged taffrail.Salted[[]taffrail.Cause]
	if err == nil {
		err = json.Unmarshal(data, &logged)
	}
	if err != nil {
		return nil, fmt.Errorf("causes of entry %d: %w", at.Index, err)
	}
	return &taffrail.Causes{Entry: at.Index, Settled: at.Settled, Changes: logged.Content}, nil
}

// sameCauses says whether two answers are the same, as they are written.
func sameCauses(a, b []taffrail.Cause) bool {
	x, err := json.Marshal(a)
	y, failed := json.Marshal(b)
	return err == nil && failed == nil && string(x) == string(y)
}

// maxCandidates bounds how many events one question looks at: the latest.
const maxCandidates = 2000

// question gathers what is known of one drift, and where each event stands.
func (x *explainer) question(ctx context.Context, stack taffrail.StackID, d *taffrail.Drift, v sides) (q correlate.Question, places map[taffrail.EventID]store.EventAt, err error) {
	f := d.Finding
	subject := correlate.Subject{
		Address: f.Resource.Address, Type: f.Resource.Type, IDs: identities(f.Resource, v), Before: orNull(v.before), After: orNull(v.after), Changes: changesOf(f, v),
	}
	q = correlate.Question{Resources: []correlate.Subject{subject}, Sealer: x.decoders.sealer}
	if q.End, err = x.seenAt(d); err != nil {
		return q, nil, err
	}
	if q.Start, err = x.inSyncAt(stack, d); err != nil {
		return q, nil, err
	}
	own, shared := x.models.Keys(subject)
	at, err := x.tx.FindEvents(append(own, shared...), q.Start.Add(-slackOfClocks), q.End.Add(slackOfClocks), maxCandidates)
	if err != nil {
		return q, nil, err
	}
	places = map[taffrail.EventID]store.EventAt{}
	if q.Events, err = x.read(ctx, at, places); err != nil {
		return q, nil, err
	}
	openings, err := x.openings(ctx, q.Events, q.End, places)
	if err != nil {
		return q, nil, err
	}
	q.Events = append(q.Events, openings...)
	if q.Start.IsZero() { // it was never seen in sync: from the first event that is known of it
		q.Start = q.End
		for _, e := range q.Events {
			if e.Time.Before(q.Start) {
				q.Start = e.Time
			}
		}
	}
	if q.Runs, err = x.runsSince(ctx, q.Start.Add(-slackOfClocks)); err != nil {
		return q, nil, err
	}
	if q.Record, err = x.record(stack); err != nil {
		return q, nil, err
	}
	q.Health, err = x.health(q.Start, q.End)
	return q, places, err
}

// missing is how many changes of a drift had an event that should be in the log and is not: those which none explains, where the resource was seen in sync
// before, and events came by then.
func (x *explainer) missing(stack taffrail.StackID, d *taffrail.Drift, causes []taffrail.Cause) (n int, err error) {
	for _, c := range causes {
		if c.Basis == correlate.BasisUnseen {
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	start, err := x.inSyncAt(stack, d)
	covered := slices.ContainsFunc(x.sources, func(s store.EventSource) bool { return !s.First.IsZero() && s.First.Before(start) })
	if err != nil || start.IsZero() || !covered {
		return 0, err
	}
	return n, nil
}

// maxRecorded is how many answers about a stack say what its logs lose: the newest.
const maxRecorded = 200

// record says of how many changes of a stack the log had the event, by what was answered about it before. A resource that drifts by itself, again and
// again, counts once.
func (x *explainer) record(stack taffrail.StackID) (r correlate.Record, err error) {
	if known, ok := x.records[stack]; ok {
		return known, nil
	}
	found, _, err := x.tx.Search(store.SearchRequest{Types: []taffrail.EntryType{taffrail.EntryCauseFound}, Scope: &stack, Limit: maxRecorded})
	if err != nil {
		return r, err
	}
	revised, counted := map[int64]bool{}, map[taffrail.Address]bool{}
	for _, m := range found {
		e, err := entryAt(x.tx, m.Index)
		if taffrail.KindOf(err) == taffrail.KindNotFound {
			break // what is older was pruned
		}
		if err != nil {
			return r, err
		}
		body, _ := e.Body.(taffrail.CauseFound)
		if body.Before != nil {
			revised[*body.Before] = true
		}
		if !body.Settled || revised[m.Index] {
			continue
		}
		if body.Missing > 0 && !counted[m.Resource] {
			counted[m.Resource] = true
			r.Unseen, r.Settled = r.Unseen+body.Missing, r.Settled+body.Missing
		}
		for tier, n := range body.Tiers {
			if tier.Names() {
				r.Settled += n
			}
		}
	}
	x.records[stack] = r
	return r, nil
}

// runsSince gives the runs that may have been under way since a time. Most drifts of a scan ask for the same ones.
func (x *explainer) runsSince(ctx context.Context, from time.Time) ([]taffrail.Run, error) {
	if known, ok := x.runs[from]; ok {
		return known, nil
	}
	runs, err := x.daemon.runs(ctx, x.tx, "", from, x.daemon.now().Add(slackOfClocks))
	if err == nil {
		x.runs[from] = runs
	}
	return runs, err
}

// slackOfClocks is how far clocks may differ.
const slackOfClocks = 2 * time.Minute

func orNull(v taffrail.Value) taffrail.Value {
	if v.IsUnknown() {
		return taffrail.Null()
	}
	return v
}

// changesOf are the changes that somebody must have made. One that is there or is gone as a whole is one change; what came or went as a map is one for
// each of its keys, since each may be somebody else's.
func changesOf(f taffrail.Finding, v sides) []taffrail.Change {
	if f.Status == taffrail.Deleted || f.Status == taffrail.Unmanaged {
		return []taffrail.Change{{Before: orNull(v.before), After: orNull(v.after), Class: taffrail.ClassDrift}}
	}
	var changes []taffrail.Change
	for _, c := range drifted(f) {
		changes = append(changes, apart(c)...)
	}
	return changes
}

// apart gives the changes of the members of a map or an object that came or went as a whole.
func apart(c taffrail.Change) (parts []taffrail.Change) {
	whole, came := c.Before, false
	if c.Before.IsNull() {
		whole, came = c.After, true
	} else if !c.After.IsNull() {
		return []taffrail.Change{c}
	}
	step := taffrail.Attr
	switch whole.Shape() {
	case taffrail.ShapeMap:
		step = taffrail.Key
	case taffrail.ShapeObject:
	default:
		return []taffrail.Change{c}
	}
	if steps := c.Path.Steps(); len(steps) > 0 && steps[len(steps)-1].Kind() == taffrail.ElemStep {
		return []taffrail.Change{c} // an element of a set is one thing
	}
	for name, member := range whole.Fields() {
		part := c
		part.Path = taffrail.NewPath(append(slices.Clone(c.Path.Steps()), step(name))...)
		if part.Before, part.After = member, taffrail.Null(); came {
			part.Before, part.After = taffrail.Null(), member
		}
		if !member.IsNull() {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return []taffrail.Change{c}
	}
	return parts
}

// identityNames are the attributes that hold what a resource is known by, in the words of providers. Others that it has are those of other
// objects.
var identityNames = []string{
	"id", "arn", "name", "url", "bucket", "queue_url", "function_name", "role", "role_name", "user", "user_name", "group_name", "key_id", "identifier",
	"db_instance_identifier", "cluster_identifier", "table_name", "topic_arn", "repository", "domain_name", "fqdn", "zone_id", "instance_id", "security_group_id",
	"log_group_name", "alarm_name", "allocation_id", "load_balancer_arn", "target_group_arn", "autoscaling_group_name", "secret_id", "parameter_name", "self_link",
}

// identities are all that a resource is known by, as far as its attributes say so.
func identities(r taffrail.Resource, v sides) (ids []string) {
	add := func(text string) {
		if text != "" && !slices.Contains(ids, text) {
			ids = append(ids, text)
		}
	}
	add(string(r.ID))
	for _, side := range []taffrail.Value{v.before, v.after} {
		for _, name := range identityNames {
			add(textAt(side, name))
		}
		if name, zone := textAt(side, "name"), cmp.Or(textAt(side, "zone_name"), textAt(side, "zone"), textAt(side, "domain")); name != "" && zone != "" {
			add(name + "." + zone) // a record of a zone, whose name is often told without it
		}
		for name, held := range side.Fields() {
			if strings.HasSuffix(name, "_arn") && strings.HasPrefix(string(r.Type), strings.TrimSuffix(name, "_arn")) {
				add(held.Text())
			}
		}
	}
	return ids
}

// textAt is a text that a value holds under a name; empty: there is none.
func textAt(v taffrail.Value, name string) string {
	if held, ok := v.Field(name); ok && held.Shape() == taffrail.ShapeString {
		return held.Text()
	}
	return ""
}

// Bounds on what an entry names a resource by.
const (
	maxIDs = 32
	maxID  = 512 // bytes
)

func boundIDs(ids []string) []string {
	short := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return len(id) > maxID })
	return short[:min(len(short), maxIDs)]
}

// seenAt is when the drift was first seen in its present form: what happened later is no cause of it.
func (x *explainer) seenAt(d *taffrail.Drift) (time.Time, error) {
	e, err := entryAt(x.tx, d.Entry)
	if taffrail.KindOf(err) == taffrail.KindNotFound { // pruned
		return d.Finding.ObservedAt, nil
	}
	if seen := d.Finding.ObservedAt; err == nil && !seen.IsZero() && seen.Before(e.Time) {
		return seen, nil
	}
	return e.Time, err
}

// inSyncAt is when the resource was seen in sync before the drift was found; zero: never, as far as the log says.
func (x *explainer) inSyncAt(stack taffrail.StackID, d *taffrail.Drift) (time.Time, error) {
	life, err := x.tx.Life(d.ID)
	if err != nil || len(life) == 0 {
		return time.Time{}, err
	}
	scans, err := x.tx.ScansBefore(stack, life[0], maxScansBack)
	if err != nil {
		return time.Time{}, err
	}
	for _, s := range scans {
		started, err := entryAt(x.tx, s.Started)
		if taffrail.KindOf(err) == taffrail.KindNotFound {
			return time.Time{}, nil
		}
		if err != nil {
			return time.Time{}, err
		}
		finished, err := entryAt(x.tx, s.Finished)
		if err != nil {
			return time.Time{}, err
		}
		if body, ok := started.Body.(taffrail.ScanStarted); ok && finished.Outcome == taffrail.OutcomeOK && body.Selection.Selects(d.Finding.Resource.Address) {
			return started.Time.Truncate(time.Second), nil // as exact as most sources tell the time
		}
	}
	return time.Time{}, nil
}

// maxScansBack is how many scans before a drift are looked at.
const maxScansBack = 64

// read decodes events, each once for all questions.
func (x *explainer) read(ctx context.Context, at []store.EventAt, places map[taffrail.EventID]store.EventAt) (events []taffrail.Event, err error) {
	var ask []store.EventAt
	for _, a := range at {
		if _, ok := x.events[a]; !ok {
			ask = append(ask, a)
		}
	}
	stored, err := x.tx.Events(ask)
	if err != nil {
		return nil, err
	}
	for _, s := range stored {
		if s.Head == nil {
			continue
		}
		e, err := x.decoders.event(ctx, s)
		if err != nil {
			return nil, err
		}
		x.formats[s.Source] = append(x.formats[s.Source], e.Source)
		x.events[s.EventAt] = e
	}
	for _, a := range at {
		if e, ok := x.events[a]; ok {
			events = append(events, e)
			if _, ok := places[e.ID]; !ok {
				places[e.ID] = a
			}
		}
	}
	return events, nil
}

// Bounds on what leads from a session back to who opened it.
const (
	maxSessionAge  = 36 * time.Hour // longer than any session lasts
	maxSessionHops = 8
)

// openings finds the events that gave out the credentials that others were done with.
func (x *explainer) openings(ctx context.Context, events []taffrail.Event, until time.Time, places map[taffrail.EventID]store.EventAt) (all []taffrail.Event, err error) {
	seen := map[string]bool{}
	for hop := 0; hop < maxSessionHops && len(events) > 0; hop++ {
		var keys []string
		from := until
		for _, e := range events {
			if e.Actor.Key != "" && !seen[e.Actor.Key] {
				seen[e.Actor.Key] = true
				keys = append(keys, taffrail.IssuedKey(e.Actor.Key))
			}
			if e.Time.Before(from) {
				from = e.Time
			}
		}
		at, err := x.tx.FindEvents(keys, from.Add(-maxSessionAge), until, maxCandidates)
		if err != nil {
			return nil, err
		}
		if events, err = x.read(ctx, at, places); err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	return all, nil
}

// health says what there is of each source's events. The engine knows sources by the form of their events, of which one may have several.
func (x *explainer) health(from, to time.Time) (all []correlate.Health, err error) {
	notices, err := x.tx.SourceNotices(from, to)
	if err != nil {
		return nil, err
	}
	for _, s := range x.sources {
		h := correlate.Health{CompleteUntil: x.daemon.completeUntil(s, x.heard)}
		for _, n := range openNotices(notices, s.Source) {
			h.Gaps = append(h.Gaps, correlate.Span{Start: n.Start, End: n.End})
		}
		formats := slices.Compact(slices.Sorted(slices.Values(x.formats[s.Source])))
		if len(formats) == 0 {
			formats = []string{s.Source} // it counts where no event is named
		}
		for _, f := range formats {
			h.Source = f
			all = append(all, h)
		}
	}
	return all, nil
}

// openNotices are those of a source that tell of events that are missing, and that no later one closes.
func openNotices(all []store.SourceNotice, source string) (open []taffrail.LogNotice) {
	for _, n := range all {
		if n.Source != source {
			continue
		}
		if n.Kind == taffrail.NoticeClosed {
			open = slices.DeleteFunc(open, func(o taffrail.LogNotice) bool { return !o.Start.Before(n.Start) && !o.End.After(n.End) })
			continue
		}
		open = append(open, n.LogNotice)
	}
	return open
}

// declares says whether a source says who declared what, and nothing of what happened to it: no answer waits for it.
func (d *Daemon) declares(source string) bool {
	name := source
	for _, c := range d.options.Installation.Sources {
		if c.Name == source {
			name = c.Plugin
		}
	}
	return slices.Contains(plug.Names[taffrail.Declarer](d.options.Plugins), name)
}

// settled says whether no event of before a time is awaited any more.
func (x *explainer) settled(until time.Time) bool {
	return !slices.ContainsFunc(x.sources, func(s store.EventSource) bool { return x.daemon.completeUntil(s, x.heard).Before(until) })
}

// calls says where the events stand that causes name. Their payloads are read as a whole, and must be those that the log names.
func (x *explainer) calls(causes []taffrail.Cause, places map[taffrail.EventID]store.EventAt) (calls []taffrail.CausingCall, err error) {
	calls = []taffrail.CausingCall{}
	seen := map[taffrail.EventID]bool{}
	for _, c := range causes {
		for _, id := range append(slices.Clone(c.Chain), candidatesOf(c)...) {
			at, ok := places[id]
			if !ok || seen[id] || len(calls) == maxCalls {
				continue
			}
			seen[id] = true
			s, err := x.tx.EventWhole(at)
			if err != nil {
				return nil, err
			}
			calls = append(calls, taffrail.CausingCall{Event: id, Batch: at.Batch, Record: s.N, Digest: s.Digest})
		}
	}
	return calls, nil
}

// maxCalls bounds how many events, and runs, an entry names.
const maxCalls = 64

func candidatesOf(c taffrail.Cause) (ids []taffrail.EventID) {
	if c.Event != nil {
		ids = append(ids, c.Event.ID)
	}
	for _, candidate := range c.Candidates {
		ids = append(ids, candidate.ID)
	}
	return ids
}

// digestOf reads a SHA-256 in hexadecimal.
func digestOf(text string) (sum [32]byte) {
	if raw, err := hex.DecodeString(text); err == nil {
		copy(sum[:], raw)
	}
	return sum
}
