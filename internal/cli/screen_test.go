package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

func TestProgressOnTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &screen{out: &out, terminal: true, width: 30}
		n := 0
		stop := s.follow(func() string { n++; return fmt.Sprintf("reading %d of a great many resources", n) })
		time.Sleep(redrawEvery + redrawEvery/2)
		fmt.Fprintln(s, "a warning")
		time.Sleep(redrawEvery)
		stop()
		stop()
		const wipe = "\r\x1b[2K"
		want := wipe + "reading 1 of a great many re…" + wipe + "a warning\n" + wipe + "reading 2 of a great many re…" + wipe
		if out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}

func TestProgressElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &screen{out: &out}
		stop := s.follow(func() string { return "reading" })
		time.Sleep(2*tellEvery + time.Second)
		stop()
		if out.String() != "reading\nreading\n" {
			t.Errorf("got %q", out.String())
		}
	})
}

func TestNoProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var quiet, fast bytes.Buffer
		stop := (&screen{out: &quiet, terminal: true, quiet: true}).follow(func() string { return "reading" })
		time.Sleep(time.Hour)
		stop()
		(&screen{out: &fast, terminal: true}).follow(func() string { return "reading" })()
		if quiet.Len()+fast.Len() > 0 {
			t.Errorf("got %q and %q", quiet.String(), fast.String())
		}
	})
}

// A scan that takes long says so, on standard error alone.
func TestScanTellsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{scan: func(_ context.Context, _ daemon.ScanRequest, progress func(daemon.ScanProgress)) (daemon.ScanReport, error) {
			time.Sleep(tellEvery + time.Second)
			progress(daemon.ScanProgress{Stack: taffrail.StackInfo{Name: "infra/\x1bprod"}, Total: 9, Done: 3, Drifted: 1, Gaps: 2})
			time.Sleep(tellEvery)
			return reportOf(), nil
		}}
		got := run(t, f, "scan", "infra/prod")
		want := "Opening infra/prod ... 10s\nReading infra/\\u001bprod: 3 of 9 resources, 1 drifted, 2 not read, 0.3/s, 18s left ... 20s\n"
		if got.stderr != want {
			t.Errorf("got %q, want %q", got.stderr, want)
		}
		if strings.Contains(got.stdout, "Reading") {
			t.Error("there is progress in the answer")
		}
	})
}

func TestVerbose(t *testing.T) {
	for _, c := range []struct {
		flag string
		want []string
		not  []string
	}{
		{"--verbose", []string{"DEBUG", "WARN", "ERROR"}, nil},
		{"--no-color", []string{"WARN", "ERROR"}, []string{"DEBUG"}},
		{"--quiet", []string{"ERROR"}, []string{"DEBUG", "WARN"}},
	} {
		f := &fake{}
		f.scan = func(context.Context, daemon.ScanRequest, func(daemon.ScanProgress)) (daemon.ScanReport, error) {
			f.options.Logger.Debug("small")
			f.options.Logger.Warn("middling\x1b[31m")
			f.options.Logger.Error("large")
			return reportOf(), nil
		}
		got := run(t, f, "scan", c.flag)
		for _, w := range c.want {
			if !strings.Contains(got.stderr, "level="+w) {
				t.Errorf("%s: %s is missing in %q", c.flag, w, got.stderr)
			}
		}
		for _, w := range c.not {
			if strings.Contains(got.stderr, "level="+w) {
				t.Errorf("%s: %s is in %q", c.flag, w, got.stderr)
			}
		}
		if strings.Contains(got.stderr, "\x1b") {
			t.Errorf("%s: a control character came through: %q", c.flag, got.stderr)
		}
	}
}
