package receive

import (
	"context"
	"iter"

	"github.com/taffrail-dev/taffrail"
)

// An Emit takes a batch into the log.
type Emit = func(context.Context, taffrail.Batch) error

// Deliver emits records in batches of the size that a batch may have, one after the other. When one is refused, those before it are in the log
// and the sender is told that none is: it sends all again, and the copies are known by their ids. The records are asked for as they are needed, so
// that a body of millions of small ones takes no more memory than one of a large one.
func Deliver(ctx context.Context, emit Emit, origin string, records iter.Seq[taffrail.Record]) error {
	b := taffrail.Batch{Origin: origin}
	size := 0
	flush := func() error {
		if len(b.Records) == 0 {
			return nil
		}
		full := b
		b, size = taffrail.Batch{Origin: origin}, 0
		return emit(ctx, full)
	}
	for r := range records {
		if len(b.Records) == taffrail.MaxBatchRecords || size+len(r.Raw) > taffrail.MaxBatchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		b.Records, size = append(b.Records, r), size+len(r.Raw)
	}
	return flush()
}
