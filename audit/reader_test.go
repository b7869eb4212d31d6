package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"golang.org/x/mod/sumdb/tlog"
)

// A sloppyStorage answers like storage that does not keep its contract.
type sloppyStorage struct {
	audit.Storage
	reader func(audit.Reader) audit.Reader
}

func (s sloppyStorage) View(ctx context.Context, f func(audit.Reader) error) error {
	return s.Storage.View(ctx, func(r audit.Reader) error { return f(s.reader(r)) })
}

type sloppyReader struct {
	audit.Reader
	hashes  func([]tlog.Hash) []tlog.Hash
	entries func(r audit.Reader, from, to int64, f func(int64, []byte) error) error
}

func (r sloppyReader) ReadHashes(ids []int64) ([]tlog.Hash, error) {
	h, err := r.Reader.ReadHashes(ids)
	if err == nil && r.hashes != nil {
		h = r.hashes(h)
	}
	return h, err
}

func (r sloppyReader) Entries(from, to int64, f func(int64, []byte) error) error {
	if r.entries == nil {
		return r.Reader.Entries(from, to, f)
	}
	return r.entries(r.Reader, from, to, f)
}

// TestSloppyStorage: whatever a storage says instead of the truth, it is not taken for a good log.
func TestSloppyStorage(t *testing.T) {
	errDisk := errors.New("the disk is on fire")
	skip := func(r audit.Reader, from, to int64, f func(int64, []byte) error) error {
		return r.Entries(from, to, func(i int64, body []byte) error {
			if i == 3 || i == 4 {
				return nil
			}
			return f(i, body)
		})
	}
	for _, test := range []struct {
		name   string
		reader sloppyReader
		want   string
	}{
		{"passes over what is missing", sloppyReader{entries: skip}, "entry 3 is missing"},
		{"ends early", sloppyReader{entries: func(r audit.Reader, from, to int64, f func(int64, []byte) error) error {
			return r.Entries(from, min(to, 6), f)
		}}, "entry 6 is missing"},
		{"repeats", sloppyReader{entries: func(r audit.Reader, from, to int64, f func(int64, []byte) error) error {
			return r.Entries(from, to, func(i int64, body []byte) error { return f(i/2*2, body) })
		}}, "storage gave entry 0 after entry 0"},
		{"goes on too long", sloppyReader{entries: func(r audit.Reader, from, to int64, f func(int64, []byte) error) error {
			if err := r.Entries(from, to, f); err != nil {
				return err
			}
			return f(to, []byte("{}"))
		}}, "[0, 8): storage gave entry 8 after entry 7"},
		{"gives nil for an empty body", sloppyReader{entries: func(r audit.Reader, from, to int64, f func(int64, []byte) error) error {
			return r.Entries(from, to, func(i int64, body []byte) error {
				if i == 5 {
					body = nil
				}
				return f(i, body)
			})
		}}, "entry 5: stored hash does not match its bytes"},
		{"fails", sloppyReader{entries: func(audit.Reader, int64, int64, func(int64, []byte) error) error { return errDisk }},
			"the disk is on fire"},
		{"gives too few hashes", sloppyReader{hashes: func(h []tlog.Hash) []tlog.Hash { return h[1:] }}, "storage gave 14"},
		{"gives too many hashes", sloppyReader{hashes: func(h []tlog.Hash) []tlog.Hash { return append(h, h...) }}, "storage gave 30"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := grown(t, 8)
			storage := sloppyStorage{w.storage, func(r audit.Reader) audit.Reader {
				test.reader.Reader = r
				return test.reader
			}}
			_, err := audit.Verify(t.Context(), storage, w.signer(), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("verify: %v, want %q", err, test.want)
			}
		})
	}
}

// TestVerifyStops cancels a verification that is under way.
func TestVerifyStops(t *testing.T) {
	w := grown(t, 2000)
	ctx, cancel := context.WithCancel(t.Context())
	last := int64(0)
	_, err := audit.Verify(ctx, w.storage, w.signer(), func(done, _ int64) {
		last = done
		if done > 0 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || last >= 2000 {
		t.Errorf("error is %v after %d entries", err, last)
	}
}

// TestStorageFails: an error of the storage is no verdict on the log.
func TestStorageFails(t *testing.T) {
	w := grown(t, 3)
	storage := sloppyStorage{w.storage, func(audit.Reader) audit.Reader { return brokenReader{} }}
	_, verified := audit.Verify(t.Context(), storage, w.signer(), nil)
	_, opened := audit.Open(t.Context(), storage, w.signer())
	for _, err := range []error{verified, opened} {
		var c *audit.CorruptError
		if !errors.Is(err, audittest.ErrInjected) || errors.As(err, &c) {
			t.Errorf("error is %v", err)
		}
	}
}

type brokenReader struct{ audit.Reader }

func (brokenReader) Size() (int64, error) { return 0, audittest.ErrInjected }
