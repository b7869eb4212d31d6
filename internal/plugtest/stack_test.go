package plugtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A fake is a stack that keeps every promise, until a fault is switched on.
type fake struct {
	fault   string
	folder  string
	reads   int
	closed  int
	blocked chan struct{}
}

const fakeSize = 4

func fakeCase(fault, folder string) StackCase {
	return StackCase{
		Want: fakeSize, Folder: folder,
		Open: func(t *testing.T) taffrail.Stack {
			f := &fake{fault: fault, folder: folder, blocked: make(chan struct{})}
			t.Cleanup(func() { close(f.blocked) })
			return f
		},
	}
}

func (f *fake) Describe(context.Context) (taffrail.StackInfo, error) {
	info := taffrail.StackInfo{ID: "fake/1", System: "fake", Name: "one"}
	if f.fault == "another ID" {
		info.ID = "fake/2"
	}
	return info, nil
}

func (f *fake) observe(i int) taffrail.Observation {
	o := taffrail.Observation{
		Resource: taffrail.Resource{Stack: "fake/1", Address: taffrail.Address(fmt.Sprintf("a.%d", i)), Type: "a"},
		At:       time.Now().UTC(), Recorded: taffrail.Int(int64(i)), Live: taffrail.Int(int64(i)),
	}
	switch {
	case f.fault == "unknown without a gap" && i == 1:
		o.Live = taffrail.Unknown()
	case f.fault == "local time" && i == 1:
		o.At = time.Now()
	case f.fault == "twice" && i == 1:
		o.Resource.Address = "a.0"
	case f.fault == "flaps" && i == 1:
		o.Live = taffrail.Int(int64(f.reads))
	case f.fault == "gap of two lines" && i == 1:
		o.Live, o.Gap = taffrail.Unknown(), &taffrail.Gap{Address: o.Resource.Address, Reason: taffrail.ReasonError, Detail: "a\nb"}
	case i == 2:
		o.Live, o.Gap = taffrail.Unknown(), &taffrail.Gap{Address: o.Resource.Address, Reason: taffrail.ReasonUnsupported, Detail: "so"}
	}
	return o
}

func (f *fake) Read(ctx context.Context, sel taffrail.Selection, emit func(taffrail.Observation) error) (taffrail.Coverage, error) {
	f.reads++
	f.leave()
	var c taffrail.Coverage
	size := fakeSize
	if f.fault == "one too few" {
		size--
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	for i := range size {
		o := f.observe(i)
		if !sel.Selects(o.Resource.Address) && f.fault != "ignores the selection" {
			continue
		}
		if ctx.Err() != nil && f.fault != "ignores cancellation" {
			if f.fault == "silent when cancelled" {
				break
			}
			o.Live, o.Gap = taffrail.Unknown(), &taffrail.Gap{Address: o.Resource.Address, Reason: taffrail.ReasonCancelled, Detail: "stopped"}
			if f.fault == "deletes when cancelled" {
				o.Live, o.Gap = taffrail.Null(), nil
			}
		}
		if f.fault != "miscounts" || i != 1 {
			c.Count(o)
		}
		if f.fault == "emits at once" {
			beside.Go(func() { _ = emit(o) })
			continue
		}
		if err := emit(o); err != nil {
			if f.fault == "goes on" {
				continue
			}
			if f.fault == "wraps" {
				return c, fmt.Errorf("emit: %w", err)
			}
			return c, err
		}
	}
	if f.fault == "hides the end" {
		return c, nil
	}
	return c, ctx.Err()
}

// leave leaves behind what must not be left.
func (f *fake) leave() {
	switch f.fault {
	case "writes":
		_ = os.WriteFile(filepath.Join(f.folder, "trace"), nil, 0o600)
	case "leaves a goroutine":
		go func() { <-f.blocked }()
	case "leaves a process":
		cmd := exec.Command("sleep", "20")
		if cmd.Start() == nil {
			go func() {
				<-f.blocked
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}()
		}
	}
}

func (f *fake) Close() error {
	f.closed++
	if f.fault == "closes once" && f.closed > 1 {
		return errors.New("closed already")
	}
	return nil
}

func TestStackAcceptsWhatKeepsItsPromises(t *testing.T) { Stack(t, fakeCase("", t.TempDir())) }

// Each fault must be found by the promise that it breaks.
func TestStackFindsEachFault(t *testing.T) {
	for _, tc := range []struct{ fault, promise string }{
		{"one too few", "one observation for each resource"},
		{"twice", "one observation for each resource"},
		{"unknown without a gap", "one observation for each resource"},
		{"local time", "one observation for each resource"},
		{"gap of two lines", "one observation for each resource"},
		{"emits at once", "never two at once"},
		{"miscounts", "coverage agrees with the observations"},
		{"another ID", "description"},
		{"flaps", "reading twice gives the same"},
		{"goes on", "an error of emit stops it"},
		{"wraps", "an error of emit stops it"},
		{"ignores cancellation", "cancelled before"},
		{"silent when cancelled", "cancelled before"},
		{"hides the end", "cancelled before"},
		{"silent when cancelled", "cancelled at each emit"},
		{"deletes when cancelled", "cancelled at each emit"},
		{"ignores the selection", "a selection of one"},
		{"writes", "nothing is written"},
		{"leaves a goroutine", "close leaves nothing behind"},
		{"leaves a process", "close leaves nothing behind"},
		{"closes once", "close leaves nothing behind"},
	} {
		t.Run(tc.fault+"/"+tc.promise, func(t *testing.T) {
			for _, p := range stackPromises {
				if p.name != tc.promise {
					continue
				}
				err := p.check(t, fakeCase(tc.fault, t.TempDir()))
				if err == nil {
					t.Fatal("the fault was not found")
				}
				t.Log(strings.SplitN(err.Error(), "\n", 2)[0])
				return
			}
			t.Fatal("there is no such promise")
		})
	}
}
