package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// progress says how far the scans of some stacks have come.
type progress struct {
	mu     sync.Mutex
	stacks int
	ended  int
	active []*tracker
	now    func() time.Time

	fleeting bool // shown on a line that is written anew
}

// A tracker follows one stack.
type tracker struct {
	all    *progress
	target string
	began  time.Time // zero: not yet
	first  time.Time // when the first resource was read
	latest daemon.ScanProgress
	next   time.Time // of the round that follows; zero while one runs
}

func newProgress(stacks int) *progress { return &progress{stacks: stacks, now: time.Now} }

// of gives the tracker of one stack.
func (p *progress) of(target string) *tracker { return &tracker{all: p, target: target} }

func (t *tracker) begin() {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.began = t.all.now()
	t.all.active = append(t.all.active, t)
}

func (t *tracker) update(p daemon.ScanProgress) {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	if !t.next.IsZero() { // another round
		t.first, t.began, t.next = time.Time{}, t.all.now(), time.Time{}
	}
	if t.first.IsZero() {
		t.first = t.all.now()
	}
	t.latest = p
}

// rest says that a round has ended, and when the next one follows.
func (t *tracker) rest(pause time.Duration) {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.next = t.all.now().Add(pause)
}

func (t *tracker) end() {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.all.ended++
	for i, other := range t.all.active {
		if other == t {
			t.all.active = append(t.all.active[:i], t.all.active[i+1:]...)
			return
		}
	}
}

// String is one line for people.
func (p *progress) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	lead := ""
	if p.stacks > 1 {
		lead = fmt.Sprintf("[%d of %d stacks] ", p.ended, p.stacks)
	}
	if len(p.active) != 1 {
		return lead + p.sum()
	}
	return lead + p.active[0].line(p.now())
}

// sum is what is known of several stacks that are read at once.
func (p *progress) sum() string {
	var done, drifted, gaps int
	for _, t := range p.active {
		done, drifted, gaps = done+t.latest.Done, drifted+t.latest.Drifted, gaps+t.latest.Gaps
	}
	return fmt.Sprintf("Reading %s: %s%s ...", count(int64(len(p.active)), "stack", "stacks"), count(int64(done), "resource", "resources"), tally(drifted, gaps))
}

func (t *tracker) line(now time.Time) string {
	if !t.next.IsZero() {
		return t.waiting(now)
	}
	took := now.Sub(t.began).Truncate(time.Second)
	p := t.latest
	if p.Done == 0 {
		return fmt.Sprintf("Opening %s ... %v", safe(t.target), took)
	}
	resources := count(int64(p.Done), "resource", "resources")
	if p.Total > 0 {
		resources = fmt.Sprintf("%d of %s", p.Done, count(int64(p.Total), "resource", "resources"))
	}
	return fmt.Sprintf("Reading %s: %s%s%s ... %v", safe(p.Stack.Name), resources, tally(p.Drifted, p.Gaps), t.pace(now), took)
}

func tally(drifted, gaps int) string {
	text := fmt.Sprintf(", %d drifted", drifted)
	if gaps > 0 {
		text += fmt.Sprintf(", %d not read", gaps)
	}
	return text
}

// pace is how fast it goes, and how long it will take if it goes on like this: once that means something.
func (t *tracker) pace(now time.Time) string {
	const after = 2 * time.Second
	reading := now.Sub(t.first)
	if reading < after || t.latest.Done < 2 {
		return ""
	}
	rate := float64(t.latest.Done) / reading.Seconds()
	text := fmt.Sprintf(", %.0f/s", rate)
	if rate < 10 {
		text = fmt.Sprintf(", %.1f/s", rate)
	}
	if left := t.latest.Total - t.latest.Done; left > 0 {
		text += fmt.Sprintf(", %v left", max(time.Second, time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second)))
	}
	return text
}

// waiting is shown between two rounds, where it leaves no trace.
func (t *tracker) waiting(now time.Time) string {
	if !t.all.fleeting {
		return ""
	}
	return fmt.Sprintf("Next round in %v (Ctrl-C ends)", max(0, t.next.Sub(now)).Round(time.Second))
}
