package cli

import (
	"context"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// fakeRuns answers what is asked about runs. It starts what it is told to start, unless it refuses before.
type fakeRuns struct {
	refused error // before anything is run
	lost    error // after
	start   daemon.RunStart
	report  daemon.RunReport
	ended   *daemon.RunEnd
	list    []taffrail.Run
	asked   any
}

func (f *fakeRuns) Run(_ context.Context, r daemon.RunRequest, start func(daemon.RunStart) (daemon.RunEnd, error)) (daemon.RunReport, error) {
	f.asked = r
	if f.refused != nil {
		return daemon.RunReport{}, f.refused
	}
	f.start.Env = append(f.start.Env, r.Command.Env...)
	end, err := start(f.start)
	if err != nil {
		return daemon.RunReport{}, err
	}
	f.ended = &end
	return f.report, f.lost
}

func (f *fakeRuns) Runs(_ context.Context, r daemon.RunsRequest) ([]taffrail.Run, error) {
	f.asked = r
	return f.list, f.refused
}
