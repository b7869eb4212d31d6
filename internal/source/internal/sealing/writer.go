package sealing

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/form"
	"github.com/taffrail-dev/taffrail/internal/source/internal/jsonscan"
)

// A writer rewrites one record, or one document in it. Bytes that stay are copied in runs as long as possible.
type writer struct {
	rules  *Rules
	origin Origin
	in     []byte
	at     int // the next byte to look at
	from   int // the first byte that is not copied yet
	out    []byte
	depth  int // of the nesting in this document
	level  int // of the nesting in the record, through all documents
	sealed int // how many secrets were replaced
}

// whole rewrites one value and nothing after it.
func (w *writer) whole(around *Object) error {
	if err := w.value(false, nil, around); err != nil {
		return err
	}
	if w.peek() != 0 || w.at < len(w.in) {
		return w.broken()
	}
	w.flush()
	return nil
}

func (w *writer) broken() error { return form.NotJSON(min(w.at+1, len(w.in))) }

// flush copies what was passed.
func (w *writer) flush() {
	w.out = append(w.out, w.in[w.from:w.at]...)
	w.from = w.at
}

// peek is the next byte after white space, and zero at the end. White space is not copied.
func (w *writer) peek() byte {
	if w.at < len(w.in) && w.in[w.at] > ' ' {
		return w.in[w.at]
	}
	if next := jsonscan.Space(w.in, w.at); next > w.at {
		w.flush()
		w.at, w.from = next, next
	}
	if w.at < len(w.in) {
		return w.in[w.at]
	}
	return 0
}

// take passes one byte, if it is the next.
func (w *writer) take(c byte) bool {
	if w.peek() != c {
		return false
	}
	w.at++
	return true
}

// value rewrites the next value: one that is secret by its name, or not; field is the name of the field in which it stands, or its list does.
func (w *writer) value(secret bool, field []byte, around *Object) error {
	switch c := w.peek(); c {
	case '"':
		return w.text(secret, around)
	case '{':
		return w.object(secret, field, around)
	case '[':
		return w.list(secret, field, around)
	case 't':
		return w.word("true")
	case 'f':
		return w.word("false")
	case 'n':
		return w.word("null")
	case 0:
		return w.broken()
	}
	return w.number(secret)
}

func (w *writer) enter() error {
	w.at++
	w.depth++
	w.level++
	if w.depth > MaxDepth {
		return errDeep
	}
	return nil
}

func (w *writer) leave() {
	w.depth--
	w.level--
}

func (w *writer) list(secret bool, field []byte, around *Object) error {
	if err := w.enter(); err != nil {
		return err
	}
	defer w.leave()
	if w.take(']') {
		return nil
	}
	for {
		if err := w.value(secret, field, around); err != nil {
			return err
		}
		if w.take(']') {
			return nil
		}
		if !w.take(',') {
			return w.broken()
		}
	}
}

// A scope is the object that is being rewritten.
type scope struct {
	secret bool   // by its name
	text   []byte // from its brace on
	paired bool   // whether it was looked for a name that it gives its value
	given  bool   // whether that name is a secret's
	object *Object
	form   func(field string) Form
}

func (w *writer) object(secret bool, field []byte, around *Object) error {
	s := scope{secret: secret && w.rules.Within, text: w.in[w.at:], object: around}
	if w.rules.Treat != nil {
		s.object = &Object{Name: string(field), Parent: around, text: s.text}
		s.form = w.rules.Treat(s.object)
	}
	if err := w.enter(); err != nil {
		return err
	}
	defer w.leave()
	if w.take('}') {
		return nil
	}
	for {
		if err := w.field(&s); err != nil {
			return err
		}
		if w.take('}') {
			return nil
		}
		if !w.take(',') {
			return w.broken()
		}
	}
}

func (w *writer) field(s *scope) error {
	if w.peek() != '"' {
		return w.broken()
	}
	start := w.at
	name, seen, err := w.quoted()
	if err != nil {
		return err
	}
	if w.isSecretAlone(name, seen, s.object) {
		w.replace(start, taffrail.String(string(name)))
	}
	if !w.take(':') {
		return w.broken()
	}
	if s.form != nil {
		if f := s.form(string(name)); f != nil {
			return w.treated(f)
		}
	}
	return w.value(w.isSecretField(s, name), name, s.object)
}

// isSecretField goes by each field's own name, by that of the object, and in pairs by the name that the pair gives.
func (w *writer) isSecretField(s *scope, name []byte) bool {
	if w.rules.Names.Secret(name) || s.secret && !isPublicField(name) {
		return true
	}
	if !isValueField(name) {
		return false
	}
	if !s.paired {
		s.paired, s.given = true, w.rules.Names.Secret(pairName(s.text))
	}
	return s.given
}

// treated replaces the next value as a form says: of an object the value of each field, and all else as a whole.
func (w *writer) treated(f Form) error {
	if w.peek() != '{' {
		return w.sealWhole(f)
	}
	if err := w.enter(); err != nil {
		return err
	}
	defer w.leave()
	if w.take('}') {
		return nil
	}
	for {
		if w.peek() != '"' {
			return w.broken()
		}
		if _, _, err := w.quoted(); err != nil {
			return err
		}
		if !w.take(':') {
			return w.broken()
		}
		if err := w.sealWhole(f); err != nil {
			return err
		}
		if w.take('}') {
			return nil
		}
		if !w.take(',') {
			return w.broken()
		}
	}
}

// sealWhole replaces the next value whatever it is, unless it is null or sealed already.
func (w *writer) sealWhole(f Form) error {
	w.peek()
	start := w.at
	end, ok := jsonscan.Value(w.in, start)
	if !ok {
		return w.broken()
	}
	v, err := taffrail.FromJSON(w.in[start:end])
	if err != nil {
		return w.broken()
	}
	w.at = end
	if _, done := taffrail.ParseSealedText(v.Text()); done && w.origin == Either || v.IsNull() {
		return nil
	}
	w.replace(start, f(v))
	return nil
}

// replace writes the digest of a value in the place of the bytes from start up to here.
func (w *writer) replace(start int, v taffrail.Value) {
	w.out = append(w.out, w.in[w.from:start]...)
	w.out = append(append(append(w.out, '"'), taffrail.SealedText(w.rules.Sealer.Seal(v))...), '"')
	w.from = w.at
	w.sealed++
}

func (w *writer) word(word string) error {
	if end := w.at + len(word); end <= len(w.in) && string(w.in[w.at:end]) == word {
		w.at = end
		return nil
	}
	return w.broken()
}

// longestNumber is how long numbers are that cannot be beyond all bounds, unless they have an exponent.
const longestNumber = 1000

func (w *writer) number(secret bool) error {
	start, exponent := w.at, false
	if w.in[w.at] == '-' {
		w.at++
	}
	if w.at < len(w.in) && w.in[w.at] == '0' {
		w.at++
	} else if w.digits() == 0 {
		return w.broken()
	}
	if w.at < len(w.in) && w.in[w.at] == '.' {
		w.at++
		if w.digits() == 0 {
			return w.broken()
		}
	}
	if w.at < len(w.in) && w.in[w.at]|0x20 == 'e' {
		exponent = true
		w.at++
		if w.at < len(w.in) && (w.in[w.at] == '+' || w.in[w.at] == '-') {
			w.at++
		}
		if w.digits() == 0 {
			return w.broken()
		}
	}
	if !secret && !exponent && w.at-start <= longestNumber {
		return nil
	}
	v, err := taffrail.Number(string(w.in[start:w.at]))
	if err != nil {
		return errNumber
	}
	if secret {
		w.replace(start, v)
	}
	return nil
}

// digits passes digits, and says how many.
func (w *writer) digits() int {
	start := w.at
	for w.at < len(w.in) && '0' <= w.in[w.at] && w.in[w.at] <= '9' {
		w.at++
	}
	return w.at - start
}

// What is seen in a text while it is passed, so that most texts need not be looked at again.
const (
	seenEnd     = 1 << iota // the quote, an escape, or what may not stand there
	seenEquals              // =
	seenAt                  // @
	seenDash                // -
	seenSpecial             // an escape
)

var classes = classify()

func classify() (c [256]byte) {
	for i := range 0x20 {
		c[i] = seenEnd
	}
	c['"'], c['\\'] = seenEnd, seenEnd
	c['='], c['@'], c['-'] = seenEquals, seenAt, seenDash
	return c
}

// quoted passes a string, and gives its text without escapes and what was seen in it.
func (w *writer) quoted() (text []byte, seen byte, err error) {
	start := w.at
	in := w.in
	for i := start + 1; i < len(in); i++ {
		c := in[i]
		class := classes[c]
		seen |= class
		if class != seenEnd {
			continue
		}
		if c == '"' {
			w.at = i + 1
			seen &^= seenEnd
			if seen&seenSpecial == 0 {
				return in[start+1 : i], seen, nil
			}
			return jsonscan.AppendText(make([]byte, 0, i-start), in[start:w.at]), 0xff, nil
		}
		n := escape(in[i:])
		if n == 0 {
			w.at = i
			return nil, 0, w.broken()
		}
		seen |= seenSpecial
		i += n - 1
	}
	w.at = len(in)
	return nil, 0, w.broken()
}

// escape is how long the escape is that a text begins with, and 0 if it begins with none.
func escape(text []byte) int {
	if text[0] != '\\' || len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(text) >= 6 && jsonscan.Hex[text[2]] != 0 && jsonscan.Hex[text[3]] != 0 && jsonscan.Hex[text[4]] != 0 && jsonscan.Hex[text[5]] != 0 {
			return 6
		}
	}
	return 0
}

// text rewrites a text: seals it, or opens it where it is a document, or leaves it.
func (w *writer) text(secret bool, around *Object) error {
	start := w.at
	text, seen, err := w.quoted()
	if err != nil || len(text) == 0 {
		return err
	}
	switch c := text[0]; {
	case c == 't' && taffrail.IsSealedText(string(text)):
		if w.isForged(text) {
			w.replace(start, taffrail.String(string(text)))
		}
	case secret:
		if !w.isHidden(text) {
			w.replace(start, taffrail.String(string(text)))
		}
	case w.isSecretText(text, seen):
		if !w.isHidden(text) {
			w.replace(start, taffrail.String(string(text)))
		}
	case w.rules.Documents && mayOpen(c) && w.document(start, text, around):
	case seen&seenEquals != 0 && w.rules.Names.assigns(text) && !w.isHidden(text):
		w.replace(start, taffrail.String(string(text)))
	}
	return nil
}

// isForged says whether a text that looks sealed was not sealed by us, as far as that can be known.
func (w *writer) isForged(text []byte) bool {
	if w.origin == Delivered {
		return true
	}
	_, ok := taffrail.ParseSealedText(string(text))
	return !ok
}

func (w *writer) isHidden(text []byte) bool { return w.rules.Hidden != nil && w.rules.Hidden(text) }

// isSecretText is [IsSecretText], with a shorter way for texts that cannot be.
func (w *writer) isSecretText(text []byte, seen byte) bool {
	switch text[0] {
	case 'g', 'x', 'e':
		return IsSecretText(text)
	}
	return seen&(seenDash|seenAt) != 0 && len(text) >= minToken && (seen&seenDash != 0 && holdsPrivateKey(text) || seen&seenAt != 0 && holdsPassword(text))
}

// isSecretAlone says whether the name of a field is a secret itself, or holds one.
func (w *writer) isSecretAlone(name []byte, seen byte, around *Object) bool {
	if len(name) == 0 {
		return false
	}
	if name[0] == 't' && taffrail.IsSealedText(string(name)) {
		return w.isForged(name)
	}
	if w.isSecretText(name, seen) || seen&seenEquals != 0 && w.rules.Names.assigns(name) {
		return true
	}
	if !w.rules.Documents || !mayOpen(name[0]) {
		return false
	}
	inner, err := w.inside(name, around)
	return err == nil && inner.sealed > 0
}

// mayOpen says whether a document may begin with a byte: a bracket, an escape of a URL, or white space, of which some is not ASCII.
func mayOpen(c byte) bool { return c == '{' || c == '[' || c == '%' || c <= ' ' || c >= 0x80 }

// inside rewrites a text as a document.
func (w *writer) inside(text []byte, around *Object) (writer, error) {
	plain, ok := Document(text)
	if !ok {
		return writer{}, errNoDocument
	}
	if !utf8.Valid(plain) {
		plain = validated(plain)
	}
	inner := writer{rules: w.rules, origin: w.origin, in: plain, level: w.level + 1}
	return inner, inner.whole(around)
}

// document rewrites a text that is one, and says whether it is. One that holds no secret stays as it is.
func (w *writer) document(start int, text []byte, around *Object) bool {
	if w.level >= maxDocument {
		plain, ok := Document(text)
		if ok = ok && json.Valid(plain); ok {
			w.replace(start, taffrail.String(string(text)))
		}
		return ok
	}
	inner, err := w.inside(text, around)
	if err != nil {
		return false
	}
	if inner.sealed > 0 {
		w.out = appendQuoted(append(w.out, w.in[w.from:start]...), inner.out)
		w.from = w.at
		w.sealed += inner.sealed
	}
	return true
}

func appendQuoted(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
