package terraform

import (
	"math/rand/v2"
	"strings"
	"time"
)

const (
	// maxRefused is how often one resource is read again because the system asked for fewer calls.
	maxRefused = 4
	// maxRounds is how many rounds of calls in a row may be refused, each after a longer pause, before a service is given up for the
	// rest of a scan.
	maxRounds = 6
	// roundsToRaise is how many rounds of answers it takes to allow one call more.
	roundsToRaise = 4
	// longestPause bounds how long a service is left alone after a refusal.
	longestPause = 15 * time.Second
)

// Limits bound how many resources of each service are read at once through one provider configuration. Systems count calls by
// account and service, and production shares the count: so a service that refuses is asked half as much, after a pause, and is then
// slowly asked more again. They outlive one reading. Whoever uses them locks.
type limits struct {
	most     int           // resources of one service at once
	pause    time.Duration // after a first refusal
	services map[string]*service
}

// A service is what one API of a system is asked, as far as it shows in the names of types.
type service struct {
	allowed float64 // from 1 to most
	running int
	resumes time.Time // nothing is begun before
	lowered time.Time // when allowed went down last
	rounds  int       // of calls that were refused, one after the other
}

// serviceOf names the service of a type: the word after the provider's own, "s3" of aws_s3_bucket.
func serviceOf(resourceType string) string {
	_, rest, _ := strings.Cut(resourceType, "_")
	name, _, _ := strings.Cut(rest, "_")
	return name
}

func newLimits(most int, pause time.Duration) *limits {
	return &limits{most: most, pause: pause, services: map[string]*service{}}
}

// renew gives every service another chance. What it was seen to bear stays.
func (l *limits) renew(most int) {
	l.most = most
	for _, s := range l.services {
		s.rounds, s.running, s.allowed = 0, 0, min(s.allowed, float64(most))
	}
}

func (l *limits) of(name string) *service {
	s := l.services[name]
	if s == nil {
		s = &service{allowed: float64(l.most)}
		l.services[name] = s
	}
	return s
}

// ready says whether one more may begin; if it is only too early, when.
func (s *service) ready(now time.Time) (ok bool, resumes time.Time) {
	switch {
	case s.running > 0 && s.running >= int(s.allowed):
		return false, time.Time{}
	case now.Before(s.resumes):
		return false, s.resumes
	}
	return true, time.Time{}
}

// givenUp says whether the service refused so often that it is not asked any more.
func (s *service) givenUp() bool { return s.rounds >= maxRounds }

// accepted takes note of the answer to a call that began at some time: one more may run after some rounds of answers.
func (l *limits) accepted(s *service, began time.Time) {
	if !began.After(s.lowered) {
		return // it says nothing of the new limit
	}
	s.rounds = 0
	s.allowed = min(s.allowed+1/(roundsToRaise*s.allowed), float64(l.most))
}

// refused takes note of a refusal of a call that began at some time. Those that were under way together are refused together, and
// lower the limit once.
func (l *limits) refused(s *service, began, now time.Time) {
	if !began.After(s.lowered) {
		return
	}
	s.rounds++
	s.allowed = max(s.allowed/2, 1)
	s.lowered = now
	pause := min(l.pause<<min(s.rounds-1, 10), longestPause)
	s.resumes = now.Add(pause/2 + rand.N(pause/2+1)) // chance, so that those who share an account do not come back together
}
