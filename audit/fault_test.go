package audit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// TestFaults lets each durable step fail, before and after it took effect, for a log of several sizes. Then it opens what
// is left: nothing acknowledged is lost, nothing is refused, the next append works, and all of it verifies.
func TestFaults(t *testing.T) {
	for _, fault := range audittest.Matrix() {
		for _, size := range []int{0, 1, 2, 7, 8} {
			t.Run(fmt.Sprintf("%v/%d", fault, size), func(t *testing.T) {
				w := grown(t, size)
				w.faults.Arm(fault, nil)
				acked := cycle(t, w)
				if !w.faults.Disarm() {
					t.Fatal("the fault did not happen")
				}
				recovered(t, w, max(acked, int64(size)))
			})
		}
	}
}

// TestFaultsOfBegin does the same to the creation of a log.
func TestFaultsOfBegin(t *testing.T) {
	for _, fault := range audittest.Matrix()[2:] {
		t.Run(fault.String(), func(t *testing.T) {
			w := newWorld(t)
			w.faults.Arm(fault, nil)
			if _, err := audit.Begin(t.Context(), w.store(), w.signer()); !errors.Is(err, audittest.ErrInjected) {
				t.Fatalf("error is %v", err)
			}
			_, err := audit.Open(t.Context(), w.store(), w.signer())
			if errors.Is(err, audit.ErrNoLog) != (fault == audittest.Fault{Step: audittest.GuardSwap}) {
				t.Fatalf("open: %v", err)
			}
			w.begin()
			recovered(t, w, 0)
		})
	}
}

// TestFaultInARow leaves one fault after another behind, without a good start in between.
func TestFaultInARow(t *testing.T) {
	w := grown(t, 3)
	acked := int64(3)
	for range 3 {
		for _, fault := range audittest.Matrix() {
			w.faults.Arm(fault, nil)
			acked = max(acked, cycle(t, w))
			w.faults.Disarm()
			w.verify()
		}
	}
	recovered(t, w, acked)
}

// cycle opens the log, appends and signs, and gives the size that was acknowledged: 0 if something failed on the way.
func cycle(t *testing.T, w *world) (acked int64) {
	t.Helper()
	l, err := audit.Open(t.Context(), w.store(), w.signer())
	if err == nil {
		err = appendTo(t.Context(), w.store())
	}
	var cp audit.Checkpoint
	if err == nil {
		cp, err = l.Sign(t.Context())
	}
	if err != nil && !errors.Is(err, audittest.ErrInjected) {
		t.Fatalf("error is %v, want the injected one", err)
	}
	if err != nil {
		return 0
	}
	return cp.Size
}

func recovered(t *testing.T, w *world, acked int64) {
	t.Helper()
	l := w.open()
	before, err := sizeOf(w.storage)
	if err != nil || before < acked {
		t.Fatalf("the log has %d entries, %d were acknowledged, %v", before, acked, err)
	}
	w.append(1)
	if cp := w.sign(l); cp.Size != before+1 || cp.Root != reference(before+1) {
		t.Fatalf("signed %+v", cp.Head)
	}
	if r := w.verify(); r.Size != before+1 || r.Signed != before+1 || len(r.Notes) != 0 {
		t.Fatalf("report is %+v", r)
	}
}

// TestNeverAhead looks at each step whether guard and signature are behind what is durable before them.
func TestNeverAhead(t *testing.T) {
	w := grown(t, 3)
	l := w.open()
	for _, fault := range audittest.Matrix() {
		w.faults.Arm(fault, func() error {
			size, err := sizeOf(w.storage)
			if err != nil {
				return err
			}
			head, err := w.guard.Load(context.Background())
			if err != nil {
				return err
			}
			if head.Size > size || (fault.Step >= audittest.Signature && head.Size != size) {
				t.Errorf("%v: the guard knows %d of %d entries", fault, head.Size, size)
			}
			for _, cp := range w.storage.State().Checkpoints {
				if cp.Size > head.Size {
					t.Errorf("%v: a checkpoint of size %d is stored, the guard knows %d", fault, cp.Size, head.Size)
				}
			}
			return nil
		})
		if err := appendTo(t.Context(), w.store()); err == nil {
			_, _ = l.Sign(t.Context())
		}
		if !w.faults.Disarm() {
			t.Errorf("%v did not happen", fault)
		}
	}
	w.open()
	w.verify()
}

// TestPowerLost takes away, after a signature, whatever was not durable yet. What was acknowledged is still covered by the guard, the
// same note is signed again, and with the next entry it is durable.
func TestPowerLost(t *testing.T) {
	for _, size := range []int{1, 2, 7, 8} {
		w := grown(t, size)
		l := w.open()
		w.append(1)
		cp := w.sign(l)
		w.storage.LosePower()
		if head, err := w.guard.Load(t.Context()); err != nil || head != cp.Head {
			t.Fatalf("the guard holds %+v, %v", head, err)
		}
		if n := len(w.storage.State().Checkpoints); n != 2 {
			t.Fatalf("%d checkpoints are durable, want 2", n)
		}
		if r := w.verify(); r.Size != cp.Size || r.Signed != cp.Size {
			t.Fatalf("report is %+v", r)
		}
		for _, again := range []*audit.Log{l, w.open()} { // the one that signed it, and another
			if got := w.sign(again); string(got.Note) != string(cp.Note) {
				t.Errorf("size %d: signed %s, and then %s", size, cp.Note, got.Note)
			}
		}
		w.append(1)
		w.storage.LosePower()
		if r := w.verify(); r.Checkpoints != 3 || r.Size != cp.Size+1 {
			t.Errorf("size %d: what was written before an entry is gone: %+v", size, r)
		}
		recovered(t, w, cp.Size)
	}
}
