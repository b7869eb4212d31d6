package daemon

import (
	"context"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Doctor implements [Queries]. That the stack cannot be opened at all is a check that failed.
func (d *Daemon) Doctor(ctx context.Context, r ScanRequest, f func(taffrail.Check) error) error {
	stack, err := d.openStack(ctx, r)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return f(failedCheck("stack", err))
	}
	defer stack.Close()
	if examiner, ok := stack.(taffrail.Examiner); ok {
		return examiner.Examine(ctx, f)
	}
	info, err := stack.Describe(ctx)
	if err != nil {
		return f(failedCheck("state", err))
	}
	return f(taffrail.Check{Name: "stack", Subject: info.Name, Result: taffrail.CheckWarning, Detail: info.System + " cannot say beforehand what it can read"})
}

func failedCheck(name string, err error) taffrail.Check {
	return taffrail.Check{Name: name, Result: taffrail.CheckFailed, Detail: err.Error(), Hint: taffrail.HintOf(err)}
}

// Stacks implements [Queries].
func (d *Daemon) Stacks(ctx context.Context, dir string, f func(taffrail.Place) error) error {
	for _, name := range plug.Names[taffrail.Discoverer](d.options.Plugins) {
		discoverer, err := plug.Open[taffrail.Discoverer](ctx, d.options.Plugins, name, d.env(nil), plug.Settings{File: "the command line"})
		if err != nil {
			return err
		}
		if err := discoverer.Discover(ctx, dir, f); err != nil {
			return err
		}
	}
	return nil
}
