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

// Entries implements [Queries].
func (d *Daemon) Entries(ctx context.Context, from, to int64, f func(LogEntry) error) error {
	l, err := d.current()
	if err != nil {
		return err
	}
	return l.store.Read(ctx, func(tx *store.Tx) error {
		size, err := tx.Size()
		if err != nil {
			return err
		}
		if from < 0 {
			from = max(size+from, 0)
		}
		if to < 0 {
			to = size
		}
		if from >= size || to > size || from >= to {
			return &taffrail.Error{
				Op: "read log", Kind: taffrail.KindNotFound, Err: fmt.Errorf("there are no entries from %d to before %d", from, to),
				Hint: fmt.Sprintf("the log has entries 0 to %d", size-1),
			}
		}
		return tx.Entries(from, to, func(index int64, leaf []byte) error {
			e, err := logEntry(tx, index, leaf)
			if err != nil {
				return err
			}
			return f(e)
		})
	})
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
		if err == nil {
			err = corruptPayload(index, store.CheckBlob(ref, data))
		}
		if err != nil {
			return entry, err
		}
		entry.Blobs[ref.SHA256] = data
	}
	return entry, nil
}

func corruptPayload(index int64, err error) error {
	if err == nil {
		return nil
	}
	return &taffrail.Error{Op: fmt.Sprintf("read entry %d", index), Kind: taffrail.KindCorrupt, Err: err, Hint: "run `taffrail log verify`"}
}

// VerifyLog implements [Queries]. It opens everything anew, for reading, and does not ask whether the log was refused.
func (d *Daemon) VerifyLog(ctx context.Context, progress func(done, total int64)) (LogReport, error) {
	t, err := d.trust(ctx)
	if err != nil {
		return LogReport{}, err
	}
	key, err := t.keyring.Load(ctx)
	if errors.Is(err, audit.ErrNoKey) {
		if _, _, err := t.signer(ctx); err != nil && !errors.Is(err, audit.ErrNoLog) {
			return LogReport{}, boundary("verify log", err)
		}
		return LogReport{}, boundary("verify log", d.refuseOrphan(ctx))
	}
	if err != nil {
		return LogReport{}, err
	}
	r := LogReport{Log: d.infoOf(key.Verifier.Name(), key.Public), Blobs: []string{}, Index: []string{}, Verdict: "failed"}
	signer := audit.NewSigner(key.Signer, key.Verifier, t.guard)
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
			data, err := tx.Blob(ref)
			if err == nil {
				err = store.CheckBlob(ref, data)
			}
			if err != nil {
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

// RebuildIndex implements [Queries].
func (d *Daemon) RebuildIndex(ctx context.Context) (r IndexReport, err error) {
	l, err := d.current()
	if err != nil {
		return r, err
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

func (emptyLog) Entries(from, to int64, _ func(int64, []byte) error) error {
	if from < to {
		return fmt.Errorf("entry %d: %w", from, audit.ErrMissing)
	}
	return nil
}

func (emptyLog) Checkpoint() ([]byte, error) { return nil, nil }

func (emptyLog) Checkpoints(func(int64, []byte) error) error { return nil }
