package correlate

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/taffrail-dev/taffrail"
)

// A grade is what sort of answer it is. How often answers of a grade are right is measured, and kept as data.
type grade string

const (
	gradeProved   grade = "proved"    // the object's own versions, none missing
	gradeAsserted grade = "asserted"  // the versions show it, and one may be missing
	gradeAmid     grade = "amid"      // the same, and one right before is known to be missing
	gradeRewrite  grade = "rewritten" // the same, and the request gave the whole object
	gradeManager  grade = "manager"   // the object itself notes who wrote the field last
	gradeModel    grade = "model"     // a model of the event
	gradeRepeated grade = "repeated"  // a sure one, and a later event wrote the value again: one between that took it away may be missing
	gradeOften    grade = "often"     // the same, and several later ones did
	gradeShadowed grade = "shadowed"  // there is an event that cannot be seen into, and that may have done the same
	gradeWhole    grade = "whole"     // the value at the same names all the way
	gradeNamed    grade = "named"     // the value under the same name
	gradeReplaced grade = "replaced"  // a set was replaced by one without it
	gradeUnset    grade = "unset"     // the event's name says that it takes it away
	gradeLoose    grade = "loose"     // the value under a name that fits loosely
	gradeValue    grade = "value"     // the value, in an event of the family
	gradeAnswer   grade = "answer"    // the value, in the answer
	gradeStray    grade = "stray"     // the value, in any event
	gradeOpaque   grade = "opaque"    // the only event of the family, which cannot be seen
	gradeOpaques  grade = "opaques"   // one of several such
	gradeOnly     grade = "only"      // the only event that touches the resource
	gradeTie      grade = "tie"       // two at the same time, and either would do
	gradePart     grade = "part"      // the last of several that each gave a part
	gradeVia      grade = "via"       // through a shared object
)

// A graded says how sure answers of a grade are.
type graded struct {
	Tier       taffrail.Tier `json:"tier"`       // the best that it can be
	Confidence float64       `json:"confidence"` // in a log of which no gap is known
	Gapped     float64       `json:"gapped"`     // where a gap is known, or the log is known to lose events
	Losing     float64       `json:"losing"`     // where it is known to lose many
	Binary     float64       `json:"binary"`     // the same, of true or false
	Skewed     float64       `json:"skewed"`     // where the event stands outside the window, within what clocks may differ
}

func loadGrades(text []byte) (map[grade]graded, error) {
	var file struct {
		Note   string           `json:"note"`
		Grades map[grade]graded `json:"grades"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("read confidences: %w", err)
	}
	for name, g := range file.Grades {
		if !g.Tier.Names() || g.Confidence <= 0 || g.Confidence > 1 {
			return nil, fmt.Errorf("confidence of grade %q is out of range", name)
		}
	}
	return file.Grades, nil
}

// What a confidence must be for a tier.
const (
	minLikely   = 0.93
	minPossible = 0.5
)

// tierOf is the tier of an answer of a grade and a confidence.
func tierOf(best taffrail.Tier, sure float64, whole bool) taffrail.Tier {
	switch {
	case sure <= minPossible:
		return taffrail.TierUnexplained
	case (best == taffrail.TierProved || best == taffrail.TierExplained) && whole:
		return best
	case sure >= minLikely && best != taffrail.TierPossible:
		return taffrail.TierLikely
	}
	return taffrail.TierPossible
}
