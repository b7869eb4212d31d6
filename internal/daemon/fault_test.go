package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// Points are the moments before and after each durable step. They are numbered in the order in which one run comes by them.
type points struct {
	passed []string
	strike func(number int, name string) error
}

func (p *points) at(name string) error {
	p.passed = append(p.passed, name)
	if p.strike == nil {
		return nil
	}
	return p.strike(len(p.passed), name)
}

func (p *points) step(name string, do func() error) error {
	if err := p.at(name + ": not persisted"); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return p.at(name + ": persisted")
}

type pointedGuard struct {
	audit.Guard
	p *points
}

func (g pointedGuard) Swap(ctx context.Context, old, new audit.Head) error {
	return g.p.step("guard", func() error { return g.Guard.Swap(ctx, old, new) })
}

type pointedKeyring struct {
	audit.Keyring
	p *points
}

func (k pointedKeyring) Load(ctx context.Context) (audit.Ring, error) {
	return audittest.WrapKeys(k.Keyring, func(s note.Signer) note.Signer { return pointedSigner{s, k.p} }).Load(ctx)
}

func (k pointedKeyring) Create(ctx context.Context, origin string) (r audit.Ring, err error) {
	err = k.p.step("create key", func() (err error) { r, err = k.Keyring.Create(ctx, origin); return err })
	return r, err
}

type pointedSigner struct {
	note.Signer
	p *points
}

func (s pointedSigner) Sign(msg []byte) (sig []byte, err error) {
	err = s.p.step("signature", func() (err error) { sig, err = s.Signer.Sign(msg); return err })
	return sig, err
}

type pointedDatabase struct {
	database
	p *points
}

// Update fails before the commit when everything was written, or after it.
func (d pointedDatabase) Update(ctx context.Context, f func(*store.Tx) error) error {
	err := d.database.Update(ctx, func(tx *store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return d.p.at("commit: not persisted")
	})
	if err != nil {
		return err
	}
	return d.p.at("commit: persisted")
}

func (d pointedDatabase) Write(ctx context.Context, f func(audit.Writer) error) error {
	return d.p.step("checkpoint", func() error { return d.database.Write(ctx, f) })
}

// pointed gives a daemon on the site, all of whose durable steps pass the points.
func (s *site) pointed(p *points) *Daemon {
	with := *s
	with.guard, with.keyring = pointedGuard{s.guard, p}, pointedKeyring{s.keyring, p}
	d := with.daemon()
	open := d.openStore
	d.openStore = func(ctx context.Context, folder string, mode store.Mode) (db database, err error) {
		do := func() (err error) { db, err = open(ctx, folder, mode); return err }
		if mode == store.Create {
			err = p.step("create database", do)
		} else {
			err = do()
		}
		if err != nil {
			return nil, err
		}
		return pointedDatabase{db, p}, nil
	}
	return d
}

// twoScans is what each fault is tried on: a first use, and a second scan that finds a drift. It tells what was acknowledged.
func (s *site) twoScans(ctx context.Context, d *Daemon, acknowledge func(ScanReport)) error {
	if err := d.Start(ctx); err != nil {
		return err
	}
	defer d.Stop(ctx) //nolint:errcheck // what counts is what is on the disk
	for _, live := range []string{"as recorded", "moved"} {
		*s.world.find("a") = observe("a", live)
		r, err := d.Scan(ctx, ScanRequest{System: "fake"}, nil)
		if err != nil {
			return err
		}
		acknowledge(r)
	}
	return nil
}

var errStruck = errors.New("struck")

// TestFaultMatrix makes each durable step of a first use and of a second scan fail, once without and once with its effect. The
// next start must serve, and have everything that was acknowledged.
func TestFaultMatrix(t *testing.T) {
	var calm points
	s := newSite(t, newWorld("a", "b"))
	if err := s.twoScans(t.Context(), s.pointed(&calm), func(ScanReport) {}); err != nil {
		t.Fatal(err)
	}
	t.Logf("points:\n%s", strings.Join(calm.passed, "\n"))
	if len(calm.passed) < 30 {
		t.Fatalf("only %d points were passed", len(calm.passed))
	}
	for number, name := range calm.passed {
		t.Run(fmt.Sprintf("%02d %s", number+1, name), func(t *testing.T) {
			s := newSite(t, newWorld("a", "b"))
			struck := false
			p := points{strike: func(n int, _ string) error {
				if n == number+1 {
					struck = true
					return errStruck
				}
				return nil
			}}
			var acknowledged []ScanReport
			err := s.twoScans(t.Context(), s.pointed(&p), func(r ScanReport) { acknowledged = append(acknowledged, r) })
			if !struck || !errors.Is(err, errStruck) {
				t.Fatalf("struck %v, error %v", struck, err)
			}
			s.recovers(t, acknowledged)
		})
	}
}

// recovers says that the site serves again, with all that was acknowledged, and with nothing that was not.
func (s *site) recovers(t *testing.T, acknowledged []ScanReport) {
	t.Helper()
	*s.world.find("a") = observe("a", "moved")
	r := scanOnce(t, s.start(t))
	if len(r.Drifts) != 1 {
		t.Errorf("%d drifts", len(r.Drifts))
	}
	for _, a := range acknowledged {
		if a.Log.Origin != r.Log.Origin || a.Log.Size > r.Log.Size {
			t.Errorf("acknowledged %+v, now %+v", a.Log, r.Log)
		}
		s.holds(t, a)
	}
	if report := wellAt(t, s); report.Audit.Signed != report.Audit.Size {
		t.Errorf("%d of %d entries are signed", report.Audit.Signed, report.Audit.Size)
	}
}

// holds says that the entries of an acknowledged scan are where they were.
func (s *site) holds(t *testing.T, a ScanReport) {
	t.Helper()
	var requests []string
	err := s.start(t).Entries(t.Context(), a.Log.First, a.Log.Last+1, func(e LogEntry) error {
		requests = append(requests, e.Entry.Request)
		return nil
	})
	want := make([]string, a.Log.Last+1-a.Log.First)
	for i := range want {
		want[i] = a.Scan
	}
	if diff := cmp.Diff(want, requests); err != nil || diff != "" {
		t.Errorf("entries %d to %d: %v\n%s", a.Log.First, a.Log.Last, err, diff)
	}
}

func TestTwoDaemonsBeginOneLog(t *testing.T) {
	s := newSite(t, newWorld("a"))
	one, two := s.start(t), s.start(t)
	first, second := scanOnce(t, one), scanOnce(t, two)
	if first.Log.Origin != second.Log.Origin || second.Log.First <= first.Log.Last {
		t.Errorf("%+v\n%+v", first.Log, second.Log)
	}
	third := scanOnce(t, one)
	if third.Log.First <= second.Log.Last {
		t.Errorf("%+v\n%+v", second.Log, third.Log)
	}
	wellAt(t, s)
}

// guardOf gives the memory of a site's guard.
func guardOf(s *site) *audittest.MemoryGuard { return s.guard.(*audittest.MemoryGuard) }
