package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

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
	signed, err := l.checkpoint(ctx)
	if err != nil {
		return boundary("read log", err)
	}
	return l.store.Read(ctx, func(tx *store.Tx) error {
		from, to, err := bounds(tx, from, to, signed.Size)
		if err != nil {
			return err
		}
		seen, err := d.seenOutside(ctx, tx, l)
		if err != nil {
			return err
		}
		return tx.Entries(from, to, func(index int64, leaf []byte) error {
			e, err := shown(tx, signed, seen, index, leaf)
			if err != nil {
				return err
			}
			return f(e)
		})
	})
}

// bounds settles a range: a negative from counts from the end, a negative to is the end.
func bounds(tx *store.Tx, from, to, size int64) (int64, int64, error) {
	pruned, err := tx.Pruned()
	if err != nil {
		return 0, 0, err
	}
	if from < 0 {
		from = max(size+from, pruned)
	}
	if to < 0 {
		to = size
	}
	if from < pruned {
		return 0, 0, &taffrail.Error{
			Op: "read log", Kind: taffrail.KindNotFound, Err: fmt.Errorf("the bodies of the entries before %d were pruned", pruned),
			Hint: "`taffrail log search --type log.pruned` says when and why; a proof can still be had: `taffrail log prove`",
		}
	}
	if from < to && to <= size {
		return from, to, nil
	}
	none := &taffrail.Error{
		Op: "read log", Kind: taffrail.KindNotFound, Err: fmt.Errorf("there are no entries from %d to before %d", from, to),
		Hint: fmt.Sprintf("the log has entries 0 to %d", size-1),
	}
	if size == 0 {
		none.Hint = "the log has no entry yet"
	}
	return 0, 0, none
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
	entry.Fields, err = fieldsBeside(tx, index, e)
	return entry, err
}

// fieldsBeside gives what stands beside an entry, as far as its digests name it.
func fieldsBeside(tx *store.Tx, index int64, e taffrail.Entry) ([]Field, error) {
	if len(e.Digests) == 0 {
		return nil, nil
	}
	all, err := tx.Disclosures(index)
	if err != nil {
		return nil, err
	}
	var fields []Field
	for _, disclosure := range all {
		text, err := disclosure.Text()
		if err != nil || !slices.Contains(e.Digests, audit.DisclosureDigest(text)) {
			return nil, &taffrail.Error{Op: "read log", Kind: taffrail.KindCorrupt, Err: fmt.Errorf("entry %d: its field %.80q is not the one that it names", index, disclosure.Name), Hint: "run `taffrail log verify`"}
		}
		value := disclosure.Value
		_ = json.Unmarshal([]byte(value), &value) // text, as far as we write it
		fields = append(fields, Field{disclosure.Name, value})
	}
	return fields, nil
}

// VerifyLog implements [Queries]. It opens everything anew, for reading, and does not ask whether the log was refused.
func (d *Daemon) VerifyLog(ctx context.Context, progress func(done, total int64)) (LogReport, error) {
	t, err := d.trust(ctx)
	if err != nil {
		return LogReport{}, err
	}
	defer t.close() //nolint:errcheck // it was only read
	signer := t.bare()
	keys, err := signer.Keys(ctx)
	if errors.Is(err, audit.ErrNoKey) {
		if _, _, err := t.signer(ctx); err != nil && !errors.Is(err, audit.ErrNoLog) {
			return LogReport{}, boundary("verify log", err)
		}
		return LogReport{}, boundary("verify log", d.refuseOrphan(ctx))
	}
	if err != nil {
		return LogReport{}, boundary("verify log", err)
	}
	r := LogReport{Log: d.infoOf(keys.Origin(), keys.Newest().VKey), Blobs: []string{}, Index: []string{}, Verdict: "failed"}
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
		if r.Blobs, err = checkBeside(tx); err != nil {
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

// checkBeside says what is wrong with what stands beside the log: payloads and fields that are missing, and no entry says that they were
// erased, or that are other than the entries name. It reads as many entries as there are in a row: what is wrong with entries is said
// elsewhere.
func checkBeside(tx *store.Tx) (wrong []string, err error) {
	wrong = []string{}
	size, err := tx.Size()
	if err != nil {
		return wrong, err
	}
	pruned, err := tx.Pruned()
	if err != nil {
		return wrong, err
	}
	err = tx.Entries(pruned, size, func(index int64, leaf []byte) error {
		e, err := taffrail.ParseEntry(leaf)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("entry %d: %v", index, err))
			return nil
		}
		for _, ref := range e.Body.Payloads() {
			if _, err := tx.Blob(ref); err != nil && !errors.Is(err, store.ErrErased) {
				wrong = append(wrong, fmt.Sprintf("entry %d: %v", index, err))
			}
		}
		lines, err := checkFields(tx, index, e)
		wrong = append(wrong, lines...)
		return err
	})
	if errors.Is(err, audit.ErrMissing) {
		err = nil
	}
	return wrong, err
}

// checkFields says what is wrong with the fields of one entry.
func checkFields(tx *store.Tx, index int64, e taffrail.Entry) (wrong []string, err error) {
	if len(e.Digests) == 0 {
		return nil, nil
	}
	fields, err := fieldsBeside(tx, index, e)
	if taffrail.KindOf(err) == taffrail.KindCorrupt {
		return []string{err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	erased, err := tx.Redactions(index)
	if err != nil {
		return nil, err
	}
	gone := 0
	for _, r := range erased {
		if slices.Contains(e.Digests, r.Digest) {
			gone++
		}
	}
	if missing := len(e.Digests) - len(fields) - gone; missing > 0 {
		wrong = append(wrong, fmt.Sprintf("entry %d: %d of its fields are missing, and no entry says that they were erased", index, missing))
	}
	return wrong, nil
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
