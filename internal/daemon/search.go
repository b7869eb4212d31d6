package daemon

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// SearchLog implements [LogQueries]. The index finds, and is not believed: what is shown is the entry itself, if it is the one that was
// signed.
func (d *Daemon) SearchLog(ctx context.Context, r SearchRequest) (SearchPage, error) {
	l, err := d.current()
	if err != nil {
		return SearchPage{}, err
	}
	signed, err := l.checkpoint(ctx)
	if err != nil {
		return SearchPage{}, boundary("search log", err)
	}
	page := SearchPage{Entries: []LogEntry{}}
	search := searchOf(r)
	if search.Before == nil || *search.Before > signed.Size {
		search.Before = &signed.Size // what is not signed yet is not shown
	}
	err = l.store.Read(ctx, func(tx *store.Tx) error {
		if page.Pruned, err = tx.Pruned(); err != nil {
			return err
		}
		found, more, err := tx.Search(search)
		if err != nil {
			return err
		}
		seen, err := d.seenOutside(ctx, tx, l)
		if err != nil {
			return err
		}
		if more {
			page.Next = found[len(found)-1].Index
		}
		for _, match := range found {
			err := tx.Entries(match.Index, match.Index+1, func(index int64, leaf []byte) error {
				e, err := shown(tx, signed, seen, index, leaf)
				page.Entries = append(page.Entries, e)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return page, boundary("search log", err)
}

func searchOf(r SearchRequest) store.SearchRequest {
	s := store.SearchRequest{
		Since: r.Since, Until: r.Until, Types: r.Types, Outcomes: r.Outcomes, Actor: r.Actor, Resource: r.Resource, Request: r.Request, Text: r.Text, Limit: r.Limit,
	}
	if r.Before > 0 {
		s.Before = &r.Before
	}
	if r.Stack != "" {
		s.Scope = &r.Stack
	}
	if s.Limit <= 0 {
		s.Limit = SearchLimit
	}
	return s
}

// shown gives an entry as it is shown, if it is the one that was signed.
func shown(tx *store.Tx, signed audit.Checkpoint, seen seen, index int64, leaf []byte) (LogEntry, error) {
	if err := included(tx, signed, index, leaf); err != nil {
		return LogEntry{}, err
	}
	e, err := logEntry(tx, index, leaf)
	e.Level = seen.level(index)
	return e, err
}

// seen is how many entries somebody outside has seen.
type seen struct{ witnessed, anchored int64 }

// How far back receipts are looked at, where anchors are configured and where not, and how many of the witnesses' are verified, before it is
// said that nobody has seen anything.
const (
	receiptsBack    = 4096
	receiptsNearest = 256
	receiptsTried   = 16
)

// seenOutside reads it off the newest receipts, which are rows that somebody may have written who can write the database: of witnesses it
// takes those that the policy accepts, and of all others those that do not contradict the log. Whether an anchor gave them is for a verifier.
func (d *Daemon) seenOutside(ctx context.Context, tx *store.Tx, l *openLog) (s seen, err error) {
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return s, err
	}
	policy, err := d.policy(keys)
	if err != nil {
		policy = nil // whoever asks the witnesses is told
	}
	size, err := tx.Size()
	if err != nil {
		return s, err
	}
	asked := policy != nil && policy.NeedsWitness()
	back, tried := receiptsNearest, 0
	if len(d.options.Installation.Anchors) > 0 {
		back = receiptsBack
	}
	err = tx.NewestReceipts(back, func(r audit.Receipt) (bool, error) {
		switch {
		case r.Size > size:
		case r.Kind != receiptWitnesses:
			if s.anchored == 0 && !contradicts(tx, l.origin, r) {
				s.anchored = r.Size
			}
		case s.witnessed == 0 && asked && tried < receiptsTried:
			if tried++; cosigned(tx, policy, r) {
				s.witnessed = r.Size
			}
		}
		return s.anchored == 0 || s.witnessed == 0 && asked, nil
	})
	return s, err
}

// cosigned says whether enough witnesses have signed the tree that the log has at the size of a receipt.
func cosigned(tx *store.Tx, policy *audit.Policy, r audit.Receipt) bool {
	signed, err := policy.Open(r.Data)
	if err != nil || signed.Size != r.Size || !signed.Quorum {
		return false
	}
	root, err := tlog.TreeHash(r.Size, tx)
	return err == nil && root == signed.Root
}

// contradicts says whether a receipt, as far as it can be read here, is about another tree than the log has.
func contradicts(tx *store.Tx, origin string, r audit.Receipt) bool {
	if r.Kind != audit.KindTimestamp {
		return false
	}
	stamp, err := audit.ParseStamp(r.Data)
	if err != nil {
		return true
	}
	root, err := tlog.TreeHash(r.Size, tx)
	if err != nil {
		return true
	}
	text, err := audit.FormatCheckpoint(audit.Head{Origin: origin, Size: r.Size, Root: root})
	return err != nil || !stamp.Of(audit.Checkpoint{Note: append(text, '\n')})
}

// level is that of an entry that is signed.
func (s seen) level(index int64) audit.Level {
	switch {
	case index < s.anchored:
		return audit.LevelAnchored
	case index < s.witnessed:
		return audit.LevelWitnessed
	}
	return audit.LevelSigned
}

// followEvery is how often it is looked whether something was appended.
const followEvery = 250 * time.Millisecond

// FollowLog implements [LogQueries].
func (d *Daemon) FollowLog(ctx context.Context, from int64, f func(LogEntry) error) error {
	l, err := d.current()
	if err != nil {
		return err
	}
	next := from
	for {
		signed, err := l.checkpoint(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return boundary("follow log", err)
		}
		if next < 0 {
			next = max(signed.Size+next, 0)
		}
		if next < signed.Size {
			err := d.Entries(ctx, next, signed.Size, func(e LogEntry) error {
				next = e.Index + 1
				return f(e)
			})
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
		}
		if !wait(ctx, followEvery) {
			return nil
		}
	}
}

// ProveEntry implements [LogQueries].
func (d *Daemon) ProveEntry(ctx context.Context, index int64) (EntryProof, error) {
	l, err := d.current()
	if err != nil {
		return EntryProof{}, err
	}
	signed, err := l.checkpoint(ctx)
	if err != nil {
		return EntryProof{}, boundary("prove entry", err)
	}
	p := EntryProof{Index: index, Level: audit.LevelSigned, Size: signed.Size}
	err = l.store.Read(ctx, func(tx *store.Tx) error {
		if index < 0 || index >= signed.Size {
			return &taffrail.Error{Op: "prove entry", Kind: taffrail.KindNotFound, Err: fmt.Errorf("entry %d is not signed, or not there", index), Hint: fmt.Sprintf("the log has entries 0 to %d", signed.Size-1)}
		}
		proof, err := audit.Prove(tx, index, signed)
		if err != nil {
			return err
		}
		p.Proof = proof.Text()
		seen, err := d.seenOutside(ctx, tx, l)
		if err != nil {
			return err
		}
		p.Level = seen.level(signed.Size - 1)
		if pruned, err := tx.Pruned(); err != nil || index < pruned {
			return err
		}
		return tx.Entries(index, index+1, func(_ int64, leaf []byte) error {
			p.Leaf = append([]byte(nil), leaf...)
			return included(tx, signed, index, leaf)
		})
	})
	return p, boundary("prove entry", err)
}

// LogPolicy implements [LogQueries].
func (d *Daemon) LogPolicy(ctx context.Context) ([]byte, error) {
	l, err := d.current()
	if err != nil {
		return nil, err
	}
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return nil, boundary("read keys", err)
	}
	if _, err := d.policy(keys); err != nil { // it is given out only if it can be read
		return nil, err
	}
	text, err := d.policyText(keys)
	return []byte(policyHead + text), err
}

const policyHead = `# Which keys sign this log, for which sizes, and who watches it. Compare the keys with what
# you were told on another way: a policy that comes with the evidence proves nothing.
`
