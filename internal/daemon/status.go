package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// LogStatus implements [LogQueries].
func (d *Daemon) LogStatus(ctx context.Context) (LogStatus, error) {
	l, err := d.current()
	if err != nil {
		return LogStatus{}, err
	}
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return LogStatus{}, boundary("look at log", err)
	}
	head, err := l.signer.Head(ctx)
	if err != nil {
		return LogStatus{}, boundary("look at log", err)
	}
	in := d.options.Installation
	s := LogStatus{
		Log: d.infoOf(keys.Origin(), keys.Newest().VKey), Keys: keyInfos(keys), Signed: head.Size, MaxUnseen: in.MaxUnanchored.Seconds(),
		Receipts: []ReceiptInfo{}, Holds: []HoldInfo{}, Intents: []int64{}, Alarms: []string{},
	}
	err = l.store.Read(ctx, func(tx *store.Tx) error {
		outside, err := d.seenOutside(ctx, tx, l)
		if err != nil {
			return err
		}
		s.Witnessed, s.Anchored = outside.witnessed, outside.anchored
		return s.fill(tx)
	})
	if err != nil {
		return s, boundary("look at log", err)
	}
	s.judge(d.now(), in.MaxUnanchored)
	return s, nil
}

// fill reads what the database knows.
func (s *LogStatus) fill(tx *store.Tx) (err error) {
	if s.Size, err = tx.Size(); err != nil {
		return err
	}
	if s.Pruned, err = tx.Pruned(); err != nil {
		return err
	}
	if s.Queued, err = tx.Queued(); err != nil {
		return err
	}
	if err := s.fillReceipts(tx); err != nil {
		return err
	}
	if err := s.fillUnseen(tx); err != nil {
		return err
	}
	holds, err := tx.Holds()
	if err != nil {
		return err
	}
	for _, h := range holds {
		s.Holds = append(s.Holds, HoldInfo{Entry: h.Index, From: h.From, To: h.To, Reason: h.Reason})
	}
	intents, err := tx.OpenIntents()
	if err != nil {
		return err
	}
	for _, i := range intents {
		s.Intents = append(s.Intents, i.Index)
	}
	return s.fillNewest(tx)
}

// fillReceipts takes the newest receipt of each authority.
func (s *LogStatus) fillReceipts(tx *store.Tx) error {
	newest := map[[2]string]ReceiptInfo{}
	err := tx.NewestReceipts(receiptsBack, func(r audit.Receipt) (bool, error) {
		key := [2]string{r.Kind, r.Anchor}
		if _, ok := newest[key]; !ok {
			newest[key] = ReceiptInfo{Kind: r.Kind, Anchor: r.Anchor, Size: r.Size, At: r.At}
		}
		return true, nil
	})
	for _, r := range newest {
		s.Receipts = append(s.Receipts, r)
	}
	slices.SortFunc(s.Receipts, func(a, b ReceiptInfo) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Anchor, b.Anchor))
	})
	return err
}

// fillUnseen says for how long nobody outside has seen the newest entries.
func (s *LogStatus) fillUnseen(tx *store.Tx) error {
	seen := max(s.Witnessed, s.Anchored, s.Pruned)
	if s.Unseen = max(s.Size-seen, 0); s.Unseen == 0 {
		return nil
	}
	e, err := entryAt(tx, seen)
	if err != nil {
		return err
	}
	s.UnseenFrom = new(e.Time)
	return nil
}

// fillNewest finds the newest entry, and those of the two types that say that somebody looked.
func (s *LogStatus) fillNewest(tx *store.Tx) error {
	if s.Size > 0 {
		e, err := entryAt(tx, s.Size-1)
		if err != nil {
			return err
		}
		s.newest = e.Time
	}
	verified, at, err := newestOf[taffrail.Verified](tx, taffrail.EntryVerified)
	if err != nil {
		return err
	}
	if at != nil {
		s.Verified = &VerifiedInfo{Entry: at.Counter, At: at.Time, Size: verified.Size, Problems: len(verified.Problems)}
	}
	beat, at, err := newestOf[taffrail.Heartbeat](tx, taffrail.EntryHeartbeat)
	if err == nil && at != nil {
		s.Heartbeat = &HeartbeatInfo{Entry: at.Counter, At: at.Time, Next: at.Time.Add(time.Duration(beat.Seconds) * time.Second)}
	}
	return err
}

// newestOf gives the newest entry of a type and its body; nil if there is none.
func newestOf[B taffrail.EntryBody](tx *store.Tx, t taffrail.EntryType) (body B, e *taffrail.Entry, err error) {
	found, _, err := tx.Search(store.SearchRequest{Types: []taffrail.EntryType{t}, Limit: 1})
	if err != nil || len(found) == 0 {
		return body, nil, err
	}
	newest, err := entryAt(tx, found[0].Index)
	if err != nil {
		return body, nil, err
	}
	body, _ = newest.Body.(B)
	return body, &newest, nil
}

// late is how much later than announced a heartbeat may come before that is an alarm.
const late = 2 * time.Minute

// maxAhead is how far the newest entry may be ahead of the clock: clocks of machines that share a log differ.
const maxAhead = 5 * time.Minute

// judge says what a person must look at.
func (s *LogStatus) judge(now time.Time, bound time.Duration) {
	alarm := func(format string, args ...any) { s.Alarms = append(s.Alarms, fmt.Sprintf(format, args...)) }
	if bound > 0 && s.UnseenFrom != nil && now.Sub(*s.UnseenFrom) > bound {
		alarm("%d entries were seen by nobody outside, the first of them %v ago, and %v is the most that was set: `taffrail log witness`, `taffrail log anchor`",
			s.Unseen, now.Sub(*s.UnseenFrom).Round(time.Second), bound)
	}
	if v := s.Verified; v != nil && v.Problems > 0 {
		alarm("%d problems were found when all was hashed again (entry %d): `taffrail log verify`", v.Problems, v.Entry)
	}
	if ahead := s.newest.Sub(now); ahead > maxAhead {
		alarm("the newest entry says %s, which is %v from now: the clock was ahead then, or is behind now; until that time no entry says when it was made, and no age above can be believed",
			s.newest.Format(time.RFC3339), ahead.Round(time.Second))
	}
	if h := s.Heartbeat; h != nil && now.After(h.Next.Add(late)) {
		alarm("no heartbeat since %s, and one was due at %s: is `taffrail serve` still running?", h.At.Format(time.RFC3339), h.Next.Format(time.RFC3339))
	}
	if n := s.Size - s.Signed; n > 0 {
		alarm("%d entries are not signed", n)
	}
}

func keyInfos(keys audit.Keys) []KeyInfo {
	infos := []KeyInfo{}
	for _, k := range keys.All() {
		infos = append(infos, KeyInfo{Key: k.VKey, From: k.From, To: k.To})
	}
	return infos
}
