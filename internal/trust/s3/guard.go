package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

const (
	guardHint = "bring the object back from where it was kept; it must never be written by hand"
	markName  = "taffrail-write" // in the metadata: the mark of one Swap
	maxObject = 64 << 10         // more than any of our objects has
	attempts  = 4                // to write, where it is not known what became of the one before
)

// A guard is an [audit.Guard] in one object.
type guard struct {
	*bucket
	key   string
	pause func(ctx context.Context, attempt int) error // between two attempts
	steps steps
}

// steps lets a test fail at each step that changes the store. Nil lets all succeed.
type steps func(step string) error

func (s steps) at(step string) error {
	if s == nil {
		return nil
	}
	return s(step)
}

func openGuard(ctx context.Context, c Config) (*guard, error) {
	b, err := openBucket(ctx, "open guard", c)
	if err != nil {
		return nil, err
	}
	if c.Key == "" || c.Key[0] == '/' || len(c.Key) > 900 {
		return nil, b.invalid("set `key`, such as taffrail/site", "the object has no key, or an impossible one")
	}
	return &guard{bucket: b, key: c.Key, pause: pause}, nil
}

func pause(ctx context.Context, attempt int) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(50<<attempt) * time.Millisecond):
		return nil
	}
}

func (g *guard) String() string { return fmt.Sprintf("s3://%s/%s", g.name, g.key) }

// An object is what the guard's object says, and which write of it this is.
type object struct {
	head audit.Head
	tag  string // of the store, for conditions
	mark string // of whoever wrote it
}

// Load implements [audit.Guard].
func (g *guard) Load(ctx context.Context) (audit.Head, error) {
	o, err := g.read(ctx)
	return o.head, g.failed(ctx, "load guard state", g.key, err)
}

func (g *guard) read(ctx context.Context) (object, error) {
	out, err := g.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &g.name, Key: &g.key, ExpectedBucketOwner: g.account})
	if isMissing(err) {
		return object{}, &taffrail.Error{
			Kind: taffrail.KindNotFound, Err: fmt.Errorf("%v: %w", g, audit.ErrNoHead),
			Hint: "if there was a log, bring the object back from where it was kept",
		}
	}
	if err != nil {
		return object{}, err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(io.LimitReader(out.Body, maxObject))
	if err != nil {
		return object{}, err
	}
	head, err := audit.ParseCheckpoint(text)
	if err != nil {
		return object{}, corrupt(guardHint, "%v holds what was never written: %w", g, err)
	}
	return object{head, aws.ToString(out.ETag), out.Metadata[markName]}, nil
}

// corrupt is an error of the audit package's kind, too, so that a verification counts it among what is wrong with the log.
func corrupt(hint, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &taffrail.Error{
		Kind: taffrail.KindCorrupt, Hint: hint,
		Err: &audit.CorruptError{Part: audit.PartGuard, What: err.Error(), Hint: hint, Err: errors.Unwrap(err)},
	}
}

// Swap implements [audit.Guard].
//
// If we stop before the write, the old state is held. If we stop while we wait for its answer, either is held, and the write may still
// arrive; it then finds its condition met, or it changes nothing. Once the answer has come, or our mark is read back, the
// new state is held: the store answers what is durable.
func (g *guard) Swap(ctx context.Context, old, new audit.Head) error {
	const op = "swap guard state"
	text, err := audit.FormatCheckpoint(new)
	if err != nil {
		return &taffrail.Error{Op: op, Kind: taffrail.KindInternal, Err: fmt.Errorf("guard state: %w", err)}
	}
	held, err := g.look(ctx)
	if err == nil && held.head != old {
		err = g.conflict(old, held.head)
	}
	if err == nil && old == (audit.Head{}) {
		err = g.probe(ctx)
	}
	if err == nil {
		err = g.write(ctx, held, object{head: new, mark: rand.Text()}, text)
	}
	return g.failed(ctx, op, g.key, err)
}

func (g *guard) conflict(old, held audit.Head) error {
	return &taffrail.Error{
		Kind: taffrail.KindConflict,
		Err:  fmt.Errorf("%v: size %d of %q is held, not %d: %w", g, held.Size, held.Origin, old.Size, audit.ErrConflict),
	}
}

// write tries until it knows what became of it. Trying again is safe: the state that is to be replaced is the condition of each attempt,
// so that one of them at most changes anything.
func (g *guard) write(ctx context.Context, old, new object, text []byte) (err error) {
	unknown := false // whether an attempt may have been carried out, or may still be
	for attempt := range attempts {
		if attempt > 0 {
			if err := errors.Join(g.pause(ctx, attempt), ctx.Err()); err != nil {
				return err
			}
		}
		err = g.try(ctx, old.tag, new.mark, text)
		switch n := status(err); {
		case err == nil:
			return nil
		case isUnmet(err):
			held, lookErr := g.look(ctx)
			if lookErr != nil || unknown && held.is(new) {
				return lookErr
			}
			if held.head != old.head {
				return g.overtaken(old.head, held.head, unknown)
			}
			old.tag = held.tag // the same state was written once more
		case n >= 400 && n < 500 && n != http.StatusRequestTimeout && n != http.StatusTooManyRequests, n == http.StatusNotImplemented:
			return err
		default:
			unknown = true
		}
	}
	if !unknown {
		return &taffrail.Error{Kind: taffrail.KindConflict, Err: fmt.Errorf("%v: others write it at the same time: %w", g, audit.ErrConflict)}
	}
	if held, lookErr := g.look(ctx); lookErr == nil && held.is(new) {
		return nil
	}
	return fmt.Errorf("it is not known what became of the write: %w", err)
}

func (g *guard) try(ctx context.Context, tag, mark string, text []byte) error {
	err := g.steps.at("write")
	if err == nil {
		err = g.put(ctx, g.key, condition(tag), mark, text)
	}
	if err == nil {
		err = g.steps.at("answer")
	}
	return err
}

// isUnmet says that a write was not carried out because the object is another one, or is gone, or is being written.
func isUnmet(err error) bool {
	n := status(err)
	return n == http.StatusPreconditionFailed || n == http.StatusConflict || n == http.StatusNotFound && isMissing(err)
}

// look is read, where to find nothing is no error.
func (g *guard) look(ctx context.Context) (object, error) {
	o, err := g.read(ctx)
	if errors.Is(err, audit.ErrNoHead) {
		return object{}, nil
	}
	return o, err
}

func (o object) is(written object) bool { return o.head == written.head && o.mark == written.mark }

// overtaken says that another state is held. If it is not known what became of our own write, that may have been carried out before.
func (g *guard) overtaken(old, held audit.Head, unknown bool) error {
	if unknown {
		return fmt.Errorf("it is not known what became of the write: now size %d is held", held.Size)
	}
	return g.conflict(old, held)
}

// A condition is the tag of the object that is to be replaced; the empty one is that there is none.
type condition string

// put writes once: the SDK must not try again by itself, since the second attempt would then be refused because of the first.
func (g *guard) put(ctx context.Context, key string, c condition, mark string, text []byte) error {
	in := &s3.PutObjectInput{
		Bucket: &g.name, Key: &key, ExpectedBucketOwner: g.account, Body: bytes.NewReader(text), Metadata: map[string]string{markName: mark},
		ContentType: aws.String("text/plain; charset=utf-8"),
	}
	if c == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = aws.String(string(c))
	}
	_, err := g.client.PutObject(ctx, in, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
	return err
}

// probe makes sure that the store keeps to conditions, on an object of its own beside the guard's, which stays. There is no state yet: if
// we stop here, nothing has happened.
func (g *guard) probe(ctx context.Context) error {
	key, text := g.key+".probe", []byte("A test of conditional writes, which may be removed.\n")
	for _, try := range []struct {
		condition condition
		refused   bool // it must be; else it may
		name      string
	}{
		{"", false, "If-None-Match"},
		{"", true, "If-None-Match"},
		{`"00000000000000000000000000000000"`, true, "If-Match"},
	} {
		err := g.steps.at("probe")
		if err == nil {
			err = g.put(ctx, key, try.condition, "probe", text)
		}
		switch {
		case status(err) == http.StatusPreconditionFailed:
		case err != nil:
			return fmt.Errorf("test of conditional writes: %w", err)
		case try.refused:
			return g.invalid("use a store that has conditional writes (If-Match and If-None-Match)", "%v: the store ignores %s, so that two could replace one state", g, try.name)
		}
	}
	return nil
}
