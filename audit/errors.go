package audit

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart with [errors.Is].
var (
	// ErrNoLog says that neither a log nor guard state exists. Only [Begin] starts one, and only on request.
	ErrNoLog = errors.New("there is no log, and none was ever signed here")
	// ErrExists is what [Begin] answers where there is a log.
	ErrExists = errors.New("the log exists already")
	// ErrNoHead is what a [Guard] answers that holds no state.
	ErrNoHead = errors.New("no guard state")
	// ErrConflict is what a [Guard] answers if it does not hold the state that was to be replaced.
	ErrConflict = errors.New("the guard state has moved")
	// ErrMissing is what a [Reader] answers where an entry or a hash that was asked for is not stored.
	ErrMissing = errors.New("not stored")
	// ErrPruned says that the body of an entry was dropped on purpose. It is an [ErrMissing], too.
	ErrPruned = fmt.Errorf("pruned: %w", ErrMissing)
	// ErrTooLarge says that an entry has more than [MaxEntry] bytes.
	ErrTooLarge = errors.New("entry is too large")
)

// A Part is one of the things that a log is made of, each of which is checked against the others.
type Part string

// The parts.
const (
	PartEntries     Part = "entries"     // the bytes of the leaves
	PartHashes      Part = "hashes"      // over more than one entry
	PartCheckpoints Part = "checkpoints" // stored notes
	PartGuard       Part = "guard"       // the state outside of the log, and whether the log is the one it knows
)

// A CorruptError says that what is stored is not what was written, or that two histories contradict each other.
// Nothing is ever repaired on account of it: the log is refused until a person has looked.
type CorruptError struct {
	Part Part   // of the log that contradicts the rest
	What string // what was found, on one line, with indexes and sizes: "entry 3: stored hash does not match its bytes"
	From int64  // first entry concerned
	To   int64  // first entry after those concerned; equal to From where entries have nothing to do with it
	Hint string // what a person can do; may be empty
	Err  error  // what it was concluded from; may be nil
}

// Error gives What and the cause on one line.
func (e *CorruptError) Error() string {
	if e.Err == nil {
		return "log is corrupt: " + e.What
	}
	return fmt.Sprintf("log is corrupt: %s: %v", e.What, e.Err)
}

// Unwrap gives the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

// What a person can do, by what was found.
const (
	hintRestored = "a copy of the log was restored, or its tail was cut: bring back the newest copy, or start a new log that names this one as its predecessor; keep the guard state as it is"
	hintGuard    = "bring the guard state back from where it was kept; it must never be written by hand"
	hintEdited   = "what is stored was changed outside of taffrail: keep this copy as evidence and bring back one that verifies"
	hintWitness  = "log and guard were set back together, or the key signed two histories, or the witness does not tell the truth: ask other witnesses, keep this copy as evidence and bring back the newest copy"
	hintPruned   = "pruning is written to the log before it is done: find out who dropped these entries, and bring back a copy that has them"
	hintOther    = "check that the data folder, the guard state and the key belong to one another"
)

func corrupt(hint, format string, args ...any) *CorruptError {
	return &CorruptError{Part: PartEntries, What: fmt.Sprintf(format, args...), Hint: hint}
}

// in names the part, where it is not the entries.
func (e *CorruptError) in(p Part) *CorruptError {
	e.Part = p
	return e
}

// at names the entries concerned.
func (e *CorruptError) at(from, to int64) *CorruptError {
	e.From, e.To = from, to
	return e
}

func (e *CorruptError) because(err error) *CorruptError {
	e.Err = err
	return e
}
