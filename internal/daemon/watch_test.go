package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// A told round is what a watch says of one, and when.
type toldRound struct {
	After   time.Duration
	Drifts  int
	Outcome taffrail.Outcome
	Error   string
}

// watched is a watch that ends after some rounds. Before each, the world is changed.
type watched struct {
	rounds []toldRound
	before func(round int) // called when the round before has been told
	stop   func(round int) error
}

const pause = 30 * time.Second

// run watches on a daemon in the bubble of a test, and gives Watch's error.
func (w *watched) run(ctx context.Context, t *testing.T, s *site) error {
	t.Helper()
	d := s.daemon()
	if err := d.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	began := time.Now()
	return d.Watch(ctx, ScanRequest{System: "fake"}, pause, nil, func(r ScanReport, err error) error {
		told := toldRound{After: time.Since(began), Drifts: len(r.Drifts), Outcome: r.Outcome}
		if err != nil {
			told.Error = err.Error()
		}
		w.rounds = append(w.rounds, told)
		if w.before != nil {
			w.before(len(w.rounds))
		}
		return w.stop(len(w.rounds))
	})
}

var errEnough = errors.New("enough")

func after(rounds int) func(int) error {
	return func(n int) error {
		if n == rounds {
			return errEnough
		}
		return nil
	}
}

func TestWatchScansAgainAfterAPause(t *testing.T) {
	w := newWorld("a")
	s := newSite(t, w)
	opened := 0
	s.opening = func(context.Context) error { opened++; return nil }
	watch := watched{stop: after(3), before: func(n int) {
		w.info.Serial++ // the stack is described anew each time
		if n == 1 {
			*w.find("a") = observe("a", "moved")
		}
	}}
	synctest.Test(t, func(t *testing.T) {
		if err := watch.run(t.Context(), t, s); !errors.Is(err, errEnough) {
			t.Error(err)
		}
	})
	want := []toldRound{{0, 0, taffrail.OutcomeOK, ""}, {pause, 1, taffrail.OutcomeOK, ""}, {2 * pause, 1, taffrail.OutcomeOK, ""}}
	if diff := cmp.Diff(want, watch.rounds); diff != "" {
		t.Error(diff)
	}
	if opened != 1 || w.closed != 1 {
		t.Errorf("opened %d times, closed %d times", opened, w.closed)
	}
	finished := bodies[taffrail.ScanFinished](t, s.start(t))
	if len(finished) != 3 || finished[2].Stack.Serial != w.info.Serial-1 {
		t.Errorf("%+v", finished)
	}
	wellAt(t, s)
}

func TestWatchGoesOnAfterARoundThatFailed(t *testing.T) {
	away := &taffrail.Error{Op: "read stack", Kind: taffrail.KindUnavailable, Err: errors.New("the backend is away")}
	for _, tc := range []struct {
		name   string
		change func(w *world, s *site, round int)
		errors []string
		opened int
	}{
		{"reading fails", func(w *world, _ *site, round int) {
			w.fail = nil
			if round == 1 {
				w.fail = away
			}
		}, []string{"", "read stack: the backend is away", ""}, 2},
		{"describing fails", func(w *world, _ *site, round int) {
			w.describe = nil
			if round == 1 {
				w.describe = func() (taffrail.StackInfo, error) { return taffrail.StackInfo{}, away }
			}
		}, []string{"", "read stack: the backend is away", ""}, 2},
		{"it cannot be opened anew for a while", func(w *world, s *site, round int) {
			w.fail, s.opening = nil, nil
			switch round {
			case 1:
				w.fail = away
			case 2:
				s.opening = func(context.Context) error { return away }
			}
		}, []string{"", "read stack: the backend is away", "read stack: the backend is away", ""}, 2},
		{"a provider dies: gaps, and no error", func(w *world, _ *site, round int) {
			*w.find("a") = observe("a", "as recorded")
			if round == 1 {
				w.gap("a", taffrail.ReasonCrashed)
			}
		}, []string{"", "", ""}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld("a")
			s := newSite(t, w)
			watch := watched{stop: after(len(tc.errors)), before: func(n int) { tc.change(w, s, n) }}
			synctest.Test(t, func(t *testing.T) {
				if err := watch.run(t.Context(), t, s); !errors.Is(err, errEnough) {
					t.Error(err)
				}
			})
			var told []string
			for i, r := range watch.rounds {
				told = append(told, r.Error)
				if r.After != time.Duration(i)*pause {
					t.Errorf("round %d came after %v", i, r.After)
				}
			}
			if diff := cmp.Diff(tc.errors, told); diff != "" || w.closed != tc.opened {
				t.Errorf("closed %d times\n%s", w.closed, diff)
			}
			wellAt(t, s)
		})
	}
}

func TestWatchStopsWhereNothingMustGoOn(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, w *world, s *site)
		kind   taffrail.Kind
		rounds int
	}{
		{"the log is not what was signed", func(t *testing.T, _ *world, s *site) {
			edit(t, s.data, "UPDATE entry SET body = replace(body, 'ok', 'no') WHERE idx = 2")
		}, taffrail.KindCorrupt, 2},
		{"the request makes no sense any more", func(_ *testing.T, w *world, _ *site) {
			w.fail = &taffrail.Error{Kind: taffrail.KindInvalid, Err: errors.New("there is no such workspace")}
		}, taffrail.KindInvalid, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld("a")
			s := newSite(t, w)
			watch := watched{stop: after(5), before: func(n int) {
				if n == 1 {
					tc.change(t, w, s)
				}
			}}
			synctest.Test(t, func(t *testing.T) {
				if err := watch.run(t.Context(), t, s); taffrail.KindOf(err) != tc.kind {
					t.Error(err)
				}
			})
			if len(watch.rounds) != tc.rounds || watch.rounds[1].Error == "" || w.closed != 1 {
				t.Errorf("%+v, closed %d times", watch.rounds, w.closed)
			}
		})
	}
}

func TestWatchThatCannotBeginSaysSo(t *testing.T) {
	s := newSite(t, newWorld("a"))
	s.opening = func(context.Context) error {
		return &taffrail.Error{Kind: taffrail.KindNotFound, Err: errors.New("no such folder")}
	}
	watch := watched{stop: after(1)}
	if err := watch.run(t.Context(), t, s); taffrail.KindOf(err) != taffrail.KindNotFound || len(watch.rounds) != 0 {
		t.Errorf("%v %+v", err, watch.rounds)
	}
}

func TestWatchEndsWhenItIsStopped(t *testing.T) {
	for _, tc := range []struct {
		name string
		when func(ctx context.Context, cancel func(), w *world)
		want []toldRound
	}{
		{"in a pause", func(_ context.Context, cancel func(), _ *world) {
			time.AfterFunc(pause/2, cancel)
		}, []toldRound{{0, 0, taffrail.OutcomeOK, ""}}},
		{"while it reads: what was read is told", func(_ context.Context, cancel func(), w *world) {
			w.during = func(int, *world) { cancel() }
		}, []toldRound{{0, 0, taffrail.OutcomeIncomplete, ""}}},
		{"before it reads", func(_ context.Context, cancel func(), w *world) {
			info := w.info
			w.describe = func() (taffrail.StackInfo, error) { cancel(); return info, context.Canceled }
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld("a")
			s := newSite(t, w)
			watch := watched{stop: func(int) error { return nil }}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				tc.when(ctx, cancel, w)
				if err := watch.run(ctx, t, s); err != nil {
					t.Error(err)
				}
			})
			if diff := cmp.Diff(tc.want, watch.rounds); diff != "" || w.closed != 1 {
				t.Errorf("closed %d times\n%s", w.closed, diff)
			}
		})
	}
}
