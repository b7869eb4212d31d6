package cloud

import (
	"net/http"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

// A Clock is a clock of the cloud's own: it moves by a step with each request,
// and otherwise only when it is told to.
type Clock struct {
	mu    sync.Mutex
	now   time.Time
	every time.Duration
}

// NewClock makes a clock that stands at a moment.
func NewClock(start time.Time, every time.Duration) *Clock { return &Clock{now: start, every: every} }

// Now reads it.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *Clock) step() { c.Advance(c.every) }

// Advance moves it.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// atLeast sees to it that a clock that was started again does not go back.
func (c *Clock) atLeast(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
}

// newest is when an object changed last.
func (s *store) newest() (t time.Time) {
	for _, o := range s.data.Objects {
		if o.UpdatedAt.After(t) {
			t = o.UpdatedAt
		}
	}
	return t
}

// moveClock moves the cloud's own clock forward.
func (c *Cloud) moveClock(w http.ResponseWriter, r *http.Request) {
	var ask api.Advance
	err := api.Decode(http.MaxBytesReader(w, r.Body, maxBody), &ask)
	d, problem := time.ParseDuration(ask.By)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, api.ErrorDetail{Code: "Invalid", Message: err.Error()})
	case problem != nil || d < 0:
		refuse(w, http.StatusBadRequest, api.ErrorDetail{Code: "Invalid", Message: "by must be a duration that is not negative, such as 90s"})
	case c.clock == nil:
		refuse(w, http.StatusConflict, api.ErrorDetail{Code: "NoClock", Message: "this cloud goes by the clock on the wall; start it with --clock"})
	default:
		c.clock.Advance(d)
		answer(w, http.StatusOK, api.Moment{Now: c.now()})
	}
}

// flushTrail delivers all records at once.
func (c *Cloud) flushTrail(w http.ResponseWriter, _ *http.Request) {
	if c.trail == nil {
		refuse(w, http.StatusConflict, api.ErrorDetail{Code: "NoTrail", Message: "this cloud keeps no audit trail; start it with --trail"})
		return
	}
	if err := c.trail.Flush(); err != nil {
		refuse(w, http.StatusInternalServerError, api.ErrorDetail{Code: "InternalError", Message: err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
