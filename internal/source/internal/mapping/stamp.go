package mapping

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/internal/source/internal/sealing"
)

// A Delivery is what a receiver knows of a record that the record itself does not say.
type Delivery struct {
	Received time.Time         `json:"received,omitzero"` // when it came, for a record without a time
	Headers  map[string]string `json:"headers,omitempty"` // those that the settings name, by their canonical names
}

// received is where [Stamp] puts the time.
var received = []string{"taffrail", "received"}

// Stamp gives an object with what is known of its delivery as its last member, "taffrail": of a name that stands twice the last counts, so no
// sender can put another in its place. What is no object is given back as it is.
func Stamp(object []byte, d Delivery) []byte {
	trimmed := bytes.TrimSpace(object)
	if len(trimmed) < 2 || trimmed[0] != '{' || trimmed[len(trimmed)-1] != '}' {
		return object
	}
	member, err := json.Marshal(d)
	if err != nil {
		return object
	}
	inside := bytes.TrimSpace(trimmed[1 : len(trimmed)-1])
	stamped := append(make([]byte, 0, len(trimmed)+len(member)+16), '{')
	stamped = append(stamped, inside...)
	if len(inside) > 0 {
		stamped = append(stamped, ',')
	}
	return append(append(append(stamped, `"taffrail":`...), member...), '}')
}

// spoken are the ways in which lines for people give a secret away that no field names.
var spoken = regexp.MustCompile(`(?i)(^|[^a-z0-9])(passw(or)?d|passphrase|pwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret)["']?\s*[:=]\s*["']?[^\s"']|\b(bearer|basic)\s+[A-Za-z0-9+/._~=-]{12,}`)

// spokenFields are the names under which lines for people stand.
var spokenFields = []string{"event", "message", "msg", "body", "log", "line", "text", "raw", "description", "detail", "details", "reason"}

// maxLines is how many such fields of one object are looked at, since each look reads the whole object. Those after it are secrets.
const maxLines = 32

// lines seals texts for people that hold a secret somewhere in them: they are no documents, and what is secret in them has no name of its own.
func lines(o *sealing.Object) func(string) sealing.Form {
	looked := 0
	return func(field string) sealing.Form {
		if !slices.Contains(spokenFields, field) {
			return nil
		}
		if looked++; looked > maxLines {
			return sealing.Same
		}
		text := o.Text(field)
		if _, document := sealing.Document([]byte(text)); !document && HoldsSecret(text) {
			return sealing.Same
		}
		return nil
	}
}

// HoldsSecret says whether a line for people holds a secret, as far as that can be seen by its form.
func HoldsSecret(line string) bool {
	if spoken.MatchString(line) {
		return true
	}
	for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`"'=,;()<>[]{}`, r) }) {
		if sealing.IsSecretText([]byte(word)) {
			return true
		}
	}
	return false
}
