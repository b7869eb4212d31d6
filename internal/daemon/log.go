package daemon

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// Entries implements [Queries]. Each entry is shown only if the newest checkpoint covers these very bytes.
func (d *Daemon) Entries(ctx context.Context, from, to int64, f func(LogEntry) error) error {
	l, err := d.current()
	if err != nil {
		return err
	}
	signed, err := l.log.Sign(ctx)
	if err != nil {
		return boundary("read log", err)
	}
	return l.store.Read(ctx, func(tx *store.Tx) error {
		from, to, err := bounds(from, to, signed.Size)
		if err != nil {
			return err
		}
		return tx.Entries(from, to, func(index int64, leaf []byte) error {
			if err := included(tx, signed, index, leaf); err != nil {
				return err
			}
			e, err := logEntry(tx, index, leaf)
			if err != nil {
				return err
			}
			return f(e)
		})
	})
}

// bounds settles a range: a negative from counts from the end, a negative to is the end.
func bounds(from, to, size int64) (int64, int64, error) {
	if from < 0 {
		from = max(size+from, 0)
	}
	if to < 0 {
		to = size
	}
	if from < to && to <= size {
		return from, to, nil
	}
	err := &taffrail.Error{
		Op: "read log", Kind: taffrail.KindNotFound, Err: fmt.Errorf("there are no entries from %d to before %d", from, to),
		Hint: fmt.Sprintf("the log has entries 0 to %d", size-1),
	}
	if size == 0 {
		err.Hint = "the log has no entry yet"
	}
	return 0, 0, err
}

// included says whether an entry is the one that was signed.
func included(tx *store.Tx, signed audit.Checkpoint, index int64, leaf []byte) error {
	proof, err := tlog.ProveRecord(signed.Size, index, tx)
	if err == nil {
		err = tlog.CheckRecord(proof, signed.Size, signed.Root, index, tlog.RecordHash(leaf))
	}
	if err != nil {
		return &taffrail.Error{
			Op: "read log", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("entry %d is not the one that was signed: %w", index, err),
			Hint: "run `taffrail log verify`",
		}
	}
	return nil
}

func logEntry(tx *store.Tx, index int64, leaf []byte) (LogEntry, error) {
	e, err := taffrail.ParseEntry(leaf)
	if err != nil {
		return LogEntry{}, fmt.Errorf("entry %d: %w", index, err)
	}
	entry := LogEntry{
		Index: index, LeafHash: tlog.RecordHash(leaf).String(), Leaf: append([]byte(nil), leaf...), Entry: e, Blobs: map[string][]byte{},
	}
	for _, ref := range e.Body.Payloads() {
		data, err := tx.Blob(ref)
		if errors.Is(err, audit.ErrMissing) {
			continue
		}
		if err != nil {
			return entry, fmt.Errorf("entry %d: %w", index, err)
		}
		entry.Blobs[ref.SHA256] = data
	}
	return entry, nil
}

// VerifyLog implements [Queries]. It opens everything anew, for reading, and does not ask whether the log was refused.
func (d *Daemon) VerifyLog(ctx context.Context, progress func(done, total int64)) (LogReport, error) {
	t, err := d.trust(ctx)
	if err != nil {
		return LogReport{}, err
	}
	ring, err := t.keyring.Load(ctx)
	if errors.Is(err, audit.ErrNoKey) {
		if _, _, err := t.signer(ctx); err != nil && !errors.Is(err, audit.ErrNoLog) {
			return LogReport{}, boundary("verify log", err)
		}
		return LogReport{}, boundary("verify log", d.refuseOrphan(ctx))
	}
	if err != nil {
		return LogReport{}, err
	}
	r := LogReport{Log: d.infoOf(ring.Keys().Origin(), ring.Keys().Newest().VKey), Blobs: []string{}, Index: []string{}, Verdict: "failed"}
	signer := audit.NewSigner(t.keyring, t.guard)
	s, err := d.openStore(ctx, d.options.DataDir, store.ReadOnly)
	if taffrail.KindOf(err) == taffrail.KindNotFound {
		r.Audit, err = audit.Verify(ctx, emptyLog{}, signer, progress)
		switch {
		case errors.Is(err, audit.ErrNoLog):
			_, _, err = t.signer(ctx) // there is a key, so a guard was taken away
		case err == nil:
			err = audit.ErrNoLog // a beginning that was cut short
		}
		return r, unlessCorrupt(err)
	}
	if err != nil {
		return r, err
	}
	defer s.Close()
	r.Audit, err = audit.Verify(ctx, s, signer, progress)
	if err := unlessCorrupt(err); err != nil {
		return r, err
	}
	err = s.Read(ctx, func(tx *store.Tx) (err error) {
		if r.Blobs, err = checkPayloads(tx); err != nil {
			return err
		}
		r.Index, err = tx.CheckIndex()
		return err
	})
	if err != nil {
		r.Index = append(r.Index, fmt.Sprintf("cannot be compared: %v", err))
	}
	if len(r.Audit.Problems) == 0 && len(r.Blobs) == 0 && len(r.Index) == 0 {
		r.Verdict = "verified"
	}
	return r, nil
}

// unlessCorrupt leaves out what the report says anyway.
func unlessCorrupt(err error) error {
	var corrupt *audit.CorruptError
	if errors.As(err, &corrupt) {
		return nil
	}
	return boundary("verify log", err)
}

// checkPayloads says which payloads are missing or other than the entries name. It reads as many entries as there are in a row: what
// is wrong with entries is said elsewhere.
func checkPayloads(tx *store.Tx) (wrong []string, err error) {
	wrong = []string{}
	size, err := tx.Size()
	if err != nil {
		return wrong, err
	}
	err = tx.Entries(0, size, func(index int64, leaf []byte) error {
		e, err := taffrail.ParseEntry(leaf)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("entry %d: %v", index, err))
			return nil
		}
		for _, ref := range e.Body.Payloads() {
			if _, err := tx.Blob(ref); err != nil {
				wrong = append(wrong, fmt.Sprintf("entry %d: %v", index, err))
			}
		}
		return nil
	})
	if errors.Is(err, audit.ErrMissing) {
		err = nil
	}
	return wrong, err
}

// RebuildIndex implements [Queries]. An index is not made of a log that does not verify: that would give a forgery an index to match.
func (d *Daemon) RebuildIndex(ctx context.Context) (r IndexReport, err error) {
	l, err := d.current()
	if err != nil {
		return r, err
	}
	if _, err := l.log.Verify(ctx, nil); err != nil {
		return r, boundary("rebuild index", err)
	}
	err = l.store.Update(ctx, func(tx *store.Tx) (err error) {
		if r.Entries, err = tx.Size(); err != nil {
			return err
		}
		r.Rows, r.Changed, err = tx.RebuildIndex()
		return err
	})
	if r.Changed == nil {
		r.Changed = []string{}
	}
	return r, err
}

// emptyLog is the storage of a log that is gone, or not there yet.
type emptyLog struct{}

func (emptyLog) View(_ context.Context, f func(audit.Reader) error) error { return f(emptyLog{}) }

func (emptyLog) Write(context.Context, func(audit.Writer) error) error {
	return errors.New("there is no database to write to")
}

func (emptyLog) ReadHashes(ids []int64) ([]tlog.Hash, error) {
	if len(ids) > 0 {
		return nil, fmt.Errorf("hash %d: %w", ids[0], audit.ErrMissing)
	}
	return nil, nil
}

func (emptyLog) Size() (int64, error) { return 0, nil }

func (emptyLog) Pruned() (int64, error) { return 0, nil }

func (emptyLog) Entries(from, to int64, _ func(int64, []byte) error) error {
	if from < to {
		return fmt.Errorf("entry %d: %w", from, audit.ErrMissing)
	}
	return nil
}

func (emptyLog) Checkpoint() ([]byte, error) { return nil, nil }

func (emptyLog) CheckpointAt(int64) ([]byte, error) { return nil, nil }

func (emptyLog) Checkpoints(func(int64, []byte) error) error { return nil }
