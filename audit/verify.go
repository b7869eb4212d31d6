package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// maxProblems is how many faults a verification names before it stops looking for more.
const maxProblems = 100

// A Report is what a verification found.
type Report struct {
	Origin      string
	Size        int64           // entries that are stored
	Root        tlog.Hash       // over them, as hashed; of no meaning if there are problems
	Signed      int64           // entries that the guard covers
	Pruned      int64           // entries before this index were not hashed: their bodies are gone on purpose, as a later entry says
	Checkpoints int             // stored checkpoints that hold
	Problems    []*CorruptError // none if all is well; faults of entries come first, in order
	Truncated   bool            // there were more problems than are named
	Notes       []string        // what is worth knowing and no fault
}

// Err is the first problem, nil if there is none.
func (r Report) Err() error {
	if len(r.Problems) == 0 {
		return nil
	}
	return r.Problems[0]
}

// errEnough ends a walk that has found [maxProblems].
var errEnough = errors.New("too many problems")

// Verify hashes every entry again and compares each stored hash, every stored checkpoint and the guard's state with the
// result. Of entries that were pruned it takes the stored hash, and says so. It writes nothing, works on a log that [Open] refuses, and needs memory for a few hundred entries. Progress is
// called now and then with the number of entries done; it may be nil.
//
// If anything is wrong the error is the report's first problem, a [*CorruptError]. It names the entry where entry and
// hashes disagree. Where they were forged together it names the narrowest range that the stored checkpoints
// leave. Any other error means that the verification could not be carried out.
func Verify(ctx context.Context, s Storage, signer Signer, progress func(done, total int64)) (Report, error) {
	v := verification{signer: signer, progress: progress}
	var err error
	if v.keys, err = signer.Keys(ctx); err != nil {
		return v.report, fmt.Errorf("verify log: %w", err)
	}
	v.report.Origin = v.keys.Origin()
	if v.head, err = loadHead(ctx, s, signer); err != nil {
		if err := v.note(err); err != nil { // a guard that is gone or garbage hinders us least of all
			return v.report, fmt.Errorf("verify log: %w", err)
		}
		v.blind = true
	}
	if err := s.View(ctx, func(r Reader) error { return v.run(ctx, r) }); err != nil && !errors.Is(err, errEnough) {
		return v.report, fmt.Errorf("verify log: %w", err)
	}
	return v.report, v.report.Err()
}

type verification struct {
	report   Report
	signer   Signer
	keys     Keys  // as they are after the newest checkpoint was signed
	head     Head  // the guard's state before the snapshot was taken
	blind    bool  // there is no head to compare with
	allowed  int64 // up to where the log says that it was pruned
	forged   bool  // a checkpoint has another root than the entries; all later ones then have, too
	held     int64
	progress func(done, total int64)
}

// problem counts a fault, and says when to stop.
func (v *verification) problem(c *CorruptError) error {
	if len(v.report.Problems) == maxProblems {
		v.report.Truncated = true
		return errEnough
	}
	v.report.Problems = append(v.report.Problems, c)
	return nil
}

// note takes an error for a problem if it is one, and gives it back if it is not.
func (v *verification) note(err error) error {
	var c *CorruptError
	if errors.As(err, &c) {
		return v.problem(c)
	}
	return err
}

func (v *verification) run(ctx context.Context, r Reader) error {
	size, err := r.Size()
	if err != nil {
		return err
	}
	v.report.Size, v.report.Signed = size, v.head.Size
	newest := v.head
	if !v.blind {
		if newest, err = v.signer.Head(ctx); err != nil {
			return err
		}
	}
	// Keys may have followed each other, too, before the snapshot was taken.
	if v.keys, err = v.signer.Keys(ctx); err != nil {
		return err
	}
	if err := v.pruned(r, max(newest.Size, v.head.Size)); err != nil {
		return err
	}
	if err := v.entries(ctx, r); err != nil {
		return err
	}
	if v.report.Pruned > v.allowed {
		c := corrupt(hintPruned, "the bodies of %d entries are gone, and no entry of the log says that they were to be pruned", v.report.Pruned)
		if err := v.problem(c.at(0, v.report.Pruned)); err != nil {
			return err
		}
	}
	if size < v.head.Size {
		if err := v.problem(cutError(v.head, size)); err != nil {
			return err
		}
	}
	if err := r.Checkpoints(func(at int64, msg []byte) error {
		return v.note(v.checkpoint(r, at, msg, newest))
	}); err != nil {
		return err
	}
	return v.guard(r)
}

// pruned asks up to where the bodies are gone. Without a guard, the number of entries is the only bound.
func (v *verification) pruned(r Reader, signed int64) (err error) {
	if v.blind {
		signed = v.report.Size
	}
	n, err := r.Pruned()
	if err == nil {
		err = checkPruned(n, signed)
	}
	if err == nil {
		v.report.Pruned = n
	}
	return v.note(err)
}

// typePruned is the type of the entries that say, beforehand, what is to be pruned.
const typePruned = "log.pruned"

// look finds out what the log says about pruning. Canonical JSON has one spelling of it.
func (v *verification) look(_ int64, body []byte) {
	if bytes.Contains(body, []byte(`"type":"`+typePruned+`"`)) {
		v.allowed = max(v.allowed, prunedBefore(body))
	}
}

func (v *verification) entries(ctx context.Context, r Reader) error {
	size := v.report.Size
	step := func(done int64) {
		if v.progress != nil {
			v.progress(done, size)
		}
	}
	step(0)
	w := walker{r: r, pruned: v.report.Pruned, found: v.problem}
	if w.pruned > 0 {
		w.look = v.look
	}
	if err := w.walk(ctx, size, step); err != nil {
		return v.note(err)
	}
	v.report.Root = w.edge.root()
	return nil
}

// checkpoint checks one stored checkpoint: signature, place, and the root over the hashes that were just compared with
// the entries.
func (v *verification) checkpoint(r Reader, at int64, msg []byte, newest Head) error {
	cp, err := v.keys.Open(msg)
	size := v.report.Size
	switch {
	case errors.Is(err, ErrKeyRange) && (v.blind || at <= newest.Size):
		v.addNote("the stored checkpoint of size %d was signed by a key that is not valid for it, and counts for nothing", at)
		return nil
	case err != nil && !errors.Is(err, ErrKeyRange):
		return corrupt(hintOther, "the stored checkpoint of size %d is not one that this log signed", at).in(PartCheckpoints).because(err)
	case err == nil && cp.Size != at:
		return corrupt(hintEdited, "the checkpoint stored for size %d signs size %d", at, cp.Size).in(PartCheckpoints)
	case !v.blind && at > newest.Size:
		return aheadError(at, newest)
	case at > size:
		return corrupt(hintRestored, "the checkpoint of size %d covers entries that are gone, there are %d", at, size).in(PartCheckpoints).at(size, at)
	}
	return v.root(r, cp.Head, PartCheckpoints, fmt.Sprintf("the checkpoint of size %d", at), func() {
		v.held = at
		v.report.Checkpoints++
	})
}

// root compares the root of one size, and names the narrowest range at the first that is another.
func (v *verification) root(r Reader, h Head, part Part, who string, ok func()) error {
	root, err := tlog.TreeHash(h.Size, r)
	switch {
	case errors.Is(err, ErrMissing) && len(v.report.Problems) > 0:
		return nil // the walk has named the missing hash
	case err != nil:
		return err
	case root == h.Root:
		ok()
		return nil
	case v.forged:
		return nil
	}
	v.forged = true
	return corrupt(hintEdited, "an entry in [%d, %d) was changed: %s has another root", v.held, h.Size, who).in(part).at(v.held, h.Size)
}

// guard compares the guard's state, and says what lies between it, the newest checkpoint and the entries.
func (v *verification) guard(r Reader) error {
	if v.blind || v.head.Size > v.report.Size {
		return nil
	}
	if err := v.note(v.root(r, v.head, PartGuard, "the guard's state", func() {})); err != nil {
		return err
	}
	if n := v.report.Size - v.head.Size; n > 0 {
		v.addNote("%d entries are committed and not signed yet; the next start or signature covers them", n)
	}
	if v.held < v.head.Size && len(v.report.Problems) == 0 {
		v.addNote("the checkpoint of size %d is signed and not stored; the next start repairs that", v.head.Size)
	}
	return nil
}

func (v *verification) addNote(format string, args ...any) {
	v.report.Notes = append(v.report.Notes, fmt.Sprintf(format, args...))
}
