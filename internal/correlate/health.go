package correlate

import "time"

// whole says whether no gap of a source is known in the window.
func (c *caseOf) whole(source string) bool {
	for _, h := range c.Health {
		if h.Source != source && source != "" {
			continue
		}
		for _, gap := range h.Gaps {
			if gap.overlaps(c.Start, c.End) {
				return false
			}
		}
	}
	return true
}

// openFrom is when the part of the window begins of which events may still arrive; zero: it is settled.
func (c *caseOf) openFrom(source string) (from time.Time) {
	for _, h := range c.Health {
		if h.Source != source && source != "" || h.CompleteUntil.IsZero() || !h.CompleteUntil.Before(c.End) {
			continue
		}
		if from.IsZero() || h.CompleteUntil.Before(from) {
			from = h.CompleteUntil
		}
	}
	return from
}
