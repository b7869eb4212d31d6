package audit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// A Log is one log, open for signing. Several may be open over one storage, in one process or in several. All methods
// may be called at the same time.
type Log struct {
	storage Storage
	signer  Signer
	turn    chan struct{} // holds one token while a round runs
	signed  position      // what the last round signed, of whoever holds the token; the zero position if it failed
	looked  time.Time     // when the last round looked at all that [Open] looks at; of whoever holds the token

	mu   sync.Mutex
	next *round // has not looked at the log yet, so that whoever comes now is covered by it
}

// A position is a checkpoint with the right edge of its tree.
type position struct {
	cp   Checkpoint
	edge edge
}

// A round is one signature, for all who asked for one before it looked at the log.
type round struct {
	done chan struct{}
	cp   Checkpoint
	err  error
	left bool // whoever led it gave up for reasons of its own; the others try again
}

func newLog(s Storage, signer Signer) *Log {
	return &Log{storage: s, signer: signer, turn: make(chan struct{}, 1)}
}

// Begin starts a log where neither a log nor guard state exists, and opens it. A log of one entry or more, or guard state
// of one, is [ErrExists] or a [*CorruptError].
//
// The guard's state comes first: an empty log by this name. If we stop after that, the next [Open] finds a guard that
// knows no entry and storage that holds none, and goes on: nothing can have been lost. A guard that knows entries where
// the storage holds none is a log that was lost, and that is refused.
func Begin(ctx context.Context, s Storage, signer Signer) (*Log, error) {
	head, err := loadHead(ctx, s, signer)
	switch {
	case err == nil && head.Size > 0:
		return nil, fmt.Errorf("begin log: %w, with %d entries signed", ErrExists, head.Size)
	case err != nil && !errors.Is(err, ErrNoLog):
		return nil, fmt.Errorf("begin log: %w", err)
	case err != nil:
		_, err := signer.Sign(ctx, Head{}, tlog.Tree{Hash: EmptyRoot()}, nil)
		if err != nil && !errors.Is(err, ErrConflict) { // with a conflict, another process has just begun it
			return nil, fmt.Errorf("begin log: %w", err)
		}
	}
	return Open(ctx, s, signer)
}

// Open opens a log that was begun. It compares what is stored with the guard in O(log n), and refuses, with a
// [*CorruptError], a log that is shorter than the guard knows, or other, or whose guard state is gone. Then it signs what
// a crash has left unsigned, and stores the checkpoint if that is missing. With neither log nor guard state it is
// [ErrNoLog].
//
// It does not look at every entry: that is [Log.Verify].
func Open(ctx context.Context, s Storage, signer Signer) (*Log, error) {
	l := newLog(s, signer)
	if _, err := l.Sign(ctx); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

// Sign gives a signed and stored checkpoint that covers every entry which was committed before the call. The guard holds it for good; the
// note is stored no later than the next entry is, and if we stop before that it is signed again. Callers who come while another's
// signature is being made share the next one. It compares, hashes and refuses as [Open] does, but where storage is a [Teller] no more often
// than once in a second: in between, it signs what this process itself has committed on top of what it signed last.
func (l *Log) Sign(ctx context.Context) (Checkpoint, error) {
	for {
		r, lead := l.join()
		if lead {
			l.lead(ctx, r)
			return r.cp, r.err
		}
		select {
		case <-r.done:
			if !r.left {
				return r.cp, r.err
			}
		case <-ctx.Done():
			return Checkpoint{}, ctx.Err()
		}
	}
}

func (l *Log) join() (r *round, lead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = &round{done: make(chan struct{})}
		lead = true
	}
	return l.next, lead
}

// lead runs a round when the one before is over, and closes it to newcomers just before it looks at the log.
func (l *Log) lead(ctx context.Context, r *round) {
	defer close(r.done)
	defer func() { r.left = r.err != nil && ctx.Err() != nil }()
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		r.err = ctx.Err()
	}
	runtime.Gosched() // whoever has just committed, along with others, comes along
	l.mu.Lock()
	l.next = nil
	l.mu.Unlock()
	if r.err == nil {
		r.cp, r.err = l.extend(ctx)
	}
}

// maxRotations is how often one signature may be overtaken by a change of keys.
const maxRotations = 3

// extend signs what is committed and stores the checkpoint. By the time it is called the entries are durable: if we
// stop anywhere here, they are neither lost nor acknowledged as signed.
func (l *Log) extend(ctx context.Context) (Checkpoint, error) {
	var lost Head
	for rotations := 0; ; {
		sv, err := l.survey(ctx)
		if err != nil {
			return Checkpoint{}, err
		}
		if cp := sv.latest; cp != nil && cp.Size == sv.tree.N && cp.Root == sv.tree.Hash {
			return *cp, nil
		}
		cp, err := l.sign(ctx, sv)
		if errors.Is(err, ErrConflict) && sv.head != lost {
			lost = sv.head // another process has signed since; go on from there
			continue
		}
		if errors.Is(err, ErrKeyRange) && rotations < maxRotations {
			rotations++ // the key's time ended while it signed; its successor signs the same
			continue
		}
		if err != nil {
			return Checkpoint{}, err
		}
		if err := l.store(ctx, cp); err != nil {
			return cp, err
		}
		l.signed = position{cp, sv.edge}
		return cp, nil
	}
}

// lookEach is how long what this process knows of the log is taken for the log.
const lookEach = time.Second

// survey asks the guard what was signed. After a round that signed, the next one takes the guard's answer for known: if another process
// has signed since, the swap is a conflict, and the guard is asked again. Where there is nothing to be swapped it is asked once in [lookEach],
// and where anything is not as it should be, in any case.
func (l *Log) survey(ctx context.Context) (survey, error) {
	known := l.signed
	l.signed = position{}
	if known.cp.Origin != "" {
		if sv, ok := l.added(ctx, known); ok {
			return sv, nil
		}
		if sv, err := l.look(ctx, known.cp.Head); err == nil && sv.tree.N > known.cp.Size {
			return sv, nil
		}
	}
	head, err := loadHead(ctx, l.storage, l.signer)
	if err != nil {
		return survey{}, err
	}
	return l.look(ctx, head)
}

func (l *Log) look(ctx context.Context, head Head) (survey, error) {
	sv, err := takeSurvey(ctx, l.storage, l.signer, head)
	if err == nil {
		l.looked = time.Now()
	}
	return sv, err
}

// added is the survey of what this process has added to what it signed last, if that is all there is to sign, or if there is nothing. What
// it signs so are the entries that were acknowledged, whatever became of their rows since; the next look, verification or start finds that.
func (l *Log) added(ctx context.Context, known position) (survey, bool) {
	teller, ok := l.storage.(Teller)
	if !ok || time.Since(l.looked) >= lookEach {
		return survey{}, false
	}
	leaves, ok := teller.Committed(ctx, known.cp.Size)
	if !ok {
		return survey{}, false
	}
	if len(leaves) == 0 {
		return l.unchanged(ctx, known)
	}
	grown, proof, err := known.edge.grow(leaves)
	return survey{head: known.cp.Head, tree: tlog.Tree{N: grown.size, Hash: grown.root()}, proof: proof, edge: grown}, err == nil
}

// unchanged is the survey where nothing was added, if the keys of now still stand by what was signed.
func (l *Log) unchanged(ctx context.Context, known position) (survey, bool) {
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return survey{}, false
	}
	if _, err := keys.Open(known.cp.Note); err != nil {
		return survey{}, false
	}
	l.signed = known // for the next round, since this one does not sign
	return survey{head: known.cp.Head, tree: tlog.Tree{N: known.cp.Size, Hash: known.cp.Root}, latest: &known.cp}, true
}

func (l *Log) sign(ctx context.Context, sv survey) (Checkpoint, error) {
	msg, err := l.signer.Sign(ctx, sv.head, sv.tree, sv.proof)
	if err != nil {
		return Checkpoint{}, err
	}
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	cp, err := keys.Open(msg)
	if err != nil {
		return Checkpoint{}, err
	}
	if cp.Size != sv.tree.N || cp.Root != sv.tree.Hash {
		return Checkpoint{}, fmt.Errorf("the signer was asked for size %d and signed %d, or another root", sv.tree.N, cp.Size)
	}
	return cp, nil
}

// store is the last step. If we stop before it is done, or before what is written later is durable, the guard covers the entries and
// the checkpoint is missing: the next round or start signs the same size and root again, and stores it. So nobody waits for the disk.
//
// What witnesses, or earlier keys, have signed of the same tree stays beside it.
func (l *Log) store(ctx context.Context, cp Checkpoint) error {
	err := writeLater(ctx, l.storage, func(w Writer) error {
		held, err := w.CheckpointAt(cp.Size)
		if err != nil {
			return err
		}
		return w.PutCheckpoint(cp.Size, MergeNotes(cp.Note, held))
	})
	if err != nil {
		return fmt.Errorf("store checkpoint of size %d: %w", cp.Size, err)
	}
	return nil
}

// Verify is the function [Verify] for this log.
func (l *Log) Verify(ctx context.Context, progress func(done, total int64)) (Report, error) {
	return Verify(ctx, l.storage, l.signer, progress)
}
