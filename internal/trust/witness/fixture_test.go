package witness

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// A history is a log in memory.
type history struct {
	t        testing.TB
	origin   string
	ring     audit.Ring
	vkey     string
	verifier note.Verifier
	storage  *audittest.Memory
	log      *audit.Log
}

func newHistory(t testing.TB, origin string) *history {
	t.Helper()
	return begin(t, audittest.Ring(t, origin))
}

// fork is another history under the same key.
func (h *history) fork() *history { return begin(h.t, h.ring) }

func begin(t testing.TB, ring audit.Ring) *history {
	t.Helper()
	h := &history{t: t, origin: ring.Keys().Origin(), ring: ring, vkey: ring.Keys().Newest().VKey, storage: audittest.NewMemory()}
	var err error
	if h.verifier, err = note.NewVerifier(h.vkey); err != nil {
		t.Fatal(err)
	}
	if h.log, err = audit.Begin(t.Context(), h.storage, audit.NewSigner(ring, audittest.NewMemoryGuard())); err != nil {
		t.Fatal(err)
	}
	return h
}

// grow appends entries up to a size, and signs.
func (h *history) grow(size int64, mark string) audit.Checkpoint {
	h.t.Helper()
	err := h.storage.Write(h.t.Context(), func(w audit.Writer) error {
		n, err := w.Size()
		for ; err == nil && n < size; n++ {
			_, err = audit.Append(w, fmt.Appendf(nil, `{"mark":"%s","n":%d}`, mark, n))
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	cp, err := h.log.Sign(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return cp
}

func (h *history) growth(old int64, cp audit.Checkpoint) audit.Growth {
	h.t.Helper()
	var g audit.Growth
	if err := h.storage.View(h.t.Context(), func(r audit.Reader) (err error) { g, err = audit.ProveGrowth(r, old, cp); return err }); err != nil {
		h.t.Fatal(err)
	}
	return g
}

// A memory is the guards of a witness.
type memory struct {
	mu     sync.Mutex
	guards map[string]*audittest.MemoryGuard
}

func (m *memory) of(origin string) (audit.Guard, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.guards == nil {
		m.guards = map[string]*audittest.MemoryGuard{}
	}
	if m.guards[origin] == nil {
		m.guards[origin] = audittest.NewMemoryGuard()
	}
	return m.guards[origin], nil
}

// A station is a witness with what it is made of.
type station struct {
	t        testing.TB
	logs     *Logs
	witness  *audit.Witness
	vkey     string
	verifier note.Verifier
	memory   *memory
	handler  http.Handler
}

// newStation makes a witness that knows these logs, and asks for the time at each step.
func newStation(t testing.TB, name string, now func() time.Time, change func(*Options), histories ...*history) *station {
	t.Helper()
	var policy bytes.Buffer
	for _, h := range histories {
		fmt.Fprintf(&policy, "log %s\n", h.vkey)
	}
	logs, err := ParseLogs(policy.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var seed [32]byte
	rand.Read(seed[:])
	skey, vkey, err := audit.GenerateCosigner(name, seed)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewCosigner(skey, now)
	if err != nil {
		t.Fatal(err)
	}
	s := &station{t: t, logs: logs, vkey: vkey, memory: &memory{}}
	if s.verifier, err = audit.NewCosignatureVerifier(vkey); err != nil {
		t.Fatal(err)
	}
	s.witness = logs.Witness(signer, s.memory.of)
	o := Options{Origins: logs.Origins(), Now: now, Logger: slog.New(slog.DiscardHandler), Burst: 1 << 20}
	if change != nil {
		change(&o)
	}
	s.handler = Handler(s.witness, o)
	return s
}

// ask sends a request to the handler itself.
func (s *station) ask(method, path string, body []byte) *http.Response {
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, httptest.NewRequest(method, path, bytes.NewReader(body)))
	return recorder.Result()
}

// open opens a client through the registry, as the program does.
func open(t testing.TB, now func() time.Time, settings string) audit.Cosigning {
	t.Helper()
	c, err := tryOpen(t, now, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(interface{ Close() error }).Close() })
	return c
}

func tryOpen(t testing.TB, now func() time.Time, settings string) (audit.Cosigning, error) {
	t.Helper()
	r := &plug.Registry{}
	Register(r)
	env := plug.Env{Logger: slog.New(slog.DiscardHandler), Now: now}
	return plug.Open[audit.Cosigning](t.Context(), r, "http", env, plug.Settings{File: "test", YAML: []byte(settings)})
}

// sizeAsked is the size that an error asks to go on from; -1 for another error.
func sizeAsked(err error) int64 {
	var size *audit.OldSizeError
	if errors.As(err, &size) {
		return size.Size
	}
	return -1
}
