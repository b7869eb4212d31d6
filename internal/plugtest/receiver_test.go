package plugtest

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// A fakeReceiver takes lines over TCP, and answers each with "taken" or "again", as promised until a fault is switched on.
type fakeReceiver struct{ fault string }

func (f *fakeReceiver) Receive(ctx context.Context, ready func(string), emit func(context.Context, taffrail.Batch) error) error {
	if ctx.Err() != nil && f.fault == "an error where it was cancelled before" {
		return ctx.Err()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.announce(l, ready)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if f.fault == "one sender only" {
				_ = l.Close()
			}
			running.Go(func() { f.take(ctx, conn, emit) })
		}
	})
	<-ctx.Done()
	switch f.fault {
	case "goes on listening":
		return nil
	case "returns while emit runs":
		_ = l.Close()
		return nil
	case "never ends":
		select {}
	}
	_ = l.Close()
	running.Wait()
	if f.fault == "an error at the end" {
		return ctx.Err()
	}
	return nil
}

func (f *fakeReceiver) announce(l net.Listener, ready func(string)) {
	switch f.fault {
	case "never ready":
		return
	case "ready twice":
		ready(l.Addr().String())
	case "ready at another address":
		ready("127.0.0.1:1")
		return
	}
	ready(l.Addr().String())
}

func (f *fakeReceiver) take(ctx context.Context, conn net.Conn, emit func(context.Context, taffrail.Batch) error) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	if f.fault == "says taken before emit" {
		_, _ = conn.Write([]byte("taken\n"))
	}
	err = emit(context.WithoutCancel(ctx), f.batch(strings.TrimSpace(line)))
	if f.fault == "emits twice" {
		err = emit(ctx, f.batch(line))
	}
	if err != nil && f.fault != "says taken where emit failed" || f.fault == "says again where it was taken" {
		_, _ = conn.Write([]byte("again\n"))
		return
	}
	_, _ = conn.Write([]byte("taken\n"))
}

func (f *fakeReceiver) batch(line string) taffrail.Batch {
	b := taffrail.Batch{Origin: "fake", Records: []taffrail.Record{{Format: "fake", Raw: []byte(line)}}}
	switch f.fault {
	case "no origin":
		b.Origin = ""
	case "a cursor":
		b.Next = "1"
	case "no format":
		b.Records[0].Format = ""
	case "no bytes":
		b.Records[0].Raw = nil
	case "loses a record":
		b.Records = nil
	}
	return b
}

func sendLine(ctx context.Context, address string) (bool, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := conn.Write([]byte("hello\n")); err != nil {
		return false, err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return false, errors.New("no answer")
	}
	return answer == "taken\n", nil
}

func fakeReceiverCase(fault string) ReceiverCase {
	return ReceiverCase{Open: func(*testing.T) taffrail.EventReceiver { return &fakeReceiver{fault: fault} }, Send: sendLine, Records: 1}
}

func TestReceiverContract(t *testing.T) { Receiver(t, fakeReceiverCase("")) }

func TestReceiverContractFindsFaults(t *testing.T) {
	patience = patience / 40
	defer func() { patience *= 40 }()
	for _, fault := range []string{
		"an error where it was cancelled before", "one sender only", "goes on listening", "returns while emit runs", "never ends", "an error at the end",
		"never ready", "ready twice", "ready at another address", "says taken before emit", "emits twice", "says taken where emit failed",
		"no origin", "a cursor", "no format", "no bytes", "loses a record", "says again where it was taken",
	} {
		t.Run(fault, func(t *testing.T) {
			for _, p := range receiverPromises {
				if err := p.check(t, fakeReceiverCase(fault)); err != nil {
					t.Logf("%s: %v", p.name, err)
					return
				}
			}
			t.Error("no promise was found broken")
		})
	}
}
