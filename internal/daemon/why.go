package daemon

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// A WhyRequest names what is to be explained: an address, or one drift.
type WhyRequest struct {
	Address taffrail.Address
	Drift   taffrail.DriftID
	Stack   taffrail.StackID // empty: any
	Path    string           // of one change, and what lies below; empty: all
	All     bool             // drifts that are over, too
}

// A WhyAnswer is one drift with who moved it.
type WhyAnswer struct {
	Stack    taffrail.StackID `json:"stack"`
	Drift    taffrail.Drift   `json:"drift"`
	Ended    int64            `json:"ended"`    // index of the entry that says that it is over; -1: it is open
	Revised  []int64          `json:"revised"`  // entries of earlier answers, the newest first
	Unasked  string           `json:"unasked"`  // why there are no causes, where there are none
	Sources  int              `json:"sources"`  // from which events ever came
	Selected []taffrail.Cause `json:"selected"` // the causes of the path that was asked for
	// Declared is who wrote the line of the code that declares the resource; nil where that is not known.
	Declared *taffrail.Declaration `json:"declared,omitempty"`

	folder string // of the stack's code, as far as it is one
}

// Why implements [EventQueries].
func (d *Daemon) Why(ctx context.Context, r WhyRequest) (answers []WhyAnswer, err error) {
	l, err := d.current()
	if err != nil {
		return nil, err
	}
	err = l.store.Read(ctx, func(tx *store.Tx) error {
		drifts, err := tx.DriftsOf(r.Address, r.Drift)
		if err != nil {
			return err
		}
		for _, k := range drifts {
			if r.Stack != "" && k.Stack != r.Stack || len(answers) > 0 && k.Ended >= 0 && !r.All {
				continue
			}
			a, err := whyDrift(tx, k, r.Path)
			if err != nil {
				return err
			}
			answers = append(answers, a)
		}
		return nil
	})
	if err == nil && len(answers) == 0 {
		err = &taffrail.Error{
			Op: "why", Kind: taffrail.KindNotFound, Err: fmt.Errorf("the log knows no drift of %.200q", cmp.Or(string(r.Drift), string(r.Address))),
			Hint: "give the address as `taffrail scan` prints it; what was never seen to drift has no cause",
		}
	}
	if err == nil {
		d.declare(ctx, answers)
	}
	return answers, boundary("why", err)
}

// declare says who declared the resources, where their code is in a repository that can be read. Where it cannot, nothing is said: it is no part of the
// evidence.
func (d *Daemon) declare(ctx context.Context, answers []WhyAnswer) {
	for i := range answers {
		a := &answers[i]
		r := a.Drift.Finding.Resource
		if a.folder == "" || r.File == "" || r.Line == 0 {
			continue
		}
		for _, name := range plug.Names[taffrail.Declarer](d.options.Plugins) {
			settings, err := yaml.Marshal(map[string]any{"path": a.folder})
			if err != nil {
				continue
			}
			declarer, err := plug.Open[taffrail.Declarer](ctx, d.options.Plugins, name, d.env(nil), plug.Settings{File: "the stack", YAML: settings})
			if err != nil {
				d.options.Logger.Debug("who declared it is not known", "address", r.Address, "error", err)
				continue
			}
			said, err := declarer.Declare(ctx, taffrail.CodeLine{File: filepath.Join(a.folder, r.File), Line: r.Line})
			if err != nil {
				d.options.Logger.Debug("who declared it is not known", "address", r.Address, "error", err)
				continue
			}
			a.Declared = &said
		}
	}
}

func whyDrift(tx *store.Tx, k store.KnownDrift, path string) (a WhyAnswer, err error) {
	a = WhyAnswer{Stack: k.Stack, Ended: k.Ended, Revised: []int64{}, Selected: []taffrail.Cause{}}
	a.Drift = taffrail.Drift{ID: k.ID, Since: k.Since, Entry: k.Entry}
	finding, err := findingOf(tx, k.OpenDrift)
	if err != nil {
		return a, err
	}
	if finding != nil {
		a.Drift.Finding = *finding
	}
	if name, err := tx.StackName(k.Stack); err == nil && filepath.IsAbs(name) {
		a.folder = name
	}
	sources, err := tx.EventSources()
	if err != nil {
		return a, err
	}
	a.Sources = len(sources)
	at, err := tx.CausesOf([]taffrail.DriftID{k.ID})
	if err != nil {
		return a, err
	}
	known, ok := at[k.ID]
	switch {
	case !ok && len(sources) == 0:
		a.Unasked = "no event has come into the log yet, so nobody can be named"
		return a, nil
	case !ok:
		a.Unasked = "events came into the log after the last scan that saw it: scan again"
		return a, nil
	}
	if a.Drift.Causes, err = causesAt(tx, known); err != nil {
		return a, err
	}
	if a.Drift.Causes == nil {
		a.Unasked = "the answer was erased"
		return a, nil
	}
	for _, c := range a.Drift.Causes.Changes {
		if path == "" || underPath(c.Change.Path.String(), path) {
			a.Selected = append(a.Selected, c)
		}
	}
	if len(a.Selected) == 0 {
		return a, &taffrail.Error{Op: "why", Kind: taffrail.KindNotFound, Err: fmt.Errorf("nothing changed at %.200q", path), Hint: pathsHint(a.Drift.Causes.Changes)}
	}
	a.Revised, err = earlierAnswers(tx, known.Index)
	return a, err
}

// underPath says whether a path is another one, or lies below it.
func underPath(path, above string) bool {
	if len(path) < len(above) || path[:len(above)] != above {
		return false
	}
	return len(path) == len(above) || path[len(above)] == '.' || path[len(above)] == '['
}

func pathsHint(all []taffrail.Cause) string {
	hint := "what changed is"
	for i, c := range all {
		if i == 5 {
			return hint + ", ..."
		}
		hint += fmt.Sprintf("%s %s", map[bool]string{true: "", false: ","}[i == 0], c.Change.Path)
	}
	return hint
}

// earlierAnswers follows answers back to those whose place they took.
func earlierAnswers(tx *store.Tx, index int64) ([]int64, error) {
	all := []int64{}
	for {
		e, err := entryAt(tx, index)
		if taffrail.KindOf(err) == taffrail.KindNotFound {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		body, _ := e.Body.(taffrail.CauseFound)
		if body.Before == nil || *body.Before >= index {
			return all, nil
		}
		index = *body.Before
		all = append(all, index)
	}
}

// A HistoryRequest names a resource.
type HistoryRequest struct {
	Address taffrail.Address
	Stack   taffrail.StackID // empty: any
	IDs     []string         // what it is known by, beside what the log says
	Since   time.Time
	Until   time.Time
	Reads   bool // events that changed nothing, too
}

// A History is the timeline of a resource.
type History struct {
	Address taffrail.Address `json:"address"`
	IDs     []string         `json:"ids"` // by which its events were found
	Items   []HistoryItem    `json:"items"`
}

// A HistoryItem is one thing that was seen of a resource, or happened to it. One of the pointers is set, or none.
type HistoryItem struct {
	Time  time.Time        `json:"time"`
	What  string           `json:"what"`  // "version", "drift", "cause", "run", "event"
	Entry int64            `json:"entry"` // of the log that says so
	Stack taffrail.StackID `json:"stack,omitempty"`
	// Version is the digest of what was live; "" for a resource that was gone.
	Version *string          `json:"version,omitempty"`
	Drift   taffrail.DriftID `json:"drift,omitempty"`
	Text    string           `json:"text"` // for people, on one line
	Event   *taffrail.Event  `json:"event,omitempty"`
}

// History implements [EventQueries].
func (d *Daemon) History(ctx context.Context, r HistoryRequest) (h History, err error) {
	l, err := d.current()
	if err != nil {
		return h, err
	}
	sealer, err := d.sealer(ctx)
	if err != nil {
		return h, err
	}
	if r.Until.IsZero() {
		r.Until = d.now()
	}
	t := &timeline{request: r, ids: slices.Clone(r.IDs), decoders: d.decoders(sealer)}
	err = l.store.Read(ctx, func(tx *store.Tx) error {
		if err := t.entries(tx); err != nil {
			return err
		}
		if err := t.versions(tx); err != nil {
			return err
		}
		runs, err := d.runs(ctx, tx, r.Stack, r.Since, r.Until)
		if err != nil {
			return err
		}
		t.runs(runs)
		return t.events(ctx, tx)
	})
	if err == nil && len(t.items) == 0 {
		err = &taffrail.Error{Op: "history", Kind: taffrail.KindNotFound, Err: fmt.Errorf("the log knows nothing of %.200q", r.Address), Hint: "give the address as `taffrail scan` prints it"}
	}
	slices.SortStableFunc(t.items, func(a, b HistoryItem) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Entry, b.Entry)) })
	return History{Address: r.Address, IDs: append([]string{}, t.ids...), Items: append([]HistoryItem{}, t.items...)}, boundary("history", err)
}

// A timeline is being gathered.
type timeline struct {
	request  HistoryRequest
	ids      []string
	decoders *decoders
	items    []HistoryItem
}

func (t *timeline) add(i HistoryItem) {
	if !i.Time.Before(t.request.Since) && !i.Time.After(t.request.Until) {
		t.items = append(t.items, i)
	}
}

func (t *timeline) know(id string) {
	if id != "" && !slices.Contains(t.ids, id) {
		t.ids = append(t.ids, id)
	}
}

// entries takes those that are about the resource itself.
func (t *timeline) entries(tx *store.Tx) error {
	for from := int64(0); ; {
		found, more, err := tx.Search(store.SearchRequest{
			Resource: t.request.Address, From: from, OldestFirst: true, Limit: store.MaxPage,
			Types: []taffrail.EntryType{taffrail.EntryDriftFound, taffrail.EntryDriftChanged, taffrail.EntryDriftEnded, taffrail.EntryCauseFound},
		})
		if err != nil {
			return err
		}
		for _, m := range found {
			from = m.Index + 1
			if err := t.entry(tx, m.Index); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

func (t *timeline) entry(tx *store.Tx, index int64) error {
	e, err := entryAt(tx, index)
	if err != nil || t.request.Stack != "" && e.Scope != t.request.Stack {
		return err
	}
	i := HistoryItem{Time: e.Time, What: "drift", Entry: index, Stack: e.Scope}
	switch b := e.Body.(type) {
	case taffrail.DriftFound:
		i.Drift, i.Text = b.Drift, fmt.Sprintf("drift found: %s, %d changes", b.Status, b.Changes)
		t.know(string(b.ID))
	case taffrail.DriftChanged:
		i.Drift, i.Text = b.Drift, fmt.Sprintf("drift is another: %s, %d changes", b.Status, b.Changes)
		t.know(string(b.ID))
	case taffrail.DriftEnded:
		i.Drift, i.Text = b.Drift, fmt.Sprintf("drift is over: %s", b.Why)
	case taffrail.CauseFound:
		i.What, i.Drift = "cause", b.Drift
		for _, id := range b.IDs {
			t.know(id)
		}
		causes, err := causesAt(tx, store.CauseAt{Index: index})
		if err != nil {
			return err
		}
		i.Text = causesText(causes)
	}
	t.add(i)
	return nil
}

// causesText says on one line who moved a drift.
func causesText(causes *taffrail.Causes) string {
	if causes == nil {
		return "the answer was erased"
	}
	text := ""
	seen := map[string]bool{}
	for _, c := range causes.Changes {
		who := string(c.Tier)
		if c.Event != nil {
			who += ": " + cmp.Or(c.Event.Actor.Name, c.Event.Actor.ID) + ", " + c.Event.Action
		}
		if !seen[who] {
			seen[who] = true
			text += map[bool]string{true: "", false: "; "}[text == ""] + who
		}
	}
	return text
}

// versions takes what each scan saw of the resource that was new.
func (t *timeline) versions(tx *store.Tx) error {
	for from := int64(0); ; {
		found, more, err := tx.Search(store.SearchRequest{Types: []taffrail.EntryType{taffrail.EntryScanFinished}, Since: t.request.Since, From: from, OldestFirst: true, Limit: store.MaxPage})
		if err != nil {
			return err
		}
		for _, m := range found {
			from = m.Index + 1
			if err := t.version(tx, m.Index); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

func (t *timeline) version(tx *store.Tx, index int64) error {
	e, err := entryAt(tx, index)
	body, ok := e.Body.(taffrail.ScanFinished)
	if err != nil || !ok || body.Versions == nil || body.Versions.Changed == 0 || t.request.Stack != "" && e.Scope != t.request.Stack {
		return err
	}
	data, err := tx.Blob(body.Versions.Blob)
	if isGone(err) {
		return nil
	}
	var logged taffrail.Salted[[]taffrail.Version]
	if err == nil {
		err = json.Unmarshal(data, &logged)
	}
	if err != nil {
		return fmt.Errorf("versions of entry %d: %w", index, err)
	}
	for _, v := range logged.Content {
		if v.Address == t.request.Address {
			t.know(string(v.ID))
			t.add(HistoryItem{Time: e.Time, What: "version", Entry: index, Stack: e.Scope, Version: &v.Digest, Text: versionText(v.Digest)})
		}
	}
	return nil
}

func versionText(digest string) string {
	if digest == "" {
		return "it was gone"
	}
	raw, err := base64.StdEncoding.DecodeString(digest)
	if err != nil || len(raw) < 4 {
		return "seen"
	}
	return fmt.Sprintf("seen in version %x", raw[:4])
}

// runs takes what runs that were watched did to the resource.
func (t *timeline) runs(all []taffrail.Run) {
	for _, r := range all {
		for _, a := range r.Applied {
			if a.Address != t.request.Address && (a.ID == "" || !slices.Contains(t.ids, string(a.ID))) || len(r.Entries) == 0 {
				continue
			}
			t.know(string(a.ID))
			text := fmt.Sprintf("%s of %s: %s", r.ID, cmp.Or(r.Who.Name, r.Who.ID, r.Program), a.Action)
			if a.Error != "" {
				text += ", which failed"
			}
			t.add(HistoryItem{Time: a.Finished, What: "run", Entry: r.Entries[len(r.Entries)-1], Stack: r.Stack, Text: text})
		}
	}
}

// events takes what happened to the resource.
func (t *timeline) events(ctx context.Context, tx *store.Tx) error {
	var names []string
	for _, id := range t.ids {
		names = append(names, taffrail.NameForms(id)...)
	}
	at, err := tx.FindEvents(names, t.request.Since, t.request.Until, maxCandidates)
	if err != nil {
		return err
	}
	stored, err := tx.Events(at)
	if err != nil {
		return err
	}
	seen := map[taffrail.EventID]bool{}
	for _, s := range stored {
		if s.Head == nil || seen[s.Head.ID] || !s.Head.Changes && !t.request.Reads {
			continue
		}
		seen[s.Head.ID] = true
		e, err := t.decoders.event(ctx, s)
		if err != nil {
			return err
		}
		t.add(HistoryItem{Time: e.Time, What: "event", Entry: s.Batch, Text: e.Action + " by " + cmp.Or(e.Actor.Name, e.Actor.ID), Event: &e})
	}
	return nil
}

// isGone says whether a payload was erased or pruned.
func isGone(err error) bool { return errors.Is(err, audit.ErrMissing) }
