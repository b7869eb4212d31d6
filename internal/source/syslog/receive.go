package syslog

import (
	"bufio"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/mapping"
	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
	"github.com/taffrail-dev/taffrail/internal/source/internal/route"
)

// Bounds of what is read from one connection before it is in the log. There may be a thousand connections.
const (
	batchRecords = 1000
	batchBytes   = 256 << 10
)

// A receiver takes messages.
type receiver struct {
	endpoint *receive.Endpoint
	limit    int
	now      func() time.Time
	logger   *slog.Logger
	times    limits
}

// Receive implements [taffrail.EventReceiver].
func (r *receiver) Receive(ctx context.Context, announce func(string), emit receive.Emit) error {
	if ctx.Err() != nil {
		return nil
	}
	l, err := r.endpoint.Listen(ctx)
	if err != nil {
		return err
	}
	// What was read is still put into the log when ctx has ended, for a while.
	storing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close() // Accept says why
		time.AfterFunc(r.times.grace, cancel)
	})
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	announce(l.Addr().String())
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case err != nil:
			return &taffrail.Error{Op: "receive events", Kind: taffrail.KindUnavailable, Err: err}
		}
		running.Go(func() { r.serve(ctx, storing, conn, emit) })
	}
}

// serve takes what comes over one connection.
func (r *receiver) serve(ctx, storing context.Context, conn net.Conn, emit receive.Emit) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	peer, err := r.peer(ctx, conn)
	if err != nil {
		r.say("a connection was not taken", conn, err)
		return
	}
	c := &connection{receiver: r, ctx: ctx, conn: conn, lines: bufio.NewReaderSize(conn, 64<<10), origin: peer}
	for err == nil {
		err = c.read()
		if storeErr := r.store(storing, emit, c.take()); storeErr != nil {
			err = storeErr
		}
	}
	if ctx.Err() == nil {
		r.say("a connection has ended", conn, err)
	}
}

// peer completes the handshake, if there is one, and says who sends.
func (r *receiver) peer(ctx context.Context, conn net.Conn) (string, error) {
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		host = conn.RemoteAddr().String()
	}
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return host, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.times.handshake)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return "", err
	}
	if certs := secure.ConnectionState().PeerCertificates; len(certs) > 0 && certs[0].Subject.CommonName != "" {
		return certs[0].Subject.CommonName + " at " + host, nil
	}
	return host, nil
}

func (r *receiver) say(what string, conn net.Conn, err error) {
	if r.logger != nil {
		r.logger.Debug(what, "peer", conn.RemoteAddr().String(), "err", err)
	}
}

// maxPause bounds how long it waits before it offers a batch again.
const maxPause = 5 * time.Second

// store puts a batch into the log, however often that has to be tried: it is lost where it is not. Nothing is read from the connection meanwhile.
func (r *receiver) store(ctx context.Context, emit receive.Emit, b taffrail.Batch) error {
	for pause := r.times.pause; len(b.Records) > 0; pause = min(2*pause, maxPause) {
		err := emit(ctx, b)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
	return nil
}

// A connection is one sender's.
type connection struct {
	*receiver
	ctx    context.Context
	conn   net.Conn
	lines  *bufio.Reader
	origin string

	records []taffrail.Record
	size    int
}

// take gives what was read, as a batch.
func (c *connection) take() taffrail.Batch {
	b := taffrail.Batch{Origin: c.origin, Records: c.records}
	c.records, c.size = nil, 0
	return b
}

// read waits for a message, and reads those that have come with it.
func (c *connection) read() error {
	if _, err := skip(c.lines); err != nil { // it may come as late as it likes
		return err
	}
	for {
		c.deadline(time.Now().Add(c.times.message))
		f, err := readFrame(c.lines, c.limit)
		if len(f.text) > 0 {
			c.add(f)
		}
		if err != nil {
			return err
		}
		if len(c.records) >= batchRecords || c.size >= batchBytes || !ready(c.lines) {
			c.deadline(time.Time{})
			return nil
		}
	}
}

// deadline sets the deadline, unless it is that of the end.
func (c *connection) deadline(at time.Time) {
	_ = c.conn.SetReadDeadline(at) // if it cannot be set, reading fails as well
	if c.ctx.Err() != nil {
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *connection) add(f frame) {
	for _, rec := range c.recordsOf(f) {
		c.records, c.size = append(c.records, rec), c.size+len(rec.Raw)
	}
}

func (c *connection) recordsOf(f frame) []taffrail.Record {
	own := taffrail.Record{Format: Name, Raw: f.text, Fault: f.fault}
	if f.fault != "" {
		return []taffrail.Record{own}
	}
	m, err := parse(f.text)
	if err != nil {
		own.Fault = errNoMessage.Error()
		return []taffrail.Record{own}
	}
	if m.isJSON() {
		if known, ok := route.Records([]byte(m.Message)); ok {
			return known
		}
	}
	if m.Timestamp == nil {
		own.Raw = mapping.Stamp(m.object(), mapping.Delivery{Received: c.now().UTC()})
	}
	return []taffrail.Record{own}
}
