package cloudtrail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/delivery"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/digest"
)

// usualLateness is how late CloudTrail delivers an event at most, but for rare ones.
const usualLateness = 15 * time.Minute

// A gatherer is an EventReader that reads the files of a shelf.
type gatherer struct {
	shelf  shelf
	logger *slog.Logger
	now    func() time.Time
	late   time.Duration // how late an event may come
	from   time.Time     // files from before are not read; zero: all are
	slack  time.Duration
	live   bool // what is delivered is listed at once, so that silence means that nothing was delivered
	digest *verifier
}

// ReadEvents implements [taffrail.EventReader]. Files come first, in the order in which they arrived, then the lines that growing ones have got, then what
// digests say of the files. If we stop after a batch, all that the cursor says is done is in the log; a file of which only a part was emitted is
// read again.
func (g *gatherer) ReadEvents(ctx context.Context, after taffrail.Cursor, emit func(taffrail.Batch) error) error {
	p, err := parseProgress(after)
	if err != nil {
		return err
	}
	round := &round{gatherer: g, p: p, start: g.now(), out: newBatcher(ctx, after, emit)}
	round.out.settled = time.Unix(p.Settled, 0)
	round.horizon = round.start.Add(-g.slack)
	if err := round.files(ctx); err != nil {
		return err
	}
	if err := round.tails(ctx); err != nil {
		return err
	}
	return round.end(ctx)
}

// A round is one call of ReadEvents.
type round struct {
	*gatherer
	p       *progress
	start   time.Time
	horizon time.Time // what arrived before is listed
	out     *batcher
	digests []file
	growing []file
	newest  time.Time // delivery of a file
	last    time.Time // arrival of a file
	looked  int       // at so many digests
}

// maxListed bounds the files that are held at once. If there are more the shelf is listed again.
const maxListed = 20_000

func (r *round) files(ctx context.Context) error {
	for {
		found, more, err := r.find(ctx)
		if err != nil {
			return err
		}
		for _, f := range found {
			if err := r.file(ctx, f); err != nil {
				return err
			}
		}
		if !more {
			r.p.tidy()
			return nil
		}
	}
}

// find lists the files that are not done, as they arrived.
func (r *round) find(ctx context.Context) (found []file, more bool, err error) {
	r.digests, r.growing = nil, nil
	trim := func() {
		slices.SortFunc(found, compareFiles)
		if len(found) > maxListed {
			found, more = found[:maxListed], true
		}
	}
	err = r.shelf.list(ctx, func(f file) error {
		if f.arrived.After(r.last) {
			r.last = f.arrived
		}
		if isNone(f.key) {
			return nil
		}
		if chain, end, ok := digest.Name(f.key); ok {
			if r.digest != nil && !end.Before(r.from) && end.Unix() > r.p.Chains[token(chain)].End {
				r.digests = append(r.digests, f)
			}
			return nil
		}
		at := f.delivered()
		if at.After(r.newest) {
			r.newest = at
		}
		switch {
		case f.grows:
			r.growing = append(r.growing, f)
		case !r.p.passed(f) && !at.Before(r.from):
			if found = append(found, f); len(found) >= 2*maxListed {
				trim()
			}
		}
		return nil
	})
	trim()
	return found, more, err
}

// errYoung ends the reading of a file that is not whole, and arrived a moment ago: somebody may still be writing it.
var errYoung = errors.New("it may not be whole yet")

// file reads one file that does not grow, as a whole.
func (r *round) file(ctx context.Context, f file) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.p.noted(f) {
		r.p.pass(f, r.horizon)
		return nil
	}
	err := r.records(ctx, f)
	switch {
	case errors.Is(err, errYoung):
		return r.out.flush("")
	case errors.Is(err, fs.ErrNotExist): // it went after it was listed: somebody tidies up
		r.logger.Warn("a file went before it was read", "file", r.shelf.describe(f.key))
	case err != nil:
		return err
	}
	r.p.pass(f, r.horizon)
	return r.done()
}

// done emits what was read, with the cursor after it. A cursor alone waits for something to go with it.
func (r *round) done() error {
	if len(r.out.batch.Records) == 0 {
		return nil
	}
	return r.save()
}

// save emits what there is, with the cursor after it.
func (r *round) save() error {
	next, err := r.p.cursor()
	if err != nil {
		return err
	}
	return r.out.flush(next)
}

// records emits the records of a file.
func (r *round) records(ctx context.Context, f file) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends an answer of S3 that nobody reads to its end
	in, err := r.shelf.open(ctx, f.key)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := r.out.from(r.shelf.describe(f.key)); err != nil {
		return err
	}
	n := 0
	young := !f.arrived.Before(r.horizon)
	return r.read(f, ahead(ctx, marked{in}, func(d delivery.Record) error {
		if young && d.Fault != "" && !r.live {
			return errYoung
		}
		n++
		return r.out.add(d.Raw, fmt.Sprintf("record %d", n), d.Fault)
	}))
}

// read tells an error of the shelf from one of emit, which stays as it is.
func (r *round) read(f file, err error) error {
	var failed *readError
	if errors.As(err, &failed) {
		return unreadable(r.shelf.describe(f.key), failed.err)
	}
	return err
}

// A readError is of reading a file that is open.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// A marked reader marks its errors, so that they are known among others.
type marked struct{ io.ReadCloser }

func (m marked) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &readError{err}
	}
	return n, err
}

// end says what the digests say, and how far it is settled.
func (r *round) end(ctx context.Context) error {
	if err := r.out.from(r.shelf.describe("")); err != nil {
		return err
	}
	settled := r.settled()
	var failed error
	if r.digest != nil {
		settled, failed = r.verify(ctx)
	}
	if !settled.IsZero() && !settled.Before(r.from) {
		r.out.settle(settled)
	}
	if !r.out.batch.Settled.IsZero() {
		r.p.Settled = r.out.batch.Settled.Unix()
	}
	if err := r.save(); err != nil {
		return err
	}
	return failed
}

// settled is up to when every event is here, where there are no digests to say so.
func (r *round) settled() time.Time {
	switch {
	case r.live:
		return r.start.Add(-r.late).UTC()
	case r.newest.IsZero():
		return time.Time{}
	}
	return r.newest.Add(-r.late).UTC()
}
