package file

import (
	"archive/tar"
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// exampleDisclosure is the field that the last entry of the example holds the digest of.
var exampleDisclosure = audit.Disclosure{Salt: "AAECAwQFBgcICQoLDA0ODw", Name: "by", Value: `"ada@example.com"`}

func exampleField(t *testing.T) (text, digest string) {
	t.Helper()
	text, err := exampleDisclosure.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text, audit.DisclosureDigest(text)
}

// exampleHistory is log.pub after a rotation: the second key has the seed of bytes 32 to 63.
func exampleHistory(t *testing.T, keys audit.Keys) audit.Keys {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(32 + i)
	}
	second, err := note.NewEd25519VerifierKey(exampleOrigin, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := keys.Rotated(second, 100, 200)
	if err != nil {
		t.Fatal(err)
	}
	return rotated
}

// cosign has the witness witness.example/1, with the seed of bytes 64 to 95, cosign the example's checkpoint a minute later.
func (e *example) cosign(t *testing.T, s audit.Storage) {
	t.Helper()
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(64 + i)
	}
	skey, vkey, err := audit.GenerateCosigner("witness.example/1", seed)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewCosigner(skey, func() time.Time { return time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	w := audit.Witness{Signer: signer, Log: func(string) (audit.Keys, audit.Guard, error) { return e.keys, audittest.NewMemoryGuard(), nil }}
	line, err := w.AddCheckpoint(t.Context(), audit.Growth{Checkpoint: e.checkpoint.Note})
	if err != nil {
		t.Fatal(err)
	}
	e.witness, e.cosignature = vkey, string(line)
	err = s.Write(t.Context(), func(tx audit.Writer) error {
		return tx.PutCheckpoint(e.checkpoint.Size, append(bytes.Clone(e.checkpoint.Note), line...))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// prove and bundle give the example's proof of entry 1, and its export.
func (e *example) export(t *testing.T, s audit.Storage) {
	t.Helper()
	err := s.View(t.Context(), func(r audit.Reader) error {
		p, err := audit.Prove(r, 1, e.checkpoint)
		e.proof = string(p.Text())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	e.field, _ = exampleField(t)
	var b bytes.Buffer
	_, err = audit.WriteBundle(t.Context(), &b, s, e.keys, audit.BundleRequest{
		To: 3, Single: []int64{1}, Made: time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC), Program: "taffrail/0.1.0",
		Disclosures: func(index int64) ([]string, error) {
			if index != 2 {
				return nil, nil
			}
			return []string{e.field}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.bundle = b.Bytes()
	policy, err := audit.ParsePolicy([]byte(e.policy()))
	if err != nil {
		t.Fatal(err)
	}
	if e.report, err = audit.VerifyBundle(t.Context(), bytes.NewReader(e.bundle), policy, nil, nil); err != nil || !e.report.OK() {
		t.Fatalf("the example's bundle does not verify: %+v, %v", e.report.Verdicts, err)
	}
}

// policy is an auditor's, for the example.
func (e *example) policy() string {
	return e.keys.String() + "witness w " + e.witness + "\nquorum w\n"
}

// bundleBlocks are the blocks about bundles.
func (e *example) bundleBlocks(t *testing.T) map[string]string {
	t.Helper()
	blocks := map[string]string{"policy": e.policy(), "proof": e.proof, "cosignature": e.cosignature, "log.pub": exampleHistory(t, e.keys).String()}
	_, digest := exampleField(t)
	raw, err := base64.RawURLEncoding.DecodeString(e.field)
	if err != nil {
		t.Fatal(err)
	}
	blocks["disclosure"] = fmt.Sprintf("array    %s\nencoded  %s\ndigest   %s\n", raw, e.field, digest)
	var list, verdicts strings.Builder
	for r := tar.NewReader(bytes.NewReader(e.bundle)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "%5d  %s\n", len(data), h.Name)
		for _, name := range []string{"manifest.json", "totals.json", "keys/history.jsonl", "disclosures/2.json"} {
			if h.Name == name {
				blocks[name] = strings.TrimSuffix(string(data), "\n") + "\n"
			}
		}
	}
	for _, v := range e.report.Verdicts {
		fmt.Fprintf(&verdicts, "%-12s %-12s %s\n", v.Name, v.Finding, v.Detail)
	}
	blocks["bundle"], blocks["verdicts"] = list.String(), verdicts.String()
	return blocks
}
