package audit

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"
)

// A Reader is a consistent snapshot of one log: whatever is written meanwhile, its answers fit together.
type Reader interface {
	// ReadHashes gives the stored hashes with the indexes of [tlog.StoredHashIndex], in the order asked for. A hash that
	// is not stored is an error that wraps [ErrMissing].
	tlog.HashReader

	// Size is the number of entries, which is the index of the next one: the highest stored index plus one.
	Size() (int64, error)

	// Pruned is the index before which the bodies of entries were dropped on purpose; 0 where all are there. It is a multiple of
	// [TileWidth], and never more than was signed. Their hashes are stored as ever, and asking for a body is an error that wraps [ErrMissing].
	Pruned() (int64, error)

	// Entries calls f with the entries from ≤ index < to, in order. Body is valid during the call only. An entry that is
	// not stored is an error that wraps [ErrMissing], after f was called for those before it. An error of f ends the
	// reading and is returned as it is.
	Entries(from, to int64, f func(index int64, body []byte) error) error

	// Checkpoint gives the stored note of the largest size, nil if there is none.
	Checkpoint() ([]byte, error)

	// CheckpointAt gives the stored note of a size, nil if there is none.
	CheckpointAt(size int64) ([]byte, error)

	// Checkpoints calls f with every stored note, by increasing size. F may read hashes meanwhile. An error of f ends the
	// reading and is returned as it is.
	Checkpoints(f func(size int64, note []byte) error) error
}

// A Writer is a [Reader] inside a write transaction. It reads what it has written.
type Writer interface {
	Reader

	// PutEntry stores an entry at the index that [Reader.Size] gave. Storing at an index that is taken is an error.
	PutEntry(index int64, body []byte) error

	// PutHashes stores hashes with the indexes first, first+1, and so on. Storing at an index that is taken is an error.
	PutHashes(first int64, hashes []tlog.Hash) error

	// PutCheckpoint stores a note that signs the tree of so many entries, in place of one of the same size. [MergeNotes] keeps what
	// others have signed of that.
	PutCheckpoint(size int64, note []byte) error
}

// Storage is what a log asks of its database. The package audittest has the contract as a test.
type Storage interface {
	// View runs f on a snapshot that holds committed transactions only, all of them durable but for what a [LaterWriter] wrote last. It
	// returns f's error as it is.
	View(ctx context.Context, f func(Reader) error) error

	// Write runs f in a transaction, one at a time across all processes. If f fails nothing of it is stored, and f's error
	// is returned as it is; otherwise everything of it is durable when Write returns nil. If Write returns an error of
	// its own, it is not known which of the two holds.
	Write(ctx context.Context, f func(Writer) error) error
}

// A LaterWriter is a [Storage] that can write without waiting for the disk. What is written so must be of a kind that can be made again
// from what is durable, as the note of a head that the guard holds.
type LaterWriter interface {
	// WriteLater has f run as by Write, in the same turn, and may return before that. Whoever calls View or Write after it sees what f wrote;
	// other processes see it soon. It is durable no later than the next Write that returns nil: if we stop before that it may be gone, as a
	// whole, and then so is everything that was written later after it. It is gone as well where f or its commit fails, of which WriteLater
	// need not tell. F is not kept from running by the end of ctx.
	WriteLater(ctx context.Context, f func(Writer) error) error
}

// A Teller is a [Storage] that can say what was committed without reading it again.
type Teller interface {
	// Committed gives the leaf hashes of all entries from an index on that are committed by now, in order. It is false where they cannot be told
	// from what was written through this Storage alone: another process wrote meanwhile, there are fewer entries than were
	// written, it was too long ago, or the database does not answer.
	Committed(ctx context.Context, from int64) (leaves []tlog.Hash, ok bool)
}

// writeLater writes durably where storage knows no other way.
func writeLater(ctx context.Context, s Storage, f func(Writer) error) error {
	if l, ok := s.(LaterWriter); ok {
		return l.WriteLater(ctx, f)
	}
	return s.Write(ctx, f)
}
