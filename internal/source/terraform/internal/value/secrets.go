package value

import (
	"cmp"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

const (
	// minSecret is how long a text must be to be looked for inside of others, in bytes: a shorter one is found everywhere by chance.
	minSecret = 6
	// minExact is how long a text must be to be a secret wherever a value is that text.
	minExact = 3
)

// mask stands for a secret in a message to people.
const mask = "(sensitive)"

// Secrets are texts that must not be shown. The zero Secrets are none, and so are nil ones. They may be read by many, and added to
// by one who reads alone.
type Secrets struct {
	exact map[string]bool // found where they are the whole text: what is short, or common
	parts map[string]bool // found anywhere in a text
	order []string        // the parts, in the order in which they came
}

// In says whether a text is one of the secrets, or holds one.
func (s *Secrets) In(text string) bool {
	if s == nil || len(text) < minExact {
		return false
	}
	return s.exact[text] || slices.ContainsFunc(s.order, func(part string) bool { return strings.Contains(text, part) })
}

// isNumber says whether a number is one of the secrets. Only long ones are: a short one is found everywhere by chance.
func (s *Secrets) isNumber(f *big.Float) bool {
	if s == nil || len(s.order) == 0 {
		return false
	}
	return slices.ContainsFunc(numberTexts(f), func(text string) bool { return s.parts[text] })
}

// Empty says whether there are none.
func (s *Secrets) Empty() bool { return s == nil || len(s.exact) == 0 && len(s.order) == 0 }

// Texts are all that is looked for, in no order.
func (s *Secrets) Texts() []string {
	if s == nil {
		return nil
	}
	return append(slices.Collect(maps.Keys(s.exact)), s.order...)
}

// Join gives the secrets of all sets as one that is nobody else's.
func Join(sets ...*Secrets) *Secrets {
	joined := &Secrets{}
	for _, s := range sets {
		if s == nil {
			continue
		}
		for text := range s.exact {
			joined.addExact(text)
		}
		for _, part := range s.order {
			joined.addPart(part)
		}
	}
	return joined
}

// maxMessage bounds what is kept of a message, in bytes.
const maxMessage = 500

// Message makes someone else's text fit for people: without secrets, on one line, without control characters, not too long. It is
// cut last, or a part of a secret could stay.
func (s *Secrets) Message(text string) string {
	text = s.Scrub(oneLine(s.Scrub(text)))
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return text
}

func oneLine(s string) string {
	blank := func(r rune) bool { return r <= ' ' || r == 0x7f || r >= 0x80 && r <= 0x9f }
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), blank), " ")
}

// Scrub replaces the secrets in a text, the longest first, since one may hold another.
func (s *Secrets) Scrub(text string) string {
	if s == nil {
		return text
	}
	longest := slices.SortedFunc(slices.Values(s.order), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, part := range longest {
		text = strings.ReplaceAll(text, part, mask)
	}
	return text
}

// Add adds a text, and the forms in which a message, a document or an address would quote it.
func (s *Secrets) Add(text string) {
	trimmed := strings.TrimSpace(text)
	if len(trimmed) < minSecret || isCommon(trimmed) {
		s.addExact(text)
		s.addExact(trimmed)
		return
	}
	for _, form := range forms(text) {
		s.addPart(form)
	}
}

// addKey adds a key of a map that is secret. Most are plain names ("password"), and are not looked for inside of other texts.
func (s *Secrets) addKey(key string) {
	if strings.ContainsAny(key, "0123456789") && len(key) >= minEncoded {
		s.Add(key)
		return
	}
	s.addExact(key)
}

func (s *Secrets) addExact(text string) {
	if len(text) < minExact || meansNothing(text) {
		return
	}
	if s.exact == nil {
		s.exact = map[string]bool{}
	}
	s.exact[text] = true
}

func (s *Secrets) addPart(text string) {
	if len(text) < minSecret || s.parts[text] {
		return
	}
	if s.parts == nil {
		s.parts = map[string]bool{}
	}
	s.parts[text] = true
	s.order = append(s.order, text)
}

// AddAll adds every text and number in a value, and the keys of its maps. Names of attributes are no secrets.
func (s *Secrets) AddAll(v cty.Value) {
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if !v.IsKnown() || v.IsNull() {
			return false, nil
		}
		switch t := v.Type(); {
		case t == cty.String:
			s.Add(v.AsString())
		case t == cty.Number:
			s.addNumber(v.AsBigFloat())
		case t.IsMapType():
			for key := range v.AsValueMap() {
				s.addKey(key)
			}
		}
		return true, nil
	})
}

func (s *Secrets) addNumber(f *big.Float) {
	for _, text := range numberTexts(f) {
		s.Add(text)
	}
}

// maxBinary is the binary exponent from which on nobody writes all digits of a number.
const maxBinary = 1100

// numberTexts are the ways to write a number in full; none for one that nobody writes so, which would take minutes.
func numberTexts(f *big.Float) []string {
	if exponent := f.MantExp(nil); f.IsInf() || exponent > maxBinary || exponent < -maxBinary {
		return nil
	}
	texts := []string{f.Text('f', -1)}
	if exact := f.Text('f', 0); f.IsInt() && exact != texts[0] {
		texts = append(texts, exact)
	}
	return texts
}
