package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

var errNo = errors.New("no")

// A groupMember is an update that may share a transaction with others.
type groupMember struct {
	name string
	f    func(tx *store.Tx, n int) error
	want func(error) bool // what it is told; nil: that all is well
}

func appended(tx *store.Tx, e taffrail.Entry, n int) error {
	e.Actor = fmt.Sprint("taffrail/", n/2) // a group of two updates, which the index must come to know or forget
	_, err := tx.Append(e)
	return err
}

func drift(n int) taffrail.Entry {
	return entry(taffrail.DriftFound{DriftSeen: taffrail.DriftSeen{Drift: taffrail.DriftID(fmt.Sprint("drift-", n)), Finding: taffrail.BlobRef{SHA256: "aa"}}})
}

func saysNo(err error) bool { return err == errNo } //nolint:errorlint // it is given back as it is

// groupMembers fail and work in every way that has something of its own to undo.
var groupMembers = []groupMember{
	{name: "appends", f: func(tx *store.Tx, n int) error { return appended(tx, named(fmt.Sprint("entry ", n)), n) }},
	{name: "appends a drift", f: func(tx *store.Tx, n int) error { return appended(tx, drift(n), n) }},
	{name: "appends many", f: func(tx *store.Tx, n int) error {
		var errs []error
		for i := range 150 {
			errs = append(errs, appended(tx, named(fmt.Sprint("entry ", n, ".", i)), n))
		}
		return errors.Join(errs...)
	}},
	{name: "reads back", f: func(tx *store.Tx, n int) error {
		if err := appended(tx, drift(n), n); err != nil {
			return err
		}
		size, err := tx.Size()
		if err != nil {
			return err
		}
		_, err = tlog.TreeHash(size, tx)
		return errors.Join(err, tx.Entries(size-1, size, func(int64, []byte) error { return nil }))
	}},
	{name: "fails", f: func(*store.Tx, int) error { return errNo }, want: saysNo},
	{name: "appends and fails", f: func(tx *store.Tx, n int) error {
		if err := appended(tx, drift(n), n); err != nil {
			return err
		}
		return errNo
	}, want: saysNo},
	{name: "appends, reads back and fails", f: func(tx *store.Tx, n int) error {
		if err := appended(tx, drift(n), n); err != nil {
			return err
		}
		if _, err := tx.OpenDrifts("terraform/l/default"); err != nil {
			return err
		}
		if err := appended(tx, drift(n), n); err != nil {
			return err
		}
		return errNo
	}, want: saysNo},
	{name: "stores a hash that is there", f: func(tx *store.Tx, n int) error {
		if err := appended(tx, drift(n), n); err != nil {
			return err
		}
		return tx.PutHashes(0, make([]tlog.Hash, 1))
	}, want: func(err error) bool { return err != nil }},
}

// TestUpdatesOfOneGroupFailAlone has all pairs of updates share transactions: what works is there, in its order, and what fails left nothing.
func TestUpdatesOfOneGroupFailAlone(t *testing.T) { onEach(t, updatesOfOneGroupFailAlone) }

func updatesOfOneGroupFailAlone(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	signer := audit.NewSigner(audittest.Ring(t, "taffrail.local/group"), audittest.NewMemoryGuard())
	log, err := audit.Begin(t.Context(), s, signer)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, named("first"))
	n := 0
	for _, first := range groupMembers {
		var members []groupMember
		for _, second := range groupMembers {
			members = append(members, first, second)
		}
		runGroup(t, s, members, n)
		n += len(members)
	}
	if _, err := log.Sign(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := log.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if changed := read(t, s, (*store.Tx).CheckIndex); len(changed) != 0 {
		t.Errorf("the index does not follow from the log: %q", changed)
	}
}

// runGroup has updates wait behind one that is under way, and looks at what each is told and at what is there.
func runGroup(t *testing.T, s *store.Store, members []groupMember, from int) {
	t.Helper()
	began, leave := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.Update(context.Background(), func(*store.Tx) error { close(began); <-leave; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-began
	before := size(t, s)
	var mu sync.Mutex
	var ran []int
	errs := make([]error, len(members))
	for i, m := range members {
		all.Go(func() {
			errs[i] = s.Update(context.Background(), func(tx *store.Tx) error {
				mu.Lock()
				ran = append(ran, i)
				mu.Unlock()
				return m.f(tx, from+i)
			})
		})
	}
	for s.Waiting() < len(members) { // until all are in the queue
		runtime.Gosched()
	}
	close(leave)
	all.Wait()
	var want int64
	for i, m := range members {
		switch ok := errs[i] == nil; {
		case m.want == nil && !ok, m.want != nil && !m.want(errs[i]):
			t.Errorf("%s: %v", m.name, errs[i])
		case ok && m.name == "appends many":
			want += 150
		case ok:
			want++
		}
	}
	if got := size(t, s) - before; got != want {
		t.Errorf("%d entries came, want %d", got, want)
	}
	told(t, s, before, true)
	if slices.Sort(ran); len(slices.Compact(ran)) != len(members) {
		t.Errorf("these ran, each once: %v", ran)
	}
}
