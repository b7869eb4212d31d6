package socket

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

const origin = "taffrail.local/test"

// socketPath is short, since the path of a socket is limited.
func socketPath(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "sig")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return filepath.Join(folder, "run", "signer.sock")
}

// A world has a signer, and a server that serves it.
type world struct {
	t       *testing.T
	path    string
	faults  audittest.Faults
	guard   *audittest.MemoryGuard
	ring    audit.Ring
	signer  audit.Signer
	control audit.KeyControl
	server  *server
	logged  *buffer
	stop    func() // the server
}

// A buffer may be written and read at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, path: socketPath(t), guard: audittest.NewMemoryGuard(), logged: &buffer{}}
	key, verifier := keyOf(t, origin)
	logKey, err := audit.NewLogKey(verifier, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audit.NewKeys(logKey)
	if err != nil {
		t.Fatal(err)
	}
	if w.ring, err = audit.NewRing(keys, audittest.FaultyKey(key, &w.faults)); err != nil {
		t.Fatal(err)
	}
	w.signer = audit.NewSigner(w.ring, audittest.FaultyGuard(w.guard, &w.faults))
	w.server = w.newServer(ServerConfig{Path: w.path})
	return w
}

func keyOf(t *testing.T, origin string) (note.Signer, string) {
	t.Helper()
	private, public, err := note.GenerateKey(nil, origin)
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return key, public
}

func (w *world) newServer(c ServerConfig) *server {
	w.t.Helper()
	s, err := newServer(plug.Env{Logger: slog.New(slog.NewTextHandler(w.logged, nil))}, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// serve runs the server until the test ends, or stop is called.
func (w *world) serve() *world {
	w.t.Helper()
	l, err := w.server.Listen(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.serveOn(l)
	return w
}

func (w *world) serveOn(l net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(ctx, l, w.signer, w.control) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			w.t.Errorf("serve: %v", err)
		}
	})
	w.t.Cleanup(func() { w.stop() })
}

func (w *world) client() *client { return clientOf(w.t, w.path) }

func clientOf(t testing.TB, path string) *client {
	t.Helper()
	c, err := newClient(Config{Path: path, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A tree is a log that grows, with what is needed to prove it.
type tree struct {
	t      testing.TB
	hashes []tlog.Hash
	size   int64
}

func (l *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		out[i] = l.hashes[at]
	}
	return out, nil
}

func (l *tree) grow(n int64) {
	l.t.Helper()
	for range n {
		more, err := tlog.StoredHashes(l.size, []byte{byte(l.size)}, l)
		if err != nil {
			l.t.Fatal(err)
		}
		l.hashes = append(l.hashes, more...)
		l.size++
	}
}

func (l *tree) at(size int64) tlog.Tree {
	l.t.Helper()
	if size == 0 {
		return tlog.Tree{Hash: audit.EmptyRoot()}
	}
	root, err := tlog.TreeHash(size, l)
	if err != nil {
		l.t.Fatal(err)
	}
	return tlog.Tree{N: size, Hash: root}
}

func (l *tree) head(size int64) audit.Head {
	at := l.at(size)
	return audit.Head{Origin: origin, Size: at.N, Root: at.Hash}
}

func (l *tree) proof(old, new int64) tlog.TreeProof {
	l.t.Helper()
	if old == 0 || old == new {
		return nil
	}
	p, err := tlog.ProveTree(new, old, l)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

// begin signs the empty log, and then size entries.
func (l *tree) begin(s audit.Signer, size int64) {
	l.t.Helper()
	l.grow(size)
	if _, err := s.Sign(l.t.Context(), audit.Head{}, l.at(0), nil); err != nil {
		l.t.Fatal(err)
	}
	if _, err := s.Sign(l.t.Context(), l.head(0), l.at(size), nil); err != nil {
		l.t.Fatal(err)
	}
}
