package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
// signed it later.
type Stamp struct {
	Note     []byte
	Response []byte // of the authority, over the SHA-256 of the note, in DER
}

// stampForm is the data of the receipt: this object on one line, in this order.
type stampForm struct {
	Version  int    `json:"version"`
	Note     string `json:"note"`
	Response []byte `json:"response"` // base64
}

const stampVersion = 1

// Data is the stamp as a receipt has it.
func (s Stamp) Data() ([]byte, error) {
	return json.Marshal(stampForm{Version: stampVersion, Note: string(s.Note), Response: s.Response})
}

// ParseStamp is the inverse of [Stamp.Data], and accepts nothing that Data would write otherwise.
func ParseStamp(data []byte) (Stamp, error) {
	var f stampForm
	if err := json.Unmarshal(data, &f); err != nil || f.Version != stampVersion {
		return Stamp{}, fmt.Errorf("the receipt is no JSON object of note and response, of version %d", stampVersion)
	}
	s := Stamp{Note: []byte(f.Note), Response: f.Response}
	if again, err := s.Data(); err != nil || !bytes.Equal(again, data) {
		return Stamp{}, errors.New("the receipt is not spelled as it is written")
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
