package cli

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// What the audit package really finds stands under the check that found it.
func TestChecksOfRealProblems(t *testing.T) {
	forge := func(s *audittest.State) { // hashes that fit other entries
		s.Entries[3] = []byte("other")
		s.Hashes = nil
		for i, e := range s.Entries {
			hashes, err := tlog.StoredHashes(int64(i), e, tlog.HashReaderFunc(func(ids []int64) (out []tlog.Hash, err error) {
				for _, id := range ids {
					out = append(out, *s.Hashes[id])
				}
				return out, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range hashes {
				s.Hashes = append(s.Hashes, &h)
			}
		}
	}
	for _, c := range []struct {
		name   string
		tamper func(*audittest.State)
		guard  func(*audit.Head)
		want   []string // checks that fail
	}{
		{"nothing", nil, nil, nil},
		{"an entry edited", func(s *audittest.State) { s.Entries[3] = []byte("other") }, nil, []string{checkEntries}},
		{"an entry missing", func(s *audittest.State) { s.Entries[3] = nil }, nil, []string{checkEntries}},
		{"a hash edited", func(s *audittest.State) { s.Hashes[2] = &tlog.Hash{} }, nil, []string{checkHashes}},
		{"entries and hashes forged", forge, nil, []string{checkCheckpoints}},
		{"entries, hashes and no checkpoint", func(s *audittest.State) { forge(s); s.Checkpoints = nil }, nil, []string{checkGuard}},
		{"a checkpoint edited", func(s *audittest.State) { s.Checkpoints[0].Note = []byte("x") }, nil, []string{checkCheckpoints}},
		{"the tail cut", func(s *audittest.State) {
			s.Entries, s.Hashes = s.Entries[:4], s.Hashes[:tlog.StoredHashCount(4)]
			s.Checkpoints = s.Checkpoints[:1]
		}, nil, []string{checkGuard}},
		{"the guard set back", nil, func(h *audit.Head) { h.Size = 0; h.Root = audit.EmptyRoot() }, []string{checkGuard}},
		{"the guard's root", nil, func(h *audit.Head) { h.Root[0]++ }, []string{checkGuard}},
		{"the guard of another log", nil, func(h *audit.Head) { h.Origin = "other" }, []string{checkGuard}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := verdictOf(daemon.LogReport{Audit: tampered(t, c.tamper, c.guard), Verdict: verified})
			var failed []string
			for _, check := range v {
				if check.Result == resultFailed {
					failed = append(failed, check.Name)
				}
				if want := check.Result == resultOK; len(c.want) > 0 && want && check.Name != checkPayloads && check.Name != checkIndex {
					t.Errorf("%s is called ok beside %v", check.Name, c.want)
				}
			}
			if !slices.Equal(failed, c.want) {
				t.Errorf("%v fail, want %v: %+v", failed, c.want, v)
			}
		})
	}
}

// tampered is the report on a log of seven entries, of which four and then all were signed, that was changed after that.
func tampered(t *testing.T, tamper func(*audittest.State), guard func(*audit.Head)) audit.Report {
	t.Helper()
	ctx := context.Background()
	storage, heads := audittest.NewMemory(), audittest.NewMemoryGuard()
	signer := audit.NewSigner(audittest.Ring(t, "example.org/log"), heads)
	log, err := audit.Begin(ctx, storage, signer)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		if err := storage.Write(ctx, func(w audit.Writer) error {
			_, err := audit.Append(w, fmt.Appendf(nil, "entry %d", i))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if i == 3 || i == 6 {
			if _, err := log.Sign(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if tamper != nil {
		storage.Tamper(tamper)
	}
	if guard != nil {
		head, err := heads.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		guard(&head)
		heads.Set(head)
	}
	report, _ := audit.Verify(ctx, storage, signer, nil)
	return report
}
