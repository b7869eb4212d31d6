package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// header is what every entry has in clear, as far as a verifier makes use of it.
type header struct {
	Type    string `json:"type"`
	Time    string `json:"time"`
	Counter int64  `json:"counter"`
	Outcome string `json:"outcome"`
	Intent  *int64 `json:"intent"`

	Digests   []string `json:"_sd"` // of fields that stand outside (RFC 9901)
	Algorithm string   `json:"_sd_alg"`
}

// parseHeader reads the header of an entry. What is spelled as entries are is read by a scanner, which takes a quarter of the time; all else
// by package json. Of that, what others might read otherwise is refused: names that stand there twice, or differ from those of a header in
// the case of letters alone, and whatever else canonical JSON has another spelling for.
func parseHeader(leaf []byte) (h header, err error) {
	if h, ok := scanHeader(leaf); ok {
		return h, nil
	}
	body, err := Canonical(leaf)
	if err != nil {
		return h, err
	}
	if !bytes.Equal(body, leaf) {
		return h, errors.New("it is not in canonical form")
	}
	var names map[string]json.RawMessage
	if err := json.Unmarshal(leaf, &names); err != nil {
		return h, err
	}
	for name := range names {
		for _, known := range headerNames {
			if name != string(known) && strings.EqualFold(name, string(known)) {
				return h, fmt.Errorf("its name %q is not %q", name, known)
			}
		}
	}
	err = json.Unmarshal(leaf, &h)
	return h, err
}

// scanHeader reads the header of an entry in canonical JSON. It knows part of JSON only, and says no to the rest; where it says yes, the
// header is what package json reads.
func scanHeader(leaf []byte) (h header, ok bool) {
	s := scanner{rest: leaf}
	var last []byte // nil before the first
	ok = s.list('{', '}', func() bool {
		name, ok := s.plain()
		if !ok || last != nil && bytes.Compare(name, last) <= 0 { // not in order, or there twice
			return false
		}
		last = name
		return s.next(':') && s.member(&h, name)
	})
	return h, ok && len(s.rest) == 0
}

// headerNames are the names of what a header has.
var headerNames = [][]byte{[]byte("_sd"), []byte("_sd_alg"), []byte("counter"), []byte("intent"), []byte("outcome"), []byte("time"), []byte("type")}

func (s *scanner) member(h *header, name []byte) bool {
	switch string(name) {
	case "_sd":
		h.Digests = []string{}
		return s.list('[', ']', func() bool {
			h.Digests = append(h.Digests, "")
			return s.text(&h.Digests[len(h.Digests)-1])
		})
	case "_sd_alg":
		return s.text(&h.Algorithm)
	case "counter":
		return s.integer(&h.Counter)
	case "intent":
		h.Intent = new(int64)
		return s.integer(h.Intent)
	case "outcome":
		return s.text(&h.Outcome)
	case "time":
		return s.text(&h.Time)
	case "type":
		return s.text(&h.Type)
	}
	// Package json takes a name in other letters for the same.
	if slices.ContainsFunc(headerNames, func(known []byte) bool { return bytes.EqualFold(known, name) }) {
		return false
	}
	return s.value(0)
}
