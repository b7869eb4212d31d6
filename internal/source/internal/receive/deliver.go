package receive

import (
	"context"

	"github.com/taffrail-dev/taffrail"
)

// An Emit takes a batch into the log.
type Emit = func(context.Context, taffrail.Batch) error

// Deliver emits records in batches of the size that a batch may have, one after the other. When one is refused, those before it are in the log
// and the sender is told that none is: it sends all again, and the copies are known by their ids.
func Deliver(ctx context.Context, emit Emit, origin string, records []taffrail.Record) error {
	for len(records) > 0 {
		n := first(records)
		if err := emit(ctx, taffrail.Batch{Origin: origin, Records: records[:n:n]}); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// first is how many records the next batch has. It has one, however large that is.
func first(records []taffrail.Record) int {
	bytes := 0
	for n, r := range records {
		bytes += len(r.Raw)
		if n > 0 && (n == taffrail.MaxBatchRecords || bytes > taffrail.MaxBatchBytes) {
			return n
		}
	}
	return len(records)
}
