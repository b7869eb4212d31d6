package correlate

import "github.com/taffrail-dev/taffrail"

// A Record is what logs have shown so far, of changes like those that are asked about. One question has a few changes, which say next to nothing of
// what is missing; all that were ever asked say how much a log loses. The zero Record is of logs of which nothing is known yet.
type Record struct {
	Settled int // changes whose event would have come by then
	Unseen  int // of them, those whose event is missing: see [BasisUnseen]
}

// BasisUnseen is the basis of a change that no event does and that none which cannot be seen into may have done, though none is awaited and no gap is known:
// its event is missing.
const BasisUnseen = "unseen"

// Add counts the causes that were found for one question.
func (r *Record) Add(causes []taffrail.Cause) {
	for _, c := range causes {
		switch {
		case c.Basis == BasisUnseen:
			r.Unseen++
			r.Settled++
		case c.Event != nil:
			r.Settled++
		}
	}
}

// minUnseen is how many events must be missing before anything is made of it.
const minUnseen = 3

// loses says whether logs are known to lose one of so many events.
func (r Record) loses(one int) bool { return r.Unseen >= minUnseen && r.Unseen*one >= r.Settled }

// lossy says whether logs are known to lose events. Then no window passes for whole, whatever is known of gaps: a change may have been made by an
// event that is missing, and made again by the one that is there.
func (r Record) lossy() bool { return r.loses(25) }

// veryLossy says whether they lose so many that what an event was answered is no sign of who did it: it shows what stood there.
func (r Record) veryLossy() bool { return r.loses(8) }

// lossyReason has no figures: they change with each answer, and the answer need not.
const lossyReason = "the log loses events: for other changes that were asked about it had none"
