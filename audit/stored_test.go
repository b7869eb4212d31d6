package audit_test

import (
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// TestOpenStored opens what is stored without a guard: a checkpoint over other entries, or by nobody, is none.
func TestOpenStored(t *testing.T) {
	for name, tc := range map[string]struct {
		tamper func(*audittest.State)
		want   string // empty: fine
	}{
		"as it is":       {func(*audittest.State) {}, ""},
		"entry forged":   {func(s *audittest.State) { s.Entries[3] = []byte(`{}`); forge(s) }, "an entry in [0, 8) was changed: the checkpoint of size 8 has another root"},
		"hash deleted":   {func(s *audittest.State) { s.Hashes[node(3, 0)] = nil }, "a stored hash is missing"},
		"note garbled":   {func(s *audittest.State) { s.Checkpoints[2].Note[40] ^= 1 }, "the newest stored checkpoint is not one that this log signed"},
		"a note of more": {func(s *audittest.State) { cut(s, 5); s.Checkpoints = s.Checkpoints[:2] }, ""},
	} {
		w := grown(t, 5, 8)
		w.storage.Tamper(tc.tamper)
		err := w.storage.View(t.Context(), func(r audit.Reader) error {
			msg, err := r.Checkpoint()
			if err != nil {
				return err
			}
			_, err = audit.OpenStored(r, w.ring.Keys(), msg)
			return err
		})
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantCorrupt(t, err, tc.want)
	}
}
