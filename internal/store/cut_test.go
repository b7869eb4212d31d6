package store_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// A cutter stands between a store and Postgres, and cuts a connection once: when the store has said something, and the server has not heard
// it, or has done it and was not heard. The messages are those of PostgreSQL's protocol 3.0: a byte for the type, and four for the length.
type cutter struct {
	listener net.Listener
	server   string
	mu       sync.Mutex
	word     string // of the statement at which it cuts; empty: nowhere
	done     bool   // by the server, before it cuts
	cuts     int
}

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: listener, server: server}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.serve(client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		all.Wait()
	})
	return c
}

// arm has the next statement with a word cut, before or after the server has done it.
func (c *cutter) arm(word string, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.word, c.done, c.cuts = word, done, 0
}

func (c *cutter) fired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts > 0
}

// strikes says whether to cut here.
func (c *cutter) strikes(word string) (cut, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.word == "" || c.word != word {
		return false, false
	}
	c.word = ""
	c.cuts++
	return true, c.done
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	var deaf sync.Mutex // guards swallow
	swallow := false
	var back sync.WaitGroup
	back.Go(func() {
		defer client.Close()
		buffer := make([]byte, 64<<10)
		var swallowed []byte
		for {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			deaf.Lock()
			lost := swallow
			deaf.Unlock()
			if !lost {
				if _, err := client.Write(buffer[:n]); err != nil {
					return
				}
				continue
			}
			swallowed = append(swallowed, buffer[:n]...)
			if bytes.Contains(swallowed, []byte{'Z', 0, 0, 0, 5}) { // it is ready for the next: all is done
				return
			}
		}
	})
	c.forward(client, server, func() {
		deaf.Lock()
		defer deaf.Unlock()
		swallow = true
	})
	if !swallow {
		server.Close()
	}
	back.Wait()
}

// forward hands on what the store says, message by message, until it cuts. Lose is called before the message whose answer is to be lost.
func (c *cutter) forward(client io.Reader, server io.Writer, lose func()) {
	statements := map[string]string{} // that were prepared, by name
	for first := true; ; first = false {
		message, err := readMessage(client, first)
		if err != nil {
			return
		}
		word := ""
		switch message[0] {
		case 'Q': // a statement
			word = string(bytes.TrimRight(message[5:], "\x00"))
		case 'P': // name and statement, to be prepared
			parts := bytes.SplitN(message[5:], []byte{0}, 3)
			statements[string(parts[0])] = wordOf(parts[1])
		case 'B': // portal and name, to be run
			parts := bytes.SplitN(message[5:], []byte{0}, 3)
			word = statements[string(parts[1])]
		}
		cut, done := c.strikes(word)
		if cut && !done {
			return
		}
		if cut {
			lose()
		}
		if _, err := server.Write(message); err != nil {
			return
		}
	}
}

func wordOf(statement []byte) string {
	if bytes.Contains(statement, []byte("INTO outbox")) {
		return "queue"
	}
	return ""
}

// readMessage reads a message, the first of which has no type.
func readMessage(r io.Reader, first bool) ([]byte, error) {
	head := make([]byte, 5)
	if first {
		head = head[:4]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	rest := make([]byte, int(binary.BigEndian.Uint32(head[len(head)-4:]))-4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return nil, err
	}
	if first {
		head = append([]byte{0}, head...)
		return append(head, rest...)[1:], nil
	}
	return append(head, rest...), nil
}

// TestConnectionsAreCut cuts the connection at each durable step: before the server did it, and after it did and before anyone learned of it.
func TestConnectionsAreCut(t *testing.T) {
	for _, done := range []bool{false, true} {
		t.Run(fmt.Sprint("done=", done), func(t *testing.T) {
			direct := inSchema(t)
			u, err := url.Parse(direct.address)
			if err != nil {
				t.Fatal(err)
			}
			c := newCutter(t, u.Host)
			s := inPostgres(altered(t, direct.address, func(u *url.URL) { u.Host = c.listener.Addr().String() })).store(t, store.Create)
			update(t, s, named("before"))

			c.arm("commit", done)
			err = s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.Append(named("in doubt")); return err })
			if taffrail.KindOf(err) != taffrail.KindUnavailable || !c.fired() {
				t.Errorf("a commit that was cut: %v of kind %s, cut %v", err, taffrail.KindOf(err), c.fired())
			}
			want := []string{"before", "in doubt"}[:1]
			if done {
				want = []string{"before", "in doubt"}
			}
			if got := names(t, s); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("after a commit that was cut: %q, want %q", got, want)
			}

			await := sequenced(t, s)
			await(enqueue(t, s, named("first")))
			c.arm("queue", done)
			await(enqueue(t, s, named("once")))
			if !c.fired() {
				t.Error("nothing was cut")
			}
			c.arm("commit", done) // of a sequencer, or of a reader: whoever comes first
			await(enqueue(t, s, named("twice")))
			want = append(want, "first", "once", "twice")
			if got := names(t, inPostgres(direct.address).store(t, store.ReadOnly)); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%q, want %q", got, want)
			}
			if _, changed := rebuild(t, s); len(changed) != 0 {
				t.Errorf("%q", changed)
			}
		})
	}
}

// sequenced runs a sequencer, and gives what waits for it.
func sequenced(t *testing.T, s *store.Store) func(store.Ticket) {
	sequence(t, s)
	return func(ticket store.Ticket) { await(t, s, ticket) }
}
