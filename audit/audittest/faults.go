package audittest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/taffrail-dev/taffrail/audit"
	"golang.org/x/mod/sumdb/note"
)

// A Step is a durable step in the life of an entry.
type Step int

// The durable steps, in their order.
const (
	Commit          Step = iota // the transaction that holds entries and hashes
	GuardSwap                   // the guard's compare-and-swap
	Signature                   // the key signs
	StoreCheckpoint             // the transaction that stores the note
)

// String names the step in test names.
func (s Step) String() string {
	return [...]string{"commit", "guard_swap", "signature", "store_checkpoint"}[s]
}

// A Fault is a point at which something goes wrong: before a step took effect, or after it did and before anyone
// learned of it.
type Fault struct {
	Step      Step
	Persisted bool
}

// String names the fault in test names: "guard_swap/fails_but_persisted".
func (f Fault) String() string {
	if f.Persisted {
		return f.Step.String() + "/fails_but_persisted"
	}
	return f.Step.String() + "/fails"
}

// Matrix lists every fault.
func Matrix() []Fault {
	var all []Fault
	for s := Commit; s <= StoreCheckpoint; s++ {
		all = append(all, Fault{s, false}, Fault{s, true})
	}
	return all
}

// ErrInjected is what a step reports that was made to fail.
var ErrInjected = errors.New("injected fault")

// Faults decides which step fails. The zero Faults lets all succeed. It is shared by the wrappers of one log.
type Faults struct {
	mu    sync.Mutex
	armed *Fault
	hook  func() error
	fired bool
}

// Arm makes the next step of a kind fail, once. At the point, hook is called and its error is what the step reports; a
// hook that kills the process does not return. Without a hook, or where the hook returns nil, it is [ErrInjected].
func (f *Faults) Arm(fault Fault, hook func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.hook, f.fired = &fault, hook, false
}

// Disarm lets all steps succeed, and says whether the last armed fault has happened.
func (f *Faults) Disarm() (fired bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = nil
	return f.fired
}

// At is called at a point, and fails if it is armed. Code that makes a durable step by other means than the wrappers
// here calls it itself, with persisted false before and true after.
func (f *Faults) At(step Step, persisted bool) error {
	hook, hit := f.take(Fault{step, persisted})
	if !hit {
		return nil
	}
	if hook != nil {
		if err := hook(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%v: %w", Fault{step, persisted}, ErrInjected)
}

func (f *Faults) take(at Fault) (hook func() error, hit bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.armed == nil || *f.armed != at {
		return nil, false
	}
	f.armed, f.fired = nil, true
	return f.hook, true
}

// Do makes a step that is one call.
func (f *Faults) Do(step Step, do func() error) error {
	if err := f.At(step, false); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return f.At(step, true)
}

// FaultyStorage is s, with [Commit] and [StoreCheckpoint] failing on demand. It is an [audit.LaterWriter] if s is.
func FaultyStorage(s audit.Storage, f *Faults) audit.Storage {
	faulty := &faultyStorage{s, f}
	if later, ok := s.(audit.LaterWriter); ok {
		return &faultyLater{faulty, later}
	}
	return faulty
}

type faultyStorage struct {
	audit.Storage
	faults *Faults
}

// Write runs the transaction to its end before it fails: what was written in it is rolled back by the storage.
func (s *faultyStorage) Write(ctx context.Context, do func(audit.Writer) error) error {
	return s.write(ctx, s.Storage.Write, do)
}

type faultyLater struct {
	*faultyStorage
	later audit.LaterWriter
}

// WriteLater fails as Write does, and waits until it is known whether it does.
func (s *faultyLater) WriteLater(ctx context.Context, do func(audit.Writer) error) error {
	return s.write(ctx, s.writeLater, do)
}

func (s *faultyLater) writeLater(ctx context.Context, do func(audit.Writer) error) error {
	failed := errors.New("what was to be written later is not there when it is looked for")
	err := s.later.WriteLater(ctx, func(w audit.Writer) error {
		failed = do(w)
		return failed
	})
	if err != nil {
		return err
	}
	if err := s.View(ctx, func(audit.Reader) error { return nil }); err != nil { // which comes after it
		return err
	}
	return failed
}

func (s *faultyStorage) write(ctx context.Context, write func(context.Context, func(audit.Writer) error) error, do func(audit.Writer) error) error {
	var watched *watchedWriter
	err := write(ctx, func(w audit.Writer) error {
		watched = &watchedWriter{Writer: w}
		if err := do(watched); err != nil {
			return err
		}
		return watched.each(func(step Step) error { return s.faults.At(step, false) })
	})
	if err != nil {
		return err
	}
	return watched.each(func(step Step) error { return s.faults.At(step, true) })
}

// A watchedWriter remembers which steps its transaction is.
type watchedWriter struct {
	audit.Writer
	entries, checkpoint bool
}

func (w *watchedWriter) each(f func(Step) error) error {
	if w.entries {
		if err := f(Commit); err != nil {
			return err
		}
	}
	if w.checkpoint {
		return f(StoreCheckpoint)
	}
	return nil
}

func (w *watchedWriter) PutEntry(index int64, body []byte) error {
	w.entries = true
	return w.Writer.PutEntry(index, body)
}

func (w *watchedWriter) PutCheckpoint(size int64, note []byte) error {
	w.checkpoint = true
	return w.Writer.PutCheckpoint(size, note)
}

// FaultyGuard is g, with [GuardSwap] failing on demand.
func FaultyGuard(g audit.Guard, f *Faults) audit.Guard { return &faultyGuard{g, f} }

type faultyGuard struct {
	audit.Guard
	faults *Faults
}

func (g *faultyGuard) Swap(ctx context.Context, old, new audit.Head) error {
	return g.faults.Do(GuardSwap, func() error { return g.Guard.Swap(ctx, old, new) })
}

// FaultyKey is k, with [Signature] failing on demand.
func FaultyKey(k note.Signer, f *Faults) note.Signer { return &faultyKey{k, f} }

type faultyKey struct {
	note.Signer
	faults *Faults
}

func (k *faultyKey) Sign(msg []byte) (sig []byte, err error) {
	err = k.faults.Do(Signature, func() error {
		sig, err = k.Signer.Sign(msg)
		return err
	})
	return sig, err
}
