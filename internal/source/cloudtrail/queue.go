package cloudtrail

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/digest"
)

// How a queue is read.
const (
	visibility = 2 * time.Minute  // for which nobody else gets a message; it is extended while we work
	longPoll   = 10 * time.Second // for which an empty queue is asked to wait
	atOnce     = 10               // messages, the most that SQS gives
)

// A queue is an EventReader that reads what SQS has, as it comes.
type queue struct {
	clients
	url        string
	gatherer   *gatherer // for files that messages name; its shelf is that of each message
	visibility time.Duration
	wait       time.Duration
}

const allowQueue = "allow sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility"

// ReadEvents implements [taffrail.EventReader]. A message is deleted after what it brings is in the log. If we stop before, SQS gives it again, to us or to
// someone else; what was emitted of it already is known then by its events' ids.
func (q *queue) ReadEvents(ctx context.Context, after taffrail.Cursor, emit func(taffrail.Batch) error) error {
	p, err := parseProgress(after)
	if err != nil {
		return err
	}
	out := newBatcher(ctx, after, emit)
	out.settled = time.Unix(p.Settled, 0)
	for {
		start := q.gatherer.now()
		got, err := q.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &q.url, MaxNumberOfMessages: atOnce, VisibilityTimeout: int32(q.visibility.Seconds()), WaitTimeSeconds: int32(q.wait.Seconds()),
		})
		if err != nil {
			return failed(ctx, "ask the queue", err, allowQueue)
		}
		r := &round{gatherer: q.gatherer, p: p, start: start, horizon: start, out: out}
		if len(got.Messages) == 0 {
			return q.idle(ctx, r)
		}
		if err := q.messages(ctx, r, got.Messages); err != nil {
			return err
		}
	}
}

// idle ends a round at an empty queue: what was delivered is here.
func (q *queue) idle(ctx context.Context, r *round) error {
	r.gatherer = q.on("")
	r.live = true
	return r.end(ctx)
}

// on is a gatherer for the files of one bucket.
func (q *queue) on(name string) *gatherer {
	g := *q.gatherer
	g.shelf, g.live = &bucket{clients: q.clients, name: name}, true
	return &g
}

// messages takes what some messages bring, and deletes each that is done.
func (q *queue) messages(ctx context.Context, r *round, all []types.Message) error {
	h := q.hold(ctx, all)
	defer h.stop()
	for _, m := range all {
		done, err := q.message(ctx, r, m)
		if err != nil {
			return err
		}
		if !done {
			continue
		}
		if err := q.delete(ctx, m); err != nil {
			return err
		}
		h.release(m)
	}
	return nil
}

func (q *queue) delete(ctx context.Context, m types.Message) error {
	_, err := q.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: m.ReceiptHandle})
	if err != nil {
		return failed(ctx, "delete a message", err, allowQueue)
	}
	return nil
}

// message emits what one message brings, and says whether all of it is in the log.
func (q *queue) message(ctx context.Context, r *round, m types.Message) (done bool, err error) {
	body := aws.ToString(m.Body)
	p := unpack(body)
	if err := r.out.from("message " + aws.ToString(m.MessageId)); err != nil {
		return false, err
	}
	if p.fault != "" {
		if err := r.out.add([]byte(body), "message", p.fault); err != nil {
			return false, err
		}
	}
	for _, raw := range p.records {
		if err := r.out.add(raw, "message", ""); err != nil {
			return false, err
		}
	}
	if err := r.out.flush(""); err != nil {
		return false, err
	}
	done = true
	for _, o := range p.objects {
		read, err := q.object(ctx, r, o)
		if err != nil {
			return false, err
		}
		done = done && read
	}
	return done, nil
}

// object reads a file that a message names.
func (q *queue) object(ctx context.Context, r *round, o object) (done bool, err error) {
	r.gatherer = q.on(o.bucket)
	if name, end, ok := digest.Name(o.key); ok {
		return q.signed(ctx, r, o, name, end)
	}
	if isNone(o.key) {
		return true, nil
	}
	f := file{key: o.key, arrived: r.start}
	if at := f.delivered(); at.Before(r.from) {
		return true, nil
	}
	err = r.records(ctx, f)
	if errors.Is(err, fs.ErrNotExist) {
		err = r.out.add(nil, "message", "the file that the message names is gone")
	}
	if err != nil {
		return false, err
	}
	return true, r.out.flush("")
}

// signed verifies a digest that a message names. One that must wait for what it names stays in the queue.
func (q *queue) signed(ctx context.Context, r *round, o object, name string, end time.Time) (done bool, err error) {
	if r.digest == nil || end.Before(r.from) || end.Unix() <= r.p.Chains[token(name)].End {
		return true, nil
	}
	r.digests = []file{{key: o.key, arrived: end}}
	if err := r.out.from(r.shelf.describe(o.key)); err != nil {
		return false, err
	}
	_, err = r.look(ctx)
	r.digests = nil
	if err != nil {
		return false, err
	}
	return r.p.Chains[token(name)].End >= end.Unix(), r.save()
}

// A holder keeps messages from being given to others while we work.
type holder struct {
	mu     sync.Mutex
	held   map[string]bool // receipt handles
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

func (q *queue) hold(ctx context.Context, all []types.Message) *holder {
	ctx, cancel := context.WithCancel(ctx)
	h := &holder{held: map[string]bool{}, cancel: cancel}
	for _, m := range all {
		h.held[aws.ToString(m.ReceiptHandle)] = true
	}
	h.ended.Go(func() {
		tick := time.NewTicker(q.visibility / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				q.extend(ctx, h)
			}
		}
	})
	return h
}

// extend asks for more time. If that fails, the message may be read twice, which does no harm.
func (q *queue) extend(ctx context.Context, h *holder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for handle := range h.held {
		_, err := q.sqs.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &q.url, ReceiptHandle: &handle, VisibilityTimeout: int32(q.visibility.Seconds()),
		})
		if err != nil && ctx.Err() == nil {
			q.gatherer.logger.Warn("a message could not be held", "error", err)
		}
	}
}

func (h *holder) release(m types.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, aws.ToString(m.ReceiptHandle))
}

func (h *holder) stop() {
	h.cancel()
	h.ended.Wait()
}
