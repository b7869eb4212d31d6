package audittest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/taffrail-dev/taffrail/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// A State is what a [Memory] holds, open to be tampered with. Nil stands for what is missing.
type State struct {
	Entries     [][]byte
	Hashes      []*tlog.Hash // by [tlog.StoredHashIndex]
	Checkpoints []Note       // by increasing size
	Pruned      int64        // bodies before this index were dropped on purpose
}

// A Note is a stored checkpoint.
type Note struct {
	Size int64
	Note []byte
}

// Clone is a copy that shares nothing.
func (s State) Clone() State {
	c := State{
		Entries:     slices.Clone(s.Entries),
		Hashes:      slices.Clone(s.Hashes),
		Checkpoints: slices.Clone(s.Checkpoints),
		Pruned:      s.Pruned,
	}
	for i, e := range c.Entries {
		c.Entries[i] = bytes.Clone(e)
	}
	for i, h := range c.Hashes {
		if h != nil {
			one := *h
			c.Hashes[i] = &one
		}
	}
	for i, n := range c.Checkpoints {
		c.Checkpoints[i].Note = bytes.Clone(n.Note)
	}
	return c
}

// A Memory is an [audit.Storage] and an [audit.LaterWriter] without a database. What a snapshot holds is never changed: a transaction
// writes behind it, or copies.
type Memory struct {
	writer  sync.Mutex // held by the one transaction
	mu      sync.Mutex
	state   State
	durable State // without what was written later
}

// NewMemory gives empty storage.
func NewMemory() *Memory { return &Memory{} }

// State gives a copy of what is stored, such as a backup is.
func (m *Memory) State() State { return m.snapshot().Clone() }

// Restore puts a copy in place of what is stored.
func (m *Memory) Restore(s State) {
	m.writer.Lock()
	defer m.writer.Unlock()
	m.set(s.Clone(), true)
}

// LosePower takes away what was written later and was not durable yet, as a machine does that stops.
func (m *Memory) LosePower() {
	m.writer.Lock()
	defer m.writer.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = m.durable
}

// Tamper changes what is stored behind the log's back.
func (m *Memory) Tamper(f func(*State)) {
	s := m.State()
	f(&s)
	m.Restore(s)
}

func (m *Memory) snapshot() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

func (m *Memory) set(s State, durable bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
	if durable {
		m.durable = s
	}
}

// View implements [audit.Storage].
func (m *Memory) View(ctx context.Context, f func(audit.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f(&memoryTx{m.snapshot()})
}

// Write implements [audit.Storage].
func (m *Memory) Write(ctx context.Context, f func(audit.Writer) error) error {
	return m.write(ctx, f, true)
}

// WriteLater implements [audit.LaterWriter].
func (m *Memory) WriteLater(ctx context.Context, f func(audit.Writer) error) error {
	return m.write(ctx, f, false)
}

func (m *Memory) write(ctx context.Context, f func(audit.Writer) error, durable bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.writer.Lock()
	defer m.writer.Unlock()
	tx := &memoryTx{m.snapshot()}
	if err := f(tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.set(tx.s, durable)
	return nil
}

type memoryTx struct{ s State }

func (t *memoryTx) Size() (int64, error) { return int64(len(t.s.Entries)), nil }

func (t *memoryTx) Pruned() (int64, error) { return t.s.Pruned, nil }

func (t *memoryTx) ReadHashes(ids []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(ids))
	for i, id := range ids {
		if id < 0 || id >= int64(len(t.s.Hashes)) || t.s.Hashes[id] == nil {
			return nil, fmt.Errorf("hash %d: %w", id, audit.ErrMissing)
		}
		hashes[i] = *t.s.Hashes[id]
	}
	return hashes, nil
}

// Prune drops the bodies of entries before an index, as retention does.
func (m *Memory) Prune(before int64) error {
	if s := m.snapshot(); before%audit.TileWidth != 0 || before > int64(len(s.Entries)) || before < s.Pruned {
		return fmt.Errorf("prune before %d: there are %d entries, and %d are pruned", before, len(s.Entries), s.Pruned)
	}
	m.Tamper(func(s *State) {
		s.Pruned = before
		clear(s.Entries[:before])
	})
	return nil
}

func (t *memoryTx) Entries(from, to int64, f func(int64, []byte) error) error {
	for i := from; i < to; i++ {
		if i < max(0, t.s.Pruned) || i >= int64(len(t.s.Entries)) || t.s.Entries[i] == nil {
			return fmt.Errorf("entry %d: %w", i, audit.ErrMissing)
		}
		if err := f(i, bytes.Clone(t.s.Entries[i])); err != nil {
			return err
		}
	}
	return nil
}

func (t *memoryTx) Checkpoint() ([]byte, error) {
	if n := len(t.s.Checkpoints); n > 0 {
		return bytes.Clone(t.s.Checkpoints[n-1].Note), nil
	}
	return nil, nil
}

func (t *memoryTx) CheckpointAt(size int64) ([]byte, error) {
	if i, ok := slices.BinarySearchFunc(t.s.Checkpoints, size, bySize); ok {
		return bytes.Clone(t.s.Checkpoints[i].Note), nil
	}
	return nil, nil
}

func bySize(n Note, size int64) int { return cmp.Compare(n.Size, size) }

func (t *memoryTx) Checkpoints(f func(int64, []byte) error) error {
	for _, n := range t.s.Checkpoints {
		if err := f(n.Size, bytes.Clone(n.Note)); err != nil {
			return err
		}
	}
	return nil
}

func (t *memoryTx) PutEntry(index int64, body []byte) error {
	if index != int64(len(t.s.Entries)) {
		return fmt.Errorf("put entry %d: %d is next", index, len(t.s.Entries))
	}
	t.s.Entries = append(t.s.Entries, bytes.Clone(body))
	return nil
}

func (t *memoryTx) PutHashes(first int64, hashes []tlog.Hash) error {
	if first != int64(len(t.s.Hashes)) {
		return fmt.Errorf("put hash %d: %d is next", first, len(t.s.Hashes))
	}
	for _, h := range hashes {
		t.s.Hashes = append(t.s.Hashes, &h)
	}
	return nil
}

func (t *memoryTx) PutCheckpoint(size int64, note []byte) error {
	n := Note{size, bytes.Clone(note)}
	all := slices.Clone(t.s.Checkpoints)
	i, taken := slices.BinarySearchFunc(all, size, bySize)
	if taken {
		all[i] = n
	} else {
		all = slices.Insert(all, i, n)
	}
	t.s.Checkpoints = all
	return nil
}

// A MemoryGuard is an [audit.Guard] without a file.
type MemoryGuard struct {
	mu   sync.Mutex
	head audit.Head
}

// NewMemoryGuard gives a guard without state.
func NewMemoryGuard() *MemoryGuard { return &MemoryGuard{} }

// Set puts a head in place behind the log's back. The zero Head deletes the state.
func (g *MemoryGuard) Set(h audit.Head) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.head = h
}

// Load implements [audit.Guard].
func (g *MemoryGuard) Load(ctx context.Context) (audit.Head, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return audit.Head{}, err
	}
	if g.head == (audit.Head{}) {
		return audit.Head{}, audit.ErrNoHead
	}
	return g.head, nil
}

// Swap implements [audit.Guard].
func (g *MemoryGuard) Swap(ctx context.Context, old, new audit.Head) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.head != old {
		return fmt.Errorf("held is size %d: %w", g.head.Size, audit.ErrConflict)
	}
	g.head = new
	return nil
}
