package plugtest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// A fakeSource has nine records, that are read three by three, until a fault is switched on.
type fakeSource struct {
	fault string
	acked int
}

const fakeRecords = 9

func (f *fakeSource) ReadEvents(ctx context.Context, after taffrail.Cursor, emit func(taffrail.Batch) error) error {
	from := 0
	if after != "" && f.fault != "ignores the cursor" {
		from, _ = strconv.Atoi(strings.TrimLeft(string(after), "0"))
	}
	shared := make([]byte, 1)
	for ; from < fakeRecords; from += 3 {
		if err := ctx.Err(); err != nil && f.fault != "ignores the context" {
			return err
		}
		b := f.batch(from, shared)
		if f.fault == "tells the source early" {
			f.acked = from + 3
		}
		if err := f.emitted(emit, b); err != nil {
			if f.fault == "goes on after an error" {
				continue
			}
			if f.fault == "wraps the error" {
				return fmt.Errorf("emit: %w", err)
			}
			return err
		}
		if f.fault != "never tells the source" {
			f.acked = from + 3
		}
	}
	return nil
}

func (f *fakeSource) batch(from int, shared []byte) taffrail.Batch {
	b := taffrail.Batch{Origin: "fake", Next: taffrail.Cursor(fmt.Sprintf("%04d", from+3))}
	for i := from; i < from+3; i++ {
		b.Records = append(b.Records, taffrail.Record{Format: "fake", Raw: []byte{byte('a' + i)}})
	}
	switch f.fault {
	case "loses one":
		b.Records = b.Records[:2]
	case "no format":
		b.Records[0].Format = ""
	case "no origin":
		b.Origin = ""
	case "shares memory":
		shared[0] = b.Records[0].Raw[0]
		b.Records[0].Raw = shared
	case "the cursor is too far":
		b.Next = taffrail.Cursor(strconv.Itoa(from + 4))
	case "the cursor is too near":
		b.Next = taffrail.Cursor(fmt.Sprintf("%04d", max(from, 1)))
	case "long cursor":
		b.Next = taffrail.Cursor(strings.Repeat("0", taffrail.MaxCursor) + string(b.Next))
	case "too many":
		for range taffrail.MaxBatchRecords {
			b.Records = append(b.Records, b.Records[0])
		}
	}
	return b
}

func (f *fakeSource) emitted(emit func(taffrail.Batch) error, b taffrail.Batch) error {
	if f.fault != "two at once" {
		return emit(b)
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { _ = emit(b) })
	}
	all.Wait()
	return nil
}

func eventCaseOf(fault string) EventReaderCase {
	return EventReaderCase{Want: fakeRecords, New: func(*testing.T) EventWorld {
		f := &fakeSource{fault: fault}
		return EventWorld{Open: func() taffrail.EventReader { return f }, Acknowledged: func() int { return f.acked }}
	}}
}

func TestEventReaderContract(t *testing.T) { EventReader(t, eventCaseOf("")) }

func TestEventReaderContractFindsFaults(t *testing.T) {
	for _, fault := range []string{
		"ignores the cursor", "ignores the context", "tells the source early", "never tells the source", "goes on after an error", "wraps the error", "loses one", "no format",
		"no origin", "shares memory", "the cursor is too far", "the cursor is too near", "long cursor", "too many",
	} {
		t.Run(fault, func(t *testing.T) {
			for _, p := range eventReaderPromises {
				if p.check(t, eventCaseOf(fault)) != nil {
					return
				}
			}
			t.Error("no promise was found broken")
		})
	}
}

func TestEmitsAtOnceAreFound(t *testing.T) {
	if checkEmitsApart(t, eventCaseOf("two at once")) == nil {
		t.Error("two emits at once went unnoticed")
	}
}
