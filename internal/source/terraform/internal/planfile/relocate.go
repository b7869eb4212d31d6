package planfile

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/taffrail-dev/taffrail"
)

// Relocate undoes that the plan was made in a copy of the stack: a path of the copy that code worked out, as abspath does, becomes the
// path of the original. A resource of which nothing but such a path would have changed is unchanged.
func (p *Plan) Relocate(copied, original string) {
	from, to := inJSON(copied), inJSON(original)
	var kept []Change
	for _, c := range p.Changes {
		if c.relocate(from, to) {
			p.Unchanged[c.key()] = true
		} else {
			kept = append(kept, c)
		}
	}
	p.Changes = kept
}

// inJSON is a text as it stands between the quotes of JSON.
func inJSON(s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		return []byte(s) // a text has no error
	}
	return quoted[1 : len(quoted)-1]
}

func (c *Change) relocate(from, to []byte) (spurious bool) {
	if !bytes.Contains(c.After, from) {
		return false
	}
	after := bytes.ReplaceAll(c.After, from, to)
	c.After = after
	if c.Action != taffrail.ActionUpdate && c.Action != taffrail.ActionReplace || c.Previous != "" {
		return false
	}
	old, err := decode(c.Before)
	if err != nil {
		return false
	}
	wanted, err := decode(after)
	if err != nil {
		return false
	}
	unknown, err := decode(c.Unknown)
	return err == nil && sameAsFarAsKnown(old, wanted, unknown)
}

func sameAsFarAsKnown(old, wanted, unknown any) bool {
	marks, partly := unknown.(map[string]any)
	o, isObject := old.(map[string]any)
	w, both := wanted.(map[string]any)
	switch {
	case unknown == true:
		return true
	case !partly || !isObject || !both:
		return reflect.DeepEqual(old, wanted)
	}
	for name := range o {
		if !sameAsFarAsKnown(o[name], w[name], marks[name]) {
			return false
		}
	}
	for name := range w {
		if _, had := o[name]; !had {
			return false
		}
	}
	return true
}
