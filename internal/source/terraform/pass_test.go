package terraform

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// A fakeSystem answers after a while, and refuses calls beyond what it bears at once.
type fakeSystem struct {
	bears int
	slow  time.Duration

	mu                        sync.Mutex
	running, most             map[string]int
	answered, refused, begins int
}

func (f *fakeSystem) call(service string) outcome {
	f.mu.Lock()
	f.begins++
	f.running[service]++
	f.most[service] = max(f.most[service], f.running[service])
	over := f.running[service] > f.bears
	f.mu.Unlock()
	time.Sleep(f.slow)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running[service]--
	if over {
		f.refused++
		return refused
	}
	f.answered++
	return settled
}

func newFakeSystem(bears int) *fakeSystem {
	return &fakeSystem{bears: bears, slow: 40 * time.Millisecond, running: map[string]int{}, most: map[string]int{}}
}

// work runs a pass against the system with so many workers, and counts what was not asked.
func (f *fakeSystem) work(ctx context.Context, p *pass, workers int) (unasked int) {
	defer context.AfterFunc(ctx, p.wake)()
	var mu sync.Mutex
	var done sync.WaitGroup
	for range workers {
		done.Go(func() {
			for t, ok := p.next(ctx); ok; t, ok = p.next(ctx) {
				o := settled
				if t.ask && ctx.Err() == nil {
					o = f.call(serviceOf(t.instance.Type))
				} else {
					mu.Lock()
					unasked++
					mu.Unlock()
				}
				p.note(t, o)
			}
		})
	}
	done.Wait()
	return unasked
}

func jobsOf(counts map[string]int) []*job {
	var jobs []*job
	for _, t := range slices.Sorted(maps.Keys(counts)) {
		for range counts[t] {
			jobs = append(jobs, &job{instance: &state.Instance{Type: t}})
		}
	}
	return jobs
}

func TestTrap18_EachServiceHasItsOwnLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSystem(1000)
		began := time.Now()
		p := newPass(newLimits(3, time.Second), jobsOf(map[string]int{"aws_s3_bucket": 30, "aws_s3_object": 30, "aws_iam_role": 60}))
		f.work(t.Context(), p, 6)
		if f.most["s3"] != 3 || f.most["iam"] != 3 || f.answered != 120 {
			t.Errorf("at once %v, answered %d", f.most, f.answered)
		}
		if took, limit := time.Since(began), 120/6*f.slow; took != limit {
			t.Errorf("took %v, and %v was possible: a service that waits holds up another", took, limit)
		}
	})
}

func TestTrap18_RefusalsHalveTheLimitAndAnswersRaiseIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSystem(8)
		l := newLimits(50, 100*time.Millisecond)
		began := time.Now()
		f.work(t.Context(), newPass(l, jobsOf(map[string]int{"aws_s3_bucket": 2000})), 50)
		if f.answered != 2000 {
			t.Errorf("answered %d", f.answered)
		}
		if share := float64(f.refused) / float64(f.begins); share > 0.1 {
			t.Errorf("%.0f %% of the calls were refused", 100*share)
		}
		if took, limit := time.Since(began), 2000/8*f.slow; took > 4*limit {
			t.Errorf("took %v, and %v was possible", took, limit)
		}
		if now := l.of("s3").allowed; now > 10 {
			t.Errorf("%v are allowed at once after all, and 8 are borne", now)
		}
		before := f.refused
		f.work(t.Context(), newPass(l, jobsOf(map[string]int{"aws_s3_bucket": 8})), 50)
		if f.refused-before > 2 {
			t.Error("the next reading has forgotten what the service bears")
		}
	})
}

func TestTrap18_AfterAPauseNoHerdComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(50, time.Second)
		s := l.of("s3")
		began := time.Now()
		for range 50 { // all that were under way together
			l.refused(s, began, time.Now())
		}
		if s.allowed != 25 || s.rounds != 1 {
			t.Errorf("one round lowered the limit to %v in %d steps", s.allowed, s.rounds)
		}
		pauses := map[time.Duration]bool{}
		for range 20 {
			other := newLimits(50, time.Second)
			other.refused(other.of("s3"), began, time.Now())
			pause := other.of("s3").resumes.Sub(began)
			if pause < 500*time.Millisecond || pause > time.Second {
				t.Errorf("pause %v", pause)
			}
			pauses[pause] = true
		}
		if len(pauses) < 2 {
			t.Error("all who were refused at one moment come back at one moment")
		}
		if ok, resumes := s.ready(time.Now()); ok || resumes != s.resumes {
			t.Error("there is no pause")
		}
		time.Sleep(time.Second)
		if ok, _ := s.ready(time.Now()); !ok {
			t.Error("the pause has no end")
		}
	})
}

func TestTrap18_AServiceThatOnlyRefusesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSystem(0)
		l := newLimits(10, 500*time.Millisecond)
		began := time.Now()
		unasked := f.work(t.Context(), newPass(l, jobsOf(map[string]int{"aws_s3_bucket": 5000})), 10)
		if unasked != 5000 || f.begins > 40 || time.Since(began) > time.Minute {
			t.Errorf("%d not asked, %d calls in %v", unasked, f.begins, time.Since(began))
		}
		l.renew(10)
		f.bears = 10
		if f.work(t.Context(), newPass(l, jobsOf(map[string]int{"aws_s3_bucket": 100})), 10) != 0 || f.answered != 100 {
			t.Error("the next scan does not try again")
		}
	})
}

func TestPassEndsWhenItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeSystem(0)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		f.work(ctx, newPass(newLimits(10, 10*time.Second), jobsOf(map[string]int{"aws_s3_bucket": 100})), 10)
		if took := time.Since(began); took > 3*time.Second+f.slow {
			t.Errorf("took %v", took)
		}
	})
}

// A system that goes on refusing is a gap, after a few tries; one that stops is none.
func TestTrap18_ThrottledReadIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("always", nil), thing("once", nil), thing("fine", nil))
	r.live(testprovider.World{"odd_thing/always": {Fault: "diagnostic:429 Too Many Requests"}, "odd_thing/once": {FaultOnce: "status:exhausted"}})
	got := r.scan()
	if o := got.by["odd_thing.always"]; o.Gap == nil || o.Gap.Reason != taffrail.ReasonThrottled {
		t.Errorf("gap %+v", o.Gap)
	}
	if got.coverage.Checked != 2 || got.coverage.Incomplete != 1 {
		t.Errorf("coverage %+v", got.coverage)
	}
	reads := map[string]int{}
	for _, call := range r.calls() {
		reads[call]++
	}
	if reads["read odd_thing/always"] != 1+maxRefused || reads["read odd_thing/once"] != 2 || reads["read odd_thing/fine"] != 1 {
		t.Errorf("reads %v", reads)
	}
}

type brokenSealer struct{ sealer }

func (b brokenSealer) Seal(v taffrail.Value) taffrail.Value {
	if v.Shape() == taffrail.ShapeString {
		panic("no key")
	}
	return b.sealer.Seal(v)
}

// Some providers keep something of each call: one that has grown too much gives way to another, and nothing is read twice.
func TestAProviderThatGrowsIsStartedAnew(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process takes is known on Linux alone")
	}
	r := newRig(t)
	r.install()
	var all []res
	for i := range 3 * lookEvery {
		all = append(all, thing(fmt.Sprint("r", i), nil))
	}
	r.state(all...)
	s := r.open()
	s.growth = -1 << 40 // whatever it has is too much
	if got := r.read(s); got.coverage.Checked != len(all) || got.coverage.Total != len(all) {
		t.Errorf("coverage %+v", got.coverage)
	}
	starts := 0
	for _, line := range testprovider.Log(r.world) {
		if strings.HasPrefix(line, "configure ") {
			starts++
		}
	}
	if reads := len(r.calls()); reads != len(all) || starts != 3 {
		t.Errorf("%d reads of %d resources, %d starts", reads, len(all), starts)
	}
	if s.sessions[slices.Collect(maps.Keys(s.sessions))[0]].crashes != 0 {
		t.Error("that counts as a crash")
	}
}

// A mistake of ours costs one resource.
func TestPanicIsAGap(t *testing.T) {
	r := newRig(t)
	r.install()
	r.state(thing("a", nil), thing("b", nil))
	s := r.open()
	s.env.Sealer = brokenSealer{}
	s.host.environ = append(s.host.environ, "SOME_TOKEN=n-a-secret")
	r.live(testprovider.World{"odd_thing/a": set("name", `"n-a-secret"`)})
	got := r.read(s)
	o := got.by["odd_thing.a"]
	if o.Gap == nil || o.Gap.Reason != taffrail.ReasonError || !strings.Contains(o.Gap.Detail, "internal: ") {
		t.Errorf("gap %+v", o.Gap)
	}
	if b := got.by["odd_thing.b"]; b.Gap != nil {
		t.Errorf("the other one: %+v", b.Gap)
	}
	if log := fmt.Sprint(r.log); !strings.Contains(log, "a read panicked") || strings.Contains(log, "n-a-secret") {
		t.Error("the operational log does not say where")
	}
}
