package audit

import "slices"

// A Level says how far an entry has come. Each holds what those up to signed hold; an entry that an anchor has seen need not have been
// witnessed.
type Level string

// The levels, from the lowest.
const (
	LevelQueued    Level = "queued"    // it is durable, together with the rows that belong to it, and has no index yet
	LevelSequenced Level = "sequenced" // its index is durable
	LevelSigned    Level = "signed"    // a checkpoint covers it, which the guard knows
	LevelWitnessed Level = "witnessed" // as many witnesses as the policy asks for cosigned such a checkpoint
	LevelAnchored  Level = "anchored"  // an outside authority has seen such a checkpoint
)

var levels = []Level{LevelQueued, LevelSequenced, LevelSigned, LevelWitnessed, LevelAnchored}

// Reaches says whether a level is another, or above it. What is no level reaches none.
func (l Level) Reaches(other Level) bool {
	at := slices.Index(levels, l)
	return at >= 0 && at >= slices.Index(levels, other)
}
