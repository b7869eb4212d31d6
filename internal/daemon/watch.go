package daemon

import (
	"context"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// Watch implements [Queries]. The stack is opened once: its providers stay alive between the rounds. Only after a round that failed it is
// opened anew, since nobody knows what state the failure has left it in.
func (d *Daemon) Watch(
	ctx context.Context, r ScanRequest, pause time.Duration, progress func(ScanProgress), round func(ScanReport, error) error,
) error {
	w := watch{daemon: d, request: r}
	if err := w.open(ctx); err != nil {
		return err
	}
	defer w.close()
	for {
		report, err := w.scan(ctx, progress)
		if taffrail.KindOf(err) != taffrail.KindCorrupt && err != nil && ctx.Err() != nil {
			return nil // it came to nothing because it was stopped
		}
		if stop := round(report, err); stop != nil {
			return stop
		}
		if hopeless(err) {
			return err
		}
		if !wait(ctx, pause) {
			return nil
		}
	}
}

// A watch keeps a stack open between its scans.
type watch struct {
	daemon  *Daemon
	request ScanRequest
	stack   taffrail.Stack // nil: it has to be opened
}

func (w *watch) open(ctx context.Context) (err error) {
	w.stack, err = w.daemon.openStack(ctx, w.request)
	return err
}

func (w *watch) close() {
	if w.stack == nil {
		return
	}
	if err := w.stack.Close(); err != nil {
		w.daemon.options.Logger.Warn("close stack", "error", err)
	}
	w.stack = nil
}

// scan is one round.
func (w *watch) scan(ctx context.Context, progress func(ScanProgress)) (ScanReport, error) {
	if w.stack == nil {
		if err := w.open(ctx); err != nil {
			return ScanReport{}, err
		}
	}
	report, err := w.daemon.scan(ctx, w.stack, w.request, progress)
	if err != nil {
		w.close()
	}
	return report, err
}

// wait says whether the pause passed before the end.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// hopeless says whether the next round would meet the error again, or nothing must go on after it.
func hopeless(err error) bool {
	kind := taffrail.KindOf(err)
	return err != nil && (kind == taffrail.KindInvalid || kind == taffrail.KindCorrupt)
}
