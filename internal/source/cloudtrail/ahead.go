package cloudtrail

import (
	"context"
	"io"
	"sync"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/delivery"
)

// slabSize is how much memory records share, since there are many and they are let go together.
const (
	firstSlab = 64 << 10 // most files are small
	slabSize  = 1 << 20
)

// How far a file is read ahead: about as much as a batch, so that one is read while the one before is taken.
const (
	aheadChunks = taffrail.MaxBatchBytes / slabSize
	aheadMost   = 1000 // records of a chunk
)

// A chunk is some records of a file, with the memory that they stand in.
type chunk struct {
	records []delivery.Record
	slab    []byte
}

// ahead reads the records of a file while those before are taken. Take gets each, in their order; when it fails, reading ends, and its error comes back
// as it is.
func ahead(ctx context.Context, in io.Reader, take func(delivery.Record) error) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	chunks := make(chan chunk, aheadChunks)
	var failed error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(chunks)
		failed = split(ctx, in, chunks)
	})
	defer func() {
		cancel()
		reading.Wait()
	}()
	for c := range chunks {
		for _, d := range c.records {
			if err := take(d); err != nil {
				return err
			}
		}
	}
	return failed
}

// split reads records into chunks. What came before an error is passed on before it.
func split(ctx context.Context, in io.Reader, chunks chan<- chunk) error {
	var c chunk
	size := firstSlab
	pass := func() error {
		select {
		case chunks <- c:
			c = chunk{}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := delivery.Read(in, func(d delivery.Record) error {
		if len(c.records) == aheadMost || len(c.records) > 0 && len(c.slab)+len(d.Raw) > cap(c.slab) {
			if err := pass(); err != nil {
				return err
			}
		}
		if c.slab == nil {
			c.slab = make([]byte, 0, max(size, len(d.Raw)))
			size = min(4*size, slabSize)
		}
		start := len(c.slab)
		c.slab = append(c.slab, d.Raw...)
		d.Raw = c.slab[start:len(c.slab):len(c.slab)]
		c.records = append(c.records, d)
		return nil
	})
	if len(c.records) > 0 {
		if passed := pass(); passed != nil {
			return passed
		}
	}
	return err
}
