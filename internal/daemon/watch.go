package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// Watch implements [Queries]. The stack is opened once: its providers stay alive between the rounds.
func (d *Daemon) Watch(
	ctx context.Context, r ScanRequest, pause time.Duration, progress func(ScanProgress), round func(ScanReport, error) error,
) error {
	stack, err := d.openStack(ctx, r)
	if err != nil {
		return err
	}
	defer stack.Close()
	for {
		report, err := d.scan(ctx, stack, r, progress)
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err := errors.Join(round(report, err), hopeless(err)); err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// hopeless gives an error back that the next round would meet again, or that nothing must go on after.
func hopeless(err error) error {
	switch taffrail.KindOf(err) {
	case taffrail.KindInvalid, taffrail.KindCorrupt:
		return err
	}
	return nil
}
