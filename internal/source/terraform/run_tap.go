package terraform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/install"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tap"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

const (
	// tapIdle is how long a provider that was never configured is kept without a call.
	tapIdle = 10 * time.Second
	// tapKeep bounds the messages that are kept in memory until the tool has ended, in bytes.
	tapKeep = 512 << 20
)

// A tapped implements [taffrail.Tap].
type tapped struct {
	watcher *runWatcher
	command taffrail.Command
	line    line
	dir     string
	tap     *tap.Tap
	others  []taffrail.Untapped
	before  *recorded // what the state held before the run; nil if it could not be read
	known   *value.Secrets
	env     []string
}

// Tap implements [taffrail.RunWatcher]. A provider runs only if it stands where init put it and the lock file vouches for it, as under the
// tool itself; what cannot be tapped is left to the tool.
func (w *runWatcher) Tap(ctx context.Context, c taffrail.Command) (taffrail.Tap, error) {
	l := parseLine(c.Args)
	dir := w.folder(c, l)
	if err := w.tappable(c, dir); err != nil {
		return nil, refuseTap(err)
	}
	stack, err := w.open(c, l, dir)
	if err != nil {
		return nil, refuseTap(err)
	}
	defer stack.Close()
	t := &tapped{watcher: w, command: c, line: l, dir: dir}
	t.before, _ = readRecorded(ctx, stack) // before a first apply there is none
	t.known = w.secrets(stack)
	providers, err := t.find(stack)
	if err != nil {
		return nil, refuseTap(err)
	}
	if t.tap, err = tap.Open(ctx, tap.Options{Now: w.env.Now, Idle: tapIdle, Keep: tapKeep}, providers); err != nil {
		return nil, refuseTap(err)
	}
	for _, f := range t.tap.Failed() {
		t.others = append(t.others, taffrail.Untapped{Name: f.Name, Why: t.known.Message(f.Err.Error())})
	}
	addresses, err := t.tap.Reattach()
	if err != nil {
		t.tap.Close()
		return nil, refuseTap(err)
	}
	t.env = []string{tap.Variable + "=" + addresses}
	return t, nil
}

func refuseTap(err error) error {
	return &taffrail.Error{Op: "watch the providers", Kind: taffrail.KindUnavailable, Err: err}
}

// tappable says why there can be no tap, whatever the providers.
func (w *runWatcher) tappable(c taffrail.Command, dir string) error {
	h := w.host(c)
	for _, name := range []string{"TF_LOG", "TF_LOG_PROVIDER", "TF_LOG_CORE"} {
		if level := h.getenv(name); level != "" && !strings.EqualFold(level, "off") {
			return fmt.Errorf("%s is set, and the tool shows what its own providers say", name)
		}
	}
	if h.getenv(tap.Variable) != "" {
		return fmt.Errorf("%s is set already", tap.Variable)
	}
	if install.Overrides(install.Surroundings{Getenv: h.getenv, Home: h.home, Module: dir}) {
		return errors.New("the CLI configuration has dev_overrides, or cannot be read")
	}
	return nil
}

// secrets are what must not be shown, as far as it is known before the run.
func (w *runWatcher) secrets(s *stack) *value.Secrets {
	known := value.Join(s.host.secrets())
	tree, err := s.target.load()
	if err != nil {
		return known // the tool will say what is wrong with the code
	}
	for _, v := range tree.SensitiveValues((&reading{stack: s}).scopeWithoutState()) {
		known.AddAll(v)
	}
	return known
}

// find gives the providers to stand for, in the order of their names.
func (t *tapped) find(s *stack) ([]tap.Provider, error) {
	finder := &install.Finder{DataDir: s.target.dataDir}
	var err error
	if finder.Lock, err = install.ReadLock(filepath.Join(t.dir, install.LockFile)); err != nil {
		return nil, err
	}
	var names []addr.Provider
	for p := range finder.Lock {
		if !p.Builtin() {
			names = append(names, p)
		}
	}
	slices.SortFunc(names, func(a, b addr.Provider) int { return strings.Compare(a.String(), b.String()) })
	var all []tap.Provider
	for _, p := range names {
		pack, err := finder.Find(p)
		if err != nil {
			t.others = append(t.others, taffrail.Untapped{Name: p.String(), Why: t.known.Message(err.Error())})
			continue
		}
		all = append(all, tap.Provider{Name: p.String(), Start: t.starter(p, pack)})
	}
	return all, nil
}

// starter starts a provider as the tool does: in the folder of the root module, with the environment of the run. It differs in that the
// SDK's own logs are off, which nobody would read.
func (t *tapped) starter(p addr.Provider, pack install.Package) func(context.Context) (tap.Upstream, error) {
	program := provider.Program{
		Path: pack.Executable, Dir: t.dir, Env: tapEnviron(t.command.Env), Scrub: t.known.Scrub,
		Logger: t.watcher.env.Logger.With(slog.String("provider", p.String())),
	}
	return func(ctx context.Context) (tap.Upstream, error) {
		process, failure := provider.Start(ctx, program)
		if failure != nil {
			return nil, errors.New(failure.Detail)
		}
		return process, nil
	}
}

// tapEnviron is the environment of a provider under a tap.
func tapEnviron(environ []string) []string {
	var env []string
	for _, entry := range environ {
		if !strings.HasPrefix(entry, "PLUGIN_") && !strings.HasPrefix(entry, tap.Variable+"=") {
			env = append(env, entry)
		}
	}
	return append(env, quiet...)
}

// Env implements [taffrail.Tap].
func (t *tapped) Env() []string { return t.env }

// Providers implements [taffrail.Tap].
func (t *tapped) Providers() []string { return t.tap.Providers() }

// Close implements [taffrail.Tap].
func (t *tapped) Close() error {
	t.tap.Close()
	return nil
}

// Finish implements [taffrail.Tap].
func (t *tapped) Finish(ctx context.Context) (taffrail.TapReport, error) {
	t.tap.Close()
	seen, leftOut := t.tap.Seen()
	r := taffrail.TapReport{Providers: t.tap.Providers(), Others: t.others, Connections: t.tap.Connections(), LeftOut: leftOut}
	if len(seen) == 0 {
		return r, nil
	}
	after, err := t.readAfter(ctx)
	if err != nil {
		r.Withheld = "the state could not be read after the run, which says what is sensitive: " + t.known.Message(err.Error())
	}
	a := &account{tapped: t, after: after, kinds: map[string]*tappedKind{}, schemas: map[string]map[string][]byte{}}
	r.Tapped = a.tell(seen)
	r.LeftOut += len(seen) - len(r.Tapped)
	return r, nil
}
