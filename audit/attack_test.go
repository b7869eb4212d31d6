package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func wantCorrupt(t *testing.T, err error, what string) {
	t.Helper()
	var c *audit.CorruptError
	if !errors.As(err, &c) {
		t.Fatalf("error is %v, want a CorruptError that says %q", err, what)
	}
	if !strings.Contains(c.What, what) {
		t.Errorf("found %q, want %q", c.What, what)
	}
	if c.Hint == "" {
		t.Errorf("%q has no hint", c.What)
	}
}

// forge recomputes every hash, so that the database agrees with itself.
func forge(s *audittest.State) {
	var hashes []*tlog.Hash
	stored := tlog.HashReaderFunc(func(ids []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(ids))
		for i, id := range ids {
			out[i] = *hashes[id]
		}
		return out, nil
	})
	for i, e := range s.Entries {
		more, err := tlog.StoredHashes(int64(i), e, stored)
		if err != nil {
			panic(err)
		}
		for _, h := range more {
			hashes = append(hashes, &h)
		}
	}
	s.Hashes = hashes
}

func flip(h *tlog.Hash) *tlog.Hash {
	c := *h
	c[7] ^= 1
	return &c
}

func problems(r audit.Report) (all []string) {
	for _, p := range r.Problems {
		all = append(all, p.What)
	}
	return all
}

func node(level int, n int64) int64 { return tlog.StoredHashIndex(level, n) }

// cut drops all but the first entries, with their hashes and the checkpoints that cover them.
func cut(s *audittest.State, size int64) {
	s.Entries = s.Entries[:size]
	s.Hashes = s.Hashes[:tlog.StoredHashCount(size)]
	kept := s.Checkpoints[:0]
	for _, c := range s.Checkpoints {
		if c.Size <= size {
			kept = append(kept, c)
		}
	}
	s.Checkpoints = kept
}

// The log that is attacked has 13 entries, signed at 0, 2, 5, 8 and 13.
var attacks = []struct {
	name     string
	attack   func(*world, *audittest.State)
	open     string // what Open finds; empty if it cannot know, as it does not read every entry
	verify   string // what Verify finds first
	from, to int64  // the entries that Verify names
}{
	{"old entry edited",
		func(_ *world, s *audittest.State) { s.Entries[3] = []byte(`{"n":33}`) },
		"", "entry 3: stored hash does not match its bytes", 3, 4},
	{"newest entry edited",
		func(_ *world, s *audittest.State) { s.Entries[12] = []byte(`{"n":33}`) },
		"entry 12: its bytes are not those that were signed", "entry 12: stored hash does not match its bytes", 12, 13},
	{"entry emptied",
		func(_ *world, s *audittest.State) { s.Entries[3] = []byte{} },
		"", "entry 3: stored hash does not match its bytes", 3, 4},
	{"entries swapped",
		func(_ *world, s *audittest.State) { s.Entries[6], s.Entries[7] = s.Entries[7], s.Entries[6] },
		"", "entry 6: stored hash does not match its bytes", 6, 7},
	{"entry deleted",
		func(_ *world, s *audittest.State) { s.Entries[3] = nil },
		"", "entry 3 is missing", 3, 4},
	{"newest entry deleted in place",
		func(_ *world, s *audittest.State) { s.Entries[12] = nil },
		"entry 12 is missing", "entry 12 is missing", 12, 13},
	{"bit in a leaf's hash",
		func(_ *world, s *audittest.State) { s.Hashes[node(0, 4)] = flip(s.Hashes[node(0, 4)]) },
		"", "entry 4: stored hash does not match its bytes", 4, 5},
	{"bit in an inner node below the edge",
		func(_ *world, s *audittest.State) { s.Hashes[node(1, 2)] = flip(s.Hashes[node(1, 2)]) },
		"", "entries [4, 6): stored hash over them does not match the two below it", 4, 6},
	{"bit in a node on the edge",
		func(_ *world, s *audittest.State) { s.Hashes[node(3, 0)] = flip(s.Hashes[node(3, 0)]) },
		"the tree of 13 entries has another root", "entries [0, 8): stored hash over them does not match the two below it", 0, 8},
	{"leaf's hash deleted",
		func(_ *world, s *audittest.State) { s.Hashes[node(0, 4)] = nil },
		"", "entry 4: stored hash is missing", 4, 5},
	{"node on the edge deleted",
		func(_ *world, s *audittest.State) { s.Hashes[node(2, 2)] = nil },
		"a stored hash is missing", "entries [8, 12): stored hash over them is missing", 8, 12},
	{"entry and its hash deleted",
		func(_ *world, s *audittest.State) { s.Entries[3], s.Hashes[node(0, 3)] = nil, nil },
		"", "entry 3 and its stored hash are missing", 3, 4},
	{"tail deleted",
		func(_ *world, s *audittest.State) {
			s.Entries, s.Hashes = s.Entries[:11], s.Hashes[:tlog.StoredHashCount(11)]
		},
		"the guard knows a log of 13 entries, this one has 11", "the guard knows a log of 13 entries, this one has 11", 11, 13},
	{"tail deleted with its checkpoints",
		func(_ *world, s *audittest.State) { cut(s, 8) },
		"the guard knows a log of 13 entries, this one has 8", "the guard knows a log of 13 entries, this one has 8", 8, 13},
	{"all deleted",
		func(_ *world, s *audittest.State) { *s = audittest.State{} },
		"the guard knows a log of 13 entries, this one has 0", "the guard knows a log of 13 entries, this one has 0", 0, 13},
	{"entry, leaf and all nodes forged",
		func(_ *world, s *audittest.State) { s.Entries[3] = []byte(`{"n":33}`); forge(s) },
		"the tree of 13 entries has another root", "an entry in [2, 5) was changed: the checkpoint of size 5 has another root", 2, 5},
	{"first entry forged",
		func(_ *world, s *audittest.State) { s.Entries[0] = []byte(`{"n":33}`); forge(s) },
		"the tree of 13 entries has another root", "an entry in [0, 2) was changed: the checkpoint of size 2 has another root", 0, 2},
	{"forged, and the checkpoints deleted",
		func(_ *world, s *audittest.State) {
			s.Entries[3] = []byte(`{"n":33}`)
			forge(s)
			s.Checkpoints = nil
		},
		"the tree of 13 entries has another root", "an entry in [0, 13) was changed: the guard's state has another root", 0, 13},
	{"forged, and grown",
		func(_ *world, s *audittest.State) {
			s.Entries[3] = []byte(`{"n":33}`)
			s.Entries = append(s.Entries, body(13), body(14))
			forge(s)
		},
		"the tree of 13 entries has another root", "an entry in [2, 5) was changed", 2, 5},
	{"entry beyond the guard edited",
		func(_ *world, s *audittest.State) {
			s.Entries = append(s.Entries, body(13))
			forge(s)
			s.Entries[13] = []byte(`{"n":33}`)
		},
		"entry 13: stored hash does not match its bytes", "entry 13: stored hash does not match its bytes", 13, 14},
	{"checkpoint by another key",
		func(w *world, s *audittest.State) {
			other := newWorld(w.t)
			l := other.begin()
			other.append(13)
			s.Checkpoints[4].Note = other.sign(l).Note
		},
		"the newest stored checkpoint is not one that this log signed", "the stored checkpoint of size 13 is not one that this log signed", 0, 0},
	{"old checkpoint garbled",
		func(_ *world, s *audittest.State) { s.Checkpoints[2].Note[40] ^= 1 },
		"", "the stored checkpoint of size 5 is not one that this log signed", 0, 0},
	{"checkpoint of another size in its place",
		func(_ *world, s *audittest.State) { s.Checkpoints[2].Note = s.Checkpoints[3].Note },
		"", "the checkpoint stored for size 5 signs size 8", 0, 0},
	{"checkpoint by this key over another root",
		func(w *world, s *audittest.State) {
			s.Checkpoints[4].Note = w.forgeNote(audit.Head{Origin: origin, Size: 13, Root: reference(12)})
		},
		"an entry in [0, 13) was changed: the checkpoint of size 13", "an entry in [8, 13) was changed: the checkpoint of size 13", 8, 13},
	{"guard set back",
		func(w *world, _ *audittest.State) {
			w.guard.Set(audit.Head{Origin: origin, Size: 8, Root: reference(8)})
		},
		"the guard state was set back: it knows 8 entries, a checkpoint signs 13", "the guard state was set back", 0, 0},
	{"guard of another log",
		func(w *world, _ *audittest.State) { w.guard.Set(audit.EmptyHead("taffrail.local/other")) },
		`the guard state is of log "taffrail.local/other"`, `the guard state is of log "taffrail.local/other"`, 0, 0},
	{"guard state that never was",
		func(w *world, _ *audittest.State) { w.guard.Set(audit.Head{Origin: origin}) },
		"the guard state is not one that was ever written", "the guard state is not one that was ever written", 0, 0},
	{"guard deleted",
		func(w *world, _ *audittest.State) { w.guard.Set(audit.Head{}) },
		"the guard state is missing", "there is a log of 13 entries, and the guard state is missing", 0, 13},
	{"guard and checkpoints deleted",
		func(w *world, s *audittest.State) { w.guard.Set(audit.Head{}); s.Checkpoints = nil },
		"the guard state is missing", "there is a log of 13 entries, and the guard state is missing", 0, 13},
	{"guard deleted, and all but the checkpoints",
		func(w *world, s *audittest.State) { w.guard.Set(audit.Head{}); s.Entries, s.Hashes = nil, nil },
		"the guard state is missing", "there is a log of 0 entries, and the guard state is missing", 0, 0},
}

// forgeNote signs what the guard would not let pass.
func (w *world) forgeNote(h audit.Head) []byte {
	w.t.Helper()
	text, err := audit.FormatCheckpoint(h)
	if err != nil {
		w.t.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: string(text)}, w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	return msg
}

func TestAttacks(t *testing.T) {
	for _, test := range attacks {
		t.Run(test.name, func(t *testing.T) {
			w := grown(t, 2, 5, 8, 13)
			before := w.open()
			w.storage.Tamper(func(s *audittest.State) { test.attack(w, s) })
			held := w.storage.State()

			r, err := audit.Verify(t.Context(), w.storage, w.signer(), nil)
			wantCorrupt(t, err, test.verify)
			if c := r.Problems[0]; c.From != test.from || c.To != test.to {
				t.Errorf("names entries [%d, %d), want [%d, %d)", c.From, c.To, test.from, test.to)
			}
			_, opened := audit.Open(t.Context(), w.storage, w.signer())
			_, signed := before.Sign(t.Context())
			if test.open == "" {
				if opened != nil || signed != nil {
					t.Errorf("open: %v; sign: %v", opened, signed)
				}
				return
			}
			wantCorrupt(t, opened, test.open)
			wantCorrupt(t, signed, test.open)
			if n := len(w.storage.State().Checkpoints); n != len(held.Checkpoints) {
				t.Errorf("a checkpoint was stored")
			}
		})
	}
}

// TestAttacksWhileItRuns attacks between two signatures of one process, with more appended or not: what a start finds, the next signature
// finds, whatever the process remembers.
func TestAttacksWhileItRuns(t *testing.T) {
	for _, test := range attacks {
		for _, more := range []int{0, 1, 3} {
			t.Run(fmt.Sprintf("%s/%d more", test.name, more), func(t *testing.T) {
				w := newWorld(t)
				l := w.begin()
				for _, n := range []int{2, 3, 3, 5} {
					w.append(n)
					w.sign(l)
				}
				w.storage.Tamper(func(s *audittest.State) { test.attack(w, s) })
				for range more {
					err := w.storage.Write(t.Context(), func(tx audit.Writer) error {
						_, err := audit.Append(tx, []byte(`{"another":"entry"}`))
						return err
					})
					if err != nil { // whoever appends has found it
						return
					}
				}
				held, before := w.storage.State(), mustHold(t, w.guard)
				_, signed := l.Sign(t.Context())
				if test.open == "" {
					if signed != nil {
						t.Errorf("sign: %v", signed)
					}
					return
				}
				_, opened := audit.Open(t.Context(), w.storage, w.signer())
				var c *audit.CorruptError
				if !errors.As(signed, &c) || opened == nil || opened.Error() != "open log: "+signed.Error() {
					t.Errorf("sign: %v; open: %v", signed, opened)
				}
				if n := len(w.storage.State().Checkpoints); n != len(held.Checkpoints) || mustHold(t, w.guard) != before {
					t.Errorf("it was signed: %d checkpoints, guard %+v", n, mustHold(t, w.guard))
				}
			})
		}
	}
}

// mustHold is what a guard holds; the zero Head for none.
func mustHold(t *testing.T, g audit.Guard) audit.Head {
	t.Helper()
	h, err := g.Load(t.Context())
	if err != nil && !errors.Is(err, audit.ErrNoHead) {
		t.Fatal(err)
	}
	return h
}

// TestOlderCopyRestored restores a backup, and lets it grow: neither the old state nor the new history is signed.
func TestOlderCopyRestored(t *testing.T) {
	w := newWorld(t)
	l := w.begin()
	w.append(5)
	w.sign(l)
	backup := w.storage.State()
	w.append(3)
	w.sign(l)
	w.storage.Restore(backup)
	for range 2 {
		_, err := audit.Open(t.Context(), w.storage, w.signer())
		wantCorrupt(t, err, "the guard knows a log of 8 entries")
		_, err = l.Sign(t.Context())
		wantCorrupt(t, err, "the guard knows a log of 8 entries")
		appendOther(t, w.storage, 1)
	}
	appendOther(t, w.storage, 4) // now as long as the guard knows, and longer
	_, err := audit.Open(t.Context(), w.storage, w.signer())
	wantCorrupt(t, err, "the tree of 8 entries has another root than the one that was signed")
	_, err = audit.Verify(t.Context(), w.storage, w.signer(), nil)
	wantCorrupt(t, err, "an entry in [5, 8) was changed: the guard's state has another root")
}

func appendOther(t *testing.T, s audit.Storage, n int) {
	t.Helper()
	for range n {
		err := s.Write(t.Context(), func(tx audit.Writer) error {
			_, err := audit.Append(tx, []byte(`{"another":"history"}`))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestTwoHistories copies the storage and lets both grow under one guard: whoever signs second is refused.
func TestTwoHistories(t *testing.T) {
	w := grown(t, 5)
	fork := audittest.NewMemory()
	fork.Restore(w.storage.State())
	ours, theirs := w.open(), mustOpen(t, fork, w.signer())
	w.append(3)
	appendOther(t, fork, 3)
	w.sign(ours)
	_, err := theirs.Sign(t.Context())
	wantCorrupt(t, err, "the tree of 8 entries has another root")
	appendOther(t, fork, 3)
	_, err = theirs.Sign(t.Context())
	wantCorrupt(t, err, "the tree of 8 entries has another root")
	w.verify()
}

func mustOpen(t *testing.T, s audit.Storage, signer audit.Signer) *audit.Log {
	t.Helper()
	l, err := audit.Open(t.Context(), s, signer)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestCheckpointsDeleted is no attack that matters: the guard knows, and the newest is signed again.
func TestCheckpointsDeleted(t *testing.T) {
	w := grown(t, 2, 5)
	before := w.storage.State().Checkpoints
	w.storage.Tamper(func(s *audittest.State) { s.Checkpoints = nil })
	if r := w.verify(); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "size 5 is signed and not stored") {
		t.Errorf("notes are %q", r.Notes)
	}
	w.open()
	after := w.storage.State().Checkpoints
	if len(after) != 1 || string(after[0].Note) != string(before[2].Note) {
		t.Errorf("stored are %d checkpoints: %v", len(after), after)
	}
}

// TestUnsignedIsNoFault: entries that were committed and not signed yet are legal.
func TestUnsignedIsNoFault(t *testing.T) {
	w := grown(t, 5)
	w.append(2)
	r := w.verify()
	if r.Size != 7 || r.Signed != 5 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "2 entries are committed and not signed yet") {
		t.Errorf("report is %+v", r)
	}
}

// TestVerifyNamesAll shows that one fault does not hide another, and that there is an end to it.
func TestVerifyNamesAll(t *testing.T) {
	w := grown(t, 600, 1300)
	w.storage.Tamper(func(s *audittest.State) {
		s.Entries[3] = []byte(`{}`)
		s.Entries[700] = nil
		s.Hashes[node(5, 9)] = flip(s.Hashes[node(5, 9)])
		s.Entries[1299] = []byte(`{}`)
	})
	var calls []int64
	r, err := audit.Verify(t.Context(), w.storage, w.signer(), func(done, total int64) {
		if total != 1300 {
			t.Errorf("total is %d", total)
		}
		calls = append(calls, done)
	})
	wantCorrupt(t, err, "entry 3:")
	want := []string{
		"entry 3: stored hash does not match its bytes",
		"entries [288, 320): stored hash over them does not match the two below it",
		"entries [256, 320): stored hash over them does not match the two below it",
		"entry 700 is missing",
		"entry 1299: stored hash does not match its bytes",
	}
	if diff := cmp.Diff(want, problems(r)); diff != "" {
		t.Error(diff)
	}
	if len(calls) != 4 || calls[0] != 0 || calls[3] != 1300 {
		t.Errorf("progress was %v", calls)
	}

	w.storage.Tamper(func(s *audittest.State) {
		for i := range s.Entries {
			s.Entries[i] = nil
		}
	})
	r, err = audit.Verify(t.Context(), w.storage, w.signer(), nil)
	wantCorrupt(t, err, "entry 0 is missing")
	if len(r.Problems) != 100 || !r.Truncated {
		t.Errorf("%d problems, truncated %v", len(r.Problems), r.Truncated)
	}
}

// TestVerifyBlind has no guard to compare with: entries and checkpoints still tell all they know.
func TestVerifyBlind(t *testing.T) {
	w := grown(t, 2, 5, 8)
	w.guard.Set(audit.Head{})
	w.storage.Tamper(func(s *audittest.State) {
		s.Entries[0] = []byte(`{}`)
		s.Entries, s.Hashes = s.Entries[:6], s.Hashes[:tlog.StoredHashCount(6)]
		forge(s)
	})
	r, err := audit.Verify(t.Context(), w.storage, w.signer(), nil)
	wantCorrupt(t, err, "the guard state is missing")
	want := []string{
		"there is a log of 6 entries, and the guard state is missing",
		"an entry in [0, 2) was changed: the checkpoint of size 2 has another root",
		"the checkpoint of size 8 covers entries that are gone, there are 6",
	}
	if diff := cmp.Diff(want, problems(r)); diff != "" {
		t.Error(diff)
	}
}
