package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// A Reply is what came of asking a witness.
type Reply string

// The replies. Only the first counts for a quorum.
const (
	ReplyCosigned Reply = "cosigned"
	ReplyRefused  Reply = "refused" // it answered, and what it answered is no cosignature that we take
	ReplyBehind   Reply = "behind"  // it goes on from a smaller size than it has seen, again and again
	ReplyAhead    Reply = "ahead"   // it has seen a larger size than was asked about
	ReplySilent   Reply = "silent"  // it did not answer in time, or there is no way to ask it
)

// An Answer is what one witness of the policy said about a checkpoint.
type Answer struct {
	Witness string    // by the name in the policy
	Reply   Reply     //
	At      time.Time // of the cosignature, by the witness's clock
	Seen    int64     // the size that it saw last, as far as it said
	Err     error     // why, where it did not cosign
}

// A Hearing is what all witnesses of a policy said about one checkpoint.
type Hearing struct {
	Signed           // the checkpoint as it is stored now, with all who cosigned it, also earlier
	Answers []Answer // in the order of the policy
}

// A Panel asks the witnesses of a policy. It remembers what each has seen, as long as it lives; whatever it does not know the witness
// tells. It may be used by several at once: a witness never has more than one request of a panel before it.
type Panel struct {
	policy    *Policy
	witnesses []*panelist
	timeout   time.Duration
	now       func() time.Time
}

// A panelist is a witness of a policy and the way to it.
type panelist struct {
	WitnessKey
	ask  Cosigning     // nil: there is none
	turn chan struct{} // holds one token while a request runs

	mu   sync.Mutex
	seen int64 // the size that the witness saw last, as far as is known
}

// NewPanel gives a panel of the witnesses that a policy names, each asked by the way of its name. Timeout is how long each may take, with
// all that is between. A witness to which there is no way is one that is silent.
func NewPanel(p *Policy, ways map[string]Cosigning, timeout time.Duration, now func() time.Time) *Panel {
	panel := &Panel{policy: p, timeout: timeout, now: now}
	for _, w := range p.Witnesses {
		panel.witnesses = append(panel.witnesses, &panelist{WitnessKey: w, ask: ways[w.Name], turn: make(chan struct{}, 1)})
	}
	return panel
}

// Ask shows the newest stored checkpoint to all witnesses at once, each with the proof that it contains what the witness saw last, and joins
// the cosignatures to the stored note. If we stop before they are stored, they are lost, and the next asking gets them again.
//
// The error is a [*CorruptError] if a witness says that it has seen more entries than the log has, or another tree: then log and guard were
// set back together, or two histories are signed by one key, or the witness lies. Whether enough have cosigned is no error, but stands in
// the hearing, which is whole in any case.
func (p *Panel) Ask(ctx context.Context, s Storage, keys Keys) (Hearing, error) {
	cp, err := newestOf(ctx, s, keys)
	if err != nil {
		return Hearing{}, fmt.Errorf("ask witnesses: %w", err)
	}
	h := Hearing{Answers: make([]Answer, len(p.witnesses))}
	lines := make([][]byte, len(p.witnesses))
	var all sync.WaitGroup
	for i, w := range p.witnesses {
		all.Go(func() { h.Answers[i], lines[i] = p.askOne(ctx, s, cp, w) })
	}
	all.Wait()
	h.Signed, err = p.join(ctx, s, cp, lines)
	if err != nil {
		err = fmt.Errorf("ask witnesses: %w", err)
	}
	for _, a := range h.Answers {
		var c *CorruptError
		if errors.As(a.Err, &c) {
			return h, errors.Join(c, err)
		}
	}
	return h, err
}

func newestOf(ctx context.Context, s Storage, keys Keys) (cp Checkpoint, err error) {
	err = s.View(ctx, func(r Reader) error {
		msg, err := r.Checkpoint()
		if err == nil && msg == nil {
			err = errors.New("nothing is signed yet")
		}
		if err == nil {
			cp, err = keys.Open(msg)
		}
		return err
	})
	return cp, err
}

// maxAsks bounds how often a witness may correct what we think that it saw last.
const maxAsks = 3

// askOne asks one witness, and gives the line that it answered.
func (p *Panel) askOne(ctx context.Context, s Storage, cp Checkpoint, w *panelist) (a Answer, line []byte) {
	a = Answer{Witness: w.Name, Reply: ReplySilent, Seen: w.last()}
	switch {
	case w.Verifier == nil:
		a.Err = errors.New("its key is of a type that is not known here")
		return a, nil
	case w.ask == nil:
		a.Err = errors.New("no way to it is configured")
		return a, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	for range maxAsks {
		g, err := growthFrom(ctx, s, a.Seen, cp)
		if err == nil {
			line, err = w.request(ctx, g)
		}
		var old *OldSizeError
		switch {
		case err == nil:
			return p.accept(w, cp, line)
		case errors.As(err, &old):
			a.Seen = old.Size
			w.saw(old.Size)
			a.Reply, a.Err = ReplyBehind, err
			if old.Size > cp.Size {
				a.Reply, a.Err = ReplyAhead, beyond(ctx, s, w.Name, old.Size)
				return a, nil
			}
		default:
			a.Reply, a.Err = classify(w.Name, g, cp, err)
			return a, nil
		}
	}
	return a, nil
}

// growthFrom proves growth out of what is stored.
func growthFrom(ctx context.Context, s Storage, old int64, cp Checkpoint) (g Growth, err error) {
	if old > cp.Size { // it saw a later one, by way of another process; it says itself how that is
		old = cp.Size
	}
	err = s.View(ctx, func(r Reader) error {
		g, err = ProveGrowth(r, old, cp)
		return err
	})
	return g, err
}

// beyond says what it means that a witness has seen more than the checkpoint that it was shown: nothing, if another process has signed more
// meanwhile, which then is stored.
func beyond(ctx context.Context, s Storage, name string, seen int64) error {
	var size int64
	err := s.View(ctx, func(r Reader) (err error) {
		size, err = r.Size()
		return err
	})
	switch {
	case err != nil:
		return err
	case seen > size:
		return corrupt(hintWitness, "witness %s has seen a log of %d entries, this one has %d", name, seen, size).in(PartGuard).at(size, seen)
	}
	return fmt.Errorf("it has seen %d entries already", seen)
}

// classify tells a refusal from silence, and a refusal that contradicts our history from others.
func classify(name string, g Growth, cp Checkpoint, err error) (Reply, error) {
	for _, other := range []error{ErrOtherTree, ErrUnprovedTree} {
		if errors.Is(err, other) && g.Old > 0 { // there is one tree without entries
			c := corrupt(hintWitness, "witness %s has seen another tree of %d entries than the one that is in this log of %d", name, g.Old, cp.Size)
			return ReplyRefused, c.in(PartGuard).at(0, g.Old).because(err)
		}
	}
	for _, refusal := range []error{ErrUnknownLog, ErrNotTheLogs, ErrBadGrowth, ErrOtherTree, ErrUnprovedTree} {
		if errors.Is(err, refusal) {
			return ReplyRefused, err
		}
	}
	return ReplySilent, err
}

// accept takes a line that is a cosignature of this checkpoint, by this witness, of about now.
func (p *Panel) accept(w *panelist, cp Checkpoint, line []byte) (Answer, []byte) {
	a := Answer{Witness: w.Name, Reply: ReplyRefused, Seen: w.last()}
	text, _ := splitNote(cp.Note)
	at, err := cosignatureTime(text, line, w.Verifier)
	if err != nil {
		a.Err = fmt.Errorf("what it answered is no cosignature of this checkpoint: %w", err)
		return a, nil
	}
	if off := at.Sub(p.now()); off.Abs() > skew {
		a.Err = fmt.Errorf("it says that it is %s, which is %v off", at.Format(time.RFC3339), off.Round(time.Second))
		return a, nil
	}
	w.saw(cp.Size)
	return Answer{Witness: w.Name, Reply: ReplyCosigned, At: at, Seen: cp.Size}, line
}

func cosignatureTime(text, line []byte, v note.Verifier) (time.Time, error) {
	n, err := note.Open(joinNote(text, []string{string(line)}), note.VerifierList(v))
	if err != nil {
		return time.Time{}, err
	}
	return CosignedAt(n.Sigs[0])
}

// join stores the cosignatures beside those that are there by now.
func (p *Panel) join(ctx context.Context, s Storage, cp Checkpoint, lines [][]byte) (Signed, error) {
	msg, err := p.joined(cp.Note, lines)
	if err == nil && !bytes.Equal(msg, cp.Note) {
		err = s.Write(ctx, func(w Writer) error {
			held, err := w.CheckpointAt(cp.Size)
			if err != nil {
				return err
			}
			if msg, err = p.joined(MergeNotes(cp.Note, held), lines); err != nil || bytes.Equal(msg, held) {
				return err
			}
			return w.PutCheckpoint(cp.Size, msg)
		})
	}
	if err != nil {
		return Signed{}, fmt.Errorf("store cosignatures of size %d: %w", cp.Size, err)
	}
	return p.policy.Open(msg)
}

func (p *Panel) joined(msg []byte, lines [][]byte) (_ []byte, err error) {
	for i, line := range lines {
		if line == nil {
			continue
		}
		if msg, err = AddCosignatures(msg, line, p.witnesses[i].Verifier); err != nil {
			return nil, err
		}
	}
	return msg, nil
}

func (w *panelist) last() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

func (w *panelist) saw(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = size
}

// request makes one request, when the one before has ended. A witness that does not heed the end of the time is left alone with it, and gets
// no other until it is done.
func (w *panelist) request(ctx context.Context, g Growth) ([]byte, error) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("it has not answered an earlier request yet: %w", context.Cause(ctx))
	}
	type result struct {
		line []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-w.turn }()
		line, err := w.ask.AddCheckpoint(ctx, g)
		done <- result{line, err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("it did not answer in time: %w", context.Cause(ctx))
	}
}
