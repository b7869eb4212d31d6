package terraform

import "time"

// freshFor is how long after the state was written a system may still give the answers of before: most do for some seconds.
const freshFor = 2 * time.Minute

// isFresh says whether a state that was written at some time, as far as that is known, is younger. The two times may be of different clocks.
func isFresh(written, now time.Time) bool {
	return !written.IsZero() && now.Sub(written).Abs() < freshFor
}

// later has a job read again before what was found is believed.
func (s *session) later(j *job) outcome {
	delay := s.stack.config.ConfirmDelay
	if s.reading.fresh {
		delay = s.stack.config.SettleDelay
	}
	j.notBefore = s.stack.env.Now().Add(delay)
	return unsure
}

// differs says whether anything differs that the provider does not give its value alone.
func (j *job) differs() bool {
	if j.observation.Live.IsNull() {
		return true
	}
	_, alone := movedByItself(&j.observation, j.converter.Resource)
	return !alone
}
