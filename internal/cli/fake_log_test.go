package cli

import (
	"context"
	"io"
	"net"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// fakeLog answers what is asked of the log, and what is to be done to it. It notes what it was asked.
type fakeLog struct {
	status    *daemon.LogStatus
	found     *daemon.SearchPage
	proof     *daemon.EntryProof
	policy    []byte
	position  *daemon.LogPosition // of everything that is done to the log
	keys      []daemon.KeyInfo
	export    func(daemon.ExportRequest, io.Writer) (daemon.ExportReport, error)
	witnessed *daemon.WitnessReport
	anchored  *daemon.AnchorReport
	published *daemon.PublishReport
	restored  *daemon.RestoreReport
	taken     *daemon.EventsTaken
	events    *[]daemon.LoggedEvent
	sources   *[]daemon.EventSourceStatus
	why       *[]daemon.WhyAnswer
	history   *daemon.History
	failed    error // of everything
	request   any   // the last
}

// answer gives what a test provided, and an error if it provided nothing.
func answer[T any](f *fakeLog, request any, provided *T) (T, error) {
	f.request = request
	var none T
	switch {
	case f.failed != nil:
		return none, f.failed
	case provided == nil:
		return none, errNotAsked
	}
	return *provided, nil
}

func (f *fakeLog) SearchLog(_ context.Context, r daemon.SearchRequest) (daemon.SearchPage, error) {
	return answer(f, r, f.found)
}

func (f *fakeLog) LogStatus(context.Context) (daemon.LogStatus, error) {
	return answer(f, nil, f.status)
}

func (f *fakeLog) ProveEntry(_ context.Context, index int64) (daemon.EntryProof, error) {
	return answer(f, index, f.proof)
}

func (f *fakeLog) LogPolicy(context.Context) ([]byte, error) { return answer(f, nil, &f.policy) }

func (f *fakeLog) HoldLog(_ context.Context, r daemon.HoldRequest) (daemon.LogPosition, error) {
	return answer(f, r, f.position)
}

func (f *fakeLog) ReleaseLog(_ context.Context, r daemon.ReleaseRequest) (daemon.LogPosition, error) {
	return answer(f, r, f.position)
}

func (f *fakeLog) RedactLog(_ context.Context, r daemon.RedactRequest) (daemon.LogPosition, error) {
	return answer(f, r, f.position)
}

func (f *fakeLog) PruneLog(_ context.Context, r daemon.PruneRequest) (daemon.PruneReport, error) {
	p, err := answer(f, r, f.position)
	return daemon.PruneReport{Before: r.Before, Payloads: 3, Log: p}, err
}

func (f *fakeLog) ExportLog(_ context.Context, r daemon.ExportRequest, w io.Writer) (daemon.ExportReport, error) {
	f.request = r
	if f.export == nil {
		return daemon.ExportReport{}, errNotAsked
	}
	return f.export(r, w)
}

func (f *fakeLog) RotateKey(_ context.Context, r daemon.RotateRequest) (daemon.KeyReport, error) {
	p, err := answer(f, r, f.position)
	return daemon.KeyReport{Keys: f.keys, Log: p}, err
}

func (f *fakeLog) RevokeKey(_ context.Context, r daemon.RevokeRequest) (daemon.KeyReport, error) {
	p, err := answer(f, r, f.position)
	return daemon.KeyReport{Keys: f.keys, Log: p}, err
}

func (f *fakeLog) WitnessLog(context.Context) (daemon.WitnessReport, error) {
	return answer(f, nil, f.witnessed)
}

func (f *fakeLog) AnchorLog(context.Context) (daemon.AnchorReport, error) {
	return answer(f, nil, f.anchored)
}

func (f *fakeLog) PublishLog(_ context.Context, folder string) (daemon.PublishReport, error) {
	return answer(f, folder, f.published)
}

func (f *fakeLog) RestoreLog(_ context.Context, folder string) (daemon.RestoreReport, error) {
	return answer(f, folder, f.restored)
}

// Nothing of this is asked of a fake.

func (f *fakeLog) Serve(context.Context) error { return errNotAsked }

func (f *fakeLog) Checkers(context.Context, string) (map[string]audit.Checker, error) {
	return nil, nil
}

func (f *fakeLog) Published() (audit.Storage, audit.Signer, error) { return nil, nil, errNotAsked }

func (f *fakeLog) InitSigner(context.Context, string) (daemon.LogInfo, error) {
	return daemon.LogInfo{}, errNotAsked
}

func (f *fakeLog) ServeSigner(context.Context, string, []int, func()) error { return errNotAsked }

func (f *fakeLog) InitWitness(string) (string, error) { return "", errNotAsked }

func (f *fakeLog) ServeWitness(context.Context, net.Listener, []byte) error { return errNotAsked }

func (f *fakeLog) ImportEvents(_ context.Context, r daemon.ImportRequest, _ func(daemon.EventsTaken)) (daemon.EventsTaken, error) {
	return answer(f, r, f.taken)
}

func (f *fakeLog) ReceiveEvents(_ context.Context, listening func(string, string), taken func(string, daemon.EventsTaken)) error {
	t, err := answer(f, nil, f.taken)
	if err == nil {
		listening("audit", "127.0.0.1:1")
		taken("audit", t)
	}
	return err
}

func (f *fakeLog) ListEvents(_ context.Context, r daemon.EventFilter, each func(daemon.LoggedEvent) error) error {
	all, err := answer(f, r, f.events)
	for _, e := range all {
		if err == nil {
			err = each(e)
		}
	}
	return err
}

func (f *fakeLog) FollowEvents(ctx context.Context, r daemon.EventFilter, each func(daemon.LoggedEvent) error) error {
	return f.ListEvents(ctx, r, each)
}

func (f *fakeLog) EventSources(context.Context) ([]daemon.EventSourceStatus, error) {
	return answer(f, nil, f.sources)
}

func (f *fakeLog) Why(_ context.Context, r daemon.WhyRequest) ([]daemon.WhyAnswer, error) {
	return answer(f, r, f.why)
}

func (f *fakeLog) History(_ context.Context, r daemon.HistoryRequest) (daemon.History, error) {
	return answer(f, r, f.history)
}

func (f *fakeLog) UnlockEvent(_ context.Context, r daemon.UnlockRequest, to func([]byte) error) (daemon.LogPosition, error) {
	p, err := answer(f, r, f.position)
	if err == nil {
		err = to([]byte("half a rec"))
	}
	return p, err
}
