package terraform

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/install"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// A stack implements [taffrail.Stack]. Its providers stay alive between reads.
type stack struct {
	env      plug.Env
	config   Config
	host     host
	target   target
	keeper   *keeper
	attempts attempts // to install providers
	growth   int64    // bytes by which a provider may grow before it is started anew

	reading sync.Mutex // held by Read and by the end of Close: one read at a time

	mu       sync.Mutex
	sessions map[addr.ProviderConfig]*session
	cli      taffrail.Component // the user's own tool, once it was asked
	closed   bool
	stop     context.CancelFunc // ends the read that goes on
}

var errClosed = &taffrail.Error{Op: "read stack", Kind: taffrail.KindInvalid, Err: errors.New("the stack is closed")}

// Describe implements [taffrail.Stack].
func (s *stack) Describe(ctx context.Context) (taffrail.StackInfo, error) {
	if err := ctx.Err(); err != nil {
		return taffrail.StackInfo{}, err
	}
	h, err := s.keeper.readHeader(ctx)
	if err != nil {
		return taffrail.StackInfo{}, err
	}
	info := taffrail.StackInfo{
		ID: s.id(h), System: "terraform", Name: s.target.name, Workspace: s.target.workspace, Lineage: h.Lineage, Serial: h.Serial,
		Commit: s.commit(ctx),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tool := "terraform"
	for _, session := range s.sessions {
		c, known := session.component()
		if !known || slices.Contains(info.Components, c) {
			continue
		}
		info.Components = append(info.Components, c)
		if strings.Contains(session.config.Provider.Host, "opentofu") {
			tool = "opentofu" // both write the same format, and do not say which of them did
		}
	}
	if s.cli.Name != "" {
		info.Components = append(info.Components, s.cli)
	}
	slices.SortFunc(info.Components, func(a, b taffrail.Component) int { return strings.Compare(a.Name, b.Name) })
	if h.Tool != "" {
		info.Tool = tool + " " + h.Tool
	}
	return info, nil
}

func (s *stack) id(h state.Header) taffrail.StackID {
	return taffrail.StackID("terraform/" + h.Lineage + "/" + s.target.workspace)
}

// Close implements [taffrail.Stack].
func (s *stack) Close() error {
	s.mu.Lock()
	s.closed = true
	if s.stop != nil {
		s.stop()
	}
	s.mu.Unlock()
	s.reading.Lock()
	defer s.reading.Unlock()
	var ended sync.WaitGroup
	for _, session := range s.sessions {
		ended.Go(session.end)
	}
	ended.Wait()
	return s.keeper.close()
}

// begin starts a read, unless the stack is closed.
func (s *stack) begin(ctx context.Context) (context.Context, context.CancelFunc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, errClosed
	}
	ctx, s.stop = context.WithCancel(ctx)
	return ctx, s.stop, nil
}

// slack is memory that nobody touches, and that is none of the system's therefore. While it is held, the garbage collector takes a small heap
// for a larger one, and leaves it alone for longer: a read makes much that is of no use a moment later. To a large heap it makes no
// difference.
const slack = 16 << 20

// Read implements [taffrail.Stack].
func (s *stack) Read(ctx context.Context, sel taffrail.Selection, emit func(taffrail.Observation) error) (taffrail.Coverage, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	var coverage taffrail.Coverage
	inner, cancel, err := s.begin(ctx)
	if err != nil {
		return coverage, err
	}
	defer cancel()
	defer runtime.KeepAlive(make([]byte, slack))
	r, err := s.prepare(inner, sel)
	if err != nil {
		return coverage, err
	}
	r.ask(inner, sel)
	coverage.Gaps = append(r.missing(sel), r.pending.missed()...)
	if sel.Announce != nil {
		sel.Announce(r.total())
	}
	observations := make(chan taffrail.Observation)
	go r.run(inner, observations)
	var emitErr error
	cut := false
	for o := range observations {
		if emitErr != nil {
			continue // until everything has stopped
		}
		if emitErr = emit(o); emitErr != nil {
			cancel()
			continue
		}
		coverage.Count(o)
		cut = cut || o.Gap != nil && o.Gap.Reason == taffrail.ReasonCancelled
	}
	if emitErr != nil {
		return coverage, emitErr
	}
	if cut && ending(ctx) {
		<-ctx.Done() // a provider has known a moment before it
	}
	coverage.Gaps = append(coverage.Gaps, r.raced(context.WithoutCancel(ctx))...)
	if err := ctx.Err(); err != nil {
		return coverage, err
	}
	return coverage, inner.Err() // of a Close in between
}

// prepare reads what is recorded, and sorts the resources by the provider configuration that reads them.
func (s *stack) prepare(ctx context.Context, sel taffrail.Selection) (*reading, error) {
	lock, locked, err := s.keeper.locked(ctx)
	if err != nil {
		return nil, err
	}
	recorded, err := s.keeper.read(ctx)
	if err != nil {
		return nil, err
	}
	tree, err := s.target.load()
	if err != nil {
		return nil, err
	}
	r := &reading{
		stack: s, header: recorded.Header, tree: tree, declared: map[declaredKey]*declared{}, seen: map[taffrail.Address]bool{},
		lanes: map[addr.ProviderConfig]*lane{}, fresh: isFresh(s.keeper.written(), s.env.Now()),
	}
	if locked {
		r.lockSeen = lock
	}
	r.finder = s.finder(ctx)
	for i := range recorded.Instances {
		r.add(&recorded.Instances[i], sel)
		recorded.Instances[i] = state.Instance{} // its job holds what is still needed
	}
	return r, nil
}

// session gives the session of a provider configuration, which may have a process from an earlier read.
func (s *stack) session(r *reading, l *lane) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.sessions[l.config]
	if kept == nil {
		kept = &session{stack: s, config: l.config}
		s.sessions[l.config] = kept
	}
	kept.renew(r, slices.Sorted(maps.Keys(l.kinds)))
	return kept
}

// finder looks for providers by what the stack's folder and the host say now.
func (s *stack) finder(ctx context.Context) *install.Finder {
	f := &install.Finder{
		DataDir: s.target.dataDir, Cache: cmp.Or(s.config.CacheDir, s.host.cache), Trust: install.TrustMode(s.config.AllowUnlocked),
		Install: s.installer(ctx),
	}
	f.Lock, f.LockErr = install.ReadLock(filepath.Join(s.target.dir, install.LockFile))
	f.Mirrors, f.Broken = install.Mirrors(install.Surroundings{
		Getenv: s.host.getenv, Home: s.host.home, Module: s.target.dir, Config: s.config.CLIConfig,
	})
	return f
}
