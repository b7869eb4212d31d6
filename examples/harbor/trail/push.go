package trail

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	pushBatch   = 100
	pushTimeout = 10 * time.Second
	firstWait   = 200 * time.Millisecond
	longestWait = 10 * time.Second
	// lastWords is how long the end may wait for a receiver.
	lastWords = 5 * time.Second
	// maxQueue bounds what waits for a receiver in memory; the rest waits in the spool.
	maxQueue = 10_000
)

// A Pusher posts records to one receiver, in the order in which they are due, and
// again until the receiver has taken them.
type Pusher struct {
	url    string
	client *http.Client
	logger *slog.Logger

	mu     sync.Mutex
	queue  []*item
	work   chan struct{} // something is in the queue
	ctx    context.Context
	cancel context.CancelFunc
	idle   chan struct{} // closed once the loop has ended
	ending bool
}

// NewPusher starts to post to a receiver. Close ends it.
func NewPusher(url string, logger *slog.Logger) *Pusher {
	p := &Pusher{url: url, client: &http.Client{Timeout: pushTimeout}, logger: logger, work: make(chan struct{}, 1), idle: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go p.loop()
	return p
}

// offer takes a record, or says that it has too many.
func (p *Pusher) offer(it *item) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) >= maxQueue || p.ending {
		return false
	}
	p.queue = append(p.queue, it)
	p.wake()
	return true
}

func (p *Pusher) wake() {
	select {
	case p.work <- struct{}{}:
	default:
	}
}

// Close waits a little for what is in the queue, and ends.
func (p *Pusher) Close() error {
	p.mu.Lock()
	p.ending = true
	p.wake()
	p.mu.Unlock()
	timer := time.AfterFunc(lastWords, p.cancel)
	<-p.idle
	timer.Stop()
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.queue); n > 0 {
		p.logger.Warn("records were not pushed", "number", n, "url", p.url)
	}
	return nil
}

func (p *Pusher) loop() {
	defer close(p.idle)
	for {
		batch, ending := p.next()
		switch {
		case len(batch) > 0:
			if !p.insist(batch) {
				return
			}
		case ending:
			return
		default:
			select {
			case <-p.work:
			case <-p.ctx.Done():
				return
			}
		}
	}
}

func (p *Pusher) next() (batch []*item, ending bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queue[:min(len(p.queue), pushBatch)], p.ending
}

// insist posts a batch until it is taken, and tells whether it was.
func (p *Pusher) insist(batch []*item) bool {
	body, err := envelopes(batch)
	if err != nil {
		p.logger.Error("push", "error", err)
		return false
	}
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := p.post(body)
		if err == nil {
			p.mu.Lock()
			p.queue = p.queue[len(batch):]
			p.mu.Unlock()
			for _, it := range batch {
				it.taken.Store(true)
			}
			return true
		}
		p.logger.Warn("push", "url", p.url, "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.ctx.Done():
			timer.Stop()
			return false
		}
	}
}

func envelopes(batch []*item) ([]byte, error) {
	all := make([]Envelope, len(batch))
	for i, it := range batch {
		var err error
		if all[i], err = Wrap(it.Record); err != nil {
			return nil, err
		}
	}
	return json.Marshal(all)
}

func (p *Pusher) post(body []byte) error {
	req, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("the receiver answers %s", resp.Status)
	}
	return nil
}
