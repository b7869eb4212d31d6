package audit_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	fnote "github.com/transparency-dev/formats/note"
	fproof "github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// witnessKey makes the keys of a witness.
func witnessKey(t testing.TB, name string) (skey, vkey string) {
	t.Helper()
	var seed [32]byte
	copy(seed[:], name)
	skey, vkey, err := audit.GenerateCosigner(name, seed)
	if err != nil {
		t.Fatal(err)
	}
	return skey, vkey
}

func newWitness(t testing.TB, name string, a *archive) (*audit.Witness, string) {
	t.Helper()
	skey, vkey := witnessKey(t, name)
	signer, err := audit.NewCosigner(skey, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	if signer.Public() != vkey {
		t.Errorf("public key %s, want %s", signer.Public(), vkey)
	}
	guard := audittest.NewMemoryGuard()
	return &audit.Witness{Signer: signer, Log: func(name string) (audit.Keys, audit.Guard, error) {
		if name != origin {
			return audit.Keys{}, nil, audit.ErrUnknownLog
		}
		return a.ring.Keys(), guard, nil
	}}, vkey
}

func (a *archive) growth(old int64, cp audit.Checkpoint) audit.Growth {
	a.t.Helper()
	var g audit.Growth
	err := a.storage.View(a.t.Context(), func(r audit.Reader) (err error) {
		g, err = audit.ProveGrowth(r, old, cp)
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return g
}

func TestWitnessCosignsGrowthAlone(t *testing.T) {
	a := newArchive(t)
	w, vkey := newWitness(t, "witness.example/w", a)
	verifier, err := audit.NewCosignatureVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := fnote.NewVerifierForCosignatureV1(vkey)
	if err != nil {
		t.Fatal(err)
	}
	old := int64(0)
	for _, size := range []int64{0, 1, 5, 5, 256, 300} {
		cp := a.grow(size)
		g := a.growth(old, cp)
		parsed, err := audit.ParseGrowth(g.Text())
		if err != nil || !bytes.Equal(parsed.Text(), g.Text()) {
			t.Fatalf("size %d: %v", size, err)
		}
		line, err := w.AddCheckpoint(t.Context(), parsed)
		if err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		joined, err := audit.AddCosignatures(cp.Note, line, verifier)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := audit.AddCosignatures(joined, line, verifier); err != nil || !bytes.Equal(again, joined) {
			t.Errorf("it is added twice: %v", err)
		}
		n, err := note.Open(joined, note.VerifierList(theirs))
		if err != nil {
			t.Fatalf("another implementation: %v", err)
		}
		if at, err := fnote.CoSigV1Timestamp(n.Sigs[0]); err != nil || !at.Equal(noon) {
			t.Errorf("at %v, %v", at, err)
		}
		old = size
	}
}

func TestWitnessRefuses(t *testing.T) {
	a := newArchive(t)
	w, _ := newWitness(t, "witness.example/w", a)
	first := a.grow(10)
	if _, err := w.AddCheckpoint(t.Context(), a.growth(0, first)); err != nil {
		t.Fatal(err)
	}
	second := a.grow(20)
	good := a.growth(10, second)
	var size *audit.OldSizeError
	for name, tc := range map[string]struct {
		growth audit.Growth
		want   error
	}{
		"an unknown log":          {audit.Growth{Checkpoint: bytes.Replace(second.Note, []byte(origin), []byte("other.example/log"), 1)}, audit.ErrUnknownLog},
		"a forged signature":      {audit.Growth{Old: 10, Checkpoint: bytes.Replace(second.Note, []byte("\n20\n"), []byte("\n21\n"), 1)}, audit.ErrNotTheLogs},
		"an old size beyond":      {audit.Growth{Old: 21, Checkpoint: second.Note}, audit.ErrBadGrowth},
		"no proof":                {audit.Growth{Old: 10, Checkpoint: second.Note}, audit.ErrUnprovedTree},
		"a proof of another size": {audit.Growth{Old: 10, Proof: a.growth(9, second).Proof, Checkpoint: second.Note}, audit.ErrUnprovedTree},
		"a proof of nothing":      {audit.Growth{Old: 10, Proof: good.Proof, Checkpoint: first.Note}, audit.ErrUnprovedTree},
	} {
		if _, err := w.AddCheckpoint(t.Context(), tc.growth); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.AddCheckpoint(t.Context(), a.growth(5, second)); !errors.As(err, &size) || size.Size != 10 {
		t.Errorf("another old size: %v", err)
	}
	if _, err := w.AddCheckpoint(t.Context(), good); err != nil {
		t.Fatalf("what is good after all that: %v", err)
	}
	if _, err := w.AddCheckpoint(t.Context(), a.growth(0, first)); !errors.As(err, &size) || size.Size != 20 {
		t.Errorf("going back: %v", err)
	}
}

// Two histories under one key, the one after the other: the witness signs the first alone.
func TestWitnessRefusesAForkByAStolenKey(t *testing.T) {
	a, thief := newArchive(t), newArchive(t)
	w, _ := newWitness(t, "witness.example/w", a)
	if _, err := w.AddCheckpoint(t.Context(), a.growth(0, a.grow(10))); err != nil {
		t.Fatal(err)
	}
	thief.clock = thief.clock.Add(time.Hour)
	thief.grow(10)
	if _, err := w.AddCheckpoint(t.Context(), thief.growth(10, thief.grow(10))); !errors.Is(err, audit.ErrOtherTree) {
		t.Errorf("the same size: %v", err)
	}
	if _, err := w.AddCheckpoint(t.Context(), thief.growth(10, thief.grow(15))); !errors.Is(err, audit.ErrUnprovedTree) {
		t.Errorf("a larger one: %v", err)
	}
}

func TestPolicyQuorum(t *testing.T) {
	a := newArchive(t)
	cp := a.grow(10)
	var lines []string
	for _, name := range []string{"x1", "x2", "x3", "y1"} {
		_, vkey := witnessKey(t, name)
		lines = append(lines, "witness "+name+" "+vkey)
	}
	msg := cosignedBy(t, a, cp, "x1", "x2", "y1")
	for groups, want := range map[string]bool{
		"quorum none": true,
		"quorum x1":   true,
		"quorum x3":   false,
		"group X 2 x1 x2 x3\ngroup Y any y1\ngroup all-of-them all X Y\nquorum all-of-them": true,
		"group X 3 x1 x2 x3\nquorum X": false,
		"group X all x1 x2\nquorum X":  true,
		"group X any x3\nquorum X":     false,
	} {
		s, err := a.policy(append(lines, strings.Split(groups, "\n")...)...).Open(msg)
		if err != nil || s.Quorum != want || len(s.Cosignatures) != 3 || !s.Cosignatures[0].At.Equal(noon) {
			t.Errorf("%q: quorum %v, %d cosignatures, %v", groups, s.Quorum, len(s.Cosignatures), err)
		}
	}
}

// cosignedBy is a checkpoint with the cosignatures of witnesses.
func cosignedBy(t testing.TB, a *archive, cp audit.Checkpoint, names ...string) []byte {
	t.Helper()
	msg := cp.Note
	for _, name := range names {
		w, vkey := newWitness(t, name, a)
		verifier, err := audit.NewCosignatureVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		line, err := w.AddCheckpoint(t.Context(), a.growth(0, cp))
		if err != nil {
			t.Fatal(err)
		}
		if msg, err = audit.AddCosignatures(msg, line, verifier); err != nil {
			t.Fatal(err)
		}
	}
	return msg
}

func TestPolicyRefuses(t *testing.T) {
	a := newArchive(t)
	_, w := witnessKey(t, "w")
	other := strings.Replace(w, "w+", "v+", 1)
	id := strings.Join(strings.Split(a.vkey, "+")[:2], "+")
	for name, text := range map[string]string{
		"no quorum":            "log " + a.vkey,
		"two":                  "quorum none\nquorum none",
		"an unknown word":      "logs " + a.vkey + "\nquorum none",
		"a control character":  "quorum none\r\n",
		"a witness as a log":   "log " + w + "\nquorum none",
		"a log twice":          "log " + a.vkey + "\nlog " + a.vkey + "\nquorum none",
		"a hash of another":    "witness x " + other + "\nquorum x",
		"a name twice":         "witness x " + w + "\ngroup x any x\nquorum x",
		"a member twice":       "witness x " + w + "\ngroup g any x\ngroup h any x\nquorum h",
		"a member from below":  "group g any x\nwitness x " + w + "\nquorum g",
		"none as a name":       "witness none " + w + "\nquorum none",
		"more than there are":  "witness x " + w + "\ngroup g 2 x\nquorum g",
		"none needed":          "witness x " + w + "\ngroup g 0 x\nquorum g",
		"a leading zero":       "witness x " + w + "\ngroup g 01 x\nquorum g",
		"a range of no log":    "log " + a.vkey + "\n# taffrail:valid x+12345678 0 1\nquorum none",
		"a range of no number": "log " + a.vkey + "\n# taffrail:valid x+12345678 0 x\nquorum none",
		"a quorum of nobody":   "quorum x",
		"ranges twice":         "log " + a.vkey + "\n# taffrail:valid " + id + " 0 9\n# taffrail:valid " + id + " 0 -\nquorum none",
		"a range without room": "log " + a.vkey + "\n#taffrail:valid " + id + " 0 9\nquorum none",
		"a range in capitals":  "log " + a.vkey + "\n# Taffrail:Valid " + id + " 0 9\nquorum none",
		"a range misspelled":   "log " + a.vkey + "\n# taffrail:vaild " + id + " 0 9\nquorum none",
		"a range, twice a #":   "log " + a.vkey + "\n## taffrail:valid " + id + " 0 9\nquorum none",
		"a range of no sizes":  "log " + a.vkey + "\n# taffrail:valid " + id + " 9 9\nquorum none",
		"a key of two names":   "witness x " + w + "\nwitness y " + w + "\ngroup g 2 x y\nquorum g",
		"a name in two ways":   "witness x " + w + "\nwitness x " + strings.Replace(w, "w+", "v+", 1) + "\nquorum x",
	} {
		if _, err := audit.ParsePolicy([]byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestBundleOfAWitnessedLog(t *testing.T) {
	a := newArchive(t)
	cp := a.grow(300)
	skey, vkey := witnessKey(t, "w")
	_ = skey
	for name, tc := range map[string]struct {
		at   time.Time
		fine bool
	}{"after the entries": {a.clock.Add(time.Hour), true}, "before them": {a.clock.Add(-time.Hour), false}} {
		signer, err := audit.NewCosigner(skey, func() time.Time { return tc.at })
		if err != nil {
			t.Fatal(err)
		}
		v, err := audit.NewCosignatureVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		w := audit.Witness{Signer: signer, Log: func(string) (audit.Keys, audit.Guard, error) {
			return a.ring.Keys(), audittest.NewMemoryGuard(), nil
		}}
		line, err := w.AddCheckpoint(t.Context(), a.growth(0, cp))
		if err != nil {
			t.Fatal(err)
		}
		msg, err := audit.AddCosignatures(cp.Note, line, v)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.storage.Write(t.Context(), func(w audit.Writer) error { return w.PutCheckpoint(cp.Size, msg) }); err != nil {
			t.Fatal(err)
		}
		got := verify(t, a.export(audit.BundleRequest{To: 300}), a.policy("witness w "+vkey, "quorum w"), nil)
		if got.Signed != "WITNESSED(1)" || got.OK() != tc.fine {
			t.Errorf("%s: %s, %s", name, got.Signed, faults(got))
		}
	}
	if got := verify(t, a.export(audit.BundleRequest{To: 300}), a.policy("witness w "+vkey, "witness v "+second(t), "group g all w v", "quorum g"), nil); got.OK() || findings(got)["quorum"] != audit.FindingFailed {
		t.Errorf("one of two: %+v", got.Verdicts)
	}
}

func second(t testing.TB) string {
	_, vkey := witnessKey(t, "v")
	return vkey
}

func TestProofAsOthersReadIt(t *testing.T) {
	a := newArchive(t)
	cp := a.grow(700)
	for _, i := range []int64{0, 1, 255, 256, 699} {
		var p audit.Proof
		err := a.storage.View(t.Context(), func(r audit.Reader) (err error) {
			p, err = audit.Prove(r, i, cp)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var theirs fproof.TLogProof
		if err := theirs.Unmarshal(p.Text()); err != nil || theirs.Index != uint64(i) || !bytes.Equal(theirs.Checkpoint, cp.Note) { //nolint:gosec // it is small
			t.Errorf("entry %d: %v", i, err)
		}
		again, err := audit.ParseProof(p.Text())
		if err != nil || !bytes.Equal(again.Text(), p.Text()) {
			t.Errorf("entry %d: %v", i, err)
		}
		if err := again.Check(cp, a.entry(i, "")); err != nil {
			t.Error(err)
		}
		if again.Check(cp, a.entry(i+1, "")) == nil {
			t.Errorf("entry %d: another entry passes", i)
		}
	}
}

func TestTilesTileTheTree(t *testing.T) {
	for size, want := range map[int64]string{
		0: "", 1: "tile/0/000.p/1", 256: "tile/0/000 tile/1/000.p/1", 300: "tile/0/000 tile/0/001.p/44 tile/1/000.p/1",
	} {
		var got []string
		if err := audit.Tiles(size, func(tile audit.Tile) error {
			back, err := audit.ParseTile(tile.Path())
			if err != nil || back != tile {
				t.Errorf("%s: %+v, %v", tile.Path(), back, err)
			}
			got = append(got, tile.Path())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("size %d: %q", size, got)
		}
	}
	for path, want := range map[string]audit.Tile{
		"tile/entries/x001/x234/067": {Level: -1, N: 1234067, Width: 256}, "tile/63/000.p/255": {Level: 63, Width: 255},
	} {
		if got, err := audit.ParseTile(path); err != nil || got != want {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	for _, path := range []string{"", "tile/", "tile/0/0", "tile/00/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/data/000", "tile/64/000", "tile/8/0/000", "/tile/0/000"} {
		if got, err := audit.ParseTile(path); err == nil {
			t.Errorf("%q is taken for %+v", path, got)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add("log taffrail.local/test+3829be6e+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\nquorum none\n")
	f.Add("witness x w+12345678+BAAA\ngroup g all x\nquorum g # c\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := audit.ParsePolicy([]byte(text))
		if err == nil {
			_, _ = p.Open([]byte(text))
		}
	})
}

func FuzzParseProof(f *testing.F) {
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n1\ny\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := audit.ParseProof(text)
		if err != nil || bytes.Contains(text, []byte("\nextra ")) {
			return
		}
		if !bytes.Equal(p.Text(), text) {
			t.Errorf("%q is read and written as %q", text, p.Text())
		}
	})
}

func FuzzParseGrowth(f *testing.F) {
	f.Add([]byte("old 3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n1\ny\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if g, err := audit.ParseGrowth(text); err == nil && !bytes.Equal(g.Text(), text) {
			t.Errorf("%q is read and written as %q", text, g.Text())
		}
	})
}

func FuzzVerifyBundle(f *testing.F) {
	a := newDiary(f)
	a.write("test.thing", "")
	cp := a.grow(30)
	f.Add(a.export(audit.BundleRequest{To: 30, Single: []int64{3}}))
	f.Add(a.export(audit.BundleRequest{
		To: 30, Single: []int64{0}, Disclosures: a.disclosures, Receipts: []audit.Receipt{receipt(cp, "good", noon)}, Redactions: []audit.Redaction{{Entry: 3, Digest: "x", By: 5}},
	}))
	later := newArchive(f)
	later.grow(520)
	f.Add(later.export(audit.BundleRequest{From: 512, To: 520}))
	policy := a.policy()
	f.Fuzz(func(t *testing.T, bundle []byte) {
		_, _ = audit.VerifyBundle(t.Context(), bytes.NewReader(bundle), policy, nil, map[string]audit.Checker{"good": checkReceipt})
	})
}
