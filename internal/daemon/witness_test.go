package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

func TestMemoryIsAGuard(t *testing.T) {
	audittest.Guard(t, func(t *testing.T) audit.Guard {
		return &memory{audittest.NewMemoryGuard(), "taffrail.local/contract", &acquaintance{path: filepath.Join(t.TempDir(), witnessLogs)}}
	})
}

// A witness that has lost its memory of a log does not begin with that log anew: it would cosign a history that goes back behind what it has
// cosigned before.
func TestWitnessWithoutItsMemory(t *testing.T) {
	met := &acquaintance{path: filepath.Join(t.TempDir(), witnessLogs)}
	head := audit.EmptyHead("a.example/log")
	guard := audittest.NewMemoryGuard()
	m := &memory{guard, head.Origin, met}
	if err := m.Swap(t.Context(), audit.Head{}, head); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Load(t.Context()); err != nil || got != head {
		t.Fatal(got, err)
	}
	guard.Set(audit.Head{})
	if _, err := m.Load(t.Context()); taffrail.KindOf(err) != taffrail.KindCorrupt || errors.Is(err, audit.ErrNoHead) || taffrail.HintOf(err) == "" {
		t.Errorf("the memory is gone: %v", err)
	}
	other := &memory{audittest.NewMemoryGuard(), "a.example/lo", met} // the name of another log that begins the same
	if _, err := other.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
		t.Errorf("a log that is new: %v", err)
	}
	if err := os.Remove(met.path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(met.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Load(t.Context()); err == nil || errors.Is(err, audit.ErrNoHead) {
		t.Errorf("what cannot be read is taken for none: %v", err)
	}
}

// Nothing is cosigned before the log is taken up, whatever stops in between, and a line that was cut short does no harm.
func TestWitnessTakesALogUpFirst(t *testing.T) {
	met := &acquaintance{path: filepath.Join(t.TempDir(), witnessLogs)}
	if err := os.WriteFile(met.path, []byte("\na.exam"), 0o600); err != nil {
		t.Fatal(err)
	}
	head := audit.EmptyHead("a.example/log")
	guard := audittest.NewMemoryGuard()
	guard.Set(head) // as if we had stopped between the two steps
	m := &memory{guard, head.Origin, met}
	if _, err := m.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := m.Swap(t.Context(), head, head); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(met.path)
	if err != nil || string(text) != "\na.exam\na.example/log\n" {
		t.Errorf("%q %v", text, err)
	}
	if err := os.Remove(met.path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(t.TempDir(), "no folder", "x"), met.path); err != nil {
		t.Fatal(err)
	}
	if err := m.Swap(t.Context(), head, head); err == nil {
		t.Error("it was cosigned, and cannot be taken up")
	}
}

// Another process has the log taken up while this one looks.
func TestWitnessOvertaken(t *testing.T) {
	head := audit.EmptyHead("a.example/log")
	met := &acquaintance{path: filepath.Join(t.TempDir(), witnessLogs)}
	guard := audittest.NewMemoryGuard()
	late := &lateGuard{Guard: guard, happens: func() {
		if err := (&memory{guard, head.Origin, met}).Swap(t.Context(), audit.Head{}, head); err != nil {
			t.Fatal(err)
		}
	}}
	if got, err := (&memory{late, head.Origin, met}).Load(t.Context()); err != nil || got != head {
		t.Errorf("%+v %v", got, err)
	}
	text, err := os.ReadFile(met.path)
	if err != nil || strings.Count(string(text), head.Origin) != 1 {
		t.Errorf("%q %v", text, err)
	}
}

// A lateGuard has something happen behind its first answer.
type lateGuard struct {
	audit.Guard
	happens func()
}

func (g *lateGuard) Load(ctx context.Context) (audit.Head, error) {
	head, err := g.Guard.Load(ctx)
	if g.happens != nil {
		g.happens()
		g.happens = nil
	}
	return head, err
}
