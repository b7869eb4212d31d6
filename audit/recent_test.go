package audit

import (
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// A signedBy verifier takes the reverse of a message for its signature, and counts how often it is asked.
type signedBy struct {
	note.Verifier
	asked int
}

func (v *signedBy) Verify(msg, sig []byte) bool {
	v.asked++
	return len(msg) > 0 && len(sig) > 0 && msg[0] == sig[0]
}

// TestRecent: a signature that held is not computed again, and nothing else is taken for it.
func TestRecent(t *testing.T) {
	counted := &signedBy{}
	v := &recent{Verifier: counted}
	for i, step := range []struct {
		msg, sig string
		holds    bool
		asked    int
	}{
		{"", "", false, 1}, // as what nothing was remembered of
		{"a1", "a", true, 2},
		{"a1", "a", true, 2},
		{"a2", "a", true, 3}, // another message
		{"a2", "ab", true, 4},
		{"a2", "b", false, 5},
		{"a2", "b", false, 6}, // what does not hold is not remembered
		{"b2", "ab", false, 7},
		{"a2", "ab", true, 7}, // and does not take the place of what is
		{"a1", "a", true, 8},
	} {
		msg, sig := []byte(step.msg), []byte(step.sig)
		if got := v.Verify(msg, sig); got != step.holds || counted.asked != step.asked {
			t.Errorf("step %d: %v after %d, want %v after %d", i, got, counted.asked, step.holds, step.asked)
		}
		clear(msg) // it is the caller's
		clear(sig)
	}
}
