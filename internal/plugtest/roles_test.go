package plugtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// A roleFake is a stack that can be searched and examined, and that finds stacks: all as promised, until a fault is switched on.
type roleFake struct {
	fake
	calls int
}

func (f *roleFake) List(ctx context.Context, scope taffrail.Scope, emit func(taffrail.Observation) error) (taffrail.Listing, error) {
	f.calls++
	f.leave()
	l := taffrail.Listing{}
	if ctx.Err() != nil && f.fault != "ignores cancellation" {
		if f.fault == "lists though cancelled" {
			l.Listed = scope.Types
		}
		return l, ctx.Err()
	}
	for _, t := range scope.Types {
		switch {
		case t == "role":
			l.Listed = append(l.Listed, t)
			if f.fault == "listed and a gap" {
				l.Gaps = append(l.Gaps, taffrail.Gap{Type: t, Reason: taffrail.ReasonDenied, Detail: "403"})
			}
		case f.fault != "silent about a type":
			l.Gaps = append(l.Gaps, taffrail.Gap{Type: t, Reason: taffrail.ReasonUnsupported, Detail: "it has no list"})
		}
	}
	for i := range 2 * len(l.Listed) {
		if err := emit(f.stray(i)); err != nil && f.fault != "goes on" {
			if f.fault == "wraps" {
				err = fmt.Errorf("emit: %w", err)
			}
			return l, err
		}
	}
	return l, nil
}

func (f *roleFake) stray(i int) taffrail.Observation {
	o := f.observe(0)
	o.Resource.Address, o.Resource.Type, o.Recorded = taffrail.Address(fmt.Sprintf("role (unmanaged %d)", i)), "role", taffrail.Null()
	switch {
	case i == 0:
	case f.fault == "says that it is recorded":
		o.Recorded = taffrail.Int(1)
	case f.fault == "takes the address of another":
		o.Resource.Address = "a.0"
	case f.fault == "another type":
		o.Resource.Type = "queue"
	case f.fault == "flaps":
		o.Live = taffrail.Int(int64(f.calls))
	}
	return o
}

func (f *roleFake) Examine(ctx context.Context, emit func(taffrail.Check) error) error {
	f.calls++
	f.leave()
	checks := []taffrail.Check{
		{Name: "state", Subject: "here", Result: taffrail.CheckOK},
		{Name: "provider", Result: taffrail.CheckFailed, Detail: "it is missing", Hint: "install it"},
	}
	switch f.fault {
	case "hides a failure":
		checks[1].Result = taffrail.CheckWarning
	case "does not say why":
		checks[1].Detail = ""
	case "two lines":
		checks[1].Detail = "a\nb"
	case "flaps":
		checks[0].Subject = fmt.Sprint(f.calls)
	}
	return f.each(ctx, len(checks), func(i int) error { return emit(checks[i]) })
}

func (f *roleFake) Discover(ctx context.Context, dir string, emit func(taffrail.Place) error) error {
	f.calls++
	f.leave()
	if _, err := os.Stat(dir); err != nil && f.fault != "finds nothing where nothing is" {
		if f.fault == "gives no hint" {
			return err
		}
		return &taffrail.Error{Op: "find stacks", Kind: taffrail.KindNotFound, Err: err, Hint: "name a folder"}
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil //nolint:nilerr // that is the fault
	}
	places := []taffrail.Place{
		{System: "fake", Kind: "root module", Dir: filepath.Join(root, "a"), Target: filepath.Join(root, "a")},
		{System: "fake", Kind: "root module", Dir: filepath.Join(root, "b"), Problem: "it cannot be read", Hint: "make it readable"},
	}
	switch f.fault {
	case "one too few":
		places = places[:1]
	case "out of order":
		places[0], places[1] = places[1], places[0]
	case "twice":
		places[1] = places[0]
	case "relative":
		places[0].Dir = "a"
	case "does not say why":
		places[1].Problem = ""
	case "flaps":
		places[0].Backend = fmt.Sprint(f.calls)
	}
	return f.each(ctx, len(places), func(i int) error { return emit(places[i]) })
}

// each calls do for 0 to before n, as an emit ought to be called.
func (f *roleFake) each(ctx context.Context, n int, do func(i int) error) error {
	for i := range n {
		if ctx.Err() != nil && f.fault != "ignores cancellation" {
			return ctx.Err()
		}
		if err := do(i); err != nil && f.fault != "goes on" {
			if f.fault == "wraps" {
				return fmt.Errorf("emit: %w", err)
			}
			return err
		}
	}
	return nil
}

func openFake(t *testing.T, fault, folder string) *roleFake {
	f := &roleFake{fake: fake{fault: fault, folder: folder, blocked: make(chan struct{})}}
	t.Cleanup(func() { close(f.blocked) })
	return f
}

func listerCase(fault, folder string) ListerCase {
	return ListerCase{
		Scope: taffrail.Scope{Types: []taffrail.ResourceType{"role", "zone"}}, Want: 2, Listed: []taffrail.ResourceType{"role"}, Folder: folder,
		Open: func(t *testing.T) taffrail.Stack { return openFake(t, fault, folder) },
	}
}

func examinerCase(fault, folder string) ExaminerCase {
	return ExaminerCase{Failed: []string{"provider"}, Folder: folder, Open: func(t *testing.T) taffrail.Stack { return openFake(t, fault, folder) }}
}

func discovererCase(fault, folder string) DiscovererCase {
	f := func(t *testing.T) taffrail.Discoverer { return openFake(t, fault, folder) }
	if fault == "flaps" { // over its calls
		var one taffrail.Discoverer
		f = func(t *testing.T) taffrail.Discoverer {
			if one == nil {
				one = openFake(t, fault, folder)
			}
			return one
		}
	}
	return DiscovererCase{Dir: folder, Want: 2, Open: f}
}

func TestRolesAcceptWhatKeepsItsPromises(t *testing.T) {
	t.Run("lister", func(t *testing.T) { Lister(t, listerCase("", t.TempDir())) })
	t.Run("examiner", func(t *testing.T) { Examiner(t, examinerCase("", t.TempDir())) })
	t.Run("discoverer", func(t *testing.T) { Discoverer(t, discovererCase("", t.TempDir())) })
}

// check runs the promise of a name.
func check[C any](t *testing.T, promises []promise[C], name string, c C) error {
	t.Helper()
	for _, p := range promises {
		if p.name == name {
			return p.check(t, c)
		}
	}
	return errors.New("there is no such promise") // which no fault is said to break
}

// Each fault must be found by the promise that it breaks.
func TestRolesFindEachFault(t *testing.T) {
	for _, tc := range []struct{ role, fault, promise string }{
		{"lister", "says that it is recorded", "one observation for each resource"},
		{"lister", "takes the address of another", "one observation for each resource"},
		{"lister", "another type", "one observation for each resource"},
		{"lister", "silent about a type", "each type is listed or has a gap"},
		{"lister", "listed and a gap", "each type is listed or has a gap"},
		{"lister", "silent about a type", "a type that there is not has a gap"},
		{"lister", "flaps", "listing twice gives the same"},
		{"lister", "goes on", "an error of emit stops it"},
		{"lister", "wraps", "an error of emit stops it"},
		{"lister", "ignores cancellation", "cancelled before"},
		{"lister", "lists though cancelled", "cancelled before"},
		{"lister", "writes", "nothing is written"},
		{"examiner", "hides a failure", "what fails is said"},
		{"examiner", "does not say why", "each check can be understood"},
		{"examiner", "two lines", "each check can be understood"},
		{"examiner", "flaps", "examining twice gives the same"},
		{"examiner", "goes on", "an error of emit stops it"},
		{"examiner", "wraps", "an error of emit stops it"},
		{"examiner", "ignores cancellation", "cancelled before"},
		{"examiner", "writes", "nothing is written"},
		{"discoverer", "one too few", "each place once, in order"},
		{"discoverer", "out of order", "each place once, in order"},
		{"discoverer", "twice", "each place once, in order"},
		{"discoverer", "relative", "each place can be understood"},
		{"discoverer", "does not say why", "each place can be understood"},
		{"discoverer", "flaps", "discovering twice gives the same"},
		{"discoverer", "goes on", "an error of emit stops it"},
		{"discoverer", "wraps", "an error of emit stops it"},
		{"discoverer", "ignores cancellation", "cancelled before"},
		{"discoverer", "finds nothing where nothing is", "a folder that there is not"},
		{"discoverer", "gives no hint", "a folder that there is not"},
		{"discoverer", "writes", "nothing is written"},
	} {
		t.Run(tc.role+"/"+tc.fault+"/"+tc.promise, func(t *testing.T) {
			folder := t.TempDir()
			var err error
			switch tc.role {
			case "lister":
				err = check(t, listerPromises, tc.promise, listerCase(tc.fault, folder))
			case "examiner":
				err = check(t, examinerPromises, tc.promise, examinerCase(tc.fault, folder))
			default:
				err = check(t, discovererPromises, tc.promise, discovererCase(tc.fault, folder))
			}
			if err == nil || err.Error() == "there is no such promise" {
				t.Fatalf("the fault was not found: %v", err)
			}
			t.Log(strings.SplitN(err.Error(), "\n", 2)[0])
		})
	}
}
