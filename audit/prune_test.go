package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// announce appends the entry that says what is to be pruned, and signs.
func (a *archive) announce(before int64) {
	a.t.Helper()
	err := a.storage.Write(a.t.Context(), func(w audit.Writer) error {
		i, err := w.Size()
		if err == nil {
			leaf := strings.Replace(string(a.entry(i, fmt.Sprintf(`"body":{"before":%d},"outcome":"intended",`, before))), "test.thing", "log.pruned", 1)
			_, err = audit.Append(w, []byte(leaf))
		}
		return err
	})
	if err == nil {
		_, err = a.log.Sign(a.t.Context())
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *archive) prune(before int64) {
	a.t.Helper()
	a.announce(before)
	if err := a.storage.Prune(before); err != nil {
		a.t.Fatal(err)
	}
}

func (a *archive) prove(index int64, cp audit.Checkpoint) (p audit.Proof) {
	a.t.Helper()
	err := a.storage.View(a.t.Context(), func(r audit.Reader) (err error) {
		p, err = audit.Prove(r, index, cp)
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

func TestPruned(t *testing.T) {
	for _, before := range []int64{256, 512, 1024} {
		a := newArchive(t)
		a.grow(300)
		cp := a.grow(1023)
		old := a.prove(3, cp)
		a.prune(before)
		if err := old.Check(cp, a.entry(3, "")); err != nil {
			t.Errorf("an old proof: %v", err)
		}
		if again := a.prove(3, cp); again.Check(cp, a.entry(3, "")) != nil {
			t.Error("a proof that was made after that does not hold")
		}
		r, err := a.log.Verify(t.Context(), nil)
		if before == 1024 { // of 1024: the entry that says so is gone, too
			wantCorrupt(t, err, "the bodies of 1024 entries are gone, and no entry of the log says that they were to be pruned")
		} else if err != nil || r.Pruned != before || r.Size != 1024 || r.Checkpoints != 4 || len(r.Notes) != 0 {
			t.Errorf("before %d: %+v, %v", before, r, err)
		}
		if _, err := audit.Open(t.Context(), a.storage, audit.NewSigner(a.ring, a.guard)); err != nil {
			t.Errorf("before %d: open: %v", before, err)
		}
		if cp := a.grow(1100); cp.Size != 1100 {
			t.Error("it does not grow")
		}
	}
}

func TestPrunedAndAttacked(t *testing.T) {
	for name, tc := range map[string]struct {
		attack       func(*audittest.State)
		open, verify string
	}{
		"an entry after what was pruned": {func(s *audittest.State) { s.Entries[512] = nil }, "", "entry 512 is missing"},
		"one of them edited":             {func(s *audittest.State) { s.Entries[700] = []byte(`{}`) }, "", "entry 700: stored hash does not match its bytes"},
		"a hash of a pruned one":         {func(s *audittest.State) { s.Hashes[node(0, 3)] = flip(s.Hashes[node(0, 3)]) }, "", "entries [2, 4): stored hash over them does not match"},
		"its hash deleted":               {func(s *audittest.State) { s.Hashes[node(0, 3)] = nil }, "", "entry 3 was pruned, and its stored hash is missing"},
		"a node over pruned ones":        {func(s *audittest.State) { s.Hashes[node(9, 0)] = flip(s.Hashes[node(9, 0)]) }, "another root", "entries [0, 512): stored hash over them does not match"},
		"more than the log says":         {func(s *audittest.State) { s.Pruned = 768; clear(s.Entries[:768]) }, "", "the bodies of 768 entries are gone, and no entry"},
		"more than was signed":           {func(s *audittest.State) { s.Pruned = 2048 }, "2048 entries are said to be pruned, and 1001 entries were signed", "2048 entries are said to be pruned"},
		"inside of a tile":               {func(s *audittest.State) { s.Pruned = 500 }, "500 entries are said to be pruned", "500 entries are said to be pruned"},
		"a negative number":              {func(s *audittest.State) { s.Pruned = -256 }, "-256 entries are said", "-256 entries are said"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			a.grow(300)
			a.grow(1000)
			a.prune(512)
			a.storage.Tamper(tc.attack)
			_, err := audit.Verify(t.Context(), a.storage, audit.NewSigner(a.ring, a.guard), nil)
			wantCorrupt(t, err, tc.verify)
			_, err = audit.Open(t.Context(), a.storage, audit.NewSigner(a.ring, a.guard))
			if tc.open == "" {
				if err != nil {
					t.Errorf("open: %v", err)
				}
				return
			}
			wantCorrupt(t, err, tc.open)
		})
	}
}

// All bodies but those of unsigned entries are gone.
func TestPrunedToTheEnd(t *testing.T) {
	a := newArchive(t)
	a.grow(511)
	a.announce(512)
	if err := a.storage.Prune(512); err != nil {
		t.Fatal(err)
	}
	l, err := audit.Open(t.Context(), a.storage, audit.NewSigner(a.ring, a.guard))
	if err != nil {
		t.Fatal(err)
	}
	a.announce(512)
	if r, err := l.Verify(t.Context(), nil); err != nil || r.Pruned != 512 || r.Size != 513 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestPrunedIsNotExported(t *testing.T) {
	a := newArchive(t)
	a.grow(999)
	a.prune(512)
	for _, req := range []audit.BundleRequest{{From: 0, To: 1000}, {From: 511, To: 600}, {Single: []int64{700, 3}}} {
		var written strings.Builder
		_, err := audit.WriteBundle(t.Context(), &written, a.storage, a.ring.Keys(), req)
		if !errors.Is(err, audit.ErrPruned) || !errors.Is(err, audit.ErrMissing) || !strings.Contains(err.Error(), "those before 512 are not there any more") {
			t.Errorf("%+v: %v", req, err)
		}
		if written.Len() > 0 {
			t.Errorf("%+v: %d bytes are written", req, written.Len())
		}
	}
	if got := verify(t, a.export(audit.BundleRequest{From: 512, To: 1000, Single: []int64{600}}), a.policy(), nil); !got.OK() || got.From != 512 {
		t.Errorf("%+v\n%s", got, faults(got))
	}
	err := a.storage.View(t.Context(), func(r audit.Reader) error {
		for n, want := range []bool{false, false, true} {
			if _, err := audit.ReadTile(r, audit.Entries(int64(n), 256)); (err == nil) != want || err != nil && !errors.Is(err, audit.ErrPruned) {
				t.Errorf("tile %d: %v", n, err)
			}
		}
		_, err := audit.ReadTile(r, audit.Tile{Width: 256}) // of hashes
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
