package remote

import (
	"encoding/json"
	"strings"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
)

// A Lock is what a backend tells of the lock of a state. Reading it never takes, extends or breaks one.
type Lock struct {
	// Held says that somebody has the lock: an operation is likely under way.
	Held bool
	// Unknown says that this backend cannot be asked without taking the lock. Held is then false, and means nothing.
	Unknown bool
	// Who, Operation and Since are as the tool wrote them down, where it did and where they can be read.
	Who, Operation, Since string
}

// String tells who does what since when, as far as it is known.
func (l Lock) String() string {
	switch {
	case l.Unknown:
		return "unknown"
	case !l.Held:
		return "not held"
	}
	var parts []string
	for _, part := range []struct{ word, text string }{{"by ", l.Who}, {"for ", l.Operation}, {"since ", l.Since}} {
		if part.text != "" {
			parts = append(parts, part.word+part.text)
		}
	}
	return strings.TrimSpace("held " + strings.Join(parts, " "))
}

// HeldBy reads what the tool writes down with a lock. A lock whose text cannot be read is held all the same.
func HeldBy(info []byte) Lock {
	var written struct{ Who, Operation, Created string }
	if json.Unmarshal(info, &written) != nil {
		return Lock{Held: true}
	}
	return Lock{Held: true, Who: addr.Clip(written.Who), Operation: addr.Clip(written.Operation), Since: addr.Clip(written.Created)}
}
