package audit_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
)

func FuzzParseTile(f *testing.F) {
	for _, path := range []string{"tile/0/000", "tile/entries/x001/x234/067.p/5", "tile/63/000.p/255", "tile/8/0/000"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if tile, err := audit.ParseTile(path); err == nil && tile.Path() != path {
			t.Errorf("%q becomes %+v becomes %q", path, tile, tile.Path())
		}
	})
}

func FuzzParseEntries(f *testing.F) {
	f.Add([]byte("\x00\x02{}\x00\x00\x00\x01x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := audit.ParseEntries(data)
		if err != nil {
			return
		}
		var again []byte
		for _, e := range entries {
			again = append(append(again, byte(len(e)>>8), byte(len(e))), e...)
		}
		if !bytes.Equal(again, data) || len(entries) > audit.TileWidth {
			t.Errorf("%q becomes %q", data, again)
		}
	})
}

// FuzzCosignature lets a witness answer anything at all: it is taken only if it is its cosignature of this checkpoint, and never costs a line
// of others.
func FuzzCosignature(f *testing.F) {
	a := newArchive(f)
	cp := a.grow(10)
	w, vkey := newWitness(f, "w", a)
	verifier, err := audit.NewCosignatureVerifier(vkey)
	if err != nil {
		f.Fatal(err)
	}
	good, err := w.AddCheckpoint(f.Context(), a.growth(0, cp))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, good)
	f.Add([]byte("— w AAAA\n"), append([]byte("— x AAAA\n"), good...))
	f.Fuzz(func(t *testing.T, held, answer []byte) {
		msg := audit.MergeNotes(cp.Note, append(append([]byte(checkpointText(cp)), '\n'), held...))
		if !bytes.HasPrefix(msg, cp.Note) {
			t.Fatalf("the log's signature is gone: %q", msg)
		}
		joined, err := audit.AddCosignatures(cp.Note, answer, verifier)
		if err != nil {
			return
		}
		n, err := note.Open(joined, note.VerifierList(verifier))
		if err != nil || !bytes.HasPrefix(joined, cp.Note) {
			t.Fatalf("%q: %v", joined, err)
		}
		if at, err := audit.CosignedAt(n.Sigs[0]); err != nil || !at.Equal(noon) {
			t.Errorf("at %v, %v", at, err)
		}
	})
}

func checkpointText(cp audit.Checkpoint) string {
	text, _, _ := strings.Cut(string(cp.Note), "\n\n")
	return text + "\n"
}

func FuzzWitnessKeys(f *testing.F) {
	skey, vkey := witnessKey(f, "w")
	f.Add(skey)
	f.Add(vkey)
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := audit.NewCosignatureVerifier(text); err == nil && !strings.HasPrefix(text, v.Name()+"+") {
			t.Errorf("%q is of %q", text, v.Name())
		}
		if k, err := audit.NewLogKey(text, 0, 0); err == nil && !strings.HasPrefix(text, k.ID()+"+") {
			t.Errorf("%q is of %q", text, k.ID())
		}
		s, err := audit.NewCosigner(text, time.Now)
		if err != nil {
			return
		}
		if _, err := audit.NewCosignatureVerifier(s.Public()); err != nil {
			t.Errorf("its public key is none: %v", err)
		}
	})
}
