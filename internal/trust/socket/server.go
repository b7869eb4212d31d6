package socket

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

// A server is an [audit.SignerServer].
type server struct {
	path        string
	users       users // whom we sign for
	shared      bool  // with other users than our own
	timeout     time.Duration
	connections int
	logger      *slog.Logger
}

// Serve implements [audit.SignerServer]. When ctx ends, requests that have arrived are still answered.
func (s *server) Serve(ctx context.Context, l net.Listener, signer audit.Signer, control audit.KeyControl) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	defer l.Close()
	var all sync.WaitGroup
	defer all.Wait()
	places := make(chan struct{}, s.connections)
	for {
		select {
		case places <- struct{}{}: // further ones wait in the system's queue
		case <-ctx.Done():
			return nil
		}
		conn, err := s.accept(ctx, l)
		if err != nil || conn == nil {
			return err
		}
		all.Go(func() {
			defer func() { <-places }()
			defer conn.Close()
			if err := s.answer(ctx, conn, signer, control); err != nil && ctx.Err() == nil {
				s.logger.WarnContext(ctx, "a client of the signer went without an answer", "error", err)
			}
		})
	}
}

// accept takes the next connection, and none if ctx has ended. A system that has no descriptors left gets some back.
func (s *server) accept(ctx context.Context, l net.Listener) (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		conn, err := l.Accept()
		switch {
		case err == nil:
			return conn, nil
		case ctx.Err() != nil:
			return nil, nil
		case errors.Is(err, net.ErrClosed):
			return nil, &taffrail.Error{Op: "serve signer", Kind: taffrail.KindInternal, Err: err}
		}
		s.logger.WarnContext(ctx, "a connection to the signer was not accepted", "error", err)
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(pause):
		}
	}
}

// answer serves one connection. A stranger gets nothing.
func (s *server) answer(ctx context.Context, conn net.Conn, signer audit.Signer, control audit.KeyControl) error {
	if err := checkPeer(conn, s.users); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(s.timeout)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) }) // whoever has not asked yet need not any more
	r, err := receive[request](conn)
	stop()
	if err != nil {
		refused := &taffrail.Error{Op: "read request to signer", Kind: taffrail.KindInvalid, Err: err, Hint: "run signer and client of one release"}
		_ = writeFrame(conn, answer{Version: protocol, Error: formOfError(refused)}) // it may be gone
		return err
	}
	// What was begun is carried to its end, whether or not anyone waits for it any more.
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	a := perform(within, r, signer, control)
	a.Version = protocol
	return writeFrame(conn, a)
}

// perform calls the method that a request names.
func perform(ctx context.Context, r request, signer audit.Signer, control audit.KeyControl) (a answer) {
	var keys audit.Keys
	var err error
	switch r.Op {
	case opHead:
		var h audit.Head
		if h, err = signer.Head(ctx); err == nil {
			a.Head = formOf(h)
		}
	case opSign:
		a.Note, err = signer.Sign(ctx, r.Old.head(), tlog.Tree{N: r.Size, Hash: *r.Root}, r.Proof)
	case opKeys:
		keys, err = signer.Keys(ctx)
	case opRotate, opRevoke:
		keys, err = change(ctx, r, control)
	}
	if err != nil {
		return answer{Error: formOfError(err)}
	}
	a.Keys = keys.String()
	return a
}

func change(ctx context.Context, r request, control audit.KeyControl) (audit.Keys, error) {
	if control == nil {
		return audit.Keys{}, &taffrail.Error{
			Op: "change signing keys", Kind: taffrail.KindDenied, Err: errors.New("this signer does not let its keys be changed from here"),
			Hint: "change them where the signer runs",
		}
	}
	if r.Op == opRotate {
		return control.Rotate(ctx, r.From, r.Until)
	}
	return control.Revoke(ctx, r.VKey, r.At)
}
