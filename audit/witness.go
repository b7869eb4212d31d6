package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Growth is what a log asks a witness to cosign (the request of C2SP tlog-witness, add-checkpoint): a checkpoint, and the proof that
// its tree contains the one of Old entries that the witness saw last.
type Growth struct {
	Old        int64
	Proof      tlog.TreeProof
	Checkpoint []byte // the signed note
}

const (
	maxGrowth      = 1 << 16 // bytes
	maxProofHashes = 63
)

// Text is the growth as tlog-witness writes it.
func (g Growth) Text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", g.Old)
	for _, h := range g.Proof {
		fmt.Fprintln(&b, h)
	}
	b.WriteByte('\n')
	b.Write(g.Checkpoint)
	return b.Bytes()
}

// ParseGrowth is the inverse of [Growth.Text]. It accepts nothing that Text would write otherwise.
func ParseGrowth(text []byte) (Growth, error) {
	if len(text) > maxGrowth {
		return Growth{}, fmt.Errorf("parse request: it has %d bytes, and %d is the most", len(text), maxGrowth)
	}
	head, checkpoint, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok {
		return Growth{}, errors.New("parse request: there is no empty line before a checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	g := Growth{Checkpoint: bytes.Clone(checkpoint)}
	number, ok := strings.CutPrefix(lines[0], "old ")
	var err error
	g.Old, err = strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || g.Old < 0 || g.Old > maxSize || strconv.FormatInt(g.Old, 10) != number {
		return Growth{}, fmt.Errorf("parse request: %.60q is no old size", lines[0])
	}
	if len(lines)-1 > maxProofHashes {
		return Growth{}, fmt.Errorf("parse request: it has %d lines of proof, and %d is the most", len(lines)-1, maxProofHashes)
	}
	if g.Proof, err = parseHashes(lines[1:]); err != nil {
		return Growth{}, fmt.Errorf("parse request: %w", err)
	}
	return g, nil
}

// ProveGrowth gives the request for a checkpoint whose tree r holds, to a witness that saw the first old entries of it.
func ProveGrowth(r Reader, old int64, cp Checkpoint) (Growth, error) {
	g := Growth{Old: old, Checkpoint: cp.Note}
	if old <= 0 || old >= cp.Size {
		return g, nil
	}
	var err error
	if g.Proof, err = tlog.ProveTree(cp.Size, old, r); err != nil {
		return g, fmt.Errorf("prove growth from %d to %d entries: %w", old, cp.Size, err)
	}
	return g, nil
}

// A Witness cosigns what logs show it, each checkpoint only if it contains the one before. What it saw last of a log is kept by a
// [Guard], one for each log, so that two requests at once cannot go back behind each other.
type Witness struct {
	Signer *Cosigner
	// Log gives the keys of a log and the guard of what was cosigned last. The error wraps [ErrUnknownLog] for a log
	// that this witness does not know.
	Log func(origin string) (Keys, Guard, error)
}

// Errors of a witness, which its protocol tells apart.
var (
	ErrUnknownLog   = errors.New("this log is not known")                    // 404
	ErrNotTheLogs   = errors.New("no key of the log signed the checkpoint")  // 403
	ErrBadGrowth    = errors.New("the request makes no sense")               // 400
	ErrUnprovedTree = errors.New("the tree does not contain the one before") // 422
	ErrOtherTree    = errors.New("another tree of this size was cosigned")   // 409
)

// An OldSizeError says that a request goes on from another size than the one that was cosigned last (409, with that size).
type OldSizeError struct{ Size int64 }

// Error says which size was cosigned last.
func (e *OldSizeError) Error() string {
	return fmt.Sprintf("the size that was cosigned last is %d", e.Size)
}

// AddCheckpoint checks the growth of a log, remembers it durably, and gives the cosignature: one line of a signed note. If we stop between the
// two, the log asks again for the same size, which is always granted.
func (w *Witness) AddCheckpoint(ctx context.Context, g Growth) ([]byte, error) {
	keys, guard, err := w.Log(originOf(g.Checkpoint))
	if err != nil {
		return nil, err
	}
	cp, err := keys.Open(g.Checkpoint)
	if err != nil {
		return nil, errors.Join(ErrNotTheLogs, err)
	}
	seen, err := guard.Load(ctx)
	switch {
	case errors.Is(err, ErrNoHead):
		seen = Head{}
	case err != nil:
		return nil, fmt.Errorf("load what was cosigned last: %w", err)
	}
	if err := grows(seen, g, cp.Head); err != nil {
		return nil, err
	}
	err = guard.Swap(ctx, seen, cp.Head)
	if errors.Is(err, ErrConflict) { // another request came first
		now, loadErr := guard.Load(ctx)
		if loadErr != nil {
			return nil, fmt.Errorf("load what was cosigned last: %w", loadErr)
		}
		return nil, &OldSizeError{now.Size}
	}
	if err != nil {
		return nil, fmt.Errorf("remember the checkpoint: %w", err)
	}
	return w.cosign(cp)
}

// grows decides whether a head may follow the one that was seen last.
func grows(seen Head, g Growth, head Head) error {
	switch {
	case g.Old > head.Size:
		return fmt.Errorf("%w: the old size %d is beyond the new one, %d", ErrBadGrowth, g.Old, head.Size)
	case g.Old != seen.Size:
		return &OldSizeError{seen.Size}
	case (g.Old == 0 || g.Old == head.Size) && len(g.Proof) > 0:
		return fmt.Errorf("%w: nothing is to be proved, and there is a proof", ErrUnprovedTree)
	case g.Old == head.Size:
		if seen.Size > 0 && seen.Root != head.Root {
			return ErrOtherTree
		}
	case g.Old > 0:
		if err := tlog.CheckTree(g.Proof, head.Size, head.Root, seen.Size, seen.Root); err != nil {
			return errors.Join(ErrUnprovedTree, err)
		}
	}
	return nil
}

// cosign gives the signature line alone.
func (w *Witness) cosign(cp Checkpoint) ([]byte, error) {
	text, err := FormatCheckpoint(cp.Head)
	if err != nil {
		return nil, err
	}
	msg, err := note.Sign(&note.Note{Text: string(text)}, w.Signer)
	if err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	return msg[len(text)+1:], nil
}
