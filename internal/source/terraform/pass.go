package terraform

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A pass hands out jobs to those who read them, as fast as the limits of each service allow, and keeps what they come to.
type pass struct {
	mu      sync.Mutex
	changed sync.Cond
	limits  *limits
	waiting map[string][]*job // by service
	turns   []string          // services with jobs that wait, in the order in which it is their turn
	running int
	unsure  []*job
	lost    []*job
	dead    bool // the provider died: what waits is left
	begun   int
	full    func() bool // whether the provider is to be started anew; looked at now and then
	tired   bool        // it is: what waits is left
}

// lookEvery is after how many jobs full is asked.
const lookEvery = 256

func newPass(l *limits, jobs []*job) *pass {
	p := &pass{limits: l, waiting: map[string][]*job{}, full: func() bool { return false }}
	p.changed.L = &p.mu
	for _, j := range jobs {
		p.add(j)
	}
	return p
}

func (p *pass) add(j *job) {
	name := serviceOf(j.instance.Type)
	if len(p.waiting[name]) == 0 {
		p.turns = append(p.turns, name)
	}
	p.waiting[name] = append(p.waiting[name], j)
}

// left gives the jobs that were not begun.
func (p *pass) left() []*job {
	var left []*job
	for _, name := range p.turns {
		left = append(left, p.waiting[name]...)
	}
	return left
}

// A turn is a job that is under way.
type turn struct {
	*job
	service *service
	began   time.Time
	ask     bool // unless the service was given up
}

// next gives the next job as soon as one may begin; none if none is left or the provider is dead. When ctx has ended there are no
// limits, since nobody is asked any more. What is given must be noted.
func (p *pass) next(ctx context.Context) (t turn, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.dead || p.tired || len(p.turns) == 0 && p.running == 0 {
			return turn{}, false
		}
		now := time.Now()
		var resumes time.Time
		for i, name := range p.turns {
			s := p.limits.of(name)
			free, early := s.ready(now)
			if free || s.givenUp() || ctx.Err() != nil {
				return turn{job: p.take(i), service: s, began: now, ask: !s.givenUp()}, true
			}
			if resumes.IsZero() || !early.IsZero() && early.Before(resumes) {
				resumes = early
			}
		}
		p.wait(now, resumes)
	}
}

// take takes a job of the service whose turn it is, which then has to wait for all others.
func (p *pass) take(i int) *job {
	name := p.turns[i]
	jobs := p.waiting[name]
	j := jobs[0]
	jobs[0] = nil
	p.waiting[name] = jobs[1:]
	p.turns = slices.Delete(p.turns, i, i+1)
	if len(jobs) > 1 {
		p.turns = append(p.turns, name)
	}
	p.limits.of(name).running++
	p.running++
	if p.begun++; p.begun%lookEvery == 0 && p.full() {
		p.tired = true
		p.changed.Broadcast()
	}
	return j
}

// wait waits until something changes, or until it is time.
func (p *pass) wait(now, resumes time.Time) {
	if !resumes.IsZero() {
		timer := time.AfterFunc(resumes.Sub(now), p.wake)
		defer timer.Stop()
	}
	p.changed.Wait()
}

func (p *pass) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed.Broadcast()
}

// note takes what came of a turn.
func (p *pass) note(t turn, o outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.service.running--
	p.running--
	switch o {
	case unsure:
		p.unsure = append(p.unsure, t.job)
	case lost:
		p.lost = append(p.lost, t.job)
		p.dead = true
	case refused:
		p.add(t.job)
	}
	switch {
	case !t.ask:
	case o == refused || o == turnedDown:
		p.limits.refused(t.service, t.began, time.Now())
	default:
		p.limits.accepted(t.service, t.began)
	}
	p.changed.Broadcast()
}
