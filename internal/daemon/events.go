package daemon

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// ListEvents implements [EventQueries].
func (d *Daemon) ListEvents(ctx context.Context, r EventFilter, f func(LoggedEvent) error) error {
	l, err := d.current()
	if err != nil {
		return err
	}
	sealer, err := d.sealer(ctx)
	if err != nil {
		return err
	}
	s := &eventSift{EventFilter: r, ctx: ctx, decoders: d.decoders(sealer), shown: map[taffrail.EventID]bool{}, emit: f}
	return boundary("list events", l.store.Read(ctx, func(tx *store.Tx) error {
		if r.ID != "" || r.Resource != "" {
			return s.indexed(tx)
		}
		return s.all(tx)
	}))
}

// An eventSift gives what a filter takes, copies of one event as one.
type eventSift struct {
	EventFilter
	ctx      context.Context
	decoders *decoders
	shown    map[taffrail.EventID]bool
	count    int
	emit     func(LoggedEvent) error
}

func (s *eventSift) full() bool { return s.Limit > 0 && s.count >= s.Limit }

func (s *eventSift) span() (from, to time.Time) {
	from, to = s.Since, s.Until
	if to.IsZero() {
		to = time.Unix(0, math.MaxInt64)
	}
	return from, to
}

// indexed looks into the events alone that are found by a name.
func (s *eventSift) indexed(tx *store.Tx) error {
	from, to := s.span()
	at, err := tx.FindEvent(s.ID)
	if s.ID == "" {
		at, err = tx.FindEvents(taffrail.NameForms(s.Resource), from, to, maxCandidates)
	}
	if err != nil {
		return err
	}
	stored, err := tx.Events(at)
	if err != nil {
		return err
	}
	slices.SortStableFunc(stored, func(a, b store.StoredEvent) int { return b.Time.Compare(a.Time) })
	for _, e := range stored {
		if err := s.take(e); err != nil || s.full() {
			return err
		}
	}
	return nil
}

// all goes through the batches, the newest first.
func (s *eventSift) all(tx *store.Tx) error {
	from, to := s.span()
	for before := int64(math.MaxInt64); !s.full(); {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		page, err := tx.EventBatches(s.Source, from, to, before, 1)
		if err != nil || len(page) == 0 {
			return err
		}
		before = page[0].Entry
		payload, err := tx.Blob(page[0].Payload)
		if isGone(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.batch(page[0].Source, page[0].Entry, payload, true); err != nil {
			return err
		}
	}
	return nil
}

// batch goes through one payload.
func (s *eventSift) batch(source string, entry int64, payload []byte, newestFirst bool) error {
	var all []store.StoredEvent
	err := store.ReadEventPayload(payload, func(n int64, r store.EventRecord) error {
		e := store.StoredEvent{Source: source, N: n, EventRecord: r}
		e.Batch = entry
		if r.Head != nil {
			e.Time = r.Head.Time
		}
		all = append(all, e)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b store.StoredEvent) int {
		if newestFirst {
			a, b = b, a
		}
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.N, b.N))
	})
	for _, e := range all {
		if err := s.take(e); err != nil || s.full() {
			return err
		}
	}
	return nil
}

// take gives an event if the filter takes it.
func (s *eventSift) take(r store.StoredEvent) error {
	if !s.takesHead(r.Head) || s.Source != "" && s.Source != r.Source {
		return nil
	}
	shown := LoggedEvent{Source: r.Source, Batch: r.Batch, Record: r.N, Digest: r.Digest, Where: r.Where, Fault: r.Fault}
	if r.Head != nil {
		if s.shown[r.Head.ID] {
			return nil
		}
		e, err := s.decoders.event(s.ctx, r)
		if err != nil {
			return err
		}
		if s.Actor != "" && !contains(e.Actor.ID, s.Actor) && !contains(e.Actor.Name, s.Actor) {
			return nil
		}
		s.shown[r.Head.ID] = true
		shown.Event = &e
	}
	s.count++
	return s.emit(shown)
}

func (s *eventSift) takesHead(h *taffrail.EventHead) bool {
	if h == nil || s.Dead {
		return h == nil && s.Dead
	}
	from, to := s.span()
	return !h.Time.Before(from) && !h.Time.After(to) && (!s.Changes || h.Changes) && (!s.Failed || h.Error != "") && (s.Action == "" || contains(h.Action, s.Action)) &&
		(s.ID == "" || s.ID == h.ID)
}

// contains says whether a text holds another, in any case.
func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// FollowEvents implements [EventQueries].
func (d *Daemon) FollowEvents(ctx context.Context, r EventFilter, f func(LoggedEvent) error) error {
	sealer, err := d.sealer(ctx)
	if err != nil {
		return err
	}
	l, err := d.current()
	if err != nil {
		return err
	}
	signed, err := l.checkpoint(ctx)
	if err != nil {
		return boundary("follow events", err)
	}
	s := &eventSift{EventFilter: r, ctx: ctx, decoders: d.decoders(sealer), shown: map[taffrail.EventID]bool{}, emit: f}
	return d.FollowLog(ctx, signed.Size, func(e LogEntry) error {
		body, ok := e.Entry.Body.(taffrail.EventsReceived)
		payload := e.Blobs[body.Payload.SHA256]
		if !ok || payload == nil {
			return nil
		}
		clear(s.shown) // within a batch: it must not grow
		return s.batch(body.Source, e.Index, payload, false)
	})
}

// EventSources implements [EventQueries].
func (d *Daemon) EventSources(ctx context.Context) ([]EventSourceStatus, error) {
	all := []EventSourceStatus{}
	l, err := d.current()
	if err != nil {
		return nil, err
	}
	err = l.store.Read(ctx, func(tx *store.Tx) error {
		sources, err := tx.EventSources()
		if err != nil {
			return err
		}
		notices, err := tx.SourceNotices(time.Time{}, time.Unix(0, math.MaxInt64))
		if err != nil {
			return err
		}
		heard, err := d.heard(tx)
		if err != nil {
			return err
		}
		for _, s := range sources {
			status := EventSourceStatus{
				Source: s.Source, Settled: timeIf(d.completeUntil(s, heard)), First: timeIf(s.First), Last: timeIf(s.Last), Entry: s.Entry,
				Events: s.Events, Changes: s.Changes, Dead: s.Dead, Notices: openNotices(notices, s.Source),
			}
			if e, err := entryAt(tx, s.Entry); err == nil {
				status.Taken = &e.Time
			}
			status.Notices = append([]taffrail.LogNotice{}, status.Notices[max(0, len(status.Notices)-maxNotices):]...)
			all = append(all, status)
		}
		return nil
	})
	for _, c := range d.options.Installation.Sources {
		i := slices.IndexFunc(all, func(s EventSourceStatus) bool { return s.Source == c.Name })
		if i < 0 {
			i = len(all)
			all = append(all, EventSourceStatus{Source: c.Name, Entry: -1, Notices: []taffrail.LogNotice{}})
		}
		all[i].Plugin = c.Plugin
	}
	return all, boundary("read sources", err)
}

// timeIf is nil for no time.
func timeIf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
