package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"
)

// An Anchor is an outside authority that keeps, or dates, what it is shown of a log: a time stamp authority, a store that lets
// nobody delete, a repository that others clone.
type Anchor interface {
	// Anchor shows the authority a checkpoint, and gives its receipt once the authority has it for good. The same checkpoint may be shown
	// again, which does no harm.
	Anchor(ctx context.Context, cp Checkpoint) (Receipt, error)

	// Check says whether a receipt of this authority is about a checkpoint, and gives the time that it vouches for. What contradicts the
	// checkpoint is a [*CorruptError]; any other error means that it could not be checked. It asks the authority only where the receipt
	// does not speak for itself.
	Check(ctx context.Context, cp Checkpoint, r Receipt) (time.Time, error)
}

// A Receipt is what an authority gave for a checkpoint.
type Receipt struct {
	Size   int64     // of the checkpoint
	Kind   string    // how it is checked: "rfc3161", "s3", "git"
	Anchor string    // which authority, by the name that the configuration gives it
	At     time.Time // that the authority vouches for, or else when it had answered
	Data   []byte    // in the form of the kind
}

// A Checker checks receipts of one kind, as [Anchor.Check] does.
type Checker func(ctx context.Context, cp Checkpoint, r Receipt) (time.Time, error)

// KindTimestamp is the kind of receipts of time stamp authorities (RFC 3161). Their data is a [Stamp].
const KindTimestamp = "rfc3161"

// A Stamp is what a time stamp authority gave, with what it was given: the note of the checkpoint as it was by then, since more may have
// signed it later. Its form is a JSON object of both in base64.
type Stamp struct {
	Note  []byte `json:"note"`
	Token []byte `json:"token"` // the answer of the authority, in DER
}

// Data is the stamp as a receipt has it.
func (s Stamp) Data() ([]byte, error) { return json.Marshal(s) }

// ParseStamp is the inverse of [Stamp.Data].
func ParseStamp(data []byte) (Stamp, error) {
	var s Stamp
	if err := json.Unmarshal(data, &s); err != nil || len(s.Note) == 0 || len(s.Token) == 0 {
		return Stamp{}, errors.New("the receipt is no JSON object of note and token in base64")
	}
	return s, nil
}

// Of says whether the note that was stamped is that of a checkpoint: it signs the same text, whoever has signed it since.
func (s Stamp) Of(cp Checkpoint) bool {
	text, _ := splitNote(cp.Note)
	stamped, _ := splitNote(s.Note)
	return text != nil && bytes.Equal(text, stamped)
}

// A Cosigning is a witness, near or far: what [Witness] is to its server, and a client is to us. The answer is one line of a signed note.
// The error is an [*OldSizeError] where the witness goes on from another size, and wraps one of the errors of [Witness] where it
// refuses. Any other error means that it did not answer.
type Cosigning interface {
	AddCheckpoint(ctx context.Context, g Growth) (cosignature []byte, err error)
}

var _ Cosigning = (*Witness)(nil)
