package cloudtrail

import (
	"context"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A batcher gathers records into batches. An error of emit is kept as it is, and nothing is emitted after it.
type batcher struct {
	ctx     context.Context
	emit    func(taffrail.Batch) error
	origin  string
	batch   taffrail.Batch
	size    int
	said    taffrail.Cursor // that was emitted last
	settled time.Time       // that was emitted last
}

func newBatcher(ctx context.Context, after taffrail.Cursor, emit func(taffrail.Batch) error) *batcher {
	return &batcher{ctx: ctx, emit: emit, said: after}
}

// from says where the records come from that are added next. What was added before is emitted first.
func (b *batcher) from(origin string) error {
	if len(b.batch.Records) > 0 {
		if err := b.flush(""); err != nil {
			return err
		}
	}
	b.origin = origin
	return nil
}

// add takes a record, whose bytes nobody changes any more.
func (b *batcher) add(raw []byte, where, fault string) error {
	if n := len(b.batch.Records); n == taffrail.MaxBatchRecords || n > 0 && b.size+len(raw) > taffrail.MaxBatchBytes {
		if err := b.flush(""); err != nil {
			return err
		}
	}
	if fault == "" {
		if n, ok := quieted(raw); ok {
			b.notice(n)
		}
	}
	b.size += len(raw)
	b.batch.Records = append(b.batch.Records, taffrail.Record{Format: Name, Raw: raw, Where: where, Fault: fault})
	return nil
}

func (b *batcher) notice(n taffrail.LogNotice) { b.batch.Notices = append(b.batch.Notices, n) }

// settleEvery is how much further it must be settled to be said by itself: each batch is an entry of the log.
const settleEvery = 5 * time.Minute

// settle says how far it is settled, if it is worth it.
func (b *batcher) settle(t time.Time) {
	if t.Sub(b.settled) >= settleEvery {
		b.batch.Settled = t
	}
}

// flush emits what there is, with the cursor of what was read up to here, or without one in the middle of something. If nothing is there and the
// cursor is the old one, nothing is emitted. If we stop after it, we go on at that cursor.
func (b *batcher) flush(next taffrail.Cursor) error {
	if next == b.said {
		next = ""
	}
	batch := b.batch
	if len(batch.Records) == 0 && len(batch.Notices) == 0 && batch.Settled.IsZero() && next == "" {
		return nil
	}
	if err := b.ctx.Err(); err != nil {
		return err
	}
	batch.Origin, batch.Next = b.origin, next
	b.batch, b.size = taffrail.Batch{}, 0
	if err := b.emit(batch); err != nil {
		return err
	}
	if next != "" {
		b.said = next
	}
	if !batch.Settled.IsZero() {
		b.settled = batch.Settled
	}
	return nil
}
