package audit_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
)

// large is an archive of so many entries, made at once.
func large(b *testing.B, size int64) *archive {
	b.Helper()
	a := newArchive(b)
	a.grow(size)
	return a
}

func perEntry(b *testing.B, entries int64) {
	b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkVerify hashes every entry again and compares every stored hash.
func BenchmarkVerify(b *testing.B) {
	const size = 100_000
	a := large(b, size)
	signer := audit.NewSigner(a.ring, a.guard)
	for b.Loop() {
		if _, err := audit.Verify(b.Context(), a.storage, signer, nil); err != nil {
			b.Fatal(err)
		}
	}
	perEntry(b, size)
}

// BenchmarkVerifyBundle verifies an export of everything, with payloads.
func BenchmarkVerifyBundle(b *testing.B) {
	const size = 100_000
	a := large(b, size)
	bundle, policy := a.export(audit.BundleRequest{To: size}), a.policy()
	for b.Loop() {
		r, err := audit.VerifyBundle(b.Context(), bytes.NewReader(bundle), policy, nil, nil)
		if err != nil || !r.OK() {
			b.Fatal(err, faults(r))
		}
	}
	perEntry(b, size)
}

func BenchmarkWriteBundle(b *testing.B) {
	const size = 100_000
	a := large(b, size)
	req := audit.BundleRequest{To: size, Payloads: a.payloads, Blob: a.blob}
	for b.Loop() {
		if _, err := audit.WriteBundle(b.Context(), io.Discard, a.storage, a.ring.Keys(), req); err != nil {
			b.Fatal(err)
		}
	}
	perEntry(b, size)
}

// BenchmarkProve proves one entry of a million.
func BenchmarkProve(b *testing.B) {
	const size = 1_000_000
	a := large(b, size)
	cp := a.grow(size)
	err := a.storage.View(b.Context(), func(r audit.Reader) error {
		for i := int64(0); b.Loop(); i++ {
			if _, err := audit.Prove(r, i*7919%size, cp); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSign signs one more entry, with the guard in memory.
func BenchmarkSign(b *testing.B) {
	a := large(b, 1000)
	for i := int64(1001); b.Loop(); i++ {
		a.grow(i)
	}
}
