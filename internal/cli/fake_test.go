package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/correlate/whodunit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugins"
)

var update = flag.Bool("update", false, "write what the program prints to the golden files")

// fake answers queries as a test wants, well or badly. A query that the test did not provide for is an error.
type fake struct {
	fakeLog
	fakeRuns
	options  daemon.Options
	started  int
	stopped  int
	startErr error
	stopErr  error

	scan    func(context.Context, daemon.ScanRequest, func(daemon.ScanProgress)) (daemon.ScanReport, error)
	watch   func(ctx context.Context, r daemon.ScanRequest, pause time.Duration, progress func(daemon.ScanProgress), round func(daemon.ScanReport, error) error) error
	doctor  func(context.Context, daemon.ScanRequest, func(taffrail.Check) error) error
	stacks  func(context.Context, string, func(taffrail.Place) error) error
	init    func(context.Context, daemon.InitRequest) (daemon.LogInfo, error)
	entries []daemon.LogEntry
	verify  func(context.Context, func(done, total int64)) (daemon.LogReport, error)
	rebuild func(context.Context) (daemon.IndexReport, error)
	asked   [][2]int64 // ranges of entries
}

var errNotAsked = errors.New("the test did not expect to be asked")

func (f *fake) Start(context.Context) error { f.started++; return f.startErr }
func (f *fake) Stop(context.Context) error  { f.stopped++; return f.stopErr }

func (f *fake) Scan(ctx context.Context, r daemon.ScanRequest, progress func(daemon.ScanProgress)) (daemon.ScanReport, error) {
	if f.scan == nil {
		return daemon.ScanReport{}, errNotAsked
	}
	return f.scan(ctx, r, progress)
}

func (f *fake) Watch(
	ctx context.Context, r daemon.ScanRequest, pause time.Duration, progress func(daemon.ScanProgress), round func(daemon.ScanReport, error) error,
) error {
	if f.watch == nil {
		return errNotAsked
	}
	return f.watch(ctx, r, pause, progress, round)
}

func (f *fake) Doctor(ctx context.Context, r daemon.ScanRequest, each func(taffrail.Check) error) error {
	if f.doctor == nil {
		return errNotAsked
	}
	return f.doctor(ctx, r, each)
}

func (f *fake) Stacks(ctx context.Context, dir string, each func(taffrail.Place) error) error {
	if f.stacks == nil {
		return errNotAsked
	}
	return f.stacks(ctx, dir, each)
}

// Attribute is answered by the real one: it needs nothing that a fake could stand for.
func (f *fake) Attribute(ctx context.Context, cases daemon.Cases, emit func(whodunit.Answer) error) error {
	f.options.Plugins = plugins.Registry()
	return daemon.New(f.options).Attribute(ctx, cases, emit)
}

func (f *fake) InitLog(ctx context.Context, r daemon.InitRequest) (daemon.LogInfo, error) {
	if f.init == nil {
		return daemon.LogInfo{}, errNotAsked
	}
	return f.init(ctx, r)
}

func (f *fake) Entries(_ context.Context, from, to int64, each func(daemon.LogEntry) error) error {
	f.asked = append(f.asked, [2]int64{from, to})
	if from < 0 {
		from += int64(len(f.entries))
	}
	for _, e := range f.entries {
		if e.Index < from || to >= 0 && e.Index >= to {
			continue
		}
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) FollowLog(ctx context.Context, from int64, each func(daemon.LogEntry) error) error {
	return f.Entries(ctx, from, -1, each)
}

func (f *fake) VerifyLog(ctx context.Context, progress func(done, total int64)) (daemon.LogReport, error) {
	if f.verify == nil {
		return daemon.LogReport{}, errNotAsked
	}
	return f.verify(ctx, progress)
}

func (f *fake) RebuildIndex(ctx context.Context) (daemon.IndexReport, error) {
	if f.rebuild == nil {
		return daemon.IndexReport{}, errNotAsked
	}
	return f.rebuild(ctx)
}

// ran is what a run of the program came to.
type ran struct {
	stdout, stderr string
	status         int
}

// runWith runs the program in an environment that has a home folder and what is added.
func runWith(t *testing.T, ctx context.Context, f *fake, env map[string]string, args ...string) ran {
	t.Helper()
	home := t.TempDir()
	var stdout, stderr bytes.Buffer
	p := Program{
		Version: "1.2.3", Plugins: &plug.Registry{}, Args: args, Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string {
			if v, ok := env[name]; ok {
				return v
			}
			return map[string]string{"HOME": home, "TERM": "xterm"}[name]
		},
	}
	status := newApp(p, func(o daemon.Options) service { f.options = o; return f }).run(ctx)
	return ran{stdout.String(), stderr.String(), status}
}

func run(t *testing.T, f *fake, args ...string) ran {
	t.Helper()
	return runWith(t, t.Context(), f, nil, args...)
}

// golden compares a run with the file testdata/<name>.txtar, and writes it with -update.
func golden(t *testing.T, name string, got ran) {
	t.Helper()
	files := []txtar.File{
		{Name: "stdout", Data: lines(got.stdout)},
		{Name: "stderr", Data: lines(got.stderr)},
		{Name: "status", Data: fmt.Appendf(nil, "%d\n", got.status)},
	}
	path := filepath.Join("testdata", filepath.FromSlash(name)+".txtar")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, txtar.Format(&txtar.Archive{Files: files}), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update and look at what it wrote", err)
	}
	for i, f := range files {
		if i >= len(want.Files) || want.Files[i].Name != f.Name {
			t.Fatalf("%s has no file %s in its place", path, f.Name)
		}
		if diff := cmp.Diff(string(want.Files[i].Data), string(f.Data)); diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", f.Name, path, diff)
		}
	}
}

// lines ends text with a line's end, as txtar does.
func lines(s string) []byte {
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return []byte(s)
}
