package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// An intake takes the batches of one source into the log.
type intake struct {
	daemon   *Daemon
	log      *openLog
	source   string
	decoders *decoders
	vault    taffrail.Vault
	began    *LogInfo // the log, if it was begun for this
}

// newIntake begins a log if there is none.
func (d *Daemon) newIntake(ctx context.Context, source string) (*intake, error) {
	began, err := d.ensure(ctx, InitRequest{})
	if err != nil {
		return nil, err
	}
	l, err := d.current()
	if err != nil {
		return nil, err
	}
	sealer, err := d.sealer(ctx)
	if err != nil {
		return nil, err
	}
	vault, ok := sealer.(taffrail.Vault)
	if !ok {
		return nil, &taffrail.Error{Op: "take events in", Kind: taffrail.KindInternal, Err: fmt.Errorf("the sealer %q is no vault", trustName)}
	}
	in := &intake{daemon: d, log: l, source: source, decoders: d.decoders(sealer), vault: vault}
	if began {
		in.began = new(d.infoOf(l.origin, l.key))
	}
	return in, nil
}

// take writes a batch into the log, as one entry. When it gives nil the events are there, for good, and so is the reader's cursor: if we stop
// before the commit there is neither, and the source delivers them again. They are signed by who calls it.
func (in *intake) take(ctx context.Context, b taffrail.Batch) (EventsTaken, error) {
	p, err := in.prepare(ctx, b, nil)
	if err == nil {
		err = in.commit(ctx, &p)
	}
	return p.taken, boundary("take events in", err)
}

// A prepared batch is all but written.
type prepared struct {
	body    taffrail.EventsReceived
	payload []byte
	digests []string // of what is in the payload
	taken   EventsTaken
	nothing bool // is to be written
}

// prepare gives a batch the form in which it is written. Records that are about to be written are known, too.
func (in *intake) prepare(ctx context.Context, b taffrail.Batch, underway []string) (p prepared, err error) {
	if len(b.Next) > taffrail.MaxCursor {
		return p, &taffrail.Error{Op: "take events in", Kind: taffrail.KindInternal, Err: fmt.Errorf("source %s: a cursor of %d bytes", in.source, len(b.Next))}
	}
	fresh, digests, err := in.fresh(ctx, b.Records, underway)
	if err != nil {
		return p, err
	}
	p.digests, p.taken = digests, EventsTaken{Batches: 1, Repeated: int64(len(b.Records) - len(fresh)), Notices: int64(len(b.Notices))}
	if p.nothing = len(fresh) == 0 && b.Next == "" && b.Settled.IsZero() && len(b.Notices) == 0; p.nothing {
		return p, nil
	}
	records, err := in.keepAll(ctx, fresh, digests)
	if err != nil {
		return p, err
	}
	p.body = taffrail.EventsReceived{Source: in.source, Origin: clip(b.Origin), Repeated: p.taken.Repeated, Cursor: b.Next, Notices: boundNotices(b.Notices)}
	if !b.Settled.IsZero() {
		p.body.Settled = new(b.Settled.UTC())
	}
	p.payload, err = payloadOf(records, &p.body)
	p.taken.Events, p.taken.Changes, p.taken.Dead = p.body.Events, p.body.Changes, p.body.Dead
	return p, err
}

// commit writes payload and entry.
func (in *intake) commit(ctx context.Context, p *prepared) error {
	if p.nothing {
		return nil
	}
	return in.log.store.Update(ctx, func(tx *store.Tx) (err error) {
		if p.body.Payload, err = tx.PutBlob(p.payload); err != nil {
			return err
		}
		outcome := taffrail.OutcomeObserved
		if p.body.Dead > 0 || len(p.body.Notices) > 0 {
			outcome = taffrail.OutcomeIncomplete
		}
		stamp, err := tx.Append(in.daemon.entry(p.body, entryContext{outcome: outcome}))
		p.taken.Last = stamp.Index
		return err
	})
}

// fresh gives the records that are not in the log yet, nor under way to it, and their digests.
func (in *intake) fresh(ctx context.Context, records []taffrail.Record, underway []string) (fresh []taffrail.Record, digests []string, err error) {
	all := make([]string, len(records))
	in.each(len(records), func(i int) {
		sum := sha256.Sum256(records[i].Raw)
		all[i] = hex.EncodeToString(sum[:])
	})
	var known map[string]bool
	err = in.log.store.Read(ctx, func(tx *store.Tx) error {
		known, err = tx.KnownRecords(all)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, d := range underway {
		known[d] = true
	}
	for i, r := range records {
		if !known[all[i]] {
			known[all[i]] = true // a second one in this batch is one, too
			fresh, digests = append(fresh, r), append(digests, all[i])
		}
	}
	return fresh, digests, nil
}

// each calls f for each number below n, several at once.
func (in *intake) each(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), (n+63)/64)
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w * n / workers; i < (w+1)*n/workers; i++ {
				f(i)
			}
		})
	}
	wg.Wait()
}

// keepAll gives each record the form in which it is stored. One that cannot be read is kept as it is, locked away.
func (in *intake) keepAll(ctx context.Context, records []taffrail.Record, digests []string) ([]store.EventRecord, error) {
	kept := make([]store.EventRecord, len(records))
	errs := make([]error, len(records))
	in.each(len(records), func(i int) { kept[i], errs[i] = in.keep(ctx, records[i], digests[i]) })
	return kept, errors.Join(errs...)
}

func (in *intake) keep(ctx context.Context, r taffrail.Record, digest string) (store.EventRecord, error) {
	s := store.EventRecord{Digest: digest, Format: r.Format, Where: r.Where, Fault: r.Fault}
	if r.Fault == "" {
		keeper, err := in.keeper(ctx, r.Format)
		if err != nil {
			return s, err
		}
		kept, err := keeper.Keep(r.Raw)
		if err == nil {
			s.Head, s.Record = &kept.EventHead, kept.Record
			return s, nil
		}
		s.Fault = clip(err.Error())
	}
	var err error
	s.Locked, err = in.vault.Lock(r.Raw)
	return s, err
}

// keeper is the decoder of a format.
func (in *intake) keeper(ctx context.Context, format string) (taffrail.Keeper, error) {
	decoder, err := in.decoders.of(ctx, in.source, format)
	if err != nil {
		return nil, err
	}
	k, ok := decoder.(taffrail.Keeper)
	if !ok {
		return nil, &taffrail.Error{Op: "open decoder", Kind: taffrail.KindInternal, Err: fmt.Errorf("%s does not say what is kept of its records", format)}
	}
	return k, nil
}

// payloadOf builds the payload, and counts what is in it.
func payloadOf(records []store.EventRecord, body *taffrail.EventsReceived) ([]byte, error) {
	p, err := store.NewEventPayload(randomHex(16))
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if err := p.Add(r); err != nil {
			return nil, err
		}
		body.Events++
		if r.Head == nil {
			body.Dead++
			continue
		}
		if r.Head.Changes {
			body.Changes++
		}
		if body.First == nil || r.Head.Time.Before(*body.First) {
			body.First = &r.Head.Time
		}
		if body.Last == nil || r.Head.Time.After(*body.Last) {
			body.Last = &r.Head.Time
		}
	}
	payload, digest, err := p.Bytes()
	body.Digest = digest
	return payload, err
}

// What an entry holds of notices is bounded.
const (
	maxNotices = 64
	maxNotice  = 400 // bytes of each
)

// boundNotices keeps an entry within its bound. What is left out is told by the last.
func boundNotices(all []taffrail.LogNotice) []taffrail.LogNotice {
	for i := range all {
		all[i].What = clipTo(all[i].What, maxNotice)
	}
	if len(all) <= maxNotices {
		return all
	}
	rest := all[maxNotices-1]
	for _, n := range all[maxNotices:] {
		if n.Start.Before(rest.Start) {
			rest.Start = n.Start
		}
		if n.End.After(rest.End) {
			rest.End = n.End
		}
	}
	rest.What = fmt.Sprintf("%s, and %d more", rest.What, len(all)-maxNotices)
	return append(all[:maxNotices-1:maxNotices-1], rest)
}
