package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// A round is what one round of a watch comes to.
type roundOf struct {
	report daemon.ScanReport
	err    error
}

// watched is a fake whose watch has these rounds, and is stopped after them.
func watched(cancel context.CancelFunc, rounds ...roundOf) *fake {
	return &fake{watch: func(
		_ context.Context, _ daemon.ScanRequest, _ time.Duration, _ func(daemon.ScanProgress), round func(daemon.ScanReport, error) error,
	) error {
		for i, r := range rounds {
			r.report.FinishedAt = noon.Add(time.Duration(i) * 30 * time.Second)
			if err := round(r.report, r.err); err != nil {
				return err
			}
			if k := taffrail.KindOf(r.err); r.err != nil && (k == taffrail.KindInvalid || k == taffrail.KindCorrupt) {
				return r.err
			}
		}
		cancel()
		return nil
	}}
}

func reported(r daemon.ScanReport) roundOf { return roundOf{report: r} }

// story is a day of a stack, round by round.
func watchedStory() []roundOf {
	old := modified("cloud_a.a", drifted("x", num("1"), num("2")))
	fresh := modified("cloud_b.b", drifted("y", num("1"), num("2")))
	old.New = false
	ended := reportOf(old)
	ended.Ended = []daemon.EndedDrift{{ID: "drift-9", Address: "cloud_b.b", Why: taffrail.EndInSync}}
	denied := gapOf("cloud_c.c", taffrail.ReasonCrashed, "the provider ended", "look at its log")
	return []roundOf{
		reported(reportOf(old)), reported(reportOf(old)), reported(reportOf(old, fresh)), reported(ended),
		{err: &taffrail.Error{Op: "read state", Kind: taffrail.KindUnavailable, Err: errors.New("no answer"), Hint: "wait"}},
		reported(withGaps(reportOf(old), denied)), reported(withGaps(reportOf(old), denied)), reported(reportOf(old)), reported(reportOf()),
	}
}

func TestWatch(t *testing.T) {
	for _, form := range []string{"table", "ndjson"} {
		ctx, cancel := context.WithCancel(t.Context())
		got := runWith(t, ctx, watched(cancel, watchedStory()...), nil, "scan", "infra/prod", "--watch", "30s", "-o", form)
		if got.status != 0 {
			t.Errorf("status %d", got.status)
		}
		first, rest, _ := strings.Cut(got.stderr, "Z  ") // the time of a round that failed
		if _, err := time.Parse("2006-01-02 15:04:05", first); err != nil {
			t.Error(err)
		}
		got.stderr = rest
		golden(t, "watch/"+form, got)
		if form == "ndjson" {
			for line := range bytes.Lines([]byte(got.stdout)) {
				if err := validate(t, eventsSchema(t), string(line)); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestStatusOfWatch(t *testing.T) {
	drift, clean := reported(reportOf(modified("cloud_a.a"))), reported(reportOf())
	failed := roundOf{err: &taffrail.Error{Kind: taffrail.KindUnavailable, Err: errors.New("no answer")}}
	corrupt := roundOf{err: &taffrail.Error{Kind: taffrail.KindCorrupt, Err: errors.New("no")}}
	for _, c := range []struct {
		name   string
		rounds []roundOf
		want   int
	}{
		{"the last is in sync", []roundOf{drift, clean}, 0}, {"the last has drift", []roundOf{clean, drift}, 2}, {"the last failed", []roundOf{clean, failed}, 1},
		{"a failure is over", []roundOf{failed, clean}, 0}, {"no round", nil, 1}, {"the log does not verify", []roundOf{clean, corrupt}, 3},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if got := runWith(t, ctx, watched(cancel, c.rounds...), nil, "scan", "--watch", "1s"); got.status != c.want {
			t.Errorf("%s: status %d, want %d: %s", c.name, got.status, c.want, got.stderr)
		}
	}
}

// A round that is cut short is shown and does not count, unless there was no other.
func TestWatchIsStoppedWithinARound(t *testing.T) {
	cut := withGaps(reportOf(), gapOf("cloud_b.b", taffrail.ReasonCancelled, "the scan was stopped first", ""))
	for _, before := range [][]daemon.ScanReport{nil, {reportOf()}} {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fake{watch: func(_ context.Context, _ daemon.ScanRequest, _ time.Duration, _ func(daemon.ScanProgress), round func(daemon.ScanReport, error) error) error {
			for _, r := range before {
				if err := round(r, nil); err != nil {
					return err
				}
			}
			cancel()
			return round(cut, nil)
		}}
		got := runWith(t, ctx, f, nil, "scan", "--watch", "1s")
		if want := 1 - len(before); got.status != want || !strings.Contains(got.stdout, "stopped") {
			t.Errorf("after %d rounds: status %d, want %d:\n%s", len(before), got.status, want, got.stdout)
		}
	}
}

func TestWatchRefuses(t *testing.T) {
	for _, args := range [][]string{{"--watch", "30s", "-o", "json"}, {"--watch", "30s", "a", "b"}, {"--watch", "-1s"}, {"--watch", "30"}, {"--parallel", "0"}, {"--managed-by", "x"}, {"--var", "x"}, {"--unmanaged", " "}} {
		if got := run(t, &fake{}, append([]string{"scan"}, args...)...); got.status != 1 || !strings.Contains(got.stderr, "hint: ") || strings.Contains(got.stderr, errNotAsked.Error()) {
			t.Errorf("%v: status %d, %s", args, got.status, got.stderr)
		}
	}
}
